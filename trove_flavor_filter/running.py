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
"""Which datastore versions an instance may run. Pure: no I/O, no settings.

Trove writes the new version of an instance when an upgrade begins, and leaves
it there when the upgrade fails. So until an upgrade is known to have
succeeded, the instance may run the old version or the new one. Trove's API
shows no result of an upgrade. But Trove clears the task of the instance at the
end of a successful upgrade, and sets an error at the end of one that fails.
So a cleared task tells success, unless something else could have cleared it.
"""

from collections.abc import Iterable
import typing

# Codes of trove.instance.tasks.
NO_TASK, DELETING, RESIZING, BUILDING, UPGRADING = 1, 2, 4, 5, 0x59
# No task is running: none is set, a restart is needed, or there was an error.
SETTLED = {NO_TASK, 7, *range(0x50, 0x5e)} - {UPGRADING}

# States of a recorded upgrade. Trove has not answered the request yet; Trove
# has accepted it, and a cleared task means that it has succeeded; or the task
# tells nothing, since something else may have cleared it. A state with any
# other name is a doubt as well, which may still be taken back.
SENT, WATCHED, DOUBTED = 'sent', 'watched', 'doubted'


class Upgrade(typing.NamedTuple):
    """The recorded upgrade of an instance, not yet known to have succeeded.

    :ivar attempt: the id of the record; each upgrade gets a new one
    :ivar earlier: ids of the datastore versions that ran before it, or may
        have run
    :ivar target: id of the new datastore version; None if Trove has refused
        the upgrade
    :ivar state: SENT, WATCHED, DOUBTED, or the id of a doubt
    """

    attempt: str
    earlier: frozenset[str]
    target: str | None
    state: str


class Instance(typing.NamedTuple):
    """An instance, as far as its row and its recorded upgrade tell.

    :ivar id: id of the instance
    :ivar tenant_id: id of its project
    :ivar task_id: a code from Trove's ``InstanceTasks``, or None
    :ivar version_id: id of the datastore version in its row
    :ivar upgrade: its recorded upgrade, if there is one
    :ivar waits: whether any version of its datastore has requirements
    :ivar cluster_id: id of the cluster that it is a member of, or None
    """

    id: str
    tenant_id: str | None
    task_id: int | None
    version_id: str
    upgrade: Upgrade | None = None
    waits: bool = True
    cluster_id: str | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task is running."""
        return self.task_id is not None and self.task_id not in SETTLED

    @property
    def can_be_watched(self) -> bool:
        """Whether a cleared task would tell the success of a new upgrade.

        It would not if something else runs that clears the task in the end.
        """
        return not self.is_busy and (
            self.upgrade is None or self.upgrade.state != SENT)

    @property
    def has_proven(self) -> bool:
        """Whether the recorded upgrade is known to have succeeded."""
        return (self.upgrade is not None and self.upgrade.state == WATCHED
                and self.upgrade.target == self.version_id
                and self.task_id == NO_TASK)

    @property
    def versions(self) -> frozenset[str]:
        """Ids of the datastore versions of which it may run one."""
        present = frozenset({self.version_id})
        if self.upgrade is None or self.has_proven:
            return present
        return present | self.upgrade.earlier | (
            {self.upgrade.target} if self.upgrade.target else frozenset())

    @property
    def earlier(self) -> frozenset[str]:
        """Ids of the datastore versions that an upgrade can lead back to.

        The instance may still run one of them. So an upgrade to it is no
        change that has to be checked.
        """
        if self.upgrade is None or self.has_proven:
            return frozenset()
        return self.upgrade.earlier


def recorded(rows: Iterable[tuple[typing.Any, ...]]) -> Upgrade | None:
    """The recorded upgrade of one instance, from its rows in the table.

    :param rows: attempt, id of an earlier version, id of the target, and
        state; all None where there is no row
    """
    found = {row for row in rows if row[0] is not None}
    if not found:
        return None
    attempt, _earlier, target, state = next(iter(found))
    return Upgrade(attempt, frozenset(
        earlier for _attempt, earlier, *_more in found), target, state)
