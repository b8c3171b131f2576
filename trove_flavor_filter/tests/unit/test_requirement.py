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
            self.assertEqual(1, len(more.shortcomings(flavor('1'))), key)

    def test_a_flavor_must_be_associated_and_large_enough(self):
        wanted = requirement.Requirement(frozenset({'2'}), min_ram=1024)
        self.assertEqual(
            ['is not associated',
             'requires at least 1024 MiB RAM, has 512'],
            wanted.shortcomings(flavor('1')))

    @given(strategies.sets(IDS), strategies.integers(0, 3),
           strategies.integers(0, 3), strategies.integers(0, 3), IDS,
           strategies.integers(0, 3), strategies.integers(0, 3),
           strategies.integers(0, 3), strategies.booleans())
    def test_what_is_allowed_is_what_has_no_shortcoming(
            self, bound, min_ram, min_vcpus, min_disk, flavor_id, ram,
            vcpus, disk, nonsense):
        wanted = requirement.Requirement(
            frozenset(bound), min_ram, min_vcpus, min_disk,
            ('min_ram=x',) if nonsense else ())
        candidate = requirement.Flavor(flavor_id, 'name', ram, vcpus, disk, 0)
        self.assertEqual(not wanted.shortcomings(candidate),
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
                [('min_ram', text)]).nonsense))
        for text in ('1', '2147483647'):
            self.assertEqual(int(text), requirement.size(text))

    def test_nonsense_allows_nothing(self):
        wanted = requirement.Requirement.of([('min_disk', None)])
        self.assertEqual([], wanted.select([flavor('1')]))

    def test_minimums_are_told_in_words(self):
        self.assertEqual(
            '2048 MiB RAM, 2 vCPUs, 20 GiB disk',
            str(requirement.Requirement(
                min_ram=2048, min_vcpus=2, min_disk=20)))
