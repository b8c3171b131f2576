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

"""The tables: ours, and those of Trove that are needed to read a request.

Trove's tables are described with only the columns that the plugin reads.
"""

from oslo_db.sqlalchemy import models
import sqlalchemy as sa
from sqlalchemy import orm


class Base(models.ModelBase, orm.DeclarativeBase):
    pass


class Datastore(Base):
    __tablename__ = 'datastores'

    id = sa.Column(sa.String(36), primary_key=True)
    name = sa.Column(sa.String(255), unique=True)
    default_version_id = sa.Column(sa.String(36))


class DatastoreVersion(Base):
    __tablename__ = 'datastore_versions'

    id = sa.Column(sa.String(36), primary_key=True)
    datastore_id = sa.Column(sa.String(36), sa.ForeignKey('datastores.id'))
    name = sa.Column(sa.String(255))
    version = sa.Column(sa.String(255))
    manager = sa.Column(sa.String(255))
    active = sa.Column(sa.Boolean, nullable=False)
    image_id = sa.Column(sa.String(36))
    image_tags = sa.Column(sa.String(255))
    packages = sa.Column(sa.String(511))
    registry_ext = sa.Column(sa.String(255))
    repl_strategy = sa.Column(sa.String(255))


class DatastoreVersionMetadata(Base):
    """A key and a value of a datastore version.

    The table has the spec's four columns, and four more of Trove's.
    """

    __tablename__ = 'datastore_version_metadata'
    __table_args__ = (
        sa.UniqueConstraint(
            'datastore_version_id', 'key', 'value',
            name='UQ_datastore_version_metadata_datastore_version_id_key_'
                 'value'),
    )

    id = sa.Column(sa.String(36), primary_key=True)
    datastore_version_id = sa.Column(
        sa.String(36),
        sa.ForeignKey('datastore_versions.id', ondelete='CASCADE'))
    key = sa.Column(sa.String(128), nullable=False)
    value = sa.Column(sa.String(128))
    created = sa.Column(sa.DateTime, nullable=False)
    deleted = sa.Column(sa.Boolean, nullable=False, default=False)
    deleted_at = sa.Column(sa.DateTime)
    updated_at = sa.Column(sa.DateTime)


class FlavorFilterRevision(Base):
    """How often the rows of a datastore version have been changed.

    Every transaction that changes a version's rows writes this row. A Galera
    node does not see the row locks of another node, but two transactions that
    write the same row conflict when they commit.
    """

    __tablename__ = 'flavor_filter_revision'

    datastore_version_id = sa.Column(
        sa.String(36),
        sa.ForeignKey('datastore_versions.id', ondelete='CASCADE'),
        primary_key=True)
    revision = sa.Column(sa.Integer, nullable=False)


class FlavorFilterUpgrade(Base):
    """A version that an instance may still run after the start of an upgrade.

    An instance has a row for each such version, until its upgrade is known to
    have succeeded. There is no foreign key to Trove's instances: on Galera, a
    new row would then conflict with Trove's own change to the instance.
    """

    __tablename__ = 'flavor_filter_upgrade'

    instance_id = sa.Column(sa.String(36), primary_key=True)
    datastore_version_id = sa.Column(
        sa.String(36),
        sa.ForeignKey('datastore_versions.id', ondelete='CASCADE'),
        primary_key=True)
    target_id = sa.Column(
        sa.String(36),
        sa.ForeignKey('datastore_versions.id', ondelete='SET NULL'))
    attempt = sa.Column(sa.String(36), nullable=False)
    state = sa.Column(sa.String(36), nullable=False)
    created = sa.Column(sa.DateTime, nullable=False)


class Cluster(Base):
    __tablename__ = 'clusters'

    id = sa.Column(sa.String(36), primary_key=True)
    tenant_id = sa.Column(sa.String(36), nullable=False)
    datastore_version_id = sa.Column(
        sa.String(36), sa.ForeignKey('datastore_versions.id'))
    deleted = sa.Column(sa.Boolean)


class Instance(Base):
    __tablename__ = 'instances'

    id = sa.Column(sa.String(36), primary_key=True)
    name = sa.Column(sa.String(255))
    tenant_id = sa.Column(sa.String(36))
    task_id = sa.Column(sa.Integer)
    flavor_id = sa.Column(sa.String(255))
    volume_size = sa.Column(sa.Integer)
    volume_id = sa.Column(sa.String(36))
    slave_of_id = sa.Column(sa.String(36), sa.ForeignKey('instances.id'))
    cluster_id = sa.Column(sa.String(36), sa.ForeignKey('clusters.id'))
    type = sa.Column(sa.String(64))
    configuration_id = sa.Column(sa.String(36))
    datastore_version_id = sa.Column(
        sa.String(36), sa.ForeignKey('datastore_versions.id'))
    deleted = sa.Column(sa.Boolean)
