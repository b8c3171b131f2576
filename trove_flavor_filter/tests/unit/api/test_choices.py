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

"""What can be ordered of a datastore, and what an instance can become.

The states are generated. The judges are the list of each version, and the
guard itself.
"""

import json
import random
import time
from urllib import parse
import uuid

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.db import models
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import running
from trove_flavor_filter.tests.unit import test_routes
from trove_flavor_filter.tests.unit import test_wsgi

PROJECT = test_wsgi.PROJECT
SEED = 20261130
STATES = 15

FLAVORS = [flavor._replace(id=f'{flavor.id}{suffix}', ephemeral=ephemeral)
           for flavor in test_routes.FLAVORS
           for suffix, ephemeral in (('', 0), ('-local', 1))]


class StateTestCase(test_routes.RouteTestCase):
    """Datastore versions with generated requirements."""

    options = '[redis]\nvolume_support = no\n'
    policy = '"flavor_filter:bypass": "role:dba"\n'

    def setUp(self) -> None:
        super().setUp()
        self.remember(self.application, FLAVORS)
        self.chance = random.Random(SEED)

    def create_versions(self, count: int = 5) -> list[str]:
        """Versions of the datastore, in place of those that there are."""
        for table in (models.DatastoreVersionMetadata,
                      models.FlavorFilterUpgrade, models.Instance,
                      models.DatastoreVersion):
            self.execute(sa.delete(table))
        found = []
        for _number in range(count):
            version_id = self.create_version(
                self.chance.choice('abc'), uuid.uuid4().hex,
                active=self.chance.random() < .8,
                manager=self.chance.choice(
                    ('mysql', 'mysql', 'redis', 'custom', None)))
            found.append(version_id)
            for key, value, part in (
                    ('min_ram', '2048', .3), ('max_vcpus', '1', .2),
                    ('min_disk', '80', .2), ('extra_spec', 'size=big', .2),
                    ('min_volume', '10', .3), ('max_volume', '20', .2),
                    ('min_volume', '30', .1), ('max_ram', 'x', .05),
                    ('enforcement', 'warn', .1),
                    *(('flavor', flavor.id, .1) for flavor in FLAVORS)):
                if self.chance.random() < part:
                    self.create_row(version_id, value, key)
        return found

    def get(self, path: str, **more):
        response = self.request(f'/{PROJECT}{path}', **more)
        self.assertEqual(200, response.status_int, response.body)
        return response.json


class OfDatastoreTest(StateTestCase):

    def test_it_says_of_each_version_what_its_own_list_says(self):
        for _state in range(STATES):
            versions = self.create_versions(self.chance.randrange(6))
            self.create_row_of_another_datastore()
            name = self.chance.choice(('mysql', 'ds'))
            listed = self.get(f'/flavors/datastores/{name}',
                              roles=self.chance.choice(('member', 'admin')))
            rows = {row.id: row for row in self.execute(sa.select(
                models.DatastoreVersion).where(
                    models.DatastoreVersion.active.is_(True),
                    models.DatastoreVersion.datastore_id == 'ds'))}
            self.assertEqual(
                sorted(rows, key=lambda version_id: (
                    rows[version_id].name, rows[version_id].version)),
                [each['id'] for each in listed['datastore_versions']])
            documents = {}
            for each in listed['datastore_versions']:
                own = self.get(f'/flavors/datastores/versions/{each["id"]}')
                self.assertEqual([flavor['str_id'] for flavor
                                  in own['flavors']], each['flavors'])
                self.assertEqual(own.get('volume'), each.get('volume'))
                self.assertEqual(
                    (rows[each['id']].name, rows[each['id']].version),
                    (each['name'], each['version']))
                documents |= {flavor['str_id']: flavor
                              for flavor in own['flavors']}
            self.assertEqual(
                [documents[flavor.id] for flavor in FLAVORS
                 if flavor.id in documents], listed['flavors'])
            self.assertEqual({*versions} & {*rows}, {*rows})

    def test_it_has_the_volume_types_that_trove_accepts(self):
        ssd, free, local, custom = (self.create_version(
            name, uuid.uuid4().hex, manager=manager) for name, manager in (
                ('a', 'mysql'), ('b', 'mysql'), ('c', 'redis'),
                ('d', 'custom')))
        self.create_row(ssd, '2048', 'min_ram')
        for version_id in ssd, local, custom:
            self.create_row(version_id, 'ssd', 'volume_type')
            self.create_row(version_id, 'fast', 'volume_type')
        self.create_row(free, 'hdd', 'volume_type', deleted=True)
        listed = {each['id']: each for each in self.get(
            '/flavors/datastores/mysql')['datastore_versions']}
        # Redis has no volume support here.
        self.assertEqual(
            [['fast', 'ssd'], None, None, ['fast', 'ssd']],
            [listed[version_id].get('volume_types')
             for version_id in (ssd, free, local, custom)])
        self.assertLess(len(listed[ssd]['flavors']),
                        len(listed[free]['flavors']))
        before = self.request(f'/{PROJECT}/flavors/datastores/mysql')
        self.create_row(free, 'ssd', 'volume_type')
        self.assertEqual(200, self.request(
            f'/{PROJECT}/flavors/datastores/mysql',
            headers={'If-None-Match': before.headers['ETag']}).status_int)

    def test_it_says_why_flavors_are_left_out_if_asked(self):
        self.require_ram('8192')
        path = '/flavors/datastores/mysql'
        for each in self.get(path)['datastore_versions']:
            self.assertNotIn('left_out', each)
        for most in 1, 3, 20:
            for each in self.get(f'{path}?left_out={most}')[
                    'datastore_versions']:
                found = each['left_out']
                self.assertEqual(len(FLAVORS) - len(each['flavors']),
                                 found['count'])
                self.assertEqual(min(most, found['count']),
                                 len(found['flavors']))
                for flavor in found['flavors']:
                    self.assertNotIn(flavor['str_id'], each['flavors'])
        self.assertIn('requires at least 8192 MiB RAM, has ',
                      found['flavors'][0]['reasons'][0])

    def require_ram(self, ram: str) -> None:
        (version_id,) = self.create_versions(1)
        self.execute(sa.update(models.DatastoreVersion).values(active=True))
        self.execute(sa.delete(models.DatastoreVersionMetadata))
        self.create_row(version_id, ram, 'min_ram')

    def test_a_flavor_without_a_disk_for_the_data_has_a_reason_too(self):
        self.create_versions(0)
        self.create_version('a', uuid.uuid4().hex, manager='redis')
        (version,) = self.get('/flavors/datastores/mysql?left_out=20')[
            'datastore_versions']
        self.assertTrue(version['left_out']['flavors'])
        for flavor in version['left_out']['flavors']:
            self.assertEqual(
                ['has no ephemeral disk, on which instances of this version '
                 'store their data'], flavor['reasons'])

    def test_how_many_reasons_must_be_a_number(self):
        for text in '', '0', '21', '-1', 'x', '1.5', '٣', '1' * 5000:
            fault = self.assertFault(
                self.request(f'/{PROJECT}/flavors/datastores/mysql?left_out='
                             f'{parse.quote(text)}'), 400, 'badRequest')
            self.assertIn('must be a number from 1 to 20', fault['message'])

    def create_row_of_another_datastore(self) -> None:
        if self.execute(sa.select(models.Datastore.id).where(
                models.Datastore.id == 'other')) == []:
            self.execute(sa.insert(models.Datastore).values(
                id='other', name='redis'))
        self.create_version('x', uuid.uuid4().hex, datastore_id='other')

    def test_without_active_versions_it_is_empty(self):
        self.execute(sa.update(models.DatastoreVersion).values(active=False))
        for roles in ('member', 'admin'):
            self.assertEqual(
                {'datastore_versions': [], 'flavors': []},
                self.get('/flavors/datastores/mysql', roles=roles))

    def test_a_datastore_that_is_not_there_is_404(self):
        for name in ('redis', 'x' * 300, 'a%00b', '%F0%9F%97%84', ' '):
            fault = self.assertFault(
                self.request(f'/{PROJECT}/flavors/datastores/{name}'),
                404, 'itemNotFound')
            self.assertIn('cannot be found', fault['message'])

    def test_an_id_goes_before_a_name(self):
        self.execute(sa.insert(models.Datastore).values(
            id='other', name='ds'))
        self.create_version('x', datastore_id='other')
        self.assertEqual(
            ['5.7', '8.0'], [each['name'] for each in self.get(
                '/flavors/datastores/ds')['datastore_versions']])

    def test_who_may_not_list_flavors_may_not_list_these(self):
        self.assertFault(self.request(
            f'/{PROJECT}/flavors/datastores/mysql', project='other'),
            403, 'forbidden')
        self.assertFault(self.request(
            f'/{PROJECT}/flavors/datastores/mysql', method='POST'),
            405, 'badMethod')

    def test_the_database_is_asked_once_and_an_unchanged_list_is_304(self):
        path = f'/{PROJECT}/flavors/datastores/mysql'
        tag = self.request(path).headers['ETag']
        seen = self.statements(
            self.application._services.requirements.database)
        response = self.request(path, **{'If-None-Match': tag})
        self.assertEqual((304, b''), (response.status_int, response.body))
        self.assertEqual(1, len(seen), seen)
        self.create_row(self.version_id, '30', 'min_volume')
        self.assertNotEqual(tag, self.request(path).headers['ETag'])

    def test_it_has_changed_if_versions_change_places(self):
        path = f'/{PROJECT}/flavors/datastores/mysql'
        tags = set()
        for one, other in ((0, 1), (1, 0)):
            self.execute(sa.delete(models.DatastoreVersionMetadata))
            self.create_row(self.version_id, FLAVORS[one].id)
            self.create_row(self.other_id, FLAVORS[other].id)
            tags.add(self.request(path).headers['ETag'])
        self.assertEqual(2, len(tags))

    def allowed(self, name: str = 'mysql', project: str = PROJECT
                ) -> dict[str, list[str]]:
        """The ids of the flavors that each version allows."""
        listed = self.request(f'/{project}/flavors/datastores/{name}',
                              project=project).json
        shown = {flavor['str_id'] for flavor in listed['flavors']}
        versions = {each['id']: each['flavors']
                    for each in listed['datastore_versions']}
        self.assertEqual(shown, set().union(*versions.values()))
        return versions

    def test_the_same_requirement_may_leave_other_flavors(self):
        # Instances of Redis have no volume, but an ephemeral disk.
        redis = self.create_version('r', uuid.uuid4().hex, manager='redis')
        custom = self.create_version('c', uuid.uuid4().hex, manager='custom')
        everything = [flavor.id for flavor in FLAVORS]
        for _time in range(2):
            found = self.allowed()
            self.assertEqual([each for each in everything
                              if each.endswith('-local')], found[redis])
            self.assertEqual(everything, found[custom])

    def test_only_a_project_sees_its_private_flavors(self):
        catalog = self.application._services.catalog
        catalog._service_list.last = snapshot.Snapshot(
            time.time(), FLAVORS[:2], private_elsewhere=True)
        for project, private in (('other', ()), (PROJECT, FLAVORS[2:3])):
            catalog._project_flavors._list(project).last = (
                snapshot.PrivateFlavors(time.time(), tuple(
                    (FLAVORS[1].id, flavor) for flavor in private)))
        for project, count in (('other', 2), (PROJECT, 3), ('other', 2),
                               (PROJECT, 3)):
            self.assertEqual(
                [flavor.id for flavor in FLAVORS[:count]],
                self.allowed(project=project)[self.other_id], project)

    def test_no_more_is_cached_than_a_maximum(self):
        self.useFixture(fixtures.MonkeyPatch(
            'trove_flavor_filter.api.flavors.CHOICES', 4))
        known = self.application._services.catalog._service_list.last.choices
        for ram in range(1, 20):
            self.create_row(self.other_id, f'{ram}', 'min_ram')
            self.allowed()
            self.assertLessEqual(len(known), 6)
        self.assertLess(0, len(known))


class MySQLOfDatastoreTest(OfDatastoreTest):
    backend = 'mysql'


class PostgreSQLOfDatastoreTest(OfDatastoreTest):
    backend = 'postgresql'


class OfInstanceTest(StateTestCase):

    def upgrades(self, instance_id: str, **more) -> list[str]:
        return [each['id'] for each in self.get(
            f'/instances/{instance_id}/datastore-versions',
            **more)['datastore_versions']]

    def accepts(self, instance_id: str, version_id: str, roles: str) -> bool:
        """Whether the guard lets an upgrade through; it is undone."""
        records = [tuple(row) for row in self.execute(
            sa.select(models.FlavorFilterUpgrade.__table__))]
        response = self.post(
            f'/instances/{instance_id}', {'instance': {
                'datastore_version': version_id}}, method='PUT',
            **{'X-Roles': roles})
        self.execute(sa.delete(models.FlavorFilterUpgrade))
        if records:
            self.execute(sa.insert(models.FlavorFilterUpgrade), [
                dict(zip(models.FlavorFilterUpgrade.__table__.c.keys(), row))
                for row in records])
        return response.status_int == 200

    def test_it_is_what_the_guard_lets_through(self):
        counts = {True: 0, False: 0}
        for _state in range(STATES):
            versions = self.create_versions()
            # What is on trial passes, and is not listed.
            self.execute(sa.delete(models.DatastoreVersionMetadata).where(
                models.DatastoreVersionMetadata.key == 'enforcement'))
            present = self.chance.choice(versions)
            instance_id = self.create_instance(
                flavor_id=self.chance.choice(
                    (*(flavor.id for flavor in FLAVORS), 'gone', None)),
                volume_size=self.chance.choice((None, 0, 5, 10, 20, 30)),
                datastore_version_id=present,
                task_id=self.chance.choice(
                    (None, 1, 1, 1, running.RESIZING, 0x50)))
            if self.chance.random() < .3:
                self.execute(sa.insert(models.FlavorFilterUpgrade).values(
                    instance_id=instance_id, attempt='x',
                    datastore_version_id=self.chance.choice(versions),
                    target_id=present, created=sa.func.now(),
                    state=self.chance.choice(
                        (running.WATCHED, running.DOUBTED))))
            roles = self.chance.choice(('member', 'member', 'dba'))
            listed = self.upgrades(instance_id, roles=roles)
            for version_id in versions:
                if version_id == present:
                    self.assertNotIn(version_id, listed)
                    continue
                accepted = self.accepts(instance_id, version_id, roles)
                counts[accepted] += 1
                self.assertEqual(accepted, version_id in listed)
        self.assertLess(5, min(counts.values()), counts)

    def test_while_it_is_busy_there_are_none(self):
        instance_id = self.create_instance(task_id=running.UPGRADING)
        self.assertEqual([], self.upgrades(instance_id))

    def test_what_is_on_trial_is_listed_as_if_it_were_in_force(self):
        instance_id = self.create_instance()
        self.create_row(self.other_id, '9999999', 'min_ram')
        self.create_row(self.other_id, 'warn', 'enforcement')
        self.assertEqual([], self.upgrades(instance_id))

    def test_documents_are_troves_own(self):
        instance_id = self.create_instance()
        path = f'/instances/{instance_id}/datastore-versions'
        link = f'/datastores/versions/{self.other_id}'
        expected = {
            'id': self.other_id, 'name': '5.7', 'version': '5.7',
            'links': [
                {'href': f'https://db.example.org:80/v1.0/{PROJECT}{link}',
                 'rel': 'self'},
                {'href': f'https://db.example.org:80{link}',
                 'rel': 'bookmark'}], 'datastore': 'ds'}
        self.assertEqual([expected], self.get(path)['datastore_versions'])
        self.execute(sa.update(models.DatastoreVersion).values(
            image_tags='a,b', packages='p', image_id='i'))
        self.assertEqual([{
            **expected, 'active': True, 'packages': 'p', 'image': 'i',
            'registry_ext': None, 'repl_strategy': None,
            'image_tags': ['a', 'b']}],
            self.get(path, roles='admin')['datastore_versions'])

    def test_another_projects_instance_is_404(self):
        for instance_id in (self.create_instance(tenant_id='other'),
                            self.create_instance(deleted=True),
                            str(uuid.uuid4()), 'x' * 300, 'a%00b'):
            self.assertFault(self.request(
                f'/{PROJECT}/instances/{instance_id}/datastore-versions'),
                404, 'itemNotFound')

    def test_without_the_table_of_upgrades_it_is_503_as_an_upgrade_is(self):
        instance_id = self.create_instance()
        self.execute(sa.text('DROP TABLE flavor_filter_upgrade'))
        path = f'/{PROJECT}/instances/{instance_id}'
        for response in (
                self.request(f'{path}/datastore-versions'),
                self.post(path.removeprefix(f'/{PROJECT}'), {'instance': {
                    'datastore_version': self.other_id}}, method='PUT')):
            fault = self.assertFault(response, 503, 'serviceUnavailable')
            self.assertIn('flavor-filter-db-sync', fault['message'])

    def test_an_unchanged_list_is_304(self):
        path = (f'/{PROJECT}/instances/{self.create_instance()}'
                f'/datastore-versions')
        response = self.request(path)
        self.assertEqual(304, self.request(path, **{
            'If-None-Match': response.headers['ETag']}).status_int)
        self.assertEqual([self.other_id], [
            each['id'] for each in json.loads(response.body)[
                'datastore_versions']])


class MySQLOfInstanceTest(OfInstanceTest):
    backend = 'mysql'


class PostgreSQLOfInstanceTest(OfInstanceTest):
    backend = 'postgresql'


class RuleTest(StateTestCase):

    policy = ('"flavor_filter:instances:datastore_versions": "role:dba"\n'
              '"flavor_filter:flavors:list": "role:dba"\n')

    def test_its_rule_decides(self):
        path = f'/instances/{self.create_instance()}/datastore-versions'
        fault = self.assertFault(
            self.request(f'/{PROJECT}{path}'), 403, 'forbidden')
        self.assertIn('flavor_filter:instances:datastore_versions',
                      fault['message'])
        self.get(path, roles='dba')

    def test_the_rule_of_a_versions_list_decides(self):
        path = '/flavors/datastores/mysql'
        fault = self.assertFault(
            self.request(f'/{PROJECT}{path}'), 403, 'forbidden')
        self.assertIn('flavor_filter:flavors:list', fault['message'])
        self.get(path, roles='dba')
