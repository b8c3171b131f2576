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

"""flavor-filter-db-sync, on each kind of database."""

import functools

from alembic import autogenerate
from alembic.runtime import migration as alembic_migration
import sqlalchemy as sa

from trove_flavor_filter.db import migration
from trove_flavor_filter.db import models
from trove_flavor_filter.declaration import planning
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit import base

TABLE = models.DatastoreVersionMetadata.__table__


class MigrationTest(base.DatabaseTestCase):

    def test_troves_table_is_adopted_without_touching_a_row(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, 'ssd', key='volume_type')
        before = self.execute(sa.select(TABLE).order_by(TABLE.c.id))
        migration.sync(self.database)
        self.assertEqual(
            before, self.execute(sa.select(TABLE).order_by(TABLE.c.id)))

    def test_a_missing_table_is_made_as_the_models_say(self):
        ours = [TABLE, models.FlavorFilterRevision.__table__]
        for table in ours:
            table.drop(self.sql)
        migration.sync(self.database)
        with self.sql.connect() as connection:
            context = alembic_migration.MigrationContext.configure(
                connection, opts={
                    'version_table': migration.VERSION_TABLE,
                    'include_object': lambda _item, name, kind, *_rest:
                        kind != 'table' or name in [
                            table.name for table in ours]})
            self.assertEqual([], autogenerate.compare_metadata(
                context, models.Base.metadata))
        self.requirements.change(
            functools.partial(planning.add, ['1']), [self.version_id])
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_running_it_twice_is_the_same_as_once(self):
        first = migration.sync(self.database)
        second = migration.sync(self.database)
        self.assertIn('to 0002', first)
        self.assertIn('up to date', second)

    def test_without_troves_schema_it_refuses_and_makes_nothing(self):
        models.Base.metadata.drop_all(self.sql)
        error = self.assertRaises(exception.NotFound, migration.sync,
                                  self.database)
        self.assertIn('trove-manage db_sync', str(error))
        self.assertEqual([], sa.inspect(self.sql).get_table_names())

    def test_a_table_that_lacks_a_column_is_refused_by_name(self):
        with self.sql.begin() as connection:
            connection.execute(sa.text(
                f'ALTER TABLE {TABLE.name} DROP COLUMN deleted_at'))
        error = self.assertRaises(exception.NotFound, migration.sync,
                                  self.database)
        self.assertIn('deleted_at', str(error))
        error = self.assertRaises(exception.NotFound, migration.sync,
                                  self.database)


class MySQLMigrationTest(MigrationTest):
    backend = 'mysql'


class PostgreSQLMigrationTest(MigrationTest):
    backend = 'postgresql'
