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

"""The devstack plugin, phase by phase, on the small cloud."""

import pathlib
import shlex
import subprocess

import fixtures

from trove_flavor_filter.tests.functional import base

ROOT = pathlib.Path(__file__).parents[3]

# As much of devstack's own functions as the plugin calls.
DEVSTACK = '''
set -o errexit -o pipefail
function define_plugin { :; }
function plugin_requires { :; }
function get_python_exec_prefix { echo "$TROVE_BIN_DIR"; }
function is_service_enabled { [[ ",$ENABLED_SERVICES," == *",$1,"* ]]; }
function echo_summary { echo "$@"; }
function setup_develop { test -f "$1/setup.cfg"; echo "developing $1"; }
function sudo { "$@"; }
source "$TROVE_FLAVOR_FILTER_CHECKOUT/settings"
set -o xtrace
source "$TROVE_FLAVOR_FILTER_CHECKOUT/plugin.sh" "$@"
# What devstack has traced before is traced after.
[[ $- == *x* ]]
'''


class DevstackTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        # The shared cloud has the plugin in; tests after this one want that.
        self.addCleanup(self.cloud.check, 'trove-manage',
                        'flavor-filter-db-sync')
        self.addCleanup(self.cloud.check, 'trove-flavor-filter', 'enable')
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.sql('DROP TABLE flavor_filter_alembic_version')
        self.cloud.sql('DROP TABLE flavor_filter_revision')
        self.destination = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.destination.joinpath('trove-flavor-filter').symlink_to(ROOT)
        self.files = (self.cloud.paste_ini, self.cloud.bin / 'trove-manage')
        self.originals = self.contents()

    def contents(self) -> list[bytes]:
        return [file.read_bytes() for file in self.files]

    def phase(self, *words: str, services: str = 'key,tr-api,tr-tmgr',
              **settings: str) -> str:
        """Source the plugin as devstack does, and see that it succeeds.

        :param settings: over what Trove's plugin would have set
        """
        known = {
            'DEST': self.destination, 'ENABLED_SERVICES': services,
            'TROVE_FLAVOR_FILTER_CHECKOUT': ROOT / 'devstack',
            'TROVE_BIN_DIR': self.cloud.bin,
            'TROVE_MANAGE': self.cloud.bin / 'trove-manage',
            'TROVE_CONF': self.cloud.trove_conf,
            'TROVE_API_PASTE_INI': self.cloud.paste_ini} | settings
        assignments = ''.join(
            f'{name}={shlex.quote(str(value))}\n'
            for name, value in known.items())
        result = subprocess.run(
            ['bash', '-c', assignments + DEVSTACK, 'stack.sh', *words],
            env=self.cloud.environment(), cwd=self.destination, text=True,
            capture_output=True)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def stack(self) -> None:
        for name in ('pre-install', 'install', 'post-config', 'extra',
                     'test-config'):
            self.phase('stack', name)

    def status(self) -> int:
        """What the route answers, once trove-api was started anew."""
        self.cloud.restart('trove')
        version_id = self.create_version()
        return self.cloud.trove(
            f'/flavors/datastores/versions/{version_id}').status_code

    def test_the_checkout_is_installed_before_it_is_configured(self):
        self.assertIn(f'developing {self.destination}/trove-flavor-filter\n',
                      self.phase('stack', 'install'))
        self.assertEqual(self.originals, self.contents())

    def test_a_stacked_cloud_answers_the_route(self):
        self.addCleanup(self.cloud.enable)
        self.assertEqual(404, self.status())
        self.stack()
        self.assertEqual(200, self.status())
        self.manage('datastore-version-flavor-list')
        self.assertIn(
            'up to date', self.manage('flavor-filter-db-sync').stdout)

    def test_stacking_again_changes_nothing(self):
        self.stack()
        stacked = self.contents()
        self.stack()
        self.assertEqual(stacked, self.contents())

    def test_unstack_and_clean_give_back_the_files_byte_for_byte(self):
        for word in ('unstack', 'clean'):
            self.stack()
            self.assertNotIn(self.originals[0], self.contents())
            self.assertNotIn(self.originals[1], self.contents())
            self.phase(word)
            self.assertEqual(self.originals, self.contents())
        # clean.sh comes after unstack.sh.
        self.phase('clean')
        self.assertEqual(self.originals, self.contents())

    def test_unstack_does_without_the_configuration_that_trove_removed(self):
        self.stack()
        self.addCleanup(self.cloud.paste_ini.write_bytes, self.originals[0])
        self.cloud.paste_ini.unlink()
        self.phase('unstack')
        self.assertEqual(self.originals[1], self.files[1].read_bytes())
        self.assertFalse(self.cloud.paste_ini.exists())

    def test_clean_does_without_a_plugin_that_was_never_installed(self):
        empty = self.destination / 'bin'
        empty.mkdir()
        self.phase('clean', TROVE_BIN_DIR=str(empty))
        self.assertEqual(self.originals, self.contents())

    def test_a_host_without_trove_api_is_left_alone(self):
        for words in (('stack', 'install'), ('stack', 'post-config'),
                      ('stack', 'extra'), ('unstack',), ('clean',)):
            self.assertEqual('', self.phase(*words, services='key,tr-tmgr'))
        self.assertEqual(self.originals, self.contents())

    def test_a_trove_that_comes_after_the_plugin_stops_stack_sh(self):
        elsewhere = self.destination / 'api-paste.ini'
        error = self.assertRaises(
            AssertionError, self.phase, 'stack', 'post-config',
            TROVE_API_PASTE_INI=str(elsewhere))
        self.assertIn(str(elsewhere), str(error))
