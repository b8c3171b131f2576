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
from collections.abc import Collection
from collections.abc import Sequence
import functools
import typing

from oslo_utils import uuidutils
import sqlalchemy as sa
from sqlalchemy import orm

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter import requirement


class Task(typing.NamedTuple):
    """The task of an instance.

    :ivar instance_id: id of the instance
    :ivar tenant_id: id of its project
    :ivar task_id: a code from Trove's ``InstanceTasks``
    """

    instance_id: str
    tenant_id: str
    task_id: int


class Target(typing.NamedTuple):
    """The target of a request: a datastore version, and existing instances.

    :ivar version_id: id of the datastore version
    :ivar name: DATASTORE/VERSION
    :ivar active: whether it is active
    :ivar requirement: what it requires
    :ivar flavor_ids: ids of the flavors of the existing instances
    :ivar tenant_id: id of their project; None if there are none
    :ivar tasks: tasks of these instances, if the request names another
        version and any version of their datastore has requirements
    """

    version_id: str
    name: str
    active: bool
    requirement: requirement.Requirement
    flavor_ids: frozenset[str] = frozenset()
    tenant_id: str | None = None
    tasks: frozenset[Task] = frozenset()


class Targets:
    """Finds the targets of requests in Trove's database.

    Every method raises DatabaseUnavailable if the database is unavailable.
    """

    def __init__(self, database: engine.Database):
        self._database = database

    @engine.read
    def instance_flavors(self, version_ids: Collection[str]
                         ) -> list[tuple[str, str, int]]:
        """The number of instances by datastore version and flavor.

        :returns: id of the version, id of the flavor, and the number
        """
        instance = models.Instance
        statement: sa.Select = sa.select(
            instance.datastore_version_id, instance.flavor_id,
            sa.func.count()).where(instance.deleted.is_(False)).group_by(
                instance.datastore_version_id, instance.flavor_id)
        with self._database.statement() as connection:
            return [(version_id, flavor_id or '', count)
                    for version_id, flavor_id, count
                    in connection.execute(statement)
                    if version_id in version_ids]

    def named_version(self, datastore: str, version: str | None,
                      number: typing.Any) -> list[Target]:
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
                       number: typing.Any = None) -> list[Target]:
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
        return _targets(rows)

    @engine.read
    def instance_version(self, instance_id: str, version: str | None = None
                         ) -> list[Target]:
        """An instance's flavor, and its datastore version or another one.

        :param version: id or name of another version of the same datastore,
            as in an upgrade
        :returns: an empty list if there is no such instance or version
        """
        return self._members_and_version(
            models.Instance, instance_id, version)

    @engine.read
    def cluster_version(self, cluster_id: str, version: str | None = None
                        ) -> list[Target]:
        """A cluster's flavors, and its datastore version or another one.

        As :meth:`instance_version`.
        """
        return self._members_and_version(models.Cluster, cluster_id, version)

    @engine.read
    def shard_versions(self, cluster_id: str) -> list[Target]:
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
                *_NAMES, cluster.tenant_id, member.flavor_id)
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
        return _targets(rows)

    @engine.read
    def tasks_of_instance(self, instance_id: str) -> list[Task]:
        """An instance's task, if its datastore has any requirements."""
        return self._tasks(models.Instance.id == instance_id)

    @engine.read
    def tasks_of_replication_set(self, instance_id: str) -> list[Task]:
        """The tasks of an instance, its source, and the replicas of both.

        As :meth:`tasks_of_instance`.
        """
        instance = models.Instance
        source_id = sa.select(instance.slave_of_id).where(
            instance.id == instance_id).scalar_subquery()
        return self._tasks(sa.or_(
            instance.id == instance_id, instance.slave_of_id == instance_id,
            instance.id == source_id, instance.slave_of_id == source_id))

    @engine.read
    def tasks_of_configuration(self, configuration_id: str) -> list[Task]:
        """The tasks of instances that a configuration group is attached to.

        As :meth:`tasks_of_instance`. Members of clusters are left out.
        """
        return self._tasks(
            models.Instance.configuration_id == configuration_id,
            models.Instance.cluster_id.is_(None))

    def _tasks(self, *which: typing.Any) -> list[Task]:
        instance, version = models.Instance, models.DatastoreVersion
        statement: sa.Select = (
            sa.select(instance.id, instance.tenant_id, instance.task_id)
            .join(version, version.id == instance.datastore_version_id)
            .where(instance.deleted.is_(False),
                   instance.task_id.is_not(None),
                   DATASTORE_REQUIRES, *which))
        with self._database.statement() as connection:
            return [Task(*row) for row in connection.execute(statement)]

    def _members_and_version(self, owner: typing.Any, owner_id: str,
                             version: str | None) -> list[Target]:
        member = models.Instance
        target = models.DatastoreVersion
        columns = [owner.tenant_id, member.flavor_id]
        if version is not None:
            columns += [member.id.label('instance_id'), member.task_id,
                        DATASTORE_REQUIRES.label('datastore_requires')]
        statement: sa.Select = requirements.with_requirement(
            *_NAMES, *columns).select_from(owner)
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
        statement = statement.outerjoin(*requirements.METADATA).where(
            owner.id == owner_id, owner.deleted.is_(False))
        with self._database.statement() as connection:
            rows = connection.execute(statement).all()
        return _targets(rows)


# Built once, since building the statement takes longer than running it.
@functools.cache
def _named_version(given: frozenset[str]) -> sa.Select:
    """The statement of Targets.named_version.

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


# Whether any version of the same datastore has requirements.
_SIBLING = orm.aliased(models.DatastoreVersion)
_METADATA = orm.aliased(models.DatastoreVersionMetadata)
DATASTORE_REQUIRES = sa.exists().where(
    _SIBLING.datastore_id == models.DatastoreVersion.datastore_id,
    _METADATA.datastore_version_id == _SIBLING.id,
    _METADATA.key.in_(requirement.KEYS), _METADATA.deleted.is_(False))

# The names of a datastore version for users.
_NAMES: tuple[typing.Any, ...] = (
    sa.select(models.Datastore.name)
    .where(models.Datastore.id == models.DatastoreVersion.datastore_id)
    .correlate(models.DatastoreVersion).scalar_subquery().label('datastore'),
    models.DatastoreVersion.name)


def _targets(rows: Sequence[typing.Any]) -> list[Target]:
    by_version = collections.defaultdict(list)
    for row in rows:
        by_version[row.id].append(row)
    columns = rows[0]._fields if rows else ()
    found = []
    for version_id, rows in by_version.items():
        target = Target(
            version_id, f'{rows[0].datastore}/{rows[0].name}',
            bool(rows[0].active),
            requirements.requirement_in(version_id, rows))
        if 'tenant_id' in columns:
            target = target._replace(
                flavor_ids=frozenset(
                    row.flavor_id for row in rows if row.flavor_id),
                tenant_id=rows[0].tenant_id)
        if 'task_id' in columns:
            target = target._replace(tasks=frozenset(
                Task(row.instance_id, row.tenant_id, row.task_id)
                for row in rows
                if row.datastore_requires and row.task_id is not None))
        found.append(target)
    return found
