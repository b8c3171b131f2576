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

"""How fast the route is, beside Trove's own: tox -e benchmark.

The load is wrk's, on the real small cloud, all of it in one run.
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing

from trove_flavor_filter.tests.cloud import __main__ as command
from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import microbenchmark
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import servers

TOTALS = (24, 1000, 5000)
CLIENTS = (1, 8)
ROUTE, ROUTE_OFF, IN_TREE = 'this route, warm', 'this route, cache off', \
    'Trove\'s own route'
LIMITS, NOTHING, NOVA = 'GET /limits', 'an unmatched path', 'Nova itself'


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
        results = {'inside a process': microbenchmark.figures(),
                   'over HTTP': http_figures(args),
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


def wrk(url: str, token: str, clients: int, seconds: int) -> dict:
    """Ask one thing again and again.

    :returns: p50 and p99 in milliseconds, rate in requests a second
    """
    ran = subprocess.run(
        ['wrk', '-t1', f'-c{clients}', f'-d{seconds}s', '--timeout', '30s',
         '-s', str(pathlib.Path(__file__).with_name('report.lua')),
         '-H', f'X-Auth-Token: {token}', url],
        capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.strip().splitlines()[-1])


def memory(booted: cloud.Cloud) -> float:
    """MiB that trove-api takes."""
    pid = booted.processes['trove'].pid
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    found = re.search(r'VmRSS:\s+(\d+)', status)
    return int(found[1]) / 1024 if found else 0.0


def http_figures(args: argparse.Namespace) -> list[dict]:
    """Latencies and rates, by flavors, clients and what is asked."""
    found = []
    with cloud.Cloud(args.database, args.workers, args.server) as booted:
        booted.enable()
        version_id = booted.create_datastore_version('mysql', 'benchmark')
        route = f'/flavors/datastores/versions/{version_id}'
        before = 0
        for total in TOTALS:
            booted.create_many_flavors(total - before, prefix=f'to{total}')
            before = total
            for cached in (True, False):
                booted.options['flavor_filter'] = {
                    'answer_troves_list': False,
                    **({} if cached else {'flavor_cache_time': 0})}
                booted.reconfigure()
                booted.restart('trove')
                base = f'{booted.trove_url}/v1.0/{booted.project_id()}'
                urls = {ROUTE: base + route} if cached else {
                    ROUTE_OFF: base + route}
                if cached:
                    urls |= {
                        IN_TREE: f'{base}/datastores/mysql/versions/'
                                 f'{version_id}/flavors',
                        LIMITS: f'{base}/limits', NOTHING: f'{base}/nothing',
                        NOVA: f'{booted.nova_url}/flavors/detail'}
                empty = memory(booted)
                for what, url in urls.items():
                    user = 'admin' if what == NOVA else 'demo'
                    token = booted.token(user)
                    # The first answer may take longer than a measurement.
                    booted.session(user).get(url, raise_exc=False)
                    wrk(url, token, 1, 1)
                    for clients in CLIENTS:
                        # Eight clients of a slow service wait seconds
                        # for an answer, and one is no figure.
                        seconds = args.seconds
                        if what not in (ROUTE, LIMITS, NOTHING):
                            seconds *= 1 + min(total // 500, 4)
                        result = wrk(url, token, clients, seconds)
                        found.append({
                            'flavors': total, 'clients': clients,
                            'what': what, **result,
                            'RSS': memory(booted), 'RSS before': empty})
                        print(f'{total} flavors, {clients} clients, {what}: '
                              f'{result["p50"]:.1f} ms', file=sys.stderr,
                              flush=True)
    return found


def call_figures(args: argparse.Namespace) -> dict[str, int]:
    """How often two workers under load had Nova list its flavors."""
    found = {}
    for name, options in (('memory, 2 workers', {}),
                          ('Redis, 2 workers', {'cache': {
                              'enabled': True,
                              'backend': 'dogpile.cache.redis'}})):
        with contextlib.ExitStack() as stack:
            if options:
                if shutil.which('redis-server') is None:
                    continue
                redis = servers.redis(pathlib.Path(
                    stack.enter_context(tempfile.TemporaryDirectory())))
                stack.callback(redis.stop)
                redis.start()
                redis.wait()
                options['cache']['backend_argument'] = (
                    f'url:redis://127.0.0.1:{redis.port}')
            with cloud.Cloud(args.database, 2, args.server,
                             options=options) as booted:
                booted.enable()
                booted.create_many_flavors(24)
                version_id = booted.create_datastore_version('mysql', 'v')
                log = booted.log('nova')
                before = log.read_text().count('/flavors/detail')
                begun = time.monotonic()
                result = wrk(f'{booted.trove_url}/v1.0/{booted.project_id()}'
                             f'/flavors/datastores/versions/{version_id}',
                             booted.token(), 8, args.window)
                calls = log.read_text().count('/flavors/detail') - before
                found[name] = calls
                print(f'{name}: {result["requests"]} requests in '
                      f'{time.monotonic() - begun:.0f} s, {calls} calls',
                      file=sys.stderr, flush=True)
    return found


def _cell(results: dict, total: int, clients: int, what: str
          ) -> dict[str, typing.Any] | None:
    return next((row for row in results['over HTTP']
                 if (row['flavors'], row['clients'], row['what'])
                 == (total, clients, what)), None)


def report(results: dict) -> str:
    """The figures as tables in reStructuredText."""
    rows = [('flavors', 'clients', 'what', 'p50 ms', 'p99 ms', 'req/s',
             'p50 of Trove\'s own / p50', 'RSS MiB')]
    for total in TOTALS:
        for clients in CLIENTS:
            own = _cell(results, total, clients, IN_TREE)
            for what in (ROUTE, ROUTE_OFF, IN_TREE, LIMITS, NOTHING, NOVA):
                row = _cell(results, total, clients, what)
                if row is None or own is None:
                    continue
                if not row['requests']:
                    rows.append((str(total), str(clients), what,
                                 'no answer', '', '', '', ''))
                    continue
                rows.append((
                    str(total), str(clients), what, f'{row["p50"]:.1f}',
                    f'{row["p99"]:.1f}', f'{row["rate"]:.0f}',
                    f'{own["p50"] / row["p50"]:.1f}',
                    f'{row["RSS"]:.0f}' if what == ROUTE else ''))
    inside = results['inside a process']
    return '\n'.join((
        _table(rows),
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
        f'Memory of 5,000 remembered flavors: '
        f'{inside["memory MiB of 5,000 flavors"]:.1f} MiB, and '
        f'{inside["memory MiB of their extra specs"]:.1f} MiB for six extra '
        f'specs of each. Statements a '
        f'request, counted by MariaDB: '
        f'{inside["sql"].get("mysql", {}).get("statements a request")}.\n',
        'Lists that Nova was asked for under 8 clients in a cache time: '
        + ', '.join(f'{name}: {count}' for name, count
                    in results['calls of Nova'].items()) + '.\n'))


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows)
              for column in range(len(rows[0]))]
    rule = '  '.join('=' * width for width in widths)
    # An empty first cell would join two rows; there is none.
    lines = ['  '.join(cell.ljust(width) for cell, width
                       in zip(row, widths)).rstrip() for row in rows]
    return '\n'.join((rule, lines[0], rule, *lines[1:], rule, ''))


def plot(results: dict, path: pathlib.Path) -> None:
    """The same as a picture: latency by flavors, and SQL time by rows."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for what in (IN_TREE, NOVA, ROUTE_OFF, LIMITS, ROUTE, NOTHING):
        cells = [_cell(results, total, 1, what) for total in TOTALS]
        left.plot(TOTALS, [cell['p50'] for cell in cells if cell],
                  marker='o', label=what)
    left.set(xscale='log', yscale='log', xlabel='flavors in Nova',
             ylabel='median ms, one client', title='A request')
    left.legend()
    for backend, found in results['inside a process']['sql'].items():
        right.plot(microbenchmark.ROWS,
                   [found[f'{rows} rows'] for rows in microbenchmark.ROWS],
                   marker='o', label=backend)
    right.set(xscale='log', xlabel='rows in the table', ylim=(0, None),
              ylabel='median microseconds', title='Its one SQL statement')
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == '__main__':
    sys.exit(main())
