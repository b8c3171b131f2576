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

"""What clients show: Trove's own list, and what an instance may become."""

import uuid

from openstack import connection
import schemathesis
from troveclient import client as trove_client
import yaml

from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.functional import base
from trove_flavor_filter.tests.functional import test_guard
from trove_flavor_filter.tests.functional import test_openapi
from trove_flavor_filter.tests.functional import test_osc

LIST = ('database', 'instance', 'flavor', 'list')


def ids(flavors) -> list[str]:
    return [flavor['str_id'] for flavor in flavors]


class TrovesListTest(test_guard.GuardTestCase):

    def path(self, version: str, datastore: str = 'mysql') -> str:
        return f'/datastores/{datastore}/versions/{version}/flavors'

    def listed_on_troves_path(self, version: str,
                              user: str = 'demo') -> list[dict]:
        response = self.cloud.trove(self.path(version), user=user)
        self.assertEqual(200, response.status_code, response.text)
        return response.json()['flavors']

    def test_it_is_troves_answer_wherever_that_is_right(self):
        private = self.create_flavor(projects=('trove',))
        both = self.create_version()
        self.associate(both, self.small, private, 'vanished')
        vanished = self.create_version()
        self.associate(vanished, 'vanished')
        for version_id in (self.bound, self.free, both, vanished):
            for user in ('demo', 'viewer', 'other'):
                self.assertEqual(
                    self.listed_by_trove(version_id, user),
                    self.listed_on_troves_path(version_id, user))

    def test_it_goes_by_names_where_trove_takes_ids_alone(self):
        self.assertEqual(
            self.listed_by_trove(self.bound),
            self.listed_on_troves_path(self.name_of(self.bound)))

    def test_minimums_count(self):
        self.require(self.free, min_ram=8192)
        self.assertIn(self.small, ids(self.listed_by_trove(self.free)))
        found = self.listed_on_troves_path(self.free)
        self.assertEqual(self.listed(self.free), found)
        self.assertIn(self.huge, ids(found))
        self.assertTrue(all(flavor['ram'] >= 8192 for flavor in found))

    def test_every_page_of_novas_list_counts(self):
        self.cloud.create_many_flavors(1202)
        self.addCleanup(self.cloud.delete_many_flavors)
        self.assertEqual(1000, len(self.listed_by_trove(self.free)))
        self.assertLessEqual(
            1202, len(self.listed_on_troves_path(self.free)))

    def test_what_is_not_there_is_404(self):
        inactive = self.create_version(active=False)
        elsewhere = self.cloud.create_datastore_version(
            self.unique('store'), 'v')
        for path in (self.path('no-such'), self.path(str(uuid.uuid4())),
                     self.path(self.bound, 'no-such'), self.path(inactive),
                     self.path(elsewhere)):
            response = self.cloud.trove(path)
            self.assertEqual(404, response.status_code, path)
            self.assertEqual(404, response.json()['itemNotFound']['code'])
        self.assertEqual(
            self.listed(inactive, 'admin'),
            self.listed_on_troves_path(inactive, 'admin'))

    def test_an_ambiguous_name_is_what_it_is_to_trove(self):
        name = self.name_of(self.bound)
        self.cloud.create_datastore_version('mysql', name, number='8.0.99')
        # Trove's own path by name is that of the version.
        troves = self.cloud.trove(f'/datastores/mysql/versions/{name}')
        ours = self.cloud.trove(self.path(name))
        self.assertEqual((400, ['badRequest']),
                         (ours.status_code, list(ours.json())))
        self.assertEqual((troves.status_code, list(troves.json())),
                         (ours.status_code, list(ours.json())))

    def test_other_methods_are_what_they_were(self):
        for method in ('HEAD', 'POST', 'PUT', 'DELETE'):
            here = self.cloud.trove(self.path(self.bound), method)
            there = self.cloud.session('demo').request(
                f'{base.oracle()}/v1.0/{self.cloud.project_id()}'
                f'{self.path(self.bound)}', method, raise_exc=False)
            self.assertEqual((there.status_code, there.text),
                             (here.status_code, here.text), method)


class InstanceTest(test_guard.GuardTestCase):

    def for_instance(self, instance_id: str, user: str = 'demo') -> list[str]:
        response = self.cloud.trove(f'/instances/{instance_id}/flavors',
                                    user=user)
        self.assertEqual(200, response.status_code, response.text)
        return ids(response.json()['flavors'])

    def is_let_through(self, instance_id: str, flavor_id: str) -> bool:
        response = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST',
            json={'resize': {'flavorRef': flavor_id}})
        # One that begins is not to be in the way of the next.
        self.cloud.sql('UPDATE instances SET task_id = 1 WHERE id = :id',
                       id=instance_id)
        return 'is not supported for datastore version' not in response.text

    def test_the_list_and_the_guard_agree_on_every_flavor(self):
        instance_id = self.active_instance(self.large, self.bound)
        own = self.create_flavor(projects=('demo',), ram=4096)
        self.associate(self.bound, own, 'vanished')
        everything = ids(self.listed(self.free))
        self.assertIn(own, everything)
        # Trove itself refuses the present one.
        everything.remove(self.large)

        def assertAgrees(*expected: str) -> None:
            listed = self.for_instance(instance_id)
            self.assertEqual(sorted(expected), sorted(listed))
            self.assertEqual(
                [flavor_id for flavor_id in everything
                 if self.is_let_through(instance_id, flavor_id)], listed)

        assertAgrees(self.huge, own)
        self.require(self.bound, min_ram=8192)
        assertAgrees(self.huge)
        self.cloud.sql('UPDATE datastore_versions SET active = :no '
                       'WHERE id = :id', no=False, id=self.bound)
        assertAgrees(self.huge)
        self.require(self.bound, min_vcpus=1000)
        assertAgrees()

    def test_what_is_listed_begins_to_be_resized(self):
        instance_id = self.active_instance(self.large, self.bound)
        self.assertIn(self.huge, self.for_instance(instance_id))
        response = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST',
            json={'resize': {'flavorRef': self.huge}})
        self.assertEqual(202, response.status_code, response.text)

    def test_who_finds_an_instance_is_who_finds_it_in_trove(self):
        instance_id = self.cloud.create_instance(self.large, self.bound)
        deleted = self.cloud.create_instance(self.large, self.bound)
        self.cloud.sql('UPDATE instances SET deleted = :yes WHERE id = :id',
                       yes=True, id=deleted)
        for user in ('demo', 'viewer', 'other', 'admin'):
            for name in (instance_id, deleted, str(uuid.uuid4()), 'no-such'):
                troves = self.cloud.trove(f'/instances/{name}', user=user)
                ours = self.cloud.trove(f'/instances/{name}/flavors',
                                        user=user)
                self.assertEqual(troves.status_code, ours.status_code,
                                 (user, name))
                if ours.status_code != 200:
                    self.assertEqual(troves.json(), ours.json())


class OtherClientsTest(test_guard.GuardTestCase):
    """What the table in the documentation says of each client."""

    def setUp(self) -> None:
        super().setUp()
        # Associations and a minimum, of which Trove knows nothing.
        self.require(self.bound, min_ram=8192)
        self.endpoint = (f'{self.cloud.trove_url}/v1.0/'
                         f'{self.cloud.project_id()}')

    def test_python_troveclient(self):
        client = trove_client.Client(
            '1.0', session=self.cloud.session('demo'),
            endpoint_override=self.endpoint, service_type='database')
        self.assertEqual([self.huge], [
            flavor.str_id for flavor in
            client.flavors.list_datastore_version_associated_flavors(
                'mysql', self.bound)])
        self.assertEqual(self.listed(self.free), [
            flavor._info for flavor in client.flavors.list()])

    def test_openstacksdk(self):
        database = connection.Connection(
            session=self.cloud.session('demo'), region_name=settings.REGION,
            database_endpoint_override=self.endpoint).database
        # It knows of no list of a datastore version.
        self.assertEqual(
            [flavor['name'] for flavor in self.listed(self.free)],
            [flavor.name for flavor in database.flavors()])
        # From before there was a minimum.
        instance_id = self.cloud.create_instance(self.huge, self.bound)
        self.cloud.sql('UPDATE instances SET flavor_id = :flavor '
                       'WHERE id = :id', flavor=self.large, id=instance_id)
        for path in (f'/datastores/mysql/versions/{self.bound}/flavors',
                     f'/flavors/datastores/versions/{self.bound}',
                     f'/instances/{instance_id}/flavors'):
            self.assertEqual(
                [self.huge], ids(database.get(path).json()['flavors']))


class DescriptionTest(test_guard.GuardTestCase):
    """The OpenAPI description of the routes, and their answers: they agree."""

    def assertDescribed(self, status: int, path: str, method: str = 'GET',
                        etag: str | None = None, **names: str) -> None:
        case = schemathesis.openapi.from_dict(yaml.safe_load(
            test_openapi.DESCRIPTION.read_text()))[path]['get'].Case(
                path_parameters={'project_id': self.cloud.project_id(),
                                 **names})
        case.method = method
        headers = {'X-Auth-Token': self.cloud.token()}
        if etag is not None:
            headers['If-None-Match'] = etag
        response = case.call(base_url=f'{self.cloud.trove_url}/v1.0',
                             headers=headers, timeout=60)
        self.assertEqual(status, response.status_code)
        case.validate_response(response, checks=[
            schemathesis.checks.CHECKS.get_one(name) for name in (
                'status_code_conformance', 'content_type_conformance',
                'response_headers_conformance',
                'response_schema_conformance')])

    def test_troves_own_list(self):
        path = ('/{project_id}/datastores/{datastore}/versions/'
                '{datastore_version}/flavors')
        name = self.name_of(self.bound)
        for status, version, more in (
                (200, self.bound, {}), (200, name, {}),
                (304, name, {'etag': '*'}), (404, 'no-such', {}),
                (404, name, {'method': 'PUT'})):
            self.assertDescribed(status, path, datastore='mysql',
                                 datastore_version=version, **more)
        self.cloud.create_datastore_version('mysql', name, number='8.0.99')
        self.assertDescribed(400, path, datastore='mysql',
                             datastore_version=name)

    def test_what_an_instance_may_become(self):
        path = '/{project_id}/instances/{instance_id}/flavors'
        instance_id = self.cloud.create_instance(self.large, self.bound)
        for status, text, more in (
                (200, instance_id, {}), (304, instance_id, {'etag': '*'}),
                (404, 'no-such', {}), (405, instance_id, {'method': 'PUT'})):
            self.assertDescribed(status, path, instance_id=text, **more)


class CommandTest(test_osc.ClientTest):

    def setUp(self) -> None:
        super().setUp()
        self.small = self.create_flavor(ram=512)
        self.large = self.create_flavor(ram=4096)

    def create_instance(self, name: str, user: str = 'demo') -> str:
        instance_id = self.cloud.create_instance(
            self.large, self.version_id, user, datastore=self.datastore)
        # Before its datastore version goes.
        self.addCleanup(self.cloud.sql,
                        'DELETE FROM instances WHERE id = :id',
                        id=instance_id)
        self.cloud.sql('UPDATE instances SET name = :name WHERE id = :id',
                       name=name, id=instance_id)
        return instance_id

    def for_instance(self, text: str, user: str = 'demo') -> list[str]:
        return self.openstack(*LIST, text, '-f', 'value', '-c', 'ID',
                              user=user).stdout.split()

    def refused(self, *words: str, user: str = 'demo') -> str:
        return self.openstack(*LIST, *words, code=1, user=user).stderr

    def test_an_instance_goes_by_id_or_by_name(self):
        larger = self.create_flavor(ram=8192)
        self.associate(self.version_id, self.large, larger)
        name = self.unique('db')
        instance_id = self.create_instance(name)
        # Trove lists twenty at a time.
        for _number in range(21):
            self.create_instance(self.unique('other'))
        for text in (instance_id, name):
            self.assertEqual([larger], self.for_instance(text))
        columns = self.openstack(
            *LIST, name, '-f', 'csv', user='demo').stdout.splitlines()[0]
        self.assertEqual('"ID","Name","RAM","VCPUs","Disk","Ephemeral"',
                         columns)

    def test_what_is_not_there_is_told_in_a_sentence(self):
        other = self.create_instance(self.unique('db'), 'other')
        for text in ('no-such', other, str(uuid.uuid4())):
            sentence = self.refused(text)
            self.assertIn(f"There is no instance '{text}'", sentence)
            self.assertIn('openstack database instance list', sentence)

    def test_a_name_of_two_instances_is_told_their_ids(self):
        name = self.unique('db')
        for instance_id in [self.create_instance(name) for _time in range(2)]:
            self.assertIn(instance_id, self.refused(name))

    def test_troves_own_command_lists_what_is_allowed(self):
        self.manage('datastore-version-flavor-require', self.version_id,
                    '--min-ram', '2048')
        ours = self.ids(self.version_id, user='demo')
        self.assertIn(self.large, ours)
        self.assertNotIn(self.small, ours)
        self.assertEqual(ours, self.openstack(
            'database', 'flavor', 'list', '--datastore-type', self.datastore,
            '--datastore-version-id', self.version_id, '-f', 'value',
            '-c', 'ID', user='demo').stdout.split())
        # Without them it is Trove's list of all.
        self.assertIn(self.small, self.openstack(
            'database', 'flavor', 'list', '-f', 'value', '-c', 'ID',
            user='demo').stdout.split())
