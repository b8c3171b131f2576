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

"""What Trove asks of Cinder, on the small cloud with a real Cinder API."""

import functools
import uuid

from trove_flavor_filter.tests.functional import base


@functools.cache
def host() -> str:
    """URL of a trove-api whose instances have volumes."""
    cloud = base.shared_cloud()
    cloud.add_cinder()
    return cloud.add_host({
        'mysql': {'volume_support': True},
        # For a replica, Trove would ask Swift as well.
        'DEFAULT': {'storage_strategy': 'cinder'}})


class CinderTestCase(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.host = host()
        self.version_id = self.create_version()
        self.flavor_id = self.create_flavor()

    def ask(self, path: str, body: dict | None = None):
        """Send a request to the trove-api with volumes."""
        return self.cloud.session().request(
            f'{self.host}/v1.0/{self.cloud.project_id()}{path}',
            'POST' if body else 'GET', json=body, raise_exc=False)

    def create(self, **volume):
        return self.ask('/instances', {'instance': {
            'name': 'database', 'flavorRef': self.flavor_id,
            'volume': volume, 'datastore': {
                'type': 'mysql', 'version': self.version_id}}})

    def active_instance(self, volume_id: str) -> str:
        """An active instance of 3 GiB, as Trove says, on this volume."""
        response = self.create(size=3)
        self.assertEqual(200, response.status_code, response.text)
        instance_id = response.json()['instance']['id']
        self.cloud.activate_instance(instance_id)
        self.cloud.sql('UPDATE instances SET volume_id = :volume '
                       'WHERE id = :id', volume=volume_id, id=instance_id)
        return instance_id

    def create_replica(self, instance_id: str):
        return self.ask('/instances', {'instance': {
            'name': 'replica', 'replica_of': instance_id}})

    def replica_sizes(self, instance_id: str) -> list[int]:
        return [row.volume_size for row in self.cloud.sql(
            'SELECT volume_size FROM instances WHERE slave_of_id = :id',
            id=instance_id)]

    def create_type(self) -> str:
        """A volume type in Cinder; returns its name."""
        name = self.unique('type')
        self.cloud.session('admin').post(
            f'{self.cloud.cinder_url}/types',
            json={'volume_type': {'name': name}})
        return name

    def allow_type(self, name: str) -> None:
        """Limit the version to volume types, with a row as Trove's own."""
        self.cloud.sql(
            f'INSERT INTO datastore_version_metadata (id, '
            f'datastore_version_id, {self._key()}, value, created, deleted) '
            f'VALUES (:id, :version, :key, :name, :created, :deleted)',
            id=str(uuid.uuid4()), version=self.version_id, name=name,
            key='volume_type', created='2026-01-01 00:00:00', deleted=False)


class ReplicaTest(CinderTestCase):

    def test_a_replica_is_as_large_as_cinder_says(self):
        source = self.active_instance(self.cloud.add_volume(3))
        response = self.create_replica(source)
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual([3], self.replica_sizes(source))

    def test_cinder_knows_better_than_the_row_of_the_source(self):
        source = self.active_instance(self.cloud.add_volume(7))
        response = self.create_replica(source)
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual([7], self.replica_sizes(source))

    def test_a_volume_that_cinder_does_not_have_is_404(self):
        missing = str(uuid.uuid4())
        source = self.active_instance(missing)
        response = self.create_replica(source)
        self.assertEqual(404, response.status_code, response.text)
        self.assertIn(missing, response.text)
        self.assertEqual([], self.replica_sizes(source))

    def test_the_type_of_the_volume_counts_for_a_replica(self):
        good, bad = self.create_type(), self.create_type()
        allowed = self.active_instance(self.cloud.add_volume(3, good))
        refused = self.active_instance(self.cloud.add_volume(3, bad))
        self.allow_type(good)
        self.assertEqual(200, self.create_replica(allowed).status_code)
        response = self.create_replica(refused)
        self.assertEqual(400, response.status_code, response.text)
        self.assertIn(f'The volume type {bad} is not valid', response.text)
        self.assertEqual([], self.replica_sizes(refused))


class VolumeTypeTest(CinderTestCase):

    def listed_types(self) -> list[str]:
        response = self.ask(
            f'/datastores/mysql/versions/{self.version_id}/volume-types')
        self.assertEqual(200, response.status_code, response.text)
        return [each['name'] for each in response.json()['volume_types']]

    def test_a_type_of_cinder_is_listed_by_trove(self):
        name = self.create_type()
        self.assertIn(name, self.listed_types())

    def test_only_an_associated_type_is_accepted(self):
        good, bad = self.create_type(), self.create_type()
        self.allow_type(good)
        self.assertEqual([good], self.listed_types())
        self.assertEqual(200, self.create(size=3, type=good).status_code)
        response = self.create(size=3, type=bad)
        self.assertEqual(400, response.status_code, response.text)
        self.assertIn(f'The volume type {bad} is not valid', response.text)

    def test_an_associated_type_that_cinder_does_not_have_is_refused(self):
        missing = self.unique('type')
        self.allow_type(missing)
        self.assertEqual([], self.listed_types())
        response = self.create(size=3, type=missing)
        self.assertEqual(400, response.status_code, response.text)
        self.assertIn('No valid volume types', response.text)
