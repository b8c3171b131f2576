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

"""The client's requests and the plugin's answers, and what is between them."""

from collections.abc import Callable
import functools
import json
import types
import typing

from osc_lib import exceptions
import sqlalchemy as sa
import webob

from trove_flavor_filter.db import models
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.osc.v1 import cloud
from trove_flavor_filter.osc.v1 import flavors
from trove_flavor_filter.osc.v1 import requirements
from trove_flavor_filter.tests.unit.api import test_requirements


class CloudTestCase(test_requirements.RequirementsTestCase):
    """A client whose requests are answered by the plugin in this process.

    :ivar proxy: changes each answer on its way to the client
    """

    def setUp(self) -> None:
        super().setUp()
        self.proxy: Callable[[dict[str, str], webob.Response], None] = (
            lambda _headers, _response: None)
        trove = types.SimpleNamespace(
            client=types.SimpleNamespace(request=self.ask),
            datastores=types.SimpleNamespace(list=lambda: []))
        self.manager = types.SimpleNamespace(database=trove)
        self.cloud = cloud.Cloud(self.manager)

    def ask(self, path: str, method: str, raise_exc: bool,
            body: typing.Any = None, headers: dict[str, str] | None = None):
        """As python-troveclient's client.request()."""
        headers = headers or {}
        response = self.send(method, path, body, **headers)
        self.proxy(headers, response)
        return types.SimpleNamespace(
            status_code=response.status_int, headers=response.headers,
            text=response.text
        ), json.loads(response.body) if response.body else None

    def add(self, *flavor_ids: str) -> None:
        self.cloud.change(self.version_id, functools.partial(
            planning.add, flavor_ids), validate=False)

    def apply(self, **limits: int) -> None:
        present, tag = self.cloud.present()
        rows = planning.require(limits, False, present)
        self.cloud.apply({version: frozenset(rows[version])
                          for version in present.rows}, tag, False, False)


class ProxyTest(CloudTestCase):

    def changes(self, change: Callable[[str], str | None],
                obedient: bool = False) -> None:
        """Have a proxy that changes the ETags of what it compresses.

        :param obedient: compress only where the client accepts it
        """
        def proxy(headers: dict[str, str], response: webob.Response) -> None:
            etag = response.headers.pop('ETag', None)
            if etag is not None and obedient and headers.get(
                    'Accept-Encoding') == 'identity':
                response.headers['ETag'] = etag
            elif etag is not None and (changed := change(etag)):
                response.headers['ETag'] = changed

        self.proxy = proxy

    def test_a_proxy_that_changes_the_tag_does_not_matter(self):
        self.put(self.other_id, min_disk=1)
        for number, change in enumerate((
                'W/{}"', '{}-gzip"', '{}--gzip"', 'W/{};br"', '{}-zstd"')):
            self.changes(lambda etag: change.format(etag[:-1]))
            self.add(f'{number}')
            self.apply(min_ram=number + 1)
            self.assertIn(f'{number}', self.shown()['flavors'])
            self.assertEqual(number + 1, self.shown()['min_ram'])

    def test_what_others_change_meanwhile_is_noticed_all_the_same(self):
        self.changes(lambda etag: f'W/{etag}')
        turns = iter('ab')

        def plan(present):
            self.put(flavors=[next(turns)])
            return planning.add(['1'], present)

        self.assertRaises(StopIteration, self.cloud.change, self.version_id,
                          plan, False)
        self.assertEqual(['b'], self.shown()['flavors'])
        present, tag = self.cloud.present()
        self.put(min_ram=1)
        self.assertRaises(cloud.Changed, self.cloud.apply, {
            version: frozenset() for version in present.rows}, tag, False,
            False)

    def test_a_proxy_is_asked_not_to_compress(self):
        for change in (lambda etag: None, lambda etag: '"unlike"'):
            self.changes(change, obedient=True)
            self.add('1')

    def test_without_a_tag_nothing_is_changed_and_the_proxy_named(self):
        self.put(min_disk=1)
        self.changes(lambda etag: None)
        for change in (functools.partial(self.add, '1'),
                       functools.partial(self.apply, min_ram=1)):
            error = self.assertRaises(exceptions.CommandError, change)
            self.assertIn('a proxy', str(error))
        self.assertEqual((1, None, []), (
            self.shown()['min_disk'], self.shown()['min_ram'],
            self.shown()['flavors']))


class RouteTest(CloudTestCase):
    """What the client takes a 404 for."""

    def shows(self, version_id: str) -> str:
        return str(self.assertRaises(
            exceptions.CommandError, self.cloud.requirement_of, version_id))

    def test_a_version_that_is_not_there_is_told_from_a_missing_plugin(self):
        self.assertIn("no datastore version 'no-such'", self.shows('no-such'))

        def without_plugin(_headers, response):
            response.status = 404
            response.headers.pop('Trove-Flavor-Filter')

        self.proxy = without_plugin
        self.assertIn('does not have trove-flavor-filter',
                      self.shows(self.version_id))

    def test_so_it_is_with_a_release_that_does_not_mark_its_answers(self):
        self.proxy = lambda _headers, response: response.headers.pop(
            'Trove-Flavor-Filter')
        self.assertIn("no datastore version 'no-such'", self.shows('no-such'))

    def test_for_a_path_that_is_not_the_plugins_the_cloud_lacks_it(self):
        self.application._application = webob.Response(status=404)
        response, _body = self.ask('/flavors/datastores', 'GET',
                                   False)
        self.assertFalse(flavors.has_route(
            types.SimpleNamespace(request=self.ask),
            '/flavors/datastores', response))


class InvalidRowTest(CloudTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.create_row(self.version_id, 'x', key='min_ram')
        self.create_row(self.version_id, '')
        self.create_row(self.version_id, '1')

    def openstack(self, command_class: typing.Any,
                  *words: str) -> typing.Any:
        """Run a command; what it returns."""
        command = command_class(
            types.SimpleNamespace(client_manager=self.manager), None)
        return command.take_action(
            command.get_parser('openstack').parse_args(words))

    def invalid(self) -> list[str] | None:
        return self.shown().get('invalid_rows')

    def test_it_is_listed_and_shown(self):
        columns, (row,) = self.openstack(requirements.ListFlavorRequirements)
        self.assertEqual('invalid row flavor=, invalid row min_ram=x',
                         row[columns.index('Requires')])
        columns, (row,) = self.openstack(requirements.ListFlavorRequirements,
                                         '--long')
        self.assertEqual(
            ['flavor=', 'min_ram=x'],
            row[columns.index('Invalid Rows')].machine_readable())
        columns, row = self.openstack(requirements.ShowFlavorRequirement,
                                      self.version_id)
        self.assertEqual(
            ['flavor=', 'min_ram=x'],
            row[columns.index('invalid_rows')].machine_readable())

    def test_the_command_that_removes_it_is_named_and_works(self):
        commands = (
            (requirements.AddDatastoreVersionFlavor, self.version_id, '2',
             '--no-validate'),
            (requirements.RemoveDatastoreVersionFlavor, self.version_id,
             '1'),
            (requirements.SetFlavorRequirement, self.version_id,
             '--max-disk', '9'))
        for command in commands:
            message = str(self.assertRaises(
                exceptions.CommandError, self.openstack, *command))
            self.assertIn('flavor=, min_ram=x', message)
            cure = (f'openstack datastore version flavor requirement unset '
                    f'{self.version_id} --invalid')
            self.assertIn(f'"{cure}"', message)
        message = str(self.assertRaises(
            exceptions.CommandError, self.apply, max_disk=9))
        self.assertIn(f'"{cure}"', message)
        self.assertEqual(['1'], self.shown()['flavors'])
        self.openstack(requirements.UnsetFlavorRequirement,
                       *cure.split()[6:])
        self.assertIsNone(self.invalid())
        for command in commands:
            self.openstack(*command)
        self.assertEqual((['2'], 9), (self.shown()['flavors'],
                                      self.shown()['max_disk']))

    def test_a_valid_value_replaces_that_of_the_same_key(self):
        self.execute(sa.delete(models.DatastoreVersionMetadata).where(
            models.DatastoreVersionMetadata.value == ''))
        self.create_row(self.version_id, 'db', key='extra_spec')
        self.openstack(requirements.SetFlavorRequirement, self.version_id,
                       '--min-ram', '5', '--extra-spec', 'db=mysql')
        self.assertIsNone(self.invalid())
        self.assertEqual((['1'], 5, {'db': 'mysql'}), tuple(
            self.shown()[key] for key in (
                'flavors', 'min_ram', 'extra_specs')))
