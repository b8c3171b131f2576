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

"""Remember the upgrades that are not known to have succeeded."""

from alembic import op
import sqlalchemy as sa

from trove_flavor_filter.db.migrations import beside_trove

revision = '0003'
down_revision = '0002'


TABLE = 'flavor_filter_upgrade'


def upgrade() -> None:
    # As in 0002: a run that was interrupted leaves the table behind.
    if sa.inspect(op.get_bind()).has_table(TABLE):
        return
    op.create_table(
        TABLE,
        sa.Column('instance_id', sa.String(36), primary_key=True,
                  nullable=False),
        sa.Column('datastore_version_id', sa.String(36),
                  sa.ForeignKey('datastore_versions.id', ondelete='CASCADE'),
                  primary_key=True, nullable=False),
        sa.Column('target_id', sa.String(36),
                  sa.ForeignKey('datastore_versions.id',
                                ondelete='SET NULL')),
        sa.Column('attempt', sa.String(36), nullable=False),
        sa.Column('state', sa.String(36), nullable=False),
        sa.Column('created', sa.DateTime(), nullable=False),
        **beside_trove.table_options(op.get_bind()))
