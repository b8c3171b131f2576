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

"""The private flavors of a project, as Nova lists them for the caller.

Nova is asked with the caller's own token, once per project in a cache time.
So a project sees exactly what Nova shows it, and never the flavors of another
project. While Nova is unavailable, the project sees no private flavors of its
own.
"""

from collections.abc import Callable
import hashlib
import math
import threading
import typing

import cachetools
from oslo_log import log

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.flavors import refreshing
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot

LOG = log.getLogger(__name__)

# Limits of the LRU caches: projects, private flavors of all of them, and
# tokens that Nova has refused (a negative cache).
PROJECTS = 10000
FLAVORS = 30000
REFUSED = 1000


def _size(kept: refreshing.StaleWhileRevalidate[snapshot.PrivateFlavors]
          ) -> int:
    """The part of FLAVORS that a list takes; at least that of a project."""
    count = len(kept.last.flavors) if kept.last is not None else 0
    return min(FLAVORS, max(math.ceil(FLAVORS / PROJECTS), count))


class ProjectFlavors:
    """The private flavors of projects, as Nova lists them for each.

    :param times: from the configuration
    :param client: of Nova
    :param cache: shared between processes
    :param essential: whether there is no list without them, so that a
        failure to get them must be raised
    """

    def __init__(self, times: refreshing.Times, client: nova.NovaFlavors,
                 cache: shared.SharedCache, essential: bool):
        self._nova = client
        self._cache = cache
        self._essential = essential
        self._times = times
        self._clock = times.clock
        self._lists: typing.Any = cachetools.LRUCache(FLAVORS, _size)
        self._refused: typing.Any = cachetools.TTLCache(
            REFUSED, times.cache, times.clock.monotonic)
        self._changing = threading.Lock()
        self._troubled = False

    def of(self, caller: nova.Caller,
           service_list: snapshot.Snapshot) -> snapshot.PrivateFlavors:
        """The flavors that Nova lists for a caller beyond the service list.

        :raises NovaUnavailable: Nova is unavailable, and they are essential
        """
        try:
            return self._of(caller, service_list)
        except exception.NovaUnavailable as error:
            if not self._troubled:
                self._troubled = True
                LOG.warning(
                    'Nova does not list flavors for project %s with its own '
                    'token; it sees no private flavors of its own: %s',
                    caller.project_id, error.reason)
            if self._essential:
                raise
            return snapshot.PrivateFlavors(self._clock.time(), ())

    def _of(self, caller: nova.Caller,
            service_list: snapshot.Snapshot) -> snapshot.PrivateFlavors:
        if not self._times.cache:
            return snapshot.PrivateFlavors.of(
                self._clock.time(), self._nova.listed_for(caller),
                service_list)
        kept = self._list(caller.project_id)
        if kept.last is not None and self._times.fresh(kept.last):
            return kept.last
        token = hashlib.sha256((caller.token or '').encode()).digest()
        if self._is_refused(token):
            if kept.last is not None and self._times.within_grace(kept.last):
                return kept.last
            raise exception.CallerRefused('Nova has just refused this token')
        patience = None if self._essential else refreshing.PATIENCE
        fetch = self._fetcher(caller, token, service_list)
        try:
            return kept.get(fetch, patience)
        except exception.CallerRefused:
            if self._is_refused(token):
                raise
            # Nova refused the token of another caller of the project.
            return kept.get(fetch, patience)

    def _fetcher(self, caller: nova.Caller, token: bytes,
                 service_list: snapshot.Snapshot
                 ) -> Callable[[bool], snapshot.PrivateFlavors]:
        def ask(_newest: snapshot.PrivateFlavors | None
                ) -> snapshot.PrivateFlavors:
            now = self._clock.time()
            try:
                listed = self._nova.listed_for(caller)
            except exception.CallerRefused:
                self._refuse(token)
                raise
            if self._troubled:
                self._troubled = False
                LOG.info('Nova lists flavors for projects with their own '
                         'tokens again.')
            return snapshot.PrivateFlavors.of(now, listed, service_list)

        def fetch(waited_for: bool) -> snapshot.PrivateFlavors:
            return self._kept(caller.project_id, self._cache.get_or_refresh(
                caller.project_id, snapshot.PrivateFlavors,
                self._list(caller.project_id).last, self._times.fresh,
                waited_for, ask))

        return fetch

    def _list(self, project_id: str
              ) -> refreshing.StaleWhileRevalidate[snapshot.PrivateFlavors]:
        with self._changing:
            kept = self._lists.get(project_id)
            if kept is None:
                kept = refreshing.StaleWhileRevalidate(self._times)
                self._lists[project_id] = kept
            return kept

    def _kept(self, project_id: str, latest: snapshot.PrivateFlavors
              ) -> snapshot.PrivateFlavors:
        """Keep a project's new list, unless the project was evicted."""
        with self._changing:
            kept = self._lists.get(project_id)
            if kept is not None:
                kept.last = latest
                # Its size has changed.
                self._lists[project_id] = kept
        return latest

    def _refuse(self, token: bytes) -> None:
        with self._changing:
            self._refused[token] = True

    def _is_refused(self, token: bytes) -> bool:
        with self._changing:
            return token in self._refused
