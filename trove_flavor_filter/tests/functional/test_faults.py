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

"""The route under load, while what it leans on goes away and comes back."""

import collections
import concurrent.futures
import functools
import http.client
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import unittest
import urllib.parse

from oslotest import base as oslotest
import sqlalchemy as sa

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests import databases

# The first of these that answers is Trove's database.
BACKENDS = os.environ.get('FLAVOR_FILTER_DATABASE', 'mysql').split(',')

CACHE_TIME = 1
CLIENTS = 4
SECONDS = float(os.environ.get('FLAVOR_FILTER_FAULT_SECONDS', '4'))


class Load:
    """Clients that ask for a list of flavors, again and again.

    :ivar answers: how many there were, by status; 0 for no answer
    :ivar slowest: seconds
    """

    def __init__(self, booted: cloud.Cloud, path: str):
        self._url = urllib.parse.urlsplit(booted.trove_url)
        self._path = f'/v1.0/{booted.project_id()}{path}'
        self._token = booted.token()
        self._end = threading.Event()
        self.answers: collections.Counter[int] = collections.Counter()
        self.slowest = 0.0

    def __enter__(self) -> 'Load':
        self._pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)
        self._jobs = [self._pool.submit(self._ask) for _client
                      in range(CLIENTS)]
        return self

    def __exit__(self, *_exception) -> None:
        self._end.set()
        for job in self._jobs:
            job.result()
        self._pool.shutdown()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(
            self._url.hostname, self._url.port, timeout=30)
        while not self._end.wait(0.01):
            begun = time.monotonic()
            try:
                connection.request('GET', self._path,
                                   headers={'X-Auth-Token': self._token})
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
                if answer.status == 503:
                    self.answers['Retry-After'] += bool(
                        answer.headers['Retry-After'])
            except (OSError, http.client.HTTPException):
                self.answers[0] += 1
                connection.close()
            self.slowest = max(self.slowest, time.monotonic() - begun)
        connection.close()


@functools.cache
def faulty_cloud() -> 'FaultyCloud':
    if shutil.which('redis-server') is None and not os.environ.get('CI'):
        raise unittest.SkipTest('no redis-server is installed')
    return FaultyCloud()


class FaultyCloud:
    """A cloud whose Trove reaches everything through a door."""

    def __init__(self) -> None:
        backend = next(backend for backend in (*BACKENDS, 'sqlite')
                       if self._answers(backend))
        ports = {name: process.free_port() for name in ('redis', 'memcached')}
        self.redis_port = ports['redis']
        self.cloud = cloud.Cloud(backend, options={
            'flavor_filter': {'flavor_cache_time': CACHE_TIME,
                              'nova_timeout': 2},
            'cache': {'enabled': True, 'backend': 'dogpile.cache.redis',
                      'backend_argument':
                          f'url:redis://127.0.0.1:{self.redis_port}'}})
        self.start_redis()
        self.cloud.__enter__()
        self.doors = {
            name: faults.FaultyDoor(self.cloud.ports[name])
            for name in ('nova', 'keystone')}
        self.cloud.options['DEFAULT'] = {
            'nova_compute_url':
                f'http://127.0.0.1:{self.doors["nova"].port}/v2.1'}
        self.cloud.options['service_credentials'] = {
            'auth_url': f'http://127.0.0.1:{self.doors["keystone"].port}/v3'}
        if backend != 'sqlite':
            url = sa.make_url(self.cloud.database_url)
            self.doors['database'] = faults.FaultyDoor(
                url.port or {'mysql': 3306, 'postgresql': 5432}[backend])
            self.cloud.options['database'] = {
                'connection': url.set(
                    port=self.doors['database'].port).render_as_string(
                    hide_password=False)}
        self.cloud.reconfigure()
        self.cloud.enable()
        self.cloud.create_flavor('steady', ram=512)
        self.version_id = self.cloud.create_datastore_version(
            'mysql', 'steady')
        self.path = f'/flavors/datastores/versions/{self.version_id}'

    @staticmethod
    def _answers(backend: str) -> bool:
        database = databases.EmptyDatabase(backend)
        try:
            database.setUp()
        except unittest.SkipTest:
            return False
        database.cleanUp()
        return True

    def start_redis(self) -> None:
        self.redis = process.Process(
            'redis', ['redis-server', '--port', str(self.redis_port),
                      '--bind', '127.0.0.1', '--save', ''],
            dict(os.environ), pathlib.Path('/dev/null'), self.redis_port)
        self.redis.start()
        self.redis.wait()

    def trove_process(self) -> dict[str, int]:
        """How many threads, sockets and KiB of memory trove-api has."""
        pid = self.cloud.processes['trove'].pid
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
        links = [os.readlink(link) for link in
                 pathlib.Path(f'/proc/{pid}/fd').iterdir()
                 if link.is_symlink()]
        return {
            'threads': int(re.search(r'Threads:\s+(\d+)', status)[1]),
            'sockets': len([link for link in links
                            if link.startswith('socket:')]),
            'KiB': int(re.search(r'VmRSS:\s+(\d+)', status)[1])}


class FaultTest(oslotest.BaseTestCase):
    """One fault a test: it begins under load, and ends under load."""

    DEFAULT_TIMEOUT = 600

    def setUp(self) -> None:
        super().setUp()
        self.faulty = faulty_cloud()
        self.cloud = self.faulty.cloud
        deadline = time.monotonic() + 30
        while self.cloud.trove(self.faulty.path).status_code != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def under(self, begin, end, name: str) -> Load:
        """The answers during a fault, and after it.

        A list is remembered when the fault begins, and has to be renewed
        while it lasts.
        """
        before = self.faulty.trove_process()
        with Load(self.cloud, self.faulty.path) as load:
            time.sleep(CACHE_TIME)
            begin()
            time.sleep(SECONDS)
            during = dict(load.answers)
            end()
            time.sleep(SECONDS / 2)
        after = self.faulty.trove_process()
        print(f'\n{name}: {dict(load.answers)}, slowest '
              f'{load.slowest * 1000:.0f} ms; trove-api before {before}, '
              f'after {after}')
        self.assertLess(0, sum(during.values()))
        self.assertEqual(200, self.cloud.trove(self.faulty.path).status_code)
        self.assertLess(after['threads'], before['threads'] + 4)
        self.assertLess(after['sockets'], before['sockets'] + 12)
        return load

    def through(self, door: str, mode: str) -> Load:
        door_ = self.faulty.doors[door]
        return self.under(lambda: door_.misbehave(mode),
                          lambda: door_.misbehave(faults.PASS),
                          f'{door} {mode}')

    def assertNoneFailed(self, load: Load) -> None:
        self.assertEqual({200}, set(load.answers), load.answers)

    def test_nova_killed_and_back(self):
        self.assertNoneFailed(self.under(
            self.cloud.processes['nova'].kill,
            lambda: self.cloud.start('nova'), 'nova killed'))

    def test_nova_frozen_and_thawed(self):
        nova = self.cloud.processes['nova']
        load = self.under(nova.freeze, nova.thaw, 'nova frozen')
        self.assertNoneFailed(load)
        self.assertLess(load.slowest, 2)

    def test_nova_answers_wrongly(self):
        for mode in (*faults.ANSWERS, faults.HANG, faults.REFUSE):
            self.assertNoneFailed(self.through('nova', mode))

    def test_keystone_answers_wrongly(self):
        for mode in (*faults.ANSWERS, faults.HANG, faults.REFUSE):
            # Have the plugin need a token.
            self.cloud.restart('trove')
            self.cloud.trove(self.faulty.path)
            self.assertNoneFailed(self.through('keystone', mode))

    def test_an_outage_is_logged_once_and_so_is_its_end(self):
        log = self.cloud.log('trove')
        before = len(log.read_text())
        self.through('nova', '503')
        deadline = time.monotonic() + 10
        while ('Nova lists flavors again' not in log.read_text()[before:]
               and time.monotonic() < deadline):
            self.cloud.trove(self.faulty.path)
            time.sleep(0.2)
        text = log.read_text()[before:]
        self.assertEqual(1, text.count('Nova gives no list of flavors'))
        self.assertEqual(1, text.count('Nova lists flavors again'))

    def test_redis_gone_and_back(self):
        self.assertNoneFailed(self.under(
            self.faulty.redis.kill, self.faulty.start_redis, 'redis killed'))

    def test_rubbish_in_the_cache_is_as_good_as_nothing(self):
        def spoil() -> None:
            subprocess.run(
                ['redis-cli', '-p', str(self.faulty.redis_port), 'eval',
                 "for _, key in ipairs(redis.call('keys', '*')) do "
                 "redis.call('del', key) redis.call('set', key, 'rubbish') "
                 "end", '0'], check=True, capture_output=True)

        self.assertNoneFailed(self.under(spoil, spoil, 'rubbish in redis'))

    def test_the_database_gone_and_back(self):
        if 'database' not in self.faulty.doors:
            self.skipTest('no database server to put a door before')
        load = self.through('database', faults.REFUSE)
        self.assertLessEqual(set(load.answers), {200, 503, 'Retry-After'})
        self.assertEqual(load.answers[503], load.answers['Retry-After'])

    def test_the_first_request_after_the_database_is_back_succeeds(self):
        if 'database' not in self.faulty.doors:
            self.skipTest('no database server to put a door before')
        door = self.faulty.doors['database']
        for _turn in range(3):
            door.misbehave(faults.REFUSE)
            self.assertEqual(
                503, self.cloud.trove(self.faulty.path).status_code)
            door.misbehave(faults.PASS)
            self.assertEqual(
                200, self.cloud.trove(self.faulty.path).status_code)

    def test_a_revoked_access_is_gone_within_the_cache_time(self):
        nova = self.cloud.nova()
        self.cloud.create_flavor('private', projects=('demo',))
        self.addCleanup(self.cloud.delete_flavor, 'private')
        self.assertTrue(self._listed_within('private', True))
        nova.flavor_access.remove_tenant_access(
            'private', self.cloud.project_id())
        self.assertTrue(self._listed_within('private', False))

    def _listed_within(self, flavor_id: str, wanted: bool) -> bool:
        """Whether a flavor comes or goes in the time that it may take."""
        deadline = time.monotonic() + CACHE_TIME + 2
        while time.monotonic() < deadline:
            flavors = self.cloud.trove(self.faulty.path).json()['flavors']
            listed = {flavor['str_id'] for flavor in flavors}
            if (flavor_id in listed) == wanted:
                return True
            time.sleep(0.1)
        return False
