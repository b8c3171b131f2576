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

"""The sizes of volumes in Cinder, requested in the way that Trove does."""

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import session
from oslo_config import cfg

from trove_flavor_filter import exception
from trove_flavor_filter import keystone


class CinderVolumes:
    """Cinder's volumes.

    Keystone's catalog says where Cinder is, as for Trove: Trove sets its
    ``cinder_url`` where its client, which has a session, does not look.

    :param conf: ``[service_credentials]`` and the ``cinder_*`` options have
        the credentials, and which endpoint of the catalog it is
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._session: session.Session | None = None

    def size(self, volume_id: str) -> int | None:
        """The size of a volume, in GiB.

        :returns: None if Trove's service user sees no such volume
        :raises CinderUnavailable: Cinder or Keystone is unavailable
        """
        conf = self._conf
        try:
            if self._session is None:
                self._session = keystone.new_session(
                    conf, keystone.password(conf),
                    conf.flavor_filter.nova_timeout)
            answer = self._session.get(
                f'/volumes/{volume_id}', endpoint_filter={
                    'service_type': conf.cinder_service_type,
                    'interface': conf.cinder_endpoint_type,
                    'region_name': conf.service_credentials.region_name},
                raise_exc=False,
                **({'verify': False} if conf.cinder_api_insecure else {}))
            # Of Cinder; Keystone's is an outage.
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            return int(answer.json()['volume']['size'])
        except exception.Misconfigured as error:
            raise exception.CinderUnavailable(str(error)) from error
        except (keystone_exceptions.ClientException, KeyError, TypeError,
                ValueError, AttributeError, OverflowError,
                OSError) as error:
            raise exception.CinderUnavailable(
                f'Cinder returned no volume: {type(error).__name__}: {error}'
            ) from error
