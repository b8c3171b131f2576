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

"""The panel for admins in a real browser: its menu, its forms and its files.

FLAVOR_FILTER_WRITE_DOCS=1 has its pictures written for the documentation.
"""

import pathlib

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
import yaml

from trove_flavor_filter.tests.functional import test_dashboard_browser
from trove_flavor_filter.tests.functional import test_dashboard_panel

EFFECTS = '#flavor_requirement_effects'
CONFLICT = '#flavor_requirement_conflict'
SHOW = f'input[type=submit][value="{test_dashboard_panel.SHOW}"]'
SAVE = 'input[type=submit][value=Save]'


class PanelTestCase(test_dashboard_browser.BrowserTestCase):

    user = 'admin'

    def create_flavors(self) -> None:
        self.create_named_flavors()

    def setUp(self) -> None:
        super().setUp()
        self.version_id, _name = self.create_version(
            'postgresql', '17', number=self.unique())

    def open_panel(self) -> None:
        """Open it from the menu, on any page."""
        self.browser.open('/project/databases/')
        for group in 'admin', 'admin-database':
            self.browser.find(
                f'[data-target="#sidebar-accordion-{group}"]').click()
            # It unfolds, and pushes away what is to be pressed next.
            self.browser.wait(lambda driver: not driver.find_elements(
                By.CLASS_NAME, 'collapsing'))
        self.browser.find('#sidebar-accordion-admin-database '
                          f'a[href="{test_dashboard_panel.PANEL}"]').click()
        self.browser.find('#flavor_requirements')

    def open_action(self, action: str) -> WebElement:
        """Open a page from the menu of the version.

        :returns: its form
        """
        row = self.browser.find(f'tr[data-object-id="{self.version_id}"]')
        link = row.find_element(By.CSS_SELECTOR, f'[id$=__action_{action}]')
        if not link.is_displayed():
            row.find_element(By.CSS_SELECTOR, '.dropdown-toggle').click()
        link.click()
        return self.browser.find(f'#{action}_flavor_requirement_form')

    def enter(self, field: str, value: str) -> None:
        found = self.browser.find(f'[name={field}]')
        found.clear()
        found.send_keys(value)

    def value(self, field: str) -> str | None:
        return self.browser.find(f'[name={field}]').get_attribute('value')

    def requires(self) -> str:
        """What the panel shows of the version, once a change is saved."""
        return self.browser.find(
            f'#flavor_requirements tr[data-object-id="{self.version_id}"]'
        ).text


class FormTest(PanelTestCase):

    def test_what_somebody_else_changed_meanwhile_is_shown_first(self):
        find = self.browser.find
        self.open_panel()
        form = self.open_action('update')
        self.enter('min_ram', '4096')
        self.enter('extra_specs', 'database=enterprise')
        self.picture('admin/horizon-form.png', form)
        self.require_only(self.version_id, max_vcpus=8)
        find(SHOW).click()
        conflict = find(CONFLICT)
        self.assertIn('Nothing was saved', conflict.text)
        self.assertIn('at most 8 VCPUs', conflict.text)
        self.assertEqual('4096', self.value('min_ram'))
        self.picture('admin/horizon-conflict.png', conflict)

        self.enter('max_vcpus', '8')
        find(SHOW).click()
        self.assertIn('Newly refused flavors: ', find(EFFECTS).text)
        find(SAVE).click()
        self.assertIn('was saved', find('.alert-success').text)
        for text in ('at least 4096 MiB RAM', 'at most 8 VCPUs',
                     'extra spec database=enterprise'):
            self.assertIn(text, self.requires())

    def test_a_requirement_is_copied_after_its_effect_is_shown(self):
        find = self.browser.find
        source, _name = self.create_version(
            'postgresql', '16', number=self.unique())
        self.require_only(source, min_ram=4096, enforcement='warn')
        self.open_panel()
        form = self.open_action('copy')
        form.find_element(By.CSS_SELECTOR, '.dropdown-toggle').click()
        choice = find(f'[data-select-value="{source}"]')
        self.assertEqual('postgresql 16', choice.text)
        choice.click()
        self.picture('admin/horizon-copy.png', form)
        find('input[type=submit][value=Continue]').click()
        find('[name=min_ram]')
        self.assertEqual(('4096', 'warn'), (
            self.value('min_ram'), self.value('enforcement')))
        find(SHOW).click()
        self.assertIn('db.tiny, db.small', find(EFFECTS).text)
        find(SAVE).click()
        self.assertIn('was saved', find('.alert-success').text)
        self.assertIn('On trial', self.requires())


class FileTest(PanelTestCase):

    def export(self) -> pathlib.Path:
        """The file that the browser saves."""
        self.browser.find('#flavor_requirements__action_export').click()
        (path,) = self.browser.wait(lambda _driver: list(
            self.browser.downloads.glob('*.yaml')))
        self.addCleanup(path.unlink)
        return path

    def show_import(self, path: pathlib.Path) -> None:
        self.browser.find('#flavor_requirements__action_import').click()
        self.browser.find('[name=file]').send_keys(str(path))
        self.browser.find(SHOW).click()

    def test_an_export_is_edited_and_imported(self):
        find = self.browser.find
        # A file knows versions by name: no other test may have this one.
        self.version_id, _name = self.create_version('couchbase', '7.6')
        self.require_only(self.version_id, min_ram=1790)
        self.open_panel()
        path = self.export()
        found = yaml.safe_load(path.read_text())['datastore_versions']
        body = found['couchbase']['7.6']
        self.assertEqual(1790, body['min_ram'])
        body['min_ram'] = 8192
        path.write_text(yaml.safe_dump(
            {'datastore_versions': {'couchbase': {'7.6': body}}}))
        self.show_import(path)
        effects = find(EFFECTS)
        self.assertIn('Added: min_ram=8192', effects.text)
        self.assertIn('Removed: min_ram=1790', effects.text)
        self.picture('admin/horizon-import.png',
                     find('#import_flavor_requirements_form'))
        find(SAVE).click()
        self.assertIn('1 flavor requirement was changed',
                      find('.alert-success').text)
        self.assertIn('at least 8192 MiB RAM', self.requires())

    def test_a_file_with_a_mistake_says_where(self):
        self.create_version('couchbase', '7.2')
        path = self.browser.downloads / 'wrong.txt'
        path.write_text(yaml.safe_dump({'datastore_versions': {
            'couchbase': {'7.2': {'min_ram': -1}}}}))
        self.addCleanup(path.unlink)
        self.open_panel()
        self.show_import(path)
        self.assertIn('couchbase/7.2/min_ram: ',
                      self.browser.find('.has-error .help-block').text)
