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
import threading
import time
import typing

from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import exception

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

    @classmethod
    def of(cls, conf: cfg.ConfigOpts) -> 'Times':
        cache = conf.flavor_filter.flavor_cache_time
        return cls(cache, max(cache, conf.flavor_filter.flavor_stale_time))

    def fresh(self, fetched: Fetched) -> bool:
        """Whether it is served without a refresh."""
        return 0 <= time.time() - fetched.fetched < self.cache

    def timely(self, fetched: Fetched) -> bool:
        """Whether it is served while it is refreshed."""
        return (0 <= time.time() - fetched.fetched
                < min(2 * self.cache, self.stale))

    def usable(self, fetched: Fetched) -> bool:
        """Whether it is served while Nova is unavailable."""
        return time.time() - fetched.fetched < self.stale


class Remembered(typing.Generic[T]):
    """A cached list that is refreshed in time.

    :param times: from the configuration
    :ivar last: the last list; None before the first
    """

    # There may be thousands, one for each project.
    __slots__ = ('_failed', '_reason', '_renewal', '_times', 'last')
    _beginning = threading.Lock()

    def __init__(self, times: Times, last: T | None = None):
        self._times = times
        self._renewal: _Renewal[T] | None = None
        self._failed = float('-inf')
        self._reason = ''
        self.last = last

    def get(self, renew: Callable[[bool], T],
            patience: float | None = None) -> T:
        """The last list, or a newer one.

        :param renew: gets a newer list. Its argument tells whether a request
            waits for it. It raises NovaUnavailable if there is none, and
            CallerRefused if Nova refuses the caller
        :param patience: seconds to wait when there is no list; None to wait
            without a timeout
        :raises NovaUnavailable: there is no usable list
        :raises CallerRefused: as renew, when the last list is too old
        """
        last = self.last
        if last is not None and self._times.fresh(last):
            return last
        timely = last is not None and self._times.timely(last)
        usable = last is not None and self._times.usable(last)
        renewal = self._begin(renew, not timely)
        if timely:
            return typing.cast(T, last)
        error: exception.NovaUnavailable | None = None
        if renewal is None or renewal.is_retry and (usable or patience):
            error = exception.NovaUnavailable(self._reason)
        else:
            if usable:
                patience = PATIENCE
            if not renewal.done.wait(patience and max(
                    0, renewal.begun + patience - time.monotonic())):
                error = exception.NovaUnavailable(
                    f'Nova did not list flavors within {patience} s')
            elif renewal.error is None:
                result = typing.cast(T, renewal.result)
                if renewal.waited_for or self._times.timely(result):
                    return result
                # This refresh began while the last list was still served, so
                # it left the request to another process. Start one that
                # waits.
                return self.get(renew, patience)
            else:
                error = renewal.error
        if usable and not isinstance(error, exception.CallerRefused):
            return typing.cast(T, last)
        raise error

    def _begin(self, renew: Callable[[bool], T],
               waited_for: bool) -> '_Renewal[T] | None':
        """Start a refresh, or join the one that is running.

        :returns: None if one has failed less than RETRY seconds ago
        """
        with self._beginning:
            if self._renewal is not None and not self._renewal.done.is_set():
                return self._renewal
            since = time.monotonic() - self._failed
            if since < RETRY:
                return None
            # After a failure that was longer ago, Nova may be back.
            self._renewal = _Renewal(
                waited_for, since < max(self._times.cache, RETRY + 1))
            renewal = self._renewal
        try:
            threading.Thread(
                target=self._run, args=(renewal, renew),
                daemon=True, name='flavor-catalog').start()
        except RuntimeError as error:
            LOG.error('Cannot start a thread to list flavors: %s', error)
            self._run(renewal, renew)
        return renewal

    def _run(self, renewal: '_Renewal[T]',
             renew: Callable[[bool], T]) -> None:
        try:
            renewal.result = self.last = renew(renewal.waited_for)
            self._failed = float('-inf')
        except exception.CallerRefused as error:
            # Nova may accept the next caller's token.
            renewal.error = error
        except Exception as error:
            if not isinstance(error, exception.NovaUnavailable):
                LOG.exception('Listing flavors failed')
                error = exception.NovaUnavailable(repr(error))
            renewal.error = error
            self._reason = error.reason
            self._failed = time.monotonic()
        finally:
            self._renewal = None
            renewal.done.set()


class _Renewal(typing.Generic[T]):
    """A running refresh of a list.

    :param waited_for: whether a request waits, as the last list is too old
    :param is_retry: whether the previous refresh has recently failed
    :ivar begun: start, in seconds of the monotonic clock
    """

    def __init__(self, waited_for: bool, is_retry: bool):
        self.begun = time.monotonic()
        self.waited_for = waited_for
        self.is_retry = is_retry
        self.done = threading.Event()
        self.result: T | None = None
        self.error: exception.NovaUnavailable | None = None
