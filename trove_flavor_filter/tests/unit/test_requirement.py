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

"""Which flavors a requirement allows."""

import dataclasses

from hypothesis import given
from hypothesis import strategies
from oslotest import base

from trove_flavor_filter import requirement


def flavor(flavor_id: str) -> requirement.Flavor:
    return requirement.Flavor(flavor_id, f'flavor-{flavor_id}', 512, 1, 10, 0)


IDS = strategies.text('0123456789ab', min_size=1, max_size=2)


class RequirementTest(base.BaseTestCase):

    def test_nothing_associated_allows_everything(self):
        flavors = [flavor('2'), flavor('1')]
        self.assertEqual(
            flavors, requirement.Requirement().select(flavors))

    def test_only_what_is_associated_is_allowed(self):
        wanted = requirement.Requirement(frozenset({'1', '3'}))
        self.assertEqual(
            [flavor('3'), flavor('1')],
            wanted.select([flavor('3'), flavor('2'), flavor('1')]))

    def test_associations_to_vanished_flavors_allow_nothing(self):
        wanted = requirement.Requirement(frozenset({'gone'}))
        self.assertEqual([], wanted.select([flavor('1')]))

    @given(strategies.lists(IDS, unique=True), strategies.sets(IDS))
    def test_selection_keeps_order_and_agrees_with_allows(self, ids, bound):
        wanted = requirement.Requirement(frozenset(bound))
        flavors = [flavor(flavor_id) for flavor_id in ids]
        self.assertEqual(
            [item for item in flavors if wanted.allows(item)],
            wanted.select(flavors))

    def test_a_flavor_must_meet_every_minimum(self):
        wanted = requirement.Requirement(min_ram=512, min_vcpus=1,
                                         min_disk=10)
        self.assertTrue(wanted.allows(flavor('1')))
        for key in ('min_ram', 'min_vcpus', 'min_disk'):
            more = dataclasses.replace(
                wanted, **{key: getattr(wanted, key) + 1})
            self.assertFalse(more.allows(flavor('1')), key)
            self.assertEqual(1, len(more.violations(flavor('1'))), key)

    def test_a_flavor_must_be_associated_and_large_enough(self):
        wanted = requirement.Requirement(frozenset({'2'}), min_ram=1024)
        self.assertEqual(
            ['is not associated',
             'requires at least 1024 MiB RAM, has 512'],
            wanted.violations(flavor('1')))

    @given(strategies.sets(IDS), strategies.integers(0, 3),
           strategies.integers(0, 3), strategies.integers(0, 3), IDS,
           strategies.integers(0, 3), strategies.integers(0, 3),
           strategies.integers(0, 3), strategies.booleans())
    def test_what_is_allowed_is_what_has_no_shortcoming(
            self, bound, min_ram, min_vcpus, min_disk, flavor_id, ram,
            vcpus, disk, malformed_rows):
        wanted = requirement.Requirement(
            frozenset(bound), min_ram, min_vcpus, min_disk,
            ('min_ram=x',) if malformed_rows else ())
        candidate = requirement.Flavor(flavor_id, 'name', ram, vcpus, disk, 0)
        self.assertEqual(not wanted.violations(candidate),
                         wanted.allows(candidate))
        if wanted.is_empty:
            self.assertTrue(wanted.allows(candidate))

    def test_rows_make_a_requirement(self):
        self.assertEqual(
            requirement.Requirement(frozenset({'1', '2'}), 2048, 2, 0),
            requirement.Requirement.of([
                ('flavor', '1'), ('flavor', '2'), ('min_ram', '2048'),
                ('min_vcpus', '2'), ('volume_type', 'ssd'), (None, None)]))

    def test_of_two_rows_of_a_minimum_the_higher_counts(self):
        for values in (('512', '2048'), ('2048', '512')):
            self.assertEqual(2048, requirement.Requirement.of(
                ('min_ram', value) for value in values).min_ram)

    def test_a_minimum_is_a_whole_number_that_nova_could_have(self):
        for text in ('', '0', '-1', '1.5', 'x', '1e3', ' 1', '\u0661',
                     '2147483648', '9' * 5000):
            self.assertRaises(ValueError, requirement.size, text)
            self.assertEqual(1, len(requirement.Requirement.of(
                [('min_ram', text)]).malformed_rows))
        for text in ('1', '2147483647'):
            self.assertEqual(int(text), requirement.size(text))

    def test_nonsense_is_in_the_same_order_whatever_that_of_the_rows(self):
        rows = [('min_ram', 'x'), ('extra_spec', 'y'), ('max_disk', 'z')]
        for order in (rows, rows[::-1]):
            self.assertEqual(
                ('extra_spec=y', 'max_disk=z', 'min_ram=x'),
                requirement.Requirement.of(order).malformed_rows)

    def test_nonsense_allows_nothing(self):
        wanted = requirement.Requirement.of([('min_disk', None)])
        self.assertEqual([], wanted.select([flavor('1')]))

    def test_a_maximum_is_a_whole_number_too(self):
        for text in ('', '0', 'x', '2147483648', None):
            wanted = requirement.Requirement.of([('max_disk', text)])
            self.assertEqual([], wanted.select([flavor('1')]), text)

    def test_of_two_rows_of_a_maximum_the_lower_counts(self):
        for values in (('512', '2048'), ('2048', '512')):
            self.assertEqual(512, requirement.Requirement.of(
                ('max_ram', value) for value in values).max_ram)

    def test_a_flavor_must_be_within_every_maximum(self):
        wanted = requirement.Requirement(max_ram=512, max_vcpus=2,
                                         max_disk=10)
        there = flavor('1')._replace(vcpus=2)
        self.assertTrue(wanted.allows(there))
        for key in ('ram', 'vcpus', 'disk'):
            more = there._replace(**{key: getattr(there, key) + 1})
            self.assertFalse(wanted.allows(more), key)
            self.assertEqual(1, len(wanted.violations(more)), key)
        self.assertEqual(
            ['requires at most 512 MiB RAM, has 513'],
            wanted.violations(there._replace(ram=513)))

    def test_a_volume_must_be_within_its_bounds(self):
        wanted = requirement.Requirement.of(
            [('min_volume', '10'), ('min_volume', '5'), ('max_volume', '20'),
             ('max_volume', '30')])
        self.assertEqual(
            {9: ['requires a volume of at least 10 GiB, has 9'], 10: [],
             20: [], 21: ['requires a volume of at most 20 GiB, has 21']},
            {size: wanted.volume_violations(size)
             for size in (9, 10, 20, 21)})
        self.assertTrue(wanted.allows(flavor('1')))
        self.assertTrue(wanted.needs_only_id)
        self.assertFalse(wanted.only_associations)
        self.assertEqual('10 GiB volume, at most 20 GiB volume', str(wanted))

    def test_a_bound_that_no_volume_meets_allows_no_flavor_either(self):
        wanted = requirement.Requirement(min_volume=20, max_volume=10)
        self.assertEqual(['min_volume 20 is above max_volume 10'],
                         wanted.violations(flavor('1')))
        self.assertEqual([], wanted.select([flavor('1')]))

    def test_the_bounds_of_several_are_the_narrowest(self):
        of = requirement.Requirement
        for wanted, expected in (
                ([], {}), ([of()], {}), ([of(min_ram=1)], {}),
                ([of(min_volume=5)], {'min_size': 5, 'max_size': None}),
                ([of(max_volume=5), of()], {'min_size': None, 'max_size': 5}),
                ([of(min_volume=5, max_volume=20),
                  of(min_volume=10, max_volume=30)],
                 {'min_size': 10, 'max_size': 20})):
            self.assertEqual(expected, requirement.volume_bounds(wanted))

    def test_a_minimum_above_its_maximum_allows_nothing_and_is_told(self):
        wanted = requirement.Requirement.of(
            [('min_ram', '2048'), ('max_ram', '1024'), ('min_disk', '5'),
             ('max_disk', '5')])
        self.assertEqual(['min_ram 2048 is above max_ram 1024'],
                         wanted.contradictions)
        for ram in (512, 1024, 1500, 2048, 4096):
            there = flavor('1')._replace(ram=ram)
            self.assertEqual([], wanted.select([there]))
            self.assertIn(wanted.contradictions[0],
                          wanted.violations(there))

    def test_the_first_equals_sign_divides_an_extra_spec(self):
        for text, expected in (
                ('a=b', ('a', 'b')), ('a=', ('a', '')),
                ('hw:cpu_policy=a=b=', ('hw:cpu_policy', 'a=b=')),
                ('a b.c-d_e: = x', ('a b.c-d_e: ', ' x')),
                (f'k={"v" * 126}', ('k', 'v' * 126)),
                ('k=\u00e9\u4e16', ('k', '\u00e9\u4e16'))):
            self.assertEqual(expected, requirement.extra_spec(text))

    def test_what_is_no_extra_spec_allows_nothing(self):
        there = flavor('1')._replace(extra_specs={'': '', 'a': 'b'})
        for text in ('', 'a', '=b', 'a/b=c', '\u00e9=c', 'a\n=b', 'a=b\n',
                     'a=\0', 'a=b ', 'a=\ud800', f'k={"v" * 127}'):
            self.assertRaises(ValueError, requirement.extra_spec, text)
            wanted = requirement.Requirement.of([('extra_spec', text)])
            self.assertEqual((f'extra_spec={text}',), wanted.malformed_rows)
            self.assertFalse(wanted.allows(there), text)

    def test_one_of_the_values_of_each_extra_spec_will_do(self):
        wanted = requirement.Requirement.of([
            ('extra_spec', 'db=mysql'), ('extra_spec', 'db=maria'),
            ('extra_spec', 'ssd=true')])
        for extra_specs, expected in (
                ({'db': 'mysql', 'ssd': 'true'}, []),
                ({'db': 'maria', 'ssd': 'true', 'x': 'y'}, []),
                ({'db': 'MySQL', 'ssd': 'true'},
                 ['requires extra spec db=maria or db=mysql, has another '
                  'value']),
                ({'db': 'mysql', 'SSD': 'true'},
                 ['requires extra spec ssd=true, has none']),
                ({'db': 'mysql', 'ssd': ''},
                 ['requires extra spec ssd=true, has another value'])):
            there = flavor('1')._replace(extra_specs=extra_specs)
            self.assertEqual(expected, wanted.violations(there))
            self.assertEqual(not expected, wanted.allows(there))

    def test_an_extra_spec_that_nova_does_not_show_is_not_there(self):
        wanted = requirement.Requirement.of([('extra_spec', 'a=b')])
        self.assertFalse(wanted.allows(flavor('1')))
        self.assertEqual(
            ['requires extra spec a=b, and Nova does not show extra specs'],
            wanted.violations(flavor('1')))

    SIZES = strategies.integers(1, 4)
    WORDS = strategies.sampled_from(['a', 'b', 'B', 'a=b', ''])
    KEYS = strategies.sampled_from(['a', 'A', 'b'])

    @given(
        strategies.lists(strategies.one_of(
            strategies.tuples(strategies.just('flavor'), IDS),
            strategies.tuples(strategies.sampled_from(
                ['min_ram', 'min_vcpus', 'min_disk', 'max_ram', 'max_vcpus',
                 'max_disk', 'min_volume', 'max_volume']), SIZES.map(str)),
            strategies.tuples(
                strategies.just('extra_spec'),
                strategies.tuples(KEYS, WORDS).map('='.join))), max_size=8),
        strategies.lists(strategies.builds(
            requirement.Flavor, id=IDS, name=strategies.just('name'),
            ram=SIZES, vcpus=SIZES, disk=SIZES, ephemeral=strategies.just(0),
            extra_specs=strategies.none() | strategies.dictionaries(
                KEYS, WORDS)), max_size=6))
    def test_it_is_what_the_rows_say_row_by_row(self, rows, flavors):
        expected = []
        for one in flavors:
            ids = [value for key, value in rows if key == 'flavor']
            allowed = not ids or one.id in ids
            for key, value in rows:
                if key == 'min_ram' and one.ram < int(value):
                    allowed = False
                if key == 'min_vcpus' and one.vcpus < int(value):
                    allowed = False
                if key == 'min_disk' and one.disk < int(value):
                    allowed = False
                if key == 'max_ram' and one.ram > int(value):
                    allowed = False
                if key == 'max_vcpus' and one.vcpus > int(value):
                    allowed = False
                if key == 'max_disk' and one.disk > int(value):
                    allowed = False
                if key == 'extra_spec':
                    name = value.split('=')[0]
                    has = (one.extra_specs or {}).get(name)
                    if has is None or (key, f'{name}={has}') not in rows:
                        allowed = False
            if allowed:
                expected.append(one)
        wanted = requirement.Requirement.of(rows)
        self.assertEqual(expected, wanted.select(flavors))
        for one in flavors:
            self.assertEqual(one in expected, wanted.allows(one))
            self.assertEqual(one in expected, not wanted.violations(one))
        self.assertEqual(not rows, wanted.is_empty)

    def test_what_is_required_is_told_in_words(self):
        self.assertEqual(
            '2048 MiB RAM, at most 4096 MiB RAM, at most 2 vCPUs, '
            'extra spec a=b or a=c, extra spec d=',
            str(requirement.Requirement.of([
                ('extra_spec', 'd='), ('max_vcpus', '2'),
                ('min_ram', '2048'), ('max_ram', '4096'),
                ('extra_spec', 'a=c'), ('extra_spec', 'a=b')])))

    def test_minimums_are_told_in_words(self):
        self.assertEqual(
            '2048 MiB RAM, 2 vCPUs, 20 GiB disk',
            str(requirement.Requirement(
                min_ram=2048, min_vcpus=2, min_disk=20)))
