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

"""openstack datastore version flavor ..., by an administrator, for real."""

import concurrent.futures
import json
import shlex
import uuid

from trove_flavor_filter.tests.functional import test_osc

FLAVOR = ('datastore', 'version', 'flavor')
REQUIREMENT = (*FLAVOR, 'requirement')
VIOLATIONS = (*FLAVOR, 'violation', 'list')


class AdminTest(test_osc.ClientTest):

    def setUp(self) -> None:
        super().setUp()
        self.mysql = f'{self.datastore}/{self.name}'
        self.small, self.large = self.unique('small'), self.unique('large')
        for name, ram in ((self.small, 1024), (self.large, 4096)):
            self.cloud.create_flavor(f'{name}-id', name, ram=ram)
            self.addCleanup(self.cloud.delete_flavor, f'{name}-id')

    def file(self, text: str) -> str:
        return self.create_tempfiles([('flavors', text)], ext='.yaml')[0]

    def shown(self, version: str | None = None) -> dict:
        return json.loads(self.openstack(
            *REQUIREMENT, 'show', version or self.mysql, '-f',
            'json').stdout)

    def said(self, *words: str, code: int = 1, **options) -> str:
        return self.openstack(*words, code=code, **options).stderr


class AddTest(AdminTest):

    def test_flavors_by_id_and_by_name_are_added_and_removed(self):
        for words in ((self.small,), (f'{self.small}-id', self.large)):
            self.assertEqual('', self.openstack(
                *FLAVOR, 'add', self.mysql, *words).stdout)
        self.assertEqual(
            [f'{self.large}-id', f'{self.small}-id'],
            sorted(self.shown()['flavors']))
        self.assertEqual(
            {f'{self.small}-id', f'{self.large}-id'},
            set(self.openstack(*FLAVOR, 'list', self.mysql, '-f', 'value',
                               '-c', 'ID').stdout.split()))
        self.openstack(*FLAVOR, 'remove', self.version_id, self.large,
                       f'{self.small}-id')
        self.assertEqual([], self.shown()['flavors'])

    def test_one_that_is_wrong_keeps_all_away(self):
        self.openstack(*FLAVOR, 'add', self.mysql, self.small)
        self.assertIn("Nova has no flavor 'no-such'", self.said(
            *FLAVOR, 'add', self.mysql, self.large, 'no-such'))
        self.assertIn('Nothing was deleted', self.said(
            *FLAVOR, 'remove', self.mysql, self.small, self.large))
        self.assertEqual([f'{self.small}-id'], self.shown()['flavors'])

    def test_one_that_nova_does_not_have_any_more_can_be_removed(self):
        self.openstack(*FLAVOR, 'add', self.mysql, '--no-validate', 'gone')
        self.openstack(*FLAVOR, 'add', self.mysql, self.small)
        self.openstack(*FLAVOR, 'remove', self.mysql, 'gone')
        self.assertEqual([f'{self.small}-id'], self.shown()['flavors'])

    def test_adding_at_once_loses_nothing(self):
        flavor_ids = [f'{name}-id' for name in (self.small, self.large)]
        flavor_ids += [self.create_flavor() for _number in range(2)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda flavor_id: self.openstack(
                *FLAVOR, 'add', self.version_id, flavor_id), flavor_ids))
        self.assertEqual(sorted(flavor_ids), sorted(self.shown()['flavors']))


class RequirementTest(AdminTest):

    def test_what_is_set_is_shown_and_unset(self):
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--min-ram', '2048',
                       '--max-vcpus', '8', '--extra-spec', 'db=mysql')
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--min-disk', '5')
        shown = self.shown()
        self.assertEqual(
            (2048, 8, 5, None, {'db': 'mysql'}, self.version_id),
            (shown['min_ram'], shown['max_vcpus'], shown['min_disk'],
             shown['max_ram'], shown['extra_specs'],
             shown['datastore_version_id']))
        self.openstack(*FLAVOR, 'add', self.mysql, self.large)
        self.openstack(*REQUIREMENT, 'unset', self.mysql, '--min-ram',
                       '--extra-spec', 'db')
        shown = self.shown()
        self.assertEqual(
            (None, 8, {}, [f'{self.large}-id']),
            (shown['min_ram'], shown['max_vcpus'], shown['extra_specs'],
             shown['flavors']))
        self.openstack(*REQUIREMENT, 'unset', self.mysql, '--all')
        self.assertEqual((None, []), (self.shown()['max_vcpus'],
                                      self.shown()['flavors']))

    def test_the_list_has_a_row_for_each_version_that_requires_any(self):
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--min-ram', '2048',
                       '--extra-spec', 'db=mysql')
        self.openstack(*FLAVOR, 'add', self.mysql, self.large)

        def listed(*words: str) -> dict:
            return {row['Datastore Version ID']: row for row in json.loads(
                self.openstack(*REQUIREMENT, 'list', '-f', 'json',
                               *words).stdout)}

        self.assertEqual({
            'Datastore Version ID': self.version_id,
            'Datastore': self.datastore, 'Version': self.name,
            'Flavors': [f'{self.large}-id'],
            'Requires': '2048 MiB RAM, extra spec db=mysql'},
            listed()[self.version_id])
        row = listed('--long')[self.version_id]
        self.assertEqual(
            (2048, None, {'db': 'mysql'}),
            (row['Min RAM'], row['Max VCPUs'], row['Extra Specs']))

    def test_what_cannot_be_is_one_sentence(self):
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--max-ram', '512')
        self.assertIn('min_ram 1024 is above max_ram 512', self.said(
            *REQUIREMENT, 'set', self.mysql, '--min-ram', '1024'))
        for words in (('--min-ram', '0'), ('--min-ram', '2G'), (),
                      ('--extra-spec', 'x')):
            self.said(*REQUIREMENT, 'set', self.mysql, *words, code=2)
        self.said(*REQUIREMENT, 'unset', self.mysql, code=2)

    def test_help_has_examples_that_parse(self):
        for words in ((*FLAVOR, 'add'), (*FLAVOR, 'remove'), VIOLATIONS,
                      *((*REQUIREMENT, verb) for verb in (
                          'list', 'show', 'set', 'unset', 'export',
                          'apply'))):
            text = self.openstack(*words, '--help').stdout
            self.assertIn('administrator', text)
            examples = [shlex.split(line)[1:] for line in text.splitlines()
                        if line.startswith('  openstack ')]
            self.assertNotEqual([], examples)
            for example in examples:
                self.assertEqual([*words], example[:len(words)])


class ViolationTest(AdminTest):

    def setUp(self) -> None:
        super().setUp()
        self.instances = sorted(
            self.cloud.create_instance(f'{self.small}-id', self.version_id,
                                       user, self.datastore)
            for user in ('demo', 'demo', 'other'))
        self.addCleanup(
            self.cloud.sql, 'UPDATE instances SET deleted = :yes, '
            'datastore_version_id = NULL WHERE datastore_version_id = '
            ':version', yes=True, version=self.version_id)
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--min-ram', '2048')

    def listed(self, *words: str) -> list[dict]:
        return json.loads(self.openstack(
            *VIOLATIONS, *words, '-f', 'json').stdout)

    def test_a_change_tells_how_many_instances_break_it(self):
        least = (*REQUIREMENT, 'set', self.mysql, '--min-ram')
        self.assertEqual('', self.openstack(*least, '512').stdout)
        said = self.openstack(*least, '4096', '--dry-run').stdout
        self.assertIn('3 instances of 2 projects would newly break', said)
        for instance_id in self.instances:
            self.assertIn(instance_id, said)
        self.assertEqual(512, self.shown()['min_ram'])
        self.assertIn('3 instances break what is required now',
                      self.openstack(*least, '4096').stdout)

    def test_both_commands_list_the_same_with_the_reasons(self):
        listed = self.listed(self.mysql)
        self.assertEqual(self.instances,
                         [row['Instance ID'] for row in listed])
        self.assertEqual({
            'Instance ID': self.instances[0], 'Name': 'database',
            'Project ID': listed[0]['Project ID'], 'Cluster ID': None,
            'Datastore Version ID': self.version_id,
            'Datastore': self.datastore, 'Version': self.name,
            'Flavor ID': f'{self.small}-id', 'Flavor': self.small,
            'Reasons': 'requires at least 2048 MiB RAM, has 1024'},
            listed[0])
        self.assertEqual(listed, json.loads(self.manage(
            'datastore-version-flavor-violations', self.mysql, '-f', 'json'
        ).stdout))

    def test_they_are_narrowed_and_cut(self):
        other = self.cloud.project_id('other')
        for words in ((self.version_id, '--project', other),
                      (self.mysql, '--project',
                       self.cloud.users['other'].project)):
            self.assertEqual([other], [
                row['Project ID'] for row in self.listed(*words)])
        self.assertEqual(self.instances[:2], [
            row['Instance ID']
            for row in self.listed(self.mysql, '--limit', '2')])
        self.said(*VIOLATIONS, '--limit', '0', code=2)
        self.said(*VIOLATIONS, '--datastore', self.datastore, code=2)

    def test_a_flavor_that_is_gone_has_no_name(self):
        self.cloud.delete_flavor(f'{self.small}-id')
        self.addCleanup(self.cloud.create_flavor, f'{self.small}-id',
                        self.small)
        self.assertEqual({(None, 'is no longer in Nova')}, {
            (row['Flavor'], row['Reasons'])
            for row in self.listed(self.mysql)})

    def test_nova_away_is_a_503_and_one_sentence(self):
        self.cloud.stop('nova')
        self.addCleanup(self.cloud.start, 'nova')
        self.assertIn('HTTP 503', self.said(*VIOLATIONS, self.version_id))
        self.assertIn('Nova', self.manage(
            'datastore-version-flavor-violations', code=1).stderr)


class FileTest(AdminTest):

    def setUp(self) -> None:
        super().setUp()
        # Rows that other tests have left are in an export as well, and those
        # that are invalid are removed by --prune.
        self.cloud.sql('DELETE FROM datastore_version_metadata')

    def declared(self, says: str) -> str:
        return self.file(f'datastore_versions:\n  {self.datastore}:\n'
                         f'    {self.name}:\n{says}')

    def test_apply_shows_the_plan_of_trove_manage(self):
        self.openstack(*REQUIREMENT, 'set', self.mysql, '--min-ram', '512')
        path = self.declared(f'      flavors: [{self.large}]\n'
                             f'      min_ram: 2048\n')
        wanted = self.manage('datastore-version-flavor-apply', path,
                             '--dry-run').stdout
        apply = (*REQUIREMENT, 'apply', path)
        self.assertEqual(wanted, self.openstack(*apply, '--dry-run').stdout)
        self.assertEqual(wanted, self.openstack(
            *apply, '--dry-run', '--detailed-exitcode', code=2).stdout)
        self.assertEqual(512, self.shown()['min_ram'])
        # Without what the change would do, in the last line.
        made, _divider, _impact = wanted.replace('To do', 'Done').rpartition(
            f'{self.mysql} (')
        self.assertEqual(made, self.openstack(*apply).stdout)
        self.assertEqual((2048, [f'{self.large}-id']),
                         (self.shown()['min_ram'], self.shown()['flavors']))
        for words in ((), ('--dry-run', '--detailed-exitcode')):
            self.assertEqual('Nothing to change.\n',
                             self.openstack(*apply, *words).stdout)

    def test_without_prune_what_is_not_mentioned_stays(self):
        self.openstack(*FLAVOR, 'add', self.mysql, self.small)
        path = self.declared(f'      flavors: [{self.large}]\n')
        self.openstack(*REQUIREMENT, 'apply', path)
        self.assertEqual(2, len(self.shown()['flavors']))
        self.assertIn(f'-   flavor {self.small}-id ({self.small})\n',
                      self.openstack(*REQUIREMENT, 'apply', path, '--prune',
                                     '--dry-run').stdout)

    def assertExported(self, *words: str) -> str:
        """Both commands print the same, which is returned."""
        wanted = self.manage('datastore-version-flavor-export', *words).stdout
        self.assertEqual(wanted, self.openstack(
            *REQUIREMENT, 'export', *words).stdout)
        return wanted

    def test_what_is_exported_is_what_trove_manage_exports(self):
        self.openstack(*FLAVOR, 'add', self.mysql, self.small)
        path = self.file('')
        for words in ((), ('--ids',)):
            wanted = self.assertExported(*words)
            self.openstack(*REQUIREMENT, 'export', path, *words)
            with open(path) as file:
                self.assertEqual(wanted, file.read())
            self.assertEqual('Nothing to change.\n', self.openstack(
                *REQUIREMENT, 'apply', path, '--prune').stdout)

    def test_so_are_invalid_rows_and_names_given_twice(self):
        # Trove lists the versions in the order of their ids, if in any.
        for number, version_id in (('1', str(uuid.UUID(int=2 ** 127))),
                                   ('2', str(uuid.UUID(int=2 ** 126)))):
            self.create_version_of(self.datastore, self.unique('v').upper())
            self.create_version_of(
                self.datastore, 'twice', number=number, version_id=version_id)
            self.associate(version_id, f'{self.small}-id', '', 'gone')
            for key in ('min_ram', 'max_disk', 'extra_spec'):
                self.cloud.sql(
                    f'INSERT INTO datastore_version_metadata (id, '
                    f'datastore_version_id, {self._key()}, value, created, '
                    f'deleted) VALUES (:id, :version, :key, \'plenty\', '
                    f':now, :no)', id=self.unique('row'), version=version_id,
                    key=key, now='2026-01-01 00:00:00', no=False)
        text = self.assertExported()
        self.assertEqual(6, text.count('=plenty is an invalid row'))
        self.assertLess(text.index('twice, number 1'),
                        text.index('twice, number 2'))

    def test_every_mistake_has_its_line_and_column(self):
        path = self.declared('      flavors: [no-such]\n      min_ram: 1\n')
        result = self.cloud.run(
            'openstack', *REQUIREMENT, 'apply', path)
        self.assertEqual(1, result.returncode)
        self.assertIn(f"{path}:4:17: Nova has no flavor 'no-such'",
                      result.stdout)
        self.assertEqual(f'{path}: 1 problem; nothing was changed',
                         result.stderr.strip())
        self.assertIn('No such file', self.said(
            *REQUIREMENT, 'apply', '/no/such/file'))


class FaultTest(AdminTest):

    def test_a_cloud_without_the_plugin_is_told_so(self):
        self.addCleanup(self.cloud.enable)
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.restart('trove')
        for words in (('show', self.mysql), ('list',)):
            sentence = self.said(*REQUIREMENT, *words)
            self.assertIn('does not have trove-flavor-filter', sentence)
            self.assertIn('trove-manage', sentence)

    def test_a_member_is_told_whom_to_ask(self):
        for words in ((*REQUIREMENT, 'show', self.mysql),
                      (*REQUIREMENT, 'list'), VIOLATIONS,
                      (*REQUIREMENT, 'unset', self.mysql, '--all'),
                      (*FLAVOR, 'add', self.mysql, self.small)):
            sentence = self.said(*words, user='demo')
            self.assertIn('(HTTP 403); ask an administrator', sentence)

    def test_another_region_is_told_what_to_check(self):
        # openstackclient itself knows the regions that there are.
        self.assertIn('RegionOne', self.said(
            '--os-region-name', 'nowhere', *REQUIREMENT, 'list'))
        # Trove has no admin endpoint in the small cloud.
        self.assertIn('--os-region-name', self.said(
            '--os-interface', 'admin', *REQUIREMENT, 'list'))

    def test_an_unknown_version_is_told_where_to_look(self):
        self.assertIn('openstack datastore version list', self.said(
            *REQUIREMENT, 'show', str(uuid.uuid4())))
        self.assertIn('There is no datastore version', self.said(
            *REQUIREMENT, 'show', 'no-such'))
