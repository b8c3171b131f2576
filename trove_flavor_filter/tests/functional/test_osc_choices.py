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

"""openstack says what a datastore offers and what an instance can become."""

import json
import shlex
import uuid

from trove_flavor_filter.tests.functional import test_osc

OF_DATASTORE = ('database', 'datastore', 'flavor', 'list')
UPGRADES = ('database', 'instance', 'version', 'list')
REQUIRE = 'datastore-version-flavor-require'


class ChoicesTestCase(test_osc.ClientTest):
    """A datastore with a version for a small and a large flavor."""

    def setUp(self) -> None:
        super().setUp()
        self.small = self.create_flavor(ram=1024, vcpus=2, disk=7)
        self.large = self.create_flavor(ram=4096, vcpus=4, disk=9)
        self.associate(self.version_id, self.small, self.large)

    def rows(self, *words: str, user: str = 'demo') -> list[dict]:
        """What the command prints for programs."""
        return json.loads(self.openstack(
            *words, '-f', 'json', user=user).stdout)

    def refused(self, *words: str, user: str = 'demo') -> str:
        return self.openstack(*words, code=1, user=user).stderr

    def assertExamplesParse(self, words: tuple[str, ...], *texts: str
                            ) -> None:
        text = self.openstack(*words, '--help').stdout
        for expected in ('trove-flavor-filter plugin', *texts):
            self.assertIn(expected, ' '.join(text.split()))
        examples = [shlex.split(line)[1:] for line in text.splitlines()
                    if line.startswith('  openstack ')]
        self.assertIn(list(words), [
            example[:len(words)] for example in examples])
        for example in examples:
            # What they name need not be there.
            result = self.cloud.run('openstack', *example)
            self.assertNotEqual(2, result.returncode, result.stderr)


class DatastoreTest(ChoicesTestCase):

    def list_table(self, *words: str) -> list[list[str]]:
        """The cells of each line, from the headings on."""
        printed = self.openstack(*OF_DATASTORE, self.datastore, '-f', 'table',
                                 *words, user='demo').stdout
        return [[cell.strip() for cell in line.split('|')[1:-1]]
                for line in printed.splitlines() if '|' in line]

    def test_a_person_reads_a_matrix(self):
        second = self.create_version_of(self.datastore, self.name + '-b')
        self.associate(second, self.large)
        headings, *rows = self.list_table()
        self.assertEqual(
            ['ID', 'Name', 'RAM', 'VCPUs', 'Disk', 'Ephemeral', self.name,
             self.name + '-b'], headings)
        self.assertEqual(
            {(self.small, '1024', '2', 'yes', ''),
             (self.large, '4096', '4', 'yes', 'yes')},
            {(row[0], *row[2:4], *row[6:]) for row in rows})

    def test_a_program_reads_whether_a_version_allows_a_flavor(self):
        second = self.create_version_of(self.datastore, self.name + '-b')
        self.associate(second, self.large)
        for text in (self.datastore, self.datastore_id()):
            rows = {row['ID']: row for row in self.rows(*OF_DATASTORE, text)}
            self.assertEqual({self.small, self.large}, {*rows})
            self.assertEqual(
                {'ID': self.small, 'Name': self.small, 'RAM': 1024,
                 'VCPUs': 2, 'Disk': 7, 'Ephemeral': 1, self.name: True,
                 self.name + '-b': False}, rows[self.small])
            self.assertIs(True, rows[self.large][self.name + '-b'])

    def datastore_id(self) -> str:
        return self.cloud.sql('SELECT id FROM datastores WHERE name = :name',
                              name=self.datastore)[0].id

    def test_columns_are_chosen_and_sorted_as_in_other_lists(self):
        self.assertEqual(
            [['Name', self.name], [self.large, 'yes'], [self.small, 'yes']],
            self.list_table('-c', 'Name', '-c', self.name, '--sort-column',
                            'RAM', '--sort-descending'))

    def test_two_versions_of_one_name_are_told_apart_by_their_numbers(self):
        second = self.create_version_of(self.datastore, self.name,
                                        number='8.0.99')
        self.associate(second, self.large)
        rows = {row['ID']: row for row in self.rows(
            *OF_DATASTORE, self.datastore)}
        self.assertEqual(
            (True, False), (rows[self.small][f'{self.name} ({self.name})'],
                            rows[self.small][f'{self.name} (8.0.99)']))

    def test_a_version_that_allows_nothing_is_said_on_standard_error(self):
        second = self.create_version_of(self.datastore, self.name + '-b')
        self.associate(second, 'vanished')
        result = self.openstack(*OF_DATASTORE, self.datastore, user='demo')
        self.assertEqual(
            f'Version {self.name}-b allows none of your flavors.\n',
            result.stderr)
        self.assertNotIn('allows none', result.stdout)

    def test_the_bounds_of_a_volume_are_said_on_standard_error(self):
        # Instances of MariaDB have a volume in the small cloud.
        second = self.create_version_of(self.datastore, self.name + '-b',
                                        manager='mariadb')
        self.associate(second, self.large)
        self.manage(REQUIRE, second, '--min-volume', '5', '--max-volume', '9')
        result = self.openstack(*OF_DATASTORE, self.datastore, '-f', 'json',
                                user='demo')
        self.assertEqual(
            f'The data volume of version {self.name}-b must have at least '
            f'5 GiB and at most 9 GiB.\n', result.stderr)
        json.loads(result.stdout)

    def test_inactive_versions_are_not_offered(self):
        self.create_version_of(self.datastore, 'old', active=False)
        for user in ('demo', 'admin'):
            self.assertNotIn('old', self.rows(
                *OF_DATASTORE, self.datastore, user=user)[0])
        self.cloud.sql('UPDATE datastore_versions SET active = :no '
                       'WHERE id = :id', no=False, id=self.version_id)
        result = self.openstack(*OF_DATASTORE, self.datastore, '-f', 'json')
        self.assertEqual([], json.loads(result.stdout))
        self.assertEqual(
            f'Datastore {self.datastore} has no active version.\n',
            result.stderr)

    def test_an_unknown_datastore_is_told_where_to_look(self):
        for text in ('no-such', str(uuid.uuid4())):
            sentence = self.refused(*OF_DATASTORE, text)
            self.assertIn(f"There is no datastore '{text}'", sentence)
            self.assertIn('openstack datastore list', sentence)

    def test_a_version_is_not_taken_for_a_datastore(self):
        text = f'{self.datastore}/{self.name}'
        sentence = self.refused(*OF_DATASTORE, text)
        self.assertIn(f"not as '{text}'", sentence)
        self.assertIn('openstack datastore list', sentence)

    def test_the_help_has_examples_that_parse(self):
        self.assertExamplesParse(
            OF_DATASTORE, '<datastore>', 'a column for each version')


class VolumeTest(ChoicesTestCase):

    def test_the_list_of_a_version_says_the_bounds_on_standard_error(self):
        version_id = self.create_version_of(self.datastore, self.name + '-b',
                                            manager='mariadb')
        self.associate(version_id, self.large)
        words = ('datastore', 'version', 'flavor', 'list', version_id, '-f',
                 'value', '-c', 'ID')
        self.assertEqual('', self.openstack(*words).stderr)
        for options, text in (
                (('--min-volume', '5'), 'at least 5 GiB'),
                (('--max-volume', '9'), 'at least 5 GiB and at most 9 GiB')):
            self.manage(REQUIRE, version_id, *options)
            result = self.openstack(*words, user='demo')
            self.assertEqual(self.large, result.stdout.strip())
            self.assertEqual(f'The data volume must have {text}.\n',
                             result.stderr)


class InstanceTest(ChoicesTestCase):

    def create_instance(self, user: str = 'demo', active: bool = True
                        ) -> tuple[str, str]:
        """The id and the name of an instance on the small flavor."""
        instance_id = self.cloud.create_instance(
            self.small, self.version_id, user, datastore=self.datastore)
        # Before its datastore version goes.
        self.addCleanup(self.cloud.sql,
                        'DELETE FROM instances WHERE id = :id',
                        id=instance_id)
        if active:
            self.cloud.activate_instance(instance_id)
        name = self.unique('db')
        self.cloud.sql('UPDATE instances SET name = :name WHERE id = :id',
                       name=name, id=instance_id)
        return instance_id, name

    def test_versions_that_allow_the_flavor_are_listed(self):
        names = [f'{self.name}-{letter}' for letter in 'bcd']
        allowed, inactive, strict = (
            self.create_version_of(self.datastore, name,
                                   active=not name.endswith('c'))
            for name in names)
        self.manage(REQUIRE, strict, '--min-ram', '4096')
        for text in self.create_instance():
            self.assertEqual(
                [{'ID': version_id, 'Name': name, 'Version': name}
                 for version_id, name in ((allowed, names[0]),
                                          (inactive, names[1]))],
                self.rows(*UPGRADES, text))
        self.assertEqual([], self.rows(
            *UPGRADES, self.create_instance(active=False)[0]))

    def test_two_versions_of_one_name_have_two_numbers(self):
        for number in ('8.0.98', '8.0.99'):
            self.create_version_of(self.datastore, self.name, number=number)
        instance_id, _name = self.create_instance()
        self.assertEqual(
            [f'{self.name} 8.0.98', f'{self.name} 8.0.99'], self.openstack(
                *UPGRADES, instance_id, '-f', 'value', '-c', 'Name', '-c',
                'Version', user='demo').stdout.splitlines())

    def test_what_is_not_there_is_told_in_a_sentence(self):
        other, _name = self.create_instance('other')
        for text in ('no-such', other, str(uuid.uuid4())):
            sentence = self.refused(*UPGRADES, text)
            self.assertIn(f"There is no instance '{text}'", sentence)
            self.assertIn('openstack database instance list', sentence)

    def test_the_help_has_examples_that_parse(self):
        self.assertExamplesParse(
            UPGRADES, '<instance>', 'openstack database instance upgrade')

    def test_a_cloud_without_the_routes_is_told_what_to_do_instead(self):
        instance_id, name = self.create_instance()
        self.addCleanup(self.cloud.enable)
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.restart('trove')
        for words, text, instead in (
                (UPGRADES, instance_id,
                 'openstack datastore version list <datastore>'),
                (UPGRADES, name,
                 'openstack datastore version list <datastore>'),
                (OF_DATASTORE, self.datastore, 'openstack datastore version '
                 'flavor list <datastore version>')):
            sentence = self.refused(*words, text)
            self.assertIn('does not have trove-flavor-filter', sentence)
            self.assertIn(f'"{instead}"', sentence)
