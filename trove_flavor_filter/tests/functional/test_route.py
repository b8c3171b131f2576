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

"""The route against the real Trove, which is the oracle where it is right."""

import random

from trove_flavor_filter.tests.functional import base


class OracleTest(base.FunctionalTestCase):

    def test_documents_are_those_of_troves_own_route(self):
        flavors = [self.create_flavor(ram=512 * (1 + number))
                   for number in range(6)]
        chance = random.Random(20261123)
        for _turn in range(40):
            version_id = self.create_version()
            self.associate(version_id, *chance.sample(
                [*flavors, 'vanished'], chance.randrange(len(flavors))))
            self.assertEqual(self.listed_by_trove(version_id),
                             self.listed(version_id))

    def test_nothing_associated_lists_what_get_flavors_lists(self):
        self.create_flavor()
        self.assertEqual(
            self.cloud.trove('/flavors').json()['flavors'],
            self.listed(self.create_version()))

    def test_vanished_flavors_alone_are_an_empty_list(self):
        version_id = self.create_version()
        self.associate(version_id, 'vanished', 'gone')
        self.assertEqual([], self.listed(version_id))

    def test_an_answer_has_troves_request_id(self):
        if 'request_id' not in self.cloud.paste_ini.read_text():
            self.skipTest('Trove 23 and 24 have no request_id in theirs')
        response = self.cloud.trove(
            f'/flavors/datastores/versions/{self.create_version()}')
        self.assertTrue(
            response.headers['x-openstack-request-id'].startswith('req-'))

    def test_rows_that_troves_command_writes_count(self):
        version_id = self.create_version()
        flavor_id = self.create_flavor()
        name = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=version_id)[0].name
        self.manage('datastore_version_flavor_add', 'mysql', name, flavor_id)
        self.assertEqual([flavor_id], [
            flavor['str_id'] for flavor in self.listed(version_id)])
        self.manage('datastore_version_flavor_delete', 'mysql', name,
                    flavor_id)
        self.assertLess(1, len(self.listed(version_id)) + 1)
        self.assertEqual([(flavor_id, True)], self.rows(version_id))

    def test_rows_that_our_command_writes_bind_troves_create(self):
        version_id = self.create_version()
        small, large = self.create_flavor(), self.create_flavor(ram=4096)
        self.manage('datastore-version-flavor-add', version_id, large)
        answers = []
        for flavor_id in (small, large):
            response = self.cloud.trove('/instances', 'POST', json={
                'instance': {
                    'name': self.unique('db'), 'flavorRef': flavor_id,
                    'datastore': {'type': 'mysql', 'version': version_id}}})
            answers.append(response.status_code)
        self.assertEqual([400, 200], answers)


class GapTest(base.FunctionalTestCase):
    """Rows of the table of what Trove itself does, turned around."""

    def test_an_unknown_version_is_404_where_trove_lists_all(self):
        self.create_flavor()
        self.assertNotEqual([], self.listed_by_trove('no-such-version'))
        self.assertEqual(404, self.cloud.trove(
            '/flavors/datastores/versions/no-such-version').status_code)

    def test_every_page_of_novas_list_is_listed(self):
        self.cloud.create_many_flavors(1202)
        self.addCleanup(self.cloud.delete_many_flavors)
        version_id = self.create_version()
        self.assertEqual(1000, len(self.listed_by_trove(version_id)))
        found = [flavor['str_id'] for flavor in self.listed(version_id)]
        self.assertLessEqual(1202, len(found))
        self.assertEqual(len(found), len(set(found)))
        self.associate(version_id, 'many-01201')
        self.assertEqual(['many-01201'], [
            flavor['str_id'] for flavor in self.listed(version_id)])

    def test_a_private_flavor_of_the_service_project_is_seen_by_all(self):
        flavor_id = self.create_flavor(projects=('trove',))
        version_id = self.create_version()
        self.associate(version_id, flavor_id)
        for user in ('demo', 'other'):
            self.assertEqual(self.listed_by_trove(version_id, user),
                             self.listed(version_id, user))
            self.assertEqual(1, len(self.listed(version_id, user)))

    def test_a_private_flavor_is_seen_by_its_own_project_alone(self):
        flavor_id = self.create_flavor(projects=('demo',))
        version_id = self.create_version()
        self.associate(version_id, flavor_id)
        self.assertEqual([flavor_id], [
            flavor['str_id'] for flavor in self.listed(version_id)])
        for user in ('other', 'admin'):
            self.assertEqual([], self.listed(version_id, user))

    def test_a_private_flavor_of_nobody_is_seen_by_nobody(self):
        flavor_id = self.create_flavor(projects=())
        version_id = self.create_version()
        self.associate(version_id, flavor_id)
        self.assertEqual([], self.listed(version_id))
        self.assertEqual([], self.listed(version_id, 'admin'))


class ServiceUserTest(base.FunctionalTestCase):
    """Credentials of Trove's that are not as they should be."""

    def restarted_with(self, old: str, new: str) -> None:
        """Have Trove run with a changed trove.conf until the test ends."""
        original = self.cloud.trove_conf.read_text()
        self.assertIn(old, original)
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.trove_conf.write_text, original)
        self.cloud.trove_conf.write_text(original.replace(old, new))
        self.cloud.restart('trove')

    def credentials(self) -> str:
        text = self.cloud.trove_conf.read_text()
        return text[text.index('[service_credentials]'):].partition(
            '\n\n')[0]

    def test_a_service_user_without_the_admin_role_still_lists(self):
        version_id = self.create_version()
        private = self.create_flavor(projects=('trove',))
        public = self.create_flavor()
        self.associate(version_id, private, public)
        self.cloud.create_user('weak', 'service', ('member',))
        section = self.credentials()
        self.restarted_with(section, section.replace(
            'username = trove', 'username = weak').replace(
            self.cloud.secrets['trove'], self.cloud.secrets['weak']))
        self.assertEqual(sorted([private, public]), sorted(
            flavor['str_id'] for flavor in self.listed(version_id)))

    def test_a_wrong_password_is_503_and_one_line_of_log(self):
        section = self.credentials()
        self.restarted_with(section, section.replace(
            self.cloud.secrets['trove'], 'wrong-pencil'))
        version_id = self.create_version()
        response = self.cloud.trove(
            f'/flavors/datastores/versions/{version_id}')
        self.assertEqual(503, response.status_code, response.text)
        self.assertIn('Retry-After', response.headers)
        self.assertEqual(503,
                         response.json()['serviceUnavailable']['code'])
        lines = [line for line in
                 self.cloud.log('trove').read_text().splitlines()
                 if version_id in line and ' ERROR ' in line]
        self.assertEqual(1, len(lines), lines)
        # Trove 23 and 24 have no request_id in their pipelines.
        self.assertIn(response.headers.get('X-Openstack-Request-Id', ''),
                      lines[0])
        self.assertNotIn('wrong-pencil',
                         self.cloud.log('trove').read_text())
        result = self.manage('datastore-version-flavor-add', version_id,
                             'x', code=1)
        self.assertIn('Unauthorized', result.stderr)

    def test_no_section_is_503_and_says_what_is_missing(self):
        self.restarted_with(self.credentials(), '[service_credentials]')
        version_id = self.create_version()
        response = self.cloud.trove(
            f'/flavors/datastores/versions/{version_id}')
        self.assertEqual(503, response.status_code, response.text)
        result = self.manage('datastore-version-flavor-add', version_id,
                             'x', code=1)
        self.assertIn('[service_credentials]', result.stderr)

    def test_nova_away_is_503_and_then_200_again(self):
        version_id = self.create_version()
        self.cloud.stop('nova')
        try:
            response = self.cloud.trove(
                f'/flavors/datastores/versions/{version_id}')
            self.assertEqual(503, response.status_code, response.text)
            self.assertIn('Retry-After', response.headers)
        finally:
            self.cloud.start('nova')
        self.listed(version_id)
