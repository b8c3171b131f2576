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

"""Connections to Trove's database, retries, and its errors in words."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import re
import sys
import typing

from oslo_config import cfg
from oslo_db import api as db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy as sa

from trove_flavor_filter import conf as config
from trove_flavor_filter import exception

# Options of [database] that the engine takes. Tries to connect are not among
# them: neither a client nor an administrator should wait minutes to be told
# that the database is away.
ENGINE_OPTIONS = (
    'connection', 'connection_debug', 'connection_parameters',
    'connection_recycle_time', 'connection_trace', 'max_overflow',
    'max_pool_size', 'mysql_sql_mode', 'mysql_wsrep_sync_wait',
    'pool_timeout', 'sqlite_synchronous')

# Behind what a driver says of a connection that it cannot make.
WHERE = ' (see "connection" in [database] of trove.conf)'

# How the drivers say that a table or a column is not there.
SCHEMA_PROBLEM = re.compile(
    r"doesn't exist|does not exist|no such (table|column)|Unknown column")

# What SQLite says of another file, once it reads it.
NOT_A_DATABASE = 'file is not a database'

# How MariaDB and MySQL say that a text has characters beyond their set.
ALIEN_TEXT = re.compile(r'\((1267|1300|1366|3988),')
ALIEN = 'A name has characters that the database cannot hold.'
ALIEN = 'A name has characters that the database cannot hold.'

# How many values go into one statement: SQLite once took 999.
PORTION = 500

_Result = typing.TypeVar('_Result')
_Item = typing.TypeVar('_Item')
_Method = Callable[..., _Result]


def _is_passing(error: Exception) -> bool:
    """Whether another writer got in the way, so that a retry will do."""
    reason = _first_line(error)
    if isinstance(error, db_exception.DBDeadlock):
        # oslo.db counts as one that somebody has held a lock for the whole
        # of innodb_lock_wait_timeout. That is long enough.
        return '(1205,' not in reason
    # SQLite's and PostgreSQL's ways to say that it would deadlock, and
    # MariaDB's to say that a row is newer than the transaction.
    return any(text in reason for text in (
        'database is locked', 'could not serialize access', '(1020,'))


def read(method: '_Method[_Result]') -> '_Method[_Result]':
    """A method that reads: once more at once when a connection was stale."""
    return translated()(db_api.wrap_db_retry(
        max_retries=1, retry_interval=0,
        retry_on_disconnect=True, retry_on_deadlock=True)(method))


def write(method: '_Method[_Result]') -> '_Method[_Result]':
    """A method that writes: many tries, since others may write as well.

    Where another writer has added the same row, a few tries will see it. A
    duplicate that stays is one that no try will mend.
    """
    duplicates = db_api.wrap_db_retry(
        max_retries=5, retry_interval=0.02, jitter=True,
        exception_checker=lambda error: isinstance(
            error, db_exception.DBDuplicateEntry))
    return translated()(db_api.wrap_db_retry(
        max_retries=20, retry_interval=0.05, max_retry_interval=1,
        jitter=True, exception_checker=_is_passing)(duplicates(method)))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what the database throws into DatabaseUnavailable."""
    try:
        yield
    except db_exception.DBInvalidUnicodeParameter as error:
        raise exception.BadRequest(ALIEN) from error
    except (db_exception.CantStartEngineError, db_exception.DBError,
            sa.exc.SQLAlchemyError, ImportError) as error:
        reason = _first_line(error)
        if (isinstance(error, (db_exception.DBConnectionError,
                               sa.exc.ArgumentError, ImportError))
                or NOT_A_DATABASE in reason):
            reason += WHERE
        if ALIEN_TEXT.search(reason):
            raise exception.BadRequest(ALIEN) from error
        if isinstance(error, db_exception.DBDuplicateEntry):
            raise exception.BadRequest(
                f'The database takes a value for one that it has already, '
                f'spelled differently: {reason}') from error
        if SCHEMA_PROBLEM.search(reason):
            raise exception.SchemaIncomplete(reason) from error
        raise exception.DatabaseUnavailable(reason) from error


def _first_line(error: Exception) -> str:
    """What the driver said, without the SQL that oslo.db adds."""
    cause = getattr(error, 'inner_exception', None) or error
    cause = getattr(cause, 'orig', None) or cause
    return str(cause).strip().partition('\n')[0] or type(error).__name__


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """Turn what drivers throw while they connect into DatabaseUnavailable.

    They raise anything when a URL has nonsense in it. The pool has tried a
    fresh connection already, so this is not the lost connection that another
    try would mend.
    """
    try:
        yield
    except exception.DatabaseUnavailable:
        raise
    except Exception as error:
        raise exception.DatabaseUnavailable(
            f'{_first_line(error)}{WHERE}') from error


class Database:
    """Trove's database.

    :param conf: ``[database]`` says where
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._engine: sa.Engine | None = None
        self._manager = enginefacade.transaction_context()
        self._manager.configure(
            max_retries=0,
            # Green threads have to be let go on. Others go on by themselves,
            # and sleep(0) would give the processor to another process.
            thread_checkin='eventlet' in sys.modules,
            **{name: conf.database[name] for name in ENGINE_OPTIONS
               if name in conf.database})

    def engine(self) -> sa.Engine:
        """The engine, made and tried when it is first wanted.

        :raises DatabaseUnavailable: trove.conf names none that is there
        """
        if self._engine is None:
            if not self._conf.database.connection:
                raise exception.DatabaseUnavailable(
                    f'trove.conf has no "connection" in [database] '
                    f'({config.sources(self._conf)})')
            with _connecting():
                self._engine = self._manager.writer.get_engine()
        return self._engine

    def reading(self) -> sa.Connection:
        """A connection, to be used as a context: a transaction that reads.

        It is the engine's own. The transactions of enginefacade cost more
        time than the statements in them.

        :raises DatabaseUnavailable: there is no connection to be had
        """
        with _connecting():
            engine = self.engine()
            connection = engine.connect()
            if engine.dialect.default_schema_name is None:
                connection.close()
                raise ValueError('no database is named')
            return connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it, or nothing."""
        with self.reading() as connection, connection.begin():
            yield connection


def portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Parts of a list, each short enough for one statement."""
    for at in range(0, len(items), PORTION):
        yield items[at:at + PORTION]
