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

"""openstack database datastore version flavor list, on the small cloud."""

import csv
import io
import json
import shlex
import uuid

import yaml

from trove_flavor_filter.tests.functional import base

LIST = ('database', 'datastore', 'version', 'flavor', 'list')


class ClientTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.datastore = self.create_datastore('store')
        self.name = self.unique('v')
        self.version_id = self.create_version_of(self.datastore, self.name)

    def create_datastore(self, prefix: str) -> str:
        """Name of a datastore that goes, with its versions, with the test."""
        name = self.unique(prefix)
        datastore = '(SELECT id FROM datastores WHERE name = :name)'
        # The last one that is added is the first to run.
        for statement in (
                'DELETE FROM datastores WHERE name = :name',
                'DELETE FROM datastore_versions WHERE datastore_id = '
                f'{datastore}',
                'DELETE FROM datastore_version_metadata WHERE '
                'datastore_version_id IN (SELECT id FROM datastore_versions '
                f'WHERE datastore_id = {datastore})'):
            self.addCleanup(self.cloud.sql, statement, name=name)
        return name

    def create_version_of(self, datastore: str, name: str, **kwargs) -> str:
        return self.cloud.create_datastore_version(datastore, name, **kwargs)

    def openstack(self, *words: str, code: int = 0, user: str = 'admin'):
        """Run openstack, and see that it exits as it should.

        Whatever happens, nobody is shown a traceback, and a failure is one
        line.
        """
        options = ('--os-username', user, '--os-project-name',
                   self.cloud.users[user].project, '--os-password',
                   self.cloud.secrets[user])
        result = self.cloud.run('openstack', *options, *words)
        self.assertEqual(code, result.returncode,
                         result.stdout + result.stderr)
        self.assertNotIn('Traceback', result.stderr)
        if code == 1:
            self.assertEqual('', result.stdout)
            self.assertEqual(1, result.stderr.count('\n'), result.stderr)
        return result

    def ids(self, *words: str, user: str = 'admin') -> list[str]:
        """The flavor ids that the command lists."""
        return self.openstack(*LIST, *words, '-f', 'value', '-c', 'ID',
                              user=user).stdout.split()

    def refused(self, *words: str, user: str = 'admin') -> str:
        """The one sentence with which the command fails."""
        return self.openstack(*LIST, *words, code=1, user=user).stderr


class FormatTest(ClientTest):

    def test_every_format_says_the_same(self):
        small = self.create_flavor(ram=1024, vcpus=2, disk=7, ephemeral=3)
        large = self.create_flavor(ram=4096, vcpus=4, disk=9, ephemeral=1)
        self.associate(self.version_id, small, large)
        rows = [
            {'ID': small, 'Name': small, 'RAM': 1024, 'VCPUs': 2, 'Disk': 7,
             'Ephemeral': 3},
            {'ID': large, 'Name': large, 'RAM': 4096, 'VCPUs': 4, 'Disk': 9,
             'Ephemeral': 1}]
        ordered = (self.version_id, '--sort-column', 'RAM', '-f')

        def printed(*words: str) -> str:
            return self.openstack(*LIST, *ordered, *words).stdout

        self.assertEqual(rows, json.loads(printed('json')))
        self.assertEqual(rows, yaml.safe_load(printed('yaml')))
        text = [{column: str(value) for column, value in row.items()}
                for row in rows]
        self.assertEqual(text, list(csv.DictReader(io.StringIO(
            printed('csv')))))
        self.assertEqual(
            [' '.join(row.values()) for row in text],
            printed('value').splitlines())
        self.assertEqual(
            [list(rows[0]), *(list(row.values()) for row in text)],
            [line.replace('|', ' ').split() for line
             in printed('table').splitlines() if '|' in line])
        self.assertEqual(
            [large, small], printed('value', '-c', 'ID',
                                    '--sort-descending').split())

    def test_numeric_ids_are_listed_as_they_are(self):
        flavor_id = str(uuid.uuid4().int % 10 ** 9 + 10 ** 9)
        self.cloud.create_flavor(flavor_id)
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        self.associate(self.version_id, flavor_id)
        self.assertEqual([flavor_id], self.ids(self.version_id))

    def test_no_flavor_is_an_empty_list(self):
        self.associate(self.version_id, 'vanished')
        self.assertEqual('[]', self.openstack(
            *LIST, self.version_id, '-f', 'json').stdout.strip())

    def test_the_help_has_examples_that_parse(self):
        text = self.openstack(*LIST, '--help').stdout
        self.assertIn('<datastore version>', text)
        self.assertIn('trove-flavor-filter plugin', text)
        examples = [shlex.split(line)[1:] for line in text.splitlines()
                    if line.startswith('  openstack ')]
        self.assertEqual(3, len(examples))
        for words in examples:
            self.assertEqual(list(LIST), words[:len(LIST)])
            # There need not be a version of that name.
            result = self.cloud.run('openstack', *words)
            self.assertNotEqual(2, result.returncode, result.stderr)

    def test_wrong_usage_exits_with_2(self):
        self.openstack(*LIST, code=2)


class NameTest(ClientTest):

    def setUp(self) -> None:
        super().setUp()
        self.flavor_id = self.create_flavor()
        self.associate(self.version_id, self.flavor_id)

    def test_id_and_each_spelling_of_the_name_list_the_same(self):
        datastore_id = self.cloud.sql(
            'SELECT id FROM datastores WHERE name = :name',
            name=self.datastore)[0].id
        for words in ((self.version_id,), (self.name,),
                      (f'{self.datastore}/{self.name}',),
                      (self.name, '--datastore', self.datastore),
                      (self.name, '--datastore', datastore_id),
                      (self.version_id, '--datastore', self.datastore)):
            self.assertEqual([self.flavor_id], self.ids(*words), words)

    def test_a_user_lists_what_the_project_may_use(self):
        private = self.create_flavor(projects=('demo',))
        self.associate(self.version_id, private)
        self.assertEqual(sorted([self.flavor_id, private]),
                         sorted(self.ids(self.name, user='demo')))
        self.assertEqual([self.flavor_id], self.ids(self.name, user='other'))

    def test_a_name_in_two_datastores_is_ambiguous_until_one_is_named(self):
        datastore = self.create_datastore('twin')
        other = self.create_version_of(datastore, self.name)
        sentence = self.refused(self.name)
        for text in ('is ambiguous', 'give the ID',
                     f'{self.version_id} ({self.datastore}/{self.name})',
                     f'{other} ({datastore}/{self.name})'):
            self.assertIn(text, sentence)
        self.assertEqual([self.flavor_id], self.ids(
            self.name, '--datastore', self.datastore))

    def test_two_numbers_of_one_name_are_told_apart(self):
        other = self.create_version_of(self.datastore, self.name,
                                       number='8.0.99')
        self.assertIn(
            f'{other} ({self.datastore}/{self.name}, number 8.0.99)',
            self.refused(f'{self.datastore}/{self.name}'))

    def test_an_unknown_name_is_told_which_there_are(self):
        sentence = self.refused('no-such', '--datastore', self.datastore)
        self.assertIn('no-such', sentence)
        self.assertIn(f'{self.version_id} ({self.datastore}/{self.name})',
                      sentence)
        self.assertIn(self.datastore, self.refused(
            self.name, '--datastore', 'no-such'))

    def test_an_unknown_id_is_told_where_to_look(self):
        unknown = str(uuid.uuid4())
        sentence = self.refused(unknown)
        self.assertIn(unknown, sentence)
        self.assertIn('openstack datastore version list', sentence)

    def test_an_inactive_version_is_listed_to_admins_alone(self):
        name = self.unique('old')
        version_id = self.create_version_of(self.datastore, name,
                                            active=False)
        self.associate(version_id, self.flavor_id)
        self.assertEqual([self.flavor_id], self.ids(name))
        for text in (name, version_id):
            self.assertIn('There is no datastore version',
                          self.refused(text, user='demo'))


class FaultTest(ClientTest):

    def test_a_cloud_without_the_plugin_is_named_what_to_do_instead(self):
        flavor_id = self.create_flavor()
        self.associate(self.version_id, flavor_id)
        self.addCleanup(self.cloud.enable)
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.restart('trove')
        for text in (self.version_id, self.name):
            sentence = self.refused(text)
            self.assertIn('does not have trove-flavor-filter', sentence)
            self.assertIn('"openstack flavor list"', sentence)
        # What it says to do does it: that is Trove's own route.
        words = shlex.split(sentence.split('"')[1])
        self.assertEqual('openstack', words[0])
        listed = self.openstack(*words[1:], '-f', 'value', '-c', 'ID')
        self.assertEqual([flavor_id], listed.stdout.split())

    def test_who_may_not_list_is_told_whom_to_ask(self):
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:flavors:list": "!"\n')
        sentence = self.refused(self.version_id)
        self.assertIn('(HTTP 403)', sentence)
        self.assertIn('ask an administrator', sentence)

    def test_who_may_not_list_datastores_can_give_an_id(self):
        flavor_id = self.create_flavor()
        self.associate(self.version_id, flavor_id)
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text('"datastore:index": "!"\n')
        self.cloud.restart('trove')
        self.assertIn('give the ID', self.refused(self.name))
        self.assertEqual([flavor_id], self.ids(self.version_id))

    def test_nova_away_is_told_to_try_again(self):
        self.addCleanup(self.cloud.start, 'nova')
        self.cloud.stop('nova')
        sentence = self.refused(self.version_id)
        self.assertIn('(HTTP 503)', sentence)
        self.assertIn('try again', sentence)

    def test_trove_away_is_told_to_try_again(self):
        self.addCleanup(self.cloud.start, 'trove')
        self.cloud.stop('trove')
        for text in (self.version_id, self.name):
            sentence = self.refused(text)
            self.assertIn('Trove does not answer', sentence)
            self.assertIn('try again', sentence)

    def test_a_catalog_without_trove_is_told_what_to_check(self):
        # Trove has no admin endpoint in the small cloud.
        self.assertIn('--os-interface', self.openstack(
            '--os-interface', 'admin', *LIST, self.version_id,
            code=1).stderr)
