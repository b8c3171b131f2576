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

"""Requirements on trial: what they do not allow is logged, not refused."""

import datetime
import pathlib
import re

import sqlalchemy as sa
from trove.instance import tasks

from trove_flavor_filter.db import models
from trove_flavor_filter.tests.unit.api import test_guard
from trove_flavor_filter.tests.unit import test_violations
from trove_flavor_filter.tests.unit import test_wsgi

UNREADABLE = b'{"instance": '


class TrialTestCase(test_guard.GuardTestCase):

    def decisions(self) -> list[tuple[str, str]]:
        """Outcome and reason of each decision in the log."""
        return [re.search("outcome=(\\w+) .* reason=['\"](.*)['\"]$",
                          line).groups()
                for line in self.our_log() if 'flavor decision' in line]

    def trial(self, version_id: str | None = None,
              value: str = 'warn') -> None:
        self.create_row(version_id or self.version_id, value,
                        key='enforcement')

    def assertPasses(self, response, *decisions: tuple[str, str]) -> None:
        self.assertEqual(200, response.status_int, response.text)
        self.assertEqual(1, len(self.reached))
        self.assertEqual([*decisions], self.decisions())

    def access(self, instance_id: str):
        return self.post(f'/instances/{instance_id}', {
            'instance': {'access': {'is_public': True}}}, method='PUT')

    def resizing(self, version_id: str | None = None) -> str:
        """An instance that is being resized."""
        return self.create_instance(
            task_id=tasks.InstanceTasks.RESIZING.code,
            datastore_version_id=version_id or self.version_id)


class VersionTest(TrialTestCase):
    """A datastore version on trial, where the deployment enforces."""

    def test_what_would_be_refused_passes_and_is_logged_with_its_fields(self):
        self.trial()
        self.assertPasses(self.create(flavorRef='small'),
                          ('would_refuse', 'not associated'))
        self.assertRegex(self.our_log()[0], (
            f"flavor decision: outcome=would_refuse user=user "
            f"project={test_wsgi.PROJECT} request_id=req-[-0-9a-f]+ "
            f"action=create datastore_version={self.version_id} instance= "
            f"flavor='small' reason='not associated'$"))

    def test_what_is_allowed_is_not_logged(self):
        self.trial()
        self.assertPasses(self.create(flavorRef='allowed'))

    def test_deny_is_the_same_as_no_row(self):
        self.trial(value='deny')
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')

    def test_an_invalid_row_counts_as_deny_and_requires_nothing(self):
        self.trial(value='maybe')
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')
        self.assertPasses(self.create(flavorRef='allowed'),
                          ('refused', 'not associated'))
        self.trial()
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')

    def test_alone_it_requires_nothing(self):
        self.trial(self.other_id)
        self.assertPasses(self.create(flavorRef='small', datastore={
            'type': 'mysql', 'version': '5.7'}))
        self.execute(sa.delete(models.DatastoreVersionMetadata).where(
            models.DatastoreVersionMetadata.key == 'flavor'))
        self.assertPasses(self.access(self.resizing(self.other_id)))

    def test_without_nova_a_minimum_is_not_judged(self):
        self.create_row(self.other_id, '512', key='min_ram')
        self.trial(self.other_id)
        response = self.create(flavorRef='small', datastore={
            'type': 'mysql', 'version': '5.7'})
        self.assertEqual(200, response.status_int)
        (outcome, reason), = self.decisions()
        self.assertEqual('would_refuse', outcome)
        self.assertIn('127.0.0.1', reason)

    def test_a_busy_instance_need_not_wait(self):
        self.trial()
        self.assertPasses(self.access(self.resizing()),
                          ('would_refuse', 'is being resized'))

    def test_a_busy_instance_waits_for_a_version_that_is_in_force(self):
        # It would hide the resize from an upgrade to that version.
        self.trial()
        self.create_row(self.other_id, 'allowed')
        self.assertFault(self.access(self.resizing()), 422,
                         'unprocessableEntity')
        self.trial(self.other_id)
        self.assertEqual(200, self.access(self.resizing()).status_int)

    def test_of_several_versions_all_have_to_be_on_trial(self):
        self.create_row(self.other_id, 'allowed')
        upgraded = self.create_instance(
            datastore_version_id=self.other_id)
        self.execute(sa.insert(models.FlavorFilterUpgrade).values(
            instance_id=upgraded, attempt='a', target_id=self.other_id,
            datastore_version_id=self.version_id, state='doubted',
            created=datetime.datetime(2026, 1, 1)))

        def resize():
            return self.post(f'/instances/{upgraded}/action',
                             {'resize': {'flavorRef': 'small'}})
        self.trial()
        self.assertFault(resize(), 400, 'badRequest')
        self.trial(self.other_id)
        self.assertEqual(200, resize().status_int)

    def test_an_upgrade_that_passes_is_recorded(self):
        self.create_row(self.other_id, 'another')
        self.trial(self.other_id)
        instance_id = self.create_instance()
        self.assertPasses(self.post(
            f'/instances/{instance_id}',
            {'instance': {'datastore_version': '5.7'}}, method='PUT'),
            ('would_refuse', 'not associated'))
        self.assertEqual(
            [(instance_id, self.version_id, self.other_id)],
            [(row.instance_id, row.datastore_version_id, row.target_id)
             for row in self.execute(sa.select(
                 *models.FlavorFilterUpgrade.__table__.columns))])

    def test_a_body_that_cannot_be_read_is_refused(self):
        self.trial()
        self.assertFault(self.post('/instances', UNREADABLE), 400,
                         'badRequest')


class DeploymentTest(TrialTestCase):
    """All datastore versions on trial."""

    options = '[flavor_filter]\nenforcement = warn\n'

    def test_what_would_be_refused_passes(self):
        self.assertPasses(self.create(flavorRef='small'),
                          ('would_refuse', 'not associated'))

    def test_a_busy_instance_need_not_wait(self):
        self.assertPasses(self.access(self.resizing()),
                          ('would_refuse', 'is being resized'))

    def test_what_cannot_be_read_passes(self):
        self.assertPasses(
            self.post('/instances', UNREADABLE),
            ('would_refuse', 'Malformed request body'))

    def test_without_the_database_all_passes(self):
        self.execute(sa.text('DROP TABLE datastore_version_metadata'))
        self.assertEqual(200, self.create(flavorRef='small').status_int)
        (outcome, reason), = self.decisions()
        self.assertEqual('would_refuse', outcome)
        self.assertIn('datastore_version_metadata', reason)

    def test_without_the_table_an_upgrade_is_not_recorded_and_passes(self):
        self.execute(sa.text('DROP TABLE flavor_filter_upgrade'))
        instance_id = self.create_instance()
        response = self.post(
            f'/instances/{instance_id}',
            {'instance': {'datastore_version': '5.7'}}, method='PUT')
        self.assertEqual(200, response.status_int)

    def test_who_has_no_valid_token_is_refused(self):
        self.assertFault(self.post('/instances', {}, project='other'),
                         403, 'forbidden')
        self.assertFault(self.post('/instances', {}, **{
            'X-Identity-Status': 'Invalid'}), 401, 'unauthorized')


class OffTest(TrialTestCase):

    options = '[flavor_filter]\nenforcement = off\nenforce = true\n'

    def test_all_passes_without_a_line(self):
        self.trial(value='deny')
        self.assertPasses(self.create(flavorRef='small'))
        self.assertPasses(self.access(self.resizing()))


class DeprecatedOptionTest(TrialTestCase):

    options = '[flavor_filter]\nenforce = false\n'

    def test_it_is_off(self):
        self.assertPasses(self.create(flavorRef='small'))


class BothOptionsTest(TrialTestCase):

    options = '[flavor_filter]\nenforce = false\nenforcement = deny\n'

    def test_the_new_one_counts(self):
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')


class BypassTest(TrialTestCase):
    """Exceptions by policy: the rules of the page, and each key."""

    def use(self, rule: str) -> None:
        path = self.application._services.conf.oslo_policy.policy_file
        with open(path, 'w') as file:
            file.write(f'"flavor_filter:bypass": "{rule}"\n')

    def test_each_key_of_the_target(self):
        values = {'datastore': 'mysql', 'datastore_version': '8.0',
                  'datastore_version_id': self.version_id,
                  'flavor_id': 'small', 'action': 'create'}
        for key, value in values.items():
            self.use(f"'{value}':%({key})s")
            self.assertEqual(
                200, self.create(flavorRef='small').status_int, key)
            self.use(f"'other':%({key})s")
            self.assertFault(self.create(flavorRef='small'), 400,
                             'badRequest')
        for rule, passes in (('project_id:%(project_id)s', True),
                             (f'project_id:{test_wsgi.PROJECT}', True),
                             ('project_id:another', False)):
            self.use(rule)
            self.assertEqual(200 if passes else 400, self.create(
                flavorRef='small').status_int, rule)

    def test_one_version_and_not_the_other(self):
        self.create_row(self.other_id, 'allowed')
        self.use("role:member and '5.7':%(datastore_version)s")
        self.assertFault(self.create(flavorRef='small'), 400, 'badRequest')
        self.assertEqual(200, self.create(flavorRef='small', datastore={
            'type': 'mysql', 'version': '5.7'}).status_int)

    def test_a_version_that_would_not_refuse_is_not_asked_for(self):
        self.use("'small':%(flavor_id)s")
        self.assertEqual(200, self.create(flavorRef='allowed').status_int)
        self.assertEqual([], self.decisions())

    def test_a_busy_instance_is_a_case_without_a_flavor(self):
        self.use("'access':%(action)s and '':%(flavor_id)s")
        self.assertPasses(self.access(self.resizing()),
                          ('bypassed', 'is being resized'))
        self.use("'upgrade':%(action)s")
        self.assertFault(self.access(self.resizing()), 422,
                         'unprocessableEntity')


class ExemptTest(test_violations.ApiTestCase):
    """Who is exempt: the guard, the list, the log and the violations agree.

    An instance on the flavor ``big``; ``small`` is not allowed.
    """

    policy = '"flavor_filter:bypass": "!"\n'

    IDENTITIES = {
        'member': {'X-Roles': 'member'},
        'admin': {'X-Roles': 'admin'},
        'tester': {'X-Roles': 'member,tester'},
    }
    # The rule, and whom it exempts from this requirement.
    RULES = {
        '!': set(),
        '@': {'member', 'admin', 'tester'},
        'role:admin': {'admin'},
        'role:tester': {'tester'},
        f'project_id:{test_wsgi.PROJECT}': {'member', 'admin', 'tester'},
        'project_id:another': set(),
        "role:admin and 'mysql':%(datastore)s and "
        "'8.0':%(datastore_version)s": {'admin'},
        "role:admin and '5.7':%(datastore_version)s": set(),
        "role:member and 'upgrade':%(action)s": set(),
        "role:member and 'resize':%(action)s": {'member', 'tester'},
        "role:tester and 'small':%(flavor_id)s": {'tester'},
        "role:tester and 'big':%(flavor_id)s": set(),
        'undefined:': set(),
    }

    def send(self, method: str, path: str, body=None, **headers: str):
        request = test_wsgi.webob.Request.blank(
            f'/{test_wsgi.PROJECT}{path}', method=method,
            base_url='http://db.example.org/v1.0',
            **({'json': body} if body else {}))
        request.headers.update({
            'Content-Type': 'application/json', 'X-User-Id': 'user',
            'X-Identity-Status': 'Confirmed',
            'X-Project-Id': test_wsgi.PROJECT, **headers})
        return request.get_response(self.application)

    def test_the_rules_of_the_page(self):
        page = pathlib.Path(__file__).parents[3].joinpath(
            'doc', 'source', 'admin', 'enforcement.rst').read_text()
        listed = re.findall('    "flavor_filter:bypass": "(.*)"', page)
        self.assertEqual(5, len(listed))
        # Whom each exempts when 8.0 is asked to run the small flavor.
        exempt = (
            {('admin', 'create'), ('admin', 'upgrade')},
            {(name, action) for name in self.IDENTITIES
             for action in ('create', 'upgrade')},
            {('admin', 'create'), ('admin', 'upgrade')},
            {('member', 'upgrade'), ('tester', 'upgrade')},
            {('tester', 'create'), ('tester', 'upgrade')})
        tiny = self.create_instance('small', self.other_id)
        requests = {
            'create': ('POST', '/instances', {'instance': {
                'flavorRef': 'small', 'datastore': {
                    'type': 'mysql', 'version': '8.0'}}}),
            'upgrade': ('PUT', f'/instances/{tiny}', {'instance': {
                'datastore_version': '8.0'}})}
        services = self.application._services
        services.catalog._nova._client = services.nova._client
        for rule, passes in zip(listed, exempt):
            # On the page, the small flavor has the id 1.
            rule = rule.replace("'1'", "'small'")
            with open(services.conf.oslo_policy.policy_file, 'w') as file:
                file.write(f'"flavor_filter:bypass": "{rule}"\n')
            passed = set()
            for name, headers in self.IDENTITIES.items():
                for action, request in requests.items():
                    if self.send(*request, **headers).status_int == 200:
                        passed.add((name, action))
                    # A version that it may run already is not judged.
                    self.execute(sa.delete(models.FlavorFilterUpgrade))
            self.assertEqual(passes, passed, rule)

    def outcome(self) -> str:
        """The outcome of the last decision."""
        return re.findall('outcome=(\\w+)', self.log.output)[-1]

    def test_each_rule_for_each_identity(self):
        self.execute(sa.update(models.DatastoreVersion).where(
            models.DatastoreVersion.id == self.version_id).values(
                manager='custom'))
        instance_id = self.create_instance('big')
        breaks = self.create_instance('small')
        services = self.application._services
        services.catalog._nova._client = services.nova._client
        for rule, exempt in self.RULES.items():
            with open(services.conf.oslo_policy.policy_file, 'w') as file:
                file.write(f'"flavor_filter:bypass": "{rule}"\n')
            for name, headers in self.IDENTITIES.items():
                is_exempt = name in exempt

                def resize(headers=headers):
                    return self.send('POST', f'/instances/{instance_id}'
                                     f'/action', {'resize': {
                                         'flavorRef': 'small'}}, **headers)
                self.assertEqual(200 if is_exempt else 400,
                                 resize().status_int, (rule, name))
                self.assertEqual('bypassed' if is_exempt else 'refused',
                                 self.outcome(), (rule, name))
                listed = self.send('GET', f'/instances/{instance_id}/flavors',
                                   **headers)
                self.assertEqual(['small'] if is_exempt else [], [
                    flavor['str_id'] for flavor in listed.json['flavors']],
                    (rule, name))
                self.create_row(self.version_id, 'warn', 'enforcement')
                self.assertEqual(200, resize().status_int)
                self.assertEqual(
                    'bypassed' if is_exempt else 'would_refuse',
                    self.outcome(), (rule, name))
                self.execute(sa.delete(models.DatastoreVersionMetadata).where(
                    models.DatastoreVersionMetadata.key == 'enforcement'))
                # Nobody asks here, so nobody is exempt.
                self.assertEqual([breaks], [
                    each.instance_id for each in services.violations.all(
                        services.nova.everything())])
