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

"""Enforcement, against the real Trove: each path, refused and allowed."""

import http.client
import json
import re
import subprocess
import urllib.parse

from trove.cluster import tasks as cluster_tasks
from trove.instance import tasks

from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import lookup
from trove_flavor_filter.tests.functional import base

REQUIRE = 'datastore-version-flavor-require'


def named(flavor_id: str) -> str:
    """How a message calls a flavor that has its id for a name."""
    return f'{flavor_id} ({flavor_id})'


class GuardTestCase(base.FunctionalTestCase):
    """A datastore version that allows large flavors, and one that is free."""

    def setUp(self) -> None:
        super().setUp()
        self.small = self.create_flavor(ram=512)
        self.large = self.create_flavor(ram=4096)
        self.huge = self.create_flavor(ram=8192)
        self.bound = self.create_version()
        self.free = self.create_version()
        self.associate(self.bound, self.large, self.huge)

    def name_of(self, version_id: str) -> str:
        return self.cloud.sql('SELECT name FROM datastore_versions '
                              'WHERE id = :id', id=version_id)[0].name

    def create(self, flavor_id: str, version_id: str, **more):
        return self.cloud.trove('/instances', 'POST', json={'instance': {
            'name': self.unique('db'), 'flavorRef': flavor_id,
            'datastore': {'type': 'mysql', 'version': version_id}, **more}})

    def active_instance(self, flavor_id: str, version_id: str) -> str:
        instance_id = self.cloud.create_instance(flavor_id, version_id)
        self.cloud.activate_instance(instance_id)
        return instance_id

    def require(self, version_id: str, **minimums: int) -> None:
        """Rows of minimums."""
        for key, value in minimums.items():
            self.cloud.sql(
                f'INSERT INTO datastore_version_metadata (id, '
                f'datastore_version_id, {self._key()}, value, created, '
                f'deleted) VALUES (:id, :version, :key, :value, :created, '
                f':deleted)', id=self.unique('row'), version=version_id,
                key=key, value=str(value), created='2026-01-01 00:00:00',
                deleted=False)

    def instance(self, instance_id: str):
        return self.cloud.sql(
            'SELECT task_id, flavor_id, datastore_version_id FROM instances '
            'WHERE id = :id', id=instance_id)[0]

    def count(self, table: str) -> int:
        return self.cloud.sql(f'SELECT count(*) AS n FROM {table}')[0].n

    def assertRefused(self, response, flavor_id: str,
                      version_id: str) -> str:
        self.assertEqual(400, response.status_code, response.text)
        message = response.json()['badRequest']['message']
        (version,) = self.cloud.sql(
            'SELECT d.name AS datastore, v.name FROM datastore_versions v, '
            'datastores d WHERE v.id = :id AND d.id = v.datastore_id',
            id=version_id)
        self.assertIn(
            f'Flavor {named(flavor_id)} is not supported for datastore '
            f'version {version.datastore}/{version.name} ({version_id})',
            message)
        return message


class CreateTest(GuardTestCase):

    def test_what_is_not_associated_is_refused_and_leaves_no_row(self):
        before = self.count('instances')
        message = self.assertRefused(
            self.create(self.small, self.bound), self.small, self.bound)
        self.assertIn(f'Allowed flavors: {named(self.large)}, '
                      f'{named(self.huge)}.', message)
        self.assertEqual(before, self.count('instances'))

    def test_what_is_associated_is_built(self):
        response = self.create(self.large, self.bound)
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual('BUILD', response.json()['instance']['status'])

    def test_too_small_is_refused_with_the_reason(self):
        self.require(self.free, min_ram=2048)
        message = self.assertRefused(
            self.create(self.small, self.free), self.small, self.free)
        self.assertIn('requires at least 2048 MiB RAM, has 512', message)
        self.assertEqual(
            200, self.create(self.large, self.free).status_code)

    def test_flavors_go_by_name_and_id(self):
        tiny = self.cloud.create_flavor(self.unique(), self.unique('db.tiny'))
        good = self.cloud.create_flavor(self.unique(), self.unique('db.good'),
                                        ram=2048)
        for flavor_id in (tiny, good):
            self.addCleanup(self.cloud.delete_flavor, flavor_id)
        self.associate(self.free, tiny, good)
        self.manage(REQUIRE, self.free, '--min-ram', '2048')
        names = {flavor.id: flavor.name
                 for flavor in self.cloud.nova().flavors.list()}
        message = self.create(tiny, self.free).json()['badRequest']['message']
        self.assertEqual(
            f'Flavor {names[tiny]} ({tiny}) is not supported for datastore '
            f'version mysql/{self.name_of(self.free)} ({self.free}): requires '
            f'at least 2048 MiB RAM, has 512. Allowed flavors: '
            f'{names[good]} ({good}).', message)

    def test_what_the_project_does_not_see_goes_by_its_id(self):
        secret = self.cloud.create_flavor(
            self.unique(), self.unique('secret'), projects=('other',))
        self.addCleanup(self.cloud.delete_flavor, secret)
        self.manage(REQUIRE, self.free, '--min-ram', '2048')
        response = self.create(secret, self.free)
        self.assertEqual(400, response.status_code, response.text)
        self.assertIn(f'Flavor {secret} is not supported', response.text)
        self.assertNotIn('secret-', response.text)

    def test_names_mean_what_they_mean_to_trove(self):
        name = self.name_of(self.bound)
        for version in (name, self.bound):
            self.assertRefused(self.create(self.small, version),
                               self.small, self.bound)

    def test_a_replica_of_an_allowed_source_goes_on_to_trove(self):
        source = self.active_instance(self.large, self.bound)
        response = self.cloud.trove('/instances', 'POST', json={
            'instance': {'name': 'replica', 'replica_of': source}})
        self.assertNotIn('is not supported', response.text)

    def test_a_replica_of_a_source_that_is_not_allowed_is_refused(self):
        source = self.active_instance(self.small, self.free)
        self.require(self.free, min_ram=2048)
        self.assertRefused(
            self.cloud.trove('/instances', 'POST', json={
                'instance': {'name': 'replica', 'replica_of': source}}),
            self.small, self.free)

    def test_a_restore_is_a_create(self):
        self.assertRefused(
            self.create(self.small, self.bound, restorePoint={
                'backupRef': '00000000-0000-0000-0000-000000000000'}),
            self.small, self.bound)

    def test_what_trove_refuses_otherwise_is_left_to_trove(self):
        for body in (
                {'flavorRef': 'no-such', 'datastore': {
                    'type': 'mysql', 'version': self.free}},
                {'flavorRef': self.small, 'datastore': {
                    'type': 'no-such'}},
                {'flavorRef': self.small, 'datastore': {
                    'type': 'mysql', 'version': 'no-such'}}):
            response = self.cloud.trove('/instances', 'POST', json={
                'instance': {'name': 'db', **body}})
            self.assertLess(399, response.status_code)
            self.assertNotIn('is not supported', response.text)

    def test_an_administrator_is_held_to_it_too(self):
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.bound}}})
        self.assertRefused(response, self.small, self.bound)

    def test_a_chunked_body_reaches_trove_as_it_came(self):
        if self.cloud.server == 'uwsgi':
            self.skipTest('uWSGI hands on no chunked body: neither the guard '
                          'nor Trove sees one, and Trove answers 500')
        url = urllib.parse.urlsplit(self.cloud.trove_url)
        for flavor_id, status in ((self.small, 400), (self.large, 200)):
            connection = http.client.HTTPConnection(url.hostname, url.port)
            body = json.dumps({'instance': {
                'name': 'chunked', 'flavorRef': flavor_id, 'datastore': {
                    'type': 'mysql', 'version': self.bound}}}).encode()
            connection.request(
                'POST', f'/v1.0/{self.cloud.project_id()}/instances',
                iter([body[:7], body[7:]]), {
                    'X-Auth-Token': self.cloud.token(),
                    'Content-Type': 'application/json'},
                encode_chunked=True)
            answer = connection.getresponse()
            self.assertEqual(status, answer.status, answer.read())
            connection.close()

    def test_nova_away_is_503_only_where_a_minimum_must_be_judged(self):
        self.require(self.free, min_ram=2048)
        self.cloud.stop('nova')
        try:
            judged = self.create(self.large, self.free)
            listed = self.create(self.small, self.bound)
        finally:
            self.cloud.start('nova')
        self.assertEqual(503, judged.status_code, judged.text)
        self.assertIn('Retry-After', judged.headers)
        self.assertEqual(400, listed.status_code, listed.text)
        # Only Nova knows its name.
        self.assertIn(f'Flavor {self.small} is not supported for datastore '
                      f'version mysql/', listed.text)

    def test_a_row_edited_to_nonsense_refuses_and_is_logged(self):
        self.require(self.free, min_ram='plenty')
        self.assertRefused(self.create(self.large, self.free), self.large,
                           self.free)
        self.assertIn('min_ram=plenty',
                      self.cloud.log('trove').read_text())
        self.assertEqual([], self.listed(self.free))

    def test_invalid_bodies_are_400(self):
        before = self.count('instances')
        deep = '[' * 100000 + ']' * 100000
        for raw in (b'{', b'[]', b'null', b'"x"', b'{"instance": null}',
                    b'{"instance": []}', deep.encode(),
                    b'{"instance": {"name": "x", "datastore": null}}',
                    b'{"instance": {"name": "x", "flavorRef": "http://["}}',
                    b'{"instance": {"name": "x", "datastore": {"type": '
                    b'"\\ud800"}}}'):
            response = self.cloud.trove(
                '/instances', 'POST', data=raw,
                headers={'Content-Type': 'application/json'})
            self.assertEqual(400, response.status_code,
                             raw[:60] + response.content)
        self.assertEqual(before, self.count('instances'))

    def test_a_body_of_ten_megabytes_is_judged_like_any_other(self):
        self.assertRefused(
            self.create(self.small, self.bound, padding='x' * 10_000_000),
            self.small, self.bound)


class ChangeTest(GuardTestCase):

    def resize(self, instance_id: str, flavor_id: str):
        return self.cloud.trove(f'/instances/{instance_id}/action', 'POST',
                                json={'resize': {'flavorRef': flavor_id}})

    def test_a_resize_to_what_is_not_allowed_is_refused(self):
        instance_id = self.active_instance(self.large, self.bound)
        before = self.instance(instance_id)
        self.assertRefused(self.resize(instance_id, self.small), self.small,
                           self.bound)
        self.assertEqual(before, self.instance(instance_id))

    def test_a_resize_to_what_is_allowed_begins(self):
        instance_id = self.active_instance(self.large, self.bound)
        response = self.resize(instance_id, self.huge)
        self.assertEqual(202, response.status_code, response.text)
        self.assertEqual(4, self.instance(instance_id).task_id)

    def test_a_resize_of_what_is_not_ones_own_is_troves_to_refuse(self):
        instance_id = self.active_instance(self.large, self.bound)
        mine = self.resize(instance_id, self.small)
        theirs = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST', 'other',
            json={'resize': {'flavorRef': self.small}})
        nobodys = self.cloud.trove(
            '/instances/00000000-0000-0000-0000-000000000000/action',
            'POST', 'other', json={'resize': {'flavorRef': self.small}})
        self.assertEqual((400, 404, 404), (
            mine.status_code, theirs.status_code, nobodys.status_code))

    def test_an_upgrade_to_what_does_not_allow_the_flavor_is_refused(self):
        instance_id = self.active_instance(self.small, self.free)
        before = self.instance(instance_id)
        for method in ('PUT', 'PATCH'):
            for version in (self.bound, self.name_of(self.bound)):
                self.assertRefused(
                    self.cloud.trove(
                        f'/instances/{instance_id}', method,
                        json={'instance': {'datastore_version': version}}),
                    self.small, self.bound)
        self.assertEqual(before, self.instance(instance_id))

    def test_an_upgrade_to_what_allows_the_flavor_begins(self):
        instance_id = self.active_instance(self.large, self.free)
        response = self.cloud.trove(
            f'/instances/{instance_id}', 'PUT',
            json={'instance': {'datastore_version': self.bound}})
        self.assertEqual(202, response.status_code, response.text)
        self.assertEqual(self.bound,
                         self.instance(instance_id).datastore_version_id)

    def test_other_updates_and_actions_go_on_to_trove(self):
        instance_id = self.active_instance(self.large, self.bound)
        response = self.cloud.trove(
            f'/instances/{instance_id}', 'PUT',
            json={'instance': {'name': 'renamed'}})
        self.assertEqual(202, response.status_code, response.text)
        response = self.cloud.trove(
            f'/instances/{instance_id}/action', 'POST',
            json={'restart': {}})
        self.assertNotEqual(400, response.status_code, response.text)


class UpgradeTest(GuardTestCase):
    """What an instance is judged by after an upgrade.

    There is no task manager: the tests write what it would write.
    """

    def setUp(self) -> None:
        super().setUp()
        self.instance_id = self.active_instance(self.large, self.bound)

    def act(self, body: dict) -> int:
        return self.cloud.trove(f'/instances/{self.instance_id}/action',
                                'POST', json=body).status_code

    def resize(self) -> int:
        return self.act({'resize': {'flavorRef': self.small}})

    def upgrade(self, version_id: str) -> None:
        response = self.cloud.trove(
            f'/instances/{self.instance_id}', 'PUT',
            json={'instance': {'datastore_version': version_id}})
        self.assertEqual(202, response.status_code, response.text)
        row = self.instance(self.instance_id)
        self.assertEqual((0x59, version_id),
                         (row.task_id, row.datastore_version_id))

    def end(self, task: tasks.InstanceTask) -> None:
        self.cloud.sql('UPDATE instances SET task_id = :task WHERE id = :id',
                       task=task.code, id=self.instance_id)
        self.cloud.sql('UPDATE service_statuses SET status_id = 1, updated_at '
                       '= :now WHERE instance_id = :id',
                       now='2999-01-01 00:00:00', id=self.instance_id)

    def offered(self) -> set[str]:
        response = self.cloud.trove(f'/instances/{self.instance_id}/flavors')
        self.assertEqual(200, response.status_code, response.text)
        return {flavor['str_id'] for flavor in response.json()['flavors']}

    def test_after_a_failed_upgrade_a_reset_opens_no_smaller_flavor(self):
        self.upgrade(self.free)
        self.end(tasks.InstanceTasks.BUILDING_ERROR_SERVER)
        self.assertEqual(202, self.act(
            {'reset_status': {'force_delete': True}}))
        self.end(tasks.InstanceTasks.NONE)
        self.assertNotIn(self.small, self.offered())
        self.assertEqual(400, self.resize())
        self.require(self.bound, min_ram=8192)
        self.upgrade(self.bound)
        self.end(tasks.InstanceTasks.NONE)
        self.upgrade(self.free)
        self.end(tasks.InstanceTasks.NONE)
        self.assertIn(self.small, self.offered())
        self.assertEqual(202, self.resize())

    def test_a_successful_upgrade_leaves_nothing_locked(self):
        self.assertEqual(400, self.resize())
        self.upgrade(self.free)
        self.assertNotIn(self.small, self.offered())
        self.end(tasks.InstanceTasks.NONE)
        self.assertIn(self.small, self.offered())
        self.assertEqual(202, self.resize())

    def test_a_refused_upgrade_leaves_nothing_locked(self):
        self.upgrade(self.free)
        self.end(tasks.InstanceTasks.NONE)
        # Trove looks for the server first.
        self.cloud.sql('UPDATE instances SET compute_instance_id = :gone '
                       'WHERE id = :id', gone=self.unique('server'),
                       id=self.instance_id)
        response = self.cloud.trove(
            f'/instances/{self.instance_id}', 'PUT',
            json={'instance': {'datastore_version': self.bound}})
        self.assertNotEqual(202, response.status_code, response.text)
        self.assertIn(self.small, self.offered())


class ClusterTest(GuardTestCase):

    def cluster(self, *flavor_ids: str, version_id: str | None = None):
        return self.cloud.trove('/clusters', 'POST', json={'cluster': {
            'name': self.unique('cluster'),
            'datastore': {'type': 'mariadb',
                          'version': version_id or self.maria},
            'instances': [{'flavorRef': flavor_id, 'volume': {'size': 1}}
                          for flavor_id in flavor_ids]}})

    def setUp(self) -> None:
        super().setUp()
        self.maria = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        self.associate(self.maria, self.large)

    def test_a_refused_cluster_leaves_nothing_behind(self):
        before = self.count('clusters'), self.count('instances')
        for nodes in ((self.small,) * 3, (self.large, self.large,
                                          self.small)):
            self.assertRefused(self.cluster(*nodes), self.small, self.maria)
        self.assertEqual(
            before, (self.count('clusters'), self.count('instances')))

    def test_an_allowed_cluster_goes_on_to_trove(self):
        response = self.cluster(self.large, self.large, self.large)
        self.assertNotIn('is not supported for datastore', response.text)

    def test_growing_by_what_is_not_allowed_is_refused(self):
        cluster_id = create_cluster(self, self.maria)
        self.assertRefused(
            self.cloud.trove(f'/clusters/{cluster_id}', 'POST', json={
                'grow': [{'flavorRef': self.large},
                         {'flavorRef': self.small}]}),
            self.small, self.maria)

    def test_nodes_that_are_not_a_list_are_400(self):
        for nodes in (None, {}, 'x', [None], ['x'], 7):
            response = self.cloud.trove('/clusters', 'POST', json={
                'cluster': {'name': 'c', 'datastore': {
                    'type': 'mariadb', 'version': self.maria},
                    'instances': nodes}})
            self.assertEqual(400, response.status_code, response.text)


# Who sees to it that an action waits while an instance has a task: Trove
# itself, for all tasks but none and a restart that is required; the guard,
# where Trove looks at no task or not at that of each instance that it writes
# to. An instance has one task, which whatever ends first clears: what begins
# while another task is under way would not hide a resize by itself, but one
# that begins after the other has ended. "-" is nobody. An owner has to reset
# an instance that is building to delete it. UPDATING is a change of access.
#
# Trove 23 to 26 agree on all of it. Of the members of clusters Trove resizes
# none, and none is rebuilt, migrated or rebooted but by administrators, for
# whom "reset" passes as well.
TASKS = """
                        resize  restart detach  replica upgrade access  promote eject   reset   configure
NONE                    -       -       -       -       -       -       -       -       -       -
DELETING                Trove   Trove   Trove   Trove   guard   guard   guard   guard   -       guard
REBOOTING               Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
RESIZING                Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
BUILDING                Trove   Trove   Trove   Trove   guard   guard   guard   guard   -       guard
MIGRATING               Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
RESTART_REQUIRED        -       -       -       -       -       -       -       -       -       -
PROMOTING               Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
EJECTING                Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
LOGGING                 Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
DETACHING               Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
UPDATING                Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
UPGRADING               Trove   Trove   Trove   Trove   guard   guard   guard   guard   guard   guard
BUILDING_ERROR_DNS      Trove   Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_SERVER   Trove   Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_VOLUME   Trove   Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_SEC_GROUP Trove  Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_REPLICA  Trove   Trove   Trove   Trove   -       -       -       -       -       -
PROMOTION_ERROR         Trove   Trove   Trove   Trove   -       -       -       -       -       -
EJECTION_ERROR          Trove   Trove   Trove   Trove   -       -       -       -       -       -
GROWING_ERROR           Trove   Trove   Trove   Trove   -       -       -       -       -       -
SHRINKING_ERROR         Trove   Trove   Trove   Trove   -       -       -       -       -       -
UPGRADING_ERROR         Trove   Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_TIMEOUT_GA Trove Trove   Trove   Trove   -       -       -       -       -       -
BUILDING_ERROR_PORT     Trove   Trove   Trove   Trove   -       -       -       -       -       -
UPDATING_ERROR_ACCESS   Trove   Trove   Trove   Trove   -       -       -       -       -       -
"""  # noqa: E501


class TaskTest(GuardTestCase):
    """Each action on an instance in each state, against the real Trove."""

    def setUp(self) -> None:
        super().setUp()
        self.other = self.create_version()
        self.associate(self.other, self.large)
        self.source = self.active_instance(self.large, self.bound)
        self.replica = self.active_instance(self.large, self.bound)
        self.configuration = self.unique('configuration')
        self.cloud.sql(
            'INSERT INTO configurations (id, name, tenant_id, '
            'datastore_version_id, deleted) VALUES (:id, :id, :tenant, '
            ':version, :no)', id=self.configuration, no=False,
            tenant=self.cloud.project_id(), version=self.bound)
        self.put_back()

    def put_back(self, task: int = 1, **replica: str) -> None:
        """Have a source with this task, and a replica with none."""
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')
        self.cloud.sql(
            'UPDATE instances SET task_id = 1, flavor_id = :flavor, '
            'datastore_version_id = :version, slave_of_id = NULL, '
            'configuration_id = NULL WHERE id IN (:source, :replica)',
            source=self.source, replica=self.replica, flavor=self.large,
            version=self.bound)
        self.cloud.sql('UPDATE instances SET slave_of_id = :source '
                       'WHERE id = :replica', source=self.source,
                       replica=self.replica)
        self.cloud.sql(
            'UPDATE instances SET task_id = :task, configuration_id = '
            ':configuration WHERE id = :source', task=task,
            source=self.source, configuration=self.configuration)
        # A source is ejected that has not been heard of for long.
        self.heard('2999-01-01 00:00:00')

    def heard(self, moment: str) -> None:
        self.cloud.sql(
            'UPDATE service_statuses SET status_id = 1, updated_at = :moment '
            'WHERE instance_id IN (:source, :replica)', moment=moment,
            source=self.source, replica=self.replica)

    def send(self, action: str):
        source = f'/instances/{self.source}'
        if action == 'eject':
            self.heard('2026-01-01 00:00:00')
        if action == 'detach':
            # It is the replica that is detached, and that is busy then.
            self.cloud.sql('UPDATE instances SET task_id = (SELECT task FROM '
                           '(SELECT task_id AS task FROM instances WHERE id = '
                           ':source) t) WHERE id = :replica',
                           source=self.source, replica=self.replica)
        method, path, body = {
            'resize': ('POST', f'{source}/action', {
                'resize': {'flavorRef': self.huge}}),
            'restart': ('POST', f'{source}/action', {'restart': {}}),
            'detach': ('PUT', f'/instances/{self.replica}', {
                'instance': {'replica_of': ''}}),
            'replica': ('POST', '/instances', {'instance': {
                'name': 'replica', 'replica_of': self.source}}),
            'upgrade': ('PUT', source, {
                'instance': {'datastore_version': self.other}}),
            'access': ('PUT', source, {
                'instance': {'access': {'is_public': False}}}),
            'promote': ('POST', f'/instances/{self.replica}/action', {
                'promote_to_replica_source': {}}),
            'eject': ('POST', f'{source}/action', {
                'eject_replica_source': {}}),
            'reset': ('POST', f'{source}/action', {
                'reset_status': {'force_delete': True}}),
            'configure': ('PUT', f'/configurations/{self.configuration}', {
                'configuration': {'values': {}}}),
        }[action]
        return self.cloud.trove(path, method, json=body)

    def state(self):
        return self.cloud.sql(
            'SELECT id, task_id, flavor_id, datastore_version_id '
            'FROM instances WHERE NOT deleted ORDER BY id')

    def test_each_action_in_each_state(self):
        heading, *rows = TASKS.split('\n')[1:-1]
        codes = {name: task.code
                 for name, task in vars(tasks.InstanceTasks).items()
                 if isinstance(task, tasks.InstanceTask)}
        self.assertEqual(set(codes), {row.split()[0] for row in rows})
        for row in rows:
            name, *cells = row.split()
            for action, who in zip(heading.split(), cells):
                if action == 'replica' or (
                        who == '-' and action == 'configure'):
                    # The one asks for Swift first, which is not here; the
                    # other would ask a guest.
                    continue
                if name.endswith('ERROR') and who == '-':
                    # Errors are all the same to Trove, and to the guard.
                    continue
                self.put_back(codes[name])
                before = self.state()
                response = self.send(action)
                told = (name, action, response.status_code, response.text)
                if who == '-':
                    self.assertEqual(202, response.status_code, told)
                    continue
                if action == 'detach':
                    before = [row for row in before if row.id
                              != self.replica]
                self.assertEqual(422, response.status_code, told)
                message = response.json()['unprocessableEntity']['message']
                self.assertEqual(
                    who == 'guard', 'Try again when the task has finished' in
                    message, told)
                self.assertEqual(
                    before, [row for row in self.state()
                             if row in before or action != 'detach'
                             or row.id != self.replica], told)

    def test_a_resize_then_an_upgrade_and_the_other_way_round(self):
        # The other version does not allow what the instance will be.
        response = self.send('resize')
        self.assertEqual(202, response.status_code, response.text)
        response = self.send('upgrade')
        self.assertEqual(422, response.status_code, response.text)
        self.assertIn('is being resized', response.text)
        self.put_back()
        response = self.send('upgrade')
        self.assertEqual(202, response.status_code, response.text)
        # The version in the row is the new one at once.
        self.assertRefused(self.send('resize'), self.huge, self.other)
        self.associate(self.other, self.huge)
        response = self.send('resize')
        self.assertEqual(422, response.status_code, response.text)

    def test_a_promotion_begins_only_when_no_other_task_would_clear_it(self):
        # Else: a restart of the source, the promotion, the end of the
        # restart, a resize, the end of the promotion, an upgrade.
        response = self.send('restart')
        self.assertEqual(202, response.status_code, response.text)
        before = self.state()
        response = self.send('promote')
        self.assertEqual(422, response.status_code, response.text)
        self.assertEqual(before, self.state())

    def test_whatever_is_begun_twice_waits_for_the_first(self):
        for action in ('upgrade', 'access'):
            self.put_back()
            self.assertEqual(202, self.send(action).status_code)
            response = self.send(action)
            self.assertEqual(422, response.status_code, response.text)


# What Trove sees to in clusters, of each state and action: all of it.
CLUSTER_ACTIONS = {
    'mariadb': ('grow', 'upgrade'), 'cassandra': ('upgrade',),
    'redis': ('upgrade',), 'mongodb': ('grow', 'add_shard')}


class ClusterTaskTest(GuardTestCase):

    def test_trove_has_each_action_wait_for_a_cluster(self):
        for manager, actions in CLUSTER_ACTIONS.items():
            version = self.cloud.create_datastore_version(
                manager, self.unique('v'), manager=manager)
            other = self.cloud.create_datastore_version(
                manager, self.unique('v'), manager=manager)
            for each in (version, other):
                self.associate(each, self.large)
            cluster_id = create_cluster(self, version)
            self.cloud.sql(
                'UPDATE instances SET cluster_id = :cluster, type = :type, '
                'datastore_version_id = :version WHERE id = :id',
                cluster=cluster_id, type='member', version=version,
                id=self.active_instance(self.large, self.free))
            for code, task in cluster_states().items():
                self.cloud.sql('UPDATE clusters SET task_id = :task '
                               'WHERE id = :id', task=code, id=cluster_id)
                for action in actions:
                    response = self.cloud.trove(
                        f'/clusters/{cluster_id}', 'POST', json={
                            'grow': {'grow': [{
                                'flavorRef': self.large, 'name': 'x',
                                'type': 'replica',
                                'volume': {'size': 1}}]},
                            'add_shard': {'add_shard': {}},
                            'upgrade': {'upgrade': {
                                'datastore_version': other}}}[action])
                    self.assertEqual(422, response.status_code,
                                     (manager, action, response.text))
                    self.assertIn(f"cluster task is '{task}'",
                                  response.text)

    def test_a_shard_is_judged_by_the_version_of_the_members(self):
        bound = self.cloud.create_datastore_version(
            'mongodb', self.unique('v'), manager='mongodb')
        free = self.cloud.create_datastore_version(
            'mongodb', self.unique('v'), manager='mongodb')
        self.associate(bound, self.large)
        for cluster_version, member_version in ((free, bound),
                                                (bound, free)):
            cluster_id = create_cluster(self, cluster_version)
            # Busy, so that Trove says so where the guard lets it through.
            self.cloud.sql('UPDATE clusters SET task_id = 5 WHERE id = :id',
                           id=cluster_id)
            self.cloud.sql(
                'UPDATE instances SET cluster_id = :cluster, type = :type, '
                'datastore_version_id = :version WHERE id = :id',
                cluster=cluster_id, type='member', version=member_version,
                id=self.active_instance(self.small, self.free))
            response = self.cloud.trove(
                f'/clusters/{cluster_id}', 'POST', json={'add_shard': {}})
            if member_version == bound:
                self.assertRefused(response, self.small, bound)
            else:
                self.assertEqual(422, response.status_code, response.text)


def cluster_states() -> dict[int, str]:
    """Trove's names of a cluster's tasks by their codes; without none."""
    return {task.code: task.name
            for task in vars(cluster_tasks.ClusterTasks).values()
            if isinstance(task, cluster_tasks.ClusterTask)
            and task is not cluster_tasks.ClusterTasks.NONE}


def create_cluster(test: base.FunctionalTestCase, version_id: str) -> str:
    """A cluster's row, as Trove writes it."""
    cluster_id = test.unique('cluster')
    test.cloud.sql(
        'INSERT INTO clusters (id, created, updated, name, task_id, '
        'tenant_id, datastore_version_id, deleted) VALUES (:id, :now, '
        ':now, :id, 1, :tenant, :version, :no)', id=cluster_id,
        now='2026-01-01 00:00:00', tenant=test.cloud.project_id(),
        version=version_id, no=False)
    return cluster_id


# What Trove itself finds for the "datastore" of a body: ids, or errors.
ORACLE = """
import json, sys
from trove.common import cfg as config
from trove.db import get_db_api
from trove.datastore import models
config.parse_args(['trove', '--config-file', sys.argv[1]])
get_db_api().configure_db()
found = []
for arguments in json.load(sys.stdin):
    try:
        found.append(models.get_datastore_version(**arguments)[1].id)
    except Exception as error:
        found.append(repr(error))
print(json.dumps(found))
"""


class NamedVersionTest(GuardTestCase):

    def test_a_version_is_found_as_trove_finds_it(self):
        datastore = self.unique('named')
        numbers = ('8', '8.0', '8.0.29', '1')
        for name, of_name in (('one', numbers[:1]), ('two', numbers[1:3]),
                              ('8', numbers[3:]), ('four', numbers)):
            for number in of_name:
                version = self.cloud.create_datastore_version(
                    datastore, name, number=number)
        questions = [
            {'type': datastore, 'version': name, 'version_number': number}
            for name in ('one', 'two', '8', 'four', 'no', version)
            for number in (None, 0, False, '', [], {}, 0.0, '8', '8.0',
                           '8.0.29', 'no', 8, 8.0, 1, True, -1, 1.5,
                           10 ** 30, ['8'], {'8': 0})]
        answer = subprocess.run(
            [f'{self.cloud.trove_prefix}/bin/python', '-c', ORACLE,
             str(self.cloud.trove_conf)], text=True, capture_output=True,
            input=json.dumps(questions), env=self.cloud.environment())
        self.assertEqual(0, answer.returncode, answer.stderr[-2000:])
        database = engine.Database(config.load(
            {'oslo_config_file': str(self.cloud.trove_conf)}))
        self.addCleanup(database.dispose)
        known = lookup.Lookup(database, {})
        answers = json.loads(answer.stdout.splitlines()[-1])
        for question, theirs in zip(questions, answers):
            ours = {target.version_id for target in known.named_version(
                question['type'], question['version'],
                question['version_number'])}
            is_id = re.fullmatch('[0-9a-f-]{36}', theirs)
            if isinstance(question['version_number'], str | None):
                self.assertEqual({theirs} if is_id else set(), ours,
                                 (question, theirs))
            elif is_id:
                # Which number it is, is for the database to say.
                self.assertIn(theirs, ours, question)
        self.assertLess(20, len([answer for answer in answers
                                 if '-' in answer[:9]]))


class SettingTest(GuardTestCase):

    def test_the_policy_file_can_let_somebody_bypass_it(self):
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:bypass": "role:admin"\n')
        self.assertRefused(self.create(self.small, self.bound), self.small,
                           self.bound)
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.free}}})
        self.assertEqual(200, response.status_code, response.text)
        self.require(self.free, min_ram=2048)
        response = self.cloud.trove('/instances', 'POST', 'admin', json={
            'instance': {'name': 'db', 'flavorRef': self.small,
                         'datastore': {'type': 'mysql',
                                       'version': self.free}}})
        self.assertEqual(200, response.status_code, response.text)

    def test_enforcement_can_be_turned_off(self):
        original = self.cloud.trove_conf.read_text()
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.trove_conf.write_text, original)
        self.cloud.trove_conf.write_text(
            original.replace('[flavor_filter]\n',
                             '[flavor_filter]\nenforce = false\n'))
        self.cloud.restart('trove')
        self.require(self.free, min_ram=2048)
        self.assertEqual(
            200, self.create(self.small, self.free).status_code)


class BoundTest(GuardTestCase):

    def test_what_is_too_long_too_many_or_too_deep_is_asked_of_nobody(self):
        # Whatever the guard asks the database about, it asks this table too,
        # and Nova only afterwards.
        table = 'datastore_version_metadata'
        self.cloud.sql(f'ALTER TABLE {table} RENAME TO elsewhere')
        self.addCleanup(self.cloud.sql,
                        f'ALTER TABLE elsewhere RENAME TO {table}')
        self.assertEqual(
            503, self.create(self.large, self.bound).status_code)
        long, instance = 'x' * 5_000_000, '/instances/x'
        nodes = [{'flavorRef': self.large}] * 1001
        datastore = {'type': 'mysql', 'version': self.bound}
        for method, path, body in (
                ('POST', '/instances', {'instance': {
                    'flavorRef': self.large, 'datastore': {
                        'type': 'mysql', 'version': long}}}),
                ('POST', '/instances', {'instance': {
                    'flavorRef': self.large, 'datastore': {
                        'type': long, 'version': '8.0'}}}),
                ('POST', '/instances', {'instance': {
                    'flavorRef': self.large, 'datastore': datastore | {
                        'version_number': long}}}),
                ('POST', '/instances', {'instance': {
                    'flavorRef': 'x' * 300_000, 'datastore': datastore}}),
                ('POST', '/instances', {'instance': {'replica_of': long}}),
                ('POST', f'{instance}/action', {
                    'resize': {'flavorRef': 'x' * 256}}),
                ('PUT', instance, {'instance': {'datastore_version': long}}),
                ('PATCH', f'/instances/{"x" * 37}', {'instance': {
                    'datastore_version': 'x'}}),
                ('POST', '/clusters', {'cluster': {
                    'datastore': datastore, 'instances': nodes}}),
                ('POST', '/clusters/x', {'grow': nodes}),
                ('POST', '/clusters/x', {'upgrade': {
                    'datastore_version': long}}),
                ('PUT', f'/configurations/{"x" * 37}', {})):
            response = self.cloud.trove(path, method, json=body)
            self.assertEqual(400, response.status_code,
                             (path, response.text))
        for depth in (101, *range(862, 888, 5), 100_000):
            response = self.cloud.trove(
                '/instances', 'POST', data=b'{"x": %s%s, "instance": {}}' % (
                    b'[' * depth, b']' * depth),
                headers={'Content-Type': 'application/json'})
            self.assertEqual(400, response.status_code, response.text)


class RequireTest(GuardTestCase):

    def test_require_says_what_is_required_and_who_stops_qualifying(self):
        self.associate(self.free, self.small, self.large)
        result = self.manage(REQUIRE, self.free, '--min-ram', '2048')
        self.assertIn('requires at least 2048 MiB RAM', result.stdout)
        self.assertIn(self.small, result.stderr)
        self.assertNotIn(self.large, result.stderr)
        result = self.manage(REQUIRE, self.free, '--min-vcpus', '1000')
        self.assertIn('allows none of the existing flavors', result.stderr)
        rows = json.loads(self.manage(
            'datastore-version-flavor-list', self.free, '-f', 'json').stdout)
        self.assertEqual(
            {'2048 MiB RAM, 1000 vCPUs'}, {row['Requires'] for row in rows})
        reasons = {row['Flavor ID']: row['Reason'] for row in rows}
        self.assertIn('requires at least 2048 MiB RAM, has 512',
                      reasons[self.small])
        self.assertEqual('requires at least 1000 vCPUs, has 1',
                         reasons[self.large])
        result = self.manage(REQUIRE, self.free, '--clear')
        self.assertIn('no minimum', result.stdout)

    def test_the_route_lists_what_meets_the_minimum(self):
        self.manage(REQUIRE, self.free, '--min-ram', '4096')
        found = {flavor['str_id'] for flavor in self.listed(self.free)}
        self.assertIn(self.large, found)
        self.assertNotIn(self.small, found)

    def test_wrong_minimums_exit_with_2_and_change_nothing(self):
        for value in ('-1', '0', 'x', '1.5', '9' * 40, '2147483648', ''):
            self.manage(REQUIRE, self.free, f'--min-ram={value}', code=2)
        self.manage(REQUIRE, self.free, code=2)
        self.assertIn('Nothing is associated', self.manage(
            'datastore-version-flavor-list', self.free).stderr)
