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

The database groups instances by the pairs that they are judged by. The pairs
are judged in memory. Then the instances of the broken pairs are read, a page
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


class Scope(typing.NamedTuple):
    """Which violations to find; None means any.

    :ivar version_id: those of this datastore version's requirements
    :ivar project_id: those by instances of this project
    """

    version_id: str | None = None
    project_id: str | None = None


class Pair(typing.NamedTuple):
    """A datastore version and a flavor that instances are judged by.

    :ivar is_row: whether the version is the one in the instances' rows;
        otherwise they may run it after an upgrade
    :ivar first: the lowest id of such an instance
    :ivar last: the highest id of such an instance
    :ivar instances: the number of such instances
    """

    version_id: str
    flavor_id: str
    is_row: bool
    first: str
    last: str
    instances: int


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
    """

    def __init__(self, database: engine.Database):
        self._database = database
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
        pairs, last = self._broken(judge.breaks, scope, marker, limit)
        if not pairs:
            return Page([], None)
        found = self._instances(pairs, scope, marker, last, limit + 1)
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
        for pair in self._pairs(scope):
            if judge.breaks(pair.version_id, pair.flavor_id):
                counts[pair.version_id] += pair.instances
        return [(version, counts[version.id]) for version, _wanted in wanted
                if version.id in counts]

    def impact(self, change: requirement.Change,
               flavors: Iterable[requirement.Flavor]) -> violations.Impact:
        """What a change does that has not been made.

        :param flavors: all of Nova's flavors
        """
        flavors = list(flavors)
        scope = Scope(change.version.id)
        before, after = (
            requirement.Requirement.of(rows, change.ignores_case)
            for rows in (change.before, change.after))
        was, will = (violations.Judge([(change.version, wanted)], flavors)
                     for wanted in (before, after))
        added, ended = [], 0
        for pair in self._pairs(scope) if before != after else ():
            key = pair.version_id, pair.flavor_id
            if will.breaks(*key) and not was.breaks(*key):
                added.append(pair)
            elif was.breaks(*key) and not will.breaks(*key):
                ended += pair.instances
        pairs, last = _first(added, PAGE)
        allowed = [{flavor.id for flavor in wanted.select(flavors)}
                   for wanted in (before, after)]
        return violations.Impact(
            sum(pair.instances for pair in added), ended,
            self._projects(added, scope),
            [flavor.id for flavor in flavors
             if flavor.id in allowed[1] - allowed[0]],
            [flavor.id for flavor in flavors
             if flavor.id in allowed[0] - allowed[1]],
            [each for instance in (self._instances(
                pairs, scope, None, last, PAGE) if pairs else ())
             if (each := will.judge(instance))])

    def _projects(self, pairs: Iterable[Pair], scope: Scope) -> int:
        """The number of projects with instances that pairs judge."""
        found: set[typing.Any] = set()
        for is_row in (True, False):
            keys = [f'{pair.version_id}/{pair.flavor_id}' for pair in pairs
                    if pair.is_row == is_row]
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
            (requirement.Version(*names), requirement.Requirement.of(
                ((row.key, row.value) for row in those), bool(ignores_case)))
            for (ignores_case, *names), those in itertools.groupby(
                self._rows(statement), lambda row: (
                    row.ignores_case, row.id, row.datastore, row.name,
                    row.number))]

    def _broken(self, breaks: Callable[[str, str], bool], scope: Scope,
                marker: str | None, limit: int
                ) -> tuple[list[Pair], str | None]:
        """The broken pairs that judge the first violations.

        :returns: the pairs, and the id of an instance up to which they are
            all; None if there are no others
        """
        window = limit * SPREAD
        pairs = self._pairs(scope, marker, window)
        of_rows = [pair for pair in pairs if pair.is_row]
        broken = [pair for pair in pairs if breaks(*pair[:2])]
        if sum(pair.instances for pair in of_rows) < window:
            return _first(broken, limit)
        if sum(pair.instances for pair in broken if pair.is_row) > limit:
            found, last = _first(broken, limit)
            return found, last or max(pair.last for pair in of_rows)
        return _first([pair for pair in self._pairs(scope, marker)
                       if breaks(*pair[:2])], limit)

    def _pairs(self, scope: Scope, marker: str | None = None,
               window: int | None = None) -> list[Pair]:
        """The pairs that instances are judged by, in order of ``first``.

        :param window: count only so many instances by their rows; None for
            all. Grouping instances takes longer than all else
        """
        def grouped(is_row: bool) -> sa.Select:
            judged = _judged(is_row, scope, marker)
            if is_row and window is not None:
                judged = judged.order_by(INSTANCE.id).limit(window)
            found = judged.subquery().c
            return sa.select(
                found.version_id, found.flavor_id, sa.literal(is_row),
                sa.func.min(found.id).label('first'), sa.func.max(found.id),
                sa.func.count()).group_by(found.version_id, found.flavor_id)

        return [Pair(*row) for row in self._recorded(lambda upgrades: (
            sa.union_all(grouped(True), grouped(False)) if upgrades
            else grouped(True)).order_by('first'))]

    def _instances(self, pairs: Sequence[Pair], scope: Scope,
                   marker: str | None, last: str | None, limit: int
                   ) -> list[violations.Instance]:
        """The first instances that are judged by one of the pairs.

        :param last: the highest id to consider; None for any
        """
        parts = []
        for is_row in {pair.is_row for pair in pairs}:
            part: sa.Select = _judged(is_row, scope, marker).with_only_columns(
                INSTANCE.id).distinct().where(_key(_VERSION[is_row]).in_([
                    f'{pair.version_id}/{pair.flavor_id}' for pair in pairs
                    if pair.is_row == is_row]))
            if last is not None:
                part = part.where(INSTANCE.id <= last)
            # The database stops reading after so many.
            part = part.order_by(INSTANCE.id).limit(limit)
            parts.append(sa.select(part.subquery().c.id))
        ids = sa.union(*parts).order_by('id').limit(limit).subquery()
        statement: sa.Select = sa.select(
            INSTANCE.id, INSTANCE.name, INSTANCE.tenant_id,
            INSTANCE.cluster_id, INSTANCE.flavor_id, INSTANCE.task_id,
            INSTANCE.datastore_version_id
        ).join(ids, ids.c.id == INSTANCE.id).order_by(ids.c.id)
        if all(pair.is_row for pair in pairs):
            statement = statement.add_columns(sa.null())
        else:
            statement = statement.add_columns(
                UPGRADE.attempt, UPGRADE.datastore_version_id,
                UPGRADE.target_id, UPGRADE.state
            ).outerjoin(UPGRADE, UPGRADE.instance_id == INSTANCE.id)
        return [
            _instance(columns, running.recorded(row[7:] for row in those))
            for columns, those in itertools.groupby(
                self._rows(statement), lambda row: row[:7])]

    @engine.read
    def _rows(self, statement: sa.Select | sa.CompoundSelect
              ) -> Sequence[typing.Any]:
        with self._database.statement() as connection:
            return connection.execute(statement).all()


def _first(broken: Iterable[Pair], limit: int
           ) -> tuple[list[Pair], str | None]:
    """The first broken pairs, which judge the first violations.

    If a pair judges one of the first ``limit`` violations, its own first
    instance is among these as well. So pairs with ``limit`` different first
    instances are enough.

    :param broken: in order of ``first``
    :returns: as ``Violations._broken``
    """
    found: list[Pair] = []
    firsts: set[str] = set()
    for pair in broken:
        if len(firsts) == limit and pair.first not in firsts:
            return found, found[-1].first
        firsts.add(pair.first)
        found.append(pair)
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
        INSTANCE.id, version.label('version_id'), INSTANCE.flavor_id
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
    """A pair as one text, for which a database need not search a list."""
    return version + '/' + INSTANCE.flavor_id
