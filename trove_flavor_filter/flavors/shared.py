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

"""The shared cache for lists of flavors, used by processes and hosts.

Clients fail in different ways when the cache is down. Some raise. Some return
False for a lock and None for a key, just as when the cache is up and another
process has the lock. Some block forever. So a thread of its own makes every
call, with a timeout; and a client's result is trusted only if a value that
was just stored can be read back.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import hashlib
import queue
import threading
import time
import typing
import uuid

from oslo_cache import core as oslo_cache
from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter.flavors import snapshot

LOG = log.getLogger(__name__)

# The format of the cached lists. It is part of their keys, so that hosts of
# two releases do not read each other's lists.
FORMAT = 3

# Timeout of a call, in seconds, after which the cache counts as down.
PATIENCE = 1

# Seconds between two checks whether the cache is up again.
RETRY = 2

# While another process gets the list: seconds between two polls, and the
# timeout, since that process may have been killed.
POLL = 0.05
WAIT = 1.5

# The maximum length of a list, in characters. Ours are shorter.
LONGEST = 2 ** 24

# A backend that stores nothing: the default of [cache].
NULL = 'dogpile.cache.null'

T = typing.TypeVar('T', snapshot.Snapshot, snapshot.Own)


class SharedCache:
    """The cache that ``[cache]`` configures, if it is enabled.

    While it is down it acts as an empty cache, and nobody waits for it.

    :param conf: the ``[cache]`` of oslo.cache
    """

    def __init__(self, conf: cfg.ConfigOpts):
        oslo_cache.configure(conf)
        self._region: typing.Any = None
        self._down = False
        self._calls: queue.Queue[_Call] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        if not (conf.cache.enabled and conf.flavor_filter.flavor_cache_time
                and conf.cache.backend != NULL):
            return
        # Two regions or clouds may share the cache, but not their lists.
        credentials = conf.service_credentials
        whose = '\n'.join(str(part) for part in (
            credentials.auth_url, credentials.username,
            credentials.project_name, credentials.project_id,
            credentials.region_name, conf.nova_compute_url,
            conf.nova_compute_service_type, conf.remote_nova_client))
        self._prefix = (f'trove_flavor_filter.flavors.{FORMAT}.'
                        f'{hashlib.sha256(whose.encode()).hexdigest()[:16]}')
        conf.set_override(
            'backend_argument',
            [*conf.cache.backend_argument, 'distributed_lock:true',
             f'lock_timeout:{int(conf.flavor_filter.nova_timeout * 3) + 1}'],
            group='cache')
        conf.set_override(
            'expiration_time', max(conf.flavor_filter.flavor_stale_time,
                                   conf.flavor_filter.flavor_cache_time),
            group='cache')
        region = oslo_cache.create_region()
        oslo_cache.configure_cache_region(conf, region)
        self._region = region

    def get(self, project_id: str, kind: type[T]) -> T | None:
        """The cached list of a project; None without one.

        :param project_id: '' for the common list
        """
        text = self._call(lambda: self._get(self._key(project_id)))
        if not isinstance(text, str):
            return None
        try:
            if len(text) > LONGEST:
                raise ValueError(f'{len(text)} characters')
            return kind.from_text(text)
        except Exception as error:
            LOG.warning('Ignoring an invalid list of flavors in the cache: '
                        '%.200r', error)
            return None

    def set(self, project_id: str,
            latest: snapshot.Snapshot | snapshot.Own) -> None:
        """Put a list in. Nobody waits for that: the list is there to use."""
        text = latest.to_text()
        self._post(lambda: self._region.set(self._key(project_id), text))

    def renewed(self, project_id: str, kind: type[T], last: T | None,
                fresh: Callable[[T], bool], wait: bool,
                ask: Callable[[T | None], T]) -> T:
        """A newer list than the last: the cached one, or else Nova's.

        :param last: the last list; None without one
        :param fresh, wait: as in :meth:`turn`
        :param ask: gets a list from Nova. Its argument is the newest list
            that there is without asking
        """
        with self.turn(project_id, kind, fresh, wait) as (found, asks):
            # One from the future is none: the clock was set back since.
            now = time.time()
            newest = max((one for one in (found, last)
                          if one is not None and one.fetched <= now),
                         key=lambda one: one.fetched, default=None)
            if newest is not None and not asks:
                return newest
            latest = ask(newest)
            self.set(project_id, latest)
            return latest

    @contextlib.contextmanager
    def turn(self, project_id: str, kind: type[T],
             fresh: Callable[[T], bool], wait: bool
             ) -> Iterator[tuple[T | None, bool]]:
        """Take the lock to ask Nova for a list; only one process asks.

        :param fresh: tells whether a list is fresh, so that nobody has to
            ask
        :param wait: while another process has the lock, wait for its list
        :returns: the list in the cache, and whether to ask Nova. Nova need
            not be asked if that list is fresh, or if another process is
            getting a new one
        """
        deadline = time.monotonic() + (WAIT if wait else 0)
        mutex = self._region and self._region.backend.get_mutex(
            f'{self._key(project_id)}.lock')
        held = unheld = False
        try:
            while True:
                # None (the cache is down) counts as having the lock.
                held = mutex and self._call(
                    lambda: bool(mutex.acquire(False)))
                found = self.get(project_id, kind)
                if found is not None and fresh(found):
                    yield found, False
                    return
                # Reading the list may have shown that the cache is down.
                if held is not False or mutex is None or self._down:
                    yield found, True
                    return
                # With several servers, the one for this lock may be down.
                if not self._call(mutex.locked):
                    if unheld:
                        yield found, True
                        return
                    unheld = True
                if time.monotonic() >= deadline:
                    yield found, wait
                    return
                time.sleep(POLL)
        finally:
            if held:
                self._post(lambda: _release(mutex))

    def _key(self, project_id: str) -> str:
        return f'{self._prefix}.{project_id}' if project_id else self._prefix

    def _get(self, key: str) -> typing.Any:
        value = self._region.get(key)
        if not isinstance(value, str):
            # A cache miss; or a client that reports one when it is down.
            self._try()
        return value

    def _try(self) -> None:
        """Check that a stored value can be read back.

        :raises OSError: it cannot
        """
        key, text = f'{self._prefix}.{uuid.uuid4().hex}', 'here'
        self._region.set(key, text)
        if self._region.get(key) != text:
            raise OSError('a stored value cannot be read back')
        self._region.delete(key)

    def _call(self, function: Callable[[], typing.Any]) -> typing.Any:
        """The result of a function; None while the cache is down."""
        call = self._post(function)
        if call is None:
            return None
        if not call.done.wait(PATIENCE):
            call.abandoned = True
            self._failed(TimeoutError(f'no answer in {PATIENCE} s'))
        return call.result

    def _post(self, function: Callable[[], typing.Any]) -> '_Call | None':
        """Have the thread make a call; not while the cache is down."""
        if self._region is None or self._down:
            return None
        try:
            self._start()
        except RuntimeError as error:
            LOG.error('Cannot start a thread for the cache: %s', error)
            return None
        call = _Call(function)
        self._calls.put(call)
        return call

    def _start(self) -> None:
        with self._starting:
            # A forked process does not inherit the thread of its parent.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, daemon=True, name='flavor-cache')
                self._thread.start()

    def _work(self) -> None:
        """Make the calls, one after the other.

        One thread makes them for the lifetime of the process, because cache
        clients keep a connection for every thread that has used them.
        """
        while True:
            call = self._calls.get()
            call.make()
            if call.error is not None:
                self._failed(call.error)
            call.done.set()
            while self._down:
                time.sleep(RETRY)
                probe = _Call(self._try)
                probe.make()
                if probe.error is None:
                    self._down = False
                    LOG.info('The cache is up again.')

    def _failed(self, error: Exception) -> None:
        with self._starting:
            was_down, self._down = self._down, True
        if not was_down:
            LOG.warning('The cache is down; asking Nova instead: %r', error)
            # Wake up the thread, in case it is waiting for a call.
            self._calls.put(_Call(lambda: None))


def _release(mutex: typing.Any) -> None:
    # If Nova took longer than the lock's timeout, another process may have
    # the lock now. This does not mean that the cache is down.
    with contextlib.suppress(Exception):
        mutex.release()


class _Call:
    """A call of the cache client, made in another thread."""

    def __init__(self, function: Callable[[], typing.Any]):
        self._function = function
        self.result: typing.Any = None
        self.error: Exception | None = None
        self.done = threading.Event()
        self.abandoned = False

    def make(self) -> None:
        if self.abandoned:
            return
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error
