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

"""The sizes of volumes that Cinder knows, and what is judged by them."""

import http.server
import json
import threading
import typing

import sqlalchemy as sa

from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit.api import test_guard
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter import volumes


class Services(http.server.BaseHTTPRequestHandler):
    """A Keystone, and a Cinder with the volumes that its server has."""

    server: typing.Any

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = f'http://{self.headers["Host"]}'
        if self.path.startswith('/cinder/'):
            self.server.asked.append(self.path)
            self.answer(*self.server.volumes.get(
                self.path.rpartition('/')[2], (404, b'{}')))
            return
        self.answer(200, json.dumps({'version': {
            'id': 'v3.14', 'status': 'stable', 'links': [
                {'rel': 'self', 'href': f'{url}/v3'}]}}).encode())

    def do_POST(self) -> None:
        url = f'http://{self.headers["Host"]}'
        self.rfile.read(int(self.headers['Content-Length']))
        if self.server.keystone:
            self.answer(self.server.keystone, b'{}')
            return
        self.answer(201, json.dumps({'token': {
            'methods': ['password'], 'user': {
                'id': 'u', 'name': 'u', 'domain': {'id': 'd', 'name': 'd'}},
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'catalog': [{'type': 'volumev3', 'name': 'cinder', 'id': 'c',
                         'endpoints': [{
                             'id': 'e', 'interface': 'public',
                             'region': 'RegionOne', 'region_id': 'RegionOne',
                             'url': f'{url}/cinder/v3'}]}]}}).encode(),
            X_Subject_Token='token')

    def log_message(self, *_arguments: object) -> None:
        pass


class CinderTestCase(base.TestCase):

    def serve(self) -> str:
        """Start both services.

        :returns: what trove.conf says of them
        """
        self.server: typing.Any = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), Services)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.server.volumes, self.server.asked = {}, []
        self.server.keystone = None
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()
        return (f'[service_credentials]\nusername = u\npassword = p\n'
                f'project_id = service\nregion_name = RegionOne\nauth_url = '
                f'http://127.0.0.1:{self.server.server_port}/v3\n')

    def add_volume(self, volume_id: str, size: typing.Any) -> None:
        self.server.volumes[volume_id] = 200, json.dumps(
            {'volume': {'id': volume_id, 'size': size}}).encode()


class SizeTest(CinderTestCase):

    def setUp(self) -> None:
        super().setUp()
        # Trove sets this one too, and its client does not read it.
        self.subject = volumes.CinderVolumes(self.configuration(
            self.serve() + '[DEFAULT]\ncinder_url = http://127.0.0.1:9/v3\n'))

    def test_cinder_is_where_the_catalog_says(self):
        self.add_volume('one', 20)
        self.assertEqual(20, self.subject.size('one'))
        self.assertEqual(['/cinder/v3/volumes/one'], self.server.asked)

    def test_a_volume_that_cinder_does_not_know_has_no_size(self):
        self.assertIsNone(self.subject.size('gone'))

    def test_another_answer_is_an_outage(self):
        for status, body in (
                (500, b''), (503, b'{}'), (401, b''), (403, b'{}'),
                (400, b'{}'), (200, b''), (200, b'<html>'), (200, b'[]'),
                (200, b'null'), (200, b'{"volume": null}'),
                (200, b'{"volume": {}}'), (200, b'{"volume": {"size": "x"}}'),
                (200, b'{"volume": {"size": null}}'),
                (200, b'{"volume": {"size": 1e400}}'),
                (200, b'\xff\xfe')):
            self.server.volumes['one'] = status, body
            self.assertRaises(exception.CinderUnavailable,
                              self.subject.size, 'one')

    def test_so_is_any_of_keystones(self):
        for status in (401, 404, 500):
            self.server.keystone = status
            self.assertRaises(exception.CinderUnavailable,
                              self.subject.size, 'one')
        self.server.keystone = None
        self.assertIsNone(self.subject.size('one'))


class ReplicaTest(test_guard.GuardTestCase, CinderTestCase):
    """A source of replicas that wants a volume of 10 to 20 GiB."""

    policy = '"flavor_filter:bypass": "role:dba"\n'

    def setUp(self) -> None:
        self.options = self.serve()
        super().setUp()
        self.bounded = self.create_version('bounded', manager='mysql')
        self.create_row(self.bounded, '10', 'min_volume')
        self.create_row(self.bounded, '20', 'max_volume')

    def replicate(self, row: int | None, **headers: str) -> int:
        """Request a replica of an instance with this size in its row."""
        source = self.create_instance(
            datastore_version_id=self.bounded, volume_size=row,
            volume_id='one')
        return self.post('/instances', {'instance': {
            'name': 'r', 'replica_of': source}}, **headers).status_int

    def test_cinders_size_counts(self):
        for size, row, status in ((15, 5, 200), (5, 15, 400), (21, 15, 400),
                                  (15, None, 200), (5, None, 400)):
            self.add_volume('one', size)
            self.assertEqual(status, self.replicate(row), (size, row))

    def test_the_rows_counts_if_cinder_knows_no_such_volume(self):
        for row, status in ((5, 400), (15, 200), (None, 200)):
            self.assertEqual(status, self.replicate(row), row)

    def test_without_cinder_it_has_to_wait(self):
        self.server.volumes['one'] = 500, b''
        self.assertEqual(503, self.replicate(15))
        self.create_row(self.bounded, 'warn', 'enforcement')
        self.assertEqual(200, self.replicate(15))

    def test_cinder_is_asked_for_nothing_else(self):
        self.server.volumes['one'] = 500, b''
        source = self.create_instance(
            datastore_version_id=self.bounded, volume_id='one',
            volume_size=15)
        for path, body in (
                (f'/instances/{source}/action',
                 {'resize': {'volume': {'size': 16}}}),
                (f'/instances/{source}/action',
                 {'resize': {'flavorRef': 'any'}})):
            self.assertEqual(200, self.post(path, body).status_int)
        self.execute(sa.delete(models.DatastoreVersionMetadata))
        self.assertEqual(200, self.replicate(5))
        self.assertEqual([], self.server.asked)
