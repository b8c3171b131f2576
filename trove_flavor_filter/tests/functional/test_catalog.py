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

"""The catalog on a real cloud: private flavors, names, unknown flavors."""

import pathlib
import time

import hypothesis
from hypothesis import strategies

from trove_flavor_filter.tests.functional import base

# Nova's rule for a name: printable, and no spaces around it.
NAMES = strategies.text(strategies.characters(
    min_codepoint=0x21, max_codepoint=0xffff,
    exclude_categories=('C', 'Z')) | strategies.sampled_from('\\"u0/{}[]'),
    min_size=1, max_size=40)


class CatalogTestCase(base.FunctionalTestCase):

    def configure(self, **sections) -> None:
        """Have Trove run with other options until the test ends."""
        original = self.cloud.options

        def restart(options):
            self.cloud.options = options
            self.cloud.reconfigure()
            self.cloud.restart('trove')
        self.addCleanup(restart, original)
        restart(original | {name: original.get(name, {}) | options
                            for name, options in sections.items()})

    def ids(self, version_id: str, user: str = 'demo') -> list[str]:
        return [flavor['str_id'] for flavor in self.listed(version_id, user)]

    def requests(self) -> list[str]:
        """The requests for flavors that Nova has logged so far."""
        log = self.cloud.log('nova').read_text()
        return [line for line in log.splitlines()
                if '"GET /v2.1' in line and '/flavors' in line]


class FreshnessTest(CatalogTestCase):

    def test_after_an_idle_time_nothing_old_is_listed_or_let_through(self):
        self.configure(flavor_filter={'flavor_cache_time': 1})
        version_id = self.create_version()
        self.manage('datastore-version-flavor-require', version_id,
                    '--min-ram', '2048')
        flavor_id = self.create_flavor(ram=4096)
        private = self.create_flavor(ram=4096, projects=('demo',))
        self.assertLessEqual({flavor_id, private}, {*self.ids(version_id)})
        self.cloud.delete_flavor(flavor_id)
        self.cloud.create_flavor(flavor_id, ram=512)
        self.cloud.nova().flavor_access.remove_tenant_access(
            private, self.cloud.project_id())
        time.sleep(3)
        response = self.cloud.trove('/instances', 'POST', json={
            'instance': {
                'name': 'db', 'flavorRef': flavor_id,
                'datastore': {'type': 'mysql', 'version': version_id}}})
        self.assertEqual(400, response.status_code, response.text)
        self.assertNotIn(private, response.text)
        self.assertEqual(set(), {flavor_id, private} & {
            *self.ids(version_id)})

    def test_nova_away_makes_nobody_wait_and_coming_back_ends_it(self):
        self.configure(flavor_filter={'flavor_cache_time': 1,
                                      'nova_timeout': 4})
        version_id = self.create_version()
        flavor_id = self.create_flavor()
        self.assertIn(flavor_id, self.ids(version_id))
        self.cloud.processes['nova'].freeze()
        self.addCleanup(self.cloud.processes['nova'].thaw)
        time.sleep(3)
        taken = []
        for _turn in range(60):
            begun = time.monotonic()
            self.assertIn(flavor_id, self.ids(version_id))
            taken.append(time.monotonic() - begun)
            time.sleep(0.1)
        self.assertLess(taken[0], 4)
        self.assertLess(sorted(taken)[-4], 1)
        self.cloud.processes['nova'].thaw()
        time.sleep(4)
        new = self.create_flavor()
        time.sleep(2.5)
        self.assertIn(new, self.ids(version_id))


class PrivateTest(CatalogTestCase):

    def test_private_flavors_cost_no_request_each(self):
        for _number in range(12):
            self.create_flavor(projects=('demo',))
        own = self.create_flavor(projects=('demo', 'other'))
        version_id = self.create_version()
        self.configure(flavor_filter={'flavor_cache_time': 60})
        before = len(self.requests())
        for _turn in range(3):
            self.assertIn(own, self.ids(version_id))
            self.assertIn(own, self.ids(version_id, 'other'))
        self.assertEqual(12, len({*self.ids(version_id)} - {
            *self.ids(version_id, 'other')}))
        asked = self.requests()[before:]
        # The service list, whether there are others, and each project's.
        self.assertEqual(4, len(asked), asked)
        self.assertNotIn('os-flavor-access', '\n'.join(self.requests()))

    def test_the_order_is_novas(self):
        prefix = self.unique()
        kinds = [None, ('demo',), ('trove',), ('trove', 'demo'), ('other',)]
        wanted = []
        for number in range(20):
            flavor_id = self.cloud.create_flavor(
                f'{prefix}-{number:02}', projects=kinds[number % 5])
            self.addCleanup(self.cloud.delete_flavor, flavor_id)
            if number % 5 != 4:
                wanted.append(flavor_id)
        self.assertEqual(wanted, [
            flavor_id for flavor_id in self.ids(self.create_version())
            if flavor_id.startswith(prefix)])

    def test_a_token_that_nova_refuses_sees_the_common_list(self):
        private = self.create_flavor(projects=('demo',))
        public = self.create_flavor()
        version_id = self.create_version()
        self.configure(flavor_filter={'flavor_cache_time': 60})
        rules = {'application_credential': {
            'name': self.unique(), 'access_rules': [
                {'service': 'database', 'method': 'GET', 'path': path}
                for path in ('/v1.0/*/flavors/**', '/*/flavors/**')]}}
        conf = self.cloud.trove_conf.read_text()
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.trove_conf.write_text, conf)
        self.cloud.trove_conf.write_text(conf.replace(
            '[keystone_authtoken]\n',
            '[keystone_authtoken]\nservice_type = database\n'))
        self.cloud.restart('trove')
        session = self.cloud.session()
        created = session.post(
            f'{self.cloud.auth_url}/users/{session.get_user_id()}'
            f'/application_credentials', json=rules).json()
        credential = created['application_credential']
        token = session.post(
            f'{self.cloud.auth_url}/auth/tokens', authenticated=False, json={
                'auth': {'identity': {
                    'methods': ['application_credential'],
                    'application_credential': {
                        'id': credential['id'],
                        'secret': credential['secret']}}}},
        ).headers['X-Subject-Token']
        for _turn in range(2):
            response = session.get(
                f'{self.cloud.trove_url}/v1.0/{self.cloud.project_id()}'
                f'/flavors/datastores/versions/{version_id}',
                headers={'X-Auth-Token': token}, authenticated=False)
            listed = {flavor['str_id'] for flavor in
                      response.json()['flavors']}
            self.assertIn(public, listed)
            self.assertNotIn(private, listed)
        # It takes nothing from the others of the project.
        self.assertIn(private, self.ids(version_id))
        log = self.cloud.log('trove').read_text()
        self.assertIn('no private flavors of its own', log)
        self.assertNotIn(token, log)


class CallersClientTest(CatalogTestCase):

    def test_with_the_callers_client_trove_and_the_plugin_list_the_same(self):
        for projects in (None, ('demo',), ('trove',), ('other',)):
            self.create_flavor(projects=projects)
        version_id = self.create_version()
        for cache_time in (0, 60):
            self.configure(
                DEFAULT={'remote_nova_client':
                         'trove.common.clients.nova_client'},
                flavor_filter={'flavor_cache_time': cache_time})
            for user in ('demo', 'other', 'admin'):
                self.assertEqual(
                    self.cloud.trove('/flavors', user=user).json()['flavors'],
                    self.listed(version_id, user))


class UnknownTest(CatalogTestCase):

    def create_cluster(self, version_id: str, *flavor_ids: str):
        return self.cloud.trove('/clusters', 'POST', json={'cluster': {
            'name': 'c', 'datastore': {'type': 'mysql',
                                       'version': version_id},
            'instances': [{'flavorRef': flavor_id}
                          for flavor_id in flavor_ids]}})

    def test_unknown_flavors_make_a_handful_of_requests(self):
        version_id = self.create_version()
        self.manage('datastore-version-flavor-require', version_id,
                    '--min-ram', '64')
        self.configure(flavor_filter={'flavor_cache_time': 60})
        self.listed(version_id)
        prefix = self.unique()
        before = len(self.requests())
        response = self.create_cluster(
            version_id, *(f'{prefix}-{number:03}' for number in range(300)))
        self.assertEqual(400, response.status_code)
        self.assertIn(f'{prefix}-000', response.text)
        self.assertEqual(4, len(self.requests()) - before)
        # Nor does one of them once more.
        response = self.create_cluster(version_id, f'{prefix}-002')
        self.assertEqual(400, response.status_code)
        self.assertIn(f'{prefix}-002', response.text)
        self.assertEqual(4, len(self.requests()) - before)


class NamesTest(CatalogTestCase):

    def test_any_name_is_listed_as_trove_lists_it(self):
        version_id = self.create_version()
        nova = self.cloud.nova()

        @hypothesis.settings(
            max_examples=40, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(NAMES)
        @hypothesis.example('\\u0000')
        @hypothesis.example('a\\u0000b\\u0000"')
        @hypothesis.example('", "rel": "self"}')
        @hypothesis.example('\\\\u0000\\')
        def compare(name):
            flavor = nova.flavors.create(name, 512, 1, 1, ephemeral=1,
                                         flavorid=self.unique())
            try:
                self.assertEqual(
                    self.cloud.trove('/flavors').json()['flavors'],
                    self.listed(version_id))
            finally:
                nova.flavors.delete(flavor)
        compare()


class WeakServiceUserTest(CatalogTestCase):
    """Trove's service user without the admin role."""

    def test_what_it_cannot_see_is_told(self):
        private = self.create_flavor(projects=('demo',))
        self.create_flavor()
        version_id = self.create_version()
        self.cloud.create_user(self.unique('weak'), 'service', ('member',))
        name, secret = list(self.cloud.secrets.items())[-1]
        self.configure(service_credentials={'username': name,
                                            'password': secret})
        self.assertEqual(
            self.cloud.trove('/flavors').json()['flavors'],
            self.listed(version_id))
        result = self.manage('datastore-version-flavor-add', version_id,
                             private, code=1)
        self.assertIn('service user has no admin role', result.stderr)
        file = pathlib.Path(self.cloud.directory, 'weak.yaml')
        file.write_text(f'datastore_versions:\n  mysql:\n    {version_id}:\n'
                        f'      flavors: [{private}]\n')
        result = self.cloud.run('trove-manage',
                                'datastore-version-flavor-apply', str(file))
        self.assertIn('service user has no admin role', result.stderr,
                      result.stdout)
        result = self.cloud.run('trove-flavor-filter-status', 'upgrade',
                                'check', '--json')
        self.assertIn('service user has no admin role', result.stdout)
