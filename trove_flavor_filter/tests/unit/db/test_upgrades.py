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

"""Which versions an instance is judged by, before and after an upgrade.

What Trove and its task manager write is written here, by the same names.
"""

import uuid

import sqlalchemy as sa
from trove.instance import tasks

from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit.api import test_guard

PROJECT = test_guard.PROJECT
Tasks = tasks.InstanceTasks


class UpgradeTestCase(test_guard.GuardTestCase):
    """An instance on flavor "big", of a version that allows only that one.

    Version 5.7 requires nothing; 9.0 allows "big" and "small".
    """

    def setUp(self) -> None:
        super().setUp()
        self.strict = self.create_version('8.0-ent')
        self.create_row(self.strict, 'big')
        self.lax = self.other_id
        self.newer = self.create_version('9.0')
        self.create_row(self.newer, 'big')
        self.create_row(self.newer, 'small')
        self.instance_id = self.create_instance(
            flavor_id='big', datastore_version_id=self.strict)
        self.answer = '202 Accepted'
        # What Trove writes while it handles a request.
        self.writes: dict[str, object] = {}

    def trove(self, environ, start_response):
        self.reached.append(environ)
        if self.writes:
            self.write(**self.writes)
        start_response(self.answer, [('Content-Type', 'text/plain')])
        return self.streamed

    def write(self, task=None, version: str | None = None, **values) -> None:
        if task is not None:
            values['task_id'] = task.code
        if version is not None:
            values['datastore_version_id'] = version
        self.execute(sa.update(models.Instance).values(**values).where(
            models.Instance.id == self.instance_id))

    def upgrade(self, version: str, answer: str = '202 Accepted',
                path: str = '/instances', **headers: str) -> int:
        """Ask for an upgrade; Trove writes the version if it accepts it."""
        self.answer = answer
        self.writes = ({'version': version, 'task': Tasks.UPGRADING}
                       if answer.startswith('202') else {})
        status = self.post(
            f'{path}/{self.instance_id}',
            {'instance': {'datastore_version': version}}, method='PUT',
            **headers).status_int
        self.writes, self.answer = {}, '202 Accepted'
        return status

    def resize(self, flavor_id: str = 'small', **headers: str) -> int:
        return self.post(f'/instances/{self.instance_id}/action', {
            'resize': {'flavorRef': flavor_id}}, **headers).status_int

    def reset(self, writes=None, answer: str = '202 Accepted',
              **headers: str) -> int:
        self.writes, self.answer = writes or {'task': Tasks.NONE}, answer
        status = self.post(f'/instances/{self.instance_id}/action', {
            'reset_status': {'force_delete': True}}, **headers).status_int
        self.writes, self.answer = {}, '202 Accepted'
        return status

    def fail_upgrade(self) -> None:
        """The guest refuses: the new version stays in the row."""
        self.assertEqual(202, self.upgrade(self.lax))
        self.write(Tasks.BUILDING_ERROR_SERVER)

    def records(self) -> list[tuple]:
        table = models.FlavorFilterUpgrade
        return sorted(tuple(row) for row in self.execute(sa.select(
            table.datastore_version_id, table.target_id, table.state)))


class ResultTest(UpgradeTestCase):

    def test_a_successful_upgrade_leaves_nothing_locked(self):
        self.assertEqual(400, self.resize())
        self.assertEqual(202, self.upgrade(self.lax))
        self.assertEqual(400, self.resize())
        self.write(Tasks.NONE)
        self.assertEqual(202, self.resize())
        self.assertEqual([], self.records())

    def test_a_failed_upgrade_opens_no_smaller_flavor(self):
        self.fail_upgrade()
        self.assertEqual(400, self.resize())
        self.assertEqual(202, self.reset())
        self.assertEqual(400, self.resize())
        self.assertEqual(202, self.resize('big'))

    def test_whatever_clears_the_task_after_a_failure_proves_nothing(self):
        configuration_id = str(uuid.uuid4())
        instance = f'/instances/{self.instance_id}'
        for path, method, body, roles in (
                (f'{instance}/action', 'POST', {'reset_status': {}},
                 'admin'),
                (f'/mgmt{instance}/action', 'POST',
                 {'reset-task-status': {}}, 'admin'),
                (f'/mgmt{instance}/action.json', 'POST', {'reboot': {}},
                 'admin'),
                (f'/mgmt{instance}/action', 'POST',
                 {'rebuild': {'image_id': 'x'}}, 'admin'),
                (instance, 'PUT', {'instance': {'access': {}}}, 'member'),
                (f'/mgmt{instance}.json', 'PUT', {
                    'instance': {'access': {}}}, 'member'),
                (f'{instance}/action', 'POST',
                 {'promote_to_replica_source': {}}, 'member'),
                (f'{instance}/action', 'POST',
                 {'eject_replica_source': {}}, 'member'),
                (f'/configurations/{configuration_id}', 'PATCH',
                 {'configuration': {'values': {}}}, 'member')):
            self.write(Tasks.NONE, self.strict,
                       configuration_id=configuration_id)
            self.execute(sa.delete(models.FlavorFilterUpgrade))
            self.fail_upgrade()
            self.writes = {'task': Tasks.NONE}
            response = self.post(path, body, method=method,
                                 **{'X-Roles': roles})
            self.writes = {}
            self.assertEqual(202, response.status_int, path)
            self.assertEqual(400, self.resize(), (path, body))

    def test_a_configuration_that_is_written_late_proves_nothing(self):
        # Trove asks the guest first; the upgrade begins in the meantime.
        configuration_id = str(uuid.uuid4())
        for path, body in (
                (f'/configurations/{configuration_id}',
                 {'configuration': {'values': {}}}),
                (f'/instances/{self.instance_id}', {'instance': {}}),
                (f'/instances/{self.instance_id}',
                 {'instance': {'configuration': 'x'}})):
            self.write(Tasks.NONE, self.strict,
                       configuration_id=configuration_id)
            self.execute(sa.delete(models.FlavorFilterUpgrade))

            def upgrade_meanwhile(environ, start_response):
                self.application._application = self.trove
                self.assertEqual(202, self.upgrade(self.lax))
                self.write(Tasks.NONE)
                start_response('200 OK', [])
                return []
            self.application._application = upgrade_meanwhile
            self.assertEqual(200, self.post(
                path, body, method='PUT').status_int)
            self.assertEqual(400, self.resize(), path)

    def test_an_upgrade_that_another_task_overlaps_proves_nothing(self):
        # No version has requirements, so nothing waits.
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=True))
        self.write(Tasks.REBOOTING)
        self.assertEqual(202, self.upgrade(self.lax))
        # The restart ends, not the upgrade.
        self.write(Tasks.NONE)
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=False))
        self.assertEqual(400, self.resize())

    def test_going_back_is_let_through_and_ends_the_doubt(self):
        self.fail_upgrade()
        self.reset()
        # Nobody may be created or resized there any more.
        self.execute(sa.update(models.DatastoreVersionMetadata).where(
            models.DatastoreVersionMetadata.datastore_version_id
            == self.strict).values(value='huge'))
        self.assertEqual(202, self.upgrade(self.strict))
        self.write(Tasks.NONE)
        self.assertEqual(202, self.resize('huge'))
        self.assertEqual(400, self.resize('big'))
        self.assertEqual([], self.records())

    def test_a_second_upgrade_that_succeeds_ends_the_doubt(self):
        self.fail_upgrade()
        self.reset()
        self.assertEqual(202, self.upgrade(self.newer))
        self.assertEqual(400, self.resize())
        self.write(Tasks.NONE)
        self.assertEqual(202, self.resize())
        self.assertEqual([], self.records())

    def test_a_second_upgrade_that_fails_adds_to_the_doubt(self):
        self.fail_upgrade()
        self.reset()
        self.assertEqual(202, self.upgrade(self.newer))
        self.write(Tasks.BUILDING_ERROR_SERVER)
        self.reset()
        self.assertEqual(400, self.resize())
        self.assertEqual({self.strict, self.lax},
                         {row[0] for row in self.records()})

    def test_an_upgrade_that_trove_refuses_leaves_nothing(self):
        for answer in ('400 Bad Request', '403 Forbidden', '404 Not Found',
                       '422 Unprocessable Entity', '500 Internal Error'):
            self.assertEqual(int(answer[:3]),
                             self.upgrade(self.newer, answer))
            self.assertEqual([], self.records(), answer)

    def test_a_refused_upgrade_keeps_an_older_doubt(self):
        self.fail_upgrade()
        self.reset()
        self.assertEqual(422, self.upgrade(self.newer, '422 Busy'))
        self.assertEqual(422, self.upgrade(self.lax, '422 Busy'))
        self.assertEqual(400, self.resize())

    def test_an_upgrade_written_before_a_failure_is_kept(self):
        # As Trove does when it cannot reach its task manager.
        self.writes = {'version': self.lax, 'task': Tasks.UPGRADING}
        self.answer = '500 Internal Error'
        self.post(f'/instances/{self.instance_id}',
                  {'instance': {'datastore_version': self.lax}},
                  method='PUT')
        self.writes = {}
        self.reset(**{'X-Roles': 'admin'})
        self.assertEqual(400, self.resize())

    def test_trove_fails_without_an_answer(self):
        def fail(environ, start_response):
            raise RuntimeError('no answer')
        self.application._application = fail
        self.assertRaises(RuntimeError, self.upgrade, self.lax)
        self.application._application = self.trove
        self.assertEqual([], self.records())

    def test_a_refused_request_does_not_spoil_a_running_upgrade(self):
        for answer in ('403 Forbidden', '422 Unprocessable Entity'):
            self.write(Tasks.NONE, self.strict)
            self.execute(sa.delete(models.FlavorFilterUpgrade))
            self.assertEqual(202, self.upgrade(self.lax))
            self.assertEqual(int(answer[:3]), self.reset(
                {'task': Tasks.UPGRADING}, answer, **{'X-Roles': 'admin'}))
            self.write(Tasks.NONE)
            self.assertEqual(202, self.resize(), answer)

    def test_of_two_resets_a_refused_one_takes_back_no_doubt(self):
        for first in (True, False):
            self.write(Tasks.NONE, self.strict)
            self.execute(sa.delete(models.FlavorFilterUpgrade))
            self.fail_upgrade()

            def reset_meanwhile(environ, start_response):
                self.application._application = self.trove
                self.reset(answer='202 Accepted' if first
                           else '403 Forbidden')
                start_response('403 Forbidden' if first else '202 Accepted',
                               [])
                return []
            self.application._application = reset_meanwhile
            self.reset()
            self.write(Tasks.NONE)
            self.assertEqual(400, self.resize(), first)

    def test_a_request_that_trove_refuses_when_busy_spoils_nothing(self):
        self.assertEqual(202, self.upgrade(self.lax))
        for body in ({'restart': {}}, {'resize': {'volume': {'size': 2}}},
                     {'resize': {'flavorRef': 'big'}}):
            self.post(f'/instances/{self.instance_id}/action', body)
        self.post(f'/instances/{self.instance_id}', {'instance': {}},
                  method='PUT')
        self.write(Tasks.NONE)
        self.assertEqual(202, self.resize())

    def test_a_row_written_back_by_an_older_request_is_not_believed(self):
        # Trove saves whole rows, as they were when the request began.
        self.assertEqual(202, self.upgrade(self.newer))
        self.execute(sa.update(models.DatastoreVersionMetadata).where(
            models.DatastoreVersionMetadata.datastore_version_id
            == self.newer).values(deleted=True))
        self.create_row(self.newer, 'other')
        self.write(Tasks.NONE, self.strict)
        self.assertEqual(400, self.resize('big'))

    def test_a_bypassed_upgrade_is_recorded(self):
        self.create_row(self.lax, 'other')
        self.assertEqual(400, self.upgrade(self.lax))
        self.assertEqual([], self.records())

    def test_an_upgrade_by_the_admin_route_is_recorded(self):
        self.assertEqual(202, self.upgrade(self.lax, path='/mgmt/instances'))
        self.write(Tasks.BUILDING_ERROR_SERVER)
        self.reset()
        self.assertEqual(400, self.resize())

    def test_two_hosts_that_record_at_once_lock_rather_than_open(self):
        # The second has read the instance before the first wrote.
        (instance,) = self.lookup.instance(self.instance_id)
        upgrades = self.application._services.upgrades
        first = upgrades.begin([instance], [self.lax])
        second = upgrades.begin([instance], [self.newer])
        upgrades.accept(first)
        upgrades.accept(second)
        self.write(Tasks.NONE, self.newer)
        (after,) = self.lookup.instance(self.instance_id)
        self.assertEqual({self.strict, self.lax, self.newer}, after.versions)

    def test_records_of_deleted_instances_are_removed(self):
        self.fail_upgrade()
        self.write(deleted=True)
        self.instance_id = self.create_instance(
            flavor_id='big', datastore_version_id=self.strict)
        self.upgrade(self.lax)
        self.assertEqual(1, len(self.records()))

    def test_a_version_that_is_deleted_is_forgotten(self):
        if self.backend == 'sqlite':
            self.skipTest('SQLite does not check foreign keys')
        self.fail_upgrade()
        self.execute(sa.delete(models.DatastoreVersionMetadata))
        self.execute(sa.delete(models.DatastoreVersion).where(
            models.DatastoreVersion.id == self.strict))
        self.assertEqual([], self.records())

    def test_the_list_is_what_a_resize_accepts(self):
        self.fail_upgrade()
        self.reset()
        found = self.lookup.instance_versions(self.instance_id)
        self.assertEqual({self.strict, self.lax},
                         {target.version_id for target in found})

    def test_a_cluster_records_each_member(self):
        cluster_id = self.create_cluster(self.strict)
        members = {self.create_instance(
            cluster_id=cluster_id, flavor_id='big',
            datastore_version_id=self.strict) for _each in range(3)}
        path = f'/clusters/{cluster_id}'
        self.assertEqual(202, self.post(
            path, {'upgrade': {'datastore_version': self.lax}}).status_int)
        self.assertEqual([(self.strict, self.lax, 'watched')] * 3,
                         self.records())
        self.assertEqual(202, self.post(
            path, {'reset-status': {}}).status_int)
        for member_id in members:
            self.execute(sa.update(models.Instance).values(
                datastore_version_id=self.lax).where(
                    models.Instance.id == member_id))
            (member,) = self.lookup.instance(member_id)
            self.assertEqual({self.strict, self.lax}, member.versions)

    def test_another_project_records_nothing(self):
        self.execute(sa.update(models.Instance).values(tenant_id='other'))
        self.upgrade(self.lax, '404 Not Found')
        self.assertEqual([], self.records())


class MySQLResultTest(ResultTest):
    backend = 'mysql'


class PostgreSQLResultTest(ResultTest):
    backend = 'postgresql'


class BypassedTest(UpgradeTestCase):

    policy = '"flavor_filter:bypass": "role:dba"\n'

    def test_a_bypassed_upgrade_is_recorded(self):
        self.assertEqual(202, self.upgrade(self.lax, **{'X-Roles': 'dba'}))
        self.write(Tasks.BUILDING_ERROR_SERVER)
        self.reset()
        self.assertEqual(400, self.resize())
        self.assertEqual(202, self.resize(**{'X-Roles': 'dba'}))


class NotEnforcedTest(UpgradeTestCase):

    options = '[flavor_filter]\nenforce = false\n'

    def test_an_upgrade_is_recorded_and_nothing_is_refused(self):
        self.create_row(self.lax, 'other')
        self.fail_upgrade()
        self.reset()
        self.assertEqual(202, self.resize())
        self.assertEqual(1, len(self.records()))
        for body in (b'{', b'[]', b'\xff', b'{"instance": null}'):
            self.assertEqual(202, self.post(
                f'/instances/{self.instance_id}', body,
                method='PUT').status_int, body)
        self.assertEqual(202, self.create(flavorRef='no').status_int)

    def test_nothing_is_refused_without_a_database(self):
        self.execute(sa.text('DROP TABLE datastore_version_metadata'))
        self.assertEqual(202, self.upgrade(self.lax))


class BeforeTheMigrationTest(UpgradeTestCase):

    def setUp(self) -> None:
        super().setUp()
        models.FlavorFilterUpgrade.__table__.drop(self.sql)

    def test_the_table_is_used_as_soon_as_it_is_there(self):
        self.assertEqual(400, self.resize())
        models.Base.metadata.create_all(self.sql)
        self.fail_upgrade()
        self.reset()
        self.assertEqual(400, self.resize())

    def test_upgrades_are_503_with_the_cure_and_all_else_works(self):
        self.assertEqual(503, self.upgrade(self.lax))
        self.assertEqual([], self.reached)
        response = self.post(
            f'/instances/{self.instance_id}',
            {'instance': {'datastore_version': self.lax}}, method='PUT')
        self.assertIn('trove-manage flavor-filter-db-sync',
                      response.json['serviceUnavailable']['message'])
        self.assertEqual(400, self.resize())
        self.assertEqual(202, self.resize('big'))
        self.assertEqual(202, self.reset())
        for body in ({'instance': {'access': {}}}, {'instance': {}},
                     {'instance': {'name': 'x'}}):
            self.assertEqual(202, self.post(
                f'/instances/{self.instance_id}', body,
                method='PUT').status_int)
        self.assertEqual(202, self.post(
            '/configurations/x', {'configuration': {}},
            method='PATCH').status_int)


class MySQLBeforeTheMigrationTest(BeforeTheMigrationTest):
    backend = 'mysql'


class PostgreSQLBeforeTheMigrationTest(BeforeTheMigrationTest):
    backend = 'postgresql'
