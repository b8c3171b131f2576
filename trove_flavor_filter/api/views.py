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
import hashlib
import re
import typing

from oslo_config import cfg
from oslo_serialization import jsonutils
import webob

from trove_flavor_filter.declaration import reading
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement

# The API's version as it stands in the path.
VERSION = re.compile(r'/v(\d+\.?\d*)')

# What a URL from Keystone's catalog has behind the prefix of our links.
CATALOG_END = re.compile(
    r'(/v\d+(\.\d+)?)?'
    r'(/\w*([%$]\((tenant|project)_id\)s|\{(tenant|project)_id\}))?/*$')


def flavor_list(request: webob.Request, conf: cfg.ConfigOpts,
                project_id: str, flavors: Iterable[requirement.Flavor],
                common: snapshot.Snapshot) -> webob.Response:
    """A list of flavors, each as GET /flavors would show it.

    :param conf: decides over ``local_storage`` and the links' prefix
    :param common: remembers the parts of its flavors' documents
    """
    prefix = CATALOG_END.sub(
        '', conf.flavor_filter.public_endpoint or f'https://{request.host}')
    version = VERSION.search(request.path)
    own = jsonutils.dumps(
        f'{prefix}/v{version[1] if version else "1.0"}/'
        f'{project_id}/flavors/')[1:-1]
    bookmark = jsonutils.dumps(f'{prefix}/flavors/')[1:-1]
    documents = []
    pieces = common.pieces
    for flavor in flavors:
        cut = pieces.get(flavor.id)
        if cut is None:
            cut = _cut(flavor, conf)
            if flavor.id in common.by_id:
                pieces[flavor.id] = cut
        documents.append(f'{cut[0]}{own}{cut[1]}{bookmark}{cut[2]}')
    return _json(f'{{"flavors": [{", ".join(documents)}]}}'.encode())


def _cut(flavor: requirement.Flavor,
         conf: cfg.ConfigOpts) -> tuple[str, str, str]:
    """A flavor's document as JSON, cut where its two links begin."""
    numeric = (flavor.id.isascii() and flavor.id.isdigit()
               and not flavor.id.startswith('0'))
    first = jsonutils.dumps({'id': int(flavor.id) if numeric else None})
    last = {
        'name': flavor.name,
        'ram': flavor.ram,
        'vcpus': flavor.vcpus,
        'disk': flavor.disk,
        'ephemeral': flavor.ephemeral,
        'str_id': flavor.id,
    }
    # Trove shows the ephemeral disk under this name where instances keep
    # their data on it (FlavorView.data).
    if not conf.trove_volume_support and conf.device_path is not None:
        last['local_storage'] = flavor.ephemeral
    # What ends both links. Each part is made by itself: nothing that a
    # flavor may be named is taken for a place to cut.
    end = jsonutils.dumps(flavor.id)[1:]
    return (f'{first[:-1]}, "links": [{{"href": "',
            f'{end}, "rel": "self"}}, {{"href": "',
            f'{end}, "rel": "bookmark"}}], {jsonutils.dumps(last)[1:]}')


def document(document: dict[str, typing.Any]) -> webob.Response:
    """An answer that is a document."""
    return _json(jsonutils.dump_as_bytes(document))


def tag(content: bytes) -> str:
    """The ETag of what is answered."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def conditional(request: webob.Request, answer: webob.Response,
                etag: str | None = None) -> webob.Response:
    """Have a client that knows an answer already be told so: 304.

    :param etag: the answer's; None to make one of the body
    """
    answer.etag = etag or tag(answer.body)
    answer.cache_control = 'private'
    if answer.etag in request.if_none_match:
        return webob.Response(status=304, headerlist=[
            (name, answer.headers[name])
            for name in ('ETag', 'Cache-Control')])
    return answer


def _json(body: bytes, status: int = 200) -> webob.Response:
    return webob.Response(body=body, status=status, charset=None,
                          content_type='application/json')


def fault(error: exception.FlavorFilterError) -> webob.Response:
    """An error, as Trove's Fault spells it.

    That of a document tells each problem by itself as well.
    """
    says: dict[str, typing.Any] = {
        'code': error.status, 'message': str(error)}
    if isinstance(error, reading.DeclarationRefused):
        says['problems'] = [
            {'pointer': str(place), 'message': message}
            for place, message in error.problems]
    answer = _json(jsonutils.dump_as_bytes({error.fault: says}),
                   error.status)
    answer.headers.extend(error.headers)
    return answer
