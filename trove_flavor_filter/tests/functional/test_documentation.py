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

"""Every command that the documentation shows is run, and prints that.

FLAVOR_FILTER_WRITE_DOCS=1 puts what the commands print into the pages.
"""

import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import fixtures
from oslotest import base

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import curl
from trove_flavor_filter.tests.cloud import release
from trove_flavor_filter.tests.cloud import transcript

ROOT = pathlib.Path(__file__).parents[3]
DOC = ROOT / 'doc' / 'source'
STORY = DOC / 'admin' / 'story.rst'
WRITE = bool(os.environ.get('FLAVOR_FILTER_WRITE_DOCS'))

# The wheel, as the pages call it. Those that install it begin without the
# plugin.
WHEEL = 'dist/trove_flavor_filter-*.whl'
INSTALL = f'$ pip install -q {WHEEL}'

# The ids are always the same: how a long line is wrapped depends on where they
# have digits.
VERSIONS = {'5.7': '14076d7c-4f90-47c0-bd1f-9c401f6728e3',
            '8.0': '5a64e9b0-84d5-47fb-8d2a-4f7b82d5f272'}

# What a shell does not pass on as it is, and its own commands.
SHELL = re.compile(r'[^\w\s./:=@,+"\'-]|^(cd|export)\b|^\w+=')

# What takes the task manager and the guest, which the cloud lacks.
RESIZE = re.compile(
    r'openstack database instance resize flavor (?P<name>\S+) (?P<flavor>\S+)')

# Where the story begins.
OLD_TROVE = 'trove>=25,<26'


def pages() -> list[pathlib.Path]:
    """All that has commands but the story, which needs its own cloud."""
    return [page for page in (ROOT / 'README.rst', *sorted(
        DOC.rglob('*.rst'))) if page != STORY
        and transcript.blocks(page.read_text())]


class Reader:
    """Somebody who types what a page shows, on a small cloud.

    :param wheels: folder of the wheel that is installed; '' for none
    :param environment: of the commands
    """

    def __init__(self, booted: cloud.Cloud, wheels: str = '',
                 **environment: str):
        self.cloud = booted
        self._wheels = wheels
        self._environment = environment
        # How the pages call what has other names here.
        self._names = {
            str(booted.log('trove')): '/var/log/trove/trove-api.log',
            booted.trove_url: 'http://controller:8779',
            booted.auth_url: 'http://controller:5000/v3',
            str(booted.directory / 'trove'): '/etc/trove',
            str(booted.bin): '/opt/trove/bin',
            str(booted.directory): '/root'}
        if shutil.which('curl') is None:
            curl.install(booted.bin)

    def execute(self, command: str) -> str:
        if command == 'systemctl restart trove-api':
            # However this machine runs it.
            self.cloud.restart('trove')
            return ''
        if resize := RESIZE.fullmatch(command):
            return self._resize(command, **resize.groupdict())
        if WHEEL in command and not self._wheels:
            # The checkout is installed already.
            return ''
        command = command.replace(WHEEL, f'{self._wheels}/*.whl')
        for here, shown in self._names.items():
            command = command.replace(shown, here)
        if self._environment or SHELL.search(command):
            result = subprocess.run(
                ['bash', '-c', command], text=True, cwd=self.cloud.directory,
                env=self.cloud.environment() | self._environment,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        else:
            result = self.cloud.run(*shlex.split(command), merged=True)
        printed = result.stdout
        if result.returncode:
            raise AssertionError(f'"{command}" exited with '
                                 f'{result.returncode}:\n{printed}')
        for here, shown in self._names.items():
            printed = printed.replace(here, shown)
        return printed

    def _resize(self, command: str, name: str, flavor: str) -> str:
        """Ask Trove's API for a resize, and write what its end writes."""
        ((instance_id,),) = self.cloud.sql(
            'SELECT id FROM instances WHERE name = :name AND NOT deleted',
            name=name)
        self.cloud.activate_instance(instance_id)
        printed = self.cloud.check(*shlex.split(command))
        self.cloud.sql(
            'UPDATE instances SET flavor_id = :flavor, task_id = 1 '
            'WHERE id = :id', flavor=flavor, id=instance_id)
        return printed


def furnish(booted: cloud.Cloud) -> None:
    """What the pages take for granted: some flavors, and two versions."""
    for flavor_id, name, ram, vcpus, disk in (
            ('1', 'db.tiny', 512, 1, 5), ('2', 'db.small', 2048, 1, 20),
            ('3', 'db.medium', 4096, 2, 40), ('4', 'db.large', 8192, 4, 80)):
        booted.create_flavor(flavor_id, name, ram, vcpus, disk)
    for name, version_id in VERSIONS.items():
        booted.create_datastore_version('mysql', name, version_id=version_id)


@functools.cache
def furnished_cloud() -> cloud.Cloud:
    booted = cloud.Cloud()
    booted.__enter__()
    booted.enable()
    furnish(booted)
    return booted


class DocumentationTestCase(base.BaseTestCase):

    DEFAULT_TIMEOUT = 900

    def assertPrints(self, page: pathlib.Path, reader: Reader) -> None:
        differences = transcript.run(page, reader.execute, WRITE)
        if not WRITE:
            self.assertEqual([], differences, '\n'.join(
                f'{page}: $ {command}\n{printed}'
                for command, _shown, printed in differences))


class PagesTest(DocumentationTestCase):

    def test_every_command_prints_what_the_pages_show(self):
        self.assertLess(2, len(pages()))
        booted = furnished_cloud()
        for page in pages():
            # Whatever the page before has left behind.
            booted.sql('DELETE FROM datastore_version_metadata')
            booted.sql('UPDATE instances SET deleted = :yes', yes=True)
            booted.enable()
            if INSTALL in page.read_text():
                booted.check('trove-flavor-filter', 'disable')
                booted.sql('DROP TABLE flavor_filter_alembic_version')
                booted.sql('DROP TABLE flavor_filter_revision')
            self.assertPrints(page, Reader(booted))


class StoryTest(DocumentationTestCase):
    """Installed, used, upgraded under, removed: an operator's story."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path)
        # What the tests run on, whatever the Trove.
        self.constraints = self.folder / 'constraints.txt'
        self.constraints.write_text(''.join(
            line for line in ROOT.joinpath('test-constraints.txt').open()
            if not line.startswith('trove==')))
        self.environment = {
            'PIP_CONSTRAINT': str(self.constraints),
            'PIP_DISABLE_PIP_VERSION_CHECK': '1',
            'PIP_ROOT_USER_ACTION': 'ignore'}

    def run_command(self, *command: str) -> None:
        result = subprocess.run(
            command, env=os.environ | self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(0, result.returncode, result.stdout)

    def test_the_operators_story(self):
        # The wheel that a deployer would get, and a Trove of last year.
        self.run_command(sys.executable, '-m', 'build', '--wheel',
                         '--outdir', str(self.folder), str(ROOT))
        prefix = self.folder / 'trove'
        release.install(prefix, self.constraints, OLD_TROVE)
        with cloud.Cloud(trove_prefix=str(prefix),
                         own_scripts=False) as booted:
            furnish(booted)
            paste_ini = booted.paste_ini.read_bytes()
            self.assertPrints(STORY, Reader(
                booted, str(self.folder), **self.environment))
            self.assertEqual(paste_ini, booted.paste_ini.read_bytes())
            # What pip would have written.
            script = (prefix / 'bin' / 'trove-manage').read_bytes()
            self.run_command(
                str(prefix / 'bin' / 'pip'), 'install', '--no-deps',
                '--force-reinstall', 'trove>=26,<27')
            self.assertEqual(
                script, (prefix / 'bin' / 'trove-manage').read_bytes())
            self.assertEqual(404, booted.trove(
                '/flavors/datastores/versions/x').status_code)
            self.assertEqual(200, booted.trove('/flavors').status_code)
