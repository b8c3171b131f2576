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

"""Which flavors a datastore version allows. Pure: no I/O, no settings."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
import re
import typing

# Keys of datastore_version_metadata, and what is said by them. A minimum's
# text takes the number; the attribute of a flavor is the key without "min_".
FLAVOR = 'flavor'
MINIMUMS = {
    'min_ram': '{} MiB RAM',
    'min_vcpus': '{} vCPUs',
    'min_disk': '{} GiB disk',
}
KEYS = (FLAVOR, *MINIMUMS)

# What Nova accepts as the id of a flavor, and the table has room for.
FLAVOR_ID = re.compile(r'(?! )[a-zA-Z0-9. _-]{1,128}(?<! )\Z')

# Nova keeps sizes in 32 bits.
LARGEST = 2 ** 31 - 1


# A key and a value of the table. A value that is empty or NULL is ''.
Row = tuple[str, str]


class Version(typing.NamedTuple):
    """A datastore version, with the names that people know it by."""

    id: str
    datastore: str
    name: str
    number: str | None

    def __str__(self) -> str:
        return f'{self.datastore}/{self.name} ({self.id})'


class Present(typing.NamedTuple):
    """The rows that there are: what a change is planned from.

    :ivar rows: of datastore versions, by names of datastore and version;
        empty for a version that requires nothing
    :ivar ignores_case: whether the database takes two values for equal that
        differ in case only
    """

    rows: Mapping[Version, frozenset[Row]]
    ignores_case: bool = False

    def identity(self, row: Row) -> Row:
        """What the database tells a row apart by."""
        key, value = row
        return (key, value.lower()) if self.ignores_case else row

    def distinct(self, rows: Iterable[Row]) -> dict[Row, Row]:
        """Rows by their identity; of those that share one, the last."""
        return {self.identity(row): row for row in rows}


# A pure function: from the rows that there are to those that are wanted, of
# the versions that it is about. It may be asked more than once, and raises
# what is to be told when it refuses.
Plan = Callable[[Present], Mapping[Version, Collection[Row]]]


class Change(typing.NamedTuple):
    """What a plan makes of a datastore version.

    :ivar before: the rows that there were
    :ivar after: the rows that there are now
    :ivar revision: how often the rows have been changed, this change included
    :ivar ignores_case: as of Present
    """

    version: Version
    before: frozenset[Row]
    after: frozenset[Row]
    revision: int = 0
    ignores_case: bool = False

    @property
    def added(self) -> list[Row]:
        return sorted(self.after - self.before)

    @property
    def ended(self) -> list[Row]:
        return sorted(self.before - self.after)

    @property
    def requirement(self) -> 'Requirement':
        """What the datastore version requires now."""
        return Requirement.of(self.after, self.ignores_case)


class Flavor(typing.NamedTuple):
    """A Nova flavor, as far as the plugin cares.

    :ivar id: Nova's ``flavorid``, always a string
    :ivar name: unique in Nova
    :ivar ram: MiB
    :ivar vcpus: count
    :ivar disk: root disk, GiB
    :ivar ephemeral: ephemeral disk, GiB
    """

    id: str
    name: str
    ram: int
    vcpus: int
    disk: int
    ephemeral: int


@dataclasses.dataclass(frozen=True)
class Requirement:
    """What a datastore version requires of a flavor.

    :ivar flavor_ids: the associated flavors, as they are spelled in the
        table; when empty, nothing is associated and every flavor is, as in
        Trove's own ``list_datastore_version_flavor_associations``. An
        association without a value is '', the id of no flavor
    :ivar min_ram: MiB, 0 for no minimum
    :ivar min_vcpus: count, 0 for no minimum
    :ivar min_disk: GiB, 0 for no minimum
    :ivar nonsense: rows that cannot be understood, as ``key=value``. While
        there are any nothing is allowed: whoever wrote them meant to require
        something
    :ivar ignores_case: whether the database takes two ids for equal that
        differ in case only
    """

    flavor_ids: frozenset[str] = frozenset()
    min_ram: int = 0
    min_vcpus: int = 0
    min_disk: int = 0
    nonsense: tuple[str, ...] = ()
    ignores_case: bool = dataclasses.field(default=False, compare=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[str | None, str | None]],
           ignores_case: bool = False) -> 'Requirement':
        """The requirement that rows of keys and values make.

        Other keys than ours are passed over. Where a minimum has more than
        one row the highest counts.
        """
        flavor_ids, nonsense = set(), []
        minimums = dict.fromkeys(MINIMUMS, 0)
        for key, value in rows:
            if key == FLAVOR:
                flavor_ids.add(value or '')
            elif key in minimums:
                try:
                    minimums[key] = max(minimums[key], minimum(value or ''))
                except ValueError:
                    nonsense.append(f'{key}={value or ""}')
        return cls(frozenset(flavor_ids), nonsense=tuple(nonsense),
                   ignores_case=ignores_case, **minimums)

    @property
    def is_empty(self) -> bool:
        """Whether every flavor is allowed."""
        return self == Requirement()

    @property
    def minimums(self) -> dict[str, int]:
        """The minimums that there are, by key."""
        return {key: value for key in MINIMUMS
                if (value := getattr(self, key))}

    def __str__(self) -> str:
        """The minimums, in words; empty when there are none."""
        return ', '.join(MINIMUMS[key].format(value)
                         for key, value in self.minimums.items())

    @functools.cached_property
    def _folded(self) -> frozenset[str]:
        """The associated flavors, as they are compared."""
        if not self.ignores_case:
            return self.flavor_ids
        return frozenset(flavor_id.lower() for flavor_id in self.flavor_ids)

    def is_associated(self, flavor_id: str) -> bool:
        """Whether a flavor is associated, or nothing is."""
        return not self.flavor_ids or (
            flavor_id.lower() if self.ignores_case
            else flavor_id) in self._folded

    def associated(self, known: Collection[str]) -> list[str]:
        """The associated flavors, by id.

        :param known: ids of Nova's flavors. One that is associated is spelled
            as Nova does; one that Nova does not have as the table does
        """
        if not self.ignores_case:
            return sorted(self.flavor_ids)
        found = {flavor_id: flavor_id.lower() for flavor_id in known
                 if flavor_id.lower() in self._folded}
        return sorted([*found, *(
            flavor_id for flavor_id in self.flavor_ids
            if flavor_id.lower() not in found.values())])

    def shortcomings(self, flavor: Flavor) -> list[str]:
        """Why a flavor is not allowed, in words; empty when it is."""
        found = []
        if self.nonsense:
            found.append('what it requires cannot be understood')
        if not self.is_associated(flavor.id):
            found.append('is not associated')
        for key, value in self.minimums.items():
            has = getattr(flavor, key.removeprefix('min_'))
            if has < value:
                found.append(f'requires at least '
                             f'{MINIMUMS[key].format(value)}, has {has}')
        return found

    def allows(self, flavor: Flavor) -> bool:
        """Whether the datastore version may run on a flavor."""
        return (not self.nonsense
                and self.is_associated(flavor.id)
                and flavor.ram >= self.min_ram
                and flavor.vcpus >= self.min_vcpus
                and flavor.disk >= self.min_disk)

    def select(self, flavors: Iterable[Flavor]) -> list[Flavor]:
        """The allowed ones of some flavors, in the order given."""
        # As allows() has it, spelled out: there may be thousands.
        if self.nonsense:
            return []
        ids, ram = self._folded, self.min_ram
        vcpus, disk = self.min_vcpus, self.min_disk
        if ids:
            flavors = ([flavor for flavor in flavors
                        if flavor.id.lower() in ids] if self.ignores_case
                       else [flavor for flavor in flavors
                             if flavor.id in ids])
        if not self.minimums:
            return list(flavors)
        return [flavor for flavor in flavors if flavor.ram >= ram
                and flavor.vcpus >= vcpus and flavor.disk >= disk]


def minimum(text: str) -> int:
    """A minimum, from text.

    :raises ValueError: it is not a whole number from 1 to LARGEST
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'not a whole number: {text[:40]!r}')
    # Before int(), which refuses digits by the thousand with other words.
    if len(text) > 10 or not 1 <= int(text) <= LARGEST:
        raise ValueError(f'not between 1 and {LARGEST}: {text[:40]}')
    return int(text)


def names(versions: Iterable[Version]) -> str:
    """Datastore versions for a message, in one line."""
    return ', '.join(
        f'{version.id} ({version.datastore}/{version.name}'
        f'{", number " + version.number if version.number else ""})'
        for version in versions)
