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

"""Whose token Nova is asked with, and what it is worth when Nova refuses.

A real Nova cannot be had to refuse one token and take another, or to fail
for one project alone; so here is one that can. What a real Nova says is
tested on the cloud.
"""

import concurrent.futures
import http.server
import json
import threading
import time
from urllib import parse

import fixtures

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import catalog
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.tests.unit import base

SERVICE = 'service-project'


class FakeNova(fixtures.Fixture):
    """Keystone and Nova, as far as flavors go.

    :ivar flavors: ids, each with the projects that it is private to, or None
    :ivar refused: status by token
    :ivar asked: (token, path and query) of every request to Nova
    """

    def _setUp(self) -> None:
        self.flavors: dict[str, set[str] | None] = {}
        self.refused: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.admin = True
        self.page = 1000
        self.delay = 0.0
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers['Content-Length']))
                fake.authenticate(self)

            def log_message(self, *_args) -> None:
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{server.server_port}'
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    @staticmethod
    def send(request, status: int, body: dict, **headers: str) -> None:
        text = json.dumps(body).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace('_', '-'), value)
        request.send_header('Content-Type', 'application/json')
        request.send_header('Content-Length', str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def authenticate(self, request) -> None:
        domain = {'id': 'default', 'name': 'Default'}
        endpoint = {'id': 'e', 'interface': 'public', 'region': 'RegionOne',
                    'region_id': 'RegionOne',
                    'url': f'{self.url}/v2.1/{SERVICE}'}
        self.send(request, 201, {'token': {
            'methods': ['password'], 'expires_at': '2999-01-01T00:00:00Z',
            'user': {'id': 'trove', 'name': 'trove', 'domain': domain},
            'project': {'id': SERVICE, 'name': 'service', 'domain': domain},
            'catalog': [{'type': 'compute', 'id': 'c', 'name': 'nova',
                         'endpoints': [endpoint]}],
        }}, X_Subject_Token=f'token-of-{SERVICE}')

    def answer(self, request) -> None:
        path, _, query = request.path.partition('?')
        if not path.startswith('/v2.1'):
            self.send(request, 200, {'version': {
                'id': 'v3.14', 'status': 'stable', 'links': [
                    {'rel': 'self', 'href': f'{self.url}/v3'}]}})
            return
        token = request.headers.get('X-Auth-Token', '')
        self.asked.append((token, request.path))
        project = token.removeprefix('token-of-').partition('/')[0]
        time.sleep(self.delay)
        if token in self.refused:
            self.send(request, self.refused[token], {})
        elif not path.startswith(f'/v2.1/{project}/'):
            self.send(request, 400, {})
        elif path.endswith('/flavors/detail'):
            self.list(request, project, dict(parse.parse_qsl(query)))
        elif (name := path.rpartition('/')[2]) in self.flavors:
            self.send(request, 200, {'flavor': self.document(name)})
        else:
            self.send(request, 404, {})

    def list(self, request, project: str, query: dict[str, str]) -> None:
        is_public = (query.get('is_public') if project == SERVICE
                     and self.admin else None)
        found = [name for name, projects in sorted(self.flavors.items())
                 if is_public == 'None'
                 or is_public == 'false' and projects is not None
                 or is_public is None and (
                     projects is None or project in projects)]
        found = [name for name in found if name > query.get('marker', '')]
        limit = min(self.page, int(query.get('limit', self.page)))
        body: dict = {'flavors': [self.document(name)
                                  for name in found[:limit]]}
        if len(found) >= limit:
            body['flavors_links'] = [{'rel': 'next', 'href': 'next'}]
        self.send(request, 200, body)

    def document(self, name: str) -> dict:
        return {'id': name, 'name': name, 'ram': 1, 'vcpus': 1, 'disk': 1,
                'OS-FLV-EXT-DATA:ephemeral': 0,
                'os-flavor-access:is_public': self.flavors[name] is None}


class AccessTest(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.nova = self.useFixture(FakeNova())
        self.log = self.useFixture(fixtures.FakeLogger())
        self.nova.flavors = {
            'b': None, 'c': {SERVICE}, 'd': {'p'}, 'e': {'q'}, 'f': None,
            'g': {'p', 'q'}, 'h': set()}

    def build(self, more: str = '') -> catalog.Catalog:
        return catalog.Catalog(self.configuration(
            f'{more}\n[service_credentials]\nauth_url = {self.nova.url}/v3\n'
            f'username = trove\npassword = pencil\nproject_name = service\n'
            f'project_id = {SERVICE}\n'))

    def seen(self, subject: catalog.Catalog, project_id: str,
             user: str = '') -> str:
        return ''.join(flavor.id for flavor in subject.visible(nova.Caller(
            project_id, f'token-of-{project_id}{user}')).flavors)

    def test_each_project_sees_its_own_in_novas_order(self):
        for more in ('', f'[DEFAULT]\nnova_compute_url = {self.nova.url}'
                         f'/v2.1\n'):
            subject = self.build(more)
            self.assertEqual('bcdfg', self.seen(subject, 'p'))
            self.assertEqual('bcefg', self.seen(subject, 'q'))
            self.assertEqual('bcf', self.seen(subject, 'r'))

    def test_the_number_of_requests_does_not_grow_with_the_flavors(self):
        self.nova.flavors |= {f'x{number}': {f'x{number % 10}'}
                              for number in range(400)}
        subject = self.build()
        for _turn in range(5):
            self.seen(subject, 'p')
        self.assertEqual(3, len(self.nova.asked), self.nova.asked)

    def test_without_other_private_flavors_no_callers_token_is_used(self):
        for name in 'degh':
            del self.nova.flavors[name]
        subject = self.build()
        self.assertEqual('bcf', self.seen(subject, 'p'))
        self.assertEqual({f'token-of-{SERVICE}'},
                         {token for token, _path in self.nova.asked})

    def test_more_private_flavors_than_a_page_are_seen_through(self):
        self.nova.page = 3
        self.nova.flavors = {f'{number:02}': {SERVICE}
                             for number in range(10)}
        self.assertEqual(20, len(self.seen(self.build(), 'p')))
        self.nova.flavors['99'] = {'p'}
        self.assertEqual(22, len(self.seen(self.build(), 'p')))

    def test_a_service_user_who_is_no_admin_lists_what_trove_lists(self):
        self.nova.admin = False
        subject = self.build()
        self.assertEqual('bcf', self.seen(subject, 'p'))
        self.assertEqual('bcf', self.seen(subject, 'q'))
        self.assertEqual(1, self.log.output.count('no admin role'))
        self.assertEqual({f'token-of-{SERVICE}'},
                         {token for token, _path in self.nova.asked})

    def test_a_refused_token_sees_the_service_list_and_spoils_no_other(self):
        for status in (401, 403):
            self.nova.refused = {'token-of-p/limited': status}
            subject = self.build()
            for _turn in range(3):
                self.assertEqual('bcf', self.seen(subject, 'p', '/limited'))
            self.assertEqual(1, len([
                token for token, _path in self.nova.asked
                if token == 'token-of-p/limited']))
            self.assertEqual('bcdfg', self.seen(subject, 'p'))
            # What Nova lists for a project is the same for each of its
            # users.
            self.assertEqual('bcdfg', self.seen(subject, 'p', '/limited'))
            self.nova.asked.clear()
        self.assertNotIn('limited', self.log.output)

    def test_a_nova_that_fails_for_a_caller_is_asked_again_in_time(self):
        self.nova.refused = {'token-of-p': 500}
        subject = self.build()
        for _turn in range(5):
            self.assertEqual('bcf', self.seen(subject, 'p'))
        self.assertEqual(1, self.log.output.count(
            'no private flavors of its own'))
        self.assertEqual(3, len(self.nova.asked))
        self.nova.refused.clear()
        subject._project_flavors._lists['p']._failed -= 3
        # Behind the first request, since Nova failed lately.
        deadline = time.monotonic() + 10
        while self.seen(subject, 'p') != 'bcdfg':
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_many_who_ask_at_once_make_one_request_for_a_project(self):
        self.nova.delay = 0.2
        subject = self.build()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            seen = set(pool.map(lambda _number: self.seen(subject, 'p'),
                                range(20)))
        self.assertEqual({'bcdfg'}, seen)
        self.assertEqual(3, len(self.nova.asked), self.nova.asked)

    def test_a_slow_answer_for_a_caller_holds_up_nobody_for_long(self):
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.flavors.refreshing.PATIENCE', 0.3))
        subject = self.build()
        self.seen(subject, 'r')
        self.nova.delay = 2
        begun = time.monotonic()
        self.assertEqual('bcf', self.seen(subject, 'p'))
        self.assertLess(time.monotonic() - begun, 1.5)

    def test_processes_share_the_lists_of_projects(self):
        more = '[cache]\nenabled = true\nbackend = oslo_cache.dict\n'
        first, second = self.build(more), self.build(more)
        second._cache._region = first._cache._region
        self.assertEqual('bcdfg', self.seen(first, 'p'))
        before = len(self.nova.asked)
        self.assertEqual('bcdfg', self.seen(second, 'p'))
        self.assertEqual(before, len(self.nova.asked))
        self.assertEqual('bcefg', self.seen(second, 'q'))

    def test_with_the_callers_client_everything_is_asked_by_the_caller(self):
        more = ('[DEFAULT]\nremote_nova_client = '
                'trove.common.clients.nova_client\n')
        subject = self.build(more)
        self.assertEqual('bdfg', self.seen(subject, 'p'))
        self.assertEqual('befg', self.seen(subject, 'q'))
        self.assertIsNone(subject.find('x', nova.Caller('p', 'token-of-p')))
        self.assertNotIn(f'token-of-{SERVICE}',
                         {token for token, _path in self.nova.asked})
        self.nova.refused = {'token-of-r': 403}
        self.assertRaises(exception.NovaUnavailable, self.seen, subject, 'r')

    def find(self, subject: catalog.Catalog, *ids: str) -> list[str | None]:
        caller = nova.Caller('p', 'token-of-p')
        found = [subject.find(flavor_id, caller) for flavor_id in ids]
        return [flavor and flavor.id for flavor in found]

    def test_own_flavors_are_found_without_a_request_each(self):
        subject = self.build()
        self.seen(subject, 'p')
        before = len(self.nova.asked)
        self.assertEqual(['d', 'g', 'b'], self.find(subject, 'd', 'g', 'b'))
        self.assertEqual(before, len(self.nova.asked))

    def test_unknown_flavors_are_looked_up_four_times_at_most(self):
        subject = self.build()
        self.seen(subject, 'p')
        before = len(self.nova.asked)
        error = self.assertRaises(
            exception.FlavorNotFound, self.find, subject,
            *(f'no{number}' for number in range(300)))
        self.assertIn('no0, no1, no2, no3', str(error))
        self.assertEqual(4, len(self.nova.asked) - before)
        self.assertRaises(exception.FlavorNotFound, self.find, subject,
                          'no2')
        self.assertEqual(4, len(self.nova.asked) - before)

    def test_what_was_looked_up_is_bounded(self):
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.flavors.catalog.FOUND', 3))
        subject = self.build()
        for number in range(8):
            self.find(subject, f'no{number}')
            self.find(subject, 'x' * 1000)
            self.assertLessEqual(len(subject._found), 3)
        self.assertNotIn(('', 'x' * 1000), subject._found)
