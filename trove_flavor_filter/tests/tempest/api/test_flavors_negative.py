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

"""The list of a datastore version's flavors: who is refused, and how."""

from tempest.lib.common.utils import data_utils
from tempest.lib import decorators
from tempest.lib import exceptions

from trove_flavor_filter.tests.tempest.api import base


class FlavorsNegativeTest(base.FlavorFilterTestCase):

    @decorators.idempotent_id('b00755b6-f6de-4b56-81e0-f7039d346304')
    @decorators.attr(type='negative')
    def test_a_token_of_another_project_is_refused(self):
        self.client.auth_provider.set_alt_auth_data(
            'headers', self.other_client.auth_provider.auth_data)
        self.assertRaises(
            exceptions.Forbidden, self.client.list_allowed_flavors,
            self.version_id)

    @decorators.idempotent_id('f466fb9c-5d5a-4aff-a8ae-c9280a49dd03')
    @decorators.attr(type='negative')
    def test_an_admins_token_of_another_project_is_refused(self):
        self.client.auth_provider.set_alt_auth_data(
            'headers', self.admin_client.auth_provider.auth_data)
        self.assertRaises(
            exceptions.Forbidden, self.client.list_allowed_flavors,
            self.version_id)

    @decorators.idempotent_id('99afaec0-1eaf-4dfe-b3d9-9eced1e6b1db')
    @decorators.attr(type='negative')
    def test_nobody_is_refused(self):
        self.client.auth_provider.set_alt_auth_data('headers', None)
        self.assertRaises(
            exceptions.Unauthorized, self.client.list_allowed_flavors,
            self.version_id)

    @decorators.idempotent_id('8cfbe1b1-dc92-4da2-9881-c04fe30cead6')
    @decorators.attr(type='negative')
    def test_an_unknown_version_is_not_found(self):
        unknown = data_utils.rand_uuid()
        for client in (self.client, self.admin_client):
            error = self.assertRaises(
                exceptions.NotFound, client.list_allowed_flavors, unknown)
            self.assertIn(unknown, self.assertFault(404, error))

    @decorators.idempotent_id('c7e0a8a4-94a7-4f0c-8a56-2f0a1f4b9e13')
    @decorators.attr(type='negative')
    def test_an_unknown_instance_is_not_found(self):
        unknown = data_utils.rand_uuid()
        for client in (self.client, self.admin_client):
            error = self.assertRaises(
                exceptions.NotFound, client.list_flavors_for_instance,
                unknown)
            self.assertIn(unknown, self.assertFault(404, error))

    @decorators.idempotent_id('51f8a2c6-9b3d-4e70-a4d9-2c7e6b1f0835')
    @decorators.attr(type='negative')
    def test_an_unknown_datastore_is_not_found(self):
        unknown = data_utils.rand_uuid()
        for client in (self.client, self.admin_client):
            error = self.assertRaises(
                exceptions.NotFound, client.list_datastore_flavors, unknown)
            self.assertIn(unknown, self.assertFault(404, error))

    @decorators.idempotent_id('e9d0b5a7-4c12-4f8e-b6a3-8f1d7c2e5094')
    @decorators.attr(type='negative')
    def test_the_versions_of_an_unknown_instance_are_not_found(self):
        unknown = data_utils.rand_uuid()
        for client in (self.client, self.admin_client):
            error = self.assertRaises(
                exceptions.NotFound, client.list_versions_for_instance,
                unknown)
            self.assertIn(unknown, self.assertFault(404, error))


class InactiveVersionNegativeTest(base.InactiveVersionTestCase):

    @decorators.idempotent_id('a6f6466b-0746-4b4f-a706-1cd3ea9b251a')
    @decorators.attr(type='negative')
    def test_who_is_no_admin_does_not_find_it(self):
        for client in (self.client, self.reader_client):
            error = self.assertRaises(
                exceptions.NotFound, client.list_allowed_flavors,
                self.version_id)
            self.assertIn(self.version_id, self.assertFault(404, error))
