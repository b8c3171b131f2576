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

"""Enforcement: refuse flavors that a datastore version does not allow.

A guard checks a request before Trove handles it. It either raises, or returns
and the request goes to Trove unchanged. It finds the datastore version and
the flavors of a request as Trove 23 to 26 do, in the same database, with the
same libraries. Requests that Trove itself refuses for another reason (no such
instance, no such flavor, another project's instance) are left to Trove and
its usual message. So a guard reveals nothing that Trove does not reveal.

A guard relies on what the database says of an instance. While Trove resizes
an instance, the database still has its old flavor, so an upgrade has to wait.
An instance has a single task, and whichever operation ends first clears it.
So other requests that Trove would start on a busy instance have to wait too;
otherwise they would hide a resize.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import typing
from urllib import parse

from oslo_context import context
import webob

from trove_flavor_filter.api import bodies
from trove_flavor_filter.api import identity
from trove_flavor_filter.db import targets as db_targets
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter import policies
from trove_flavor_filter import requirement
from trove_flavor_filter import services

# The maximum number of allowed flavors that a refusal lists.
SUGGESTIONS = 5

# Length of Trove's columns, in characters: for ids, and for names, version
# numbers and flavors. A longer text is refused, or not found.
LONGEST_ID = 36
LONGEST_NAME = 255

# More than any cluster has: the largest, Redis, is designed for a thousand.
MOST_NODES = 1000

# Codes of trove.instance.tasks.
DELETING, RESIZING, BUILDING, UPGRADING = 2, 4, 5, 0x59
BUSY = {RESIZING: 'being resized', UPGRADING: 'being upgraded'}
# No task is running: none is set, a restart is needed, or there was an error.
SETTLED = {1, 7, *range(0x50, 0x5e)} - {UPGRADING}

# Actions that write the tasks of other instances than the one they check.
REPLICATION = {'promote_to_replica_source', 'eject_replica_source'}

Document = bodies.Document

_Owned = typing.TypeVar('_Owned', db_targets.Target, db_targets.Task)


class Case(typing.NamedTuple):
    """A datastore version, and the flavors that a request would run it on.

    :ivar exists: whether an instance runs on them already; if so, Trove does
        not ask Nova for them
    """

    target: db_targets.Target
    flavor_ids: Iterable[str]
    exists: bool = False


class Guard(typing.NamedTuple):
    """The check of one request: its caller, and the services to use."""

    ctx: context.RequestContext
    services: services.Services
    project_id: str
    caller: nova.Caller

    def check(self, cases: Iterable[Case]) -> None:
        """Check that all flavors are allowed.

        :raises BadRequest: one of them is not allowed
        :raises Unavailable: Nova is needed and unavailable
        """
        for case in cases:
            for flavor_id in sorted(case.flavor_ids):
                reasons = self._reasons(case, flavor_id)
                if reasons is not None and not self._may_bypass():
                    raise self._refusal(case.target, flavor_id, reasons)

    def allowed(self, target: db_targets.Target,
                flavors: Sequence[requirement.Flavor]
                ) -> Sequence[requirement.Flavor]:
        """The flavors that :meth:`check` accepts.

        :param flavors: flavors that the caller can see, in any order
        :returns: those that are accepted, in the same order
        """
        if self._may_bypass():
            return flavors
        return target.requirement.select(flavors)

    def wait_for(self, tasks: Iterable[db_targets.Task]) -> None:
        """Check that no task is running on these instances.

        :raises NotReady: a task is running on one of them
        """
        for task in tasks:
            if task.task_id not in SETTLED and not self._may_bypass():
                raise exception.NotReady(
                    f'Instance {task.instance_id} is '
                    f'{BUSY.get(task.task_id, "busy with a task")}. '
                    f'Try again when that has ended.')

    def _may_bypass(self) -> bool:
        return self.services.policy.allows(self.ctx, policies.BYPASS)

    def _reasons(self, case: Case, flavor_id: str) -> list[str] | None:
        """The reasons to refuse a flavor, other than its association.

        :returns: None if the flavor is allowed; empty if the only reason is
            that it is not associated
        """
        wanted = case.target.requirement
        if wanted.is_empty:
            return None
        if wanted.nonsense:
            return ['what it requires cannot be understood']
        if wanted.contradictions:
            return wanted.contradictions
        if not wanted.is_associated(flavor_id):
            return []
        if wanted.goes_by_id:
            return None
        try:
            flavor = self.services.catalog.find(flavor_id, self.caller)
        except exception.FlavorNotFound:
            if not case.exists:
                raise
            flavor = None
        if flavor is None:
            # For a new flavor, Trove asks Nova and reports that it is missing.
            return (['there is no such flavor any more'] if case.exists
                    else None)
        # Nova may write the id differently; the flavor is associated.
        return wanted.shortcomings(flavor._replace(id=flavor_id)) or None

    def _refusal(self, target: db_targets.Target, flavor_id: str,
                 reasons: list[str]) -> exception.FlavorRefused:
        reason = '; '.join(reasons)
        visible = self._visible()
        # The caller must not see the names of other flavors.
        flavor = next((_named(flavor) for flavor in visible or ()
                       if flavor.id == flavor_id), flavor_id[:255])
        return exception.FlavorRefused(
            f'Flavor {flavor} is not supported for datastore version '
            f'{target.name} ({target.version_id})'
            f'{": " + reason if reason else ""}.'
            f'{_suggestion(target.requirement, visible)}',
            f'flavor refused: user={self.ctx.user_id} '
            f'project={self.project_id} '
            f'datastore_version={target.version_id} '
            f'flavor={flavor_id[:255]!r} '
            f'reason={reason or "not associated"!r}')

    def _visible(self) -> Sequence[requirement.Flavor] | None:
        """The flavors that the caller sees; None if Nova is unavailable."""
        try:
            return self.services.catalog.visible(self.caller).flavors
        except exception.NovaUnavailable:
            # The request is refused all the same, without suggestions.
            return None

    def own(self, found: Iterable[_Owned]) -> list[_Owned]:
        """Those to which Trove permits the caller access."""
        is_admin = self.services.policy.is_admin(self.ctx)
        return [each for each in found
                if is_admin or each.tenant_id == self.project_id]

    def named(self, datastore: typing.Any) -> list[db_targets.Target]:
        """The datastore version that ``datastore`` in a body refers to."""
        given = bodies.as_object(datastore, 'datastore')
        name = (_text(given, 'type')
                or self.services.conf.default_datastore)
        if not name:
            return []
        # For a cluster, Trove accepts any type for these two.
        number = given.get('version_number')
        if isinstance(number, str):
            number = _text(given, 'version_number')
        inactive_too = bool(given.get('return_inactive'))
        return [
            target for target in self.services.targets.named_version(
                name, _text(given, 'version') or None, number)
            if target.active or inactive_too]

    # One method for each guarded action; ``id`` is the id in the path.

    def create_instance(self, body: Document, _id: str) -> list[Case]:
        instance = bodies.as_object(body.get('instance'), 'instance')
        source_id = instance.get('replica_of')
        if source_id:
            # A replica has its source's datastore version and flavor.
            return [
                Case(target, target.flavor_ids)
                for target in self.own(
                    self.services.targets.instance_version(
                        _text(instance, 'replica_of', LONGEST_ID)))]
        flavor_id = _flavor_id(instance.get('flavorRef'))
        return [Case(target, [flavor_id])
                for target in self.named(instance.get('datastore', {}))]

    def update_instance(self, body: Document, id: str) -> list[Case]:
        # Trove treats an empty "instance" as a request to detach.
        instance = bodies.as_object(body.get('instance'), 'instance')
        # Trove starts these two even if another task is running.
        if 'access' in instance:
            self.wait_for(self.own(
                self.services.targets.tasks_of_instance(id)))
        if 'datastore_version' not in instance:
            return []
        targets = self.own(self.services.targets.instance_version(
            id, _text(instance, 'datastore_version')))
        for target in targets:
            self.wait_for(target.tasks)
        return [Case(target, target.flavor_ids, exists=True)
                for target in targets]

    def update_configuration(self, _body: Document, id: str) -> list[Case]:
        # Trove sets the task of each instance to "restart required", even if
        # another task is running.
        self.wait_for(
            task for task in
            self.services.targets.tasks_of_configuration(id)
            if task.tenant_id == self.project_id)
        return []

    def act_on_instance(self, body: Document, id: str) -> list[Case]:
        targets = self.services.targets
        if body.keys() & REPLICATION:
            self.wait_for(self.own(targets.tasks_of_replication_set(id)))
        # Administrators may reset an instance that is stuck. Trove permits
        # owners to do it before they delete an instance. An instance that is
        # being built cannot be deleted otherwise. One that is being deleted
        # will not be resized.
        if ('reset_status' in body
                and not self.services.policy.is_admin(self.ctx)):
            self.wait_for(
                task for task in self.own(targets.tasks_of_instance(id))
                if task.task_id not in (BUILDING, DELETING))
        if 'resize' not in body:
            return []
        resize = bodies.as_object(body['resize'], 'resize')
        if 'flavorRef' not in resize:
            return []
        flavor_id = _flavor_id(resize['flavorRef'])
        return [Case(target, [flavor_id])
                for target in self.own(targets.instance_version(id))]

    def create_cluster(self, body: Document, _id: str) -> list[Case]:
        cluster = bodies.as_object(body.get('cluster'), 'cluster')
        flavor_ids = _flavor_ids_of_nodes(cluster.get('instances'))
        return [Case(target, flavor_ids)
                for target in self.named(cluster.get('datastore', {}))]

    def act_on_cluster(self, body: Document, id: str) -> list[Case]:
        targets = self.services.targets
        cases = []
        if 'grow' in body:
            flavor_ids = _flavor_ids_of_nodes(body['grow'])
            cases += [Case(target, flavor_ids) for target in self.own(
                targets.cluster_version(id))]
        if 'add_shard' in body:
            cases += [Case(target, target.flavor_ids) for target in self.own(
                targets.shard_versions(id))]
        if 'upgrade' in body:
            upgrade = bodies.as_object(body['upgrade'], 'upgrade')
            for target in self.own(targets.cluster_version(
                    id, _text(upgrade, 'datastore_version'))):
                self.wait_for(target.tasks)
                cases.append(Case(target, target.flavor_ids, exists=True))
        return cases


def _suggestion(wanted: requirement.Requirement,
                visible: Sequence[requirement.Flavor] | None) -> str:
    """A sentence that lists the smallest allowed flavors."""
    if visible is None:
        return ''
    flavors = wanted.select(visible)
    if not flavors:
        return ' No flavor would do.'
    flavors.sort(key=lambda flavor: (flavor.ram, flavor.vcpus,
                                     flavor.disk, flavor.id))
    return (f' Flavors that would do: '
            f'{", ".join(map(_named, flavors[:SUGGESTIONS]))}.')


def _named(flavor: requirement.Flavor) -> str:
    """A flavor for a message."""
    return f'{flavor.name} ({flavor.id})'


Action = Callable[[Guard, Document, str], list[Case]]


def check(action: Action, environ: dict[str, typing.Any],
          ctx: context.RequestContext, serves: services.Services,
          tenant_id: str, id: str = '') -> None:
    """Check a request: return, or raise to refuse it.

    The body is kept, so that Trove can read it again.

    :param action: the method of Guard for this kind of request
    :param id: id of the instance, cluster or configuration in the path
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises BadRequest: the body is invalid, or a flavor is not allowed
    :raises NotReady: a task is running on an instance
    :raises Unavailable: the database is unavailable; or Nova is, and a
        minimum, a maximum or an extra spec has to be checked
    """
    identity.check(environ, ctx, tenant_id)
    if len(id) > LONGEST_ID or not _is_comparable(id):
        raise exception.BadRequest('The path cannot be understood.')
    body = bodies.read(environ)
    if body is not None:
        guard = Guard(ctx, serves, tenant_id,
                      nova.Caller(tenant_id, ctx.auth_token))
        guard.check(action(guard, body, id))


def method_of(environ: dict[str, typing.Any]) -> str:
    """The HTTP method that Trove's router uses.

    In Routes, a query parameter ``_method`` overrides the real method, and
    Trove has not disabled that. Routes also accepts ``_method`` as a form
    field, but Trove refuses the content type of forms.
    """
    if '_method' in environ.get('QUERY_STRING', ''):
        try:
            override = webob.Request(environ).GET.get('_method')
        except UnicodeDecodeError:
            override = None
        if override:
            return override.upper()
    return environ['REQUEST_METHOD']


def _text(value: Document, name: str, longest: int = LONGEST_NAME) -> str:
    """A text in an object; empty if it is absent."""
    text = value.get(name, '')
    if not isinstance(text, str) or not _is_comparable(text):
        raise exception.BadRequest(f'The {name} must be a string.')
    if len(text) > longest:
        raise exception.BadRequest(
            f'The {name} must have no more than {longest} characters.')
    return text


def _is_comparable(text: str) -> bool:
    """Whether a text can be used in a query on every database."""
    try:
        return b'\0' not in text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can spell.
        return False


def _flavor_id(reference: typing.Any) -> str:
    """The id in a flavorRef, parsed as in Trove's get_id_from_href."""
    text = f'{reference}'
    try:
        if len(text) > LONGEST_NAME or not _is_comparable(text):
            raise ValueError
        return parse.urlsplit(text).path.split('/')[-1]
    except ValueError as error:
        raise exception.BadRequest(
            'The flavorRef cannot be understood.') from error


def _flavor_ids_of_nodes(nodes: typing.Any) -> set[str]:
    if not isinstance(nodes, list):
        raise exception.BadRequest('The nodes must be a list.')
    if len(nodes) > MOST_NODES:
        raise exception.BadRequest(
            f'There may be no more than {MOST_NODES} nodes.')
    return {_flavor_id(bodies.as_object(node, 'node').get('flavorRef'))
            for node in nodes}
