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

"""Time and threads that a test controls."""

from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
import sys
import threading
import types
import typing

from trove_flavor_filter.flavors import clock

T = typing.TypeVar('T')

# Seconds for which a thread has to stand still to count as one that waits
# for a lock of the other.
BLOCKED = 0.01


class ManualClock(clock.Clock):
    """Time passes, and threads run, when a test says so.

    Whoever waits for a result lets the threads run.

    :ivar hanging: whether threads do not even run while somebody waits
    :ivar waited: the seconds of each wait that was in vain
    """

    def __init__(self) -> None:
        self.now = 2.0 ** 30
        self.hanging = False
        self.waited: list[float] = []
        self._started: list[Callable[[], None]] = []
        self._runners: list[int] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def start(self, function: Callable[[], None], name: str) -> None:
        self._started.append(function)

    def run(self) -> None:
        """Run the threads to their ends."""
        self._runners.append(threading.get_ident())
        try:
            while self._started:
                self._started.pop(0)()
        finally:
            self._runners.remove(threading.get_ident())

    def result(self, future: 'futures.Future[T]',
               timeout: float | None) -> T:
        if not self.hanging:
            self.run()
        if timeout is not None and not future.done() and not self._runners:
            self.now += timeout
            self.waited.append(timeout)
            raise TimeoutError
        # Another thread of the test may have it in hand.
        return future.result(30)


def interleavings(module: types.ModuleType) -> Iterator[
        Callable[[Callable[[], T], Callable[[], object]], T]]:
    """Every way to run one function between two steps of another.

    Each turn gives a function that calls its first argument, and has another
    thread call the second one at a point of the first: at each bytecode of
    the module once. If that thread waits for a lock that the first holds,
    both go on.
    """
    at, points = 0, 1

    def meet(first: Callable[[], T], second: Callable[[], object]) -> T:
        nonlocal points
        points = 0
        other = threading.Thread(target=second)

        def count(frame: types.FrameType, event: str,
                  _argument: object) -> typing.Any:
            nonlocal points
            if event == 'opcode':
                if points == at:
                    other.start()
                    other.join(BLOCKED)
                points += 1
            return count

        def enter(frame: types.FrameType, _event: str,
                  _argument: object) -> typing.Any:
            if frame.f_code.co_filename != module.__file__:
                return None
            frame.f_trace_opcodes = True
            return count

        before = sys.gettrace()
        sys.settrace(enter)
        try:
            return first()
        finally:
            sys.settrace(before)
            if other.ident is not None:
                other.join()

    while at < points:
        yield meet
        at += 1
