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

"""The checks of declarations that a file and a JSON document share."""

from collections.abc import Collection
from collections.abc import Mapping
import typing

from trove_flavor_filter.declaration import problems
from trove_flavor_filter import requirement

# The maximum length of a name or a key, in characters.
LONGEST = 255

# What a declaration says of a datastore version.
KEYS = ('flavors', *requirement.LIMITS, 'extra_specs',
        requirement.ENFORCEMENT)


class Reference(typing.NamedTuple):
    """A reference to a flavor in a declaration.

    :ivar text: id or name
    :ivar by_id: whether the text is an id for sure
    :ivar by_name: whether the text is a name for sure
    """

    text: str
    by_id: bool
    place: problems.Place | problems.Pointer
    by_name: bool = False


class Declared(typing.NamedTuple):
    """The declared requirements of one datastore version.

    :ivar datastore: its name; None if the id of the version is given
    :ivar name: of the version, or its id; None if the id is given
    :ivar datastore_place: position of the datastore's name
    :ivar place: position of the version's name
    :ivar limits: minimums and maximums, by key of the table
    :ivar extra_specs: strings ``KEY=VALUE``
    :ivar enforcement: WARN or DENY; None where nothing is said
    :ivar id: of the version; None if it is given by names
    :ivar id_place: position of the id
    """

    datastore: str | None
    name: str | None
    datastore_place: problems.Place | problems.Pointer
    place: problems.Place | problems.Pointer
    flavors: list[Reference]
    limits: dict[str, int]
    extra_specs: list[str]
    enforcement: str | None = None
    id: str | None = None
    id_place: problems.Place | problems.Pointer | None = None


class Checker:
    """Checks the values of a declaration, and collects the problems.

    Each method returns the valid part of a value. ``expected`` is what the
    value should be: the end of the message "... is not ...".

    The time is linear in the size of the declaration, however many mistakes
    it has. The library jsonschema makes an object for each mistake, which
    takes a hundred times as long.
    """

    def __init__(self) -> None:
        self.problems = problems.Problems()
        self.near = problems.CloseMatches().near

    def place(self, path: problems.Path
              ) -> problems.Place | problems.Pointer:
        """Where the value of a path stands."""
        return problems.Pointer(path)

    def key(self, path: problems.Path) -> problems.Place | problems.Pointer:
        """Where the last key of a path stands."""
        return problems.Pointer(path)

    def problem(self, path: problems.Path, message: problems.Message) -> None:
        """Add a problem of the value of a path."""
        self.problems.add(self.place(path), message)

    def refuse(self, value: typing.Any, expected: str,
               path: problems.Path) -> None:
        """Add the problem that a value is not what it should be."""
        if self.problems.is_full:
            self.problems.count += 1
        else:
            self.problem(path, f'{problems.short(value)} is not {expected}')

    def mapping(self, value: typing.Any, expected: str, path: problems.Path,
                known: Collection[str] | None = None,
                required: str | None = None) -> dict[str, typing.Any]:
        """A mapping, without its unknown keys; empty if the value is none.

        :param known: the keys that it may have; None for any
        :param required: the key that it must have
        """
        if not isinstance(value, dict):
            self.refuse(value, expected, path)
            return {}
        if required is not None and required not in value:
            self.problem(path, f'"{required}" is missing')
        return {name: item for name, item in value.items()
                if self._is_known(name, path, known)}

    def _is_known(self, name: str, path: problems.Path,
                  known: Collection[str] | None) -> bool:
        if known is not None and name in known:
            return True
        if known is not None and self.problems.is_full:
            self.problems.count += 1
            return False
        if len(name) > LONGEST:
            # Its value is not checked: the path would be as long.
            self.problem(path, f'the key {problems.short(name)} must not '
                               f'exceed {LONGEST} characters')
            return False
        if known is None:
            return True
        self.problems.add(self.key((*path, name)), lambda: (
            f'unknown key {problems.short(name)}{self.near(name, known)}; '
            f'known keys: {", ".join(known)}'))
        return False

    def items(self, value: typing.Any, expected: str, path: problems.Path,
              most: int | None = None) -> list[typing.Any]:
        """A list, up to its maximum length; empty if the value is none."""
        if not isinstance(value, list):
            self.refuse(value, expected, path)
            return []
        if most is not None and len(value) > most:
            self.problem(path, f'a list of {len(value)} is not {expected}')
        return value[:most]

    def text(self, value: typing.Any, expected: str,
             path: problems.Path) -> str | None:
        """A name or an id; None if the value is none."""
        if isinstance(value, str) and 0 < len(value) <= LONGEST:
            return value
        self.refuse(value, expected, path)
        return None

    def text_in(self, value: dict[str, typing.Any], key: str, expected: str,
                path: problems.Path) -> str | None:
        """The text in a mapping of one key; None without a valid one."""
        says = self.mapping(value, '', path, [key], key)
        return self.text(says[key], expected, (*path, key)) if says else None

    def limits(self, says: Mapping[str, typing.Any],
               path: problems.Path) -> dict[str, int]:
        """The minimums and maximums of a datastore version, by key.

        :param says: what is declared of the datastore version
        """
        found = {}
        for key in filter(says.__contains__, requirement.LIMITS):
            value = says[key]
            # A bool is an int, too.
            if type(value) is int and 1 <= value <= requirement.LARGEST:
                found[key] = value
            else:
                unit = requirement.LIMITS[key].format('').split()[0]
                self.refuse(value, f'a whole number of {unit} from 1 to '
                                   f'{requirement.LARGEST}', (*path, key))
        return found

    def compare(self, limits: Mapping[str, int], path: problems.Path,
                place: problems.Place | problems.Pointer | None = None
                ) -> None:
        """Add the problem of each minimum that is above its maximum.

        :param place: where it stands; None for that of the minimum
        """
        for pair in zip(requirement.MINIMUMS, requirement.MAXIMUMS):
            if limits.keys() >= {*pair}:
                wanted = requirement.Requirement.of(
                    (key, str(limits[key])) for key in pair)
                for text in wanted.contradictions:
                    self.problems.add(
                        place or self.place((*path, pair[0])), text)

    def enforcement(self, value: typing.Any,
                    path: problems.Path) -> str | None:
        """Whether the requirement of a datastore version is on trial.

        :param value: None where nothing is said
        """
        if value in (None, requirement.WARN, requirement.DENY):
            return value
        self.refuse(value, f'"{requirement.WARN}" or "{requirement.DENY}"',
                    (*path, requirement.ENFORCEMENT))
        return None

    def extra_specs(self, value: typing.Any,
                    path: problems.Path) -> list[str]:
        """The extra specs of a datastore version, as ``KEY=VALUE``."""
        found = []
        for key, given in self.mapping(
                value, 'a mapping of the keys of extra specs', path).items():
            where = (*path, key)
            if not (isinstance(given, list) and given):
                found += self._extra_spec(
                    key, given, 'the value of an extra spec, or a list of '
                                'values', where)
                continue
            if not requirement.EXTRA_SPEC_KEY.match(key):
                # Each value would have the same problem.
                given = given[:1]
            for at, item in enumerate(given):
                found += self._extra_spec(
                    key, item, 'the value of an extra spec', (*where, at))
        return found

    def _extra_spec(self, key: str, value: typing.Any, expected: str,
                    path: problems.Path) -> list[str]:
        if not isinstance(value, str):
            self.refuse(value, expected, path)
            return []
        text = f'{key}={value}'
        try:
            # Of the whole text the first "=" divides; here the key has been
            # divided from the value already.
            if requirement.extra_spec(text) != (key, value):
                raise ValueError(f'{problems.short(key)} is not the key of '
                                 f'an extra spec')
        except ValueError as error:
            self.problem(path, str(error))
            return []
        return [text]
