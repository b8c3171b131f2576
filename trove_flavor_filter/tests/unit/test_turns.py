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

"""Clients of one worker under eventlet are served in turn."""

import importlib.util
import subprocess
import sys

from trove_flavor_filter.tests.unit import base

CLIENTS = """
import sys

import eventlet
eventlet.monkey_patch()

from trove_flavor_filter import wsgi

application = wsgi.app_factory({}, oslo_config_file=sys.argv[1])
served = []


def client(name):
    for _number in range(3):
        application({
            'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '/v1.0', 'QUERY_STRING':
            '', 'PATH_INFO': '/p/flavors/datastores/versions/v'},
            lambda status, headers, *more: served.append(name))


pool = eventlet.GreenPool()
for name in 'ab':
    pool.spawn(client, name)
pool.waitall()
print(''.join(served))
"""


class TurnTest(base.TestCase):

    def test_a_request_that_waits_for_nothing_is_followed_by_anothers(self):
        if importlib.util.find_spec('eventlet') is None:
            self.skipTest('eventlet is not installed')
        path = self.trove_conf('[database]\nconnection = sqlite://\n')
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', CLIENTS, path], text=True,
            capture_output=True)
        self.assertEqual('ababab', done.stdout.strip(), done.stderr[-2000:])
