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


"""Horizon in a real browser: the launch dialog, and an admin's story.

Chromium needs no screen. The other tests in it share what is here.
FLAVOR_FILTER_WRITE_DOCS=1 has its pictures written for the documentation.
"""

import atexit
from collections.abc import Callable
import functools
import io
import os
import pathlib
import re
import shutil
import tempfile
import typing
import unittest

import fixtures
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support import select
from selenium.webdriver.support import wait

from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.functional import base
from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_panel

PICTURES = pathlib.Path(__file__).parents[3] / 'doc' / 'source'

# Seconds until a page or a dialog must be there, on a busy machine.
PATIENCE = 60

FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
         '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync',
         '--window-size=1000,1300')


@functools.cache
def horizon_without() -> horizon.Horizon:
    """A Horizon as it is without the package."""
    return horizon.beside(base.shared_cloud(), test_dashboard.prefix(),
                          'horizon-without', plugin=False)


class Browser(fixtures.Fixture):
    """Chromium, with a user who is logged in to Horizon.

    :param folder: for its files

    :ivar downloads: the folder where it saves what a user downloads
    """

    def __init__(self, url: str, user: str, password: str,
                 folder: pathlib.Path):
        self._url = url
        self._user = user
        self._password = password
        self._folder = folder

    def _setUp(self) -> None:
        self.downloads = self._folder / 'downloads'
        self.downloads.mkdir()
        options = webdriver.ChromeOptions()
        options.binary_location = program('chromium')
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f'--user-data-dir={self._folder / "profile"}')
        options.add_experimental_option('prefs', {
            'download.default_directory': str(self.downloads)})
        options.set_capability('goog:loggingPrefs', {'browser': 'SEVERE'})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(
            program('chromedriver')))
        self.addCleanup(self.driver.quit)
        self.open(f'/auth/login/?next={test_dashboard.INSTANCES}')
        self.log_in()
        self.find('#databases__action_launch')

    def log_in(self) -> None:
        """Fill in the page that asks for it."""
        self.find('[name=username]').send_keys(self._user)
        self.find('[name=password]').send_keys(self._password)
        self.find('#loginBtn').click()

    def open(self, path: str) -> None:
        self.driver.get(self._url + path)

    def wait(self, condition: Callable[[webdriver.Chrome], typing.Any]
             ) -> typing.Any:
        """Wait until a condition has a value that is true.

        :returns: the value
        """
        return wait.WebDriverWait(self.driver, PATIENCE).until(condition)

    def find(self, selector: str) -> WebElement:
        """What can be seen of a page, as soon as it can be."""
        return self.wait(expected_conditions.visibility_of_element_located(
            (By.CSS_SELECTOR, selector)))

    def find_dialog(self) -> WebElement:
        """The dialog that is open, once it has stopped to move."""
        found = self.find('.modal.in:not(.loading) .modal-content')
        self.wait(lambda driver: driver.execute_script(
            'return arguments[0].closest(".modal").getAnimations('
            '{subtree: true}).length === 0', found))
        return found

    def choices(self, field: str) -> dict[str, str]:
        """What a drop-down offers: texts by value, in order."""
        return {option.get_attribute('value'): option.text for option
                in select.Select(self.find(f'[name="{field}"]')).options}

    def choose(self, field: str, value: str) -> None:
        select.Select(self.find(f'[name="{field}"]')).select_by_value(value)

    def said(self, field: str) -> str:
        """The sentence below a drop-down."""
        return self.find(f'[id="about_{field}"]').text

    def error(self) -> str:
        """What is wrong with a field of the dialog that is open."""
        return self.find('.modal.in .has-error .help-block:not([id])').text

    def send(self) -> None:
        """Press the button that sends the dialog."""
        self.find('.modal.in .modal-footer [type=submit]').click()

    def show_choices(self, field: str) -> None:
        """Unfold a drop-down: one that is open is not in a picture."""
        self.driver.execute_script(
            'arguments[0].size = arguments[0].options.length; '
            'arguments[0].scrollIntoView({block: "center"})',
            self.find(f'[name="{field}"]'))

    def open_launch_dialog(self, field: str) -> select.Select:
        """Open it and choose a datastore version.

        :param field: that has the flavors of the version
        :returns: the drop-down of flavors that is then seen
        """
        self.open(test_dashboard.INSTANCES)
        self.find('#databases__action_launch').click()
        select.Select(self.find('[name=datastore]')).select_by_value(field)
        return select.Select(self.find(f'[name="{field}"]'))

    def launch(self, name: str) -> None:
        """Fill in a dialog and send it: the cloud has no volumes."""
        self.find('[name=name]').send_keys(name)
        volume = self.find('[name=volume]')
        volume.clear()
        volume.send_keys('0')
        self.find('.modal-footer [type=submit]').click()


def program(name: str) -> str:
    """Where a program is; without it a test is skipped, but not in CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get('CI'):
            raise AssertionError(f'{name} is not installed')
        raise unittest.SkipTest(f'{name} is not installed')
    return found


@functools.cache
def shared_browser(user: str) -> Browser:
    """A browser of the shared Horizon; it goes when the process ends."""
    booted = base.shared_cloud()
    browser = Browser(test_dashboard.shared_horizon().url, user,
                      booted.secrets[user],
                      pathlib.Path(tempfile.mkdtemp(dir=booted.directory)))
    browser.setUp()
    atexit.register(browser.cleanUp)
    return browser


class BrowserTestCase(test_dashboard.DashboardTestCase):
    """A test in a browser; it can write pictures into the documentation.

    :cvar user: who is logged in
    :ivar browser: of the shared Horizon
    :ivar console: regular expressions of what this browser reports as errors,
        once for each; nothing else may be reported
    """

    user = 'demo'

    def setUp(self) -> None:
        program('chromium')
        super().setUp()
        test_dashboard.shared_network()
        self.console: list[str] = []
        self.browser = shared_browser(self.user)
        # Horizon's table goes on asking for busy instances.
        self.browser.driver.get('about:blank')
        # It also asks for each active instance, which takes Trove a second
        # without a guest: those of other tests are taken away.
        self.cloud.sql('UPDATE instances SET deleted = :yes', yes=True)
        self.watch(self.browser)

    def browse(self, served: horizon.Horizon, user: str) -> Browser:
        """A browser of a test's own."""
        browser = self.useFixture(Browser(
            served.url, user, self.cloud.secrets[user],
            pathlib.Path(self.useFixture(fixtures.TempDir()).path)))
        self.watch(browser)
        return browser

    def watch(self, browser: Browser) -> None:
        """See that a browser reports no error from now on."""
        browser.driver.get_log('browser')
        self.addCleanup(self.assertConsole, browser)

    def assertConsole(self, browser: Browser) -> None:
        reported = [entry['message'] for entry
                    in browser.driver.get_log('browser')]
        for pattern in self.console if browser is self.browser else ():
            found = [message for message in reported
                     if re.search(pattern, message)]
            self.assertTrue(found, (pattern, reported))
            reported.remove(found[0])
        self.assertEqual([], reported)

    def require_only(self, version_id: str,
                     **document: typing.Any) -> None:
        """Replace what a version requires, as somebody else does."""
        answer = self.cloud.trove(
            f'/mgmt/datastore-versions/{version_id}/flavor-requirement',
            'PUT', 'admin', json={'flavor_requirement': document})
        self.assertEqual(200, answer.status_code, answer.text)

    def picture(self, name: str, element: WebElement) -> None:
        """Take a picture of an element.

        :param name: of its file, in doc/source
        """
        folder = (PICTURES if os.environ.get('FLAVOR_FILTER_WRITE_DOCS')
                  else pathlib.Path(self.useFixture(fixtures.TempDir()).path))
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        # With few colours a file is a third of the size.
        Image.open(io.BytesIO(element.screenshot_as_png)).convert(
            'RGB').quantize().save(path, optimize=True)
        self.assertTrue(2_000 < path.stat().st_size < 60_000,
                        path.stat().st_size)

    def create_named_flavors(self) -> None:
        self.named = {}
        for name, ram, vcpus, disk in (
                ('db.tiny', 512, 1, 5), ('db.small', 2048, 1, 20),
                ('db.medium', 4096, 2, 40), ('db.large', 8192, 4, 80)):
            self.named[name] = self.create_flavor(
                name=name, ram=ram, vcpus=vcpus, disk=disk)


class LaunchTest(BrowserTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, name = self.create_version()
        self.field = test_dashboard.field_of('mysql', name)

    def test_an_allowed_flavor_is_launched(self):
        self.associate(self.version_id, self.large)
        browser = self.browser
        flavors = browser.open_launch_dialog(self.field)
        self.assertEqual(
            self.allowed(self.version_id),
            [option.get_attribute('value') for option in flavors.options])
        name = self.unique('db')
        browser.launch(name)
        self.assertIn(name, browser.find('.alert-success').text)
        self.assertEqual(self.large, self.instances()[name])

    def test_a_rule_added_meanwhile_is_the_reason_that_is_seen(self):
        browser = self.browser
        flavors = browser.open_launch_dialog(self.field)
        flavors.select_by_value(self.small)
        self.associate(self.version_id, self.large)
        name = self.unique('db')
        browser.launch(name)
        self.assertIn(self.small, browser.error())
        # The dialog is still open, with what is allowed now.
        self.assertEqual([self.large], [
            option.get_attribute('value') for option
            in select.Select(browser.find(f'[name="{self.field}"]')).options])
        self.assertNotIn(name, self.instances())


class PictureTest(BrowserTestCase):

    def create_flavors(self) -> None:
        self.create_named_flavors()

    def test_the_dialog_is_pictured_before_and_after(self):
        name = '8.0 enterprise'
        version_id, _name = self.create_version(name=name)
        self.require(version_id, '--min-ram', '4096')
        field = test_dashboard.field_of('mysql', name)
        for state, served in (('before', horizon_without()),
                              ('after', self.horizon)):
            browser = self.browser
            if served is not self.horizon:
                browser = self.browse(served, self.user)
            flavors = browser.open_launch_dialog(field)
            self.assertEqual(
                state == 'before',
                any('db.tiny' in option.text for option in flavors.options))
            browser.show_choices(field)
            self.picture(f'install/launch-{state}.png',
                         browser.find('.modal-content'))


class StoryTest(BrowserTestCase):
    """From an empty panel to a requirement that no instance breaks."""

    user = 'admin'

    def create_flavors(self) -> None:
        self.create_named_flavors()

    def setUp(self) -> None:
        super().setUp()
        self.version_id, _name = self.create_version('postgresql', '17')
        self.create_version('postgresql', '16')
        self.instance_id = self.cloud.create_instance(
            self.named['db.tiny'], self.version_id, datastore='postgresql')
        self.cloud.activate_instance(self.instance_id)

    def open_panel(self) -> WebElement:
        """Open the panel, narrowed to the versions of this test."""
        self.browser.open(test_dashboard_panel.PANEL)
        field = self.browser.find('[name="flavor_requirements__filter__q"]')
        field.send_keys('postgresql')
        row = self.browser.find(f'tr[data-object-id="{self.version_id}"]')
        wait.WebDriverWait(self.browser.driver, PATIENCE).until(
            lambda driver: all(
                'postgresql' in row.text for row in driver.find_elements(
                    By.CSS_SELECTOR, '#flavor_requirements tbody tr')
                if row.is_displayed()))
        return row

    def resize(self) -> None:
        """Resize the instance as its owner does, to db.medium."""
        medium = self.named['db.medium']
        answer = self.cloud.trove(
            f'/instances/{self.instance_id}/action', 'POST',
            json={'resize': {'flavorRef': medium}})
        self.assertEqual(202, answer.status_code, answer.text)
        # What Trove's task manager writes at the end.
        self.cloud.sql('UPDATE instances SET flavor_id = :flavor, task_id = 1 '
                       'WHERE id = :id', flavor=medium, id=self.instance_id)

    def test_a_requirement_comes_into_force_and_nothing_breaks_it(self):
        find = self.browser.find
        self.assertIn('nothing', self.open_panel().text)
        self.picture('admin/horizon-empty.png', find('#content_body'))

        update = f'a[href="{test_dashboard_panel.PANEL}{self.version_id}/' \
                 f'update/"]'
        find(update).send_keys(Keys.ENTER)
        find('[name=min_ram]').send_keys('4096', Keys.ENTER)
        effects = find('#flavor_requirement_effects')
        # A screen reader goes on there.
        self.assertEqual(effects, self.browser.driver.switch_to.active_element)
        self.assertIn('db.tiny, db.small', effects.text)
        self.assertIn('1 instance would newly break', effects.text)
        self.picture('admin/horizon-effect.png', find('#content_body'))

        find('input[type=submit][value=Save]').click()
        self.assertIn('was saved', find('.alert-success').text)
        row = self.open_panel()
        self.assertIn('at least 4096 MiB RAM', row.text)
        find('a[href*="violations/?datastore_version_id='
             f'{self.version_id}"]').click()
        row = find(f'tr[data-object-id="{self.instance_id}"]')
        self.assertIn('requires at least 4096 MiB RAM, has 512', row.text)
        self.picture('admin/horizon-violations.png', find('#content_body'))

        self.resize()
        self.assertIn(' 0', self.open_panel().text)
        self.picture('admin/horizon-done.png', find('#content_body'))
