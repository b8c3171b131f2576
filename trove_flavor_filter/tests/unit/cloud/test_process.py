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

"""What the small cloud prints, and what it does where a server is missing."""

import concurrent.futures
import io
import pathlib
import time
import unittest

import fixtures
from oslotest import base

from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import servers
from trove_flavor_filter.tests.unit import base as unit_base


class SlowStream(io.StringIO):
    """Gives other threads a turn after each write."""

    def write(self, text: str) -> int:
        written = super().write(text)
        time.sleep(0.001)
        return written


class SayTest(base.BaseTestCase):

    def test_lines_of_services_that_speak_at_once_stay_whole(self):
        stream = SlowStream()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for _turn in range(20):
                for name in ('keystone', 'nova', 'glance'):
                    pool.submit(process.say, stream, f'{name}: up')
        self.assertEqual(
            {'keystone: up', 'nova: up', 'glance: up'},
            set(stream.getvalue().splitlines()))


class MissingServerTest(base.BaseTestCase):
    """A server that answers may run elsewhere: its program is not here."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.EnvironmentVariable('CI'))

    def test_without_its_program_a_test_is_skipped_and_says_so(self):
        # Where Debian has programs that are not on PATH.
        self.useFixture(fixtures.MockPatchObject(
            pathlib.Path, 'glob', return_value=[]))
        self.useFixture(fixtures.EnvironmentVariable('PATH', '/nowhere'))
        for name, program in (('mysql', 'mariadb-install-db'),
                              ('redis', 'redis-server'),
                              ('postgresql', 'postgres'),
                              ('memcached', 'memcached')):
            error = self.assertRaises(
                unittest.SkipTest, servers.SERVERS[name], self.folder)
            self.assertEqual(f'{program} is not installed', str(error))

    def test_tests_on_a_database_that_no_server_has_are_skipped(self):
        class Test(unit_base.DatabaseTestCase):
            def runTest(self):
                pass

        port = process.free_port()
        for backend, driver in (('mysql', 'mysql+pymysql'),
                                ('postgresql', 'postgresql')):
            test = Test()
            test.backend = backend
            test.server = f'{driver}://somebody@127.0.0.1:{port}/'
            result = unittest.TestResult()
            test.run(result)
            self.assertEqual([], result.errors + result.failures)
            (_test, reason), = result.skipped
            self.assertIn(f'no {backend} server answers at {test.server}: ',
                          reason)

    def test_without_the_user_that_it_runs_as_too(self):
        self.useFixture(fixtures.MockPatch('os.geteuid', return_value=0))
        self.useFixture(fixtures.MockPatch(
            'pwd.getpwnam', side_effect=KeyError))
        for name in ('mysql', 'postgresql'):
            self.assertRaises(
                unittest.SkipTest, servers.SERVERS[name], self.folder)

    def test_in_ci_it_fails(self):
        self.useFixture(fixtures.EnvironmentVariable('PATH', '/nowhere'))
        self.useFixture(fixtures.EnvironmentVariable('CI', 'true'))
        self.assertRaises(process.ServiceFailed, servers.redis, self.folder)
