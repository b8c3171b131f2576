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

"""The OpenAPI description of the routes, and the real Trove: they agree.

FLAVOR_FILTER_OPENAPI says how many requests are sent for each operation.
"""

import collections
import os
import pathlib

import hypothesis
from hypothesis import strategies
import requests
import schemathesis
import yaml

from trove_flavor_filter.tests.functional import base

DESCRIPTION = (pathlib.Path(__file__).parents[3]
               / 'doc/source/contributor/openapi.yaml')
ROUTE = '/{project_id}/flavors/datastores/versions/{datastore_version_id}'
ONE = ('/{project_id}/mgmt/datastore-versions/{datastore_version_id}'
       '/flavor-requirement')
ALL = '/{project_id}/mgmt/flavor-requirements'
VIOLATIONS = '/{project_id}/mgmt/flavor-requirement-violations'
OF_DATASTORE = '/{project_id}/flavors/datastores/{datastore}'
UPGRADES = '/{project_id}/instances/{instance_id}/datastore-versions'
COUNT = int(os.environ.get('FLAVOR_FILTER_OPENAPI', '200'))
CHECKS = ('status_code_conformance', 'content_type_conformance',
          'response_headers_conformance', 'response_schema_conformance')


def validate(case: schemathesis.Case, response: requests.Response) -> None:
    """See that an answer is as described."""
    case.validate_response(response, checks=[
        schemathesis.checks.not_a_server_error,
        *map(schemathesis.checks.CHECKS.get_one, CHECKS)])


def _is_utf8(body: object) -> bool:
    try:
        return not isinstance(body, bytes) or body.decode() is not None
    except UnicodeDecodeError:
        return False


class OpenApiTest(base.FunctionalTestCase):
    """A list for users.

    :cvar route: its path in the description
    :cvar parameter: the name of the last value in the path
    :cvar described: a schema, and an integer or a text that it describes
    :cvar statuses: of the answers to somebody with a token
    """

    route = ROUTE
    parameter = 'datastore_version_id'
    described = ('Flavor', 'ram')
    statuses = {200, 304, 403, 404, 405}

    def setUp(self) -> None:
        super().setUp()
        self.operation = schemathesis.openapi.from_dict(
            yaml.safe_load(DESCRIPTION.read_text()))[self.route]['get']
        self.values = self.create_values()
        response = self.cloud.trove(
            self.route.removeprefix('/{project_id}').format(
                **{self.parameter: self.values[0]}))
        self.etag = response.headers['ETag']

    def create_values(self) -> list[str]:
        """What is asked for; Nova is needed for the first one."""
        active, inactive = (
            self.create_version(), self.create_version(active=False))
        self.associate(active, self.create_flavor())
        return [active, self.create_version(), inactive]

    def run_cases(self, token: str | None) -> collections.Counter:
        """Send generated requests; each answer is as described.

        Half of them are of the project and of what there is.

        :returns: how many were answered with which status
        """
        met = collections.Counter()
        generated = strategies.one_of(
            self.operation.as_strategy(generation_mode=mode)
            for mode in schemathesis.GenerationMode)

        @hypothesis.settings(
            max_examples=COUNT, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(
            generated,
            strategies.sampled_from([None, *self.values, *self.values]),
            strategies.sampled_from([None, None, self.etag]),
            strategies.sampled_from(['GET'] * 5 + ['PUT', 'DELETE']))
        def send(case, value, etag, method):
            if value is not None:
                case.path_parameters = {
                    'project_id': self.cloud.project_id(),
                    self.parameter: value}
            if etag is not None:
                case.headers['If-None-Match'] = etag
            case.method = method
            request = case.as_transport_kwargs(
                base_url=f'{self.cloud.trove_url}/v1.0')
            # The one token or none, whatever has been generated for it.
            request['headers'].pop('X-Auth-Token', None)
            if token is not None:
                request['headers']['X-Auth-Token'] = token
            response = requests.request(**request, timeout=60)
            met[response.status_code] += 1
            validate(case, response)

        try:
            send()
        except schemathesis.core.failures.FailureGroup as failures:
            # No Exception: it would end the whole run.
            raise AssertionError(str(failures)) from failures
        print(f'\n{met.total()} requests: {dict(sorted(met.items()))}')
        return met

    def test_with_a_token_every_answer_is_as_described(self):
        self.assertEqual(self.statuses,
                         set(self.run_cases(self.cloud.token())))

    def test_without_a_token_every_answer_is_a_401_as_described(self):
        self.assertEqual({401}, set(self.run_cases(None)))

    def test_nova_away_is_a_503_as_described(self):
        self.cloud.stop('nova')
        self.addCleanup(self.cloud.start, 'nova')
        case = self.operation.Case(path_parameters={
            'project_id': self.cloud.project_id(),
            self.parameter: self.values[0]})
        response = case.call(
            base_url=f'{self.cloud.trove_url}/v1.0',
            headers={'X-Auth-Token': self.cloud.token()}, timeout=60)
        self.assertEqual(503, response.status_code)
        case.validate_response(response, excluded_checks=[
            schemathesis.checks.not_a_server_error])

    def test_an_answer_that_is_not_as_described_would_be_noticed(self):
        schema, key = self.described
        self.operation.schema.raw_schema['components']['schemas'][
            schema]['properties'][key] = {'type': 'boolean'}
        error = self.assertRaises(
            AssertionError, self.run_cases, self.cloud.token())
        self.assertIn('is not of type "boolean"', str(error))


class DatastoreOpenApiTest(OpenApiTest):

    route = OF_DATASTORE
    parameter = 'datastore'
    # It has a query.
    statuses = OpenApiTest.statuses | {400}

    def create_values(self) -> list[str]:
        # With volume support, and bounds of the volume.
        name = self.unique('store')
        version_id = self.cloud.create_datastore_version(
            name, '1', manager='mariadb')
        self.cloud.create_datastore_version(name, '1', number='1.1')
        self.associate(version_id, self.create_flavor())
        self.manage('datastore-version-flavor-require', version_id,
                    '--min-volume', '5')
        (row,) = self.cloud.sql('SELECT id FROM datastores '
                                'WHERE name = :name', name=name)
        return [name, row.id, 'no-such']


class UpgradesOpenApiTest(OpenApiTest):

    route = UPGRADES
    parameter = 'instance_id'
    described = ('DatastoreVersion', 'name')

    def create_values(self) -> list[str]:
        name = self.unique('store')
        present, other, bound = (
            self.cloud.create_datastore_version(name, str(number))
            for number in range(3))
        self.manage('datastore-version-flavor-require', bound, '--min-ram',
                    '1')
        instances = [self.cloud.create_instance(
            self.create_flavor(), version_id, datastore=name)
            for version_id in (present, other)]
        # The other one is busy.
        self.cloud.activate_instance(instances[0])
        return [*instances, 'no-such']


class RequirementsOpenApiTest(base.FunctionalTestCase):
    """The routes of administrators, each operation by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.schema = schemathesis.openapi.from_dict(
            yaml.safe_load(DESCRIPTION.read_text()))
        self.flavor_id = self.create_flavor()
        self.versions = [self.create_version(), self.create_version()]
        self.associate(self.versions[0], self.flavor_id)
        self.etag = self.cloud.trove(
            f'/mgmt/datastore-versions/{self.versions[0]}'
            f'/flavor-requirement', user='admin').headers['ETag']

    def run_cases(self, path: str, method: str) -> set[int]:
        """Send generated requests of an administrator's.

        :returns: the statuses that they were answered with
        """
        operation = self.schema[path][method]
        met = collections.Counter()
        token = self.cloud.token('admin')
        bodies = strategies.sampled_from([
            None, None, None, *(
                {'flavor_requirement': says} for says in (
                    {'flavors': [self.flavor_id], 'min_ram': 1}, {})),
            {'flavor_requirements': [
                {'datastore_version_id': self.versions[1], 'max_ram': 2}]}])

        @hypothesis.settings(
            max_examples=COUNT, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(
            strategies.one_of(operation.as_strategy(generation_mode=mode)
                              for mode in schemathesis.GenerationMode),
            strategies.sampled_from(
                [*self.versions * 3, 'no-such-version', None]),
            strategies.sampled_from([None, None, self.etag]),
            strategies.sampled_from([method.upper()] * 9 + ['POST']),
            bodies, strategies.booleans())
        def send(case, version_id, etag, verb, body, is_plain):
            if version_id is not None:
                case.path_parameters = {
                    'project_id': self.cloud.project_id('admin')} | (
                        {'datastore_version_id': version_id}
                        if path == ONE else {})
            for name in ('If-Match', 'If-None-Match'):
                if is_plain:
                    case.headers.pop(name, None)
                elif etag is not None:
                    case.headers[name] = etag
            if is_plain:
                case.query.clear()
            if body is not None and method == 'put':
                case.body = body
            case.method = verb
            request = case.as_transport_kwargs(
                base_url=f'{self.cloud.trove_url}/v1.0')
            request['headers'].pop('X-Auth-Token', None)
            request['headers']['X-Auth-Token'] = token
            if not _is_utf8(request.get('data')):
                # Trove's authorization filter fails on such a body, with
                # Trove's 500, before the plugin is asked.
                return
            response = requests.request(**request, timeout=60)
            met[response.status_code] += 1
            validate(case, response)

        try:
            send()
        except schemathesis.core.failures.FailureGroup as failures:
            # No Exception: it would end the whole run.
            raise AssertionError(str(failures)) from failures
        print(f'\n{method} {path}: {met.total()} requests: '
              f'{dict(sorted(met.items()))}')
        return set(met)

    def test_one_is_shown_as_described(self):
        self.assertLessEqual({200, 304, 404, 405},
                             self.run_cases(ONE, 'get'))

    def test_one_is_replaced_as_described(self):
        self.assertLessEqual({200, 400, 404, 405, 412},
                             self.run_cases(ONE, 'put'))

    def test_one_is_deleted_as_described(self):
        self.assertLessEqual({204, 404, 405, 412},
                             self.run_cases(ONE, 'delete'))

    def test_all_are_listed_as_described(self):
        self.assertLessEqual({200, 304, 403, 405},
                             self.run_cases(ALL, 'get'))

    def test_all_are_replaced_as_described(self):
        self.assertLessEqual({200, 400, 405, 412},
                             self.run_cases(ALL, 'put'))

    def test_violations_are_listed_as_described(self):
        for version_id in self.versions:
            self.manage('datastore-version-flavor-require', version_id,
                        '--min-ram', '1')
            for _turn in range(2):
                self.cloud.create_instance(self.flavor_id, version_id)
            self.manage('datastore-version-flavor-require', version_id,
                        '--min-ram', '8192')
        self.assertLessEqual({200, 400, 403, 405},
                             self.run_cases(VIOLATIONS, 'get'))
