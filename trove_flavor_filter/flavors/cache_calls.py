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

"""The calls of a cache client: none may hold up a request.

Clients fail in different ways when the cache is down. Some raise. Some return
False for a lock and None for a key, just as when the cache is up and another
process has the lock. Some block forever.
"""

from collections.abc import Callable
from concurrent import futures
import queue
import threading
import time
import typing

from oslo_log import log

LOG = log.getLogger(__name__)

# Timeout of a call, in seconds, after which the cache counts as down.
PATIENCE = 1

# Seconds between two checks whether the cache is up again.
RETRY = 2

T = typing.TypeVar('T')


class Calls:
    """Makes the calls of a cache client, while the cache is up.

    One thread makes them for the lifetime of the process, because clients
    keep a connection for every thread that has used them. It is not that of
    a ThreadPoolExecutor: such a thread holds up the end of the process while
    a call blocks, and is not started again in a forked process.

    :param probe: raises an exception while the cache is down
    :ivar down: whether the last call has failed, or taken too long
    """

    def __init__(self, probe: Callable[[], None]):
        self.down = False
        self._probe = probe
        self._queue: queue.SimpleQueue[tuple[
            futures.Future, Callable[[], typing.Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._changing = threading.Lock()

    def result(self, function: Callable[[], T],
               undo: Callable[[], None] | None = None) -> T | None:
        """The result of a call; None if the cache is down.

        :param undo: what to do if a true result comes too late
        """
        if self.down:
            return None
        future = self.later(function)
        try:
            return future.result(PATIENCE)
        except TimeoutError:
            if undo is not None and not future.cancel():
                future.add_done_callback(
                    lambda late: late.result() and self.later(undo))
            self._fail(TimeoutError(f'no answer in {PATIENCE} s'))
            return None

    def later(self, function: Callable[[], T]
              ) -> 'futures.Future[T | None]':
        """Have a call made when the cache is up, without waiting for it."""
        future: futures.Future[T | None] = futures.Future()
        try:
            self._start()
        except RuntimeError as error:
            LOG.error('Cannot start a thread for the cache: %s', error)
            future.set_result(None)
        else:
            self._queue.put((future, function))
        return future

    def _start(self) -> None:
        with self._changing:
            # A forked process does not inherit the thread of its parent.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, daemon=True, name='flavor-cache')
                self._thread.start()

    def _work(self) -> None:
        while True:
            future, function = self._queue.get()
            if future.set_running_or_notify_cancel():
                result = None
                try:
                    result = function()
                except Exception as error:
                    self._fail(error)
                future.set_result(result)
            while self.down:
                time.sleep(RETRY)
                try:
                    self._probe()
                except Exception:  # nosec B112
                    continue
                self.down = False
                LOG.info('The cache is up again.')

    def _fail(self, error: Exception) -> None:
        with self._changing:
            was_down, self.down = self.down, True
        if not was_down:
            LOG.warning('The cache is down; asking Nova instead: %r', error)
            # Wake up the thread, in case it is waiting for a call.
            self._queue.put((futures.Future(), lambda: None))
