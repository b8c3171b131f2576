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

"""The playbook, run by the real ansible-core on the small cloud."""

import importlib.util
import pathlib
import re
import sys

from trove_flavor_filter.tests.functional import base

PLAYBOOK = (pathlib.Path(__file__).parents[3]
            / 'contrib' / 'ansible' / 'trove-flavor-filter.yml')

ENABLE = 'Enable the plugin'
SYNC = 'Upgrade the database tables'
APPLY = 'Apply the file of flavor requirements'
RESTART = 'Restart trove-api'


class PlaybookTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        if importlib.util.find_spec('ansible') is None:
            self.skipTest('ansible-core is not installed')
        # What comes after this test finds the plugin in its place.
        self.addCleanup(self.cloud.enable)
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.sql('DROP TABLE flavor_filter_alembic_version')
        self.restarted = self.cloud.directory / self.unique('restarted')
        self.flavors = self.cloud.directory / self.unique('flavors')

    def declare(self, version: str, ram: int) -> None:
        self.flavors.write_text(
            f'datastore_versions:\n  mysql:\n    {version}:\n'
            f'      min_ram: {ram}\n')

    def play(self, *options: str, code: int = 0) -> tuple[str, set[str]]:
        """Run the playbook: what it prints, and the tasks that changed."""
        variables = {
            'trove_api_hosts': 'localhost', 'trove_bin': self.cloud.bin,
            'trove_conf': self.cloud.trove_conf,
            'trove_flavor_filter_requirements': self.flavors,
            'trove_api_restart': f'touch {self.restarted}'}
        result = self.cloud.run(
            'env', 'LC_ALL=C.UTF-8', 'ANSIBLE_NOCOLOR=1',
            'ansible-playbook', '--connection', 'local', '--inventory',
            'localhost,', '--skip-tags', 'install',
            *(word for name, value in variables.items()
              for word in ('--extra-vars', f'{name}="{value}"')),
            '--extra-vars', f'ansible_python_interpreter={sys.executable}',
            *options, str(PLAYBOOK))
        self.assertEqual(code, result.returncode,
                         result.stdout + result.stderr)
        changed, task = set(), ''
        for line in result.stdout.splitlines():
            header = re.match(r'(?:TASK|RUNNING HANDLER) \[(.*)\] \*', line)
            if header:
                task = header[1]
            elif line.startswith('changed: '):
                changed.add(task)
        return result.stdout, changed

    def test_the_second_run_changes_nothing(self):
        version_id = self.create_version()
        name, = (row.name for row in self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=version_id))
        self.declare(name, 1024)
        small, large = self.create_flavor(), self.create_flavor(ram=2048)

        # Nothing is there yet, and looking leaves it so.
        text, _changed = self.play('--check')
        self.assertIn('changed: [localhost]', text)
        self.assertFalse(self.restarted.exists())
        self.assertNotIn('flavor_filter', self.cloud.paste_ini.read_text())

        text, changed = self.play()
        self.assertEqual({ENABLE, SYNC, APPLY, RESTART}, changed, text)
        self.assertTrue(self.restarted.exists())
        self.cloud.restart('trove')
        listed = {flavor['str_id'] for flavor in self.listed(version_id)}
        self.assertIn(large, listed)
        self.assertNotIn(small, listed)

        self.restarted.unlink()
        text, changed = self.play()
        self.assertEqual(set(), changed, text)
        self.assertRegex(text, r'localhost .* changed=0 .* failed=0 ')
        self.assertFalse(self.restarted.exists())

        # Another minimum is one change, and no reason to restart anything.
        self.declare(name, 4096)
        text, changed = self.play()
        self.assertEqual({APPLY}, changed, text)
        self.assertFalse(self.restarted.exists())

    def test_a_file_that_is_refused_fails_the_play(self):
        self.flavors.write_text('datastore_versions: {mysql: {none: {}}}\n')
        text, changed = self.play(code=2)
        self.assertIn('nothing was changed', text)
        self.assertNotIn(APPLY, changed)
