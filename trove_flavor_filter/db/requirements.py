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

"""Read and change the requirements of datastore versions in the database.

Each public method is one transaction. It is retried after errors for which a
retry helps, such as a deadlock.
"""

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import typing

from oslo_log import log
from oslo_utils import timeutils
from oslo_utils import uuidutils
import sqlalchemy as sa

from trove_flavor_filter import acceptance
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)


class VersionRequirement(typing.NamedTuple):
    """The state and the requirement of a datastore version.

    :ivar manager: Trove's name for what manages its instances
    """

    active: bool
    manager: str | None
    requirement: requirement.Requirement


class Requirements:
    """The table with the requirements of datastore versions.

    Every method raises DatabaseUnavailable if the database is unavailable.

    :param storages: where instances store their data
    """

    def __init__(self, database: engine.Database,
                 storages: acceptance.Storages):
        self.database = database
        self._storages = storages

    @engine.read
    def requirement_of(self, version_id: str) -> VersionRequirement | None:
        """What a datastore version requires, read in one statement.

        :param version_id: its id
        :returns: None if there is no such datastore version
        """
        if not may_be_id(version_id):
            return None
        with self.database.statement() as connection:
            rows = connection.execute(
                REQUIREMENT, {'version_id': version_id}).all()
        # MySQL ignores case and trailing spaces in comparisons.
        rows = [row for row in rows if row.id == version_id]
        if not rows:
            return None
        return VersionRequirement(
            active=bool(rows[0].active), manager=rows[0].manager,
            requirement=requirement_in(version_id, rows, self._storages))

    @engine.read
    def without_volumes(self, version_ids: Collection[str]
                        ) -> dict[str, str]:
        """The datastore versions whose instances have no volume.

        :param version_ids: of these datastore versions
        :returns: the manager of each, by the id of the version
        """
        without = {manager for manager, storage in self._storages.items()
                   if not storage.volume_support}
        version: typing.Any = models.DatastoreVersion
        with self.database.reading() as connection:
            rows = [
                row for condition in _in(version.id, version_ids)
                for row in connection.execute(
                    sa.select(version.id, version.manager)
                    .where(*condition))]
        return {row.id: row.manager for row in rows
                if row.manager in without}

    @engine.read
    def find_versions(self, text: str) -> list[requirement.Version]:
        """The datastore versions that a text can refer to.

        :param text: an id, or ``DATASTORE/VERSION`` by name
        """
        datastore, slash, name = text.partition('/')
        if may_be_id(text):
            found = self._versions(models.DatastoreVersion.id == text)
            exact = [version for version in found if version.id == text]
            if exact:
                return exact
        if not slash:
            return []
        return [
            version for version in self._versions(
                models.Datastore.name == datastore,
                models.DatastoreVersion.name == name)
            if (version.datastore, version.name) == (datastore, name)]

    @engine.read
    def versions(self) -> list[requirement.Version]:
        """All datastore versions, by name."""
        return self._versions()

    def _versions(self, *conditions: typing.Any) -> list[requirement.Version]:
        with self.database.reading() as connection:
            return _versions(connection, *conditions)

    def requirements(self, version_id: str | None = None) -> list[
            tuple[requirement.Version, requirement.Requirement]]:
        """The datastore versions with requirements, and these.

        :param version_id: only this datastore version; None means all
        :returns: sorted by names of datastore and version
        """
        present = self.present(None if version_id is None else [version_id])
        return [
            (version, requirement.Requirement.of(rows, present.ignores_case))
            for version, rows in present.rows.items() if rows]

    @engine.read
    def present(self, version_ids: Collection[str] | None = None
                ) -> requirement.CurrentRows:
        """The current rows.

        :param version_ids: of these datastore versions; None means all
        """
        with self.database.reading() as connection:
            return _Rows(connection, version_ids).present

    @engine.read
    def revised(self, version_ids: Collection[str] | None = None
                ) -> requirement.CurrentRows:
        """The current rows and their revisions.

        :param version_ids: of these datastore versions, ignoring those that
            do not exist; None means all
        """
        if version_ids is not None:
            version_ids = [version_id for version_id in version_ids
                           if may_be_id(version_id)]
        with self.database.reading() as connection:
            # The revisions are read first. If they were newer than the rows,
            # a client would hold old rows with a current revision.
            revisions = _revisions(connection, version_ids)
            present = _Rows(connection, version_ids).present
        return present._replace(revisions=revisions, rows={
            version: rows for version, rows in present.rows.items()
            # MySQL ignores case and trailing spaces in comparisons.
            if version_ids is None or version.id in version_ids})

    def preview(self, plan: requirement.Plan,
                version_ids: Collection[str] | None = None
                ) -> list[requirement.Change]:
        """A dry run: the changes that :meth:`change` would make now."""
        return _changes(plan, self.revised(version_ids))

    @engine.write
    def change(self, plan: requirement.Plan,
               version_ids: Collection[str] | None = None
               ) -> list[requirement.Change]:
        """Change the requirements of datastore versions in one transaction.

        The plan is called while a lock blocks other writers, and its rows are
        written in the same transaction. After a conflict with another writer,
        the whole transaction is repeated. Removed rows are kept and marked as
        deleted, as Trove does.

        :param plan: returns the wanted rows; if it raises, nothing is changed
        :param version_ids: the datastore versions whose rows the plan gets;
            None means all
        :returns: a change for each datastore version that the plan returns,
            in its order, even if nothing has changed
        :raises VersionNotFound: one of the datastore versions does not exist
        """
        with self.database.writing() as connection:
            _lock(connection, version_ids)
            rows = _Rows(connection, version_ids)
            revisions = _revisions(connection, version_ids)
            changes = _changes(
                plan, rows.present._replace(revisions=revisions))
            if changes:
                _write_revisions(connection, changes, revisions)
                rows.write(changes)
        return changes


def _versions(connection: sa.Connection,
              *conditions: typing.Any) -> list[requirement.Version]:
    """Datastore versions, by name."""
    statement: sa.Select = (
        sa.select(
            models.DatastoreVersion.id,
            models.Datastore.name.label('datastore'),
            models.DatastoreVersion.name,
            models.DatastoreVersion.version.label('number'))
        .join(models.Datastore)
        .where(*conditions)
        .order_by(models.Datastore.name, models.DatastoreVersion.name,
                  models.DatastoreVersion.version))
    return [requirement.Version(*row)
            for row in connection.execute(statement)]


def _in(column: typing.Any, values: Collection[str] | None
        ) -> typing.Iterator[tuple[typing.Any, ...]]:
    """Conditions that a column has one of the values, in batches.

    :param values: None means any value
    """
    if values is None:
        yield ()
        return
    for some in engine.batches(sorted(values)):
        yield (column.in_(some),)


def _lock(connection: sa.Connection,
          version_ids: Collection[str] | None) -> None:
    """Lock datastore versions against other writers.

    InnoDB takes a transaction's snapshot at its first read without a lock.
    So everything is locked before anything is read.

    :raises VersionNotFound: one of them does not exist
    """
    version = models.DatastoreVersion
    found: set[str] = set()
    for condition in _in(version.id, version_ids):
        found.update(connection.scalars(
            sa.select(version.id).where(*condition).order_by(version.id)
            # In PostgreSQL, Trove can create instances despite this lock.
            .with_for_update(key_share=True)))
    if gone := set(version_ids or ()) - found:
        raise exception.VersionNotFound(min(gone))


def _revisions(connection: sa.Connection,
               version_ids: Collection[str] | None) -> dict[str, int]:
    """Revisions by id of the datastore version, if it has one."""
    table = models.FlavorFilterRevision
    found: dict[str, int] = {}
    for condition in _in(table.datastore_version_id, version_ids):
        statement: sa.Select = sa.select(
            table.datastore_version_id, table.revision).where(*condition)
        found.update(tuple(row) for row in connection.execute(statement))
    return found


def _write_revisions(connection: sa.Connection,
                     changes: Sequence[requirement.Change],
                     revisions: Mapping[str, int]) -> None:
    """Write the revision of every datastore version in the plan.

    This includes versions whose rows do not change. The plan depends on their
    rows, so a change to them on another Galera node must conflict with this
    transaction. That node may change them at the same time, or may have
    changed them without this node having applied it yet. A row is deleted and
    inserted, since an update to the same value would not be written.
    """
    table = models.FlavorFilterRevision
    ids = [change.version.id for change in changes]
    for condition in _in(table.datastore_version_id,
                         revisions.keys() & set(ids)):
        connection.execute(sa.delete(table).where(*condition))
    connection.execute(sa.insert(table), [
        {'datastore_version_id': change.version.id,
         'revision': change.revision} for change in changes])


def _changes(plan: requirement.Plan, present: requirement.CurrentRows
             ) -> list[requirement.Change]:
    """The changes that a plan makes."""
    changes = []
    for version, wanted in plan(present).items():
        before = present.rows[version]
        after = frozenset(present.distinct(wanted).values())
        changes.append(requirement.Change(
            version, before, after,
            present.revisions.get(version.id, 0) + (before != after),
            present.ignores_case))
    return changes


class _Rows:
    """The rows of datastore versions in the table, including deleted ones.

    :param version_ids: ids of the datastore versions; None means all
    """

    def __init__(self, connection: sa.Connection,
                 version_ids: Collection[str] | None):
        self._connection = connection
        version, metadata = (models.DatastoreVersion,
                             models.DatastoreVersionMetadata)
        self._rows: dict[str, list[sa.Row]] = collections.defaultdict(list)
        live: dict[str, list[requirement.Row]] = collections.defaultdict(list)
        versions: list[requirement.Version] = []
        for condition in _in(version.id, version_ids):
            versions += _versions(connection, *condition)
            # By the version's own id: in a row it may differ in case.
            statement: sa.Select = (
                sa.select(metadata.id, version.id.label('version_id'),
                          _KEY, metadata.value, metadata.deleted)
                .select_from(version).join(metadata, _OWN).where(*condition))
            for row in connection.execute(statement):
                self._rows[row.version_id].append(row)
                if not row.deleted:
                    live[row.version_id].append((row.key, row.value or ''))
        self.present = requirement.CurrentRows(
            {version: frozenset(live[version.id]) for version in versions},
            bool(connection.scalar(sa.select(_IGNORES_CASE))))

    def write(self, changes: Iterable[requirement.Change]) -> None:
        """Write changes to the table."""
        removed: list[str] = []
        kept: list[str] = []
        spelled: list[dict[str, str]] = []
        new: list[tuple[str, requirement.Row]] = []
        for change in changes:
            if change.before == change.after:
                continue
            there = collections.defaultdict(list)
            for row in self._rows[change.version.id]:
                there[self.present.identity((row.key, row.value or ''))
                      ].append(row)
            wanted = self.present.distinct(change.after)
            removed += [row.id for identity, rows in there.items()
                        if identity not in wanted
                        for row in rows if not row.deleted]
            for identity, (key, value) in wanted.items():
                if identity not in there:
                    new.append((change.version.id, (key, value)))
                    continue
                row = min(there[identity], key=lambda row: row.deleted)
                if (row.value or '') != value:
                    spelled.append({'row_id': row.id, 'spelling': value})
                elif row.deleted:
                    kept.append(row.id)
        self._mark(removed, deleted=True)
        self._mark(kept, deleted=False)
        self._spell(spelled)
        self._insert(new)

    def _mark(self, row_ids: Sequence[str], deleted: bool) -> None:
        """Mark rows as deleted or as not deleted."""
        metadata = models.DatastoreVersionMetadata
        now = timeutils.utcnow()
        for some in engine.batches(row_ids):
            self._connection.execute(
                sa.update(metadata).where(metadata.id.in_(some))
                .values(deleted=deleted, updated_at=now,
                        deleted_at=now if deleted else None))

    def _spell(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Write a value with other case to rows, and undelete them."""
        metadata = models.DatastoreVersionMetadata
        if rows:
            self._connection.execute(
                sa.update(metadata)
                .where(metadata.id == sa.bindparam('row_id'))
                .values(value=sa.bindparam('spelling'), deleted=False,
                        updated_at=timeutils.utcnow(), deleted_at=None),
                rows)

    def _insert(self, rows: Sequence[tuple[str, requirement.Row]]) -> None:
        """Insert new rows, given as id of the version and row."""
        if rows:
            now = timeutils.utcnow()
            self._connection.execute(
                sa.insert(models.DatastoreVersionMetadata), [
                    {'id': uuidutils.generate_uuid(),
                     'datastore_version_id': version_id,
                     'key': key, 'value': value,
                     'created': now, 'updated_at': now, 'deleted': False}
                    for version_id, (key, value) in rows])


def may_be_id(text: str) -> bool:
    """Whether a text can be the id of a row.

    Other texts are not sent to the database, as some databases fail on them.
    """
    return 0 < len(text) <= 36 and text.isascii() and text.isprintable()


# The keys are literals in the statements, as parameters would have to be bound
# each time.
_KEYS: dict[str, typing.Any] = {
    key: sa.literal_column(f"'{key}'") for key in requirement.KEYS}


def _rows_of(*keys: typing.Any) -> typing.Any:
    """The rows of a datastore version that have one of the keys.

    The database compares the keys, by its own collation.
    """
    return sa.and_(
        models.DatastoreVersionMetadata.datastore_version_id
        == models.DatastoreVersion.id,
        models.DatastoreVersionMetadata.key.in_(keys))


# Those of its requirement.
_OWN = _rows_of(*_KEYS.values())
_KEY: typing.Any = sa.case(
    *((models.DatastoreVersionMetadata.key == literal, literal)
      for literal in _KEYS.values())).label('key')

METADATA: typing.Any = (
    models.DatastoreVersionMetadata,
    sa.and_(_OWN, models.DatastoreVersionMetadata.deleted.is_(False)))

# The same, with Trove's own rows for the types of volumes that it accepts.
_VOLUME_TYPE: typing.Any = sa.literal_column("'volume_type'")
IS_VOLUME_TYPE: typing.Any = (
    models.DatastoreVersionMetadata.key == _VOLUME_TYPE
).label('is_volume_type')
METADATA_WITH_TYPES: typing.Any = (
    models.DatastoreVersionMetadata,
    sa.and_(_rows_of(*_KEYS.values(), _VOLUME_TYPE),
            models.DatastoreVersionMetadata.deleted.is_(False)))

# Whether the database compares values without regard to case.
_LETTER = sa.union_all(
    sa.select(models.DatastoreVersionMetadata.value).where(sa.false()),
    sa.select(sa.literal_column("'a'"))).subquery()
_IGNORES_CASE: typing.Any = (
    sa.select(sa.func.count()).select_from(_LETTER)
    .where(_LETTER.c.value == sa.literal_column("'A'"))
    .scalar_subquery().label('ignores_case'))


def with_requirement(*columns: typing.Any) -> sa.Select:
    """Select a datastore version, with one row for each requirement row."""
    return sa.select(
        models.DatastoreVersion.id, models.DatastoreVersion.active,
        models.DatastoreVersion.manager,
        _KEY, models.DatastoreVersionMetadata.value, _IGNORES_CASE, *columns)


REQUIREMENT: sa.Select = (
    with_requirement().select_from(models.DatastoreVersion)
    .outerjoin(*METADATA)
    .where(models.DatastoreVersion.id == sa.bindparam('version_id')))


# The reasons that were logged for datastore versions that allow no flavor, by
# id. A member could fill the log otherwise.
_logged: dict[str, str] = {}


def requirement_in(version_id: str, rows: Collection[typing.Any],
                   storages: acceptance.Storages) -> requirement.Requirement:
    """The requirement from rows, as far as it applies to instances.

    An error is logged if no flavor can meet it: once, until it changes.
    """
    found = acceptance.applicable(
        requirement.Requirement.of(
            ((row.key, row.value) for row in rows),
            any(row.ignores_case for row in rows)),
        next((storages.get(row.manager) for row in rows), None))
    reason = ', '.join(found.contradictions)
    if found.is_unreadable:
        reason = (f'invalid rows in table datastore_version_metadata: '
                  f'{", ".join(found.malformed_rows)}')
    if not reason:
        _logged.pop(version_id, None)
    elif _logged.get(version_id) != reason:
        _logged[version_id] = reason
        LOG.error('Datastore version %s allows no flavor: %s', version_id,
                  reason)
    return found
