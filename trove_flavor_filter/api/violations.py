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

"""List the instances that break a requirement, for admins.

GET /{tenant_id}/mgmt/flavor-requirement-violations
"""

import typing

from oslo_context import context
import webob

from trove_flavor_filter.api import identity
from trove_flavor_filter.api import query
from trove_flavor_filter.api import views
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import violations
from trove_flavor_filter import exception
from trove_flavor_filter.policy import rules
from trove_flavor_filter import services


def list_all(request: webob.Request, ctx: context.RequestContext,
             serves: services.Services, tenant_id: str) -> webob.Response:
    """List the instances on flavors that a datastore version does not allow.

    These are instances of all projects, members of clusters included, by
    their ids. As in Trove's lists, there is a link to the next page.

    :param tenant_id: the project in the path
    :raises Unauthorized, Forbidden: the caller is not permitted to
    :raises BadRequest: the query is invalid
    :raises Unavailable: the database or Nova is unavailable
    """
    identity.check(request.environ, ctx, tenant_id)
    serves.policy.authorize(ctx, rules.LIST_VIOLATIONS)
    given = query.read(request, {
        'datastore_version_id': _id, 'project_id': _id, 'limit': _limit,
        'marker': _id})
    scope = violations.Scope(given.get('datastore_version_id'),
                             given.get('project_id'))
    try:
        page = serves.violations.page(
            serves.nova.everything(), scope, given.get('marker'),
            given.get('limit', violations.PAGE))
    except exception.SchemaIncomplete as error:
        # These callers are admins, who can repair the schema.
        raise exception.Unavailable(
            f'The database is not available: {error.hint}.',
            error.reason) from error
    says: dict[str, typing.Any] = {
        'flavor_requirement_violations': [
            violation._asdict() for violation in page.violations]}
    if page.marker is not None:
        says['links'] = [views.next_link(
            request, serves.conf,
            f'/{tenant_id}/mgmt/flavor-requirement-violations', page.marker)]
    return views.document(says)


def _id(text: str) -> str:
    """An id that a database can compare.

    :raises ValueError: no row can have it
    """
    if not requirements.may_be_id(text):
        raise ValueError(f'not an id: {text[:40]!r}')
    return text


def _limit(text: str) -> int:
    """How many violations to list; as in Trove, a page has a maximum.

    :raises ValueError: it is not a positive number
    """
    digits = text.lstrip('0')
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'the limit is not a positive number: {text[:40]!r}')
    # int() refuses thousands of digits.
    return min(int(digits[:9]), violations.PAGE)
