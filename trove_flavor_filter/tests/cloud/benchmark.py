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

"""Benchmark of the route and of Trove's own route: tox -e benchmark.

wrk makes the load, on the small cloud of real services, in one run.
"""

import argparse
from collections.abc import Sequence
import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing
from urllib import parse
import uuid

from trove_flavor_filter.tests.cloud import __main__ as command
from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import microbenchmark
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import servers
from trove_flavor_filter.tests.cloud import violations_benchmark

TOTALS = (24, 1000, 5000)
# What is measured of a database: numbers of clients, of flavors, and requests.
# MariaDB, which most clouds run, comes first.
ROUTE, ROUTE_OFF, IN_TREE = 'this route, warm', 'this route, cache off', \
    'Trove\'s own route'
# Private flavors, of projects, beside public ones; and how often a cold list
# is asked for.
PRIVATE, PROJECTS, PUBLIC, COLD = 2000, 40, 24, 9
# Versions of a datastore that are listed at once, by the number of flavors.
VERSIONS = {24: 30, 1000: 300}
AT_ONCE = 'all versions at once'
LIMITS, NOTHING, NOVA = 'GET /limits', 'an unmatched path', 'Nova itself'
MEASURED = {
    'mysql': ((1, 8, 64), (24, 1000), (ROUTE, AT_ONCE, IN_TREE, NOTHING)),
    'sqlite': ((1, 8), TOTALS,
               (ROUTE, ROUTE_OFF, AT_ONCE, IN_TREE, LIMITS, NOTHING, NOVA))}
NAMES = {'mysql': 'MariaDB', 'sqlite': 'SQLite'}


def main() -> int:
    parser = argparse.ArgumentParser(prog='tox -e benchmark --')
    command.add_options(parser)
    parser.add_argument(
        '--seconds', type=int, default=4,
        help='of load for each figure (default: %(default)s)')
    parser.add_argument(
        '--window', type=int, default=59,
        help='seconds in which Nova\'s calls are counted '
             '(default: %(default)s)')
    parser.add_argument(
        '--output', type=pathlib.Path, default=pathlib.Path('benchmark'),
        help='folder for benchmark.json, .png and .rst '
             '(default: %(default)s)')
    args = parser.parse_args()
    if shutil.which('wrk') is None:
        print('The load is wrk\'s, which is not installed: apt-get install '
              'wrk', file=sys.stderr)
        return 1
    try:
        results = {'machine': machine(),
                   'inside a process': microbenchmark.figures(),
                   'over HTTP': [
                       row for database in MEASURED
                       for row in http_figures(args, database)],
                   'violations': violations_benchmark.figures(),
                   'cold': cold_figures(args),
                   'calls of Nova': call_figures(args)}
    except process.ServiceFailed as error:
        print(error, file=sys.stderr)
        return 1
    args.output.mkdir(exist_ok=True)
    (args.output / 'benchmark.json').write_text(
        json.dumps(results, indent=2) + '\n')
    text = report(results)
    (args.output / 'benchmark.rst').write_text(text)
    plot(results, args.output / 'benchmark.png')
    print(text)
    return 0


def wrk(url: str, tokens: Sequence[str], clients: int, seconds: int,
        paths: Sequence[str] = ()) -> dict:
    """Repeat one request, or several in turn.

    :param tokens: one for each path
    :param paths: behind the URL; none for the URL alone
    :returns: p50 and p99 in milliseconds, rate in requests a second
    """
    base = parse.urlsplit(url).path
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        for path, token in zip(paths or [''], tokens):
            print(base + path, token, file=file)
        file.flush()
        ran = subprocess.run(
            ['wrk', '-t1', f'-c{clients}', f'-d{seconds}s', '--timeout',
             '30s', '-s',
             str(pathlib.Path(__file__).with_name('report.lua')),
             url, '--', file.name],
            capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.strip().splitlines()[-1])


def memory(booted: cloud.Cloud) -> float:
    """Memory of trove-api, in MiB."""
    pid = booted.processes['trove'].pid
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    found = re.search(r'VmRSS:\s+(\d+)', status)
    return int(found[1]) / 1024 if found else 0.0


def http_figures(args: argparse.Namespace, database: str) -> list[dict]:
    """Latencies and rates, by flavors, clients and request."""
    found = []
    counts, totals, requests = MEASURED[database]
    with cloud.Cloud(database, args.workers, args.server) as booted:
        booted.enable()
        version_id = booted.create_datastore_version('mysql', 'benchmark')
        route = f'/flavors/datastores/versions/{version_id}'
        before = 0
        for total in totals:
            booted.create_many_flavors(total - before, prefix=f'to{total}')
            before = total
            for cached in (True, False):
                base = f'{booted.trove_url}/v1.0/{booted.project_id()}'
                urls = {ROUTE: base + route,
                        IN_TREE: f'{base}/datastores/mysql/versions/'
                                 f'{version_id}/flavors',
                        LIMITS: f'{base}/limits', NOTHING: f'{base}/nothing',
                        NOVA: f'{booted.nova_url}/flavors/detail'
                        } if cached else {ROUTE_OFF: base + route}
                if total in VERSIONS and cached:
                    urls[AT_ONCE] = (f'{base}/flavors/datastores/'
                                     f'{create_datastore(booted, total)}')
                urls = {what: url for what, url in urls.items()
                        if what in requests}
                if not urls:
                    continue
                booted.options['flavor_filter'] = {
                    'answer_troves_list': False,
                    **({} if cached else {'flavor_cache_time': 0})}
                booted.reconfigure()
                booted.restart('trove')
                empty = memory(booted)
                for what, url in urls.items():
                    user = 'admin' if what == NOVA else 'demo'
                    token = booted.token(user)
                    # The first response may take longer than a measurement.
                    booted.session(user).get(url, raise_exc=False)
                    wrk(url, [token], 1, 1)
                    for clients in counts:
                        # Clients of a slow service wait seconds for an
                        # answer, and one is no figure.
                        seconds = args.seconds
                        if what not in (ROUTE, LIMITS, NOTHING):
                            seconds *= 1 + min(total // 500, 4)
                        result = wrk(url, [token], clients, seconds)
                        found.append({
                            'database': database,
                            'flavors': total, 'clients': clients,
                            'what': what, **result,
                            'RSS': memory(booted), 'RSS before': empty})
                        print(f'{NAMES[database]}, {total} flavors, '
                              f'{clients} clients, {what}: '
                              f'{result["p50"]:.1f} ms', file=sys.stderr,
                              flush=True)
    return found


def create_datastore(booted: cloud.Cloud, total: int) -> str:
    """A datastore whose versions require something, each its own.

    :param total: the number of flavors
    :returns: its name
    """
    name = f'of-{total}'
    for number in range(VERSIONS[total]):
        version_id = booted.create_datastore_version(name, f'v-{number}')
        booted.sql(
            'INSERT INTO datastore_version_metadata (id, '
            'datastore_version_id, value, created, deleted, '
            f'{"`key`" if booted.backend == "mysql" else "key"}) VALUES '
            '(:id, :version, :value, :now, :no, :key)',
            id=str(uuid.uuid4()), version=version_id, key='min_ram',
            value=str(1 + number % 512), now='2026-01-01 00:00:00', no=False)
    return name


def cold_figures(args: argparse.Namespace) -> dict[str, float]:
    """A list that is in no cache, beside Trove's own."""
    with cloud.Cloud(args.database, 1, args.server, options={
            'flavor_filter': {'flavor_cache_time': 1,
                              'answer_troves_list': False}}) as booted:
        booted.enable()
        booted.create_many_flavors(PUBLIC)
        booted.create_many_flavors(PRIVATE, 'private', [
            booted.project_id(), *(uuid.uuid4().hex for _number
                                   in range(PROJECTS - 1))])
        version_id = booted.create_datastore_version('mysql', 'benchmark')
        taken: dict[str, list[float]] = {}
        asked = {}
        log = booted.log('nova')
        for what, path in (
                (ROUTE, f'/flavors/datastores/versions/{version_id}'),
                (IN_TREE, f'/datastores/mysql/versions/{version_id}'
                          f'/flavors')):
            # What is done once in a process is done.
            booted.trove(path)
            before = log.read_text().count('/flavors/detail')
            for _turn in range(COLD):
                # Longer than two cache times.
                time.sleep(2.2)
                begun = time.perf_counter()
                listed = len(booted.trove(path).json()['flavors'])
                taken.setdefault(what, []).append(
                    (time.perf_counter() - begun) * 1000)
            asked[what] = (log.read_text().count('/flavors/detail')
                           - before) / COLD
            print(f'cold, {what}: {statistics.median(taken[what]):.0f} ms, '
                  f'{listed} flavors, {asked[what]} requests to Nova',
                  file=sys.stderr, flush=True)
    return {'ms': statistics.median(taken[ROUTE]),
            'ms, Trove': statistics.median(taken[IN_TREE]),
            'requests to Nova': asked[ROUTE]}


def call_figures(args: argparse.Namespace) -> dict[str, int]:
    """How often two workers under load listed flavors in Nova."""
    found = {}
    for name, shares, private, projects in (
            ('memory, 2 workers', False, 0, 1),
            ('Redis, 2 workers, no private flavors', True, 0, 1),
            ('Redis, 2 workers, 2,000 private flavors, 1 project', True,
             PRIVATE, 1),
            ('Redis, 2 workers, 2,000 private flavors, 100 projects', True,
             PRIVATE, 100)):
        with contextlib.ExitStack() as stack:
            options = {}
            if shares:
                if shutil.which('redis-server') is None:
                    continue
                redis = servers.redis(pathlib.Path(
                    stack.enter_context(tempfile.TemporaryDirectory())))
                stack.callback(redis.stop)
                redis.start()
                redis.wait()
                options['cache'] = {
                    'enabled': True, 'backend': 'dogpile.cache.redis',
                    'backend_argument':
                        f'url:redis://127.0.0.1:{redis.port}'}
            with cloud.Cloud(args.database, 2, args.server,
                             options=options) as booted:
                booted.enable()
                booted.create_many_flavors(PUBLIC)
                version_id = booted.create_datastore_version('mysql', 'v')
                users = [f'user-{number}' for number in range(projects)]
                for user in users:
                    booted.create_user(user, user)
                if private:
                    booted.create_many_flavors(
                        private, 'private',
                        [booted.project_id(user) for user in users])
                tokens = [booted.token(user) for user in users]
                log = booted.log('nova')
                before = log.read_text().count('/flavors/detail')
                begun = time.monotonic()
                result = wrk(
                    f'{booted.trove_url}/v1.0', tokens, 8, args.window,
                    [f'/{booted.project_id(user)}/flavors/datastores/'
                     f'versions/{version_id}' for user in users])
                calls = log.read_text().count('/flavors/detail') - before
                found[name] = calls
                print(f'{name}: {result["requests"]} requests in '
                      f'{time.monotonic() - begun:.0f} s, {calls} calls',
                      file=sys.stderr, flush=True)
    return found


def _cell(results: dict, total: int, clients: int, what: str,
          database: str = 'sqlite') -> dict[str, typing.Any] | None:
    return next((row for row in results['over HTTP']
                 if (row['database'], row['flavors'], row['clients'],
                     row['what']) == (database, total, clients, what)), None)


def machine() -> dict[str, str]:
    """When, from which commit and on which CPU this run is made."""
    commit = subprocess.run(
        ['git', 'describe', '--always', '--dirty'], text=True,
        cwd=pathlib.Path(__file__).parent, stdout=subprocess.PIPE)
    model = re.search(r'model name\s*: (.+)',
                      pathlib.Path('/proc/cpuinfo').read_text())
    return {'date': time.strftime('%Y-%m-%d', time.gmtime()),
            'commit': commit.stdout.strip() or 'unknown',
            'CPU': model[1] if model else platform.machine(),
            'cores': str(os.cpu_count()),
            'Python': platform.python_version()}


def goals(results: dict) -> list[tuple[str, str, str, str]]:
    """What is to be reached, what was, and whether that is enough."""
    inside, cold = results['inside a process'], results['cold']

    def times(total: int, what: str, other: str) -> str:
        one, two = (_cell(results, total, 1, each) for each in (what, other))
        return f'{one["p50"] / two["p50"]:.2f}' if one and two else ''

    def fairness(database: str) -> str:
        row = _cell(results, 24, 8, ROUTE, database)
        return f'{row["p99"] / row["p50"]:.2f}' if row else ''

    measured = [
        ('warm list of 24: ratio to an unmatched path', 'at most 1.25',
         times(24, ROUTE, NOTHING)),
        *((f'eight clients of a warm list of 24 on {NAMES[database]}: ratio '
           f'of p99 to p50', 'at most 4', fairness(database))
          for database in MEASURED),
        *((f'{VERSIONS[total]} versions at once: ratio to the warm list of '
           f'{total}', f'at most {most}', times(total, AT_ONCE, ROUTE))
          for total, most in ((24, 3), (1000, 10))),
        *((f'Trove\'s own list: ratio to the warm list of {total}',
           f'at least {least}', times(total, IN_TREE, ROUTE))
          for total, least in ((24, 8), (1000, 90))),
        ('cold list: ratio to Trove\'s own', 'at most 4',
         f'{cold["ms"] / cold["ms, Trove"]:.2f}'),
        ('requests to Nova of a cold list', 'at most 4',
         f'{cold["requests to Nova"]:.1f}'),
        *((f'requests to Nova per cache period: {name}', f'at most {most}',
           str(results['calls of Nova'].get(name, 'not measured')))
          for name, most in (
              ('Redis, 2 workers, no private flavors', 2),
              ('Redis, 2 workers, 2,000 private flavors, 1 project', 3),
              ('Redis, 2 workers, 2,000 private flavors, 100 projects',
               102))),
        ('guarded create that passes, in a process, ms', 'at most 0.4',
         f'{inside["filter"]["guarded: create"] / 1000:.2f}'),
        ('MiB of 5,000 flavors', 'less than 10',
         f'{inside["memory MiB of 5,000 flavors"]:.1f}'),
        ('MiB of the private flavors of 10,000 projects', 'less than 20',
         f'{inside["memory MiB of 10,000 projects"]:.1f}'),
    ]
    return [('what', 'goal', 'measured', 'met'),
            *((*row, is_met(row[1], row[2])) for row in measured)]


def is_met(goal: str, measured: str) -> str:
    """Whether a figure meets its goal; empty if there is no figure."""
    words, _space, bound = goal.rpartition(' ')
    try:
        value, limit = float(measured), float(bound)
    except ValueError:
        return ''
    return 'yes' if {'at most': value <= limit, 'at least': value >= limit,
                     'less than': value < limit}[words] else 'no'


def report(results: dict) -> str:
    """The figures as tables in reStructuredText."""
    inside = results['inside a process']
    run = ', '.join(f'{name} {value}'
                    for name, value in results['machine'].items())
    return '\n'.join((
        f'Run: {run}.\n',
        *(f'Trove on {NAMES[database]}:\n\n{_requests(results, database)}'
          for database in MEASURED),
        'Goals, and what was measured:\n',
        _table(goals(results)),
        'Inside a process, medians in microseconds:\n',
        _table([('what', 'microseconds'),
                *((name, f'{value:.1f}')
                  for name, value in inside['filter'].items())]),
        'The statement of a request by rows in the table, medians in '
        'microseconds:\n',
        _table([('database', '100', '10,000', '1,000,000', 'last / first'),
                *((backend, *(f'{found[f"{rows} rows"]:.0f}'
                              for rows in microbenchmark.ROWS),
                   f'{found["1000000 rows"] / found["100 rows"]:.2f}')
                  for backend, found in inside['sql'].items())]),
        'A file of 10,000 associations applied, in seconds:\n',
        _table([('database', *next(iter(inside['apply'].values()))),
                *((backend, *(f'{seconds:.2f}'
                              for seconds in found.values()))
                  for backend, found in inside['apply'].items())]),
        'The list of violations, of 100,000 instances with 1,000:\n',
        _table([('what', *results['violations']),
                *((name, *(f'{found[name]:g}' for found
                           in results['violations'].values()))
                  for name in next(iter(results['violations'].values())))]),
        f'Six extra specs of each of 5,000 flavors take '
        f'{inside["memory MiB of their extra specs"]:.1f} MiB more. '
        f'Statements a request, counted by MariaDB: '
        f'{inside["sql"].get("mysql", {}).get("statements a request")}.\n'))


def _requests(results: dict, database: str) -> str:
    """A table of requests over HTTP, with Trove on one database."""
    counts, totals, requests = MEASURED[database]
    rows = [('flavors', 'clients', 'what', 'p50 ms', 'p99 ms', 'req/s',
             'ratio of Trove\'s own p50', 'RSS MiB')]
    for total in totals:
        for clients in counts:
            own = _cell(results, total, clients, IN_TREE, database)
            for what in requests:
                row = _cell(results, total, clients, what, database)
                if row is None or own is None:
                    continue
                if what == AT_ONCE:
                    what = f'{VERSIONS[total]} versions at once'
                numbers = ('no answer', '', '', '')
                if row['requests']:
                    numbers = (
                        f'{row["p50"]:.1f}', f'{row["p99"]:.1f}',
                        f'{row["rate"]:.0f}',
                        # Where few of the clients are served at a time, the
                        # median tells nothing.
                        f'{own["p50"] / row["p50"]:.1f}'
                        if own['requests'] and row['p99'] < 5 * row['p50']
                        else '')
                rows.append((
                    str(total), str(clients), what, *numbers,
                    f'{row["RSS"]:.0f}' if what == ROUTE else ''))
    return _table(rows)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows)
              for column in range(len(rows[0]))]
    rule = '  '.join('=' * width for width in widths)
    # An empty first cell would join two rows; there is none.
    lines = ['  '.join(cell.ljust(width) for cell, width
                       in zip(row, widths)).rstrip() for row in rows]
    return '\n'.join((rule, lines[0], rule, *lines[1:], rule, ''))


def plot(results: dict, path: pathlib.Path) -> None:
    """The figures as a picture: latency by flavors, SQL time by rows."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    for what in (IN_TREE, NOVA, ROUTE_OFF, LIMITS, ROUTE, NOTHING):
        cells = [_cell(results, total, 1, what) for total in TOTALS]
        left.plot(TOTALS, [cell['p50'] for cell in cells if cell],
                  marker='o', label=what)
    left.set(xscale='log', yscale='log', xlabel='flavors in Nova',
             ylabel='median ms, one client', title='A request, on SQLite')
    for backend, found in results['inside a process']['sql'].items():
        right.plot(microbenchmark.ROWS,
                   [found[f'{rows} rows'] for rows in microbenchmark.ROWS],
                   marker='o', label=backend)
    right.set(xscale='log', xlabel='rows in the table', ylim=(0, None),
              ylabel='median microseconds', title='Its one SQL statement')
    for axes in (left, right):
        label(axes)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def label(axes: typing.Any) -> None:
    """Name each line at its right end, in its color; no name on another."""
    height = 0.0
    ends = sorted(
        (axes.transAxes.inverted().transform(
            axes.transData.transform(line.get_xydata()[-1]))[1], index)
        for index, line in enumerate(axes.lines))
    for place, index in ends:
        line = axes.lines[index]
        height = max(place, height)
        axes.annotate(line.get_label(), (1.02, height), va='center',
                      xycoords='axes fraction', color=line.get_color(),
                      annotation_clip=False)
        height += 0.06


if __name__ == '__main__':
    sys.exit(main())
