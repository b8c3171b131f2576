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
import types
import typing

# Keys of datastore_version_metadata, and what is said by them. The text of a
# minimum or a maximum takes the number; the attribute of a flavor is the key
# without "min_" or "max_".
FLAVOR = 'flavor'
MINIMUMS = {
    'min_ram': '{} MiB RAM',
    'min_vcpus': '{} vCPUs',
    'min_disk': '{} GiB disk',
}
MAXIMUMS = {
    'max_ram': '{} MiB RAM',
    'max_vcpus': '{} vCPUs',
    'max_disk': '{} GiB disk',
}
LIMITS = MINIMUMS | MAXIMUMS
EXTRA_SPEC = 'extra_spec'
KEYS = (FLAVOR, *LIMITS, EXTRA_SPEC)

# What Nova accepts as the id of a flavor, and the table has room for.
FLAVOR_ID = re.compile(r'(?! )[a-zA-Z0-9. _-]{1,128}(?<! )\Z')

# What Nova accepts as the key of an extra spec. It takes 255 characters; the
# table has room for 128, value included.
EXTRA_SPEC_KEY = re.compile(r'[a-zA-Z0-9_:. -]+\Z')
LONGEST = 128

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
    :ivar revisions: how often the rows of a datastore version have been
        changed, by its id; one that is missing has not been changed
    """

    rows: Mapping[Version, frozenset[Row]]
    ignores_case: bool = False
    revisions: Mapping[str, int] = types.MappingProxyType({})

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
    :ivar extra_specs: values by key; None when Nova does not show them
    """

    id: str
    name: str
    ram: int
    vcpus: int
    disk: int
    ephemeral: int
    extra_specs: Mapping[str, str] | None = None


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
    :ivar max_ram: MiB, 0 for no maximum
    :ivar max_vcpus: count, 0 for no maximum
    :ivar max_disk: GiB, 0 for no maximum
    :ivar extra_specs: by key, the values of which a flavor must have one
    :ivar ignores_case: whether the database takes two ids for equal that
        differ in case only
    """

    flavor_ids: frozenset[str] = frozenset()
    min_ram: int = 0
    min_vcpus: int = 0
    min_disk: int = 0
    nonsense: tuple[str, ...] = ()
    max_ram: int = 0
    max_vcpus: int = 0
    max_disk: int = 0
    extra_specs: Mapping[str, frozenset[str]] = dataclasses.field(
        default_factory=dict, hash=False)
    ignores_case: bool = dataclasses.field(default=False, compare=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[str | None, str | None]],
           ignores_case: bool = False) -> 'Requirement':
        """The requirement that rows of keys and values make.

        Unknown keys are ignored. Where a minimum has more than one row the
        highest counts, of a maximum the lowest. Rows of one key of an extra
        spec are alternatives.
        """
        flavor_ids, nonsense = set(), []
        limits = dict.fromkeys(LIMITS, 0)
        extra_specs: dict[str, frozenset[str]] = {}
        for key, text in rows:
            value = text or ''
            try:
                if key == FLAVOR:
                    flavor_ids.add(value)
                elif key in MINIMUMS:
                    limits[key] = max(limits[key], size(value))
                elif key in MAXIMUMS:
                    limits[key] = min(limits[key] or LARGEST, size(value))
                elif key == EXTRA_SPEC:
                    name, wanted = extra_spec(value)
                    extra_specs[name] = (
                        extra_specs.get(name, frozenset()) | {wanted})
            except ValueError:
                nonsense.append(f'{key}={value}')
        return cls(frozenset(flavor_ids), nonsense=tuple(nonsense),
                   extra_specs=extra_specs, ignores_case=ignores_case,
                   **limits)

    @property
    def is_empty(self) -> bool:
        """Whether every flavor is allowed."""
        return self == Requirement()

    @property
    def limits(self) -> dict[str, int]:
        """The minimums and maximums that there are, by key."""
        return {key: value for key in LIMITS if (value := getattr(self, key))}

    @property
    def minimums(self) -> dict[str, int]:
        """The minimums that there are, by key."""
        return {key: value for key, value in self.limits.items()
                if key in MINIMUMS}

    @property
    def goes_by_id(self) -> bool:
        """Whether the id of a flavor is all that counts."""
        return not (self.limits or self.extra_specs)

    @property
    def contradictions(self) -> list[str]:
        """The minimums that are above their maximums, in words."""
        return [
            f'{low} {getattr(self, low)} is above {high} '
            f'{getattr(self, high)}'
            for low, high in zip(MINIMUMS, MAXIMUMS)
            if 0 < getattr(self, high) < getattr(self, low)]

    def __str__(self) -> str:
        """What is required beside associations, in words.

        The minimums come first, and say no more than the sizes.
        """
        return ', '.join(
            [LIMITS[key].format(value) if key in MINIMUMS
             else f'at most {LIMITS[key].format(value)}'
             for key, value in self.limits.items()]
            + [f'extra spec {text}' for text in self._extra_spec_texts()])

    def _extra_spec_texts(self) -> list[str]:
        return [' or '.join(f'{key}={value}' for value in sorted(values))
                for key, values in sorted(self.extra_specs.items())]

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
        found += self.contradictions
        if not self.is_associated(flavor.id):
            found.append('is not associated')
        for key, value in self.limits.items():
            has = getattr(flavor, key[len('min_'):])
            words = LIMITS[key].format(value)
            if key in MINIMUMS and has < value:
                found.append(f'requires at least {words}, has {has}')
            elif key in MAXIMUMS and has > value:
                found.append(f'requires at most {words}, has {has}')
        for text, (key, values) in zip(self._extra_spec_texts(),
                                       sorted(self.extra_specs.items())):
            if flavor.extra_specs is None:
                found.append(f'requires extra spec {text}, and Nova does '
                             f'not show extra specs')
            elif key not in flavor.extra_specs:
                found.append(f'requires extra spec {text}, has none')
            elif flavor.extra_specs[key] not in values:
                # Not which: Nova may keep that from whoever is told.
                found.append(f'requires extra spec {text}, has another value')
        return found

    def allows(self, flavor: Flavor) -> bool:
        """Whether the datastore version may run on a flavor."""
        return bool(self.select([flavor]))

    def select(self, flavors: Iterable[Flavor]) -> list[Flavor]:
        """The allowed flavors, in the order given."""
        if self.nonsense:
            return []
        kept: list[typing.Any] = list(flavors)
        if ids := self._folded:
            kept = ([flavor for flavor in kept if flavor.id.lower() in ids]
                    if self.ignores_case
                    else [flavor for flavor in kept if flavor.id in ids])
        for key, value in self.limits.items():
            # By its place, which is quicker than by its name.
            at = Flavor._fields.index(key[len('min_'):])
            kept = ([flavor for flavor in kept if flavor[at] >= value]
                    if key in MINIMUMS
                    else [flavor for flavor in kept if flavor[at] <= value])
        for key, values in self.extra_specs.items():
            kept = [flavor for flavor in kept if (has := flavor.extra_specs)
                    and has.get(key) in values]
        return kept


def size(text: str) -> int:
    """A minimum or a maximum, from text.

    :raises ValueError: it is not a whole number from 1 to LARGEST
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'not a whole number: {text[:40]!r}')
    # Before int(), which refuses digits by the thousand with other words.
    if len(text) > 10 or not 1 <= int(text) <= LARGEST:
        raise ValueError(f'not between 1 and {LARGEST}: {text[:40]}')
    return int(text)


def extra_spec(text: str) -> tuple[str, str]:
    """Key and value of an extra spec, from ``KEY=VALUE``.

    The first ``=`` divides them, and the value may be empty.

    :raises ValueError: it is not of that form, Nova would not take the key,
        or the table has no room for it
    """
    key, divider, value = text.partition('=')
    shown = f'{text[:60]!r}{"..." if len(text) > 60 else ""}'
    if not divider:
        raise ValueError(f'not KEY=VALUE: {shown}')
    if not EXTRA_SPEC_KEY.match(key):
        raise ValueError(f'not the key of an extra spec, which has letters, '
                         f'digits, spaces and "_:.-" only: {shown}')
    if len(text) > LONGEST:
        raise ValueError(f'KEY=VALUE is longer than the {LONGEST} characters '
                         f'that the table has room for: {shown}')
    # Databases do not tell a text from one with spaces behind it.
    if not value.isprintable() or value.endswith(' '):
        raise ValueError(f'the value has characters that are not printable, '
                         f'or ends with a space: {shown}')
    return key, value


def names(versions: Iterable[Version]) -> str:
    """Datastore versions for a message, in one line."""
    return ', '.join(
        f'{version.id} ({version.datastore}/{version.name}'
        f'{", number " + version.number if version.number else ""})'
        for version in versions)
