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

"""Enforcement: refuse what a datastore version does not allow.

A guard checks a request before Trove handles it. It either raises, or returns
and the request goes to Trove unchanged. It finds the datastore version, the
flavors and the volumes of a request as Trove 23 to 26 do, in the same
database, with the same libraries. Requests that Trove itself refuses for
another reason (no such instance, no such flavor, another project's instance)
are left to Trove and its usual message. So a guard reveals nothing that Trove
does not reveal.

A guard relies on what the database says of an instance. While Trove resizes
an instance, the database still has its old flavor, so an upgrade has to wait.
An instance has a single task, and whichever operation ends first clears it.
So other requests that Trove would start on a busy instance have to wait too;
otherwise they would hide a resize. During an upgrade, and after one that has
failed, the database has the new version of the instance, which may not run.
So upgrades are recorded until they are known to have succeeded, and until
then a flavor has to be allowed by all versions that the instance may run.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import typing

from oslo_context import context
from oslo_log import log
import webob

from trove_flavor_filter import acceptance
from trove_flavor_filter.api import bodies
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import trove_bodies
from trove_flavor_filter import conf as config
from trove_flavor_filter.db import lookup as db_lookup
from trove_flavor_filter.db import upgrades as db_upgrades
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.policy import rules
from trove_flavor_filter import requirement
from trove_flavor_filter import running
from trove_flavor_filter import services

LOG = log.getLogger(__name__)

# The outcomes of a decision, in the log.
REFUSED, WOULD_REFUSE, BYPASSED = 'refused', 'would_refuse', 'bypassed'
NOT_ASSOCIATED = 'not associated'

# The maximum number of allowed flavors that a refusal lists.
SUGGESTIONS = 5

BUSY: dict[int | None, str] = {running.RESIZING: 'being resized',
                               running.UPGRADING: 'being upgraded'}

# Actions on an instance. If a body has several, Trove takes the last one.
PROMOTE, EJECT = 'promote_to_replica_source', 'eject_replica_source'
RESIZE, RESET = 'resize', 'reset_status'
UPGRADE = 'upgrade'
# A resize of the volume; in a body, it is a resize.
RESIZE_VOLUME = 'resize_volume'
ACTIONS = ('restart', RESIZE, PROMOTE, EJECT, RESET)

# Actions of administrators, and actions on a cluster, that write the tasks of
# instances without waiting for the end of a task.
ADMIN_ACTIONS = {'reboot', 'rebuild', 'reset-task-status'}
CLUSTER_ACTIONS = {'reset-status', 'restart', 'configuration_attach',
                   'configuration_detach'}

Document = bodies.Document

_Owned = typing.TypeVar('_Owned', db_lookup.ResolvedVersion, running.Instance)


class Check(typing.NamedTuple):
    """A datastore version, and the hardware that a request would run it on.

    :ivar volume_sizes: of data volumes, in GiB
    :ivar volume_ids: volumes in Cinder whose sizes count instead, if Cinder
        knows them
    :ivar exists: whether an instance runs on the flavors already; if so,
        Trove does not ask Nova for them
    """

    target: db_lookup.ResolvedVersion
    flavor_ids: Collection[str] = ()
    volume_sizes: Collection[int] = ()
    volume_ids: Collection[str] = ()
    exists: bool = False

    @classmethod
    def of_existing(cls, target: db_lookup.ResolvedVersion,
                    exists: bool = False) -> 'Check':
        """A check of the hardware that existing instances have."""
        return cls(target, target.flavor_ids, target.volume_sizes,
                   exists=exists)


class Effects(typing.NamedTuple):
    """What Trove would do for a request, as far as it is checked or recorded.

    :ivar action: a word for the log
    :ivar checks: the hardware that it would run datastore versions on
    :ivar waits_for: instances that must not be busy with a task
    :ivar upgrades: instances that it would upgrade
    :ivar target_ids: the new datastore version of these instances; several
        if Trove could take any of them
    :ivar clears: instances whose task it would write, so that a cleared task
        does not tell the end of an upgrade
    :ivar clears_late: whether it would write the task only after a call to
        the guest, when an upgrade may have begun
    :ivar uses: other instances that it would change
    """

    action: str = ''
    checks: Sequence[Check] = ()
    waits_for: Sequence[running.Instance] = ()
    upgrades: Sequence[running.Instance] = ()
    target_ids: Sequence[str] = ()
    clears: Sequence[running.Instance] = ()
    clears_late: bool = False
    uses: Sequence[running.Instance] = ()


class Refusal(typing.NamedTuple):
    """What is not allowed about a request.

    :ivar instance_id: id of the instance or the cluster; may be ''
    :ivar owner_id: id of its project; None for the caller's own
    :ivar target: the datastore version that does not allow it
    :ivar flavor_id: the flavor of the request; '' if it has none, or several
        and none of them is refused
    :ivar volume_size: of the volume that is not allowed, in GiB; None if the
        flavor is not
    :ivar judges: the datastore versions that judge it, if these are others
        than those that the flavors are checked for
    :ivar is_busy: whether it is not allowed since a task is running
    """

    instance_id: str
    reason: str
    owner_id: str | None = None
    target: db_lookup.ResolvedVersion | None = None
    flavor_id: str = ''
    volume_size: int | None = None
    judges: Sequence[db_lookup.ResolvedVersion] = ()
    is_busy: bool = False


class Guard(typing.NamedTuple):
    """The check of one request: its caller, and the services to use.

    :ivar id: id of the instance, cluster or configuration in the path
    """

    ctx: context.RequestContext
    services: services.Services
    project_id: str
    caller: nova.Caller
    id: str = ''

    def check(self, effects: Effects) -> None:
        """Check that no instance is busy, and that all else is allowed.

        Nothing is refused by a requirement that is on trial; it is logged
        that it would be.

        :raises NotReady: a task is running on an instance
        :raises BadRequest: a flavor or a volume is not allowed
        :raises Unavailable: Nova is needed and unavailable
        """
        refusals = self._refusals(effects)
        while True:
            try:
                refusal = next(refusals, None)
            except exception.FlavorFilterError as error:
                self._unjudged(error, effects)
                return
            if refusal is None:
                return
            if self._bypasses(effects.action, [refusal])[0]:
                self._log(BYPASSED, effects.action, refusal)
            elif self._is_on_trial(effects, refusal):
                self._log(WOULD_REFUSE, effects.action, refusal)
                # The first refusal is the only one, as it is when enforced.
                return
            else:
                self._log(REFUSED, effects.action, refusal)
                raise self._error(effects, refusal)

    def judge(self, action: 'Action', environ: dict[str, typing.Any],
              is_off: bool) -> 'Finish | None':
        """Check a request, unless that is off, and record an upgrade.

        :returns: what has to be done when Trove has answered
        :raises FlavorFilterError: it is refused; or it is not judged, or an
            upgrade cannot be recorded, and that is off
        """
        try:
            if (len(self.id) > trove_bodies.LONGEST_ID
                    or not trove_bodies.is_comparable(self.id)):
                raise exception.BadRequest('Invalid path.')
            body = bodies.read(environ)
            if body is None:
                return None
            effects = action(self, body, self.id)
        except exception.FlavorFilterError as error:
            if is_off:
                raise
            self._unjudged(error)
            return None
        if not is_off:
            self.check(effects)
        try:
            return _record(effects, self.services.upgrades)
        except exception.Unavailable as error:
            if is_off:
                raise
            self._unjudged(error, effects)
            return None

    def _unjudged(self, error: exception.FlavorFilterError,
                  effects: Effects = Effects()) -> None:
        """Refuse a request that cannot be judged, unless it is on trial.

        :param effects: as far as they are known
        :raises FlavorFilterError: the error, if it is not
        """
        refusal = Refusal(self.id, getattr(error, 'reason', str(error)))
        is_on_trial = self._is_on_trial(effects, refusal)
        self._log(WOULD_REFUSE if is_on_trial else REFUSED, effects.action,
                  refusal)
        if not is_on_trial:
            # An outage is logged as such, too.
            error.is_logged = not isinstance(error, exception.Unavailable)
            raise error

    def _refusals(self, effects: Effects) -> Iterator[Refusal]:
        """What is not allowed, in the order in which it is refused."""
        for instance in effects.waits_for:
            if instance.is_busy and instance.waits:
                busy = BUSY.get(instance.task_id, 'busy with a task')
                siblings = self.services.lookup.siblings(
                    instance.version_id)
                yield Refusal(
                    instance.id, f'is {busy}', instance.tenant_id,
                    next((each for each in siblings if each.version_id
                          == instance.version_id), None),
                    judges=siblings, is_busy=True)
        for check in effects.checks:
            for flavor_id in sorted(check.flavor_ids):
                reasons = self._reasons(check, flavor_id)
                if reasons is not None:
                    yield Refusal(
                        self.id, '; '.join(reasons) or NOT_ASSOCIATED,
                        check.target.tenant_id, check.target, flavor_id)
            for size in sorted(self._volume_sizes(check)):
                reasons = check.target.requirement.volume_violations(size)
                if reasons:
                    flavors = list(check.flavor_ids)
                    yield Refusal(
                        self.id, '; '.join(reasons), check.target.tenant_id,
                        check.target, flavors[0] if len(flavors) == 1 else '',
                        volume_size=size)

    def _volume_sizes(self, check: Check) -> Collection[int]:
        """The sizes of the volumes to check, if they matter."""
        if not check.target.requirement.bounds_volume:
            return ()
        found = {self.services.volumes.size(volume_id)
                 for volume_id in check.volume_ids}
        return [size for size in found if size is not None
                ] or check.volume_sizes

    def _is_on_trial(self, effects: Effects, refusal: Refusal) -> bool:
        """Whether a request passes although it would be refused.

        It does if all requirements that it is judged by are on trial. Those
        without a bound do not judge a volume.
        """
        if config.enforcement(self.services.conf) == config.WARN:
            return True
        judges = refusal.judges or [each.target for each in effects.checks]
        found = [each.requirement for each in judges
                 if (not each.requirement.is_empty
                     if refusal.volume_size is None
                     else each.requirement.bounds_volume)]
        return bool(found) and all(each.on_trial for each in found)

    def allowed(self, targets: Iterable[db_lookup.ResolvedVersion],
                flavors: Sequence[requirement.Flavor]
                ) -> Sequence[requirement.Flavor]:
        """The flavors that :meth:`check` accepts.

        :param targets: the versions that the instance may run
        :param flavors: flavors that the caller can see, in any order
        :returns: those that are accepted, in the same order
        """
        for target in targets:
            allowed = {flavor.id for flavor in
                       target.requirement.select(flavors)}
            refused = [flavor for flavor in flavors
                       if flavor.id not in allowed]
            allowed.update(flavor.id for flavor, bypasses in zip(
                refused, self._bypasses(RESIZE, [
                    Refusal('', '', target.tenant_id, target, flavor.id)
                    for flavor in refused])) if bypasses)
            flavors = [flavor for flavor in flavors if flavor.id in allowed]
        return flavors

    def _bypasses(self, action: str, refusals: Iterable[Refusal]
                  ) -> list[bool]:
        """Whether the caller may bypass each of the refusals."""
        targets: list[dict[str, str]] = []
        for refusal in refusals:
            owner_id = refusal.owner_id or self.project_id
            version = refusal.target
            targets.append({
                'project_id': owner_id, 'tenant': owner_id, 'action': action,
                'datastore': version.datastore if version else '',
                'datastore_version':
                    version.datastore_version if version else '',
                'datastore_version_id': version.version_id if version else '',
                'flavor_id': refusal.flavor_id})
        return self.services.policy.permitted(
            self.ctx, rules.BYPASS, targets)

    def _log(self, outcome: str, action: str, refusal: Refusal) -> None:
        """Log a decision in one line."""
        LOG.info(
            'flavor decision: outcome=%s user=%s project=%s request_id=%s '
            'action=%s datastore_version=%s instance=%s flavor=%r reason=%r',
            outcome, self.ctx.user_id, self.project_id, self.ctx.request_id,
            action, refusal.target.version_id if refusal.target else '',
            refusal.instance_id,
            refusal.flavor_id[:trove_bodies.LONGEST_NAME],
            refusal.reason, context=self.ctx)

    def _reasons(self, check: Check, flavor_id: str) -> list[str] | None:
        """The reasons to refuse a flavor, other than its association.

        :returns: None if the flavor is allowed; empty if the only reason is
            that it is not associated
        """
        wanted = check.target.requirement
        if wanted.is_empty:
            return None
        if wanted.is_unreadable:
            return ['its requirement has invalid rows']
        if wanted.contradictions:
            return wanted.contradictions
        if not wanted.is_associated(flavor_id):
            return []
        if wanted.needs_only_id:
            return None
        try:
            flavor = self.services.catalog.find(flavor_id, self.caller)
        except exception.FlavorNotFound:
            if not check.exists:
                raise
            flavor = None
        if flavor is None:
            # For a new flavor, Trove asks Nova and reports that it is missing.
            return (['there is no such flavor any more'] if check.exists
                    else None)
        # Nova may write the id differently; the flavor is associated.
        return wanted.violations(flavor._replace(id=flavor_id)) or None

    def _error(self, effects: Effects, refusal: Refusal
               ) -> exception.FlavorFilterError:
        """The error for a refusal."""
        target = refusal.target
        if refusal.is_busy or target is None:
            return exception.NotReady(
                f'Instance {refusal.instance_id} {refusal.reason}. '
                f'Try again when the task has finished.')
        version = f'datastore version {target.name} ({target.version_id})'
        if refusal.volume_size is not None:
            return exception.Refused(
                f'A volume of {refusal.volume_size} GiB is not supported for '
                f'{version}: {refusal.reason}.')
        visible: Sequence[requirement.Flavor] = ()
        # The request is refused all the same if Nova is unavailable.
        suggestion = ''
        with contextlib.suppress(exception.NovaUnavailable):
            visible = self.services.catalog.visible(self.caller).flavors
            suggestion = _suggestion(self._accepted(
                effects, target, visible))
        # The caller must not see the names of other flavors.
        flavor = next((_named(flavor) for flavor in visible
                       if flavor.id == refusal.flavor_id),
                      refusal.flavor_id[:trove_bodies.LONGEST_NAME])
        reason = ('' if refusal.reason == NOT_ASSOCIATED
                  else f': {refusal.reason}')
        return exception.Refused(
            f'Flavor {flavor} is not supported for {version}{reason}.'
            f'{suggestion}')

    def _accepted(self, effects: Effects, target: db_lookup.ResolvedVersion,
                  visible: Sequence[requirement.Flavor]
                  ) -> Sequence[requirement.Flavor]:
        """The flavors that are accepted in place of one that is refused."""
        # An instance may run several versions, and all have to allow it.
        flavors = visible
        for each in effects.checks:
            flavors = each.target.requirement.select(flavors)
        if effects.action == RESIZE:
            return self.resizable(target, flavors)
        return acceptance.for_create(
            flavors, self.services.storages.get(target.manager),
            target.requirement)

    def upgradable(self, found: Sequence[db_lookup.ResolvedVersion]
                   ) -> list[db_lookup.ResolvedVersion]:
        """The versions to which an instance may be upgraded.

        :param found: all versions of its datastore, each with the instance
        :returns: those that :meth:`check` accepts if nothing is on trial, in
            the same order, without the version in the instance's row
        """
        (instance,) = found[0].instances
        if not self._is_accepted(Effects(
                UPGRADE, waits_for=found[0].instances)):
            return []
        return [target for target in found
                if target.version_id != instance.version_id
                and self._is_accepted(Effects(
                    UPGRADE, _upgrade_checks([target])))]

    def _is_accepted(self, effects: Effects) -> bool:
        """Whether nothing is refused, unless the caller may bypass it."""
        return all(self._bypasses(effects.action, [refusal])[0]
                   for refusal in self._refusals(effects))

    def resizable(self, target: db_lookup.ResolvedVersion,
                  flavors: Sequence[requirement.Flavor]
                  ) -> Sequence[requirement.Flavor]:
        """The flavors to which Trove itself resizes an instance.

        :param target: the instance, with its flavor
        :param flavors: flavors that are allowed
        :raises NovaUnavailable: the instance's flavor cannot be looked up
        """
        present = None
        # If Nova no longer has the flavor, or cannot have had it.
        with contextlib.suppress(exception.BadRequest):
            for flavor_id in target.flavor_ids:
                present = self.services.catalog.find(flavor_id, self.caller)
        return acceptance.for_resize(
            flavors, self.services.storages.get(target.manager), present,
            target.instances[0].cluster_id is not None)

    def own(self, found: Iterable[_Owned]) -> list[_Owned]:
        """Those to which Trove permits the caller access."""
        is_admin = self.services.policy.is_admin(self.ctx)
        return [each for each in found
                if is_admin or each.tenant_id == self.project_id]

    def named(self, datastore: typing.Any) -> list[db_lookup.ResolvedVersion]:
        """The datastore version that ``datastore`` in a body refers to."""
        given = bodies.as_object(datastore, 'datastore')
        name = (trove_bodies.text(given, 'type')
                or self.services.conf.default_datastore)
        if not name:
            return []
        # For a cluster, Trove accepts any type for these two.
        number = given.get('version_number')
        if isinstance(number, str):
            number = trove_bodies.text(given, 'version_number')
        inactive_too = bool(given.get('return_inactive'))
        return [
            target for target in self.services.lookup.named_version(
                name, trove_bodies.text(given, 'version') or None, number)
            if target.active or inactive_too]

    # One method for each guarded action; ``id`` is the id in the path.

    def create_instance(self, body: Document, _id: str) -> Effects:
        instance = bodies.as_object(body.get('instance'), 'instance')
        source_id = instance.get('replica_of')
        if source_id:
            # A replica has its source's datastore version and flavor, and a
            # volume as large as Cinder says of its source's.
            return Effects('create', [
                Check.of_existing(target)._replace(
                    volume_ids=target.volume_ids)
                for target in self.own(
                    self.services.lookup.instance_version(
                        trove_bodies.text(instance, 'replica_of',
                                          trove_bodies.LONGEST_ID)))])
        flavor_id = trove_bodies.flavor_id(instance.get('flavorRef'))
        sizes = trove_bodies.volume_sizes(instance)
        return Effects('create', [
            Check(target, [flavor_id], sizes)
            for target in self.named(instance.get('datastore', {}))])

    def update_instance(self, body: Document, id: str) -> Effects:
        instance = bodies.as_object(body.get('instance'), 'instance')
        lookup = self.services.lookup
        # Trove starts these two even if another task is running.
        if 'datastore_version' in instance:
            return self._upgrade(lookup.instance_upgrade(
                id, trove_bodies.text(instance, 'datastore_version')))
        if 'access' in instance:
            found = self.own(lookup.instance(id))
            return Effects('access', waits_for=found, clears=found)
        # Trove treats an empty "instance" as a request to detach. It waits
        # for the end of a task before it asks the guest, but not after.
        if 'configuration' in instance or not instance:
            return Effects(clears_late=True, clears=[
                each for each in self.own(lookup.with_replicas(id))
                if not each.is_busy])
        return Effects()

    def update_configuration(self, _body: Document, id: str) -> Effects:
        # Trove sets the task of each instance to "restart required", even if
        # another task is running.
        found = [instance for instance in
                 self.services.lookup.attached_to(id)
                 if instance.tenant_id == self.project_id]
        return Effects('configuration', waits_for=found, clears=found,
                       clears_late=True)

    def act_on_instance(self, body: Document, id: str) -> Effects:
        lookup = self.services.lookup
        action = next((key for key in reversed(body) if key in ACTIONS), None)
        if action in (PROMOTE, EJECT):
            found = self.own(lookup.replication_set(id))
            return Effects(action, waits_for=found, clears=found)
        if action == RESET:
            found = self.own(lookup.instance(id))
            # Administrators may reset an instance that is stuck. Trove
            # permits owners to do it before they delete an instance. An
            # instance that is being built cannot be deleted otherwise. One
            # that is being deleted will not be resized.
            waits = not self.services.policy.is_admin(self.ctx)
            return Effects(action, clears=found, waits_for=[
                each for each in found if waits and each.task_id not in (
                    running.BUILDING, running.DELETING)])
        if action != RESIZE:
            return Effects()
        resize = bodies.as_object(body[RESIZE], RESIZE)
        # If the body has both, Trove resizes the volume.
        if 'volume' in resize:
            sizes = trove_bodies.volume_sizes(resize)
            # Trove resizes the volumes of replicas as well.
            versions = self.own(lookup.instance_versions(id, replicas=True))
            return Effects(
                RESIZE_VOLUME,
                [Check(target, (), sizes) for target in versions],
                uses=_instances(versions))
        if 'flavorRef' not in resize:
            return Effects()
        flavor_id = trove_bodies.flavor_id(resize['flavorRef'])
        versions = self.own(lookup.instance_versions(id))
        return Effects(
            action, [Check(target, [flavor_id]) for target in versions],
            uses=_instances(versions))

    def administer_instance(self, body: Document, id: str) -> Effects:
        if not body.keys() & ADMIN_ACTIONS:
            return Effects()
        return Effects(clears=self.own(self.services.lookup.instance(id)))

    def create_cluster(self, body: Document, _id: str) -> Effects:
        cluster = bodies.as_object(body.get('cluster'), 'cluster')
        nodes = trove_bodies.nodes(cluster.get('instances'))
        flavor_ids = trove_bodies.flavor_ids(nodes)
        sizes = trove_bodies.volume_sizes(*nodes)
        others = trove_bodies.sizes_beside_nodes(
            cluster, self.services.conf.mongodb)
        return Effects('create', [
            Check(target, flavor_ids, sizes | (
                others if target.manager == 'mongodb' else set()))
            for target in self.named(cluster.get('datastore', {}))])

    def act_on_cluster(self, body: Document, id: str) -> Effects:
        # Trove refuses a body with more than one action.
        lookup = self.services.lookup
        if 'grow' in body:
            nodes = trove_bodies.nodes(body['grow'])
            flavor_ids = trove_bodies.flavor_ids(nodes)
            sizes = trove_bodies.volume_sizes(*nodes)
            return Effects('grow', [
                Check(target, flavor_ids, sizes)
                for target in self.own(lookup.cluster_version(id))])
        if 'add_shard' in body:
            return Effects('add_shard', [
                Check.of_existing(target)
                for target in self.own(lookup.shard_versions(id))])
        if UPGRADE in body:
            upgrade = bodies.as_object(body[UPGRADE], UPGRADE)
            return self._upgrade(lookup.cluster_upgrade(
                id, trove_bodies.text(upgrade, 'datastore_version')))
        if body.keys() & CLUSTER_ACTIONS:
            return Effects(clears=self.own(lookup.members(id)),
                           clears_late=True)
        return Effects()

    def _upgrade(self, found: Sequence[db_lookup.ResolvedVersion]) -> Effects:
        """An upgrade of instances to a datastore version.

        :param found: the version; several if Trove could take any of them
        """
        found = self.own(found)
        instances = found[0].instances if found else ()
        return Effects(
            UPGRADE, _upgrade_checks(found),
            waits_for=instances, upgrades=instances,
            target_ids=[target.version_id for target in found])


def _upgrade_checks(found: Iterable[db_lookup.ResolvedVersion]
                    ) -> list[Check]:
    """What is checked if instances are upgraded to one of the versions."""
    # An instance may go back to a version that it may still run.
    return [Check.of_existing(target, exists=True) for target in found
            if any(target.version_id not in instance.earlier
                   for instance in target.instances)]


def _instances(found: Iterable[db_lookup.ResolvedVersion]
               ) -> list[running.Instance]:
    return [each for target in found for each in target.instances]


def _suggestion(accepted: Iterable[requirement.Flavor]) -> str:
    """A sentence that lists the smallest of the flavors."""
    flavors = sorted(accepted, key=lambda flavor: (
        flavor.ram, flavor.vcpus, flavor.disk, flavor.id))
    if not flavors:
        return ' No flavor is allowed.'
    more = len(flavors) - SUGGESTIONS
    return (f' Allowed flavors: '
            f'{", ".join(map(_named, flavors[:SUGGESTIONS]))}'
            f'{f" and {more} more" if more > 0 else ""}.')


def _named(flavor: requirement.Flavor) -> str:
    """A flavor for a message."""
    return f'{flavor.name} ({flavor.id})'


Action = Callable[[Guard, Document, str], Effects]

# Actions that leave nothing to record.
CREATES = (Guard.create_instance, Guard.create_cluster)

# What has to be done when Trove has answered, given the status.
Finish = Callable[[int], None]


def check(action: Action, environ: dict[str, typing.Any],
          ctx: context.RequestContext, serves: services.Services,
          tenant_id: str, id: str = '') -> Finish | None:
    """Check a request: return, or raise to refuse it.

    The body is kept, so that Trove can read it again. An upgrade is recorded,
    even if nothing is enforced.

    :param action: the method of Guard for this kind of request
    :param id: id of the instance, cluster or configuration in the path
    :returns: what has to be done when Trove has answered
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises BadRequest: the body is invalid, or a flavor or a volume is not
        allowed
    :raises NotReady: a task is running on an instance
    :raises Unavailable: the database is unavailable; or Nova is, and a
        minimum, a maximum or an extra spec has to be checked
    """
    is_off = config.enforcement(serves.conf) == config.OFF
    if is_off and action in CREATES:
        return None
    guard = Guard(ctx, serves, tenant_id,
                  nova.Caller(tenant_id, ctx.auth_token), id)
    try:
        identity.check(environ, ctx, tenant_id)
        return guard.judge(action, environ, is_off)
    except exception.FlavorFilterError as error:
        if not is_off:
            raise
        LOG.info('%s %r goes to Trove unchecked: %s',
                 environ['REQUEST_METHOD'], environ['PATH_INFO'], error,
                 context=ctx)
        return None


def _record(effects: Effects, upgrades: db_upgrades.Upgrades
            ) -> Finish | None:
    """Record what tells which datastore versions instances may run.

    :raises Unavailable: an upgrade cannot be recorded
    """
    if proven := {each for each in (*effects.clears, *effects.uses)
                  if each.has_proven}:
        upgrades.end(proven)
    doubted = [each.id for each in effects.clears
               if each.upgrade is not None and each not in proven]
    doubt = upgrades.doubt(doubted) if doubted else None
    try:
        attempt = (upgrades.begin(effects.upgrades, effects.target_ids)
                   if effects.upgrades else None)
    except exception.SchemaIncomplete as error:
        raise db_upgrades.not_available(error.reason) from error
    late = [each.id for each in effects.clears if effects.clears_late]

    def finish(status: int) -> None:
        if attempt is not None:
            if status < 400:
                upgrades.accept(attempt)
            else:
                upgrades.withdraw(attempt)
        if doubt is not None and 400 <= status < 500:
            upgrades.trust(doubt)
        if late and not 400 <= status < 500:
            upgrades.doubt(late)
    return finish if attempt or doubt or late else None


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
