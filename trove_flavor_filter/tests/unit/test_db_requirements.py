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

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter import exception
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.unit import base


class DatabaseTest(base.DatabaseTestCase):

    def change(self, version_id: str, added=(), ended=(), name='8.0'):
        return requirement.Change(
            requirement.Version(version_id, 'mysql', name, name),
            tuple(('flavor', value) for value in added),
            tuple(('flavor', value) for value in ended))

    def test_changes_to_several_versions_at_once(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        self.requirements.apply([
            self.change(self.version_id, ['2', '3'], ['1']),
            self.change(self.other_id, ['4'], name='5.7')])
        self.assertEqual(
            sorted([(self.version_id, '1', True),
                    (self.version_id, '2', False),
                    (self.version_id, '3', False),
                    (self.other_id, '4', False)]), self.rows())

    def test_changes_that_are_made_already_change_nothing(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        before = self.rows()
        self.requirements.apply([self.change(self.version_id, ['1'], ['2'])])
        self.assertEqual(before, self.rows())

    def test_a_version_renamed_or_deleted_meanwhile_and_nothing_is_changed(
            self):
        for bad in (self.change(self.other_id, ['4'], name='5.6'),
                    self.change('no-such-version', ['4'])):
            error = self.assertRaises(
                exception.NotFound, self.requirements.apply,
                [self.change(self.version_id, ['1']), bad])
            self.assertIn('Run this again', str(error))
            self.assertEqual([], self.rows())

    def test_thousands_of_changes(self):
        values = [f'f{number}' for number in range(3000)]
        self.requirements.apply([self.change(self.version_id, values)])
        self.requirements.apply([self.change(self.version_id, [], values)])
        self.requirements.apply([self.change(self.version_id, values)])
        self.assertEqual(
            {self.version_id: {('flavor', value) for value in values}},
            self.requirements.rows())

    def test_rows_of_others_are_not_among_the_rows(self):
        self.create_row(self.version_id, '1')
        self.create_row(self.version_id, '2', deleted=True)
        self.create_row(self.version_id, '512', key='min_ram')
        self.create_row(self.version_id, 'lvm', key='volume_type')
        self.assertEqual(
            {self.version_id: {('flavor', '1'), ('min_ram', '512')}},
            self.requirements.rows())

    def test_instances_are_counted_by_version_and_flavor(self):
        for number, (version_id, flavor_id, deleted) in enumerate((
                (self.version_id, '1', False), (self.version_id, '1', False),
                (self.version_id, '2', False), (self.version_id, '2', True),
                (self.other_id, '1', False))):
            self.execute(sa.insert(models.Instance).values(
                id=f'i{number}', datastore_version_id=version_id,
                flavor_id=flavor_id, deleted=deleted))
        self.assertEqual(
            [(self.version_id, '1', 2), (self.version_id, '2', 1)],
            sorted(self.targets.instance_flavors({self.version_id})))

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
        seen = []
        sa.event.listen(
            self.database.engine(), 'before_cursor_execute',
            lambda _conn, _cursor, statement, *_rest: seen.append(statement))
        self.requirements.requirement_of(self.version_id)
        self.assertEqual(
            1, len([text for text in seen if text != 'BEGIN']), seen)

    def test_adding_writes_rows_that_trove_understands(self):
        result = self.requirements.add_flavors(self.version_id, ['1', '2'])
        self.assertEqual(requirements.Added(['1', '2'], []), result)
        self.assertEqual([(self.version_id, '1', False),
                          (self.version_id, '2', False)], self.rows())

    def test_adding_again_changes_nothing_and_says_so(self):
        self.requirements.add_flavors(self.version_id, ['1'])
        result = self.requirements.add_flavors(self.version_id, ['1', '2'])
        self.assertEqual(requirements.Added(['2'], ['1']), result)
        self.assertEqual([(self.version_id, '1', False),
                          (self.version_id, '2', False)], self.rows())

    def test_adding_what_was_deleted_brings_its_row_back(self):
        self.create_row(self.version_id, '1', deleted=True)
        result = self.requirements.add_flavors(self.version_id, ['1'])
        self.assertEqual(requirements.Added(['1'], []), result)
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_adding_to_a_version_that_is_gone_writes_nothing(self):
        self.assertRaises(exception.NotFound, self.requirements.add_flavors,
                          'gone', ['1'])
        self.assertEqual([], self.rows())

    def test_deleting_marks_the_row(self):
        self.requirements.add_flavors(self.version_id, ['1', '2'])
        self.assertEqual(
            1, self.requirements.delete_flavors(self.version_id, ['1']))
        self.assertEqual([(self.version_id, '1', True),
                          (self.version_id, '2', False)], self.rows())

    def test_deleting_what_is_not_there_deletes_nothing_at_all(self):
        self.requirements.add_flavors(self.version_id, ['1'])
        error = self.assertRaises(
            exception.NotFound, self.requirements.delete_flavors,
            self.version_id, ['1', 'no-such'])
        self.assertIn('no-such', str(error))
        self.assertEqual([(self.version_id, '1', False)], self.rows())

    def test_volume_types_are_not_touched(self):
        self.create_row(self.version_id, 'ssd', key='volume_type')
        self.requirements.add_flavors(self.version_id, ['ssd'])
        self.requirements.delete_flavors(self.version_id, ['ssd'])
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
        self.requirements.add_flavors(self.version_id, ['2', '1'])
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
        self.requirements.set_minimums(self.version_id,
                                       {'min_ram': 512, 'min_disk': 5})
        wanted = self.requirements.set_minimums(self.version_id,
                                                {'min_ram': 1024})
        self.assertEqual({'min_ram': 1024, 'min_disk': 5}, wanted.minimums)
        self.assertEqual([(self.version_id, '1024', False),
                          (self.version_id, '512', True)],
                         self.rows('min_ram'))

    def test_a_minimum_that_comes_back_takes_its_row_again(self):
        for value in (512, 1024, 512):
            wanted = self.requirements.set_minimums(self.version_id,
                                                    {'min_ram': value})
        self.assertEqual({'min_ram': 512}, wanted.minimums)
        self.assertEqual(2, len(self.rows('min_ram')))

    def test_clear_ends_what_is_not_named(self):
        self.requirements.set_minimums(self.version_id,
                                       {'min_ram': 512, 'min_vcpus': 2})
        wanted = self.requirements.set_minimums(
            self.version_id, {'min_disk': 5}, clear=True)
        self.assertEqual({'min_disk': 5}, wanted.minimums)
        self.assertEqual(
            {}, self.requirements.set_minimums(self.version_id, {},
                                               clear=True).minimums)

    def test_minimums_leave_associations_alone(self):
        self.requirements.add_flavors(self.version_id, ['512'])
        wanted = self.requirements.set_minimums(
            self.version_id, {'min_ram': 512}, clear=True)
        self.assertEqual({'512'}, wanted.flavor_ids)

    def test_nonsense_allows_nothing_and_the_log_names_the_row(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.create_row(self.version_id, 'plenty', key='min_ram')
        wanted = self.requirements.requirement_of(self.version_id).requirement
        self.assertEqual(('min_ram=plenty',), wanted.nonsense)
        self.assertIn('min_ram=plenty', log.output)
        self.assertIn(self.version_id, log.output)

    def test_many_at_once_lose_no_row_and_double_none(self):
        admins = [requirements.Requirements(engine.Database(self.conf))
                  for _number in range(4)]
        for admin in admins:
            self.addCleanup(admin.database.engine().dispose)
        ids = [str(number) for number in range(20)]

        def add(place):
            for flavor_id in ids[place::2] + ids[::3]:
                admins[place].add_flavors(self.version_id, [flavor_id])

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        wanted = {flavor_id for place in range(4)
                  for flavor_id in ids[place::2] + ids[::3]}
        self.assertEqual(
            sorted((self.version_id, flavor_id, False)
                   for flavor_id in wanted), self.rows())

    def test_adding_and_deleting_at_once_end_in_one_of_two_states(self):
        self.requirements.add_flavors(self.version_id, ['1'])
        other = requirements.Requirements(engine.Database(self.conf))
        self.addCleanup(other.database.engine().dispose)

        def add():
            for _turn in range(20):
                self.requirements.add_flavors(self.version_id, ['1'])

        def delete():
            for _turn in range(20):
                try:
                    other.delete_flavors(self.version_id, ['1'])
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


class RestartTest(base.DatabaseTestCase):
    """A server that goes away, with every connection to it, and returns."""

    backend = 'mysql'
    port = 3306

    def setUp(self) -> None:
        super().setUp()
        url = sa.make_url(self.url)
        self.door = faults.FaultyDoor(url.port or self.port)
        self.addCleanup(self.door.close)
        self.database = engine.Database(self.configuration(
            '[database]\nconnection = ' + url.set(
                port=self.door.port).render_as_string(hide_password=False)))
        self.requirements = requirements.Requirements(self.database)
        self.addCleanup(lambda: self.database.engine().dispose())

    def test_the_first_request_after_it_is_back_succeeds(self):
        for _turn in range(5):
            self.assertTrue(
                self.requirements.requirement_of(self.version_id).active)
            self.door.misbehave(faults.REFUSE)
            self.assertRaises(
                exception.DatabaseUnavailable,
                self.requirements.requirement_of, self.version_id)
            self.door.misbehave(faults.PASS)

    def test_a_restart_between_two_requests_goes_unnoticed(self):
        for _turn in range(5):
            self.assertTrue(
                self.requirements.requirement_of(self.version_id).active)
            self.door.misbehave(faults.PASS)


class PostgreSQLRestartTest(RestartTest):
    backend = 'postgresql'
    port = 5432


class MySQLTest(DatabaseTest):
    backend = 'mysql'


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
                requirements.Requirements(database).requirement_of, 'x')
            self.assertNotIn('pencil', error.reason)
            self.assertNotIn('\n', error.reason)

    def test_a_conf_without_a_connection_is_told_so(self):
        database = engine.Database(self.configuration(''))
        error = self.assertRaises(
            exception.DatabaseUnavailable,
            requirements.Requirements(database).requirement_of, 'x')
        self.assertIn('connection', error.reason)

    def test_nonsense_for_a_url_does_not_show_the_password(self):
        database = engine.Database(self.configuration(
            '[database]\nconnection = mysql+nosuch://root:pencil@h/trove\n'))
        error = self.assertRaises(
            exception.DatabaseUnavailable,
            requirements.Requirements(database).requirement_of, 'x')
        self.assertNotIn('pencil', error.reason)
