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

"""The cache that processes and hosts share lists of flavors in.

A cache that is down has many faces. Some clients raise, some answer False to
a lock and None to a question, as they do when the cache is up and another
process was first, and some wait for ever. So every call is made by a thread
that nobody has to wait for, and what a client says is believed only while
the cache gives back what was put into it.
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

# Of the lists in the shared cache. Part of their keys, so that hosts of two
# releases leave each other's lists alone.
FORMAT = 3

# Seconds that a call may take before the cache counts as down.
PATIENCE = 1

# Seconds between two tries whether it is back.
RETRY = 2

# Seconds between two looks for a list that another process is getting; and
# to wait for it, since that process may have been killed.
POLL = 0.05
WAIT = 1.5

# Characters in a list. What is longer is not one of ours.
LONGEST = 2 ** 24

# Keeps nothing; what [cache] has when it names no backend.
NULL = 'dogpile.cache.null'

T = typing.TypeVar('T', snapshot.Snapshot, snapshot.Own)


class SharedCache:
    """The cache that ``[cache]`` configures, if it is enabled.

    While it is down, it is as good as empty, and nobody waits for it.

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
        # Lists of two regions or clouds must not be taken for each other's.
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
        """The list of a project that somebody has put in; None without one.

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
            LOG.warning('The list of flavors in the cache cannot be '
                        'understood: %.200r', error)
            return None

    def set(self, project_id: str,
            latest: snapshot.Snapshot | snapshot.Own) -> None:
        """Put a list in. Nobody waits for that: the list is there to use."""
        text = latest.to_text()
        self._post(lambda: self._region.set(self._key(project_id), text))

    @contextlib.contextmanager
    def turn(self, project_id: str, kind: type[T],
             fresh: Callable[[T], bool], wait: bool
             ) -> Iterator[tuple[T | None, bool]]:
        """One process's turn to ask Nova for a list, while others wait.

        :param fresh: whether a list will do, so that nobody has to ask
        :param wait: when it is another process's turn, wait for its list
        :returns: the list in the cache, and whether to ask Nova. Nova need
            not be asked where that list is fresh, or on its way
        """
        deadline = time.monotonic() + (WAIT if wait else 0)
        mutex = self._region and self._region.backend.get_mutex(
            f'{self._key(project_id)}.lock')
        held = unheld = False
        try:
            while True:
                # None, since the cache is down, is as good as having it.
                held = mutex and self._call(
                    lambda: bool(mutex.acquire(False)))
                found = self.get(project_id, kind)
                if found is not None and fresh(found):
                    yield found, False
                    return
                # To find nothing may have shown that the cache is down.
                if held is not False or mutex is None or self._down:
                    yield found, True
                    return
                # Of several servers, the one for this lock may be down.
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
            # Nothing there; or a client that says so when no server is.
            self._try()
        return value

    def _try(self) -> None:
        """See that what is put in comes out again.

        :raises OSError: it does not
        """
        key, text = f'{self._prefix}.{uuid.uuid4().hex}', 'here'
        self._region.set(key, text)
        if self._region.get(key) != text:
            raise OSError('what is put into it does not come out')
        self._region.delete(key)

    def _call(self, function: Callable[[], typing.Any]) -> typing.Any:
        """What a function returns; None while the cache is down."""
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
            LOG.error('No thread can be started for the cache: %s', error)
            return None
        call = _Call(function)
        self._calls.put(call)
        return call

    def _start(self) -> None:
        with self._starting:
            # In a process that was forked, the thread of its parent is not.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, daemon=True, name='flavor-cache')
                self._thread.start()

    def _work(self) -> None:
        """Make the calls, one after the other.

        One thread for as long as the process lives: clients of caches keep
        a connection for each thread that ever used them.
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
                    LOG.info('The cache is available again.')

    def _failed(self, error: Exception) -> None:
        with self._starting:
            was_down, self._down = self._down, True
        if not was_down:
            LOG.warning('The cache is not available; Nova is asked '
                        'instead: %r', error)
            # Have the thread see it, should it be waiting for a call.
            self._calls.put(_Call(lambda: None))


def _release(mutex: typing.Any) -> None:
    # Nova may have taken longer than the lock lasts, and then the lock is
    # another process's. That is no sign that the cache is down.
    with contextlib.suppress(Exception):
        mutex.release()


class _Call:
    """A call of the cache's client, made by another thread."""

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
