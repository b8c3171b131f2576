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

"""What the plugin costs inside a process: the filter, the guard, the SQL."""

import datetime
import io
import json
import pathlib
import statistics
import sys
import tempfile
import time
import tracemalloc
import unittest
import uuid

import sqlalchemy as sa

from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine as db_engine
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import reading
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter.flavors import access
from trove_flavor_filter.flavors import catalog
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests import databases
from trove_flavor_filter import wsgi

PROJECT = uuid.uuid4().hex
VERSIONS = 10000
ROWS = (100, 10000, 1000000)

# Two datastore versions by what they require, and flavors that meet that.
REQUIRED = {
    'a minimum': [('min_ram', '512')],
    'a maximum and two extra specs too': [
        ('min_ram', '512'), ('max_vcpus', '16'),
        ('extra_spec', 'database=mysql'), ('extra_spec', 'storage=ssd')],
}
EXTRA_SPECS = {'database': 'mysql', 'storage': 'ssd'} | {
    f'quota:limit_{number}': f'{number}' for number in range(4)}

# Associations that are declared in a file: of versions, with flavors each.
DECLARED = (100, 100)

# Rows of other datastore versions, made by the database itself.
SERIES = {
    'sqlite': 'WITH RECURSIVE series(n) AS (SELECT {first} UNION ALL SELECT '
              'n + 1 FROM series WHERE n < {last}) SELECT {columns} FROM '
              'series',
    'mysql': 'SELECT {columns} FROM (SELECT seq AS n FROM '
             'seq_{first}_to_{last}) AS series',
    'postgresql': 'SELECT {columns} FROM generate_series({first}, {last}) '
                  'AS series(n)',
}
TEXT = {'sqlite': "'{}' || {}", 'postgresql': "'{}' || {}",
        'mysql': "CONCAT('{}', {})"}


def median(function, turns: int) -> float:
    """Microseconds that a call takes."""
    for _turn in range(turns // 10 + 1):
        function()
    times = []
    for _turn in range(turns):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def figures() -> dict:
    """All that is measured here, by name."""
    found: dict = {'filter': {}, 'sql': {}, 'apply': {}}
    for backend in ('sqlite', 'mysql', 'postgresql'):
        database = databases.EmptyDatabase(backend)
        try:
            database.setUp()
        except unittest.SkipTest:
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                conf = pathlib.Path(folder, 'trove.conf')
                conf.write_text(
                    f'[database]\nconnection = {database.url}\n')
                application = wsgi.filter_factory(
                    {}, oslo_config_file=str(conf))(_behind)
                engine = sa.create_engine(database.url)
                _prepare(engine)
                if backend == 'sqlite':
                    found['filter'] = _filter(application)
                found['apply'][backend] = _apply(engine, _table(conf))
                found['sql'][backend] = _sql(backend, engine, _table(conf))
                engine.dispose()
                application._services.requirements.database.engine().dispose()
        finally:
            database.cleanUp()
    without = _memory({})
    found['memory MiB of 5,000 flavors'] = without
    found['memory MiB of their extra specs'] = _memory(EXTRA_SPECS) - without
    found['memory MiB of 10,000 projects'] = _memory_of_projects()
    return found


def _table(conf: pathlib.Path) -> requirements.Requirements:
    return requirements.Requirements(db_engine.Database(
        config.load({'oslo_config_file': str(conf)})))


def _behind(_environ, _start_response):
    return []


def _prepare(engine: sa.Engine) -> None:
    models.Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(models.Datastore).values(
            id='ds', name='mysql'))
        connection.execute(sa.insert(models.DatastoreVersion).values(
            id='wanted', datastore_id='ds', name='8.0', version='8.0',
            active=True))
        connection.execute(sa.insert(models.Instance).values(
            id='instance', tenant_id=PROJECT, flavor_id='1',
            datastore_version_id='wanted', deleted=False))
        connection.execute(sa.insert(models.DatastoreVersionMetadata), [
            {'id': f'own-{number}', 'datastore_version_id': 'wanted',
             'key': 'flavor', 'value': str(number), 'deleted': False,
             'created': datetime.datetime(2026, 1, 1)}
            for number in range(10)])
        connection.execute(sa.insert(models.DatastoreVersion), [
            {'id': what, 'datastore_id': 'ds', 'name': what, 'version': '1',
             'active': True} for what in REQUIRED])
        connection.execute(sa.insert(models.DatastoreVersionMetadata), [
            {'id': f'{what[-4:]}-{number}', 'datastore_version_id': what,
             'key': key, 'value': value, 'deleted': False,
             'created': datetime.datetime(2026, 1, 1)}
            for what, rows in REQUIRED.items()
            for number, (key, value) in enumerate(rows)])


def _filter(application: wsgi.FlavorFilter) -> dict[str, float]:
    """Microseconds a request, by what kind it is."""
    environ = {
        'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '/v1.0', 'QUERY_STRING': '',
        'SERVER_NAME': 'db', 'SERVER_PORT': '80', 'wsgi.url_scheme': 'http',
        'wsgi.version': (1, 0), 'wsgi.errors': sys.stderr,
        'wsgi.input': io.BytesIO(b''), 'HTTP_X_PROJECT_ID': PROJECT,
        'HTTP_X_USER_ID': 'user', 'HTTP_X_ROLES': 'member'}

    def passing(path: str) -> float:
        return median(lambda: application(
            dict(environ, PATH_INFO=f'/{PROJECT}{path}'), None), 20000)

    def guarded(path: str, body: dict) -> float:
        raw = json.dumps(body).encode()
        return median(lambda: application(dict(environ, **{
            'PATH_INFO': f'/{PROJECT}{path}', 'REQUEST_METHOD': 'POST',
            'CONTENT_TYPE': 'application/json',
            'CONTENT_LENGTH': str(len(raw)), 'wsgi.input': io.BytesIO(raw),
        }), None), 2000)

    def lists() -> dict[str, float]:
        """Lists of 1,000 flavors, in turns: they are to be compared."""
        catalog = application._services.catalog
        catalog._common.last = snapshot.Snapshot(
            time.time(), _flavors(1000, EXTRA_SPECS))
        times: dict[str, list[float]] = {what: [] for what in REQUIRED}
        for _turn in range(1000):
            for what in REQUIRED:
                path = f'/{PROJECT}/flavors/datastores/versions/{what}'
                times[what].append(median(lambda: application(
                    dict(environ, PATH_INFO=path), lambda *_answer: None), 1))
        return {f'a list of 1,000: {what}': statistics.median(found)
                for what, found in times.items()}

    return {
        **lists(),
        'an unrelated path': passing('/backups'),
        'GET of a guarded path': passing('/instances/instance'),
        'guarded: create': guarded('/instances', {'instance': {
            'name': 'db', 'flavorRef': '1', 'datastore': {
                'type': 'mysql', 'version': '8.0'}}}),
        'guarded: resize': guarded('/instances/instance/action', {
            'resize': {'flavorRef': '2'}}),
    }


def _apply(engine: sa.Engine,
           table: requirements.Requirements) -> dict[str, float]:
    """Seconds that it takes to apply a file of 10,000 associations."""
    versions, flavors = DECLARED
    with engine.begin() as connection:
        connection.execute(sa.insert(models.DatastoreVersion), [
            {'id': f'declared-{number}', 'datastore_id': 'ds',
             'name': f'declared-{number}', 'version': '1', 'active': True}
            for number in range(versions)])
    known = [requirement.Flavor(f'id-{number}', f'db.{number}', 1, 1, 1, 0)
             for number in range(flavors)]
    names = ', '.join(flavor.name for flavor in known)
    data = '\n'.join((
        'datastore_versions:', '  mysql:',
        *(f'    declared-{number}: {{flavors: [{names}]}}'
          for number in range(versions)))).encode()
    found = {}
    for what in ('first', 'again'):
        begun = time.perf_counter()
        declared = reading.read(data)
        found[f'{what}: read'] = time.perf_counter() - begun
        begun = time.perf_counter()
        table.change(lambda present: planning.apply(
            resolving.resolve(declared, known, present).rows, False, present))
        found[f'{what}: planned and written'] = time.perf_counter() - begun
    table.database.engine().dispose()
    return found


def _sql(backend: str, engine: sa.Engine,
         table: requirements.Requirements) -> dict:
    """Microseconds of the statement by rows in the table; the plan."""
    found: dict = {}
    text = TEXT[backend].format
    with engine.begin() as connection:
        connection.execute(sa.text(
            'INSERT INTO datastore_versions (id, datastore_id, name, active) '
            + SERIES[backend].format(
                first=1, last=VERSIONS, columns=f'{text("v", "n")}, \'ds\', '
                f'{text("v", "n")}, '
                f'{"true" if backend == "postgresql" else "1"}')))
    first = 1
    for rows in ROWS:
        with engine.begin() as connection:
            connection.execute(sa.text(
                'INSERT INTO datastore_version_metadata (id, '
                'datastore_version_id, {key}, value, created, deleted) '
                .format(key='`key`' if backend == 'mysql' else '"key"')
                + SERIES[backend].format(
                    first=first, last=rows, columns=(
                        f'{text("m", "n")}, '
                        f'{text("v", f"(1 + n % {VERSIONS})")}, \'flavor\', '
                        f'{text("f", "n")}, \'2026-01-01\', '
                        f'{"false" if backend == "postgresql" else "0"}')
                    .replace("'2026-01-01'", "DATE '2026-01-01'"
                             if backend == 'postgresql'
                             else "'2026-01-01 00:00:00'"))))
            first = rows + 1
        with engine.connect().execution_options(
                isolation_level='AUTOCOMMIT') as connection:
            connection.execute(sa.text(
                'ANALYZE TABLE datastore_version_metadata'
                if backend == 'mysql' else 'ANALYZE'))
        found[f'{rows} rows'] = median(
            lambda: table.requirement_of('wanted'), 1000)
    statement = requirements.REQUIREMENT.params(version_id='wanted').compile(
        engine, compile_kwargs={'literal_binds': True})
    explain = ('EXPLAIN QUERY PLAN' if backend == 'sqlite' else 'EXPLAIN')
    with engine.connect() as connection:
        plan = [' '.join(str(part) for part in row) for row in
                connection.exec_driver_sql(f'{explain} {statement}')]
        if backend == 'mysql':
            count = 'SHOW GLOBAL STATUS LIKE \'Com_select\''
            before = int(connection.exec_driver_sql(count).all()[0][1])
            for _turn in range(100):
                table.requirement_of('wanted')
            after = int(connection.exec_driver_sql(count).all()[0][1])
            found['statements a request'] = (after - before) / 100
    found['plan'] = plan
    table.database.engine().dispose()
    return found


def _flavors(count: int, extra_specs: dict[str, str]
             ) -> list[requirement.Flavor]:
    return [
        requirement.Flavor(f'{number:05}-flavor', f'db.flavor.{number:05}',
                           512 * (1 + number), 1 + number % 16, 10 + number,
                           number, snapshot.interned(extra_specs))
        for number in range(count)]


def _memory(extra_specs: dict[str, str]) -> float:
    tracemalloc.start()
    latest = snapshot.Snapshot(time.time(), _flavors(5000, extra_specs))
    for flavor in latest.flavors:
        latest.pieces[flavor.id] = tuple(  # as views cut it
            f'{flavor}{part}' for part in ('', '"rel": "self"', ', ' * 60))
    size, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / 2 ** 20


def _memory_of_projects() -> float:
    """MiB of the private flavors of as many projects as are remembered."""
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf:
        own = catalog.Catalog(
            config.load({'oslo_config_file': conf.name}))._own
    each = access.FLAVORS // access.PROJECTS
    tracemalloc.start()
    for number in range(access.PROJECTS):
        project_id = f'{number:032x}'
        own._list(project_id)
        own._kept(project_id, snapshot.Own(time.time(), tuple(
            (None, requirement.Flavor(
                f'{number:05}-{turn}-flavor', f'db.flavor.{number:05}.{turn}',
                512 * number, number, 10 + number, number))
            for turn in range(each))))
    size, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / 2 ** 20
