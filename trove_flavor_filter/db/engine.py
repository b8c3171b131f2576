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

"""Connections to Trove's database, retries, and readable errors."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import inspect
import os
import re
import sys
import typing

from oslo_config import cfg
from oslo_db import api as db_api
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import enginefacade
from oslo_db.sqlalchemy import exc_filters
import sqlalchemy as sa
from sqlalchemy.engine import default

from trove_flavor_filter import conf as config
from trove_flavor_filter import exception

# Options of [database] that the engine uses. max_retries is not one of them:
# neither a client nor an administrator should wait minutes for the message
# that the database is unavailable.
ENGINE_OPTIONS = (
    'connection', 'connection_debug', 'connection_parameters',
    'connection_recycle_time', 'connection_trace', 'max_overflow',
    'max_pool_size', 'mysql_sql_mode', 'mysql_wsrep_sync_wait',
    'pool_timeout', 'sqlite_synchronous')

# SQLAlchemy's options of a pool, and their names in [database].
POOL_OPTIONS = {
    'pool_recycle': 'connection_recycle_time', 'pool_size': 'max_pool_size',
    'pool_timeout': 'pool_timeout'}

# SQLAlchemy's option to send no ROLLBACK in autocommit mode; from 2.0.43 on.
SKIPS_ROLLBACK = 'skip_autocommit_rollback'

# Appended to a driver's message when it cannot connect.
WHERE = ' (see "connection" in [database] of trove.conf)'

# The drivers' messages for a missing table or column.
SCHEMA_PROBLEM = re.compile(
    r"doesn't exist|does not exist|no such (table|column)|Unknown column")

# SQLite's message for a file of another kind, when it first reads it.
NOT_A_DATABASE = 'file is not a database'

# MariaDB's and MySQL's codes for characters outside their character set.
ALIEN_TEXT = re.compile(r'\((1267|1300|1366|3988),')
ALIEN = 'A name has characters that the database cannot hold.'

# The maximum number of values in one statement: older SQLite accepts 999.
BATCH = 500

_Result = typing.TypeVar('_Result')
_Item = typing.TypeVar('_Item')
_Method = Callable[..., _Result]


def _is_write_conflict(error: Exception) -> bool:
    """Whether another writer caused the error, so that a retry helps."""
    if isinstance(error, exception.FlavorFilterError):
        # A refusal. Its message may have any text from a request.
        return False
    reason = _first_line(error)
    if isinstance(error, db_exception.DBDeadlock):
        # oslo.db also reports a lock wait timeout as a deadlock. The request
        # has then waited for innodb_lock_wait_timeout, which is long enough.
        return '(1205,' not in reason
    # SQLite's and PostgreSQL's messages for a conflict with another writer,
    # and MariaDB's code for a row that is newer than the transaction.
    return any(text in reason for text in (
        'database is locked', 'could not serialize access', '(1020,'))


def read(method: '_Method[_Result]') -> '_Method[_Result]':
    """Decorate a method that reads: retry once if the connection was lost."""
    return translated()(db_api.wrap_db_retry(
        max_retries=1, retry_interval=0,
        retry_on_disconnect=True, retry_on_deadlock=True)(method))


def write(method: '_Method[_Result]') -> '_Method[_Result]':
    """Decorate a method that writes: retry on conflicts with other writers.

    If another writer has added the same row, one of a few retries will see
    it. If the duplicate remains after that, no retry helps.
    """
    duplicates = db_api.wrap_db_retry(
        max_retries=5, retry_interval=0.02, jitter=True,
        exception_checker=lambda error: isinstance(
            error, db_exception.DBDuplicateEntry))
    return translated()(db_api.wrap_db_retry(
        max_retries=20, retry_interval=0.05, max_retry_interval=1,
        jitter=True, exception_checker=_is_write_conflict)(duplicates(method)))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the database's exceptions into the plugin's errors.

    :raises BadRequest: a value that the database cannot store, or that it
        treats as equal to another one
    :raises SchemaIncomplete: a table or a column is missing
    :raises DatabaseUnavailable: any other error
    """
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
                f'The database does not distinguish a value from one that it '
                f'has already, spelled differently: {reason}') from error
        if SCHEMA_PROBLEM.search(reason):
            raise exception.SchemaIncomplete(reason) from error
        raise exception.DatabaseUnavailable(reason) from error


def _first_line(error: Exception) -> str:
    """The driver's message, without the SQL that oslo.db adds."""
    cause = getattr(error, 'inner_exception', None) or error
    cause = getattr(cause, 'orig', None) or cause
    return str(cause).strip().partition('\n')[0] or type(error).__name__


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """Turn any exception while connecting into DatabaseUnavailable.

    Drivers raise all kinds of exceptions for an invalid URL. The pool has
    tried a new connection already, so a retry would not help.
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

    :param conf: ``[database]`` has its URL
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._engine: sa.Engine | None = None
        self._autocommit: sa.Engine | None = None
        self._manager = enginefacade.transaction_context()
        self._manager.configure(
            max_retries=0,
            # Green threads must yield to each other. Real threads need not,
            # and sleep(0) would yield the processor to another process.
            thread_checkin='eventlet' in sys.modules,
            **{name: conf.database[name] for name in ENGINE_OPTIONS
               if name in conf.database})

    def engine(self) -> sa.Engine:
        """The engine, created and connected on first use.

        :raises DatabaseUnavailable: trove.conf has no URL, or the database
            is unavailable
        """
        if self._engine is None:
            if not self._conf.database.connection:
                raise exception.DatabaseUnavailable(
                    f'trove.conf has no "connection" in [database] '
                    f'({config.sources(self._conf)})')
            with _connecting():
                self._engine = self._manager.writer.get_engine()
        return self._engine

    def autocommit(self) -> sa.Engine:
        """An engine without transactions, whose connections oslo.db makes.

        With ``execution_options(isolation_level='AUTOCOMMIT')`` on the other
        engine, SQLAlchemy would set the mode before each statement and reset
        it afterwards: four more round trips to MariaDB.

        :raises DatabaseUnavailable: as :meth:`engine`
        """
        if self._autocommit is None:
            engine = self.engine()

            def connect() -> typing.Any:
                connection = engine.raw_connection()
                connection.detach()
                return connection.dbapi_connection

            options = {
                ours: value for ours, name in POOL_OPTIONS.items()
                if (value := self._conf.database[name]) is not None}
            if SKIPS_ROLLBACK in inspect.signature(
                    default.DefaultDialect.__init__).parameters:
                options[SKIPS_ROLLBACK] = True
            autocommit = sa.create_engine(
                engine.url, creator=connect, poolclass=sa.pool.QueuePool,
                # To wait for a connection takes less than to open one, which
                # would be closed after a single statement.
                max_overflow=0,
                isolation_level='AUTOCOMMIT', pool_reset_on_return=None,
                **options)
            exc_filters.register_engine(autocommit)
            sa.event.listen(autocommit, 'checkout', _check_process)
            self._autocommit = autocommit
        return self._autocommit

    def statement(self) -> sa.Connection:
        """A connection for one reading statement, as a context manager.

        There is no transaction around the statement, and no ping before it:
        each takes another round trip to the database. If the connection was
        lost, :func:`read` repeats the statement on a new one.

        :raises DatabaseUnavailable: there is no connection
        """
        with _connecting():
            return _named(self.autocommit().connect())

    def reading(self) -> sa.Connection:
        """A connection for several reading statements, as a context manager.

        It comes directly from the engine: a transaction of enginefacade takes
        longer than the statements in it.

        :raises DatabaseUnavailable: there is no connection
        """
        with _connecting():
            return _named(self.engine().connect())

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction for writing; rolled back on any error.

        :raises CommitLost: the connection broke during the commit
        """
        with self.reading() as connection, connection.begin() as transaction:
            yield connection
            try:
                transaction.commit()
            except db_exception.DBConnectionError as error:
                raise exception.CommitLost(_first_line(error)) from error

    def dispose(self) -> None:
        """Close all connections that are not in use."""
        for engine in (self._engine, self._autocommit):
            if engine is not None:
                engine.dispose()


def _check_process(_connection: typing.Any, record: typing.Any,
                   proxy: typing.Any) -> None:
    """Do not let a forked process use its parent's connection."""
    if record.info.setdefault('process', os.getpid()) != os.getpid():
        # It is dropped. Closing it would end the parent's session.
        record.dbapi_connection = proxy.dbapi_connection = None
        raise sa.exc.DisconnectionError('opened by another process')


def _named(connection: sa.Connection) -> sa.Connection:
    """The connection, if it is to a database."""
    if connection.dialect.default_schema_name is None:
        connection.close()
        raise ValueError('no database is named')
    return connection


def batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Split a list into parts that are short enough for one statement."""
    for at in range(0, len(items), BATCH):
        yield items[at:at + BATCH]
