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

"""Which instances break a requirement: judged, found, and listed over HTTP.

FLAVOR_FILTER_STATES is the number of generated states for each database.
"""

import collections
import contextlib
import datetime
import http.server
import io
import json
import os
import random
import threading
import types
import typing
from urllib import parse
import uuid

from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from novaclient import client as nova_client
from osc_lib import exceptions
from oslotest import base as test_base
import sqlalchemy as sa
import webob

from trove_flavor_filter import acceptance
from trove_flavor_filter.cmd import subcommands
from trove_flavor_filter.db import lookup as db_lookup
from trove_flavor_filter.db import models
from trove_flavor_filter.db import violations as db_violations
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.osc.v1 import cloud
from trove_flavor_filter import requirement
from trove_flavor_filter import running
from trove_flavor_filter.tests.unit import base
from trove_flavor_filter.tests.unit import test_wsgi
from trove_flavor_filter import violations

STATES = int(os.environ.get('FLAVOR_FILTER_STATES', '2'))
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '1'))
PROJECT = test_wsgi.PROJECT
MOMENT = datetime.datetime(2026, 1, 1)

VERSION = requirement.Version('v', 'mysql', '8.0', '8.0.1')
OTHER = requirement.Version('w', 'mysql', '5.7', '5.7.1')
SMALL = requirement.Flavor('small', 'db.small', 512, 1, 5, 0, {})
BIG = requirement.Flavor('big', 'db.big', 4096, 4, 50, 0, {'ssd': 'yes'})


# One manager with volumes, and one without.
STORAGES = {'mysql': acceptance.Storage(True, '/dev/vdb'),
            'redis': acceptance.Storage(False, None)}


def instance(flavor_id: str, *version_ids: str, volume_size: int = 0
             ) -> violations.Instance:
    return violations.Instance('i', 'orders', 'p', None, flavor_id,
                               volume_size, version_ids)


class JudgeTest(test_base.BaseTestCase):

    def judge(self, judged: violations.Instance,
              *wanted: tuple[requirement.Version, requirement.Requirement],
              flavors=(SMALL, BIG)) -> violations.Violation | None:
        return violations.Judge(wanted, flavors).judge(judged)

    def test_what_is_allowed_is_no_violation(self):
        wanted = requirement.Requirement(min_ram=1024)
        self.assertIsNone(self.judge(instance('big', 'v'), (VERSION, wanted)))

    def test_what_is_not_is_told_with_the_reasons_of_a_refusal(self):
        wanted = requirement.Requirement(frozenset({'big'}), min_ram=1024)
        self.assertEqual(
            violations.Violation(
                'i', 'orders', 'p', None, 'v', 'mysql', '8.0', 'small',
                'db.small', wanted.violations(SMALL)),
            self.judge(instance('small', 'v'), (VERSION, wanted)))

    def test_a_flavor_that_is_gone_is_a_reason(self):
        for wanted, reasons in (
                (requirement.Requirement(frozenset({'gone'})), []),
                (requirement.Requirement(min_ram=1), []),
                (requirement.Requirement(frozenset({'big'})),
                 ['is not associated']),
                (requirement.Requirement(malformed_rows=('min_ram=x',)),
                 ['its requirement has invalid rows'])):
            found = self.judge(instance('gone', 'v'), (VERSION, wanted))
            self.assertIsNone(found.flavor_name)
            self.assertEqual([*reasons, 'is no longer in Nova'],
                             found.reasons)

    def test_a_version_that_requires_nothing_is_not_broken(self):
        for wanted in ([], [(VERSION, requirement.Requirement())],
                       [(OTHER, requirement.Requirement(min_ram=9999))]):
            for flavor_id in ('small', 'gone'):
                self.assertIsNone(self.judge(instance(flavor_id, 'v'),
                                             *wanted))

    def test_of_two_versions_that_may_run_the_stricter_counts(self):
        wanted = requirement.Requirement(min_ram=1024)
        found = self.judge(instance('small', 'w', 'v'), (VERSION, wanted))
        self.assertEqual('v', found.datastore_version_id)
        self.assertEqual(
            [*wanted.violations(SMALL),
             'the instance may still run this version after an upgrade'],
            found.reasons)

    def test_the_version_in_the_row_is_shown_if_both_are_broken(self):
        found = self.judge(
            instance('small', 'w', 'v'),
            (VERSION, requirement.Requirement(min_ram=1024)),
            (OTHER, requirement.Requirement(frozenset({'big'}))))
        self.assertEqual('5.7', found.datastore_version)
        self.assertEqual(
            ['is not associated',
             'requires at least 1024 MiB RAM, has 512 (of mysql/8.0 (v), '
             'which the instance may still run after an upgrade)'],
            found.reasons)

    def test_a_volume_is_judged_beside_the_flavor(self):
        wanted = requirement.Requirement(min_ram=1024, min_volume=20)
        found = self.judge(instance('small', 'v', volume_size=10),
                           (VERSION, wanted))
        self.assertEqual([*wanted.violations(SMALL),
                          'requires a volume of at least 20 GiB, has 10'],
                         found.reasons)
        found = self.judge(instance('big', 'v', volume_size=10),
                           (VERSION, wanted))
        self.assertEqual(['requires a volume of at least 20 GiB, has 10'],
                         found.reasons)
        for size in (0, 20):
            self.assertIsNone(self.judge(
                instance('big', 'v', volume_size=size), (VERSION, wanted)))

    def test_nova_finds_a_flavor_in_another_spelling(self):
        wanted = requirement.Requirement(frozenset({'big'}),
                                         ignores_case=True)
        self.assertIsNone(self.judge(instance('BIG', 'v'), (VERSION, wanted)))
        found = self.judge(instance('SMALL', 'v'), (VERSION, wanted))
        self.assertEqual(('SMALL', 'db.small', ['is not associated']),
                         (found.flavor_id, found.flavor_name, found.reasons))


class State:
    """A generated cloud, and brute force that judges each of its instances.

    :ivar broken: the ids of the versions that an instance breaks, by its id
    """

    def __init__(self, chance: random.Random, test: base.DatabaseTestCase,
                 count: int, versions: int = 6):
        self._test = test
        self._chance = chance
        ids = [f'f-{number}' for number in range(10)]
        self.flavors = [
            requirement.Flavor(
                flavor_id, f'db.{flavor_id}', chance.choice((512, 1024, 2048)),
                chance.choice((1, 2, 4)), chance.choice((5, 20)), 0,
                {'ssd': chance.choice(('yes', 'no'))}
                if chance.random() < 0.5 else {})
            for flavor_id in ids if chance.random() < 0.8]
        self._versions = [
            test.create_version(f'v{number}', manager=(
                'redis' if number % 3 == 2 else 'mysql'))
            for number in range(versions)]
        self._rules = {version_id: self._rule(version_id, ids)
                       for version_id in self._versions}
        cluster_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        test.execute(sa.insert(models.Cluster).values(
            id=cluster_id, tenant_id='p', deleted=False))
        self.rows = [{
            'id': str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            'name': f'database-{number}', 'tenant_id': chance.choice('pqr'),
            'cluster_id': chance.choice((None, cluster_id)),
            'task_id': chance.choice((None, 1, 1, running.UPGRADING, 0x50)),
            'flavor_id': chance.choice((*ids, None, '')),
            'volume_size': chance.choice((None, 0, 5, 10, 20, 40)),
            'datastore_version_id': chance.choice((*self._versions, None)),
            'deleted': chance.random() < 0.1} for number in range(count)]
        test.execute(sa.insert(models.Instance), self.rows)
        self._upgrades: list[dict] = []
        self.broken = {row['id']: broken for row in self.rows
                       if (broken := self._judge(row))}
        test.execute(sa.insert(models.FlavorFilterUpgrade), self._upgrades)

    def _rule(self, version_id: str, ids: list[str]) -> list[tuple[str, str]]:
        rows = self.rule(self._chance, ids)
        for key, value in rows:
            self._test.create_row(version_id, value, key)
        self._test.create_row(version_id, '9999', 'min_ram', deleted=True)
        self._test.create_row(version_id, 'lvm', 'volume_type')
        return rows

    @staticmethod
    def rule(chance: random.Random, ids: list[str]
             ) -> list[tuple[str, str]]:
        """Rows of a requirement; there may be none."""
        return [row for row, part in (
            (('min_ram', '1024'), .3), (('min_ram', '512'), .2),
            (('max_vcpus', '2'), .2), (('min_disk', '20'), .2),
            (('extra_spec', 'ssd=yes'), .2), (('min_vcpus', 'x'), .05),
            (('min_volume', '10'), .3), (('max_volume', '20'), .2),
            (('max_volume', 'x'), .05),
            *((('flavor', flavor_id), .3) for flavor_id in ids
              if chance.random() < .5)) if chance.random() < part]

    def _judge(self, row: dict) -> set[str]:
        """The versions that an instance breaks, after an upgrade of some."""
        present, chance = row['datastore_version_id'], self._chance
        may_run = {present}
        if present is not None and chance.random() < .3:
            earlier = chance.sample(self._versions, chance.choice((1, 1, 2)))
            target = chance.choice((present, present, *self._versions, None))
            state = chance.choice((running.WATCHED, running.WATCHED,
                                   running.SENT, running.DOUBTED, 'uuid'))
            self._upgrades += [
                {'instance_id': row['id'], 'datastore_version_id': version_id,
                 'target_id': target, 'attempt': 'x', 'state': state,
                 'created': MOMENT} for version_id in earlier]
            if not (state == running.WATCHED and target == present
                    and row['task_id'] == running.NO_TASK):
                may_run |= {*earlier, target}
        if row['deleted'] or not row['flavor_id']:
            return set()
        return {version_id for version_id in may_run - {None}
                if not self._allows(version_id, row['flavor_id'],
                                    row['volume_size'])}

    def _allows(self, version_id: str, flavor_id: str,
                volume_size: int | None) -> bool:
        rows = self._rules[version_id]
        if self._versions.index(version_id) % 3 == 2:
            rows = [row for row in rows if 'volume' not in row[0]]
        if not rows:
            return True
        flavor = next((flavor for flavor in self.flavors
                       if flavor.id == flavor_id), None)
        associated = {value for key, value in rows if key == 'flavor'}
        if flavor is None or any(value == 'x' for _key, value in rows) or (
                associated and flavor_id not in associated):
            return False
        return all({'min_ram': lambda: flavor.ram >= int(value),
                    'max_vcpus': lambda: flavor.vcpus <= int(value),
                    'min_disk': lambda: flavor.disk >= int(value),
                    'min_volume': lambda: (
                        not volume_size or volume_size >= int(value)),
                    'max_volume': lambda: (
                        not volume_size or volume_size <= int(value)),
                    'extra_spec': lambda: flavor.extra_specs.get('ssd')
                    == 'yes', 'flavor': lambda: True}[key]()
                   for key, value in rows)


class FindTestCase(base.DatabaseTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.finder = db_violations.Violations(self.database, STORAGES)
        self.lookup = db_lookup.Lookup(self.database, STORAGES)

    def create_instance(self, flavor_id: str, version_id: str | None = None,
                        **values) -> str:
        (instance_id,) = self.create_instances(
            [(flavor_id, version_id or self.version_id)], **values)
        return instance_id

    def create_instances(self, runs: list[tuple[str, str]],
                         **values) -> list[str]:
        """Instances, each with a flavor and a version; their ids, sorted."""
        rows = [{
            'id': str(uuid.uuid4()), 'tenant_id': PROJECT,
            'flavor_id': flavor_id, 'datastore_version_id': version_id,
            'task_id': running.NO_TASK, 'deleted': False} | values
            for flavor_id, version_id in runs]
        self.execute(sa.insert(models.Instance), rows)
        return sorted(row['id'] for row in rows)

    def create_upgrade(self, instance_id: str, version_id: str,
                       **values) -> None:
        self.execute(sa.insert(models.FlavorFilterUpgrade).values({
            'instance_id': instance_id, 'datastore_version_id': version_id,
            'attempt': 'x', 'state': running.DOUBTED,
            'created': MOMENT} | values))

    def empty(self) -> None:
        """Leave nothing but the datastore."""
        for table in reversed(models.Base.metadata.sorted_tables):
            if table.name != 'datastores':
                self.execute(sa.delete(table))

    def pages(self, limit: int, *arguments) -> list[list]:
        """All pages, as a client gets them."""
        found, marker = [], None
        while True:
            page = self.finder.page(*arguments, marker=marker, limit=limit)
            found.append(page.violations)
            marker = page.marker
            if marker is None:
                return found


class StatesTest(FindTestCase):
    """Generated rules, instances, clusters, upgrades and gone flavors."""

    def test_what_is_found_is_what_brute_force_finds(self):
        for number in range(STATES):
            chance = random.Random(f'{SEED} {number}')
            state = State(chance, self, chance.choice((40, 500)))
            self.check(state, chance.choice((1, 3)))
            self.check(state, 100)
            self.check_scopes(state)
            self.check_guard(state)
            self.empty()

    def check(self, state: State, limit: int) -> None:
        pages = self.pages(limit, state.flavors)
        self.assertTrue(all(len(page) <= limit for page in pages))
        found = [each for page in pages for each in page]
        self.assertEqual(sorted(state.broken),
                         [each.instance_id for each in found])
        rows = {row['id']: row for row in state.rows}
        for each in found:
            row, broken = rows[each.instance_id], state.broken[
                each.instance_id]
            self.assertEqual(
                (row['name'], row['tenant_id'], row['cluster_id'],
                 row['flavor_id']),
                (each.instance_name, each.project_id, each.cluster_id,
                 each.flavor_id))
            if row['datastore_version_id'] in broken:
                broken = {row['datastore_version_id']}
            self.assertIn(each.datastore_version_id, broken)
            self.assertTrue(each.reasons)

    def check_scopes(self, state: State) -> None:
        wanted = collections.Counter(
            version_id for broken in state.broken.values()
            for version_id in broken)
        self.assertEqual(wanted, {
            version.id: count for version, count
            in self.finder.counts(state.flavors)})
        for version_id in wanted:
            found = list(self.finder.all(
                state.flavors, db_violations.Scope(version_id=version_id)))
            self.assertEqual(
                sorted(instance_id for instance_id, broken
                       in state.broken.items() if version_id in broken),
                [each.instance_id for each in found])
            self.assertEqual({version_id}, {each.datastore_version_id
                                            for each in found})
        self.assertEqual(
            sorted(row['id'] for row in state.rows
                   if row['id'] in state.broken and row['tenant_id'] == 'q'),
            [each.instance_id for each in self.finder.all(
                state.flavors, db_violations.Scope(project_id='q'))])

    def check_guard(self, state: State) -> None:
        """What breaks nothing is what the guard would accept."""
        known = {flavor.id: flavor for flavor in state.flavors}
        for row in state.rows[:40]:
            if row['flavor_id'] in known and not row['deleted']:
                self.assertEqual(
                    row['id'] not in state.broken,
                    all(target.requirement.allows(known[row['flavor_id']])
                        and not any(map(target.requirement.volume_violations,
                                        target.volume_sizes))
                        for target in self.lookup.instance_versions(
                            row['id'])))


class MySQLStatesTest(StatesTest):
    backend = 'mysql'


class PostgreSQLStatesTest(StatesTest):
    backend = 'postgresql'


class FindTest(FindTestCase):

    def test_without_rules_or_instances_there_is_nothing(self):
        self.assertEqual(([], None), self.finder.page([SMALL, BIG]))
        self.create_instance('small')
        self.assertEqual(([], None), self.finder.page([SMALL, BIG]))
        self.create_row(self.other_id, 'big')
        self.assertEqual(([], None), self.finder.page([SMALL, BIG]))

    def test_the_number_of_statements_and_rows_does_not_grow(self):
        self.create_row(self.version_id, 'big')
        fetched = []
        for count in (10, 1000):
            self.create_instances([
                ('small' if number % 9 == 0 else 'big', self.version_id)
                for number in range(count)])
            seen = self.statements(self.database)
            self.assertEqual(2, len(self.finder.page(
                [SMALL, BIG], limit=2).violations))
            fetched.append(len(seen))
        # The rules, the pairs nearby, all pairs, and the instances.
        self.assertLessEqual(max(fetched), 4)

    def test_violations_far_apart_are_found(self):
        # Beyond the instances that are looked at first.
        self.create_row(self.version_id, 'big')
        ids = self.create_instances(
            [('big', self.version_id)] * (3 * db_violations.SPREAD))
        wanted = [ids[250], ids[500]]
        self.execute(sa.update(models.Instance).values(
            flavor_id='small').where(models.Instance.id.in_(wanted)))
        self.assertEqual(
            [[each] for each in wanted],
            [[each.instance_id for each in page]
             for page in self.pages(1, [SMALL, BIG])])

    def test_more_broken_pairs_than_a_page_has(self):
        versions = [self.create_version(f'v{number}') for number in range(30)]
        for version_id in versions:
            self.create_row(version_id, '1024', 'min_ram')
        wanted = self.create_instances(
            [('small', version_id) for version_id in versions * 2])
        pages = self.pages(7, [SMALL, BIG])
        self.assertEqual(wanted, [each.instance_id for page in pages
                                  for each in page])
        self.assertEqual([7] * 8 + [4], [len(page) for page in pages])

    def test_before_the_migration_only_the_rows_count(self):
        self.create_row(self.version_id, 'big')
        models.FlavorFilterUpgrade.__table__.drop(self.sql)
        instance_id = self.create_instance('small')
        (found,) = self.finder.all([SMALL, BIG])
        self.assertEqual(instance_id, found.instance_id)
        self.assertEqual([1], [
            count for _version, count in self.finder.counts([SMALL, BIG])])

    def test_an_instance_that_breaks_two_other_versions_is_there_once(self):
        for version_id in (self.version_id, self.other_id):
            self.create_row(version_id, 'big')
        wanted = self.create_instances(
            [('small', self.create_version('lax'))] * 5)
        for instance_id in wanted:
            for version_id in (self.version_id, self.other_id):
                self.create_upgrade(instance_id, version_id)
        for limit in range(1, 7):
            self.assertEqual(wanted, [
                each.instance_id for page in self.pages(limit, [SMALL, BIG])
                for each in page])

    def delete_meanwhile(self, ids: list[str]) -> None:
        """Delete an instance each time when its pair has been judged."""
        left = list(ids)

        def delete(_connection, _cursor, statement, *_more) -> None:
            if 'instances.name' in statement and left:
                self.execute(sa.update(models.Instance).values(
                    deleted=True).where(models.Instance.id == left.pop(0)))
        sa.event.listen(self.database.autocommit(), 'before_cursor_execute',
                        delete)

    def test_what_is_far_away_is_not_hidden_either(self):
        for version_id in (self.version_id, self.other_id):
            self.create_row(version_id, 'big')
        ids = self.create_instances(
            [('big', self.version_id)] * (3 * db_violations.SPREAD))
        for instance_id, version_id in ((ids[0], self.version_id),
                                        (ids[1], self.version_id),
                                        (ids[-1], self.other_id)):
            self.execute(sa.update(models.Instance).values(
                flavor_id='small', datastore_version_id=version_id).where(
                    models.Instance.id == instance_id))
        self.delete_meanwhile(ids[:1])
        self.assertEqual([ids[1], ids[-1]], [
            each.instance_id for page in self.pages(1, [SMALL, BIG])
            for each in page])

    def test_what_is_deleted_meanwhile_hides_nothing_else(self):
        versions = [self.create_version(f'v{number}') for number in range(9)]
        for version_id in versions:
            self.create_row(version_id, 'big')
        chance = random.Random(SEED)
        runs = [(chance.choice(('small', 'big', 'big')),
                 chance.choice(versions)) for _turn in range(300)]
        self.create_instances(runs)
        pages = self.pages(100, [SMALL, BIG])
        wanted = [each.instance_id for page in pages for each in page]
        gone = set(wanted[::3])
        self.delete_meanwhile(sorted(gone))
        found = [each.instance_id for page in self.pages(1, [SMALL, BIG])
                 for each in page]
        self.assertEqual(sorted({*found}), found)
        self.assertEqual({*wanted} - gone, {*found} - gone)

    def test_an_upgrade_counts_until_it_has_proven(self):
        self.create_row(self.version_id, 'big')
        instance_id = self.create_instance('small', self.other_id)
        self.create_upgrade(instance_id, self.version_id,
                            target_id=self.other_id, state=running.WATCHED)
        self.assertEqual(([], None), self.finder.page([SMALL, BIG]))
        self.execute(sa.update(models.Instance).values(
            task_id=running.UPGRADING))
        (found,) = self.finder.all([SMALL, BIG])
        self.assertEqual((self.version_id, '8.0'), (
            found.datastore_version_id, found.datastore_version))


class MySQLFindTest(FindTest):
    backend = 'mysql'


class PostgreSQLFindTest(FindTest):
    backend = 'postgresql'


class Nova(http.server.BaseHTTPRequestHandler):
    """A Nova that lists the flavors that its server has."""

    def do_GET(self) -> None:
        server: typing.Any = self.server
        body = json.dumps({'flavors': [
            {'id': flavor.id, 'name': flavor.name, 'ram': flavor.ram,
             'vcpus': flavor.vcpus, 'disk': flavor.disk,
             'OS-FLV-EXT-DATA:ephemeral': 0, 'extra_specs': {},
             'os-flavor-access:is_public': True}
            for flavor in server.flavors]}).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


class ApiTestCase(test_wsgi.WsgiTestCase, FindTestCase):
    """A Nova with two flavors, and a version that allows one of them."""

    policy = '"flavor_filter:violations:list": "rule:admin or role:auditor"\n'

    def setUp(self) -> None:
        super().setUp()
        server: typing.Any = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), Nova)
        server.flavors = [SMALL, BIG]
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.application._services.nova._client = nova_client.Client(
            nova.MICROVERSION, session=session.Session(
                auth=token_endpoint.Token(
                    f'http://127.0.0.1:{server.server_port}', 'token')))
        self.create_row(self.version_id, '1024', 'min_ram')


class ApiTest(ApiTestCase):

    def ask(self, query: str = '', method: str = 'GET', roles: str = 'admin',
            **more) -> webob.Response:
        return self.request(
            f'/{PROJECT}/mgmt/flavor-requirement-violations{query}',
            method, roles=roles, **more)

    def listed(self, query: str = '', **more) -> list[dict]:
        response = self.ask(query, **more)
        self.assertEqual(200, response.status_int, response.text)
        self.assertEqual({'flavor_requirement_violations'},
                         set(response.json) - {'links'})
        return response.json['flavor_requirement_violations']

    def test_nothing_is_an_empty_list(self):
        self.create_instance('big')
        self.assertEqual({'flavor_requirement_violations': []},
                         self.ask().json)

    def test_each_is_told_with_its_names_and_reasons(self):
        cluster_id = str(uuid.uuid4())
        self.execute(sa.insert(models.Cluster).values(
            id=cluster_id, tenant_id='other', deleted=False))
        instance_id = self.create_instance(
            'small', name='orders', cluster_id=cluster_id, tenant_id='other')
        self.assertEqual({'flavor_requirement_violations': [{
            'instance_id': instance_id, 'instance_name': 'orders',
            'project_id': 'other', 'cluster_id': cluster_id,
            'datastore_version_id': self.version_id, 'datastore': 'mysql',
            'datastore_version': '8.0', 'flavor_id': 'small',
            'flavor_name': 'db.small',
            'reasons': ['requires at least 1024 MiB RAM, has 512']}]},
            self.ask().json)

    def test_a_flavor_that_is_gone_has_no_name(self):
        self.create_instance('gone')
        (found,) = self.listed()
        self.assertIsNone(found['flavor_name'])
        self.assertEqual(['is no longer in Nova'], found['reasons'])

    def test_pages_are_linked_as_in_troves_lists(self):
        wanted = self.create_instances([('small', self.version_id)] * 5)
        query, pages = '?limit=2&project_id=' + PROJECT, []
        while query:
            body = self.ask(query).json
            pages.append([found['instance_id'] for found
                          in body['flavor_requirement_violations']])
            query = ''
            for link in body.get('links', []):
                self.assertEqual('next', link['rel'])
                path, _mark, query = link['href'].partition('?')
                self.assertEqual(
                    f'https://db.example.org:80/v1.0/{PROJECT}/mgmt/'
                    f'flavor-requirement-violations', path)
                self.assertEqual(
                    {'limit': '2', 'project_id': PROJECT,
                     'marker': pages[-1][-1]},
                    dict(parse.parse_qsl(query)))
                query = f'?{query}'
        self.assertEqual([wanted[:2], wanted[2:4], wanted[4:]], pages)

    def test_a_page_has_a_maximum_as_in_trove(self):
        self.create_instances(
            [('small', self.version_id)] * (db_violations.PAGE + 1))
        for query in ('', f'?limit={"9" * 5000}', '?limit=101'):
            self.assertEqual(db_violations.PAGE, len(self.listed(query)))
        self.assertEqual(7, len(self.listed('?limit=007')))

    def test_a_marker_need_not_exist(self):
        first, second = self.create_instances(
            [('small', self.version_id)] * 2)
        self.assertEqual([second], [
            found['instance_id'] for found in self.listed(f'?marker={first}')])
        self.assertEqual([], self.listed('?marker=zzzz'))
        self.assertEqual(2, len(self.listed('?marker=0')))

    def test_filters_narrow_the_list(self):
        self.create_row(self.other_id, 'big')
        mine = self.create_instance('small')
        other = self.create_instance('small', self.other_id, tenant_id='o')
        for query, wanted in (
                (f'?datastore_version_id={self.version_id}', {mine}),
                (f'?datastore_version_id={self.other_id}', {other}),
                (f'?project_id={PROJECT}', {mine}), ('?project_id=o', {other}),
                (f'?project_id=o&datastore_version_id={self.version_id}',
                 set()),
                ('?datastore_version_id=no-such', set()),
                ('?project_id=no-such', set())):
            self.assertEqual(wanted, {
                found['instance_id'] for found in self.listed(query)}, query)

    def test_a_bad_query_is_400_and_every_problem_is_told(self):
        for query in ('limit=0', 'limit=-1', 'limit=x', 'limit=', 'limit=1.5',
                      'limit=%D9%A3', 'limit=1&limit=2', 'marker=',
                      f'marker={"x" * 37}', 'marker=%00', 'marker=%C3%A9',
                      'marker=%FF', 'datastore_version_id=',
                      'datastore_version_id=%0a', f'project_id={"x" * 300}',
                      'bogus=1', 'limits=1'):
            self.assertFault(self.ask(f'?{query}'), 400, 'badRequest')
        message = self.assertFault(self.ask('?limit=x&bogus=1'), 400,
                                   'badRequest')['message']
        self.assertIn("not a positive number: 'x'", message)
        self.assertIn("unknown parameter 'bogus'", message)
        self.assertIn('datastore_version_id, project_id, limit, marker',
                      message)

    def test_who_may_see_it(self):
        for roles, status in (('admin', 200), ('auditor', 200),
                              ('member', 403), ('reader', 403)):
            self.assertEqual(status, self.ask(roles=roles).status_int)
        fault = self.assertFault(self.ask(roles='member'), 403, 'forbidden')
        self.assertIn('flavor_filter:violations:list', fault['message'])
        self.assertFault(self.ask(project='other'), 403, 'forbidden')
        self.assertFault(
            self.ask(**{'X-Identity-Status': 'Invalid'}), 401, 'unauthorized')

    def test_a_bypass_changes_nothing(self):
        self.create_instance('small')
        for roles in ('admin', 'auditor,dba'):
            self.assertEqual(1, len(self.listed(roles=roles)))

    def test_other_methods_are_405(self):
        for method in ('POST', 'PUT', 'DELETE', 'HEAD', 'BREW'):
            response = self.ask(method=method)
            self.assertEqual((405, 'GET'), (response.status_int,
                                            response.headers['Allow']))

    def test_nova_away_is_503(self):
        self.application._services.nova._client = None
        response = self.ask()
        self.assertFault(response, 503, 'serviceUnavailable')
        self.assertEqual('5', response.headers['Retry-After'])

    def test_a_table_that_is_missing_is_told_with_the_cure(self):
        models.DatastoreVersionMetadata.__table__.drop(self.sql)
        fault = self.assertFault(self.ask(), 503, 'serviceUnavailable')
        self.assertIn('trove-manage flavor-filter-db-sync', fault['message'])


class MySQLApiTest(ApiTest):
    backend = 'mysql'


class PostgreSQLApiTest(ApiTest):
    backend = 'postgresql'


class ClientTest(ApiTestCase):
    """What openstack's command asks, answered in this process."""

    def setUp(self) -> None:
        super().setUp()
        self.answer: webob.Response | None = None
        self.cloud = cloud.Cloud(types.SimpleNamespace(
            database=types.SimpleNamespace(client=types.SimpleNamespace(
                request=self.respond))))

    def respond(self, path: str, method: str, **_more: object):
        """As python-troveclient's client.request()."""
        response = self.answer or self.request(
            f'/{PROJECT}{path}', method, roles='admin')
        return types.SimpleNamespace(
            status_code=response.status_int, headers=response.headers
        ), response.json

    def test_pages_are_followed(self):
        wanted = self.create_instances([('small', self.version_id)] * 5)
        for query in ({'limit': 2, 'project_id': None}, {'limit': None}):
            self.assertEqual(wanted, [
                found['instance_id']
                for found in self.cloud.violations(**query)])
        self.assertEqual([], list(self.cloud.violations(project_id='x')))

    def test_an_older_release_is_told_so(self):
        self.answer = webob.Response(status=404, json={
            'itemNotFound': {'code': 404, 'message': 'Not here.'}})
        error = self.assertRaises(exceptions.CommandError, list,
                                  self.cloud.violations())
        self.assertIn('does not list the instances that break a requirement; '
                      'use trove-manage', str(error))


class CommandTest(ApiTestCase):
    """trove-manage datastore-version-flavor-violations."""

    def manage(self, *words: str, code: int = 0) -> tuple[str, str]:
        """What it prints on standard output, and on standard error."""
        conf = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        output, errors = io.StringIO(), io.StringIO()
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(errors)):
            self.assertEqual(code, subcommands.run(
                ['trove-manage', '--config-file', conf,
                 'datastore-version-flavor-violations', *words]),
                errors.getvalue())
        return output.getvalue(), errors.getvalue()

    def test_without_nova_it_is_one_line_that_says_so(self):
        self.create_instance('small')
        output, errors = self.manage(code=1)
        self.assertEqual('', output)
        self.assertEqual(1, errors.count('\n'), errors)
        self.assertIn('[service_credentials]', errors)

    def test_a_version_that_there_is_not_is_told_which_there_are(self):
        _output, errors = self.manage('mysql/9.9', code=1)
        self.assertIn('mysql/8.0', errors)
