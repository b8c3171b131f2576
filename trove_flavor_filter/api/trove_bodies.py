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

"""What the bodies of Trove's requests say, read as Trove reads them."""

from collections.abc import Iterator
import contextlib
import typing
from urllib import parse

from trove_flavor_filter.api import bodies
from trove_flavor_filter import exception

# Length of Trove's columns, in characters: for ids, and for names, version
# numbers and flavors. A longer text is refused, or not found.
LONGEST_ID = 36
LONGEST_NAME = 255

# More than any cluster has: the largest, Redis, is designed for a thousand.
MOST_NODES = 1000

Document = bodies.Document


def text(value: Document, name: str, longest: int = LONGEST_NAME) -> str:
    """A text in an object; empty if it is absent."""
    text = value.get(name, '')
    if not isinstance(text, str) or not is_comparable(text):
        raise exception.BadRequest(f'The {name} must be a string.')
    if len(text) > longest:
        raise exception.BadRequest(
            f'The {name} must have no more than {longest} characters.')
    return text


def is_comparable(text: str) -> bool:
    """Whether a text can be used in a query on every database."""
    try:
        return b'\0' not in text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can spell.
        return False


def flavor_id(reference: typing.Any) -> str:
    """The id in a flavorRef, parsed as in Trove's get_id_from_href."""
    text = f'{reference}'
    try:
        if len(text) > LONGEST_NAME or not is_comparable(text):
            raise ValueError
        return parse.urlsplit(text).path.split('/')[-1]
    except ValueError as error:
        raise exception.BadRequest(
            'Invalid flavorRef.') from error


def nodes(value: typing.Any) -> list[Document]:
    """The nodes of a cluster.

    :raises BadRequest: they are not a list of objects, or too many
    """
    if not isinstance(value, list):
        raise exception.BadRequest('The nodes must be a list.')
    if len(value) > MOST_NODES:
        raise exception.BadRequest(
            f'There may be no more than {MOST_NODES} nodes.')
    return [bodies.as_object(node, 'node') for node in value]


def flavor_ids(of: list[Document]) -> set[str]:
    """The ids of the flavors of nodes."""
    return {flavor_id(node.get('flavorRef')) for node in of}


def volume_sizes(*of: Document) -> set[int]:
    """The sizes of the volumes of instances or nodes, in GiB.

    Trove passes each size to ``int``. A size that this refuses is left out,
    since Trove refuses it.
    """
    return {size for each in of
            if isinstance(volume := each.get('volume'), dict)
            for size in _number(volume.get('size'))}


def sizes_beside_nodes(cluster: Document, mongodb: typing.Any) -> set[int]:
    """The sizes of the volumes that a MongoDB cluster has beside its nodes'.

    These are of its config servers and its query routers, in GiB.

    :param mongodb: the group [mongodb] of trove.conf
    """
    given = cluster.get('extended_properties')
    says = given if isinstance(given, dict) else {}
    return {
        size for count, volume, number, default in (
            ('num_configsvr', 'configsvr_volume_size',
             mongodb.num_config_servers_per_cluster,
             mongodb.config_servers_volume_size),
            ('num_mongos', 'mongos_volume_size',
             mongodb.num_query_routers_per_cluster,
             mongodb.query_routers_volume_size))
        if max(_number(says.get(count, number)), default=1) > 0
        for size in _number(says.get(volume, default))}


def _number(value: typing.Any) -> Iterator[int]:
    """A number as ``int`` reads it; nothing if it refuses the value."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        yield int(value)
