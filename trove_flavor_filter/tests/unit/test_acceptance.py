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

"""What Trove itself accepts: each kind of storage, request and flavor."""

from oslotest import base

from trove_flavor_filter import acceptance
from trove_flavor_filter import requirement

FLAVORS = [
    requirement.Flavor(f'{name}-{ephemeral}', name, 512, 1, 5, ephemeral)
    for name in ('One', 'two') for ephemeral in (0, 1, 20)]
PRESENT = FLAVORS[0]
EVERY = {0, 1, 20}

# Volume support, the path of the device, and the ephemeral disks that are
# accepted for a new instance and for a resize.
STORAGES = [
    (acceptance.Storage(True, '/dev/vdb'), EVERY, {0}),
    (acceptance.Storage(True, ''), EVERY, {0}),
    (acceptance.Storage(True, None), EVERY, {0}),
    (acceptance.Storage(False, '/dev/vdb'), {1, 20}, {1, 20}),
    (acceptance.Storage(False, ''), EVERY, {1, 20}),
    (acceptance.Storage(False, None), EVERY, EVERY),
    # Of a manager that is not Trove's.
    (None, EVERY, EVERY),
]

NOTHING = requirement.Requirement()


def with_ephemeral(accepted: set[int]) -> list[requirement.Flavor]:
    return [flavor for flavor in FLAVORS if flavor.ephemeral in accepted]


class ApplicableTest(base.BaseTestCase):

    WANTED = requirement.Requirement.of([
        ('min_ram', '1'), ('min_volume', '20'), ('max_volume', '10'),
        ('max_volume', 'x'), ('max_ram', 'x')])

    def test_without_volumes_their_bounds_are_none(self):
        for storage, _create, _resize in STORAGES:
            found = acceptance.applicable(self.WANTED, storage)
            if storage is None or storage.volume_support:
                self.assertEqual(self.WANTED, found)
            else:
                self.assertEqual(requirement.Requirement.of(
                    [('min_ram', '1'), ('max_ram', 'x')]), found)

    def test_nothing_is_left_of_nothing_else(self):
        wanted = requirement.Requirement.of([('min_volume', '20')])
        self.assertFalse(wanted.is_empty)
        self.assertTrue(acceptance.applicable(
            wanted, acceptance.Storage(False, None)).is_empty)


class CreateTest(base.BaseTestCase):

    def test_each_storage_accepts_its_ephemeral_disks(self):
        for storage, accepted, _accepted in STORAGES:
            self.assertEqual(
                with_ephemeral(accepted),
                acceptance.for_create(FLAVORS, storage, NOTHING), storage)

    def test_associations_are_compared_exactly(self):
        for ignores_case, expected in ((True, ['two-1']),
                                       (False, ['One-0', 'two-1'])):
            # Without regard to case, all that is given here is allowed.
            allowed = [flavor for flavor in FLAVORS
                       if flavor.id in ('One-0', 'two-1')]
            wanted = requirement.Requirement.of(
                [('flavor', 'one-0'), ('flavor', 'two-1')], ignores_case)
            self.assertEqual(expected, [
                flavor.id for flavor in acceptance.for_create(
                    allowed, None, wanted)])

    def test_without_associations_case_does_not_matter(self):
        wanted = requirement.Requirement.of([('min_ram', '1')], True)
        self.assertEqual(
            FLAVORS, acceptance.for_create(FLAVORS, None, wanted))


class ResizeTest(base.BaseTestCase):

    def test_each_storage_accepts_its_ephemeral_disks_but_the_present(self):
        for storage, _accepted, accepted in STORAGES:
            for present in FLAVORS:
                self.assertEqual(
                    [flavor for flavor in with_ephemeral(accepted)
                     if flavor != present],
                    acceptance.for_resize(FLAVORS, storage, present, False),
                    (storage, present))

    def test_a_member_of_a_cluster_is_not_resized(self):
        for storage, *_accepted in STORAGES:
            for present in (PRESENT, None):
                self.assertEqual([], acceptance.for_resize(
                    FLAVORS, storage, present, True))

    def test_an_instance_whose_flavor_is_gone_is_not_resized(self):
        for storage, *_accepted in STORAGES:
            self.assertEqual([], acceptance.for_resize(
                FLAVORS, storage, None, False))
