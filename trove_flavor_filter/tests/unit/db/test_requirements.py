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

"""What the database is asked and told, on each kind of database."""

import concurrent.futures
import functools
import os
import time

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.declaration import planning
from trove_flavor_filter import exception
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.unit import base


class DatabaseTest(base.DatabaseTestCase):

    def change(self, plan, *arguments, version_id=None, by=None, **options):
        """Have a plan change one version; the change."""
        (change,) = (by or self.requirements).change(
            functools.partial(plan, *arguments),
            [version_id or self.version_id], **options)
        return change

    def add(self, *flavor_ids: str, **options) -> list[str]:
        change = self.change(planning.add, flavor_ids, **options)
        return [value for _key, value in change.added]

    def delete(self, *flavor_ids: str, **options) -> requirement.Change:
        return self.change(planning.delete, flavor_ids, **options)

    def require(self, clear=False, version_id=None, by=None, extra_specs=(),
                **limits: int) -> requirement.Requirement:
        return self.change(
            functools.partial(planning.require, extra_specs=extra_specs),
            limits, clear, by=by, version_id=version_id).requirement

    def apply(self, prune=False, **flavor_ids: list[str]
              ) -> list[requirement.Change]:
        """Apply flavors by names of versions, dots left out."""
        def plan(present):
            wanted = {version: {('flavor', flavor_id) for flavor_id
                                in flavor_ids[f'v{version.name}'.replace(
                                    '.', '')]}
                      for version in present.rows
                      if f'v{version.name}'.replace('.', '') in flavor_ids}
            return planning.apply(wanted, prune, present)
        return self.requirements.change(plan)

    def live(self, **options) -> dict[str, set[tuple[str, str]]]:
        """The rows that count, by id of the version."""
        return {version.id: set(rows) for version, rows
                in self.requirements.present().rows.items() if rows}

    def test_changes_to_several_versions_at_once(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        changes = self.apply(v80=['2', '3'], v57=['4'], prune=True)
        self.assertEqual(
            sorted([(self.version_id, '1', True),
                    (self.version_id, '2', False),
                    (self.version_id, '3', False),
                    (self.other_id, '4', False)]), self.rows())
        self.assertEqual(
            [('5.7', [('flavor', '4')], []),
             ('8.0', [('flavor', '2'), ('flavor', '3')], [('flavor', '1')])],
            [(change.version.name, change.added, change.removed)
             for change in changes])

    def test_changes_that_are_made_already_change_nothing(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        before = self.rows()
        (change,) = self.apply(v80=['1'])
        self.assertEqual(([], []), (change.added, change.removed))
        self.assertEqual(before, self.rows())
        self.assertEqual(0, self.revision())

    def test_a_version_that_is_gone_and_nothing_is_changed(self):
        for plan in (planning.add, planning.delete):
            error = self.assertRaises(
                exception.NotFound, self.requirements.change,
                functools.partial(plan, ['1']),
                [self.version_id, 'no-such-version'])
            self.assertIn('no-such-version', str(error))
            self.assertEqual([], self.rows())

    def test_a_plan_for_no_version_changes_nothing(self):
        self.assertEqual([], self.apply())

    def test_a_plan_that_refuses_changes_nothing(self):
        self.add('1')

        def plan(present):
            raise exception.BadRequest('No.')

        self.assertRaises(exception.BadRequest, self.requirements.change, plan)
        self.assertEqual(1, self.revision())

    def test_what_refuses_is_not_tried_again_whatever_it_says(self):
        # Parts of a message may be names that somebody has given.
        for text in ('database is locked', 'could not serialize access',
                     '(1020,'):
            asked = []

            def refuse(present):
                asked.append(present)
                raise exception.BadRequest(f'no flavor {text}')

            self.assertRaises(exception.BadRequest, self.requirements.change,
                              refuse, [self.version_id])
            self.assertEqual(1, len(asked))

    def test_thousands_of_changes(self):
        values = [f'f{number}' for number in range(3000)]
        self.add(*values)
        self.delete(*values)
        self.add(*values)
        self.assertEqual(
            {self.version_id: {('flavor', value) for value in values}},
            self.live())

    def test_rows_of_others_are_not_among_the_rows(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        self.create_row(self.version_id, '512', key='min_ram')
        self.create_row(self.version_id, 'lvm', key='volume_type')
        self.assertEqual(
            {self.version_id: {('flavor', '1'), ('min_ram', '512')}},
            self.live())

    def revision(self, version_id=None) -> int:
        version_id = version_id or self.version_id
        return self.requirements.revised([version_id]).revisions.get(
            version_id, 0)

    def test_a_revision_counts_the_changes_of_a_version(self):
        self.assertEqual(0, self.revision())
        self.add('1')
        self.add('1')
        self.require(min_ram=5)
        self.assertEqual([2, 0],
                         [self.revision(), self.revision(self.other_id)])
        (version, rows), = self.requirements.revised(
            [self.version_id]).rows.items()
        self.assertEqual(
            ('8.0', 'mysql', {('flavor', '1'), ('min_ram', '5')}),
            (version.name, version.datastore, rows))
        for text in ('no-such-version', '\0', self.version_id.upper()):
            self.assertEqual({}, self.requirements.revised([text]).rows)

    def test_a_version_planned_on_and_unchanged_keeps_its_revision(self):
        self.add('1')
        changes = self.apply(v80=['1'], v57=['2'])
        self.assertEqual([1, 1], [change.revision for change in changes])
        self.assertEqual([1, 1],
                         [self.revision(), self.revision(self.other_id)])

    def test_a_plan_is_told_the_revisions(self):
        told = []

        def plan(present):
            told.append(present.revisions.get(self.version_id, 0))
            return planning.add([f'{len(told)}'], present)

        for _turn in range(3):
            self.requirements.change(plan, [self.version_id])
            self.requirements.preview(plan, [self.version_id])
        self.assertEqual([0, 1, 1, 2, 2, 3], told)

    def test_a_dry_run_tells_and_writes_nothing(self):
        self.add('1')
        (change,) = self.requirements.preview(
            functools.partial(planning.add, ['1', '2']), [self.version_id])
        self.assertEqual([('flavor', '2')], change.added)
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_without_the_table_of_revisions_lists_work(self):
        self.add('1')
        models.FlavorFilterRevision.__table__.drop(self.sql)
        found = self.requirements.requirement_of(self.version_id)
        self.assertEqual({'1'}, found.requirement.flavor_ids)
        self.assertEqual(1, len(self.requirements.requirements()))
        self.assertEqual(1, len(self.lookup.named_version(
            'mysql', '8.0', None)))
        error = self.assertRaises(
            exception.DatabaseUnavailable, self.add, '2')
        self.assertIn('trove-manage flavor-filter-db-sync', error.reason)

    def test_a_version_that_does_not_exist_has_no_requirement(self):
        for text in ('', 'x' * 300, 'é', '\x00', "' OR 1=1 --",
                     self.version_id + ' ', self.version_id.upper() + 'A'):
            self.assertIsNone(self.requirements.requirement_of(text))

    def test_an_id_is_compared_to_the_letter(self):
        self.execute(sa.insert(models.DatastoreVersion).values(
            id='lower-a', datastore_id='ds', name='a', active=True))
        self.assertIsNotNone(self.requirements.requirement_of('lower-a'))
        self.assertIsNone(self.requirements.requirement_of('LOWER-A'))

    def test_rows_of_trove_count(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        self.create_row(self.version_id, '3', key='volume_type')
        self.create_row(self.other_id, '4')
        found = self.requirements.requirement_of(self.version_id)
        self.assertTrue(found.active)
        self.assertEqual({'1'}, found.requirement.flavor_ids)

    def test_an_inactive_version_says_so(self):
        version_id = self.create_version('old', active=False)
        self.assertFalse(self.requirements.requirement_of(version_id).active)

    def test_a_requirement_takes_one_statement(self):
        self.create_row(self.version_id, '1')
        self.requirements.requirement_of(self.version_id)
        seen = self.statements(self.database)
        self.requirements.requirement_of(self.version_id)
        self.assertEqual(1, len(seen), seen)

    def test_adding_writes_rows_that_trove_understands(self):
        self.assertEqual(['1', '2'], self.add('1', '2'))
        self.assertEqual([(self.version_id, '1', False),
                          (self.version_id, '2', False)], self.rows())

    def test_adding_again_changes_nothing_and_says_so(self):
        self.add('1')
        self.assertEqual(['2'], self.add('1', '2'))
        self.assertEqual([(self.version_id, '1', False),
                          (self.version_id, '2', False)], self.rows())

    def test_adding_what_was_deleted_brings_its_row_back(self):
        self.create_row(self.version_id, '1', deleted=True)
        self.assertEqual(['1'], self.add('1'))
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_adding_to_a_version_that_is_gone_writes_nothing(self):
        self.assertRaises(exception.NotFound, self.add, '1',
                          version_id='gone')
        self.assertEqual([], self.rows())

    def test_deleting_marks_the_row(self):
        self.add('1', '2')
        self.assertEqual(
            {'2'}, self.delete('1').requirement.flavor_ids)
        self.assertEqual([(self.version_id, '1', True),
                          (self.version_id, '2', False)], self.rows())

    def test_deleting_what_is_not_there_deletes_nothing_at_all(self):
        self.add('1')
        error = self.assertRaises(
            exception.NotFound, self.delete, '1', 'no-such')
        self.assertIn('no-such', str(error))
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_volume_types_are_not_touched(self):
        self.create_row(self.version_id, 'ssd', key='volume_type')
        self.add('ssd')
        self.delete('ssd')
        self.assertEqual([(self.version_id, 'ssd', False)],
                         self.rows('volume_type'))

    def test_a_version_is_found_by_id_and_by_name(self):
        for text in (self.version_id, 'mysql/8.0'):
            found = self.requirements.find_versions(text)
            self.assertEqual([self.version_id], [row.id for row in found])

    def test_a_name_that_two_versions_share_finds_both(self):
        self.create_version('8.0', number='8.0.29')
        self.assertEqual(2, len(self.requirements.find_versions('mysql/8.0')))

    def test_what_is_no_version_finds_none(self):
        for text in ('', '/', 'mysql', 'mysql/', '/8.0', 'MYSQL/8.0',
                     'mysql/' + 'x' * 300, '\x00'):
            self.assertEqual([], self.requirements.find_versions(text), text)

    def test_requirements_are_ordered_by_names(self):
        self.add('2', '1')
        self.create_row(self.other_id, '512', key='min_ram')
        self.create_row(self.create_version('9.0'), 'x', deleted=True)
        self.assertEqual(
            [('5.7', {'min_ram': 512}, set()), ('8.0', {}, {'1', '2'})],
            [(version.name, wanted.minimums, set(wanted.flavor_ids))
             for version, wanted in self.requirements.requirements()])
        self.assertEqual(
            ['5.7'], [version.name for version, _wanted
                      in self.requirements.requirements(self.other_id)])

    def test_minimums_are_set_one_row_each(self):
        self.require(min_ram=512, min_disk=5)
        wanted = self.require(min_ram=1024)
        self.assertEqual({'min_ram': 1024, 'min_disk': 5}, wanted.minimums)
        self.assertEqual([(self.version_id, '1024', False),
                          (self.version_id, '512', True)],
                         self.rows('min_ram'))

    def test_a_minimum_that_comes_back_takes_its_row_again(self):
        for value in (512, 1024, 512):
            wanted = self.require(min_ram=value)
        self.assertEqual({'min_ram': 512}, wanted.minimums)
        self.assertEqual(2, len(self.rows('min_ram')))

    def test_clear_ends_what_is_not_named(self):
        self.require(min_ram=512, min_vcpus=2)
        wanted = self.require(min_disk=5, clear=True)
        self.assertEqual({'min_disk': 5}, wanted.minimums)
        self.assertEqual({}, self.require(clear=True).minimums)

    def test_minimums_leave_associations_alone(self):
        self.add('512')
        wanted = self.require(min_ram=512, clear=True)
        self.assertEqual({'512'}, wanted.flavor_ids)

    def test_maximums_and_extra_specs_are_rows_as_well(self):
        self.require(max_ram=2048, extra_specs=[
            ('a', 'b=c'), ('a', 'd'), ('e', '')])
        self.assertEqual([(self.version_id, '2048', False)],
                         self.rows('max_ram'))
        self.assertEqual(
            [(self.version_id, value, False)
             for value in ('a=b=c', 'a=d', 'e=')], self.rows('extra_spec'))
        for wanted in (
                self.requirements.requirement_of(self.version_id).requirement,
                self.lookup.named_version('mysql', '8.0', None)[0]
                .requirement):
            self.assertEqual(requirement.Requirement(
                max_ram=2048, extra_specs={
                    'a': frozenset({'b=c', 'd'}), 'e': frozenset({''})}),
                wanted)
        wanted = self.require(extra_specs=[('a', 'd')])
        self.assertEqual({'a': {'d'}, 'e': {''}}, wanted.extra_specs)
        self.assertTrue(self.require(clear=True).is_empty)

    def test_a_copy_takes_all_and_leaves_its_source(self):
        self.add('1', '2')
        self.require(min_ram=512, max_vcpus=4, extra_specs=[('a', 'b')])
        self.require(min_disk=5, version_id=self.other_id)
        both = [self.version_id, self.other_id]
        before = self.requirements.present()
        self.assertRaises(
            exception.BadRequest, self.requirements.change,
            functools.partial(planning.copy, *both, False), both)
        self.assertEqual(before, self.requirements.present())
        self.requirements.change(
            functools.partial(planning.copy, *both, True), both)
        source, target = (self.requirements.requirement_of(version_id)
                          .requirement for version_id in both)
        self.assertEqual(source, target)
        self.assertEqual({'a': {'b'}}, target.extra_specs)
        self.assertEqual(
            [source, target],
            [self.requirements.requirement_of(version_id).requirement
             for version_id in both])

    def test_what_contradicts_itself_is_refused_and_logged_when_found(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.require(max_ram=512)
        self.assertRaises(exception.BadRequest, self.require, min_ram=1024)
        self.assertEqual([], self.rows('min_ram'))
        self.create_row(self.version_id, '1024', key='min_ram')
        wanted = self.requirements.requirement_of(self.version_id).requirement
        self.assertEqual(1, len(wanted.contradictions))
        self.assertIn(f'{self.version_id} allows no flavor: min_ram 1024 is '
                      f'above max_ram 512', log.output)

    def test_an_extra_spec_may_be_spelled_anew(self):
        for value in ('Yes', 'yes'):
            wanted = self.require(extra_specs=[('a', value)])
            self.assertEqual({'a': {value}}, wanted.extra_specs)
        live = [row[1] for row in self.rows('extra_spec') if not row[2]]
        self.assertEqual(['a=yes'], live)

    def test_an_older_releases_rows_mean_the_same(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '512', key='min_ram')
        self.create_row(self.version_id, '4', key='min_ram')
        self.create_row(self.version_id, 'ssd', key='volume_type')
        self.assertEqual(
            requirement.Requirement(frozenset({'1'}), min_ram=512),
            self.requirements.requirement_of(self.version_id).requirement)

    def test_nonsense_allows_nothing_and_the_log_names_the_row(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.create_row(self.version_id, 'plenty', key='min_ram')
        wanted = self.requirements.requirement_of(self.version_id).requirement
        self.assertEqual(('min_ram=plenty',), wanted.malformed_rows)
        self.assertIn('min_ram=plenty', log.output)
        self.assertIn(self.version_id, log.output)

    def test_many_at_once_lose_no_row_and_double_none(self):
        admins = [requirements.Requirements(engine.Database(self.conf), {})
                  for _number in range(4)]
        for admin in admins:
            self.addCleanup(admin.database.dispose)
        ids = [str(number) for number in range(20)]

        def add(place):
            for flavor_id in ids[place::2] + ids[::3]:
                self.add(flavor_id, by=admins[place])

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        wanted = {flavor_id for place in range(4)
                  for flavor_id in ids[place::2] + ids[::3]}
        self.assertEqual(
            sorted((self.version_id, flavor_id, False)
                   for flavor_id in wanted), self.rows())

    def test_adding_and_deleting_at_once_end_in_one_of_two_states(self):
        self.add('1')
        other = requirements.Requirements(engine.Database(self.conf), {})
        self.addCleanup(other.database.dispose)

        def add():
            for _turn in range(20):
                self.add('1')

        def delete():
            for _turn in range(20):
                try:
                    self.delete('1', by=other)
                except exception.NotFound:
                    continue

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(add), pool.submit(delete)]:
                future.result()
        self.assertEqual(1, len(self.rows()))

    def test_a_missing_table_says_what_to_run(self):
        models.DatastoreVersionMetadata.__table__.drop(self.sql)
        error = self.assertRaises(
            exception.DatabaseUnavailable, self.requirements.requirement_of,
            self.version_id)
        self.assertIn('flavor-filter-db-sync', error.reason)

    def test_a_missing_column_is_named(self):
        with self.sql.begin() as connection:
            connection.execute(sa.text(
                'ALTER TABLE datastore_version_metadata '
                'DROP COLUMN deleted'))
        error = self.assertRaises(
            exception.DatabaseUnavailable, self.requirements.requirement_of,
            self.version_id)
        self.assertIn('deleted', error.reason)


class LockTest(base.DatabaseTestCase):

    backend = 'mysql'
    WAIT = 'SET SESSION innodb_lock_wait_timeout = 1'

    def test_rows_are_as_the_last_lock_finds_them(self):
        # More than one statement locks.
        ids = [f'many-{number:04}' for number in range(engine.BATCH + 1)]
        with self.sql.begin() as connection:
            connection.execute(sa.insert(models.DatastoreVersion), [
                {'id': version_id, 'datastore_id': 'ds', 'name': version_id,
                 'version': '1', 'active': True} for version_id in ids])
        locks = []

        def meanwhile(_connection, _cursor, statement, *_rest):
            if statement.startswith('SELECT') and 'UPDATE' in statement:
                locks.append(statement)
                if len(locks) == 2:
                    self.create_row(ids[-1], 'late')

        sa.event.listen(self.database.engine(), 'before_cursor_execute',
                        meanwhile)
        changes = self.requirements.change(
            lambda present: {version: () for version in present.rows}, ids)
        self.assertEqual(2, len(locks))
        self.assertEqual(
            [[('flavor', 'late')]],
            [change.removed for change in changes if change.removed])
        self.assertEqual([(ids[-1], 'late', True)], self.rows())

    def test_a_lock_that_is_held_on_is_waited_for_once(self):
        self.database = engine.Database(self.configuration(
            f'[database]\nconnection = {self.url}\n'))
        self.addCleanup(self.database.dispose)
        self.useFixture(fixtures.FakeLogger())
        sa.event.listen(
            self.database.engine(), 'begin', lambda connection:
            connection.exec_driver_sql(self.WAIT))
        begun = time.monotonic()
        with self.sql.begin() as connection:
            connection.execute(
                sa.select(models.DatastoreVersion.id).with_for_update()).all()
            error = self.assertRaises(
                exception.DatabaseUnavailable,
                requirements.Requirements(self.database, {}).change,
                functools.partial(planning.add, ['1']), [self.version_id])
        self.assertIn('imeout', error.reason)
        self.assertLess(time.monotonic() - begun, 5)


class PostgreSQLLockTest(LockTest):
    backend = 'postgresql'
    WAIT = "SET LOCAL lock_timeout = '1s'"


class RestartTest(base.DatabaseTestCase):
    """A server that goes away, with every connection to it, and returns."""

    backend = 'mysql'
    port = 3306
    connection_id = 'CONNECTION_ID()'

    def setUp(self) -> None:
        super().setUp()
        url = sa.make_url(self.url)
        self.door = faults.FaultyDoor(url.port or self.port)
        self.addCleanup(self.door.close)
        self.database = engine.Database(self.configuration(
            '[database]\nconnection = ' + url.set(
                port=self.door.port).render_as_string(hide_password=False)))
        self.requirements = requirements.Requirements(self.database, {})
        self.addCleanup(lambda: self.database.dispose())

    def test_the_first_request_after_it_is_back_succeeds(self):
        for _turn in range(5):
            self.assertTrue(
                self.requirements.requirement_of(self.version_id).active)
            self.door.misbehave(faults.REFUSE)
            self.assertRaises(
                exception.DatabaseUnavailable,
                self.requirements.requirement_of, self.version_id)
            self.door.misbehave(faults.PASS)

    def test_a_forked_process_uses_connections_of_its_own(self):
        mine = self.ask_for_connection()
        self.assertEqual(mine, self.ask_for_connection())
        child = os.fork()
        if not child:
            os._exit(self.ask_for_connection() == mine)
        self.assertEqual(0, os.waitstatus_to_exitcode(
            os.waitpid(child, 0)[1]))
        self.assertEqual(mine, self.ask_for_connection())

    def ask_for_connection(self) -> int:
        with self.database.statement() as connection:
            return connection.execute(
                sa.text(f'SELECT {self.connection_id}')).scalar_one()

    def test_a_restart_between_two_requests_goes_unnoticed(self):
        for _turn in range(5):
            self.assertTrue(
                self.requirements.requirement_of(self.version_id).active)
            self.door.misbehave(faults.PASS)


class PostgreSQLRestartTest(RestartTest):
    backend = 'postgresql'
    port = 5432
    connection_id = 'pg_backend_pid()'


class MySQLTest(DatabaseTest):
    backend = 'mysql'

    def test_a_requirement_takes_one_round_trip(self):
        def questions() -> int:
            with self.database.statement() as connection:
                return int(connection.exec_driver_sql(
                    'SHOW SESSION STATUS LIKE \'Questions\'').one()[1])

        questions()
        before = questions()
        self.requirements.requirement_of(self.version_id)
        # This question is counted as well.
        self.assertEqual(2, questions() - before)


class PostgreSQLTest(DatabaseTest):
    backend = 'postgresql'


class UnreachableTest(base.TestCase):

    def test_a_server_that_is_away_is_one_clear_reason(self):
        for url in ('mysql+pymysql://root:pencil@127.0.0.1:1/trove',
                    'postgresql://postgres:pencil@127.0.0.1:1/trove',
                    'sqlite:////no/such/folder/trove.sqlite'):
            database = engine.Database(self.configuration(
                f'[database]\nconnection = {url}\n'))
            error = self.assertRaises(
                exception.DatabaseUnavailable,
                requirements.Requirements(database, {}).requirement_of, 'x')
            self.assertNotIn('pencil', error.reason)
            self.assertNotIn('\n', error.reason)

    def test_a_conf_without_a_connection_is_told_so(self):
        database = engine.Database(self.configuration(''))
        error = self.assertRaises(
            exception.DatabaseUnavailable,
            requirements.Requirements(database, {}).requirement_of, 'x')
        self.assertIn('connection', error.reason)

    def test_nonsense_for_a_url_does_not_show_the_password(self):
        database = engine.Database(self.configuration(
            '[database]\nconnection = mysql+nosuch://root:pencil@h/trove\n'))
        error = self.assertRaises(
            exception.DatabaseUnavailable,
            requirements.Requirements(database, {}).requirement_of, 'x')
        self.assertNotIn('pencil', error.reason)
