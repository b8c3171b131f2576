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

"""Test databases: created empty, and dropped afterwards.

SQLite is always available. Tests on MariaDB and PostgreSQL are skipped if no
server answers; in CI they fail. FLAVOR_FILTER_MYSQL and
FLAVOR_FILTER_POSTGRESQL have the URLs of the servers.
"""

import atexit
import os
import unittest
import uuid

import fixtures
import sqlalchemy as sa

SERVERS = {
    'mysql': os.environ.get(
        'FLAVOR_FILTER_MYSQL', 'mysql+pymysql://root@127.0.0.1/'),
    'postgresql': os.environ.get(
        'FLAVOR_FILTER_POSTGRESQL', 'postgresql://postgres@127.0.0.1/'),
}


class EmptyDatabase(fixtures.Fixture):
    """An empty database.

    :param backend: 'sqlite', 'mysql' or 'postgresql'
    :param folder: for SQLite's file; None for a temporary one
    :param server: URL of the server; None for the one in SERVERS
    :param collation: of its tables in MariaDB; None for the server's default
    :ivar url: of the database, including any password
    """

    def __init__(self, backend: str, folder: str | None = None,
                 server: str | None = None, collation: str | None = None):
        super().__init__()
        self.server = server or SERVERS.get(backend, '')
        self.backend = backend
        self.folder = folder
        self.collation = collation

    def setUp(self) -> None:
        """Create it.

        :raises SkipTest: no server answers, outside CI
        """
        # Not in _setUp: a fixture adds an error of its own to an exception
        # that is raised there, so the test would fail.
        if self.backend != 'sqlite' and not os.environ.get('CI'):
            try:
                self._admin().connect().close()
            except sa.exc.OperationalError as error:
                raise unittest.SkipTest(
                    f'no {self.backend} server answers at '
                    f'{sa.make_url(self.server).render_as_string()}: '
                    f'{error.orig}') from error
        super().setUp()

    def _setUp(self) -> None:
        if self.backend == 'sqlite':
            folder = (self.folder
                      or self.useFixture(fixtures.TempDir()).path)
            self.url = f'sqlite:///{folder}/trove.sqlite'
            return
        name = f'flavor_filter_{uuid.uuid4().hex[:12]}'
        with self._admin().connect() as connection:
            connection.execute(sa.text(
                f'CREATE DATABASE {name}' + (
                    f' COLLATE {self.collation}' if self.collation else '')))
        self.addCleanup(self._drop, name)
        self.url = sa.make_url(self.server).set(
            database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        force = ' WITH (FORCE)' if self.backend == 'postgresql' else ''
        with self._admin().connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE {name}{force}'))

    def _admin(self) -> sa.Engine:
        """The server's own database."""
        return sa.create_engine(
            sa.make_url(self.server).set(
                database='mysql' if self.backend == 'mysql' else 'postgres'),
            isolation_level='AUTOCOMMIT', poolclass=sa.pool.NullPool)


class EmptyTables(fixtures.Fixture):
    """A database with empty tables.

    On a server, a database is used again by later tests of this process, as
    making tables takes longer than most tests.

    :param tables: to have; if a test has changed them, later tests get others
    :param more: as for EmptyDatabase
    :ivar url: of the database, including any password
    """

    # Those that no test uses at present.
    _free: dict[tuple[str | None, ...], list[EmptyDatabase]] = {}

    def __init__(self, tables: sa.MetaData, backend: str,
                 server: str | None = None, collation: str | None = None):
        super().__init__()
        self._tables = tables
        self._key = (backend, server, collation)
        free = self._free.get(self._key)
        self._is_new = not free
        self._database = free.pop() if free else EmptyDatabase(
            backend, server=server, collation=collation)

    def setUp(self) -> None:
        """Create it.

        :raises SkipTest: no server answers, outside CI
        """
        if self._is_new:
            self._database.setUp()
        super().setUp()

    def _setUp(self) -> None:
        self.url = self._database.url
        if self._is_new:
            self._tables.create_all(self._engine())
            atexit.register(self._database.cleanUp)
        self.addCleanup(self._empty)

    def _empty(self) -> None:
        if self._database.backend != 'sqlite' and not self._are_changed():
            with self._engine().begin() as connection:
                if self._database.backend == 'mysql':
                    # Instances refer to one another.
                    connection.execute(sa.text('SET FOREIGN_KEY_CHECKS = 0'))
                for table in reversed(self._tables.sorted_tables):
                    connection.execute(sa.delete(table))
            self._free.setdefault(self._key, []).append(self._database)
            return
        atexit.unregister(self._database.cleanUp)
        self._database.cleanUp()

    def _are_changed(self) -> bool:
        """Whether there are other tables or columns than at first."""
        with self._engine().connect() as connection:
            found = connection.execute(sa.text(
                'SELECT table_name, column_name FROM information_schema.'
                'columns WHERE table_schema = :schema'), {
                    'schema': sa.make_url(self.url).database
                    if self._database.backend == 'mysql' else 'public'}).all()
        return {tuple(row) for row in found} != {
            (table.name, column.name)
            for table in self._tables.sorted_tables
            for column in table.columns}

    def _engine(self) -> sa.Engine:
        return sa.create_engine(self.url, poolclass=sa.pool.NullPool)
