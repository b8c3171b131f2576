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

"""What the dialogs offer is what Trove accepts, and nothing else is.

Trove's API is the judge, with the same user's token.
"""

import json
import random
import typing
import uuid

from lxml import html

from trove_flavor_filter.tests.functional import test_dashboard

SEED = 20261130

# Where a user picks a flavor, a datastore version, or the size or the type of
# a volume: field by form, and the test that compares it with Trove. The
# flavors of a version are fields that a form makes for each version.
PLACES = {
    'SetInstanceDetailsAction': {
        'datastore': 'VersionsTest.test_launch',
        'volume': 'VolumesTest.test_sizes_of_launch',
        'volume_type': 'VolumesTest.test_types_of_launch',
        'a flavor for each version': 'FlavorsTest.test_launch'},
    'LaunchForm': {
        'datastore': 'VersionsTest.test_launch_cluster',
        'volume': 'VolumesTest.test_sizes_of_launch_cluster',
        'a flavor for each version': 'FlavorsTest.test_launch_cluster'},
    'ClusterAddInstanceForm': {
        'flavor': 'FlavorsTest.test_grow_cluster',
        'volume': 'VolumesTest.test_sizes_of_grow_cluster'},
    'CreateConfigurationForm': {
        'datastore': 'VersionsTest.test_configuration_group'},
    'ResizeInstanceForm': {'new_flavor': 'FlavorsTest.test_resize'},
    'ResizeVolumeForm': {'new_size': 'VolumesTest.test_sizes_of_resize'},
    'UpgradeInstanceForm': {
        'new_datastore_version': 'VersionsTest.test_upgrade'},
}

# Fields with such a name where nothing of the kind is picked.
OTHERS = {
    # What the instance has; they cannot be changed.
    ('ResizeInstanceForm', 'old_flavor_name'),
    ('ResizeVolumeForm', 'orig_size'),
    ('UpgradeInstanceForm', 'old_datastore_version'),
    # The role of the instance in its cluster.
    ('ClusterAddInstanceForm', 'type'),
}

# All forms of trove-dashboard, with the fields of each.
FORMS = """
import importlib, json, pkgutil
import django
django.setup()
from django import forms
from trove_dashboard import content

for module in pkgutil.walk_packages(content.__path__, content.__name__ + '.'):
    if not module.name.endswith('tests'):
        importlib.import_module(module.name)

def below(form):
    for each in form.__subclasses__():
        yield each
        yield from below(each)

print(json.dumps({
    form.__name__: [*form.base_fields] for form in below(forms.Form)
    if form.__module__.startswith(content.__name__)}))
"""


class PlacesTest(test_dashboard.DashboardTestCase):

    def test_each_field_of_trove_dashboard_is_compared_with_trove(self):
        found = json.loads(self.horizon.python(FORMS))
        picked = {
            (form, field) for form, fields in found.items()
            for field in fields
            if any(word in field for word in (
                'flavor', 'datastore', 'version', 'volume', 'size', 'type'))}
        missing = set() if self.horizon.upgrades else {'UpgradeInstanceForm'}
        self.assertEqual(missing, PLACES.keys() - found.keys())
        self.assertEqual(picked - OTHERS, {
            (form, field) for form, fields in PLACES.items()
            for field in fields
            if form in found and not field.startswith('a ')})
        for test in {test for fields in PLACES.values()
                     for test in fields.values()}:
            case, _dot, name = test.partition('.')
            self.assertTrue(hasattr(globals()[case], name), test)


class ChoicesTestCase(test_dashboard.DashboardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.chance = random.Random(SEED)

    def assertAccepted(self, body: dict[str, typing.Any], path: str,
                       is_offered: bool, method: str = 'POST') -> None:
        """Trove accepts what a dialog offers, and refuses what it does not."""
        answer = self.cloud.trove(path, method, json=body)
        self.assertEqual(is_offered, answer.status_code in (200, 202), (
            f'{"" if is_offered else "not "}offered, and Trove answers '
            f'{answer.status_code} to {body}: {answer.text}'))
        # Not for a reason of Trove's own.
        self.assertIn(answer.status_code, (200, 202, 400), answer.text)

    def all_flavors(self) -> list[str]:
        """Ids of the flavors that the user or Trove's own project can see.

        Trove accepts a private flavor of another project as well, and no
        list shows it.
        """
        return list(dict.fromkeys(
            flavor['id'] for user in ('demo', 'trove')
            for flavor in self.cloud.session(user).get(
                f'{self.cloud.nova_url}/flavors/detail').json()['flavors']))

    def create_some_flavors(self) -> None:
        for ram, vcpus in (1024, 1), (2048, 2), (4096, 2):
            self.create_flavor(ram=ram, vcpus=vcpus)
        for project in 'trove', 'demo', 'other':
            self.create_flavor(ram=2048, projects=(project,))

    def require_something(self, version_id: str) -> None:
        """Let a version require one thing or another."""
        options = self.chance.choice((
            ('--min-ram', '1024'), ('--max-ram', '2048'),
            ('--min-vcpus', '2'), ('--min-ram', '2048', '--max-vcpus', '3')))
        if self.chance.random() < .7:
            self.require(version_id, *options)
        if self.chance.random() < .4:
            self.associate(version_id, *self.chance.sample(
                self.all_flavors(), 4))

    def new_instance(self, flavor_id: str, version_id: str, datastore: str,
                     **more: typing.Any) -> dict[str, typing.Any]:
        return {'instance': {
            'name': self.unique('db'), 'flavorRef': flavor_id,
            'datastore': {'type': datastore, 'version': version_id}} | more}

    def new_cluster(self, flavor_id: str, version_id: str,
                    **more: typing.Any) -> dict[str, typing.Any]:
        return {'cluster': {
            'name': self.unique('cluster'),
            'datastore': {'type': 'mariadb', 'version': version_id},
            'instances': [{'flavorRef': flavor_id, 'volume': {'size': 1}}
                          | more] * 3}}

    def grow(self, flavor_id: str, **more: typing.Any
             ) -> dict[str, typing.Any]:
        return {'grow': [{'flavorRef': flavor_id, 'volume': {'size': 1}}
                         | more]}

    def be_idle(self, table: str, row_id: str) -> None:
        self.cloud.sql(f'UPDATE {table} SET task_id = 1 WHERE id = :id',
                       id=row_id)


class FlavorsTest(ChoicesTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.create_some_flavors()

    def compare(self, datastore: str, path: str, resource: str,
                new: typing.Callable[..., dict[str, typing.Any]]) -> None:
        versions = [self.create_version(datastore) for _number in range(3)]
        for version_id, _name in versions:
            self.require_something(version_id)
        form = self.visitor.dialog(path)
        for version_id, name in versions:
            offers = test_dashboard.offered(
                form, test_dashboard.field_of(datastore, name))
            for flavor_id in self.all_flavors():
                self.assertAccepted(new(flavor_id, version_id), resource,
                                    flavor_id in offers)

    def test_launch(self):
        self.compare(
            'mysql', f'{test_dashboard.INSTANCES}launch', '/instances',
            lambda *target: self.new_instance(*target, 'mysql'))

    def test_launch_cluster(self):
        self.compare('mariadb', f'{test_dashboard.CLUSTERS}launch',
                     '/clusters', self.new_cluster)

    def test_grow_cluster(self):
        version_id, _name = self.create_version('mariadb')
        cluster_id = self.create_cluster(version_id)
        self.require(version_id, '--min-ram', '2048')
        offers = test_dashboard.offered(self.visitor.dialog(
            f'{test_dashboard.CLUSTERS}{cluster_id}/add_instance'), 'flavor')
        for flavor_id in self.all_flavors():
            self.assertAccepted(self.grow(flavor_id),
                                f'/clusters/{cluster_id}', flavor_id in offers)
            self.be_idle('clusters', cluster_id)

    def test_resize(self):
        version_id, _name = self.create_version()
        instance_id = self.cloud.create_instance(self.small, version_id)
        self.cloud.activate_instance(instance_id)
        self.require(version_id, '--min-ram', '1024', '--max-ram', '4096')
        offers = test_dashboard.offered(self.visitor.dialog(
            f'{test_dashboard.INSTANCES}{instance_id}/resize_instance'),
            'new_flavor')
        for flavor_id in self.all_flavors():
            self.assertAccepted(
                {'resize': {'flavorRef': flavor_id}},
                f'/instances/{instance_id}/action', flavor_id in offers)
            self.be_idle('instances', instance_id)


class VersionsTest(ChoicesTestCase):

    def create_versions(self, datastore: str) -> list[str]:
        """Two of one name, another one, and one that is not active."""
        first, name = self.create_version(datastore, number='1')
        second, _name = self.create_version(datastore, name, number='2')
        gone, _name = self.create_version(datastore)
        self.deactivate(gone)
        return [first, second, self.create_version(datastore)[0], gone]

    def offered_versions(self, choices: typing.Iterable[str],
                         versions: list[str]) -> list[str]:
        """Those of the versions that a dialog offers, in its words."""
        rows = {row.id: row.name for row in self.cloud.sql(
            'SELECT id, name FROM datastore_versions')}
        offered = [choice for choice in choices if choice]
        self.assertEqual(len(offered), len({*offered}))
        return [version for version in offered if any(
            version in (version_id, rows[version_id])
            for version_id in versions)]

    def compare(self, choices: list[str],
                body: typing.Callable[[str], dict[str, typing.Any]],
                path: str, versions: list[str]) -> None:
        offered = self.offered_versions(choices, versions)
        self.assertEqual(3, len(offered))
        for version in offered:
            self.assertAccepted(body(version), path, True)
        # A configuration group may be for a version that is not active, too.
        if path != '/configurations':
            self.assertIn(self.cloud.trove(path, 'POST', json=body(
                versions[-1])).status_code, (400, 404))

    def test_launch(self):
        versions = self.create_versions('mysql')
        self.compare(
            self.choices(f'{test_dashboard.INSTANCES}launch'),
            lambda version: self.new_instance(self.large, version, 'mysql'),
            '/instances', versions)

    def test_launch_cluster(self):
        versions = self.create_versions('mariadb')
        self.compare(
            self.choices(f'{test_dashboard.CLUSTERS}launch'),
            lambda version: self.new_cluster(self.large, version),
            '/clusters', versions)

    def choices(self, path: str) -> list[str]:
        """The versions that a dialog offers, of all datastores."""
        offered = test_dashboard.offered(self.visitor.dialog(path),
                                         'datastore')
        return [bytes.fromhex(value).decode().partition(' - ')[2]
                for value in offered]

    def test_configuration_group(self):
        versions = self.create_versions('mysql')
        path = '/project/database_configurations/create'
        form = self.visitor.dialog(path)
        choices = {option.get('value'): option.text for option in form.xpath(
            './/select[@name="datastore"]//option')}
        self.compare(
            [value.partition(',')[2] for value in choices],
            lambda version: {'configuration': {
                'name': 'group', 'values': {}, 'datastore': {
                    'type': 'mysql', 'version': version}}},
            '/configurations', versions)
        name = self.unique('group')
        answer = self.visitor.send(path, form, name=name,
                                   datastore=f'mysql,{versions[1]}')
        self.assertTrue(test_dashboard.is_closed(answer), answer.text)
        (row,) = self.cloud.sql(
            'SELECT datastore_version_id FROM configurations '
            'WHERE name = :name', name=name)
        self.assertEqual(versions[1], row.datastore_version_id)
        self.assertTrue(
            choices[f'mysql,{versions[1]}'].endswith(' (number 2)'), choices)

    def test_a_datastore_may_have_a_hyphen_in_its_name(self):
        datastore = self.unique('percona')
        version_id = self.cloud.create_datastore_version(datastore, '8.0')
        self.addCleanup(self.deactivate, version_id)
        self.associate(version_id, self.large)
        path = f'{test_dashboard.INSTANCES}launch'
        field = test_dashboard.field_of(datastore, '8.0')
        form = self.visitor.dialog(path)
        self.assertEqual([self.large],
                         list(test_dashboard.offered(form, field)))
        name = self.unique('db')
        answer = self.visitor.send(path, form, **{
            'name': name, 'datastore': field, field: self.large,
            'volume': '0', 'network': test_dashboard.shared_network()})
        self.assertTrue(test_dashboard.is_closed(answer), answer.text)
        self.assertEqual(self.large, self.instances()[name])

    def test_a_dialog_opens_whatever_a_datastore_is_called(self):
        datastore = f'{self.unique("percona")} - server'
        version_id = self.cloud.create_datastore_version(datastore, '8.0')
        self.addCleanup(self.deactivate, version_id)
        self.associate(version_id, self.large)
        form = self.visitor.dialog(f'{test_dashboard.INSTANCES}launch')
        field = test_dashboard.field_of(datastore, '8.0')
        self.assertEqual([self.large],
                         list(test_dashboard.offered(form, field)))
        self.assertIn(test_dashboard.FILTERED,
                      test_dashboard.sentence(form, field))

    def test_upgrade(self):
        if not self.horizon.upgrades:
            self.skipTest('This trove-dashboard has no dialog for upgrades')
        datastore = self.unique('datastore')
        versions = [self.cloud.create_datastore_version(datastore, name)
                    for name in 'abcdef']
        for version_id in versions:
            self.addCleanup(self.deactivate, version_id)
        instance_id = self.cloud.create_instance(
            self.small, versions[0], datastore=datastore)
        self.cloud.activate_instance(instance_id)
        self.require(versions[1], '--min-ram', '1024')
        self.associate(versions[2], self.large)
        self.associate(versions[3], self.small)
        self.require(versions[4], '--max-ram', '512')
        offers = test_dashboard.offered(self.visitor.dialog(
            f'{test_dashboard.INSTANCES}{instance_id}/upgrade/'
            f'upgrade_instance/'), 'new_datastore_version')
        for version_id in versions[1:]:
            self.assertAccepted(
                {'instance': {'datastore_version': version_id}},
                f'/instances/{instance_id}', version_id in offers, 'PATCH')
            self.cloud.sql(
                'UPDATE instances SET task_id = 1, datastore_version_id = '
                ':version WHERE id = :id', id=instance_id,
                version=versions[0])
            self.cloud.sql('DELETE FROM flavor_filter_upgrade '
                           'WHERE instance_id = :id', id=instance_id)


class VolumesTest(ChoicesTestCase, test_dashboard.VolumesTestCase):

    def compare(self, path: str, form: html.FormElement, field: str,
                fields: dict[str, str],
                accept: typing.Callable[[int, bool], None]) -> None:
        """Compare sizes that a dialog takes with those that Trove accepts.

        :param fields: of the dialog
        :param accept: asks Trove, which is to accept the size, or not to
        """
        taken = []
        for size in (1, 2, 3, 8, 9):
            answer = self.visitor.send(path, form, **fields | {
                field: str(size)})
            is_taken = test_dashboard.is_closed(answer)
            if not is_taken:
                self.assertEqual(
                    ['The volume must have 3 to 8 GiB.'],
                    test_dashboard.errors_of(answer, field))
            accept(size, is_taken)
            taken += [size] * is_taken
        self.assertEqual([3, 8], taken)

    def bounded(self, datastore: str) -> tuple[str, str]:
        version_id, name = self.create_version(datastore)
        self.require(version_id, '--min-volume', '3', '--max-volume', '8')
        return version_id, test_dashboard.field_of(datastore, name)

    def test_sizes_of_launch(self):
        # Of another version, any size will do.
        self.create_version()
        version_id, field = self.bounded('mysql')
        path = f'{test_dashboard.INSTANCES}launch'
        self.compare(
            path, self.visitor.dialog(path), 'volume', {
                'name': 'db', 'datastore': field, field: self.large,
                'network': test_dashboard.shared_network()},
            lambda size, is_taken: self.assertAccepted(
                self.new_instance(self.large, version_id, 'mysql',
                                  volume={'size': size}),
                '/instances', is_taken))

    def test_sizes_of_launch_cluster(self):
        self.create_version('mariadb')
        version_id, field = self.bounded('mariadb')
        path = f'{test_dashboard.CLUSTERS}launch'
        self.compare(
            path, self.visitor.dialog(path), 'volume', {
                'name': 'cluster', 'datastore': field, field: self.large},
            lambda size, is_taken: self.assertAccepted(
                self.new_cluster(self.large, version_id,
                                 volume={'size': size}),
                '/clusters', is_taken))

    def test_sizes_of_grow_cluster(self):
        version_id, _field = self.bounded('mariadb')
        cluster_id = self.create_cluster(version_id)
        path = f'{test_dashboard.CLUSTERS}{cluster_id}/add_instance'
        form = self.visitor.dialog(path)
        volume = form.inputs['volume']
        self.assertEqual(('3', '8'), (volume.get('min'), volume.get('max')))

        def accept(size: int, is_taken: bool) -> None:
            self.assertAccepted(self.grow(self.large, volume={'size': size}),
                                f'/clusters/{cluster_id}', is_taken)
            self.be_idle('clusters', cluster_id)

        self.compare(path, form, 'volume', {'flavor': self.large}, accept)

    def test_sizes_of_resize(self):
        version_id, _name = self.create_version()
        answer = self.cloud.trove('/instances', 'POST', json=self.new_instance(
            self.large, version_id, 'mysql', volume={'size': 1}))
        instance_id = answer.json()['instance']['id']
        self.cloud.activate_instance(instance_id)
        path = f'{test_dashboard.INSTANCES}{instance_id}/resize_volume'
        self.assertEqual('2', self.visitor.dialog(
            path).inputs['new_size'].get('min'))
        self.require(version_id, '--min-volume', '3', '--max-volume', '8')
        form = self.visitor.dialog(path)
        answer = self.visitor.send(path, form, new_size='1')
        self.assertIn('must be greater than current size', answer.text)
        taken = []
        for size in (2, 3, 8, 9):
            answer = self.visitor.send(path, form, new_size=str(size))
            is_taken = test_dashboard.is_closed(answer)
            self.be_idle('instances', instance_id)
            self.assertAccepted({'resize': {'volume': {'size': size}}},
                                f'/instances/{instance_id}/action', is_taken)
            self.be_idle('instances', instance_id)
            taken += [size] * is_taken
        self.assertEqual([3, 8], taken)

    def create_type(self) -> dict[str, str]:
        return self.cloud.session('admin').post(
            f'{self.cloud.cinder_url}/types', json={
                'volume_type': {'name': self.unique('type')}}
        ).json()['volume_type']

    def associate_types(self, version_id: str, *types: str) -> None:
        """Rows as Trove's own commands write them."""
        for value in types:
            self.cloud.sql(
                f'INSERT INTO datastore_version_metadata (id, '
                f'datastore_version_id, {self._key()}, value, created, '
                f'deleted) VALUES (:id, :version, :key, :value, :created, '
                f':deleted)', id=str(uuid.uuid4()), version=version_id,
                key='volume_type', value=value, deleted=False,
                created='2026-01-01 00:00:00')

    def test_types_of_launch(self):
        first, second, third = (self.create_type() for _number in range(3))
        versions = [self.create_version() for _number in range(3)]
        free, limited, none = versions
        # By its name, and by its id.
        self.associate_types(limited[0], first['name'], second['id'])
        self.associate_types(none[0], self.unique('gone'))
        path = f'{test_dashboard.INSTANCES}launch'
        form = self.visitor.dialog(path)
        everything = [first['name'], second['name'], third['name'], 'no_type']
        offered_of = {}
        for version_id, name in versions:
            field = test_dashboard.field_of('mysql', name)
            offers = offered_of[version_id] = test_dashboard.offered(
                form, self.shown(form, field))
            for volume_type in everything:
                volume = {'size': 1}
                if volume_type != 'no_type':
                    volume['type'] = volume_type
                self.assertAccepted(
                    self.new_instance(self.large, version_id, 'mysql',
                                      volume=volume),
                    '/instances', volume_type in offers)
        self.assertLessEqual({*everything}, {*offered_of[free[0]]})
        self.assertEqual({first['name'], second['name']},
                         {*offered_of[limited[0]]})
        self.assertEqual({'': 'No volume type is allowed'},
                         offered_of[none[0]])
        self.launch_with(form, path, limited, second['name'])
        field = test_dashboard.field_of('mysql', none[1])
        answer = self.visitor.send(path, form, **{
            'name': 'db', 'datastore': field, field: self.large,
            'network': test_dashboard.shared_network()})
        self.assertEqual(
            ['No volume type is allowed for this datastore version. Choose '
             'another version, or ask an administrator.'],
            test_dashboard.errors_of(answer, self.shown(form, field)))

    def test_a_replica_needs_no_type(self):
        version_id, name = self.create_version()
        self.associate_types(version_id, self.unique('gone'))
        path = f'{test_dashboard.INSTANCES}launch'
        form, field = self.visitor.dialog(path), (
            test_dashboard.field_of('mysql', name))
        answer = self.visitor.send(path, form, **{
            'name': '', 'datastore': field, field: self.large,
            'initial_state': 'master'})
        self.assertTrue(test_dashboard.errors_of(answer, 'name'))
        self.assertFalse(test_dashboard.form_of(answer).xpath(
            './/*[contains(@class, "has-error")][.//*[@name=$name]]',
            name=self.shown(form, field)))

    def test_types_of_versions_that_are_not_chosen_are_no_error(self):
        before, after = self.create_type(), self.create_type()
        free, other = (self.create_version() for _number in range(2))
        self.associate_types(other[0], before['name'])
        path = f'{test_dashboard.INSTANCES}launch'
        form = self.visitor.dialog(path)
        field, hidden = (test_dashboard.field_of('mysql', name)
                         for _version_id, name in (free, other))
        self.cloud.sql('DELETE FROM datastore_version_metadata '
                       'WHERE datastore_version_id = :id', id=other[0])
        self.associate_types(other[0], after['name'])
        # As a browser sends it, and without a name: it is shown again.
        answer = self.visitor.send(path, form, **{
            'name': '', 'datastore': field, field: self.large,
            self.shown(form, hidden): before['name']})
        self.assertTrue(test_dashboard.errors_of(answer, 'name'))
        self.assertFalse(test_dashboard.form_of(answer).xpath(
            './/*[contains(@class, "has-error")][.//*[@name=$name]]',
            name=self.shown(form, hidden)))

    def launch_with(self, form: html.FormElement, path: str,
                    version: tuple[str, str], volume_type: str) -> None:
        """The dialog sends the type of the version that is chosen."""
        field, name = test_dashboard.field_of('mysql', version[1]), (
            self.unique('db'))
        answer = self.visitor.send(path, form, **{
            'name': name, 'datastore': field, field: self.large,
            self.shown(form, field): volume_type,
            'network': test_dashboard.shared_network()})
        self.assertTrue(test_dashboard.is_closed(answer), answer.text)
        self.assertEqual(self.large, self.instances()[name])

    def shown(self, form: html.FormElement, version: str) -> str:
        """The field of volume types that Horizon shows for a version."""
        found = form.xpath(
            f'.//select[starts-with(@name, "volume_type")]'
            f'[not(@data-switch-on) or @data-datastore-{version}]/@name')
        self.assertEqual(1, len(found), found)
        return found[0]
