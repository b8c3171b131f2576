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
"""The plugin reads the configuration that Trove reads, however it is laid out.

Layouts of files and folders are generated, and Trove's own loader is the
judge of each option. A few of them serve on the real thing.
"""

import collections
import configparser
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import fixtures
from oslotest import base as oslo_base

from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.functional import base

READER = (pathlib.Path(__file__).parents[1]
          / 'cloud' / 'read_configuration.py')
PROGRAMS = ('trove-api', 'trove-manage', 'uwsgi', 'mod_wsgi')
LAYOUTS = int(os.environ.get('FLAVOR_FILTER_LAYOUTS', '300'))
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '1'))

# Options that we read, with a spelling of their section, and their values.
OPTIONS = [
    ('DEFAULT', 'api_paste_config', ('one.ini', 'two.ini', 'nowhere.ini')),
    ('DEFAULT', 'trove_volume_support', ('true', 'False', '0')),
    ('DEFAULT', 'device_path', ('/dev/vdb', '/dev/sdb', '')),
    ('DEFAULT', 'admin_roles', ('admin', 'boss, admin', 'boss,\n  chief')),
    ('DEFAULT', 'default_datastore', ('mysql', '$nova_compute_service_type')),
    ('DEFAULT', 'nova_compute_url', ('http://nova/v2.1', '"http://other"')),
    ('DEFAULT', 'os_region_name', ('old', 'older')),
    ('service_credentials', 'region_name', ('new', 'newer')),
    ('service_credentials', 'username', ('trove', 'database')),
    ('service_credentials', 'password', ('a$$b', 'pencil')),
    ('database', 'connection', ('sqlite:///a', 'sqlite:///b')),
    ('database', 'max_pool_size', ('1', '2', '3')),
    ('keystone_authtoken', 'insecure', ('yes', 'no')),
    ('keystone_authtoken', 'cafile', ('/a.pem', '/b.pem')),
    ('mysql', 'volume_support', ('true', 'false')),
    ('postgresql', 'device_path', ('/dev/vdc', '')),
    ('oslo_policy', 'policy_file', ('one.yaml', 'two.yaml')),
    ('oslo_policy', 'policy_dirs', ('one.d', 'two.d')),
    ('flavor_filter', 'enforce', ('true', 'false')),
    ('flavor_filter', 'nova_timeout', ('1', '2.5', '30')),
    ('flavor_filter', 'flavor_cache_time', ('0', '60')),
    ('Flavor_Filter', 'public_endpoint', ('http://a', 'https://b')),
]
ENVIRONMENT = ('OS_FLAVOR_FILTER__NOVA_TIMEOUT', '7.5')
# Options that are no business of ours.
OTHERS = (['--debug'], ['--log-file', 'trove.log'], ['--nouse-syslog'])

BROKEN = {
    'no assignment': b'[DEFAULT]\nnonsense\n',
    'no section': b'debug = true\n',
    'no end': b'[DEFAULT\n',
    'Latin-1': b'[DEFAULT]\n# caf\xe9\n',
}


class Layout:
    """One layout of files in an empty folder, and how they are named."""

    def __init__(self, folder: pathlib.Path, chance: random.Random):
        self.folder = folder
        self.chance = chance
        self.kinds = set()
        self.count = 0
        self.program = chance.choice(PROGRAMS)
        self.environment = {'HOME': str(folder)}
        if chance.random() < 0.2:
            self.environment.update([ENVIRONMENT])
        home = folder / '.trove'
        for name in ('trove', self.program, 'other'):
            if chance.random() < 0.3:
                self.write(home / f'{name}.conf')
                self.kinds.add('default files')
            if chance.random() < 0.3:
                self.fill(home / f'{name}.conf.d')
                self.kinds.add('default folders')
        named = [self.name() for _number in range(chance.choice(
            [0, 1, 1, 2, 3, 5]))]
        if chance.random() < 0.3:
            self.break_one(named)
        self.named = [word for words in named for word in words]
        for other in OTHERS:
            if chance.random() < 0.2:
                named.insert(chance.randint(0, len(named)), other)
        self.words = [word for words in named for word in words]
        for path in [*folder.rglob('')]:
            for name in ('one.ini', 'two.ini', 'one.yaml', 'two.yaml'):
                if chance.random() < 0.2 and path.is_dir():
                    (path / name).write_text('')

    def path(self) -> pathlib.Path:
        """A path that is free."""
        self.count += 1
        name = self.chance.choice(['x', 'with space', 'caf\u00e9', 'a=b'])
        return self.folder / f'{self.count}-{name}'

    def write(self, path: pathlib.Path) -> pathlib.Path:
        """Write a file with some of the options, each with some value."""
        lines = []
        for section, option, values in OPTIONS:
            if self.chance.random() < 0.3:
                lines.append(f'[{section}]\n{option} = '
                             f'{self.chance.choice(values)}\n')
        self.chance.shuffle(lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(lines))
        return path

    def fill(self, folder: pathlib.Path) -> pathlib.Path:
        """Fill a folder as operators do, or as Kubernetes does."""
        names = self.chance.sample(
            ['00-base.conf', '10-db.conf', '9-site.conf', 'trove.conf',
             '.hidden.conf', 'README', 'old.conf.bak', 'deeper/x.conf'],
            self.chance.randint(0, 5))
        if not names:
            self.kinds.add('an empty folder')
        if self.chance.random() < 0.3:
            # A ConfigMap: each file is a link through one to the folder.
            self.kinds.add('..data')
            real = folder / '..2026_01_01'
            real.mkdir(parents=True)
            (folder / '..data').symlink_to(real.name)
            for name in names:
                if '/' not in name:
                    self.write(real / name)
                    (folder / name).symlink_to(f'..data/{name}')
        else:
            folder.mkdir(parents=True)
            for name in names:
                self.write(folder / name)
        return folder

    def name(self) -> list[str]:
        """The words that name a file or a folder."""
        if self.chance.random() < 0.5:
            self.kinds.add('files')
            option, path = '--config-file', self.write(
                self.path().with_suffix('.conf'))
        else:
            self.kinds.add('folders')
            option, path = '--config-dir', self.fill(self.path())
        if self.chance.random() < 0.1:
            link = self.path()
            link.symlink_to(path)
            path = link
        spelled = str(path)
        if self.chance.random() < 0.1:
            spelled = f'~/{path.relative_to(self.folder)}'
        if self.chance.random() < 0.1:
            # argparse takes it, and reads the default files as well.
            option = option[:-2]
        if self.chance.random() < 0.5:
            return [f'{option}={spelled}']
        return [option, spelled]

    def break_one(self, named: list[list[str]]) -> None:
        """Name one more file or folder, that is broken."""
        kind = self.chance.choice([
            *BROKEN, 'missing file', 'missing folder', 'dangling link',
            'folder for a file', 'no value'])
        self.kinds.add('broken')
        path = self.path()
        words = [f'--config-dir={path}']
        if kind == 'no value':
            named.append([self.chance.choice(['--config-file',
                                              '--config-dir'])])
            return
        if kind == 'missing file':
            words = ['--config-file', str(path)]
        elif kind == 'folder for a file':
            words = ['--config-file', str(self.fill(path))]
        elif kind != 'missing folder':
            self.fill(path)
            inside = path / '50-broken.conf'
            if kind == 'dangling link':
                inside.symlink_to('..data/gone.conf')
            else:
                inside.write_bytes(BROKEN[kind])
        named.insert(self.chance.randint(0, len(named)), words)


class LayoutTest(oslo_base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def test_every_layout_is_read_as_trove_reads_it(self):
        chance = random.Random(SEED)
        layouts = [
            Layout(pathlib.Path(self.useFixture(fixtures.TempDir()).path),
                   chance) for _number in range(LAYOUTS)]
        prefix = os.environ.get('FLAVOR_FILTER_TROVE', sys.prefix)
        answer = subprocess.run(
            [f'{prefix}/bin/python', str(READER)],
            input=json.dumps([{
                name: getattr(layout, name) for name in (
                    'program', 'words', 'named', 'environment')}
                for layout in layouts]), text=True, capture_output=True)
        self.assertEqual(0, answer.returncode, answer.stderr[-2000:])
        tried: collections.Counter[tuple[str, ...]] = (
            collections.Counter())
        for layout, readers in zip(layouts, json.loads(answer.stdout)):
            judged = readers.pop('by_trove')
            for reader, outcome in readers.items():
                if 'refused' in judged:
                    # Trove would not have come as far as the filter.
                    if reader != 'by_filter':
                        self.assertRefused(layout, judged, outcome)
                elif reader == 'by_enable':
                    self.assertFinds(layout, judged['read'], outcome)
                else:
                    self.assertEqual(judged, outcome,
                                     (layout.program, layout.words, reader))
                tried[reader, *judged] += 1
            for kind in layout.kinds:
                tried[kind, *judged] += 1
            tried['', *judged] += 1
        for each, count in sorted(tried.items()):
            print(f'{count:6} {" ".join(each)}')
        self.assertLessEqual({'read', 'refused'}, {last for *_, last in tried})

    def assertRefused(self, layout, judged, outcome) -> None:
        self.assertEqual(['refused'], [*outcome], (layout.words, judged))
        name, _colon, text = outcome['refused'].partition(': ')
        self.assertEqual(
            'SystemExit' if judged['refused'].startswith('SystemExit')
            else 'Misconfigured', name, (judged, text))
        self.assertNotIn('\n', text)

    def assertFinds(self, layout, read, outcome) -> None:
        name = read.get('[None] api_paste_config', 'api-paste.ini')
        if read[name] is None:
            self.assertIn(f'{name}: no such file', outcome['refused'])
        else:
            self.assertEqual({name: read[name]}, outcome.get('read'),
                             (layout.words, outcome))


class ServingTest(base.FunctionalTestCase):
    """The small cloud's trove.conf in pieces, and what is made of them."""

    def setUp(self) -> None:
        super().setUp()
        self.port = process.free_port()
        self.folder = self.cloud.directory / self.unique('layout')
        self.folder.mkdir()
        parser = configparser.RawConfigParser()
        parser.read(self.cloud.trove_conf)
        self.sections = {name: dict(parser[name].items())
                         for name in parser.sections()}
        self.sections['DEFAULT'] = dict(
            parser.defaults(), bind_port=str(self.port))
        for section in self.sections.values():
            for name in () if section is self.sections['DEFAULT'] else (
                    parser.defaults()):
                del section[name]
        self.version_id = self.create_version()
        self.allowed, self.other = self.create_flavor(), self.create_flavor()
        self.associate(self.version_id, self.allowed)

    def write(self, path: pathlib.Path, *names: str) -> pathlib.Path:
        """Write these sections to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        settings.write(path, {name: self.sections[name] for name in names})
        return path

    def fill(self, folder: pathlib.Path, *names: str) -> pathlib.Path:
        """A file for each section; the first file is wrong in all."""
        folder.mkdir(parents=True, exist_ok=True)
        self.decoy(folder / '00-packaged.conf')
        for number, name in enumerate(names, 10):
            self.write(folder / f'{number}-{name}.conf', name)
        return folder

    def decoy(self, path: pathlib.Path) -> pathlib.Path:
        """A file that some later file must overrule."""
        settings.write(path, {
            'DEFAULT': {'api_paste_config': 'no-such.ini', 'bind_port': 1},
            'database': {'connection': 'sqlite:////no/such/database'},
            'service_credentials': {'auth_url': 'http://127.0.0.1:1'}})
        return path

    def config_map(self, folder: pathlib.Path) -> pathlib.Path:
        """Turn a folder into what Kubernetes mounts."""
        real = folder / '..2026_01_01_00_00_00.1'
        real.mkdir()
        (folder / '..data').symlink_to(real.name)
        for path in [*folder.glob('*.conf')]:
            path.rename(real / path.name)
            path.symlink_to(f'..data/{path.name}')
        return folder

    def assertServes(self, server: str, *words: str, **env: str) -> None:
        url = self.cloud.start_trove(self.port, server, *words, **env)
        self.addCleanup(self.cloud.stop, f'trove-{self.port}')
        session = self.cloud.session('demo')
        url += f'/v1.0/{self.cloud.project_id()}'
        listed = session.get(
            f'{url}/flavors/datastores/versions/{self.version_id}',
            raise_exc=False)
        self.assertEqual(200, listed.status_code, listed.text)
        self.assertEqual([self.allowed], [
            flavor['str_id'] for flavor in listed.json()['flavors']])
        created = session.post(f'{url}/instances', raise_exc=False, json={
            'instance': {'name': 'db', 'flavorRef': self.other, 'datastore': {
                'type': 'mysql', 'version': self.version_id}}})
        self.assertEqual(400, created.status_code, created.text)
        self.assertIn(self.other, created.text)

    def test_a_folder_alone(self):
        folder = self.fill(self.folder / 'conf.d', *self.sections)
        self.assertServes('eventlet', '--config-dir', str(folder))

    def test_several_folders_under_uwsgi(self):
        first, *others = self.sections
        self.assertServes(
            'uwsgi',
            f'--config-dir={self.fill(self.folder / "a", first)}',
            '--config-dir', str(self.config_map(
                self.fill(self.folder / 'b', *others, first))))

    def test_a_folder_of_links_and_then_a_file(self):
        last = 'service_credentials'
        self.assertServes(
            'eventlet',
            '--config-file', str(self.decoy(self.folder / 'packaged.conf')),
            '--config-dir', str(self.config_map(self.fill(
                self.folder / 'map', *self.sections.keys() - {last}))),
            '--config-file', str(self.write(self.folder / 'last.conf', last)))

    def test_the_default_folder(self):
        self.fill(self.folder / '.trove' / 'trove.conf.d', *self.sections)
        self.assertServes('eventlet', HOME=str(self.folder))

    def test_each_command_reads_a_folder(self):
        folder = self.fill(self.folder / 'c', *self.sections)
        paste = folder / 'own.ini'
        shutil.copy(self.cloud.paste_ini, paste)
        (folder / '99-paste.conf').write_text(
            f'[DEFAULT]\napi_paste_config = {paste.name}\n')
        option = f'--config-dir={folder}'
        for command in ('trove-manage', 'trove-flavor-filter-manage'):
            result = self.cloud.run(
                command, option, 'datastore-version-flavor-list',
                self.version_id, '-f', 'json')
            self.assertEqual(0, result.returncode, result.stderr)
            listed, = json.loads(result.stdout)
            self.assertEqual((self.allowed, True),
                             (listed['Flavor ID'], listed['In Nova']))
        checks = json.loads(self.cloud.run(
            'trove-flavor-filter-status', option, 'upgrade', 'check',
            '--json').stdout)['checks']
        self.assertEqual(
            {'Table and migrations': 0, 'Pipeline in api-paste.ini': 0,
             'Keystone and Nova': 0},
            {each['check']: each['result'] for each in checks
             if each['check'] in ('Table and migrations', 'Keystone and Nova',
                                  'Pipeline in api-paste.ini')})
        for words in (('enable', option), (option, 'enable')):
            self.assertIn(f'already enabled in {paste}', self.cloud.check(
                'trove-flavor-filter', *words))
        self.assertIn('-[filter:flavor_filter]', self.cloud.check(
            'trove-flavor-filter', 'disable', '--dry-run', option))
