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

"""Read the file that declares the requirements of datastore versions.

The whole file is read, and every problem is reported with its line and
column.
"""

import re
import typing

import yaml

from trove_flavor_filter.declaration import checks
from trove_flavor_filter.declaration import problems
from trove_flavor_filter import requirement

# The maximum size of a file, in bytes.
LARGEST = 64 * 2 ** 20

# The deepest nesting in a valid file.
DEPTH = 6

TOP = 'datastore_versions'

# The tags that change nothing. Any other would be lost: names are always
# strings.
TAG = 'tag:yaml.org,2002:'
TAGS: dict[type, str] = {
    yaml.ScalarEvent: f'{TAG}str', yaml.SequenceStartEvent: f'{TAG}seq',
    yaml.MappingStartEvent: f'{TAG}map'}


def read(data: bytes) -> list[checks.Declared]:
    """Read a file.

    :param data: YAML, in UTF-8. Names and ids are always strings: 8.0 and
        010 need no quotes
    :raises DeclarationRefused: with every problem of its syntax and content
    """
    root, reader = _Reader.of(data)
    declared = reader.declared(reader.value(root, ()))
    if reader.problems.count:
        raise problems.DeclarationRefused(reader.problems)
    return declared


class Loader(yaml.SafeLoader):
    """Loads YAML without aliases, tags and deep nesting.

    It is PyYAML's loader in Python. libyaml is ten times as fast. But not
    every host has it, and the two do not accept the same files.
    """

    def __init__(self, stream: str):
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None,
                     index: typing.Any) -> yaml.Node | None:
        event: typing.Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._refuse('aliases are not supported; repeat the value')
        elif event.tag not in (None, TAGS[type(event)]):
            shown = event.tag
            if shown.startswith(TAG):
                shown = f'!!{shown.removeprefix(TAG)}'
            self._refuse(f'the tag {problems.short(shown)} is not supported; '
                         f'remove it')
        is_collection = isinstance(event, yaml.CollectionStartEvent)
        if is_collection and self._depth == DEPTH:
            self._refuse('nested too deep')
        self._depth += is_collection
        node = super().compose_node(parent, index)
        self._depth -= is_collection
        return node

    def _refuse(self, problem: str) -> typing.NoReturn:
        raise yaml.MarkedYAMLError(
            problem=problem, problem_mark=self.peek_event().start_mark)

    def scan_to_next_token(self) -> None:
        """Skip spaces and comments; tabs too, where they do not indent."""
        super().scan_to_next_token()
        while self.peek() == '\t' and (
                self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


class _Reader(checks.Checker):
    """Converts YAML nodes to plain values, and keeps their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[problems.Path, problems.Place] = {}
        self.keys: dict[problems.Path, problems.Place] = {}

    @classmethod
    def of(cls, data: bytes) -> 'tuple[yaml.Node | None, _Reader]':
        """The root node of a file, and a reader for it.

        :raises DeclarationRefused: it is not valid YAML, has aliases or
            tags, or is nested too deep
        """
        try:
            text = data.decode('utf-8-sig')
        except UnicodeDecodeError as error:
            lines = data[:error.start].split(b'\n')
            raise _refused(problems.Place(len(lines), len(lines[-1]) + 1),
                           'this is not UTF-8') from None
        try:
            return yaml.compose(text, Loader=Loader), cls()
        except yaml.YAMLError as error:
            raise _refused(*_yaml_problem(error, text)) from None

    def place(self, path: problems.Path) -> problems.Place:
        return self.places[path]

    def key(self, path: problems.Path) -> problems.Place:
        return self.keys[path]

    def value(self, node: yaml.Node | None,
              path: problems.Path) -> typing.Any:
        """The value of a node; every scalar but a limit is a string."""
        if node is None:
            self.places[path] = problems.Place(1, 1)
            return None
        self.places[path] = _place(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, at))
                    for at, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if node.tag == 'tag:yaml.org,2002:null':
            # A datastore version without requirements may be left empty.
            return {} if len(path) == 3 else None
        if (len(path) == 4 and path[-1] in requirement.LIMITS
                and re.fullmatch('[1-9][0-9]{0,18}', node.value)):
            return int(node.value)
        return node.value

    def _mapping(self, node: yaml.MappingNode,
                 path: problems.Path) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = {}
        for key, value in node.value:
            place = _place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.add(place, 'a key must be a string')
                continue
            name = key.value
            if name in found:
                self.problems.add(
                    place, f'{problems.short(name)} is already defined in '
                           f'{self.keys[*path, name]}')
                continue
            self.keys[*path, name] = place
            found[name] = self.value(value, (*path, name))
        return found

    def declared(self, document: typing.Any) -> list[checks.Declared]:
        """What the file declares, as far as it is valid."""
        datastores = self.mapping(
            document, f'a mapping with "{TOP}"', (), [TOP], TOP).get(TOP, {})
        return [
            self._version(datastore, name, says)
            for datastore, versions in self.mapping(
                datastores, 'a mapping of datastores by name', (TOP,)).items()
            for name, says in self.mapping(
                versions, 'a mapping of a datastore\'s versions by name',
                (TOP, datastore)).items()]

    def _version(self, datastore: str, name: str,
                 declared: typing.Any) -> checks.Declared:
        path = (TOP, datastore, name)
        place = self.keys[path]
        says = self.mapping(
            declared, 'a mapping of what a datastore version requires', path,
            checks.KEYS)
        limits = self.limits(says, path)
        self.compare(limits, path, place)
        return checks.Declared(
            datastore, name, self.keys[path[:2]], place,
            self._flavors(says.get('flavors', []), (*path, 'flavors')),
            limits, self.extra_specs(says.get('extra_specs', {}),
                                     (*path, 'extra_specs')),
            self.enforcement(says.get(requirement.ENFORCEMENT), path))

    def _flavors(self, value: typing.Any,
                 path: problems.Path) -> list[checks.Reference]:
        found = []
        for at, item in enumerate(
                self.items(value, 'a list of flavors', path)):
            where = (*path, at)
            place = self.places[where]
            by_id = isinstance(item, dict)
            if by_id:
                text = self.text_in(item, 'id', 'the id of a flavor', where)
            else:
                text = self.text(item, 'the id or name of a flavor, or '
                                       '"id: ID"', where)
            if text is not None:
                found.append(checks.Reference(text, by_id, place))
        return found


def _refused(place: problems.Place,
             message: str) -> problems.DeclarationRefused:
    found = problems.Problems()
    found.add(place, message)
    return problems.DeclarationRefused(found)


def _yaml_problem(error: yaml.YAMLError,
                  text: str) -> tuple[problems.Place, str]:
    mark = getattr(error, 'problem_mark', None)
    at = getattr(error, 'position', None)
    message = ' '.join(str(
        getattr(error, 'problem', None)
        or getattr(error, 'reason', error)).split())
    if mark is not None:
        place = problems.Place(mark.line + 1, mark.column + 1)
        lines = text.split('\n')[mark.line:mark.line + 1]
        if lines and lines[0][mark.column:mark.column + 1] == '\t':
            message = 'a tab cannot indent; use spaces'
    elif at is not None:
        lines = text[:at].split('\n')
        place = problems.Place(len(lines), len(lines[-1]) + 1)
    else:
        place = problems.Place(1, 1)
    return place, message


def _place(node: yaml.Node) -> problems.Place:
    return problems.Place(node.start_mark.line + 1, node.start_mark.column + 1)
