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

"""Enforcement: what a datastore version does not allow is refused.

A guard looks at a request before Trove does and either raises, or returns
and lets it go on to Trove as it came. It resolves what the request means as
Trove 23 to 26 resolve it, from the same database, with the same libraries.
What Trove itself would refuse for another reason (no such instance, no such
flavor, another project's instance) is left to Trove, which says so as ever:
nobody learns from a guard what they could not learn from Trove.

A guard judges by what the database says of an instance. While Trove resizes
one, that is its old flavor still, so that an upgrade has to wait. An instance
has one task, which whatever ends first clears: so a request that Trove would
begin on a busy instance has to wait as well, or it would hide a resize.
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

# How many flavors that would do a refusal names.
SUGGESTIONS = 5

# Characters that Trove's columns hold: of ids, and of names, version numbers
# and flavors. What is longer is not looked for.
LONGEST_ID = 36
LONGEST_NAME = 255

# More than any cluster has: Redis, the largest, is made for a thousand.
MOST_NODES = 1000

# Codes of trove.instance.tasks.
DELETING, RESIZING, BUILDING, UPGRADING = 2, 4, 5, 0x59
BUSY = {RESIZING: 'being resized', UPGRADING: 'being upgraded'}
# Nothing is done to the instance: no task, a restart that it needs, errors.
SETTLED = {1, 7, *range(0x50, 0x5e)} - {UPGRADING}

# Actions that write the tasks of other instances than the one they look at.
REPLICATION = {'promote_to_replica_source', 'eject_replica_source'}

Document = bodies.Document

_Owned = typing.TypeVar('_Owned', db_targets.Target, db_targets.Task)


class Case(typing.NamedTuple):
    """Flavors that a request would have a datastore version run on.

    :ivar exists: whether an instance runs on them already, so that Trove
        will not ask Nova for them
    """

    target: db_targets.Target
    flavor_ids: Iterable[str]
    exists: bool = False


class Guard(typing.NamedTuple):
    """A guarded request: who sends it, and whom the guard may ask."""

    ctx: context.RequestContext
    services: services.Services
    project_id: str
    caller: nova.Caller

    def check(self, cases: Iterable[Case]) -> None:
        """Let allowed flavors pass.

        :raises BadRequest: one of them is not allowed
        :raises Unavailable: that cannot be told
        """
        for case in cases:
            for flavor_id in sorted(case.flavor_ids):
                reasons = self._reasons(case, flavor_id)
                if reasons is not None and not self._may_bypass():
                    raise self._refusal(case.target, flavor_id, reasons)

    def allowed(self, target: db_targets.Target,
                flavors: Sequence[requirement.Flavor]
                ) -> Sequence[requirement.Flavor]:
        """Those of some flavors that :meth:`check` would let pass.

        :param flavors: that the caller sees, in any order
        :returns: in the same order
        """
        if self._may_bypass():
            return flavors
        return target.requirement.select(flavors)

    def wait_for(self, tasks: Iterable[db_targets.Task]) -> None:
        """Let a request pass if nothing is being done to these instances.

        :raises NotReady: one of them has a task
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
        """What more than associations says against a flavor.

        :returns: empty when the flavor is just not associated, None when
            nothing is against it
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
            # Trove asks Nova for a new flavor and says that there is none.
            return (['there is no such flavor any more'] if case.exists
                    else None)
        # The flavor may go by another id in Nova; it is associated.
        return wanted.shortcomings(flavor._replace(id=flavor_id)) or None

    def _refusal(self, target: db_targets.Target, flavor_id: str,
                 reasons: list[str]) -> exception.FlavorRefused:
        reason = '; '.join(reasons)
        visible = self._visible()
        # The caller may not know the name of any other.
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
        """The flavors that the caller sees; None when Nova gives none."""
        try:
            return self.services.catalog.visible(self.caller).flavors
        except exception.NovaUnavailable:
            # A refusal stands without them.
            return None

    def own(self, found: Iterable[_Owned]) -> list[_Owned]:
        """Those that Trove would let the caller at."""
        is_admin = self.services.policy.is_admin(self.ctx)
        return [each for each in found
                if is_admin or each.tenant_id == self.project_id]

    def named(self, datastore: typing.Any) -> list[db_targets.Target]:
        """The datastore version that a ``datastore`` of a body means."""
        given = bodies.as_object(datastore, 'datastore')
        name = (_text(given, 'type')
                or self.services.conf.default_datastore)
        if not name:
            return []
        # Of these two Trove takes, in a cluster, whatever is there.
        number = given.get('version_number')
        if isinstance(number, str):
            number = _text(given, 'version_number')
        inactive_too = bool(given.get('return_inactive'))
        return [
            target for target in self.services.targets.named_version(
                name, _text(given, 'version') or None, number)
            if target.active or inactive_too]

    # One for each guarded action; ``id`` is the one of the path.

    def create_instance(self, body: Document, _id: str) -> list[Case]:
        instance = bodies.as_object(body.get('instance'), 'instance')
        source_id = instance.get('replica_of')
        if source_id:
            # A replica takes its source's datastore version and flavor.
            return [
                Case(target, target.flavor_ids)
                for target in self.own(
                    self.services.targets.instance_version(
                        _text(instance, 'replica_of', LONGEST_ID)))]
        flavor_id = _flavor_id(instance.get('flavorRef'))
        return [Case(target, [flavor_id])
                for target in self.named(instance.get('datastore', {}))]

    def update_instance(self, body: Document, id: str) -> list[Case]:
        # Trove takes an empty "instance" for a request to detach.
        instance = bodies.as_object(body.get('instance'), 'instance')
        # Trove begins these two whatever the instance is busy with.
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
        # Trove writes to each instance that it needs a restart, whatever it
        # is busy with.
        self.wait_for(
            task for task in
            self.services.targets.tasks_of_configuration(id)
            if task.tenant_id == self.project_id)
        return []

    def act_on_instance(self, body: Document, id: str) -> list[Case]:
        targets = self.services.targets
        if body.keys() & REPLICATION:
            self.wait_for(self.own(targets.tasks_of_replication_set(id)))
        # Administrators may reset what is stuck. Trove lets owners do it
        # before they delete an instance. One that is being built cannot be
        # deleted otherwise; one that is being deleted will not be resized.
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
    """The smallest flavors that would do, as a sentence."""
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
    """Let a request pass, or refuse it.

    The body is left to be read again, as it came.

    :param action: what the request does: one of the methods of Guard
    :param id: of the instance or cluster of the path
    :raises Unauthorized, Forbidden: the caller may not
    :raises BadRequest: the body cannot be understood, or a flavor is not
        allowed
    :raises Unavailable: the database is away; or Nova is, and a minimum is
        to be judged
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
    """The method that Trove's router goes by.

    Routes lets a query parameter ``_method`` take the place of the real one,
    and Trove has not turned that off. Its other way, a field of a form, ends
    at Trove's content types.
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
    """A text that may be absent, and then is empty."""
    text = value.get(name, '')
    if not isinstance(text, str) or not _is_comparable(text):
        raise exception.BadRequest(f'The {name} must be a string.')
    if len(text) > longest:
        raise exception.BadRequest(
            f'The {name} must have no more than {longest} characters.')
    return text


def _is_comparable(text: str) -> bool:
    """Whether every database can be asked about a text."""
    try:
        return b'\0' not in text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can spell.
        return False


def _flavor_id(reference: typing.Any) -> str:
    """The id in a flavorRef, as Trove's get_id_from_href takes it."""
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
