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

"""The guards, without a Nova to ask: bodies, names, statements."""

import io
import json
import time
import uuid

import sqlalchemy as sa
from trove.instance import tasks
import webob

from trove_flavor_filter.api import guard
from trove_flavor_filter.api import trove_bodies
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter.tests.unit import test_wsgi

PROJECT = test_wsgi.PROJECT

# All tasks that Trove knows, by their codes.
TASKS = {task.code: task for task in vars(tasks.InstanceTasks).values()
         if isinstance(task, tasks.InstanceTask)}


class GuardTestCase(test_wsgi.WsgiTestCase):
    """An instance, and a version that allows the flavor ``allowed`` alone."""

    def setUp(self) -> None:
        super().setUp()
        self.create_row(self.version_id, 'allowed')
        self.instance_id = str(uuid.uuid4())
        self.execute(sa.insert(models.Instance).values(
            id=self.instance_id, tenant_id=PROJECT, flavor_id='old',
            datastore_version_id=self.version_id, deleted=False))

    def post(self, path: str, body, project: str = PROJECT,
             method: str = 'POST', **headers: str) -> webob.Response:
        self.reached.clear()
        request = webob.Request.blank(
            f'/{PROJECT}{path}', method=method,
            base_url='http://db.example.org/v1.0')
        request.body = (body if isinstance(body, bytes)
                        else json.dumps(body).encode())
        request.headers.update({
            'Content-Type': 'application/json', 'X-User-Id': 'user',
            'X-Project-Id': project, 'X-Roles': 'member'} | headers)
        return request.get_response(self.application)

    def create(self, **instance) -> webob.Response:
        return self.post('/instances', {'instance': {
            'name': 'db', 'datastore': {
                'type': 'mysql', 'version': '8.0'}} | instance})

    def create_instance(self, **values) -> str:
        """A row as Trove writes it; of this project, unless told otherwise."""
        values = {
            'id': str(uuid.uuid4()), 'tenant_id': PROJECT,
            'flavor_id': 'allowed', 'datastore_version_id': self.version_id,
            'task_id': 1, 'deleted': False} | values
        self.execute(sa.insert(models.Instance).values(values))
        return values['id']

    def create_cluster(self, version_id: str | None = None) -> str:
        cluster_id = str(uuid.uuid4())
        self.execute(sa.insert(models.Cluster).values(
            id=cluster_id, tenant_id=PROJECT, deleted=False,
            datastore_version_id=version_id or self.version_id))
        return cluster_id


class GuardTest(GuardTestCase):

    def test_a_refusal_is_troves_fault_with_the_flavor_and_the_version(self):
        fault = self.assertFault(self.create(flavorRef='small'), 400,
                                 'badRequest')
        self.assertEqual(
            f'Flavor small is not supported for datastore version '
            f'mysql/8.0 ({self.version_id}).', fault['message'])

    def test_a_refusal_is_logged_once_with_its_fields(self):
        self.create(flavorRef='small')
        line, = self.our_log()
        self.assertIn('INFO', line)
        self.assertRegex(line, (
            f"flavor decision: outcome=refused user=user project={PROJECT} "
            f"request_id=req-[-0-9a-f]+ action=create "
            f"datastore_version={self.version_id} instance= "
            f"flavor='small' reason='not associated'$"))

    def test_what_is_allowed_reaches_trove(self):
        self.assertEqual(200, self.create(flavorRef='allowed').status_int)
        self.assertEqual(1, len(self.reached))

    def test_a_body_reaches_trove_byte_for_byte(self):
        body = (b' {"instance": {"name": "\\u00e9\xc3\xa9", "flavorRef": '
                b'"allowed","datastore": {"type":"mysql", "version":"8.0"'
                b'}}} \n')
        self.post('/instances', body)
        environ = self.reached[0]
        self.assertEqual(str(len(body)), environ['CONTENT_LENGTH'])
        self.assertEqual(body, environ['wsgi.input'].read())

    def test_a_chunked_body_is_judged_and_reaches_trove(self):
        for flavor_id, status in (('small', 400), ('allowed', 200)):
            self.reached.clear()
            body = json.dumps({'instance': {
                'name': 'db', 'flavorRef': flavor_id, 'datastore': {
                    'type': 'mysql', 'version': '8.0'}}}).encode()
            request = webob.Request.blank(
                f'/{PROJECT}/instances', method='POST', headers={
                    'Content-Type': 'application/json',
                    'Transfer-Encoding': 'chunked', 'X-User-Id': 'user',
                    'X-Project-Id': PROJECT})
            request.environ['wsgi.input'] = io.BytesIO(body)
            request.environ.pop('CONTENT_LENGTH', None)
            self.assertEqual(status, request.get_response(
                self.application).status_int)
            if status == 200:
                self.assertEqual(
                    body, webob.Request(self.reached[0]).body)

    def test_a_request_that_ends_before_its_body_is_400(self):
        request = webob.Request.blank(
            f'/{PROJECT}/instances', method='POST', headers={
                'Content-Type': 'application/json', 'X-User-Id': 'user',
                'X-Project-Id': PROJECT})
        request.environ['wsgi.input'] = io.BytesIO(b'{"insta')
        request.environ['CONTENT_LENGTH'] = '100'
        self.assertFault(request.get_response(self.application), 400,
                         'badRequest')

    def test_what_is_not_json_is_400(self):
        for body in (b'{', b'[]', b'null', b'7', b'"x"', b'\xff',
                     '{"instance": {}}'.encode('utf-16'),
                     b'[' * 100000 + b']' * 100000):
            self.assertFault(self.post('/instances', body), 400,
                             'badRequest')
        for content_type in ('', 'text/json', 'application/xml',
                             'Application/JSON', 'application/json ;a=b'):
            self.assertFault(
                self.post('/instances', b'{}',
                          **{'Content-Type': content_type}),
                400, 'badRequest')

    def test_what_is_not_of_the_right_kind_is_400(self):
        for instance in (None, [], 'x', 7, {'datastore': None},
                         {'datastore': []}, {'datastore': {'type': 7}},
                         {'datastore': {'type': None}},
                         {'datastore': {'type': 'a\0b'}},
                         {'datastore': {'type': '\ud800'}},
                         {'datastore': {'type': 'mysql',
                                        'version': ['x']}},
                         {'replica_of': 7}, {'replica_of': ['x']},
                         {'flavorRef': 'http://['}):
            self.assertFault(
                self.post('/instances', {'instance': instance}), 400,
                'badRequest')

    def test_an_empty_body_is_left_to_trove(self):
        self.assertEqual(200, self.post('/instances', b'').status_int)

    def test_nobody_is_401_and_another_project_403(self):
        body = {'instance': {}}
        self.assertFault(self.post('/instances', body, project='other'),
                         403, 'forbidden')
        self.assertFault(
            self.post('/instances', body,
                      **{'X-Identity-Status': 'Invalid'}),
            401, 'unauthorized')

    def test_a_database_away_is_503_on_a_guarded_path(self):
        self.execute(sa.text('DROP TABLE datastore_version_metadata'))
        response = self.create(flavorRef='allowed')
        self.assertFault(response, 503, 'serviceUnavailable')
        self.assertEqual('5', response.headers['Retry-After'])

    def test_nova_away_is_503_where_a_minimum_must_be_judged(self):
        self.create_row(self.version_id, '512', key='min_ram')
        self.assertFault(self.create(flavorRef='allowed'), 503,
                         'serviceUnavailable')
        # What is not associated is refused without asking Nova.
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')

    def test_references_are_read_as_trove_reads_them(self):
        for reference in ('small', 'http://nova/flavors/small?x=allowed',
                          '/a/small#allowed', 'allowed/small', 7, None,
                          True, False, 0, -0.0, 7.5, float('nan'),
                          float('inf'), 10 ** 200, [], {}, ['allowed'],
                          {'id': 'allowed'}, 'allowed/'):
            self.assertFault(self.create(flavorRef=reference), 400,
                             'badRequest')
        for reference in ('allowed', 'http://nova/flavors/allowed?x=small',
                          'small/allowed#small'):
            self.assertEqual(
                200, self.create(flavorRef=reference).status_int)

    def test_of_two_keys_of_a_name_the_last_one_counts(self):
        for first, last, status in (('allowed', 'small', 400),
                                    ('small', 'allowed', 200)):
            self.assertEqual(status, self.post('/instances', (
                f'{{"instance": [], "instance": {{"flavorRef": "{first}", '
                f'"flavorRef": "{last}", "datastore": {{"type": "no", '
                f'"type": "mysql", "version": "8.0"}}}}}}').encode()
            ).status_int)

    def test_method_overrides_of_routes_are_followed(self):
        body = {'instance': {'flavorRef': 'small', 'datastore': {
            'type': 'mysql', 'version': '8.0'}}}
        for method, query in (('GET', '_method=POST'),
                              ('PUT', 'a=b&_method=post'),
                              ('GET', '_method=GET&_method=POST')):
            self.assertFault(
                self.post(f'/instances?{query}', body, method=method), 400,
                'badRequest')
        self.assertEqual(200, self.post(
            '/instances?_method=GET', body).status_int)

    def test_an_instance_of_another_project_is_troves_to_refuse(self):
        self.execute(sa.update(models.Instance).values(tenant_id='other'))
        resize = {'resize': {'flavorRef': 'small'}}
        path = f'/instances/{self.instance_id}/action'
        self.assertEqual(200, self.post(path, resize).status_int)
        self.assertFault(self.post(path, resize, **{'X-Roles': 'admin'}),
                         400, 'badRequest')

    def test_an_upgrade_judges_the_flavor_that_the_instance_has(self):
        self.create_row(self.other_id, 'new')
        for method in ('PUT', 'PATCH'):
            for version in ('5.7', self.other_id):
                self.assertFault(
                    self.post(f'/instances/{self.instance_id}',
                              {'instance': {'datastore_version': version}},
                              method=method), 400, 'badRequest')
        self.create_row(self.other_id, 'old')
        self.assertEqual(200, self.post(
            f'/instances/{self.instance_id}',
            {'instance': {'datastore_version': '5.7'}},
            method='PUT').status_int)

    def test_a_cluster_judges_every_flavor(self):
        cluster_id = self.create_cluster()
        self.execute(sa.update(models.Instance).values(
            cluster_id=cluster_id))
        path = f'/clusters/{cluster_id}'
        self.assertFault(
            self.post(path, {'grow': [{'flavorRef': 'allowed'},
                                      {'flavorRef': 'small'}]}),
            400, 'badRequest')
        self.assertFault(self.post(path, {'add_shard': {}}), 400,
                         'badRequest')
        self.create_row(self.other_id, 'new')
        self.assertFault(
            self.post(path, {'upgrade': {'datastore_version': '5.7'}}),
            400, 'badRequest')
        for body in ({'grow': [{'flavorRef': 'allowed'}]},
                     {'restart': {}}, {'shrink': [{'id': 'x'}]}):
            self.assertEqual(200, self.post(path, body).status_int, body)

    def test_a_shard_is_judged_by_the_version_of_the_members(self):
        self.create_row(self.other_id, 'other')
        for cluster, member, flavor_id, status in (
                (self.version_id, self.other_id, 'allowed', 400),
                (self.other_id, self.version_id, 'allowed', 200),
                (self.version_id, self.other_id, 'other', 200),
                (self.other_id, self.version_id, 'other', 400)):
            cluster_id = self.create_cluster(cluster)
            for kind, version_id, flavor in (
                    ('member', member, flavor_id),
                    ('config_server', cluster, 'what-nobody-asks-about'),
                    ('query_router', cluster, 'what-nobody-asks-about')):
                self.create_instance(
                    cluster_id=cluster_id, type=kind, flavor_id=flavor,
                    datastore_version_id=version_id)
            self.assertEqual(status, self.post(
                f'/clusters/{cluster_id}', {'add_shard': {}}).status_int)

    def test_a_version_number_is_taken_as_trove_takes_it(self):
        second = self.create_version('8.0', number='8.0.29')

        def send(path: str, name: str, number) -> int:
            return self.post(path, {name: {
                'name': 'db', 'flavorRef': 'small',
                'instances': [{'flavorRef': 'small'}], 'datastore': {
                    'type': 'mysql', 'version': '8.0',
                    'version_number': number}}}).status_int
        self.create_row(second, 'allowed')
        for kind in (('/instances', 'instance'), ('/clusters', 'cluster')):
            # Of no use, so that the name is not enough; Trove says so.
            for number in (None, 0, 0.0, False, '', [], {}):
                self.assertEqual(200, send(*kind, number), (kind, number))
            # Some databases take these for a number of one of the two.
            for number in (8, 8.0, True, ['8.0'], {'8': 0}, 10 ** 400,
                           float('nan'), float('inf')):
                self.assertEqual(400, send(*kind, number), (kind, number))
            self.assertEqual(400, send(*kind, '8.0.29'))
            self.assertEqual(200, send(*kind, '8.0.30'))

    def test_each_guarded_request_takes_one_statement(self):
        self.create(flavorRef='allowed')
        seen = self.statements(
            self.application._services.requirements.database)
        for path, body, method in (
                ('/instances', {'instance': {
                    'flavorRef': 'allowed', 'datastore': {
                        'type': 'mysql', 'version': '8.0'}}}, 'POST'),
                ('/instances', {'instance': {
                    'replica_of': self.instance_id}}, 'POST'),
                (f'/instances/{self.instance_id}/action',
                 {'resize': {'flavorRef': 'allowed'}}, 'POST'),
                (f'/instances/{self.instance_id}',
                 {'instance': {'datastore_version': '8.0'}}, 'PUT'),
                ('/clusters', {'cluster': {
                    'instances': [], 'datastore': {
                        'type': 'mysql', 'version': '8.0'}}}, 'POST'),
                ('/clusters/x', {'grow': []}, 'POST'),
                ('/clusters/x', {'add_shard': {}}, 'POST'),
                (f'/instances/{self.instance_id}/action',
                 {'reset_status': {}}, 'POST'),
                (f'/instances/{self.instance_id}/action',
                 {'promote_to_replica_source': {}}, 'POST'),
                (f'/instances/{self.instance_id}',
                 {'instance': {'access': {}}}, 'PUT'),
                ('/configurations/x', {'configuration': {}}, 'PATCH')):
            seen.clear()
            self.post(path, body, method=method)
            self.assertEqual(1, len(seen), path)


class AdminRouteTest(GuardTestCase):
    """Trove's routes for administrators, which members can use."""

    def test_creation(self):
        for path in ('/mgmt/instances', '/mgmt/instances.json',
                     '/mgmt/instances.xml', '/mgmt/instances.a.b'):
            for method, query in (('POST', ''), ('GET', '?_method=POST'),
                                  ('PUT', '?_method=post')):
                for flavor_id, status in (('small', 400), ('allowed', 200)):
                    self.assertEqual(status, self.post(
                        f'{path}{query}', {'instance': {
                            'flavorRef': flavor_id, 'datastore': {
                                'type': 'mysql', 'version': '8.0'}}},
                        method=method).status_int, (path, method, flavor_id))

    def test_upgrades(self):
        self.create_row(self.other_id, 'new')
        instance = f'/mgmt/instances/{self.instance_id}'
        body = {'instance': {'datastore_version': '5.7'}}
        for path, method in (
                (instance, 'PUT'), (f'{instance}.json', 'PUT'),
                (f'{instance}?_method=PUT', 'GET'),
                (f'{instance}/edit', 'GET'),
                (f'{instance}/edit.json', 'GET'),
                (f'{instance}/edit?_method=GET', 'POST')):
            self.assertFault(self.post(path, body, method=method), 400,
                             'badRequest')
        for path, method in ((instance, 'GET'), (instance, 'PATCH'),
                             (f'{instance}/edit', 'POST'),
                             (f'{instance}/', 'PUT')):
            self.assertEqual(200, self.post(
                path, body, method=method).status_int, (path, method))

    def test_clusters(self):
        for path in ('/mgmt/clusters', '/mgmt/clusters.json'):
            for flavor_id, status in (('small', 400), ('allowed', 200)):
                self.assertEqual(status, self.post(path, {'cluster': {
                    'instances': [{'flavorRef': flavor_id}], 'datastore': {
                        'type': 'mysql', 'version': '8.0'}}}).status_int)

    def test_actions_of_administrators_pass(self):
        self.execute(sa.update(models.Instance).values(task_id=4))
        for action in ('reboot', 'rebuild', 'reset-task-status', 'migrate',
                       'stop', 'x'):
            self.assertEqual(200, self.post(
                f'/mgmt/instances/{self.instance_id}/action', {action: {}},
                **{'X-Roles': 'admin'}).status_int)

    def test_all_other_paths_reach_trove(self):
        for path in ('/mgmt/instances', '/mgmt/instances/x',
                     '/mgmt/instances/x/root', '/mgmt/instances/new',
                     '/mgmt/clusters', '/mgmt/clusters/x', '/mgmt/quotas/x'):
            self.assertEqual(200, self.post(
                path, b'{', method='GET').status_int)
            self.assertEqual(1, len(self.reached))


class SeveralActionsTest(GuardTestCase):
    """Which of several actions in a body Trove performs."""

    def act(self, text: str) -> int:
        return self.post(f'/instances/{self.instance_id}/action',
                         text.encode()).status_int

    def test_the_last_action_counts(self):
        resize = '"resize": {"flavorRef": "small"}'
        for text, status in (
                (f'{{{resize}}}', 400),
                (f'{{{resize}, "restart": {{}}}}', 200),
                (f'{{"restart": {{}}, {resize}}}', 400),
                (f'{{{resize}, "x": {{}}}}', 400),
                (f'{{{resize}, "reset_status": {{}}}}', 200),
                # Its place is that of the first of two keys.
                (f'{{{resize}, "restart": {{}}, {resize}}}', 200)):
            self.assertEqual(status, self.act(text), text)

    def test_of_a_volume_and_a_flavor_the_volume_counts(self):
        for text, status in (
                ('{"resize": {"flavorRef": "small", "volume": 0}}', 200),
                ('{"resize": {"volume": {}, "flavorRef": "small"}}', 200),
                ('{"resize": {"volumes": {}, "flavorRef": "small"}}', 400)):
            self.assertEqual(status, self.act(text), text)


# The keys of bodies, with actions that change a flavor or a version, or that
# write over the task of an instance.
UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE = (
    'upgrade', 'access', 'promote', 'eject', 'reset', 'configure')


class TaskTest(GuardTestCase):
    """What has to wait until Trove has done what an instance is busy with."""

    policy = '"flavor_filter:bypass": "role:dba"\n'

    def setUp(self) -> None:
        super().setUp()
        self.configuration_id = str(uuid.uuid4())
        self.source_id = self.create_instance(
            configuration_id=self.configuration_id)
        self.replica_id = self.create_instance(slave_of_id=self.source_id)
        self.sibling_id = self.create_instance(slave_of_id=self.source_id)

    def busy(self, instance_id: str, task) -> None:
        """Give an instance a task, and all others none."""
        self.execute(sa.update(models.Instance).values(task_id=1))
        self.execute(sa.update(models.Instance).values(
            task_id=task.code).where(models.Instance.id == instance_id))

    def send(self, action: str, **headers: str) -> webob.Response:
        instance = f'/instances/{self.source_id}'
        return {
            UPGRADE: lambda: self.post(
                instance, {'instance': {'datastore_version': '5.7'}},
                method='PUT', **headers),
            ACCESS: lambda: self.post(
                instance, {'instance': {'access': {'is_public': True}}},
                method='PUT', **headers),
            PROMOTE: lambda: self.post(
                f'/instances/{self.replica_id}/action',
                {'promote_to_replica_source': {}}, **headers),
            EJECT: lambda: self.post(
                f'{instance}/action', {'eject_replica_source': {}},
                **headers),
            RESET: lambda: self.post(
                f'{instance}/action', {'reset_status': {
                    'force_delete': True}}, **headers),
            CONFIGURE: lambda: self.post(
                f'/configurations/{self.configuration_id}',
                {'configuration': {'values': {}}}, method='PATCH',
                **headers),
        }[action]()

    def assertWaits(self, response: webob.Response, instance_id: str,
                    text: str = 'busy with a task') -> None:
        fault = self.assertFault(response, 422, 'unprocessableEntity')
        self.assertEqual(
            f'Instance {instance_id} is {text}. '
            f'Try again when the task has finished.', fault['message'])

    def test_an_upgrade_waits_for_the_end_of_a_resize(self):
        for method in ('PUT', 'PATCH'):
            for version in ('5.7', self.other_id, self.version_id):
                self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
                body = {'instance': {'datastore_version': version}}
                self.assertWaits(
                    self.post(f'/instances/{self.source_id}', body,
                              method=method),
                    self.source_id, 'being resized')
                self.busy(self.source_id, tasks.InstanceTasks.NONE)
                self.assertEqual(200, self.post(
                    f'/instances/{self.source_id}', body,
                    method=method).status_int)

    def test_each_action_in_each_state(self):
        # In the functional tests is what Trove sees to itself.
        settled = {1, 7, *(code for code, task in TASKS.items()
                           if task.is_error)}
        # An owner has to reset these to delete the instance.
        deletable = {tasks.InstanceTasks.BUILDING.code,
                     tasks.InstanceTasks.DELETING.code}
        for code, task in TASKS.items():
            self.busy(self.source_id, task)
            for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
                waits = code not in settled and not (
                    action == RESET and code in deletable)
                self.assertEqual(
                    422 if waits else 200, self.send(action).status_int,
                    (action, str(task)))

    def test_nothing_begins_that_a_task_under_way_would_hide(self):
        # A restart that ends clears the task: of a promotion, and then of
        # a resize that Trove has begun meanwhile.
        self.busy(self.source_id, tasks.InstanceTasks.REBOOTING)
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
            self.assertWaits(self.send(action), self.source_id)

    def test_a_task_that_is_not_known_is_waited_for(self):
        self.execute(sa.update(models.Instance).values(task_id=0x77))
        self.assertWaits(self.send(UPGRADE), self.source_id)

    def test_promotion_waits_for_every_instance_that_it_writes_to(self):
        for instance_id in (self.source_id, self.replica_id,
                            self.sibling_id):
            self.busy(instance_id, tasks.InstanceTasks.RESIZING)
            for action in (PROMOTE, EJECT):
                self.assertWaits(self.send(action), instance_id,
                                 'being resized')
        self.busy(self.instance_id, tasks.InstanceTasks.RESIZING)
        for action in (PROMOTE, EJECT):
            self.assertEqual(200, self.send(action).status_int)

    def test_a_configuration_waits_for_instances_of_the_project_alone(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        self.assertWaits(self.send(CONFIGURE), self.source_id,
                         'being resized')
        for values in ({'tenant_id': 'other'},
                       {'cluster_id': self.create_cluster()}):
            self.execute(sa.update(models.Instance).values(
                tenant_id=PROJECT).values(values).where(
                models.Instance.id == self.source_id))
            self.assertEqual(200, self.send(CONFIGURE).status_int)

    def test_where_the_datastore_requires_nothing_nothing_waits(self):
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=True))
        self.execute(sa.insert(models.Datastore).values(
            id='another', name='postgresql'))
        self.create_row(self.create_version('16', datastore_id='another'),
                        'allowed')
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
            self.assertEqual(200, self.send(action).status_int, action)

    def test_where_any_version_of_the_datastore_requires_it_all_waits(self):
        # An upgrade between two that require nothing would hide the resize
        # from the next one.
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=True))
        self.create_row(self.create_version('9.0'), '512', key='min_ram')
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
            self.assertWaits(self.send(action), self.source_id,
                             'being resized')

    def test_who_may_bypass_need_not_wait(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
            self.assertEqual(200, self.send(
                action, **{'X-Roles': 'dba'}).status_int, action)

    def test_an_admin_waits_as_well_but_may_reset(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, CONFIGURE):
            self.assertWaits(self.send(action, **{'X-Roles': 'admin'}),
                             self.source_id, 'being resized')
        self.assertEqual(200, self.send(
            RESET, **{'X-Roles': 'admin'}).status_int)

    def test_another_projects_instance_is_troves_to_refuse(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        self.execute(sa.update(models.Instance).values(tenant_id='other'))
        for action in (UPGRADE, ACCESS, PROMOTE, EJECT, RESET, CONFIGURE):
            self.assertEqual(200, self.send(action).status_int, action)

    def test_a_cluster_is_not_upgraded_while_a_member_is_resized(self):
        # Trove does not resize members.
        cluster_id = self.create_cluster()
        member_id = self.create_instance(cluster_id=cluster_id)
        self.busy(member_id, tasks.InstanceTasks.RESIZING)
        self.assertWaits(
            self.post(f'/clusters/{cluster_id}',
                      {'upgrade': {'datastore_version': '5.7'}}),
            member_id, 'being resized')

    def test_waiting_comes_before_the_old_flavor_is_judged(self):
        self.create_row(self.other_id, 'new')
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        self.assertWaits(self.send(UPGRADE), self.source_id, 'being resized')

    def test_it_is_logged_in_one_line(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        self.send(UPGRADE)
        line, = self.our_log()
        self.assertIn('INFO', line)
        self.assertRegex(line, (
            f"flavor decision: outcome=refused user=user project={PROJECT} "
            f"request_id=req-[-0-9a-f]+ action=upgrade "
            f"datastore_version={self.version_id} "
            f"instance={self.source_id} flavor='' "
            f"reason='is being resized'$"))

    def test_a_bypass_is_logged_in_one_line(self):
        self.busy(self.source_id, tasks.InstanceTasks.RESIZING)
        self.send(UPGRADE, **{'X-Roles': 'dba'})
        line, = self.our_log()
        self.assertIn('outcome=bypassed', line)
        self.busy(self.source_id, tasks.InstanceTasks.NONE)
        self.send(UPGRADE, **{'X-Roles': 'dba'})
        self.assertEqual([line], self.our_log())

    def test_a_flavor_breaks_no_line_of_the_log(self):
        self.create(flavorRef='a\nINFO flavor decision: outcome=bypassed')
        self.assertEqual(1, len(self.our_log()))


class MySQLTaskTest(TaskTest):
    backend = 'mysql'


class PostgreSQLTaskTest(TaskTest):
    backend = 'postgresql'


class BoundTest(GuardTestCase):
    """What is too long, too many or too deep, is nobody's to look for."""

    def setUp(self) -> None:
        super().setUp()
        # Whoever asks the database, or Nova, is told 503.
        self.create_row(self.version_id, '512', key='min_ram')
        self.asked = self.statements(
            self.application._services.requirements.database)

    def assertNobodyAsked(self, path: str, body, method: str = 'POST'):
        self.assertFault(self.post(path, body, method=method), 400,
                         'badRequest')
        self.assertEqual([], self.asked)

    def test_texts_longer_than_their_columns(self):
        for length in (256, 5_000_000):
            text = 'x' * length
            for body in (
                    {'datastore': {'type': text}},
                    {'datastore': {'type': 'mysql', 'version': text}},
                    {'datastore': {'type': 'mysql', 'version': '8.0',
                                   'version_number': text}},
                    {'flavorRef': text}, {'flavorRef': [text]},
                    {'flavorRef': f'http://nova/{text}/allowed'},
                    {'replica_of': text}):
                self.assertNobodyAsked('/instances', {'instance': {
                    'datastore': {'type': 'mysql', 'version': '8.0'},
                    'flavorRef': 'allowed'} | body})
                if 'datastore' in body:
                    self.assertNobodyAsked('/clusters', {'cluster': {
                        'instances': []} | body})
            self.assertNobodyAsked(
                f'/instances/{self.instance_id}',
                {'instance': {'datastore_version': text}}, 'PUT')
            self.assertNobodyAsked(
                f'/instances/{self.instance_id}/action',
                {'resize': {'flavorRef': text}})
            self.assertNobodyAsked(
                '/clusters/x', {'upgrade': {'datastore_version': text}})
            self.assertNobodyAsked(
                '/clusters/x', {'grow': [{'flavorRef': text}]})

    def test_ids_longer_than_their_columns(self):
        long = 'x' * 37
        self.assertNobodyAsked('/instances', {'instance': {
            'replica_of': long}})
        self.assertNobodyAsked(f'/instances/{long}/action', {
            'resize': {'flavorRef': 'allowed'}})
        self.assertNobodyAsked(f'/clusters/{long}', {'grow': []})
        self.assertNobodyAsked(f'/instances/{long}', {'instance': {}}, 'PUT')
        self.assertNobodyAsked(f'/configurations/{long}', {}, 'PUT')

    def test_texts_as_long_as_their_columns_are_looked_for(self):
        for body in ({'datastore': {'type': 'x' * 255, 'version': 'x' * 255,
                                    'version_number': 'x' * 255}},
                     {'replica_of': 'x' * 36}):
            self.asked.clear()
            self.assertEqual(200, self.post('/instances', {
                'instance': body}).status_int)
            self.assertEqual(1, len(self.asked))
        self.execute(sa.update(models.DatastoreVersionMetadata).values(
            deleted=True).where(
                models.DatastoreVersionMetadata.key == 'min_ram'))
        self.assertIn('Flavor ' + 'x' * 255, self.create(
            flavorRef='x' * 255).json['badRequest']['message'])

    def test_flavors_that_nova_cannot_be_asked_for(self):
        for reference in ('a\0b', '\ud800', 10 ** 300):
            self.assertNobodyAsked('/instances', {'instance': {
                'flavorRef': reference, 'datastore': {
                    'type': 'mysql', 'version': '8.0'}}})

    def test_more_nodes_than_any_cluster_has(self):
        for count in (trove_bodies.MOST_NODES + 1, 100_000):
            nodes = [{'flavorRef': f'f{number}'} for number in range(count)]
            self.assertNobodyAsked('/clusters', {'cluster': {
                'instances': nodes,
                'datastore': {'type': 'mysql', 'version': '8.0'}}})
            self.assertNobodyAsked('/clusters/x', {'grow': nodes})
        nodes = [{'flavorRef': 'allowed'}] * trove_bodies.MOST_NODES
        self.assertEqual(200, self.post(
            '/clusters/x', {'grow': nodes}).status_int)

    def test_brackets_within_brackets(self):
        def send(depth: int, around: bytes = b'%s') -> webob.Response:
            # Two are the body's own.
            inner = around % (b'[' * (depth - 2) + b']' * (depth - 2))
            return self.post('/instances', b'{"instance": {"datastore": '
                             b'{"type": "no"}, "x": %s}}' % inner)
        for depth in (101, 400, *range(860, 890), 3000, 200_000):
            self.assertFault(send(depth), 400, 'badRequest')
            self.assertEqual([], self.asked)
            # The first of two keys is not read, but parsed all the same.
            self.assertFault(send(depth, b'%s, "x": 1'), 400, 'badRequest')
        self.assertEqual(200, send(100).status_int)

    def test_brackets_in_strings_are_none(self):
        for text in ('[' * 5000, '\\"[' * 5000, '\\', '\\\\', '"', '[{'):
            self.assertEqual(200, self.post('/instances', {'instance': {
                'datastore': {'type': 'no'}, text: text}}).status_int)

    def test_a_broken_body_takes_no_time(self):
        begun = time.monotonic()
        for raw in (b'"' + b'\\"' * 2_000_000, b'\\"' * 2_000_000 + b'\\',
                    b'"\\' * 2_000_000, b'[]' * 2_000_000,
                    b'}' * 2_000_000):
            self.assertFault(self.post('/instances', raw), 400, 'badRequest')
        self.assertLess(time.monotonic() - begun, 10)

    def test_a_long_query_and_a_long_content_type(self):
        query = '&'.join(f'a{number}=b' for number in range(50_000))
        self.assertFault(
            self.post(f'/instances?{query}&_method=POST', b'[]',
                      method='PUT'), 400, 'badRequest')
        self.assertFault(
            self.post('/instances', b'{}', **{
                'Content-Type': 'application/json' + 'x' * 1_000_000}),
            400, 'badRequest')

    def test_keys_by_the_hundred_thousand_are_judged(self):
        self.assertEqual(200, self.post('/instances', {'instance': {
            'datastore': {'type': 'no'}} | {
                f'k{number}': number for number in range(200_000)}}
        ).status_int)


class NamedVersionTest(base.DatabaseTestCase):
    """How a datastore version is found by what a request says of it."""

    def named(self, *words) -> list[str]:
        return [target.version_id
                for target in self.lookup.named_version(*words)]

    def test_by_id_and_by_name(self):
        for datastore in ('ds', 'mysql'):
            for version in ('8.0', self.version_id):
                self.assertEqual([self.version_id],
                                 self.named(datastore, version, None))

    def test_by_default(self):
        self.assertEqual([], self.named('mysql', None, None))
        self.execute(sa.update(models.Datastore).values(
            default_version_id=self.other_id))
        self.assertEqual([self.other_id], self.named('mysql', None, None))

    def test_by_number_where_a_name_is_not_enough(self):
        second = self.create_version('8.0', number='8.0.29')
        self.assertEqual([], self.named('mysql', '8.0', None))
        self.assertEqual([second], self.named('mysql', '8.0', '8.0.29'))
        self.assertEqual([], self.named('mysql', '8.0', '8.0.30'))
        # An id needs no number, and Trove does not look at one.
        self.assertEqual([second], self.named('mysql', second, 'x'))

    def test_what_is_not_there(self):
        for words in (('no', '8.0', None), ('mysql', 'no', None),
                      ('mysql', str(uuid.uuid4()), None), ('', '', None)):
            self.assertEqual([], self.named(*words))

    def test_a_version_of_another_datastore_is_not_there(self):
        self.execute(sa.insert(models.Datastore).values(
            id='other', name='postgresql'))
        self.assertEqual([], self.named('postgresql', self.version_id, None))

    def test_an_id_goes_before_a_name(self):
        self.execute(sa.insert(models.Datastore).values(
            id='other', name='ds'))
        self.assertEqual([self.version_id], self.named('ds', '8.0', None))

    def test_what_the_database_takes_for_equal_is_found(self):
        names = [row[0] for row in self.execute(
            sa.select(models.Datastore.name).where(
                models.Datastore.name == 'MySQL'))]
        self.assertEqual(
            [self.version_id] if names else [],
            self.named('MySQL', '8.0', None))

    def test_characters_beyond_the_databases_set_are_no_outage(self):
        try:
            found = self.named('\U0001f5c4', '\U0001f42c', None)
        except exception.BadRequest:
            found = []
        self.assertEqual([], found)


class MySQLNamedVersionTest(NamedVersionTest):
    backend = 'mysql'


class PostgreSQLNamedVersionTest(NamedVersionTest):
    backend = 'postgresql'


class MethodTest(base.TestCase):

    def test_the_method_is_the_real_one_without_an_override(self):
        for query in ('', 'x=_methods', '_method=', '%5Fmethod=POST',
                      '_METHOD=POST', '_method'):
            self.assertEqual('GET', guard.method_of(
                {'REQUEST_METHOD': 'GET', 'QUERY_STRING': query}), query)
