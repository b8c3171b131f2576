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
The checks of declarations that HTTP shares are here as well.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import difflib
import re
import typing

import jsonschema
import yaml

from trove_flavor_filter import exception
from trove_flavor_filter import requirement

# libyaml is ten times as fast as pure Python.
LOADER: typing.Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

# The maximum size of a file, in bytes.
LARGEST = 64 * 2 ** 20

# The deepest nesting in a valid file.
DEPTH = 6

TOP = 'datastore_versions'

# How the problem begins that a flavor is not there.
NO_FLAVOR = 'Nova has no flavor'


def limit(key: str) -> dict[str, typing.Any]:
    """The schema of a minimum or a maximum."""
    unit = requirement.LIMITS[key].format('').split()[0]
    return {'type': 'integer', 'minimum': 1, 'maximum': requirement.LARGEST,
            'description': f'a whole number of {unit} from 1 to '
                           f'{requirement.LARGEST}'}


EXTRA_SPECS = {
    'description': 'a mapping of the keys of extra specs',
    'type': 'object',
    'additionalProperties': {
        'description': 'the value of an extra spec, or a list of values',
        'type': ['string', 'array'],
        'minItems': 1,
        'items': {'description': 'the value of an extra spec',
                  'type': 'string'},
    }}

# Each description completes the message "... is not ...".
SCHEMA: dict[str, typing.Any] = {
    'description': f'a mapping with "{TOP}"',
    'type': 'object',
    'required': [TOP],
    'additionalProperties': False,
    'properties': {TOP: {
        'description': 'a mapping of datastores by name',
        'type': 'object',
        'additionalProperties': {
            'description': 'a mapping of a datastore\'s versions by name',
            'type': 'object',
            'additionalProperties': {
                'description': 'a mapping of what a datastore version '
                               'requires',
                'type': 'object',
                'additionalProperties': False,
                'properties': {
                    'flavors': {
                        'description': 'a list of flavors',
                        'type': 'array',
                        'items': {
                            'description': 'the id or name of a flavor, or '
                                           '"id: ID"',
                            'type': ['string', 'object'],
                            'minLength': 1,
                            'maxLength': 255,
                            'required': ['id'],
                            'additionalProperties': False,
                            'properties': {'id': {
                                'description': 'the id of a flavor',
                                'type': 'string',
                                'minLength': 1,
                                'maxLength': 128}},
                        }},
                    **{key: limit(key) for key in requirement.LIMITS},
                    'extra_specs': EXTRA_SPECS,
                },
            },
        },
    }},
}


# The JSON Schema library takes 2048.0 for an integer.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        'integer', lambda _checker, value: type(value) is int))

Path = tuple[str | int, ...]


class Place(typing.NamedTuple):
    """A position in the file; line and column count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f'line {self.line}'


class Pointer(typing.NamedTuple):
    """Where something stands in a JSON document; as text, RFC 6901's."""

    path: Path

    def __str__(self) -> str:
        return ''.join(
            '/' + str(step).replace('~', '~0').replace('/', '~1')
            for step in self.path)


class Problem(typing.NamedTuple):
    """A problem in the file, and its position."""

    place: Place | Pointer
    message: str


class DeclarationRefused(exception.BadRequest):
    """A declaration has problems and is refused.

    :param problems: all of them
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        texts = [f'{place}: {message}' for place, message in self.problems]
        super().__init__(f'Nothing was changed. {"; ".join(texts)}.')
        self.reason = f'problems: {len(texts)}, the first: {texts[0]}'

    @property
    def misses_flavors(self) -> bool:
        """Whether a flavor is not there, or cannot be seen."""
        return any(message.startswith(NO_FLAVOR)
                   for _place, message in self.problems)


class Reference(typing.NamedTuple):
    """A reference to a flavor in a declaration.

    :ivar text: id or name
    :ivar by_id: whether it is written as ``id: ID``
    :ivar by_name: whether it is written as ``name: NAME``
    """

    text: str
    by_id: bool
    place: Place | Pointer
    by_name: bool = False


class Declared(typing.NamedTuple):
    """The declared requirements of one datastore version.

    :ivar datastore: its name; None if the id of the version is given
    :ivar name: of the version, or its id; None if the id is given
    :ivar datastore_place: position of the datastore's name
    :ivar place: position of the version's name
    :ivar limits: minimums and maximums, by key of the table
    :ivar extra_specs: strings ``KEY=VALUE``
    :ivar id: of the version; None if it is given by names
    :ivar id_place: position of the id
    """

    datastore: str | None
    name: str | None
    datastore_place: Place | Pointer
    place: Place | Pointer
    flavors: list[Reference]
    limits: dict[str, int]
    extra_specs: list[str]
    id: str | None = None
    id_place: Place | Pointer | None = None


def read(data: bytes) -> list[Declared]:
    """Read a file.

    :param data: YAML, in UTF-8. Names and ids are always strings: 8.0 and
        010 need no quotes
    :raises DeclarationRefused: with every problem of its syntax and schema
    """
    root, reader = _Reader.of(data)
    document = reader.value(root, ())
    reader.validate(document, SCHEMA)
    if reader.problems:
        raise DeclarationRefused(reader.problems)
    declared = [
        Declared(
            datastore, name, reader.keys[TOP, datastore],
            reader.keys[TOP, datastore, name],
            [Reference(flavor if isinstance(flavor, str) else flavor['id'],
                       not isinstance(flavor, str),
                       reader.places[TOP, datastore, name, 'flavors', at])
             for at, flavor in enumerate(says.get('flavors', ()))],
            {key: says[key] for key in requirement.LIMITS if key in says},
            reader.extra_specs(says.get('extra_specs', {}),
                               (TOP, datastore, name, 'extra_specs')))
        for datastore, versions in document[TOP].items()
        for name, says in versions.items()]
    for one in declared:
        reader.compare(one.limits, {}, one.place)
    if reader.problems:
        raise DeclarationRefused(reader.problems)
    return declared


class Checker:
    """Collects the problems of a declaration, whatever its format.

    :ivar problems: all that was found so far
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._unsound: set[Path] = set()

    def place(self, path: Path) -> Place | Pointer:
        """Where the value of a path stands."""
        return Pointer(path)

    def key(self, path: Path) -> Place | Pointer:
        """Where the last key of a path stands."""
        return Pointer(path)

    def is_sound(self, path: Path) -> bool:
        """Whether the schema had nothing against a value itself."""
        return path not in self._unsound

    def validate(self, document: typing.Any,
                 schema: Mapping[str, typing.Any]) -> None:
        """Validate a document against a schema; collect the problems."""
        for error in Validator(schema).iter_errors(document):
            self.problems += self._problems(error)

    def extra_specs(self, says: Mapping[str, typing.Any],
                    path: Path) -> list[str]:
        """The extra specs of a datastore version, as ``KEY=VALUE``.

        Invalid ones are added to the problems.
        """
        found = []
        for key, values in says.items():
            at = (*path, key)
            paths: list[Path] = [at]
            if isinstance(values, list):
                paths = [(*at, number) for number in range(len(values))]
            else:
                values = [values]
            for value, where in zip(values, paths):
                if not (self.is_sound(at) and self.is_sound(where)):
                    continue
                text = f'{key}={value}'
                try:
                    # Of the whole text the first "=" divides; here the key
                    # has been divided from the value already.
                    if requirement.extra_spec(text) != (key, value):
                        raise ValueError(f'{short(key)} is not the key of an '
                                         f'extra spec')
                    found.append(text)
                except ValueError as error:
                    self.problems.append(
                        Problem(self.place(where), str(error)))
        return found

    def compare(self, limits: Mapping[str, int],
                places: Mapping[str, Place | Pointer],
                place: Place | Pointer) -> None:
        """Report minimums that are above their maximums as problems.

        :param places: where each minimum stands, by its key
        :param place: where they stand that are not among those
        """
        for pair in zip(requirement.MINIMUMS, requirement.MAXIMUMS):
            wanted = requirement.Requirement.of(
                (key, str(limits[key])) for key in pair if key in limits)
            self.problems += [Problem(places.get(pair[0], place), text)
                              for text in wanted.contradictions]

    def _problems(self, error: jsonschema.ValidationError
                  ) -> Iterator[Problem]:
        path = tuple(error.absolute_path)
        if error.validator == 'additionalProperties':
            known = list(error.schema['properties'])
            for name in error.instance:
                if name not in known:
                    yield Problem(
                        self.key((*path, name)),
                        f'unknown key {short(name)}{near(name, known)}; '
                        f'known keys: {", ".join(known)}')
        elif error.validator == 'required':
            # The library makes an error for each that is missing.
            yield from (Problem(self.place(path), f'"{name}" is missing')
                        for name in error.validator_value
                        if name not in error.instance)
        else:
            self._unsound.add(path)
            yield Problem(
                self.place(path), f'{short(error.instance)} is not '
                                  f'{error.schema["description"]}')


class _Reader(Checker):
    """Converts YAML nodes to plain values, and keeps their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}

    @classmethod
    def of(cls, data: bytes) -> 'tuple[yaml.Node | None, _Reader]':
        """The root node of a file, and a reader for it.

        :raises DeclarationRefused: it is not valid YAML, has aliases, or is
            nested too deep
        """
        try:
            text = data.decode('utf-8-sig')
        except UnicodeDecodeError as error:
            lines = data[:error.start].split(b'\n')
            raise DeclarationRefused([Problem(
                Place(len(lines), len(lines[-1]) + 1),
                'this is not UTF-8')]) from None
        try:
            _refuse_tricks(text)
            return yaml.compose(text, Loader=LOADER), cls()
        except yaml.YAMLError as error:
            raise DeclarationRefused([_yaml_problem(error, text)]) from None

    def place(self, path: Path) -> Place:
        return self.places[path]

    def key(self, path: Path) -> Place:
        return self.keys[path]

    def value(self, node: yaml.Node | None, path: Path) -> typing.Any:
        """The value of a node; every scalar but a limit is a string."""
        if node is None:
            self.places[path] = Place(1, 1)
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
                 path: Path) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = {}
        for key, value in node.value:
            place = _place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(place, 'a key must be a string'))
                continue
            name = key.value
            if name in found:
                self.problems.append(Problem(
                    place, f'{short(name)} is already defined in line '
                           f'{self.keys[*path, name].line}'))
                continue
            self.keys[*path, name] = place
            found[name] = self.value(value, (*path, name))
        return found


def _refuse_tricks(text: str) -> None:
    """Refuse aliases and deep nesting, before any node is built."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem='aliases are not supported; repeat the value',
                problem_mark=event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                raise yaml.MarkedYAMLError(
                    problem='nested too deep',
                    problem_mark=event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _yaml_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, 'problem_mark', None)
    at = getattr(error, 'position', None)
    message = ' '.join(str(
        getattr(error, 'problem', None)
        or getattr(error, 'reason', error)).split())
    if mark is not None:
        place = Place(mark.line + 1, mark.column + 1)
        lines = text.split('\n')[mark.line:mark.line + 1]
        if lines and lines[0][mark.column:mark.column + 1] == '\t':
            message = 'a tab cannot indent; use spaces'
    elif at is not None:
        lines = text[:at].split('\n')
        place = Place(len(lines), len(lines[-1]) + 1)
    else:
        place = Place(1, 1)
    return Problem(place, message)


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def short(value: typing.Any) -> str:
    """A value for a message, shortened to 60 characters."""
    if value is None:
        return 'nothing'
    if isinstance(value, dict):
        return 'a mapping'
    if isinstance(value, list):
        return 'a list'
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def near(text: str, known: Iterable[str]) -> str:
    """A "did you mean" hint for a message; empty without a close match."""
    found = difflib.get_close_matches(text, list(known), 3)
    return f' (did you mean {" or ".join(found)}?)' if found else ''
