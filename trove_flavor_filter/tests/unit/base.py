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

"""What the unit tests share: a configuration, and a database per backend."""

import datetime
import pathlib
import uuid

from oslo_config import cfg
from oslotest import base
import sqlalchemy as sa

from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import lookup
from trove_flavor_filter.db import models
from trove_flavor_filter.db import requirements
from trove_flavor_filter.tests import databases


class TestCase(base.BaseTestCase):
    """A test with settings of its own."""

    def configuration(self, text: str) -> cfg.ConfigOpts:
        """The settings that a trove.conf with this text gives."""
        return config.load({'oslo_config_file': self.trove_conf(text)})

    def trove_conf(self, text: str) -> str:
        path = pathlib.Path(self.create_tempfiles([('trove', text)])[0])
        return str(path)


class DatabaseTestCase(TestCase):
    """A test on an empty database with two datastore versions.

    Tables and rows are made with SQLAlchemy alone: what is tested never
    makes what it is tested with.
    """

    backend = 'sqlite'
    server: str | None = None
    collation: str | None = None

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(databases.EmptyTables(
            models.Base.metadata, self.backend, self.server,
            self.collation)).url
        self.conf = self.configuration(
            f'[database]\nconnection = {self.url}\n')
        self.sql = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        self.execute(sa.insert(models.Datastore).values(
            id='ds', name='mysql'))
        self.version_id = self.create_version('8.0')
        self.other_id = self.create_version('5.7')
        self.database = engine.Database(self.conf)
        self.requirements = requirements.Requirements(self.database, {})
        self.lookup = lookup.Lookup(self.database, {})
        self.addCleanup(lambda: self.database.dispose())

    def statements(self, database: engine.Database) -> list[str]:
        """A list of what the database is asked from now on."""
        seen: list[str] = []
        for each in (database.engine(), database.autocommit()):
            sa.event.listen(
                each, 'before_cursor_execute',
                lambda _connection, _cursor, statement, *_more:
                statement == 'BEGIN' or seen.append(statement))
        return seen

    def execute(self, statement, parameters=None):
        with self.sql.begin() as connection:
            result = connection.execute(statement, parameters)
            return result.all() if result.returns_rows else None

    def create_version(self, name: str, number: str | None = None,
                       active: bool = True, datastore_id: str = 'ds',
                       manager: str | None = None) -> str:
        version_id = str(uuid.uuid4())
        self.execute(sa.insert(models.DatastoreVersion).values(
            id=version_id, datastore_id=datastore_id, name=name,
            version=number or name, active=active, manager=manager))
        return version_id

    def create_row(self, version_id: str, value: str, key: str = 'flavor',
                   deleted: bool = False) -> None:
        """A row as Trove's own commands write it."""
        self.execute(sa.insert(models.DatastoreVersionMetadata).values(
            id=str(uuid.uuid4()), datastore_version_id=version_id, key=key,
            value=value, deleted=deleted,
            created=datetime.datetime(2026, 1, 1)))

    def rows(self, key: str = 'flavor') -> list[tuple[str, str, bool]]:
        """(datastore version, value, deleted) of all rows of a key."""
        metadata = models.DatastoreVersionMetadata
        return sorted((tuple(row) for row in self.execute(
            sa.select(metadata.datastore_version_id, metadata.value,
                      metadata.deleted).where(metadata.key == key))), key=str)
