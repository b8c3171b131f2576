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

"""The paste filter, without a Nova to ask: refusals, faults, passing on."""

import itertools
import re
import time

import fixtures
from oslo_config import cfg
import paste.deploy
import webob

from trove_flavor_filter.tests.unit import base
from trove_flavor_filter import wsgi

PROJECT = '7c2d2ef1a5a14d43a38a2f5d2a2a5d0f'


class WsgiTestCase(base.DatabaseTestCase):

    policy = ''
    # Sections of trove.conf.
    options = ''
    # Where there is no Keystone, and so no Nova.
    auth_url = 'http://127.0.0.1:1/v3'

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            format='%(levelname)s %(name)s %(message)s'))
        policy_file = self.create_tempfiles([('policy', self.policy)],
                                            ext='.yaml')[0]
        path = self.trove_conf(
            f'[database]\nconnection = {self.url}\n'
            f'[oslo_policy]\npolicy_file = {policy_file}\n'
            f'[service_credentials]\nauth_url = {self.auth_url}\n'
            f'username = trove\npassword = pencil\nproject_name = service\n'
            f'{self.options}')
        self.reached = []
        self.application = wsgi.filter_factory(
            {}, oslo_config_file=path)(self.trove)
        self.addCleanup(
            self.application._services.requirements.database.dispose)

    def trove(self, environ, start_response):
        self.reached.append(environ)
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return self.streamed

    streamed = [b'from ', b'Trove']

    def request(self, path: str, method: str = 'GET', project: str = PROJECT,
                roles: str = 'member', **headers: str) -> webob.Response:
        request = webob.Request.blank(
            path, method=method, base_url='http://db.example.org/v1.0')
        request.headers.update({
            'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user',
            'X-Project-Id': project, 'X-Roles': roles} | headers)
        return request.get_response(self.application)

    def path(self, version_id: str | None = None,
             project: str = PROJECT) -> str:
        return (f'/{project}/flavors/datastores/versions/'
                f'{version_id or self.version_id}')

    def assertFault(self, response: webob.Response, status: int,
                    name: str) -> dict:
        self.assertEqual(status, response.status_int, response.body)
        self.assertEqual('application/json', response.content_type)
        self.assertEqual([name], list(response.json))
        self.assertEqual(status, response.json[name]['code'])
        self.assertEqual({'code', 'message'}, set(response.json[name]))
        self.assertEqual([], self.reached)
        self.assertMarked(response)
        return response.json[name]

    def assertMarked(self, response: webob.Response) -> None:
        self.assertEqual(['1'],
                         response.headers.getall('Trove-Flavor-Filter'))

    def our_log(self) -> list[str]:
        return [line for line in self.log.output.splitlines()
                if ' trove_flavor_filter' in line]


class RefusalTest(WsgiTestCase):

    def test_nobody_is_401(self):
        response = webob.Request.blank(self.path()).get_response(
            self.application)
        self.assertFault(response, 401, 'unauthorized')

    def test_an_invalid_token_let_through_by_a_lax_pipeline_is_401(self):
        self.assertFault(
            self.request(self.path(), **{'X-Identity-Status': 'Invalid'}),
            401, 'unauthorized')

    def test_another_projects_token_is_403(self):
        self.assertFault(self.request(self.path(project='other')), 403,
                         'forbidden')

    def test_an_admins_token_of_another_project_is_403_as_well(self):
        self.assertFault(
            self.request(self.path(project='other'), roles='admin'),
            403, 'forbidden')

    def test_a_token_without_a_project_is_403(self):
        self.assertFault(self.request(self.path(), project=''), 403,
                         'forbidden')

    def test_an_unknown_version_is_404(self):
        for version_id in ('no-such', 'x' * 300, '%C3%A9', '%00', '%FF',
                           "'%20OR%201=1%20--", '%25', '..', '%0d%0a'):
            self.reached.clear()
            self.assertFault(self.request(self.path(version_id)), 404,
                             'itemNotFound')

    def test_a_slash_in_an_id_makes_a_path_that_is_not_ours(self):
        self.request(self.path('a%2Fb'))
        self.assertEqual(1, len(self.reached))

    def test_an_inactive_version_is_404_to_a_member(self):
        version_id = self.create_version('old', active=False)
        self.assertFault(self.request(self.path(version_id)), 404,
                         'itemNotFound')

    def test_an_inactive_version_is_there_for_an_admin(self):
        version_id = self.create_version('old', active=False)
        self.assertFault(
            self.request(self.path(version_id), roles='member,admin'), 503,
            'serviceUnavailable')

    def test_other_methods_are_405_and_told_which_is_not(self):
        for method in ('POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS',
                       'BREW'):
            response = self.request(self.path(), method=method)
            self.assertEqual(405, response.status_int)
            self.assertEqual('GET', response.headers['Allow'])
        self.assertFault(self.request(self.path(), method='BREW'), 405,
                         'badMethod')

    def test_a_refusal_is_logged_once_without_the_token(self):
        self.request(self.path(project='other'),
                     **{'X-Auth-Token': 'gAAAA-secret'})
        self.assertEqual(1, len(self.our_log()), self.log.output)
        self.assertIn('403', self.our_log()[0])
        self.assertNotIn('secret', self.log.output)


class UnavailableTest(WsgiTestCase):

    def test_keystone_away_is_503_with_retry_after(self):
        response = self.request(self.path())
        self.assertFault(response, 503, 'serviceUnavailable')
        self.assertEqual('5', response.headers['Retry-After'])

    def test_keystone_away_is_logged_once_without_the_password(self):
        self.request(self.path())
        self.assertEqual(1, len(self.our_log()), self.log.output)
        self.assertTrue(self.our_log()[0].startswith('ERROR'))
        self.assertNotIn('pencil', self.log.output)

    def test_a_database_away_is_503_and_says_no_more_to_the_client(self):
        path = self.trove_conf(
            '[database]\n'
            'connection = mysql+pymysql://trove:pencil@127.0.0.1:1/trove\n')
        self.application = wsgi.filter_factory(
            {}, oslo_config_file=path)(self.trove)
        response = self.request(self.path())
        fault = self.assertFault(response, 503, 'serviceUnavailable')
        self.assertEqual('5', response.headers['Retry-After'])
        self.assertNotIn('127.0.0.1', fault['message'])
        self.assertNotIn('pencil', self.log.output)
        self.assertEqual(1, len([
            line for line in self.log.output.splitlines()
            if line.startswith('ERROR')]), self.log.output)

    def test_a_conf_without_credentials_says_what_is_missing(self):
        path = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        self.application = wsgi.filter_factory(
            {}, oslo_config_file=path)(self.trove)
        self.assertFault(self.request(self.path()), 503,
                         'serviceUnavailable')
        self.assertIn('[service_credentials]', self.our_log()[0])


class PolicyTest(WsgiTestCase):

    policy = ('"flavor_filter:flavors:list": "role:dba"\n'
              '"context_is_admin": "role:root"\n')

    def test_what_the_policy_file_refuses_is_403(self):
        fault = self.assertFault(self.request(self.path()), 403, 'forbidden')
        self.assertIn('flavor_filter:flavors:list', fault['message'])

    def test_what_the_policy_file_allows_goes_on(self):
        self.assertEqual(
            503, self.request(self.path(), roles='dba').status_int)

    def test_the_deployments_idea_of_an_admin_is_ours(self):
        version_id = self.create_version('old', active=False)
        for roles, status in (('dba,admin', 404), ('dba,root', 503)):
            self.assertEqual(
                status, self.request(self.path(version_id),
                                     roles=roles).status_int)


class ReaderPolicyTest(WsgiTestCase):

    policy = '"flavor_filter:flavors:list": "rule:project_reader_or_admin"\n'

    def test_the_rules_for_readers_are_there_to_be_named(self):
        for roles, status in (('reader', 503), ('member,reader', 503),
                              ('admin', 503), ('member', 403)):
            # 503: it goes on, as far as Nova, which is not there.
            self.assertEqual(status, self.request(
                self.path(), roles=roles).status_int)


class MapperTest(base.TestCase):

    def test_divided_by_slashes_it_matches_the_same_paths(self):
        whole = wsgi.mapper()
        divided = wsgi.by_slashes(wsgi.mapper())
        met = 0
        for route, method, ending in itertools.product(
                {route.routepath for route in whole.matchlist},
                ('GET', 'POST', 'PUT', 'DELETE'),
                ('', '/', '.json', '/x', '.a/b', '%2f')):
            path = re.sub(r'[:{]\(?(\w+)[)}]', r'\1', route) + ending
            environ = {'REQUEST_METHOD': method}
            matched = whole.match(path, environ)
            mapper = divided.get(path.count('/'))
            self.assertEqual(matched, mapper and mapper.match(path, environ),
                             path)
            met += matched is not None
        self.assertLess(100, met)

    def test_a_path_with_many_dots_does_not_keep_others_waiting(self):
        divided = wsgi.by_slashes(wsgi.mapper())
        path = f'/p/mgmt/instances/{"a." * 20000}/x'
        begun = time.process_time()
        divided[path.count('/')].match(path, {'REQUEST_METHOD': 'GET'})
        # With the square of its length it takes six seconds.
        self.assertLess(time.process_time() - begun, 1)


class DownstreamTest(WsgiTestCase):

    def test_every_other_path_goes_on_with_the_same_environ(self):
        for path in ('', '/', '/flavors', f'/{PROJECT}/flavors',
                     f'/{PROJECT}/flavors/datastores',
                     f'/{PROJECT}/flavors/datastores/versions/',
                     f'/x{self.path()}', f'{self.path()}/more',
                     f'/{PROJECT}/instances/x/y', f'/{PROJECT}/backups'):
            self.reached.clear()
            environ = webob.Request.blank(path, method='POST').environ
            environ['PATH_INFO'] = path
            before = dict(environ)
            answered = []
            body = self.application(
                environ, lambda *given: answered.append(given))
            self.assertIs(self.streamed, body)
            self.assertIs(environ, self.reached[0])
            self.assertEqual(before, environ)
            self.assertEqual(
                [('200 OK', [('Content-Type', 'text/plain')])], answered)

    def test_an_answer_that_is_troves_is_not_marked_whatever_it_is(self):
        self.application._application = webob.Response(status=404)
        for method, path in (
                ('GET', f'/{PROJECT}/flavors/datastores'),
                ('POST', f'/{PROJECT}/mgmt/instances/x/y'),
                ('POST', f'/{PROJECT}/instances'),
                ('DELETE', f'/{PROJECT}/datastores/a/versions/b/flavors')):
            response = self.request(path, method)
            self.assertEqual(404, response.status_int)
            self.assertNotIn('Trove-Flavor-Filter', response.headers)

    def test_the_app_has_nothing_behind_it(self):
        application = wsgi.app_factory(
            {}, oslo_config_file=self.trove_conf(''))
        response = webob.Request.blank('/anything').get_response(application)
        self.assertEqual((404, ['itemNotFound']),
                         (response.status_int, list(response.json)))
        self.assertNotIn('Trove-Flavor-Filter', response.headers)


class PasteTest(base.TestCase):

    def load(self, section: str) -> webob.Response:
        conf = self.trove_conf('')
        ini = self.create_tempfiles([('api-paste', f'''
[pipeline:main]
pipeline = flavor_filter behind

[app:behind]
use = egg:trove-flavor-filter#flavor_filter_app
oslo_config_file = {conf}

[filter:flavor_filter]
oslo_config_file = {conf}
{section}
''')], ext='.ini')[0]
        return webob.Request.blank('/p/flavors/datastores/versions/v'
                                   ).get_response(
            paste.deploy.loadapp(f'config:{ini}', name='main'))

    def test_both_spellings_of_the_filter_load(self):
        for section in (
                'paste.filter_factory = '
                'trove_flavor_filter.wsgi:filter_factory',
                'use = egg:trove-flavor-filter#flavor_filter'):
            self.assertEqual(401, self.load(section).status_int)

    def test_the_files_of_the_process_are_read_when_none_is_named(self):
        path = self.trove_conf('[flavor_filter]\nnova_timeout = 3.5\n')
        cfg.CONF(['--config-file', path], project='trove')
        self.addCleanup(cfg.CONF.reset)
        application = wsgi.app_factory({})
        self.assertEqual(
            3.5, application._services.conf.flavor_filter.nova_timeout)
