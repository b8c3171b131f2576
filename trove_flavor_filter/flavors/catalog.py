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

import threading
import time
import typing

from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot as snapshots
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)

# Seconds between two tries to get a list while Nova gives none.
RETRY = 2

# Seconds between two looks for a list that another process is getting.
POLL = 0.05

# Seconds to wait for it without any list to answer with: the other process
# may have been killed. Where nobody has a list yet and Nova needs longer than
# this for one, each process asks.
PATIENCE = 3


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
        self._shared = shared.SharedCache(conf)
        self._snapshot: snapshots.Snapshot | None = None
        self._refreshing = threading.Lock()
        self._wanted = threading.Event()
        self._worker: threading.Thread | None = None
        self._failed = 0.0
        self._failure = exception.NovaUnavailable('')

    def snapshot(self) -> snapshots.Snapshot:
        """The list of flavors: the last one, or a newer one.

        :raises NovaUnavailable: there is none that may still be used
        """
        if not self._cache_time:
            return snapshots.Snapshot(time.time(), self._nova.everything())
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

    def _refresh_now(self) -> snapshots.Snapshot:
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

    def _refresh(self, wait: bool) -> snapshots.Snapshot:
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

    def _fetch(self, found: snapshots.Snapshot | None) -> snapshots.Snapshot:
        try:
            latest = snapshots.Snapshot(time.time(), self._nova.everything())
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
                return typing.cast(snapshots.Snapshot, newest)
            raise
        if self._failed:
            LOG.info('Nova lists flavors again.')
            self._failed = 0.0
        self._snapshot = latest
        self._shared.set(latest)
        return latest
