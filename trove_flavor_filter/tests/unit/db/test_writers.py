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

"""Writers at once, on each kind of database, and on a cluster of Galera's.

FLAVOR_FILTER_ROUNDS says how many rounds there are.
"""

import atexit
import concurrent.futures
import functools
import itertools
import os
import pathlib
import random
import shutil
import tempfile
import typing
import unittest

import sqlalchemy as sa

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import lookup as db_lookup
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import upgrades
from trove_flavor_filter.declaration import planning
from trove_flavor_filter import exception
from trove_flavor_filter import requirement
from trove_flavor_filter import running
from trove_flavor_filter.tests.cloud import servers
from trove_flavor_filter.tests.unit import base

ROUNDS = int(os.environ.get('FLAVOR_FILTER_ROUNDS', '15'))

State = dict[requirement.Version, frozenset[requirement.Row]]


class Command(typing.NamedTuple):
    """What one writer does, and on which versions."""

    text: str
    plan: requirement.Plan
    version_ids: list[str] | None

    def outcome(self, state: State) -> typing.Any:
        """What it comes to when it is alone."""
        told = requirement.CurrentRows({
            version: rows for version, rows in state.items()
            if self.version_ids is None or version.id in self.version_ids})
        try:
            return [(version, state[version], frozenset(rows))
                    for version, rows in self.plan(told).items()]
        except exception.NotFound as error:
            return str(error)

    def run(self, table: requirements.Requirements) -> typing.Any:
        """What it comes to among others."""
        try:
            return [(change.version, change.before, change.after)
                    for change in table.change(self.plan, self.version_ids)]
        except exception.NotFound as error:
            return str(error)


def some_command(versions: list[requirement.Version]) -> Command:
    version = random.choice(versions)
    kind = random.choice(('add', 'delete', 'require', 'apply', 'prune'))
    flavor_ids = random.sample('123', random.randint(1, 2))
    minimums = {random.choice(('min_ram', 'min_disk')): random.randint(1, 4)}
    if kind == 'add':
        plan = functools.partial(planning.add, flavor_ids)
    elif kind == 'delete':
        plan = functools.partial(planning.delete, flavor_ids)
    elif kind == 'require':
        plan = functools.partial(planning.require, minimums,
                                 random.choice((True, False)))
    else:
        declared = {
            version: {('flavor', flavor_id) for flavor_id
                      in random.sample('123', random.randint(0, 2))}
            | {('min_ram', str(random.randint(1, 4)))}
            for version in random.sample(versions, random.randint(1, 2))}
        return Command(
            f'{kind} {declared}', functools.partial(
                planning.apply, declared, kind == 'prune'),
            None if kind == 'prune' else [one.id for one in declared])
    return Command(f'{kind} {plan.args} {version.name}', plan, [version.id])


def in_some_order(state: State, commands: list[Command],
                  outcomes: list[typing.Any]) -> State | None:
    """Where an order of the commands leads that has all of these outcomes."""
    for order in itertools.permutations(range(len(commands))):
        there = dict(state)
        for at in order:
            outcome = commands[at].outcome(there)
            if outcome != outcomes[at]:
                break
            if isinstance(outcome, list):
                there |= {version: after for version, _, after in outcome}
        else:
            return there
    return None


class WritersTest(base.DatabaseTestCase):

    DEFAULT_TIMEOUT = 3600
    writers = 4

    def setUp(self) -> None:
        super().setUp()
        self.tables = [
            requirements.Requirements(engine.Database(self.configuration(
                f'[database]\nconnection = {url}\n')), {})
            for url in self.urls()]
        for table in self.tables:
            self.addCleanup(table.database.dispose)
            self.state(table)
        self.versions = self.requirements.versions()
        self.pool = concurrent.futures.ThreadPoolExecutor(self.writers)
        self.addCleanup(self.pool.shutdown)

    def urls(self) -> list[str]:
        """Of the database, for each of the writers."""
        return [self.url] * self.writers

    def at_once(self, *functions) -> list[typing.Any]:
        return [future.result() for future in
                [self.pool.submit(function) for function in functions]]

    def state(self, table: requirements.Requirements) -> State:
        """What there is, once all that was committed has arrived."""
        return dict(table.present().rows)

    def test_one_minimum_is_left_of_several_writers(self):
        for turn in range(ROUNDS):
            # Otherwise all of them would end the same row, and collide there.
            self.tables[0].change(functools.partial(
                planning.require, {}, True), [self.version_id])
            for table in self.tables:
                self.state(table)
            self.at_once(*(
                functools.partial(table.change, functools.partial(
                    planning.require, {'min_ram': turn * 10 + number},
                    False), [self.version_id])
                for number, table in enumerate(self.tables)))
            for table in self.tables:
                (rows,) = [rows for version, rows in self.state(table).items()
                           if version.id == self.version_id]
                self.assertEqual(1, len(rows), (turn, rows))

    def test_what_is_left_is_what_some_order_would_leave(self):
        changed = dict.fromkeys(self.versions, 0)
        for turn in range(ROUNDS):
            before = self.state(self.tables[0])
            commands = [some_command(self.versions) for _ in self.tables]
            outcomes = self.at_once(*(
                functools.partial(command.run, table)
                for command, table in zip(commands, self.tables)))
            expected = in_some_order(before, commands, outcomes)
            story = '\n'.join(
                f'{command.text}: {outcome}' for command, outcome
                in zip(commands, outcomes))
            self.assertIsNotNone(expected, f'{turn}: {before}\n{story}')
            for table in self.tables:
                self.assertEqual(expected, self.state(table), story)
            for outcome in outcomes:
                for version, old, new in (
                        outcome if isinstance(outcome, list) else ()):
                    changed[version] += old != new
        self.assertEqual(
            changed, {version: self.requirements.revised().revisions.get(
                version.id, 0) for version in self.versions})

    def test_upgrades_that_begin_at_once_are_all_remembered(self):
        targets = [self.version_id, self.other_id, self.create_version('9')]
        for turn in range(ROUNDS):
            instance = running.Instance(
                f'instance-{turn}', 'project', running.NO_TASK,
                self.version_id)
            self.execute(sa.insert(models.Instance).values(
                id=instance.id, tenant_id='project', deleted=False,
                task_id=instance.task_id,
                datastore_version_id=self.version_id))
            recorded = [upgrades.Upgrades(table.database)
                        for table in self.tables]

            def upgrade(table, target_id):
                table.accept(table.begin([instance], [target_id]))
            wanted = [random.choice(targets) for _ in recorded]
            self.at_once(*(
                functools.partial(upgrade, table, target_id)
                for table, target_id in zip(recorded, wanted)))
            for table in self.tables:
                self.state(table)
                (found,) = db_lookup.Lookup(
                    table.database, {}).instance(instance.id)
                self.assertEqual({self.version_id, *wanted}, found.versions)
                # The task cannot tell which of them has succeeded.
                self.assertEqual(running.DOUBTED, found.upgrade.state)


class MySQLWritersTest(WritersTest):
    backend = 'mysql'


class PostgreSQLWritersTest(WritersTest):
    backend = 'postgresql'


@functools.cache
def galera_nodes() -> list[str]:
    """URLs of the nodes of a cluster that runs as long as the tests do."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='galera-'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    nodes = servers.galera(folder)
    for node in nodes:
        atexit.register(node.kill)
        node.start()
        node.wait()
    return [servers.URLS['mysql'].format(node.port) for node in nodes]


class GaleraWritersTest(WritersTest):
    """Each writer on another node: row locks do not reach the others."""

    backend = 'mysql'
    writers = 3

    def setUp(self) -> None:
        if os.environ.get('CI'):
            raise unittest.SkipTest('a cluster takes more than CI has')
        self.server = galera_nodes()[0]
        super().setUp()

    def urls(self) -> list[str]:
        return [sa.make_url(node).set(
            database=sa.make_url(self.url).database
        ).render_as_string(hide_password=False) for node in galera_nodes()]

    def test_a_node_that_lags_behind_changes_what_is_there(self):
        def require(number, value):
            return self.tables[number].change(functools.partial(
                planning.require, {'min_ram': value}, False),
                [self.version_id])

        require(0, 2)
        self.state(self.tables[1])
        behind = sa.create_engine(self.urls()[1])
        with behind.connect() as connection:
            # Until its end nothing is committed there.
            for stage in ('START', 'BLOCK_COMMIT'):
                connection.execute(sa.text(f'BACKUP STAGE {stage}'))
            require(0, 1)
            # What it finds is what it wants, and is no longer there.
            later = self.pool.submit(require, 1, 2)
            concurrent.futures.wait([later], timeout=1)
            connection.execute(sa.text('BACKUP STAGE END'))
        behind.dispose()
        later.result()
        for table in self.tables:
            self.assertEqual({('min_ram', '2')}, {
                row for rows in self.state(table).values() for row in rows})

    def state(self, table: requirements.Requirements) -> State:
        with table.database.writing() as connection:
            # The next statement waits for what other nodes have committed.
            connection.execute(sa.text('SET SESSION wsrep_sync_wait = 1'))
            connection.execute(sa.select(models.DatastoreVersion.id))
            connection.execute(sa.text('SET SESSION wsrep_sync_wait = 0'))
        return super().state(table)
