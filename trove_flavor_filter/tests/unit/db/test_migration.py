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

import concurrent.futures
import functools
import subprocess
import sys

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
        self.assertIn('to 0003', first)
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

    def test_the_revisions_of_before_are_brought_to_this_one(self):
        migration.sync(self.database)
        self.create_row(self.version_id, '1')
        tables = (models.FlavorFilterUpgrade, models.FlavorFilterRevision)
        for before, missing in (('0002', tables[:1]), ('0001', tables)):
            for table in missing:
                table.__table__.drop(self.sql)
            self.execute(sa.text(
                f'UPDATE {migration.VERSION_TABLE} '
                f'SET version_num = \'{before}\''))
            (problem,) = migration.problems(self.database)
            self.assertIn('flavor-filter-db-sync', problem)
            self.assertIn(f'from revision {before} to 0003',
                          migration.sync(self.database))
            self.assertEqual([], migration.problems(self.database))
            self.assertEqual([(self.version_id, '1', False)], self.rows())
            self.assertEqual({}, self.requirements.revised(
                [self.version_id]).revisions)

    def test_a_run_that_ended_in_between_is_taken_up(self):
        # Tables made, and their revision not written.
        migration.sync(self.database)
        for before in ('0002', '0001', None):
            self.execute(
                sa.text(f'DELETE FROM {migration.VERSION_TABLE}')
                if before is None else sa.text(
                    f'UPDATE {migration.VERSION_TABLE} '
                    f'SET version_num = \'{before}\''))
            migration.sync(self.database)
            self.assertEqual([], migration.problems(self.database))

    def test_a_table_that_was_dropped_by_hand_is_told_and_made_again(self):
        migration.sync(self.database)
        self.create_row(self.version_id, '1')
        for table in (models.FlavorFilterRevision.__table__, TABLE):
            table.drop(self.sql)
            (problem,) = migration.problems(self.database)
            self.assertIn(f'no table {table.name}', problem)
            self.assertIn('flavor-filter-db-sync', problem)
            self.assertEqual(f'Created missing tables: {table.name}.',
                             migration.sync(self.database))
            self.assertEqual([], migration.problems(self.database))
        self.assertIn('up to date', migration.sync(self.database))
        self.requirements.change(
            functools.partial(planning.add, ['1']), [self.version_id])

    def test_a_revision_that_is_newer_is_one_clear_error(self):
        migration.sync(self.database)
        self.execute(sa.text(
            f'UPDATE {migration.VERSION_TABLE} SET version_num = \'0999\''))
        error = self.assertRaises(exception.FlavorFilterError,
                                  migration.sync, self.database)
        self.assertIn('0999', str(error))


class AtOnceTestMixin:
    """Databases on which a host waits for another one that migrates.

    :cvar lock, unlock: the statements of another host
    """

    def test_while_another_holds_the_lock_nothing_is_changed(self):
        migration.sync(self.database)
        with self.sql.connect() as other:
            other.execute(sa.text(self.lock))
            # As far as the other has come.
            self.execute(sa.text(f'DELETE FROM {migration.VERSION_TABLE}'))
            models.FlavorFilterRevision.__table__.drop(self.sql)
            for timeout in (0, 1):
                error = self.assertRaises(
                    exception.FlavorFilterError, migration.sync,
                    self.database, timeout)
                self.assertIn('Another host', str(error))
                self.assertIn('Nothing was changed', str(error))
            tables = sa.inspect(self.sql).get_table_names()
            self.assertIn(migration.VERSION_TABLE, tables)
            self.assertNotIn('flavor_filter_revision', tables)
            other.execute(sa.text(self.unlock))
        self.assertIn('Upgraded', migration.sync(self.database))

    def test_what_another_releases_in_time_is_waited_for(self):
        with self.sql.connect() as other:
            other.execute(sa.text(self.lock))
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(migration.sync, self.database)
                concurrent.futures.wait([waiting], timeout=0.5)
                self.assertFalse(waiting.done())
                other.execute(sa.text(self.unlock))
                self.assertIn('Upgraded', waiting.result())

    def test_two_at_once_both_end_well(self):
        tables = [TABLE, models.FlavorFilterRevision.__table__]
        conf = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        # Alembic can migrate but once at a time in a process.
        program = (
            'import sys\n'
            'from trove_flavor_filter import conf\n'
            'from trove_flavor_filter.db import engine\n'
            'from trove_flavor_filter.db import migration\n'
            f'database = engine.Database(conf.load({{'
            f'"oslo_config_file": {conf!r}}}))\n'
            'for line in sys.stdin:\n'
            '    print(migration.sync(database), flush=True)\n')
        processes = [subprocess.Popen(
            [sys.executable, '-c', program], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _number in range(3)]
        for process in processes:
            self.addCleanup(process.communicate)

        for _round in range(4):
            for table in tables:
                table.drop(self.sql, checkfirst=True)
            self.execute(sa.text(
                f'DROP TABLE IF EXISTS {migration.VERSION_TABLE}'))
            for process in processes:
                process.stdin.write('\n')
                process.stdin.flush()
            said = [process.stdout.readline() for process in processes]
            self.assertTrue(all(said), said)
            self.assertIn('to 0003', ' '.join(said))
            self.assertEqual([], migration.problems(self.database))
            self.assertEqual([('0003',)], self.execute(sa.text(
                f'SELECT version_num FROM {migration.VERSION_TABLE}')))


class MySQLMigrationTest(AtOnceTestMixin, MigrationTest):
    backend = 'mysql'
    collation = 'utf8mb3_general_ci'
    name = (f"CONCAT(LEFT(DATABASE(), 30), '.', "
            f"'{migration.VERSION_TABLE}')")
    lock, unlock = (f'SELECT GET_LOCK({name}, 0)',
                    f'SELECT RELEASE_LOCK({name})')

    def test_a_server_that_refuses_the_lock_is_migrated_without_it(self):
        # Percona XtraDB Cluster in its strict mode.
        def refuse(_connection, _cursor, statement, parameters, *_more):
            return (statement.replace('get_lock(', 'no_such_function('),
                    parameters)

        sa.event.listen(self.database.engine(), 'before_cursor_execute',
                        refuse, retval=True)
        self.assertIn('Upgraded', migration.sync(self.database))

    def tables(self) -> set[str]:
        return set(sa.inspect(self.sql).get_table_names())

    def test_new_tables_have_the_collation_of_troves(self):
        for table in (TABLE, models.FlavorFilterRevision.__table__):
            table.drop(self.sql)
        # Of tables that are made from now on.
        self.execute(sa.text('ALTER DATABASE COLLATE utf8mb4_unicode_ci'))
        migration.sync(self.database)
        self.assertEqual({'utf8mb3_general_ci'}, {
            collation for collation, in self.execute(sa.text(
                'SELECT collation_name FROM information_schema.columns '
                'WHERE table_schema = DATABASE() AND collation_name '
                'IS NOT NULL AND (table_name LIKE \'datastore%\' '
                'OR table_name = \'flavor_filter_revision\')'))})

    def test_what_fails_leaves_nothing_behind(self):
        models.Base.metadata.drop_all(self.sql)
        # No foreign key can refer to it.
        self.execute(sa.text(
            'CREATE TABLE datastore_versions (id VARCHAR(36) PRIMARY KEY) '
            'ENGINE MyISAM'))
        error = self.assertRaises(exception.DatabaseUnavailable,
                                  migration.sync, self.database)
        self.assertIn('150', error.reason)
        self.assertEqual({'datastore_versions'}, self.tables())
        self.execute(sa.text('ALTER TABLE datastore_versions ENGINE InnoDB'))
        migration.sync(self.database)
        self.assertEqual([], migration.problems(self.database))


class PostgreSQLMigrationTest(AtOnceTestMixin, MigrationTest):
    backend = 'postgresql'
    lock, unlock = (
        f"SELECT pg_advisory{do}lock(hashtext('{migration.VERSION_TABLE}'))"
        for do in ('_', '_un'))
