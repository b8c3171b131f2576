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
"""Standard output has what a command was asked for, and nothing else."""

import json
import subprocess

from trove_flavor_filter.tests.functional import base

# Every way to standard output: as it is when the log is set up, as Python
# opened it, as a file, and as it is when something is logged.
LOG = '''
[loggers]
keys = root
[handlers]
keys = stream, original, file, printed
[formatters]
keys = plain
[logger_root]
level = DEBUG
handlers = stream, original, file, printed
[handler_stream]
class = StreamHandler
args = (sys.stdout,)
formatter = plain
[handler_original]
class = StreamHandler
args = (sys.__stdout__,)
formatter = plain
[handler_file]
class = FileHandler
args = ('/dev/stdout',)
formatter = plain
[handler_printed]
class = site_log.Printed
args = ()
formatter = plain
[formatter_plain]
format = logged a %(levelname)s line
'''

SITE_LOG = '''
import logging

class Printed(logging.Handler):
    def emit(self, record):
        print('printed and', self.format(record))
'''

PREFIX = 'datastore-version-flavor-'


class OutputTest(base.FunctionalTestCase):

    def setUp(self) -> None:
        super().setUp()
        (self.cloud.bin / 'site_log.py').write_text(SITE_LOG)
        (self.cloud.directory / 'log.conf').write_text(LOG)
        version_id, flavor_id = self.create_version(), self.create_flavor()
        self.associate(version_id, flavor_id)
        declared = self.cloud.directory / self.unique('declared')
        declared.write_text(
            'datastore_versions: {mysql: {no: {}}}\n')
        self.commands = [
            ('trove-manage', *words) for words in (
                *((f'{PREFIX}list', version_id, '-f', form)
                  for form in ('json', 'value', 'csv', 'table', 'yaml')),
                (f'{PREFIX}export',),
                (f'{PREFIX}export', '/dev/stdout'),
                (f'{PREFIX}add', version_id, flavor_id),
                (f'{PREFIX}require', version_id, '--clear'),
                (f'{PREFIX}copy', version_id, version_id),
                (f'{PREFIX}delete', version_id, 'no-such-flavor'),
                (f'{PREFIX}apply', str(declared)),
                ('flavor-filter-db-sync',),
                ('flavor-filter-db-sync', '--help'))]
        self.commands += [
            ('trove-flavor-filter-status', 'upgrade', 'check', *words)
            for words in (('--json',), ())]

    def run_all(self, *options: tuple[str, str]) -> list[
            subprocess.CompletedProcess]:
        """Run each command with more options of [DEFAULT]."""
        conf = self.cloud.directory / f'{self.unique("logging")}.conf'
        conf.write_text('\n'.join(
            ['[DEFAULT]', *(f'{name} = {value}' for name, value in options)]))
        return [self.cloud.run(
            program, '--config-file', str(self.cloud.trove_conf),
            '--config-file', str(conf), *words)
            for program, *words in self.commands]

    def test_what_is_logged_is_not_in_it(self):
        quiet = self.run_all()
        self.assertEqual(
            1, len(json.loads(quiet[0].stdout)), quiet[0].stdout)
        for options in (
                [('log_config_append', 'log.conf')],
                [('log_file', '/dev/stdout'), ('default_log_levels', '')]):
            noisy = self.run_all(('debug', 'true'), *options)
            for command, silent, logging in zip(self.commands, quiet, noisy):
                self.assertEqual(
                    (silent.returncode, silent.stdout),
                    (logging.returncode, logging.stdout), command)
            self.assertLess(
                10, sum('DEBUG' in logging.stderr for logging in noisy))
