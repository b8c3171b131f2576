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

"""Find the target of a request in the database, as Trove does."""

import collections
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import types
import typing

from oslo_utils import uuidutils
import sqlalchemy as sa
from sqlalchemy import orm

from trove_flavor_filter import acceptance
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import upgrades
from trove_flavor_filter import requirement
from trove_flavor_filter import running


class ResolvedVersion(typing.NamedTuple):
    """The target of a request: a datastore version, and existing instances.

    :ivar version_id: id of the datastore version
    :ivar datastore: name of the datastore
    :ivar datastore_version: name of the version
    :ivar active: whether it is active
    :ivar requirement: what it requires
    :ivar flavor_ids: ids of the flavors of the existing instances
    :ivar volume_sizes: of the data volumes of the existing instances, in GiB
    :ivar volume_ids: of the same volumes, in Cinder
    :ivar tenant_id: id of their project; None if there are none
    :ivar instances: these instances, if the request changes them
    :ivar manager: Trove's name for what manages instances of the version
    :ivar shown: what else Trove shows of the version, by column; empty where
        it is not needed
    :ivar volume_types: names or ids of the only types of volumes that Trove
        accepts; empty if it accepts any, and where they are not needed
    """

    version_id: str
    datastore: str
    datastore_version: str
    active: bool
    requirement: requirement.Requirement
    flavor_ids: frozenset[str] = frozenset()
    volume_sizes: frozenset[int] = frozenset()
    volume_ids: frozenset[str] = frozenset()
    tenant_id: str | None = None
    instances: tuple[running.Instance, ...] = ()
    manager: str | None = None
    shown: Mapping[str, typing.Any] = types.MappingProxyType({})
    volume_types: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f'{self.datastore}/{self.datastore_version}'


class Lookup:
    """Finds the targets of requests in Trove's database.

    Every method raises DatabaseUnavailable if the database is unavailable.

    :param storages: where instances store their data
    """

    def __init__(self, database: engine.Database,
                 storages: acceptance.Storages):
        self._database = database
        self._storages = storages
        self._upgrades = upgrades.Recorded(database)

    def named_version(self, datastore: str, version: str | None,
                      number: typing.Any) -> list[ResolvedVersion]:
        """The datastore version that a request names, found as in Trove.

        Mirrors Trove's ``get_datastore_version``. It finds the datastore by
        id or else by name. It finds the version by id, or by name and number,
        or it is the default. The database compares the texts, so its rules on
        case, accents and trailing spaces apply to Trove and to the plugin
        alike.

        :param datastore: id or name
        :param version: id or name; None for the datastore's default
        :param number: version number; Trove ignores it if it is false. How a
            number that is not a text compares depends on the database; here
            it matches any number
        :returns: an empty list if Trove finds no version, or cannot decide
            between several; more than one if Trove could use any of them
        """
        found = self.versions_named(datastore, version, number)
        if version is not None and not number and len(found) > 1:
            return []
        return found

    @engine.read
    def versions_named(self, datastore: str, version: str | None,
                       number: typing.Any = None) -> list[ResolvedVersion]:
        """As :meth:`named_version`, but returns all that Trove finds."""
        given = {'datastore': datastore}
        if version is not None:
            given['version'] = version
        if isinstance(number, str):
            given['number'] = number
        with self._database.statement() as connection:
            rows = connection.execute(
                _named_version(frozenset(given)), given).all()
        if any(row.datastore_by_id for row in rows):
            rows = [row for row in rows if row.datastore_by_id]
        rows = [row for row in rows if row.id is not None]
        if version is not None:
            if uuidutils.is_uuid_like(version):
                rows = [row for row in rows if row.by_id]
            else:
                rows = [row for row in rows if row.by_name and
                        (not number or row.by_number)]
        return self._resolved(rows)

    @engine.read
    def active_versions(self, datastore: str
                        ) -> list[ResolvedVersion] | None:
        """The active versions of a datastore, by name and number.

        :param datastore: id or name
        :returns: None if there is no such datastore
        """
        with self._database.statement() as connection:
            rows = connection.execute(
                _active_versions(), {'datastore': datastore}).all()
        if any(row.datastore_by_id for row in rows):
            rows = [row for row in rows if row.datastore_by_id]
        if not rows:
            return None
        return _by_name(self._resolved(
            [row for row in rows if row.id is not None]))

    @engine.read
    def instance_version(self, instance_id: str) -> list[ResolvedVersion]:
        """The flavor of an instance, and the datastore version in its row.

        :returns: an empty list if there is no such instance
        """
        return self._members_and_version(models.Instance, instance_id)

    def instance_versions(self, instance_id: str, replicas: bool = False
                          ) -> list[ResolvedVersion]:
        """As :meth:`instance_version`, but all versions that it may run.

        There is more than one after an upgrade, until it is known to have
        succeeded.

        :param replicas: also all versions that its replicas may run; Trove
            ignores those of other projects, which an administrator may create
        """
        found = self._resolved(self._upgrades.rows(
            functools.partial(_instance_versions, replicas),
            instance_id=instance_id))
        return [target for target in found
                if any(target.version_id in instance.versions
                       for instance in target.instances)]

    def instance_upgrade(self, instance_id: str, version: str
                         ) -> list[ResolvedVersion]:
        """An instance, its flavor, and the target of an upgrade.

        :param version: id or name of a version of the same datastore
        :returns: an empty list if there is no such instance or version; more
            than one if several versions have this name
        """
        return self._upgrade(models.Instance, instance_id, version)

    def instance_upgrades(self, instance_id: str) -> list[ResolvedVersion]:
        """As :meth:`instance_upgrade`, but all versions of the datastore.

        :returns: by name and number
        :raises Unavailable: no upgrade can be recorded
        """
        found = self._upgrade(models.Instance, instance_id, None)
        if self._upgrades.is_missing:
            raise upgrades.not_available()
        return _by_name(found)

    def cluster_upgrade(self, cluster_id: str, version: str
                        ) -> list[ResolvedVersion]:
        """As :meth:`instance_upgrade`, for all members of a cluster."""
        return self._upgrade(models.Cluster, cluster_id, version)

    @engine.read
    def cluster_version(self, cluster_id: str) -> list[ResolvedVersion]:
        """The flavors of a cluster's members, and its datastore version.

        :returns: an empty list if there is no such cluster
        """
        return self._members_and_version(models.Cluster, cluster_id)

    @engine.read
    def shard_versions(self, cluster_id: str) -> list[ResolvedVersion]:
        """The datastore versions and flavors of a cluster's members.

        For a new shard, Trove uses the flavor and the datastore version of
        one member, whichever the database returns first. So all members are
        considered. The cluster itself may have another version, after an
        upgrade that failed halfway or an upgrade of a single member.

        :returns: an empty list if there is no such cluster, or no member
        """
        cluster, member = models.Cluster, models.Instance
        statement: sa.Select = (
            requirements.with_requirement(
                *_NAMES, cluster.tenant_id, *_HARDWARE)
            .select_from(cluster)
            .join(member, sa.and_(
                member.cluster_id == cluster.id, member.deleted.is_(False),
                # Rows that are older than this column have no type.
                sa.func.coalesce(member.type, 'member') == 'member'))
            .join(models.DatastoreVersion,
                  models.DatastoreVersion.id == member.datastore_version_id)
            .outerjoin(*requirements.METADATA)
            .where(cluster.id == cluster_id, cluster.deleted.is_(False)))
        with self._database.statement() as connection:
            rows = connection.execute(statement).all()
        return self._resolved(rows)

    @engine.read
    def siblings(self, version_id: str) -> list[ResolvedVersion]:
        """All versions of the datastore of a version, itself included."""
        version = models.DatastoreVersion
        datastore_id = sa.select(version.datastore_id).where(
            version.id == version_id).scalar_subquery()
        statement: sa.Select = (
            requirements.with_requirement(*_NAMES)
            .select_from(version).outerjoin(*requirements.METADATA)
            .where(version.datastore_id == datastore_id))
        with self._database.statement() as connection:
            rows = connection.execute(statement).all()
        return self._resolved(rows)

    def instance(self, instance_id: str) -> list[running.Instance]:
        """An instance; an empty list if there is no such instance."""
        return self._instances(models.Instance.id == instance_id)

    def with_replicas(self, instance_id: str) -> list[running.Instance]:
        """An instance and its replicas."""
        return self._instances(sa.or_(
            models.Instance.id == instance_id,
            models.Instance.slave_of_id == instance_id))

    def replication_set(self, instance_id: str) -> list[running.Instance]:
        """An instance, its source, and the replicas of both."""
        instance = models.Instance
        source_id = sa.select(instance.slave_of_id).where(
            instance.id == instance_id).scalar_subquery()
        return self._instances(sa.or_(
            instance.id == instance_id, instance.slave_of_id == instance_id,
            instance.id == source_id, instance.slave_of_id == source_id))

    def attached_to(self, configuration_id: str) -> list[running.Instance]:
        """The instances that a configuration group is attached to.

        Members of clusters are left out.
        """
        return self._instances(
            models.Instance.configuration_id == configuration_id,
            models.Instance.cluster_id.is_(None))

    def members(self, cluster_id: str) -> list[running.Instance]:
        """The members of a cluster."""
        return self._instances(models.Instance.cluster_id == cluster_id)

    def _instances(self, *which: typing.Any) -> list[running.Instance]:
        instance, version = models.Instance, models.DatastoreVersion
        return _instances(self._upgrades.rows(lambda upgrades: _with_upgrade(
            sa.select(*_INSTANCE)
            .join(version, version.id == instance.datastore_version_id)
            .where(instance.deleted.is_(False), *which), upgrades)))

    def _members_and_version(self, owner: typing.Any, owner_id: str
                             ) -> list[ResolvedVersion]:
        statement: sa.Select = requirements.with_requirement(
            *_NAMES, owner.tenant_id, *_HARDWARE
        ).select_from(owner)
        if owner is models.Cluster:
            statement = statement.outerjoin(*_MEMBERS)
        statement = statement.join(
            models.DatastoreVersion,
            models.DatastoreVersion.id == owner.datastore_version_id
        ).outerjoin(*requirements.METADATA).where(
            owner.id == owner_id, owner.deleted.is_(False))
        with self._database.statement() as connection:
            rows = connection.execute(statement).all()
        return self._resolved(rows)

    def _upgrade(self, owner: typing.Any, owner_id: str,
                 version: str | None) -> list[ResolvedVersion]:
        """Targets of an upgrade.

        :param version: id or name; None for all, with what Trove shows
        """
        present = orm.aliased(models.DatastoreVersion)
        target = models.DatastoreVersion

        def statement(upgrades: bool) -> sa.Select:
            found = requirements.with_requirement(
                *_NAMES, *_HARDWARE, *_INSTANCE,
                owner.tenant_id.label('owner'),
                *(_SHOWN if version is None else ())).select_from(owner)
            if owner is models.Cluster:
                found = found.outerjoin(*_MEMBERS)
            return _with_upgrade(
                found.join(present, present.id == owner.datastore_version_id)
                .join(target, sa.and_(
                    target.datastore_id == present.datastore_id,
                    sa.true() if version is None else
                    target.id == version if uuidutils.is_uuid_like(version)
                    else target.name == version))
                .outerjoin(*requirements.METADATA)
                .where(owner.id == owner_id, owner.deleted.is_(False)),
                upgrades)
        return self._resolved(self._upgrades.rows(statement))

    def _resolved(self, rows: Sequence[typing.Any]) -> list[ResolvedVersion]:
        by_version = collections.defaultdict(list)
        for row in rows:
            by_version[row.id].append(row)
        columns = rows[0]._fields if rows else ()
        found = []
        for version_id, those in by_version.items():
            target = ResolvedVersion(
                version_id, those[0].datastore or '', those[0].name or '',
                bool(those[0].active),
                requirements.requirement_in(
                    version_id, those, self._storages),
                manager=those[0].manager)
            if 'version' in columns:
                target = target._replace(shown={
                    column.name: getattr(those[0], column.name)
                    for column in _SHOWN if column.name in columns})
            if 'is_volume_type' in columns:
                target = target._replace(
                    volume_types=self._volume_types(those))
            if 'tenant_id' in columns:
                target = target._replace(
                    flavor_ids=frozenset(
                        row.flavor_id for row in those if row.flavor_id),
                    volume_sizes=frozenset(
                        row.volume_size for row in those if row.volume_size),
                    volume_ids=frozenset(
                        row.volume_id for row in those if row.volume_id),
                    tenant_id=(those[0].owner if 'owner' in columns
                               else those[0].tenant_id))
            if 'instance_id' in columns:
                target = target._replace(instances=tuple(_instances(those)))
            found.append(target)
        return found

    def _volume_types(self, rows: Sequence[typing.Any]) -> tuple[str, ...]:
        """The volume types in the rows of a version, if it has volumes."""
        storage = self._storages.get(rows[0].manager)
        if storage and not storage.volume_support:
            return ()
        return tuple(sorted(
            row.value for row in rows if row.is_volume_type and row.value))


# Built once, since building the statement takes longer than running it.
@functools.cache
def _named_version(given: frozenset[str]) -> sa.Select:
    """The statement of Lookup.named_version.

    :param given: names of the parameters that are given
    """
    ds, dv = models.Datastore, models.DatastoreVersion
    datastore = sa.bindparam('datastore', type_=sa.String)
    version: typing.Any = (
        sa.bindparam('version', type_=sa.String) if 'version' in given
        else ds.default_version_id)
    return (
        requirements.with_requirement(
            *_NAMES,
            (ds.id == datastore).label('datastore_by_id'),
            (dv.id == version).label('by_id'),
            (dv.name == version).label('by_name'),
            (dv.version == sa.bindparam('number', type_=sa.String)
             if 'number' in given else sa.true()).label('by_number'))
        .select_from(ds)
        .outerjoin(dv, sa.and_(
            dv.datastore_id == ds.id,
            sa.or_(dv.id == version, dv.name == version)))
        .outerjoin(*requirements.METADATA)
        .where(sa.or_(ds.id == datastore, ds.name == datastore)))


@functools.cache
def _active_versions() -> sa.Select:
    """The statement of Lookup.active_versions."""
    ds, dv = models.Datastore, models.DatastoreVersion
    datastore = sa.bindparam('datastore', type_=sa.String)
    return (
        requirements.with_requirement(
            ds.name.label('datastore'), dv.name, dv.version,
            (ds.id == datastore).label('datastore_by_id'),
            requirements.IS_VOLUME_TYPE)
        .select_from(ds)
        .outerjoin(dv, sa.and_(
            dv.datastore_id == ds.id, dv.active.is_(True)))
        .outerjoin(*requirements.METADATA_WITH_TYPES)
        .where(sa.or_(ds.id == datastore, ds.name == datastore)))


@functools.cache
def _instance_versions(replicas: bool, upgrades: bool) -> sa.Select:
    """The statement of Lookup.instance_versions.

    :param upgrades: whether there is the table of recorded upgrades
    """
    instance, version = models.Instance, models.DatastoreVersion
    upgrade = orm.aliased(models.FlavorFilterUpgrade)
    instance_id = sa.bindparam('instance_id', type_=sa.String)
    which: typing.Any = instance.id == instance_id
    if replicas:
        source = orm.aliased(models.Instance)
        owner_id = sa.select(source.tenant_id).where(
            source.id == instance_id, source.deleted.is_(False)
        ).scalar_subquery()
        which = sa.or_(which, sa.and_(instance.slave_of_id == instance_id,
                                      instance.tenant_id == owner_id))
    may_run: list[typing.Any] = [version.id == instance.datastore_version_id]
    if upgrades:
        may_run.append(sa.exists().where(
            upgrade.instance_id == instance.id,
            version.id.in_([upgrade.datastore_version_id,
                            upgrade.target_id])))
    return _with_upgrade(
        requirements.with_requirement(*_NAMES, *_HARDWARE, *_INSTANCE)
        .select_from(instance).join(version, sa.or_(*may_run))
        .outerjoin(*requirements.METADATA)
        .where(which, instance.deleted.is_(False)), upgrades)


def _by_name(versions: Iterable[ResolvedVersion]) -> list[ResolvedVersion]:
    """Versions, sorted: databases sort them each in their own way."""
    return sorted(versions, key=lambda version: (
        version.datastore_version, version.shown['version'] or '',
        version.version_id))


# Whether any version of the same datastore has requirements.
_SIBLING = orm.aliased(models.DatastoreVersion)
_METADATA = orm.aliased(models.DatastoreVersionMetadata)
DATASTORE_REQUIRES = sa.exists().where(
    _SIBLING.datastore_id == models.DatastoreVersion.datastore_id,
    _METADATA.datastore_version_id == _SIBLING.id,
    _METADATA.key.in_(requirement.REQUIRING), _METADATA.deleted.is_(False))

# The names of a datastore version for users.
_NAMES: tuple[typing.Any, ...] = (
    sa.select(models.Datastore.name)
    .where(models.Datastore.id == models.DatastoreVersion.datastore_id)
    .correlate(models.DatastoreVersion).scalar_subquery().label('datastore'),
    models.DatastoreVersion.name)


# What Trove shows of a version, besides.
_SHOWN: tuple[typing.Any, ...] = tuple(
    models.DatastoreVersion.__table__.c[name] for name in (
        'version', 'datastore_id', 'packages', 'image_id', 'registry_ext',
        'repl_strategy', 'image_tags'))

_HARDWARE: tuple[typing.Any, ...] = (
    models.Instance.flavor_id, models.Instance.volume_size,
    models.Instance.volume_id)

# The columns of running.Instance.
_INSTANCE: tuple[typing.Any, ...] = (
    models.Instance.id.label('instance_id'), models.Instance.tenant_id,
    models.Instance.task_id, models.Instance.cluster_id,
    models.Instance.datastore_version_id.label('present_id'),
    DATASTORE_REQUIRES.label('waits'))

_MEMBERS: tuple[typing.Any, typing.Any] = (models.Instance, sa.and_(
    models.Instance.cluster_id == models.Cluster.id,
    models.Instance.deleted.is_(False)))


def _with_upgrade(statement: sa.Select, upgrades: bool) -> sa.Select:
    """A statement on instances, with the columns of their upgrades."""
    table = models.FlavorFilterUpgrade
    if not upgrades:
        return statement.add_columns(*(
            sa.null().label(name) for name in (
                'attempt', 'earlier_id', 'target_id', 'state')))
    return statement.add_columns(
        table.attempt, table.datastore_version_id.label('earlier_id'),
        table.target_id, table.state).outerjoin(
            table, table.instance_id == models.Instance.id)


def _instances(rows: Sequence[typing.Any]) -> list[running.Instance]:
    """The instances in rows with the columns of _with_upgrade."""
    by_instance = collections.defaultdict(list)
    for row in rows:
        if row.instance_id is not None:
            by_instance[row.instance_id].append(row)
    return [running.Instance(
        instance_id, those[0].tenant_id, those[0].task_id,
        those[0].present_id,
        running.recorded((row.attempt, row.earlier_id, row.target_id,
                          row.state) for row in those),
        bool(those[0].waits), those[0].cluster_id)
        for instance_id, those in by_instance.items()]
