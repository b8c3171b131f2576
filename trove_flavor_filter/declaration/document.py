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

from trove_flavor_filter.declaration import reading
from trove_flavor_filter import requirement

ONE = 'flavor_requirement'
MANY = 'flavor_requirements'

# More than any cloud has of them: of flavors, and of datastore versions.
MOST = 10000

# Where a document shows what is in the table and cannot be understood.
NOT_UNDERSTOOD = 'not_understood'


def _name(what: str) -> dict[str, typing.Any]:
    return {'type': 'string', 'minLength': 1, 'maxLength': 255,
            'description': what}


# Each part's description ends the sentence "... is not ...".
REQUIREMENT: dict[str, typing.Any] = {
    'description': 'an object that says what a datastore version requires',
    'type': 'object',
    'additionalProperties': False,
    'properties': {
        'datastore_version_id': _name('the id of a datastore version'),
        'datastore': _name('the name of a datastore'),
        'datastore_version': _name('the name of a datastore version'),
        'flavors': {
            'description': f'a list of up to {MOST} flavors',
            'type': 'array',
            'maxItems': MOST,
            'items': {
                'description': 'the id of a flavor, or {"name": NAME}',
                'type': ['string', 'object'],
                'minLength': 1,
                'maxLength': 255,
                'required': ['name'],
                'additionalProperties': False,
                'properties': {'name': _name('the name of a flavor')},
            }},
        **{key: reading.limit(key) | {'type': ['integer', 'null']}
           for key in requirement.LIMITS},
        'extra_specs': reading.EXTRA_SPECS,
        # No value is accepted here; the message says what to do.
        NOT_UNDERSTOOD: {
            'not': {},
            'description': 'accepted; leave it out to remove the rows that '
                           'cannot be understood'},
    },
}

SCHEMA_OF_ONE: dict[str, typing.Any] = {
    'description': f'an object with "{ONE}"',
    'type': 'object',
    'required': [ONE],
    'additionalProperties': False,
    'properties': {ONE: REQUIREMENT},
}

SCHEMA_OF_MANY: dict[str, typing.Any] = {
    'description': f'an object with "{MANY}"',
    'type': 'object',
    'required': [MANY],
    'additionalProperties': False,
    'properties': {MANY: {
        'description': f'a list of up to {MOST} requirements',
        'type': 'array',
        'maxItems': MOST,
        'items': REQUIREMENT,
    }},
}


class Read(typing.NamedTuple):
    """What documents declare, as far as they can be understood.

    :ivar problems: what is wrong with the form of the rest
    """

    declared: list[reading.Declared]
    problems: list[reading.Problem]


def read_one(document: typing.Any, version_id: str) -> Read:
    """What a document declares of one datastore version.

    :param version_id: of the datastore version that it must be about
    """
    reader = _Reader()
    reader.validate(document, SCHEMA_OF_ONE)
    says = document.get(ONE) if isinstance(document, dict) else None
    if isinstance(says, dict):
        given = says.get('datastore_version_id', version_id)
        path = (ONE, 'datastore_version_id')
        if given != version_id and reader.is_sound(path):
            reader.problem(path, f'{reading.short(given)} is another '
                                 f'datastore version than {version_id}')
        reader.add((ONE,), says, version_id)
    return Read(reader.declared, reader.problems)


def read_many(document: typing.Any) -> Read:
    """What a document declares of any number of datastore versions."""
    reader = _Reader()
    reader.validate(document, SCHEMA_OF_MANY)
    listed = document.get(MANY) if isinstance(document, dict) else None
    if isinstance(listed, list) and reader.is_sound((MANY,)):
        for at, says in enumerate(listed):
            if isinstance(says, dict):
                reader.add((MANY, at), says)
    return Read(reader.declared, reader.problems)


class _Reader(reading.Checker):
    """Takes what is sound of documents."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: list[reading.Declared] = []

    def problem(self, path: reading.Path, message: str) -> None:
        self.problems.append(
            reading.Problem(reading.Pointer(path), message))

    def add(self, path: reading.Path, says: Mapping[str, typing.Any],
            version_id: str | None = None) -> None:
        """Take what a document says of a datastore version.

        :param version_id: of the version; None where the document tells it
        """
        sound = {key: value for key, value in says.items()
                 if self.is_sound((*path, key))}
        limits = {key: sound[key] for key in requirement.LIMITS
                  if sound.get(key) is not None}
        self.compare(limits, {key: reading.Pointer((*path, key))
                              for key in limits}, reading.Pointer(path))
        flavors = [
            reading.Reference(
                flavor if isinstance(flavor, str) else flavor['name'],
                isinstance(flavor, str), reading.Pointer(where),
                not isinstance(flavor, str))
            for at, flavor in enumerate(sound.get('flavors', ()))
            if self.is_sound(where := (*path, 'flavors', at))
            and (isinstance(flavor, str) or 'name' in flavor)
            and self.is_sound((*where, 'name'))]
        extra_specs = self.extra_specs(
            sound.get('extra_specs', {}), (*path, 'extra_specs'))
        if version_id is None:
            version_id = sound.get('datastore_version_id')
        if version_id is None and not {'datastore', 'datastore_version'
                                       } <= sound.keys():
            if sound.keys() == says.keys():
                self.problem(path, '"datastore_version_id" is missing, or '
                                   '"datastore" and "datastore_version"')
            return
        self.declared.append(reading.Declared(
            sound.get('datastore'), sound.get('datastore_version'),
            reading.Pointer((*path, 'datastore')),
            reading.Pointer((*path, 'datastore_version')),
            flavors, limits, extra_specs, version_id,
            reading.Pointer((*path, 'datastore_version_id'))
            if 'datastore_version_id' in says else None))


def write(version: requirement.Version,
          wanted: requirement.Requirement) -> dict[str, typing.Any]:
    """What a datastore version requires, as a document.

    What cannot be understood is shown under a key of its own, which is there
    only then. Such a document cannot be read: the rows would be lost.
    """
    strange = [*wanted.nonsense, *(
        f'{requirement.FLAVOR}={flavor_id}'
        for flavor_id in wanted.flavor_ids if not flavor_id)]
    return {
        'datastore_version_id': version.id,
        'datastore': version.datastore,
        'datastore_version': version.name,
        'flavors': sorted(filter(None, wanted.flavor_ids)),
        **{key: wanted.limits.get(key) for key in requirement.LIMITS},
        'extra_specs': {
            key: next(iter(values)) if len(values) == 1 else sorted(values)
            for key, values in sorted(wanted.extra_specs.items())},
        **({NOT_UNDERSTOOD: sorted(strange)} if strange else {})}


def rows(document: Mapping[str, typing.Any]) -> frozenset[requirement.Row]:
    """The rows of a document that :func:`write` has written."""
    found: set[requirement.Row] = {
        (requirement.FLAVOR, flavor_id) for flavor_id in document['flavors']}
    found |= {(key, str(document[key])) for key in requirement.LIMITS
              if document[key] is not None}
    for key, values in document['extra_specs'].items():
        found |= {(requirement.EXTRA_SPEC, f'{key}={value}') for value in (
            values if isinstance(values, list) else [values])}
    for text in document.get(NOT_UNDERSTOOD, ()):
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
        'ended': listed(change.ended),
    } for change in made]
