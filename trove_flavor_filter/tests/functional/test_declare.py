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

"""Requirements declared in a file: exported, applied, and checked."""

import json
import os
import pathlib
import resource

import yaml

from trove_flavor_filter.tests.functional import base

APPLY = 'datastore-version-flavor-apply'
EXPORT = 'datastore-version-flavor-export'
LIST = 'datastore-version-flavor-list'


class DeclareTestCase(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        # What other tests have left would be in every export.
        self.cloud.sql('DELETE FROM datastore_version_metadata')
        self.version_id = self.create_version()
        self.name = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id)[0].name
        self.flavor_id = self.create_flavor(name=self.unique('large'))
        self.flavor_name = self.cloud.nova().flavors.get(self.flavor_id).name

    def file(self, text: str) -> str:
        path = self.cloud.directory / f'{self.unique("file")}.yaml'
        path.write_text(text)
        return str(path)

    def declare(self, *flavors: str, **minimums: int) -> str:
        return self.file(yaml.safe_dump({'datastore_versions': {'mysql': {
            self.name: {'flavors': list(flavors), **minimums}}}}))

    def live(self) -> list[str]:
        return [value for value, deleted in self.rows(self.version_id)
                if not deleted]


class ApplyTest(DeclareTestCase):

    def test_the_database_says_what_the_file_says(self):
        other = self.create_flavor()
        path = self.declare(self.flavor_name, other, min_ram=256)
        result = self.manage(APPLY, path)
        self.assertIn(f'+   flavor {self.flavor_id} ({self.flavor_name})',
                      result.stdout)
        self.assertIn('Done: 3 changes to 1 datastore version.',
                      result.stdout)
        self.assertEqual(sorted([self.flavor_id, other]), self.live())
        self.assertEqual(
            {self.flavor_id, other},
            {flavor['str_id'] for flavor in self.listed(self.version_id)})

    def test_again_it_changes_nothing(self):
        path = self.declare(self.flavor_id)
        self.manage(APPLY, path)
        before = self.cloud.sql('SELECT * FROM datastore_version_metadata')
        self.assertEqual('Nothing to change.\n',
                         self.manage(APPLY, path).stdout)
        self.assertEqual('Nothing to change.\n', self.manage(
            APPLY, path, '--dry-run', '--detailed-exitcode').stdout)
        self.assertEqual(before, self.cloud.sql(
            'SELECT * FROM datastore_version_metadata'))

    def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(self):
        path = self.declare(self.flavor_id)
        self.manage(APPLY, path, '--dry-run')
        result = self.manage(APPLY, path, '--dry-run', '--detailed-exitcode',
                             code=2)
        self.assertIn('To do: 1 change to 1 datastore version.',
                      result.stdout)
        self.assertEqual([], self.live())

    def test_what_the_file_does_not_mention_stays_unless_pruned(self):
        other = self.create_flavor()
        elsewhere = self.create_version()
        self.associate(self.version_id, other)
        self.associate(elsewhere, other)
        path = self.declare(self.flavor_id)
        self.manage(APPLY, path)
        self.assertEqual(sorted([self.flavor_id, other]), self.live())
        self.manage(APPLY, path, '--prune')
        self.assertEqual([self.flavor_id], self.live())
        self.assertEqual([(other, True)], self.rows(elsewhere))

    def test_every_problem_is_told_and_nothing_is_written(self):
        path = self.file(f'datastore_versions:\n  mysql:\n    {self.name}:\n'
                         f'      flavors: [{self.flavor_id}, no-such]\n'
                         f'    no-such-version:\n')
        result = self.manage(APPLY, path, code=1)
        self.assertIn(f'{path}:4:{len(self.flavor_id) + 19}: Nova has no '
                      f'flavor \'no-such\'', result.stdout)
        self.assertIn(f'{path}:5:5: there is no datastore version',
                      result.stdout)
        self.assertIn('2 problems; nothing was changed', result.stderr)
        self.assertEqual([], self.live())

    def test_of_many_problems_a_hundred_are_told_and_the_rest_counted(self):
        path = self.declare(*(f'no-such-{number}' for number in range(150)))
        for program in (('trove-manage', APPLY),
                        ('openstack', 'datastore', 'version', 'flavor',
                         'requirement', 'apply')):
            result = self.cloud.run(*program, path)
            lines = result.stdout.splitlines()
            self.assertEqual(101, len(lines))
            self.assertEqual(f'{path}: and 50 more', lines[-1])
            self.assertIn(f'{path}: 150 problems; nothing was changed',
                          result.stderr)

    def test_a_form_that_is_wrong_is_told_without_a_database(self):
        path = self.file('datastore_versions:\n\tmysql: {}\n')
        result = self.manage(APPLY, path, code=1)
        self.assertIn(f'{path}:2:1: a tab cannot indent', result.stdout)

    def test_standard_input(self):
        text = pathlib.Path(self.declare(self.flavor_id)).read_text()
        result = self.cloud.run('trove-manage', APPLY, '-', input=text)
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual([self.flavor_id], self.live())

    def test_nova_away_and_nothing_is_written_unless_one_insists(self):
        path = self.declare(self.flavor_id)
        self.cloud.stop('nova')
        try:
            self.manage(APPLY, path, code=1)
            self.assertEqual([], self.live())
            self.manage(APPLY, path, '--no-validate')
        finally:
            self.cloud.start('nova')
        self.assertEqual([self.flavor_id], self.live())

    def test_a_database_that_cannot_be_written_is_one_clear_line(self):
        if self.cloud.backend != 'sqlite':
            self.skipTest('a file that is read-only is SQLite\'s')
        conf = self.cloud.directory / 'read-only.conf'
        url = self.cloud.database_url.replace(
            'sqlite:///', 'sqlite:///file:') + '?mode=ro&uri=true'
        conf.write_text(self.cloud.trove_conf.read_text().replace(
            self.cloud.database_url, url))
        result = self.manage('--config-file', str(conf), APPLY,
                             self.declare(self.flavor_id), code=1)
        self.assertIn('readonly', result.stderr)
        self.assertEqual([], self.live())

    def test_files_that_cannot_be_read_are_one_clear_line(self):
        for path in ('/no/such/file', str(self.cloud.directory),
                     '/dev/zero'):
            self.assertIn(path, self.manage(APPLY, path, code=1).stderr)


class ExportTest(DeclareTestCase):

    def test_what_is_exported_applies_and_changes_nothing(self):
        self.associate(self.version_id, self.flavor_id, 'gone')
        path = str(self.cloud.directory / 'export.yaml')
        for options in ((), ('--ids',)):
            self.manage(EXPORT, path, *options)
            self.assertEqual(self.manage(EXPORT, *options).stdout,
                             pathlib.Path(path).read_text())
            for words in ((), ('--prune',)):
                result = self.manage(APPLY, path, *words)
                self.assertEqual('Nothing to change.\n', result.stdout)
                self.assertIn('gone', result.stderr)

    def test_it_applies_where_ids_are_others(self):
        self.associate(self.version_id, self.flavor_id)
        text = self.manage(EXPORT).stdout
        nova = self.cloud.nova()
        flavor = nova.flavors.get(self.flavor_id)
        nova.flavors.delete(self.flavor_id)
        other = self.unique()
        nova.flavors.create(self.flavor_name, flavor.ram, flavor.vcpus,
                            flavor.disk, flavorid=other)
        self.addCleanup(nova.flavors.create, self.flavor_name, 1, 1, 1,
                        flavorid=self.flavor_id)
        self.addCleanup(nova.flavors.delete, other)
        self.cloud.sql('DELETE FROM datastore_version_metadata')
        self.manage(APPLY, self.file(text))
        self.assertEqual([other], self.live())

    def test_names_are_there_to_be_read(self):
        self.associate(self.version_id, self.flavor_id)
        for options in ((), ('--ids',)):
            text = self.manage(EXPORT, *options).stdout
            self.assertIn(self.flavor_id, text)
            self.assertIn(self.flavor_name, text)

    def test_nova_away_and_the_export_has_ids(self):
        self.associate(self.version_id, self.flavor_id)
        self.cloud.stop('nova')
        try:
            text = self.manage(EXPORT).stdout
        finally:
            self.cloud.start('nova')
        self.assertEqual('Nothing to change.\n',
                         self.manage(APPLY, self.file(text)).stdout)

    def test_a_full_disk_leaves_the_old_file(self):
        self.associate(self.version_id, *(
            f'{number:0128}' for number in range(400)))
        path = self.cloud.directory / 'old.yaml'
        path.write_text('old\n')
        before = set(self.cloud.directory.iterdir())

        def full() -> None:
            # As good as a full disk, for those who write a file; SQLite
            # needs 32 KiB for its own.
            resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))

        result = self.cloud.run('trove-manage', EXPORT, str(path),
                                preexec_fn=full)
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertEqual(1, result.stderr.count('\n'), result.stderr)
        self.assertIn(f'{path}: ', result.stderr)
        self.assertEqual('old\n', path.read_text())
        self.assertEqual(before, set(self.cloud.directory.iterdir()))

    def test_what_is_no_file_is_not_replaced(self):
        path = self.cloud.directory / 'pipe'
        os.mkfifo(path)
        self.addCleanup(path.unlink)
        result = self.manage(EXPORT, str(path), code=1)
        self.assertIn(f'{path}: not a file', result.stderr)
        self.assertTrue(path.is_fifo())

    def test_a_new_file_is_as_private_as_the_umask_has_it(self):
        path = self.cloud.directory / 'new.yaml'
        self.assertEqual(0, self.cloud.run(
            'sh', '-c', f'umask 027; trove-manage {EXPORT} {path}'
        ).returncode)
        self.assertEqual(0o640, path.stat().st_mode & 0o777)

    def test_a_reader_that_has_no_room_is_one_clear_line(self):
        result = self.cloud.run(
            'sh', '-c', f'trove-manage {EXPORT} > /dev/full')
        self.assertEqual(1, result.returncode)
        self.assertEqual(1, result.stderr.count('\n'), result.stderr)


class ListTest(DeclareTestCase):

    def listed_by(self, *words: str) -> list[tuple[str, str]]:
        return [(row['Datastore Version ID'], row['Flavor ID'])
                for row in json.loads(
                    self.manage(LIST, *words, '-f', 'json').stdout)]

    def test_which_versions_allow_a_flavor(self):
        other, free = self.create_version(), self.create_version()
        flavor_id = self.create_flavor()
        self.associate(self.version_id, self.flavor_id)
        self.associate(other, flavor_id)
        for text in (self.flavor_id, self.flavor_name):
            found = dict(self.listed_by('--flavor', text))
            self.assertIn(self.version_id, found)
            self.assertIn(free, found)
            self.assertNotIn(other, found)
        self.assertEqual(
            [], self.listed_by(other, '--flavor', self.flavor_id))
        self.manage(LIST, '--flavor', 'no-such', code=1)

    def test_what_nova_no_longer_has(self):
        self.associate(self.version_id, self.flavor_id, 'gone')
        self.assertEqual([(self.version_id, 'gone')],
                         self.listed_by('--stale'))
        self.manage(LIST, '--stale', '--flavor', 'x', code=2)
