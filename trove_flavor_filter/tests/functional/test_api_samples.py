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

"""The examples of the API reference are what the API answers.

FLAVOR_FILTER_WRITE_DOCS=1 writes them.
"""

import json
import os
import pathlib

from trove_flavor_filter.tests.functional import base

SAMPLES = (pathlib.Path(__file__).parents[3] / 'api-ref' / 'source'
           / 'samples')
PROJECT = '1f1f5a6a0b0b4c8e9d5e6f7a8b9c0d1e'
INSTANCE = '44b277eb-39be-4921-be31-3d61b43651d7'
VERSION = '6b0a4e9f-98e0-4c26-9b0a-3a53d1f0f7c2'
OTHERS = ('0d4f9a61-7a4c-4c58-8f0e-5b8a3d6c2e97',
          'c1e8b7d3-2f5a-4b69-9d14-70a6e8f3b542')
DATASTORE = 'e3a6d2b8-51c7-4f9e-a0d8-9c4b7f1e6a35'
IMAGE = '7f2c9e04-b8d1-43a6-8e5f-1a9d3c6b0f72'


class ApiSamplesTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id = self.create_version()
        (version,) = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id)
        self.names = {self.cloud.project_id(): PROJECT,
                      self.version_id: VERSION, version.name: '8.0',
                      self.cloud.trove_url.partition('//')[2]:
                          'database.example.org'}

    def assertSample(self, name: str, response) -> None:
        self.assertDocument(name, response.json())

    def assertDocument(self, name: str, document: dict) -> None:
        text = json.dumps(document, indent=4) + '\n'
        for here, shown in self.names.items():
            text = text.replace(here, shown)
        path = SAMPLES / f'{name}.json'
        if os.environ.get('FLAVOR_FILTER_WRITE_DOCS'):
            path.write_text(text)
        self.assertEqual(path.read_text(), text)

    def create_named_flavor(self, name: str, **size: int) -> str:
        # Nova lists flavors by their ids.
        flavor_id = self.cloud.create_flavor(self.unique(name), name, **size)
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        self.names[flavor_id] = f'{name}-id'
        return flavor_id

    def test_a_list_of_flavors(self):
        self.associate(
            self.version_id,
            self.create_named_flavor('db.small', ram=2048, disk=20),
            self.create_named_flavor('db.large', ram=8192, vcpus=4, disk=80))
        self.assertSample('flavors-list-response', self.cloud.trove(
            f'/flavors/datastores/versions/{self.version_id}'))

    def test_a_datastore_version_that_there_is_not(self):
        self.cloud.sql('DELETE FROM datastore_versions WHERE id = :id',
                       id=self.version_id)
        self.assertSample('flavors-list-not-found-response', self.cloud.trove(
            f'/flavors/datastores/versions/{self.version_id}'))

    def test_troves_own_list(self):
        self.associate(self.version_id, self.create_named_flavor(
            'db.large', ram=8192, vcpus=4, disk=80))
        self.assertSample('troves-list-response', self.cloud.trove(
            f'/datastores/mysql/versions/{self.version_id}/flavors'))

    def test_what_an_instance_may_become(self):
        large = self.create_named_flavor('db.large', ram=8192, vcpus=4,
                                         disk=80)
        self.create_named_flavor('db.huge', ram=32768, vcpus=16, disk=320)
        self.create_named_flavor('db.more', ram=16384, vcpus=8, disk=160)
        self.create_named_flavor('db.tiny', ram=512)
        instance_id = self.cloud.create_instance(large, self.version_id)
        self.manage('datastore-version-flavor-require', self.version_id,
                    '--min-ram', '8192')
        self.assertSample('instance-flavors-list-response', self.cloud.trove(
            f'/instances/{instance_id}/flavors'))

    def test_an_instance_that_there_is_not(self):
        self.assertSample(
            'instance-flavors-list-not-found-response', self.cloud.trove(
                f'/instances/{INSTANCE}/flavors'))

    def create_store(self) -> list[str]:
        """Versions 8.0, 8.4 and, inactive, 9.0 of a datastore of its own."""
        self.store = self.unique('store')
        found = [
            self.cloud.create_datastore_version(
                # Instances of MariaDB have a volume in the small cloud.
                self.store, name, manager='mariadb', active=name != '9.0')
            for name in ('8.0', '8.4', '9.0')]
        (row,) = self.cloud.sql('SELECT id FROM datastores '
                                'WHERE name = :name', name=self.store)
        self.names |= dict(zip((*found, row.id), (
            VERSION, *OTHERS, DATASTORE), strict=True))
        return found

    def test_what_a_datastore_offers(self):
        first, second, _inactive = self.create_store()
        small = self.create_named_flavor('db.small', ram=2048, disk=20)
        large = self.create_named_flavor('db.large', ram=8192, vcpus=4,
                                         disk=80)
        self.associate(first, small, large)
        self.associate(second, large)
        self.manage('datastore-version-flavor-require', second,
                    '--min-volume', '20')
        self.assertSample('datastore-flavors-list-response', self.cloud.trove(
            f'/flavors/datastores/{self.store}'))

    def test_a_datastore_that_there_is_not(self):
        self.assertSample(
            'datastore-flavors-list-not-found-response', self.cloud.trove(
                '/flavors/datastores/mysqll'))

    def test_what_an_instance_may_be_upgraded_to(self):
        first, second, _inactive = self.create_store()
        small = self.create_named_flavor('db.small', ram=2048, disk=20)
        answer = self.cloud.trove('/instances', 'POST', json={'instance': {
            'name': 'database', 'flavorRef': small, 'volume': {'size': 5},
            'datastore': {'type': self.store, 'version': first}}})
        self.assertEqual(200, answer.status_code, answer.text)
        instance_id = answer.json()['instance']['id']
        self.cloud.activate_instance(instance_id)
        path = f'/instances/{instance_id}/datastore-versions'
        for name, user in (('instance-versions-list-response', 'demo'),
                           ('instance-versions-list-admin-response',
                            'admin')):
            self.names |= {self.cloud.project_id(user): PROJECT,
                           self.cloud.image_id: IMAGE}
            self.assertSample(name, self.cloud.trove(path, user=user))

    def test_a_flavor_that_is_refused(self):
        small = self.create_named_flavor('db.tiny', ram=512)
        large = self.create_named_flavor('db.large', ram=8192)
        self.associate(self.version_id, small, large)
        self.manage('datastore-version-flavor-require', self.version_id,
                    '--min-ram', '2048')
        self.assertSample('instance-create-refused-response', self.cloud.trove(
            '/instances', 'POST', json={'instance': {
                'name': 'database', 'flavorRef': small,
                'datastore': {'type': 'mysql',
                              'version': self.version_id}}}))

    def test_a_requirement(self):
        path = (f'/mgmt/datastore-versions/{self.version_id}'
                f'/flavor-requirement')
        name, = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id)[0]
        self.names[name] = '8.0'
        small = self.create_named_flavor('db.small', ram=2048, disk=20)
        self.create_named_flavor('db.large', ram=8192, vcpus=4, disk=80)
        wanted = {'flavor_requirement': {
            'flavors': [small, {'name': 'db.large'}], 'min_ram': 2048,
            'max_vcpus': 8, 'extra_specs': {'database': 'mysql'}}}
        self.assertDocument('flavor-requirement-replace-request', wanted)
        response = self.ask('PUT', path, wanted)
        self.assertSample('flavor-requirement-replace-response', response)
        self.assertSample('flavor-requirement-show-response',
                          self.ask('GET', path))
        self.assertSample('flavor-requirement-problems-response', self.ask(
            'PUT', path, {'flavor_requirement': {
                'flavors': ['db.small'], 'min_ram': 4096, 'max_ram': 2048,
                'min_cpus': 2}}))
        self.assertSample('flavor-requirement-changed-response', self.ask(
            'PUT', path, wanted, {'If-Match': '"of-before"'}))

    def test_a_list_of_requirements(self):
        name, = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id)[0]
        self.names[name] = '8.0'
        self.associate(self.version_id, self.create_named_flavor(
            'db.small', ram=2048, disk=20))
        self.create_named_flavor('db.large', ram=8192, vcpus=4, disk=80)
        listed = self.ask('GET', '/mgmt/flavor-requirements').json()
        # Other tests have versions of their own on this cloud.
        self.assertDocument('flavor-requirements-list-response', {
            'flavor_requirements': [
                one for one in listed['flavor_requirements']
                if one['datastore_version_id'] == self.version_id]})
        wanted = {'flavor_requirements': [{
            'datastore': 'mysql', 'datastore_version': name,
            'flavors': [{'name': 'db.large'}], 'min_ram': 4096}]}
        self.assertDocument('flavor-requirements-replace-request', wanted)
        self.assertSample('flavor-requirements-replace-response', self.ask(
            'PUT', '/mgmt/flavor-requirements', wanted))

    def test_a_list_of_violations(self):
        small = self.create_named_flavor('db.small', ram=2048, disk=20)
        instances = sorted(self.cloud.create_instance(small, self.version_id)
                           for _turn in range(2))
        self.names |= {
            instances[0]: INSTANCE,
            self.cloud.project_id('admin'): '0f7d2f1e5c3b4a6f8e9d0c1b2a3f4e5d'}
        self.manage('datastore-version-flavor-require', self.version_id,
                    '--min-ram', '4096')
        self.assertSample('flavor-requirement-violations-response', self.ask(
            'GET', f'/mgmt/flavor-requirement-violations?limit=1'
                   f'&datastore_version_id={self.version_id}'))

    def ask(self, method: str, path: str, body: dict | None = None,
            headers: dict[str, str] | None = None):
        return self.cloud.trove(path, method, 'admin', json=body,
                                headers=headers or {})
