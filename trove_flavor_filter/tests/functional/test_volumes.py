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

"""The size of the data volume, by every request that leads to one.

Requests are generated: sizes in many spellings, by any route of Trove, while
the bounds change. The oracle is Trove's database: no instance may have a
volume outside the bounds of its version, or be upgraded or resized to what is
outside. And the plugin may refuse no size that is within them.

A quarter of FLAVOR_FILTER_HUNT is the number of requests that are tried.
"""

import collections
import os
import random
import re
import time
import typing

from trove_flavor_filter.tests.cloud import doors
from trove_flavor_filter.tests.functional import test_guard

COUNT = int(os.environ.get('FLAVOR_FILTER_HUNT', '1200')) // 4
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '20261130'))

RESIZING = 4
# Trove's own maximum, above all bounds.
LARGEST = 50
SIZES = (1, 2, 5, 9, 10, 11, 20, 21, 40, LARGEST)
BOUNDS = ((None, None), (10, None), (None, 10), (10, 20), (20, 20), (40, 5))

OURS = re.compile(r'(?:A volume of (\d+) GiB|Flavor \S+ \(\S+\)) is not '
                  r'supported for datastore version [^:]*\((\S+)\): ')


class VolumesTestCase(test_guard.GuardTestCase):
    """A trove-api whose instances of MySQL have a volume."""

    host: str | None = None

    def setUp(self) -> None:
        super().setUp()
        if VolumesTestCase.host is None:
            self.cloud.add_cinder()
            VolumesTestCase.host = self.cloud.add_host({
                'DEFAULT': {'max_accepted_volume_size': LARGEST,
                            # For a replica, Trove would ask Swift as well.
                            'storage_strategy': 'cinder'},
                'mysql': {'volume_support': True},
                'redis': {'volume_support': False}})
        self.local = self.create_flavor(ram=4096, ephemeral=2)
        # Trove's list of clusters fails with one of a datastore that has none.
        self.addCleanup(self.cloud.sql, 'UPDATE clusters SET deleted = :yes',
                        yes=True)
        self.bounds: dict[str, tuple[int | None, int | None]] = {}

    def ask(self, method: str, path: str, body: dict | None = None):
        return self.cloud.session('demo').request(
            f'{self.host}/v1.0/{self.cloud.project_id()}{path}', method,
            json=body, raise_exc=False)

    def set_bounds(self, version_id: str, low: int | None,
                   high: int | None) -> None:
        """Have a datastore version require a size of the volume."""
        self.bounds[version_id] = low, high
        self.cloud.sql('DELETE FROM datastore_version_metadata '
                       'WHERE datastore_version_id = :id', id=version_id)
        for key, value in (('min_volume', low), ('max_volume', high)):
            if value is not None:
                self.cloud.sql(
                    f'INSERT INTO datastore_version_metadata (id, '
                    f'datastore_version_id, {self._key()}, value, created, '
                    f'deleted) VALUES (:id, :version, :key, :value, :now, '
                    f':no)', id=self.unique('row'), version=version_id,
                    key=key, value=str(value), no=False,
                    now='2026-01-01 00:00:00')

    def allows(self, version_id: str, size: int) -> bool:
        low, high = self.bounds.get(version_id, (None, None))
        return ((low is None or low <= size)
                and (high is None or size <= high))

    def create_with(self, version_id: str, size: int | None,
                    **body: typing.Any):
        return self.ask('POST', '/instances', {'instance': {
            'name': 'hunted', 'flavorRef': self.large,
            **({'volume': {'size': size}} if size is not None else {}),
            'datastore': {'type': 'mysql', 'version': version_id}, **body}})

    def active_with(self, version_id: str, size: int) -> str:
        """An active instance with a volume; nothing bounds it yet."""
        answer = self.create_with(version_id, size)
        self.assertEqual(200, answer.status_code, answer.text)
        instance_id = answer.json()['instance']['id']
        self.cloud.activate_instance(instance_id)
        self.cloud.sql('UPDATE instances SET name = :name WHERE id = :id',
                       name='kept', id=instance_id)
        return instance_id


class CinderAwayTest(VolumesTestCase):

    def test_only_a_replica_whose_volume_is_bounded_has_to_wait(self):
        source = self.active_with(self.free, 5)
        self.cloud.sql(
            'UPDATE instances SET volume_id = :volume WHERE id = :id',
            volume=self.cloud.add_volume(5), id=source)
        replica = {'instance': {'name': 'hunted', 'replica_of': source}}
        self.cloud.stop('cinder')
        self.addCleanup(self.cloud.start, 'cinder')
        # Trove itself does without Cinder no better.
        self.assertEqual(
            404, self.ask('POST', '/instances', replica).status_code)
        self.set_bounds(self.free, 1, 9)
        answer = self.ask('POST', '/instances', replica)
        self.assertEqual(503, answer.status_code, answer.text)
        self.assertIn('Retry-After', answer.headers)
        self.assertIn('The size of a volume is not available', answer.text)
        self.assertEqual(200, self.create_with(self.free, 5).status_code)


class BoundsOracleTest(VolumesTestCase):

    def setUp(self) -> None:
        super().setUp()
        cloud = self.cloud
        self.chance = random.Random(SEED)
        self.doors = doors.by_name(doors.doors(cloud.trove_prefix))
        self.mysql, self.next = self.create_version(), self.create_version()
        self.maria = cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        self.mongo = cloud.create_datastore_version(
            'mongodb', self.unique('v'), manager='mongodb')
        # Instances of this one have no volume.
        self.redis = cloud.create_datastore_version(
            'redis', self.unique('v'), manager='redis')
        self.source = self.active_with(self.free, 5)
        self.replica = self.active_with(self.free, 5)
        cloud.sql('UPDATE instances SET slave_of_id = :source WHERE id = :id',
                  source=self.source, id=self.replica)
        self.cinder = {size: cloud.add_volume(size)
                       for size in (1, 5, 10, 20, 21)}
        self.clusters = {}
        for version_id, count in ((self.maria, 3), (self.mongo, 3)):
            cluster_id = test_guard.create_cluster(self, version_id)
            self.clusters[version_id] = cluster_id
            for _member in range(count):
                member_id = self.active_with(self.free, 5)
                cloud.sql(
                    'UPDATE instances SET cluster_id = :cluster, '
                    'type = :member, shard_id = :shard, '
                    'datastore_version_id = :version WHERE id = :id',
                    cluster=cluster_id, id=member_id, member='member',
                    shard=cluster_id[:36], version=version_id)

    def spell(self, size: int) -> typing.Any:
        """A size as a client may write it."""
        return self.chance.choice((
            *[size] * 14, *[str(size)] * 6, float(size), f' {size}',
            f'{size} ', f'+{size}', f'0{size}', f'{size}.0', f'{size}\n',
            f'{size // 10}_{size % 10}', str(size).translate({
                ord('0') + digit: 0xff10 + digit for digit in range(10)}),
            [size], {'size': size}, True, None, -size, 0, '', 10 ** 30,
            '9' * 5000))

    def volume(self, size: int) -> dict:
        volume = {'size': self.spell(size)}
        if self.chance.random() < .1:
            volume['type'] = None
        return volume

    def door(self, *names: str, id: str = '') -> tuple[str, str]:
        """Method and path of any route to one of Trove's actions."""
        found = [door for name in names for door in self.doors[name]]
        if self.chance.random() < .8:
            # Many of the others are for administrators.
            found = [door for door in found if '/mgmt/' not in door.path]
        door = self.chance.choice(found)
        return door.method, door.at(
            id=id, tenant_id='TENANT').removeprefix('/TENANT')

    # The kinds of requests. Each sets the bounds and what there is, and
    # returns method, path and body.

    def any_bounds(self, *version_ids: str) -> None:
        for version_id in version_ids:
            self.set_bounds(version_id, *self.chance.choice(BOUNDS))

    def kept(self, instance_id: str, version_id: str) -> None:
        """Have an instance run a version, with any size of the volume."""
        self.cloud.sql(
            'UPDATE instances SET datastore_version_id = :version, '
            'volume_size = :size, task_id = 1 WHERE id = :id',
            version=version_id, id=instance_id,
            size=self.chance.choice((1, 5, 10, 20, 21)))

    def create(self):
        self.any_bounds(self.mysql)
        instance = {'name': 'hunted', 'flavorRef': self.large,
                    'volume': self.volume(self.chance.choice(SIZES)),
                    'datastore': {'type': 'mysql', 'version': self.mysql}}
        if self.chance.random() < .1:
            del instance['volume']
        if self.chance.random() < .1:
            # Of a backup that there is not.
            instance['restorePoint'] = {'backupRef': self.source}
        return *self.door('InstanceController.create'), {
            'instance': instance}

    def create_without_volume(self):
        self.any_bounds(self.redis)
        instance = {'name': 'hunted', 'flavorRef': self.local,
                    'datastore': {'type': 'redis', 'version': self.redis}}
        if self.chance.random() < .3:
            instance['volume'] = self.volume(self.chance.choice(SIZES))
        return 'POST', '/instances', {'instance': instance}

    def make_replica(self):
        self.any_bounds(self.mysql)
        self.kept(self.source, self.mysql)
        # Somebody may have resized it in Cinder.
        self.replicated = self.chance.choice(list(self.cinder))
        self.cloud.sql('UPDATE instances SET volume_id = :volume '
                       'WHERE id = :id', id=self.source,
                       volume=self.cinder[self.replicated])
        return *self.door('InstanceController.create'), {
            'instance': {'name': 'hunted', 'replica_of': self.source}}

    def resize(self):
        self.any_bounds(self.mysql, self.next)
        self.kept(self.source, self.mysql)
        self.kept(self.replica, self.chance.choice((self.mysql, self.next)))
        resize = {'volume': self.volume(self.chance.choice(SIZES))}
        if self.chance.random() < .2:
            resize = self.chance.choice((
                {'flavorRef': self.small, **resize},
                {**resize, 'flavorRef': self.small}))
        return *self.door('InstanceController.action', id=self.source), {
            'resize': resize}

    def upgrade(self):
        self.any_bounds(self.mysql)
        self.kept(self.source, self.free)
        return *self.door('InstanceController.update',
                          'InstanceController.edit', id=self.source), {
            'instance': {'datastore_version': self.mysql}}

    def create_cluster(self):
        self.any_bounds(self.maria)
        sizes = self.chance.choices(SIZES, k=3)
        if self.chance.random() < .5:
            sizes = sizes[:1] * 3
        return *self.door('ClusterController.create'), {'cluster': {
            'name': self.unique('hunted'),
            'datastore': {'type': 'mariadb', 'version': self.maria},
            'instances': [{'flavorRef': self.large,
                           'volume': self.volume(size)} for size in sizes]
            if sizes[0] != sizes[1] else [
                {'flavorRef': self.large, 'volume': self.volume(sizes[0])}
            ] * 3}}

    def create_mongodb(self):
        self.any_bounds(self.mongo)
        size = self.volume(self.chance.choice(SIZES))
        others = {name: self.spell(self.chance.choice(SIZES)) for name in (
            'configsvr_volume_size', 'mongos_volume_size')
            if self.chance.random() < .5}
        return *self.door('ClusterController.create'), {'cluster': {
            'name': self.unique('hunted'),
            'datastore': {'type': 'mongodb', 'version': self.mongo},
            'instances': [{'flavorRef': self.large, 'volume': size}] * 3,
            **({'extended_properties': others} if others else {})}}

    def members(self, version_id: str, run: str) -> None:
        """Have the members of a cluster run a version; all of one size."""
        self.cloud.sql(
            'UPDATE instances SET datastore_version_id = :version, '
            'volume_size = :size, task_id = 1 WHERE cluster_id = :id',
            version=run, id=self.clusters[version_id],
            size=self.chance.choice((1, 5, 10, 20, 21)))
        self.cloud.sql('UPDATE clusters SET datastore_version_id = :version, '
                       'task_id = 1 WHERE id = :id', version=version_id,
                       id=self.clusters[version_id])

    def grow(self):
        self.any_bounds(self.maria)
        self.members(self.maria, self.maria)
        return *self.door('ClusterController.action',
                          id=self.clusters[self.maria]), {'grow': [{
                              'flavorRef': self.large,
                              'volume': self.volume(
                                  self.chance.choice(SIZES))}]}

    def add_shard(self):
        self.any_bounds(self.mongo)
        self.members(self.mongo, self.mongo)
        return *self.door('ClusterController.action',
                          id=self.clusters[self.mongo]), {'add_shard': {}}

    KINDS: typing.ClassVar[dict[str, int]] = {
        'create': 30, 'create_without_volume': 5, 'make_replica': 10,
        'resize': 25, 'upgrade': 15, 'create_cluster': 8,
        'create_mongodb': 5, 'grow': 5, 'add_shard': 5}

    # What has come to be.

    def rows(self) -> list[typing.Any]:
        """The instances that requests have made."""
        return self.cloud.sql(
            'SELECT id, volume_size, datastore_version_id FROM instances '
            'WHERE name LIKE :name AND deleted = :no', name='hunted%',
            no=False)

    def assert_bounded(self, kind: str, told: str) -> None:
        """See in the database that nothing is outside its bounds."""
        for row in self.rows():
            self.assertTrue(
                self.allows(row.datastore_version_id, row.volume_size)
                if row.datastore_version_id != self.redis
                else row.volume_size is None, (row, self.bounds, told))
        kept = {row.id: row for row in self.cloud.sql(
            'SELECT id, volume_size, datastore_version_id AS version, '
            'task_id FROM instances WHERE id IN (:source, :replica)',
            source=self.source, replica=self.replica)}
        source = kept[self.source]
        if kind == 'upgrade' and source.version != self.free:
            self.assertTrue(
                self.allows(source.version, source.volume_size), told)

    def clean(self) -> None:
        self.cloud.sql('UPDATE instances SET deleted = :yes '
                       'WHERE name LIKE :name', yes=True, name='hunted%')
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')

    def judged(self, kind: str, body: dict) -> bool | None:
        """Whether a plain request is within all bounds; None if unknown."""
        def plain(volume: dict) -> int | None:
            size = volume['size']
            is_plain = type(size) is int and 0 < size <= LARGEST or (
                isinstance(size, str) and size in map(str, SIZES))
            return int(size) if is_plain else None

        (says,) = body.values()
        if kind == 'create':
            size = plain(says['volume']) if 'volume' in says else None
            return None if size is None else self.allows(self.mysql, size)
        if kind == 'create_cluster':
            sizes = [plain(node['volume']) for node in says['instances']]
            return None if None in sizes else all(
                self.allows(self.maria, size) for size in sizes)
        if kind == 'resize':
            size = plain(says['volume'])
            versions = [row.version for row in self.cloud.sql(
                'SELECT datastore_version_id AS version FROM instances '
                'WHERE id IN (:source, :replica)', source=self.source,
                replica=self.replica)]
            return None if size is None else all(
                self.allows(version_id, size) for version_id in versions)
        if kind == 'make_replica':
            return self.allows(self.mysql, self.replicated)
        if kind == 'upgrade':
            size = self.cloud.sql(
                'SELECT volume_size FROM instances WHERE id = :id',
                id=self.source)[0].volume_size
            return self.allows(self.mysql, size)
        return None

    def test_no_volume_is_outside_its_bounds_and_none_inside_is_refused(self):
        answers: collections.Counter[tuple[str, str]] = collections.Counter()
        begun = time.monotonic()
        for _number in range(COUNT):
            kind, = self.chance.choices(
                list(self.KINDS), list(self.KINDS.values()))
            method, path, body = getattr(self, kind)()
            expected = self.judged(kind, body)
            answer = self.ask(method, path, body)
            told = f'{kind}: {method} {path} {body}: {answer.text}'
            refusal = OURS.search(answer.text)
            if refusal:
                self.assertEqual(400, answer.status_code, told)
                # Where bounds contradict each other, no flavor is allowed.
                self.assertFalse(self.allows(
                    refusal[2], int(refusal[1] or SIZES[0])), told)
                self.assertNotEqual(self.redis, refusal[2], told)
            # Some routes are for administrators alone.
            if expected is not None and answer.status_code != 401:
                self.assertEqual(not expected, bool(refusal), told)
            self.assertNotIn('flavor_filter', answer.text)
            self.assert_bounded(kind, told)
            self.clean()
            answers[kind, 'refused by the bounds' if refusal else (
                f'{answer.status_code}')] += 1
        print(f'\n{COUNT} requests in {time.monotonic() - begun:.0f} s: '
              + ', '.join(f'{kind} {outcome}: {count}' for (kind, outcome),
                          count in sorted(answers.items())))
        kinds = ('create', 'make_replica', 'resize', 'upgrade',
                 'create_cluster')
        for outcomes in (('refused by the bounds',), ('200', '202')):
            counts = {kind: sum(answers[kind, outcome]
                                for outcome in outcomes) for kind in kinds}
            # Of few requests, not each kind has each outcome.
            self.assertLess(0, (min if COUNT >= 1000 else max)(
                counts.values()), (outcomes, counts))
