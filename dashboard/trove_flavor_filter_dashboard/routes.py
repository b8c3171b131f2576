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


"""Ask Trove which flavors are allowed: the routes of trove-flavor-filter."""

import logging
import types
import typing

from django.core.cache.backends import locmem
from django.http import HttpRequest
from horizon.templatetags import sizeformat
from horizon.utils import memoized
from openstack_dashboard.api import base
from trove_dashboard.api import trove
from troveclient import exceptions

LOG = logging.getLogger(__name__)

# Relative to the database endpoint of a project; %s is an id.
VERSION = '/flavors/datastores/versions/%s'
INSTANCE = '/instances/%s/flavors'

# Seconds for which a Trove that has no such route is not asked for it again.
ABSENCE_TIME = 60

# In this process alone: a shared cache may be down, and what it would save is
# one small request a minute.
_absent = locmem.LocMemCache(__name__, {'TIMEOUT': ABSENCE_TIME})


class Flavor(types.SimpleNamespace):
    """A flavor as a dialog takes it: an id, and what to show and sort by.

    :ivar id: Nova's id of it, a string
    :ivar name: the text to show: its name and its sizes
    :ivar ram: MiB
    :ivar vcpus: number of virtual CPUs
    :ivar disk: GiB
    """


def are_there(request: HttpRequest, route: str) -> bool:
    """Whether it is worth asking: no answer so far says otherwise."""
    return not (_failures(request) or _absent.get(_key(request, route)))


@memoized.memoized
def allowed(request: HttpRequest, route: str,
            resource_id: str) -> list[Flavor] | None:
    """List the flavors that a datastore version or an instance may have.

    Trove is asked once for each request of a user.

    :param route: VERSION or INSTANCE
    :returns: in Trove's order; None when Trove does not tell, because it has
        no such route or because it failed, which is logged
    :raises Unauthorized: the user's token is no longer valid
    """
    if not are_there(request, route):
        return None
    path = route % resource_id
    # Without raise_exc, because troveclient's exceptions fail of the header
    # Retry-After.
    response, body = trove.troveclient(request).client.get(
        path, raise_exc=False)
    if response.status_code == 200:
        return [_flavor(document) for document in body['flavors']]
    if response.status_code == 401:
        raise exceptions.Unauthorized(response.text)
    if response.status_code == 404:
        if resource_id in response.text:
            # The plugin itself says what it did not find: a datastore
            # version that is inactive by now and cannot be launched.
            return []
        _absent.set(_key(request, route), True)
        return None
    failure = f'GET {path}: HTTP {response.status_code}: {response.text[:200]}'
    LOG.warning('The dialog offers all flavors: %s', failure)
    _failures(request).append(failure)
    return None


@memoized.memoized
def _failures(request: HttpRequest) -> list[str]:
    """What Trove failed of for a user's request: nobody waits for it twice."""
    return []


def _key(request: HttpRequest, route: str) -> str:
    """A route of the Trove of a region, whatever the project."""
    return route + base.url_for(request, 'database').replace(
        request.user.project_id, '')


def _flavor(document: dict[str, typing.Any]) -> Flavor:
    # Trove gives some ids as integers, which the dialogs would take for
    # other flavors.
    return Flavor(**document | {
        'id': document['str_id'],
        'name': ' | '.join((
            document['name'],
            f'{sizeformat.mb_float_format(document["ram"])} RAM',
            f'{document["vcpus"]} VCPU',
            f'{sizeformat.diskgbformat(document["disk"])} Disk'))})
