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

"""The list of violations among 100,000 instances, on each database.

Run it as a module:
python -m trove_flavor_filter.tests.cloud.violations_benchmark [NUMBER]
"""

import argparse
import datetime
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
import typing
import unittest
import uuid

import sqlalchemy as sa

from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import migration
from trove_flavor_filter.db import models
from trove_flavor_filter.db import violations
from trove_flavor_filter import requirement
from trove_flavor_filter import running
from trove_flavor_filter.tests.cloud import trove_schema
from trove_flavor_filter.tests import databases

VERSIONS, FLAVORS, PROJECTS = 50, 40, 500
# One instance in so many breaks a rule; one in so many has an open upgrade.
BROKEN, UPGRADED = 100, 1000
TURNS = 9
MOMENT = datetime.datetime(2026, 1, 1)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('instances', nargs='?', type=int, default=100000)
    args = parser.parse_args()
    for backend, found in figures(args.instances).items():
        print(f'{backend}: ' + ', '.join(
            f'{name} {value:g}' for name, value in found.items()))
    return 0


def figures(instances: int = 100000) -> dict[str, dict[str, float]]:
    """The figures on each database that there is, by name."""
    found = {}
    for backend in ('sqlite', 'mysql', 'postgresql'):
        database = databases.EmptyDatabase(backend)
        try:
            database.setUp()
        except unittest.SkipTest as reason:
            print(f'{backend}: {reason}', file=sys.stderr)
            continue
        try:
            found[backend] = measure(database.url, instances)
        finally:
            database.cleanUp()
    return found


def measure(url: str, instances: int) -> dict[str, float]:
    """The figures on one database, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, 'trove.conf')
        path.write_text(f'[database]\nconnection = {url}\n')
        # With the columns and the indexes of Trove.
        subprocess.run([sys.executable, trove_schema.__file__,
                        '--config-file', str(path), 'db_sync'],
                       check=True, capture_output=True)
        database = engine.Database(
            config.load({'oslo_config_file': str(path)}))
    migration.sync(database)
    sql = sa.create_engine(url)
    with sql.begin() as connection:
        fill(connection, instances)
    with sql.connect().execution_options(
            isolation_level='AUTOCOMMIT') as connection:
        connection.execute(sa.text('ANALYZE TABLE instances' if
                                   sql.dialect.name == 'mysql'
                                   else 'ANALYZE'))
    sql.dispose()
    statements: list[str] = []
    sa.event.listen(
        database.autocommit(), 'before_cursor_execute',
        lambda _connection, _cursor, statement, *_more:
        statements.append(statement))
    found: dict[str, float] = {}
    finder = violations.Violations(database, {})
    flavors = [flavor(number) for number in range(FLAVORS)]
    scopes = {
        '': violations.Scope(),
        ' of a version': violations.Scope(version_id=version_id(1)),
        ' of a project': violations.Scope(project_id=project_id(1))}
    for limit in (violations.PAGE, 20):
        found[f'first {limit} ms'] = 1000 * median(
            lambda: finder.page(flavors, limit=limit))
    for name, scope in scopes.items():
        if scope != violations.Scope():
            found[f'first{name} ms'] = 1000 * median(
                lambda scope=scope: finder.page(flavors, scope))
    for limit in (violations.PAGE, 20):
        statements.clear()
        begun, pages, count = time.perf_counter(), 0, 0
        marker: str | None = ''
        while marker is not None:
            page = finder.page(flavors, marker=marker, limit=limit)
            marker, pages = page.marker, pages + 1
            count += len(page.violations)
        found[f'all by {limit} s'] = time.perf_counter() - begun
        found[f'pages by {limit}'] = pages
        found['statements a page'] = len(statements) / pages
        found['violations'] = count
    found['counts ms'] = 1000 * median(lambda: finder.counts(flavors))
    tracemalloc.start()
    for _violation in finder.all(flavors):
        pass
    found['peak MiB'] = tracemalloc.get_traced_memory()[1] / 2 ** 20
    tracemalloc.stop()
    database.dispose()
    return {name: round(value, 2) for name, value in found.items()}


def median(function: typing.Callable[[], object]) -> float:
    """Seconds that a call takes."""
    times = []
    for _turn in range(TURNS):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return sorted(times)[TURNS // 2]


def flavor(number: int) -> requirement.Flavor:
    return requirement.Flavor(f'flavor-{number}', f'db.{number}',
                              512 * (number + 1), 1, 10, 0, {})


def version_id(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def project_id(number: int) -> str:
    return f'{number:032x}'


def fill(connection: sa.Connection, instances: int) -> None:
    """Make instances, of which one in BROKEN breaks a rule."""
    chance = random.Random(0)  # nosec B311
    connection.execute(sa.insert(models.Datastore).values(
        id='ds', name='mysql'))
    # With the columns that Trove requires.
    tables = sa.MetaData()
    tables.reflect(connection, only=['datastore_versions', 'instances'])
    connection.execute(sa.insert(tables.tables['datastore_versions']), [
        {'id': version_id(number), 'datastore_id': 'ds', 'manager': 'mysql',
         'name': f'v{number}', 'version': f'{number}', 'active': True,
         'registry_ext': '', 'repl_strategy': ''}
        for number in range(VERSIONS)])
    # The first ten flavors are too small for every version.
    connection.execute(sa.insert(models.DatastoreVersionMetadata), [
        {'id': str(uuid.UUID(int=number)), 'key': 'min_ram',
         'datastore_version_id': version_id(number), 'value': '5632',
         'created': MOMENT, 'deleted': False}
        for number in range(VERSIONS)])
    rows = []
    for number in range(instances):
        smallest, largest = (0, 9) if number % BROKEN == 0 else (
            10, FLAVORS - 1)
        rows.append({
            'id': str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            'name': f'database-{number}', 'hostname': f'host-{number}',
            'compute_instance_id': str(uuid.UUID(int=number)),
            'task_id': running.NO_TASK,
            'task_description': 'No tasks for the instance.',
            'tenant_id': project_id(chance.randrange(PROJECTS)),
            'volume_id': str(uuid.UUID(int=number)), 'volume_size': 10,
            'flavor_id': f'flavor-{chance.randint(smallest, largest)}',
            'datastore_version_id': version_id(chance.randrange(VERSIONS)),
            'created': MOMENT, 'updated': MOMENT, 'deleted': False})
    for some in engine.batches(rows):
        connection.execute(sa.insert(tables.tables['instances']), some)
    connection.execute(sa.insert(models.FlavorFilterUpgrade), [
        {'instance_id': row['id'], 'datastore_version_id': version_id(1),
         'target_id': row['datastore_version_id'], 'attempt': row['id'],
         'state': running.DOUBTED, 'created': MOMENT}
        for row in rows[::UPGRADED]])


if __name__ == '__main__':
    sys.exit(main())
