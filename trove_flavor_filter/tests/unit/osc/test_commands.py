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

"""What a command line of openstack means, and errors."""

from osc_lib import exceptions
from oslotest import base
from troveclient import exceptions as trove_exceptions
from troveclient.v1 import datastores
from troveclient.v1 import instances as trove_instances

from trove_flavor_filter.osc.v1 import datastores as datastore_commands
from trove_flavor_filter.osc.v1 import flavors
from trove_flavor_filter.osc.v1 import instances

VERSIONS = flavors.versions_of([
    datastores.Datastore(None, {'id': 'd1', 'name': 'mysql', 'versions': [
        {'id': 'v1', 'name': '8.0', 'version': '8.0'},
        {'id': 'v2', 'name': '8.0', 'version': '8.0.99'},
        {'id': 'v3', 'name': '5.7', 'version': '5.7'}]}),
    datastores.Datastore(None, {'id': 'd2', 'name': 'mariadb', 'versions': [
        {'id': 'v4', 'name': '5.7'}, {'id': 'v5', 'name': '11/lts'}]}),
    datastores.Datastore(None, {'id': 'd3', 'name': 'empty',
                                'versions': []})])


class FindTest(base.BaseTestCase):

    def refused(self, *arguments: str | None) -> str:
        return str(self.assertRaises(
            exceptions.CommandError, flavors.find, VERSIONS, *arguments))

    def test_an_id_a_name_and_both_names_mean_a_version(self):
        for version_id, *arguments in (
                ('v1', 'v1'), ('v2', 'v2', 'mysql'), ('v3', 'mysql/5.7'),
                ('v3', '5.7', 'd1'), ('v4', '5.7', 'mariadb'),
                ('v5', '11/lts'), ('v5', 'mariadb/11/lts')):
            self.assertEqual(
                version_id, flavors.find(VERSIONS, *arguments).id)

    def test_what_is_ambiguous_is_told_the_candidates_alone(self):
        self.assertEqual(
            "Datastore version '5.7' is ambiguous; give the ID of one of "
            "these: v3 (mysql/5.7), v4 (mariadb/5.7).", self.refused('5.7'))
        self.assertEqual(
            "Datastore version '8.0' is ambiguous; give the ID of one of "
            "these: v1 (mysql/8.0), v2 (mysql/8.0, number 8.0.99).",
            self.refused('8.0', 'mysql'))

    def test_what_is_not_there_is_told_what_is(self):
        self.assertEqual(
            "There is no datastore version 'x' that you may use; give the ID "
            "of one of these: v4 (mariadb/5.7), v5 (mariadb/11/lts).",
            self.refused('x', 'd2'))
        self.assertEqual(
            "There is no datastore 'x' with a version that you may use; give "
            "one of these: mysql, mariadb.", self.refused('5.7', 'x'))
        for text in ('', 'mysql', 'mysql/', '/5.7', 'mysql/11/lts', 'V1'):
            self.assertIn('There is no', self.refused(text))
        self.assertIn('There is no', self.refused('v4', 'mysql'))
        self.assertIn('There is no', self.refused('v4', 'empty'))

    def test_a_cloud_without_versions_says_none(self):
        error = self.assertRaises(
            exceptions.CommandError, flavors.find, [], '8.0')
        self.assertIn('(none)', str(error))


class RowTest(base.BaseTestCase):

    def test_the_id_is_the_one_that_is_never_null(self):
        self.assertEqual(
            ('db.small', 'Small', 512, 1, 5, 0),
            flavors.row({
                'id': None, 'str_id': 'db.small', 'name': 'Small',
                'ram': 512, 'vcpus': 1, 'disk': 5, 'ephemeral': 0,
                'links': []}))


class FailureTest(base.BaseTestCase):

    def test_only_the_plugins_own_404_means_an_unknown_version(self):
        for body in (None, [], {}, 'text', {'itemNotFound': {
                'code': 404, 'message': 'In another language.'}}):
            self.assertIn("no datastore version 'v'",
                          str(flavors.failure(404, body, True, 'v')))
            message = str(flavors.failure(404, body, False, 'v'))
            self.assertIn('does not have trove-flavor-filter', message)
            self.assertIn('--datastore-type <datastore> ', message)
        self.assertIn('--datastore-type mysql --datastore-version-id v"',
                      str(flavors.failure(404, None, False, 'v', 'mysql')))

    def test_troves_message_status_and_advice_are_one_sentence(self):
        self.assertEqual(
            'The list of flavors is not available (HTTP 503); try again in a '
            'moment.', str(flavors.failure(503, {'serviceUnavailable': {
                'code': 503,
                'message': 'The list of flavors is not available.'}}, True,
                'v')))

    def test_an_answer_of_something_else_is_one_sentence_as_well(self):
        for status, body in ((200, None), (200, []), (500, {'x': 'y'}),
                             (502, None), (302, {'x': {}})):
            self.assertEqual(
                f'Trove returned no list of flavors (HTTP {status}); ask an '
                f'administrator of the cloud.',
                str(flavors.failure(status, body, True, 'v')))


class VolumeTextTest(base.BaseTestCase):

    def test_each_bound_has_its_unit(self):
        for text, low, high in (
                ('at least 5 GiB', 5, None), ('at most 9 GiB', None, 9),
                ('at least 5 GiB and at most 9 GiB', 5, 9), ('', None, None)):
            self.assertEqual(text, flavors.volume_text(
                {'min_size': low, 'max_size': high}))
        self.assertEqual('', flavors.volume_text(None))


class DatastoreTest(base.BaseTestCase):

    def headings(self, *versions: tuple[str, str | None]) -> list[str]:
        return datastore_commands.headings(
            {'id': f'v{number}', 'name': name, 'version': version}
            for number, (name, version) in enumerate(versions))

    def test_a_version_has_its_name_for_a_heading(self):
        self.assertEqual(['5.7', '8.0'], self.headings(
            ('5.7', '5.7.40'), ('8.0', '8.0')))

    def test_versions_of_one_name_are_told_apart_by_number_or_id(self):
        self.assertEqual(['8 (8.0)', '8 (8.4)', '9'], self.headings(
            ('8', '8.0'), ('8', '8.4'), ('9', '9')))
        self.assertEqual(
            ['8 (v0)', '8 (v1)', '8 (8.4)'],
            self.headings(('8', None), ('8', None), ('8', '8.4')))

    def test_only_the_plugins_own_404_means_an_unknown_datastore(self):
        self.assertIn("There is no datastore 'd'", str(
            datastore_commands.failure(404, None, True, 'd')))
        self.assertIn('does not have trove-flavor-filter', str(
            datastore_commands.failure(404, None, False, 'd')))
        self.assertEqual(
            'Trove returned no list of datastore versions (HTTP 200); ask an '
            'administrator of the cloud.',
            str(datastore_commands.failure(200, [], True, 'd')))


class Trove:
    """What python-troveclient asks: a Trove that lists two at a time."""

    NAMES = ('one', 'two', 'three', 'two', 'five')

    def __init__(self, error: Exception | None = None):
        self.client = self
        self.error = error

    def get(self, url: str):
        if self.error is not None:
            raise self.error
        _path, _marker, marker = url.partition('marker=i')
        first = int(marker.partition('&')[0] or 0)
        return None, {
            'instances': [
                {'id': f'i{number + 1}', 'name': self.NAMES[number]}
                for number in range(first, min(first + 2, len(self.NAMES)))],
            'links': [{'rel': 'next',
                       'href': f'http://trove/instances?marker=i{first + 2}'}
                      ] if first + 2 < len(self.NAMES) else []}


class FindInstanceTest(base.BaseTestCase):

    def refused(self, name: str, error: Exception | None = None) -> str:
        return str(self.assertRaises(
            exceptions.CommandError, instances.find,
            trove_instances.Instances(Trove(error)), name))

    def test_a_name_is_looked_for_on_every_page(self):
        for name, instance_id in (('one', 'i1'), ('three', 'i3'),
                                  ('five', 'i5')):
            self.assertEqual(instance_id, instances.find(
                trove_instances.Instances(Trove()), name))

    def test_what_is_ambiguous_is_told_the_ids(self):
        self.assertEqual(
            "Instance 'two' is ambiguous; give the ID of one of these: i2, "
            "i4.", self.refused('two'))

    def test_what_is_not_there_is_told_where_to_look(self):
        self.assertEqual(
            "There is no instance 'six' that you may use; \"openstack "
            "database instance list\" shows the available ones.",
            self.refused('six'))

    def test_who_may_not_list_instances_can_give_an_id(self):
        self.assertIn('give the ID of the instance', self.refused(
            'one', trove_exceptions.Forbidden(403)))


class InstanceFailureTest(base.BaseTestCase):

    def test_only_the_plugins_own_404_means_an_unknown_instance(self):
        for body in (None, [], {}, 'text', {'itemNotFound': 'text'}):
            self.assertIn("There is no instance 'i'",
                          str(instances.failure(404, body, True, 'i')))
            self.assertIn('does not have trove-flavor-filter',
                          str(instances.failure(404, body, False, 'i')))

    def test_other_failures_are_those_of_every_list(self):
        self.assertEqual(
            'The list of flavors is not available (HTTP 503); try again in a '
            'moment.', str(instances.failure(503, {'serviceUnavailable': {
                'code': 503,
                'message': 'The list of flavors is not available.'}}, True,
                'i')))


class HeadingsTest(base.BaseTestCase):

    def test_no_two_columns_have_the_same_heading(self):
        for names, expected in (
                (('8.0/1', '8.4/1'), ['8.0', '8.4']),
                (('8.0/1', '8.0/2', '8.4/1'), ['8.0 (1)', '8.0 (2)', '8.4']),
                (('8.0/1', '8.0/1'), ['8.0 (id0)', '8.0 (id1)']),
                # The program that reads JSON finds columns by heading.
                (('Name/1', '8.0/1'), ['Name (1)', '8.0'])):
            self.assertEqual(expected, datastore_commands.headings([
                {'id': f'id{number}', 'name': name.partition('/')[0],
                 'version': name.partition('/')[2]}
                for number, name in enumerate(names)]))
