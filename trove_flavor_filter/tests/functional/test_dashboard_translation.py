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

"""The translations of the dashboard."""

import gettext
import os
import pathlib
import shutil
import subprocess
import unittest

import fixtures

from trove_flavor_filter.tests.cloud import release
from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_panel

PACKAGE = release.ROOT / 'dashboard' / 'trove_flavor_filter_dashboard'
CATALOGS = 'locale/*/LC_MESSAGES/django'


class TranslationTest(test_dashboard_panel.PanelTestCase):

    def test_the_panel_is_shown_in_the_language_of_the_user(self):
        self.require(self.version_id, min_ram=1024)
        answer = self.admin.page(test_dashboard_panel.PANEL,
                                 {'Accept-Language': 'de'})
        row = self.row(answer=answer)
        self.assertEqual('mindestens 1024 MiB RAM', row['Verlangt'])
        self.assertEqual('In Kraft', row['Durchsetzung'])


class CatalogTest(fixtures.TestWithFixtures):

    def setUp(self) -> None:
        super().setUp()
        python = pathlib.Path(test_dashboard.prefix()) / 'bin' / 'python'
        if shutil.which('xgettext') is None:
            if os.environ.get('CI'):
                raise AssertionError('GNU gettext is not installed')
            raise unittest.SkipTest('GNU gettext is not installed')
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / PACKAGE.name
        shutil.copytree(PACKAGE, self.folder)
        for command in (['makemessages', '--all', '--no-obsolete',
                         '--add-location', 'file'], ['compilemessages']):
            subprocess.run([python, '-m', 'django', *command], check=True,
                           cwd=self.folder, capture_output=True)

    def test_every_string_is_in_the_catalogs(self):
        for path in PACKAGE.glob(f'{CATALOGS}.po'):
            self.assertEqual(
                path.read_text(),
                (self.folder / path.relative_to(PACKAGE)).read_text())

    def test_every_string_is_translated(self):
        found = list(self.folder.glob(f'{CATALOGS}.po'))
        self.assertTrue(found)
        for path in found:
            result = subprocess.run(
                ['msgfmt', '--check', '--statistics', '-o', os.devnull, path],
                capture_output=True, text=True,
                env=os.environ | {'LC_ALL': 'C'})
            self.assertEqual(0, result.returncode, result.stderr)
            self.assertNotIn('untranslated', result.stderr)
            self.assertNotIn('fuzzy', result.stderr)

    def test_the_catalogs_are_compiled(self):
        for path in PACKAGE.glob(f'{CATALOGS}.po'):
            compiled = [
                gettext.GNUTranslations(open_)._catalog
                for each in (path, self.folder / path.relative_to(PACKAGE))
                for open_ in [each.with_suffix('.mo').open('rb')]]
            self.assertEqual(compiled[0], compiled[1])
