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

"""The cached lists of flavors: when they serve, and their format."""

import time

import fixtures
import hypothesis
from hypothesis import strategies
from oslo_serialization import jsonutils

from trove_flavor_filter.api import views
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import catalog
from trove_flavor_filter.flavors import encoding
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.flavors import project_flavors
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import base

FLAVORS = [
    requirement.Flavor('2', 'two', 512, 1, 5, 0),
    requirement.Flavor('1', 'one', 1024, 2, 10, 1, {'a': 'b', 'c': ''}),
    requirement.Flavor('0', 'none', 1, 1, 1, 0, {}),
]


def flavors(*ids: str) -> list[requirement.Flavor]:
    return [requirement.Flavor(flavor_id, flavor_id, 1, 1, 1, 0)
            for flavor_id in ids]


class SnapshotTest(base.TestCase):

    def test_it_comes_back_from_text_as_it_was(self):
        before = snapshot.Snapshot(1234.5, FLAVORS, True)
        after = encoding.load(
            snapshot.Snapshot, encoding.dump(before))
        self.assertEqual(before.fetched, after.fetched)
        self.assertEqual(before.flavors, after.flavors)
        self.assertIs(True, after.private_elsewhere)

    def test_a_list_from_the_future_is_not_trusted(self):
        for ahead in (60, 3600, float('inf'), float('nan')):
            for one in (snapshot.Snapshot(time.time() + ahead, FLAVORS),
                        snapshot.PrivateFlavors(time.time() + ahead, ())):
                self.assertRaises(ValueError, encoding.load, type(one),
                                  encoding.dump(one))

    def test_a_clock_that_is_a_little_ahead_makes_no_list_younger(self):
        ahead = snapshot.Snapshot(time.time() + 1, FLAVORS)
        self.assertLessEqual(
            encoding.load(
                snapshot.Snapshot, encoding.dump(ahead)).fetched,
            time.time())


class OwnTest(base.TestCase):

    def merged(self, listed: list[requirement.Flavor],
               service_list: snapshot.Snapshot) -> list[str]:
        own = snapshot.PrivateFlavors.of(0, listed, service_list)
        self.assertEqual(own, encoding.load(
            snapshot.PrivateFlavors, encoding.dump(own)))
        return [flavor.id for flavor in own.merged(service_list)]

    def test_a_project_sees_the_service_list_and_its_own(self):
        service_list = snapshot.Snapshot(0, flavors('b', 'd'))
        self.assertEqual(['a', 'b', 'c', 'd', 'e'], self.merged(
            flavors('a', 'b', 'c', 'd', 'e'), service_list))

    def test_without_private_flavors_it_is_the_common_list(self):
        service_list = snapshot.Snapshot(0, FLAVORS)
        own = snapshot.PrivateFlavors.of(0, FLAVORS, service_list)
        self.assertIs(FLAVORS, own.merged(service_list))

    @hypothesis.given(
        strategies.sampled_from([str, str.upper]), strategies.dictionaries(
            strategies.text('abcdABCD_', min_size=1, max_size=3),
            strategies.sampled_from(['public', 'service', 'project',
                                     'both'])))
    def test_the_order_is_that_of_novas_database(self, key, kinds):
        # "B" and "a" tell an order with regard to case from one without,
        # where no two ids differ in case only.
        ids = {key(flavor_id): flavor_id for flavor_id in (*kinds, 'B', 'a')}
        kinds = {**kinds, 'B': 'public', 'a': 'public'}

        def listed(*of_kind):
            return flavors(*(ids[sorts] for sorts in sorted(ids)
                             if kinds[ids[sorts]] in of_kind))
        service_list = snapshot.Snapshot(
            0, listed('public', 'service', 'both'))
        self.assertEqual([ids[sorts] for sorts in sorted(ids)], self.merged(
            listed('public', 'project', 'both'), service_list))

    def test_ids_that_differ_in_case_only_are_two_flavors(self):
        service_list = snapshot.Snapshot(0, flavors('A1'))
        self.assertEqual(
            ['A1', 'a1'], self.merged(flavors('a1'), service_list))

    @hypothesis.given(
        *[strategies.lists(strategies.sampled_from('abcdefgh'), unique=True)]
        * 3)
    def test_a_newer_common_list_lists_no_flavor_twice(
            self, listed, service_list, newer):
        own = snapshot.PrivateFlavors.of(
            0, flavors(*listed), snapshot.Snapshot(0, flavors(*service_list)))
        merged = [flavor.id for flavor in own.merged(
            snapshot.Snapshot(0, flavors(*newer)))]
        self.assertEqual(len(set(merged)), len(merged))
        self.assertEqual({*newer} | ({*listed} - {*service_list}), {*merged})


class CatalogTest(base.TestCase):
    """Where Nova cannot be asked; where it can is tested on the cloud."""

    def catalog(self, more: str = '') -> catalog.Catalog:
        return catalog.Catalog(self.configuration(
            '[service_credentials]\nauth_url = http://127.0.0.1:1/v3\n'
            'username = trove\npassword = pencil\nproject_name = service\n'
            + more))

    def caller(self, project_id: str = 'p') -> nova.Caller:
        return nova.Caller(project_id, 'secret-token')

    def test_a_fresh_list_is_used_without_asking_anybody(self):
        subject = self.catalog()
        subject._service_list.last = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertIs(FLAVORS, subject.visible(self.caller()).flavors)
        self.assertEqual(FLAVORS[1], subject.find('1', self.caller()))

    def test_a_stale_list_is_used_while_there_is_no_newer_one(self):
        subject = self.catalog()
        subject._service_list.last = snapshot.Snapshot(
            time.time() - 600, FLAVORS)
        self.assertIs(FLAVORS, subject.visible(self.caller()).flavors)

    def test_after_a_restart_the_shared_list_serves_while_nova_is_away(self):
        folder = self.useFixture(fixtures.TempDir()).path
        more = (f'[cache]\nenabled = true\nbackend = dogpile.cache.dbm\n'
                f'backend_argument = filename:{folder}/lists\n')
        before, after = self.catalog(more), self.catalog(more)
        before._cache.set('', snapshot.Snapshot(time.time() - 600, FLAVORS))
        # What was put in before has been put in by then.
        self.assertIsNotNone(before._cache.get('', snapshot.Snapshot))
        self.assertEqual(FLAVORS, after.visible(self.caller()).flavors)

    def test_a_list_that_is_too_old_is_not_used(self):
        subject = self.catalog('[flavor_filter]\nflavor_stale_time = 300\n')
        subject._service_list.last = snapshot.Snapshot(
            time.time() - 600, FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.visible,
                          self.caller())

    def test_without_a_cache_nothing_is_cached(self):
        subject = self.catalog('[flavor_filter]\nflavor_cache_time = 0\n')
        subject._service_list.last = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.visible,
                          self.caller())
        self.assertRaises(exception.NovaUnavailable, subject.find, '1',
                          self.caller())

    def test_a_flavor_that_is_not_in_the_list_is_asked_of_nova(self):
        subject = self.catalog()
        subject._service_list.last = snapshot.Snapshot(time.time(), FLAVORS)
        self.assertRaises(exception.NovaUnavailable, subject.find, '%31',
                          self.caller())

    def test_own_flavors_that_cannot_be_had_are_nobodys(self):
        log = self.useFixture(fixtures.FakeLogger())
        subject = self.catalog()
        subject._service_list.last = snapshot.Snapshot(
            time.time(), FLAVORS, True)
        for project_id in ('p', 'q', 'p'):
            self.assertEqual(FLAVORS, subject.visible(
                self.caller(project_id)).flavors)
        self.assertEqual(1, log.output.count('no private flavors of its own'))
        self.assertNotIn('secret-token', log.output)

    def test_private_flavors_are_served_for_a_time_of_their_own(self):
        for options, age, is_served in (
                ('', 500, True), ('', 700, False),
                ('private_flavor_stale_time = 100', 200, False),
                ('private_flavor_stale_time = 3000', 2000, True),
                ('flavor_stale_time = 300', 500, False)):
            subject = self.catalog(f'[flavor_filter]\n{options}\n')
            service_list = snapshot.Snapshot(time.time(), FLAVORS, True)
            subject._service_list.last = service_list
            subject._project_flavors._list('p').last = (
                snapshot.PrivateFlavors.of(
                    time.time() - age, [*FLAVORS, *flavors('private')],
                    service_list))
            listed = [flavor.id for flavor in
                      subject.visible(self.caller()).flavors]
            self.assertEqual(is_served, 'private' in listed, (options, age))

    def test_the_lists_of_projects_are_bounded(self):
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.flavors.project_flavors.PROJECTS', 3))
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.flavors.project_flavors.FLAVORS', 5))
        subject = self.catalog()._project_flavors
        for number in range(10):
            project_id = f'p{number}'
            subject._list(project_id)
            subject._kept(project_id, snapshot.PrivateFlavors(
                time.time(), tuple((None, flavor) for flavor in FLAVORS[:2])))
            self.assertLessEqual(len(subject._lists), project_flavors.PROJECTS)
            self.assertGreaterEqual(project_flavors.FLAVORS, sum(
                len(kept.last.flavors) for kept in subject._lists.values()))
        self.assertIn('p9', subject._lists)


class DocumentTest(base.TestCase):
    """Names are data: no text of a flavor is taken for something else."""

    @hypothesis.given(strategies.text(), strategies.text())
    @hypothesis.example('1', '\\u0000')
    @hypothesis.example('\\u0000', '\0')
    @hypothesis.example('"', '", "rel": "self"}')
    def test_a_document_is_what_the_flavor_is(self, flavor_id, name):
        flavor = requirement.Flavor(flavor_id, name, 512, 1, 5, 0)
        before, own, bookmark = views._fragments(flavor, self.conf)
        document = jsonutils.loads(f'{before}OWN/{own}BOOKMARK/{bookmark}')
        self.assertEqual(name, document['name'])
        self.assertEqual(flavor_id, document['str_id'])
        self.assertEqual(
            [{'href': f'OWN/{flavor_id}', 'rel': 'self'},
             {'href': f'BOOKMARK/{flavor_id}', 'rel': 'bookmark'}],
            document['links'])

    def setUp(self) -> None:
        super().setUp()
        self.conf = self.configuration('')


class HiddenSpecsTest(base.DatabaseTestCase):

    def test_callers_who_see_different_things_have_it_logged_once(self):
        log = self.useFixture(fixtures.FakeLogger())
        # As where Trove asks Nova with the token of each caller.
        nobody = snapshot.Snapshot(0, [], True)
        asked = catalog.Catalog(self.conf)
        for _turn in range(3):
            for own in (FLAVORS, FLAVORS[1:], []):
                asked.warn_of_hidden_specs(
                    snapshot.Listing(own, nobody), 'mysql')
        self.assertEqual(1, log.output.count('Nova does not show those'))
