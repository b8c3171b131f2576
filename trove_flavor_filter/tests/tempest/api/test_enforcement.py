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

"""Enforcement: what a datastore version does not allow is refused."""

from tempest import config
from tempest.lib import decorators
from tempest.lib import exceptions

from trove_flavor_filter.tests.tempest.api import base

CONF = config.CONF


class EnforcementTest(base.FlavorFilterTestCase):
    """A datastore version that allows a large flavors, and no small one."""

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.small = cls.create_flavor(ram=512)
        cls.large = cls.create_flavor(ram=4096)
        cls.larger = cls.create_flavor(ram=8192)
        cls.associate(cls.large, cls.larger)

    def assertRefused(self, error: exceptions.BadRequest) -> None:
        message = self.assertFault(400, error)
        self.assertRegex(
            message, rf'^Flavor .+ \({self.small}\) is not supported for '
                     rf'datastore version .+ \({self.version_id}\)')
        # Trove itself does not say that.
        self.assertIn('Allowed flavors', message)

    @decorators.idempotent_id('2e1b973a-1848-4658-8428-15be13cd1348')
    @decorators.attr(type='smoke')
    def test_an_instance_of_an_allowed_flavor_is_built(self):
        instance = self.create_instance(self.large)
        self.assertEqual('BUILD', instance['status'])
        self.assertEqual(self.large, instance['flavor']['id'])

    @decorators.idempotent_id('d70db7ba-afd0-446f-bee6-c9b8f17c5187')
    @decorators.attr(type='negative')
    def test_an_instance_of_another_flavor_is_not_built(self):
        error = self.assertRaises(
            exceptions.BadRequest, self.create_instance, self.small)
        self.assertRefused(error)
        self.assertNotIn(self.small, [
            instance['flavor']['id'] for instance
            in self.client.list_instances()['instances']])

    @decorators.idempotent_id('5ad4b3fe-15e1-48a8-a668-540811c78e72')
    @decorators.attr(type='negative')
    def test_an_instance_is_not_resized_to_another_flavor(self):
        instance = self.create_instance(self.large)
        error = self.assertRaises(
            exceptions.BadRequest, self.client.resize_instance,
            instance['id'], self.small)
        self.assertRefused(error)

    @decorators.idempotent_id('8d0b7c16-3f4e-4a07-b1a9-0e5a6d2c7f94')
    def test_an_instance_is_shown_what_it_may_be_resized_to(self):
        instance = self.create_instance(self.large)
        allowed = self.wait_until_allowed(
            self.client, [self.large, self.larger])
        # Trove does not resize it to the flavor that it has.
        self.assertEqual(
            [flavor for flavor in allowed if flavor['str_id'] == self.larger],
            self.client.list_flavors_for_instance(instance['id'])['flavors'])
        self.assertRaises(
            exceptions.NotFound, self.other_client.list_flavors_for_instance,
            instance['id'])

    @decorators.idempotent_id('f5a68514-7057-4bc7-b2f5-a336ca7cf071')
    @decorators.attr(type='slow')
    def test_an_instance_is_resized_to_an_allowed_flavor(self):
        instance = self.create_instance(self.large)
        self.wait_until_up(instance['id'])
        self.client.resize_instance(instance['id'], self.larger)


class UpgradeTest(base.InactiveVersionTestCase):
    """An instance of the datastore version, and another version.

    The other one is not active. Trove upgrades to it all the same.
    """

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.other_id = cls.version_id
        cls.version_id = CONF.flavor_filter.datastore_version_id
        present, other = (
            cls.admin_client.show_requirement(version_id)[
                'flavor_requirement']['datastore']
            for version_id in (cls.version_id, cls.other_id))
        if present != other:
            raise cls.skipException(
                'The two datastore versions are of different datastores.')
        cls.flavor = cls.create_flavor(ram=1024)
        cls.addClassResourceCleanup(
            cls.admin_client.delete_requirement, cls.other_id)

    @decorators.idempotent_id('c2a97f04-6e1b-4d58-93b7-5f0e8d2a1c46')
    @decorators.attr(type='slow')
    def test_an_instance_is_shown_what_it_may_be_upgraded_to(self):
        self.admin_client.replace_requirement(self.other_id, min_ram=2048)
        instance_id = self.create_instance(self.flavor)['id']
        self.wait_until_up(instance_id)
        self.assertNotIn(self.other_id, self.upgrades(instance_id))
        error = self.assertRaises(
            exceptions.BadRequest, self.client.upgrade_instance, instance_id,
            self.other_id)
        self.assertIn('requires at least 2048 MiB RAM, has 1024',
                      self.assertFault(400, error))
        self.admin_client.replace_requirement(self.other_id, min_ram=1024)
        listed = self.upgrades(instance_id)
        self.assertIn(self.other_id, listed)
        # It has this one.
        self.assertNotIn(self.version_id, listed)
        self.assertRaises(
            exceptions.NotFound, self.other_client.list_versions_for_instance,
            instance_id)

    def upgrades(self, instance_id: str) -> list[str]:
        return [version['id'] for version in
                self.client.list_versions_for_instance(instance_id)[
                    'datastore_versions']]
