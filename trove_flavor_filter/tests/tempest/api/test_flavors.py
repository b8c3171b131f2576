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

"""The list of a datastore version's flavors: who is shown what."""

from tempest import config
from tempest.lib import decorators

from trove_flavor_filter.tests.tempest.api import base

CONF = config.CONF


class AssociatedFlavorsTest(base.FlavorFilterTestCase):
    """A datastore version with a public flavor, and a project's own one."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.public = cls.create_flavor(ram=4096)
        cls.private = cls.create_flavor(project_id=cls.client.project_id)
        cls.absent = cls.create_flavor()
        cls.associate(cls.public, cls.private)

    @decorators.idempotent_id('67a5635e-683d-40e9-a8b5-7a60d0471d19')
    @decorators.attr(type='smoke')
    def test_a_member_is_shown_what_is_associated(self):
        self.wait_until_allowed(self.client, [self.public, self.private])

    @decorators.idempotent_id('51d46010-1421-409e-bc2a-2ca021d8aec9')
    def test_a_reader_is_shown_what_a_member_is_shown(self):
        self.wait_until_allowed(self.reader_client,
                                [self.public, self.private])

    @decorators.idempotent_id('dfd3eb01-79d4-491e-adc8-1ac1bda82916')
    def test_an_admin_of_another_project_is_shown_what_is_public(self):
        self.wait_until_allowed(self.admin_client, [self.public])

    @decorators.idempotent_id('2d1cf7d9-9b87-40f0-865e-6bc15b964394')
    def test_a_private_flavor_of_another_project_is_not_shown(self):
        # Once the project itself is shown it, Trove knows of it.
        self.wait_until_allowed(self.client, [self.public, self.private])
        self.wait_until_allowed(self.other_client, [self.public])

    @decorators.idempotent_id('80706413-a9d7-4244-8904-eb4ba848482b')
    def test_a_flavor_is_shown_as_nova_has_it(self):
        flavors = self.wait_until_allowed(self.other_client, [self.public])
        truth = self.flavors_client.show_flavor(self.public)['flavor']
        self.assertEqual(
            {'name': truth['name'], 'ram': truth['ram'],
             'vcpus': truth['vcpus'], 'disk': truth['disk'],
             'ephemeral': truth['OS-FLV-EXT-DATA:ephemeral']},
            {key: flavors[0][key] for key in (
                'name', 'ram', 'vcpus', 'disk', 'ephemeral')})

    @decorators.idempotent_id('5b95c211-fe2e-4e8c-bece-4aa68a862d14')
    def test_the_list_of_all_flavors_is_not_cut(self):
        everything = {
            flavor['str_id']: flavor
            for flavor in self.client.list_flavors()['flavors']}
        self.assertIn(self.absent, everything)
        flavors = self.wait_until_allowed(
            self.client, [self.public, self.private])
        self.assertIn(everything[self.public], flavors)

    @decorators.idempotent_id('2ae1c3f0-5a4f-4b63-9d0c-7c1b9d6f4e58')
    def test_troves_own_list_is_the_same(self):
        flavors = self.wait_until_allowed(
            self.client, [self.public, self.private])
        self.assertEqual(flavors, self.client.list_associated_flavors(
            CONF.flavor_filter.datastore_type, self.version_id)['flavors'])

    @decorators.idempotent_id('3e0b6f9a-7d52-4c18-b4a1-90c2e5d7f863')
    def test_the_list_of_its_datastore_says_the_same_of_a_version(self):
        flavors = self.wait_until_allowed(
            self.client, [self.public, self.private])
        listed = self.client.list_datastore_flavors(
            CONF.flavor_filter.datastore_type)
        (version,) = [each for each in listed['datastore_versions']
                      if each['id'] == self.version_id]
        self.assertEqual([flavor['str_id'] for flavor in flavors],
                         version['flavors'])
        self.assertEqual(flavors, [
            flavor for flavor in listed['flavors']
            if flavor['str_id'] in version['flavors']])


class FreeVersionTest(base.FlavorFilterTestCase):
    """A datastore version that nothing is associated with."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.flavor = cls.create_flavor()

    @decorators.idempotent_id('4cf1518d-c340-4410-acb4-c1506488b8e1')
    def test_every_flavor_is_shown(self):
        # Without a volume, Trove needs an ephemeral disk.
        accepted = [
            flavor for flavor in self.client.list_flavors()['flavors']
            if CONF.flavor_filter.volume_size or flavor['ephemeral']]
        self.assertIn(self.flavor,
                      [flavor['str_id'] for flavor in accepted])
        self.assertEqual(accepted, self.wait_until_allowed(
            self.client, [flavor['str_id'] for flavor in accepted]))


class InactiveVersionTest(base.InactiveVersionTestCase):

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.flavor = cls.create_flavor()
        cls.associate(cls.flavor)

    @decorators.idempotent_id('f2913bf4-fd94-4a19-9a4f-c12319a36a12')
    def test_an_admin_is_shown_its_flavors(self):
        self.wait_until_allowed(self.admin_client, [self.flavor])

    @decorators.idempotent_id('b7c4d1e8-0f36-4a9b-8e52-6d1a3f9c7b20')
    def test_the_list_of_its_datastore_does_not_have_it(self):
        datastore = self.admin_client.show_requirement(self.version_id)[
            'flavor_requirement']['datastore']
        for client in (self.client, self.admin_client):
            self.assertNotIn(self.version_id, [
                each['id'] for each in client.list_datastore_flavors(
                    datastore)['datastore_versions']])
