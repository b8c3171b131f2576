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

"""What an instance may become, held against what happens.

The states are generated. The real Trove is asked for an upgrade to each
version of the datastore: what the list has must be accepted, all else refused.

FLAVOR_FILTER_STATES says how many states are tried.
"""

import collections
import os
import random
import time

from trove_flavor_filter.tests.functional import test_guard
from trove_flavor_filter.tests.functional import test_volumes

STATES = int(os.environ.get('FLAVOR_FILTER_STATES', '20'))
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '20261130'))

# Codes of tasks: none, being resized, upgraded, built, and after an error.
TASKS = (1, 1, 1, 1, 4, 0x59, 5, 0x50)


class UpgradesOracleTest(test_volumes.VolumesTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.chance = random.Random(SEED)
        self.datastore = self.unique('datastore')
        self.versions = [
            self.cloud.create_datastore_version(
                self.datastore, name, number=f'{name}.{number}',
                active=number != 1)
            for number, name in enumerate(('a', 'a', 'b', 'c', 'd'))]
        self.instance_id = self.active_with(self.free, 5)
        self.member_id = self.active_with(self.free, 5)
        self.cloud.sql(
            'UPDATE instances SET cluster_id = :cluster WHERE id = :id',
            cluster=test_guard.create_cluster(self, self.free),
            id=self.member_id)

    def set_rules(self) -> None:
        """Have each version require something, or nothing."""
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')
        for version_id in self.versions:
            self.cloud.sql('DELETE FROM datastore_version_metadata '
                           'WHERE datastore_version_id = :id', id=version_id)
            for key, value, part in (
                    ('min_ram', '1024', .2), ('max_ram', '4096', .2),
                    ('flavor', self.large, .2), ('flavor', self.small, .2),
                    ('min_volume', '10', .2), ('max_volume', '15', .2),
                    ('extra_spec', 'a=b', .1), ('min_vcpus', 'x', .05)):
                if self.chance.random() < part:
                    self.cloud.sql(
                        f'INSERT INTO datastore_version_metadata (id, '
                        f'datastore_version_id, {self._key()}, value, '
                        f'created, deleted) VALUES (:id, :version, :key, '
                        f':value, :now, :no)', id=self.unique('row'),
                        version=version_id, key=key, value=value, no=False,
                        now='2026-01-01 00:00:00')

    def put(self, instance_id: str, row: dict) -> None:
        """Have the instance be as it was."""
        self.cloud.sql(
            'UPDATE instances SET flavor_id = :flavor, volume_size = :size, '
            'task_id = :task, datastore_version_id = :version '
            'WHERE id = :id', id=instance_id, **row)
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')

    def test_what_is_listed_is_accepted_and_all_else_refused(self):
        answers: collections.Counter[tuple[int, bool]] = collections.Counter()
        begun = time.monotonic()
        for _state in range(STATES):
            self.set_rules()
            instance_id = self.chance.choice(
                (self.instance_id, self.instance_id, self.member_id))
            present = self.chance.choice(self.versions)
            row = {'flavor': self.chance.choice(
                (self.small, self.large, self.huge, 'gone')),
                'size': self.chance.choice((5, 10, 20)),
                'task': self.chance.choice(TASKS), 'version': present}
            self.put(instance_id, row)
            answer = self.ask(
                'GET', f'/instances/{instance_id}/datastore-versions')
            self.assertEqual(200, answer.status_code, answer.text)
            listed = {each['id']: each for each
                      in answer.json()['datastore_versions']}
            self.assertNotIn(present, listed)
            for version_id in self.versions:
                if version_id == present:
                    continue
                answer = self.ask('PUT', f'/instances/{instance_id}', {
                    'instance': {'datastore_version': version_id}})
                answers[answer.status_code, version_id in listed] += 1
                self.assertEqual(
                    version_id in listed, answer.status_code == 202,
                    (row, version_id, listed, answer.text))
                self.put(instance_id, row)
            for version_id, document in listed.items():
                shown = self.ask('GET', f'/datastores/{self.datastore}'
                                        f'/versions/{version_id}')
                self.assertEqual(shown.json()['version'], document)
            self.assert_choices()
        print(f'\n{STATES} states in {time.monotonic() - begun:.0f} s: '
              + ', '.join(f'{"" if is_listed else "not "}listed {status}: '
                          f'{count}' for (status, is_listed), count
                          in sorted(answers.items())))
        self.assertLess(0, answers[202, True])
        self.assertLess(0, answers[400, False])

    def assert_choices(self) -> None:
        """The list of a datastore says what those of its versions say."""
        found = self.ask(
            'GET', f'/flavors/datastores/{self.datastore}').json()
        shown = self.ask(
            'GET', f'/datastores/{self.datastore}/versions').json()
        self.assertEqual(
            sorted(version['id'] for version in shown['versions']),
            sorted(version['id'] for version
                   in found['datastore_versions']))
        documents = {flavor['str_id']: flavor for flavor in found['flavors']}
        for version in found['datastore_versions']:
            own = self.ask('GET', f'/flavors/datastores/versions/'
                                  f'{version["id"]}').json()
            self.assertEqual(own['flavors'], [
                documents[flavor_id] for flavor_id in version['flavors']])
            self.assertEqual(own.get('volume'), version.get('volume'))
