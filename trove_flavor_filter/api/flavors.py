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

"""GET /{tenant_id}/flavors/datastores/versions/{datastore_version_id}."""

from oslo_context import context
from oslo_log import log
import webob

from trove_flavor_filter.api import identity
from trove_flavor_filter.api import views
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter import policies
from trove_flavor_filter import services

LOG = log.getLogger(__name__)


def list_allowed(request: webob.Request, ctx: context.RequestContext,
                 serves: services.Services, tenant_id: str,
                 datastore_version_id: str) -> webob.Response:
    """List the flavors that a datastore version allows.

    The spec's route. Associations are read on each request, so that what an
    admin changes is in force at once.

    :param tenant_id: the project of the path
    :param datastore_version_id: of the path, whatever it may be
    :raises Unauthorized, Forbidden: the caller may not
    :raises NotFound: no such datastore version, or one that is not active
        and a caller who is no admin
    :raises Unavailable: the database or Nova is away
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, policies.LIST)
    version = serves.requirements.requirement_of(datastore_version_id)
    if version is None or not (version.active or serves.policy.is_admin(ctx)):
        raise exception.NotFound(
            f'Datastore version \'{datastore_version_id}\' cannot be found.')
    listing = serves.catalog.visible(
        nova.Caller(tenant_id, ctx.auth_token))
    wanted = version.requirement
    allowed = wanted.select(listing.flavors)
    if (wanted.extra_specs and len(allowed) < len(listing.flavors)
            and any(flavor.extra_specs is None
                    for flavor in listing.flavors)):
        LOG.warning('Datastore version %s requires an extra spec, and Nova '
                    'does not show those of all flavors; '
                    '"trove-flavor-filter-status upgrade check" says what to '
                    'do.', datastore_version_id)
    answer = views.flavor_list(
        request, serves.conf, tenant_id, allowed, listing.common)
    return views.conditional(request, answer)
