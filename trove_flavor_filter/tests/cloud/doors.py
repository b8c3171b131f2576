#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""The routes of Trove by which instances and clusters can be changed."""

import collections
from collections.abc import Iterator
from collections.abc import Mapping
import json
import os
import pathlib
import re
import subprocess
import typing

from trove_flavor_filter.tests.cloud import trove_routes
from trove_flavor_filter import wsgi

# Controllers that create instances and clusters, and change them.
CONTROLLERS = {'InstanceController', 'ClusterController',
               'ConfigurationsController'}
# Their methods that get the flavors and the versions.
ACTIONS = {'create', 'update', 'edit', 'action'}

# The routes that need no guard: why -> controller and action. What a member
# gets there, and that nothing changes, is tested on the cloud.
ADMIN, NO_ROW, DELETES, WAITS = (
    'Trove asks for an administrator, and no version or flavor changes.',
    'No row of an instance or a cluster gets a flavor, version or task.',
    'Nothing is left to run.',
    'Trove itself waits for the end of a task. The row that it writes back '
    'has no version that a recorded upgrade lacks.')
UNGUARDED: Mapping[str, set[str]] = {
    ADMIN: {
        'MgmtClusterController.action', 'UpgradeController.create',
        'QuotaController.update', 'DatastoreVersionController.create',
        'DatastoreVersionController.edit',
        'DatastoreVersionController.delete',
        'ConfigurationsParameterController.create',
        'ConfigurationsParameterController.update',
        'ConfigurationsParameterController.delete'},
    NO_ROW: {
        'ConfigurationsController.create', 'ConfigurationsController.delete',
        'BackupController.create', 'BackupController.delete',
        'BackupStrategyController.create', 'BackupStrategyController.delete',
        'ModuleController.create', 'ModuleController.update',
        'ModuleController.delete', 'ModuleController.reapply',
        'InstanceController.module_apply',
        'InstanceController.module_remove',
        'InstanceController.guest_log_action',
        'SchemaController.create', 'SchemaController.delete',
        'UserController.create', 'UserController.update',
        'UserController.update_all', 'UserController.delete',
        'UserAccessController.update', 'UserAccessController.delete',
        'RootController.create', 'RootController.delete',
        'DatastoreController.delete', 'DatastoreController.version_index',
        'DatastoreController.version_show',
        'DatastoreController.version_show_by_uuid',
        'ExtensionsResource.create', 'ExtensionsResource.delete'},
    DELETES: {
        'InstanceController.delete', 'MgmtInstanceController.delete',
        'ClusterController.delete', 'MgmtClusterController.delete'},
    WAITS: {'InstanceController.ssl_action'},
}

# The forms of a variable in a path: {name}, :(name) and :name.
VARIABLE = re.compile(r'\{(\w+)\}|:\((\w+)\)|:(\w+)')


class Door(typing.NamedTuple):
    """A route of Trove, with one of its methods.

    :ivar kind: the controller that its controller is, or inherits from
    :ivar name: controller and action
    """

    path: str
    method: str
    kind: str
    name: str

    @property
    def action(self) -> str:
        return self.name.partition('.')[2]

    def at(self, **values: str) -> str:
        """The path, with values for its variables.

        A variable without a value gets "json", which is a format.
        """
        return VARIABLE.sub(
            lambda match: values.get(next(filter(None, match.groups())),
                                     'json'), self.path)

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.method != 'GET' or self.action in ACTIONS


def doors(prefix: str) -> list[Door]:
    """All routes of Trove in a Python environment.

    :param prefix: of the environment
    """
    result = subprocess.run(
        [f'{prefix}/bin/python', '-W', 'ignore',
         str(pathlib.Path(trove_routes.__file__))],
        capture_output=True, text=True, check=True,
        env=os.environ | {'NO_EVENTLET_MONKEYPATCH': '1'})
    return [
        Door(route['path'], method, next(
            (name for name in route['controllers'] if name in CONTROLLERS),
            route['controllers'][0]),
            f'{route["controllers"][0]}.{route["action"]}')
        for route in json.loads(result.stdout)
        for method in route['methods'] or ('GET', 'POST', 'PUT', 'DELETE')]


def unguarded(found: list[Door],
              unguarded: Mapping[str, set[str]] = UNGUARDED
              ) -> Iterator[Door]:
    """The doors that the guard does not check, and no table explains."""
    explained = set().union(*unguarded.values())
    mapper = wsgi.mapper()
    for door in found:
        match = mapper.match(door.at(), {'REQUEST_METHOD': door.method})
        is_guarded = match and wsgi.guard_of(
            match['controller'], match.get('action', ''), door.method)
        if door.writes and not is_guarded and door.name not in explained:
            yield door


def by_name(found: list[Door]) -> dict[str, list[Door]]:
    """The doors that lead to each method of the controllers that matter."""
    names = collections.defaultdict(list)
    for door in found:
        if door.kind in CONTROLLERS:
            names[f'{door.kind}.{door.action}'].append(door)
    return names
