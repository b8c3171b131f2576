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

"""The JSON documents: flavors and faults, as Trove spells them."""

from collections.abc import Iterable
import re
import typing

from oslo_config import cfg
from oslo_serialization import jsonutils
import webob

from trove_flavor_filter import exception
from trove_flavor_filter import requirement

# The API's version as it stands in the path.
VERSION = re.compile(r'/v(\d+\.?\d*)')


def flavor_list(request: webob.Request, conf: cfg.ConfigOpts,
                project_id: str,
                flavors: Iterable[requirement.Flavor]) -> dict:
    """The document of a list of flavors, as GET /flavors would give it.

    :param conf: decides over ``local_storage`` and the links' prefix
    """
    # Trove shows the ephemeral disk under this name where instances keep
    # their data on it (FlavorView.data).
    local_storage = not conf.trove_volume_support and conf.device_path
    prefix = conf.flavor_filter.public_endpoint or f'https://{request.host}'
    version = VERSION.search(request.path)
    own = (f'{prefix.rstrip("/")}/v{version[1] if version else "1.0"}/'
           f'{project_id}/flavors')
    bookmark = f'{prefix.rstrip("/")}/flavors'
    return {'flavors': [
        _flavor(flavor, own, bookmark, local_storage is not None
                and local_storage is not False)
        for flavor in flavors]}


def _flavor(flavor: requirement.Flavor, own: str, bookmark: str,
            local_storage: bool) -> dict[str, typing.Any]:
    numeric = flavor.id.isdigit() and not flavor.id.startswith('0')
    document = {
        'id': int(flavor.id) if numeric else None,
        'links': [{'href': f'{own}/{flavor.id}', 'rel': 'self'},
                  {'href': f'{bookmark}/{flavor.id}', 'rel': 'bookmark'}],
        'name': flavor.name,
        'ram': flavor.ram,
        'vcpus': flavor.vcpus,
        'disk': flavor.disk,
        'ephemeral': flavor.ephemeral,
        'str_id': flavor.id,
    }
    if local_storage:
        document['local_storage'] = flavor.ephemeral
    return document


def response(document: dict, status: int = 200,
             headers: Iterable[tuple[str, str]] = ()) -> webob.Response:
    """A JSON response."""
    answer = webob.Response(
        body=jsonutils.dump_as_bytes(document), status=status,
        content_type='application/json', charset=None)
    answer.headers.extend(headers)
    return answer


def fault(error: exception.FlavorFilterError) -> webob.Response:
    """An error, as Trove's Fault spells it."""
    return response(
        {error.fault: {'code': error.status, 'message': str(error)}},
        error.status, error.headers)
