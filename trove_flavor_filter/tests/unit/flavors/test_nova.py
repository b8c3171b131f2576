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

"""What is read of Nova's answers, where no real Nova gives them so."""

import http.server
import json
import threading

from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from novaclient import client as nova_client

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.unit import base

FLAVOR = {'id': '1', 'name': 'one', 'ram': 512, 'vcpus': 1, 'disk': 5,
          'OS-FLV-EXT-DATA:ephemeral': 0, 'os-flavor-access:is_public': True}


class OneFlavor(http.server.BaseHTTPRequestHandler):
    """A Nova with one flavor, which keeps the microversions asked for."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get('OpenStack-API-Version'))
        body = ({'flavor': self.server.flavor} if 'detail' not in self.path
                else {'flavors': [self.server.flavor]})
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_args) -> None:
        pass


class NovaTest(base.TestCase):

    def flavors(self, **more) -> nova.NovaFlavors:
        self.server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), OneFlavor)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.server.flavor = FLAVOR | more
        self.server.asked = []
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        subject = nova.NovaFlavors(self.configuration(''))
        subject._client = nova_client.Client(
            nova.MICROVERSION, session=session.Session(
                auth=token_endpoint.Token(
                    f'http://127.0.0.1:{self.server.server_port}', 'token')))
        return subject

    def test_extra_specs_are_asked_for(self):
        subject = self.flavors(extra_specs={'a': 'b', 'c': ''})
        for flavor in (*subject.everything(), subject.find('1')):
            self.assertEqual({'a': 'b', 'c': ''}, flavor.extra_specs)
        self.assertEqual({'compute 2.61'}, {*self.server.asked})

    def test_what_policy_hides_cannot_be_told(self):
        for flavor in self.flavors().everything():
            self.assertIsNone(flavor.extra_specs)

    def test_a_value_that_is_null_is_none(self):
        for flavor in self.flavors(
                extra_specs={'a': None}).everything():
            self.assertEqual({}, flavor.extra_specs)

    def test_texts_that_are_alike_are_one(self):
        first, second = (
            self.flavors(extra_specs={'some:key': 'some value'})
            .everything()[0].extra_specs for _turn in range(2))
        for one, other in zip(*(
                [text for item in specs.items() for text in item]
                for specs in (first, second))):
            self.assertIs(one, other)


class FaultTest(base.TestCase):
    """The service that failed is named, with what it answered."""

    # Parts of the messages of the clients, by what a service does.
    SAID = {'500': 'HTTP 500', '503': 'HTTP 503', '401': 'HTTP 401',
            'half': '', 'garbage': '', 'nonsense': '',
            faults.REFUSE: 'establish connection',
            faults.HANG: 'timed out after 0.3 seconds'}

    def setUp(self) -> None:
        super().setUp()
        # Nobody is behind it.
        self.door = faults.FaultyDoor(1)
        self.addCleanup(self.door.close)
        self.url = f'http://127.0.0.1:{self.door.port}/v3'
        self.subject = nova.NovaFlavors(self.configuration(
            f'[service_credentials]\nauth_url = {self.url}\n'
            f'username = u\npassword = pencil\nproject_id = p\n'), 0.3)
        self.caller = nova.Caller('p', 'secret')

    def assertNames(self, service: str) -> None:
        for mode, text in self.SAID.items():
            self.door.misbehave(mode)
            for ask in (self.subject.everything, self.subject.sees_all,
                        self.subject.listed):
                error = self.assertRaises(exception.NovaUnavailable, ask)
                self.assertTrue(
                    error.reason.startswith(f'{service}: '), error.reason)
                self.assertIn(text, error.reason)
                self.assertNotIn('pencil', error.reason)

    def test_keystone(self):
        self.assertNames('Keystone returned no token')

    def test_nova(self):
        self.subject._client = nova_client.Client(
            nova.MICROVERSION, session=session.Session(
                auth=token_endpoint.Token(self.url, 'token'), timeout=0.3))
        self.assertNames('Nova returned no flavors')

    def test_a_caller_is_not_refused_for_what_keystone_does(self):
        self.door.misbehave('401')
        error = self.assertRaises(
            exception.NovaUnavailable, self.subject.listed_for, self.caller)
        self.assertNotIsInstance(error, exception.CallerRefused)
        self.assertIn('Keystone returned no token', error.reason)

    def test_a_keystone_that_refuses_to_show_its_versions_is_no_deadlock(self):
        self.door.misbehave('401')
        for url in (self.url, self.url.removesuffix('/v3')):
            subject = nova.NovaFlavors(self.configuration(
                f'[service_credentials]\nauth_url = {url}\n'
                f'username = u\npassword = p\nproject_id = p\n'), 0.3)
            error = self.assertRaises(
                exception.NovaUnavailable, subject.everything)
            self.assertIn('Keystone returned no token', error.reason)
