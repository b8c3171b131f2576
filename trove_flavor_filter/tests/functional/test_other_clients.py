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

"""Clients that do not ask the plugin: what they list, and what users see.

The page doc/source/user/clients.rst says the same.
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from openstack import connection
from openstack import exceptions

from trove_flavor_filter.tests.cloud import release
from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.functional import test_guard

PROGRAMS = pathlib.Path(settings.__file__).parent

# Where Debian's packages put the sources of Go's libraries.
GO_LIBRARIES = pathlib.Path('/usr/share/gocode')
GOPHERCLOUD = GO_LIBRARIES / 'src/github.com/gophercloud/gophercloud'


class OtherClientTestCase(test_guard.GuardTestCase):
    """A datastore version that refuses a flavor, and an instance on it."""

    def setUp(self) -> None:
        super().setUp()
        self.instance_id = self.active_instance(self.large, self.bound)
        self.version = self.name_of(self.bound)

    def environment(self, **more: str) -> dict[str, str]:
        """That of a shell of a user who is not an administrator."""
        return self.cloud.environment() | {
            'OS_USERNAME': 'demo', 'OS_PROJECT_NAME': 'demo',
            'OS_PASSWORD': self.cloud.secrets['demo'],
            'OS_PROJECT_ID': self.cloud.project_id(), **more}

    def run_program(self, *command: str, **kwargs) -> list | dict:
        """Run a program that prints JSON."""
        result = subprocess.run(command, text=True, capture_output=True,
                                timeout=300, **kwargs)
        self.assertEqual(0, result.returncode, result.stderr[-5000:])
        return json.loads(result.stdout)

    def refused_create(self, flavor_id: str, version_id: str) -> str:
        """The reason why an instance is not created."""
        return self.assertRefused(self.create(flavor_id, version_id),
                                  flavor_id, version_id)

    def refused_resize(self, flavor_id: str) -> str:
        """The reason why the instance is not resized."""
        return self.assertRefused(self.cloud.trove(
            f'/instances/{self.instance_id}/action', 'POST',
            json={'resize': {'flavorRef': flavor_id}}), flavor_id, self.bound)


@functools.cache
def heat() -> str:
    """The Python interpreter of an environment with Heat.

    FLAVOR_FILTER_HEAT says where there is one; else it is made.
    """
    prefix = pathlib.Path(os.environ.get('FLAVOR_FILTER_HEAT')
                          or release.ROOT / '.tox' / 'heat27')
    if 'FLAVOR_FILTER_HEAT' not in os.environ:
        try:
            release.install(prefix, release.ROOT / 'constraints/heat27.txt',
                            'openstack-heat')
        except subprocess.CalledProcessError as error:
            if os.environ.get('CI'):
                raise
            raise unittest.SkipTest('Heat cannot be installed') from error
    return str(prefix / 'bin' / 'python')


class HeatTest(OtherClientTestCase):

    def database(self, flavor: str, version: str | None = None) -> dict:
        return {'database': {'type': 'OS::Trove::Instance', 'properties': {
            'name': 'database', 'flavor': flavor, 'size': 1,
            'datastore_type': 'mysql',
            'datastore_version': version or self.version}}}

    def stacks(self, **order) -> list[dict[str, str]]:
        return self.run_program(
            # Not beside the program, whose folder has a "settings".
            heat(), '-P', str(PROGRAMS / 'heat_stack.py'),
            input=json.dumps({'create': [], 'instance': None, **order}),
            env=self.environment())

    def test_a_stack_that_is_refused_has_the_reason(self):
        maria = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        self.associate(maria, self.large)
        cluster = {'cluster': {'type': 'OS::Trove::Cluster', 'properties': {
            'name': 'cluster', 'datastore_type': 'mariadb',
            'datastore_version': self.name_of(maria),
            'instances': [{'flavor': self.small, 'volume_size': 1}] * 3}}}
        instances = self.count('instances')
        made = self.stacks(create=[self.database(self.small), cluster])
        self.assertEqual(['CREATE_FAILED'] * 2, [
            stack['state'] for stack in made])
        self.assertEqual(
            f'Resource CREATE failed: BadRequest: resources.database: '
            f'{self.refused_create(self.small, self.bound)} (HTTP 400)',
            made[0]['reason'])
        self.assertIn('BadRequest: resources.cluster: ', made[1]['reason'])
        self.assertIn(f'is not supported for datastore version mariadb/'
                      f'{self.name_of(maria)}', made[1]['reason'])
        self.assertEqual(instances, self.count('instances'))

    def test_an_update_that_is_refused_leaves_the_database_as_it_is(self):
        self.associate(self.free, self.small)
        before = self.instance(self.instance_id)
        adopted, resized, replaced = self.stacks(
            instance=self.instance_id, adopt=self.database(self.large),
            update=[self.database(self.small),
                    # A property that Heat cannot change in place.
                    self.database(self.large, self.name_of(self.free))])
        self.assertEqual('ADOPT_COMPLETE', adopted['state'], adopted)
        for stack, reason in (
                (resized, self.refused_resize(self.small)),
                (replaced, self.refused_create(self.large, self.free))):
            self.assertEqual('UPDATE_FAILED', stack['state'])
            self.assertIn(reason, stack['reason'])
        self.assertEqual(before, self.instance(self.instance_id))


@unittest.skipUnless(shutil.which('go') and GOPHERCLOUD.exists(),
                     'gophercloud is not installed: apt install golang-go '
                     'golang-github-gophercloud-gophercloud-dev')
class GophercloudTest(OtherClientTestCase):

    def test_it_lists_all_flavors_and_its_errors_have_the_reason(self):
        seen = self.run_program(
            'go', 'run', str(PROGRAMS / 'gophercloud.go'), self.small,
            'mysql', self.version, self.instance_id,
            env=self.environment(
                OS_DOMAIN_ID='default', GO111MODULE='off',
                GOPATH=str(GO_LIBRARIES),
                GOCACHE=os.environ.get('GOCACHE') or str(
                    self.cloud.directory / 'go')))
        self.assertEqual(
            [flavor['name'] for flavor in self.listed(self.free)],
            seen['flavors'])
        for error, reason in (
                (seen['create'], self.refused_create(self.small, self.bound)),
                (seen['resize'], self.refused_resize(self.small))):
            # Trove's answer is the end of the text.
            fault = json.loads(error[error.index('{'):])
            self.assertEqual(reason, fault['badRequest']['message'])


class OpenstacksdkTest(OtherClientTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.database = connection.Connection(
            session=self.cloud.session('demo'), region_name=settings.REGION,
            database_endpoint_override=(
                f'{self.cloud.trove_url}/v1.0/{self.cloud.project_id()}')
        ).database

    def test_create_instance_leaves_out_the_flavor(self):
        for version, sentence in (
                (self.version, 'Flavor None is not supported'),
                # This is what Trove itself says.
                (self.name_of(self.free), 'Resource None cannot be found')):
            error = self.assertRaises(
                exceptions.BadRequestException, self.database.create_instance,
                name='database', flavorRef=self.large,
                datastore={'type': 'mysql', 'version': version})
            self.assertIn(sentence, str(error))

    def test_its_flavors_have_no_ids_but_numbers(self):
        self.assertEqual([None], [
            flavor.id for flavor in self.database.flavors()
            if flavor.name == self.small])

    def test_a_create_by_post_has_the_reason_in_its_body(self):
        response = self.database.post('/instances', json={'instance': {
            'name': 'database', 'flavorRef': self.small,
            'datastore': {'type': 'mysql', 'version': self.version}}})
        error = self.assertRaises(exceptions.BadRequestException,
                                  exceptions.raise_from_response, response)
        self.assertIn(self.refused_create(self.small, self.bound), str(error))

    def test_a_refused_resize_says_nothing(self):
        instance = self.database.get_instance(self.instance_id)
        self.assertIsNone(instance.resize(self.database, self.small))
        self.assertEqual(self.large,
                         self.instance(self.instance_id).flavor_id)
        response = self.database.post(
            f'/instances/{self.instance_id}/action',
            json={'resize': {'flavorRef': self.small}})
        self.assertRefused(response, self.small, self.bound)
