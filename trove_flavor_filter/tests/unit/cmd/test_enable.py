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

"""trove-flavor-filter brings Trove's two files to a state, whole or not."""

import contextlib
import errno
import io
import os
import pathlib
import shutil
import subprocess
import sys

import fixtures
from oslotest import base

from trove_flavor_filter.cmd import enable
from trove_flavor_filter.deployment import console_script
from trove_flavor_filter import files

PASTE = '''\
[pipeline:troveapi]
pipeline = authtoken extensions troveapp

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory

[filter:extensions]
paste.filter_factory = trove.common.extensions:factory

[app:troveapp]
paste.app_factory = trove.common.api:app_factory
'''.encode()

SCRIPT = f'''\
#!{sys.executable}
import sys
from trove.cmd.manage import main
if __name__ == '__main__':
    sys.exit(main())
'''.encode()

# Imported by every Python that finds it: the plugin, uninstalled.
UNINSTALLED = '''\
import sys


class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'trove_flavor_filter':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)


sys.meta_path.insert(0, Uninstalled())
'''
BROKEN = UNINSTALLED.replace('name=name', "name='alembic'")

RUN = ['-c', 'import sys; from trove_flavor_filter.cmd import enable; '
             'sys.exit(enable.main())', 'enable']


class TestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.paste = self.directory / 'api-paste.ini'
        self.paste.write_bytes(PASTE)
        self.script = self.directory / 'trove-manage'
        self.script.write_bytes(SCRIPT)
        self.script.chmod(0o755)

    def run_main(self, *words, files=True):
        """Run the command: its exit code, and what it prints."""
        if files:
            words += ('--paste-config', str(self.paste),
                      '--trove-manage', str(self.script))
        self.useFixture(fixtures.MonkeyPatch(
            'sys.argv', [str(self.directory / 'trove-flavor-filter'),
                         *words]))
        out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = enable.main()
            except SystemExit as stop:
                code = stop.code
        out.flush()
        return code, out.buffer.getvalue().decode(), err.getvalue()

    def bare_python(self):
        """A Python without the plugin, or anything else."""
        bare = self.directory / 'bare'
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip',
                        str(bare)], check=True)
        return bare / 'bin' / 'python'

    def assertUntouched(self):
        self.assertEqual(PASTE, self.paste.read_bytes())
        self.assertEqual(SCRIPT, self.script.read_bytes())
        self.assertOnlyTheFiles()

    def assertOnlyTheFiles(self):
        self.assertEqual({'api-paste.ini', 'trove-manage'},
                         set(os.listdir(self.directory)))


class CommandTest(TestCase):

    def test_enable_says_what_it_did_and_what_is_next(self):
        self.assertEqual(
            (0,
             f'enabled in {self.paste}: section [filter:flavor_filter], '
             f'pipeline troveapi\n'
             f'enabled in {self.script}: the plugin\'s subcommands\n'
             f'Next: run "trove-manage flavor-filter-db-sync", then restart '
             f'trove-api.\n',
             ''),
            self.run_main('enable'))
        self.assertIn(b' flavor_filter extensions', self.paste.read_bytes())
        self.assertIn(b'trove_flavor_filter', self.script.read_bytes())
        self.assertOnlyTheFiles()

    def test_disable_gives_back_both_files(self):
        self.run_main('enable')
        code, out, err = self.run_main('disable')
        self.assertEqual((0, ''), (code, err))
        self.assertIn('Next: restart trove-api.', out)
        self.assertUntouched()

    def test_a_second_time_changes_nothing_and_asks_for_nothing(self):
        for state in ('enable', 'disable'):
            self.run_main(state)
            before = os.stat(self.paste), os.stat(self.script)
            self.assertEqual(
                (0, f'already {state}d in {self.paste}\n'
                    f'already {state}d in {self.script}\n', ''),
                self.run_main(state))
            self.assertEqual([status.st_ino for status in before],
                             [os.stat(self.paste).st_ino,
                              os.stat(self.script).st_ino])

    def test_a_dry_run_prints_the_diff_and_writes_nothing(self):
        code, out, err = self.run_main('enable', '--dry-run')
        self.assertEqual((0, ''), (code, err))
        self.assertIn('-pipeline = authtoken extensions troveapp\n'
                      '+pipeline = authtoken flavor_filter extensions '
                      'troveapp\n', out)
        self.assertIn('+# >>> trove-flavor-filter', out)
        self.assertNotIn('Next', out)
        self.assertUntouched()

    def test_the_diff_of_a_dry_run_can_be_applied(self):
        if shutil.which('patch') is None:
            self.skipTest('patch is not installed')
        self.paste.write_bytes(b'# caf\xe9\n' + PASTE.rstrip(b'\n'))
        with open(self.directory / 'diff', 'wb') as diff:
            subprocess.run(
                [sys.executable, *RUN, '--dry-run',
                 '--paste-config', str(self.paste),
                 '--trove-manage', str(self.script)],
                stdout=diff, check=True)
        patched = self.directory / 'patched'
        with open(self.directory / 'diff', 'rb') as diff:
            both = diff.read()
        self.assertEqual(2, both.count(b'\n+++ '))
        subprocess.run(['patch', '-p0', '-o', str(patched), str(self.paste)],
                       input=both[:both.rindex(b'\n--- ') + 1], check=True,
                       stdout=subprocess.DEVNULL)
        self.run_main('enable')
        self.assertEqual(self.paste.read_bytes(), patched.read_bytes())

    def test_a_half_that_fails_leaves_the_other_its_way(self):
        self.script.write_bytes(b'#!/bin/sh\n')
        code, out, err = self.run_main('enable')
        self.assertEqual(1, code)
        self.assertIn(f'enabled in {self.paste}', out)
        self.assertEqual(
            f'trove-flavor-filter: {self.script}: not Trove\'s trove-manage: '
            f'it is not a Python script\n', err)

        self.script.write_bytes(SCRIPT)
        self.paste.write_bytes(b'garbage')
        code, out, err = self.run_main('enable')
        self.assertEqual(1, code)
        self.assertIn(f'enabled in {self.script}', out)
        self.assertEqual(1, err.count('\n'))
        self.assertEqual(b'garbage', self.paste.read_bytes())

    def test_the_halves_may_differ_in_state(self):
        self.run_main('enable')
        self.script.write_bytes(SCRIPT)
        _, out, _ = self.run_main('enable')
        self.assertIn(f'already enabled in {self.paste}', out)
        self.assertIn(f'\nenabled in {self.script}', out)

    def test_what_is_no_file_is_refused(self):
        pipe = self.directory / 'pipe'
        os.mkfifo(pipe)
        missing = self.directory / 'missing'
        for path, why in ((self.directory, 'not a file'),
                          (pipe, 'not a file'),
                          (missing, 'No such file or directory'),
                          (self.paste / 'below', 'Not a directory'),
                          ('', 'No such file or directory')):
            code, out, err = self.run_main(
                'enable', '--paste-config', str(path), '--trove-manage',
                str(path), files=False)
            self.assertEqual((1, ''), (code, out))
            self.assertEqual(
                f'trove-flavor-filter: {path}: {why}\n' * 2, err)

    def test_wrong_usage_is_2(self):
        for words in ((), ('enalbe',), ('enable', '--nonsense'),
                      ('enable', 'more'), ('enable', '--paste-config')):
            code, _, err = self.run_main(*words, files=False)
            self.assertEqual(2, code)
            self.assertIn('usage: trove-flavor-filter', err)
        self.assertUntouched()

    def test_the_help_teaches(self):
        for words in (('--help',), ('enable', '--help'),
                      ('disable', '--help')):
            code, out, _ = self.run_main(*words, files=False)
            self.assertEqual(0, code)
            for part in ('api-paste.ini', 'trove-manage', 'Example:',
                         'Exit codes:'):
                self.assertIn(part, out)


class ToldApartTest(TestCase):
    """What was done and what was not, and what is next."""

    SUMMARY = ('fix the errors above, then run "trove-flavor-filter {}" '
               'again.')

    def test_a_paste_file_that_failed_is_no_reason_to_restart(self):
        for state in ('enable', 'disable'):
            code, out, _err = self.run_main(
                state, '--paste-config', '/no/such', '--trove-manage',
                str(self.script), files=False)
            self.assertEqual(1, code)
            self.assertIn('Done: trove-manage. Not done: api-paste.ini; '
                          + self.SUMMARY.format(state), out)
            self.assertNotIn('restart', out)

    def test_a_trove_manage_alone_asks_for_the_migrations(self):
        self.assertIn(
            '\nNext: run "trove-manage flavor-filter-db-sync".\n',
            self.run_main('enable', '--paste-config', '/no/such',
                          '--trove-manage', str(self.script),
                          files=False)[1])

    def test_without_its_trove_manage_another_command_is_next(self):
        code, out, _err = self.run_main(
            'enable', '--paste-config', str(self.paste), '--trove-manage',
            '/no/such', files=False)
        self.assertEqual(1, code)
        self.assertIn('Done: api-paste.ini. Not done: trove-manage; ', out)
        self.assertIn('Next: run "trove-flavor-filter-manage '
                      'flavor-filter-db-sync", then restart trove-api.', out)

    def test_where_nothing_was_done_nothing_is_next(self):
        self.assertEqual('', self.run_main(
            'enable', '--paste-config', '/no/such', '--trove-manage',
            '/no/such', files=False)[1])

    def test_a_sites_own_authentication_is_insisted_on(self):
        self.paste.write_bytes(PASTE.replace(
            b'keystonemiddleware.auth_token:', b'site.auth:'))
        code, _out, err = self.run_main('enable')
        self.assertEqual(1, code)
        self.assertIn('authtoken (site.auth:filter_factory)', err)
        code, _out, err = self.run_main('enable', '--auth-filter',
                                        'authtoken')
        self.assertEqual((0, ''), (code, err))


class InTheWayTest(TestCase):
    """What keeps a file from being replaced is named, with what helps."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest('only root can mount')

    def run_tool(self, *command):
        try:
            subprocess.run(command, capture_output=True, text=True,
                           check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f'not permitted here: {error}')

    def mount(self, *words):
        self.run_tool('mount', *words)
        self.addCleanup(subprocess.run, ['umount', words[-1]], check=True)

    def assertInTheWay(self, *texts):
        code, out, err = self.run_main('enable')
        self.assertEqual(1, code, out)
        line, = err.splitlines()
        for text in (f'trove-flavor-filter: {self.paste}: ', *texts):
            self.assertIn(text, line)
        self.assertIn('Not done: api-paste.ini', out)
        self.assertEqual(PASTE, self.paste.read_bytes())
        self.assertEqual([], list(self.directory.rglob('.trove-flavor*')))

    def test_a_file_that_is_mounted(self):
        for options in ((), ('-o', 'ro')):
            source = self.directory / f'source{len(options)}'
            source.write_bytes(PASTE)
            self.mount('--bind', *options, str(source), str(self.paste))
            self.assertInTheWay('a mount point', 'bind mount', 'subPath',
                                'edit the file that is mounted',
                                'Device or resource busy')
            self.assertEqual(PASTE, source.read_bytes())

    def elsewhere(self, *options):
        """Have the paste file on a file system of its own."""
        folder = self.directory / 'etc'
        folder.mkdir()
        self.mount('-t', 'tmpfs', *options, 'tmpfs', str(folder))
        self.paste = folder / 'api-paste.ini'
        self.paste.write_bytes(PASTE)

    def test_a_read_only_file_system(self):
        self.elsewhere()
        self.run_tool('mount', '-o', 'remount,ro', str(self.paste.parent))
        self.assertInTheWay(
            f'{self.paste.parent} is on a read-only file system',
            'Read-only file system')

    def test_a_full_file_system(self):
        self.elsewhere('-o', 'size=16k')
        with contextlib.suppress(OSError), open(
                self.paste.with_name('more'), 'wb', buffering=0) as file:
            while True:
                file.write(bytes(4096))
        self.assertInTheWay(f'{self.paste.parent} is full', 'make room',
                            'No space left on device')

    def chattr(self, attribute, path):
        self.run_tool('chattr', f'+{attribute}', str(path))
        self.addCleanup(subprocess.run,
                        ['chattr', f'-{attribute}', str(path)], check=True)

    def test_an_immutable_file(self):
        self.chattr('i', self.paste)
        self.assertInTheWay('may be immutable', 'chattr -ia',
                            'Operation not permitted')

    def test_a_file_that_can_only_grow(self):
        self.chattr('a', self.paste)
        self.assertInTheWay('append-only', 'chattr -ia')

    def test_an_immutable_directory(self):
        folder = self.directory / 'immutable'
        folder.mkdir()
        self.paste = folder / 'api-paste.ini'
        self.paste.write_bytes(PASTE)
        self.chattr('i', folder)
        self.assertInTheWay(f'{folder} may be immutable', 'chattr -ia')

    def test_a_directory_that_this_user_may_not_write_to(self):
        for folder in (self.directory, *self.directory.parents[:-1]):
            if folder.stat().st_mode & 0o005 != 0o005:
                folder.chmod(0o755)
        self.addCleanup(os.seteuid, 0)
        os.seteuid(65534)
        error = self.assertRaises(PermissionError, files.replace,
                                  str(self.paste), b'')
        self.assertEqual(
            f'user 65534 may not write to {self.directory}, or may not keep '
            f'the owner of the file; run this as root: Permission denied',
            error.strerror)


class InterpreterTest(TestCase):
    """A trove-manage is edited when its Python has the plugin."""

    def enable(self, interpreter, shebang='#!'):
        """What enable complains of, for a script with this shebang."""
        script = SCRIPT.replace(f'#!{sys.executable}'.encode(),
                                f'{shebang}{interpreter}'.encode())
        self.script.write_bytes(script)
        code, _out, err = self.run_main('enable')
        self.assertEqual(1 if err else 0, code)
        self.assertEqual(not err, script != self.script.read_bytes())
        return err

    def handed_over(self, interpreter):
        return f"/bin/sh\n'''exec' {interpreter} \"$0\" \"$@\"\n' '''"

    def test_an_interpreter_without_the_plugin_is_refused_and_named(self):
        python = self.bare_python()
        for form in (str(python), f'{python} -sE',
                     f'/usr/bin/env -S {python}',
                     self.handed_over(f'"{python}"')):
            err = self.enable(form)
            self.assertIn(f'trove-flavor-filter: {self.script}: its '
                          f'interpreter, ', err)
            self.assertIn(str(python), err)
            self.assertIn("No module named 'trove_flavor_filter'", err)
            self.assertEqual(1, err.count('\n'))

    def test_every_form_that_starts_one_with_the_plugin_is_edited(self):
        link = self.directory / 'python'
        link.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        link.chmod(0o755)
        for form in (
                f' {sys.executable} -s', f'/usr/bin/env -S {link}',
                self.handed_over(sys.executable),
                # What uv writes into an environment that may be moved.
                self.handed_over('"$(dirname -- "$(realpath -- "$0")")"/'
                                 "'python'")):
            self.assertEqual('', self.enable(form), form)

    def test_a_checkout_in_the_current_folder_is_no_plugin(self):
        python = self.bare_python()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(pathlib.Path(enable.__file__).parents[2])
        self.assertIn('No module named', self.enable(python))

    def test_an_interpreter_that_is_gone_or_does_not_answer(self):
        slow = self.directory / 'python'
        slow.write_text('#!/bin/sh\nexec sleep 60\n')
        slow.chmod(0o755)
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.cmd.enable.INTERPRETER_TIMEOUT', 0.1))
        for name, why in ((slow, 'no answer within'),
                          ('/no/such/python', 'No such file or directory')):
            self.assertIn(why, self.enable(name))

    def test_disable_asks_no_interpreter(self):
        self.run_main('enable')
        self.script.write_bytes(self.script.read_bytes().replace(
            sys.executable.encode(), b'/no/such/python'))
        code, _out, err = self.run_main('disable')
        self.assertEqual((0, ''), (code, err))


class PrintTest(TestCase):
    """Between standard streams, and no file is touched."""

    def run_print(self, state, data, *words):
        self.useFixture(fixtures.MonkeyPatch(
            'sys.stdin', io.TextIOWrapper(io.BytesIO(data))))
        return self.run_main(state, '--print', *words, files=False)

    def test_it_edits_what_it_reads(self):
        for data in (PASTE, PASTE.rstrip(), b'# caf\xe9\n' + PASTE):
            self.paste.write_bytes(data)
            self.run_main('enable')
            result = subprocess.run(
                [sys.executable, *RUN, '--print'], input=data,
                capture_output=True)
            self.assertEqual(
                (0, self.paste.read_bytes(),
                 b'enabled: section [filter:flavor_filter], pipeline '
                 b'troveapi\n'),
                (result.returncode, result.stdout, result.stderr))

    def test_a_second_time_changes_nothing_and_disable_gives_it_back(self):
        _code, enabled, _err = self.run_print('enable', PASTE)
        self.assertEqual((0, enabled, 'already enabled\n'),
                         self.run_print('enable', enabled.encode()))
        self.assertEqual(
            (0, PASTE.decode(), 'disabled: section [filter:flavor_filter], '
                                'pipeline troveapi\n'),
            self.run_print('disable', enabled.encode()))
        self.assertUntouched()

    def test_what_is_refused_is_not_printed(self):
        for data in (b'', b'garbage', PASTE.replace(b'= authtoken', b'=')):
            code, out, err = self.run_print('enable', data)
            self.assertEqual((1, '', 1), (code, out, err.count('\n')))
            self.assertIn('trove-flavor-filter: standard input: ', err)

    def test_an_input_that_cannot_be_read_is_one_line(self):
        for redirected, why in (('<&-', 'no pipeline in it'),
                                ('0> /dev/null', 'Bad file descriptor')):
            result = subprocess.run(
                ['sh', '-c', f'exec "$@" {redirected}', 'sh', sys.executable,
                 *RUN, '--print'], capture_output=True, text=True)
            self.assertEqual((1, '', 1), (
                result.returncode, result.stdout, result.stderr.count('\n')))
            self.assertIn(f'standard input: {why}', result.stderr)

    def test_it_goes_with_no_option_that_names_a_file(self):
        for words in (('--dry-run',), ('--paste-config', str(self.paste)),
                      ('--trove-manage', str(self.script)),
                      ('--config-file', 'trove.conf'),
                      ('--config-dir', 'conf.d')):
            code, out, err = self.run_print('enable', PASTE, *words)
            self.assertEqual((2, ''), (code, out))
            self.assertIn('--print reads standard input', err)

    def test_a_sites_own_authentication(self):
        data = PASTE.replace(b'keystonemiddleware.auth_token:', b'site:')
        code, out, _err = self.run_print('enable', data, '--auth-filter',
                                         'authtoken')
        self.assertEqual(0, code)
        self.assertIn('authtoken flavor_filter extensions', out)


class DefaultsTest(TestCase):
    """Without options: the files of the Trove that is installed here."""

    def setUp(self):
        super().setUp()
        # Where oslo.config looks, besides /etc.
        home = self.useFixture(fixtures.TempHomeDir()).path
        self.etc = pathlib.Path(home, '.trove')
        self.etc.mkdir()
        self.elsewhere = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.EnvironmentVariable(
            'PATH', str(self.elsewhere)))

    def trove_conf(self, text, name='trove.conf'):
        path = self.etc / name
        path.write_text(text)
        return str(path)

    def test_the_paste_file_beside_trove_conf(self):
        self.trove_conf('[DEFAULT]\n')
        (self.etc / 'api-paste.ini').write_bytes(PASTE)
        code, out, err = self.run_main('enable', files=False)
        self.assertEqual((0, ''), (code, err))
        self.assertIn(f'enabled in {self.etc}/api-paste.ini', out)
        self.assertIn(f'enabled in {self.script}', out)

    def test_the_paste_file_that_trove_conf_names(self):
        self.trove_conf(f'[DEFAULT]\napi_paste_config = {self.paste}\n')
        _, out, _ = self.run_main('enable', files=False)
        self.assertIn(f'enabled in {self.paste}', out)

    def test_the_paste_file_that_a_given_trove_conf_names(self):
        self.trove_conf('[DEFAULT]\napi_paste_config = nowhere\n')
        (self.etc / 'mine.ini').write_bytes(PASTE)
        first = self.trove_conf('[DEFAULT]\n', 'first.conf')
        second = self.trove_conf(
            '[DEFAULT]\napi_paste_config = mine.ini\n', 'second.conf')
        _, out, _ = self.run_main('enable', '--config-file', first,
                                  '--config-file', second, files=False)
        self.assertIn(f'enabled in {self.etc}/mine.ini', out)

    def test_files_and_folders_may_stand_on_both_sides_of_the_word(self):
        folder = self.etc / 'folder'
        folder.mkdir()
        self.trove_conf('[DEFAULT]\napi_paste_config = mine.ini\n',
                        'folder/10.conf')
        (folder / 'mine.ini').write_bytes(PASTE)
        other = self.trove_conf('[DEFAULT]\napi_paste_config = nowhere\n',
                                'other.conf')
        for words in (
                ('--config-file', other, 'enable', f'--config-dir={folder}'),
                ('enable', '--config-file', other, '--config-dir',
                 str(folder)),
                (f'--config-file={other}', '--config-dir', str(folder),
                 'enable')):
            _, out, _ = self.run_main(*words, files=False)
            self.assertIn(f'enabled in {folder}/mine.ini', out)
        _, _, err = self.run_main(
            '--config-dir', str(folder), 'enable', '--config-file', other,
            files=False)
        self.assertIn(f'nowhere: no such file in {folder}, {self.etc}, ',
                      err)

    def test_what_only_trove_api_reads_by_itself_counts(self):
        self.trove_conf('[DEFAULT]\napi_paste_config = nowhere\n')
        self.trove_conf(f'[DEFAULT]\napi_paste_config = {self.paste}\n',
                        'trove-api.conf')
        _, out, _ = self.run_main('enable', files=False)
        self.assertIn(f'enabled in {self.paste}', out)

    def test_a_trove_conf_that_cannot_be_used_is_one_line(self):
        binary = self.etc / 'binary.conf'
        binary.write_bytes(b'\xff\xfe\x00')
        for path, why in (
                (self.trove_conf('garbage\n', 'garbage.conf'),
                 'Failed to parse'),
                (str(self.etc / 'missing.conf'), 'missing.conf'),
                (str(self.etc), 'Is a directory'),
                (str(binary), 'decode'),
                (self.trove_conf('[DEFAULT]\napi_paste_config = nowhere\n'),
                 'nowhere: no such file')):
            code, _, err = self.run_main(
                'enable', '--config-file', path, '--trove-manage',
                str(self.script), files=False)
            self.assertEqual((1, 1), (code, err.count('\n')))
            self.assertIn(why, err)

    def run_without(self, state='enable'):
        """Run the command where its directory has no trove-manage."""
        if self.script.exists():
            self.script.unlink()
        return self.run_main(state, '--paste-config', str(self.paste),
                             files=False)

    def test_no_trove_manage_beside_the_command_nor_on_path(self):
        code, _, err = self.run_without()
        self.assertEqual(1, code)
        self.assertEqual(
            f'trove-flavor-filter: trove-manage: not found in '
            f'{self.directory}, nor on PATH; name it with --trove-manage\n',
            err)

    def test_a_trove_manage_on_path_is_found_and_named(self):
        found = self.elsewhere / 'trove-manage'
        found.write_bytes(SCRIPT)
        found.chmod(0o755)
        code, out, err = self.run_without()
        self.assertEqual((0, ''), (code, err))
        self.assertIn(f'\nenabled in {found}: ', out)
        self.assertIn(b'trove_flavor_filter', found.read_bytes())
        code, out, err = self.run_without('disable')
        self.assertEqual((0, ''), (code, err))
        self.assertIn(f'\ndisabled in {found}: ', out)
        self.assertEqual(SCRIPT, found.read_bytes())

    def test_a_trove_manage_on_path_without_the_plugin_is_refused(self):
        python = self.bare_python()
        found = self.elsewhere / 'trove-manage'
        script = SCRIPT.replace(sys.executable.encode(), bytes(python))
        found.write_bytes(script)
        found.chmod(0o755)
        code, _, err = self.run_without()
        self.assertEqual(1, code)
        self.assertIn(f'trove-flavor-filter: {found}: its interpreter, '
                      f'{python}, cannot import the plugin', err)
        self.assertEqual(script, found.read_bytes())

    def test_the_trove_manage_beside_the_command_comes_before_path(self):
        found = self.elsewhere / 'trove-manage'
        found.write_bytes(SCRIPT)
        found.chmod(0o755)
        _, out, _ = self.run_main('enable', '--paste-config',
                                  str(self.paste), files=False)
        self.assertIn(f'\nenabled in {self.script}: ', out)
        self.assertEqual(SCRIPT, found.read_bytes())

    def test_the_trove_manage_beside_a_command_on_path(self):
        command = self.directory / 'trove-flavor-filter'
        command.touch(0o755)
        self.useFixture(fixtures.EnvironmentVariable(
            'PATH', str(self.directory)))
        self.assertEqual(str(self.script),
                         enable.trove_manage('trove-flavor-filter'))

    def test_the_trove_manage_beside_what_a_link_points_at(self):
        command = self.directory / 'trove-flavor-filter'
        command.touch(0o755)
        link = self.etc / 'trove-flavor-filter'
        link.symlink_to(command)
        self.assertEqual(str(self.script), enable.trove_manage(str(link)))


class WriteTest(TestCase):

    def test_the_mode_stays(self):
        self.paste.chmod(0o640)
        self.script.chmod(0o711)
        self.run_main('enable')
        self.assertEqual(0o100640, self.paste.stat().st_mode)
        self.assertEqual(0o100711, self.script.stat().st_mode)

    def test_the_owner_stays(self):
        if os.geteuid() != 0:
            self.skipTest('only root can give a file away')
        os.chown(self.paste, 12345, 23456)
        self.run_main('enable')
        status = self.paste.stat()
        self.assertEqual((12345, 23456), (status.st_uid, status.st_gid))

    def test_extended_attributes_stay(self):
        try:
            os.setxattr(self.paste, 'user.test', b'value')
        except OSError as error:
            self.skipTest(f'not on this file system: {error}')
        self.run_main('enable')
        self.assertEqual(b'value', os.getxattr(self.paste, 'user.test'))

    def test_the_time_of_the_change_shows(self):
        os.utime(self.paste, (1, 1))
        self.run_main('enable')
        self.assertNotEqual(1, self.paste.stat().st_mtime)

    def test_a_symbolic_link_stays_and_its_target_changes(self):
        target = self.directory / 'elsewhere' / 'paste.ini'
        target.parent.mkdir()
        self.paste.rename(target)
        self.paste.symlink_to('elsewhere/paste.ini')
        self.run_main('enable')
        self.assertTrue(self.paste.is_symlink())
        self.assertIn(b'flavor_filter', target.read_bytes())
        self.assertEqual(['paste.ini'], os.listdir(target.parent))

    def test_a_crash_at_the_last_step_leaves_the_old_files(self):
        def fail(source, target):
            raise OSError(errno.EIO, 'Input/output error')

        self.useFixture(fixtures.MonkeyPatch('os.replace', fail))
        self.assertEqual(
            (1, '',
             f'trove-flavor-filter: {self.paste}: Input/output error\n'
             f'trove-flavor-filter: {self.script}: Input/output error\n'),
            self.run_main('enable'))
        self.assertUntouched()

    def test_an_interrupt_leaves_the_old_file(self):
        def interrupt(descriptor):
            raise KeyboardInterrupt

        self.useFixture(fixtures.MonkeyPatch('os.fsync', interrupt))
        self.assertRaises(KeyboardInterrupt, files.replace,
                          str(self.paste), b'half')
        self.assertUntouched()

    def test_a_full_disk_leaves_the_old_files(self):
        # No file may grow: a real failure of write, for root as well.
        result = subprocess.run(
            ['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh', sys.executable,
             '-B', *RUN,
             '--paste-config', str(self.paste),
             '--trove-manage', str(self.script)],
            capture_output=True, text=True)
        self.assertEqual(
            (1, f'trove-flavor-filter: {self.paste}: File too large\n'
                f'trove-flavor-filter: {self.script}: File too large\n'),
            (result.returncode, result.stderr))
        self.assertUntouched()

    def test_no_permission_to_write_is_one_line(self):
        if os.geteuid() == 0:
            self.skipTest('root may write everywhere')
        self.directory.chmod(0o555)
        self.addCleanup(self.directory.chmod, 0o755)
        code, out, err = self.run_main('enable')
        self.assertEqual((1, ''), (code, out))
        self.assertEqual(2, err.count('Permission denied\n'))
        self.assertUntouched()


class TroveManageTest(base.BaseTestCase):
    """The script that enable leaves runs, with the plugin and without."""

    def setUp(self):
        super().setUp()
        # Where pip puts the scripts of this interpreter's environment.
        original = pathlib.Path(sys.executable).parent / 'trove-manage'
        if not original.exists():
            self.skipTest(f'Trove is not installed: no {original}')
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.script = self.directory / 'trove-manage'
        shutil.copy(original, self.script)
        text, _ = console_script.enable(original.read_text())
        self.script.write_text(text)

    def run_script(self, sitecustomize=''):
        (self.directory / 'sitecustomize.py').write_text(sitecustomize)
        return subprocess.run(
            [self.script, '--help'], capture_output=True, text=True,
            env=dict(os.environ, PYTHONPATH=str(self.directory)))

    def test_it_has_troves_subcommands_and_ours(self):
        result = self.run_script()
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn('db_sync', result.stdout)
        self.assertIn('datastore-version-flavor-add', result.stdout)

    def test_it_is_troves_own_once_the_plugin_is_uninstalled(self):
        result = self.run_script(UNINSTALLED)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn('db_sync', result.stdout)
        self.assertNotIn('datastore-version-flavor-add', result.stdout)
        self.assertNotIn('trove-flavor-filter', result.stderr)

    def test_a_plugin_that_is_broken_is_named_and_trove_still_runs(self):
        result = self.run_script(BROKEN)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn('running without trove-flavor-filter', result.stderr)
        self.assertIn('db_sync', result.stdout)
