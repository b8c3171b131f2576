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


"""Get what Trove accepts from it, by the routes of trove-flavor-filter."""

import collections
import logging
import types
import typing
import urllib.parse

from django.core.cache.backends import locmem
from django.http import HttpRequest
from django.utils.translation import gettext as _
from horizon.templatetags import sizeformat
from horizon.utils import memoized
from keystoneauth1 import exceptions as keystone_exceptions
from openstack_dashboard.api import base
from trove_dashboard.api import trove
from troveclient import exceptions

LOG = logging.getLogger(__name__)

# Relative to the database endpoint of a project; %s is an id, or the name of a
# datastore. A list of a datastore has the reasons for three flavors that a
# version leaves out.
DATASTORE = '/flavors/datastores/%s?left_out=3'
VERSION = '/flavors/datastores/versions/%s'
INSTANCE = '/instances/%s/flavors'
UPGRADES = '/instances/%s/datastore-versions'
# Trove's own, of a datastore and a version.
VOLUME_TYPES = '/datastores/%s/versions/%s/volume-types'

# The header of all answers of the plugin.
MARK = 'Trove-Flavor-Filter'

# After Trove has answered that it lacks a route, the time in seconds until it
# is asked again.
ABSENCE_TIME = 60

# The number of lists that are remembered for the current requests of users.
# With Horizon's default of 25, a dialog with more versions asks again.
LISTS = 1000

# Cached in this process only: a shared cache may be down, and it would save
# only one small request a minute.
_absent = locmem.LocMemCache(__name__, {'TIMEOUT': ABSENCE_TIME})


class Flavor(types.SimpleNamespace):
    """A flavor in a dialog: an id, and the fields to show and sort by.

    :ivar id: its id in Nova, a string
    :ivar name: the text to show: its name and sizes
    :ivar ram: MiB
    :ivar vcpus: number of virtual CPUs
    :ivar disk: GiB
    """


class Bounds(typing.NamedTuple):
    """The bounds of a data volume, in GiB; None for no bound."""

    min_size: int | None
    max_size: int | None


class LeftOut(typing.NamedTuple):
    """The flavors that a datastore version does not allow.

    :ivar number: of all of them
    :ivar reasons: why not, for the first of them: a text for each flavor
    """

    number: int
    reasons: tuple[str, ...]


class Version(typing.NamedTuple):
    """A datastore version, and what it allows.

    :ivar flavors: in Trove's order
    :ivar left_out: the other flavors; None if Trove does not tell
    :ivar limits_types: whether Trove accepts some types of volumes only
    """

    id: str
    name: str
    flavors: list[Flavor]
    volume: Bounds
    limits_types: bool
    left_out: LeftOut | None


class Upgrade(typing.NamedTuple):
    """A datastore version that an instance may be upgraded to.

    :ivar name: the text to show: its name, and its number if need be
    """

    id: str
    name: str


def are_there(request: HttpRequest, route: str) -> bool:
    """Whether to ask Trove: false if it lacks the route or has failed."""
    return not (_failures(request) or _absent.get(_key(request, route)))


@memoized.memoized(max_size=LISTS)
def allowed(request: HttpRequest, route: str,
            resource_id: str) -> list[Flavor] | None:
    """List the flavors that are allowed for a version or an instance.

    :param route: VERSION or INSTANCE
    :returns: in Trove's order; None if Trove lacks the route, or if the
        request failed, which is logged
    :raises Unauthorized: the user's token is no longer valid
    """
    document = _document(request, route, resource_id)
    if document is None:
        return None
    return [_flavor(flavor) for flavor in document.get('flavors', ())]


def volume_of(request: HttpRequest, instance_id: str) -> Bounds:
    """The bounds of an instance's data volume; none if they are not known.

    :raises Unauthorized: the user's token is no longer valid
    """
    return _bounds(_document(request, INSTANCE, instance_id) or {})


def _bounds(document: dict[str, typing.Any]) -> Bounds:
    # An older release of the plugin does not list them.
    bounds = document.get('volume') or {}
    return Bounds(bounds.get('min_size'), bounds.get('max_size'))


@memoized.memoized(max_size=LISTS)
def versions(request: HttpRequest, datastore: str) -> list[Version] | None:
    """List what each active version of a datastore allows, in one request.

    :param datastore: its name or its id
    :returns: as :func:`allowed`, for DATASTORE
    :raises Unauthorized: the user's token is no longer valid
    """
    document = _document(request, DATASTORE, datastore)
    if document is None:
        return None
    # Shared by all versions, since each may allow hundreds.
    flavors = {flavor['str_id']: _flavor(flavor)
               for flavor in document.get('flavors', ())}
    return [Version(version['id'], version['name'],
                    [flavors[flavor_id] for flavor_id in version['flavors']],
                    _bounds(version), 'volume_types' in version,
                    _left_out(version.get('left_out')))
            for version in document.get('datastore_versions', ())]


def _left_out(document: dict[str, typing.Any] | None) -> LeftOut | None:
    if document is None:
        # An older release of the plugin.
        return None
    return LeftOut(document['count'], tuple(
        f'{flavor["name"]} ({"; ".join(flavor["reasons"])})'
        for flavor in document['flavors']))


def upgrades(request: HttpRequest, instance_id: str) -> list[Upgrade] | None:
    """List the datastore versions that an instance may be upgraded to.

    :returns: as :func:`allowed`, for UPGRADES
    :raises Unauthorized: the user's token is no longer valid
    """
    document = _document(request, UPGRADES, instance_id)
    if document is None:
        return None
    found = document.get('datastore_versions', ())
    count = collections.Counter(version['name'] for version in found)
    return [Upgrade(
        version['id'], version['name'] if count[version['name']] == 1
        else text_of_version(version)) for version in found]


def volume_types(request: HttpRequest, datastore: str,
                 version_id: str) -> list[str] | None:
    """List the names of the volume types that Trove accepts for a version.

    :returns: None if that is not known
    :raises Unauthorized: the user's token is no longer valid
    """
    document = _document(request, VOLUME_TYPES, datastore, version_id)
    if document is None:
        return None
    return [volume_type['name']
            for volume_type in document.get('volume_types', ())]


def text_of_version(version: dict[str, typing.Any]) -> str:
    """The name of a datastore version, and its number.

    :param version: Trove's document of it
    """
    return _('%(version)s (number %(number)s)') % {
        'version': version['name'],
        'number': version.get('version') or version['id']}


@memoized.memoized(max_size=LISTS)
def _document(request: HttpRequest, route: str,
              *resources: str) -> dict[str, typing.Any] | None:
    """Ask Trove for a list, once for the current request of the user.

    :returns: empty if there is no such resource; None if Trove lacks the
        route, or if the request failed, which is logged
    """
    if not are_there(request, route):
        return None
    path = route % tuple(urllib.parse.quote(resource, safe='')
                         for resource in resources)
    # Without raise_exc, since troveclient's exceptions cannot handle the
    # header Retry-After.
    client = trove.troveclient(request).client
    try:
        response, body = client.get(path, raise_exc=False)
    except keystone_exceptions.ClientException as error:
        # For example, Trove has closed the connection.
        _fail(request, f'GET {path}: {error}')
        return None
    if response.status_code == 200:
        return body
    if response.status_code == 401:
        raise exceptions.Unauthorized(response.text)
    if response.status_code == 404:
        if has_route(client, path, response):
            # For example, a datastore version has become inactive.
            return {}
        _absent.set(_key(request, route), True)
        return None
    _fail(request,
          f'GET {path}: HTTP {response.status_code}: {response.text[:200]}')
    return None


def _fail(request: HttpRequest, failure: str) -> None:
    LOG.warning('What a dialog offers is not limited: %s', failure)
    _failures(request).append(failure)


def has_failed(request: HttpRequest) -> bool:
    """Whether Trove has failed to answer in this user's request."""
    return bool(_failures(request))


def refusal(request: HttpRequest, datastore: str | None, version: str | None,
            flavor_id: str) -> str | None:
    """Ask Trove why it refuses a flavor for a new instance.

    The request has no name for the instance, so that Trove never creates one:
    the name is required. The plugin checks the flavor before.

    :param version: name or id of the datastore version
    :returns: the plugin's message; None if there is none
    """
    try:
        response, body = trove.troveclient(request).client.post(
            '/instances', raise_exc=False, body={'instance': {
                'flavorRef': flavor_id,
                'datastore': {'type': datastore, 'version': version}}})
    except keystone_exceptions.ClientException as error:
        LOG.warning('The reason of a refusal is not known: %s', error)
        return None
    if response.status_code != 400 or MARK not in response.headers:
        return None
    return body['badRequest']['message']


def has_route(client: typing.Any, path: str, response: typing.Any) -> bool:
    """Whether Trove has the route that it has answered with 404.

    The plugin marks its answers. Its earlier releases do not, but they answer
    405 to a method that a route of theirs does not have, as no route has POST.
    (OPTIONS does not reach them: the filter for CORS answers it.)
    """
    if MARK in response.headers:
        return True
    response, _body = client.request(path, 'POST', raise_exc=False)
    return response.status_code == 405


@memoized.memoized(max_size=LISTS)
def _failures(request: HttpRequest) -> list[str]:
    """Trove's failures in a user's request, so that it waits only once."""
    return []


def _key(request: HttpRequest, route: str) -> str:
    """The cache key of a route: the same for all projects of a region."""
    return route + base.url_for(request, 'database').replace(
        request.user.project_id, '')


def _flavor(document: dict[str, typing.Any]) -> Flavor:
    # Trove returns some ids as integers, which the dialogs would treat as
    # other flavors.
    return Flavor(**document | {
        'id': document['str_id'],
        'name': _('%(name)s | %(ram)s RAM | %(vcpus)s VCPU | %(disk)s Disk')
        % {'name': document['name'], 'vcpus': document['vcpus'],
           'ram': sizeformat.mb_float_format(document['ram']),
           'disk': sizeformat.diskgbformat(document['disk'])}})
