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

"""What a change is said to do is what it does.

FLAVOR_FILTER_STATES says how many generated states are tried,
FLAVOR_FILTER_STATE_SIZE of how many instances and datastore versions.
"""

import contextlib
import io
import os
import random

import sqlalchemy as sa
import webob

from trove_flavor_filter.cmd import subcommands
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import violations as db_violations
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import test_violations
from trove_flavor_filter.tests.unit import test_wsgi

INSTANCES, VERSIONS = map(int, os.environ.get(
    'FLAVOR_FILTER_STATE_SIZE', '300,6').split(','))
CHANGES = 8


class StatesTest(test_violations.FindTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.table = requirements.Requirements(
            self.database, test_violations.STORAGES)

    def listed(self, state, version_id: str) -> dict[str, dict]:
        """The violations of a version's requirement, by instance."""
        return {each.instance_id: each._asdict() for each in self.finder.all(
            state.flavors, db_violations.Scope(version_id))}

    def allowed(self, state, rows, has_volume: bool) -> list[str]:
        # What is required of volumes that there are not counts for nothing.
        return [flavor.id for flavor in requirement.Requirement.of(
            row for row in rows if has_volume or 'volume' not in row[0]
        ).select(state.flavors)]

    def test_what_is_foretold_is_what_the_list_shows_afterwards(self):
        for number in range(test_violations.STATES):
            chance = random.Random(f'{test_violations.SEED} {number}')
            state = test_violations.State(chance, self, INSTANCES, VERSIONS)
            versions = {version.id: version
                        for version in self.requirements.versions()}
            owners = {row['id']: row['tenant_id'] for row in state.rows}
            for version_id in chance.sample(sorted(versions), min(
                    CHANGES, len(versions))):
                rows = frozenset(state.rule(chance, [
                    flavor.id for flavor in state.flavors]))

                def plan(present, rows=rows, version=versions[version_id]):
                    return {version: rows}

                (change,) = self.requirements.preview(plan, [version_id])
                impact = self.finder.impact(change, state.flavors)
                before = self.listed(state, version_id)
                self.requirements.change(plan, [version_id])
                after = self.listed(state, version_id)
                added = sorted(after.keys() - before.keys())
                self.assertEqual(
                    (len(added), len(before.keys() - after.keys()),
                     len({owners[instance_id] for instance_id in added}),
                     [after[instance_id] for instance_id in added[:100]]),
                    (impact.violations_added, impact.violations_ended,
                     impact.projects,
                     impact.document()['instances']), (number, change))
                has_volume = version_id not in self.table.without_volumes(
                    [version_id])
                was, will = (self.allowed(state, those, has_volume)
                             for those in (change.before, change.after))
                self.assertEqual(
                    ([each for each in will if each not in was],
                     [each for each in was if each not in will]),
                    (impact.flavors_allowed, impact.flavors_refused))
            self.empty()


class MySQLStatesTest(StatesTest):
    backend = 'mysql'


class PostgreSQLStatesTest(StatesTest):
    backend = 'postgresql'


class ApiTest(test_violations.ApiTestCase):

    options = '[redis]\nvolume_support = no\n'

    def put(self, path: str, says: dict, query: str = '', **headers: str):
        request = webob.Request.blank(
            f'/{test_wsgi.PROJECT}/mgmt/{path}?dry_run=true{query}',
            method='PUT', base_url='http://db.example.org/v1.0',
            json=says)
        request.headers.update({
            'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user',
            'Content-Type': 'application/json',
            'X-Project-Id': test_wsgi.PROJECT, 'X-Roles': 'admin', **headers})
        return request.get_response(self.application)

    def one(self, says: dict, **more):
        return self.put(f'datastore-versions/{self.version_id}'
                        f'/flavor-requirement',
                        {'flavor_requirement': says}, **more)

    def test_without_volume_support_a_bound_has_none(self):
        self.execute(sa.insert(models.Instance).values(
            id='i', name='i', tenant_id='p', flavor_id='big', volume_size=5,
            datastore_version_id=self.version_id, task_id=1, deleted=False))
        for manager, count in (('mysql', 1), ('redis', 0)):
            self.execute(sa.update(models.DatastoreVersion).values(
                manager=manager))
            self.assertEqual(count, self.one({'min_volume': 10}).json[
                'impact']['violations_added'])

    def test_of_one_it_is_beside_the_document(self):
        ids = self.create_instances([('small', self.version_id),
                                     ('big', self.version_id)])
        rows = self.rows('min_ram')
        response = self.one({'max_ram': 1024})
        self.assertEqual(200, response.status_int, response.text)
        says = response.json
        self.assertEqual(1024, says['flavor_requirement']['max_ram'])
        (found,) = says['impact'].pop('instances')
        self.assertEqual(
            {'violations_added': 1, 'violations_ended': 1, 'projects': 1,
             'flavors_allowed': ['small'], 'flavors_refused': ['big']},
            says['impact'])
        self.assertIn(found['instance_id'], ids)
        self.assertEqual(200, self.one(
            {}, **{'If-Match': response.headers['ETag']}).status_int)
        self.assertEqual(['requires at most 1024 MiB RAM, has 4096'],
                         found['reasons'])
        self.assertEqual(rows, self.rows('min_ram'))

    def test_without_validation_nova_is_asked_for_the_impact(self):
        self.assertEqual(['small'], self.one(
            {}, query='&validate=false').json['impact']['flavors_allowed'])

    def test_a_condition_holds_in_a_dry_run_too(self):
        self.assertEqual(412, self.one(
            {}, **{'If-Match': '"00000000000000000000000000000000"'}
        ).status_int)

    def test_of_all_it_is_in_each_change(self):
        response = self.put('flavor-requirements', {'flavor_requirements': [
            {'datastore_version_id': self.version_id, 'min_ram': 1},
            {'datastore_version_id': self.other_id, 'min_ram': 1024}]})
        self.assertEqual(
            {self.version_id: (['small'], []), self.other_id: ([], ['small'])},
            {change['datastore_version_id']: (
                change['impact']['flavors_allowed'],
                change['impact']['flavors_refused'])
             for change in response.json['flavor_requirement_changes']})


class CommandTest(test_violations.ApiTestCase):

    def manage(self, command: str, *words: str) -> str:
        """What trove-manage prints, without Nova."""
        conf = self.trove_conf(f'[database]\nconnection = {self.url}\n')
        output = io.StringIO()
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(output)):
            subcommands.run(['trove-manage', '--config-file', conf,
                             f'datastore-version-flavor-{command}', *words])
        return output.getvalue()

    def test_a_dry_run_without_nova_says_so_and_changes_nothing(self):
        rows = self.rows('min_ram')
        for words in (('require', self.version_id, '--min-ram', '1'),
                      ('add', self.version_id, 'x', '--no-validate'),
                      ('copy', self.version_id, self.other_id)):
            said = self.manage(*words, '--dry-run')
            self.assertIn('Warning: flavors cannot be listed: ', said)
            self.assertIn('+   ', said)
        self.assertEqual(rows, self.rows('min_ram'))
