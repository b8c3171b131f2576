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

"""A shared cache that is down, by what its client makes of it.

Each client that oslo.cache offers is tried on a real server that is not
there, that says nothing, and that is stopped and started.
"""

import atexit
import functools
import importlib.util
import itertools
import math
import pathlib
import shutil
import socket
import tempfile
import threading
import time
import unittest

import fixtures
from oslotest import base
import redis

from trove_flavor_filter import conf as config
from trove_flavor_filter.flavors import refreshing
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import servers

# Seconds that a list may take while the cache is down: the first time, and
# from then on.
ONCE = 3
NORMAL = 0.2

FLAVORS = [requirement.Flavor('1', 'one', 1024, 2, 10, 1)]


def new_server(kind: str) -> process.Process:
    folder = pathlib.Path(tempfile.mkdtemp(
        prefix='servers-', dir=cloud.FOLDER))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    started = servers.SERVERS[kind](folder)
    atexit.register(started.kill)
    return started


@functools.cache
def server(kind: str) -> process.Process:
    return new_server(kind)


class Outage:
    """Mixed into the tests of a backend."""

    backend: str
    client: str
    kind = 'memcached'

    def setUp(self) -> None:
        super().setUp()
        if importlib.util.find_spec(self.client) is None:
            raise unittest.SkipTest(f'{self.client} is not installed')
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.flavors.cache_calls.RETRY', 0.2))

    def cache(self, port: int, more: str = '') -> shared.SharedCache:
        where = (f'memcache_dead_retry = 1\n'
                 f'memcache_servers = 127.0.0.1:{port}'
                 if self.kind == 'memcached' else
                 f'backend_argument = url:redis://127.0.0.1:{port}')
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path,
                            'trove.conf')
        path.write_text(f'[cache]\nenabled = true\n'
                        f'backend = {self.backend}\n{where}\n{more}\n')
        return shared.SharedCache(config.load(
            {'oslo_config_file': str(path)}))

    def lifetimes(self, port: int) -> dict[str, float]:
        """Seconds until each key of the server expires; infinite if never."""
        if self.kind == 'redis':
            client = redis.Redis(port=port)
            return {key.decode(): seconds if seconds >= 0 else math.inf
                    for key in client.keys()
                    for seconds in [client.ttl(key)]}
        with socket.create_connection(('127.0.0.1', port)) as server:
            server.settimeout(30)
            server.sendall(b'lru_crawler metadump all\r\n')
            lines = itertools.takewhile(
                lambda line: line != 'END\n', server.makefile())
            keys = [dict(word.split('=') for word in line.split())
                    for line in lines]
        return {key['key']: float(key['exp']) - time.time()
                if key['exp'] != '-1' else math.inf for key in keys}

    def listed(self, subject: shared.SharedCache) -> tuple[bool, float]:
        """Get a list as the catalog does.

        :returns: whether Nova had to be asked, and the seconds that it took
        """
        begun = time.monotonic()
        with subject.refresh_lock(
                '', snapshot.Snapshot, lambda _found: True,
                wait=True) as (_found, asks):
            if asks:
                subject.set('', snapshot.Snapshot(time.time(), FLAVORS))
        return asks, time.monotonic() - begun

    def assertAsNone(self, subject: shared.SharedCache, what: str) -> None:
        """See that Nova is asked, as without a cache, and soon."""
        taken = []
        for _turn in range(5):
            asks, seconds = self.listed(subject)
            self.assertTrue(asks)
            taken.append(seconds)
        print(f'\n{self.backend}: {what}: first {taken[0] * 1000:.0f} ms, '
              f'then {max(taken[1:]) * 1000:.0f} ms; log: '
              f'{self.log.output.strip()}')
        self.assertLess(taken[0], ONCE)
        self.assertLess(max(taken[1:]), NORMAL)
        self.assertEqual(
            1, self.log.output.count('The cache is down'))

    def test_all_that_is_stored_expires(self):
        month = shared.LONGEST_LIFETIME
        own = '[flavor_filter]\nflavor_stale_time = '
        for more, longest in (
                ('', 3600), (f'expiration_time = 5\n{own}600', 600),
                (f'{own}0', 60), (f'{own}99999999999', month),
                ('[flavor_filter]\nnova_timeout = inf', month),
                (f'backend_argument = redis_expiration_time:0\n'
                 f'backend_argument = memcached_expire_time:0\n{own}600',
                 600),
                *([] if self.backend == 'dogpile.cache.bmemcached' else [
                    ('expiration_time = 600\nbackend_expiration_time = 900',
                     900)])):
            # A cache of before may still write to a server that it knows.
            started = new_server(self.kind)
            started.start()
            self.addCleanup(started.kill)
            started.wait()
            subject = self.cache(started.port, more)
            with subject.refresh_lock(
                    '', snapshot.Snapshot, lambda _found: False,
                    wait=True):
                subject.set('', snapshot.Snapshot(time.time(), FLAVORS))
                subject.set('p', snapshot.PrivateFlavors(time.time(), ()))
                # What is put in before this has been put in by then.
                self.assertIsNotNone(
                    subject.get('p', snapshot.PrivateFlavors), more)
                found: dict[str, float] = {}
                for _turn in range(100):
                    # memcached passes over what is in use.
                    found |= self.lifetimes(started.port)
                    if len(found) == 3:
                        break
            self.assertEqual(3, len(found), found)
            lock = min(month, 31 if 'inf' not in more else math.inf)
            self.assertLessEqual(max(found.values()), max(longest, lock),
                                 (more, found))
            self.assertLessEqual(sorted(found.values())[1], longest + 1,
                                 (more, found))
            started.kill()

    def test_a_closed_port(self):
        self.assertAsNone(self.cache(process.free_port()), 'closed')

    def test_a_port_that_says_nothing(self):
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        self.assertAsNone(self.cache(listener.getsockname()[1]), 'silent')

    def test_a_server_that_is_stopped_and_started(self):
        started = server(self.kind)
        started.start()
        started.wait()
        self.addCleanup(started.kill)
        subject = self.cache(started.port)
        self.assertEqual([True, False], [
            self.listed(subject)[0] for _turn in range(2)])
        self.assertEqual('', self.log.output)
        started.kill()
        self.assertAsNone(subject, 'stopped')
        started.start()
        started.wait()
        begun = time.monotonic()
        while 'The cache is up again' not in self.log.output:
            self.assertLess(time.monotonic() - begun, 60)
            time.sleep(0.05)
        print(f'{self.backend}: started again: in use after '
              f'{time.monotonic() - begun:.1f} s')
        self.assertEqual([True, False], [
            self.listed(subject)[0] for _turn in range(2)])
        self.assertEqual(
            1, self.log.output.count('The cache is up again'))

    def test_a_server_that_answers_late_holds_up_no_list(self):
        started = server(self.kind)
        started.start()
        started.wait()
        self.addCleanup(started.kill)
        first = self.cache(started.port)
        self.listed(first)
        self.assertIsNotNone(first.get('', snapshot.Snapshot))
        door = faults.FaultyDoor(started.port)
        self.addCleanup(door.close)
        door.misbehave(faults.SLOW)
        subject = self.cache(door.port)
        begun = time.monotonic()
        with subject.refresh_lock(
                '', snapshot.Snapshot, lambda _found: False,
                wait=True) as (_found, asks):
            self.assertTrue(asks)
            subject.set('', snapshot.Snapshot(time.time(), FLAVORS))
        # A request gives a list no more time than this.
        self.assertLess(time.monotonic() - begun, refreshing.PATIENCE - 0.5)

    def test_a_lock_that_comes_too_late_is_given_back(self):
        started = server(self.kind)
        started.start()
        started.wait()
        self.addCleanup(started.kill)
        door = faults.FaultyDoor(started.port)
        self.addCleanup(door.close)
        door.misbehave(faults.SLOW)
        # The client waits, and nobody waits for the client.
        subject = self.cache(door.port, 'socket_timeout = 30')
        begun = time.monotonic()
        with subject.refresh_lock(
                '', snapshot.Snapshot, lambda _found: False,
                wait=False) as (_found, asks):
            self.assertTrue(asks)
        door.misbehave(faults.PASS)
        while 'The cache is up again' not in self.log.output:
            self.assertLess(time.monotonic() - begun, 20)
            time.sleep(0.05)
        while any('_lock' in key for key in self.lifetimes(started.port)):
            self.assertLess(time.monotonic() - begun, 20)
            time.sleep(0.05)

    def test_one_process_asks_while_the_others_wait(self):
        started = server(self.kind)
        started.start()
        started.wait()
        self.addCleanup(started.kill)
        first, second = self.cache(started.port), self.cache(started.port)
        latest = snapshot.Snapshot(time.time(), FLAVORS)
        with first.refresh_lock(
                '', snapshot.Snapshot, lambda _found: True,
                wait=True) as (_found, asks):
            self.assertTrue(asks)
            # Not for long, and not at all when it has a list that serves.
            with second.refresh_lock(
                    '', snapshot.Snapshot, lambda _found: True,
                    wait=False) as (_found, asks):
                self.assertFalse(asks)
            threading.Timer(0.3, first.set, ('', latest)).start()
            asks, seconds = self.listed(second)
            self.assertFalse(asks)
            self.assertLess(seconds, shared.WAIT)
        self.assertEqual('', self.log.output)


class MemcachedTest(Outage, base.BaseTestCase):
    backend = 'dogpile.cache.memcached'
    client = 'memcache'


class MemcachePoolTest(Outage, base.BaseTestCase):
    backend = 'oslo_cache.memcache_pool'
    client = 'memcache'


class PymemcacheTest(Outage, base.BaseTestCase):
    backend = 'dogpile.cache.pymemcache'
    client = 'pymemcache'


class BmemcachedTest(Outage, base.BaseTestCase):
    backend = 'dogpile.cache.bmemcached'
    client = 'bmemcached'


class RedisTest(Outage, base.BaseTestCase):
    backend = 'dogpile.cache.redis'
    client = 'redis'
    kind = 'redis'
