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

"""One stream of requests to two trove-apis: one in force, one on trial.

Both use one database, which is put back after each request. What the one
refuses, the other lets pass, and its log tells the same reason.

FLAVOR_FILTER_HUNT says how many requests are sent, FLAVOR_FILTER_SEED where
chance begins.
"""

import collections
import os
import random
import re
import time
from urllib import parse

from trove_flavor_filter.tests.cloud import doors
from trove_flavor_filter.tests.functional import test_bypass

COUNT = int(os.environ.get('FLAVOR_FILTER_HUNT', '2000')) // 10
DECISION = re.compile(
    'flavor decision: outcome=(?P<outcome>\\w+) .*?(?P<case>action=.*)')
# What the row of an instance or a cluster may become.
CHANGED = {
    'instances': ('flavor_id', 'datastore_version_id', 'task_id', 'deleted',
                  'slave_of_id', 'cluster_id'),
    'clusters': ('datastore_version_id', 'task_id', 'deleted')}


class StreamTest(test_bypass.HuntedTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.names = self.prepare()
        self.url = self.cloud.add_host(
            {'flavor_filter': {'enforcement': 'warn'}})
        port = parse.urlsplit(self.url).port
        self.logs = {url: self.cloud.log(name).open(errors='replace')
                     for url, name in ((self.cloud.trove_url, 'trove'),
                                       (self.url, f'trove-{port}'))}
        for log in self.logs.values():
            self.addCleanup(log.close)
            log.seek(0, os.SEEK_END)

    def rows(self) -> dict[str, list]:
        return {table: [tuple(row) for row in self.cloud.sql(
            f'SELECT id, {", ".join(columns)} FROM {table}')]
            for table, columns in CHANGED.items()}

    def put_back(self, rows: dict[str, list]) -> None:
        """Have the instances and clusters that there were, as they were."""
        if self.rows() != rows:
            for table, columns in CHANGED.items():
                there = {row[0] for row in rows[table]}
                for (id,) in self.cloud.sql(f'SELECT id FROM {table}'):
                    if id not in there:
                        self.cloud.sql(f'DELETE FROM {table} WHERE id = :id',
                                       id=id)
                for id, *values in rows[table]:
                    self.cloud.sql(
                        f'UPDATE {table} SET '
                        + ', '.join(f'{name} = :{name}' for name in columns)
                        + ' WHERE id = :id', id=id,
                        **dict(zip(columns, values)))
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')

    def decisions(self, url: str) -> list[tuple[str, str]]:
        """Outcome and case of each decision since the last call."""
        return [(found['outcome'], found['case'])
                for line in self.logs[url].read().splitlines()
                if (found := DECISION.search(line))]

    def test_on_trial_each_decision_is_the_same_and_nothing_is_refused(self):
        chance = random.Random(test_bypass.SEED)
        hunt = test_bypass.Hunt(chance, self.names,
                                doors.by_name(self.doors()))
        outcomes = collections.Counter()
        begun = time.monotonic()
        for number in range(COUNT):
            if number % 10 == 0:
                self.set_tasks(chance)
                self.set_rule(chance)
                rows = self.rows()
            kind, *request = hunt.request()
            found = {}
            for url in (self.cloud.trove_url, self.url):
                status = self.send(*request, url=url)
                found[url] = self.decisions(url)
                self.put_back(rows)
            in_force, on_trial = found.values()
            self.assertEqual(
                [('would_refuse', case) for outcome, case in in_force],
                on_trial, (kind, request))
            self.assertLessEqual(
                {outcome for outcome, _case in in_force}, {'refused'})
            outcomes[kind, bool(in_force), status] += 1
        print(f'\n{COUNT} requests to both in '
              f'{time.monotonic() - begun:.0f} s: ' + ', '.join(
                  f'{kind} {"refused" if refused else "passed"} {status}: '
                  f'{count}' for (kind, refused, status), count
                  in sorted(outcomes.items())))
        self.assertLess(COUNT // 10, sum(
            count for (_kind, refused, _status), count in outcomes.items()
            if refused))
