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


"""Show the flavors of instances and clusters in trove-dashboard's tables."""

from collections.abc import Callable
import logging
import typing

from django.http import HttpRequest
from django.utils.translation import gettext as _
from horizon import exceptions
from horizon.utils import memoized
from novaclient import exceptions as nova_exceptions
from trove_dashboard.api import trove
from trove_dashboard.content.database_clusters import views as cluster_views
from trove_dashboard.content.databases import views

LOG = logging.getLogger(__name__)

# The original functions, before install().
_flavor_get = trove.flavor_get
_cluster_list = trove.cluster_list


def install() -> None:
    """Replace the functions that the tables call."""
    trove.flavor_get = flavor_get
    trove.cluster_list = cluster_list
    for view_class in views.IndexView, cluster_views.IndexView:
        view_class.get_flavors = with_troves(view_class.get_flavors)


def flavor_get(request: HttpRequest, flavor_id: str) -> typing.Any:
    """Show a flavor, even if it is private to Trove's own project.

    :raises NotFound: the user can see it neither in Nova nor in Trove
    """
    try:
        return _flavor_get(request, flavor_id)
    except nova_exceptions.NotFound:
        return trove.troveclient(request).flavors.get(flavor_id)


def cluster_list(request: HttpRequest, marker: str | None = None
                 ) -> typing.Any:
    """List clusters; the first instance of each has its flavor.

    Trove's list of clusters does not have flavors, but its list of instances
    does.

    :param marker: the id of the last cluster of the page before
    :returns: troveclient's list of them
    """
    clusters = _cluster_list(request, marker)
    # The table shows the flavor of the first instance.
    wanted = {member['id']: member for cluster in clusters
              for member in cluster.instances[:1] if 'flavor' not in member}
    try:
        _add_flavors(request, wanted)
    except Exception as error:
        # The table shows the number of instances only, as before.
        LOG.warning('The flavors of clusters are not known: %s', error)
    return clusters


def _add_flavors(request: HttpRequest,
                 wanted: dict[str, dict[str, typing.Any]]) -> None:
    """Add flavors to members of clusters, given by their ids.

    Trove sorts instances by id. Each page of them that is read begins with
    one that is wanted, so there are at most as many pages as members.
    """
    while wanted:
        first = min(wanted)
        # A page has the ids that come after the marker.
        found = {instance.id: instance.flavor for instance
                 in trove.troveclient(request).instances.list(
                     marker=first[:-1], include_clustered=True)}
        for member_id in [*wanted]:
            if member_id in found:
                wanted.pop(member_id)['flavor'] = found[member_id]
        # It may have been deleted meanwhile.
        wanted.pop(first, None)


def with_troves(get_flavors: Callable[[typing.Any], dict[str, typing.Any]]
                ) -> Callable[[typing.Any], dict[str, typing.Any]]:
    """Let the view of a table know Trove's flavors as well as Nova's.

    Trove's may be private to its own project.
    """
    def wrapped(view: typing.Any) -> dict[str, typing.Any]:
        return _Flavors(view.request, get_flavors(view))

    return wrapped


class _Flavors(dict[str, typing.Any]):
    """Flavors by id: Nova's, and Trove's as soon as one is missing."""

    def __init__(self, request: HttpRequest,
                 flavors: dict[str, typing.Any]):
        super().__init__(flavors)
        self._request = request

    def get(self, flavor_id: str, default: typing.Any = None) -> typing.Any:
        if flavor_id in self:
            return self[flavor_id]
        return _troves_flavors(self._request).get(flavor_id, default)


@memoized.memoized
def _troves_flavors(request: HttpRequest) -> dict[str, typing.Any]:
    """The flavors that Trove's service project can see, by id."""
    try:
        return {flavor.str_id: flavor
                for flavor in trove.troveclient(request).flavors.list()}
    except Exception:
        exceptions.handle(request, _(
            'Unable to retrieve database size information.'))
        return {}
