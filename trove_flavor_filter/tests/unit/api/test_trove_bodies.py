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

"""Sizes of data volumes, as the guard and the lists read and show them."""

import json
import types
import uuid

from oslotest import base as test_base
import sqlalchemy as sa

from trove_flavor_filter.api import trove_bodies
from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit.api import test_guard
from trove_flavor_filter.tests.unit import test_routes
from trove_flavor_filter.tests.unit import test_wsgi

MONGODB = types.SimpleNamespace(
    num_config_servers_per_cluster=3, num_query_routers_per_cluster=1,
    config_servers_volume_size=10, query_routers_volume_size=11)


class SizesTest(test_base.BaseTestCase):

    def test_a_size_is_what_int_makes_of_it(self):
        for size, expected in (
                (10, {10}), ('10', {10}), (' 10\n', {10}), ('+10', {10}),
                ('1_0', {10}), (10.9, {10}), ('１０', {10}), (True, {1}),
                (-1, {-1}), (0, {0}), ('10.0', set()), ('x', set()),
                ('', set()), (None, set()), ([10], set()), ({}, set()),
                (float('nan'), set()), (float('inf'), set()),
                ('9' * 5000, set())):
            self.assertEqual(expected, trove_bodies.volume_sizes(
                {'volume': {'size': size}}), size)

    def test_an_instance_may_have_no_volume(self):
        for instance in ({}, {'volume': None}, {'volume': {}},
                         {'volume': []}, {'volume': 'x'}):
            self.assertEqual(set(), trove_bodies.volume_sizes(instance))

    def test_each_node_counts(self):
        self.assertEqual({1, 2}, trove_bodies.volume_sizes(
            {'volume': {'size': 1}}, {}, {'volume': {'size': '2'}}))

    def test_what_a_mongodb_cluster_has_beside_its_nodes(self):
        for says, expected in (
                ({}, {10, 11}), ({'extended_properties': None}, {10, 11}),
                ({'extended_properties': []}, {10, 11}),
                ({'extended_properties': {'configsvr_volume_size': '20'}},
                 {20, 11}),
                ({'extended_properties': {'mongos_volume_size': 5}}, {10, 5}),
                ({'extended_properties': {'num_mongos': '0'}}, {10}),
                ({'extended_properties': {'num_mongos': 'x'}}, {10, 11}),
                # Only the public route has a schema.
                ({'extended_properties': {'num_mongos': -1}}, {10}),
                ({'extended_properties': {'num_mongos': 1.5}}, {10, 11}),
                ({'extended_properties': {
                    'num_configsvr': 0, 'num_mongos': 0}}, set())):
            self.assertEqual(expected, trove_bodies.sizes_beside_nodes(
                says, MONGODB), says)


class GuardTest(test_guard.GuardTestCase):
    """A version that wants volumes of 10 to 20 GiB."""

    options = '[redis]\nvolume_support = no\n'
    policy = '"flavor_filter:bypass": "role:dba"\n'

    def setUp(self) -> None:
        super().setUp()
        self.bounded = self.create_bounded('mysql')

    def create_bounded(self, manager: str) -> str:
        version_id = self.create_version(f'of {manager}', manager=manager)
        self.create_row(version_id, '10', 'min_volume')
        self.create_row(version_id, '20', 'max_volume')
        return version_id

    def of(self, version_id: str, *sizes, **more):
        """The status of a request to create an instance, or a cluster."""
        datastore = {'type': 'mysql', 'version': version_id}
        nodes = [{'flavorRef': 'any', 'volume': {'size': size}}
                 for size in sizes]
        if len(sizes) > 1:
            return self.post('/clusters', {'cluster': {
                'name': 'c', 'datastore': datastore, 'instances': nodes,
                **more}})
        return self.create(datastore=datastore, **nodes[0], **more)

    def test_a_refusal_names_the_bound(self):
        for size, bound in ((9, 'at least 10 GiB'), ('21', 'at most 20 GiB')):
            fault = self.assertFault(self.of(self.bounded, size), 400,
                                     'badRequest')
            self.assertEqual(
                f'A volume of {size} GiB is not supported for datastore '
                f'version mysql/of mysql ({self.bounded}): requires a volume '
                f'of {bound}, has {size}.', fault['message'])
        self.assertIn("action=create", self.our_log()[0])
        self.assertIn("flavor='any' reason='requires a volume of",
                      self.our_log()[0])

    def test_what_is_within_reaches_trove(self):
        for size in (10, '15', 20, None, 'x'):
            self.assertEqual(200, self.of(self.bounded, size).status_int)
        self.assertEqual(200, self.create(flavorRef='any', datastore={
            'type': 'mysql', 'version': self.bounded}).status_int)

    def test_each_node_of_a_cluster_counts(self):
        self.assertEqual(200, self.of(self.bounded, 10, 20).status_int)
        self.assertEqual(400, self.of(self.bounded, 10, 21).status_int)
        cluster_id = self.create_cluster(self.bounded)
        for size, status in ((10, 200), (9, 400)):
            self.assertEqual(status, self.post(
                f'/clusters/{cluster_id}', {'grow': [{
                    'flavorRef': 'any', 'volume': {'size': size}}]}
            ).status_int)

    def test_so_do_the_others_of_mongodb(self):
        mongodb = self.create_bounded('mongodb')
        self.assertEqual(200, self.of(mongodb, 10, 10).status_int)
        self.assertEqual(400, self.of(
            mongodb, 10, 10, extended_properties={'mongos_volume_size': 5}
        ).status_int)
        self.assertEqual(200, self.of(
            self.bounded, 10, 10,
            extended_properties={'mongos_volume_size': 5}).status_int)

    def test_a_replica_has_the_volume_of_its_source(self):
        for size, status in ((9, 400), (10, 200), (0, 200), (None, 200)):
            source = self.create_instance(
                datastore_version_id=self.bounded, volume_size=size)
            self.assertEqual(
                status, self.create(replica_of=source).status_int, size)

    def test_a_shard_has_the_volume_of_a_member(self):
        for size, status in ((9, 400), (10, 200)):
            cluster_id = self.create_cluster()
            self.create_instance(datastore_version_id=self.bounded,
                                 volume_size=size, cluster_id=cluster_id)
            self.assertEqual(status, self.post(
                f'/clusters/{cluster_id}', {'add_shard': {}}).status_int)

    def resize(self, instance_id: str, size: int, roles: str = 'member',
               **more) -> int:
        return self.post(f'/instances/{instance_id}/action', {'resize': {
            'volume': {'size': size}, **more}},
            **{'X-Roles': roles}).status_int

    def test_a_resize_of_the_volume(self):
        instance_id = self.create_instance(
            datastore_version_id=self.bounded, volume_size=5)
        for size, status in ((9, 400), (10, 200), (20, 200), (21, 400)):
            self.assertEqual(status, self.resize(instance_id, size))
            # Trove takes the volume, whatever the flavor.
            self.assertEqual(status, self.resize(
                instance_id, size, flavorRef='none'))
        self.assertIn('action=resize_volume', self.our_log()[0])

    def test_the_volumes_of_replicas_are_resized_as_well(self):
        source = self.create_instance(datastore_version_id=self.other_id)
        self.assertEqual(200, self.resize(source, 21))
        self.create_instance(datastore_version_id=self.bounded,
                             slave_of_id=source)
        self.assertEqual(400, self.resize(source, 21))
        self.assertEqual(200, self.resize(source, 20))

    def test_replicas_of_other_projects_do_not_count(self):
        # Trove does not resize them. In either order of the ids.
        for source, replica in ('01', '10'):
            for version_id, status in ((self.bounded, 400),
                                       (self.other_id, 200)):
                source_id = self.create_instance(
                    id=source + str(uuid.uuid4())[1:],
                    datastore_version_id=version_id)
                self.create_instance(
                    id=replica + str(uuid.uuid4())[1:], tenant_id='other',
                    datastore_version_id=self.bounded, slave_of_id=source_id)
                for roles in ('member', 'admin'):
                    self.assertEqual(status, self.resize(
                        source_id, 21, roles=roles), (source, roles))

    def test_the_replicas_of_what_is_deleted_do_not_count(self):
        source = self.create_instance(deleted=True)
        self.create_instance(datastore_version_id=self.bounded,
                             slave_of_id=source)
        self.assertEqual(200, self.resize(source, 21))

    def test_all_versions_that_may_run_count(self):
        instance_id = self.create_instance(datastore_version_id=self.other_id)
        self.execute(sa.insert(models.FlavorFilterUpgrade).values(
            instance_id=instance_id, datastore_version_id=self.bounded,
            target_id=self.other_id, attempt='x', state='doubted',
            created=sa.func.now()))
        self.assertEqual(400, self.resize(instance_id, 21))

    def test_an_upgrade_takes_the_volume_with_it(self):
        for size, status in ((9, 400), (10, 200), (None, 200)):
            instance_id = self.create_instance(
                datastore_version_id=self.other_id, volume_size=size)
            self.assertEqual(status, self.post(
                f'/instances/{instance_id}',
                {'instance': {'datastore_version': self.bounded}},
                method='PUT').status_int, size)

    def test_a_resize_of_the_flavor_does_not_change_the_volume(self):
        instance_id = self.create_instance(
            datastore_version_id=self.bounded, volume_size=5)
        self.assertEqual(200, self.post(
            f'/instances/{instance_id}/action',
            {'resize': {'flavorRef': 'any'}}).status_int)

    def test_without_volume_support_nothing_is_bounded(self):
        redis = self.create_bounded('redis')
        self.create_row(redis, 'x', 'max_volume')
        self.assertEqual(200, self.of(redis, 9).status_int)
        self.assertEqual(200, self.resize(self.create_instance(
            datastore_version_id=redis, volume_size=5), 9))
        # Of a manager that is not Trove's, nothing is known.
        self.assertEqual(400, self.of(
            self.create_bounded('custom'), 9).status_int)

    def test_an_invalid_bound_allows_no_volume(self):
        self.create_row(self.bounded, 'x', 'max_volume')
        self.assertEqual(400, self.resize(self.create_instance(
            datastore_version_id=self.bounded), 15))
        self.assertEqual(400, self.of(self.bounded, 15).status_int)

    def test_it_does_without_another_bound_too(self):
        version_id = self.create_version('invalid', manager='mysql')
        self.create_row(version_id, 'x', 'max_volume')
        self.assertEqual(400, self.resize(self.create_instance(
            datastore_version_id=version_id), 15))

    def test_another_projects_instance_is_left_to_trove(self):
        self.assertEqual(200, self.resize(self.create_instance(
            datastore_version_id=self.bounded, tenant_id='other'), 21))

    def test_so_have_several_replicas(self):
        source = self.create_instance(
            datastore_version_id=self.bounded, volume_size=9)
        self.assertEqual(400, self.post('/instances', {'instance': {
            'name': 'r', 'replica_of': source, 'replica_count': 2}}
        ).status_int)

    def test_an_invalid_row_of_another_key_bounds_no_volume(self):
        self.create_row(self.bounded, 'x', 'min_ram')
        self.assertEqual(200, self.resize(self.create_instance(
            datastore_version_id=self.bounded), 15))

    def test_on_trial_it_is_logged(self):
        self.create_row(self.bounded, 'warn', 'enforcement')
        self.assertEqual(200, self.of(self.bounded, 9).status_int)
        self.assertIn('outcome=would_refuse', self.our_log()[0])

    def test_on_trial_are_the_versions_that_bound_the_volume(self):
        self.create_row(self.bounded, 'warn', 'enforcement')
        source = self.create_instance(datastore_version_id=self.bounded)
        # Its version is in force, and associates a flavor.
        replica = {'datastore_version_id': self.version_id,
                   'slave_of_id': source}
        self.create_instance(**replica)
        self.assertEqual(200, self.resize(source, 21))
        self.create_row(self.version_id, '30', 'max_volume')
        self.assertEqual(400, self.resize(source, 21))

    def test_who_may_bypass_the_rules_is_not_held_to_it(self):
        self.assertEqual(200, self.post('/instances', {'instance': {
            'flavorRef': 'any', 'volume': {'size': 9}, 'datastore': {
                'type': 'mysql', 'version': self.bounded}}},
            **{'X-Roles': 'dba'}).status_int)


class MySQLGuardTest(GuardTest):
    backend = 'mysql'


class PostgreSQLGuardTest(GuardTest):
    backend = 'postgresql'


class ListTest(test_routes.RouteTestCase):
    """The bounds are shown beside the flavors."""

    options = '[redis]\nvolume_support = no\n'

    def setUp(self) -> None:
        super().setUp()
        self.remember(self.application, test_routes.FLAVORS)

    def volume(self, path: str):
        body = json.loads(self.request(
            f'/{test_wsgi.PROJECT}{path}').body)
        return body.get('volume', 'none')

    def of_version(self, version_id: str):
        shown = [self.volume(path) for path in (
            f'/flavors/datastores/versions/{version_id}',
            f'/datastores/mysql/versions/{version_id}/flavors')]
        self.assertEqual(*shown)
        return shown[0]

    def test_the_bounds_of_a_version(self):
        version_id = self.create_version('bounded', manager='mysql')
        self.assertEqual('none', self.of_version(version_id))
        self.create_row(version_id, '20', 'min_volume')
        self.assertEqual({'min_size': 20, 'max_size': None},
                         self.of_version(version_id))
        self.create_row(version_id, '100', 'max_volume')
        self.assertEqual({'min_size': 20, 'max_size': 100},
                         self.of_version(version_id))

    def test_without_volume_support_there_are_none(self):
        version_id = self.create_version('bounded', manager='redis')
        self.create_row(version_id, '20', 'min_volume')
        self.assertEqual('none', self.of_version(version_id))

    def test_the_bounds_of_an_instance_are_those_of_all_it_may_run(self):
        old, new = (self.create_version(name) for name in ('old', 'new'))
        for version_id, low, high in ((old, '10', '100'), (new, '20', '200')):
            self.create_row(version_id, low, 'min_volume')
            self.create_row(version_id, high, 'max_volume')
        instance_id = self.create_instance(datastore_version_id=new)
        path = f'/instances/{instance_id}/flavors'
        self.assertEqual({'min_size': 20, 'max_size': 200}, self.volume(path))
        self.execute(sa.insert(models.FlavorFilterUpgrade).values(
            instance_id=instance_id, datastore_version_id=old,
            target_id=new, attempt='x', state='doubted',
            created=sa.func.now()))
        self.assertEqual({'min_size': 20, 'max_size': 100}, self.volume(path))
