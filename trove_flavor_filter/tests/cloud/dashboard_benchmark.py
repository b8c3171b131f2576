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

"""What Horizon's dialogs and the panel cost, with the package and without it.

Run it as a module:
python -m trove_flavor_filter.tests.cloud.dashboard_benchmark

FLAVOR_FILTER_HORIZON names the Python environment that has Horizon; without it
one is made for trove-dashboard 27.
"""

import collections
from collections.abc import Callable
import os
import pathlib
import re
import statistics
import sys
import time
import typing

import requests
import yaml

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import demo
from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.functional import test_dashboard
from trove_flavor_filter.tests.functional import test_dashboard_panel

FLAVORS = 24
# Of each of two datastores.
VERSIONS = 15
# As many as a page of the table has.
INSTANCES = 20
TURNS = 6
# Seconds until a service has logged a request that it has answered.
LOGGED = 0.3

# A request in the log of Trove or of Nova.
REQUEST = re.compile(r'"[A-Z]+ /v[12]\.[01]/')

Visit = Callable[[test_dashboard.Visitor], requests.Response]


class Cost(typing.NamedTuple):
    """What a page costs: the medians of some visits.

    :ivar trove: requests to Trove
    :ivar nova: requests to Nova, also by Trove
    """

    seconds: float
    trove: float
    nova: float


class Places(typing.NamedTuple):
    """What is in the cloud.

    :ivar version_id: of a datastore version with a requirement
    :ivar instance_id: of an active instance with a volume
    """

    version_id: str
    instance_id: str
    cluster_id: str


def main() -> int:
    prefix = os.environ.get('FLAVOR_FILTER_HORIZON')
    if not prefix:
        prefix = str(pathlib.Path(sys.prefix).with_name('horizon-27'))
        horizon.make('27', pathlib.Path(prefix))
    with cloud.Cloud() as booted:
        booted.enable()
        demo.accept_volumes(booted)
        places = fill(booted)
        stock, ours = (horizon.beside(booted, prefix, name, plugin)
                       for name, plugin in (('stock', False), ('ours', True)))
        found = measure(
            booted, dialogs(places, ours.upgrades),
            {'stock': test_dashboard.log_in(booted, stock),
             'package': test_dashboard.log_in(booted, ours)})
        admin = test_dashboard.Visitor(ours.url, 'admin',
                                       booted.secrets['admin'])
        found |= measure(booted, panel(places, admin), {'package': admin})
    print(table(found))
    return 0


def fill(booted: cloud.Cloud) -> Places:
    """Make flavors, versions that require something, and instances."""
    for number in range(FLAVORS):
        booted.create_flavor(f'flavor-{number:02}', ram=512 * (number + 1))
    booted.create_network()
    versions = [
        booted.create_datastore_version(datastore, f'{number}.0', datastore)
        for datastore in ('mysql', 'mariadb') for number in range(VERSIONS)]
    instances = [
        create_instance(booted, f'flavor-{number:02}',
                        versions[number % VERSIONS])
        for number in range(INSTANCES)]
    booted.activate_instance(instances[-1])
    # The first instances break it.
    document = {'min_ram': 4096, 'min_volume': 1}
    answer = booted.trove(
        '/mgmt/flavor-requirements', 'PUT', 'admin', json={
            'flavor_requirements': [
                {'datastore_version_id': version_id, **document}
                for version_id in versions]})
    assert answer.status_code == 200, answer.text
    cluster_id = 'cluster'
    booted.sql(
        'INSERT INTO clusters (id, created, updated, name, task_id, '
        'tenant_id, datastore_version_id, deleted) VALUES (:id, :now, :now, '
        ':id, 1, :tenant, :version, :no)', id=cluster_id,
        now='2026-01-01 00:00:00', tenant=booted.project_id(),
        version=versions[-1], no=False)
    return Places(versions[0], instances[-1], cluster_id)


def create_instance(booted: cloud.Cloud, flavor_id: str,
                    version_id: str) -> str:
    """Create an instance with a volume, and return its id."""
    answer = booted.trove('/instances', 'POST', json={'instance': {
        'name': 'database', 'flavorRef': flavor_id, 'volume': {'size': 1},
        'datastore': {'type': 'mysql', 'version': version_id}}})
    assert answer.status_code == 200, answer.text
    return answer.json()['instance']['id']


def dialogs(places: Places, upgrades: bool) -> dict[str, Visit]:
    """The dialogs and tables that stock Horizon has too."""
    instance = f'{test_dashboard.INSTANCES}{places.instance_id}/'
    cluster = f'{test_dashboard.CLUSTERS}{places.cluster_id}/'
    paths = {
        'Launch Instance': f'{test_dashboard.INSTANCES}launch',
        'Launch Cluster': f'{test_dashboard.CLUSTERS}launch',
        'Grow Cluster': f'{cluster}add_instance',
        'Resize Instance': f'{instance}resize_instance',
        'Resize Database Volume': f'{instance}resize_volume'}
    if upgrades:
        paths['Upgrade Instance'] = f'{instance}upgrade/upgrade_instance/'
    return {
        **{name: opened(path) for name, path in paths.items()},
        'Table of instances': shown(test_dashboard.INSTANCES),
        'Table of clusters': shown(test_dashboard.CLUSTERS)}


def panel(places: Places, admin: test_dashboard.Visitor) -> dict[str, Visit]:
    """The pages of the panel."""
    index = test_dashboard_panel.PANEL
    update = f'{index}{places.version_id}/update/'
    form = admin.dialog(update)
    reader = admin.dialog(test_dashboard_panel.FILE)
    file = yaml.safe_dump({'datastore_versions': {'mysql': {
        '0.0': {'min_ram': 8192}}}}).encode()
    return {
        'Panel: table': shown(index),
        'Panel: form': opened(update),
        'Panel: effect of a change':
            lambda visitor: visitor.send(update, form, min_ram='8192'),
        'Panel: violations': shown(f'{index}violations/'),
        'Panel: copy': opened(f'{index}{places.version_id}/copy/'),
        'Panel: export': shown(f'{index}export/'),
        'Panel: effect of a file': lambda visitor: visitor.send(
            test_dashboard_panel.FILE, reader,
            {'file': ('flavors.yaml', file)})}


def opened(path: str) -> Visit:
    return lambda visitor: visitor.get(path)


def shown(path: str) -> Visit:
    return lambda visitor: visitor.page(path)


def measure(booted: cloud.Cloud, visits: dict[str, Visit],
            visitors: dict[str, test_dashboard.Visitor]
            ) -> dict[str, dict[str, Cost]]:
    """What each visit costs each visitor; they take turns.

    :returns: costs by the names of the visit and of the visitor
    """
    found = {}
    for name, visit in visits.items():
        costs = collections.defaultdict(list)
        for turn in range(1 + TURNS):
            for who, visitor in visitors.items():
                cost = _cost(booted, visit, visitor)
                # The first one warms up.
                if turn:
                    costs[who].append(cost)
        found[name] = {who: Cost(*map(statistics.median, zip(*those)))
                       for who, those in costs.items()}
        print(name, *found[name].items(), file=sys.stderr)
    return found


def _cost(booted: cloud.Cloud, visit: Visit,
          visitor: test_dashboard.Visitor) -> Cost:
    logs = [booted.log(name) for name in ('trove', 'nova')]
    before = [log.stat().st_size for log in logs]
    begun = time.perf_counter()
    answer = visit(visitor)
    took = time.perf_counter() - begun
    assert answer.status_code == 200 and not test_dashboard.is_closed(
        answer), answer.text
    time.sleep(LOGGED)
    return Cost(took, *(
        len(REQUEST.findall(log.read_bytes()[size:].decode()))
        for log, size in zip(logs, before)))


def table(found: dict[str, dict[str, Cost]]) -> str:
    """A table of costs in reStructuredText."""
    titles = ['what', 's, stock', 's', 'Trove, stock', 'Trove', 'Nova, stock',
              'Nova']
    rows = [titles]
    for name, costs in found.items():
        row = [name]
        for field, form in ('seconds', '.2f'), ('trove', 'g'), ('nova', 'g'):
            row += [format(getattr(costs[who], field), form)
                    if who in costs else '' for who in ('stock', 'package')]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows)]
    line = '  '.join('=' * width for width in widths)
    printed = ['  '.join(cell.ljust(width) for cell, width
                         in zip(row, widths)).rstrip() for row in rows]
    return '\n'.join([line, printed[0], line, *printed[1:], line])


if __name__ == '__main__':
    sys.exit(main())
