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

"""Database migrations of the plugin.

Trove's own migrations have created datastore_version_metadata since Kilo. The
plugin's migrations are separate: they have a version table of their own, and
leave Trove's tables alone.
"""

import contextlib
import pathlib
import time

from alembic import command
from alembic import config
from alembic.runtime import migration
from alembic import script
from alembic import util as alembic_util
from oslo_db import exception as db_exception
import sqlalchemy as sa

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter import exception

CURE = 'Run "trove-manage flavor-filter-db-sync".'

VERSION_TABLE = 'flavor_filter_alembic_version'

# Seconds to wait while another host migrates the tables, and between two
# tries to get PostgreSQL's lock.
LOCK_TIMEOUT = 60
LOCK_RETRY = 0.2


class AnotherSync(exception.FlavorFilterError):
    """Another host is migrating the tables."""


def sync(database: engine.Database, timeout: float = LOCK_TIMEOUT) -> str:
    """Upgrade the tables to the newest revision; idempotent.

    :param timeout: seconds to wait while another host migrates them
    :returns: a sentence for the administrator
    :raises AnotherSync: another host takes longer; nothing was changed
    :raises NotFound: Trove's own tables do not exist
    :raises DatabaseUnavailable: the database is unavailable
    """
    with engine.translated():
        try:
            return _sync(database, timeout)
        except AnotherSync:
            # The other host cleans up.
            raise
        except Exception as error:
            with database.writing() as connection:
                _clean_up(connection)
            if isinstance(error, alembic_util.CommandError):
                raise exception.FlavorFilterError(
                    f'The tables cannot be upgraded to revision {head()}: '
                    f'{error}') from error
            raise


def _sync(database: engine.Database, timeout: float) -> str:
    with database.writing() as connection:
        check(connection)
        _lock(connection, timeout)
        before, lost = current(connection), missing(connection)
        if before == head():
            if not lost:
                return f'The tables are up to date (revision {before}).'
            # A table has been dropped. The migrations skip existing tables.
            command.stamp(_alembic(connection), 'base')
        command.upgrade(_alembic(connection), 'head')
    if before == head():
        return f'Created missing tables: {", ".join(lost)}.'
    return (f'Upgraded the tables from revision {before or "none"} to '
            f'{head()}.')


def _lock(connection: sa.Connection, timeout: float) -> None:
    """Wait until no other host migrates these tables.

    The lock lasts as long as the transaction on PostgreSQL, and as long as the
    connection on MariaDB and MySQL, where creating a table ends a
    transaction. SQLite has no such lock; it has one host.

    :raises AnotherSync: another host has the lock for longer than the timeout
    """
    has_lock = True
    if connection.dialect.name == 'postgresql':
        lock = sa.select(sa.func.pg_try_advisory_xact_lock(
            sa.func.hashtext(VERSION_TABLE)))
        deadline = time.monotonic() + timeout
        while not (has_lock := bool(connection.scalar(lock))) and (
                time.monotonic() < deadline):
            time.sleep(LOCK_RETRY)
    elif connection.dialect.name in ('mysql', 'mariadb'):
        # Percona XtraDB Cluster refuses this lock with an error, which oslo.db
        # passes on as it is. Without the lock, the second of two hosts that
        # migrate at once may have to run the command again.
        with contextlib.suppress(db_exception.DBError, sa.exc.DBAPIError):
            # 0 after the timeout, NULL if the wait was interrupted.
            has_lock = connection.scalar(sa.select(sa.func.get_lock(
                sa.func.concat(sa.func.left(sa.func.database(), 30), '.',
                               VERSION_TABLE), timeout))) == 1
            # The pool must not keep the lock.
            connection.detach()
    if not has_lock:
        raise AnotherSync(
            f'Another host has been upgrading the tables for {timeout} '
            f'seconds. Nothing was changed. Run the command again when the '
            f'other one has finished.')


def missing(connection: sa.Connection) -> list[str]:
    """Names of the plugin's tables that do not exist."""
    inspector = sa.inspect(connection)
    return [model.__tablename__ for model in (
        models.DatastoreVersionMetadata, models.FlavorFilterRevision,
        models.FlavorFilterUpgrade)
        if not inspector.has_table(model.__tablename__)]


def problems(database: engine.Database) -> list[str]:
    """What is missing in the database, and the command that adds it.

    :raises DatabaseUnavailable: the database is unavailable
    """
    with engine.translated(), database.reading() as connection:
        try:
            check(connection)
        except exception.NotFound as error:
            return [str(error)]
        if current(connection) != head():
            return [f'The tables are at revision '
                    f'{current(connection) or "none"}; this release needs '
                    f'{head()}. {CURE}']
        if lost := missing(connection):
            return [f'There is no table {", ".join(lost)}. {CURE}']
        table = models.DatastoreVersionMetadata.__tablename__
        needed = {column.name for column in sa.inspect(
            models.DatastoreVersionMetadata).columns}
        if absent := sorted(needed - {
                column['name'] for column
                in sa.inspect(connection).get_columns(table)}):
            return [f'Table {table} has no column '
                    f'{", ".join(absent)}: run "trove-manage db_sync".']
    return []


def check(connection: sa.Connection) -> None:
    """Check that the part of Trove's schema that ours refers to exists.

    :raises NotFound: it does not; the message names the command to run
    """
    if not sa.inspect(connection).has_table('datastore_versions'):
        raise exception.NotFound(
            'Trove\'s own tables are not in this database: run '
            '"trove-manage db_sync" first.')


def _clean_up(connection: sa.Connection) -> None:
    """Drop the version table if it is empty.

    MariaDB and MySQL do not roll back CREATE TABLE.
    """
    if (sa.inspect(connection).has_table(VERSION_TABLE)
            and current(connection) is None):
        connection.execute(sa.schema.DropTable(sa.Table(
            VERSION_TABLE, sa.MetaData())))


def current(connection: sa.Connection) -> str | None:
    """The current revision of the database; None before the first."""
    return migration.MigrationContext.configure(
        connection, opts={'version_table': VERSION_TABLE}
    ).get_current_revision()


def head() -> str | None:
    """The newest revision."""
    return script.ScriptDirectory.from_config(
        _alembic(None)).get_current_head()


def _alembic(connection: sa.Connection | None) -> config.Config:
    alembic = config.Config()
    alembic.set_main_option(
        'script_location',
        str(pathlib.Path(__file__).parent.joinpath('migrations')))
    alembic.attributes['connection'] = connection
    return alembic
