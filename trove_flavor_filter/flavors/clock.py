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

"""The time, threads, and waiting: what a test has to control."""

from collections.abc import Callable
from concurrent import futures
import threading
import time
import typing

T = typing.TypeVar('T')


class Clock:
    """The real time, and real threads."""

    def time(self) -> float:
        """Seconds since the epoch, as other hosts count them too."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds, never set back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def start(self, function: Callable[[], None], name: str) -> None:
        """Run a function in a thread of its own.

        :param name: of the thread
        :raises RuntimeError: no thread can be started
        """
        threading.Thread(target=function, daemon=True, name=name).start()

    def result(self, future: 'futures.Future[T]',
               timeout: float | None) -> T:
        """Wait for a result.

        :param timeout: in seconds; None for as long as it takes
        :raises TimeoutError: there is none by then
        """
        return future.result(timeout)
