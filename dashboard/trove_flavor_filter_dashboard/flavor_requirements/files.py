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

"""The file of all requirements: written and read.

It is the YAML file of "trove-manage datastore-version-flavor-export" and
"-apply". The plugin checks what is read here.
"""

import collections
from collections.abc import Iterable
from collections.abc import Mapping
import typing

from django.utils.translation import gettext as _
import yaml

from trove_flavor_filter_dashboard.flavor_requirements import documents

TOP = 'datastore_versions'

# The deepest nesting in a valid file.
DEPTH = 6


class Invalid(Exception):
    """The file cannot be read; the message says where."""


def write(requirements: Iterable[Mapping[str, typing.Any]],
          versions: Iterable[Mapping[str, typing.Any]]) -> str:
    """The text of a file with requirements.

    :param versions: all datastore versions; two of one name are given by id
    """
    count = collections.Counter(
        (version['datastore_name'], version['name']) for version in versions)
    found: dict[str, dict[str, typing.Any]] = {}
    for document in requirements:
        datastore, name = document['datastore'], document['datastore_version']
        body = {key: value
                for key, value in documents.content(document).items() if value}
        if documents.FLAVORS in body:
            body[documents.FLAVORS] = [
                {'id': flavor_id} for flavor_id in body[documents.FLAVORS]]
        key = (document['datastore_version_id']
               if count[datastore, name] > 1 else name)
        found.setdefault(datastore, {})[key] = body
    return yaml.safe_dump({TOP: found}, allow_unicode=True, sort_keys=False)


def read(data: bytes, flavors: Mapping[str, typing.Any],
         versions: Iterable[Mapping[str, typing.Any]]
         ) -> list[dict[str, typing.Any]]:
    """The documents of a file.

    :param flavors: Nova's, by id: a file may refer to them by name
    :param versions: all datastore versions: a file may refer to them by id
    :raises Invalid: it is not such a file
    """
    try:
        root = yaml.compose(data.decode('utf-8-sig'), Loader=_Loader)
    except UnicodeDecodeError:
        raise Invalid(_('The file is not UTF-8.')) from None
    except yaml.YAMLError as error:
        raise Invalid(_('The file is not valid YAML: %s') % error) from None
    declared = _mapping(_value(root)).get(TOP)
    if declared is None:
        raise Invalid(_('The file has no "%s".') % TOP)
    ids = {version['id'] for version in versions}
    return [_document(datastore, version, _mapping(body), ids, flavors)
            for datastore, named in _mapping(declared).items()
            for version, body in _mapping(named).items()]


def _document(datastore: str, version: str, body: dict[str, typing.Any],
              ids: set[str], flavors: Mapping[str, typing.Any]
              ) -> dict[str, typing.Any]:
    found: dict[str, typing.Any] = {'datastore': datastore}
    if version in ids:
        found = {'datastore_version_id': version}
    else:
        found['datastore_version'] = version
    for key, value in body.items():
        if (key.startswith(('min_', 'max_')) and isinstance(value, str)
                and value.isascii() and value.isdigit() and len(value) < 20):
            value = int(value)
        elif key == documents.FLAVORS and isinstance(value, list):
            value = [_reference(item, flavors) for item in value]
        found[key] = value
    return found


def _reference(item: typing.Any,
               flavors: Mapping[str, typing.Any]) -> typing.Any:
    """A flavor of a file as one of a document.

    :raises Invalid: a text is the id of one flavor and the name of another
    """
    if isinstance(item, dict) and item.keys() == {'id'}:
        return item['id']
    if not isinstance(item, str):
        return item
    by_name = [flavor_id for flavor_id, flavor in flavors.items()
               if flavor.name == item]
    if item in flavors and by_name not in ([], [item]):
        raise Invalid(_('"%s" is the id of one flavor and the name of '
                        'another. Write "id: ID".') % item)
    return {'name': item} if by_name else item


class _Loader(yaml.SafeLoader):
    """Loads YAML without aliases, tags and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None,
                     index: typing.Any) -> yaml.Node | None:
        event: typing.Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.tag is not None:
            raise yaml.MarkedYAMLError(
                problem=_('aliases and tags are not supported'),
                problem_mark=event.start_mark)
        if self.depth > DEPTH:
            raise yaml.MarkedYAMLError(
                problem=_('nested too deep'), problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _value(node: yaml.Node | None) -> typing.Any:
    """The value of a node; every scalar is a text, as in 8.0."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node and node.value
    found: dict[str, typing.Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key, str) or key in found:
            raise Invalid(_('Line %d: this key is there twice, or is not a '
                            'text.') % (key_node.start_mark.line + 1))
        found[key] = _value(value_node)
    return found


def _mapping(value: typing.Any) -> dict[str, typing.Any]:
    if value in (None, ''):
        return {}
    if not isinstance(value, dict):
        raise Invalid(_('The file does not have the form of an export: a '
                        'mapping is expected, and not "%s".')
                      % str(value)[:40])
    return value
