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

"""The panel for admins, read from the HTML that Horizon answers with."""

import functools
import re
import typing
import uuid

from lxml import html
import requests
import yaml

from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.cloud import older_release
from trove_flavor_filter.tests.functional import base
from trove_flavor_filter.tests.functional import test_dashboard

PANEL = '/admin/flavor_requirements/'
FILE = f'{PANEL}import/'
SHOW = 'Show What This Changes'

# Prints where an instance in the list of violations leads to.
LINK = """
import django
django.setup()
from trove_flavor_filter_dashboard.flavor_requirements import tables
print(tables.instance_link(
    tables.Violation('%(instance)s', {'cluster_id': '%(cluster)s'})))
"""


class Sent(typing.NamedTuple):
    """A form that is filled in, and the page that it is sent to."""

    path: str
    form: html.FormElement
    fields: dict[str, str] = {}
    files: dict[str, typing.Any] | None = None


@functools.cache
def shared_admin() -> test_dashboard.Visitor:
    """An admin who is logged in to the shared Horizon."""
    return log_in(test_dashboard.shared_horizon())


def log_in(served: horizon.Horizon) -> test_dashboard.Visitor:
    return test_dashboard.Visitor(
        served.url, 'admin', base.shared_cloud().secrets['admin'])


def texts(answer: requests.Response, path: str) -> list[str]:
    """The texts of elements, with single spaces."""
    return [' '.join(element.text_content().split())
            for element in html.fromstring(answer.text).xpath(path)]


def effects(answer: requests.Response) -> list[str]:
    """What a change would do, in sentences."""
    return texts(answer, '//*[@id="flavor_requirement_effects"]//li')


def errors(answer: requests.Response, field: str) -> list[str]:
    """What is wrong with a field."""
    return texts(
        answer, f'//*[contains(@class, "has-error")][.//*[@name="{field}"]]'
                f'//span[contains(@class, "help-block")]')


def messages(answer: requests.Response) -> str:
    """The messages above a page."""
    return ' '.join(texts(answer, '//*[contains(@class, "messages")]'))


def submit(answer: requests.Response) -> str:
    """The label of the button that sends a form."""
    (button,) = html.fromstring(answer.text).xpath(
        '//form//input[@type="submit" and contains(@class, "btn-primary")]')
    return button.get('value')


class PanelTestCase(test_dashboard.DashboardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.admin = shared_admin()
        self.version_id, self.version = self.create_version()

    def create_invalid_row(self) -> None:
        self.cloud.sql(
            'INSERT INTO datastore_version_metadata (id, '
            'datastore_version_id, "key", value, created, deleted) VALUES '
            '(:id, :version, \'min_ram\', \'x\', :created, :deleted)',
            id=str(uuid.uuid4()), version=self.version_id,
            created='2026-01-01 00:00:00', deleted=False)

    def update(self, version_id: str | None = None, query: str = '') -> str:
        return f'{PANEL}{version_id or self.version_id}/update/{query}'

    def row(self, version_id: str | None = None,
            answer: requests.Response | None = None) -> dict[str, str]:
        """A version's cells in the table, by the titles of the columns."""
        answer = answer or self.admin.page(PANEL)
        self.assertEqual(200, answer.status_code, answer.text)
        page = html.fromstring(answer.text)
        titles = [' '.join(cell.text_content().split()) for cell in page.xpath(
            '//table[@id="flavor_requirements"]/thead/tr[last()]/th')]
        (row,) = page.xpath('//tr[@data-object-id=$id]',
                            id=version_id or self.version_id)
        return dict(zip(titles, (
            ' '.join(' '.join(cell.itertext()).split())
            for cell in row.xpath('./td'))))

    def send(self, path: str, form: html.FormElement | requests.Response,
             files: dict[str, typing.Any] | None = None,
             **fields: typing.Any) -> requests.Response:
        """Fill a form in and send it."""
        if isinstance(form, requests.Response):
            form = test_dashboard.form_of(form)
        return self.admin.send(path, form, files, **fields)

    def save(self, path: str, **fields: typing.Any) -> requests.Response:
        """Fill a form in, look at the effect, and save it."""
        shown = self.send(path, self.admin.dialog(path), **fields)
        self.assertEqual('Save', submit(shown), shown.text)
        answer = self.send(path, shown)
        self.assertTrue(test_dashboard.is_closed(answer), answer.text)
        return answer

    def upload(self, text: str, **fields: str) -> requests.Response:
        return self.send(FILE, self.admin.dialog(FILE), {
            'file': ('flavors.yaml', text.encode())}, **fields)

    def requirement(self, version_id: str | None = None,
                    method: str = 'GET', **kwargs: typing.Any
                    ) -> dict[str, typing.Any]:
        answer = self.cloud.trove(
            f'/mgmt/datastore-versions/{version_id or self.version_id}'
            f'/flavor-requirement', method, 'admin', **kwargs)
        self.assertEqual(200, answer.status_code, answer.text)
        return answer.json()['flavor_requirement']

    def require(self, version_id: str, **document: typing.Any) -> None:
        self.requirement(version_id, 'PUT',
                         json={'flavor_requirement': document})


class TableTest(PanelTestCase):

    def test_it_is_in_the_menu_of_admins_only(self):
        page = html.fromstring(self.admin.page('/admin/').text)
        self.assertTrue(page.xpath(f'//nav//a[contains(@href, "{PANEL}")]'
                                   f'|//li//a[contains(@href, "{PANEL}")]'))
        self.assertNotIn('flavor_requirements',
                         self.visitor.page(test_dashboard.INSTANCES).text)
        self.assertNotIn('id="flavor_requirements"',
                         self.visitor.page(PANEL).text)

    def test_a_version_that_requires_nothing_allows_every_flavor(self):
        count = len(self.of_nova())
        self.assertEqual({
            'Datastore': 'mysql', 'Version': self.version,
            'Requires': 'nothing', 'Enforcement': '-',
            'Allowed Flavors': f'{count} of {count}',
            'Instances That Break It': '0'},
            {key: value for key, value in self.row().items()
             if key != 'Actions'})

    def test_it_shows_what_is_required_allowed_and_broken(self):
        self.cloud.create_instance(self.small, self.version_id)
        self.require(self.version_id, min_ram=8192, max_vcpus=4,
                     flavors=[self.large], extra_specs={},
                     enforcement='warn')
        row = self.row()
        self.assertEqual(
            f'one of the flavors {self.large} at least 8192 MiB RAM at most 4 '
            f'VCPUs', row['Requires'])
        self.assertEqual('On trial', row['Enforcement'])
        self.assertEqual('1', row['Allowed Flavors'].split()[0])
        self.assertEqual('1', row['Instances That Break It'])

    def test_extra_specs_and_invalid_rows_are_shown(self):
        self.require(self.version_id, extra_specs={'db': ['a', 'b'],
                                                   'gpu': ''})
        self.assertEqual('extra spec db=a or db=b extra spec gpu=',
                         self.row()['Requires'])
        self.create_invalid_row()
        row = self.row()
        self.assertIn('invalid row min_ram=x', row['Requires'])
        self.assertEqual('0', row['Allowed Flavors'].split()[0])

    def test_versions_of_one_name_and_inactive_ones_are_told_apart(self):
        second, _name = self.create_version(name=self.version, number='9.1')
        self.deactivate(second)
        self.assertEqual(f'{self.version} (number 9.1, inactive)',
                         self.row(second)['Version'])

    def test_the_number_of_calls_does_not_grow_with_the_versions(self):
        counts = []
        for _round in range(2):
            before = len(self.cloud.log('trove').read_text())
            self.admin.page(PANEL)
            # Without a change of this test, which may be logged late.
            counts.append(re.findall(
                r'"(?:GET|PUT) (/v1\.0/\S+(?<!/flavor-requirement)) ',
                self.cloud.log('trove').read_text()[before:]))
            for _version in range(10):
                version_id, _name = self.create_version()
                self.require(version_id, min_ram=1024)
        self.assertEqual(3, len(counts[0]), counts)
        self.assertEqual(counts[0], counts[1])


class UpdateTest(PanelTestCase):

    def test_the_effect_is_shown_before_anything_is_saved(self):
        instance_id = self.cloud.create_instance(self.small, self.version_id)
        form = self.admin.dialog(self.update())
        shown = self.send(self.update(), form, min_ram='8192')
        self.assertEqual('Save', submit(shown))
        lines = effects(shown)
        self.assertIn('Newly refused flavors: ', lines[0])
        self.assertIn(self.small, lines[0])
        self.assertNotIn(self.large, lines[0])
        self.assertEqual(
            '1 instance would newly break the requirement (projects: 1). It '
            'keeps running.', lines[1])
        self.assertIn(f'/project/databases/{instance_id}/', shown.text)
        self.assertIsNone(self.requirement()['min_ram'])
        saved = self.send(self.update(), shown)
        self.assertTrue(test_dashboard.is_closed(saved), saved.text)
        self.assertEqual(8192, self.requirement()['min_ram'])
        self.assertIn('was saved', messages(self.admin.page(PANEL)))

    def test_another_change_is_shown_again(self):
        shown = self.send(self.update(), self.admin.dialog(self.update()),
                          min_ram='8192')
        again = self.send(self.update(), shown, min_ram='600')
        self.assertEqual('Save', submit(again))
        self.assertIsNone(self.requirement()['min_ram'])

    def test_every_kind_of_requirement_is_saved_and_can_be_removed(self):
        self.save(self.update(), **{
            'min_ram': '1', 'max_ram': '9000', 'min_vcpus': '1',
            'max_vcpus': '8', 'min_disk': '1', 'max_disk': '90',
            'flavors': [self.small, self.large],
            'extra_specs': 'db=a\r\ndb=b\r\n\r\n gpu=\r\n',
            'enforcement': 'warn'})
        found = self.requirement()
        self.assertEqual(
            {'min_ram': 1, 'max_ram': 9000, 'min_vcpus': 1, 'max_vcpus': 8,
             'min_disk': 1, 'max_disk': 90,
             'flavors': sorted([self.small, self.large]),
             'extra_specs': {'db': ['a', 'b'], 'gpu': ''},
             'enforcement': 'warn'},
            {key: found[key] for key in (
                'min_ram', 'max_ram', 'min_vcpus', 'max_vcpus', 'min_disk',
                'max_disk', 'flavors', 'extra_specs', 'enforcement')})
        form = self.admin.dialog(self.update())
        self.assertEqual('db=a\ndb=b\ngpu=',
                         form.fields['extra_specs'].strip())
        self.assertEqual({self.small, self.large}, set(
            form.xpath('.//input[@name="flavors"][@checked]/@value')))
        self.save(self.update(), **dict.fromkeys((
            'min_ram', 'max_ram', 'min_vcpus', 'max_vcpus', 'min_disk',
            'max_disk', 'extra_specs', 'enforcement'), ''), flavors=[])
        self.assertEqual('nothing', self.row()['Requires'])

    def test_what_somebody_else_changed_meanwhile_is_not_overwritten(self):
        shown = self.send(self.update(), self.admin.dialog(self.update()),
                          max_ram='9000')
        self.require(self.version_id, min_vcpus=2)
        answer = self.send(self.update(), shown)
        self.assertFalse(test_dashboard.is_closed(answer))
        (conflict,) = texts(answer,
                            '//*[@id="flavor_requirement_conflict"]')
        self.assertIn('Somebody else has changed this requirement', conflict)
        self.assertIn('at least 2 VCPUs', conflict)
        self.assertEqual((2, None), (self.requirement()['min_vcpus'],
                                     self.requirement()['max_ram']))
        # Whoever insists is shown what that would do, and may.
        self.assertEqual(SHOW, submit(answer))
        self.assertEqual('9000', test_dashboard.form_of(
            answer).fields['max_ram'])
        shown = self.send(self.update(), answer)
        self.assertEqual('Save', submit(shown))
        self.send(self.update(), shown)
        self.assertEqual((None, 9000), (self.requirement()['min_vcpus'],
                                        self.requirement()['max_ram']))

    def test_problems_are_shown_at_their_fields(self):
        form = self.admin.dialog(self.update())
        answer = self.send(self.update(), form, min_ram='9000', max_ram='1',
                           extra_specs='bad*key=1')
        self.assertEqual(SHOW, submit(answer))
        self.assertIn('max_ram', errors(answer, 'min_ram')[0])
        self.assertIn('bad*key', errors(answer, 'extra_specs')[0])
        answer = self.send(self.update(), form, min_disk='0',
                           extra_specs='nothing')
        self.assertTrue(errors(answer, 'min_disk'))
        self.assertEqual(['"nothing" is not KEY=VALUE.'],
                         errors(answer, 'extra_specs'))

    def test_a_flavor_that_is_gone_stays_until_it_is_removed(self):
        gone = self.unique('gone')
        self.associate(self.version_id, gone, self.large)
        form = self.admin.dialog(self.update())
        self.assertEqual({gone, self.large}, set(
            form.xpath('.//input[@name="flavors"][@checked]/@value')))
        self.assertIn(f'{gone} (not in Nova)', form.text_content())
        self.save(self.update(), min_ram='1')
        self.assertEqual(sorted([gone, self.large]),
                         self.requirement()['flavors'])
        self.save(self.update(), flavors=[self.large])
        self.assertEqual([self.large], self.requirement()['flavors'])

    def test_invalid_rows_are_pointed_out_and_removed(self):
        self.create_invalid_row()
        self.assertIn('min_ram=x', self.admin.dialog(
            self.update()).text_content())
        self.save(self.update(), min_ram='7')
        self.assertNotIn('invalid_rows', self.requirement())

    def test_a_version_that_is_gone_is_said_so(self):
        answer = self.admin.page(self.update(str(uuid.uuid4())))
        self.assertEqual(200, answer.status_code)
        self.assertIn('cannot be found', messages(answer))

    def test_a_requirement_is_copied_from_another_version(self):
        source, name = self.create_version()
        self.require(source, min_ram=4096, flavors=[self.large],
                     enforcement='warn')
        path = f'{PANEL}{self.version_id}/copy/'
        form = self.admin.dialog(path)
        self.assertEqual(f'mysql {name}', test_dashboard.offered(
            form, 'source')[source])
        answer = self.send(path, form, source=source)
        self.assertEqual(self.update(query=f'?source={source}'),
                         answer.headers['X-Horizon-Location'])
        self.assertIsNone(self.requirement()['min_ram'])
        self.save(self.update(query=f'?source={source}'))
        found = self.requirement()
        self.assertEqual((4096, [self.large], 'warn'), (
            found['min_ram'], found['flavors'], found['enforcement']))

    def test_a_flavor_that_is_gone_can_be_taken_out_of_a_copy(self):
        source, _name = self.create_version()
        gone = self.unique('gone')
        self.associate(source, gone, self.large)
        path = self.update(query=f'?source={source}')
        answer = self.send(path, self.admin.dialog(path))
        self.assertEqual([f"Nova has no flavor '{gone}'"],
                         errors(answer, 'flavors'))
        self.assertEqual({gone, self.large}, set(test_dashboard.form_of(
            answer).xpath('.//input[@name="flavors"][@checked]/@value')))
        self.save(path, flavors=[self.large])
        self.assertEqual([self.large], self.requirement()['flavors'])

    def test_there_is_a_field_for_each_key_that_the_plugin_knows(self):
        form = self.admin.dialog(self.update())
        names = {'datastore_version_id', 'datastore', 'datastore_version'}
        self.assertEqual(
            self.requirement().keys() - names,
            set(form.fields.keys())
            - {'csrfmiddlewaretoken', 'etag', 'seen', None})

    def test_each_field_has_a_label(self):
        form = self.admin.dialog(self.update())
        ids = form.xpath('.//@id')
        self.assertEqual(len(ids), len({*ids}), sorted(ids))
        for field in form.xpath(
                './/*[self::input or self::select or self::textarea]'
                '[not(@type="hidden" or @type="submit")]'):
            self.assertTrue(form.xpath('.//label[@for=$id]',
                                       id=field.get('id')), field.get('name'))


class ViolationsTest(PanelTestCase):

    def test_the_instances_are_listed_with_links_and_reasons(self):
        instance_id = self.cloud.create_instance(self.small, self.version_id)
        self.require(self.version_id, min_ram=8192)
        path = f'{PANEL}violations/?datastore_version_id={self.version_id}'
        self.assertIn(path, self.admin.page(PANEL).text)
        answer = self.admin.page(path)
        (row,) = html.fromstring(answer.text).xpath(
            '//tr[@data-object-id=$id]', id=instance_id)
        text = row.text_content()
        self.assertIn('requires at least 8192 MiB RAM, has 512', text)
        self.assertIn(self.small, text)
        self.assertIn(f'/project/databases/{instance_id}/',
                      html.tostring(row).decode())
        self.assertEqual(200, self.admin.page(
            f'/project/databases/{instance_id}/').status_code)

    def test_the_next_page_is_of_the_same_version(self):
        self.require(self.version_id, min_ram=8192)
        for _count in range(101):
            self.cloud.sql(
                'INSERT INTO instances (id, created, updated, name, '
                'flavor_id, tenant_id, datastore_version_id, deleted, '
                'task_id) VALUES (:id, :now, :now, :id, :flavor, :tenant, '
                ':version, :no, 1)', id=str(uuid.uuid4()),
                now='2026-01-01 00:00:00', flavor=self.small,
                tenant=self.cloud.project_id(), no=False,
                version=self.version_id)
        self.addCleanup(self.cloud.sql, 'DELETE FROM instances WHERE '
                        'datastore_version_id = :id', id=self.version_id)
        self.assertEqual('101', self.row()['Instances That Break It'])
        path = f'{PANEL}violations/'
        answer = self.admin.page(
            f'{path}?datastore_version_id={self.version_id}')
        self.assertEqual(100, answer.text.count('data-object-id='))
        # Above the table and below it.
        (link,) = set(html.fromstring(answer.text).xpath(
            '//a[contains(@href, "marker=")]/@href'))
        answer = self.admin.page(path + link)
        self.assertEqual(1, answer.text.count('data-object-id='))

    def test_where_clusters_are_turned_off_a_link_is_to_the_instance(self):
        folder = self.cloud.directory / self.unique('horizon')
        site = horizon.Horizon('http://127.0.0.1:9/v3', folder,
                               test_dashboard.prefix())
        code = LINK % {'instance': 'an-instance', 'cluster': 'a-cluster'}
        self.assertIn('/project/database_clusters/a-cluster/',
                      site.python(code))
        (panel,) = (folder / 'openstack_dashboard' / 'local'
                    / 'enabled').glob('*_database_clusters_panel.py')
        panel.write_text(f'{panel.read_text()}\nDISABLED = True\n')
        self.assertIn('/project/databases/an-instance/', site.python(code))


class FileTest(PanelTestCase):

    path = FILE

    def exported(self) -> str:
        answer = self.admin.page(f'{PANEL}export/')
        self.assertIn('attachment', answer.headers['Content-Disposition'])
        return answer.text

    def body(self, version: str, **body: typing.Any) -> str:
        return yaml.safe_dump(
            {'datastore_versions': {'mysql': {version: body}}})

    def test_the_export_is_read_by_trove_manage_and_changes_nothing(self):
        self.require(self.version_id, min_ram=1024, flavors=[self.large],
                     extra_specs={'db': ['a', 'b']}, enforcement='warn')
        second, _name = self.create_version(name=self.version, number='2')
        self.require(second, max_disk=7)
        file = self.cloud.directory / f'{self.version}.yaml'
        file.write_text(self.exported())
        self.assertIn('min_ram: 1024', file.read_text())
        self.assertIn('nothing to change', self.manage(
            'datastore-version-flavor-apply', str(file)).stdout.lower())

    def test_the_effect_is_shown_before_a_file_is_applied(self):
        self.require(self.version_id, max_ram=9000)
        shown = self.upload(self.body(self.version, min_ram=8192,
                                      flavors=[self.large]))
        self.assertEqual('Save', submit(shown), shown.text)
        lines = effects(shown)
        self.assertEqual(f'Added: flavor={self.large}, min_ram=8192', lines[0])
        self.assertEqual('Removed: max_ram=9000', lines[1])
        self.assertIsNone(self.requirement()['min_ram'])
        answer = self.send(self.path, shown)
        self.assertTrue(test_dashboard.is_closed(answer), answer.text)
        self.assertEqual((8192, None, [self.large]), tuple(
            self.requirement()[key] for key in (
                'min_ram', 'max_ram', 'flavors')))

    def test_a_file_is_not_applied_after_another_change(self):
        shown = self.upload(self.body(self.version, min_ram=8192))
        self.require(self.version_id, max_ram=9000)
        answer = self.send(self.path, shown)
        self.assertIn('Somebody else has changed a requirement', answer.text)
        self.assertIsNone(self.requirement()['min_ram'])
        shown = self.send(self.path, answer)
        self.assertEqual('Save', submit(shown))
        self.send(self.path, shown)
        self.assertEqual(8192, self.requirement()['min_ram'])

    def test_what_the_file_does_not_mention_can_be_removed(self):
        other, other_name = self.create_version()
        self.require(other, max_ram=9000)
        text = self.exported()
        self.require(self.version_id, min_ram=1)
        self.assertEqual(['The file changes nothing.'],
                         effects(self.upload(text)))
        shown = self.upload(text, prune='on')
        self.assertIn('Removed: min_ram=1', effects(shown))
        self.send(self.path, shown)
        self.assertEqual(('nothing', 'at most 9000 MiB RAM'), (
            self.row()['Requires'], self.row(other)['Requires']))

    def test_problems_of_a_file_say_where(self):
        for text, problem in (
                (self.body(self.version, min_ram='x'),
                 f'mysql/{self.version}/min_ram: '),
                (self.body('nowhere', min_ram=1), 'mysql/nowhere'),
                (self.body(self.version, flavors=['nowhere']), 'nowhere'),
                ('a: *b', 'not valid YAML'), ('a: !b c', 'not valid YAML'),
                ('', 'is empty'), ('{}', 'has no'), ('[1]', 'mapping'),
                ('datastore_versions: {mysql: {a: {}, a: {}}}', 'Line 1'),
                ('a: b', 'has no')):
            answer = self.upload(text)
            self.assertEqual(SHOW, submit(answer), answer.text)
            self.assertIn(problem, ' '.join(errors(answer, 'file')), text)

    def test_without_a_file_it_asks_for_one(self):
        # The second is what a browser would send again, and is damaged.
        for fields in ({}, {'text': '[{'}):
            answer = self.send(self.path, self.admin.dialog(self.path),
                               **fields)
            self.assertEqual(['Select a file.'], errors(answer, 'file'))

    def test_a_source_in_the_address_is_no_path(self):
        self.require(self.version_id, min_ram=1024)
        answer = self.admin.page(
            f'{PANEL}{self.version_id}/update/?source='
            f'x%2F..%2F{self.version_id}')
        self.assertNotIn('update_flavor_requirement_form', answer.text)


class TroubleTest(PanelTestCase):
    """Where the plugin, or a part of it, is not there."""

    def test_after_the_session_has_ended_it_asks_to_log_in(self):
        users = f'{self.cloud.auth_url}/users'
        keystone = self.cloud.session('admin')
        for path in (PANEL, f'{PANEL}violations/', f'{PANEL}export/',
                     self.update(), f'{PANEL}{self.version_id}/copy/'):
            name = self.unique('admin')
            self.cloud.create_user(name, 'admin', ('admin',))
            visitor = test_dashboard.Visitor(
                self.horizon.url, name, self.cloud.secrets[name])
            (user,) = keystone.get(f'{users}?name={name}').json()['users']
            keystone.patch(f'{users}/{user["id"]}',
                           json={'user': {'enabled': False}})
            answer = visitor.page(path)
            self.assertEqual(403, answer.status_code, path)
            self.assertIn('Please try logging in again', answer.text, path)

    def test_without_the_plugin_it_says_so(self):
        forms = self.filled_in()
        self.cloud.check('trove-flavor-filter', 'disable')
        self.cloud.restart('trove')
        try:
            self.assertEveryPageSays('does not have the plugin', forms)
        finally:
            self.cloud.check('trove-flavor-filter', 'enable')
            self.cloud.restart('trove')

    def test_of_a_plugin_before_the_mark_it_says_that_it_is_too_old(self):
        forms = self.filled_in()
        with older_release.running(self.cloud, older_release.BEFORE_MARK):
            self.assertEqual(400, self.cloud.trove(
                f'/mgmt/datastore-versions/{self.version_id}'
                f'/flavor-requirement?dry_run=true', 'PUT', 'admin',
                json={'flavor_requirement': {}}).status_code)
            self.assertEveryPageSays('too old for this panel', forms)
        self.assertEqual(8192, self.requirement()['min_ram'])

    def filled_in(self) -> list[Sent]:
        """Forms that wait to be sent, and one that waits to be saved."""
        other, name = self.create_version()
        self.require(other, min_ram=1)
        self.require(self.version_id, min_ram=8192)
        update, copy = self.update(), f'{PANEL}{self.version_id}/copy/'
        file = yaml.safe_dump({'datastore_versions': {'mysql': {name: {}}}})
        form = self.admin.dialog(update)
        return [
            Sent(update, form, {'min_ram': '1'}),
            Sent(update, test_dashboard.form_of(self.send(
                update, form, min_ram='1'))),
            Sent(copy, self.admin.dialog(copy), {'source': other}),
            Sent(FILE, self.admin.dialog(FILE), {}, {
                'file': ('flavors.yaml', file.encode())})]

    def assertEveryPageSays(self, text: str, forms: list[Sent]) -> None:
        """A page and a form lead to the table, or are shown again."""
        for path in (PANEL, f'{PANEL}violations/', f'{PANEL}export/',
                     self.update(), f'{PANEL}{self.version_id}/copy/'):
            answer = self.admin.page(path)
            self.assertEqual(200, answer.status_code, path)
            self.assertIn(text, messages(answer), path)
        # Whether there are requirements to replace is asked for later.
        self.assertEqual(200, self.admin.page(FILE).status_code)
        for sent in forms:
            answer = self.send(sent.path, sent.form, sent.files, **sent.fields)
            self.assertEqual(200, answer.status_code, sent)
            if test_dashboard.is_closed(answer):
                answer = self.admin.page(PANEL)
            self.assertIn(text, answer.text, sent)

    def test_when_the_plugin_fails_it_says_so(self):
        self.cloud.sql('ALTER TABLE datastore_version_metadata '
                       'RENAME TO elsewhere')
        try:
            answer = self.admin.page(PANEL)
            self.assertEqual(200, answer.status_code)
            self.assertIn('database is not available', messages(answer))
        finally:
            self.cloud.sql('ALTER TABLE elsewhere RENAME TO '
                           'datastore_version_metadata')

    def test_without_nova_a_file_is_not_read(self):
        form = self.admin.dialog(FILE)
        self.cloud.stop('nova')
        try:
            answer = self.send(FILE, form, {
                'file': ('flavors.yaml', b'datastore_versions: {}')})
        finally:
            self.cloud.start('nova')
        self.assertEqual(200, answer.status_code)
        self.assertEqual(SHOW, submit(answer))
        self.assertIn('Unable to retrieve Nova&#x27;s flavors.', answer.text)

    def test_when_changes_are_forbidden_the_rest_is_shown(self):
        self.require(self.version_id, min_ram=1024)
        original = self.cloud.policy_file.read_text()
        self.addCleanup(self.cloud.policy_file.write_text, original)
        self.cloud.policy_file.write_text(
            '"flavor_filter:requirements:update": "!"\n')
        answer = self.admin.page(PANEL)
        row = self.row(answer=answer)
        self.assertEqual(('at least 1024 MiB RAM', 'not known', 'not known'), (
            row['Requires'], row['Allowed Flavors'],
            row['Instances That Break It']))
        self.assertIn('not known what the requirements allow',
                      messages(answer))
        answer = self.send(self.update(), self.admin.dialog(self.update()))
        self.assertEqual(SHOW, submit(answer))


class OlderReleaseTest(PanelTestCase):
    """With the plugin as it was before volumes have bounds."""

    def setUp(self) -> None:
        super().setUp()
        self.instance_id = self.cloud.create_instance(
            self.small, self.version_id)
        running = older_release.running(self.cloud,
                                        older_release.BEFORE_VOLUMES)
        running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)

    def test_all_but_volumes_is_shown_and_changed(self):
        form = self.admin.dialog(self.update())
        self.assertEqual(
            ['min_ram', 'max_ram', 'min_vcpus', 'max_vcpus', 'min_disk',
             'max_disk'], form.xpath('.//input[@type="number"]/@name'))
        shown = self.send(self.update(), form, min_ram='8192',
                          enforcement='warn')
        self.assertIn('1 instance would newly break', effects(shown)[1])
        self.send(self.update(), shown)
        row = self.row()
        self.assertEqual(
            ('at least 8192 MiB RAM', 'On trial', '1'),
            (row['Requires'], row['Enforcement'],
             row['Instances That Break It']))
        self.assertIn(self.instance_id, self.admin.page(
            f'{PANEL}violations/?datastore_version_id={self.version_id}').text)
        other, _name = self.create_version()
        self.save(self.update(other, f'?source={self.version_id}'))
        self.assertEqual(8192, self.requirement(other)['min_ram'])

    def test_a_file_is_exported_and_applied(self):
        self.require(self.version_id, min_ram=8192)
        text = self.admin.page(f'{PANEL}export/').text
        self.require(self.version_id, min_ram=1)
        shown = self.upload(text)
        self.assertIn('Added: min_ram=8192', effects(shown))
        self.assertIn('1 instance would newly break', shown.text)
        self.send(FILE, shown)
        self.assertEqual(8192, self.requirement()['min_ram'])

    def test_a_file_with_volumes_is_refused_with_the_reason(self):
        answer = self.upload(yaml.safe_dump({'datastore_versions': {
            'mysql': {self.version: {'min_volume': 5}}}}))
        self.assertIn('min_volume', ' '.join(errors(answer, 'file')))
