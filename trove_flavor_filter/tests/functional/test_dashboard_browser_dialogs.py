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

"""Each of Horizon's database dialogs in a real browser, as a user opens it.

The rules change while it is open. FLAVOR_FILTER_WRITE_DOCS=1 has its pictures
written for the documentation.
"""

from selenium.webdriver.common import action_chains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from trove_flavor_filter.tests.cloud import demo
from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_browser


class DialogTestCase(test_dashboard_browser.BrowserTestCase):

    def create_flavors(self) -> None:
        self.create_named_flavors()

    def open_launch(self) -> WebElement:
        self.browser.open(test_dashboard.INSTANCES)
        self.browser.find('#databases__action_launch').click()
        return self.browser.find_dialog()

    def create_active_instance(self, flavor: str, version_id: str,
                               datastore: str = 'mysql',
                               user: str = 'demo') -> str:
        """An instance that is the first one in the table.

        :param flavor: its name
        """
        instance_id = self.cloud.create_instance(
            self.named[flavor], version_id, user, datastore)
        self.activate_first(instance_id)
        return instance_id

    def activate_first(self, instance_id: str) -> None:
        """Make an instance active, and the first one in the table."""
        self.cloud.activate_instance(instance_id)
        self.cloud.sql('UPDATE instances SET created = :now WHERE id = :id',
                       now='2999-01-01 00:00:00', id=instance_id)

    def open_action(self, instance_id: str, action: str) -> WebElement:
        """Open a dialog from an instance's menu."""
        self.browser.open(test_dashboard.INSTANCES)
        row = self.browser.find(f'tr[data-object-id="{instance_id}"]')
        row.find_element(By.CSS_SELECTOR, '.dropdown-toggle').click()
        self.browser.find(
            f'#databases__row_{instance_id}__action_{action}').click()
        return self.browser.find_dialog()

    def id_of(self, *names: str) -> list[str]:
        return [self.named[name] for name in names]


class ClusterTest(DialogTestCase):

    def test_launch_cluster_says_what_has_become_required_meanwhile(self):
        browser = self.browser
        version_id, name = self.create_version('mariadb', '11.4')
        field = test_dashboard.field_of('mariadb', name)
        self.require_only(version_id, min_ram=2048)
        browser.open(test_dashboard.CLUSTERS)
        browser.find('#clusters__action_launch').click()
        dialog = browser.find_dialog()
        browser.choose('datastore', field)
        self.assertEqual(self.id_of('db.small', 'db.medium', 'db.large'),
                         list(browser.choices(field)))
        self.assertIn(test_dashboard.FILTERED, browser.said(field))
        self.picture('user/horizon-launch-cluster.png', dialog)

        self.require_only(version_id, min_ram=4096)
        name = self.unique('cluster')
        browser.find('[name=name]').send_keys(name)
        browser.choose(field, self.named['db.small'])
        browser.send()
        self.assertIn('db.small', browser.error())
        self.assertIn('requires at least 4096 MiB RAM, has 2048',
                      browser.error())
        self.assertEqual(self.id_of('db.medium', 'db.large'),
                         list(browser.choices(field)))
        # The user goes on with what is allowed now.
        self.assertEqual(name, browser.find('[name=name]').get_attribute(
            'value'))

    def test_grow_cluster_offers_the_flavors_of_its_version(self):
        browser = self.browser
        version_id, _name = self.create_version('mariadb', '10.11')
        cluster_id = self.create_cluster(version_id)
        self.require_only(version_id, min_ram=4096)
        browser.open(
            f'{test_dashboard.CLUSTERS}{cluster_id}/cluster_grow_details')
        browser.find('[id$=__action_cluster_grow_add_instance]').click()
        dialog = browser.find_dialog()
        self.assertEqual(set(self.id_of('db.medium', 'db.large')),
                         set(browser.choices('flavor')))
        self.assertIn(test_dashboard.FILTERED, browser.said('flavor'))
        browser.show_choices('flavor')
        self.picture('user/horizon-grow-cluster.png', dialog)

        self.require_only(version_id, min_ram=8192)
        browser.choose('flavor', self.named['db.medium'])
        browser.send()
        self.assertIn('requires at least 8192 MiB RAM, has 4096',
                      browser.error())
        browser.choose('flavor', self.named['db.large'])
        browser.send()
        self.assertIn('db.large', browser.find(
            '#content_body tr[data-object-id]').text)


class ResizeTest(DialogTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.version_id, _name = self.create_version()

    def test_resize_says_what_has_become_required_meanwhile(self):
        browser = self.browser
        instance_id = self.create_active_instance('db.tiny', self.version_id)
        self.require_only(self.version_id, min_ram=2048)
        dialog = self.open_action(instance_id, 'resize_instance')
        self.assertEqual(
            ['', *self.id_of('db.small', 'db.medium', 'db.large')],
            list(browser.choices('new_flavor')))
        self.assertIn('Only flavors that the instance may be resized to',
                      browser.said('new_flavor'))
        browser.show_choices('new_flavor')
        self.picture('user/horizon-resize.png', dialog)

        self.require_only(self.version_id, min_ram=4096)
        browser.choose('new_flavor', self.named['db.small'])
        browser.send()
        self.assertIn('requires at least 4096 MiB RAM, has 2048',
                      browser.error())
        self.picture('user/horizon-refused.png', browser.find_dialog())
        browser.choose('new_flavor', self.named['db.medium'])
        browser.send()
        self.assertIn(instance_id, browser.find('.alert-success').text)
        self.assertEqual('RESIZE', self.cloud.trove(
            f'/instances/{instance_id}').json()['instance']['status'])

    def test_resize_says_that_nothing_else_is_allowed(self):
        instance_id = self.create_active_instance('db.tiny', self.version_id)
        self.associate(self.version_id, self.named['db.tiny'])
        dialog = self.open_action(instance_id, 'resize_instance')
        self.assertEqual({'': 'No flavors available'},
                         self.browser.choices('new_flavor'))
        self.assertIn('no other flavor is allowed',
                      self.browser.said('new_flavor'))
        self.picture('user/horizon-resize-none.png', dialog)

    def test_upgrade_offers_the_versions_that_are_allowed(self):
        if not self.horizon.upgrades:
            self.skipTest('This trove-dashboard has no dialog for upgrades')
        browser = self.browser
        datastore = self.unique('mysql')
        versions = {name: self.cloud.create_datastore_version(datastore, name)
                    for name in ('8.0', '8.4', '9.0', '9.0 enterprise')}
        for version_id in versions.values():
            self.addCleanup(self.deactivate, version_id)
        self.require_only(versions['9.0 enterprise'], min_ram=4096)
        instance_id = self.create_active_instance(
            'db.small', versions['8.0'], datastore)
        dialog = self.open_action(instance_id, 'upgrade_instance_action')
        field = 'new_datastore_version'
        self.assertEqual({'8.4', '9.0'}, set(browser.choices(field).values()))
        self.assertIn('Only other versions that allow the flavor',
                      browser.said(field))
        browser.show_choices(field)
        self.picture('user/horizon-upgrade.png', dialog)

        self.require_only(versions['9.0'], min_ram=4096)
        browser.choose(field, versions['9.0'])
        browser.send()
        self.assertIn('cannot be upgraded to this version any more',
                      browser.error())
        self.assertEqual({versions['8.4']: '8.4'}, browser.choices(field))
        browser.choose(field, versions['8.4'])
        browser.send()
        self.assertIn('Upgrading "database"',
                      browser.find('.alert-success').text)


class ResizeVolumeTest(DialogTestCase):

    def setUp(self) -> None:
        super().setUp()
        before = self.cloud.options
        self.addCleanup(self.cloud.restart, 'trove')
        self.addCleanup(self.cloud.reconfigure)
        self.addCleanup(setattr, self.cloud, 'options', before)
        demo.accept_volumes(self.cloud)

    def test_resize_volume_says_the_bounds(self):
        version_id, _name = self.create_version()
        answer = self.cloud.trove('/instances', 'POST', json={'instance': {
            'name': 'database', 'flavorRef': self.named['db.small'],
            'volume': {'size': 1},
            'datastore': {'type': 'mysql', 'version': version_id}}})
        self.assertEqual(200, answer.status_code, answer.text)
        instance_id = answer.json()['instance']['id']
        self.activate_first(instance_id)
        self.require_only(version_id, min_volume=3, max_volume=4)
        dialog = self.open_action(instance_id, 'resize_volume')
        size = self.browser.find('[name=new_size]')
        self.assertEqual(['3', '4'], [size.get_attribute(name)
                                      for name in ('min', 'max')])
        action_chains.ActionChains(self.browser.driver).move_to_element(
            dialog.find_element(By.CLASS_NAME, 'help-icon')).perform()
        self.assertIn('The volume must have 3 to 4 GiB.',
                      self.browser.find('.tooltip').text)
        self.picture('user/horizon-resize-volume.png', dialog)
