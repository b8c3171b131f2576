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

"""What a datastore version requires, as a JSON document: read and written.

What is written can be read. All that is wrong with a document is told, each
problem with a JSON pointer.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import typing

from trove_flavor_filter.declaration import checks
from trove_flavor_filter.declaration import problems
from trove_flavor_filter import requirement

ONE = 'flavor_requirement'
MANY = 'flavor_requirements'

# More than any cloud has of them: of flavors, and of datastore versions.
MOST = 10000

# The maximum number of flavors and extra specs in one request. While they are
# read and written, for about a second, the worker does nothing else.
MOST_ROWS = 12000

# Where a document shows invalid rows of the table.
INVALID_ROWS = 'invalid_rows'

# The keys that name the datastore version.
NAMES = {
    'datastore_version_id': 'the id of a datastore version',
    'datastore': 'the name of a datastore',
    'datastore_version': 'the name of a datastore version',
}

KEYS = (*NAMES, *checks.KEYS, INVALID_ROWS)


class Read(typing.NamedTuple):
    """What documents declare, as far as they are valid.

    :ivar problems: what is wrong with the form of the rest
    """

    declared: list[checks.Declared]
    problems: problems.Problems


def read_one(document: typing.Any, version_id: str) -> Read:
    """What a document declares of one datastore version.

    :param version_id: of the datastore version that it must be about
    """
    reader = _Reader()
    for says in reader.mapping(
            document, f'an object with "{ONE}"', (), [ONE], ONE).values():
        reader.read([((ONE,), says)], version_id)
    return Read(reader.declared, reader.problems)


def read_many(document: typing.Any) -> Read:
    """What a document declares of any number of datastore versions."""
    reader = _Reader()
    for listed in reader.mapping(
            document, f'an object with "{MANY}"', (), [MANY], MANY).values():
        documents = reader.up_to_most(listed, 'requirements', (MANY,))
        reader.read([((MANY, at), says)
                     for at, says in enumerate(documents[:MOST])])
    return Read(reader.declared, reader.problems)


class _Reader(checks.Checker):
    """Reads documents; collects what is valid, and the problems."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: list[checks.Declared] = []

    def up_to_most(self, value: typing.Any, what: str,
                   path: problems.Path) -> list[typing.Any]:
        """A list; empty if the value is none. A long one is a problem."""
        expected = f'a list of up to {MOST} {what}'
        found = self.items(value, expected, path)
        if len(found) > MOST:
            self.problem(path, f'a list of {len(found)} is not {expected}')
        return found

    def read(self, documents: list[tuple[problems.Path, typing.Any]],
             version_id: str | None = None) -> None:
        """Read what each document says of a datastore version.

        :param version_id: of the version; None where the documents tell it
        """
        count = sum(_count(says) for _path, says in documents)
        if count > MOST_ROWS:
            self.problem((), f'{count} flavors and extra specs are more than '
                             f'{MOST_ROWS}; send them in several requests')
            return
        for path, says in documents:
            known = self.mapping(
                says, 'an object that says what a datastore version requires',
                path, KEYS)
            if isinstance(says, dict):
                self._version(path, known, version_id)

    def _version(self, path: problems.Path, says: Mapping[str, typing.Any],
                 version_id: str | None) -> None:
        names = {
            key: self.text(says[key], expected, (*path, key))
            for key, expected in NAMES.items() if key in says}
        given = names.get('datastore_version_id')
        if version_id is None:
            version_id = given
        elif given not in (None, version_id):
            self.problem(
                (*path, 'datastore_version_id'),
                f'{problems.short(given)} is another datastore version than '
                f'{version_id}')
        if INVALID_ROWS in says:
            self.refuse(
                says[INVALID_ROWS], 'accepted; leave it out to remove the '
                'invalid rows', (*path, INVALID_ROWS))
        limits = self.limits(
            {key: value for key, value in says.items() if value is not None},
            path)
        self.compare(limits, path)
        flavors = self._flavors(says.get('flavors', []), (*path, 'flavors'))
        extra_specs = self.extra_specs(
            says.get('extra_specs', {}), (*path, 'extra_specs'))
        enforcement = self.enforcement(says.get(requirement.ENFORCEMENT), path)
        if version_id is None and not all(map(
                names.get, ('datastore', 'datastore_version'))):
            if None not in names.values():
                self.problem(path, '"datastore_version_id" is missing, or '
                                   '"datastore" and "datastore_version"')
            return
        self.declared.append(checks.Declared(
            names.get('datastore'), names.get('datastore_version'),
            problems.Pointer((*path, 'datastore')),
            problems.Pointer((*path, 'datastore_version')),
            flavors, limits, extra_specs, enforcement, version_id,
            problems.Pointer((*path, 'datastore_version_id'))
            if 'datastore_version_id' in says else None))

    def _flavors(self, value: typing.Any,
                 path: problems.Path) -> list[checks.Reference]:
        listed = self.up_to_most(value, 'flavors', path)
        found = []
        for at, item in enumerate(listed if len(listed) <= MOST else []):
            where = (*path, at)
            by_name = isinstance(item, dict)
            if by_name:
                text = self.text_in(item, 'name', 'the name of a flavor',
                                    where)
            else:
                text = self.text(item, 'the id of a flavor, or {"name": '
                                       'NAME}', where)
            if text is not None:
                found.append(checks.Reference(
                    text, not by_name, problems.Pointer(where), by_name))
        return found


def _count(says: typing.Any) -> int:
    """The number of flavors and extra specs in a document."""
    if not isinstance(says, dict):
        return 0
    flavors, extra_specs = says.get('flavors'), says.get('extra_specs')
    count = len(flavors) if isinstance(flavors, list) else 0
    if isinstance(extra_specs, dict):
        count += sum(len(values) if isinstance(values, list) else 1
                     for values in extra_specs.values())
    return count


def write(version: requirement.Version,
          wanted: requirement.Requirement) -> dict[str, typing.Any]:
    """What a datastore version requires, as a document.

    Invalid rows are shown under a key of their own, which is there
    only then. Such a document cannot be read: the rows would be lost.
    """
    strange = wanted.invalid_rows
    return {
        'datastore_version_id': version.id,
        'datastore': version.datastore,
        'datastore_version': version.name,
        'flavors': sorted(filter(None, wanted.flavor_ids)),
        **{key: wanted.limits.get(key) for key in requirement.LIMITS},
        'extra_specs': {
            key: next(iter(values)) if len(values) == 1 else sorted(values)
            for key, values in sorted(wanted.extra_specs.items())},
        requirement.ENFORCEMENT: (
            requirement.WARN if wanted.on_trial else None),
        **({INVALID_ROWS: strange} if strange else {})}


def rows(document: Mapping[str, typing.Any]) -> frozenset[requirement.Row]:
    """The rows of a document that :func:`write` has written."""
    found: set[requirement.Row] = {
        (requirement.FLAVOR, flavor_id) for flavor_id in document['flavors']}
    # A plugin of an earlier release lacks some keys.
    found |= {(key, str(value)) for key in requirement.LIMITS
              if (value := document.get(key)) is not None}
    for key, values in document['extra_specs'].items():
        found |= {(requirement.EXTRA_SPEC, f'{key}={value}') for value in (
            values if isinstance(values, list) else [values])}
    if enforcement := document.get(requirement.ENFORCEMENT):
        found.add((requirement.ENFORCEMENT, enforcement))
    for text in document.get(INVALID_ROWS, ()):
        key, _divider, value = text.partition('=')
        found.add((key, value))
    return frozenset(found)


def changes(made: Iterable[requirement.Change],
            flavors: Mapping[str, requirement.Flavor]
            ) -> list[dict[str, typing.Any]]:
    """Changes as documents: of each datastore version what came, what went.

    :param flavors: that are known, by id
    """
    def listed(rows: Iterable[requirement.Row]) -> list[dict[str, str]]:
        return [{'key': key, 'value': value} | (
            {'name': flavors[value].name}
            if key == requirement.FLAVOR and value in flavors else {})
            for key, value in rows]

    return [{
        'datastore_version_id': change.version.id,
        'datastore': change.version.datastore,
        'datastore_version': change.version.name,
        'added': listed(change.added),
        'removed': listed(change.removed),
    } for change in made]
