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
