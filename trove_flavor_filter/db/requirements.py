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

"""What datastore versions require: read in the database, and changed.

Each public method is one transaction, tried again when the database says
that trying again will do.
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

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)

FLAVOR = requirement.FLAVOR


class VersionRequirement(typing.NamedTuple):
    """Whether a datastore version is active, and what it requires."""

    active: bool
    requirement: requirement.Requirement


class Added(typing.NamedTuple):
    """Flavor ids that were associated, and those that had been already."""

    added: list[str]
    present: list[str]


class Requirements:
    """The table of what datastore versions require.

    Every method raises DatabaseUnavailable when there is no answer to have.
    """

    def __init__(self, database: engine.Database):
        self.database = database

    @engine.read
    def requirement_of(self, version_id: str) -> VersionRequirement | None:
        """What a datastore version requires, in one statement.

        :param version_id: its id
        :returns: None when there is no such datastore version
        """
        if not _may_be_id(version_id):
            return None
        with self.database.reading() as connection:
            rows = connection.execute(
                REQUIREMENT, {'version_id': version_id}).all()
        # MySQL compares without regard to case and trailing space.
        rows = [row for row in rows if row.id == version_id]
        if not rows:
            return None
        return VersionRequirement(
            active=bool(rows[0].active),
            requirement=requirement_in(version_id, rows))

    @engine.read
    def find_versions(self, text: str) -> list[requirement.Version]:
        """The datastore versions that a text can mean.

        :param text: an id, or ``DATASTORE/VERSION`` by name
        """
        datastore, slash, name = text.partition('/')
        if _may_be_id(text):
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
        with self.database.reading() as connection:
            return [requirement.Version(*row)
                    for row in connection.execute(statement)]

    @engine.read
    def requirements(self, version_id: str | None = None) -> list[
            tuple[requirement.Version, requirement.Requirement]]:
        """What datastore versions require, of those that require something.

        :param version_id: of this datastore version; None means of all
        :returns: by names of datastore and version
        """
        versions = self._versions(
            *([models.DatastoreVersion.id == version_id]
              if version_id else []))
        metadata = models.DatastoreVersionMetadata
        statement: sa.Select = sa.select(
            metadata.datastore_version_id, metadata.key,
            metadata.value).where(
                metadata.key.in_(requirement.KEYS),
                metadata.deleted.is_(False),
                *([metadata.datastore_version_id == version_id]
                  if version_id else []))
        rows = collections.defaultdict(list)
        with self.database.reading() as connection:
            for row in connection.execute(statement):
                rows[row.datastore_version_id].append(row)
        return [(version, requirement_in(version.id, rows[version.id]))
                for version in versions if version.id in rows]

    @engine.read
    def rows(self) -> dict[str, set[tuple[str, str]]]:
        """Keys and values of all that is said, by id of the version."""
        metadata = models.DatastoreVersionMetadata
        found: dict[str, set[tuple[str, str]]] = collections.defaultdict(set)
        statement: sa.Select = sa.select(
            metadata.datastore_version_id, metadata.key,
            metadata.value).where(
                metadata.key.in_(requirement.KEYS),
                metadata.value.is_not(None), metadata.deleted.is_(False))
        with self.database.reading() as connection:
            for row in connection.execute(statement):
                found[row.datastore_version_id].add((row.key, row.value))
        return dict(found)

    @engine.write
    def add_flavors(self, version_id: str,
                    flavor_ids: Sequence[str]) -> Added:
        """Associate flavors with a datastore version: all, or none.

        :raises NotFound: the datastore version is gone
        """
        with self.database.writing() as connection:
            rows = self._lock(connection, version_id, flavor_ids)
            live = {row.value for row in rows if not row.deleted}
            kept = {row.value: row.id for row in rows if row.deleted}
            self._mark(connection, [*kept.values()], deleted=False)
            self._insert(connection, [
                (version_id, FLAVOR, flavor_id) for flavor_id in flavor_ids
                if flavor_id not in live | kept.keys()])
        return Added(
            [flavor_id for flavor_id in flavor_ids if flavor_id not in live],
            [flavor_id for flavor_id in flavor_ids if flavor_id in live])

    @engine.write
    def delete_flavors(self, version_id: str,
                       flavor_ids: Sequence[str]) -> int:
        """End the association of flavors: of all of them, or of none.

        The rows stay, marked as deleted, as Trove leaves them.

        :returns: how many flavors are still associated
        :raises NotFound: one of them is not associated, or the datastore
            version is gone
        """
        with self.database.writing() as connection:
            rows = self._lock(connection, version_id)
            live = {row.value: row.id for row in rows if not row.deleted}
            missing = [flavor_id for flavor_id in flavor_ids
                       if flavor_id not in live]
            if missing:
                raise exception.NotFound(
                    f'Nothing was deleted: not associated with datastore '
                    f'version {version_id}: {", ".join(missing)}.')
            self._mark(connection, [live[flavor_id]
                                    for flavor_id in flavor_ids],
                       deleted=True)
            return len(live.keys() - set(flavor_ids))

    @engine.write
    def set_minimums(self, version_id: str, minimums: Mapping[str, int],
                     clear: bool = False) -> requirement.Requirement:
        """Say how large a flavor must at least be.

        :param minimums: by key (``min_ram``: MiB, ``min_vcpus``,
            ``min_disk``: GiB); one that is not named stays as it is
        :param clear: end all minimums that are not named
        :returns: what the datastore version requires now
        :raises NotFound: the datastore version is gone
        """
        with self.database.writing() as connection:
            rows = self._lock(connection, version_id,
                              keys=tuple(requirement.MINIMUMS))
            wanted = {(key, str(value)) for key, value in minimums.items()}
            ended = [row.id for row in rows if not row.deleted
                     and (row.key, row.value) not in wanted
                     and (clear or row.key in minimums)]
            kept = [row.id for row in rows if row.deleted
                    and (row.key, row.value) in wanted]
            self._mark(connection, ended, deleted=True)
            self._mark(connection, kept, deleted=False)
            self._insert(connection, [
                (version_id, *row) for row in sorted(
                    wanted - {(row.key, row.value) for row in rows})])
            return requirement_in(version_id, connection.execute(
                REQUIREMENT, {'version_id': version_id}))

    @engine.write
    def apply(self, changes: Sequence[requirement.Change]) -> None:
        """Make changes to many datastore versions: all of them, or none.

        :raises NotFound: a datastore version is gone, or has another name
            than when the changes were planned
        """
        with self.database.writing() as connection:
            there = self._lock_versions(
                connection, [change.version for change in changes])
            new: list[tuple[str, str, str]] = []
            ended: list[str] = []
            kept: list[str] = []
            for version, added, gone in changes:
                rows = there[version.id]
                ended += [rows[row].id for row in gone
                          if row in rows and not rows[row].deleted]
                kept += [rows[row].id for row in added
                         if row in rows and rows[row].deleted]
                new += [(version.id, *row) for row in added
                        if row not in rows]
            self._mark(connection, ended, deleted=True)
            self._mark(connection, kept, deleted=False)
            self._insert(connection, new)

    def _lock_versions(self, connection: sa.Connection,
                       versions: Sequence[requirement.Version]
                       ) -> dict[str, dict[tuple[str, str], sa.Row]]:
        """Keep other writers off datastore versions, and read their rows.

        :returns: rows, deleted ones as well, by id of the version and by
            key and value
        :raises NotFound: one of them is gone, or has another name
        """
        ds, dv = models.Datastore, models.DatastoreVersion
        metadata = models.DatastoreVersionMetadata
        found: dict[str, dict[tuple[str, str], sa.Row]] = {}
        for some in engine.portions(sorted(versions)):
            ids = [version.id for version in some]
            lock: sa.Select = (
                sa.select(dv.id, dv.name, ds.name.label('datastore'))
                .join(ds).where(dv.id.in_(ids)).order_by(dv.id)
                .with_for_update(of=dv))
            names = {row.id: (row.datastore, row.name)
                     for row in connection.execute(lock)}
            for version in some:
                if names.get(version.id) != (version.datastore,
                                             version.name):
                    raise exception.NotFound(
                        f'Nothing was changed: datastore version {version} '
                        f'was deleted or renamed meanwhile. Run this again.')
                found[version.id] = {}
            rows: sa.Select = sa.select(
                metadata.id, metadata.datastore_version_id, metadata.key,
                metadata.value, metadata.deleted).where(
                    metadata.datastore_version_id.in_(ids),
                    metadata.key.in_(requirement.KEYS))
            for row in connection.execute(rows):
                found[row.datastore_version_id][row.key, row.value] = row
        return found

    @staticmethod
    def _mark(connection: sa.Connection, row_ids: Sequence[str],
              deleted: bool) -> None:
        """Mark rows as deleted, or as not."""
        metadata = models.DatastoreVersionMetadata
        now = timeutils.utcnow()
        for some in engine.portions(row_ids):
            connection.execute(
                sa.update(metadata).where(metadata.id.in_(some))
                .values(deleted=deleted, updated_at=now,
                        deleted_at=now if deleted else None))

    @staticmethod
    def _insert(connection: sa.Connection,
                rows: Sequence[tuple[str, str, str]]) -> None:
        """Write new rows: ids of versions, keys and values."""
        if rows:
            now = timeutils.utcnow()
            connection.execute(
                sa.insert(models.DatastoreVersionMetadata), [
                    {'id': uuidutils.generate_uuid(),
                     'datastore_version_id': version_id,
                     'key': key, 'value': value,
                     'created': now, 'updated_at': now, 'deleted': False}
                    for version_id, key, value in rows])

    def _lock(self, connection: sa.Connection, version_id: str,
              flavor_ids: Collection[str] | None = None,
              keys: Collection[str] = (FLAVOR,)) -> Sequence[sa.Row]:
        """Keep other writers off a datastore version, and read its rows.

        :param flavor_ids: the rows of these; None means of all flavors
        :param keys: rows of these keys
        """
        version = models.DatastoreVersion
        if connection.execute(
                sa.select(version.id).where(version.id == version_id)
                .with_for_update()).first() is None:
            raise exception.NotFound(
                f'Datastore version {version_id} is gone.')
        metadata = models.DatastoreVersionMetadata
        statement: sa.Select = sa.select(
            metadata.id, metadata.key, metadata.value,
            metadata.deleted).where(
                metadata.datastore_version_id == version_id,
                metadata.key.in_(keys))
        if flavor_ids is not None:
            statement = statement.where(metadata.value.in_(flavor_ids))
        return connection.execute(statement).all()


def _may_be_id(text: str) -> bool:
    """Whether a text can be the id of a row at all.

    What cannot is not sent to the database: not all of them take it well.
    """
    return 0 < len(text) <= 36 and text.isascii() and text.isprintable()


METADATA: typing.Any = (
    models.DatastoreVersionMetadata,
    sa.and_(
        models.DatastoreVersionMetadata.datastore_version_id
        == models.DatastoreVersion.id,
        models.DatastoreVersionMetadata.key.in_(requirement.KEYS),
        models.DatastoreVersionMetadata.deleted.is_(False)))


def with_requirement(*columns: typing.Any) -> sa.Select:
    """Select a datastore version, a row for each row of its requirement."""
    return sa.select(
        models.DatastoreVersion.id, models.DatastoreVersion.active,
        models.DatastoreVersionMetadata.key,
        models.DatastoreVersionMetadata.value, *columns)


REQUIREMENT: sa.Select = (
    with_requirement().select_from(models.DatastoreVersion)
    .outerjoin(*METADATA)
    .where(models.DatastoreVersion.id == sa.bindparam('version_id')))


def requirement_in(version_id: str,
                   rows: Iterable[typing.Any]) -> requirement.Requirement:
    """The requirement of rows; the log tells of those that are nonsense."""
    found = requirement.Requirement.of((row.key, row.value) for row in rows)
    if found.nonsense:
        LOG.error('Datastore version %s allows no flavor: in table '
                  'datastore_version_metadata, %s cannot be understood',
                  version_id, ', '.join(found.nonsense))
    return found
