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

"""Calls of the plugin's API, with the token of the admin."""

import logging
import typing
from urllib import parse

from django.http import HttpRequest
from django.utils.translation import gettext as _
from horizon import exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from openstack_dashboard.api import nova
from trove_dashboard.api import trove

from trove_flavor_filter_dashboard import routes

LOG = logging.getLogger(__name__)

# Relative to the database endpoint of a project.
VERSIONS = '/mgmt/datastore-versions'
ONE = '/mgmt/datastore-versions/%s/flavor-requirement'
MANY = '/mgmt/flavor-requirements'
VIOLATIONS = '/mgmt/flavor-requirement-violations'

Document = dict[str, typing.Any]


class Refused(Exception):
    """Trove or the plugin has refused a request, or has not answered.

    :ivar status: the HTTP status; 0 if there was no answer
    :ivar problems: what is wrong with a document: JSON pointers and messages
    :ivar more: the number of problems that are not listed
    """

    def __init__(self, message: str, status: int = 0,
                 problems: list[tuple[str, str]] | None = None, more: int = 0):
        super().__init__(message)
        self.status = status
        self.problems = problems or []
        self.more = more


class PluginMissing(Refused):
    """Trove does not have the plugin."""


def _call(request: HttpRequest, method: str, path: str,
          **kwargs: typing.Any) -> tuple[Document, str]:
    """Send a request to Trove.

    :returns: the document of the answer, and its ETag
    :raises Refused: the answer is an error, or there is none
    :raises NotAuthorized: the user's token is no longer valid; Horizon asks
        the user to log in again
    """
    try:
        # Without raise_exc, since troveclient's exceptions cannot handle the
        # header Retry-After.
        client = trove.troveclient(request).client
        response, body = client.request(path, method, raise_exc=False,
                                        **kwargs)
    except keystone_exceptions.ClientException as error:
        LOG.warning('%s %s: %s', method, path, error)
        raise Refused(_('Trove does not answer.')) from error
    if response.status_code == 401:
        raise exceptions.NotAuthorized(response.text)
    if path != VERSIONS and routes.MARK not in response.headers:
        _check_release(client, response)
    if response.status_code < 400 and isinstance(body, dict):
        return body, response.headers.get('ETag', '')
    raise _refusal(response.status_code, body)


def _check_release(client: typing.Any, response: typing.Any) -> None:
    """Check an answer without the mark of the plugin.

    :raises PluginMissing: Trove lacks the plugin
    :raises Refused: the plugin is of a release before the mark, whose
        documents have other keys, and which does not know what a change would
        do
    """
    if response.status_code == 404 and not routes.has_route(
            client, MANY, response):
        raise PluginMissing(
            _('Trove does not have the plugin trove-flavor-filter, or it is '
              'not enabled there. Without it, no datastore version can '
              'require anything of a flavor.'), 404)
    if response.status_code < 400 or response.status_code == 404:
        raise Refused(
            _('The release of the plugin trove-flavor-filter in Trove is too '
              'old for this panel. Upgrade the plugin, or use the commands '
              'of its release.'), response.status_code)


def _path(version_id: str) -> str:
    # It may come from the address of a page, which anybody can write.
    return ONE % parse.quote(version_id, safe='')


def _refusal(status: int, body: typing.Any) -> Refused:
    """An error from a fault, as Trove and the plugin spell it."""
    fault = next(iter(body.values()), None) if isinstance(body, dict) else None
    if not isinstance(fault, dict):
        return Refused(_('Trove answers with HTTP status %d.') % status,
                       status)
    return Refused(
        fault.get('message') or _('Trove answers with HTTP status %d.')
        % status, status,
        [(problem['pointer'], problem['message'])
         for problem in fault.get('problems', ())],
        fault.get('more_problems', 0))


def versions(request: HttpRequest) -> list[Document]:
    """List all datastore versions, inactive ones too, by name."""
    found, _etag = _call(request, 'GET', VERSIONS)
    return sorted(found['versions'], key=lambda version: [
        version.get(key) or '' for key in (
            'datastore_name', 'name', 'version', 'id')])


def requirements(request: HttpRequest) -> tuple[list[Document], str]:
    """List the requirements of all datastore versions that have any.

    :returns: documents, and the ETag of all of them
    """
    found, etag = _call(request, 'GET', MANY)
    return found['flavor_requirements'], etag


def requirement(request: HttpRequest,
                version_id: str) -> tuple[Document, str]:
    """Get what a datastore version requires, and the ETag of it."""
    found, etag = _call(request, 'GET', _path(version_id))
    return found['flavor_requirement'], etag


def replace(request: HttpRequest, version_id: str, document: Document,
            etag: str, dry_run: bool) -> Document:
    """Replace what a datastore version requires.

    :param etag: of what it requires at present; otherwise it is refused
    :returns: what it requires now, or after a dry run would require: the
        latter with "impact"
    """
    return _call(request, 'PUT',
                 _path(version_id) + ('?dry_run=true' if dry_run else ''),
                 body={'flavor_requirement': document},
                 headers={'If-Match': etag})[0]


def replace_many(request: HttpRequest, documents: list[Document],
                 etag: str | None = None, prune: bool = False,
                 dry_run: bool = False) -> Document:
    """Replace what several datastore versions require.

    :param etag: as :func:`requirements` returns it; None for any
    :param prune: remove the requirements of all other versions
    :returns: the changes, and warnings
    """
    return _call(request, 'PUT',
                 f'{MANY}?prune={str(prune).lower()}'
                 f'&dry_run={str(dry_run).lower()}',
                 body={'flavor_requirements': documents},
                 headers={} if etag is None else {'If-Match': etag})[0]


def present_effects(request: HttpRequest) -> dict[str, Document]:
    """Get what the requirements do, by the ids of datastore versions.

    One dry run tells it, however many versions there are: if nothing were
    required any more, the flavors that are refused would be allowed, and the
    instances that break a requirement would no longer do so.

    :returns: "impact" documents; a version that requires nothing is missing
    """
    changes = replace_many(request, [], prune=True, dry_run=True)
    return {change['datastore_version_id']: change['impact']
            for change in changes['flavor_requirement_changes']
            if 'impact' in change}


def violations(request: HttpRequest, **query: str | None
               ) -> tuple[list[Document], bool]:
    """List a page of the instances that break a requirement.

    :param query: datastore_version_id, marker
    :returns: documents, and whether there are more
    """
    found, _etag = _call(request, 'GET', VIOLATIONS, params={
        key: value for key, value in query.items() if value})
    return found['flavor_requirement_violations'], bool(found.get('links'))


def flavors(request: HttpRequest) -> dict[str, typing.Any]:
    """Get all of Nova's flavors by id, private ones too.

    They are sorted by their sizes.
    """
    return {flavor.id: flavor for flavor in sorted(
        nova.flavor_list(request, None), key=lambda flavor: (
            flavor.ram, flavor.vcpus, flavor.disk, flavor.name))}
