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

import atexit
import collections
from collections.abc import Callable
import contextlib
import functools
import os
import pathlib
import re
import shutil
import tempfile
import time
from urllib import parse

from oslotest import base as oslotest
import pymemcache
import redis
import sqlalchemy as sa

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.cloud import load as steady_load
from trove_flavor_filter.tests.cloud import servers

CACHE_TIME = 1
# How [cache] of trove.conf names them, by port.
CACHES: dict[str, Callable[[int], dict[str, object]]] = {
    'redis': lambda port: {
        'backend': 'dogpile.cache.redis',
        'backend_argument': f'url:redis://127.0.0.1:{port}'},
    'memcached': lambda port: {
        'backend': 'dogpile.cache.pymemcache',
        'memcache_servers': f'127.0.0.1:{port}'},
}

SECONDS = float(os.environ.get('FLAVOR_FILTER_FAULT_SECONDS', '2'))


class FaultyCloud:
    """A cloud that leans on servers of its own, Nova and Keystone by a door.

    :param database: of SERVERS: Trove's
    :param cache: of SERVERS: what the list of flavors is shared by
    :param server: what serves Trove
    """

    def __init__(self, database: str, cache: str, server: str):
        folder = pathlib.Path(tempfile.mkdtemp(
            prefix='servers-', dir=cloud.FOLDER))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.database = servers.SERVERS[database](folder)
        self.cache = servers.SERVERS[cache](folder)
        for started in (self.database, self.cache):
            atexit.register(started.kill)
            started.start()
            started.wait()
        self.cloud = cloud.Cloud(
            database, server=server,
            database_server=servers.URLS[database].format(
                self.database.port),
            options={
                'flavor_filter': {'flavor_cache_time': CACHE_TIME,
                                  'nova_timeout': 2},
                'cache': {'enabled': True,
                          **CACHES[cache](self.cache.port)}})
        self.cloud.__enter__()
        self.doors = {
            name: faults.FaultyDoor(self.cloud.ports[name])
            for name in ('nova', 'keystone')}
        self.cloud.options['DEFAULT'] = {
            'nova_compute_url':
                f'http://127.0.0.1:{self.doors["nova"].port}/v2.1'}
        self.cloud.options['service_credentials'] = {
            'auth_url': f'http://127.0.0.1:{self.doors["keystone"].port}/v3'}
        self.cloud.reconfigure()
        self.cloud.enable()
        self.cloud.create_flavor('steady', ram=512)
        self.version_id = self.cloud.create_datastore_version(
            'mysql', 'steady')
        self.path = f'/flavors/datastores/versions/{self.version_id}'
        self.cloud.trove(self.path)
        self.usual = self.trove_processes()

    def trove_processes(self) -> dict[str, int]:
        """How many threads, sockets and KiB of memory trove-api has."""
        found = collections.Counter(threads=0, sockets=0, KiB=0)
        for pid in self.cloud.processes['trove'].members():
            status = pathlib.Path(f'/proc/{pid}/status').read_text()
            links = [os.readlink(link) for link in
                     pathlib.Path(f'/proc/{pid}/fd').iterdir()
                     if link.is_symlink()]
            found['threads'] += int(re.search(r'Threads:\s+(\d+)', status)[1])
            found['sockets'] += len([link for link in links
                                     if link.startswith('socket:')])
            found['KiB'] += int(re.search(r'VmRSS:\s+(\d+)', status)[1])
        return dict(found)


faulty_cloud = functools.cache(FaultyCloud)


class Faults:
    """One fault a test: it begins under load, and ends under load."""

    DEFAULT_TIMEOUT = 600
    cloud_of: tuple[str, str, str]

    def setUp(self) -> None:
        super().setUp()
        self.faulty = faulty_cloud(*self.cloud_of)
        self.cloud = self.faulty.cloud
        deadline = time.monotonic() + 30
        while self.cloud.trove(self.faulty.path).status_code != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def under(self, begin, end, name: str) -> steady_load.Load:
        """The answers during a fault, and after it.

        A list is cached when the fault begins, and has to be renewed
        while it lasts.
        """
        before = self.faulty.trove_processes()
        with steady_load.Load(self.cloud, self.faulty.path) as load:
            time.sleep(CACHE_TIME)
            begin()
            time.sleep(SECONDS)
            during = dict(load.answers)
            end()
            time.sleep(SECONDS / 2)
        after = self.faulty.trove_processes()
        print(f'\n{" ".join(self.cloud_of)}: {name}: {dict(load.answers)}, '
              f'slowest {load.slowest * 1000:.0f} ms; trove-api before '
              f'{before}, after {after}')
        self.assertLess(0, sum(during.values()))
        self.assertEqual(200, self.cloud.trove(self.faulty.path).status_code)
        # Of the first test, so that a leak adds up over all of them.
        usual = self.faulty.usual
        self.assertLess(after['threads'], usual['threads'] + 4)
        self.assertLess(after['sockets'], usual['sockets'] + 16)
        return load

    def through(self, door: str, mode: str) -> steady_load.Load:
        door_ = self.faulty.doors[door]
        return self.under(lambda: door_.misbehave(mode),
                          lambda: door_.misbehave(faults.PASS),
                          f'{door} {mode}')

    def assertNoneFailed(self, load: steady_load.Load) -> None:
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
        self.assertEqual(1, text.count(
            'Nova is unavailable; serving the last list'))
        self.assertEqual(1, text.count('Nova lists flavors again'))

    def test_the_cache_gone_and_back(self):
        self.assertNoneFailed(self.under(
            self.faulty.cache.kill, self.start_cache, 'cache killed'))

    def test_rubbish_in_the_cache_is_as_good_as_nothing(self):
        self.assertNoneFailed(self.under(
            self.spoil_cache, self.spoil_cache, 'rubbish in the cache'))

    def start_cache(self) -> None:
        self.faulty.cache.start()
        self.faulty.cache.wait()

    def test_the_database_gone_and_back(self):
        load = self.under(self.faulty.database.stop, self.start_database,
                          'database stopped')
        self.assertLessEqual(set(load.answers), {200, 503, 'Retry-After'})
        self.assertLess(0, load.answers[503])
        self.assertEqual(load.answers[503], load.answers['Retry-After'])

    def start_database(self) -> None:
        self.faulty.database.start()
        self.faulty.database.wait()
        # Its port answers a moment before it does.
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(sa.exc.OperationalError):
                self.cloud.sql('SELECT 1')
                return
            time.sleep(0.02)

    def test_the_first_request_after_the_database_is_back_succeeds(self):
        for _turn in range(3):
            self.faulty.database.stop()
            self.assertEqual(
                503, self.cloud.trove(self.faulty.path).status_code)
            self.start_database()
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


class OnMariaDBWithRedisTest(Faults, oslotest.BaseTestCase):
    """trove-api under eventlet."""

    cloud_of = ('mysql', 'redis', 'eventlet')

    def spoil_cache(self) -> None:
        client = redis.Redis(port=self.faulty.cache.port)
        keys = client.keys()
        self.assertTrue(keys)
        for key in keys:
            # Whatever type its value was of.
            client.set(key, 'rubbish')
        client.close()


class OnPostgreSQLWithMemcachedTest(Faults, oslotest.BaseTestCase):
    """trove.cmd.app_wsgi under uWSGI, with native threads."""

    cloud_of = ('postgresql', 'memcached', 'uwsgi')

    def spoil_cache(self) -> None:
        client = pymemcache.Client(('127.0.0.1', self.faulty.cache.port))
        keys = re.findall(rb'key=(\S+)', client.raw_command(
            b'lru_crawler metadump all', b'END\r\n'))
        self.assertTrue(keys)
        for key in keys:
            client.set(parse.unquote_to_bytes(key), b'rubbish')
        client.close()
