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

from hypothesis import given
from hypothesis import strategies
from oslotest import base

from trove_flavor_filter import requirement


def flavor(flavor_id: str, projects=None) -> requirement.Flavor:
    return requirement.Flavor(flavor_id, f'flavor-{flavor_id}', 512, 1, 10, 0,
                              projects)


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

    def test_a_private_flavor_is_seen_by_its_projects_only(self):
        private = flavor('1', frozenset({'mine'}))
        self.assertTrue(private.visible_to('mine'))
        self.assertFalse(private.visible_to('yours'))

    def test_a_flavor_without_projects_is_seen_by_all(self):
        self.assertTrue(flavor('1').visible_to('anyone'))
