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

"""Trove's own list and an instance's flavors, with a list but no Nova."""

import socket
import time
import types
import typing
import uuid

import fixtures
import hypothesis
from hypothesis import strategies
import sqlalchemy as sa
import webob

from trove_flavor_filter.db import models
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit.api import test_guard
from trove_flavor_filter.tests.unit import test_wsgi
from trove_flavor_filter import wsgi

PROJECT = test_wsgi.PROJECT

# Extra specs, by RAM: none, one, and such as Nova does not show.
SPECS = {512: {}, 2048: {'size': 'big'}, 8192: None}

FLAVORS = [
    requirement.Flavor(f'f-{ram}-{vcpus}-{disk}', f'{ram}/{vcpus}/{disk}',
                       ram, vcpus, disk, 0, SPECS[ram])
    for ram in (512, 2048, 8192) for vcpus in (1, 4) for disk in (5, 80)]

# The flavor of every instance, unless told otherwise.
PRESENT = 'f-2048-1-5'
OTHERS = [flavor for flavor in FLAVORS if flavor.id != PRESENT]


class RouteTestCase(test_guard.GuardTestCase):
    """Nova was there for a moment, and its list serves for long."""

    def setUp(self) -> None:
        super().setUp()
        self.execute(sa.update(models.Instance).values(flavor_id=PRESENT))
        self.remember(self.application)

    def create_instance(self, **values) -> str:
        return super().create_instance(**{'flavor_id': PRESENT} | values)

    def remember(self, application: wsgi.FlavorFilter,
                 listed: list[requirement.Flavor] = FLAVORS) -> None:
        application._services.catalog._service_list.last = (
            snapshot.Snapshot(time.time(), listed))

    def ids(self, path: str, **more) -> list[str]:
        response = self.request(f'/{PROJECT}{path}', **more)
        self.assertEqual(200, response.status_int, response.body)
        return [flavor['str_id'] for flavor in response.json['flavors']]

    def for_instance(self, instance_id: str | None = None,
                     **more) -> list[str]:
        return self.ids(
            f'/instances/{instance_id or self.instance_id}/flavors', **more)

    def assertNotThere(self, path: str, **more) -> str:
        return self.assertFault(self.request(f'/{PROJECT}{path}', **more),
                                404, 'itemNotFound')['message']


class HiddenSpecsTest(RouteTestCase):
    """Extra specs that a datastore version requires and Nova hides."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.create_row(self.other_id, 'size=big', key='extra_spec')

    def list_twice(self) -> int:
        """List twice: the number of warnings that are logged so far."""
        for _time in range(2):
            self.assertEqual(4, len(self.ids(
                f'/flavors/datastores/versions/{self.other_id}')))
        return self.log.output.count(
            f'Datastore version {self.other_id} requires an extra spec, '
            f'and Nova does not show those of all flavors')

    def test_this_is_logged_once_until_it_changes(self):
        self.assertEqual(1, self.list_twice())
        self.remember(self.application, [
            flavor._replace(extra_specs=flavor.extra_specs or {})
            for flavor in FLAVORS])
        self.assertEqual(1, self.list_twice())
        self.remember(self.application)
        self.assertEqual(2, self.list_twice())

    def test_a_version_that_requires_none_logs_nothing(self):
        self.assertEqual([], self.ids(
            f'/flavors/datastores/versions/{self.version_id}'))
        self.assertNotIn('extra spec', self.log.output)


class ConnectionTest(RouteTestCase):
    """Under eventlet, the environ has the client's connection."""

    def ask(self, connection: typing.Any) -> None:
        request = webob.Request.blank(
            self.path(), base_url='http://db.example.org/v1.0', headers={
                'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user',
                'X-Project-Id': PROJECT, 'X-Roles': 'member'})
        request.environ['eventlet.input'] = connection
        self.assertEqual(200, request.get_response(
            self.application).status_int)

    def test_the_end_of_an_answer_is_sent_at_once(self):
        with socket.socket() as connection:
            self.ask(types.SimpleNamespace(get_socket=lambda: connection))
            self.assertNotEqual(0, connection.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_a_connection_that_cannot_do_it_is_answered_as_well(self):
        closed = socket.socket()
        closed.close()
        ours, theirs = socket.socketpair()
        for connection in (closed, ours, None):
            self.ask(types.SimpleNamespace(get_socket=lambda: connection))
        for odd in (None, object()):
            self.ask(odd)
        ours.close()
        theirs.close()


class TrovesListTest(RouteTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.create_row(self.version_id, 'f-512-1-5')
        self.create_row(self.version_id, 'f-8192-4-80')
        self.create_row(self.version_id, '1024', key='min_ram')

    def list(self, datastore: str = 'mysql', version: str | None = None,
             **more) -> list[str]:
        return self.ids(f'/datastores/{datastore}/versions/'
                        f'{version or self.version_id}/flavors', **more)

    def test_it_is_the_answer_of_the_specs_route(self):
        self.assertEqual(['f-8192-4-80'], self.list())
        for version_id in (self.version_id, self.other_id):
            self.assertEqual(
                self.request(self.path(version_id)).body,
                self.request(f'/{PROJECT}/datastores/mysql/versions/'
                             f'{version_id}/flavors').body)
        self.assertEqual([], self.reached)

    def test_a_datastore_and_a_version_go_by_id_or_by_name(self):
        for datastore in ('mysql', 'ds'):
            for version in (self.version_id, '8.0'):
                self.assertEqual(['f-8192-4-80'],
                                 self.list(datastore, version))

    def test_a_version_of_another_datastore_is_404(self):
        self.execute(sa.insert(models.Datastore).values(
            id='ds2', name='mariadb'))
        other = self.create_version('11', datastore_id='ds2')
        self.assertEqual(len(FLAVORS), len(self.list('mariadb', other)))
        for datastore, version in (
                ('mysql', other), ('mysql', '11'), ('ds', other),
                ('mariadb', self.version_id), ('mariadb', '8.0')):
            self.assertNotThere(
                f'/datastores/{datastore}/versions/{version}/flavors')

    def test_what_is_not_there_is_404(self):
        for text in ('no-such', str(uuid.uuid4()), 'x' * 256, 'x' * 20000,
                     '%00', '%FF', '%C3%A9', '%F0%9F%98%80', '..', '%25',
                     "'%20OR%201=1%20--", '%0d%0a'):
            self.assertNotThere(f'/datastores/mysql/versions/{text}/flavors')
            self.assertNotThere(f'/datastores/{text}/versions/8.0/flavors')

    def test_an_inactive_version_is_404_to_all_but_admins(self):
        version_id = self.create_version('old', active=False)
        for version in (version_id, 'old'):
            self.assertNotThere(
                f'/datastores/mysql/versions/{version}/flavors')
            self.assertEqual(len(FLAVORS), len(
                self.list(version=version, roles='admin')))

    def test_a_name_of_two_versions_is_400_as_in_trove(self):
        version_id = self.create_version('8.0', number='8.0.99')
        fault = self.assertFault(
            self.request(f'/{PROJECT}/datastores/mysql/versions/8.0/flavors'),
            400, 'badRequest')
        self.assertIn("'8.0'", fault['message'])
        self.assertEqual(len(FLAVORS), len(self.list(version=version_id)))

    def test_nobody_is_401_and_another_project_403(self):
        path = f'/{PROJECT}/datastores/mysql/versions/8.0/flavors'
        self.assertFault(self.request(path, project='other'), 403,
                         'forbidden')
        self.assertFault(
            webob.Request.blank(path).get_response(self.application), 401,
            'unauthorized')

    def test_a_client_that_knows_the_answer_is_told_so(self):
        path = f'/{PROJECT}/datastores/mysql/versions/8.0/flavors'
        etag = self.request(path).headers['ETag']
        self.assertEqual(304, self.request(
            path, **{'If-None-Match': etag}).status_int)

    def test_other_methods_and_paths_are_troves(self):
        path = f'/{PROJECT}/datastores/mysql/versions/8.0/flavors'
        for method in ('HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'BREW'):
            self.reached.clear()
            self.request(path, method=method)
            self.assertEqual(1, len(self.reached), method)
        for other in (f'{path}/', f'{path}/1', path.removesuffix('/flavors'),
                      path.replace('flavors', 'volume-types'),
                      f'/{PROJECT}/flavors'):
            self.reached.clear()
            self.request(other)
            self.assertEqual(1, len(self.reached), other)

    def test_it_is_left_to_trove_where_the_option_says_so(self):
        path = self.trove_conf(
            f'[database]\nconnection = {self.url}\n'
            f'[flavor_filter]\nanswer_troves_list = false\n')
        self.application = wsgi.filter_factory(
            {}, oslo_config_file=path)(self.trove)
        response = self.request(
            f'/{PROJECT}/datastores/mysql/versions/8.0/flavors')
        self.assertEqual(b'from Trove', response.body)
        self.assertEqual(401, webob.Request.blank(
            self.path()).get_response(self.application).status_int)

    def test_the_database_is_asked_once(self):
        self.list()
        seen = self.statements(
            self.application._services.requirements.database)
        self.list('ds', '8.0')
        self.assertEqual(1, len(seen), seen)


class TrovesListOnMySQLTest(TrovesListTest):
    backend = 'mysql'


class TrovesListOnPostgreSQLTest(TrovesListTest):
    backend = 'postgresql'


class TrovesRuleTest(RouteTestCase):

    policy = ('"datastore:list_associated_flavors": "role:dba"\n'
              '"flavor_filter:flavors:list": "!"\n')

    def test_troves_own_rule_decides_over_troves_own_list(self):
        path = '/datastores/mysql/versions/8.0/flavors'
        self.assertEqual([], self.ids(path, roles='dba'))
        fault = self.assertFault(self.request(f'/{PROJECT}{path}'), 403,
                                 'forbidden')
        self.assertIn('datastore:list_associated_flavors', fault['message'])


class BrokenRuleTest(RouteTestCase):

    policy = ('"datastore:list_associated_flavors": "rule:no_such"\n'
              '"flavor_filter:instances:flavors": "rule:no_such"\n')

    def test_a_rule_that_names_no_rule_holds_for_nobody(self):
        for path in ('/datastores/mysql/versions/8.0/flavors',
                     f'/instances/{self.instance_id}/flavors'):
            self.assertFault(self.request(f'/{PROJECT}{path}', roles='admin'),
                             403, 'forbidden')
        for rule in ('datastore:list_associated_flavors',
                     'flavor_filter:instances:flavors'):
            self.assertIn(f'Policy rule "{rule}" names', self.log.output)


class InstanceTest(RouteTestCase):

    def test_what_its_version_allows_is_listed(self):
        self.assertEqual([], self.for_instance())
        self.create_row(self.version_id, 'f-512-1-5')
        self.create_row(self.version_id, 'f-8192-4-80')
        self.assertEqual(['f-512-1-5', 'f-8192-4-80'], self.for_instance())
        self.create_row(self.version_id, '1024', key='min_ram')
        self.assertEqual(['f-8192-4-80'], self.for_instance())
        self.assertEqual(len(OTHERS), len(self.for_instance(
            self.create_instance(datastore_version_id=self.other_id))))

    def test_an_inactive_version_is_no_hindrance(self):
        version_id = self.create_version('old', active=False)
        self.assertEqual(len(OTHERS), len(self.for_instance(
            self.create_instance(datastore_version_id=version_id))))

    def test_what_is_not_there_is_404_in_troves_words(self):
        gone = self.create_instance(deleted=True)
        for instance_id in (gone, str(uuid.uuid4()), 'detail'):
            self.assertEqual(
                f'Resource {instance_id} cannot be found.',
                self.assertNotThere(f'/instances/{instance_id}/flavors'))
        for text in ('x' * 37, 'x' * 20000, '%00', '%FF', '%C3%A9',
                     '%F0%9F%98%80', '..', "'%20OR%201=1%20--", '%0d%0a'):
            self.assertNotThere(f'/instances/{text}/flavors')

    def test_another_projects_is_404_to_all_but_admins(self):
        instance_id = self.create_instance(
            tenant_id='other', datastore_version_id=self.other_id)
        self.assertNotThere(f'/instances/{instance_id}/flavors')
        self.assertEqual(len(OTHERS), len(self.for_instance(
            instance_id, roles='admin')))

    def test_nobody_is_401_and_another_projects_token_403(self):
        path = f'/{PROJECT}/instances/{self.instance_id}/flavors'
        self.assertFault(self.request(path, project='other'), 403,
                         'forbidden')
        self.assertFault(
            webob.Request.blank(path).get_response(self.application), 401,
            'unauthorized')

    def test_other_methods_are_405(self):
        for method in ('HEAD', 'POST', 'PUT', 'DELETE', 'BREW'):
            response = self.request(
                f'/{PROJECT}/instances/{self.instance_id}/flavors',
                method=method)
            self.assertEqual(405, response.status_int)
            self.assertEqual('GET', response.headers['Allow'])
        self.assertEqual([], self.reached)

    def test_a_client_that_knows_the_answer_is_told_so(self):
        path = f'/{PROJECT}/instances/{self.instance_id}/flavors'
        etag = self.request(path).headers['ETag']
        self.assertEqual(304, self.request(
            path, **{'If-None-Match': etag}).status_int)

    def test_the_database_is_asked_once(self):
        self.for_instance()
        seen = self.statements(
            self.application._services.requirements.database)
        self.for_instance()
        self.assertEqual(1, len(seen), seen)


class InstanceOnMySQLTest(InstanceTest):
    backend = 'mysql'


class InstanceOnPostgreSQLTest(InstanceTest):
    backend = 'postgresql'


class AcceptanceTest(RouteTestCase):
    """What Trove itself refuses is not in any list, whatever the rules."""

    options = ('[mysql]\nvolume_support = no\n'
               '[redis]\nvolume_support = no\ndevice_path =\n')
    LOCAL = [flavor._replace(id=f'local-{flavor.id}', ephemeral=1)
             for flavor in FLAVORS]
    # By manager: what is listed of a version, and of an instance.
    LISTED = {
        # With Trove's own defaults.
        'mariadb': (FLAVORS + LOCAL, OTHERS),
        'mysql': (LOCAL, LOCAL),
        'redis': (FLAVORS + LOCAL, LOCAL),
        'custom': (FLAVORS + LOCAL, OTHERS + LOCAL),
        'Mysql': (FLAVORS + LOCAL, OTHERS + LOCAL),
        None: (FLAVORS + LOCAL, OTHERS + LOCAL),
    }

    def setUp(self) -> None:
        super().setUp()
        self.remember(self.application, FLAVORS + self.LOCAL)

    def test_each_manager_has_its_storage(self):
        for manager, (of_version, of_instance) in self.LISTED.items():
            version_id = self.create_version(f'of {manager}', manager=manager)
            ids = [flavor.id for flavor in of_version]
            self.assertEqual(ids, self.ids(
                f'/flavors/datastores/versions/{version_id}'), manager)
            self.assertEqual(ids, self.ids(
                f'/datastores/mysql/versions/{version_id}/flavors'), manager)
            self.assertEqual(
                [flavor.id for flavor in of_instance], self.for_instance(
                    self.create_instance(datastore_version_id=version_id)),
                manager)

    def test_a_member_of_a_cluster_has_an_empty_list(self):
        self.assertEqual([], self.for_instance(self.create_instance(
            datastore_version_id=self.other_id,
            cluster_id=self.create_cluster())))

    def test_an_instance_on_no_flavor_that_nova_may_have_has_none_too(self):
        for flavor_id in (None, ''):
            self.assertEqual([], self.for_instance(self.create_instance(
                datastore_version_id=self.other_id, flavor_id=flavor_id)))

    def test_a_flavor_that_only_nova_may_know_needs_nova(self):
        instance_id = self.create_instance(
            datastore_version_id=self.other_id, flavor_id='private')
        self.assertFault(
            self.request(f'/{PROJECT}/instances/{instance_id}/flavors'), 503,
            'serviceUnavailable')


class BypassedAcceptanceTest(AcceptanceTest):

    policy = '"flavor_filter:bypass": "role:member"\n'

    def test_the_rules_are_bypassed(self):
        self.create_row(self.version_id, 'f-512-1-5')
        self.assertLess(1, len(self.for_instance()))


class AgreementTest(RouteTestCase):
    """The list of an instance, and the guard's verdicts on resizes of it."""

    # A row of each key that there may be, sensible or not.
    ROWS = strategies.lists(strategies.one_of(
        strategies.tuples(
            strategies.just(requirement.FLAVOR),
            strategies.sampled_from([
                *(flavor.id for flavor in FLAVORS), 'F-512-1-5', 'vanished',
                ''])),
        strategies.tuples(
            strategies.sampled_from([key for key in requirement.KEYS
                                     if key != requirement.FLAVOR]),
            strategies.sampled_from(['1', '2', '5', '6', '512', '2048',
                                     '2049', '', '0', 'size=big',
                                     'size=small', 'nonsense']))),
        # MariaDB tells no two apart that differ in case only.
        max_size=6, unique_by=lambda row: (row[0], row[1].lower()))

    def let_through(self) -> list[str]:
        return [
            flavor.id for flavor in OTHERS if self.post(
                f'/instances/{self.instance_id}/action',
                {'resize': {'flavorRef': flavor.id}}).status_int == 200]

    @hypothesis.settings(max_examples=40, database=None)
    @hypothesis.given(rows=ROWS)
    def test_the_list_is_what_the_guard_lets_through(self, rows):
        self.execute(sa.delete(models.DatastoreVersionMetadata))
        for key, value in rows:
            self.create_row(self.version_id, value, key=key)
        self.assertEqual(self.let_through(), self.for_instance())


class AgreementOnMySQLTest(AgreementTest):
    backend = 'mysql'


class BypassTest(AgreementTest):

    policy = '"flavor_filter:bypass": "role:member"\n'

    def test_who_may_bypass_is_listed_all_but_the_present_one(self):
        self.assertEqual([flavor.id for flavor in OTHERS],
                         self.for_instance())


class OwnerPolicyTest(RouteTestCase):

    policy = ('"flavor_filter:instances:flavors": '
              '"project_id:%(tenant)s and role:dba"\n')

    def test_the_rule_is_asked_of_the_instances_project(self):
        other = self.create_instance(tenant_id='other')
        for instance_id, roles, status in (
                (self.instance_id, 'dba', 200),
                (self.instance_id, 'member', 403),
                (self.instance_id, 'dba,admin', 200),
                (other, 'dba,admin', 403), (other, 'dba', 404)):
            self.assertEqual(status, self.request(
                f'/{PROJECT}/instances/{instance_id}/flavors',
                roles=roles).status_int, (instance_id, roles))


class UnavailableTest(test_guard.GuardTestCase):

    def test_nova_or_the_database_away_is_503(self):
        for path in ('/datastores/mysql/versions/8.0/flavors',
                     f'/instances/{self.instance_id}/flavors'):
            self.assertFault(self.request(f'/{PROJECT}{path}'), 503,
                             'serviceUnavailable')
        self.execute(sa.text('DROP TABLE datastore_version_metadata'))
        for path in ('/datastores/mysql/versions/8.0/flavors',
                     f'/instances/{self.instance_id}/flavors'):
            response = self.request(f'/{PROJECT}{path}')
            self.assertFault(response, 503, 'serviceUnavailable')
            self.assertEqual('5', response.headers['Retry-After'])
