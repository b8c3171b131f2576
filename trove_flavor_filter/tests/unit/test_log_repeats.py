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

"""What a member may do at will does not fill the log with warnings."""

import itertools
import uuid

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit.api import test_requirements
from trove_flavor_filter.tests.unit.flavors import test_project_flavors
from trove_flavor_filter.tests.unit import test_wsgi
from trove_flavor_filter import wsgi

PROJECT = test_wsgi.PROJECT

# For each, rows with which no flavor is allowed.
BROKEN = {
    'invalid': [('min_ram', 'x'), ('max_disk', '-1'), ('extra_spec', 'x')],
    'contradiction': [('min_ram', '2'), ('max_ram', '1')],
    'hidden extra specs': [('extra_spec', 'a=b')],
    'no value': [('flavor', '')],
    'no such flavor': [('flavor', 'gone')],
}


class MemberTest(test_requirements.RequirementsTestCase):
    """A member's requests, on each route, with a Nova that is well."""

    def setUp(self) -> None:
        nova = self.useFixture(test_project_flavors.FakeNova())
        nova.flavors = {'1': None, '2': None}
        self.auth_url = f'{nova.url}/v3'
        super().setUp()

    def create_broken(self, name: str) -> dict[str, str]:
        """A datastore version, and what runs on it.

        :returns: ids and names for paths and bodies
        """
        ids = {key: str(uuid.uuid4()) for key in ('instance', 'cluster')}
        version_id = self.create_version(name)
        for key, value in BROKEN[name]:
            self.create_row(version_id, value, key=key)
        owned = {'tenant_id': PROJECT, 'deleted': False,
                 'datastore_version_id': version_id}
        self.execute(sa.insert(models.Cluster).values(
            id=ids['cluster'], **owned))
        for instance_id in (ids['instance'], str(uuid.uuid4())):
            self.execute(sa.insert(models.Instance).values(
                id=instance_id, flavor_id='1', task_id=1,
                cluster_id=ids['cluster'], **owned))
        return ids | {'version': version_id, 'name': name}

    def send_all(self, ids: dict[str, str]) -> set[int]:
        """Send a request on each route; return their statuses."""
        datastore = {'type': 'mysql', 'version': ids['name']}
        nodes = [{'flavorRef': '1'}, {'flavorRef': '2'}]
        bodies = [
            {'instance': {'flavorRef': '1', 'datastore': datastore},
             'resize': {'flavorRef': '2'}, 'grow': nodes,
             'cluster': {'datastore': datastore, 'instances': nodes}},
            {'instance': {'datastore_version': ids['name']},
             'upgrade': {'datastore_version': ids['name']},
             'add_shard': {}, 'reset_status': {}, 'configuration': {}},
            {'instance': {'replica_of': ids['instance']}}]
        paths = {
            path.format(
                tenant_id=PROJECT, datastore_version_id=ids['version'],
                datastore='mysql', version_id=ids['name'],
                id=ids['cluster' if 'cluster' in path else 'instance'])
            for path in (*wsgi.ROUTES, *wsgi.GUARDED, *(
                f'/{collection}{rest}' for collection in
                wsgi.GUARDED_RESOURCES
                for rest in ('', '/{id}', '/{id}/action')))}
        return {
            self.send(method, path.removeprefix(f'/{PROJECT}'), body,
                      roles='member').status_int
            for path, method, body in itertools.product(
                sorted(paths), ('GET', 'POST', 'PUT', 'PATCH', 'DELETE'),
                bodies)}

    def warnings(self) -> list[str]:
        return [line for line in self.log.output.splitlines()
                if line.startswith(('WARNING', 'ERROR', 'CRITICAL'))]

    def test_a_version_that_allows_nothing_is_told_once(self):
        for name in BROKEN:
            ids = self.create_broken(name)
            before = len(self.warnings())
            for _turn in range(3):
                self.assertLessEqual({200, 400, 403, 405},
                                     self.send_all(ids))
            told = self.warnings()[before:]
            self.assertEqual(int(name in (
                'invalid', 'contradiction', 'hidden extra specs')),
                len(told), told)

    def test_it_is_told_again_when_it_has_changed(self):
        ids = self.create_broken('invalid')
        self.send_all(ids)
        self.create_row(ids['version'], 'y', key='min_vcpus')
        self.send_all(ids)
        self.put(ids['version'])
        self.send_all(ids)
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=False))
        self.send_all(ids)
        first, second, third = self.warnings()
        self.assertIn(': extra_spec=x, max_disk=-1, min_ram=x', first)
        self.assertIn(', min_vcpus=y', second)
        self.assertEqual(second, third)


class OutageTest(test_wsgi.WsgiTestCase):
    """A member's requests while a service is away, or the plugin fails."""

    def errors(self) -> list[str]:
        return [line for line in self.our_log() if line.startswith('ERROR')]

    def send_all(self) -> None:
        """Requests that fail, alternating with some that do not."""
        for _turn in range(3):
            for path, status in ((self.path(), 503),
                                 (self.path('no-such'), 404),
                                 (self.path(self.other_id), 503)):
                self.assertEqual(status, self.request(path).status_int)

    def test_it_is_an_error_once_a_minute_and_each_request_has_its_line(self):
        self.send_all()
        (told,) = self.errors()
        self.assertIn('answered with 503', told)
        self.assertEqual(9, len(self.our_log()))
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.wsgi.REPEAT_TIME', 0))
        self.send_all()
        self.assertEqual(7, len(self.errors()))

    def test_another_service_that_fails_is_told_as_well(self):
        self.send_all()
        models.DatastoreVersionMetadata.__table__.drop(self.sql)
        for _turn in range(3):
            self.request(self.path())
        self.assertEqual(2, len(self.errors()))

    def test_so_is_a_fault_of_the_plugin_with_a_traceback(self):
        self.application._services = None
        for _turn in range(3):
            self.assertFault(self.request(self.path()), 503,
                             'serviceUnavailable')
        (told,) = self.errors()
        self.assertIn(' failed', told)
        self.assertEqual(3, self.log.output.count('AttributeError: '))
