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

"""Look up what a path names; any text is accepted."""

from collections.abc import Callable
import typing

from trove_flavor_filter.api import guard
from trove_flavor_filter.api import trove_bodies
from trove_flavor_filter.db import lookup
from trove_flavor_filter import exception

T = typing.TypeVar('T')


def found(find: Callable[..., T], longest: int, *texts: str) -> T | None:
    """What is found by the names or ids in a path.

    :param longest: length of the column, in characters
    :returns: None if the column cannot have such a text
    """
    # Some databases fail on a NUL character.
    if any(len(text) > longest or '\0' in text for text in texts):
        return None
    try:
        return find(*texts)
    except exception.BadRequest:
        # The text has characters that the database cannot store.
        return None


def own_instance(asks: guard.Guard,
                 find: Callable[[str], list[lookup.ResolvedVersion]],
                 instance_id: str, rule: str) -> list[lookup.ResolvedVersion]:
    """What is found for an instance that the caller may see.

    :param asks: the caller
    :param instance_id: any text
    :param rule: name of the policy rule that decides
    :raises NotFound: there is no such instance, or it belongs to another
        project and the caller is not an admin
    :raises Forbidden: the rule does not permit it
    """
    versions = asks.own(
        found(find, trove_bodies.LONGEST_ID, instance_id) or ())
    if not versions:
        raise exception.NotFound(f'Resource {instance_id} cannot be found.')
    # As in Trove: a caller who may not see an instance gets 404, not 403.
    asks.services.policy.authorize(asks.ctx, rule, versions[0].tenant_id)
    return versions
