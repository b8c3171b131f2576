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


"""What a dialog may offer, also where Trove has an older plugin."""

from collections.abc import Iterable
import typing

from django.http import HttpRequest
from horizon.utils import memoized
from trove_dashboard.api import trove

from trove_flavor_filter_dashboard import routes


def for_instance(request: HttpRequest,
                 instance: typing.Any) -> list[routes.Flavor] | None:
    """List the flavors to which an instance may be resized.

    :param instance: troveclient's
    :returns: None if that is not known
    """
    flavors = routes.allowed(request, routes.INSTANCE, instance.id)
    if flavors is not None:
        return flavors
    # An older release of the plugin, without this route.
    datastore = instance.datastore
    return _common(request, (
        version for version in _versions(request, datastore['type'])
        if version.name == datastore['version']
        and version.to_dict().get('version') == datastore.get(
            'version_number')))


def for_version(request: HttpRequest, datastore: str | None,
                name_or_id: str | None) -> list[routes.Flavor] | None:
    """List the flavors that a datastore version allows.

    :param name_or_id: of the version; if several versions share a name, what
        all of them allow is listed
    :returns: None if that is not known
    """
    versions = versions_named(request, datastore, name_or_id)
    if versions:
        return _in_all([version.flavors for version in versions])
    # An older release of the plugin, without the route for a datastore; or
    # the version is not active.
    return _common(request, (
        version for version in _versions(request, datastore)
        if name_or_id in (version.name, version.id)))


def versions_named(request: HttpRequest, datastore: str | None,
                   name_or_id: str | None) -> list[routes.Version]:
    """What Trove says of a datastore version; empty if it does not tell.

    Several are found if they share the name. Ids take its place then.
    """
    versions = routes.versions(request, datastore) if datastore else None
    return ([version for version in versions or ()
             if version.id == name_or_id]
            or [version for version in versions or ()
                if version.name == name_or_id])


def id_of(request: HttpRequest, datastore: str | None,
          name_or_id: str | None) -> str | None:
    """The id of the one active version that a form means.

    :returns: what the form has if Trove does not tell
    """
    found = versions_named(request, datastore, name_or_id)
    return found[0].id if len(found) == 1 else name_or_id


def _versions(request: HttpRequest,
              datastore: str | None) -> list[typing.Any]:
    """List a datastore's versions; empty if Trove need not be asked."""
    if datastore is None or not routes.are_there(request, routes.VERSION):
        return []
    return _listed_versions(request, datastore)


@memoized.memoized
def _listed_versions(request: HttpRequest,
                     datastore: str) -> list[typing.Any]:
    return trove.datastore_version_list(request, datastore)


def _common(request: HttpRequest, versions: Iterable[typing.Any]
            ) -> list[routes.Flavor] | None:
    """List the flavors that all the given datastore versions allow.

    :returns: None if there are no versions, or a list is not available
    """
    lists = [routes.allowed(request, routes.VERSION, version.id)
             for version in versions]
    if not lists or None in lists:
        return None
    return _in_all(lists)


def _in_all(lists: list[list[routes.Flavor]]) -> list[routes.Flavor]:
    """The flavors that are in each of the lists, in their order."""
    ids = set.intersection(*({flavor.id for flavor in flavors}
                             for flavors in lists))
    return [flavor for flavor in lists[0] if flavor.id in ids]
