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

"""trove-flavor-filter-status upgrade check, on the real thing."""

import json
import pathlib
import shutil
import venv

import fixtures

from trove_flavor_filter.tests.functional import base

CODES = ('Success', 'Warning', 'Failure')


class StatusTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.cloud.sql('DELETE FROM datastore_version_metadata')
        self.cloud.sql('UPDATE instances SET deleted = :yes', yes=True)

    def check(self, code: int, *options: str, behind: tuple[str, ...] = (),
              path: str = '/usr/bin') -> dict[str, tuple[str, str]]:
        """Result and details of each check, by its name.

        :param behind: options that follow the subcommand
        """
        result = self.cloud.run(
            str(self.cloud.bin / 'trove-flavor-filter-status'), *options,
            'upgrade', 'check', '--json', *behind, path=path)
        self.assertEqual(code, result.returncode,
                         result.stdout + result.stderr)
        self.assertEqual('', result.stderr)
        return {check['check']: (CODES[check['result']],
                                 check['details'] or '')
                for check in json.loads(result.stdout)['checks']}

    def assertFinds(self, name: str, result: str, *texts: str,
                    options: tuple[str, ...] = ()) -> None:
        code = CODES.index(result)
        found = self.check(code, *options)
        self.assertEqual(result, found[name][0], found)
        for text in texts:
            self.assertIn(text, found[name][1])

    def test_where_all_is_well_it_says_so(self):
        self.assertEqual({('Success', '')}, set(self.check(0).values()))
        result = self.cloud.run('trove-flavor-filter-status', 'upgrade',
                                'check')
        self.assertEqual(12, result.stdout.count('Result: Success'))

    def test_what_is_on_trial_is_named(self):
        version_id = self.create_version()
        self.manage('datastore-version-flavor-require', version_id,
                    '--min-ram', '1', '--enforcement', 'warn')
        self.assertFinds('Requirements on trial', 'Warning', version_id,
                         '--enforcement deny')
        self.assertFinds('Keys that older releases ignore', 'Warning',
                         version_id)

    def test_a_volume_that_trove_does_not_accept(self):
        maria = self.cloud.create_datastore_version(
            'mariadb', self.unique('v'), manager='mariadb')
        mysql = self.create_version()
        for version_id in (maria, mysql):
            self.manage('datastore-version-flavor-require', version_id,
                        '--min-volume', '11')
        name = 'Requirements that cannot be met'
        self.assertFinds(name, 'Warning', maria, 'min_volume 11 is above '
                         'max_accepted_volume_size 10')
        # Instances of MySQL have no volume here.
        self.assertNotIn(mysql, self.check(1)[name][1])
        self.assertFinds('Keys that older releases ignore', 'Warning', maria)
        self.manage('datastore-version-flavor-require', maria,
                    '--min-volume', '10')
        self.assertEqual('Success', self.check(1)[name][0])

    def test_a_pipeline_without_the_filter(self):
        before = self.cloud.paste_ini.read_text()
        self.addCleanup(self.cloud.paste_ini.write_text, before)
        name = 'Pipeline in api-paste.ini'
        self.cloud.paste_ini.write_text(
            before.replace('flavor_filter extensions', 'extensions'))
        self.assertFinds(name, 'Failure', 'does not have flavor_filter',
                         'trove-flavor-filter enable')
        self.cloud.paste_ini.write_text(before.replace(
            'flavor_filter extensions', 'extensions flavor_filter'))
        self.assertFinds(name, 'Failure', 'after extensions')

    def test_a_trove_manage_that_was_written_anew(self):
        path = self.cloud.bin / 'trove-manage'
        before = path.read_bytes()
        self.addCleanup(path.write_bytes, before)
        self.cloud.run('trove-flavor-filter', 'disable', '--paste-config',
                       '/no/such/file')
        self.assertFinds('Subcommands of trove-manage', 'Warning',
                         str(path), 'trove-flavor-filter enable')

    def move_trove_manage(self) -> pathlib.Path:
        """Away from beside the command."""
        path = self.cloud.bin / 'trove-manage'
        elsewhere = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path, 'trove-manage')
        shutil.move(path, elsewhere)
        self.addCleanup(shutil.move, elsewhere, path)
        return elsewhere

    def test_a_trove_manage_that_is_elsewhere(self):
        elsewhere = self.move_trove_manage()
        name = 'Subcommands of trove-manage'
        option = ('--trove-manage', str(elsewhere))
        for found in (self.check(0, *option), self.check(0, behind=option),
                      self.check(0, path=f'/bin:{elsewhere.parent}')):
            self.assertEqual(('Success', ''), found[name])

    def test_no_trove_manage_is_a_warning_that_says_what_to_do(self):
        self.move_trove_manage()
        self.assertFinds('Subcommands of trove-manage', 'Warning',
                         'nor on PATH; name it with --trove-manage',
                         'trove-flavor-filter-manage')

    def test_a_trove_manage_whose_python_lacks_the_plugin(self):
        elsewhere = self.move_trove_manage()
        bare = elsewhere.with_name('bare')
        venv.create(bare)
        lines = elsewhere.read_text().splitlines(keepends=True)
        script = elsewhere.with_name('bare-trove-manage')
        script.write_text(''.join([f'#!{bare}/bin/python\n', *lines[1:]]))
        found = self.check(1, '--trove-manage', str(script))
        self.assertIn(f'{bare}/bin/python, cannot import the plugin',
                      found['Subcommands of trove-manage'][1])

    def test_another_paste_file_with_authentication_of_its_own(self):
        paste = self.cloud.directory / 'own-authentication.ini'
        paste.write_text(self.cloud.paste_ini.read_text().replace(
            'keystonemiddleware.auth_token:', 'site.auth:'))
        conf = self.cloud.directory / 'own-authentication.conf'
        name = 'Pipeline in api-paste.ini'
        option = ('--paste-config', str(paste))
        self.assertFinds(name, 'Failure', f'{paste}: pipeline troveapi has '
                         f'no authtoken', options=option)
        conf.write_text('[flavor_filter]\nauth_filter = authtoken\n')
        found = self.check(0, '--config-file', str(self.cloud.trove_conf),
                           '--config-file', str(conf), behind=option)
        self.assertEqual('Success', found[name][0])

    def test_migrations_that_were_not_run(self):
        revision = self.cloud.sql(
            'SELECT version_num FROM flavor_filter_alembic_version'
        )[0].version_num
        self.cloud.sql('DELETE FROM flavor_filter_alembic_version')
        self.addCleanup(
            self.cloud.sql, 'INSERT INTO flavor_filter_alembic_version '
            'VALUES (:revision)', revision=revision)
        self.assertFinds('Table and migrations', 'Failure',
                         'flavor-filter-db-sync')

    def test_nova_away(self):
        self.associate(self.create_version(), self.create_flavor())
        self.cloud.stop('nova')
        try:
            found = self.check(2)
        finally:
            self.cloud.start('nova')
        self.assertEqual('Failure', found['Keystone and Nova'][0])
        self.assertIn('[service_credentials]', found['Keystone and Nova'][1])
        self.assertEqual(
            'Warning', found['Flavors that Nova no longer has'][0])

    def test_credentials_that_keystone_does_not_take(self):
        conf = self.cloud.directory / 'wrong-password.conf'
        conf.write_text(self.cloud.trove_conf.read_text().replace(
            self.cloud.secrets['trove'], 'wrong'))
        self.assertFinds('Keystone and Nova', 'Failure', 'Unauthorized',
                         options=('--config-file', str(conf)))

    def test_associations_with_what_nova_no_longer_has(self):
        version_id = self.create_version()
        self.associate(version_id, self.create_flavor(), 'gone')
        self.assertFinds('Flavors that Nova no longer has', 'Warning',
                         'gone of mysql/', '--stale')

    def test_versions_that_no_flavor_is_left_for(self):
        version_id = self.create_version()
        self.manage('datastore-version-flavor-require', version_id,
                    '--min-ram', '2000000000')
        self.assertFinds('Versions without an allowed flavor', 'Warning',
                         version_id, 'datastore-version-flavor-list')

    def test_instances_on_flavors_that_are_not_allowed(self):
        version_id, flavor_id = self.create_version(), self.create_flavor()
        for _number in range(2):
            self.cloud.create_instance(flavor_id, version_id)
        self.assertEqual({('Success', '')}, set(self.check(0).values()))
        self.associate(version_id, self.create_flavor())
        self.assertFinds('Instances on flavors not allowed', 'Warning',
                         '2 of mysql/', 'resize',
                         'trove-manage datastore-version-flavor-violations')
        listed = json.loads(self.manage(
            'datastore-version-flavor-violations', version_id, '-f', 'json'
        ).stdout)
        self.assertEqual(2, len(listed))

    def test_a_database_that_is_away(self):
        conf = self.cloud.directory / 'no-database.conf'
        conf.write_text(self.cloud.trove_conf.read_text().replace(
            self.cloud.database_url,
            'mysql+pymysql://trove:pencil@127.0.0.1:1/trove'))
        found = self.check(2, '--config-file', str(conf))
        self.assertEqual('Failure', found['Table and migrations'][0])
        self.assertNotIn('pencil', str(found))

    def test_a_conf_that_is_not_there_is_one_clear_line(self):
        result = self.cloud.run('trove-flavor-filter-status',
                                '--config-file', '/no/such.conf', 'upgrade',
                                'check')
        self.assertEqual(255, result.returncode)
        self.assertEqual(1, result.stderr.count('\n'), result.stderr)

    def test_its_help_teaches(self):
        text = self.cloud.check('trove-flavor-filter-status', 'upgrade',
                                '--help')
        self.assertIn('Exit codes: 0 all is well', text)
