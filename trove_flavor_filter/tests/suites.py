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

"""Suites of tests: python -m trove_flavor_filter.tests.suites [SUITE].

A suite is a run of stestr; its name is that of the tox environment. Without a
name, all suites of CI are run, in parallel.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import release

ROOT = pathlib.Path(__file__).parents[2]
# With the database of a selection of tests on each.
OLDER_TROVES = {'23': 'sqlite', '24': 'mysql', '25': 'postgresql'}
OLDER_DASHBOARDS = ('24', '25', '26')
# The newest Python for which the libraries of each release have wheels.
NEWEST_PYTHON = {'23': (3, 13), '24': (3, 13)}

BY_DATABASE = 'test_guard|test_bypass|OracleTest'
BY_SERVER = 'test_api|test_route|test_guard|test_bypass|test_doors'
# A few tests of each kind.
SMOKE = (r'test_guard\.C|test_bypass|test_doors\.TableTest|OracleTest'
         r'|TrovesOwnTest|LayoutTest')


@dataclasses.dataclass(frozen=True)
class Suite:
    """A selection of tests, and their environment.

    :ivar folder: of the tests
    :ivar include: regular expression of tests to run by default
    :ivar exclude: regular expression of tests to exclude
    :ivar workers: processes; on the small cloud each has its own cloud, and
        runs all tests of a module
    :ivar environment: default values of environment variables
    :ivar trove: the release of Trove; None for the newest
    :ivar dashboard: the release of trove-dashboard; None for no Horizon
    :ivar note: printed at the end
    """

    folder: str = 'functional'
    include: str = ''
    exclude: str = 'test_release'
    workers: int = 1
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    trove: str | None = None
    dashboard: str | None = None
    note: str = ''


# Unit tests that are run on more than one database, start programs, or try
# thousands of inputs.
SLOW = ('MySQL|PostgreSQL|Galera|AsOneIn|ProcessTest|ServerTest|TroveManage'
        '|LargeTest|StatesTest|test_bounds|test_expressions|test_hostile'
        '|test_paste_forms|test_yaml_loaders')
# Tests that start servers of their own, and wait for them.
SEVERAL = 'test_faults|test_three_hosts|test_writers'


def functional(trove: str | None) -> Suite:
    return Suite(
        exclude=f'test_release|test_dashboard|PagesTest|{SEVERAL}', workers=2,
        trove=trove, environment={'FLAVOR_FILTER_HUNT': '800'})


SUITES = {
    'py3': Suite('unit', workers=2),
    'quick': Suite('unit', exclude=SLOW, workers=2, note=(
        'Left out: unit tests on MariaDB and PostgreSQL, of programs and of '
        'generated inputs (tox -e py3), all functional tests (tox -e '
        'functional), style and types (tox -e pep8).')),
    'functional': functional(None),
    'faults': Suite(include=SEVERAL),
    # It takes as long as a quarter of the functional tests.
    'pages': Suite(include='PagesTest'),
    'smoke': Suite(include=SMOKE),
    'functional-mysql': Suite(include=BY_DATABASE, environment={
        'FLAVOR_FILTER_DATABASE': 'mysql', 'FLAVOR_FILTER_HUNT': '400'}),
    'functional-postgresql': Suite(include=BY_DATABASE, environment={
        'FLAVOR_FILTER_DATABASE': 'postgresql'}),
    'functional-uwsgi': Suite(include=BY_SERVER, environment={
        'FLAVOR_FILTER_SERVER': 'uwsgi'}),
    **{f'functional-trove{number}': functional(number)
       for number in OLDER_TROVES},
    **{f'smoke-trove{number}': Suite(include=SMOKE, trove=number, environment={
        'FLAVOR_FILTER_HUNT': '400', 'FLAVOR_FILTER_DATABASE': database})
        for number, database in OLDER_TROVES.items()},
    **{f'dashboard-{number}': Suite(
        include=r'test_dashboard(_choices|_install|_panel)?\.',
        dashboard=number)
       for number in OLDER_DASHBOARDS},
    # In a browser as well.
    'dashboard-27': Suite(include='test_dashboard', dashboard='27'),
    # Of the tests in a browser, only those of Launch Instance and the story of
    # the panel; the rest of the browser's work is that of the others again.
    'dashboard': Suite(
        include='test_dashboard', dashboard='27',
        exclude='test_dashboard_(browser_|install)|PictureTest|test_release'),
}

# The suites of CI, those that take longest first: two are run side by side.
CI = ('functional', 'dashboard', 'py3', 'faults', 'smoke-trove24',
      'smoke-trove25')


def start(name: str, patterns: list[str], stestr: list[str],
          output: int | None) -> subprocess.Popen:
    """Start a suite.

    :param patterns: of tests, in place of the suite's own
    :param stestr: options for stestr
    :param output: the stdout argument of Popen
    """
    suite = SUITES[name]
    environment = suite.environment | os.environ
    if suite.trove is not None:
        prefix = pathlib.Path(sys.prefix).with_name(f'release-{suite.trove}')
        release.make(suite.trove, prefix)
        environment['FLAVOR_FILTER_TROVE'] = str(prefix)
    if suite.dashboard is not None:
        prefix = pathlib.Path(sys.prefix).with_name(
            f'horizon-{suite.dashboard}')
        horizon.make(suite.dashboard, prefix)
        environment['FLAVOR_FILTER_HORIZON'] = str(prefix)
    if suite.folder == 'functional':
        # One worker tests the dialogs in a browser and without one.
        stestr = [*stestr, '--group-regex',
                  r'functional\.(test_dashboard|test_[^.]+)']
    return subprocess.Popen(
        [sys.executable, '-m', 'stestr', *stestr, '--test-path',
         f'./trove_flavor_filter/tests/{suite.folder}', 'run',
         '--suppress-attachments', '--concurrency', str(suite.workers),
         '--exclude-regex', suite.exclude, *(patterns or [suite.include])],
        cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.STDOUT if output else None)


def all_skipped(printed: str) -> bool:
    """Whether all tests of a suite were skipped.

    stestr exits as after a failure then. It is none: the servers for the
    suite are not installed.

    :param printed: the output of stestr
    """
    return bool(re.search('^ - Passed: 0\n - Skipped: [1-9]', printed, re.M)
                and re.search('^ - Failed: 0$', printed, re.M))


def run(name: str) -> bool:
    """Run a suite of CI; print its output at its end.

    :returns: whether all tests passed
    """
    trove = SUITES[name].trove
    if sys.version_info[:2] > NEWEST_PYTHON.get(trove or '', (3, 99)):
        process.say(sys.stdout, f'{name}: skipped, the libraries of Trove '
                                f'{trove} have no wheels for this Python')
        return True
    begun = time.monotonic()
    process.say(sys.stdout, f'{name}: begins')
    # Suites that run in parallel need separate repositories, and stestr makes
    # no folder for one.
    results = ROOT / f'.stestr-{name}'
    results.mkdir(exist_ok=True)
    try:
        running = start(name, [], ['--repo-url', str(results)],
                        subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        process.say(sys.stdout, f'{name}: failed: {error}')
        return False
    printed = running.communicate()[0]
    failed = bool(running.returncode) and not all_skipped(printed)
    process.say(
        sys.stdout,
        f'{printed}{name}: {"failed" if failed else "passed"} after '
        f'{time.monotonic() - begun:.0f} s')
    return not failed


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='python -m trove_flavor_filter.tests.suites',
        description='Run a suite of tests; without SUITE, all suites of CI.')
    parser.add_argument('suite', nargs='?', choices=SUITES, metavar='SUITE',
                        help=', '.join(SUITES))
    parser.add_argument('patterns', nargs='*', metavar='REGEX',
                        help='selects tests by name')
    args = parser.parse_args()
    if args.suite:
        code = start(args.suite, args.patterns, [], None).wait()
        if note := SUITES[args.suite].note:
            process.say(sys.stdout, note)
        return code
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        return int(not all(list(pool.map(run, CI))))


if __name__ == '__main__':
    sys.exit(main())
