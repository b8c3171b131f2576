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

"""The lists of flavors: of a datastore version, and of an instance."""

from collections.abc import Callable

from oslo_context import context
from oslo_log import log
import webob

from trove_flavor_filter.api import guard
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import views
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import targets
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
    return _list(request, ctx, serves, tenant_id, datastore_version_id,
                 serves.requirements.requirement_of(datastore_version_id))


def list_associated(request: webob.Request, ctx: context.RequestContext,
                    serves: services.Services, tenant_id: str,
                    datastore: str, version_id: str) -> webob.Response:
    """List the flavors that a datastore version allows, on Trove's own path.

    Trove looks at associations alone, ignores the datastore, and lists all
    flavors of a datastore version that there is not.

    :param datastore: id or name, whatever it may be
    :param version_id: id or name of one of its versions, whatever it may be
    :raises BadRequest: more than one version of the datastore has the name
    :raises Unauthorized, Forbidden, NotFound, Unavailable: as of
        :func:`list_allowed`
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, policies.TROVES_LIST)
    found = _found(serves.targets.versions_named, guard.LONGEST_NAME,
                   datastore, version_id)
    if len(found) > 1:
        raise exception.BadRequest(
            f'Datastore {datastore!r} has more than one version '
            f'{version_id!r}; use the ID of one.')
    return _list(request, ctx, serves, tenant_id, version_id,
                 found[0] if found else None)


def list_for_instance(request: webob.Request, ctx: context.RequestContext,
                      serves: services.Services, tenant_id: str,
                      id: str) -> webob.Response:
    """List the flavors that the guard would let an instance be resized to.

    Also when its datastore version is not active: the instance is there
    already.

    :param id: of the instance, whatever it may be
    :raises Unauthorized, Forbidden: the caller may not
    :raises NotFound: no such instance, or another project's and a caller who
        is no admin
    :raises Unavailable: the database or Nova is away
    """
    identity.check(request.environ, ctx, tenant_id)
    caller = nova.Caller(tenant_id, ctx.auth_token)
    resize = guard.Guard(ctx, serves, tenant_id, caller)
    found = resize.own(
        _found(serves.targets.instance_version, guard.LONGEST_ID, id))
    if not found:
        raise exception.NotFound(f'Resource {id} cannot be found.')
    # As Trove does: who may not see an instance is not told that it is there.
    serves.policy.authorize(ctx, policies.LIST_FOR_INSTANCE,
                            found[0].tenant_id)
    listing = serves.catalog.visible(caller)
    answer = views.flavor_list(
        request, serves.conf, tenant_id,
        resize.allowed(found[0], listing.flavors), listing.common)
    return views.conditional(request, answer)


def _found(find: Callable[..., list[targets.Target]], longest: int,
           *texts: str) -> list[targets.Target]:
    """What there is by the names or ids of a path, whatever those may be.

    :param longest: characters that the column has room for
    """
    # Not all databases take a NUL well.
    if any(len(text) > longest or '\0' in text for text in texts):
        return []
    try:
        return find(*texts)
    except exception.BadRequest:
        # Characters that the database cannot hold.
        return []


def _list(request: webob.Request, ctx: context.RequestContext,
          serves: services.Services, tenant_id: str, name: str,
          version: requirements.VersionRequirement | targets.Target | None
          ) -> webob.Response:
    """The answer for a datastore version, if there is one for the caller.

    :param name: of the datastore version in the path
    """
    if version is None or not (version.active or serves.policy.is_admin(ctx)):
        raise exception.VersionNotFound(name)
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
                    'do.', name)
    answer = views.flavor_list(
        request, serves.conf, tenant_id, allowed, listing.common)
    return views.conditional(request, answer)
