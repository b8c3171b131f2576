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

"""Ids that differ in case only, as each kind of database takes them."""

import functools
import time

from trove_flavor_filter.declaration import planning
from trove_flavor_filter import exception
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import base

SPELLINGS = ('DB.Small', 'db.small', 'dB.sMALL')


class TestCase(base.DatabaseTestCase):

    def change(self, plan, *arguments) -> requirement.Change:
        (change,) = self.requirements.change(
            functools.partial(plan, *arguments), [self.version_id])
        return change

    def add(self, *flavor_ids: str) -> requirement.Change:
        return self.change(planning.add, flavor_ids)

    def delete(self, *flavor_ids: str) -> requirement.Change:
        return self.change(planning.delete, flavor_ids)

    def apply(self, *flavor_ids: str, prune=False) -> requirement.Change:
        (change,) = self.requirements.change(lambda present: planning.apply(
            {version: {('flavor', flavor_id) for flavor_id in flavor_ids}
             for version in present.rows if version.id == self.version_id},
            prune, present), [self.version_id])
        return change

    def require(self, *values: str) -> requirement.Change:
        """Require one of the values of an extra spec."""
        return self.change(
            functools.partial(planning.require, extra_specs=[
                ('a', value) for value in values]), {}, False)

    def readings(self) -> list[requirement.Requirement]:
        """What the version requires, by every way to read it."""
        revised = self.requirements.revised([self.version_id])
        return [
            self.requirements.requirement_of(self.version_id).requirement,
            *(requirement.Requirement.of(rows, revised.ignores_case)
              for rows in revised.rows.values()),
            *(target.requirement for target
              in self.lookup.named_version('mysql', '8.0', None)),
            *(wanted for _version, wanted
              in self.requirements.requirements(self.version_id))]

    def assertAllowed(self, expected: set[str]) -> None:
        """Which of the spellings are allowed, whoever asks."""
        flavors = [requirement.Flavor(flavor_id, f'name of {flavor_id}',
                                      1, 1, 1, 0)
                   for flavor_id in SPELLINGS]
        readings = self.readings()
        self.assertEqual(4, len(readings))
        for wanted in readings:
            self.assertEqual(expected, {
                flavor.id for flavor in wanted.select(flavors)})
            for flavor in flavors:
                allowed = flavor.id in expected
                self.assertEqual(allowed, wanted.allows(flavor))
                self.assertEqual(allowed, wanted.is_associated(flavor.id))
                self.assertEqual(allowed, not wanted.violations(flavor))


class AsOneTest(TestCase):
    """A collation that ignores case, as most Troves on MariaDB have it."""

    backend = 'mysql'
    collation = 'utf8mb3_general_ci'

    def test_a_deleted_row_comes_back_as_it_is_spelled_now(self):
        for way in (self.add, self.apply):
            self.add('DB.Small')
            self.delete('DB.Small')
            begun = time.monotonic()
            change = way('db.small')
            self.assertLess(time.monotonic() - begun, 2)
            self.assertEqual([('flavor', 'db.small')], change.added)
            self.assertEqual([(self.version_id, 'db.small', False)],
                             self.rows())
            self.delete('db.small')

    def test_a_row_that_counts_is_spelled_anew(self):
        for old, new, way in (('DB.Small', 'db.small', self.add),
                              ('db.small', 'dB.sMALL', self.apply)):
            self.add(old)
            change = way(new)
            self.assertEqual(([('flavor', new)], [('flavor', old)]),
                             (change.added, change.removed))
            self.assertEqual([(self.version_id, new, False)], self.rows())
            self.assertEqual([], way(new).added)

    def test_pruned_it_is_spelled_anew_too(self):
        self.add('DB.Small', 'other')
        self.apply('db.small', prune=True)
        self.assertEqual([(self.version_id, 'db.small', False),
                          (self.version_id, 'other', True)], self.rows())

    def test_another_spelling_deletes(self):
        self.add('DB.Small')
        self.assertEqual([('flavor', 'DB.Small')],
                         self.delete('db.small').removed)
        self.assertEqual([(self.version_id, 'DB.Small', True)], self.rows())

    def test_spellings_given_together_are_one_row(self):
        for way in (self.add, self.apply):
            way('DB.Small', 'db.small')
            self.assertEqual([(self.version_id, 'db.small', False)],
                             self.rows())

    def test_every_spelling_is_allowed(self):
        self.add('DB.Small')
        self.assertAllowed(set(SPELLINGS))
        self.create_row(self.version_id, '7')
        self.assertAllowed(set(SPELLINGS))

    def test_what_is_associated_is_spelled_as_nova_does(self):
        self.add('DB.Small', 'GONE')
        for wanted in self.readings():
            self.assertEqual(['GONE', 'db.small'],
                             wanted.associated(['db.small', '2']))

    def test_an_extra_spec_has_one_row_and_is_compared_to_the_letter(self):
        self.require('Yes')
        self.require('yes')
        self.assertEqual([(self.version_id, 'a=yes', False)],
                         self.rows('extra_spec'))
        error = self.assertRaises(exception.BadRequest, self.require,
                                  'NO', 'no')
        self.assertIn('does not distinguish extra spec a=', str(error))
        self.assertEqual([(self.version_id, 'a=yes', False)],
                         self.rows('extra_spec'))
        for wanted in self.readings():
            self.assertEqual(
                [False, True],
                [wanted.allows(requirement.Flavor(
                    '1', 'one', 1, 1, 1, 0, {'a': value}))
                 for value in ('Yes', 'yes')])

    def test_an_extra_spec_that_equals_another_is_told_at_once(self):
        self.require('\u00e9')
        begun = time.monotonic()
        error = self.assertRaises(exception.BadRequest, self.require, 'e')
        self.assertLess(time.monotonic() - begun, 2)
        self.assertNotIn('\n', str(error))

    def test_a_key_is_taken_for_the_one_that_it_equals(self):
        self.create_row(self.version_id, 'DB.Small', key='Flavor')
        self.create_row(self.version_id, '512', key='MIN_RAM')
        self.create_row(self.version_id, 'ssd', key='Volume_Type')
        for wanted in self.readings():
            self.assertEqual(({'DB.Small'}, {'min_ram': 512}),
                             (wanted.flavor_ids, wanted.minimums))
        self.change(planning.require, {'min_ram': 1024}, False)
        self.delete('db.small')
        for wanted in self.readings()[:3]:
            self.assertEqual((set(), {'min_ram': 1024}),
                             (wanted.flavor_ids, wanted.minimums))
        self.assertEqual([(self.version_id, 'ssd', False)],
                         self.rows('Volume_Type'))

    def test_a_duplicate_that_will_not_pass_is_told_at_once(self):
        self.create_row(self.version_id, 'dbé', deleted=True)
        begun = time.monotonic()
        error = self.assertRaises(exception.BadRequest, self.add, 'dbe')
        self.assertLess(time.monotonic() - begun, 2)
        self.assertIn('spelled differently', str(error))
        self.assertNotIn('\n', str(error))

    def test_a_version_that_a_row_spells_otherwise_is_that_version(self):
        self.create_row(self.version_id.upper(), '1')
        self.add('2')
        for wanted in self.readings():
            self.assertEqual({'1', '2'}, wanted.flavor_ids)


class AsOneInUtf8mb4Test(AsOneTest):
    collation = 'utf8mb4_general_ci'


class AsOneInUnicodeTest(AsOneTest):
    collation = 'utf8mb4_unicode_ci'


class AsOneInLatin1Test(AsOneTest):
    collation = 'latin1_swedish_ci'


class AsTwoTest(TestCase):
    """SQLite, PostgreSQL, and a collation that tells case apart."""

    def test_each_spelling_has_a_row(self):
        self.add('DB.Small')
        self.delete('DB.Small')
        self.apply('db.small')
        self.add('dB.sMALL')
        self.assertEqual(
            {('DB.Small', True), ('db.small', False), ('dB.sMALL', False)},
            {row[1:] for row in self.rows()})
        self.assertAllowed({'db.small', 'dB.sMALL'})

    def test_each_spelling_of_an_extra_spec_has_a_row(self):
        self.require('Yes', 'yes')
        self.assertEqual(
            {'a=Yes', 'a=yes'}, {row[1] for row in self.rows('extra_spec')})

    def test_another_spelling_does_not_delete(self):
        self.add('DB.Small')
        self.assertRaises(exception.NotFound, self.delete, 'db.small')

    def test_a_key_in_another_spelling_is_not_ours(self):
        self.create_row(self.version_id, 'DB.Small', key='Flavor')
        self.add('x')
        for wanted in self.readings():
            self.assertEqual({'x'}, wanted.flavor_ids)


class AsTwoOnPostgreSQLTest(AsTwoTest):
    backend = 'postgresql'


class AsTwoInBinaryTest(AsTwoTest):
    backend = 'mysql'
    collation = 'utf8mb4_bin'


class AsTwoInCaseSensitiveTest(AsTwoTest):
    backend = 'mysql'
    collation = 'latin1_general_cs'


class WithoutValueTest(TestCase):
    """An association without a value: to Trove, with no flavor."""

    def test_it_allows_nothing(self):
        for value in (None, ''):
            self.create_row(self.version_id, value)
            self.assertAllowed(set())

    def test_what_else_is_associated_is_allowed(self):
        self.create_row(self.version_id, None)
        self.add('db.small')
        self.assertAllowed({'db.small'})

    def test_a_prune_ends_it(self):
        self.create_row(self.version_id, None)
        self.create_row(self.version_id, '')
        change = self.apply('DB.Small', prune=True)
        self.assertEqual([('flavor', '')], change.removed)
        self.assertIn('-   flavor without a value',
                      [*planning.diff([change], {})])
        self.assertAllowed({'DB.Small'})


class WithoutValueOnMySQLTest(WithoutValueTest):
    backend = 'mysql'
    collation = 'utf8mb4_bin'


class WithoutValueOnPostgreSQLTest(WithoutValueTest):
    backend = 'postgresql'
