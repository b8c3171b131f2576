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

"""The shared cache for lists of flavors, used by processes and hosts."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import hashlib
import typing
import uuid

from dogpile.cache.backends import memcached
from dogpile.cache.backends import null
from oslo_cache import core as oslo_cache
from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter.flavors import cache_calls
from trove_flavor_filter.flavors import clock as clocks
from trove_flavor_filter.flavors import encoding
from trove_flavor_filter.flavors import snapshot

LOG = log.getLogger(__name__)

# The format of the cached lists. It is part of their keys, so that hosts of
# two releases do not read each other's lists.
FORMAT = 3

# While another process gets the list: seconds between two polls, and the
# timeout, since that process may have been killed.
POLL = 0.05
WAIT = 1.5

# The maximum length of a list, in characters. Ours are shorter.
LONGEST = 2 ** 24

# The longest lifetime, in seconds. memcached takes a larger number for a time
# since the epoch, so that the value would expire at once.
LONGEST_LIFETIME = 30 * 24 * 3600

# The argument of each backend that lets what is stored expire. The one of
# bmemcached has none; that of etcd has a lease for all that it stores.
LIFETIME = {
    'dogpile.cache.memcached': 'memcached_expire_time',
    'dogpile.cache.pylibmc': 'memcached_expire_time',
    'dogpile.cache.pymemcache': 'memcached_expire_time',
    'oslo_cache.memcache_pool': 'memcached_expire_time',
    'dogpile.cache.redis': 'redis_expiration_time',
    'dogpile.cache.redis_sentinel': 'redis_expiration_time',
    'oslo_cache.dict': 'expiration_time',
    'dogpile.cache.bmemcached': '',
    'oslo_cache.etcd3gw': '',
}

T = typing.TypeVar('T', snapshot.Snapshot, snapshot.PrivateFlavors)


class SharedCache:
    """The cache that ``[cache]`` configures, if it is enabled.

    While it is down it acts as an empty cache, and nobody waits for it.

    The ``get_or_create`` of dogpile.cache does not do: it waits for the lock
    without a limit, and for a client that blocks. Without a lock, all
    processes would ask Nova in the same moment, since their lists expire
    together.

    :param conf: the ``[cache]`` of oslo.cache
    :raises Exception: of any class: oslo.cache does not accept ``[cache]``
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 clock: clocks.Clock = clocks.Clock()):
        oslo_cache.configure(conf)
        self._clock = clock
        self._calls = cache_calls.Calls(self._probe)
        self._region: typing.Any = _region(conf)
        # If lists did not expire, the cache would get ever more of them.
        self._expires = conf.cache.backend in LIFETIME
        # Two regions or clouds may share the cache, but not their lists.
        credentials = conf.service_credentials
        whose = '\n'.join(str(part) for part in (
            credentials.auth_url, credentials.username,
            credentials.project_name, credentials.project_id,
            credentials.region_name, conf.nova_compute_url,
            conf.nova_compute_service_type, conf.remote_nova_client))
        self._prefix = (f'trove_flavor_filter.flavors.{FORMAT}.'
                        f'{hashlib.sha256(whose.encode()).hexdigest()[:16]}')

    def get(self, project_id: str, kind: type[T]) -> T | None:
        """The cached list of a project; None without one.

        :param project_id: '' for the service list
        """
        if self._region is None:
            return None
        text = self._calls.result(lambda: self._get(self._key(project_id)))
        if not isinstance(text, str):
            return None
        try:
            if len(text) > LONGEST:
                raise ValueError(f'{len(text)} characters')
            return encoding.load(kind, text)
        except Exception as error:
            LOG.warning('Ignoring an invalid list of flavors in the cache: '
                        '%.200r', error)
            return None

    def set(self, project_id: str,
            latest: snapshot.Snapshot | snapshot.PrivateFlavors) -> None:
        """Put a list in. Nobody waits for that: the list is there to use."""
        if self._region is not None and not self._calls.down:
            text = encoding.dump(latest)
            self._calls.later(
                lambda: self._region.set(self._key(project_id), text))

    def get_or_refresh(self, project_id: str, kind: type[T], last: T | None,
                       fresh: Callable[[T], bool], wait: bool,
                       ask: Callable[[T | None], T]) -> T:
        """A newer list than the last: the cached one, or else Nova's.

        :param last: the last list; None without one
        :param fresh, wait: as in :meth:`refresh_lock`
        :param ask: gets a list from Nova. Its argument is the newest list
            that there is without asking
        """
        if project_id and not self._expires:
            return ask(last)
        with self.refresh_lock(project_id, kind, fresh, wait) as (found, asks):
            # A list from the future is ignored: the clock was set back.
            now = self._clock.time()
            newest = max((one for one in (found, last)
                          if one is not None and one.fetched <= now),
                         key=lambda one: one.fetched, default=None)
            if newest is not None and not asks:
                return newest
            latest = ask(newest)
            self.set(project_id, latest)
            return latest

    @contextlib.contextmanager
    def refresh_lock(self, project_id: str, kind: type[T],
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
        deadline = self._clock.monotonic() + (WAIT if wait else 0)
        mutex = self._region and self._region.backend.get_mutex(
            f'{self._key(project_id)}.lock')

        def release() -> None:
            # If Nova took longer than the lock's timeout, another process
            # may have the lock now. The cache is not down for that.
            with contextlib.suppress(Exception):
                mutex.release()

        held: bool | None = False
        unheld = False
        try:
            while True:
                # None (the cache is down) counts as having the lock.
                held = mutex and self._calls.result(
                    lambda: bool(mutex.acquire(False)), undo=release)
                found = self.get(project_id, kind)
                if found is not None and fresh(found):
                    yield found, False
                    return
                # Reading the list may have shown that the cache is down.
                if held is not False or mutex is None or self._calls.down:
                    yield found, True
                    return
                # Of several servers, the one that has this lock may be down.
                if not self._calls.result(mutex.locked):
                    if unheld:
                        yield found, True
                        return
                    unheld = True
                if self._clock.monotonic() >= deadline:
                    yield found, wait
                    return
                self._clock.sleep(POLL)
        finally:
            if held:
                # Even if the cache counts as down: its server may be up.
                self._calls.later(release)

    def _key(self, project_id: str) -> str:
        return f'{self._prefix}.{project_id}' if project_id else self._prefix

    def _get(self, key: str) -> typing.Any:
        # The reader decides how old a list may be.
        value = self._region.get(key, ignore_expiration=True)
        if not isinstance(value, str):
            # A cache miss; or a client that reports one when it is down.
            self._probe()
        return value

    def _probe(self) -> None:
        """Check that a stored value can be read back.

        :raises OSError: it cannot
        """
        key, text = f'{self._prefix}.{uuid.uuid4().hex}', 'here'
        self._region.set(key, text)
        if self._region.get(key) != text:
            raise OSError('a stored value cannot be read back')
        self._region.delete(key)


def _region(conf: cfg.ConfigOpts) -> typing.Any:
    """The region of ``[cache]``; None if nothing is cached.

    :raises Exception: as SharedCache
    """
    times = conf.flavor_filter
    lifetime = min(LONGEST_LIFETIME,
                   max(times.flavor_stale_time, times.flavor_cache_time))
    lock = int(min(LONGEST_LIFETIME, times.nova_timeout * 3 + 1))
    arguments = [*conf.cache.backend_argument, 'distributed_lock:true',
                 'thread_local_lock:false', f'lock_timeout:{lock}']
    if argument := LIFETIME.get(conf.cache.backend):
        # [cache] backend_expiration_time has precedence over it.
        arguments.append(f'{argument}:{lifetime}')
    conf.set_override('backend_argument', arguments, group='cache')
    region = oslo_cache.create_region()
    try:
        oslo_cache.configure_cache_region(conf, region)
    finally:
        conf.clear_override('backend_argument', group='cache')
    backend = region.actual_backend
    if isinstance(backend, memcached.BMemcachedBackend):
        backend.set_arguments = {'time': lifetime}
    return (None if isinstance(backend, null.NullBackend)
            or not times.flavor_cache_time else region)
