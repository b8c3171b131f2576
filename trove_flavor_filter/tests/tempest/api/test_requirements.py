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

"""What datastore versions require, over HTTP: for admins and nobody else."""

from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib import decorators
from tempest.lib import exceptions

from trove_flavor_filter.tests.tempest.api import base

CONF = config.CONF


class RequirementsTest(base.FlavorFilterTestCase):

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.small, cls.large = cls.create_flavor(), cls.create_flavor(2048)
        cls.addClassResourceCleanup(
            cls.admin_client.delete_requirement, cls.version_id)

    @decorators.idempotent_id('6c0d0a5e-6f0e-4c58-8a43-0d0f64b0a8b1')
    def test_what_is_put_is_in_force_and_shown(self):
        put = self.admin_client.replace_requirement(
            self.version_id, flavors=[self.small, self.large], min_ram=1024)
        shown = self.admin_client.show_requirement(self.version_id)
        self.assertEqual(put['flavor_requirement'],
                         shown['flavor_requirement'])
        self.assertEqual(put.response['etag'], shown.response['etag'])
        self.assertIn(
            shown['flavor_requirement'],
            self.admin_client.list_requirements()['flavor_requirements'])
        self.wait_until_allowed(self.client, [self.large])

    @decorators.idempotent_id('b1c6a9be-3ae0-4b4b-8b5b-4c8d4bff5b70')
    def test_a_dry_run_tells_what_would_change(self):
        self.admin_client.delete_requirement(self.version_id)
        (change,) = self.admin_client.try_requirements({
            'datastore_version_id': self.version_id, 'max_ram': 512,
        })['flavor_requirement_changes']
        self.assertEqual([{'key': 'max_ram', 'value': '512'}],
                         change['added'])
        shown = self.admin_client.show_requirement(self.version_id)
        self.assertIsNone(shown['flavor_requirement']['max_ram'])

    @decorators.idempotent_id('7e4b9a02-1c7d-4c1b-8f3e-5d0a6b9c2f18')
    def test_an_instance_of_before_a_requirement_is_listed(self):
        self.admin_client.delete_requirement(self.version_id)
        instance = self.create_instance(self.small)
        self.admin_client.replace_requirement(self.version_id, min_ram=1024)
        for query in ({}, {'project_id': self.client.tenant_id}):
            (found,) = [
                each for each in self.admin_client.list_violations(
                    datastore_version_id=self.version_id, **query)[
                        'flavor_requirement_violations']
                if each['instance_id'] == instance['id']]
            self.assertEqual(
                (self.client.tenant_id, self.version_id, self.small),
                (found['project_id'], found['datastore_version_id'],
                 found['flavor_id']))
        self.admin_client.replace_requirement(self.version_id, min_ram=512)
        self.assertNotIn(instance['id'], [
            each['instance_id'] for each in self.admin_client.list_violations(
                datastore_version_id=self.version_id)[
                    'flavor_requirement_violations']])

    @decorators.idempotent_id('5b0d8f0e-0c7a-4f2c-9a49-6a3c1f0e7d62')
    def test_the_size_of_a_volume_is_bounded_where_there_is_one(self):
        size = CONF.flavor_filter.volume_size
        self.admin_client.replace_requirement(
            self.version_id, min_volume=size + 1, max_volume=size + 2)
        listed = self.client.list_allowed_flavors(self.version_id)
        if not size:
            self.assertNotIn('volume', listed)
            self.create_instance(self.small)
            return
        self.assertEqual({'min_size': size + 1, 'max_size': size + 2},
                         listed['volume'])
        error = self.assertRaises(
            exceptions.BadRequest, self.create_instance, self.small)
        self.assertIn(f'requires a volume of at least {size + 1} GiB, has '
                      f'{size}', self.assertFault(400, error))

    @decorators.idempotent_id('0a8f2d1b-58f7-4f6a-9d0f-c1a1d5f6b2e3')
    @decorators.attr(type='negative')
    def test_an_etag_of_before_changes_nothing(self):
        before = self.admin_client.replace_requirement(
            self.version_id, flavors=[self.small]).response['etag']
        self.admin_client.replace_requirement(
            self.version_id, flavors=[self.large])
        error = self.assertRaises(
            exceptions.PreconditionFailed,
            self.admin_client.replace_requirement, self.version_id,
            if_match=before)
        self.assertFault(412, error)
        shown = self.admin_client.show_requirement(self.version_id)
        self.assertEqual([self.large],
                         shown['flavor_requirement']['flavors'])

    @decorators.idempotent_id('f0c8c7a2-9a3c-4a52-b0d3-7a2d2f8a4c61')
    @decorators.attr(type='negative')
    def test_every_problem_is_told_with_its_place(self):
        error = self.assertRaises(
            exceptions.BadRequest, self.admin_client.replace_requirement,
            self.version_id, flavors=[data_utils.rand_name('no-such')],
            min_ram=2, max_ram=1)
        self.assertFault(400, error)
        self.assertEqual(
            ['/flavor_requirement/flavors/0', '/flavor_requirement/min_ram'],
            [problem['pointer'] for problem in error.resp_body['problems']])

    @decorators.idempotent_id('3d9a7c55-6f41-4a0e-8d7e-2b5f3b9e1c04')
    @decorators.attr(type='negative')
    def test_who_is_no_admin_is_refused(self):
        for client in (self.client, self.reader_client, self.other_client):
            for method, *arguments in (
                    (client.show_requirement, self.version_id),
                    (client.replace_requirement, self.version_id),
                    (client.delete_requirement, self.version_id),
                    (client.list_requirements,), (client.try_requirements,),
                    (client.list_violations,)):
                self.assertRaises(exceptions.Forbidden, method, *arguments)

    @decorators.idempotent_id('d5a3b3f4-2c9f-4d0a-a7b1-9e6b7d8c5a12')
    @decorators.attr(type='negative')
    def test_an_unknown_version_is_not_found(self):
        unknown = data_utils.rand_uuid()
        error = self.assertRaises(
            exceptions.NotFound, self.admin_client.show_requirement, unknown)
        self.assertIn(unknown, self.assertFault(404, error))
