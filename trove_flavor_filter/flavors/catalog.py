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

"""Nova's flavors, cached: available while Nova is slow or unavailable.

Each process caches the last list, and refreshes it in time: from the shared
cache that ``[cache]`` configures, or else from Nova. One process at a time
asks Nova.
"""

import threading
import typing

import cachetools
from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import clock as clocks
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.flavors import project_flavors
from trove_flavor_filter.flavors import refreshing
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot as snapshots
from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)

# Trove's client that asks Nova with the caller's token.
CALLERS_CLIENT = 'trove.common.clients.nova_client'

# Flavors that are not in the list are looked up one by one. The answers are
# cached, also negative ones. These are the seconds, the number of answers, the
# maximum length of an id (which may be percent-encoded), and the maximum
# number of lookups for one request.
FOUND_TIME = 5
FOUND = 1000
LONGEST = 3 * 255
LOOKUPS = 4
UNKNOWN = object()


class Catalog:
    """The cached list of Nova's flavors.

    :param conf: ``[flavor_filter]`` has the cache times, ``[cache]`` the
        shared cache; ``remote_nova_client`` tells whether Trove asks Nova
        with the caller's token
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 clock: clocks.Clock = clocks.Clock()):
        self._nova = nova.NovaFlavors(conf)
        self._clock = clock
        self._times = refreshing.Times.of(conf, clock)
        self._cache = shared.SharedCache(conf, clock)
        self._by_caller = conf.remote_nova_client == CALLERS_CLIENT
        self._service_list: refreshing.StaleWhileRevalidate[
            snapshots.Snapshot] = refreshing.StaleWhileRevalidate(
                self._times)
        # Without the callers' lists there would be no list at all.
        self._project_flavors = project_flavors.ProjectFlavors(
            self._times if self._by_caller else self._times.private(conf),
            self._nova, self._cache, essential=self._by_caller)
        self._troubled = False
        self._sees_all = True
        self._hides_specs = False
        self._found: typing.Any = cachetools.TTLCache(
            FOUND, min(FOUND_TIME, self._times.cache), clock.monotonic)
        self._finding = threading.Lock()

    def visible(self, caller: nova.Caller) -> snapshots.Listing:
        """The flavors that Nova lists for a caller, in Nova's order.

        They include those that Nova lists for Trove's service user, as in
        Trove's own list.

        :raises NovaUnavailable: Nova is unavailable, and no cached list is
            recent enough
        """
        if caller.listing is None:
            service_list = self._snapshot()
            flavors = service_list.flavors
            if service_list.private_elsewhere:
                flavors = self._project_flavors.of(
                    caller, service_list).merged(service_list)
            caller.listing = snapshots.Listing(flavors, service_list)
        return caller.listing

    def find(self, flavor_id: str,
             caller: nova.Caller) -> requirement.Flavor | None:
        """The flavor that Trove would get for an id, in any spelling.

        :returns: None when there is no such flavor
        :raises FlavorNotFound: Nova had no such flavor some seconds ago, or
            this request has looked up too many
        :raises NovaUnavailable: Nova or Keystone is unavailable
        :raises BadRequest: the id leads to another path of Nova's API
        """
        flavors, service_list = self.visible(caller)
        flavor = service_list.by_id.get(flavor_id)
        if flavor is None and flavors is not service_list.flavors:
            flavor = next((one for one in flavors if one.id == flavor_id),
                          None)
        return flavor or self._look_up(flavor_id, caller)

    def warn_of_hidden_specs(self, listing: snapshots.Listing,
                             version: str) -> None:
        """Log that Nova does not show the extra specs of all flavors.

        This is logged once, and again only if Nova has shown them meanwhile,
        in the service list.

        :param listing: from :meth:`visible`
        :param version: a datastore version that requires extra specs
        """
        # The service list is the same for all callers, so that two callers
        # who see different things do not have this logged on each request.
        # Where it is empty, a list that shows them all tells nothing.
        hides = any(flavor.extra_specs is None for flavor in
                    listing.service_list.flavors or listing.flavors)
        if hides and not self._hides_specs:
            LOG.warning('Datastore version %s requires an extra spec, and '
                        'Nova does not show those of all flavors; '
                        '"trove-flavor-filter-status upgrade check" says '
                        'what to do.', version)
        if hides or listing.service_list.flavors:
            self._hides_specs = hides

    def _look_up(self, flavor_id: str,
                 caller: nova.Caller) -> requirement.Flavor | None:
        """Look up one flavor in Nova, which accepts several spellings."""
        whose = caller.project_id if self._by_caller else ''
        with self._finding:
            flavor = self._found.get((whose, flavor_id), UNKNOWN)
        if flavor is not UNKNOWN:
            if flavor is None:
                # Do not leave this to Trove: it would find a flavor that was
                # created in the meantime, without our check.
                raise exception.FlavorNotFound(
                    f'Flavor {flavor_id[:255]} cannot be found.')
            return flavor
        if len(caller.unlisted) >= LOOKUPS:
            raise exception.FlavorNotFound(
                f'Flavors {", ".join(caller.unlisted)} cannot be found in '
                f'the list of flavors.')
        caller.unlisted.append(flavor_id[:255])
        flavor = self._nova.find(flavor_id,
                                 caller if self._by_caller else None)
        if len(flavor_id) <= LONGEST:
            with self._finding:
                self._found[whose, flavor_id] = flavor
        return flavor

    def _snapshot(self) -> snapshots.Snapshot:
        """The service list: what Nova lists for Trove's service user."""
        if self._by_caller:
            return snapshots.Snapshot(self._clock.time(), [], True)
        if not self._times.cache:
            return self._ask()
        return self._service_list.get(self._fetch)

    def _fetch(self, waited_for: bool) -> snapshots.Snapshot:
        """Get a newer list from the shared cache, or else from Nova.

        :raises NovaUnavailable: Nova or Keystone is unavailable
        """
        return self._cache.get_or_refresh(
            '', snapshots.Snapshot, self._service_list.last, self._times.fresh,
            waited_for, self._ask_again)

    def _ask_again(self, newest: snapshots.Snapshot | None
                   ) -> snapshots.Snapshot:
        try:
            latest = self._ask()
        except exception.NovaUnavailable as error:
            if newest is not None and self._times.usable(newest):
                self._service_list.last = newest
                if not self._troubled:
                    # Log once per outage, not once per retry. Without a list
                    # to fall back on, the failed requests are logged instead.
                    self._troubled = True
                    LOG.warning('Nova is unavailable; serving the last list '
                                'of flavors until it is back: %s',
                                error.reason)
            raise
        if self._troubled:
            self._troubled = False
            LOG.info('Nova lists flavors again.')
        return latest

    def _ask(self) -> snapshots.Snapshot:
        asked = self._clock.time()
        listed = self._nova.listed()
        if self._sees_all and not listed.sees_all:
            LOG.info('%s.', nova.UNSEEN)
        self._sees_all = listed.sees_all
        return snapshots.Snapshot(asked, listed.flavors,
                                  listed.private_elsewhere)
