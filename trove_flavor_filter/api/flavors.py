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

"""List the flavors of datastore versions, and of an instance."""

from collections.abc import Sequence
import itertools
import typing

from oslo_context import context
from oslo_serialization import jsonutils
import webob

from trove_flavor_filter import acceptance
from trove_flavor_filter.api import guard
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import paths
from trove_flavor_filter.api import query
from trove_flavor_filter.api import trove_bodies
from trove_flavor_filter.api import views
from trove_flavor_filter.db import lookup
from trove_flavor_filter.db import requirements
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter.policy import rules
from trove_flavor_filter import requirement
from trove_flavor_filter import services


# The maximum number of requirements and choices that are cached.
CHOICES = 1000

# The maximum number of flavors of a version that a list says the reasons of.
MOST_REASONS = 20


def list_allowed(request: webob.Request, ctx: context.RequestContext,
                 serves: services.Services, tenant_id: str,
                 datastore_version_id: str) -> webob.Response:
    """List the flavors that a datastore version allows.

    The spec's route. Requirements are read from the database on each request,
    so an admin's change takes effect at once. Flavors on which Trove itself
    does not create an instance are left out.

    :param tenant_id: the project in the path
    :param datastore_version_id: as in the path; any text
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises NotFound: there is no such datastore version, or it is not active
        and the caller is not an admin
    :raises Unavailable: the database or Nova is unavailable
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, rules.LIST)
    return _list(request, ctx, serves, tenant_id, datastore_version_id,
                 serves.requirements.requirement_of(datastore_version_id))


def list_associated(request: webob.Request, ctx: context.RequestContext,
                    serves: services.Services, tenant_id: str,
                    datastore: str, version_id: str) -> webob.Response:
    """List the flavors that a datastore version allows, on Trove's own path.

    Trove's own answer considers associations only and ignores the datastore.
    It includes flavors on which Trove does not create an instance. For a
    datastore version that does not exist, it has all flavors.

    :param datastore: id or name; any text
    :param version_id: id or name of one of its versions; any text
    :raises BadRequest: more than one version of the datastore has this name
    :raises Unauthorized, Forbidden, NotFound, Unavailable: as in
        :func:`list_allowed`
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, rules.TROVES_LIST)
    found = paths.found(
        serves.lookup.versions_named, trove_bodies.LONGEST_NAME,
        datastore, version_id) or ()
    if len(found) > 1:
        raise exception.BadRequest(
            f'Datastore {datastore!r} has more than one version '
            f'{version_id!r}; use the ID of one.')
    return _list(request, ctx, serves, tenant_id, version_id,
                 found[0] if found else None)


def list_for_instance(request: webob.Request, ctx: context.RequestContext,
                      serves: services.Services, tenant_id: str,
                      id: str) -> webob.Response:
    """List the flavors to which an instance can be resized.

    These are the flavors that the guard permits and Trove itself accepts. The
    task and the status of the instance are not considered. The datastore
    version need not be active, since the instance exists already.

    :param id: id of the instance; any text
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises NotFound: there is no such instance, or it belongs to another
        project and the caller is not an admin
    :raises Unavailable: the database or Nova is unavailable
    """
    identity.check(request.environ, ctx, tenant_id)
    caller = nova.Caller(tenant_id, ctx.auth_token)
    resize = guard.Guard(ctx, serves, tenant_id, caller)
    found = paths.own_instance(
        resize, serves.lookup.instance_versions, id, rules.LIST_FOR_INSTANCE)
    listing = serves.catalog.visible(caller)
    (instance,) = found[0].instances
    (present,) = (target for target in found
                  if target.version_id == instance.version_id)
    accepted = resize.resizable(
        present, resize.allowed(found, listing.flavors))
    answer = views.flavor_list(
        request, serves.conf, tenant_id, accepted, listing.service_list,
        (target.requirement for target in found))
    return views.conditional(request, answer)


def list_of_datastore(request: webob.Request, ctx: context.RequestContext,
                      serves: services.Services, tenant_id: str,
                      datastore: str) -> webob.Response:
    """List what each active version of a datastore allows.

    What it says of a version is what :func:`list_allowed` lists. For
    administrators, too, only active versions are listed. With the query
    parameter ``left_out`` it also says why up to so many flavors are not
    allowed, in the words of a refusal.

    :param datastore: id or name; any text
    :raises NotFound: there is no such datastore
    :raises BadRequest: ``left_out`` is not a number up to MOST_REASONS
    :raises Unauthorized, Forbidden, Unavailable: as in :func:`list_allowed`
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, rules.LIST)
    reasons = query.number(request, 'left_out', MOST_REASONS)
    versions = paths.found(serves.lookup.active_versions,
                           trove_bodies.LONGEST_NAME, datastore)
    if versions is None:
        raise exception.NotFound(f'Datastore {datastore!r} cannot be found.')
    listing = serves.catalog.visible(
        nova.Caller(tenant_id, ctx.auth_token))
    flavors, service_list = listing
    known = service_list.choices if flavors is service_list.flavors else {}
    choices = [(version, _choice(serves, listing, version, known))
               for version in versions]
    left_out = [_left_out(listing, version, choice, reasons)
                for version, choice in choices] if reasons else None
    return views.choices(request, serves.conf, tenant_id, choices, listing,
                         left_out)


def _left_out(listing: snapshot.Listing, version: lookup.ResolvedVersion,
              choice: snapshot.Choice, most: int) -> dict[str, typing.Any]:
    """How many flavors a version does not allow, and the first with reasons.

    :param most: of them that are listed
    """
    allowed = set(choice.ids)
    missing = (flavor for flavor in listing.flavors
               if flavor.id not in allowed)
    return {
        'count': len(listing.flavors) - len(choice.ids),
        'flavors': [{
            'str_id': flavor.id, 'name': flavor.name,
            'reasons': version.requirement.violations(flavor) or [
                # The other reason of acceptance.for_create.
                'has no ephemeral disk, on which instances of this version '
                'store their data']}
            for flavor in itertools.islice(missing, most)]}


def _choice(serves: services.Services, listing: snapshot.Listing,
            version: lookup.ResolvedVersion,
            known: dict[typing.Hashable, snapshot.Choice]) -> snapshot.Choice:
    """What a version allows.

    :param known: the choices that are cached for all who see the same flavors
    """
    wanted = version.requirement
    key = wanted, wanted.ignores_case, serves.storages.get(version.manager)
    choice = known.get(key)
    if choice is None:
        ids = tuple(flavor.id for flavor in _accepted(
            serves, listing, wanted, version.manager, version.version_id))
        if len(known) >= CHOICES:
            known.clear()
        # Many requirements leave the same flavors.
        choice = known.get(ids)
        if choice is None:
            json = jsonutils.dump_as_bytes(ids)
            choice = snapshot.Choice(ids, json, views.tag(json).encode())
        known[key] = known[ids] = choice
    return choice


def _list(request: webob.Request, ctx: context.RequestContext,
          serves: services.Services, tenant_id: str, name: str,
          version: (requirements.VersionRequirement
                    | lookup.ResolvedVersion | None)
          ) -> webob.Response:
    """The list of flavors for a datastore version that the caller may see.

    :param name: the datastore version, as in the path
    :raises VersionNotFound: there is none that the caller may see
    """
    if version is None or not (version.active or serves.policy.is_admin(ctx)):
        raise exception.VersionNotFound(name)
    listing = serves.catalog.visible(
        nova.Caller(tenant_id, ctx.auth_token))
    wanted = version.requirement
    accepted = _accepted(serves, listing, wanted, version.manager, name)
    answer = views.flavor_list(
        request, serves.conf, tenant_id, accepted, listing.service_list,
        [wanted])
    return views.conditional(request, answer)


def _accepted(serves: services.Services, listing: snapshot.Listing,
              wanted: requirement.Requirement, manager: str | None,
              name: str) -> Sequence[requirement.Flavor]:
    """The flavors on which Trove creates instances of a datastore version.

    :param name: of the version, for the log
    """
    allowed = wanted.select(listing.flavors)
    if wanted.extra_specs and len(allowed) < len(listing.flavors):
        serves.catalog.warn_of_hidden_specs(listing, name)
    return acceptance.for_create(
        allowed, serves.storages.get(manager), wanted)
