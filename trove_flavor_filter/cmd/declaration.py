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

"""The file that declares what datastore versions require: read, planned, made.

Text in, text out: no I/O. A file is read as a whole, and every problem that
is found in it is told, with its place.
"""

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import difflib
import re
import typing

import jsonschema
import yaml

from trove_flavor_filter.db import api
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

# What libyaml reads is read ten times as fast.
LOADER: typing.Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
DUMPER: typing.Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)

# How deep a file can make sense.
DEPTH = 6

# How many problems get the names that may have been meant. Looking for them
# takes long among thousands of flavors.
SUGGESTED = 20

TOP = 'datastore_versions'


def _minimum(unit: str) -> dict[str, typing.Any]:
    return {'type': 'integer', 'minimum': 1, 'maximum': requirement.LARGEST,
            'description': f'a whole number of {unit} from 1 to '
                           f'{requirement.LARGEST}'}


# Each part's description ends the sentence "... is not ...".
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
                    'min_ram': _minimum('MiB'),
                    'min_vcpus': _minimum('vCPUs'),
                    'min_disk': _minimum('GiB'),
                },
            },
        },
    }},
}

# A key and a value of the table.
Row = tuple[str, str]
Rows = Mapping[str, Collection[Row]]


class Place(typing.NamedTuple):
    """Where something stands in a file; both count from 1."""

    line: int
    column: int


class Problem(typing.NamedTuple):
    """What is wrong, and where."""

    place: Place
    message: str


class DeclarationRefused(exception.FlavorFilterError):
    """A file cannot be taken as it is.

    :param problems: all that is wrong with it
    """

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        super().__init__(f'{len(self.problems)} problems')


class Reference(typing.NamedTuple):
    """A flavor, as the file refers to it.

    :ivar text: id or name
    :ivar by_id: whether it says that this is the id
    """

    text: str
    by_id: bool
    place: Place


class Declared(typing.NamedTuple):
    """What the file says of one datastore version.

    :ivar name: of the version, or its id
    :ivar datastore_place: where the datastore is named
    :ivar place: where the version is named
    :ivar minimums: by key of the table
    """

    datastore: str
    name: str
    datastore_place: Place
    place: Place
    flavors: list[Reference]
    minimums: dict[str, int]


class Wanted(typing.NamedTuple):
    """What a file wants, in terms of one cloud.

    :ivar rows: of each datastore version that the file mentions
    :ivar warnings: what is odd and no problem
    """

    rows: dict[api.Version, set[Row]]
    warnings: list[str]


# Reading.


def read(data: bytes) -> list[Declared]:
    """What a file declares.

    :param data: YAML, in UTF-8. Names and ids are taken to the letter: 8.0
        and 010 need no quotes
    :raises DeclarationRefused: with every problem of its form
    """
    root, reader = _Reader.of(data)
    document = reader.value(root, ())
    reader.validate(document)
    if reader.problems:
        raise DeclarationRefused(reader.problems)
    return [
        Declared(
            datastore, name, reader.keys[TOP, datastore],
            reader.keys[TOP, datastore, name],
            [Reference(flavor if isinstance(flavor, str) else flavor['id'],
                       not isinstance(flavor, str),
                       reader.places[TOP, datastore, name, 'flavors', at])
             for at, flavor in enumerate(says.get('flavors', ()))],
            {key: says[key] for key in requirement.MINIMUMS if key in says})
        for datastore, versions in document[TOP].items()
        for name, says in versions.items()]


Path = tuple[str | int, ...]


class _Reader:
    """Makes plain values of YAML's nodes, and remembers their places."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}

    @classmethod
    def of(cls, data: bytes) -> 'tuple[yaml.Node | None, _Reader]':
        """The root of a file's nodes, and a reader for it.

        :raises DeclarationRefused: it is no YAML, or none that makes sense
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

    def value(self, node: yaml.Node | None, path: Path) -> typing.Any:
        """The value of a node, in which every text is to the letter."""
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
            # What needs nothing may be left empty.
            return {} if len(path) == 3 else None
        if path[-1:] and path[-1] in requirement.MINIMUMS and re.fullmatch(
                '[1-9][0-9]{0,18}', node.value):
            return int(node.value)
        return node.value

    def _mapping(self, node: yaml.MappingNode,
                 path: Path) -> dict[str, typing.Any]:
        found: dict[str, typing.Any] = {}
        for key, value in node.value:
            place = _place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(place, 'a key must be a text'))
                continue
            name = key.value
            if name in found:
                self.problems.append(Problem(
                    place, f'{_short(name)} is there already, in line '
                           f'{self.keys[*path, name].line}'))
                continue
            self.keys[*path, name] = place
            found[name] = self.value(value, (*path, name))
        return found

    def validate(self, document: typing.Any) -> None:
        """Add what the schema says against a document to the problems."""
        validator = jsonschema.Draft202012Validator(SCHEMA)
        for error in validator.iter_errors(document):
            self.problems += self._problems(error)

    def _problems(self, error: jsonschema.ValidationError
                  ) -> Iterator[Problem]:
        path = tuple(error.absolute_path)
        if error.validator == 'additionalProperties':
            known = list(error.schema['properties'])
            for name in error.instance:
                if name not in known:
                    yield Problem(
                        self.keys[*path, name],
                        f'{_short(name)} is not known here'
                        f'{near(name, known)}; known: {", ".join(known)}')
        elif error.validator == 'required':
            yield Problem(self.places[path],
                          f'"{error.validator_value[0]}" is missing')
        else:
            yield Problem(
                self.places[path], f'{_short(error.instance)} is not '
                                   f'{error.schema["description"]}')


def _refuse_tricks(text: str) -> None:
    """Go over a file's events, before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem='aliases are not taken; write it out',
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


def _short(value: typing.Any) -> str:
    if value is None:
        return 'nothing'
    if isinstance(value, dict):
        return 'a mapping'
    if isinstance(value, list):
        return 'a list'
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def near(text: str, known: Iterable[str]) -> str:
    """The known texts that may have been meant, for a message."""
    found = difflib.get_close_matches(text, list(known), 3)
    return f' (did you mean {" or ".join(found)}?)' if found else ''


# What it means on a cloud.


def resolve(declared: Iterable[Declared], versions: Sequence[api.Version],
            flavors: Iterable[requirement.Flavor] | None,
            present: Rows) -> Wanted:
    """What is declared, in ids of one cloud.

    :param versions: all that there are
    :param flavors: all of Nova's; None to take every flavor for an id
    :param present: the rows that there are, by id of the version
    :raises DeclarationRefused: with every version and flavor that there is
        none of, or more than one
    """
    resolver = _Resolver(versions, flavors)
    rows: dict[api.Version, set[Row]] = {}
    places: dict[str, Place] = {}
    for one in declared:
        version = resolver.version(one)
        if version is None:
            continue
        if version.id in places:
            resolver.problem(one.place, f'{version} is there already, in '
                                        f'line {places[version.id].line}')
            continue
        places[version.id] = one.place
        rows[version] = {
            (key, str(value)) for key, value in one.minimums.items()
        } | resolver.rows(version, one.flavors,
                          present.get(version.id, ()))
    if resolver.problems:
        raise DeclarationRefused(resolver.problems)
    return Wanted(rows, resolver.warnings)


class _Resolver:
    """Finds versions and flavors, and collects what is not to be found."""

    def __init__(self, versions: Sequence[api.Version],
                 flavors: Iterable[requirement.Flavor] | None):
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._versions = collections.defaultdict(list)
        for version in versions:
            for name in {version.name, version.id}:
                self._versions[version.datastore, name].append(version)
        self._datastores = {version.datastore for version in versions}
        self._validate = flavors is not None
        self._ids = {flavor.id: flavor for flavor in flavors or ()}
        self._names = {flavor.name: flavor for flavor in self._ids.values()}

    def problem(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _near(self, text: str, known: Iterable[str]) -> str:
        return near(text, known) if len(self.problems) < SUGGESTED else ''

    def version(self, declared: Declared) -> api.Version | None:
        name = f'{declared.datastore}/{declared.name}'
        found = self._versions.get((declared.datastore, declared.name), [])
        if len(found) == 1:
            return found[0]
        if found:
            self.problem(
                declared.place, f'there is more than one {name}; put the id '
                f'in place of the name: {api.names(found)}')
        elif declared.datastore not in self._datastores:
            self.problem(
                declared.datastore_place, f'there is no datastore '
                f'{declared.datastore!r}'
                f'{self._near(declared.datastore, self._datastores)}')
        else:
            of_datastore = [name for datastore, name in self._versions
                            if datastore == declared.datastore]
            self.problem(
                declared.place, f'there is no datastore version {name!r}'
                f'{self._near(declared.name, of_datastore)}')
        return None

    def rows(self, version: api.Version, flavors: Iterable[Reference],
             present: Collection[Row]) -> set[Row]:
        """The rows that associate flavors."""
        places: dict[str, Place] = {}
        for reference in flavors:
            flavor_id = self._flavor_id(version, reference, present)
            if flavor_id is None:
                continue
            if flavor_id in places:
                self.problem(
                    reference.place, f'flavor {flavor_id} is there already, '
                    f'in line {places[flavor_id].line}')
            places[flavor_id] = reference.place
        return {(requirement.FLAVOR, flavor_id) for flavor_id in places}

    def _flavor_id(self, version: api.Version, reference: Reference,
                   present: Collection[Row]) -> str | None:
        text = reference.text
        if not self._validate:
            if requirement.FLAVOR_ID.match(text):
                return text
            self.problem(reference.place,
                         f'{_short(text)} is not the id of a flavor')
            return None
        named = None if reference.by_id else self._names.get(text)
        if text in self._ids:
            if named is None or named.id == text:
                return text
            self.problem(
                reference.place, f'{text!r} is the id of flavor '
                f'{self._ids[text].name!r} and the name of flavor '
                f'{named.id!r}: write "id: {text}" or "id: {named.id}"')
            return None
        if named is not None:
            return named.id
        if (requirement.FLAVOR, text) in present:
            self.warnings.append(
                f'flavor {text} of {version} is not in Nova any more')
            return text
        known = [*self._ids] if reference.by_id else [
            *self._ids, *self._names]
        self.problem(reference.place, f'Nova has no flavor {text!r}'
                                      f'{self._near(text, known)}')
        return None


def plan(wanted: Mapping[api.Version, set[Row]], present: Rows,
         versions: Iterable[api.Version], prune: bool) -> list[api.Change]:
    """What has to change for the table to say what is wanted.

    A minimum has one value, so a new one ends the old. All else that is
    there stays, unless it is pruned.

    :param prune: end all that is not wanted, of every version
    :returns: by names of datastore and version; none where nothing changes
    """
    changes = []
    for version in versions:
        rows = wanted.get(version, set())
        there = set(present.get(version.id, ()))
        minimums = {key for key, _value in rows} - {requirement.FLAVOR}
        ended = {row for row in there - rows if prune or row[0] in minimums}
        if rows - there or ended:
            changes.append(api.Change(version, tuple(sorted(rows - there)),
                                      tuple(sorted(ended))))
    return changes


def diff(changes: Iterable[api.Change],
         flavors: Mapping[str, requirement.Flavor]) -> Iterator[str]:
    """Changes for people: lines, each what goes or what comes."""
    for version, added, ended in changes:
        yield f'  {version}'
        for key, value, sign in sorted(
                [(key, value, '-') for key, value in ended]
                + [(key, value, '+') for key, value in added],
                key=lambda row: (requirement.KEYS.index(row[0]),
                                 row[2] == '+', row[1])):
            name = (f' ({flavors[value].name})' if key == requirement.FLAVOR
                    and value in flavors else '')
            yield f'{sign}   {key} {value}{name}'


# Writing.


def write(versions: Iterable[api.Version], present: Rows,
          flavors: Mapping[str, requirement.Flavor] | None,
          by_id: bool) -> str:
    """A file that declares what there is; :func:`read` reads it.

    Versions and flavors are in the order of their names, so that two files
    may be compared.

    :param versions: in that order
    :param flavors: Nova's, by id; None when Nova is away
    :param by_id: refer to flavors by their ids rather than by names
    """
    lines = [
        '# Which flavors datastore versions may run on.',
        '# "trove-manage datastore-version-flavor-apply" makes it so.']
    if flavors is None:
        lines.append('# Nova was away: nothing is known of the flavors.')
    declared = [version for version in versions if present.get(version.id)]
    names = collections.Counter(
        (version.datastore, version.name) for version in versions)
    lines.append(f'{TOP}:' if declared else f'{TOP}: {{}}')
    datastore = None
    for version in declared:
        if version.datastore != datastore:
            datastore = version.datastore
            lines.append(f'  {_scalar(datastore)}:')
        if names[version.datastore, version.name] > 1:
            lines.append(f'    {version.id}:  # {_comment(version.name)}, '
                         f'number {_comment(version.number or "none")}')
        else:
            lines.append(f'    {_scalar(version.name)}:')
        lines += _body(present[version.id], flavors, by_id)
    return ''.join(f'{line}\n' for line in lines)


def _body(rows: Collection[Row],
          flavors: Mapping[str, requirement.Flavor] | None,
          by_id: bool) -> Iterator[str]:
    wanted = requirement.Requirement.of(rows)
    if wanted.flavor_ids:
        yield '      flavors:'
        yield from sorted(
            _flavor_line(flavor_id, flavors, by_id)
            for flavor_id in wanted.flavor_ids)
    for key, value in wanted.minimums.items():
        unit = requirement.MINIMUMS[key].format('').strip()
        yield f'      {key}: {value}  # {unit}'
    for text in wanted.nonsense:
        yield f'      # {_comment(text)} cannot be understood'


def _flavor_line(flavor_id: str,
                 flavors: Mapping[str, requirement.Flavor] | None,
                 by_id: bool) -> str:
    if flavors is None:
        return f'      - id: {_scalar(flavor_id)}'
    flavor = flavors.get(flavor_id)
    if flavor is None:
        return f'      - id: {_scalar(flavor_id)}  # not in Nova any more'
    size = (f'{flavor.ram} MiB RAM, {flavor.vcpus} vCPUs, '
            f'{flavor.disk} GiB disk')
    if by_id or (flavor.name in flavors and flavor.name != flavor_id):
        return (f'      - id: {_scalar(flavor_id)}  '
                f'# {_comment(flavor.name)}: {size}')
    return f'      - {_scalar(flavor.name)}  # id {flavor_id}: {size}'


def _scalar(text: str) -> str:
    """A text in YAML, on one line."""
    style = None if text.isprintable() else '"'
    dumped = yaml.dump(text, Dumper=DUMPER, allow_unicode=True,
                       default_style=style, width=2 ** 20)
    return dumped.removesuffix('...\n').strip('\n')


def _comment(text: str) -> str:
    return ''.join(character if character.isprintable() else '?'
                   for character in text)
