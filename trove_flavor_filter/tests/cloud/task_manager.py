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

"""A stand-in for Trove's task manager and guests."""

import json
import threading
import types

from trove_flavor_filter.tests.cloud import cloud

# Of InstanceTasks, in trove/instance/tasks.py.
NONE, DELETING, BUILDING, UPDATING = 1, 2, 5, 12
# Of ServiceStatuses, in trove/instance/service_status.py.
HEALTHY = 33
# Seconds between two polls of the instances.
INTERVAL = 0.5


class TaskManager:
    """Finishes the tasks of instances, as the task manager would.

    A context manager that works in a thread. Nobody receives Trove's messages
    in the small cloud, so it reads what Trove's API has written to the
    database: an instance that is being built becomes healthy, a change of
    access is made, and an instance that is being deleted is removed.

    :param booted: the cloud
    :param network_id: the network of the addresses of instances
    :raises Exception: on exit: the error that stopped the thread
    """

    def __init__(self, booted: cloud.Cloud, network_id: str):
        self._cloud = booted
        self._network_id = network_id
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> 'TaskManager':
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 traceback: types.TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None and value is None:
            raise self._failure

    def _work(self) -> None:
        try:
            while not self._ended.wait(INTERVAL):
                for row in self._cloud.sql(
                        'SELECT id, task_id, access FROM instances '
                        'WHERE NOT deleted AND task_id != :none', none=NONE):
                    self._finish(row.id, row.task_id, row.access)
        except Exception as error:
            self._failure = error

    def _finish(self, instance_id: str, task: int, access: str) -> None:
        if task == BUILDING:
            self._cloud.activate_instance(instance_id, self._network_id)
            self._cloud.sql(
                'UPDATE service_statuses SET status_id = :healthy, '
                'status_description = :text WHERE instance_id = :id',
                healthy=HEALTHY, text='healthy', id=instance_id)
        elif task == UPDATING:
            self._cloud.sql(
                'UPDATE instances SET access = :access, task_id = :none '
                'WHERE id = :id', none=NONE, id=instance_id,
                access=json.dumps(
                    {'is_public': not json.loads(access)['is_public']}))
        elif task == DELETING:
            self._cloud.sql(
                'UPDATE instances SET deleted = :yes, task_id = :none '
                'WHERE id = :id', yes=True, none=NONE, id=instance_id)
