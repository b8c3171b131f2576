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

"""Resolve declared names to a cloud's datastore versions and flavors."""

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import typing

from trove_flavor_filter.declaration import checks
from trove_flavor_filter.declaration import problems
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

# How many datastore versions a message lists.
CANDIDATES = 10


class Wanted(typing.NamedTuple):
    """The rows that declarations want on one cloud.

    :ivar rows: of each datastore version that is mentioned
    :ivar warnings: oddities that do not prevent applying them
    """

    rows: dict[requirement.Version, set[requirement.Row]]
    warnings: list[str]


def resolve(declared: Iterable[checks.Declared],
            flavors: Iterable[requirement.Flavor] | None,
            present: requirement.CurrentRows,
            found: problems.Problems | None = None) -> Wanted:
    """Resolve the declared datastore versions and flavors to ids.

    :param flavors: all of Nova's; None to take every flavor for an id
    :param present: the rows of all existing datastore versions
    :param found: problems that have been found already
    :raises problems.DeclarationRefused: with every datastore version and
        flavor that does not exist, is ambiguous or is a duplicate
    """
    resolver = _Resolver(flavors, present, found)
    rows: dict[requirement.Version, set[requirement.Row]] = {}
    places: dict[str, problems.Place | problems.Pointer] = {}
    for one in declared:
        version = resolver.version(one)
        if version is None:
            continue
        if version.id in places:
            resolver.problem(one.id_place or one.place,
                             f'{version} is already defined in '
                             f'{places[version.id]}')
            continue
        places[version.id] = one.id_place or one.place
        rows[version] = {
            *((key, str(value)) for key, value in one.limits.items()),
            *((requirement.EXTRA_SPEC, text) for text in one.extra_specs),
            *([(requirement.ENFORCEMENT, one.enforcement)]
              if one.enforcement else []),
            *resolver.rows(version, one.flavors)}
    if resolver.problems.count:
        raise problems.DeclarationRefused(resolver.problems)
    return Wanted(rows, resolver.warnings)


class _Resolver:
    """Finds datastore versions and flavors; collects the problems."""

    def __init__(self, flavors: Iterable[requirement.Flavor] | None,
                 present: requirement.CurrentRows,
                 found: problems.Problems | None):
        self.problems = problems.Problems(found)
        self.warnings: list[str] = []
        self._present = present
        self._versions = collections.defaultdict(list)
        for version in present.rows:
            for name in {version.name, version.id}:
                self._versions[version.datastore, name].append(version)
        self._by_id = {version.id: version for version in present.rows}
        self._datastores = {version.datastore for version in present.rows}
        self._near = problems.CloseMatches().near
        self._missing: set[problems.Place | problems.Pointer] = set()
        self._validate = flavors is not None
        self._ids = {flavor.id: flavor for flavor in flavors or ()}
        self._names = {flavor.name: flavor for flavor in self._ids.values()}

    def problem(self, place: problems.Place | problems.Pointer,
                message: problems.Message) -> None:
        self.problems.add(place, message)

    def version(self, declared: checks.Declared
                ) -> requirement.Version | None:
        """The datastore version that is meant; None with a problem."""
        if declared.id is None:
            return self._named(declared)
        version = self._by_id.get(declared.id)
        if version is None:
            self.problem(declared.id_place or declared.place,
                         f'there is no datastore version '
                         f'{problems.short(declared.id)}')
            return None
        for given, there, place, what in (
                (declared.datastore, version.datastore,
                 declared.datastore_place, 'datastore'),
                (declared.name, version.name, declared.place, 'name')):
            if given not in (None, there):
                self.problem(place, f'{problems.short(given)} is not the '
                                    f'{what} of {version}')
        return version

    def _named(self, declared: checks.Declared
               ) -> requirement.Version | None:
        name = f'{declared.datastore}/{declared.name}'
        names: typing.Any = (declared.datastore, declared.name)
        found = self._versions.get(names, [])
        if len(found) == 1:
            return found[0]
        if found:
            candidates = problems.joined(
                requirement.names(found[:CANDIDATES]),
                len(found[CANDIDATES:]), ', ')
            self.problem(
                declared.place, f'{name} is ambiguous; use one of these ids '
                f'in place of the name: {candidates}')
        elif declared.datastore not in self._datastores:
            # In a file, one datastore may have many versions.
            if declared.datastore_place in self._missing:
                return None
            self._missing.add(declared.datastore_place)
            self.problem(declared.datastore_place, lambda: (
                f'there is no datastore {problems.short(names[0])}'
                f'{self._near(names[0], self._datastores)}'))
        else:
            self.problem(declared.place, lambda: (
                f'there is no datastore version {problems.short(name)}'
                f'{self._near(names[1], self._names_in(names[0]))}'))
        return None

    def _names_in(self, datastore: str) -> list[str]:
        """The names and ids of a datastore's versions."""
        return [name for of, name in self._versions if of == datastore]

    def rows(self, version: requirement.Version,
             flavors: Iterable[checks.Reference]) -> set[requirement.Row]:
        """The rows that associate flavors."""
        there = self._present.distinct(self._present.rows[version])
        places: dict[str, problems.Place | problems.Pointer] = {}
        for reference in flavors:
            flavor_id = self._flavor_id(version, reference, there)
            if flavor_id is None:
                continue
            if flavor_id in places:
                self.problem(
                    reference.place, f'flavor {flavor_id} is already listed '
                    f'in {places[flavor_id]}')
            places[flavor_id] = reference.place
        return {(requirement.FLAVOR, flavor_id) for flavor_id in places}

    def _flavor_id(self, version: requirement.Version,
                   reference: checks.Reference,
                   there: Collection[requirement.Row]) -> str | None:
        text = reference.text
        if not self._validate:
            if reference.by_name:
                self.problem(
                    reference.place, f'the name {problems.short(text)} can '
                    f'only be looked up in Nova; give the id')
                return None
            if requirement.FLAVOR_ID.match(text) or self._present.identity(
                    (requirement.FLAVOR, text)) in there:
                return text
            self.problem(reference.place,
                         f'{problems.short(text)} is not a flavor id')
            return None
        named = None if reference.by_id else self._names.get(text)
        if text in self._ids and not reference.by_name:
            if named is None or named.id == text:
                return text
            self.problem(
                reference.place, f'{text!r} is the id of flavor '
                f'{self._ids[text].name!r} and the name of flavor '
                f'{named.id!r}: write "id: {text}" or "id: {named.id}"')
            return None
        if named is not None:
            return named.id
        if (self._present.identity((requirement.FLAVOR, text)) in there
                and not reference.by_name):
            self.warnings.append(
                f'flavor {text} of {version} is no longer in Nova')
            return text
        self.problems.misses_flavors = True
        self.problem(reference.place, lambda: (
            f'Nova has no flavor {problems.short(text)}'
            f'{self._hint(reference)}'))
        return None

    def _hint(self, reference: checks.Reference) -> str:
        """What may have been meant by a reference to an unknown flavor."""
        by_id, by_name = reference.by_id, reference.by_name
        return (by_id and id_of_name(reference.text, self._names)
                or self._near(reference.text, [
                    *(() if by_name else self._ids),
                    *(() if by_id else self._names)]))


def id_of_name(text: str, names: Mapping[str, requirement.Flavor]) -> str:
    """A hint for who gave a flavor's name in place of its id, or ''.

    :param names: the flavors that there are, by name
    """
    if text not in names:
        return ''
    return (f' (did you mean {names[text].id}, the id of the flavor of that '
            f'name?)')


def find_flavor(flavors: Mapping[str, requirement.Flavor],
                text: str) -> requirement.Flavor:
    """The flavor that an administrator means by an id or a name.

    :raises NotFound: none, or more than one; the message says what to do
    """
    found = {flavor.id: flavor for flavor in flavors.values()
             if text in (flavor.id, flavor.name)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise exception.NotFound(
            f'{text} is the id of one flavor and the name of another; '
            f'specify the id: {", ".join(found)}')
    raise exception.NotFound(
        f'Nova has no flavor {text!r}. "openstack flavor list --all" lists '
        f'the flavors.')
