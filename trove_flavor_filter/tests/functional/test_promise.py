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

"""A list is a promise: what is listed is accepted, and all else is refused.

The real Trove is asked for every flavor that it lists.
"""

import functools
import json
import re
import subprocess

from trove_flavor_filter.api import guard
from trove_flavor_filter import conf as config
from trove_flavor_filter import services
from trove_flavor_filter.tests.functional import base
from trove_flavor_filter.tests.functional import test_guard

# Options of the manager mysql, by where its instances store their data.
STORAGES = {
    'volume': {'volume_support': True},
    'ephemeral disk': {},
    # For a resize, Trove takes an empty path for one.
    'root disk': {'device_path': None},
}


@functools.cache
def host(storage: str) -> str:
    """URL of a trove-api with this storage."""
    cloud = base.shared_cloud()
    if not STORAGES[storage]:
        return cloud.trove_url
    return cloud.add_host({'mysql': STORAGES[storage]})


class PromiseTestCase(test_guard.GuardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.local = self.create_flavor(ram=2048, ephemeral=2)
        self.bare = self.create_flavor(ram=2048, ephemeral=0)
        self.own = self.create_flavor(ram=4096, ephemeral=0,
                                      projects=('demo',))
        self.instance_id = self.active_instance(self.large, self.free)

    def ask(self, storage: str, path: str, body: dict | None = None):
        """Ask the trove-api that has this storage."""
        return self.cloud.session('demo').request(
            f'{host(storage)}/v1.0/{self.cloud.project_id()}{path}',
            'POST' if body else 'GET', json=body, raise_exc=False)

    def ids(self, storage: str, path: str) -> list[str]:
        response = self.ask(storage, path)
        self.assertEqual(200, response.status_code, response.text)
        return [flavor['str_id'] for flavor in response.json()['flavors']]

    def everything(self, storage: str) -> list[str]:
        """Every flavor that Nova has for Trove, and for the project."""
        version_id = self.cloud.create_datastore_version(
            'mysql', self.unique('v'), manager='custom')
        flavor_ids = self.ids(
            storage, f'/flavors/datastores/versions/{version_id}')
        for flavor_id in (self.local, self.bare, self.own, self.small):
            self.assertIn(flavor_id, flavor_ids)
        return flavor_ids

    def resizes(self, storage: str, flavor_id: str) -> int:
        """The status of a resize of the instance, which is free again."""
        response = self.ask(storage, f'/instances/{self.instance_id}/action',
                            {'resize': {'flavorRef': flavor_id}})
        self.cloud.sql('UPDATE instances SET task_id = 1 WHERE id = :id',
                       id=self.instance_id)
        return response.status_code

    def creates(self, storage: str, flavor_id: str, version_id: str) -> int:
        """The status of a request for an instance."""
        return self.ask(storage, '/instances', {'instance': {
            'name': 'promised', **self.node(storage, flavor_id),
            'datastore': {'type': 'mysql', 'version': version_id}
        }}).status_code

    def creates_cluster(self, storage: str, flavor_id: str,
                        version_id: str) -> int:
        """The status of a request for a cluster of three nodes."""
        return self.ask(storage, '/clusters', {'cluster': {
            'name': self.unique('cluster'),
            'instances': [self.node(storage, flavor_id)] * 3,
            'datastore': {'type': 'mariadb', 'version': version_id}
        }}).status_code

    def node(self, storage: str, flavor_id: str) -> dict:
        return {'flavorRef': flavor_id, **(
            {'volume': {'size': 1}} if storage == 'volume' else {})}


class ResizeOracleTest(PromiseTestCase):

    def assertPromised(self, storage: str, *refused: int) -> list[str]:
        """The list is what Trove accepts; it refuses all else with these."""
        listed = self.ids(storage, f'/instances/{self.instance_id}/flavors')
        statuses = {flavor_id: self.resizes(storage, flavor_id)
                    for flavor_id in self.everything(storage)}
        self.assertEqual([flavor_id for flavor_id, status in statuses.items()
                          if status == 202], listed, statuses)
        self.assertEqual({*refused}, {*statuses.values()} - {202}, statuses)
        return listed

    def use(self, flavor_id: str) -> None:
        """Have the instance on this flavor."""
        self.cloud.sql('UPDATE instances SET flavor_id = :flavor '
                       'WHERE id = :id', flavor=flavor_id,
                       id=self.instance_id)

    def test_an_instance_on_an_ephemeral_disk(self):
        listed = self.assertPromised('ephemeral disk', 400)
        self.assertIn(self.local, listed)
        self.assertNotIn(self.bare, listed)

    def test_an_instance_on_a_volume(self):
        # The present flavor, and those with an ephemeral disk.
        self.use(self.bare)
        listed = self.assertPromised('volume', 400, 501)
        self.assertEqual([], [*{self.local, self.bare} & {*listed}])
        self.assertIn(self.own, listed)

    def test_an_instance_on_its_root_disk(self):
        self.assertIn(self.local, self.assertPromised('root disk', 400))

    def test_the_rules_count_as_well(self):
        self.require(self.free, min_ram=4096)
        self.use(self.small)
        for storage, expected in (('volume', self.own),
                                  ('ephemeral disk', self.large)):
            self.assertIn(expected, self.assertPromised(
                storage, 400, *([501] if storage == 'volume' else [])))

    def test_a_refusal_names_flavors_of_the_list(self):
        self.require(self.free, min_ram=2048)
        self.use(self.bare)
        listed = self.ids('volume', f'/instances/{self.instance_id}/flavors')
        answer = self.ask('volume', f'/instances/{self.instance_id}/action',
                          {'resize': {'flavorRef': self.small}})
        message = answer.json()['badRequest']['message']
        named = re.findall(r'\(([^ ()]+)\)(?=,| and \d+ more|\.$)',
                           message.partition('Allowed flavors: ')[2])
        self.assertLessEqual({*named}, {*listed}, answer.text)
        self.assertEqual(min(guard.SUGGESTIONS, len(listed)), len(named),
                         answer.text)

    def test_who_may_bypass_the_rules_is_promised_no_more(self):
        self.require(self.free, min_ram=4096)
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:bypass": "role:member"\n')
        listed = self.assertPromised('ephemeral disk', 400)
        self.assertIn(self.local, listed)
        self.assertNotIn(self.bare, listed)

    def test_a_member_of_a_cluster(self):
        self.cloud.sql(
            'UPDATE instances SET cluster_id = :cluster WHERE id = :id',
            cluster=test_guard.create_cluster(self, self.free),
            id=self.instance_id)
        for storage in STORAGES:
            self.assertEqual([], self.assertPromised(storage, 501))

    def test_an_instance_whose_flavor_is_gone(self):
        for flavor_id in ('vanished', 'x/../vanished', '..', ''):
            self.use(flavor_id)
            for storage in STORAGES:
                listed = self.ids(
                    storage, f'/instances/{self.instance_id}/flavors')
                self.assertEqual([], listed)
                for wanted in (self.local, self.own):
                    self.assertLessEqual(400, self.resizes(storage, wanted))

    def test_an_instance_on_a_flavor_that_the_project_does_not_see(self):
        self.use(self.create_flavor(projects=('other',)))
        self.assertIn(self.local, self.assertPromised('ephemeral disk', 400))


class CreateOracleTest(PromiseTestCase):

    def assertPromised(self, storage: str, version_id: str,
                       datastore: str = 'mysql') -> list[str]:
        listed = self.ids(
            storage, f'/flavors/datastores/versions/{version_id}')
        create = self.creates if datastore == 'mysql' else self.creates_cluster
        statuses = {flavor_id: create(storage, flavor_id, version_id)
                    for flavor_id in self.everything(storage)}
        self.assertEqual([flavor_id for flavor_id, status in statuses.items()
                          if status == 200], listed, statuses)
        self.assertLessEqual({*statuses.values()}, {200, 400})
        self.assertEqual(listed, self.ids(
            storage, f'/datastores/{datastore}/versions/{version_id}/flavors'))
        return listed

    def test_each_storage(self):
        for storage, accepts_bare in (('ephemeral disk', False),
                                      ('volume', True),
                                      ('root disk', True)):
            listed = self.assertPromised(storage, self.free)
            self.assertIn(self.local, listed)
            self.assertEqual(accepts_bare, self.bare in listed)

    def test_associated_flavors(self):
        self.associate(self.free, self.local, self.bare)
        self.assertEqual([self.local], self.assertPromised(
            'ephemeral disk', self.free))
        self.assertEqual({self.local, self.bare}, {*self.assertPromised(
            'volume', self.free)})

    def test_the_nodes_of_a_cluster(self):
        version_id = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        listed = self.assertPromised('volume', version_id, 'mariadb')
        self.assertLessEqual({self.local, self.bare}, {*listed})

    def test_an_association_in_another_case(self):
        self.associate(self.free, self.local.upper(), self.large)
        self.assertEqual([self.large], self.assertPromised(
            'ephemeral disk', self.free))


# Trove's own options of each group that has them: what it reads in a file.
TROVES_OPTIONS = """
import json, sys
from trove.common import cfg as config
config.parse_args(['trove', '--config-file', sys.argv[1]])
print(json.dumps({
    group: [config.CONF[group].volume_support, config.CONF[group].device_path]
    for group in config.CONF if group.islower() and isinstance(
        config.CONF[group], config.CONF.GroupAttr)
    and 'volume_support' in config.CONF[group]}))
"""


class ManagersOracleTest(base.FunctionalTestCase):

    # Of one group at most, as the others keep Trove's defaults.
    FILES = ('', '[mysql]\nvolume_support = off\ndevice_path =\n',
             '[db2]\ndevice_path = /dev/vdc\n[DEFAULT]\ndevice_path = x\n',
             '[REDIS]\nVolume_Support = 1\nvolume_support = 0\n')

    def test_each_manager_that_trove_knows_is_read_as_trove_reads_it(self):
        file = self.cloud.directory / 'managers.conf'
        for text in self.FILES:
            file.write_text(text)
            answer = subprocess.run(
                [f'{self.cloud.trove_prefix}/bin/python', '-c',
                 TROVES_OPTIONS, str(file)], text=True, capture_output=True,
                env=self.cloud.environment())
            self.assertEqual(0, answer.returncode, answer.stderr[-2000:])
            troves = json.loads(answer.stdout.splitlines()[-1])
            ours = services.Services.build(config.load(
                {'oslo_config_file': str(file)})).storages
            self.assertEqual(troves, {
                manager: [*storage] for manager, storage in ours.items()})
            self.assertIn('mysql', troves)
