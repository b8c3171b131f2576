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

"""The routes of requirements, without a Nova to ask, on each database."""

import concurrent.futures
import json
import typing

import sqlalchemy as sa
import webob

from trove_flavor_filter.api import requirements as api
from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit import test_wsgi

ALL = '/mgmt/flavor-requirements'
NOTHING = {'flavors': [], 'min_ram': None, 'min_vcpus': None,
           'min_disk': None, 'min_volume': None, 'max_ram': None,
           'max_vcpus': None, 'max_disk': None, 'max_volume': None,
           'extra_specs': {},
           'enforcement': None}


class RequirementsTestCase(test_wsgi.WsgiTestCase):

    def one(self, version_id: str | None = None) -> str:
        return (f'/mgmt/datastore-versions/{version_id or self.version_id}'
                f'/flavor-requirement')

    def send(self, method: str, path: str, body: typing.Any = None,
             roles: str = 'admin', **headers: str) -> webob.Response:
        """Send a request of an admin's; the body as JSON, or as it is."""
        content = {}
        if body is not None:
            content = {'Content-Type': 'application/json'}
        request = webob.Request.blank(
            f'/{test_wsgi.PROJECT}{path}', method=method,
            base_url='http://db.example.org/v1.0')
        if body is not None:
            request.body = (body if isinstance(body, bytes)
                            else json.dumps(body).encode())
        request.headers.update(content | {
            'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user',
            'X-Project-Id': test_wsgi.PROJECT, 'X-Roles': roles} | {
                name.replace('_', '-'): value
                for name, value in headers.items()})
        return request.get_response(self.application)

    def get(self, path: str | None = None, **headers) -> webob.Response:
        response = self.send('GET', path or self.one(), **headers)
        self.assertIn(response.status_int, (200, 304), response.text)
        self.assertMarked(response)
        return response

    def shown(self, version_id: str | None = None) -> dict:
        return self.get(self.one(version_id)).json['flavor_requirement']

    def put(self, version_id: str | None = None, query: str = '',
            headers: dict[str, str] | None = None, **says) -> webob.Response:
        return self.send('PUT', f'{self.one(version_id)}?validate=no{query}',
                         {'flavor_requirement': says}, **headers or {})

    def put_all(self, *documents: dict, query: str = '',
                **headers) -> webob.Response:
        return self.send('PUT', f'{ALL}?validate=no{query}',
                         {'flavor_requirements': documents}, **headers)

    def problems(self, response: webob.Response) -> dict[str, str]:
        """Message by pointer, of an answer that lists problems."""
        self.assertEqual(400, response.status_int, response.text)
        fault = response.json['badRequest']
        self.assertEqual({'code', 'message', 'problems'}, set(fault))
        for problem in fault['problems']:
            self.assertIn(f'{problem["pointer"]}: {problem["message"]}',
                          fault['message'])
        return {problem['pointer']: problem['message']
                for problem in fault['problems']}

    def all_rows(self) -> list[tuple]:
        return self.execute(sa.select(models.DatastoreVersionMetadata).
                            order_by(models.DatastoreVersionMetadata.id))


class OneTest(RequirementsTestCase):

    def test_a_version_that_requires_nothing_has_a_document_and_a_tag(self):
        response = self.get()
        self.assertEqual(
            {'flavor_requirement': {
                'datastore_version_id': self.version_id,
                'datastore': 'mysql', 'datastore_version': '8.0', **NOTHING}},
            response.json)
        self.assertRegex(response.headers['ETag'], '^"[0-9a-f]{32}"$')

    def test_what_is_put_is_in_force_and_shown(self):
        says = {'flavors': ['3', '2'], 'min_ram': 512, 'max_ram': 8192,
                'extra_specs': {'database': 'mysql', 'hw:a': ['x', 'y']}}
        response = self.put(**says)
        self.assertEqual(200, response.status_int, response.text)
        wanted = NOTHING | says | {
            'datastore_version_id': self.version_id, 'datastore': 'mysql',
            'datastore_version': '8.0', 'flavors': ['2', '3']}
        self.assertEqual({'flavor_requirement': wanted}, response.json)
        self.assertEqual(response.json, self.get().json)
        self.assertEqual(response.headers['ETag'],
                         self.get().headers['ETag'])
        self.assertEqual(
            {'2', '3'}, self.requirements.requirement_of(
                self.version_id).requirement.flavor_ids)

    def test_put_replaces_all_and_a_document_can_be_put_back(self):
        self.put(flavors=['1'], min_ram=5, extra_specs={'a': 'b'})
        shown = self.get()
        self.put(max_disk=7)
        self.assertEqual(NOTHING | {'max_disk': 7}, {
            key: value for key, value in self.shown().items()
            if key in NOTHING})
        self.assertEqual(200, self.send(
            'PUT', f'{self.one()}?validate=false', shown.json).status_int)
        self.assertEqual(shown.json, self.get().json)

    def test_null_and_empty_are_nothing(self):
        self.put(min_ram=5)
        self.assertEqual(200, self.put(**NOTHING).status_int)
        self.assertEqual(NOTHING, {
            key: self.shown()[key] for key in NOTHING})

    def test_delete_ends_all_of_it_and_may_be_repeated(self):
        self.put(flavors=['1'], min_ram=5)
        for _turn in range(2):
            response = self.send('DELETE', self.one())
            self.assertEqual((204, b''),
                             (response.status_int, response.body))
            self.assertMarked(response)
        self.assertEqual([], self.shown()['flavors'])

    def test_rows_of_volume_types_stay(self):
        self.create_row(self.version_id, 'lvm', key='volume_type')
        self.put(flavors=['1'])
        self.send('DELETE', self.one())
        self.assertEqual([(self.version_id, 'lvm', False)],
                         self.rows('volume_type'))

    def test_an_inactive_version_has_one_as_well(self):
        version_id = self.create_version('old', active=False)
        self.assertEqual(200, self.put(version_id, min_ram=5).status_int)
        self.assertEqual(5, self.shown(version_id)['min_ram'])

    def test_an_unknown_version_is_404(self):
        for version_id in ('no-such', self.version_id.upper(), '%00', '%ff',
                           '%C3%A9', 'x' * 300, '..', "'%20OR%201=1%20--"):
            for method, body in (('GET', None), ('DELETE', None), (
                    'PUT', {'flavor_requirement': {}})):
                self.assertFault(
                    self.send(method, self.one(version_id), body), 404,
                    'itemNotFound')

    def test_invalid_rows_are_shown_and_not_put_back(self):
        self.create_row(self.version_id, 'much', key='min_ram')
        self.create_row(self.version_id, '')
        shown = self.get().json
        self.assertEqual(['flavor=', 'min_ram=much'],
                         shown['flavor_requirement']['invalid_rows'])
        self.assertEqual(
            {'/flavor_requirement/invalid_rows':
                'a list is not accepted; leave it out to remove the '
                'invalid rows'},
            self.problems(self.send(
                'PUT', f'{self.one()}?validate=0', shown)))
        self.put(min_ram=1)
        self.assertNotIn('invalid_rows', self.shown())


class ProblemTest(RequirementsTestCase):

    def test_every_problem_is_told_at_once_with_its_place(self):
        before = self.all_rows()
        problems = self.problems(self.put(
            datastore_version_id=self.other_id, datastore='pg',
            flavors=['1', 7, {'name': 'db.small'}, {'nam': 'x'}, ' ', '1'],
            min_ram=9, max_ram=8, min_vcpus=True, max_vcpus=1.0,
            min_disk=0, min_rma=5, extra_specs={
                'a/b~c': 'x', 'k': ['v', 7, ''], 'long': 'x' * 200}))
        top = '/flavor_requirement'
        self.assertEqual({
            f'{top}/datastore_version_id', f'{top}/datastore',
            f'{top}/flavors/1', f'{top}/flavors/2', f'{top}/flavors/3',
            f'{top}/flavors/3/nam', f'{top}/flavors/4', f'{top}/flavors/5',
            f'{top}/min_ram', f'{top}/min_vcpus', f'{top}/max_vcpus',
            f'{top}/min_disk', f'{top}/min_rma',
            f'{top}/extra_specs/a~1b~0c', f'{top}/extra_specs/k/1',
            f'{top}/extra_specs/long'}, set(problems))
        self.assertEqual('min_ram 9 is above max_ram 8',
                         problems[f'{top}/min_ram'])
        self.assertIn('did you mean min_ram', problems[f'{top}/min_rma'])
        self.assertIn('already listed in /flavor_requirement/flavors/0',
                      problems[f'{top}/flavors/5'])
        self.assertIn('give the id', problems[f'{top}/flavors/2'])
        self.assertEqual(before, self.all_rows())

    def test_every_problem_of_a_list_is_told_at_once(self):
        response = self.put_all(
            {'datastore_version_id': 'no-such', 'min_ram': 'x'},
            {'datastore': 'mysql', 'datastore_version': '9.9'},
            {'datastore_version_id': self.version_id},
            {'datastore': 'mysql', 'datastore_version': '8.0'},
            {'datastore': 'mysql'}, 5,
            {'datastore_version_id': self.other_id,
             'datastore_version': '8.0'})
        top = '/flavor_requirements'
        problems = self.problems(response)
        self.assertEqual({
            f'{top}/0/datastore_version_id', f'{top}/0/min_ram',
            f'{top}/1/datastore_version', f'{top}/3/datastore_version',
            f'{top}/4', f'{top}/5', f'{top}/6/datastore_version'},
            set(problems))
        self.assertIn(f'in {top}/2/datastore_version_id',
                      problems[f'{top}/3/datastore_version'])

    def test_a_document_of_another_form_is_told_so(self):
        for body, pointer in (
                ({}, ''), ({'flavor_requirement': None},
                           '/flavor_requirement'),
                ({'flavor_requirement': []}, '/flavor_requirement'),
                ({'flavor_requirement': {'flavors': None}},
                 '/flavor_requirement/flavors'),
                ({'flavor_requirement': {'extra_specs': []}},
                 '/flavor_requirement/extra_specs'),
                ({'flavor_requirement': {'flavors': {}}},
                 '/flavor_requirement/flavors'),
                ({'flavor_requirement': {'flavors': ['x'] * 10001}},
                 '/flavor_requirement/flavors'),
                ({'flavor_requirement': {}, 'x': 1}, '/x')):
            self.assertEqual([pointer], list(self.problems(
                self.send('PUT', f'{self.one()}?validate=0', body))))
        for body in ({}, {'flavor_requirements': {}},
                     {'flavor_requirement': {}}):
            self.problems(self.send('PUT', f'{ALL}?validate=0', body))
        self.assertEqual([''], list(self.problems(
            self.send('PUT', f'{self.one()}?validate=0'))))

    def test_a_body_that_is_no_json_object_is_400(self):
        for body in (b'[]', b'{', b'null', b'{"a": 1, "a": 2}', b'\xff',
                     '{}'.encode('utf-16'), b'[' * 2000, b'{"a":' * 200,
                     b'{"flavor_requirement": {"min_ram": ' + b'9' * 5000
                     + b'}}'):
            self.assertFault(self.send('PUT', self.one(), body), 400,
                             'badRequest')

    def test_another_content_type_is_400(self):
        self.assertFault(self.send(
            'PUT', self.one(), {'flavor_requirement': {}},
            Content_Type='text/plain'), 400, 'badRequest')

    def test_a_body_beyond_all_sense_is_413_and_not_read(self):
        body = b'{"x": "' + b'x' * api.LARGEST + b'"}'
        self.assertFault(self.send('PUT', self.one(), body), 413,
                         'overLimit')
        self.assertFault(self.send(
            'PUT', self.one(), body, Content_Length='',
            Transfer_Encoding='chunked'), 413, 'overLimit')

    def test_the_log_tells_the_first_of_many_problems(self):
        self.put(flavors=[f'{number}/' for number in range(1000)])
        self.assertLess(len(self.log.output), 4000)
        self.assertIn('problems: 1000, the first: /flavor_requirement/'
                      'flavors/0', self.log.output)

    def test_of_many_problems_a_hundred_are_told_and_the_rest_counted(self):
        for count, more in ((99, 0), (100, 0), (101, 1), (5000, 4900)):
            for response in (
                    self.put(flavors=[f'{at}/' for at in range(count)]),
                    self.put(**{f'key{at}': 1 for at in range(count)}),
                    self.put(extra_specs={f'{at}': 0 for at in range(count)}),
                    self.put_all(*[0] * count),
                    self.put_all(*({'datastore_version_id': f'{at}'}
                                   for at in range(count)))):
                self.assertEqual(400, response.status_int)
                fault = response.json['badRequest']
                self.assertEqual(min(count, 100), len(fault['problems']))
                self.assertEqual(more, fault.get('more_problems', 0))
                self.assertEqual(more > 0, fault['message'].endswith(
                    f'; and {more} more.'))
                self.assertLess(len(response.body), 60000)

    def test_a_list_that_is_too_long_is_told_with_the_first_mistakes(self):
        response = self.put_all(*[0] * 600_000)
        fault = response.json['badRequest']
        self.assertEqual(
            {'pointer': '/flavor_requirements', 'message':
                'a list of 600000 is not a list of up to 10000 requirements'},
            fault['problems'][0])
        self.assertEqual((100, 9901),
                         (len(fault['problems']), fault['more_problems']))

    def test_of_many_mistakes_in_the_query_the_rest_is_counted(self):
        response = self.send('PUT', f'{self.one()}?' + '&'.join(
            f'x{at}=1' for at in range(300)), {'flavor_requirement': {}})
        message = self.assertFault(response, 400, 'badRequest')['message']
        self.assertIn("unknown parameter 'x99'", message)
        self.assertTrue(message.endswith('; and 200 more.'), message)

    def test_a_key_cannot_forge_a_line_of_the_log(self):
        self.put(**{'\nINFO forged': 1, '\ud800': 2})
        self.assertEqual(1, len(self.our_log()))
        self.assertIn('/flavor_requirement/\\nINFO forged',
                      self.log.output)

    def test_parameters_of_the_query_are_strict(self):
        for query in ('validate=maybe', 'validate=', 'prune=1', 'x=1',
                      'dry_run=2', 'validate=1&validate=1', '%ff=1',
                      'validate=%ff', '_method=GET'):
            self.assertFault(self.send(
                'PUT', f'{self.one()}?{query}', {'flavor_requirement': {}}),
                400, 'badRequest')
        self.assertFault(self.send('GET', f'{self.one()}?validate=1'), 400,
                         'badRequest')
        for value in ('0', 'f', 'False', 'NO', 'off'):
            self.assertEqual(200, self.send(
                'PUT', f'{self.one()}?validate={value}',
                {'flavor_requirement': {}}).status_int)


class ConditionTest(RequirementsTestCase):

    def tag(self, path: str | None = None) -> str:
        return self.get(path).headers['ETag']

    def test_a_known_document_is_304(self):
        for path in (self.one(), ALL):
            response = self.get(path, If_None_Match=self.tag(path))
            self.assertEqual((304, b''),
                             (response.status_int, response.body))
            self.assertEqual(self.tag(path), response.headers['ETag'])

    def test_the_tag_changes_with_every_change_and_not_without(self):
        tags = [self.tag()]
        for says in ({'flavors': ['1']}, {}, {'flavors': ['1']}):
            self.put(**says)
            tags.append(self.tag())
        self.assertEqual(4, len(set(tags)))
        self.put(flavors=['1'])
        self.put(self.other_id, flavors=['1'])
        self.assertEqual(tags[-1], self.tag())

    def test_the_tag_changes_when_troves_own_commands_change_rows(self):
        before, of_all = self.tag(), self.tag(ALL)
        self.create_row(self.version_id, '1')
        self.assertNotEqual(before, self.tag())
        self.assertNotEqual(of_all, self.tag(ALL))
        self.assertEqual(412, self.put(
            headers={'If_Match': before}).status_int)

    def test_a_tag_that_no_longer_holds_changes_nothing(self):
        self.put(flavors=['1'])
        old = self.tag()
        self.put(flavors=['2'])
        before = self.all_rows()
        for value in (old, f'W/{self.tag()}', '"x"', '"', 'x', f'{old}, "y"'):
            for method, body in (('PUT', {'flavor_requirement': {}}),
                                 ('DELETE', None)):
                query = '?validate=0' if method == 'PUT' else ''
                self.assertFault(self.send(
                    method, f'{self.one()}{query}', body, If_Match=value),
                    412, 'preconditionFailed')
        self.assertEqual(before, self.all_rows())
        self.assertEqual(['2'], self.shown()['flavors'])

    def test_a_tag_that_holds_lets_it_pass(self):
        for value in ('{}', '"x", {}', '*'):
            self.put(flavors=['1'])
            self.assertEqual(200, self.put(headers={
                'If_Match': value.format(self.tag())}, min_ram=1).status_int)
        self.assertEqual(204, self.send(
            'DELETE', self.one(), If_Match=self.tag()).status_int)

    def test_a_condition_without_a_valid_tag_never_holds(self):
        self.put(flavors=['1'])
        before, tag = self.all_rows(), self.tag()
        for value in ('', ' ', ',', '\t, ,', '""', '"', 'x', '*x', '*, *',
                      f'{tag}"', f'"{tag}', f'{tag} {tag}', f'{tag}; q=1',
                      f'w/{tag}', f'W/ {tag}', f'{tag}, x', f'*, {tag}',
                      tag.strip('"'), '\xff', '"a" "b"'):
            for header in ('If_Match', 'If_None_Match'):
                if value == '""' and header == 'If_None_Match':
                    # It is an ETag, and that of another state.
                    continue
                for method, path, body in (
                        ('PUT', f'{self.one()}?validate=0',
                         {'flavor_requirement': {}}),
                        ('DELETE', self.one(), None),
                        ('PUT', f'{ALL}?validate=0&prune=1',
                         {'flavor_requirements': []})):
                    response = self.send(method, path, body,
                                         **{header: value})
                    fault = self.assertFault(response, 412,
                                             'preconditionFailed')
                    if value != '""':
                        self.assertIn(header.replace('_', '-'),
                                      fault['message'])
        self.assertEqual(before, self.all_rows())

    def test_lists_are_read_as_servers_join_headers(self):
        for value in ('"x",{}', '"x" , {}', '{},"x"', ',{},', 'W/"x",{}',
                      '"a,b",{}', '"",{}'):
            self.put(min_ram=1)
            value = value.format(self.tag())
            self.assertEqual(412, self.put(headers={
                'If_None_Match': value}, min_ram=2).status_int, value)
            self.assertEqual(304, self.get(
                If_None_Match=value).status_int, value)
            self.assertEqual(200, self.put(headers={
                'If_Match': value}, min_ram=2).status_int, value)

    def test_a_tag_that_a_proxy_has_changed_is_known(self):
        self.put(min_ram=1)
        for coding in ('-gzip', '--gzip', ';gzip', '-br', '-zstd'):
            value = f'{self.tag()[:-1]}{coding}"'
            self.assertEqual(304, self.get(If_None_Match=value).status_int)
            self.assertEqual(200, self.put(headers={
                'If_Match': value}, min_ram=1).status_int)
        for value in (f'{self.tag()[:-1]}0"', f'{self.tag()[:-1]}-"',
                      f'"x{self.tag()[1:]}'):
            self.assertEqual(412, self.put(headers={
                'If_Match': value}).status_int)
        self.assertEqual(304, self.get(
            If_None_Match=f'W/{self.tag()}').status_int)
        fault = self.assertFault(self.put(headers={
            'If_Match': f'W/{self.tag()}'}), 412, 'preconditionFailed')
        self.assertIn('Send it without "W/"', fault['message'])

    def test_a_proxy_is_told_not_to_change_the_tag(self):
        for path in (self.one(), ALL):
            self.assertEqual('no-transform, private', self.get(
                path).headers['Cache-Control'])
            self.assertEqual('no-transform, private', self.get(
                path, If_None_Match=self.tag(path)).headers['Cache-Control'])
        self.assertEqual('no-transform', self.put().headers['Cache-Control'])

    def test_if_none_match_keeps_what_is_there(self):
        headers = {'If_None_Match': '*'}
        self.assertEqual(200, self.put(headers=headers,
                                       min_ram=1).status_int)
        self.assertFault(self.put(headers=headers, min_ram=2), 412,
                         'preconditionFailed')
        self.assertFault(self.put(headers={'If_None_Match': self.tag()}),
                         412, 'preconditionFailed')
        self.assertEqual(1, self.shown()['min_ram'])
        self.assertEqual(200, self.put(
            headers={'If_None_Match': '"x"'}, min_ram=2).status_int)

    def test_the_list_has_a_tag_of_its_own(self):
        tag = self.tag(ALL)
        document = {'datastore_version_id': self.version_id, 'min_ram': 1}
        self.assertEqual(200, self.put_all(
            document, If_Match=tag).status_int)
        for query in ('', '&dry_run=1'):
            self.assertFault(self.put_all(document, query=query,
                                          If_Match=tag),
                             412, 'preconditionFailed')

    def test_of_writers_at_once_with_one_tag_one_wins(self):
        for turn in range(5):
            tag = self.tag()
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(
                    lambda number: self.put(
                        headers={'If_Match': tag},
                        min_ram=10 * turn + number + 1), range(6)))
            statuses = sorted(answer.status_int for answer in answers)
            self.assertEqual([200] + [412] * 5, statuses)
            (winner,) = [answer for answer in answers
                         if answer.status_int == 200]
            self.assertEqual(winner.json, self.get().json)
            self.assertEqual(winner.headers['ETag'], self.tag())


class ManyTest(RequirementsTestCase):

    def of(self, version_id: str, **says) -> dict:
        return {'datastore_version_id': version_id} | says

    def listed(self) -> dict[str, dict]:
        return {one['datastore_version']: one for one in self.get(
            ALL).json['flavor_requirements']}

    def test_the_list_has_those_that_require_something_by_name(self):
        self.assertEqual({'flavor_requirements': []}, self.get(ALL).json)
        self.put(self.version_id, min_ram=2)
        self.put(self.other_id, flavors=['1'])
        listed = self.get(ALL).json['flavor_requirements']
        self.assertEqual([self.shown(self.other_id), self.shown()], listed)

    def test_documents_replace_and_others_stay(self):
        self.put(self.version_id, flavors=['1'], min_ram=2)
        self.put(self.other_id, flavors=['1'])
        response = self.put_all({
            'datastore': 'mysql', 'datastore_version': '8.0',
            'flavors': ['2'], 'max_ram': 9})
        self.assertEqual({'flavor_requirement_changes': [{
            'datastore_version_id': self.version_id, 'datastore': 'mysql',
            'datastore_version': '8.0',
            'added': [{'key': 'flavor', 'value': '2'},
                      {'key': 'max_ram', 'value': '9'}],
            'removed': [{'key': 'flavor', 'value': '1'},
                        {'key': 'min_ram', 'value': '2'}]}],
            'warnings': []}, response.json)
        self.assertEqual((['2'], None, ['1']), (
            self.listed()['8.0']['flavors'],
            self.listed()['8.0']['min_ram'],
            self.listed()['5.7']['flavors']))

    def test_prune_ends_what_is_not_mentioned(self):
        self.put(self.version_id, min_ram=2)
        self.put(self.other_id, flavors=['1'])
        response = self.put_all(self.of(self.version_id, min_ram=2),
                                query='&prune=true')
        (change,) = response.json['flavor_requirement_changes']
        self.assertEqual(
            (self.other_id, [], [{'key': 'flavor', 'value': '1'}]),
            (change['datastore_version_id'], change['added'],
             change['removed']))
        self.assertEqual(['8.0'], list(self.listed()))
        self.put_all(query='&prune=true')
        self.assertEqual({}, self.listed())

    def test_a_dry_run_tells_the_same_and_changes_nothing(self):
        self.put(self.other_id, flavors=['1'])
        before = self.all_rows()
        document = self.of(self.version_id, flavors=['2'])
        dry = self.put_all(document, query='&prune=1&dry_run=1')
        self.assertEqual(before, self.all_rows())
        self.assertEqual(
            dry.json, self.put_all(document, query='&prune=1').json)
        self.assertEqual(2, len(dry.json['flavor_requirement_changes']))

    def test_what_the_list_shows_can_be_put_back(self):
        self.put(self.version_id, min_ram=2, extra_specs={'a': ['b', 'c']})
        self.put(self.other_id, flavors=['1'])
        shown = self.get(ALL).json
        self.send('PUT', f'{ALL}?validate=0&prune=1',
                  {'flavor_requirements': []})
        self.assertEqual(200, self.send(
            'PUT', f'{ALL}?validate=0', shown).status_int)
        self.assertEqual(shown, self.get(ALL).json)

    def test_one_problem_keeps_all_of_it_away(self):
        self.problems(self.put_all(
            self.of(self.version_id, min_ram=2),
            self.of(self.other_id, min_ram=2, max_ram=1)))
        self.assertEqual({}, self.listed())


class RefusalTest(RequirementsTestCase):

    def requests(self):
        yield 'GET', self.one(), None
        yield 'PUT', f'{self.one()}?validate=0', {'flavor_requirement': {
            'min_ram': 7}}
        yield 'DELETE', self.one(), None
        yield 'GET', ALL, None
        yield 'PUT', f'{ALL}?validate=0', {'flavor_requirements': []}

    def test_a_member_is_403_whatever_is_sent(self):
        for method, path, body in self.requests():
            self.assertFault(self.send(method, path, body, roles='member'),
                             403, 'forbidden')
            self.assertFault(self.send(
                method, f'{path.partition("?")[0]}?x', b'{',
                roles='member'), 403, 'forbidden')

    def test_another_projects_token_is_403_admins_too(self):
        for method, path, body in self.requests():
            self.assertFault(self.send(method, path, body,
                                       X_Project_Id='other'), 403,
                             'forbidden')

    def test_nobody_is_401(self):
        for method, path, body in self.requests():
            self.assertFault(self.send(method, path, body,
                                       X_Identity_Status='Invalid'), 401,
                             'unauthorized')

    def test_other_methods_are_405(self):
        for path, allowed in ((self.one(), 'DELETE, GET, PUT'),
                              (ALL, 'GET, PUT')):
            for method in ('POST', 'PATCH', 'HEAD', 'OPTIONS', 'BREW'):
                response = self.send(method, path)
                self.assertEqual(
                    (405, allowed),
                    (response.status_int, response.headers['Allow']))

    def test_every_other_path_below_mgmt_is_troves(self):
        for path in ('/mgmt', '/mgmt/datastore-versions',
                     f'/mgmt/datastore-versions/{self.version_id}',
                     f'{self.one()}/', f'{self.one()}/x', f'{self.one()}s',
                     f'{ALL}/', f'{ALL}/x', '/mgmt/flavor-requirement',
                     f'/mgmt/datastores/versions/{self.version_id}'
                     f'/flavor-requirement',
                     '/mgmt/datastore-versions//flavor-requirement',
                     f'/x{self.one()}'):
            for method in ('GET', 'PUT', 'POST', 'BREW'):
                self.reached.clear()
                response = self.send(method, path, {})
                self.assertEqual(1, len(self.reached), path)
                self.assertEqual(b'from Trove', response.body)

    def test_nova_away_is_503_and_changes_nothing(self):
        for path, body in (
                (self.one(), {'flavor_requirement': {'flavors': ['1']}}),
                (ALL, {'flavor_requirements': []}),
                (f'{ALL}?dry_run=1', {'flavor_requirements': []})):
            response = self.send('PUT', path, body)
            self.assertFault(response, 503, 'serviceUnavailable')
            self.assertEqual('5', response.headers['Retry-After'])
        self.assertEqual([], self.rows())

    def test_without_the_table_of_revisions_is_503_with_what_to_run(self):
        models.FlavorFilterRevision.__table__.drop(self.sql)
        self.create_row(self.version_id, '1')
        before = self.all_rows()
        for method, path, body in self.requests():
            fault = self.assertFault(self.send(method, path, body), 503,
                                     'serviceUnavailable')
            self.assertIn('flavor-filter-db-sync', fault['message'])
        self.assertEqual(before, self.all_rows())


class PolicyTest(RequirementsTestCase):

    policy = '"flavor_filter:requirements:show": "role:auditor"\n'

    def test_show_and_update_are_two_rules(self):
        for roles, get, put in (('auditor', 200, 403), ('admin', 403, 200),
                                ('member', 403, 403)):
            self.assertEqual(get, self.send(
                'GET', self.one(), roles=roles).status_int)
            self.assertEqual(put, self.send(
                'PUT', f'{self.one()}?validate=0',
                {'flavor_requirement': {}}, roles=roles).status_int)


class AuditTest(RequirementsTestCase):

    def lines(self) -> list[str]:
        return [line for line in self.our_log() if 'changed:' in line]

    def test_each_change_is_one_line(self):
        self.put(flavors=['1', '2'], min_ram=5,
                 headers={'X_Auth_Token': 'gAAAA-secret'})
        self.put(flavors=['2'], extra_specs={'a': 'b'})
        self.send('DELETE', self.one())
        first, second, third = self.lines()
        for text in ('INFO', 'user=user', f'project={test_wsgi.PROJECT}',
                     'request_id=req-', f'datastore_version='
                     f'{self.version_id}',
                     'added=["flavor=1", "flavor=2", "min_ram=5"]',
                     'removed=[]'):
            self.assertIn(text, first)
        self.assertIn('added=["extra_spec=a=b"] '
                      'removed=["flavor=1", "min_ram=5"]', second)
        self.assertIn('added=[] removed=["extra_spec=a=b", "flavor=2"]', third)
        self.assertNotIn('secret', self.log.output)

    def test_what_changes_nothing_is_no_line(self):
        self.put()
        self.send('DELETE', self.one())
        self.put_all({'datastore_version_id': self.version_id,
                      'min_ram': 1}, query='&dry_run=1')
        self.put(min_ram=2, max_ram=1)
        self.put(min_ram=1, headers={'If_Match': '"x"'})
        self.assertEqual([], self.lines())

    def test_a_list_has_a_line_for_each_version(self):
        self.put_all({'datastore_version_id': self.version_id, 'min_ram': 1},
                     {'datastore_version_id': self.other_id, 'min_ram': 1})
        self.assertEqual(2, len(self.lines()))

    def test_a_row_cannot_forge_a_line(self):
        self.create_row(self.version_id, '1\nINFO forged')
        self.send('DELETE', self.one())
        self.assertEqual(1, len(self.lines()))
        self.assertIn('\\nINFO forged', self.lines()[0])


class MySQLConditionTest(ConditionTest):
    backend = 'mysql'


class PostgreSQLConditionTest(ConditionTest):
    backend = 'postgresql'


class MySQLManyTest(ManyTest):
    backend = 'mysql'


class PostgreSQLManyTest(ManyTest):
    backend = 'postgresql'


class MySQLOneTest(OneTest):
    backend = 'mysql'

    def test_extra_specs_that_the_database_takes_for_one_are_refused(self):
        response = self.put(extra_specs={'a': 'x', 'A': 'x'})
        self.assertEqual(400, response.status_int)
        self.assertIn('does not distinguish extra spec',
                      response.json['badRequest']['message'])


class PostgreSQLOneTest(OneTest):
    backend = 'postgresql'


class LargeTest(RequirementsTestCase):

    def test_a_hundred_versions_with_ten_thousand_associations(self):
        versions = [self.create_version(f'v{number:03}')
                    for number in range(100)]
        response = self.put_all(*(
            {'datastore_version_id': version_id,
             'flavors': [f'flavor-{number}' for number in range(100)]}
            for version_id in versions))
        self.assertEqual(100, len(
            response.json['flavor_requirement_changes']))
        self.assertEqual(10000, len(self.rows()))


class MySQLLargeTest(LargeTest):
    backend = 'mysql'


class PostgreSQLLargeTest(LargeTest):
    backend = 'postgresql'
