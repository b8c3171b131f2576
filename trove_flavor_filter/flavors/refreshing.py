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

"""A cached list: stale-while-revalidate, with a bound on how stale.

Within the cache time, the list is served. Within the second cache time, it is
served while a thread refreshes it. After that, the request waits for the new
list for some seconds. While Nova is unavailable nobody waits, and the stale
list is served for ``flavor_stale_time``.
"""

from collections.abc import Callable
from concurrent import futures
import threading
import typing

from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import clock as clocks

LOG = log.getLogger(__name__)

# Seconds between two retries while Nova is unavailable.
RETRY = 2

# Seconds that a request waits for a refresh, counted from the start of the
# refresh, before the stale list is served.
PATIENCE = 3


class Fetched(typing.Protocol):
    """A list, with the time of the request to Nova."""

    @property
    def fetched(self) -> float:
        """Seconds since the epoch."""


T = typing.TypeVar('T', bound=Fetched)


class Times(typing.NamedTuple):
    """For how many seconds a list is fresh, and for how many it is usable."""

    cache: float
    stale: float
    clock: clocks.Clock = clocks.Clock()

    @classmethod
    def of(cls, conf: cfg.ConfigOpts, clock: clocks.Clock) -> 'Times':
        cache = conf.flavor_filter.flavor_cache_time
        return cls(cache, max(cache, conf.flavor_filter.flavor_stale_time),
                   clock)

    def private(self, conf: cfg.ConfigOpts) -> 'Times':
        """The times of lists of private flavors."""
        longest = conf.flavor_filter.private_flavor_stale_time
        return self._replace(stale=max(self.cache, min(self.stale, longest)))

    def fresh(self, fetched: Fetched) -> bool:
        """Whether it is served without a refresh."""
        return 0 <= self._age(fetched) < self.cache

    def within_grace(self, fetched: Fetched) -> bool:
        """Whether it is served while it is refreshed."""
        return 0 <= self._age(fetched) < min(2 * self.cache, self.stale)

    def usable(self, fetched: Fetched) -> bool:
        """Whether it is served while Nova is unavailable."""
        return self._age(fetched) < self.stale

    def _age(self, fetched: Fetched) -> float:
        return self.clock.time() - fetched.fetched


class StaleWhileRevalidate(typing.Generic[T]):
    """A cached list that is refreshed in time.

    The ``async_creation_runner`` of dogpile.cache does not do: it knows one
    age, so that a list may be served however old it is; a request waits
    without a limit; and after a failure each request asks again.

    :param times: from the configuration
    :ivar last: the last list; None before the first
    """

    # There may be thousands, one for each project.
    __slots__ = ('_failed', '_reason', '_refresh', '_times', 'last')
    # Under this lock, a request sees either that a refresh is running, or its
    # whole result.
    _changing = threading.Lock()

    def __init__(self, times: Times, last: T | None = None):
        self._times = times
        self._refresh: _Refresh[T] | None = None
        self._failed = float('-inf')
        self._reason = ''
        self.last = last

    def get(self, fetch: Callable[[bool], T],
            patience: float | None = None) -> T:
        """The last list, or a newer one.

        :param fetch: gets a newer list. Its argument tells whether a request
            waits for it. It raises NovaUnavailable if there is none, and
            CallerRefused if Nova refuses the caller
        :param patience: seconds to wait when there is no list; None to wait
            without a timeout
        :raises NovaUnavailable: there is no usable list
        :raises CallerRefused: as fetch, when the last list is too old
        """
        with self._changing:
            last = self.last
            if last is not None and self._times.fresh(last):
                return last
            within_grace = last is not None and self._times.within_grace(last)
            refresh, is_new = self._join(not within_grace)
            error = exception.NovaUnavailable(self._reason)
        if refresh is not None and is_new:
            self._start(refresh, fetch)
        if within_grace:
            return typing.cast(T, last)
        usable = last is not None and self._times.usable(last)
        if refresh is not None and not (
                refresh.is_retry and (usable or patience)):
            if usable:
                patience = PATIENCE
            try:
                result = self._times.clock.result(refresh, patience and max(
                    0, refresh.begun + patience
                    - self._times.clock.monotonic()))
            except TimeoutError:
                error = exception.NovaUnavailable(
                    f'Nova did not list flavors within {patience} s')
            except exception.NovaUnavailable as failure:
                error = failure
            else:
                if refresh.waited_for or self._times.within_grace(result):
                    return result
                # This refresh began while the last list was still served. So
                # it did not wait for the process that asks Nova. Start a
                # refresh that does.
                return self.get(fetch, patience)
        # A refresh that failed may have found an older list elsewhere.
        last = self.last
        if (last is not None and self._times.usable(last)
                and not isinstance(error, exception.CallerRefused)):
            return last
        raise error

    def _join(self, waited_for: bool) -> tuple['_Refresh[T] | None', bool]:
        """The refresh that is running, or a new one; and whether it is new.

        :returns: None for the refresh if one has failed less than RETRY
            seconds ago
        """
        if self._refresh is not None:
            return self._refresh, False
        now = self._times.clock.monotonic()
        since = now - self._failed
        if since < RETRY:
            return None, False
        # After a failure that was longer ago, Nova may be back.
        self._refresh = _Refresh(
            now, waited_for, since < max(self._times.cache, RETRY + 1))
        return self._refresh, True

    def _start(self, refresh: '_Refresh[T]',
               fetch: Callable[[bool], T]) -> None:
        def run() -> None:
            self._run(refresh, fetch)
        try:
            self._times.clock.start(run, 'flavor-catalog')
        except RuntimeError as error:
            LOG.error('Cannot start a thread to list flavors: %s', error)
            run()

    def _run(self, refresh: '_Refresh[T]',
             fetch: Callable[[bool], T]) -> None:
        result: T | None = None
        error: exception.NovaUnavailable = exception.NovaUnavailable(
            'listing flavors was interrupted')
        try:
            result = fetch(refresh.waited_for)
        except exception.NovaUnavailable as failure:
            error = failure
        except Exception as failure:
            LOG.exception('Listing flavors failed')
            error = exception.NovaUnavailable(repr(failure))
        finally:
            with self._changing:
                self._refresh = None
                if result is not None:
                    self.last = result
                    self._failed = float('-inf')
                # After a refusal, Nova may accept the next caller's token.
                elif not isinstance(error, exception.CallerRefused):
                    self._failed = self._times.clock.monotonic()
                    self._reason = error.reason
            if result is not None:
                refresh.set_result(result)
            else:
                refresh.set_exception(error)


class _Refresh(futures.Future[T]):
    """A running refresh of a list.

    :param begun: its start, in seconds of the monotonic clock
    :param waited_for: whether a request waits, as the last list is too old
    :param is_retry: whether the previous refresh has recently failed
    """

    def __init__(self, begun: float, waited_for: bool, is_retry: bool):
        super().__init__()
        self.begun = begun
        self.waited_for = waited_for
        self.is_retry = is_retry
