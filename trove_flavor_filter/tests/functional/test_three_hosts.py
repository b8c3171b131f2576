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

"""Three hosts that run trove-api, on one database and one memcached."""

import atexit
import concurrent.futures
import functools
import pathlib
import shutil
import tempfile
import time

from oslotest import base
import pymemcache

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import load as steady_load
from trove_flavor_filter.tests.cloud import servers

NOVA_TIMEOUT = 60


@functools.cache
def hosts() -> 'Hosts':
    return Hosts()


class Hosts:
    """A cloud with three hosts of Trove, behind a load balancer."""

    def __init__(self) -> None:
        folder = pathlib.Path(tempfile.mkdtemp(
            prefix='servers-', dir=cloud.FOLDER))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.memcached = servers.memcached(folder)
        self.memcached.start()
        self.memcached.wait()
        atexit.register(self.memcached.kill)
        self.cloud = cloud.Cloud(options={
            'cache': {
                'enabled': True, 'backend': 'dogpile.cache.pymemcache',
                'memcache_servers': f'127.0.0.1:{self.memcached.port}'},
            # Longer than anything here may take.
            'flavor_filter': {'nova_timeout': NOVA_TIMEOUT}})
        self.cloud.__enter__()
        self.cloud.enable()
        # Before the list of flavors is cached.
        for flavor_id in ('one', 'two'):
            self.cloud.create_flavor(flavor_id)
        self.urls = [self.cloud.trove_url, self.cloud.add_host(),
                     self.cloud.add_host()]
        self.names = [name for name in self.cloud.processes
                      if name.startswith('trove')]
        self.balancer = servers.haproxy(
            folder, [self.cloud.ports[name] for name in self.names])
        self.balancer.start()
        self.balancer.wait()
        atexit.register(self.balancer.kill)
        self.version_id = self.cloud.create_datastore_version('mysql', '8.0')
        self.path = f'/flavors/datastores/versions/{self.version_id}'

    def forget(self) -> None:
        """Have no list of flavors anywhere."""
        for name in self.names:
            self.cloud.restart(name)
        self.memcached.stop()
        self.memcached.start()
        self.memcached.wait()


class HostsTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def setUp(self) -> None:
        super().setUp()
        self.hosts = hosts()
        self.cloud = self.hosts.cloud

    def listed(self, url: str) -> set[str]:
        response = self.cloud.session().get(
            f'{url}/v1.0/{self.cloud.project_id()}{self.hosts.path}')
        return {flavor['str_id'] for flavor in response.json()['flavors']}

    def test_an_association_is_in_force_at_once_on_every_host(self):
        for command, flavors, wanted in (
                ('add', ['one'], {'one'}), ('add', ['two'], {'one', 'two'}),
                ('delete', ['one'], {'two'})):
            self.cloud.check(
                'trove-manage', f'datastore-version-flavor-{command}',
                self.hosts.version_id, *flavors)
            self.assertEqual([wanted] * 3, [
                self.listed(url) for url in self.hosts.urls])
        self.cloud.check('trove-manage', 'datastore-version-flavor-delete',
                         self.hosts.version_id, 'two')

    def test_nova_is_asked_once_for_all_hosts(self):
        log = self.cloud.log('nova')
        self.hosts.forget()
        before = log.read_text().count('/flavors/detail')
        for _turn in range(3):
            for url in self.hosts.urls:
                self.listed(url)
        # The list, and whether there are private flavors beyond it.
        self.assertEqual(
            2, log.read_text().count('/flavors/detail') - before)

    def test_a_host_that_dies_while_it_asks_nova_holds_up_no_other(self):
        self.hosts.forget()
        self.cloud.processes['nova'].freeze()
        self.addCleanup(self.cloud.processes['nova'].thaw)
        first, second, _third = self.hosts.urls
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asking = pool.submit(self.listed, first)
            self.wait_for_a_lock()
            self.cloud.processes[self.hosts.names[0]].kill()
            self.assertIsNotNone(asking.exception())
        self.cloud.processes['nova'].thaw()
        begun = time.monotonic()
        self.listed(second)
        self.assertLess(time.monotonic() - begun, NOVA_TIMEOUT / 2)
        self.cloud.start(self.hosts.names[0])

    def wait_for_a_lock(self) -> None:
        """Wait until somebody holds the lock, all that memcached has."""
        memcached = pymemcache.Client(
            ('127.0.0.1', self.hosts.memcached.port))
        self.addCleanup(memcached.close)
        deadline = time.monotonic() + 30
        while not memcached.stats()[b'curr_items']:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_a_rolling_restart_under_load_loses_no_request(self):
        with steady_load.Load(
                self.cloud, self.hosts.path,
                f'http://127.0.0.1:{self.hosts.balancer.port}') as load:
            for name in self.hosts.names:
                time.sleep(1)
                self.cloud.restart(name)
            time.sleep(1)
        print(f'\nrolling restart: {dict(load.answers)}, slowest '
              f'{load.slowest * 1000:.0f} ms')
        self.assertEqual({200}, set(load.answers), load.answers)
        self.assertLess(100, load.answers[200])
