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

"""The package for Horizon, installed from its wheel and uninstalled again."""

import pathlib
import subprocess

from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.functional import base
from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_panel
from trove_flavor_filter.tests.functional import test_release

NAME = 'trove-flavor-filter-dashboard'
MODULE = 'trove_flavor_filter_dashboard'

# Prints the names of the files in "enabled" that change the menus.
USED = '''
from django.conf import settings
for config in settings.HORIZON_CONFIG['panel_customization']:
    print(config['__name__'])
'''


class Environment:
    """Horizon's Python environment without the package, and a pip for it.

    It has links to the packages that are installed there, so that what pip
    does with this one stays in the folder.

    :param prefix: of the environment that has Horizon
    :param folder: that it is made in
    """

    def __init__(self, prefix: str, folder: pathlib.Path):
        self.prefix = folder
        subprocess.run([f'{prefix}/bin/python', '-m', 'venv', '--without-pip',
                        folder], check=True)
        (self.packages,) = folder.glob('lib/python*/site-packages')
        (installed,) = pathlib.Path(prefix).glob('lib/python*/site-packages')
        for path in installed.iterdir():
            if MODULE not in path.name and path.name != '__pycache__':
                (self.packages / path.name).symlink_to(path)

    def pip(self, *words: str | pathlib.Path) -> str:
        """Run pip, and return what it prints."""
        result = subprocess.run(
            [self.prefix / 'bin' / 'python', '-m', 'pip',
             '--disable-pip-version-check', *words],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def install(self) -> None:
        """Install the wheel as a deployer does."""
        self.pip('install', '--no-index',
                 test_release.built_dashboard()[0]['wheel'])

    def uninstall(self) -> None:
        self.pip('uninstall', '--yes', NAME)

    def files(self) -> set[str]:
        """All files and folders in it."""
        return {str(path.relative_to(self.prefix))
                for path in self.prefix.rglob('*')}


class InstallTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        prefix = test_dashboard.prefix()
        super().setUp()
        self.environment = Environment(
            prefix, self.cloud.directory / self.unique('environment'))
        self.folder = self.cloud.directory / self.unique('horizon')

    def site(self, **kwargs) -> horizon.Horizon:
        """A Horizon with the files for "enabled" of the environment."""
        return horizon.Horizon(
            self.cloud.auth_url, self.folder, str(self.environment.prefix),
            static=self.cloud.directory / 'horizon-static', **kwargs)

    def enabled(self) -> list[pathlib.Path]:
        return list((self.folder / 'openstack_dashboard' / 'local'
                     / 'enabled').glob('_179*.py'))

    def assertChecks(self, site: horizon.Horizon) -> None:
        result = site.manage('check')
        printed = result.stdout + result.stderr
        self.assertEqual(0, result.returncode, printed)
        self.assertIn('no issues', printed)
        # What Horizon logs of a file that it cannot use.
        for word in ('Error', 'Traceback', 'Could not'):
            self.assertNotIn(word, printed)

    def serve(self, site: horizon.Horizon) -> None:
        self.cloud.add_cinder()
        self.addCleanup(site.stop)
        site.start()

    def test_the_wheel_has_all_that_the_panel_and_the_dialogs_need(self):
        self.environment.install()
        site = self.site()
        self.assertEqual(3, len(self.enabled()))
        self.assertChecks(site)
        version = self.unique('v')
        version_id = self.cloud.create_datastore_version('mysql', version)
        self.addCleanup(
            self.cloud.sql, 'UPDATE datastore_versions SET active = :no '
            'WHERE id = :id', no=False, id=version_id)
        self.create_flavor()
        self.serve(site)
        admin = test_dashboard_panel.log_in(site)
        panel = test_dashboard_panel.PANEL
        for path in ('', 'violations/', 'export/', 'import/',
                     f'{version_id}/update/', f'{version_id}/copy/'):
            answer = admin.page(panel + path)
            self.assertEqual(200, answer.status_code, path)
        self.assertIn('Instances That Break It', admin.page(panel).text)
        self.assertIn('Instanzen', admin.page(
            panel, {'Accept-Language': 'de'}).text)
        visitor = test_dashboard.log_in(self.cloud, site)
        self.assertIn(test_dashboard.FILTERED, test_dashboard.sentence(
            visitor.dialog(f'{test_dashboard.INSTANCES}launch'),
            test_dashboard.field_of('mysql', version)))

    def test_all_that_was_installed_is_uninstalled(self):
        before = self.environment.files()
        self.environment.install()
        self.assertIn(MODULE, {pathlib.Path(name).name for name
                               in self.environment.files() - before})
        site = self.site()
        self.assertChecks(site)
        self.environment.uninstall()
        self.assertEqual(before, self.environment.files())
        for path in self.enabled():
            path.unlink()
        self.assertChecks(site)

    def test_horizon_starts_where_the_enabled_files_are_left_behind(self):
        self.environment.install()
        site = self.site()
        self.environment.uninstall()
        self.assertEqual(3, len(self.enabled()))
        self.assertChecks(site)
        used = site.manage('shell', '-c', USED).stdout
        self.assertIn('.enabled._17', used)
        self.assertNotIn('.enabled._179', used)
        self.serve(site)
        visitor = test_dashboard.log_in(self.cloud, site)
        visitor.dialog(f'{test_dashboard.INSTANCES}launch')
        admin = test_dashboard_panel.log_in(site)
        self.assertEqual(404, admin.page(
            test_dashboard_panel.PANEL).status_code)
