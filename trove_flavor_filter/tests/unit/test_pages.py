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

"""What the pages say of the code holds."""

import ast
from collections.abc import Iterator
import pathlib
import re
import subprocess

from oslotest import base
import yaml

from trove_flavor_filter.api import requirements
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import migration
from trove_flavor_filter.db import models
from trove_flavor_filter.declaration import document
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import project_flavors
from trove_flavor_filter.flavors import refreshing
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.cloud import benchmark
from trove_flavor_filter.tests.unit import base as unit

ROOT = pathlib.Path(__file__).parents[3]
PRODUCT = ROOT / 'trove_flavor_filter'
ADMIN = ROOT / 'doc' / 'source' / 'admin'
API_REF = ROOT / 'api-ref' / 'source'

LEVELS = {'exception': 'ERROR', 'error': 'ERROR', 'warning': 'WARNING',
          'info': 'INFO'}

# A value in the format of a log line, or of an f-string.
VALUE = re.compile(r'%\.?\d*[srd]')

# Titles of the troubleshooting page that quote somebody else, or a message
# that is put together from two texts.
OTHERS = {'The resource could not be found.',
          'has no authtoken of keystonemiddleware\'s'}


def words(text: str) -> str:
    return ' '.join(text.split())


def page(name: str) -> str:
    return (ADMIN / name).read_text()


def sources() -> Iterator[ast.Module]:
    for path in sorted(PRODUCT.rglob('*.py')):
        if 'tests' not in path.relative_to(PRODUCT).parts:
            yield ast.parse(path.read_text())


def text_of(node: ast.expr) -> str | None:
    """A text, with "..." for each value in it; None if it is none."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return ''.join(text_of(part) or '...' for part in parts)
        case ast.BinOp(left=left):
            return text_of(left)
    return None


def levels_of(node: ast.AST) -> list[str]:
    """The levels of LOG.info, or of LOG.error if ... else LOG.info."""
    return [LEVELS[found.attr] for found in ast.walk(node)
            if isinstance(found, ast.Attribute)
            and isinstance(found.value, ast.Name)
            and found.value.id == 'LOG']


def logged() -> set[tuple[str, str]]:
    """Level and format of each line that the product logs."""
    found = set()
    for module in sources():
        chosen = {
            target.id: levels for node in ast.walk(module)
            if isinstance(node, ast.Assign) and (
                levels := levels_of(node.value))
            for target in node.targets if isinstance(target, ast.Name)}
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            levels = (chosen.get(node.func.id, [])
                      if isinstance(node.func, ast.Name)
                      else levels_of(node.func))
            for level in levels:
                found.add((level, words(VALUE.sub(
                    '...', text_of(node.args[0]) or '...'))))
    return found


class LogLinesTest(base.BaseTestCase):

    def test_the_table_has_every_line_that_the_product_logs(self):
        table = re.findall(r'   \* - ([A-Z]+)\n     - ``(.+?)``\n',
                           page('monitoring.rst'), re.DOTALL)
        shown = {(level, words(line)) for level, line in table}
        self.assertEqual(len(table), len(shown))
        self.assertEqual([], sorted(logged() - shown),
                         'not in doc/source/admin/monitoring.rst')
        self.assertEqual([], sorted(shown - logged()), 'logged no more')

    def assertShowsLine(self, name: str, beginning: str) -> None:
        (line,) = [line for _level, line in logged()
                   if line.startswith(beginning)]
        (shown,) = re.findall(rf'^    ({beginning}.*)$', page(name), re.M)
        self.assertEqual(re.findall(r'(\w+)=', line),
                         re.findall(r'(\w+)=(?!\d)', shown))

    def test_the_line_of_a_decision_has_the_fields_of_the_page(self):
        self.assertShowsLine('enforcement.rst', 'flavor decision:')

    def test_decisions_are_counted_by_outcome_and_version(self):
        (command,) = re.findall(r'^    (awk .*)$', page('monitoring.rst'),
                                re.M)
        (shown,) = re.findall('^    (flavor decision: .*)$',
                              page('enforcement.rst'), re.M)
        # The flavor is whatever the user has asked for.
        forged = shown.replace("'1'", "'flavor decision: outcome=bypassed'")
        (log,) = self.create_tempfiles([('log', ''.join(
            f'2026-11-29 22:00:00.000 7 INFO {text}\n'
            for text in (shown, 'another line', forged)))])
        printed = subprocess.check_output(
            command.replace('/var/log/trove/trove-api.log', log), shell=True,
            text=True)
        self.assertEqual('2 outcome=refused datastore_version=...',
                         words(printed))


class MessagesTest(base.BaseTestCase):

    def test_troubleshooting_quotes_messages_as_they_are(self):
        texts = [words(text) for module in sources()
                 for node in ast.walk(module)
                 if isinstance(node, ast.expr)
                 and (text := text_of(node)) is not None]
        titles = re.findall(r'^(\S.*)\n   \S', page('troubleshooting.rst'),
                            re.M)
        quoted = {quote for title in titles
                  for quote in re.findall(r'"([^"]+)"', title)
                  if quote != 'connection'} - OTHERS
        self.assertLess(8, len(quoted))
        for quote in quoted:
            pattern = re.compile('.*'.join(
                map(re.escape, re.split(r"\s*'?\.\.\.'?\s*", quote))))
            self.assertTrue(any(map(pattern.search, texts)), quote)


class BoundsTest(unit.DatabaseTestCase):

    def test_each_process_has_two_pools(self):
        text = words(page('sizing.rst'))
        self.assertIn('has two pools of its own', text)
        self.assertIsNot(self.database.engine().pool,
                         self.database.autocommit().pool)
        self.assertEqual(self.conf.database.max_pool_size or 5,
                         self.database.autocommit().pool.size())
        # One pool opens no more than it keeps.
        self.assertEqual(0, self.database.autocommit().pool._max_overflow)
        limit = (2 * (self.conf.database.max_pool_size or 5)
                 + self.conf.database.max_overflow)
        self.assertIn(f'opens at most {limit}.', text)

    def test_the_numbers_of_kept_lists_are_those_of_the_code(self):
        text = words(page('sizing.rst'))
        self.assertIn(f'at most {project_flavors.PROJECTS:,} projects, and '
                      f'{project_flavors.FLAVORS:,} private', text)

    def test_a_request_waits_as_long_as_the_page_says(self):
        self.assertEqual(3, refreshing.PATIENCE)
        self.assertIn('within three seconds', words(page('caching.rst')))
        options = self.conf.flavor_filter
        self.assertEqual((60, 3600), (options.flavor_cache_time,
                                      options.flavor_stale_time))

    def test_an_older_release_reads_newer_tables_and_refuses_to_sync(self):
        migration.sync(self.database)
        self.execute(engine.sa.text(
            f"UPDATE {migration.VERSION_TABLE} SET version_num = '9999'"))
        self.assertRaises(exception.FlavorFilterError, migration.sync,
                          self.database)
        self.assertIn('9999', migration.problems(self.database)[0])
        self.assertIn(self.version_id, [
            version.id for version in
            self.requirements.revised().rows])


class TablesTest(base.BaseTestCase):

    def test_the_pages_name_all_tables_that_are_left_behind(self):
        for name in ('upgrade.rst', 'story.rst', 'backup.rst'):
            for table in (migration.VERSION_TABLE,
                          models.FlavorFilterRevision.__tablename__,
                          models.FlavorFilterUpgrade.__tablename__):
                self.assertIn(f'``{table}``', page(name), name)

    def test_the_upgrade_page_names_each_table_of_trove(self):
        for table in models.Base.metadata.tables:
            self.assertIn(f'``{table}``', page('upgrade.rst'))

    def test_the_backup_page_names_each_key(self):
        for key in requirement.KEYS:
            self.assertIn(f'``{key}``', page('backup.rst'))


class PlaybookTest(base.BaseTestCase):

    def test_nothing_is_installed_by_name(self):
        by_name = re.compile(
            r"pip install[^\n]*?(?<![\w/.*-])'?trove[-_]flavor[-_]filter"
            r"(?![\w*.-])")
        for path in (ROOT / 'README.rst', *ROOT.glob('doc/source/**/*.rst'),
                     *ROOT.glob('releasenotes/notes/*.yaml'),
                     *ROOT.glob('contrib/**/*.yml'),
                     *ROOT.glob('d*/README.rst')):
            self.assertNotRegex(path.read_text(), by_name, path)
        (play,) = yaml.safe_load(
            (ROOT / 'contrib/ansible/trove-flavor-filter.yml').read_text())
        self.assertEqual('', play['vars']['trove_flavor_filter_wheel'])


class ApiReferenceTest(base.BaseTestCase):

    def parameters(self, title: str, part: str) -> dict[str, dict]:
        """The parameters of a route's request or response, by name."""
        text = (API_REF / 'requirements.inc').read_text()
        section = re.split(r'\n\n(?=[A-Z].*\n-{5,}\n)', text.partition(
            f'\n{title}\n')[2])[0]
        table = section.partition(f'\n{part}\n~')[2].partition('\n\n\n')[0]
        known = yaml.safe_load((API_REF / 'parameters.yaml').read_text())
        lines = re.match(r'.*?\n\n.*?\n\n((?:   - .*\n?)+)', table, re.DOTALL)
        self.assertIsNotNone(lines, title)
        return {name: known[key] for name, key in re.findall(
            r'- (\S+): (\S+)', lines[1])}

    KEYS = {*document.KEYS} - {document.INVALID_ROWS}

    def test_a_request_may_leave_out_every_key(self):
        for title in ('Replace a requirement', 'Replace requirements'):
            found = self.parameters(title, 'Request')
            for key in self.KEYS - {'datastore_version_id'}:
                self.assertFalse(found[key]['required'], (title, key))

    def test_a_response_always_has_every_key(self):
        for title in ('Show a requirement', 'List requirements'):
            found = self.parameters(title, 'Response')
            for key in self.KEYS:
                self.assertTrue(found[key]['required'], (title, key))
            self.assertFalse(found[document.INVALID_ROWS]['required'])
            self.assertIn('Cache-Control', found)
        written = document.write(
            requirement.Version('id', 'mysql', '8.0', None),
            requirement.Requirement())
        self.assertEqual(self.KEYS, written.keys())

    def test_the_size_limit_of_a_body_is_there(self):
        self.assertIn(f'{requirements.LARGEST // 2 ** 20} MiB',
                      (API_REF / 'requirements.inc').read_text())


class BenchmarkTest(base.BaseTestCase):

    def test_the_report_tells_whether_a_goal_is_met(self):
        for goal, measured, met in (
                ('at most 3', '5', 'no'), ('at most 3', '3', 'yes'),
                ('at least 8', '7.9', 'no'), ('less than 10', '10', 'no'),
                ('less than 10', '5.3', 'yes'),
                ('at most 2', 'not measured', '')):
            self.assertEqual(met, benchmark.is_met(goal, measured))

    def test_a_run_is_identified(self):
        self.assertEqual({'date', 'commit', 'CPU', 'cores', 'Python'},
                         benchmark.machine().keys())


class ReadmeTest(base.BaseTestCase):

    def test_it_is_short(self):
        lines = (ROOT / 'README.rst').read_text().splitlines()
        self.assertLess(len(lines), 140)
