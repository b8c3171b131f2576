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
import uuid

import sqlalchemy as sa
import webob

from trove_flavor_filter.api import guard
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter.tests.unit import test_wsgi

PROJECT = test_wsgi.PROJECT


class GuardTest(test_wsgi.WsgiTestCase):

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

    def test_a_refusal_is_troves_fault_with_the_flavor_and_the_version(self):
        fault = self.assertFault(self.create(flavorRef='small'), 400,
                                 'badRequest')
        self.assertEqual(
            f'Flavor small is not supported for datastore version '
            f'{self.version_id}.', fault['message'])

    def test_a_refusal_is_logged_once_with_its_fields(self):
        self.create(flavorRef='small')
        line, = self.our_log()
        for field in ('INFO', 'user=user', f'project={PROJECT}',
                      f'datastore_version={self.version_id}',
                      "flavor='small'", "reason='not associated'"):
            self.assertIn(field, line)

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
                          True, ['allowed'], 'allowed/'):
            self.assertFault(self.create(flavorRef=reference), 400,
                             'badRequest')
        for reference in ('allowed', 'http://nova/flavors/allowed?x=small',
                          'small/allowed#small'):
            self.assertEqual(
                200, self.create(flavorRef=reference).status_int)

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
        cluster_id = str(uuid.uuid4())
        self.execute(sa.insert(models.Cluster).values(
            id=cluster_id, tenant_id=PROJECT, deleted=False,
            datastore_version_id=self.version_id))
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

    def test_each_guarded_request_takes_one_statement(self):
        self.create(flavorRef='allowed')
        seen = []
        sa.event.listen(
            self.application._services.requirements.database.engine(),
            'before_cursor_execute',
            lambda _conn, _cursor, statement, *_rest: seen.append(statement))
        for path, body, method in (
                ('/instances', {'instance': {
                    'flavorRef': 'allowed', 'datastore': {
                        'type': 'mysql', 'version': '8.0'}}}, 'POST'),
                ('/instances', {'instance': {
                    'replica_of': self.instance_id}}, 'POST'),
                (f'/instances/{self.instance_id}/action',
                 {'resize': {'flavorRef': 'allowed'}}, 'POST'),
                (f'/instances/{self.instance_id}',
                 {'instance': {'datastore_version': '5.7'}}, 'PUT'),
                ('/clusters', {'cluster': {
                    'instances': [], 'datastore': {
                        'type': 'mysql', 'version': '8.0'}}}, 'POST'),
                ('/clusters/x', {'grow': []}, 'POST')):
            seen.clear()
            self.post(path, body, method=method)
            self.assertEqual(
                1, len([text for text in seen if text != 'BEGIN']), path)


class NamedVersionTest(base.DatabaseTestCase):
    """How a datastore version is found by what a request says of it."""

    def named(self, *words) -> list[str]:
        return [target.version_id
                for target in self.targets.named_version(*words)]

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
