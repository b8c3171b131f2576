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

"""Enforcement, against the real Trove: each path, refused and allowed."""

import http.client
import json
import urllib.parse

from trove_flavor_filter.tests.functional import base

REQUIRE = 'datastore-version-flavor-require'


class GuardTestCase(base.FunctionalTestCase):
    """A datastore version that allows large flavors, and one that is free."""

    def setUp(self) -> None:
        super().setUp()
        self.small = self.create_flavor(ram=512)
        self.large = self.create_flavor(ram=4096)
        self.huge = self.create_flavor(ram=8192)
        self.bound = self.create_version()
        self.free = self.create_version()
        self.associate(self.bound, self.large, self.huge)

    def name_of(self, version_id: str) -> str:
        return self.cloud.sql('SELECT name FROM datastore_versions '
                              'WHERE id = :id', id=version_id)[0].name

    def create(self, flavor_id: str, version_id: str, **more):
        return self.cloud.trove('/instances', 'POST', json={'instance': {
            'name': self.unique('db'), 'flavorRef': flavor_id,
            'datastore': {'type': 'mysql', 'version': version_id}, **more}})

    def active_instance(self, flavor_id: str, version_id: str) -> str:
        instance_id = self.cloud.create_instance(flavor_id, version_id)
        self.cloud.activate_instance(instance_id)
        return instance_id

    def require(self, version_id: str, **minimums: int) -> None:
        """Rows of minimums."""
        for key, value in minimums.items():
            self.cloud.sql(
                f'INSERT INTO datastore_version_metadata (id, '
                f'datastore_version_id, {self._key()}, value, created, '
                f'deleted) VALUES (:id, :version, :key, :value, :created, '
                f':deleted)', id=self.unique('row'), version=version_id,
                key=key, value=str(value), created='2026-01-01 00:00:00',
                deleted=False)

    def instance(self, instance_id: str):
        return self.cloud.sql(
            'SELECT task_id, flavor_id, datastore_version_id FROM instances '
            'WHERE id = :id', id=instance_id)[0]

    def count(self, table: str) -> int:
        return self.cloud.sql(f'SELECT count(*) AS n FROM {table}')[0].n

    def assertRefused(self, response, flavor_id: str,
                      version_id: str) -> str:
        self.assertEqual(400, response.status_code, response.text)
        message = response.json()['badRequest']['message']
        self.assertIn(f'Flavor {flavor_id} is not supported for datastore '
                      f'version {version_id}', message)
        return message


class CreateTest(GuardTestCase):

    def test_what_is_not_associated_is_refused_and_leaves_no_row(self):
        before = self.count('instances')
        message = self.assertRefused(
            self.create(self.small, self.bound), self.small, self.bound)
        self.assertIn(f'would do: {self.large}, {self.huge}', message)
        self.assertEqual(before, self.count('instances'))

    def test_what_is_associated_is_built(self):
        response = self.create(self.large, self.bound)
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual('BUILD', response.json()['instance']['status'])

    def test_too_small_is_refused_with_the_reason(self):
        self.require(self.free, min_ram=2048)
        message = self.assertRefused(
            self.create(self.small, self.free), self.small, self.free)
        self.assertIn('requires at least 2048 MiB RAM, has 512', message)
        self.assertEqual(
            200, self.create(self.large, self.free).status_code)

    def test_names_mean_what_they_mean_to_trove(self):
        name = self.name_of(self.bound)
        for version in (name, self.bound):
            self.assertRefused(self.create(self.small, version),
                               self.small, self.bound)

    def test_a_replica_of_an_allowed_source_goes_on_to_trove(self):
        source = self.active_instance(self.large, self.bound)
        response = self.cloud.trove('/instances', 'POST', json={
            'instance': {'name': 'replica', 'replica_of': source}})
        self.assertNotIn('is not supported', response.text)

    def test_a_replica_of_a_source_that_is_not_allowed_is_refused(self):
        source = self.active_instance(self.small, self.free)
        self.require(self.free, min_ram=2048)
        self.assertRefused(
            self.cloud.trove('/instances', 'POST', json={
                'instance': {'name': 'replica', 'replica_of': source}}),
            self.small, self.free)

    def test_a_restore_is_a_create(self):
        self.assertRefused(
            self.create(self.small, self.bound, restorePoint={
                'backupRef': '00000000-0000-0000-0000-000000000000'}),
            self.small, self.bound)

    def test_what_trove_refuses_otherwise_is_left_to_trove(self):
        for body in (
                {'flavorRef': 'no-such', 'datastore': {
                    'type': 'mysql', 'version': self.free}},
                {'flavorRef': self.small, 'datastore': {
                    'type': 'no-such'}},
                {'flavorRef': self.small, 'datastore': {
                    'type': 'mysql', 'version': 'no-such'}}):
            response = self.cloud.trove('/instances', 'POST', json={
                'instance': {'name': 'db', **body}})
            self.assertLess(399, response.status_code)
            self.assertNotIn('is not supported', response.text)

    def test_an_administrator_is_held_to_it_too(self):
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.bound}}})
        self.assertRefused(response, self.small, self.bound)

    def test_a_chunked_body_reaches_trove_as_it_came(self):
        if self.cloud.server == 'uwsgi':
            self.skipTest('uWSGI hands on no chunked body: neither the guard '
                          'nor Trove sees one, and Trove answers 500')
        url = urllib.parse.urlsplit(self.cloud.trove_url)
        for flavor_id, status in ((self.small, 400), (self.large, 200)):
            connection = http.client.HTTPConnection(url.hostname, url.port)
            body = json.dumps({'instance': {
                'name': 'chunked', 'flavorRef': flavor_id, 'datastore': {
                    'type': 'mysql', 'version': self.bound}}}).encode()
            connection.request(
                'POST', f'/v1.0/{self.cloud.project_id()}/instances',
                iter([body[:7], body[7:]]), {
                    'X-Auth-Token': self.cloud.token(),
                    'Content-Type': 'application/json'},
                encode_chunked=True)
            answer = connection.getresponse()
            self.assertEqual(status, answer.status, answer.read())
            connection.close()

    def test_nova_away_is_503_only_where_a_minimum_must_be_judged(self):
        self.require(self.free, min_ram=2048)
        self.cloud.stop('nova')
        try:
            judged = self.create(self.large, self.free)
            listed = self.create(self.small, self.bound)
        finally:
            self.cloud.start('nova')
        self.assertEqual(503, judged.status_code, judged.text)
        self.assertIn('Retry-After', judged.headers)
        self.assertRefused(listed, self.small, self.bound)

    def test_a_row_edited_to_nonsense_refuses_and_is_logged(self):
        self.require(self.free, min_ram='plenty')
        self.assertRefused(self.create(self.large, self.free), self.large,
                           self.free)
        self.assertIn('min_ram=plenty',
                      self.cloud.log('trove').read_text())
        self.assertEqual([], self.listed(self.free))

    def test_bodies_that_cannot_be_understood_are_400(self):
        before = self.count('instances')
        deep = '[' * 100000 + ']' * 100000
        for raw in (b'{', b'[]', b'null', b'"x"', b'{"instance": null}',
                    b'{"instance": []}', deep.encode(),
                    b'{"instance": {"name": "x", "datastore": null}}',
                    b'{"instance": {"name": "x", "flavorRef": "http://["}}',
                    b'{"instance": {"name": "x", "datastore": {"type": '
                    b'"\\ud800"}}}'):
            response = self.cloud.trove(
                '/instances', 'POST', data=raw,
                headers={'Content-Type': 'application/json'})
            self.assertEqual(400, response.status_code,
                             raw[:60] + response.content)
        self.assertEqual(before, self.count('instances'))

    def test_a_body_of_ten_megabytes_is_judged_like_any_other(self):
        self.assertRefused(
            self.create(self.small, self.bound, padding='x' * 10_000_000),
            self.small, self.bound)


class ChangeTest(GuardTestCase):

    def resize(self, instance_id: str, flavor_id: str):
        return self.cloud.trove(f'/instances/{instance_id}/action', 'POST',
                                json={'resize': {'flavorRef': flavor_id}})

    def test_a_resize_to_what_is_not_allowed_is_refused(self):
        instance_id = self.active_instance(self.large, self.bound)
        before = self.instance(instance_id)
        self.assertRefused(self.resize(instance_id, self.small), self.small,
                           self.bound)
        self.assertEqual(before, self.instance(instance_id))

    def test_a_resize_to_what_is_allowed_begins(self):
        instance_id = self.active_instance(self.large, self.bound)
        response = self.resize(instance_id, self.huge)
        self.assertEqual(202, response.status_code, response.text)
        self.assertEqual(4, self.instance(instance_id).task_id)

    def test_a_resize_of_what_is_not_ones_own_is_troves_to_refuse(self):
        instance_id = self.active_instance(self.large, self.bound)
        mine = self.resize(instance_id, self.small)
        theirs = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST', 'other',
            json={'resize': {'flavorRef': self.small}})
        nobodys = self.cloud.trove(
            '/instances/00000000-0000-0000-0000-000000000000/action',
            'POST', 'other', json={'resize': {'flavorRef': self.small}})
        self.assertEqual((400, 404, 404), (
            mine.status_code, theirs.status_code, nobodys.status_code))

    def test_an_upgrade_to_what_does_not_allow_the_flavor_is_refused(self):
        instance_id = self.active_instance(self.small, self.free)
        before = self.instance(instance_id)
        for method in ('PUT', 'PATCH'):
            for version in (self.bound, self.name_of(self.bound)):
                self.assertRefused(
                    self.cloud.trove(
                        f'/instances/{instance_id}', method,
                        json={'instance': {'datastore_version': version}}),
                    self.small, self.bound)
        self.assertEqual(before, self.instance(instance_id))

    def test_an_upgrade_to_what_allows_the_flavor_begins(self):
        instance_id = self.active_instance(self.large, self.free)
        response = self.cloud.trove(
            f'/instances/{instance_id}', 'PUT',
            json={'instance': {'datastore_version': self.bound}})
        self.assertEqual(202, response.status_code, response.text)
        self.assertEqual(self.bound,
                         self.instance(instance_id).datastore_version_id)

    def test_other_updates_and_actions_go_on_to_trove(self):
        instance_id = self.active_instance(self.large, self.bound)
        response = self.cloud.trove(
            f'/instances/{instance_id}', 'PUT',
            json={'instance': {'name': 'renamed'}})
        self.assertEqual(202, response.status_code, response.text)
        response = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST',
            json={'restart': {}})
        self.assertNotEqual(400, response.status_code, response.text)


class ClusterTest(GuardTestCase):

    def cluster(self, *flavor_ids: str, version_id: str | None = None):
        return self.cloud.trove('/clusters', 'POST', json={'cluster': {
            'name': self.unique('cluster'),
            'datastore': {'type': 'mariadb',
                          'version': version_id or self.maria},
            'instances': [{'flavorRef': flavor_id, 'volume': {'size': 1}}
                          for flavor_id in flavor_ids]}})

    def setUp(self) -> None:
        super().setUp()
        self.maria = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        self.associate(self.maria, self.large)

    def test_a_refused_cluster_leaves_nothing_behind(self):
        before = self.count('clusters'), self.count('instances')
        for nodes in ((self.small,) * 3, (self.large, self.large,
                                          self.small)):
            self.assertRefused(self.cluster(*nodes), self.small, self.maria)
        self.assertEqual(
            before, (self.count('clusters'), self.count('instances')))

    def test_an_allowed_cluster_goes_on_to_trove(self):
        response = self.cluster(self.large, self.large, self.large)
        self.assertNotIn('is not supported for datastore', response.text)

    def test_growing_by_what_is_not_allowed_is_refused(self):
        cluster_id = self.unique('cluster')
        self.cloud.sql(
            'INSERT INTO clusters (id, created, updated, name, task_id, '
            'tenant_id, datastore_version_id, deleted) VALUES (:id, :now, '
            ':now, :id, 1, :tenant, :version, :no)', id=cluster_id,
            now='2026-01-01 00:00:00', tenant=self.cloud.project_id(),
            version=self.maria, no=False)
        self.assertRefused(
            self.cloud.trove(f'/clusters/{cluster_id}', 'POST', json={
                'grow': [{'flavorRef': self.large},
                         {'flavorRef': self.small}]}),
            self.small, self.maria)

    def test_nodes_that_are_not_a_list_are_400(self):
        for nodes in (None, {}, 'x', [None], ['x'], 7):
            response = self.cloud.trove('/clusters', 'POST', json={
                'cluster': {'name': 'c', 'datastore': {
                    'type': 'mariadb', 'version': self.maria},
                    'instances': nodes}})
            self.assertEqual(400, response.status_code, response.text)


class SettingTest(GuardTestCase):

    def test_the_policy_file_can_let_somebody_bypass_it(self):
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:bypass": "role:admin"\n')
        self.assertRefused(self.create(self.small, self.bound), self.small,
                           self.bound)
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.free}}})
        self.assertEqual(200, response.status_code, response.text)
        self.require(self.free, min_ram=2048)
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.free}}})
        self.assertEqual(200, response.status_code, response.text)

    def test_enforcement_can_be_turned_off(self):
        original = self.cloud.trove_conf.read_text()
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.trove_conf.write_text, original)
        self.cloud.trove_conf.write_text(
            original.replace('[flavor_filter]\n',
                             '[flavor_filter]\nenforce = false\n'))
        self.cloud.restart('trove')
        self.require(self.free, min_ram=2048)
        self.assertEqual(
            200, self.create(self.small, self.free).status_code)


class RequireTest(GuardTestCase):

    def test_require_says_what_is_required_and_who_stops_qualifying(self):
        self.associate(self.free, self.small, self.large)
        result = self.manage(REQUIRE, self.free, '--min-ram', '2048')
        self.assertIn('requires at least 2048 MiB RAM', result.stdout)
        self.assertIn(self.small, result.stderr)
        self.assertNotIn(self.large, result.stderr)
        result = self.manage(REQUIRE, self.free, '--min-vcpus', '1000')
        self.assertIn('no flavor is left', result.stderr)
        rows = json.loads(self.manage(
            'datastore-version-flavor-list', self.free, '-f', 'json').stdout)
        self.assertEqual(
            {'2048 MiB RAM, 1000 vCPUs'}, {row['Requires'] for row in rows})
        reasons = {row['Flavor ID']: row['Reason'] for row in rows}
        self.assertIn('requires at least 2048 MiB RAM, has 512',
                      reasons[self.small])
        self.assertEqual('requires at least 1000 vCPUs, has 1',
                         reasons[self.large])
        result = self.manage(REQUIRE, self.free, '--clear')
        self.assertIn('no minimum', result.stdout)

    def test_the_route_lists_what_meets_the_minimum(self):
        self.manage(REQUIRE, self.free, '--min-ram', '4096')
        found = {flavor['str_id'] for flavor in self.listed(self.free)}
        self.assertIn(self.large, found)
        self.assertNotIn(self.small, found)

    def test_wrong_minimums_exit_with_2_and_change_nothing(self):
        for value in ('-1', '0', 'x', '1.5', '9' * 40, '2147483648', ''):
            self.manage(REQUIRE, self.free, f'--min-ram={value}', code=2)
        self.manage(REQUIRE, self.free, code=2)
        self.assertIn('Nothing is associated', self.manage(
            'datastore-version-flavor-list', self.free).stderr)
