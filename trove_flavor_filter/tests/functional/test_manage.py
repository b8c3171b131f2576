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

"""trove-manage in the cloud's environment, after "enable"."""

import concurrent.futures
import csv
import io
import json

import yaml

from trove_flavor_filter.tests.cloud import faults
from trove_flavor_filter.tests.functional import base

ADD = 'datastore-version-flavor-add'
DELETE = 'datastore-version-flavor-delete'
LIST = 'datastore-version-flavor-list'
APPLY = 'datastore-version-flavor-apply'
EXPORT = 'datastore-version-flavor-export'
REQUIRE = 'datastore-version-flavor-require'

# Commands that print, and how they exit when they cannot.
PRINTING = {f'trove-manage {LIST}': 1,
            'trove-flavor-filter enable --dry-run': 1,
            'trove-flavor-filter-status upgrade check': 255}


class ManageTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id = self.create_version()
        self.name = self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id)[0].name

    def test_both_spellings_of_a_list_of_flavors(self):
        one, two, three = (self.create_flavor() for _number in range(3))
        self.manage(ADD, self.version_id, f'{one},{two}', three)
        self.assertEqual(
            sorted((flavor_id, False) for flavor_id in (one, two, three)),
            self.rows(self.version_id))

    def test_adding_again_exits_with_0_and_says_so(self):
        flavor_id = self.create_flavor()
        self.manage(ADD, self.version_id, flavor_id)
        result = self.manage(ADD, f'mysql/{self.name}', flavor_id)
        self.assertIn('already', result.stdout)
        self.assertEqual([(flavor_id, False)], self.rows(self.version_id))

    def test_one_unknown_flavor_and_nothing_is_added(self):
        flavor_id = self.create_flavor()
        result = self.manage(ADD, self.version_id,
                             f'{flavor_id},no-such-flavor', code=1)
        self.assertIn('no-such-flavor', result.stderr)
        self.assertEqual([], self.rows(self.version_id))

    def test_a_name_for_an_id_is_told_the_id(self):
        flavor_id = self.create_flavor(name=self.unique('named'))
        name = self.cloud.nova().flavors.get(flavor_id).name
        result = self.manage(ADD, self.version_id, name, code=1)
        self.assertIn(f'did you mean {flavor_id}', result.stderr)

    def test_no_validate_adds_without_nova(self):
        self.cloud.stop('nova')
        try:
            self.manage(ADD, self.version_id, 'unseen', code=1)
            self.manage(ADD, '--no-validate', self.version_id, 'unseen')
            listed = self.cloud.run('trove-manage', LIST, self.version_id,
                                    '-f', 'json')
        finally:
            self.cloud.start('nova')
        self.assertEqual([('unseen', False)], self.rows(self.version_id))
        self.assertEqual(0, listed.returncode)
        self.assertIn('flavors cannot be listed', listed.stderr)
        self.assertIsNone(json.loads(listed.stdout)[0]['In Nova'])

    def test_deleting_what_is_not_there_deletes_nothing(self):
        one, two = self.create_flavor(), self.create_flavor()
        self.manage(ADD, self.version_id, one, two)
        result = self.manage(DELETE, self.version_id, one, 'no-such',
                             code=1)
        self.assertIn('no-such', result.stderr)
        self.assertNotIn((one, True), self.rows(self.version_id))
        self.manage(DELETE, self.version_id, f'{one},{two}')
        self.assertEqual(sorted([(one, True), (two, True)]),
                         self.rows(self.version_id))

    def test_an_unknown_version_is_told_which_there_are(self):
        for text in (f'mysql/{self.name}x', f'mysql/{self.name[:-1]}',
                     f'MYSQL/{self.name.upper()}', f'mysql/{self.name}é'):
            result = self.manage(ADD, text, 'x', code=1)
            self.assertIn(f'Available: {self.version_id} ', result.stderr)
        for text in ('no-such-version', 'mysql/no-such', 'x' * 300, 'é'):
            result = self.manage(ADD, text, 'x', code=1)
            self.assertRegex(result.stderr, r'Available: [\w-]{36} \(')

    def test_an_ambiguous_name_is_told_the_candidates(self):
        other = self.cloud.create_datastore_version(
            'mysql', self.name, number='8.0.99')
        result = self.manage(LIST, f'mysql/{self.name}', code=1)
        self.assertIn(other, result.stderr)
        self.assertIn(self.version_id, result.stderr)

    def test_wrong_usage_exits_with_2(self):
        for words in ((ADD,), (ADD, self.version_id),
                      (ADD, self.version_id, ''),
                      (ADD, self.version_id, 'a,,b'),
                      (ADD, self.version_id, 'x' * 300),
                      (DELETE, self.version_id), (LIST, 'a', 'b'),
                      (LIST, '-f', 'xml'), ('no-such-command',)):
            self.manage(*words, code=2)

    def test_the_list_has_every_format_and_tells_what_vanished(self):
        flavor_id = self.create_flavor(ram=2048, vcpus=2, disk=7)
        self.manage(ADD, self.version_id, flavor_id)
        self.associate(self.version_id, 'vanished')
        table = self.manage(LIST, self.version_id).stdout
        self.assertIn('| Flavor ID', table)
        rows = json.loads(
            self.manage(LIST, self.version_id, '-f', 'json').stdout)
        self.assertEqual(
            [(flavor_id, flavor_id, 2048, 2, 7, True),
             ('vanished', None, None, None, None, False)],
            [tuple(row[column] for column in (
                'Flavor ID', 'Name', 'RAM', 'vCPUs', 'Disk', 'In Nova'))
             for row in rows])
        self.assertEqual(rows, yaml.safe_load(
            self.manage(LIST, self.version_id, '-f', 'yaml').stdout))
        self.assertEqual(
            [flavor_id, 'vanished'],
            [row['Flavor ID'] for row in csv.DictReader(io.StringIO(
                self.manage(LIST, self.version_id, '-f', 'csv').stdout))])
        self.assertEqual(
            f'{flavor_id}\nvanished\n',
            self.manage(LIST, self.version_id, '-f', 'value', '-c',
                        'Flavor ID').stdout)

    def test_the_list_without_a_version_has_all(self):
        other = self.create_version()
        self.associate(self.version_id, 'a')
        self.associate(other, 'b')
        found = json.loads(self.manage(LIST, '-f', 'json').stdout)
        self.assertLessEqual(
            {(self.version_id, 'a'), (other, 'b')},
            {(row['Datastore Version ID'], row['Flavor ID'])
             for row in found})

    def test_two_admins_at_once_leave_one_row_each(self):
        flavors = [self.create_flavor() for _number in range(3)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(
                lambda _turn: self.manage(ADD, self.version_id, *flavors),
                range(4)))
        self.assertEqual(sorted((flavor_id, False) for flavor_id in flavors),
                         self.rows(self.version_id))

    def test_db_sync_again_changes_nothing(self):
        self.associate(self.version_id, 'a')
        result = self.manage('flavor-filter-db-sync')
        self.assertIn('up to date', result.stdout)
        self.assertEqual([('a', False)], self.rows(self.version_id))

    def test_a_database_that_is_away_is_one_clear_line(self):
        conf = self.cloud.directory / 'away.conf'
        # Of the second, which names no driver, oslo.db has a warning to log.
        for scheme in ('mysql+pymysql', 'postgresql'):
            conf.write_text(f'[database]\nconnection = '
                            f'{scheme}://trove:pencil@127.0.0.1:1/trove\n')
            for words in ((ADD, 'v', 'f'), (DELETE, 'v', 'f'), (LIST,),
                          ('flavor-filter-db-sync',)):
                result = self.manage('--config-file', str(conf), *words,
                                     code=1)
                self.assertIn('The database cannot be used: ', result.stderr)
                self.assertIn('127.0.0.1', result.stderr)
                self.assertIn('un the command again' if 'sync' in words[0]
                              else 'Nothing was changed', result.stderr)
                self.assertNotIn('pencil', result.stderr)

    def test_a_conf_that_is_not_there_is_one_clear_line(self):
        self.manage('--config-file', '/no/such/trove.conf', LIST, code=1)


class UnavailableTest(base.FunctionalTestCase):
    """A command says which service failed, and that nothing was changed."""

    def setUp(self) -> None:
        super().setUp()
        self.version_id = self.create_version()
        self.flavor_id = self.create_flavor()
        self.associate(self.version_id, self.flavor_id)
        self.doors = {name: faults.FaultyDoor(self.cloud.ports[name])
                      for name in ('keystone', 'nova')}
        for door in self.doors.values():
            self.addCleanup(door.close)
        conf = self.cloud.directory / f'{self.unique("doors")}.conf'
        keystone, nova = (f'http://127.0.0.1:{door.port}'
                          for door in self.doors.values())
        conf.write_text(f'[DEFAULT]\nnova_compute_url = {nova}/v2.1\n'
                        f'[service_credentials]\nauth_url = {keystone}/v3\n'
                        f'[flavor_filter]\nnova_timeout = 0.5\n')
        self.options = ('--config-file', str(self.cloud.trove_conf),
                        '--config-file', str(conf))
        declared = self.cloud.directory / self.unique('declared')
        name, = (row.name for row in self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.version_id))
        declared.write_text(f'datastore_versions: {{mysql: {{{name}: '
                            f'{{flavors: [{self.flavor_id}]}}}}}}\n')
        # Those that need Nova, and those that do without it.
        self.needing = ((ADD, self.version_id, self.flavor_id),
                        (APPLY, str(declared)),
                        (LIST, '--flavor', self.flavor_id),
                        (LIST, '--stale'))
        self.asking = ((LIST,), (EXPORT,),
                       (REQUIRE, self.version_id, '--clear'))

    def test_it_names_keystone_or_nova(self):
        for door, mode, text in (
                ('nova', '500', 'HTTP 500'), ('nova', '503', 'HTTP 503'),
                ('nova', faults.REFUSE, 'ConnectFailure'),
                ('keystone', '500', 'HTTP 500'),
                ('keystone', '401', 'HTTP 401'),
                ('keystone', faults.REFUSE, 'ConnectFailure')):
            self.doors[door].misbehave(mode)
            failed = {'nova': 'Nova returned no flavors',
                      'keystone': 'Keystone returned no token'}[door]
            for words in self.needing:
                said = self.manage(*self.options, *words, code=1).stderr
                for part in (failed, text, 'Nothing was changed'):
                    self.assertIn(part, said, words)
                self.assertEqual('--no-validate' in said,
                                 words[0] in (ADD, APPLY), words)
            for words in self.asking:
                said = self.manage(*self.options, *words).stderr
                self.assertIn(f'flavors cannot be listed: {failed}', said)
            self.doors[door].misbehave(faults.PASS)
        self.assertEqual([(self.flavor_id, False)],
                         self.rows(self.version_id))

    def test_it_waits_longer_than_a_request(self):
        for name, door in self.doors.items():
            door.misbehave(faults.SLOW)
            self.manage(*self.options, *self.needing[0])
            door.misbehave(faults.PASS)


class TrovesOwnTest(base.FunctionalTestCase):

    def test_no_room_for_what_is_printed_is_an_error_in_one_line(self):
        for command, code in PRINTING.items():
            result = self.cloud.run('bash', '-c', f'{command} > /dev/full')
            self.assertEqual(code, result.returncode, command)
            self.assertIn('No space left', result.stderr, command)
            self.assertNotIn('Traceback', result.stderr, command)
            self.assertNotIn('ignored', result.stderr, command)

    def test_whoever_reads_may_leave_before_the_end(self):
        for command in PRINTING:
            result = self.cloud.run(
                'bash', '-c', f'set -o pipefail; {command} | true')
            self.assertEqual((141, ''), (result.returncode, result.stdout),
                             command)
            # What is said there may be of rows that others have left.
            for word in ('pipe', 'Traceback', 'Error'):
                self.assertNotIn(word, result.stderr, command)

    def test_help_shows_troves_subcommands_and_ours(self):
        text = self.manage('--help').stdout
        for name in ('db_sync', 'datastore_version_update',
                     'datastore_version_flavor_add', ADD, DELETE, LIST,
                     'flavor-filter-db-sync'):
            self.assertIn(name, text)

    def test_troves_subcommands_work_through_ours(self):
        name = self.unique('store')
        result = self.cloud.run('trove-flavor-filter-manage',
                                'datastore_update', name, '')
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn(f"Datastore '{name}' updated.", result.stdout)
        self.assertEqual(1, len(self.cloud.sql(
            'SELECT id FROM datastores WHERE name = :name', name=name)))

    def test_subcommands_of_trove_show_their_help(self):
        text = self.manage('--help').stdout
        names = text[text.index('{') + 1:text.index('}')].split(',')
        self.assertIn('db_sync', names)
        # Each takes seconds, and all of them go the same way.
        for name in names[::6]:
            self.assertIn(name, self.manage(name, '--help').stdout)

    def test_ours_do_not_import_trove(self):
        result = self.cloud.run(
            'python', '-X', 'importtime', str(self.cloud.bin /
                                              'trove-manage'),
            LIST, '--help')
        self.assertEqual(0, result.returncode, result.stderr)
        imported = {line.rpartition('|')[2].strip()
                    for line in result.stderr.splitlines()}
        self.assertIn('trove_flavor_filter.cmd.manage', imported)
        self.assertNotIn('trove', imported)
        self.assertNotIn('eventlet', imported)

    def test_with_the_plugin_gone_trove_manage_is_troves(self):
        # A module that stands in for the plugin in the search path, and is
        # not there: what an uninstalled plugin looks like to an import.
        folder = self.cloud.directory / 'uninstalled'
        folder.mkdir(exist_ok=True)
        (folder / 'sitecustomize.py').write_text(
            'import sys\n'
            'class Gone:\n'
            '    @staticmethod\n'
            '    def find_spec(name, path=None, target=None):\n'
            '        if name.partition(".")[0] == "trove_flavor_filter":\n'
            '            raise ModuleNotFoundError(name, name=name)\n'
            'sys.meta_path.insert(0, Gone)\n')
        result = self.cloud.run(
            'env', f'PYTHONPATH={folder}',
            str(self.cloud.bin / 'trove-manage'), '--help')
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn('db_sync', result.stdout)
        self.assertNotIn(ADD, result.stdout)
