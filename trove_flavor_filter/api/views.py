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

"""The JSON documents for flavors and faults, in the same form as Trove's."""

from collections.abc import Iterable
from collections.abc import Sequence
import hashlib
import re
import typing
from urllib import parse

from oslo_config import cfg
from oslo_serialization import jsonutils
import webob

from trove_flavor_filter.api import etags
from trove_flavor_filter.db import lookup
from trove_flavor_filter.declaration import problems
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement

# The API's version in the path.
VERSION = re.compile(r'/v(\d+\.?\d*)')

# The part of a URL in Keystone's catalog that follows the prefix of our links,
# without slashes at its end.
CATALOG_END = re.compile(
    r'(/v\d+(\.\d+)?)?'
    r'(/\w*([%$]\((tenant|project)_id\)s|\{(tenant|project)_id\}))?$')


def flavor_list(request: webob.Request, conf: cfg.ConfigOpts,
                project_id: str, flavors: Iterable[requirement.Flavor],
                service_list: snapshot.Snapshot,
                wanted: Iterable[requirement.Requirement]) -> webob.Response:
    """A list of flavors, each as in Trove's GET /flavors.

    :param conf: determines ``local_storage`` and the prefix of the links
    :param service_list: caches the parts of its flavors' documents
    :param wanted: what is required; its bounds of a volume are shown
    """
    documents = _documents(
        request, conf, project_id, flavors, service_list)
    volume = requirement.volume_bounds(wanted)
    more = f', "volume": {jsonutils.dumps(volume)}' if volume else ''
    return _json(f'{{"flavors": [{", ".join(documents)}]{more}}}'.encode())


def _documents(request: webob.Request, conf: cfg.ConfigOpts, project_id: str,
               flavors: Iterable[requirement.Flavor],
               service_list: snapshot.Snapshot) -> list[str]:
    """The documents of flavors, as JSON."""
    prefix, version = _base(request, conf)
    self_link = jsonutils.dumps(
        f'{prefix}/{version}/{project_id}/flavors/')[1:-1]
    bookmark = jsonutils.dumps(f'{prefix}/flavors/')[1:-1]
    documents = []
    json_fragments = service_list.json_fragments
    for flavor in flavors:
        fragments = json_fragments.get(flavor.id)
        if fragments is None:
            fragments = _fragments(flavor, conf)
            if flavor.id in service_list.by_id:
                json_fragments[flavor.id] = fragments
        first, middle, last = fragments
        documents.append(f'{first}{self_link}{middle}{bookmark}{last}')
    return documents


def choices(request: webob.Request, conf: cfg.ConfigOpts, project_id: str,
            allowed: Sequence[tuple[lookup.ResolvedVersion,
                                    snapshot.Choice]],
            listing: snapshot.Listing,
            left_out: Sequence[dict[str, typing.Any]] | None = None
            ) -> webob.Response:
    """Datastore versions with the ids of flavors, and each flavor once.

    :param allowed: the versions, each with the flavors that it allows
    :param left_out: what to say of the other flavors, for each version
    :returns: a response with an ETag; 304 if the client has this answer
    """
    parts: list[bytes] = []
    tags: list[bytes] = []
    for number, (version, choice) in enumerate(allowed):
        head = jsonutils.dumps({
            'id': version.version_id, 'name': version.datastore_version,
            'version': version.shown['version']})
        volume = requirement.volume_bounds([version.requirement])
        begin = (f'{", " if parts else ""}{head[:-1]}, "flavors": ').encode()
        more: dict[str, typing.Any] = {'volume': volume} if volume else {}
        if version.volume_types:
            more['volume_types'] = version.volume_types
        if left_out is not None:
            more['left_out'] = left_out[number]
        end = (f', {jsonutils.dumps(more)[1:]}' if more else '}').encode()
        parts += (begin, choice.json, end)
        tags += (begin, choice.tag, end)
    ids = set().union(*{id(choice.ids): choice.ids
                        for _version, choice in allowed}.values())
    flavors = [flavor for flavor in listing.flavors if flavor.id in ids]
    documents = ', '.join(_documents(
        request, conf, project_id, flavors, listing.service_list)).encode()
    answer = _json(b'{"datastore_versions": [%b], "flavors": [%b]}' % (
        b''.join(parts), documents))
    # The ids of flavors may be megabytes, which are not hashed each time.
    return conditional(request, answer, tag(b''.join((*tags, documents))))


def version_list(request: webob.Request, conf: cfg.ConfigOpts,
                 project_id: str, versions: Iterable[lookup.ResolvedVersion],
                 is_admin: bool) -> webob.Response:
    """A list of datastore versions, each as in Trove's list of them."""
    prefix, api = _base(request, conf)
    documents = []
    for version in versions:
        path = f'datastores/versions/{version.version_id}'
        says = {
            'id': version.version_id, 'name': version.datastore_version,
            'version': version.shown['version'],
            'links': [
                {'href': f'{prefix}/{api}/{project_id}/{path}',
                 'rel': 'self'},
                {'href': f'{prefix}/{path}', 'rel': 'bookmark'}],
            'datastore': version.shown['datastore_id']}
        if is_admin:
            tags = version.shown['image_tags']
            says |= {
                'active': version.active,
                'packages': version.shown['packages'],
                'image': version.shown['image_id'],
                'registry_ext': version.shown['registry_ext'],
                'repl_strategy': version.shown['repl_strategy'],
                'image_tags': tags.split(',') if tags else []}
        documents.append(says)
    return document({'datastore_versions': documents})


def next_link(request: webob.Request, conf: cfg.ConfigOpts, path: str,
              marker: str) -> dict[str, str]:
    """The link to the next page of a list, as in Trove's lists.

    :param path: without the API's version
    :param marker: takes the place of the request's
    """
    query = parse.urlencode({**request.GET, 'marker': marker})
    return {'rel': 'next',
            'href': f'{"/".join(_base(request, conf))}{path}?{query}'}


def _base(request: webob.Request, conf: cfg.ConfigOpts) -> tuple[str, str]:
    """The prefix of links, and the API's version in a path: v1.0."""
    endpoint = conf.flavor_filter.public_endpoint
    # Trove takes the Host header as it is.
    prefix = (CATALOG_END.sub('', endpoint.rstrip('/')).rstrip('/')
              if endpoint else f'https://{request.host}')
    version = VERSION.search(
        request.environ.get('SCRIPT_NAME', '') + request.environ['PATH_INFO'])
    return prefix, f'v{version[1] if version else "1.0"}'


def _fragments(flavor: requirement.Flavor,
               conf: cfg.ConfigOpts) -> tuple[str, str, str]:
    """A flavor's document as JSON, split where its two links begin."""
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
    # Trove shows the ephemeral disk under this name if instances store their
    # data on it (FlavorView.data).
    if not conf.trove_volume_support and conf.device_path is not None:
        last['local_storage'] = flavor.ephemeral
    # The end of both links. Each part is built separately, so that no flavor
    # name can be mistaken for a place to split.
    end = jsonutils.dumps(flavor.id)[1:]
    return (f'{first[:-1]}, "links": [{{"href": "',
            f'{end}, "rel": "self"}}, {{"href": "',
            f'{end}, "rel": "bookmark"}}], {jsonutils.dumps(last)[1:]}')


def document(document: dict[str, typing.Any]) -> webob.Response:
    """A response with a JSON document."""
    return _json(jsonutils.dump_as_bytes(document))


def tag(content: bytes) -> str:
    """The ETag of the content of a response."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def conditional(request: webob.Request, answer: webob.Response,
                etag: str | None = None) -> webob.Response:
    """Set the ETag; return 304 if the client has this answer already.

    :param etag: the answer's ETag; None to compute it from the body
    """
    etag = etag or tag(answer.body)
    answer.etag = etag
    answer.cache_control.private = True
    given = request.headers.get('If-None-Match')
    if given is not None and etags.match(given, etag, weak=True):
        return webob.Response(status=304, headerlist=[
            (name, answer.headers[name])
            for name in ('ETag', 'Cache-Control')])
    return answer


def _json(body: bytes, status: int = 200) -> webob.Response:
    return webob.Response(body=body, status=status, charset=None,
                          content_type='application/json')


def fault(error: exception.FlavorFilterError) -> webob.Response:
    """The response for an error, in the form of Trove's Fault.

    If a document was refused, its first problems are listed as well, and the
    number of the others.
    """
    says: dict[str, typing.Any] = {
        'code': error.status, 'message': str(error)}
    if isinstance(error, problems.DeclarationRefused):
        says['problems'] = [
            {'pointer': str(place), 'message': message}
            for place, message in error.problems]
        if error.more:
            says['more_problems'] = error.more
    answer = _json(jsonutils.dump_as_bytes({error.fault: says}),
                   error.status)
    answer.headers.extend(error.headers)
    return answer
