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
import logging
import os
import pathlib
import pwd
import sys

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.cmd import subcommands
from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit import base


CONSOLE = '''
[loggers]
keys = root, own
[handlers]
keys = output, errors
[formatters]
keys =
[logger_root]
level = INFO
handlers = output
[logger_own]
level = INFO
handlers = errors
qualname = trove_flavor_filter
[handler_output]
class = StreamHandler
args = (sys.stdout,)
[handler_errors]
class = StreamHandler
args = (sys.stderr,)
'''


class CommandsTestCase(base.DatabaseTestCase):

    # Of trove.conf.
    options = ''

    def manage(self, *words: str, code: int = 0) -> str:
        """Run a subcommand; what it prints."""
        conf = self.trove_conf(
            f'[DEFAULT]\n{self.options}\n'
            f'[database]\nconnection = {self.url}\n')
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


class ChangeLogTest(CommandsTestCase):
    """Changes are logged where trove.conf sends the log."""

    def setUp(self) -> None:
        super().setUp()
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)
        self.addCleanup(root.handlers.__setitem__, slice(None),
                        [*root.handlers])
        self.addCleanup(setattr, sys, 'excepthook', sys.excepthook)
        self.useFixture(fixtures.EnvironmentVariable('SUDO_USER'))
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def logged(self) -> list[str]:
        return [line for path in self.folder.iterdir()
                for line in path.read_text().splitlines()]

    def require(self, *words: str, **kwargs) -> str:
        said = self.manage('datastore-version-flavor-require', 'mysql/8.0',
                           *words, **kwargs)
        self.assertNotIn('flavor requirement changed', said)
        return said

    def test_each_command_logs_one_line_for_each_version_it_changes(self):
        self.options = f'log_file = {self.folder}/trove.log'
        declared = self.create_tempfiles([(
            'file', 'datastore_versions: {mysql: {8.0: {flavors: [7]}}}')])[0]
        one, other = self.version_id, self.other_id
        for words, version_id, added, removed in (
                (('add', one, '1', '2', '--no-validate'), one,
                 '["flavor=1", "flavor=2"]', '[]'),
                (('delete', one, '1'), one, '[]', '["flavor=1"]'),
                (('require', one, '--max-ram', '5'), one, '["max_ram=5"]',
                 '[]'),
                (('copy', one, other), other,
                 '["flavor=2", "max_ram=5"]', '[]'),
                (('apply', declared, '--no-validate'), one,
                 '["flavor=7"]', '[]')):
            before = len(self.logged())
            said = self.manage(f'datastore-version-flavor-{words[0]}',
                               *words[1:])
            self.assertNotIn('flavor requirement changed', said)
            (line,) = self.logged()[before:]
            self.assertIn(' INFO trove_flavor_filter.change_log ', line)
            self.assertIn(
                f'] flavor requirement '
                f'changed: user={self.user} project=- request_id=- '
                f'datastore_version={version_id} added={added} '
                f'removed={removed}', line)

    def test_what_changes_nothing_logs_nothing(self):
        self.options = f'log_dir = {self.folder}'
        self.require('--clear')
        declared = self.create_tempfiles([(
            'file', 'datastore_versions: {mysql: {8.0: {min_ram: 7}}}')])[0]
        self.manage('datastore-version-flavor-apply', declared,
                    '--no-validate', '--dry-run')
        self.assertEqual([], self.logged())
        self.require('--max-ram', '5')
        self.assertEqual(1, len(self.logged()))

    def test_nothing_is_printed_whatever_the_log_is(self):
        (path,) = self.create_tempfiles([('log', CONSOLE)])
        for number, self.options in enumerate((
                '', 'use_stderr = true', f'log_config_append = {path}')):
            self.require('--max-ram', f'{number + 1}')
        self.assertEqual([], self.logged())

    def test_syslog_has_it_and_it_is_not_printed(self):
        self.options = 'use_syslog = true\nuse_stderr = true'
        lines = []
        self.useFixture(fixtures.MonkeyPatch(
            'syslog.syslog', lambda _priority, line: lines.append(line)))
        self.require('--max-ram', '5')
        (line,) = lines
        self.assertIn(f'flavor requirement changed: user={self.user}', line)

    def test_so_has_what_log_config_append_names(self):
        (path,) = self.create_tempfiles([('log', f'''
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys =
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
args = ('{self.folder}/site.log',)
''')])
        self.options = f'log_config_append = {path}'
        self.require('--max-ram', '5')
        (line,) = self.logged()
        self.assertIn('["max_ram=5"]', line)

    def test_with_sudo_it_names_who_has_called_it(self):
        if os.getuid() != 0:
            self.skipTest('only root can have been called by sudo')
        self.options = f'log_file = {self.folder}/trove.log'
        self.useFixture(fixtures.EnvironmentVariable('SUDO_USER', 'ada'))
        self.require('--max-ram', '5')
        self.assertIn(f'user=ada(sudo:{self.user}) ', self.logged()[0])

    def test_a_log_that_cannot_be_written_is_a_warning(self):
        self.options = f'log_file = {self.folder}/no/such/folder.log'
        said = self.require('--max-ram', '5')
        self.assertIn('Warning: the change is not in the log: ', said)
        self.assertEqual([(self.version_id, '5', False)],
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
