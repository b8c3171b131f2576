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

import concurrent.futures
import contextlib
import errno
import io
import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.cmd import enable
from trove_flavor_filter.cmd import manage
from trove_flavor_filter.cmd import status
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
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
    ('[oslo_policy]\npolicy_file = $nosuch', '[oslo_policy] policy_file'),
    ('[service_credentials]\npassword = a$b', 'write "$$"'),
    ('[mysql]\nvolume_support = maybe', '[mysql] volume_support'),
    ('[vertica]\ndevice_path = $nosuch', '[vertica] device_path'),
]

# Databases that are none.
CONNECTIONS = [
    'nonsense', 'nosuch://x/y', 'mysql+nosuch://x/y', 'oracle://x/y',
    'mysql+pymysql://root@127.0.0.1:port/x',
    'mysql+pymysql://root@127.0.0.1:99999/x',
    'mysql+pymysql://root@127.0.0.1/mysql?charset=nosuch',
    'mysql+pymysql://root@127.0.0.1/mysql?nosuch=1',
    'mysql+pymysql://root@127.0.0.1/nosuch', 'mysql+pymysql:///',
    'mysql+pymysql://root@127.0.0.1/mysql?connect_timeout=soon',
    'mysql+pymysql://root@127.0.0.1/mysql?ssl_ca=/no/such',
    'mysql+pymysql://root@127.0.0.1:1/x',
    'postgresql://root@127.0.0.1:1/x',
    'postgresql://postgres@127.0.0.1:99999/x',
    'postgresql://postgres@127.0.0.1/nosuch',
    'postgresql://postgres@127.0.0.1/postgres?nosuch=1',
    'postgresql://postgres@127.0.0.1/postgres?sslmode=nosuch',
    'sqlite:////no/such/folder/x', 'sqlite:////tmp', 'sqlite:////etc/passwd',
    'sqlite:///x?timeout=soon',
]

# How Keystone or Nova cannot be reached: settings, and what the line names.
CREDENTIALS = ('[service_credentials]\nusername = u\npassword = p\n'
               'project_id = x\nauth_url = ')
NOVA = [
    *((f'{CREDENTIALS}{url}', 'auth_url') for url in (
        '', 'nonsense', 'ftp://127.0.0.1/', 'http://[::1', 'http:///v3',
        'http://127.0.0.1:port', 'http://127.0.0.1:1', 'http://x y/',
        'http://\u00fc..x/')),
    *((f'[DEFAULT]\nnova_compute_url = {url}\n'
       f'{CREDENTIALS}http://127.0.0.1:1', 'nova_compute_url') for url in (
           'nonsense', 'ftp://127.0.0.1/', 'http://[::1')),
    (f'[keystone_authtoken]\ncafile = /no/such\n'
     f'{CREDENTIALS}https://127.0.0.1:1', 'cafile'),
]

# Settings that trove-api cannot start with, and what the error names.
START = [
    ('[oslo_policy]\npolicy_file = $nosuch', '[oslo_policy] policy_file'),
    ('[oslo_policy]\npolicy_dirs = $nosuch', '[oslo_policy] policy_dirs'),
    ('[oslo_policy]\nremote_timeout = soon', '[oslo_policy] remote_timeout'),
    ('[cache]\nenabled = maybe', '[cache] enabled'),
    ('[cache]\nenabled = true\nbackend = nosuch', '[cache] backend'),
    ('[cache]\nenabled = true\nbackend = $nosuch', '[cache]'),
    ('[cache]\nenabled = true\nbackend = dogpile.cache.dbm', '[cache]'),
    ('[cache]\nenabled = true\nbackend = dogpile.cache.redis\n'
     'backend_argument = url:nonsense', '[cache]'),
    ('[cache]\nenabled = true\nbackend = oslo_cache.memcache_pool\n'
     'tls_enabled = true\ntls_cafile = /no/such', '[cache]'),
]

# What Trove installs as trove-manage.
TROVE_MANAGE = f'''#!{sys.executable}
import sys
from trove.cmd.manage import main
if __name__ == '__main__':
    sys.exit(main())
'''

PREFIX = 'datastore-version-flavor-'


class WordsTestCase(base.DatabaseTestCase):
    """A database that is as it should be, and every command."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.EnvironmentVariable(
            'HOME', str(self.folder)))
        self.create_row(self.version_id, '1')
        self.trove_manage = self.folder / 'trove-manage'
        self.trove_manage.write_text(TROVE_MANAGE)
        self.declared = self.folder / 'declared.yaml'
        self.declared.write_text(
            'datastore_versions: {mysql: {8.0: {min_ram: 5}}}')
        self.exported = self.folder / 'exported.yaml'
        # The words of each command that asks the database.
        self.asks = {
            'add': (f'{PREFIX}add', 'mysql/8.0', '2', '--no-validate'),
            'delete': (f'{PREFIX}delete', 'mysql/8.0', '1'),
            'require': (f'{PREFIX}require', 'mysql/8.0', '--min-ram', '5'),
            'list': (f'{PREFIX}list',),
            'export': (f'{PREFIX}export', str(self.exported)),
            'apply': (f'{PREFIX}apply', str(self.declared),
                      '--no-validate'),
            'db-sync': ('flavor-filter-db-sync',),
        }

    def run_command(self, main, *words: str) -> tuple[int, list[str]]:
        """The exit code and the lines on standard error."""
        with (contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
              contextlib.redirect_stderr(io.StringIO()) as said,
              mock.patch('sys.argv', ['/bin/trove-command', *words])):
            try:
                code = main()
            except SystemExit as left:
                code = left.code
        return code, said.getvalue().splitlines()

    def asking(self, path) -> list[tuple[int, tuple[int, list[str]]]]:
        """What each command that asks the database exits with and says."""
        return [(1, self.run_command(
            manage.main, f'--config-file={path}', *words))
            for words in self.asks.values()]

    def commands(self, path) -> list[tuple[int, tuple[int, list[str]]]]:
        """The same of all commands, with the code that they should have."""
        conf = f'--config-file={path}'
        return [
            *self.asking(path),
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
            for code, result in (*self.commands(path), *(
                    (1, self.run_command(
                        enable.main, word, f'--config-file={path}',
                        f'--trove-manage={self.trove_manage}', '--dry-run'))
                    for word in ('enable', 'disable'))):
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

    def test_so_is_one_that_may_not_be_read(self):
        path = self.folder / 'secret.conf'
        path.write_text('')
        # Root may read everything.
        opened = open

        def denied(name, *arguments, **kwargs):
            if str(name) == str(path):
                raise PermissionError(errno.EACCES, 'Permission denied', name)
            return opened(name, *arguments, **kwargs)

        with mock.patch('builtins.open', denied):
            for code, result in self.commands(path):
                self.assertSays(f'{path}: Permission denied', code, result)

    def test_the_filter_names_it_when_trove_api_starts(self):
        for name, (make, text) in FILES.items():
            path = self.folder / f'{name}.conf'
            make(path)
            error = self.assertRaises(
                exception.Misconfigured, wsgi.filter_factory, {},
                oslo_config_file=str(path))
            self.assertIn(str(path), str(error))
            self.assertIn(text, str(error))

    def test_a_target_that_cannot_be_written_is_named(self):
        path = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        for target in ('/no/such/folder/x', '/', '/dev/full', '/proc/x',
                       f'{self.folder}/{"x" * 300}'):
            code, lines = self.run_command(
                manage.main, f'--config-file={path}', f'{PREFIX}export',
                target)
            # Before it is a warning that Nova cannot be asked.
            self.assertSays(f'{target}: ', 1, (code, lines[1:]))


class OptionTest(WordsTestCase):

    def test_an_option_with_nonsense_is_named(self):
        path = self.folder / 'trove.conf'
        for line, text in OPTIONS:
            path.write_text(f'{line}\n')
            for code, result in self.commands(path):
                self.assertSays(text, code, result)

    def test_no_other_file_is_blamed(self):
        first, second = self.folder / 'first.conf', self.folder / 'second.conf'
        first.write_text('[flavor_filter]\nnova_timeout = soon\n')
        second.write_text('[flavor_filter]\nenforce = true\n')
        for paths, named in (((second, first), str(first)),
                             ((first, second), 'trove.conf: ')):
            result = self.run_command(manage.main, *(
                f'--config-file={path}' for path in paths), LIST)
            self.assertSays('[flavor_filter] nova_timeout', 1, result)
            self.assertSays(named, 1, result)
            self.assertNotIn(str(second), result[1][0])

    def test_a_connection_that_is_none_is_named(self):
        path = self.folder / 'trove.conf'
        for url in CONNECTIONS:
            path.write_text(f'[database]\nconnection = {url}\n')
            # The others connect as the list does.
            for name in ('list', 'db-sync'):
                self.assertSays('[database]', 1, self.run_command(
                    manage.main, f'--config-file={path}', *self.asks[name]))
        for code, result in self.asking(path):
            self.assertSays('[database]', code, result)
        # It tells of all else as well.
        self.assertEqual((2, []), self.run_command(
            status.main, f'--config-file={path}', 'upgrade', 'check'))

    def test_without_a_connection_it_says_what_was_read(self):
        path = self.folder / 'trove.conf'
        path.write_text('')
        for code, result in self.asking(path):
            self.assertSays('"connection" in [database]', code, result)
            self.assertSays(f'read: {path}', code, result)

    def test_so_it_does_of_every_folder(self):
        folders = [self.folder / 'a', self.folder / 'b']
        for folder in folders:
            folder.mkdir()
        result = self.run_command(manage.main, *(
            f'--config-dir={folder}' for folder in folders), LIST)
        self.assertSays(', '.join(f'{folder}/*.conf' for folder in folders),
                        1, result)

    def test_by_itself_it_reads_what_trove_manage_reads(self):
        etc = self.folder / '.trove'
        etc.mkdir()
        (etc / 'trove-manage.conf').write_text(
            f'[database]\nconnection = {self.url}\n')
        # It is called by another name here.
        self.assertEqual(0, self.run_command(
            manage.main, *self.asks['list'])[0])

    def test_without_any_file_it_says_where_it_looked(self):
        self.useFixture(fixtures.EnvironmentVariable('HOME'))
        for words in self.asks.values():
            self.assertSays('no trove.conf in', 1, self.run_command(
                manage.main, *words))

    def test_what_nova_cannot_be_asked_with_is_named(self):
        path = self.folder / 'trove.conf'
        needing = {'add', 'apply'}
        for text, named in NOVA:
            path.write_text(
                f'{text}\n[database]\nconnection = {self.url}\n')
            for name in ('add', 'apply', 'require', 'list', 'export'):
                result = self.run_command(
                    manage.main, f'--config-file={path}', *(
                        word for word in self.asks[name]
                        if word != '--no-validate'))
                self.assertSays(named, int(name in needing), result)
            self.assertRaises(
                exception.NovaUnavailable, nova.NovaFlavors(
                    self.configuration(path.read_text())).find, '1')
        self.assertEqual((2, []), self.run_command(
            status.main, f'--config-file={path}', 'upgrade', 'check'))

    def test_what_trove_api_cannot_start_with_is_named(self):
        for text, named in START:
            error = self.assertRaises(
                exception.Misconfigured, wsgi.app_factory, {},
                oslo_config_file=self.trove_conf(f'{text}\n'))
            self.assertIn(named, str(error))
            self.assertNotIn('LocationInfo', str(error))
            self.assertNotIn('\n', str(error))

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


class ProcessTest(WordsTestCase):
    """What only a process of its own shows."""

    def setUp(self) -> None:
        super().setUp()
        version = models.DatastoreVersion
        self.execute(sa.update(version).where(
            version.id == self.version_id).values(name='8.0-\u00fc'))
        self.conf_file = self.folder / 'trove.conf'
        self.conf_file.write_text(f'[database]\nconnection = {self.url}\n')

    def run_all(self, *runs: tuple[str, dict[str, str | None]]
                ) -> list[tuple[str, subprocess.CompletedProcess]]:
        """Run lines of a shell, each with changes to the environment."""
        def run(line: str, changes: dict[str, str | None]):
            env = os.environ | {
                'BIN': os.path.dirname(sys.executable),
                'V': self.version_id, 'DECLARED': str(self.declared),
                'CONF': f'--config-file={self.conf_file}',
                'TO': str(self.folder)} | changes
            return line, subprocess.run(
                ['bash', '-c', line], capture_output=True, timeout=60,
                env={name: value for name, value in env.items()
                     if value is not None})

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda one: run(*one), runs))

    MANAGE = f'$BIN/trove-flavor-filter-manage $CONF {PREFIX}'
    # The words of each command, as a shell has them.
    LINES = (
        f'{MANAGE}add $V 2 --no-validate', f'{MANAGE}delete $V 1',
        f'{MANAGE}require $V --min-ram 5', f'{MANAGE}list',
        f'{MANAGE}export', f'{MANAGE}apply --no-validate $DECLARED',
        '$BIN/trove-flavor-filter-manage $CONF flavor-filter-db-sync',
        '$BIN/trove-flavor-filter-status $CONF upgrade check',
        '$BIN/trove-flavor-filter enable --dry-run $CONF')

    def test_where_standard_output_is_closed_nothing_is_done(self):
        for line, result in self.run_all(
                *((f'{line} >&-', {}) for line in self.LINES)):
            self.assertEqual(255 if 'upgrade' in line else 1,
                             result.returncode, result.stderr)
            self.assertIn(b'standard output is closed', result.stderr)
            self.assertEqual(1, result.stderr.count(b'\n'), result.stderr)
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_a_terminal_without_the_characters_of_a_name_gets_others(self):
        for line, result in self.run_all(*(
                (line, {'LC_ALL': locale, 'PYTHONUTF8': '0',
                        'PYTHONCOERCECLOCALE': '0',
                        # tox sets it.
                        'PYTHONIOENCODING': None})
                for locale in ('C', 'POSIX') for line in (
                    f'{self.MANAGE}list', f'{self.MANAGE}list -f csv',
                    f'{self.MANAGE}require $V --min-ram 5',
                    f'{self.MANAGE}add $V 3 --no-validate'))):
            self.assertEqual(0, result.returncode, (line, result.stderr))
            self.assertIn(b'8.0-\\xfc', result.stdout, line)

    def test_words_that_are_no_text_are_refused_in_a_line(self):
        byte = "$(printf '\\377')"
        for line, result in self.run_all(*((line, {}) for line in (
                f'{self.MANAGE}add {byte}/8.0 5 --no-validate',
                f'{self.MANAGE}delete $V {byte}',
                f'{self.MANAGE}require mysql/{byte} --clear',
                f'{self.MANAGE}list {byte}',
                f'{self.MANAGE}apply {byte}',
                f'$BIN/trove-flavor-filter-manage --config-file={byte} '
                f'{PREFIX}list'))):
            self.assertEqual(1, result.returncode, (line, result.stderr))
            self.assertEqual(1, result.stderr.count(b'\n'), result.stderr)

    def test_a_closed_standard_input_or_error_is_told_or_done_without(self):
        (_line, no_input), (_line, no_error) = self.run_all(
            (f'{self.MANAGE}apply --no-validate - <&-', {}),
            (f'{self.MANAGE}list -f json 2>&-', {}))
        self.assertEqual(
            (1, b'trove-flavor-filter-manage: standard input is closed\n'),
            (no_input.returncode, no_input.stderr))
        self.assertEqual(0, no_error.returncode)
        self.assertEqual('1', json.loads(no_error.stdout)[0]['Flavor ID'])
