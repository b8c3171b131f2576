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

"""What the database is asked, and what it is told.

One class, built from the configuration; each public method is one
transaction, tried again when the database says that trying again will do.
"""

import collections
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import re
import typing

from oslo_config import cfg
from oslo_db import api as db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
from oslo_log import log
from oslo_utils import timeutils
from oslo_utils import uuidutils
import sqlalchemy as sa
from sqlalchemy import orm

from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)

FLAVOR = requirement.FLAVOR

# Options of [database] that the engine takes. Tries to connect are not among
# them: neither a client nor an administrator should wait minutes to be told
# that the database is away.
ENGINE_OPTIONS = (
    'connection', 'connection_debug', 'connection_parameters',
    'connection_recycle_time', 'connection_trace', 'max_overflow',
    'max_pool_size', 'mysql_sql_mode', 'mysql_wsrep_sync_wait',
    'pool_timeout', 'sqlite_synchronous')

# How the drivers say that a table or a column is not there.
SCHEMA_PROBLEM = re.compile(
    r"doesn't exist|does not exist|no such (table|column)|Unknown column")

# How MariaDB and MySQL say that a text has characters beyond their set.
ALIEN_TEXT = re.compile(r'\((1267|1300|1366|3988),')

# How many values go into one statement: SQLite once took 999.
PORTION = 500

_Result = typing.TypeVar('_Result')
_Item = typing.TypeVar('_Item')
_Method = Callable[..., _Result]


class Version(typing.NamedTuple):
    """A datastore version, with the names that people know it by."""

    id: str
    datastore: str
    name: str
    number: str | None

    def __str__(self) -> str:
        return f'{self.datastore}/{self.name} ({self.id})'


class VersionRequirement(typing.NamedTuple):
    """Whether a datastore version is active, and what it requires."""

    active: bool
    requirement: requirement.Requirement


class Target(typing.NamedTuple):
    """What a request is about: a datastore version, and flavors it runs on.

    :ivar version_id: of the datastore version
    :ivar active: whether it is active
    :ivar requirement: what it requires
    :ivar flavor_ids: of the instances that are there already
    :ivar tenant_id: of their project; None where there are none
    """

    version_id: str
    active: bool
    requirement: requirement.Requirement
    flavor_ids: frozenset[str] = frozenset()
    tenant_id: str | None = None


class Added(typing.NamedTuple):
    """Flavor ids that were associated, and those that had been already."""

    added: list[str]
    present: list[str]


class Change(typing.NamedTuple):
    """What is to change for a datastore version: keys and values of rows."""

    version: Version
    added: tuple[tuple[str, str], ...]
    ended: tuple[tuple[str, str], ...]


class _Transaction:
    """What enginefacade hangs a transaction on."""


enginefacade.transaction_context_provider(_Transaction)


def _is_passing(error: Exception) -> bool:
    """Whether another writer got in the way, so that a retry will do."""
    return (isinstance(error, db_exception.DBDuplicateEntry)
            # SQLite's way to say that it would deadlock.
            or 'database is locked' in _first_line(error))


def _read(method: '_Method[_Result]') -> '_Method[_Result]':
    """A method that reads: once more at once when a connection was stale."""
    return translated()(db_api.wrap_db_retry(
        max_retries=1, retry_interval=0,
        retry_on_disconnect=True, retry_on_deadlock=True)(method))


def _write(method: '_Method[_Result]') -> '_Method[_Result]':
    """A method that writes: many tries, since others may write as well."""
    return translated()(db_api.wrap_db_retry(
        max_retries=20, retry_interval=0.05, max_retry_interval=1,
        jitter=True, retry_on_disconnect=False, retry_on_deadlock=True,
        exception_checker=_is_passing)(method))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what the database throws into DatabaseUnavailable."""
    try:
        yield
    except (db_exception.CantStartEngineError, db_exception.DBError,
            sa.exc.SQLAlchemyError, ImportError) as error:
        reason = _first_line(error)
        if ALIEN_TEXT.search(reason):
            raise exception.BadRequest(
                'A name has characters that the database cannot hold.'
            ) from error
        if SCHEMA_PROBLEM.search(reason):
            reason += (' (is the schema complete? "trove-manage db_sync", '
                       'then "trove-manage flavor-filter-db-sync", see to '
                       'that)')
        raise exception.DatabaseUnavailable(reason) from error


def _first_line(error: Exception) -> str:
    """What the driver said, without the SQL that oslo.db adds."""
    cause = getattr(error, 'inner_exception', None) or error
    cause = getattr(cause, 'orig', None) or cause
    return str(cause).strip().partition('\n')[0] or type(error).__name__


class Database:
    """Trove's database.

    Every method raises DatabaseUnavailable when there is no answer to have.

    :param conf: ``[database]`` says where
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._manager = enginefacade.transaction_context()
        self._manager.configure(
            max_retries=0,
            **{name: conf.database[name] for name in ENGINE_OPTIONS
               if name in conf.database})

    def engine(self) -> sa.Engine:
        """The engine: for migrations, which are not one transaction."""
        return self._manager.writer.get_engine()

    def _reading(self) -> typing.ContextManager[sa.Connection]:
        return self._begin(self._manager.reader)

    def _writing(self) -> typing.ContextManager[sa.Connection]:
        return self._begin(self._manager.writer)

    @contextlib.contextmanager
    def _begin(self, manager: typing.Any) -> Iterator[sa.Connection]:
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(
                    manager.connection.using(_Transaction()))
            except db_exception.DBConnectionError as error:
                # The pool has tried a fresh connection already, so this is
                # not the lost connection that another try would mend.
                raise exception.DatabaseUnavailable(
                    _first_line(error)) from error
            yield connection

    @_read
    def requirement_of(self, version_id: str) -> VersionRequirement | None:
        """What a datastore version requires, in one statement.

        :param version_id: its id
        :returns: None when there is no such datastore version
        """
        if not _may_be_id(version_id):
            return None
        with self._reading() as connection:
            rows = connection.execute(
                _REQUIREMENT, {'version_id': version_id}).all()
        # MySQL compares without regard to case and trailing space.
        rows = [row for row in rows if row.id == version_id]
        if not rows:
            return None
        return VersionRequirement(
            active=bool(rows[0].active),
            requirement=_requirement(version_id, rows))

    @_read
    def find_versions(self, text: str) -> list[Version]:
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

    @_read
    def versions(self) -> list[Version]:
        """All datastore versions, by name."""
        return self._versions()

    def _versions(self, *conditions: typing.Any) -> list[Version]:
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
        with self._reading() as connection:
            return [Version(*row) for row in connection.execute(statement)]

    @_read
    def requirements(self, version_id: str | None = None
                     ) -> list[tuple[Version, requirement.Requirement]]:
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
        with self._reading() as connection:
            for row in connection.execute(statement):
                rows[row.datastore_version_id].append(row)
        return [(version, _requirement(version.id, rows[version.id]))
                for version in versions if version.id in rows]

    @_read
    def rows(self) -> dict[str, set[tuple[str, str]]]:
        """Keys and values of all that is said, by id of the version."""
        metadata = models.DatastoreVersionMetadata
        found: dict[str, set[tuple[str, str]]] = collections.defaultdict(set)
        statement: sa.Select = sa.select(
            metadata.datastore_version_id, metadata.key,
            metadata.value).where(
                metadata.key.in_(requirement.KEYS),
                metadata.value.is_not(None), metadata.deleted.is_(False))
        with self._reading() as connection:
            for row in connection.execute(statement):
                found[row.datastore_version_id].add((row.key, row.value))
        return dict(found)

    @_read
    def instance_flavors(self, version_ids: Collection[str]
                         ) -> list[tuple[str, str, int]]:
        """How many instances of datastore versions run on which flavor.

        :returns: id of the version, id of the flavor, and the number
        """
        instance = models.Instance
        statement: sa.Select = sa.select(
            instance.datastore_version_id, instance.flavor_id,
            sa.func.count()).where(instance.deleted.is_(False)).group_by(
                instance.datastore_version_id, instance.flavor_id)
        with self._reading() as connection:
            return [(version_id, flavor_id or '', count)
                    for version_id, flavor_id, count
                    in connection.execute(statement)
                    if version_id in version_ids]

    @_read
    def named_version(self, datastore: str, version: str | None,
                      number: str | None) -> list[Target]:
        """The datastore version that a request names, found as Trove finds it.

        Trove's ``get_datastore_version``: the datastore by id or else by
        name, its version by id, or by name and number, or its default. The
        database itself compares, so that what it takes for equal (case,
        accents, trailing space) is so to both.

        :param datastore: id or name
        :param version: id or name; None for the datastore's default
        :param number: version number, or None
        :returns: none where Trove finds none, or cannot tell which; more
            than one where it takes any
        """
        ds, dv = models.Datastore, models.DatastoreVersion
        wanted = ds.default_version_id if version is None else sa.literal(
            version, sa.String)
        statement: sa.Select = (
            _with_requirement(
                (ds.id == datastore).label('datastore_by_id'),
                (dv.id == wanted).label('by_id'),
                (dv.name == wanted).label('by_name'),
                (dv.version == number).label('by_number'))
            .select_from(ds)
            .outerjoin(dv, sa.and_(
                dv.datastore_id == ds.id,
                sa.or_(dv.id == wanted, dv.name == wanted)))
            .outerjoin(*_METADATA)
            .where(sa.or_(ds.id == datastore, ds.name == datastore)))
        with self._reading() as connection:
            rows = connection.execute(statement).all()
        if any(row.datastore_by_id for row in rows):
            rows = [row for row in rows if row.datastore_by_id]
        rows = [row for row in rows if row.id is not None]
        if version is not None:
            if uuidutils.is_uuid_like(version):
                rows = [row for row in rows if row.by_id]
            else:
                rows = [row for row in rows if row.by_name and
                        (not number or row.by_number)]
                if not number and len({row.id for row in rows}) > 1:
                    return []
        return _targets(rows)

    @_read
    def instance_version(self, instance_id: str, version: str | None = None
                         ) -> list[Target]:
        """An instance's flavor, and its datastore version or another one.

        :param version: id or name of another version of the same datastore,
            as an upgrade names it
        :returns: none where there is no such instance, or no such version
        """
        return self._members_and_version(
            models.Instance, instance_id, version)

    @_read
    def cluster_version(self, cluster_id: str, version: str | None = None
                        ) -> list[Target]:
        """A cluster's flavors, and its datastore version or another one.

        As :meth:`instance_version`.
        """
        return self._members_and_version(models.Cluster, cluster_id, version)

    def _members_and_version(self, owner: typing.Any, owner_id: str,
                             version: str | None) -> list[Target]:
        member = models.Instance
        target = models.DatastoreVersion
        statement: sa.Select = _with_requirement(
            owner.tenant_id, member.flavor_id).select_from(owner)
        if owner is models.Cluster:
            statement = statement.outerjoin(member, sa.and_(
                member.cluster_id == owner.id, member.deleted.is_(False)))
        if version is None:
            statement = statement.join(
                target, target.id == owner.datastore_version_id)
        else:
            present = orm.aliased(models.DatastoreVersion)
            statement = statement.join(
                present, present.id == owner.datastore_version_id).join(
                target, sa.and_(
                    target.datastore_id == present.datastore_id,
                    target.id == version if uuidutils.is_uuid_like(version)
                    else target.name == version))
        statement = statement.outerjoin(*_METADATA).where(
            owner.id == owner_id, owner.deleted.is_(False))
        with self._reading() as connection:
            rows = connection.execute(statement).all()
        return _targets(rows)

    @_write
    def add_flavors(self, version_id: str,
                    flavor_ids: Sequence[str]) -> Added:
        """Associate flavors with a datastore version: all, or none.

        :raises NotFound: the datastore version is gone
        """
        with self._writing() as connection:
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

    @_write
    def delete_flavors(self, version_id: str,
                       flavor_ids: Sequence[str]) -> int:
        """End the association of flavors: of all of them, or of none.

        The rows stay, marked as deleted, as Trove leaves them.

        :returns: how many flavors are still associated
        :raises NotFound: one of them is not associated, or the datastore
            version is gone
        """
        with self._writing() as connection:
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

    @_write
    def set_minimums(self, version_id: str, minimums: Mapping[str, int],
                     clear: bool = False) -> requirement.Requirement:
        """Say how large a flavor must at least be.

        :param minimums: by key (``min_ram``: MiB, ``min_vcpus``,
            ``min_disk``: GiB); one that is not named stays as it is
        :param clear: end all minimums that are not named
        :returns: what the datastore version requires now
        :raises NotFound: the datastore version is gone
        """
        with self._writing() as connection:
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
            return _requirement(version_id, connection.execute(
                _REQUIREMENT, {'version_id': version_id}))

    @_write
    def apply(self, changes: Sequence[Change]) -> None:
        """Make changes to many datastore versions: all of them, or none.

        :raises NotFound: a datastore version is gone, or has another name
            than when the changes were planned
        """
        with self._writing() as connection:
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
                       versions: Sequence[Version]
                       ) -> dict[str, dict[tuple[str, str], sa.Row]]:
        """Keep other writers off datastore versions, and read their rows.

        :returns: rows, deleted ones as well, by id of the version and by
            key and value
        :raises NotFound: one of them is gone, or has another name
        """
        ds, dv = models.Datastore, models.DatastoreVersion
        metadata = models.DatastoreVersionMetadata
        found: dict[str, dict[tuple[str, str], sa.Row]] = {}
        for some in _portions(sorted(versions)):
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
        for some in _portions(row_ids):
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


def _portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Parts of a list, each short enough for one statement."""
    for at in range(0, len(items), PORTION):
        yield items[at:at + PORTION]


def _may_be_id(text: str) -> bool:
    """Whether a text can be the id of a row at all.

    What cannot is not sent to the database: not all of them take it well.
    """
    return 0 < len(text) <= 36 and text.isascii() and text.isprintable()


_METADATA: typing.Any = (
    models.DatastoreVersionMetadata,
    sa.and_(
        models.DatastoreVersionMetadata.datastore_version_id
        == models.DatastoreVersion.id,
        models.DatastoreVersionMetadata.key.in_(requirement.KEYS),
        models.DatastoreVersionMetadata.deleted.is_(False)))


def _with_requirement(*columns: typing.Any) -> sa.Select:
    """Select a datastore version, a row for each row of its requirement."""
    return sa.select(
        models.DatastoreVersion.id, models.DatastoreVersion.active,
        models.DatastoreVersionMetadata.key,
        models.DatastoreVersionMetadata.value, *columns)


_REQUIREMENT: sa.Select = (
    _with_requirement().select_from(models.DatastoreVersion)
    .outerjoin(*_METADATA)
    .where(models.DatastoreVersion.id == sa.bindparam('version_id')))


def _requirement(version_id: str,
                 rows: Iterable[typing.Any]) -> requirement.Requirement:
    """The requirement of rows; the log tells of those that are nonsense."""
    found = requirement.Requirement.of((row.key, row.value) for row in rows)
    if found.nonsense:
        LOG.error('Datastore version %s allows no flavor: in table '
                  'datastore_version_metadata, %s cannot be understood',
                  version_id, ', '.join(found.nonsense))
    return found


def _targets(rows: Iterable[typing.Any]) -> list[Target]:
    by_version = collections.defaultdict(list)
    for row in rows:
        by_version[row.id].append(row)
    return [
        Target(version_id, bool(rows[0].active),
               _requirement(version_id, rows),
               frozenset(flavor_id for row in rows if (
                   flavor_id := getattr(row, 'flavor_id', None))),
               getattr(rows[0], 'tenant_id', None))
        for version_id, rows in by_version.items()]


def names(versions: Iterable[Version]) -> str:
    """Datastore versions for a message, in one line."""
    return ', '.join(
        f'{version.id} ({version.datastore}/{version.name}'
        f'{", number " + version.number if version.number else ""})'
        for version in versions)
