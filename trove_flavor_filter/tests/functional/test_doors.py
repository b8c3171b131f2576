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

"""Every route of Trove: guarded, or known to need no guard.

The routes are those of Trove's own mappers, in the release that is tested.
"""

import copy
import json
import os
import random
import sys

import fixtures
from oslotest import base

from trove_flavor_filter.tests.cloud import doors
from trove_flavor_filter.tests.functional import test_bypass
from trove_flavor_filter import wsgi

SWEEP = max(100, int(os.environ.get('FLAVOR_FILTER_HUNT', '2000')) // 4)


class TableTest(base.BaseTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.doors = doors.doors(
            os.environ.get('FLAVOR_FILTER_TROVE') or sys.prefix)

    def test_every_route_is_guarded_or_explained(self):
        self.assertEqual([], list(doors.unguarded(self.doors)))

    def test_each_line_of_the_guards_tables_is_needed(self):
        for name in ('GUARDED', 'GUARDED_RESOURCES'):
            original = getattr(wsgi, name)
            for path, actions in original.items():
                for action in actions:
                    table = copy.deepcopy(original)
                    del table[path][action]
                    with fixtures.MonkeyPatch(
                            f'trove_flavor_filter.wsgi.{name}', table):
                        self.assertNotEqual(
                            [], list(doors.unguarded(self.doors)),
                            (path, action))

    def test_each_explanation_is_needed(self):
        there = {door.name for door in self.doors}
        for why, names in doors.UNGUARDED.items():
            for name in names & there:
                self.assertNotEqual([], list(doors.unguarded(
                    self.doors, {**doors.UNGUARDED, why: names - {name}})),
                    name)

    def test_what_is_explained_is_nothing_that_is_guarded(self):
        explained = set().union(*doors.UNGUARDED.values())
        for door in self.doors:
            if door.kind in doors.CONTROLLERS and (
                    door.action in doors.ACTIONS):
                self.assertTrue(
                    door.name not in explained
                    or door.name in doors.UNGUARDED[doors.ADMIN]
                    or door.name == 'ConfigurationsController.create',
                    door)


class SweepTest(test_bypass.HuntedTestCase):
    """The same requests at every door: as a member, and by the database."""

    def setUp(self) -> None:
        super().setUp()
        self.prepare()
        self.configuration = self.unique('c')
        self.cloud.sql(
            'INSERT INTO configurations (id, name, tenant_id, '
            'datastore_version_id, deleted) VALUES (:id, :id, :tenant, '
            ':version, :no)', id=self.configuration, no=False,
            tenant=self.names['project'],
            version=self.names['mysql-version-id'])
        self.cloud.sql('UPDATE instances SET configuration_id = :c WHERE '
                       'id = :id', c=self.configuration,
                       id=self.names['instance'])

    def bodies(self) -> dict[str, tuple[str, dict]]:
        """What is refused at a door: name -> whose id, and the body."""
        names, tiny = self.names, test_bypass.TINY
        datastore = {'type': 'mysql', 'version': names['mysql-version-id']}
        node = {'flavorRef': tiny, 'volume': {'size': 1}}
        return {
            'create': ('instance', {'instance': {
                'name': 'swept', 'flavorRef': tiny,
                'datastore': datastore}}),
            'restore': ('instance', {'instance': {
                'name': 'swept', 'flavorRef': tiny, 'datastore': datastore,
                'restorePoint': {'backupRef': names['instance']}}}),
            'replica': ('instance', {'instance': {
                'name': 'swept', 'replica_of': names['small-instance']}}),
            'resize': ('instance', {'resize': {'flavorRef': tiny}}),
            'upgrade': ('small-instance', {'instance': {
                'datastore_version': names['mysql-version-id']}}),
            'access': ('small-instance', {'instance': {
                'access': {'is_public': True}}}),
            'configure': ('instance', {'configuration': {'values': {}}}),
            'promote': ('instance', {'promote_to_replica_source': {}}),
            'eject': ('instance', {'eject_replica_source': {}}),
            'reset': ('instance', {'reset_status': {'force_delete': True}}),
            'admin': ('instance', {'reset-task-status': {}}),
            'cluster': ('cluster', {'cluster': {
                'name': 'swept', 'instances': [node] * 3, 'datastore': {
                    'type': 'mariadb',
                    'version': names['mariadb-version-id']}}}),
            'grow': ('cluster', {'grow': [node]}),
            'add_shard': ('shards', {'add_shard': {}}),
            'upgrade_cluster': ('shards', {'upgrade': {
                'datastore_version': names['mysql-version-id']}}),
        }

    def path(self, door: doors.Door, whose: str) -> str:
        thing = self.names[whose]
        if 'configurations' in door.path:
            thing = self.configuration
        elif door.method == 'DELETE' or (
                'clusters' in door.path) != (whose in ('cluster', 'shards')):
            thing = '00000000-0000-0000-0000-000000000000'
        return '/v1.0' + door.at(
            tenant_id=self.names['project'], id=thing, instance_id=thing,
            cluster_id=thing)

    def ask(self, door: doors.Door, path: str, body: dict,
            overrides: bool = False) -> int:
        method = door.method
        if overrides:
            method, path = 'GET', f'{path}?_method={method.lower()}'
        return self.send(method, path, {'Content-Type': 'application/json'},
                         json.dumps(body).encode(), False)

    def test_no_request_of_a_member_changes_anything_at_any_door(self):
        chance = random.Random(test_bypass.SEED)
        self.cloud.sql('UPDATE instances SET task_id = :task', task=4)
        before = self.state()
        asked = [
            (door, name, overrides)
            for door in self.doors() if door.writes
            for name in self.bodies()
            for overrides in ((False, True) if door.kind in doors.CONTROLLERS
                              else (False,))]
        chance.shuffle(asked)
        bodies = self.bodies()
        for door, name, overrides in asked[:SWEEP]:
            whose, body = bodies[name]
            status = self.ask(door, self.path(door, whose), body, overrides)
            if self.state() != before:
                self.fail(f'{name} at {door}: {status}, and {before} became '
                          f'{self.state()}')

    # What is refused where: the door, the request, and by which answer.
    REFUSED = (
        ('InstanceController.create', 'create', 400),
        ('InstanceController.create', 'restore', 400),
        ('InstanceController.create', 'replica', 400),
        ('InstanceController.update', 'upgrade', 400),
        ('InstanceController.edit', 'upgrade', 400),
        ('ClusterController.create', 'cluster', 400),
    )
    BUSY = (
        ('InstanceController.update', 'upgrade'),
        ('InstanceController.update', 'access'),
        ('InstanceController.edit', 'upgrade'),
        ('InstanceController.edit', 'access'),
    )

    def test_each_door_of_a_controller_refuses_what_the_others_refuse(self):
        found = doors.by_name(self.doors())
        bodies = self.bodies()
        for action, name, status in self.REFUSED:
            for door in found[action]:
                whose, body = bodies[name]
                self.assertEqual(
                    status, self.ask(door, self.path(door, whose), body),
                    (door, name))
        self.cloud.sql('UPDATE instances SET task_id = :task', task=4)
        for action, name in self.BUSY:
            for door in found[action]:
                whose, body = bodies[name]
                self.assertEqual(
                    422, self.ask(door, self.path(door, whose), body),
                    (door, name))

    def test_each_door_lets_through_what_is_allowed(self):
        found = doors.by_name(self.doors())
        allowed = self.names['allowed']
        for door in found['InstanceController.create']:
            self.assertEqual(200, self.ask(
                door, self.path(door, 'instance'), {'instance': {
                    'name': 'open', 'flavorRef': allowed, 'datastore': {
                        'type': 'mysql',
                        'version': self.names['mysql-version-id']}}}), door)
        for door in (*found['InstanceController.update'],
                     *found['InstanceController.edit']):
            self.cloud.sql('UPDATE instances SET task_id = 1')
            self.assertEqual(202, self.ask(
                door, self.path(door, 'instance'), {'instance': {
                    'datastore_version': self.names['mysql-version-id']}}),
                door)

    def test_a_member_is_refused_where_trove_asks_for_an_administrator(self):
        parameter = {'name': 'x', 'restart_required': 0,
                     'data_type': 'string'}
        version = {'name': 'x', 'datastore_name': 'x',
                   'datastore_manager': 'mysql', 'active': True}
        # Trove looks at the body first, so there is one for each of them.
        body = {'upgrade': {}, 'quotas': {}, 'version': version,
                'configuration-parameter': parameter}
        for door in self.doors():
            if door.name in doors.UNGUARDED[doors.ADMIN]:
                self.assertIn(self.ask(
                    door, self.path(door, 'cluster'),
                    {} if door.name == 'DatastoreVersionController.edit'
                    else body), (401, 403), door)

    def test_administrators_use_their_routes_as_before(self):
        instance = f'/mgmt/instances/{self.names["instance"]}'
        for path, method, body, status in (
                ('/mgmt/instances', 'GET', None, 200),
                ('/mgmt/clusters', 'GET', None, 200),
                (instance, 'GET', None, 200),
                (f'{instance}.json', 'GET', None, 200),
                (f'{instance}/action', 'POST',
                 {'reset-task-status': {}}, 202),
                (f'{instance}/action.json', 'POST', {'reboot': {}}, 202),
                (instance, 'PUT', {'instance': {'name': 'renamed'}}, 202)):
            response = self.cloud.trove(path, method, 'admin', json=body)
            self.assertEqual(status, response.status_code,
                             (path, body, response.text))
        response = self.cloud.trove('/mgmt/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.names['allowed'],
                         'datastore': {'type': 'mysql', 'version':
                                       self.names['mysql-version-id']}}})
        self.assertEqual(200, response.status_code, response.text)
