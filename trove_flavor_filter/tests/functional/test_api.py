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

"""The gabbits: the API as requests and answers, against the real Trove."""

import os
import sys

from gabbi import driver
from gabbi import fixture

from trove_flavor_filter.tests.functional import base


class CloudFixture(fixture.GabbiFixture):
    """What the gabbits name: the shared cloud, and what they ask it about.

    It is booted for the tests, and not for a list of them.
    """

    def start_fixture(self) -> None:
        cloud = base.shared_cloud()
        for flavor_id, name, ram in (('gabbi-s', 'gabbi-small', 512),
                                     ('gabbi-l', 'gabbi-large', 8192)):
            cloud.create_flavor(flavor_id, name, ram=ram)
        self.versions = versions = {
            'BOUND': cloud.create_datastore_version('mysql', 'gabbi-bound'),
            'FREE': cloud.create_datastore_version('mysql', 'gabbi-free'),
            'BARE': cloud.create_datastore_version('mysql', 'gabbi-bare'),
            'STRICT': cloud.create_datastore_version('mysql', 'gabbi-strict'),
            'RETIRED': cloud.create_datastore_version(
                'mysql', 'gabbi-retired', active=False),
            'PRESENT': cloud.create_datastore_version('gabbi-store', '1.0'),
            # Its instances have a volume.
            'BOUNDED': cloud.create_datastore_version(
                'gabbi-store', '2.0', manager='mariadb'),
            'NEXT': cloud.create_datastore_version(
                'gabbi-store', '3.0', active=False)}
        cloud.check('trove-manage', 'datastore-version-flavor-add',
                    'mysql/gabbi-bound', 'gabbi-s')
        self.instances = {
            'BROKEN': cloud.create_instance('gabbi-s', versions['STRICT']),
            'BUSY': cloud.create_instance('gabbi-s', versions['FREE']),
            'ACTIVE': cloud.create_instance(
                'gabbi-s', versions['PRESENT'], datastore='gabbi-store')}
        cloud.activate_instance(self.instances['ACTIVE'])
        cloud.check('trove-manage', 'datastore-version-flavor-require',
                    'mysql/gabbi-strict', '--min-ram', '1024')
        cloud.check('trove-manage', 'datastore-version-flavor-require',
                    'gabbi-store/2.0', '--min-ram', '8192', '--min-volume',
                    '5')
        os.environ.update(
            versions, **self.instances, SMALL='gabbi-s', LARGE='gabbi-l',
            TROVE=cloud.trove_url, DEMO=cloud.project_id('demo'),
            OTHER=cloud.project_id('other'), ADMIN=cloud.project_id('admin'),
            DEMO_TOKEN=cloud.token('demo'),
            READER_TOKEN=cloud.token('viewer'),
            ADMIN_TOKEN=cloud.token('admin'))

    def stop_fixture(self) -> None:
        # The cloud is for the other tests as well.
        cloud = base.shared_cloud()
        cloud.check('trove-manage', 'datastore-version-flavor-delete',
                    'mysql/gabbi-bound', 'gabbi-s')
        for flavor_id in ('gabbi-s', 'gabbi-l'):
            cloud.delete_flavor(flavor_id)
        for instance_id in self.instances.values():
            cloud.sql('UPDATE instances SET deleted = :yes, '
                      'datastore_version_id = NULL WHERE id = :id', yes=True,
                      id=instance_id)
        # There is a file of gabbits after this one.
        for table, column in (
                ('datastore_version_metadata', 'datastore_version_id'),
                ('flavor_filter_revision', 'datastore_version_id'),
                ('datastore_versions', 'id')):
            for version_id in self.versions.values():
                cloud.sql(f'DELETE FROM {table} WHERE {column} = :id',
                          id=version_id)
        cloud.sql('DELETE FROM datastores WHERE name = :name',
                  name='gabbi-store')


def load_tests(loader, _tests, _pattern):
    return driver.build_tests(
        os.path.join(os.path.dirname(__file__), 'gabbits'), loader,
        host='localhost', fixture_module=sys.modules[__name__],
        test_loader_name='trove_flavor_filter.tests.functional.test_api')
