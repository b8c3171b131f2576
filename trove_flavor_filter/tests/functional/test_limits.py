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

"""Maximums and extra specs, on the real thing: each face of them."""

import json

from trove_flavor_filter.tests.functional import base

REQUIRE = 'datastore-version-flavor-require'
COPY = 'datastore-version-flavor-copy'


class LimitsTestCase(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id = self.create_version()

    def ids(self, version_id: str | None = None) -> set[str]:
        return {flavor['str_id']
                for flavor in self.listed(version_id or self.version_id)}

    def create(self, flavor_id: str, user: str = 'demo'):
        return self.cloud.trove('/instances', 'POST', user, json={
            'instance': {'name': 'db', 'flavorRef': flavor_id, 'datastore': {
                'type': 'mysql', 'version': self.version_id}}})

    def assertRefused(self, flavor_id: str, *texts: str) -> None:
        response = self.create(flavor_id)
        self.assertEqual(400, response.status_code, response.text)
        message = response.json()['badRequest']['message']
        for text in ('is not supported for datastore version', *texts):
            self.assertIn(text, message)

    def reasons(self) -> dict[str, str | None]:
        """Of flavors by id: why they are not allowed."""
        rows = json.loads(self.manage('datastore-version-flavor-list',
                                      self.version_id, '-f', 'json').stdout)
        return {row['Flavor ID']: row['Reason'] for row in rows}


class VolumeTest(LimitsTestCase):

    def setUp(self) -> None:
        super().setUp()
        # With Trove's own defaults, its instances have a volume.
        self.maria = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')

    def bounds(self, version_id: str) -> dict | None:
        return self.cloud.trove(
            f'/flavors/datastores/versions/{version_id}').json().get('volume')

    def test_the_bounds_are_set_shown_copied_and_exported(self):
        result = self.manage(REQUIRE, self.maria, '--min-volume', '5',
                             '--max-volume=8')
        self.assertIn('requires at least 5 GiB volume, at most 8 GiB volume.',
                      result.stdout)
        self.assertNotIn('volume', result.stderr)
        self.assertEqual({'min_size': 5, 'max_size': 8},
                         self.bounds(self.maria))
        self.assertIn('5 GiB volume, at most 8 GiB volume', self.manage(
            'datastore-version-flavor-list', self.maria).stdout)
        other = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        self.manage(COPY, self.maria, other)
        self.assertEqual({'min_size': 5, 'max_size': 8}, self.bounds(other))
        file = self.cloud.directory / 'volumes.yaml'
        self.manage('datastore-version-flavor-export', str(file))
        self.assertIn('      min_volume: 5  # GiB volume\n', file.read_text())
        self.manage(REQUIRE, self.maria, '--clear')
        self.assertIsNone(self.bounds(self.maria))
        self.manage('datastore-version-flavor-apply', str(file))
        self.assertEqual({'min_size': 5, 'max_size': 8},
                         self.bounds(self.maria))

    def test_a_minimum_above_the_maximum_is_refused(self):
        self.manage(REQUIRE, self.maria, '--max-volume', '5')
        result = self.manage(REQUIRE, self.maria, '--min-volume', '6', code=1)
        self.assertIn('min_volume 6 is above max_volume 5', result.stderr)
        self.manage(REQUIRE, self.maria, '--min-volume', '0', code=2)

    def test_the_command_warns_where_there_is_no_volume(self):
        for words in (['--dry-run'], []):
            result = self.manage(REQUIRE, self.version_id, '--min-volume',
                                 '5', *words)
            self.assertIn('have no data volume, so bounds of its size have '
                          'no effect: volume_support in [mysql] of '
                          'trove.conf is false', result.stderr)
        self.assertIsNone(self.bounds(self.version_id))
        self.assertNotIn('volume', self.manage(
            REQUIRE, self.version_id, '--min-ram', '5').stderr)

    def test_the_command_warns_of_what_trove_does_not_accept(self):
        result = self.manage(REQUIRE, self.maria, '--min-volume', '11')
        self.assertIn('max_accepted_volume_size in trove.conf is 10',
                      result.stderr)
        self.assertNotIn('max_accepted', self.manage(
            REQUIRE, self.maria, '--min-volume', '10').stderr)


class MaximumTest(LimitsTestCase):

    def test_the_list_the_guard_and_the_command_say_the_same(self):
        small = self.create_flavor(ram=512, vcpus=1)
        large = self.create_flavor(ram=4096, vcpus=8)
        result = self.manage(REQUIRE, self.version_id, '--max-vcpus', '4',
                             '--max-ram=8192', '--max-disk', '5')
        self.assertIn('requires at most 8192 MiB RAM, at most 4 vCPUs, at '
                      'most 5 GiB disk.', result.stdout)
        self.assertEqual({small}, {small, large} & self.ids())
        self.assertRefused(large, 'requires at most 4 vCPUs, has 8')
        self.assertEqual(200, self.create(small).status_code)
        reasons = self.reasons()
        self.assertEqual((None, 'requires at most 4 vCPUs, has 8'),
                         (reasons[small], reasons[large]))

    def test_a_minimum_above_the_maximum_is_refused_by_every_command(self):
        self.manage(REQUIRE, self.version_id, '--max-ram', '1024')
        file = self.cloud.directory / 'contradiction.yaml'
        file.write_text('datastore_versions: {mysql: {%s: {min_ram: 2048}}}'
                        % self.version_id)
        for command in ((REQUIRE, self.version_id, '--min-ram', '2048'),
                        (REQUIRE, self.version_id, '--clear',
                         '--min-disk', '9', '--max-disk', '8'),
                        ('datastore-version-flavor-apply', str(file)),
                        ('datastore-version-flavor-apply', '--dry-run',
                         str(file))):
            result = self.manage(*command, code=1)
            self.assertIn('is above max_', result.stderr)
        self.assertEqual(
            ['max_ram'], [row.key for row in self.cloud.sql(
                f'SELECT {self._key()} AS "key" FROM '
                f'datastore_version_metadata WHERE deleted = :no AND '
                f'datastore_version_id = :version',
                version=self.version_id, no=False)])
        self.manage('datastore-version-flavor-apply', '--prune', '--dry-run',
                    str(file))

    def test_one_that_is_found_allows_nothing_and_is_logged(self):
        flavor_id = self.create_flavor(ram=1024)
        self.manage(REQUIRE, self.version_id, '--max-ram', '1024')
        # An exported file would have it, and could not be applied.
        self.addCleanup(self.manage, REQUIRE, self.version_id, '--clear')
        self.cloud.sql(
            f'INSERT INTO datastore_version_metadata (id, '
            f'datastore_version_id, {self._key()}, value, created, deleted) '
            f'VALUES (:id, :version, \'min_ram\', \'2048\', :now, :no)',
            id=self.unique('row'), version=self.version_id,
            now='2026-01-01 00:00:00', no=False)
        self.assertEqual(set(), self.ids())
        self.assertRefused(flavor_id, 'min_ram 2048 is above max_ram 1024',
                           'No flavor is allowed')
        self.assertIn(f'{self.version_id} allows no flavor: min_ram 2048 is '
                      f'above max_ram 1024',
                      self.cloud.log('trove').read_text())
        status = self.cloud.run('trove-flavor-filter-status', 'upgrade',
                                'check').stdout
        self.assertIn('min_ram 2048 is above max_ram 1024',
                      ' '.join(status.replace('|', '').split()))


class ExtraSpecTest(LimitsTestCase):

    def test_a_flavor_made_afterwards_is_right_at_once(self):
        untagged = self.create_flavor()
        result = self.manage(
            REQUIRE, self.version_id, '--extra-spec', 'db:for=mysql',
            '--extra-spec', 'db:for=maria=db', '--extra-spec', 'ssd=')
        self.assertIn('requires extra spec db:for=maria=db or db:for=mysql, '
                      'extra spec ssd=.', result.stdout)
        self.assertIn('allows none of the existing flavors', result.stderr)
        right = [self.create_flavor(extra_specs={
            'db:for': value, 'ssd': '', 'other': 'x'})
            for value in ('mysql', 'maria=db')]
        wrong = [self.create_flavor(extra_specs=extra_specs)
                 for extra_specs in ({'db:for': 'mysql'},
                                     {'db:for': 'MySQL', 'ssd': ''},
                                     {'DB:for': 'mysql', 'ssd': ''})]
        self.assertEqual({*right}, self.ids())
        everything = {flavor['str_id']: flavor for flavor in
                      self.cloud.trove('/flavors').json()['flavors']}
        for document in self.listed(self.version_id):
            self.assertEqual(everything[document['str_id']], document)
        for flavor_id in right:
            self.assertEqual(200, self.create(flavor_id).status_code)
        for flavor_id in (untagged, *wrong):
            self.assertRefused(flavor_id, 'requires extra spec ', *right)
        self.assertIn('has another value', self.reasons()[wrong[1]])

    def test_private_flavors_have_extra_specs_as_well(self):
        self.manage(REQUIRE, self.version_id, '--extra-spec', 'a=b')
        mine = self.create_flavor(projects=('demo',), extra_specs={'a': 'b'})
        self.create_flavor(projects=('other',), extra_specs={'a': 'b'})
        self.assertEqual({mine}, self.ids())
        self.assertEqual(200, self.create(mine).status_code)

    def test_where_novas_policy_hides_them_nothing_is_allowed(self):
        flavor_id = self.create_flavor(extra_specs={'a': 'b'})
        self.manage(REQUIRE, self.version_id, '--extra-spec', 'a=b')
        self.assertEqual({flavor_id}, self.ids())
        policy = self.cloud.directory / 'nova' / 'policy.yaml'
        self.addCleanup(policy.write_text, '{}')
        policy.write_text(
            '"os_compute_api:os-flavor-extra-specs:index": "!"\n')
        self.addCleanup(self.cloud.restart, 'nova')
        self.cloud.restart('nova')
        self.assertEqual(set(), self.ids())
        self.assertRefused(flavor_id, 'Nova does not show extra specs')
        self.assertIn(f'Datastore version {self.version_id} requires an '
                      f'extra spec', self.cloud.log('trove').read_text())
        self.assertIn('Nova does not show', self.reasons()[flavor_id])
        status = self.cloud.run('trove-flavor-filter-status', 'upgrade',
                                'check', '--json').stdout
        self.assertIn('os-flavor-extra-specs:index', status)
        # What requires none is as it was.
        self.assertIn(flavor_id, self.ids(self.create_version()))

    def test_wrong_usage_changes_nothing(self):
        for words in (['--extra-spec', 'a'], ['--extra-spec', '=b'],
                      ['--extra-spec', 'a/b=c'], ['--extra-spec', 'a=b '],
                      ['--extra-spec', f'a={"b" * 127}'],
                      ['--no-extra-spec', 'a=b'], ['--max-ram', '0'],
                      ['--extra-spec', 'a=b', '--no-extra-spec', 'a']):
            self.manage(REQUIRE, self.version_id, *words, code=2)
        self.assertIn('Nothing is associated', self.manage(
            'datastore-version-flavor-list', self.version_id).stderr)

    def test_one_key_can_be_ended_alone(self):
        self.manage(REQUIRE, self.version_id, '--extra-spec', 'a=b',
                    '--extra-spec', 'c=d', '--min-ram', '64')
        result = self.manage(REQUIRE, self.version_id, '--no-extra-spec', 'a')
        self.assertIn('requires at least 64 MiB RAM, extra spec c=d.',
                      result.stdout)
        result = self.manage(REQUIRE, self.version_id, '--clear')
        self.assertIn('requires no minimum, no maximum and no extra spec',
                      result.stdout)

    def test_the_file_carries_them_from_cloud_to_cloud(self):
        self.manage(REQUIRE, self.version_id, '--extra-spec', 'a=b',
                    '--extra-spec', 'a=c', '--max-disk', '50')
        file = self.cloud.directory / 'limits.yaml'
        self.manage('datastore-version-flavor-export', str(file))
        before = self.manage('datastore-version-flavor-list',
                             self.version_id).stdout
        self.manage(REQUIRE, self.version_id, '--clear')
        result = self.manage('datastore-version-flavor-apply', str(file))
        self.assertIn('+   extra_spec a=b\n+   extra_spec a=c\n',
                      result.stdout)
        self.assertIn('Nothing to change', self.manage(
            'datastore-version-flavor-apply', str(file)).stdout)
        self.assertEqual(before, self.manage(
            'datastore-version-flavor-list', self.version_id).stdout)


class CopyTest(LimitsTestCase):

    def test_a_new_version_requires_what_the_old_one_does(self):
        flavor_id = self.create_flavor(extra_specs={'a': 'b'})
        self.associate(self.version_id, flavor_id)
        self.manage(REQUIRE, self.version_id, '--extra-spec', 'a=b',
                    '--max-ram', '512')
        new = self.create_version()
        result = self.manage(COPY, self.version_id, new)
        self.assertEqual(
            [f'+   flavor {flavor_id} ({flavor_id})', '+   max_ram 512',
             '+   extra_spec a=b'], result.stdout.splitlines()[1:])
        self.assertIn(new, result.stdout.splitlines()[0])
        self.assertEqual({flavor_id}, self.ids(new))
        self.assertIn('Nothing to change', self.manage(
            COPY, self.version_id, new).stdout)

    def test_what_is_there_already_is_replaced_when_told(self):
        new = self.create_version()
        self.manage(REQUIRE, self.version_id, '--max-ram', '512')
        self.manage(REQUIRE, new, '--min-ram', '1024')
        result = self.manage(COPY, self.version_id, new, code=1)
        self.assertIn('--replace', result.stderr)
        result = self.manage(COPY, self.version_id, new, '--replace')
        self.assertIn('-   min_ram 1024\n+   max_ram 512\n', result.stdout)

    def test_a_version_that_there_is_not(self):
        for versions in ((self.version_id, 'no/such'),
                         ('no/such', self.version_id)):
            self.assertIn('There is no datastore version', self.manage(
                COPY, *versions, code=1).stderr)
        self.manage(COPY, self.version_id, code=2)
