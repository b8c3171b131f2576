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

"""What the commands say that change rules, without a Nova."""

import contextlib
import io
import pathlib

import sqlalchemy as sa

from trove_flavor_filter.cmd import subcommands
from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit import base


class CommandsTestCase(base.DatabaseTestCase):

    def manage(self, *words: str, code: int = 0) -> str:
        """Run a subcommand; what it prints."""
        conf = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        output = io.StringIO()
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(output)):
            self.assertEqual(code, subcommands.run(
                ['trove-manage', '--config-file', conf, *words]),
                output.getvalue())
        return output.getvalue()


class CommandsTest(CommandsTestCase):

    def apply(self, text: str, *options: str, code: int = 0) -> str:
        path = pathlib.Path(self.create_tempfiles([('file', text)])[0])
        return self.manage('datastore-version-flavor-apply', str(path),
                           '--no-validate', *options, code=code)

    def add(self, *flavor_ids: str) -> str:
        return self.manage('datastore-version-flavor-add', 'mysql/8.0',
                           *flavor_ids, '--no-validate')

    def test_without_the_table_of_revisions_a_change_is_told_the_cure(self):
        self.create_row(self.version_id, '1')
        models.FlavorFilterRevision.__table__.drop(self.sql)
        for words in (('add', '2', '--no-validate'), ('delete', '1'),
                      ('require', '--min-ram', '5')):
            said = self.manage(
                f'datastore-version-flavor-{words[0]}', self.version_id,
                *words[1:], code=1)
            self.assertIn('trove-manage flavor-filter-db-sync', said)
            self.assertEqual(1, said.count('\n'))
        self.assertIn('flavor-filter-db-sync', self.apply(
            'datastore_versions: {mysql: {8.0: {min_ram: 5}}}', code=1))
        self.manage('datastore-version-flavor-list')
        self.manage('datastore-version-flavor-export',
                    self.create_tempfiles([('export', '')])[0])
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_of_two_files_the_later_is_in_force(self):
        text = 'datastore_versions: {mysql: {8.0: {min_ram: %d}}}'
        self.apply(text % 8192)
        self.apply(text % 512)
        self.assertEqual([(self.version_id, '512', False),
                          (self.version_id, '8192', True)],
                         self.rows('min_ram'))

    def test_what_is_printed_is_what_was_changed(self):
        self.add('1', '2')
        said = self.add('1', '3')
        self.assertIn(f'Associated with mysql/8.0 ({self.version_id}): 3\n',
                      said)
        self.assertIn(
            f'Associated with mysql/8.0 ({self.version_id}) already: 1\n',
            said)
        said = self.manage('datastore-version-flavor-delete', 'mysql/8.0',
                           '3,2,1')
        self.assertIn(': 1, 2, 3\n', said)
        self.assertIn('every flavor is allowed', said)

    def test_an_association_without_a_value_is_told_and_ended(self):
        self.create_row(self.version_id, None)
        said = self.manage('datastore-version-flavor-list', '-f', 'csv')
        self.assertIn('the association has no value', said)
        # Its bytes go to standard output itself.
        path = self.create_tempfiles([('export', '')])[0]
        self.manage('datastore-version-flavor-export', path)
        said = pathlib.Path(path).read_text()
        self.assertIn('# An association has no value', said)
        said = self.apply('datastore_versions: {}', '--prune')
        self.assertIn('-   flavor without a value', said)
        self.assertEqual([(self.version_id, None, True)], self.rows())

    def test_it_is_ended_by_the_words_that_the_list_says(self):
        self.create_row(self.version_id, None)
        self.create_row(self.version_id, '1')
        said = self.manage('datastore-version-flavor-list', '-f', 'csv')
        self.assertIn("datastore-version-flavor-delete DATASTORE_VERSION ''",
                      said)
        said = self.manage('datastore-version-flavor-delete', 'mysql/8.0', '')
        self.assertIn('the association without a value', said)
        self.assertEqual({(self.version_id, '1', False),
                          (self.version_id, None, True)},
                         set(self.rows()))
        said = self.manage('datastore-version-flavor-delete', 'mysql/8.0', '',
                           code=1)
        self.assertIn('one without a value', said)

    def test_invalid_rows_are_listed_and_removed_by_the_option_named(self):
        self.create_row(self.version_id, 'x', key='min_ram')
        self.create_row(self.version_id, None)
        self.create_row(self.version_id, '1')
        self.assertIn('invalid row flavor=, invalid row min_ram=x',
                      self.manage('datastore-version-flavor-list', '-f',
                                  'csv'))
        require = ('datastore-version-flavor-require', 'mysql/8.0')
        said = self.manage(*require, '--max-ram', '9')
        self.assertIn('allows no flavor because of invalid rows: min_ram=x; '
                      '--clear-invalid removes them', said)
        self.assertNotIn('invalid', self.manage(*require, '--clear-invalid'))
        self.assertEqual(
            {(self.version_id, '1', False), (self.version_id, None, True)},
            set(self.rows()))
        self.assertEqual([(self.version_id, '9', False)],
                         self.rows('max_ram'))


class LostTest(CommandsTestCase):
    """The connection breaks at the end of a change."""

    backend = 'mysql'
    server_id, kill = 'SELECT connection_id()', 'KILL {}'

    def lose(self, connection: sa.Connection) -> None:
        if connection.engine is not self.sql:
            number = connection.exec_driver_sql(self.server_id).scalar()
            self.execute(sa.text(self.kill.format(number)))

    def test_it_is_not_said_that_nothing_was_changed(self):
        arguments = sa.Engine, 'commit', self.lose
        sa.event.listen(*arguments)
        self.addCleanup(sa.event.remove, *arguments)
        said = self.manage('datastore-version-flavor-add', 'mysql/8.0', '1',
                           '--no-validate', code=1)
        self.assertIn('It may have been made; run the command again', said)
        self.assertNotIn('othing was changed', said)


class PostgreSQLLostTest(LostTest):

    backend = 'postgresql'
    server_id = 'SELECT pg_backend_pid()'
    kill = 'SELECT pg_terminate_backend({})'
