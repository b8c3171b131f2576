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

"""The cache that processes and hosts share the list of flavors in."""

import hashlib
import typing

from oslo_cache import core as oslo_cache
from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter.flavors import snapshot

LOG = log.getLogger(__name__)

# Of a list in the shared cache. Part of its key, so that hosts of two
# releases leave each other's lists alone.
FORMAT = 1


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

    def get(self) -> snapshot.Snapshot | None:
        text = self._try(lambda: self._region.get(self._key))
        if not isinstance(text, str):
            return None
        try:
            return snapshot.Snapshot.from_text(text)
        except Exception as error:
            LOG.warning('The list of flavors in the cache cannot be '
                        'understood: %r', error)
            return None

    def set(self, latest: snapshot.Snapshot) -> None:
        self._try(lambda: self._region.set(self._key, latest.to_text()))

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
