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

"""Horizon in a browser: sessions that end, a failing Trove, long lists."""

from collections.abc import Iterator
import contextlib

from selenium.webdriver.common.by import By

from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_browser
from trove_flavor_filter.tests.functional import test_dashboard_browser_dialogs
from trove_flavor_filter.tests.functional import test_dashboard_panel

PANEL = test_dashboard_panel.PANEL


class SessionTest(test_dashboard_browser_dialogs.DialogTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, _name = self.create_version()
        # Alone in a project: Horizon's table of instances goes on asking for
        # those that are busy, and Chromium would report that as well.
        self.name = self.unique('admin')
        self.cloud.create_user(self.name, self.name, ('member', 'admin'))
        self.instance_id = self.create_active_instance(
            'db.tiny', self.version_id, user=self.name)
        self.browser = self.browse(self.horizon, self.name)
        self.form = f'{PANEL}{self.version_id}/update/'

    def open_tabs(self) -> dict[str, str]:
        """Open two dialogs and a form, each in a tab of the browser.

        :returns: what the browser knows the tabs by
        """
        browser, found = self.browser, {}
        browser.open(self.form)
        browser.find('[name=min_ram]').send_keys('4096')
        found['form'] = browser.driver.current_window_handle
        browser.driver.switch_to.new_window('tab')
        self.open_launch()
        browser.find('[name=name]').send_keys('database')
        found['launch'] = browser.driver.current_window_handle
        browser.driver.switch_to.new_window('tab')
        self.open_action(self.instance_id, 'resize_instance')
        browser.choose('new_flavor', self.named['db.large'])
        found['resize_instance'] = browser.driver.current_window_handle
        return found

    def show(self, tab: str) -> None:
        self.browser.driver.switch_to.window(tab)

    def send_form(self) -> None:
        self.browser.find(
            f'input[value="{test_dashboard_panel.SHOW}"]').click()

    def test_after_the_session_has_ended_the_user_logs_in_again(self):
        browser = self.browser
        tabs = self.open_tabs()
        browser.driver.delete_cookie('sessionid')
        for dialog in 'launch', 'resize_instance':
            self.show(tabs[dialog])
            browser.send()
            # Horizon says so in each of its dialogs, and Chromium reports
            # the status.
            self.assertIn('There was an error submitting the form',
                          browser.find('.alert-danger').text)
            self.console.append(f'/{dialog} .*status of 401')
        self.show(tabs['form'])
        self.send_form()
        browser.log_in()
        browser.find('[name=min_ram]')
        self.assertTrue(browser.driver.current_url.endswith(self.form))

    def test_a_token_that_is_not_valid_any_more_is_said(self):
        browser = self.browser
        tabs = self.open_tabs()
        self.disable(self.name)
        self.show(tabs['resize_instance'])
        browser.send()
        self.assertIn('Unauthorized', browser.find('.alert-danger').text)
        browser.wait(lambda driver: not driver.find_elements(
            By.CSS_SELECTOR, '.modal.in'))
        self.show(tabs['form'])
        self.send_form()
        self.assertIn('Unauthorized', browser.find('.alert-danger').text)
        self.assertEqual('Login', browser.find(
            '#content_body a[href*="/auth/login/"]').text)
        self.console += ['/resize_instance .*status of 403',
                         '/update/ .*status of 403']
        # trove-dashboard hides why it has no versions to offer.
        self.show(tabs['launch'])
        browser.send()
        self.assertIn('not one of the available choices', browser.error())

    def disable(self, name: str) -> None:
        """Take a user's tokens back."""
        users = f'{self.cloud.auth_url}/users'
        keystone = self.cloud.session('admin')
        (user,) = keystone.get(f'{users}?name={name}').json()['users']
        keystone.patch(f'{users}/{user["id"]}',
                       json={'user': {'enabled': False}})
        # Trove remembers for minutes that a token is valid.
        self.cloud.restart('trove')


class FailureTest(test_dashboard_browser_dialogs.DialogTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, self.version = self.create_version()
        self.associate(self.version_id, self.named['db.large'])
        self.instance_id = self.create_active_instance(
            'db.large', self.version_id)

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """While the plugin has no table, it answers 503."""
        self.cloud.sql('ALTER TABLE datastore_version_metadata '
                       'RENAME TO elsewhere')
        try:
            yield
        finally:
            self.cloud.sql('ALTER TABLE elsewhere RENAME TO '
                           'datastore_version_metadata')

    def test_the_dialogs_say_that_they_are_not_filtered(self):
        browser = self.browser
        field = test_dashboard.field_of('mysql', self.version)
        with self.failing():
            self.open_launch()
            browser.choose('datastore', field)
            self.assertEqual(self.of_nova(), list(browser.choices(field)))
            self.assertIn(test_dashboard.NOT_FILTERED, browser.said(field))
            dialog = self.open_action(self.instance_id, 'resize_instance')
            self.assertIn(test_dashboard.NOT_FILTERED,
                          browser.said('new_flavor'))
            self.picture('user/horizon-not-filtered.png', dialog)
            browser.choose('new_flavor', self.named['db.tiny'])
            browser.send()
            self.assertIn('cannot answer this request at present',
                          browser.find('.alert-danger').text)
            self.open_action(self.instance_id, 'upgrade_instance_action')
            self.assertIn(test_dashboard.NOT_FILTERED,
                          browser.said('new_datastore_version'))

    def test_the_panel_says_that_the_database_is_not_available(self):
        self.browser = test_dashboard_browser.shared_browser('admin')
        self.watch(self.browser)
        with self.failing():
            self.browser.open(PANEL)
            self.assertIn('database is not available',
                          self.browser.find('.alert-danger').text)


class ManyTest(test_dashboard_browser.BrowserTestCase):
    """300 flavors, and 30 versions that each allow others of them."""

    def create_flavors(self) -> None:
        self.cloud.create_many_flavors(300)
        self.addCleanup(self.cloud.delete_many_flavors)

    def setUp(self) -> None:
        super().setUp()
        self.datastore = self.unique('mysql')
        self.versions = {}
        for number in range(30):
            name = f'v{number:02}'
            self.versions[name] = self.cloud.create_datastore_version(
                self.datastore, name)
            self.addCleanup(self.deactivate, self.versions[name])
        answer = self.cloud.trove(
            '/mgmt/flavor-requirements', 'PUT', 'admin', json={
                'flavor_requirements': [
                    {'datastore_version_id': version_id,
                     'min_ram': 512 * (1 + number)}
                    for number, version_id in enumerate(
                        self.versions.values())]})
        self.assertEqual(200, answer.status_code, answer.text)

    def test_launch_shows_the_flavors_of_the_version_that_is_chosen(self):
        browser = self.browser
        browser.open(test_dashboard.INSTANCES)
        calls = self.calls(self.open_launch)
        self.assertEqual(1, calls.count(
            f'/flavors/datastores/{self.datastore}?left_out=3'))
        self.assertNotIn('/flavors/datastores/versions/', ' '.join(calls))
        for name in 'v00', 'v14', 'v29':
            field = test_dashboard.field_of(self.datastore, name)
            browser.choose('datastore', field)
            allowed = self.allowed(self.versions[name])
            self.assertEqual(allowed, list(browser.choices(field)))
            (shown,) = (
                select.get_attribute('name') for select
                in browser.driver.find_elements(
                    By.CSS_SELECTOR, 'select.switched') if
                select.is_displayed())
            self.assertEqual(field, shown)

    def open_launch(self) -> None:
        self.browser.find('#databases__action_launch').click()
        self.browser.find_dialog()

    def test_the_panel_shows_all_versions(self):
        self.browser = test_dashboard_browser.shared_browser('admin')
        self.watch(self.browser)
        calls = self.calls(lambda: self.browser.open(PANEL))
        self.assertLess(len(calls), 5, calls)
        rows = self.browser.driver.find_elements(
            By.CSS_SELECTOR, '#flavor_requirements tbody tr')
        found = {row.get_attribute('data-object-id'): row.text
                 for row in rows}
        for number, version_id in enumerate(self.versions.values()):
            self.assertIn(f'at least {512 * (1 + number)} MiB RAM',
                          found[version_id])
