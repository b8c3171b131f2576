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

"""Clients that change one requirement at once, through three Galera nodes.

FLAVOR_FILTER_ROUNDS says how many changes each client makes.
"""

import collections
import concurrent.futures
import os
import random
import typing
import unittest

from oslotest import base
import requests
import sqlalchemy as sa

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.unit.db import test_writers

CLIENTS = 8
ROUNDS = int(os.environ.get('FLAVOR_FILTER_ROUNDS', '15'))


class Success(typing.NamedTuple):
    """A change that was made.

    :ivar before: the ETag that it was planned on
    :ivar after: the ETag that it was answered with
    """

    before: str
    after: str
    flavors: frozenset[str]


class WritersTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 1800

    def setUp(self) -> None:
        if os.environ.get('CI'):
            raise unittest.SkipTest('a cluster takes more than CI has')
        # Before the test has a folder for temporary files, where the
        # servers' user may not go.
        nodes = test_writers.galera_nodes()
        super().setUp()
        self.cloud = cloud.Cloud('mysql', database_server=nodes[0])
        self.cloud.__enter__()
        self.addCleanup(self.cloud.stop_all)
        self.cloud.enable()
        name = sa.make_url(self.cloud.database_url).database
        self.hosts = [self.cloud.trove_url, *(
            self.cloud.add_host({'database': {
                'connection': sa.make_url(node).set(
                    database=name).render_as_string(hide_password=False)}})
            for node in nodes[1:])]
        self.version_id = self.cloud.create_datastore_version('mysql', '8.0')
        self.path = (f'/v1.0/{self.cloud.project_id("admin")}/mgmt/'
                     f'datastore-versions/{self.version_id}'
                     f'/flavor-requirement')
        self.headers = {'X-Auth-Token': self.cloud.token('admin')}

    def ask(self, method: str, host: str, **kwargs) -> requests.Response:
        with requests.Session() as client:
            client.trust_env = False
            return client.request(
                method, host + self.path, timeout=60,
                headers=self.headers | kwargs.pop('headers', {}), **kwargs)

    def client(self, number: int) -> tuple[
            list[Success], collections.Counter]:
        """Add flavors of its own, one a change, and end some of them again.

        Each request is sent to any of the hosts.
        """
        made, statuses = [], collections.Counter()
        for turn in range(ROUNDS):
            while True:
                shown = self.ask('GET', random.choice(self.hosts))
                statuses[f'GET {shown.status_code}'] += 1
                flavors = {*shown.json()['flavor_requirement']['flavors'],
                           f'{number}-{turn}'}
                if turn % 3 == 2:
                    flavors.discard(f'{number}-{turn - 1}')
                answer = self.ask(
                    'PUT', random.choice(self.hosts),
                    params={'validate': 'false'},
                    headers={'If-Match': shown.headers['ETag']},
                    json={'flavor_requirement': {
                        'flavors': sorted(flavors)}})
                statuses[f'PUT {answer.status_code}'] += 1
                if answer.status_code != 412:
                    break
            self.assertEqual(200, answer.status_code, answer.text)
            made.append(Success(
                shown.headers['ETag'], answer.headers['ETag'],
                frozenset(answer.json()['flavor_requirement']['flavors'])))
        return made, statuses

    def test_every_success_is_in_force_and_nothing_is_lost(self):
        first = self.ask('GET', self.hosts[0]).headers['ETag']
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            results = list(pool.map(self.client, range(CLIENTS)))
        statuses = sum((counted for _made, counted in results),
                       collections.Counter())
        print(f'\n{CLIENTS} clients, {len(self.hosts)} nodes: '
              f'{dict(sorted(statuses.items()))}')
        self.assertEqual({'GET 200', 'PUT 200', 'PUT 412'}, set(statuses))
        # Each success was planned on what another one, and no third, left.
        successes = [one for made, _counted in results for one in made]
        by_before = {one.before: one for one in successes}
        self.assertEqual(CLIENTS * ROUNDS, len(by_before))
        tag, flavors = first, frozenset()
        for _step in successes:
            one = by_before[tag]
            # It adds one flavor, and ends one of its own at most.
            self.assertEqual(1, len(one.flavors - flavors))
            self.assertLessEqual(len(flavors - one.flavors), 1)
            tag, flavors = one.after, one.flavors
        for number in range(CLIENTS):
            self.assertEqual(
                {f'{number}-{turn}' for turn in range(ROUNDS)
                 if turn % 3 != 1 or turn == ROUNDS - 1},
                {flavor_id for flavor_id in flavors
                 if flavor_id.startswith(f'{number}-')})
