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
"""Record the upgrades of instances until they are known to have succeeded.

What a record means is in :mod:`trove_flavor_filter.running`. Each public
method is one transaction.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
import typing

from oslo_utils import timeutils
from oslo_utils import uuidutils
import sqlalchemy as sa

from trove_flavor_filter.db import engine
from trove_flavor_filter.db import models
from trove_flavor_filter import exception
from trove_flavor_filter import running

TABLE = models.FlavorFilterUpgrade


class Attempt(typing.NamedTuple):
    """A recorded attempt to upgrade instances.

    :ivar watchable: ids of the instances whose task will tell the end
    """

    id: str
    watchable: set[str]


class Upgrades:
    """The table of recorded upgrades.

    Every method raises SchemaIncomplete if there is no such table, and
    DatabaseUnavailable if the database is unavailable.
    """

    def __init__(self, database: engine.Database):
        self._database = database

    @engine.write
    def begin(self, instances: Collection[running.Instance],
              target_ids: Sequence[str]) -> Attempt:
        """Record that Trove is about to upgrade instances.

        It is written before Trove gets the request. So no request can find
        the new version in the row of an instance, and no record.

        :param target_ids: id of the new datastore version; several if Trove
            could take any of them
        """
        attempt = Attempt(uuidutils.generate_uuid(), set())
        now = timeutils.utcnow()
        target_id, *others = target_ids
        with self._database.writing() as connection:
            for instance in instances:
                # Another host may record an upgrade in the meantime. Both
                # insert a row of the present version, so that one of them
                # fails and is repeated. Only rows that have been read are
                # removed.
                statement: sa.Select = sa.select(
                    TABLE.attempt, TABLE.datastore_version_id,
                    TABLE.target_id, TABLE.state).where(
                        TABLE.instance_id == instance.id).with_for_update()
                found = running.recorded(
                    tuple(row) for row in connection.execute(statement))
                if found == instance.upgrade and instance.can_be_watched:
                    attempt.watchable.add(instance.id)
                if found is not None:
                    connection.execute(sa.delete(TABLE).where(
                        TABLE.instance_id == instance.id,
                        TABLE.attempt == found.attempt))
                connection.execute(sa.insert(TABLE), [
                    {'instance_id': instance.id, 'attempt': attempt.id,
                     'datastore_version_id': version_id,
                     'target_id': target_id, 'state': running.SENT,
                     'created': now} for version_id in sorted(
                         instance._replace(upgrade=found).versions
                         | set(others))])
            _remove_deleted(connection)
        return attempt

    @engine.write
    def accept(self, attempt: Attempt) -> None:
        """Record that Trove has accepted an upgrade."""
        mine = (TABLE.attempt == attempt.id, TABLE.state == running.SENT)
        with self._database.writing() as connection:
            for some in engine.batches(sorted(attempt.watchable)):
                connection.execute(
                    sa.update(TABLE).values(state=running.WATCHED).where(
                        *mine, TABLE.instance_id.in_(some)))
            connection.execute(
                sa.update(TABLE).values(state=running.DOUBTED).where(*mine))

    @engine.write
    def withdraw(self, attempt: Attempt) -> None:
        """Record that Trove has refused an upgrade.

        If Trove has written the new version all the same, as it does when it
        cannot reach its task manager, the record stays.
        """
        instance = models.Instance
        present = (
            sa.select(instance.datastore_version_id)
            .where(instance.id == TABLE.instance_id)
            .correlate(TABLE).scalar_subquery())
        with self._database.writing() as connection:
            refused: Sequence[str] = connection.scalars(
                sa.select(TABLE.instance_id).distinct().where(
                    TABLE.attempt == attempt.id, TABLE.target_id != present)
            ).all()
            for some in engine.batches(refused):
                mine = (TABLE.attempt == attempt.id,
                        TABLE.instance_id.in_(some))
                uncertain = connection.scalars(
                    sa.select(TABLE.instance_id).where(
                        *mine, TABLE.datastore_version_id != present)).all()
                connection.execute(sa.delete(TABLE).where(
                    *mine, TABLE.instance_id.not_in(uncertain)))
                connection.execute(
                    sa.update(TABLE).values(target_id=None).where(*mine))
            connection.execute(
                sa.update(TABLE).values(state=running.DOUBTED).where(
                    TABLE.attempt == attempt.id))

    @engine.write
    def doubt(self, instance_ids: Collection[str]) -> str:
        """Record that a cleared task no longer means success.

        It is written before Trove gets the request that writes the task.

        :returns: a state, with which :meth:`trust` takes the doubt back
        """
        doubt = uuidutils.generate_uuid()
        with self._database.writing() as connection:
            for some in engine.batches(sorted(instance_ids)):
                mine: sa.ColumnElement[bool] = TABLE.instance_id.in_(some)
                # Of two requests that doubt, neither may take it back: only
                # one of them may have been refused.
                connection.execute(
                    sa.update(TABLE).values(state=running.DOUBTED).where(
                        mine, TABLE.state != running.WATCHED))
                connection.execute(
                    sa.update(TABLE).values(state=doubt).where(
                        mine, TABLE.state == running.WATCHED))
        return doubt

    @engine.write
    def trust(self, doubt: str) -> None:
        """Record that Trove has refused the request that caused a doubt."""
        with self._database.writing() as connection:
            connection.execute(
                sa.update(TABLE).values(state=running.WATCHED).where(
                    TABLE.state == doubt))

    @engine.write
    def end(self, instances: Collection[running.Instance]) -> None:
        """Remove the records of upgrades that are known to have succeeded.

        Only these records: an upgrade may have begun since they were read.
        """
        with self._database.writing() as connection:
            for instance in instances:
                if instance.upgrade is not None:
                    connection.execute(sa.delete(TABLE).where(
                        TABLE.attempt == instance.upgrade.attempt,
                        TABLE.instance_id == instance.id))


def not_available(reason: str = '') -> exception.Unavailable:
    """The error for an upgrade while the table is missing.

    :param reason: for the log
    """
    return exception.Unavailable(
        f'Upgrades are not available: {exception.SchemaIncomplete.hint}.',
        reason)


class Recorded:
    """Reads instances together with their recorded upgrades."""

    def __init__(self, database: engine.Database):
        self._database = database
        # Whether the table was missing when it was last read.
        self.is_missing = False

    def rows(self, statement: Callable[[bool], sa.Select | sa.CompoundSelect],
             **parameters: str) -> Sequence[typing.Any]:
        """The rows of a statement.

        :param statement: builds the statement, with or without the table of
            recorded upgrades
        :param parameters: of the statement, by name
        """
        if self.is_missing:
            self.is_missing = not self._is_there()
        if not self.is_missing:
            try:
                return self._rows(statement(True), parameters)
            except exception.SchemaIncomplete:
                # No upgrade is let through before the table exists.
                self.is_missing = True
        return self._rows(statement(False), parameters)

    @engine.read
    def _is_there(self) -> bool:
        with self._database.reading() as connection:
            return sa.inspect(connection).has_table(TABLE.__tablename__)

    @engine.read
    def _rows(self, statement: sa.Select | sa.CompoundSelect,
              parameters: dict[str, str]) -> Sequence[typing.Any]:
        with self._database.statement() as connection:
            return connection.execute(statement, parameters).all()


def _remove_deleted(connection: sa.Connection) -> None:
    """Remove the records of instances that have been deleted."""
    instance = models.Instance
    deleted: Sequence[str] = connection.scalars(
        sa.select(TABLE.instance_id).distinct()
        .join(instance, instance.id == TABLE.instance_id)
        .where(instance.deleted.is_(True))).all()
    for some in engine.batches(deleted):
        connection.execute(sa.delete(TABLE).where(
            TABLE.instance_id.in_(some)))
