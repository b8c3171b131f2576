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

"""Use Trove's datastore_version_metadata, or create it if it is missing."""

from alembic import op
import sqlalchemy as sa

from trove_flavor_filter.db.migrations import beside_trove
from trove_flavor_filter import exception

revision = '0001'
down_revision = None

TABLE = 'datastore_version_metadata'


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    if inspector.has_table(TABLE):
        adopt(inspector)
    else:
        create()


def adopt(inspector: sa.Inspector) -> None:
    """Check that the table has every column, and leave it as it is."""
    missing = {
        'id', 'datastore_version_id', 'key', 'value', 'created', 'deleted',
        'deleted_at', 'updated_at',
    } - {column['name'] for column in inspector.get_columns(TABLE)}
    if missing:
        raise exception.NotFound(
            f'The table {TABLE} lacks {", ".join(sorted(missing))}, which '
            f'Trove\'s own migrations create. Restore the table; or rename '
            f'it, and run this command again to create a new one.')


def create() -> None:
    op.create_table(
        TABLE,
        sa.Column('id', sa.String(36), primary_key=True, nullable=False),
        sa.Column('datastore_version_id', sa.String(36),
                  sa.ForeignKey('datastore_versions.id', ondelete='CASCADE')),
        sa.Column('key', sa.String(128), nullable=False),
        sa.Column('value', sa.String(128)),
        sa.Column('created', sa.DateTime(), nullable=False),
        sa.Column('deleted', sa.Boolean(), nullable=False, default=False),
        sa.Column('deleted_at', sa.DateTime()),
        sa.Column('updated_at', sa.DateTime()),
        sa.UniqueConstraint(
            'datastore_version_id', 'key', 'value',
            name='UQ_datastore_version_metadata_datastore_version_id_key_'
                 'value'),
        **beside_trove.table_options(op.get_bind()))
