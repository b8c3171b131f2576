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

"""Nova's flavors, remembered: at hand when Nova is slow, or not there.

A process keeps the list that it last saw. For ``flavor_cache_time`` that is
the answer, and nothing else is asked. Then the list is looked for in the
cache that ``[cache]`` configures, where another process may have left a newer
one; and then in Nova, by one process at a time and behind the back of the
requests, which get the last list meanwhile, for up to ``flavor_stale_time``.
"""

from collections.abc import Sequence
import hashlib
import threading
import time
import typing

from oslo_cache import core as oslo_cache
from oslo_config import cfg
from oslo_log import log
from oslo_serialization import jsonutils

from trove_flavor_filter import exception
from trove_flavor_filter import nova
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)

# Of a list in the shared cache. Part of its key, so that hosts of two
# releases leave each other's lists alone.
FORMAT = 1

# Seconds between two tries to get a list while Nova gives none.
RETRY = 2

# Seconds between two looks for a list that another process is getting.
POLL = 0.05

# Seconds to wait for it without any list to answer with: the other process
# may have been killed. Where nobody has a list yet and Nova needs longer than
# this for one, each process asks.
PATIENCE = 3


class Snapshot:
    """A list of flavors, and when Nova gave it.

    :ivar fetched: seconds since the epoch
    :ivar flavors: all of them, in Nova's order
    :ivar pieces: for views: parts of documents, by flavor id
    """

    def __init__(self, fetched: float,
                 flavors: Sequence[requirement.Flavor]):
        self.fetched = fetched
        self.flavors = flavors
        self.by_id = {flavor.id: flavor for flavor in flavors}
        self.pieces: dict[str, tuple[str, str, str]] = {}
        self._any_private = any(
            flavor.projects is not None for flavor in flavors)

    def visible_to(self, project_id: str) -> Sequence[requirement.Flavor]:
        """The flavors that a project may see, in Nova's order."""
        if not self._any_private:
            return self.flavors
        return [flavor for flavor in self.flavors
                if flavor.visible_to(project_id)]

    def to_text(self) -> str:
        return jsonutils.dumps([self.fetched, [
            [*flavor[:-1], None if flavor.projects is None
             else sorted(flavor.projects)]
            for flavor in self.flavors]])

    @classmethod
    def from_text(cls, text: str) -> 'Snapshot':
        """What :meth:`to_text` has made.

        :raises Exception: something else has; of whatever kind
        """
        fetched, rows = jsonutils.loads(text)
        return cls(float(fetched), [
            requirement.Flavor._make(
                [*row[:-1], None if row[-1] is None else frozenset(row[-1])])
            for row in rows])


class Catalog:
    """The flavors that exist, as Nova lately said.

    :param conf: ``[flavor_filter]`` says for how long a list may be used,
        ``[cache]`` where processes share one
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._nova = nova.NovaFlavors(conf)
        self._cache_time = conf.flavor_filter.flavor_cache_time
        self._stale_time = max(conf.flavor_filter.flavor_stale_time,
                               self._cache_time)
        self._shared = SharedCache(conf)
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()
        self._wanted = threading.Event()
        self._worker: threading.Thread | None = None
        self._failed = 0.0
        self._failure = exception.NovaUnavailable('')

    def snapshot(self) -> Snapshot:
        """The list of flavors: the last one, or a newer one.

        :raises NovaUnavailable: there is none that may still be used
        """
        if not self._cache_time:
            return Snapshot(time.time(), self._nova.everything())
        last = self._snapshot
        if last is not None:
            age = time.time() - last.fetched
            # An age below zero is another host's clock.
            if age < self._cache_time:
                return last
            if age < self._stale_time:
                self._refresh_behind()
                return last
        return self._refresh_now()

    def find(self, flavor_id: str) -> requirement.Flavor | None:
        """The flavor that Trove would get for an id, however it is spelled.

        :returns: None when there is no such flavor
        :raises NovaUnavailable: that cannot be told
        :raises BadRequest: the id leads somewhere else in Nova's API
        """
        if self._cache_time:
            flavor = self.snapshot().by_id.get(flavor_id)
            if flavor is not None:
                return flavor
        # Nova takes more than one spelling for a flavor.
        return self._nova.find(flavor_id)

    def _refresh_behind(self) -> None:
        """Have a newer list got, by the one thread for it, meanwhile."""
        if (time.time() - self._failed < RETRY
                or not self._refreshing.acquire(blocking=False)):
            return
        self._wanted.set()
        # In a process that was forked, the thread of its parent is not.
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(
                target=self._work, daemon=True, name='flavor-catalog')
            try:
                self._worker.start()
            except RuntimeError as error:
                self._worker = None
                self._refreshing.release()
                LOG.error('No thread can be started to list flavors: %s',
                          error)

    def _work(self) -> None:
        """Get a newer list whenever one is wanted.

        One thread for as long as the process lives: clients of caches keep a
        connection for each thread that ever used them.
        """
        while self._wanted.wait():
            self._wanted.clear()
            try:
                self._refresh(wait=False)
            except exception.NovaUnavailable:
                # It has been logged; the last list will do meanwhile.
                pass
            finally:
                self._refreshing.release()

    def _refresh_now(self) -> Snapshot:
        """Get a list, or wait for the one that another thread gets."""
        asked = time.time()
        with self._refreshing:
            last = self._snapshot
            if (last is not None
                    and time.time() - last.fetched < self._cache_time):
                return last
            if self._failed >= asked:
                # The thread that this one has waited for asked in vain.
                raise self._failure
            return self._refresh(wait=True)

    def _refresh(self, wait: bool) -> Snapshot:
        """Take a newer list from the shared cache, or else from Nova.

        :param wait: when another process is getting one, wait for it
        """
        deadline = time.time() + PATIENCE
        with self._shared.lock() as lock:
            while True:
                mine = lock.acquire()
                found = self._shared.get()
                if (found is not None and
                        time.time() - found.fetched < self._cache_time):
                    self._snapshot = found
                    return found
                if mine or time.time() >= deadline:
                    break
                if not wait and self._snapshot is not None:
                    return self._snapshot
                time.sleep(POLL)
            return self._fetch(found)

    def _fetch(self, found: Snapshot | None) -> Snapshot:
        try:
            snapshot = Snapshot(time.time(), self._nova.everything())
        except exception.NovaUnavailable as error:
            newest = max((candidate for candidate in (self._snapshot, found)
                          if candidate is not None),
                         key=lambda candidate: candidate.fetched,
                         default=None)
            usable = (newest is not None and
                      time.time() - newest.fetched < self._stale_time)
            if usable and not self._failed:
                # Once an outage, not once a try. Without a list to fall
                # back on, the failed requests are logged instead.
                LOG.warning('Nova gives no list of flavors; the last one '
                            'serves until it does: %s', error.reason)
            self._failed = time.time()
            self._failure = error
            if usable:
                self._snapshot = newest
                return typing.cast(Snapshot, newest)
            raise
        if self._failed:
            LOG.info('Nova lists flavors again.')
            self._failed = 0.0
        self._snapshot = snapshot
        self._shared.set(snapshot)
        return snapshot


class SharedCache:
    """The cache that ``[cache]`` configures, if it is enabled.

    It may go away, or be full of other people's things: that is the same as
    its being empty.

    :param conf: the ``[cache]`` of oslo.cache
    """

    def __init__(self, conf: cfg.ConfigOpts):
        oslo_cache.configure(conf)
        self._region: typing.Any = None
        self._trouble = False
        self._hold = conf.flavor_filter.nova_timeout * 3
        if not (conf.cache.enabled and conf.flavor_filter.flavor_cache_time):
            return
        # Lists of two regions or clouds must not be taken for each other's.
        credentials = conf.service_credentials
        whose = '\n'.join(str(part) for part in (
            credentials.auth_url, credentials.username,
            credentials.project_name, credentials.project_id,
            credentials.region_name, conf.nova_compute_url,
            conf.nova_compute_service_type))
        self._key = (f'trove_flavor_filter.flavors.{FORMAT}.'
                     f'{hashlib.sha256(whose.encode()).hexdigest()[:16]}')
        conf.set_override(
            'backend_argument',
            [*conf.cache.backend_argument, 'distributed_lock:true',
             f'lock_timeout:{int(self._hold) + 1}'], group='cache')
        conf.set_override(
            'expiration_time', max(conf.flavor_filter.flavor_stale_time,
                                   conf.flavor_filter.flavor_cache_time),
            group='cache')
        region = oslo_cache.create_region()
        oslo_cache.configure_cache_region(conf, region)
        self._region = region

    def get(self) -> Snapshot | None:
        text = self._try(lambda: self._region.get(self._key))
        if not isinstance(text, str):
            return None
        try:
            return Snapshot.from_text(text)
        except Exception as error:
            LOG.warning('The list of flavors in the cache cannot be '
                        'understood: %r', error)
            return None

    def set(self, snapshot: Snapshot) -> None:
        self._try(lambda: self._region.set(self._key, snapshot.to_text()))

    def lock(self) -> '_Lock':
        """What tells whether it is this process's turn to ask Nova."""
        if self._region is None:
            return _Lock(self, None)
        # This asks no server yet, so it is no sign that one is there.
        return _Lock(self, self._region.backend.get_mutex(
            f'{self._key}.lock'))

    def _try(self, function: typing.Callable[[], typing.Any]) -> typing.Any:
        """What a function returns; None when the cache is not there."""
        if self._region is None:
            return None
        try:
            result = function()
        except Exception as error:
            if not self._trouble:
                LOG.warning('The cache is not available; Nova is asked '
                            'instead: %r', error)
            self._trouble = True
            return None
        self._trouble = False
        return result


class _Lock:
    """A lock of the cache's, let go at the end of a context.

    All hold it when the cache has none.
    """

    def __init__(self, cache: SharedCache, mutex: typing.Any):
        self._cache = cache
        self._mutex = mutex
        self._held = False

    def __enter__(self) -> '_Lock':
        return self

    def acquire(self) -> bool:
        """Take it, if nobody has it."""
        if self._mutex is None:
            return True
        # None, since the cache went away, is as good as having it.
        self._held = self._cache._try(
            lambda: bool(self._mutex.acquire(False))) is not False
        return self._held

    def __exit__(self, *_exception: typing.Any) -> None:
        if self._held:
            self._cache._try(self._mutex.release)
