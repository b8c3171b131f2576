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

"""Find the instances that break a requirement.

The database groups instances by what they are judged by. The groups are judged
in memory. Then the instances of the broken groups are read, a page
at a time. So neither the number of statements nor the memory depends on the
number of instances.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import itertools
import typing

import sqlalchemy as sa

from trove_flavor_filter import acceptance
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import upgrades
from trove_flavor_filter import requirement
from trove_flavor_filter import running
from trove_flavor_filter import violations

# The maximum number of violations in a page. For each, a statement has about
# one parameter.
PAGE = 100

# A page is first looked for among so many instances for each violation.
SPREAD = 200

INSTANCE: typing.Any = models.Instance
UPGRADE = models.FlavorFilterUpgrade
# GiB; 0 for an instance without a volume.
VOLUME_SIZE: typing.Any = sa.func.coalesce(
    INSTANCE.volume_size, 0).label('volume_size')


class Scope(typing.NamedTuple):
    """Which violations to find; None means any.

    :ivar version_id: those of this datastore version's requirements
    :ivar project_id: those by instances of this project
    """

    version_id: str | None = None
    project_id: str | None = None


class Group(typing.NamedTuple):
    """What instances are judged by: a version, a flavor, a size of volume.

    :ivar volume_size: GiB; 0 for no volume

    :ivar is_row: whether the version is the one in the instances' rows;
        otherwise they may run it after an upgrade
    :ivar first: the lowest id of such an instance
    :ivar last: the highest id of such an instance
    :ivar instances: the number of such instances
    """

    version_id: str
    flavor_id: str
    volume_size: int
    is_row: bool
    first: str
    last: str
    instances: int

    @property
    def judged(self) -> tuple[str, str, int]:
        return self.version_id, self.flavor_id, self.volume_size

    @property
    def key(self) -> str:
        """As :func:`_key`."""
        return f'{self.version_id}/{self.flavor_id}/{self.volume_size}'


class Page(typing.NamedTuple):
    """Violations, by the ids of their instances.

    :ivar marker: the next page begins after this id; None if this page is the
        last one
    """

    violations: list[violations.Violation]
    marker: str | None


class Violations:
    """Finds the instances that break a requirement.

    Every method raises DatabaseUnavailable if the database is unavailable.

    :param storages: where instances store their data
    """

    def __init__(self, database: engine.Database,
                 storages: acceptance.Storages):
        self._database = database
        self._storages = storages
        self._recorded = upgrades.Recorded(database).rows

    def page(self, flavors: Iterable[requirement.Flavor],
             scope: Scope = Scope(), marker: str | None = None,
             limit: int = PAGE) -> Page:
        """The first violations after a marker.

        :param flavors: all of Nova's flavors
        :param marker: any text, as the id of an instance; None for the
            beginning
        :param limit: the maximum number of violations, up to PAGE
        """
        judge = violations.Judge(self._requirements(scope), flavors)
        groups, last = self._broken(judge.breaks, scope, marker, limit)
        if not groups:
            return Page([], None)
        found = self._instances(groups, scope, marker, last, limit + 1)
        if len(found) > limit:
            last = found[limit - 1].id
        # An instance may have changed between two statements.
        return Page([each for instance in found[:limit]
                     if (each := judge.judge(instance))], last)

    def all(self, flavors: Sequence[requirement.Flavor],
            scope: Scope = Scope()) -> Iterator[violations.Violation]:
        """All violations, of which one page at a time is in memory."""
        page = Page([], '')
        while page.marker is not None:
            page = self.page(flavors, scope, page.marker)
            yield from page.violations

    def counts(self, flavors: Iterable[requirement.Flavor],
               scope: Scope = Scope()
               ) -> list[tuple[requirement.Version, int]]:
        """The datastore versions with violations, and how many there are.

        :returns: sorted by names of datastore and version
        """
        wanted = self._requirements(scope)
        judge = violations.Judge(wanted, flavors)
        counts: collections.Counter[str] = collections.Counter()
        for group in self._groups(scope):
            if judge.breaks(*group.judged):
                counts[group.version_id] += group.instances
        return [(version, counts[version.id]) for version, _wanted in wanted
                if version.id in counts]

    def impact(self, change: requirement.Change,
               flavors: Iterable[requirement.Flavor]) -> violations.Impact:
        """What a change does that has not been made.

        :param flavors: all of Nova's flavors
        """
        flavors = list(flavors)
        scope = Scope(change.version.id)
        ((manager,),) = self._rows(
            sa.select(models.DatastoreVersion.manager)
            .where(models.DatastoreVersion.id == change.version.id))
        before, after = (
            acceptance.applicable(
                requirement.Requirement.of(rows, change.ignores_case),
                self._storages.get(manager))
            for rows in (change.before, change.after))
        was, will = (violations.Judge([(change.version, wanted)], flavors)
                     for wanted in (before, after))
        added, ended = [], 0
        for group in self._groups(scope) if before != after else ():
            if will.breaks(*group.judged) and not was.breaks(*group.judged):
                added.append(group)
            elif was.breaks(*group.judged) and not will.breaks(*group.judged):
                ended += group.instances
        groups, last = _first(added, PAGE)
        allowed = [{flavor.id for flavor in wanted.select(flavors)}
                   for wanted in (before, after)]
        return violations.Impact(
            sum(group.instances for group in added), ended,
            self._projects(added, scope),
            [flavor.id for flavor in flavors
             if flavor.id in allowed[1] - allowed[0]],
            [flavor.id for flavor in flavors
             if flavor.id in allowed[0] - allowed[1]],
            [each for instance in (self._instances(
                groups, scope, None, last, PAGE) if groups else ())
             if (each := will.judge(instance))])

    def _projects(self, groups: Iterable[Group], scope: Scope) -> int:
        """The number of projects with instances that groups judge."""
        found: set[typing.Any] = set()
        for is_row in (True, False):
            keys = [group.key for group in groups
                    if group.is_row == is_row]
            for some in engine.batches(keys):
                found.update(self._rows(
                    _judged(is_row, scope, None).with_only_columns(
                        INSTANCE.tenant_id).distinct().where(
                            _key(_VERSION[is_row]).in_(some))))
        return len(found)

    def _requirements(self, scope: Scope) -> list[
            tuple[requirement.Version, requirement.Requirement]]:
        """The requirements to judge by."""
        version, datastore = models.DatastoreVersion, models.Datastore
        statement = (
            requirements.with_requirement(
                datastore.name.label('datastore'), version.name,
                version.version.label('number'))
            .select_from(version).join(datastore)
            .join(*requirements.METADATA)
            .order_by(datastore.name, version.name, version.version,
                      version.id))
        if scope.version_id is not None:
            statement = statement.where(version.id == scope.version_id)
        return [
            (requirement.Version(*names), acceptance.applicable(
                requirement.Requirement.of(
                    ((row.key, row.value) for row in those),
                    bool(ignores_case)), self._storages.get(manager)))
            for (ignores_case, manager, *names), those in itertools.groupby(
                self._rows(statement), lambda row: (
                    row.ignores_case, row.manager, row.id, row.datastore,
                    row.name, row.number))]

    def _broken(self, breaks: Callable[[str, str, int], bool], scope: Scope,
                marker: str | None, limit: int
                ) -> tuple[list[Group], str | None]:
        """The broken groups that judge the first violations.

        :returns: the groups, and the id of an instance up to which they are
            all; None if there are no others
        """
        window = limit * SPREAD
        groups = self._groups(scope, marker, window)
        of_rows = [group for group in groups if group.is_row]
        broken = [group for group in groups if breaks(*group.judged)]
        if sum(group.instances for group in of_rows) < window:
            return _first(broken, limit)
        if sum(group.instances for group in broken if group.is_row) > limit:
            found, last = _first(broken, limit)
            return found, last or max(group.last for group in of_rows)
        return _first([group for group in self._groups(scope, marker)
                       if breaks(*group.judged)], limit)

    def _groups(self, scope: Scope, marker: str | None = None,
                window: int | None = None) -> list[Group]:
        """The groups that instances are judged by, in order of ``first``.

        :param window: count only so many instances by their rows; None for
            all. Grouping instances takes longer than all else
        """
        def grouped(is_row: bool) -> sa.Select:
            judged = _judged(is_row, scope, marker)
            if is_row and window is not None:
                judged = judged.order_by(INSTANCE.id).limit(window)
            found = judged.subquery().c
            return sa.select(
                found.version_id, found.flavor_id, found.volume_size,
                sa.literal(is_row), sa.func.min(found.id).label('first'),
                sa.func.max(found.id), sa.func.count()).group_by(
                    found.version_id, found.flavor_id, found.volume_size)

        return [Group(*row) for row in self._recorded(lambda upgrades: (
            sa.union_all(grouped(True), grouped(False)) if upgrades
            else grouped(True)).order_by('first'))]

    def _instances(self, groups: Sequence[Group], scope: Scope,
                   marker: str | None, last: str | None, limit: int
                   ) -> list[violations.Instance]:
        """The first instances that are judged by one of the groups.

        :param last: the highest id to consider; None for any
        """
        parts = []
        for is_row in {group.is_row for group in groups}:
            part: sa.Select = _judged(is_row, scope, marker).with_only_columns(
                INSTANCE.id).distinct().where(_key(_VERSION[is_row]).in_([
                    group.key for group in groups
                    if group.is_row == is_row]))
            if last is not None:
                part = part.where(INSTANCE.id <= last)
            # The database stops reading after so many.
            part = part.order_by(INSTANCE.id).limit(limit)
            parts.append(sa.select(part.subquery().c.id))
        ids = sa.union(*parts).order_by('id').limit(limit).subquery()
        statement: sa.Select = sa.select(
            INSTANCE.id, INSTANCE.name, INSTANCE.tenant_id,
            INSTANCE.cluster_id, INSTANCE.flavor_id, VOLUME_SIZE,
            INSTANCE.task_id, INSTANCE.datastore_version_id
        ).join(ids, ids.c.id == INSTANCE.id).order_by(ids.c.id)
        if all(group.is_row for group in groups):
            statement = statement.add_columns(sa.null())
        else:
            statement = statement.add_columns(
                UPGRADE.attempt, UPGRADE.datastore_version_id,
                UPGRADE.target_id, UPGRADE.state
            ).outerjoin(UPGRADE, UPGRADE.instance_id == INSTANCE.id)
        return [
            _instance(columns, running.recorded(row[8:] for row in those))
            for columns, those in itertools.groupby(
                self._rows(statement), lambda row: row[:8])]

    @engine.read
    def _rows(self, statement: sa.Select | sa.CompoundSelect
              ) -> Sequence[typing.Any]:
        with self._database.statement() as connection:
            return connection.execute(statement).all()


def _first(broken: Iterable[Group], limit: int
           ) -> tuple[list[Group], str | None]:
    """The first broken groups, which judge the first violations.

    If a group judges one of the first ``limit`` violations, its own first
    instance is among these as well. So groups with ``limit`` different first
    instances are enough.

    :param broken: in order of ``first``
    :returns: as ``Violations._broken``
    """
    found: list[Group] = []
    firsts: set[str] = set()
    for group in broken:
        if len(firsts) == limit and group.first not in firsts:
            return found, found[-1].first
        firsts.add(group.first)
        found.append(group)
    return found, None


def _instance(columns: Sequence[typing.Any],
              upgrade: running.Upgrade | None) -> violations.Instance:
    """An instance, from its columns in Violations._instances."""
    instance_id, *others, task_id, version_id = columns
    runs = running.Instance(instance_id, None, task_id, version_id, upgrade)
    return violations.Instance._make((instance_id, *others, (
        version_id, *sorted(runs.versions - {version_id}))))


def _may_run(version: typing.Any) -> sa.Select:
    """Select instances, and a version that they may run after an upgrade.

    Together these are ``running.Instance.versions``, except for the version
    in the row of the instance.
    """
    return sa.select(
        UPGRADE.instance_id, version.label('version_id')
    ).join(INSTANCE, INSTANCE.id == UPGRADE.instance_id).where(
        version != INSTANCE.datastore_version_id,
        sa.or_(UPGRADE.state != running.WATCHED, UPGRADE.target_id.is_(None),
               UPGRADE.target_id != INSTANCE.datastore_version_id,
               INSTANCE.task_id.is_(None),
               INSTANCE.task_id != running.NO_TASK))


_MAY_RUN = sa.union(_may_run(UPGRADE.datastore_version_id),
                    _may_run(UPGRADE.target_id)).subquery('may_run')

# The version that an instance is judged by: the one in its row, or another
# one that it may run.
_VERSION: dict[bool, typing.Any] = {
    True: INSTANCE.datastore_version_id, False: _MAY_RUN.c.version_id}


def _judged(is_row: bool, scope: Scope, marker: str | None) -> sa.Select:
    """Select the instances that exist, each with what it is judged by."""
    version = _VERSION[is_row]
    found: sa.Select = sa.select(
        INSTANCE.id, version.label('version_id'), INSTANCE.flavor_id,
        VOLUME_SIZE
    ).select_from(INSTANCE).where(
        INSTANCE.deleted.is_(False), INSTANCE.flavor_id != '')
    if not is_row:
        found = found.join(
            _MAY_RUN, _MAY_RUN.c.instance_id == INSTANCE.id)
    if marker is not None:
        found = found.where(INSTANCE.id > marker)
    if scope.version_id is not None:
        found = found.where(version == scope.version_id)
    if scope.project_id is not None:
        found = found.where(INSTANCE.tenant_id == scope.project_id)
    return found


def _key(version: typing.Any) -> sa.ColumnElement[str]:
    """A group as one text, for which a database need not search a list."""
    return (version + '/' + INSTANCE.flavor_id + '/'
            + sa.cast(VOLUME_SIZE, sa.String))
