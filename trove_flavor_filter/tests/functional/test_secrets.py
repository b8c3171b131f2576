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

"""No log and no output tells a secret, at the level of debug either."""

import os
import re
import unittest

from oslotest import base as oslotest_base
import requests
import sqlalchemy as sa

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.functional import base

# What begins a record of a log.
RECORD = re.compile(r'(?m)^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)')

# Trove's own authorization filter writes down, at the level of debug, all of
# a request that it lets pass, token included. That is no doing of the plugin.
TROVES_OWN = (' DEBUG trove.common.auth ', "Authorized tenant '")

WRONG = 'wrong-pencil-8d1f'


class Search:
    """Finds secrets in texts.

    :param secrets: by what they are
    """

    def __init__(self, secrets: dict[str, str]):
        self._secrets = secrets

    def find(self, texts: dict[str, str]) -> list[str]:
        """What was found where; never the secret itself."""
        return sorted(
            f'{name} in {where}' for where, text in texts.items()
            for name, secret in self._secrets.items() if secret in text)


class SearchTest(oslotest_base.BaseTestCase):

    def test_a_secret_anywhere_in_a_text_is_found(self):
        search = Search({'password': 'pencil', 'token': 'gAAAA-x'})
        self.assertEqual(
            ['password in b', 'token in b', 'token in c'], search.find({
                'a': 'pen cil', 'b': 'x=pencil&y=gAAAA-x\n',
                'c': '"gAAAA-x"'}))


class SecretsTest(base.FunctionalTestCase):
    """A cloud of its own, whose Trove logs all that it can."""

    def setUp(self) -> None:
        # The shared cloud is another one.
        super(base.FunctionalTestCase, self).setUp()
        if os.environ.get('FLAVOR_FILTER_SERVER', 'eventlet') != 'eventlet':
            raise unittest.SkipTest('the log is read as trove-api writes it')
        self.cloud = cloud.Cloud(
            os.environ.get('FLAVOR_FILTER_DATABASE', 'sqlite'),
            options={'DEFAULT': {'debug': True},
                     'flavor_filter': {'flavor_cache_time': 0}})
        self.cloud.__enter__()
        self.addCleanup(self.cloud.stop_all)
        self.cloud.enable()
        self.outputs = {}

    def run_command(self, *words: str, code: int | None = 0) -> None:
        result = self.cloud.run(*words)
        if code is not None:
            self.assertEqual(code, result.returncode,
                             result.stdout + result.stderr)
        self.outputs[f'{" ".join(words)} ({len(self.outputs)})'] = (
            result.stdout + result.stderr)

    def ask(self, path: str, status: int, method: str = 'GET',
            user: str = 'demo', **kwargs) -> None:
        # Not by cloud.trove, which would take a new token after a 401.
        with requests.Session() as client:
            client.trust_env = False
            response = client.request(
                method, f'{self.cloud.trove_url}/v1.0/'
                        f'{self.cloud.project_id(user)}{path}',
                headers={'X-Auth-Token': self.cloud.token(user)},
                timeout=60, **kwargs)
        self.assertEqual(status, response.status_code, response.text)
        self.outputs[f'answer {len(self.outputs)}'] = (
            f'{response.headers}{response.text}')

    def configure(self, old: str, new: str) -> None:
        """Have Trove run with a changed trove.conf."""
        text = self.cloud.trove_conf.read_text()
        self.assertIn(old, text)
        self.cloud.trove_conf.write_text(text.replace(old, new))
        self.cloud.restart('trove')

    def secrets(self) -> dict[str, str]:
        """All that was used, by what it is."""
        found = {f'password of {name}': secret
                 for name, secret in self.cloud.secrets.items()}
        found |= {f'token of {name}': self.cloud.token(name)
                  for name in self.cloud.users}
        found['wrong password'] = WRONG
        password = sa.make_url(self.cloud.database_url).password
        if password:
            found['password of the database'] = password
        return found

    def use_everything(self) -> None:
        small, large = self.create_flavor(), self.create_flavor(ram=4096)
        version_id = self.create_version()
        route = f'/flavors/datastores/versions/{version_id}'
        create = {'instance': {
            'name': 'db', 'flavorRef': small,
            'datastore': {'type': 'mysql', 'version': version_id}}}
        manage = ('trove-manage', '--debug')
        declared = self.cloud.directory / 'declared.yaml'

        def commands(code: int) -> None:
            for words in (
                    ('datastore-version-flavor-add', version_id, large),
                    ('datastore-version-flavor-require', version_id,
                     '--min-ram', '1024')):
                self.run_command(*manage, *words, code=code)
            for words in (
                    ('datastore-version-flavor-list',),
                    ('datastore-version-flavor-list', version_id),
                    ('datastore-version-flavor-violations',),
                    ('datastore-version-flavor-export',),
                    ('datastore-version-flavor-apply', str(declared)),
                    ('datastore-version-flavor-delete', version_id,
                     'no-such'),
                    ('flavor-filter-db-sync',)):
                # They need Nova more or less; what they say is the matter.
                self.run_command(*manage, *words, code=None)
            self.run_command('trove-flavor-filter-status', '--debug',
                             'upgrade', 'check', code=None)

        declared.write_text('datastore_versions: {}\n')
        commands(0)
        self.run_command('trove-flavor-filter', 'enable', '--dry-run')
        for user in ('demo', 'viewer', 'other', 'admin'):
            self.ask(route, 200, user=user)
        self.ask('/flavors/datastores/versions/no-such', 404)
        self.ask(route, 405, 'PUT', json={})
        self.ask('/instances', 400, 'POST', json=create)
        # Nova is unavailable.
        self.cloud.stop('nova')
        self.ask(route, 503)
        self.run_command(*manage, 'datastore-version-flavor-add',
                         version_id, 'x', code=1)
        self.cloud.start('nova')
        # The service's own credentials are wrong.
        text = self.cloud.trove_conf.read_text()
        section = text[text.index('[service_credentials]'):].partition(
            '\n\n')[0]
        self.configure(section, section.replace(
            self.cloud.secrets['trove'], WRONG))
        self.ask(route, 503)
        self.ask('/instances', 400, 'POST', json=create)
        self.run_command(*manage, 'datastore-version-flavor-add',
                         version_id, 'x', code=1)
        self.run_command('trove-flavor-filter-status', '--debug',
                         'upgrade', 'check', code=2)
        # The database is unavailable, and its URL has a password. Trove itself
        # would not start, and tries for minutes.
        self.cloud.stop('trove')
        text = self.cloud.trove_conf.read_text()
        self.cloud.trove_conf.write_text(text.replace(
            f'connection = {self.cloud.database_url}',
            f'connection = mysql+pymysql://trove:{WRONG}@127.0.0.1:1/trove'))
        self.assertNotEqual(text, self.cloud.trove_conf.read_text())
        self.run_command(*manage, 'datastore-version-flavor-list', code=1)
        self.run_command(*manage, 'flavor-filter-db-sync', code=1)
        self.run_command('trove-flavor-filter-status', '--debug',
                         'upgrade', 'check', code=2)

    def test_no_log_and_no_output_tells_a_secret(self):
        self.use_everything()
        log = self.cloud.log('trove').read_text()
        # It is a log of all that there is to say, the client's own included.
        self.assertIn(' DEBUG ', log)
        self.assertRegex(log, r'REQ: curl.*X-Auth-Token')
        secrets = self.secrets()
        troves_own = [record for record in RECORD.split(log)
                      if all(part in record for part in TROVES_OWN)]
        texts = {path.name: path.read_text() for path in
                 self.cloud.directory.glob('*.log')} | self.outputs
        texts['trove.log'] = ''.join(
            record for record in RECORD.split(log)
            if record not in troves_own)
        found = Search(secrets).find(texts)
        print(f'\n{len(secrets)} secrets, {len(texts)} texts, '
              f'{sum(map(len, texts.values()))} characters: '
              f'{len(found)} found; '
              f'{len(troves_own)} records of Trove\'s own left out')
        self.assertEqual([], found)
        # The same search finds the same secrets where they belong, and one
        # that a log is made to have.
        self.assertIn(
            'wrong password in trove.conf', Search(secrets).find(
                {'trove.conf': self.cloud.trove_conf.read_text()}))
        for name, secret in secrets.items():
            clean = texts['trove.log']
            middle = len(clean) // 2
            self.assertEqual([f'{name} in log'], Search(secrets).find(
                {'log': f'{clean[:middle]}{secret}{clean[middle:]}'}))
        # Whoever's token it is: Trove has its own, which nobody here knows.
        self.assertIsNone(re.search(r'gAAAA[\w-]{40}', '\n'.join(
            texts.values())))
