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

"""The remembered list of flavors: its format, and the cache it is in."""

import time

import fixtures

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import catalog
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import base

FLAVORS = [
    requirement.Flavor('2', 'two', 512, 1, 5, 0),
    requirement.Flavor('1', 'one', 1024, 2, 10, 1, frozenset({'p', 'q'})),
    requirement.Flavor('0', 'none', 1, 1, 1, 0, frozenset()),
]


class SnapshotTest(base.TestCase):

    def test_it_comes_back_from_text_as_it_was(self):
        before = snapshot.Snapshot(1234.5, FLAVORS)
        after = snapshot.Snapshot.from_text(before.to_text())
        self.assertEqual(before.fetched, after.fetched)
        self.assertEqual(before.flavors, after.flavors)

    def test_a_project_sees_public_flavors_and_its_own(self):
        latest = snapshot.Snapshot(0, FLAVORS)
        self.assertEqual(FLAVORS[:2], latest.visible_to('p'))
        self.assertEqual(FLAVORS[:1], latest.visible_to('other'))

    def test_without_private_flavors_all_are_seen(self):
        self.assertEqual(
            FLAVORS[:1], snapshot.Snapshot(0, FLAVORS[:1]).visible_to('p'))


class CatalogTest(base.TestCase):
    """Where Nova cannot be asked; where it can is tested on the cloud."""

    def catalog(self, more: str = '') -> catalog.Catalog:
        return catalog.Catalog(self.configuration(
            '[service_credentials]\nauth_url = http://127.0.0.1:1/v3\n'
            'username = trove\npassword = pencil\nproject_name = service\n'
            + more))

    def test_a_fresh_list_is_used_without_asking_anybody(self):
        subject = self.catalog()
        subject._snapshot = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertIs(subject._snapshot, subject.snapshot())
        self.assertEqual(FLAVORS[1], subject.find('1'))

    def test_a_stale_list_is_used_while_there_is_no_newer_one(self):
        subject = self.catalog()
        subject._snapshot = snapshot.Snapshot(time.time() - 600, FLAVORS)
        self.assertIs(subject._snapshot, subject.snapshot())

    def test_a_list_that_is_too_old_is_not_used(self):
        subject = self.catalog('[flavor_filter]\nflavor_stale_time = 300\n')
        subject._snapshot = snapshot.Snapshot(time.time() - 600, FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.snapshot)

    def test_without_a_cache_nothing_is_remembered(self):
        subject = self.catalog('[flavor_filter]\nflavor_cache_time = 0\n')
        subject._snapshot = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.snapshot)
        self.assertRaises(exception.NovaUnavailable, subject.find, '1')

    def test_a_flavor_that_is_not_in_the_list_is_asked_of_nova(self):
        subject = self.catalog()
        subject._snapshot = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.find, '%31')


class SharedCacheTest(base.TestCase):

    def shared(self, text: str) -> shared.SharedCache:
        return shared.SharedCache(self.configuration(text))

    def test_what_is_not_enabled_is_empty_and_its_lock_open(self):
        subject = self.shared('')
        subject.set(snapshot.Snapshot(1, FLAVORS))
        self.assertIsNone(subject.get())
        with subject.lock() as lock:
            self.assertTrue(lock.acquire())

    def test_what_was_put_in_comes_out(self):
        subject = self.shared('[cache]\nenabled = true\n'
                              'backend = dogpile.cache.memory\n')
        subject.set(snapshot.Snapshot(1, FLAVORS))
        self.assertEqual(FLAVORS, subject.get().flavors)

    def test_rubbish_is_as_good_as_nothing(self):
        subject = self.shared('[cache]\nenabled = true\n'
                              'backend = dogpile.cache.memory\n')
        self.useFixture(fixtures.FakeLogger())
        for rubbish in ('', 'x', '[]', '[1]', '[1, [[]]]', '[1, 2]', '{}',
                        'null', '["x", []]', 7, None, b'bytes', ['list']):
            subject._region.set(subject._key, rubbish)
            self.assertIsNone(subject.get(), rubbish)

    def test_a_server_that_is_away_is_as_good_as_nothing(self):
        log = self.useFixture(fixtures.FakeLogger())
        subject = self.shared('[cache]\nenabled = true\n'
                              'backend = dogpile.cache.redis\n'
                              'backend_argument = '
                              'url:redis://127.0.0.1:1\n')
        for _turn in range(3):
            subject.set(snapshot.Snapshot(1, FLAVORS))
            self.assertIsNone(subject.get())
            with subject.lock() as lock:
                self.assertTrue(lock.acquire())
        self.assertEqual(
            1, log.output.count('The cache is not available'))

    def test_two_clouds_have_two_keys(self):
        keys = {self.shared(
            f'[cache]\nenabled = true\nbackend = dogpile.cache.memory\n'
            f'[service_credentials]\nregion_name = {region}\n')._key
            for region in ('one', 'two')}
        self.assertEqual(2, len(keys))
