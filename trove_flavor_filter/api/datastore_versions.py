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

"""List the datastore versions that an instance may be upgraded to."""

from oslo_context import context
import webob

from trove_flavor_filter.api import guard
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import paths
from trove_flavor_filter.api import views
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.policy import rules
from trove_flavor_filter import services


def list_for_instance(request: webob.Request, ctx: context.RequestContext,
                      serves: services.Services, tenant_id: str,
                      id: str) -> webob.Response:
    """List the datastore versions to which an instance can be upgraded.

    These are the other versions of its datastore that the guard lets through
    with the instance's flavor and data volume, as they are now. Trove upgrades
    to inactive versions as well. While the instance is busy with a task, there
    are none, if any version of its datastore has a requirement.

    :param id: id of the instance; any text
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises NotFound: there is no such instance, or it belongs to another
        project and the caller is not an admin
    :raises Unavailable: the database is unavailable; or Nova is, and the
        flavor has to be compared with a requirement
    """
    identity.check(request.environ, ctx, tenant_id)
    upgrade = guard.Guard(ctx, serves, tenant_id,
                          nova.Caller(tenant_id, ctx.auth_token), id)
    found = paths.own_instance(
        upgrade, serves.lookup.instance_upgrades, id, rules.LIST_VERSIONS)
    return views.conditional(request, views.version_list(
        request, serves.conf, tenant_id, upgrade.upgradable(found),
        serves.policy.is_admin(ctx)))
