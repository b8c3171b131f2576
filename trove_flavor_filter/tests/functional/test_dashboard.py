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


"""Horizon's database dialogs, read from the HTML that it answers with.

FLAVOR_FILTER_HORIZON names the Python environment that has Horizon.
"""

import functools
import os
import re
import typing
import unittest

from lxml import html
import requests

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import demo
from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.cloud import older_release
from trove_flavor_filter.tests.functional import base

INSTANCES = '/project/databases/'
CLUSTERS = '/project/database_clusters/'

NONE_ALLOWED = 'No flavor is allowed'
NONE_OF_VERSION = ('No flavor is allowed for this datastore version. Choose '
                   'another version, or ask an administrator.')
FILTERED = 'Only flavors that this datastore version allows are listed.'
NOT_FILTERED = 'This list is not filtered: '

# Asks a Trove that nobody serves for two lists; prints what is known then.
UNREACHABLE = """
import django, types
django.setup()
from django import http
from openstack_auth import user
from trove_flavor_filter_dashboard import routes

request = http.HttpRequest()
request.user = user.User(
    token=types.SimpleNamespace(id='token'), project_id='demo',
    services_region='one', service_catalog=[{
        'type': 'database', 'name': 'trove', 'endpoints': [{
            'region': 'one', 'region_id': 'one', 'interface': 'public',
            'url': 'http://127.0.0.1:9/v1.0/demo'}]}])
print(routes.allowed(request, routes.INSTANCE, 'an-instance'),
      routes.upgrades(request, 'an-instance'), routes.has_failed(request))
"""

# The configuration of an application that takes a dialog out of
# trove-dashboard.
WITHOUT_A_DIALOG = """
from django import apps

class WithoutADialog(apps.AppConfig):
    name = 'without_a_dialog'

    def ready(self):
        from trove_dashboard.content.databases.workflows import create_instance
        del create_instance.AdvancedAction
"""


def prefix() -> str:
    """Where Horizon is installed."""
    found = os.environ.get('FLAVOR_FILTER_HORIZON')
    if not found:
        raise unittest.SkipTest(
            'FLAVOR_FILTER_HORIZON is not set: run these tests by '
            '"tox -e dashboard-27"')
    return found


@functools.cache
def shared_horizon() -> horizon.Horizon:
    """A Horizon for the shared cloud; it goes when the process ends."""
    where = prefix()
    return horizon.beside(base.shared_cloud(), where)


@functools.cache
def shared_visitor() -> 'Visitor':
    """A user who is logged in to it."""
    return log_in(base.shared_cloud(), shared_horizon())


def log_in(booted: cloud.Cloud, served: horizon.Horizon) -> 'Visitor':
    return Visitor(served.url, 'demo', booted.secrets['demo'])


@functools.cache
def shared_network() -> str:
    """The one network of the shared cloud; a dialog has chosen it already."""
    return base.shared_cloud().create_network()


class Visitor:
    """Somebody who is logged in, and looks at dialogs."""

    def __init__(self, url: str, user: str, password: str):
        self._url = url
        self._session = requests.Session()
        self._session.headers['Referer'] = url
        login = f'{url}/auth/login/'
        form = html.fromstring(self._session.get(login).text).forms[0]
        answer = self._session.post(
            login, allow_redirects=False,
            data=dict(form.fields) | {'username': user, 'password': password})
        assert answer.status_code == 302, answer.text

    def get(self, path: str) -> requests.Response:
        """Ask for a dialog, as the page does that opens it."""
        return self._session.get(
            self._url + path,
            headers={'X-Requested-With': 'XMLHttpRequest'})

    def page(self, path: str, headers: dict[str, str] | None = None
             ) -> requests.Response:
        """Ask for a page, as a browser does that goes there."""
        return self._session.get(self._url + path, headers=headers)

    def dialog(self, path: str) -> html.FormElement:
        """A dialog's form.

        :raises AssertionError: it does not open
        """
        answer = self.get(path)
        assert answer.ok and not is_closed(answer), (
            f'{answer.status_code} {answer.headers}: {answer.text}')
        return form_of(answer)

    def send(self, path: str, form: html.FormElement,
             files: dict[str, typing.Any] | None = None,
             **fields: str | list[str]) -> requests.Response:
        """Fill a dialog's fields in and send it."""
        values: dict[str, typing.Any] = {}
        for name, value in form.form_values():
            values.setdefault(name, []).append(value)
        return self._session.post(
            self._url + path, data=values | fields, files=files,
            headers={'X-Requested-With': 'XMLHttpRequest'})


def is_closed(answer: requests.Response) -> bool:
    """Whether a dialog makes place for a page, and its messages."""
    return 'X-Horizon-Location' in answer.headers


def form_of(answer: requests.Response) -> html.FormElement:
    return html.fromstring(answer.text).forms[-1]


def field_of(datastore: str, version: str) -> str:
    """The field that has the flavors of a datastore version by name."""
    return f'{datastore} - {version}'.encode().hex()


def offered(form: html.FormElement, field: str) -> dict[str, str]:
    """What a drop-down offers: texts by value, in order."""
    options = form.xpath('.//select[@name=$name]/option', name=field)
    return {option.get('value'): option.text_content().strip()
            for option in options}


def sentence(form: html.FormElement, field: str) -> str:
    """What is said below a drop-down, and read out with it; '' if nothing."""
    (select,) = form.xpath('.//select[@name=$name]', name=field)
    return ''.join(
        text for about in select.get('aria-describedby', '').split()
        for text in form.xpath('.//*[@id=$id]/text()', id=about))


def errors_of(answer: requests.Response, field: str) -> list[str]:
    """What is wrong with a field of a form that is shown again."""
    (group,) = form_of(answer).xpath(
        './/div[contains(@class, "has-error")][.//*[@name=$name]]', name=field)
    return [text.text_content().strip() for text in group.xpath(
        './/span[contains(@class, "help-block") and not(@id)]')]


class DashboardTestCase(base.FunctionalTestCase):

    def setUp(self) -> None:
        prefix()
        super().setUp()
        self.horizon = shared_horizon()
        self.visitor = shared_visitor()
        self.create_flavors()

    def create_flavors(self) -> None:
        self.small = self.create_flavor(ram=512)
        self.large = self.create_flavor(ram=8192, vcpus=4, disk=40)

    def create_version(self, datastore: str = 'mysql', name: str = '',
                       **kwargs) -> tuple[str, str]:
        """An active datastore version, with its id and its name."""
        name = name or self.unique('v')
        version_id = self.cloud.create_datastore_version(
            datastore, name, manager=datastore, **kwargs)
        self.addCleanup(self.deactivate, version_id)
        return version_id, name

    def deactivate(self, version_id: str) -> None:
        """Take a version out of the dialogs."""
        self.cloud.sql('UPDATE datastore_versions SET active = :no '
                       'WHERE id = :id', no=False, id=version_id)

    def require(self, version_id: str, *options: str) -> None:
        self.manage('datastore-version-flavor-require', version_id, *options)

    def allowed(self, version_id: str) -> list[str]:
        """The ids that the route lists, in the order of the dialogs."""
        return [flavor['str_id'] for flavor in sorted(
            self.listed(version_id), key=lambda flavor: flavor['ram'])]

    def of_nova(self) -> list[str]:
        """The ids that the dialogs offer without this package."""
        flavors = self.cloud.session().get(
            f'{self.cloud.nova_url}/flavors/detail').json()['flavors']
        return [flavor['id'] for flavor in sorted(
            flavors, key=lambda flavor: flavor['ram'])]

    def assertOffers(self, ids: list[str], form: html.FormElement,
                     field: str) -> None:
        self.assertEqual(ids, list(offered(form, field)))

    def create_cluster(self, version_id: str) -> str:
        cluster_id = self.unique('cluster')
        self.cloud.sql(
            'INSERT INTO clusters (id, created, updated, name, task_id, '
            'tenant_id, datastore_version_id, deleted) VALUES (:id, :now, '
            ':now, :id, 1, :tenant, :version, :no)', id=cluster_id,
            now='2026-01-01 00:00:00', tenant=self.cloud.project_id(),
            version=version_id, no=False)
        return cluster_id

    def calls(self, function: typing.Callable[[], typing.Any]) -> list[str]:
        """The paths that Trove is asked for meanwhile."""
        log = self.cloud.log('trove')
        before = len(log.read_text())
        function()
        return sorted(re.findall(r'GET /v1\.0/\w+(/\S+)',
                                 log.read_text()[before:]))

    def instances(self) -> dict[str, str]:
        """Flavor ids of instances, by their names."""
        # Trove's list has pages.
        return {row.name: row.flavor_id for row in self.cloud.sql(
            'SELECT name, flavor_id FROM instances')}


class LaunchTests:
    """What holds for the dialogs that launch instances and clusters."""

    def launch(self) -> html.FormElement:
        return self.visitor.dialog(self.path)

    def offered(self, name: str) -> dict[str, str]:
        return offered(self.launch(), field_of(self.datastore, name))

    def test_each_version_offers_what_the_route_lists(self):
        private = self.create_flavor(ram=4096, projects=('trove',))
        own = self.create_flavor(ram=2048, projects=('demo',))
        self.create_flavor(ram=2048, projects=('other',))
        versions = {}
        for kind in ('free', 'associated', 'private', 'minimum'):
            version_id, name = self.create_version(self.datastore)
            versions[kind] = (version_id, field_of(self.datastore, name))
        self.associate(versions['associated'][0], self.large)
        self.associate(versions['private'][0], private, own)
        self.require(versions['minimum'][0], '--min-ram', '1024')
        form = self.launch()
        offers = {}
        for kind, (version_id, field) in versions.items():
            offers[kind] = list(offered(form, field))
            self.assertEqual(self.allowed(version_id), offers[kind], kind)
        self.assertEqual([self.large], offers['associated'])
        self.assertEqual([own, private], offers['private'])
        self.assertNotIn(self.small, offers['minimum'])
        self.assertIn(self.small, offers['free'])

    def test_ids_that_are_numbers_are_offered_as_nova_spells_them(self):
        flavor_id = self.cloud.create_flavor('1790', self.unique())
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        version_id, name = self.create_version(self.datastore)
        self.associate(version_id, flavor_id)
        self.assertEqual(['1790'], list(self.offered(name)))

    def test_a_flavor_is_shown_with_its_sizes(self):
        version_id, name = self.create_version(self.datastore)
        self.associate(version_id, self.large)
        self.assertEqual(
            {self.large: f'{self.large} | 8GB RAM | 4 VCPU | 40GB Disk'},
            self.offered(name))

    def test_where_nothing_is_allowed_it_says_so(self):
        version_id, name = self.create_version(self.datastore)
        self.associate(version_id, self.unique('gone'))
        self.assertEqual({'': NONE_ALLOWED}, self.offered(name))

    def test_two_versions_of_one_name_are_told_apart(self):
        first, name = self.create_version(self.datastore, number='1.5')
        second, _name = self.create_version(self.datastore, name, number='2')
        self.associate(first, self.small)
        self.associate(second, self.large)
        form = self.launch()
        self.assertEqual([self.small], list(offered(
            form, field_of(self.datastore, first))))
        self.assertEqual([self.large], list(offered(
            form, field_of(self.datastore, second))))
        choices = offered(form, 'datastore')
        self.assertEqual(
            [f'{self.datastore} - {name} (number 1.5)',
             f'{self.datastore} - {name} (number 2)'],
            [choices[field_of(self.datastore, version_id)]
             for version_id in (first, second)])

    def test_it_says_that_the_list_is_filtered(self):
        version_id, name = self.create_version(self.datastore)
        field = field_of(self.datastore, name)
        self.assertIn(FILTERED, sentence(self.launch(), field))
        self.associate(version_id, self.unique('gone'))
        form = self.launch()
        self.assertEqual(NONE_OF_VERSION, sentence(form, field))
        answer = self.visitor.send(self.path, form, **{
            'name': 'refused', 'datastore': field})
        self.assertEqual([NONE_OF_VERSION], errors_of(answer, field))

    def test_it_says_why_a_few_flavors_are_not_listed(self):
        huge = self.create_flavor(ram=100000)
        version_id, name = self.create_version(self.datastore)
        field = field_of(self.datastore, name)
        self.require(version_id, '--max-ram', '90000')
        self.assertEqual(
            f'{FILTERED} Not allowed: {huge} (requires at most 90000 MiB RAM, '
            f'has 100000).', sentence(self.launch(), field))
        self.require(version_id, '--clear')
        self.associate(version_id, huge)
        others = len(self.of_nova()) - 1
        self.assertIn('(is not associated)', sentence(self.launch(), field))
        if others > 3:
            self.assertTrue(sentence(self.launch(), field).endswith(
                f', and {others - 3} more.'))

    def test_a_refusal_names_the_flavor_and_the_reason(self):
        version_id, name = self.create_version(self.datastore)
        form = self.launch()
        self.require(version_id, '--min-ram', '8192')
        field = field_of(self.datastore, name)
        answer = self.visitor.send(self.path, form, **{
            'name': 'refused', 'datastore': field, field: self.small})
        (error,) = errors_of(answer, field)
        self.assertIn(self.small, error)
        self.assertIn('requires at least 8192 MiB RAM, has 512', error)
        self.assertOffers(self.allowed(version_id), form_of(answer), field)
        self.assertNotIn('refused', self.instances())

    def test_a_change_of_a_version_that_is_not_chosen_is_no_error(self):
        _version_id, name = self.create_version(self.datastore)
        other_id, other = self.create_version(self.datastore)
        self.associate(other_id, self.small)
        form = self.launch()
        self.associate(other_id, self.large)
        self.cloud.sql(
            'DELETE FROM datastore_version_metadata WHERE value = :flavor '
            'AND datastore_version_id = :id', flavor=self.small, id=other_id)
        field, hidden = (field_of(self.datastore, version)
                         for version in (name, other))
        # As a browser sends it, and without a name: it is shown again.
        answer = self.visitor.send(self.path, form, **{
            'name': '', 'datastore': field, field: self.large,
            hidden: self.small})
        self.assertTrue(errors_of(answer, 'name'))
        self.assertOffers([self.large], form_of(answer), hidden)
        self.assertFalse(form_of(answer).xpath(
            './/*[contains(@class, "has-error")][.//*[@name=$name]]',
            name=hidden))

    def test_a_flavor_that_is_gone_is_named_as_well(self):
        _version_id, name = self.create_version(self.datastore)
        field = field_of(self.datastore, name)
        answer = self.visitor.send(self.path, self.launch(), **{
            'name': 'refused', 'datastore': field, field: 'no-such'})
        self.assertEqual(['The flavor no-such is not allowed here any more. '
                          'Select another one.'], errors_of(answer, field))


class LaunchInstanceTest(LaunchTests, DashboardTestCase):

    path = f'{INSTANCES}launch'
    datastore = 'mysql'

    def test_an_allowed_flavor_is_launched(self):
        """One that is private to Trove's project, of a number for an id."""
        flavor_id = self.cloud.create_flavor('1791', self.unique(),
                                             projects=('trove',))
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        version_id, name = self.create_version()
        self.associate(version_id, flavor_id)
        instance, field = self.unique('db'), field_of('mysql', name)
        answer = self.visitor.send(self.path, self.launch(), **{
            'name': instance, 'datastore': field, field: flavor_id,
            # The cloud has no volumes.
            'volume': '0', 'network': shared_network()})
        self.assertTrue(is_closed(answer), answer.text)
        self.assertEqual(flavor_id, self.instances()[instance])

    def test_the_demo_accepts_the_dialog_as_it_is_opened(self):
        _version_id, name = self.create_version()
        before = self.cloud.options
        demo.accept_volumes(self.cloud)
        try:
            form = self.launch()
            instance, field = self.unique('db'), field_of('mysql', name)
            flavor_id = next(iter(offered(form, field)))
            answer = self.visitor.send(self.path, form, **{
                'name': instance, 'datastore': field, field: flavor_id,
                # A browser has chosen it already.
                'network': shared_network()})
            self.assertTrue(is_closed(answer), answer.text)
            self.assertEqual(flavor_id, self.instances()[instance])
        finally:
            self.cloud.options = before
            self.cloud.reconfigure()
            self.cloud.restart('trove')

    def test_it_says_which_instances_can_be_a_source(self):
        self.assertIn('Only instances whose status is Healthy are listed.',
                      html.tostring(self.launch()).decode())

    def test_of_two_versions_of_one_name_either_is_launched(self):
        first, name = self.create_version(number='1')
        self.create_version(name=name, number='2')
        instance, field = self.unique('db'), field_of('mysql', first)
        answer = self.visitor.send(self.path, self.launch(), **{
            'name': instance, 'datastore': field, field: self.small,
            'volume': '0', 'network': shared_network()})
        self.assertTrue(is_closed(answer), answer.text)
        (row,) = self.cloud.sql(
            'SELECT datastore_version_id FROM instances WHERE name = :name',
            name=instance)
        self.assertEqual(first, row.datastore_version_id)

    def test_a_version_is_launched_that_shares_its_name_with_inactive_ones(
            self):
        inactive, name = self.create_version(number='1')
        self.deactivate(inactive)
        version_id, _name = self.create_version(name=name, number='2')
        form = self.launch()
        instance, field = self.unique('db'), field_of('mysql', name)
        fields = {'name': instance, 'datastore': field, field: self.small,
                  'volume': '0', 'network': shared_network()}
        answer = self.visitor.send(self.path, form, **fields)
        self.assertTrue(is_closed(answer), answer.text)
        self.assertEqual(self.small, self.instances()[instance])
        # A refusal is of that version as well.
        self.require(version_id, '--min-ram', '8192')
        answer = self.visitor.send(self.path, form, **fields)
        self.assertIn('requires at least 8192 MiB RAM, has 512',
                      errors_of(answer, field)[0])

    def test_a_datastore_is_asked_for_once_however_many_versions_it_has(self):
        self.create_version()
        calls = self.calls(self.launch)
        self.assertEqual(1, calls.count('/flavors/datastores/mysql?left_out=3'
                                        ))
        for _version in range(29):
            self.create_version()
        self.assertEqual(calls, self.calls(self.launch))


class TablesTest(DashboardTestCase):

    def test_instances_on_private_flavors_show_them(self):
        version_id, _name = self.create_version()
        private = self.create_flavor(projects=('trove',))
        instance_id = self.cloud.create_instance(private, version_id)
        self.cloud.sql('UPDATE instances SET created = :now WHERE id = :id',
                       now='2999-01-01 00:00:00', id=instance_id)
        self.assertIn(f'{private} | ', self.size(INSTANCES, instance_id))

    def create_member(self, flavor_id: str) -> tuple[str, str]:
        """A cluster with one member; returns the ids of both."""
        version_id, _name = self.create_version('mariadb')
        cluster_id = self.create_cluster(version_id)
        instance_id = self.cloud.create_instance(
            flavor_id, self.create_version()[0])
        self.cloud.sql('UPDATE instances SET cluster_id = :cluster, '
                       'type = :type, datastore_version_id = :version '
                       'WHERE id = :id', cluster=cluster_id, type='member',
                       version=version_id, id=instance_id)
        return cluster_id, instance_id

    def test_the_instances_of_a_cluster_on_private_flavors_show_them(self):
        private = self.create_flavor(projects=('trove',))
        cluster_id, instance_id = self.create_member(private)
        self.assertIn(f'{private} | ', self.size(
            f'{CLUSTERS}{cluster_id}/?tab=cluster_details__instances_tab',
            instance_id))

    def test_clusters_show_the_flavor_of_their_first_instance(self):
        private = self.create_flavor(projects=('trove',))
        # More than a page of Trove's list.
        version_id, _name = self.create_version()
        for _number in range(25):
            self.cloud.create_instance(self.large, version_id)
        clusters = {self.create_member(flavor_id)[0]: flavor_id
                    for flavor_id in (self.small, private, self.large)}
        for cluster_id, flavor_id in clusters.items():
            self.assertIn(f'{flavor_id} | ', self.size(CLUSTERS, cluster_id))

    def size(self, path: str, row_id: str) -> str:
        """The text of a row of a table, on whichever page it is."""
        while True:
            page = html.fromstring(self.visitor.page(path).text)
            found = page.xpath('//tr[@data-object-id=$id]', id=row_id)
            if found:
                return ' '.join(found[0].text_content().split())
            (link,) = set(page.xpath('//a[contains(@href, "marker=")]/@href'))
            path = path.partition('?')[0] + link


class LaunchClusterTest(LaunchTests, DashboardTestCase):

    path = f'{CLUSTERS}launch'
    datastore = 'mariadb'


class GrowClusterTest(DashboardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, self.version = self.create_version('mariadb')
        cluster_id = self.create_cluster(self.version_id)
        self.path = f'{CLUSTERS}{cluster_id}/add_instance'
        self.list = f'{CLUSTERS}{cluster_id}/cluster_grow_details'

    def test_it_offers_what_the_route_lists(self):
        private = self.create_flavor(ram=4096, projects=('trove',))
        # In any order, as it is sorted by id here.
        self.assertEqual(sorted(self.allowed(self.version_id)), sorted(
            offered(self.visitor.dialog(self.path), 'flavor')))
        self.associate(self.version_id, private, self.large)
        self.assertEqual(
            {self.large: f'{self.large} | 8GB RAM | 4 VCPU | 40GB Disk',
             private: f'{private} | 4GB RAM | 1 VCPU | 5GB Disk'},
            offered(self.visitor.dialog(self.path), 'flavor'))

    def test_where_nothing_is_allowed_it_says_so(self):
        self.associate(self.version_id, self.unique('gone'))
        self.assertEqual({'': NONE_ALLOWED}, offered(
            self.visitor.dialog(self.path), 'flavor'))

    def test_a_cluster_that_is_gone_is_no_error_of_horizon(self):
        answer = self.visitor.get(f'{CLUSTERS}gone/add_instance')
        self.assertTrue(answer.ok, answer.status_code)
        self.assertTrue(is_closed(answer))

    def test_a_private_flavor_can_be_added(self):
        private = self.create_flavor(projects=('trove',))
        answer = self.visitor.send(
            self.path, self.visitor.dialog(self.path), flavor=private,
            name=self.unique('node'))
        self.assertTrue(is_closed(answer), answer.text)
        self.assertIn(private, self.visitor.get(self.list).text)

    def test_a_refusal_names_the_flavor_and_the_reason(self):
        form = self.visitor.dialog(self.path)
        self.assertIn(FILTERED, sentence(form, 'flavor'))
        self.require(self.version_id, '--min-ram', '8192')
        answer = self.visitor.send(self.path, form, flavor=self.small)
        (error,) = errors_of(answer, 'flavor')
        self.assertIn(self.small, error)
        self.assertIn('requires at least 8192 MiB RAM, has 512', error)


class ResizeTest(DashboardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, self.version = self.create_version()

    def path(self, instance_id: str) -> str:
        return f'{INSTANCES}{instance_id}/resize_instance'

    def resize(self, instance_id: str) -> html.FormElement:
        return self.visitor.dialog(self.path(instance_id))

    def test_it_offers_what_the_route_lists_but_the_present_one(self):
        private = self.create_flavor(ram=4096, projects=('trove',))
        instance_id = self.cloud.create_instance(
            self.small, self.version_id)
        form = self.resize(instance_id)
        self.assertOffers(['', *(
            flavor_id for flavor_id in self.allowed(self.version_id)
            if flavor_id != self.small)], form, 'new_flavor')
        self.associate(self.version_id, self.small, private, self.large)
        self.assertEqual(
            {'': 'Select a new flavor',
             private: f'{private} | 4GB RAM | 1 VCPU | 5GB Disk',
             self.large: f'{self.large} | 8GB RAM | 4 VCPU | 40GB Disk'},
            offered(self.resize(instance_id), 'new_flavor'))

    def test_an_instance_on_a_private_flavor_can_be_resized(self):
        private = self.create_flavor(projects=('trove',))
        instance_id = self.cloud.create_instance(private, self.version_id)
        self.cloud.activate_instance(instance_id)
        form = self.resize(instance_id)
        self.assertEqual(private, form.fields['old_flavor_name'])
        answer = self.visitor.send(
            self.path(instance_id), form, new_flavor=self.large)
        self.assertTrue(is_closed(answer), answer.text)
        self.assertEqual('RESIZE', self.cloud.trove(
            f'/instances/{instance_id}').json()['instance']['status'])

    def test_the_present_flavor_is_not_offered_when_its_id_is_a_number(self):
        flavor_id = self.cloud.create_flavor('1792', self.unique())
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        self.associate(self.version_id, flavor_id)
        instance_id = self.cloud.create_instance(flavor_id, self.version_id)
        self.assertEqual({'': 'No flavors available'}, offered(
            self.resize(instance_id), 'new_flavor'))

    def test_of_two_versions_of_one_name_it_knows_the_one(self):
        _second, name = self.create_version(name=self.version, number='2')
        self.associate(self.version_id, self.large)
        instance_id = self.cloud.create_instance(
            self.large, self.version_id)
        self.associate(self.version_id, self.small)
        self.assertOffers(['', self.small], self.resize(instance_id),
                          'new_flavor')

    def test_an_instance_on_an_inactive_version_can_be_resized(self):
        self.associate(self.version_id, self.small, self.large)
        instance_id = self.cloud.create_instance(
            self.small, self.version_id)
        if self.cloud.trove(
                f'/instances/{instance_id}/flavors').status_code == 404:
            self.skipTest('Trove has no route for what an instance may be '
                          'resized to')
        self.deactivate(self.version_id)
        self.assertOffers(['', self.large], self.resize(instance_id),
                          'new_flavor')

    def test_a_refusal_names_the_flavor_and_the_reason(self):
        instance_id = self.cloud.create_instance(
            self.large, self.version_id)
        form = self.resize(instance_id)
        self.assertIn('Only flavors that the instance may be resized to',
                      sentence(form, 'new_flavor'))
        self.require(self.version_id, '--min-ram', '8192')
        answer = self.visitor.send(
            self.path(instance_id), form, new_flavor=self.small)
        (error,) = errors_of(answer, 'new_flavor')
        self.assertIn(self.small, error)
        self.assertIn('requires at least 8192 MiB RAM, has 512', error)

    def test_where_no_other_flavor_is_allowed_it_says_so(self):
        self.associate(self.version_id, self.large)
        instance_id = self.cloud.create_instance(self.large, self.version_id)
        none = ('This instance cannot be resized at present: no other flavor '
                'is allowed. Ask an administrator.')
        form = self.resize(instance_id)
        self.assertEqual(none, sentence(form, 'new_flavor'))
        answer = self.visitor.send(self.path(instance_id), form)
        self.assertEqual([none], errors_of(answer, 'new_flavor'))


class VolumesTestCase(DashboardTestCase):
    """On a Trove that has volumes, for all tests of a class."""

    @classmethod
    def setUpClass(cls) -> None:
        prefix()
        super().setUpClass()
        shared_horizon()
        cls._before = base.shared_cloud().options
        demo.accept_volumes(base.shared_cloud())

    @classmethod
    def tearDownClass(cls) -> None:
        base.shared_cloud().options = cls._before
        base.shared_cloud().reconfigure()
        base.shared_cloud().restart('trove')
        super().tearDownClass()


class VolumeSizeTest(VolumesTestCase):

    def size(self, form: html.FormElement, field: str
             ) -> tuple[str | None, str | None, str]:
        """The bounds of a field, and what is said of it."""
        (shown,) = form.xpath('.//input[@name=$name]', name=field)
        return shown.get('min'), shown.get('max'), ' '.join(form.xpath(
            './/div[label/@for=$id]//@title | .//div[label/@for=$id]//@data-'
            'original-title', id=shown.get('id')))

    def test_launch_says_the_bounds_of_each_version(self):
        kinds = {('--min-volume', '5'): 'at least 5 GiB.',
                 ('--max-volume', '9'): 'at most 9 GiB.',
                 ('--min-volume', '3', '--max-volume', '8'): '3 to 8 GiB.'}
        fields = {}
        for options in kinds:
            version_id, name = self.create_version()
            self.require(version_id, *options)
            fields[options] = field_of('mysql', name)
        _free, name = self.create_version()
        form = self.visitor.dialog(f'{INSTANCES}launch')
        for options, words in kinds.items():
            said = sentence(form, fields[options])
            self.assertTrue(said.startswith(FILTERED), said)
            self.assertTrue(said.endswith(f'The volume must have {words}'),
                            said)
        self.assertNotIn('GiB', sentence(form, field_of('mysql', name)))
        # Some version allows any size.
        self.assertEqual(('0', None), self.size(form, 'volume')[:2])

    def test_launch_bounds_the_field_by_all_versions(self):
        others = [row.id for row in self.cloud.sql(
            'SELECT id FROM datastore_versions WHERE active = :yes',
            yes=True)]
        for version_id in others:
            self.deactivate(version_id)
            self.addCleanup(
                self.cloud.sql, 'UPDATE datastore_versions SET active = :yes '
                'WHERE id = :id', yes=True, id=version_id)
        for low, high in ('5', '20'), ('3', '9'):
            self.require(self.create_version()[0], '--min-volume', low,
                         '--max-volume', high)
        form = self.visitor.dialog(f'{INSTANCES}launch')
        self.assertEqual(('3', '20'), self.size(form, 'volume')[:2])
        self.assertEqual('3', form.fields['volume'])

    def test_resize_volume_says_the_bounds(self):
        version_id, _name = self.create_version()
        answer = self.cloud.trove('/instances', 'POST', json={'instance': {
            'name': 'database', 'flavorRef': self.small,
            'volume': {'size': 1},
            'datastore': {'type': 'mysql', 'version': version_id}}})
        self.assertEqual(200, answer.status_code, answer.text)
        instance_id = answer.json()['instance']['id']
        self.cloud.activate_instance(instance_id)
        path = f'{INSTANCES}{instance_id}/resize_volume'
        self.assertNotIn('GiB', self.visitor.get(path).text)
        self.require(version_id, '--min-volume', '3', '--max-volume', '4')
        low, high, said = self.size(self.visitor.dialog(path), 'new_size')
        self.assertEqual(('3', '4'), (low, high))
        self.assertIn('The volume must have 3 to 4 GiB.', said)


class UpgradeTest(DashboardTestCase):
    """The dialog that trove-dashboard 27 has."""

    field = 'new_datastore_version'
    none = ('This instance cannot be upgraded at present: it is busy with a '
            'task, or no other version allows its flavor and its volume. Try '
            'again later, or ask an administrator.')

    def setUp(self) -> None:
        super().setUp()
        if not self.horizon.upgrades:
            self.skipTest('This trove-dashboard has no dialog for upgrades')
        # Of their own, since the dialog offers all versions of a datastore.
        self.datastore = self.unique('datastore')
        self.version_id, _name = self.create_version_of('present')
        self.instance_id = self.cloud.create_instance(
            self.small, self.version_id, datastore=self.datastore)
        self.cloud.activate_instance(self.instance_id)
        self.path = f'{INSTANCES}{self.instance_id}/upgrade/upgrade_instance/'

    def create_version_of(self, name: str, **kwargs) -> tuple[str, str]:
        version_id = self.cloud.create_datastore_version(
            self.datastore, name, **kwargs)
        self.addCleanup(self.deactivate, version_id)
        return version_id, name

    def upgrade(self) -> html.FormElement:
        return self.visitor.dialog(self.path)

    def send(self, form: html.FormElement, version_id: str
             ) -> requests.Response:
        return self.visitor.send(self.path, form, **{self.field: version_id})

    def test_the_dialog_upgrades(self):
        version_id, _name = self.create_version_of('new')
        form = self.upgrade()
        self.assertIn('Only other versions that allow the flavor and the',
                      sentence(form, self.field))
        answer = self.send(form, version_id)
        self.assertTrue(is_closed(answer), answer.text)
        (row,) = self.cloud.sql(
            'SELECT datastore_version_id FROM instances WHERE id = :id',
            id=self.instance_id)
        self.assertEqual(version_id, row.datastore_version_id)

    def test_two_versions_of_one_name_are_told_apart(self):
        found = {self.create_version_of('twice', number=number)[0]:
                 f'twice (number {number})' for number in ('1', '2')}
        self.assertEqual(found, offered(self.upgrade(), self.field))

    def test_where_no_version_is_allowed_it_says_so(self):
        version_id, _name = self.create_version_of('strict')
        self.require(version_id, '--min-ram', '1024')
        self.assertNoneIsOffered()

    def test_while_the_instance_is_busy_it_says_so(self):
        version_id, _name = self.create_version_of('loose')
        self.require(version_id, '--min-ram', '1')
        self.cloud.sql('UPDATE instances SET task_id = 4 WHERE id = :id',
                       id=self.instance_id)
        self.assertNoneIsOffered()

    def assertNoneIsOffered(self) -> None:
        form = self.upgrade()
        self.assertEqual({'': 'No version to upgrade to'},
                         offered(form, self.field))
        self.assertEqual(self.none, sentence(form, self.field))
        answer = self.send(form, '')
        self.assertEqual([self.none], errors_of(answer, self.field))

    def test_a_version_that_is_not_offered_any_more_is_refused(self):
        strict, _name = self.create_version_of('strict')
        self.create_version_of('other')
        form = self.upgrade()
        self.require(strict, '--min-ram', '1024')
        self.assertEqual(
            ['The instance cannot be upgraded to this version any more. '
             'Select another one.'],
            errors_of(self.send(form, strict), self.field))


class TroubleTest(DashboardTestCase):
    """Where Trove does not tell, the dialogs are as they were."""

    def setUp(self) -> None:
        super().setUp()
        self.version_id, self.version = self.create_version()
        self.associate(self.version_id, self.large)

    def assertOpensAsBefore(self, visitor: Visitor,
                            is_told: bool = True) -> None:
        form = visitor.dialog(f'{INSTANCES}launch')
        field = field_of('mysql', self.version)
        self.assertOffers(self.of_nova(), form, field)
        self.assertEqual(is_told, sentence(form, field).startswith(
            NOT_FILTERED))

    def logged(self, text: str) -> int:
        return self.horizon.log.read_text().count(text)

    def test_when_the_plugin_fails_the_log_says_so(self):
        self.create_version()
        text = 'What a dialog offers is not limited: GET /flavors/datastores'
        before = self.logged(text)
        self.cloud.sql('ALTER TABLE datastore_version_metadata '
                       'RENAME TO elsewhere')
        try:
            self.assertEqual(503, self.cloud.trove(
                f'/flavors/datastores/versions/{self.version_id}'
            ).status_code)
            self.assertOpensAsBefore(self.visitor)
        finally:
            self.cloud.sql('ALTER TABLE elsewhere RENAME TO '
                           'datastore_version_metadata')
        # Of all versions in the dialog, once.
        self.assertEqual(before + 1, self.logged(text))
        self.assertIn('HTTP 503', self.horizon.log.read_text())
        self.assertEqual([self.large], list(offered(
            self.visitor.dialog(f'{INSTANCES}launch'),
            field_of('mysql', self.version))))

    def test_when_trove_cannot_be_reached_a_list_is_not_known(self):
        self.assertEqual('None None True',
                         self.horizon.python(UNREACHABLE).strip())

    def test_while_the_plugin_fails_a_request_says_so(self):
        instance_id = self.cloud.create_instance(self.large, self.version_id)
        path = f'{INSTANCES}{instance_id}/resize_instance'
        form = self.visitor.dialog(path)
        self.cloud.sql('ALTER TABLE datastore_version_metadata '
                       'RENAME TO elsewhere')
        try:
            answer = self.visitor.send(path, form, new_flavor=self.small)
        finally:
            self.cloud.sql('ALTER TABLE elsewhere RENAME TO '
                           'datastore_version_metadata')
        self.assertTrue(is_closed(answer), answer.text)
        self.assertIn('Trove cannot answer this request at present.',
                      self.visitor.page(INSTANCES).text)

    def test_when_the_policy_forbids_the_list_the_log_says_so(self):
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:flavors:list": "!"\n')
        self.assertOpensAsBefore(self.visitor)
        self.assertIn('HTTP 403', self.horizon.log.read_text())

    def test_an_older_plugin_is_asked_for_each_version(self):
        served = horizon.beside(self.cloud, prefix(), self.unique('horizon'))
        self.addCleanup(served.stop)
        second, name = self.create_version(number='2')
        self.associate(second, self.small)
        instance_id = self.cloud.create_instance(self.large, self.version_id)
        self.cloud.activate_instance(instance_id)
        with older_release.running(self.cloud, older_release.BEFORE_VOLUMES):
            visitor = log_in(self.cloud, served)
            form = visitor.dialog(f'{INSTANCES}launch')
            for version, flavor_id in (self.version, self.large), (
                    name, self.small):
                field = field_of('mysql', version)
                self.assertOffers([flavor_id], form, field)
                self.assertIn(FILTERED, sentence(form, field))
            if served.upgrades:
                form = visitor.dialog(
                    f'{INSTANCES}{instance_id}/upgrade/upgrade_instance/')
                field = 'new_datastore_version'
                # As it was: of all versions, the present one too.
                self.assertLessEqual({self.version_id, second},
                                     set(offered(form, field)))
                self.assertEqual('', sentence(form, field))

    def test_without_the_plugin_they_are_as_before_at_no_cost(self):
        instance_id = self.cloud.create_instance(
            self.large, self.version_id)
        served = horizon.beside(self.cloud, prefix(), self.unique('horizon'))
        self.addCleanup(served.stop)
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.restart('trove')
        try:
            visitor = log_in(self.cloud, served)
            self.assertOpensAsBefore(visitor, is_told=False)
            form = visitor.dialog(f'{INSTANCES}{instance_id}/resize_instance')
            self.assertOffers(
                ['', *(flavor_id for flavor_id in self.of_nova()
                       if flavor_id != self.large)], form, 'new_flavor')
            asked = re.compile(
                r'GET /v1\.0/\w+/(flavors/datastores|instances/\S+/flavors)')
            log = self.cloud.log('trove')
            before = len(asked.findall(log.read_text()))
            self.assertOpensAsBefore(visitor, is_told=False)
            visitor.dialog(f'{INSTANCES}{instance_id}/resize_instance')
            self.assertEqual(before, len(asked.findall(log.read_text())))
            self.assertGreater(before, 0)
        finally:
            self.cloud.check('trove-flavor-filter', 'enable')
            self.cloud.restart('trove')


class OfflineTest(base.FunctionalTestCase):
    """What a deployer runs before any of the cloud is up."""

    def setUp(self) -> None:
        prefix()
        super().setUp()

    def site(self, **kwargs) -> horizon.Horizon:
        # Nobody listens there.
        return horizon.Horizon(
            'http://127.0.0.1:9/v3',
            self.cloud.directory / self.unique('horizon'), prefix(),
            **kwargs)

    def assertSucceeds(self, result) -> str:
        printed = result.stdout + result.stderr
        self.assertEqual(0, result.returncode, printed)
        return printed

    def test_static_files_are_collected_and_compressed(self):
        site = self.site()
        self.assertSucceeds(site.manage('collectstatic', '--noinput',
                                        '--link'))
        self.assertIn('Compressed', self.assertSucceeds(
            site.manage('compress')))

    def test_a_check_succeeds(self):
        self.assertNotIn('offer all flavors', self.assertSucceeds(
            self.site().manage('check')))

    def test_a_check_succeeds_without_trove_dashboard(self):
        self.assertIn(
            'trove-dashboard is missing', self.assertSucceeds(
                self.site(dashboard=False).manage(
                    'check', without='trove_dashboard')))

    def test_a_check_succeeds_where_a_dialog_is_missing(self):
        folder = self.cloud.directory / self.unique('horizon')
        site = horizon.Horizon('http://127.0.0.1:9/v3', folder, prefix())
        (folder / 'without_a_dialog').mkdir()
        (folder / 'without_a_dialog' / '__init__.py').touch()
        (folder / 'without_a_dialog' / 'apps.py').write_text(WITHOUT_A_DIALOG)
        # Before the package's file.
        (folder / 'openstack_dashboard' / 'local' / 'enabled'
         / '_1789_without_a_dialog.py').write_text(
            "FEATURE = 'test'\nADD_INSTALLED_APPS = ['without_a_dialog']\n")
        self.assertIn("unknown release: module 'trove_dashboard",
                      self.assertSucceeds(site.manage('check')))
