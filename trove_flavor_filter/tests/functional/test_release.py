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

"""What is released: wheels and sdists, built, checked and installed.

FLAVOR_FILTER_DIST names a folder to build them in; they stay there.
"""

import atexit
import functools
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from oslotest import base

ROOT = pathlib.Path(__file__).parents[3]

# What is installed beside the package.
SAMPLES = [f'etc/trove-flavor-filter/{name}.sample' for name in (
    'api-paste.ini', 'audit_map.conf', 'policy.yaml',
    'trove-flavor-filter.conf')]

# Where temporary files go: each test is given a folder of its own, and what
# is built here is for all of them.
FOLDER = tempfile.gettempdir()

# The application by itself, and the filter before one that answers 202, asked
# for the plugin's route by somebody without an identity, and for another.
ASK = '''
import sys
import paste.deploy
import webob
conf = {'oslo_config_file': sys.argv[1]}
app = paste.deploy.loadapp(
    'egg:trove-flavor-filter#flavor_filter_app', global_conf=conf)
before = paste.deploy.loadfilter(
    'egg:trove-flavor-filter#flavor_filter', global_conf=conf)
for application in app, before(webob.Response(status=202)):
    for path in '/p/flavors/datastores/versions/v', '/p/flavors':
        print(webob.Request.blank(path).get_response(application).status_int)
'''

# Those of openstackclient need what only an extra brings, that of tempest is
# for where tempest is.
LOAD = '''
from importlib import metadata
for entry in metadata.distribution('trove-flavor-filter').entry_points:
    if entry.group not in ('openstack.database.v1', 'tempest.test_plugins'):
        entry.load()
        print(entry.group, entry.name)
'''


@functools.cache
def folder() -> pathlib.Path:
    """A folder far from the checkout; it goes when this process ends."""
    path = pathlib.Path(tempfile.mkdtemp(prefix='release-', dir=FOLDER))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    shutil.copy(ROOT / 'test-constraints.txt', path / 'constraints.txt')
    return path


def run(*command: str | pathlib.Path) -> subprocess.CompletedProcess:
    """Run a command in the folder, with nothing of this process's Python."""
    inherited = {key: value for key, value in os.environ.items()
                 if not key.startswith('PYTHON')}
    return subprocess.run(
        command, cwd=folder(), text=True, capture_output=True,
        env=inherited | {
            'HOME': str(folder()),
            'PIP_CONSTRAINT': str(folder() / 'constraints.txt'),
            'PIP_DISABLE_PIP_VERSION_CHECK': '1'})


def check(*command: str | pathlib.Path) -> str:
    """Run a command that must not fail, for all that it prints."""
    result = run(*command)
    if result.returncode:
        raise AssertionError(f'{command} exited with {result.returncode}:\n'
                             f'{result.stdout}{result.stderr}')
    return result.stdout + result.stderr


@functools.cache
def built(name: str = 'trove_flavor_filter', source: pathlib.Path = ROOT
          ) -> tuple[dict[str, pathlib.Path], str]:
    """The wheel and the sdist of a folder, and what the build printed.

    :param name: of the distribution, as its files spell it
    """
    dist = pathlib.Path(
        os.environ.get('FLAVOR_FILTER_DIST') or folder() / 'dist')
    printed = check(sys.executable, '-m', 'build', '--outdir', dist, source)
    wheel, = dist.glob(f'{name}-*.whl')
    sdist, = dist.glob(f'{name}-*.tar.gz')
    return {'wheel': wheel, 'sdist': sdist}, printed


def built_dashboard() -> tuple[dict[str, pathlib.Path], str]:
    """The same of the distribution for Horizon."""
    return built('trove_flavor_filter_dashboard', ROOT / 'dashboard')


def archive_of_checkout() -> pathlib.Path:
    """What "git archive" gives: the files, and nothing of git."""
    archive = pathlib.Path(tempfile.mkdtemp(dir=folder()))
    for name in tracked():
        target = archive / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return archive


@functools.cache
def installed(kind: str, extra: str = '') -> pathlib.Path:
    """The bin/ of a virtualenv that has the wheel or the sdist."""
    prefix = folder() / (kind + extra)
    check(sys.executable, '-m', 'venv', prefix)
    check(prefix / 'bin' / 'python', '-m', 'pip', 'install',
          f'{built()[0][kind]}{extra}')
    return prefix / 'bin'


def tracked(*paths: str) -> set[str]:
    """The files that git has."""
    return set(subprocess.run(
        ['git', '-C', ROOT, 'ls-files', *paths], text=True, check=True,
        capture_output=True).stdout.splitlines())


class BuildTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def test_the_wheel_has_the_package_as_git_has_it_and_no_more(self):
        """Its tests as well: tempest imports them from there."""
        with zipfile.ZipFile(built()[0]['wheel']) as wheel:
            names = {name for name in wheel.namelist()
                     if not name.endswith('/')}
        package = {name for name in names
                   if name.startswith('trove_flavor_filter/')}
        self.assertEqual(tracked('trove_flavor_filter'), package)
        self.assertEqual(
            {f'data/{name}' for name in SAMPLES},
            {name.partition('.data/')[2] for name in names - package
             if '.dist-info/' not in name})

    def test_the_sdist_has_what_git_has_and_no_more(self):
        with tarfile.open(built()[0]['sdist']) as sdist:
            names = {member.name.partition('/')[2]
                     for member in sdist.getmembers() if member.isfile()}
        # What pbr writes beside that.
        generated = {name for name in names if '.egg-info/' in name} | {
            'AUTHORS', 'ChangeLog', 'PKG-INFO'}
        # And what it leaves out.
        self.assertEqual(tracked() - {'.gitignore'}, names - generated)

    def test_the_version_is_what_the_next_tag_will_be(self):
        self.assertRegex(built()[0]['wheel'].name, r'-1\.0\.0(\.dev\d+)?-py3-')

    def test_twine_finds_nothing_to_complain_of(self):
        printed = check(sys.executable, '-m', 'twine', 'check', '--strict',
                        *built()[0].values())
        self.assertEqual(2, printed.count('PASSED'), printed)

    def test_setuptools_finds_nothing_that_it_will_refuse_one_day(self):
        printed = built()[1]
        for text in ('classifiers are deprecated', 'would be ignored'):
            self.assertNotIn(text, printed)


class ArchiveTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def test_it_builds_what_the_checkout_builds_under_an_early_version(self):
        dist = folder() / 'archive-dist'
        check(sys.executable, '-m', 'build', '--wheel', '--outdir', dist,
              archive_of_checkout())
        wheel, = dist.glob('trove_flavor_filter-1.0.0.dev0-*.whl')
        with zipfile.ZipFile(wheel) as built_wheel:
            self.assertEqual(tracked('trove_flavor_filter'), {
                name for name in built_wheel.namelist()
                if name.startswith('trove_flavor_filter/')
                and not name.endswith('/')})


class DashboardTest(base.BaseTestCase):
    """The distribution for Horizon, which lies in a folder of the same git."""

    DEFAULT_TIMEOUT = 600

    def tracked(self) -> set[str]:
        return {name.removeprefix('dashboard/')
                for name in tracked('dashboard')}

    def test_the_wheel_has_the_package_as_git_has_it_and_no_more(self):
        with zipfile.ZipFile(built_dashboard()[0]['wheel']) as wheel:
            names = {name for name in wheel.namelist()
                     if '.dist-info/' not in name}
        self.assertEqual({
            name for name in self.tracked()
            if name.startswith('trove_flavor_filter_dashboard/')}, names)

    def test_the_sdist_has_what_git_has_and_no_more(self):
        with tarfile.open(built_dashboard()[0]['sdist']) as sdist:
            names = {member.name.partition('/')[2]
                     for member in sdist.getmembers() if member.isfile()}
        self.assertEqual(self.tracked(), {
            name for name in names if '.egg-info/' not in name
            and name != 'PKG-INFO'})

    def test_it_needs_horizon_and_trove_dashboard_and_no_more(self):
        with zipfile.ZipFile(built_dashboard()[0]['wheel']) as wheel:
            metadata, = (name for name in wheel.namelist()
                         if name.endswith('.dist-info/METADATA'))
            text = wheel.read(metadata).decode()
        self.assertEqual(['horizon', 'trove-dashboard'], sorted(
            re.findall(r'^Requires-Dist: ([\w-]+)', text, re.MULTILINE)))

    def test_both_distributions_have_one_version(self):
        self.assertEqual(
            *(re.search(r'-(\d[^-]*)-py3', files['wheel'].name)[1]
              for files in (built()[0], built_dashboard()[0])))

    def test_the_sdist_builds_the_same_wheel(self):
        files = built_dashboard()[0]
        wheels = folder() / 'dashboard-wheels'
        check(sys.executable, '-m', 'pip', 'wheel', '--no-deps',
              '--wheel-dir', wheels, files['sdist'])
        self.assertEqual([files['wheel'].name],
                         [path.name for path in wheels.iterdir()])

    def test_an_archive_builds_under_an_early_version(self):
        dist = folder() / 'dashboard-dist'
        check(sys.executable, '-m', 'build', '--wheel', '--outdir', dist,
              archive_of_checkout() / 'dashboard')
        self.assertEqual(
            ['trove_flavor_filter_dashboard-1.0.0.dev0-py3-none-any.whl'],
            [path.name for path in dist.iterdir()])

    def test_twine_finds_nothing_to_complain_of(self):
        printed = check(sys.executable, '-m', 'twine', 'check', '--strict',
                        *built_dashboard()[0].values())
        self.assertEqual(2, printed.count('PASSED'), printed)

    def test_setuptools_finds_nothing_that_it_will_refuse_one_day(self):
        printed = built_dashboard()[1]
        for text in ('deprecated', 'would be ignored', 'cannot be found'):
            self.assertNotIn(text, printed)


class InstalledTests:
    """What holds in a virtualenv with the plugin and without Trove."""

    DEFAULT_TIMEOUT = 600

    def setUp(self) -> None:
        super().setUp()
        self.bin = installed(self.kind)
        self.python = self.bin / 'python'

    def conf(self, database: pathlib.Path) -> pathlib.Path:
        return pathlib.Path(self.create_tempfiles(
            [('trove', f'[database]\nconnection = sqlite:///{database}\n')],
            ext='.conf')[0])

    def test_it_is_what_is_imported(self):
        self.assertIn(str(self.bin.parent), check(
            self.python, '-c',
            'from trove_flavor_filter import wsgi; print(wsgi.__file__)'))

    def test_what_it_requires_is_there(self):
        check(self.python, '-m', 'pip', 'check')

    def test_each_command_shows_its_help(self):
        for name in ('trove-flavor-filter', 'trove-flavor-filter-status'):
            self.assertIn(f'usage: {name}', check(self.bin / name, '--help'))
        for name in ('flavor-filter-db-sync', 'datastore-version-flavor-add'):
            self.assertIn(f' {name} ', check(
                self.bin / 'trove-flavor-filter-manage', name, '--help'))

    def test_troves_own_subcommands_need_trove_and_say_so(self):
        result = run(self.bin / 'trove-flavor-filter-manage', '--help')
        self.assertEqual(1, result.returncode)
        self.assertIn('Trove is not installed here', result.stderr)
        self.assertEqual(1, result.stderr.count('\n'), result.stderr)

    def test_each_entry_point_can_be_loaded(self):
        loaded = check(self.python, '-c', LOAD)
        for group in ('console_scripts', 'oslo.config.opts',
                      'oslo.policy.enforcer', 'oslo.policy.policies',
                      'paste.app_factory', 'paste.filter_factory'):
            self.assertIn(f'{group} ', loaded)

    def test_paste_finds_the_application_and_the_filter(self):
        result = run(self.python, '-c', ASK, self.conf(folder() / 'none'))
        self.assertEqual(['401', '404', '401', '202'],
                         result.stdout.split(), result.stderr)

    def test_flavor_filter_db_sync_finds_its_migrations(self):
        database = folder() / f'{self.kind}.sqlite'
        connection = sqlite3.connect(database)
        self.addCleanup(connection.close)
        connection.execute(
            'CREATE TABLE datastore_versions (id VARCHAR(36) PRIMARY KEY)')
        connection.commit()
        self.assertIn('from revision none to 0002', check(
            self.bin / 'trove-flavor-filter-manage', '--config-file',
            self.conf(database), 'flavor-filter-db-sync'))
        self.assertEqual([], connection.execute(
            'SELECT * FROM datastore_version_metadata').fetchall())
        self.assertEqual([], connection.execute(
            'SELECT * FROM flavor_filter_revision').fetchall())

    def test_the_samples_are_where_etc_is(self):
        for sample in SAMPLES:
            self.assertEqual((ROOT / sample).read_bytes(),
                             (self.bin.parent / sample).read_bytes())

    def test_its_tests_can_be_imported(self):
        check(self.python, '-c',
              'from trove_flavor_filter.tests.cloud import process')


class WheelTest(InstalledTests, base.BaseTestCase):

    kind = 'wheel'


class SdistTest(InstalledTests, base.BaseTestCase):

    kind = 'sdist'


class ExtraTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def test_with_osc_the_openstack_command_has_the_plugins_one(self):
        command = 'database datastore version flavor list'
        self.assertIn(f'usage: openstack {command} ', check(
            installed('wheel', '[osc]') / 'openstack', *command.split(),
            '--help'))
