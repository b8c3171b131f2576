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

"""What the commands say where trove.conf is not as it should be.

One line that names the file or the option, no traceback, and their exit
codes: whatever stands in the place of trove.conf, and whatever is in it.
"""

import contextlib
import io
import os
import pathlib
from unittest import mock

import fixtures

from trove_flavor_filter.cmd import enable
from trove_flavor_filter.cmd import manage
from trove_flavor_filter.cmd import status
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter import wsgi

LIST = 'datastore-version-flavor-list'

# What stands in the place of trove.conf, and what the line says of it.
FILES = {
    'nothing': (lambda path: None, 'No such file'),
    'a broken one': (lambda path: path.write_text('nonsense\n'), ':1,'),
    'a Latin-1 comment': (
        lambda path: path.write_bytes(b'[DEFAULT]\n# caf\xe9\n'),
        'line 2 cannot be decoded as UTF-8'),
    'a folder': (lambda path: path.mkdir(), 'Is a directory'),
    'a pipe': (lambda path: os.mkfifo(path), 'not a file'),
    'a device': (lambda path: path.symlink_to('/dev/zero'), 'not a file'),
    'a loop': (lambda path: path.symlink_to(path), 'symbolic links'),
}

# Nonsense in an option, and what the line says of it.
OPTIONS = [
    ('[DEFAULT]\ndebug = maybe', '--debug'),
    ('[DEFAULT]\ntrove_volume_support = maybe', 'trove_volume_support'),
    ('[DEFAULT]\ndefault_datastore = $nosuch', 'default_datastore'),
    ('[DEFAULT]\nnova_api_insecure = maybe', 'nova_api_insecure'),
    ('[flavor_filter]\nflavor_cache_time = soon',
     '[flavor_filter] flavor_cache_time'),
    ('[flavor_filter]\nflavor_stale_time = -1', 'flavor_stale_time'),
    ('[flavor_filter]\nnova_timeout = 0', 'nova_timeout'),
    ('[flavor_filter]\npublic_endpoint = nonsense', 'public_endpoint'),
    ('[flavor_filter]\nenforce = perhaps', 'enforce'),
    ('[database]\nmax_pool_size = many', '[database] max_pool_size'),
    ('[database]\nconnection = $nosuch', '[database] connection'),
    ('[keystone_authtoken]\ninsecure = maybe', 'insecure'),
    ('[service_credentials]\npassword = a$b', 'write "$$"'),
]

# Databases that are none.
CONNECTIONS = ['nonsense', 'nosuch://x/y', 'mysql+nosuch://x/y',
               'oracle://x/y', 'mysql+pymysql://root@127.0.0.1:port/x',
               'mysql+pymysql://root@127.0.0.1:1/x',
               'postgresql://root@127.0.0.1:1/x']


class WordsTestCase(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.EnvironmentVariable(
            'HOME', str(self.folder)))

    def run_command(self, main, *words: str) -> tuple[int, list[str]]:
        """The exit code and the lines on standard error."""
        with (contextlib.redirect_stdout(io.StringIO()),
              contextlib.redirect_stderr(io.StringIO()) as said,
              mock.patch('sys.argv', ['/bin/trove-command', *words])):
            try:
                code = main()
            except SystemExit as left:
                code = left.code
        return code, said.getvalue().splitlines()

    def commands(self, path) -> list[tuple[int, list[str]]]:
        conf = f'--config-file={path}'
        return [
            (1, self.run_command(manage.main, conf, LIST)),
            (1, self.run_command(manage.main, conf,
                                 'flavor-filter-db-sync')),
            (255, self.run_command(status.main, conf, 'upgrade', 'check')),
        ]

    def assertSays(self, text: str, expected: int, result) -> None:
        code, lines = result
        self.assertEqual((expected, 1), (code, len(lines)), lines)
        self.assertIn(text, lines[0])
        self.assertNotIn('LocationInfo', lines[0])


class FileTest(WordsTestCase):

    def test_a_file_that_cannot_be_used_is_named(self):
        for name, (make, text) in FILES.items():
            path = self.folder / f'{name}.conf'
            make(path)
            for code, result in (*self.commands(path), (1, self.run_command(
                    enable.main, 'enable', f'--config-file={path}',
                    '--trove-manage=/dev/null', '--dry-run'))):
                result = (result[0], result[1][:1])
                self.assertSays(text, code, result)
                self.assertSays(str(path), code, result)

    def test_so_is_one_in_a_folder_of_files(self):
        for name in ('a Latin-1 comment', 'a pipe'):
            folder = self.folder / name
            folder.mkdir()
            FILES[name][0](folder / 'site.conf')
            self.assertSays(
                str(folder / 'site.conf'), 1, self.run_command(
                    manage.main, f'--config-dir={folder}', LIST))

    def test_the_filter_names_it_when_trove_api_starts(self):
        for name, (make, text) in FILES.items():
            path = self.folder / f'{name}.conf'
            make(path)
            error = self.assertRaises(
                exception.Misconfigured, wsgi.filter_factory, {},
                oslo_config_file=str(path))
            self.assertIn(str(path), str(error))
            self.assertIn(text, str(error))


class OptionTest(WordsTestCase):

    def test_an_option_with_nonsense_is_named(self):
        path = self.folder / 'trove.conf'
        for line, text in OPTIONS:
            path.write_text(f'{line}\n')
            for code, result in self.commands(path):
                self.assertSays(text, code, result)

    def test_a_connection_that_is_none_is_named(self):
        path = self.folder / 'trove.conf'
        for url in CONNECTIONS:
            path.write_text(f'[database]\nconnection = {url}\n')
            for code, result in self.commands(path)[:2]:
                # A server that is away names itself.
                self.assertSays('127.0.0.1:1/' in url and '127.0.0.1'
                                or '[database]', code, result)

    def test_without_a_connection_it_says_what_was_read(self):
        path = self.folder / 'trove.conf'
        path.write_text('')
        for code, result in self.commands(path)[:2]:
            self.assertSays('"connection" in [database]', code, result)
            self.assertSays(f'read: {path}', code, result)

    def test_a_log_that_cannot_be_written_is_named(self):
        path = self.folder / 'trove.conf'
        log = self.folder / 'log.ini'
        path.write_text(f'[DEFAULT]\nlog_config_append = {log}\n')
        for make in (lambda: None, lambda: log.write_text('[loggers]\n'),
                     lambda: (log.unlink(), os.mkfifo(log))):
            make()
            result = self.run_command(
                manage.main, '--debug', f'--config-file={path}', LIST)
            # The libraries may log before.
            result = (result[0], result[1][-1:])
            self.assertSays('log_config_append', 1, result)
            self.assertSays(str(log), 1, result)
