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

"""What a datastore version allows. Pure: no I/O, no settings."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
import re
import types
import typing

# Keys of datastore_version_metadata. The text of a minimum or a maximum is
# formatted with the number. The attribute of a flavor is the key without
# "min_" or "max_", except that the volume is not the flavor's.
FLAVOR = 'flavor'
MINIMUMS = {
    'min_ram': '{} MiB RAM',
    'min_vcpus': '{} vCPUs',
    'min_disk': '{} GiB disk',
    'min_volume': '{} GiB volume',
}
MAXIMUMS = {
    'max_ram': '{} MiB RAM',
    'max_vcpus': '{} vCPUs',
    'max_disk': '{} GiB disk',
    'max_volume': '{} GiB volume',
}
LIMITS = MINIMUMS | MAXIMUMS
VOLUME = ('min_volume', 'max_volume')
EXTRA_SPEC = 'extra_spec'
# What requires something of a flavor or a volume.
REQUIRING = (FLAVOR, *LIMITS, EXTRA_SPEC)

# Whether the requirement is on trial: what it does not allow is logged, and
# not refused. A row with DENY is the same as none, and none is written.
ENFORCEMENT = 'enforcement'
WARN, DENY = 'warn', 'deny'
KEYS = (*REQUIRING, ENFORCEMENT)

# Flavor ids that Nova accepts and that fit into the table.
FLAVOR_ID = re.compile(r'(?! )[a-zA-Z0-9. _-]{1,128}(?<! )\Z')

# Keys of extra specs that Nova accepts. Nova permits 255 characters; the table
# has room for 128, including the value.
EXTRA_SPEC_KEY = re.compile(r'[a-zA-Z0-9_:. -]+\Z')
LONGEST = 128

# Nova stores sizes in 32 bits.
LARGEST = 2 ** 31 - 1


# A key and a value from the table. An empty or NULL value is ''.
Row = tuple[str, str]


class Version(typing.NamedTuple):
    """A datastore version, with the names that users know it by."""

    id: str
    datastore: str
    name: str
    number: str | None

    def __str__(self) -> str:
        return f'{self.datastore}/{self.name} ({self.id})'


class CurrentRows(typing.NamedTuple):
    """The current rows, from which a change is planned.

    :ivar rows: by datastore version, sorted by names of datastore and
        version; empty for a version that requires nothing
    :ivar ignores_case: whether the database compares values without regard
        to case
    :ivar revisions: number of changes to the rows of a datastore version, by
        its id; a version without changes is missing
    """

    rows: Mapping[Version, frozenset[Row]]
    ignores_case: bool = False
    revisions: Mapping[str, int] = types.MappingProxyType({})

    def identity(self, row: Row) -> Row:
        """The form in which the database compares a row with others."""
        key, value = row
        return (key, value.lower()) if self.ignores_case else row

    def distinct(self, rows: Iterable[Row]) -> dict[Row, Row]:
        """Rows by their identity; the last one wins."""
        return {self.identity(row): row for row in rows}


# A pure function from the current rows to the wanted rows, of the versions
# that it changes. It may be called more than once. To refuse a change, it
# raises an error for the user.
Plan = Callable[[CurrentRows], Mapping[Version, Collection[Row]]]


class Change(typing.NamedTuple):
    """The result of a plan for one datastore version.

    :ivar before: the rows before the change
    :ivar after: the rows after the change
    :ivar revision: number of changes to the rows, including this one
    :ivar ignores_case: as in CurrentRows
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
    def removed(self) -> list[Row]:
        return sorted(self.before - self.after)

    @property
    def requirement(self) -> 'Requirement':
        """The requirement after the change."""
        return Requirement.of(self.after, self.ignores_case)


class Flavor(typing.NamedTuple):
    """The attributes of a Nova flavor that the plugin uses.

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
    """What a datastore version requires of a flavor, and of a volume.

    :ivar flavor_ids: the associated flavors, as written in the table. If
        empty, every flavor counts as associated, as in Trove's own
        ``list_datastore_version_flavor_associations``. An association without
        a value is '', which matches no flavor
    :ivar min_ram: MiB, 0 for no minimum
    :ivar min_vcpus: count, 0 for no minimum
    :ivar min_disk: GiB, 0 for no minimum
    :ivar malformed_rows: rows without a valid value, as ``key=value``, sorted
    :ivar max_ram: MiB, 0 for no maximum
    :ivar max_vcpus: count, 0 for no maximum
    :ivar max_disk: GiB, 0 for no maximum
    :ivar extra_specs: alternative values by key; a flavor must have one of
        them
    :ivar min_volume: GiB of the data volume, 0 for no minimum
    :ivar max_volume: GiB of the data volume, 0 for no maximum
    :ivar ignores_case: whether the database compares ids without regard to
        case
    :ivar on_trial: whether to log what it does not allow, and not refuse it
    """

    flavor_ids: frozenset[str] = frozenset()
    min_ram: int = 0
    min_vcpus: int = 0
    min_disk: int = 0
    malformed_rows: tuple[str, ...] = ()
    max_ram: int = 0
    max_vcpus: int = 0
    max_disk: int = 0
    extra_specs: Mapping[str, frozenset[str]] = dataclasses.field(
        default_factory=dict, hash=False)
    min_volume: int = 0
    max_volume: int = 0
    ignores_case: bool = dataclasses.field(default=False, compare=False)
    on_trial: bool = dataclasses.field(default=False, compare=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[str | None, str | None]],
           ignores_case: bool = False) -> 'Requirement':
        """The requirement from rows of keys and values.

        Unknown keys are ignored. If a minimum has several rows, the highest
        counts; of a maximum, the lowest counts. Several rows for the key of an
        extra spec are alternatives. It is on trial if all rows say so.
        """
        flavor_ids, malformed_rows, enforcement = set(), [], set()
        limits = dict.fromkeys(LIMITS, 0)
        extra_specs: dict[str, set[str]] = {}
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
                    extra_specs.setdefault(name, set()).add(wanted)
                elif key == ENFORCEMENT:
                    enforcement.add(value)
                    if value not in (WARN, DENY):
                        raise ValueError
            except ValueError:
                malformed_rows.append(f'{key}={value}')
        return cls(frozenset(flavor_ids),
                   malformed_rows=tuple(sorted(set(malformed_rows))),
                   extra_specs={key: frozenset(values) for key, values
                                in extra_specs.items()},
                   ignores_case=ignores_case,
                   on_trial=enforcement == {WARN}, **limits)

    @property
    def is_empty(self) -> bool:
        """Whether every flavor and every volume is allowed."""
        return self == Requirement()

    @property
    def bounds_volume(self) -> bool:
        """Whether the size of a data volume matters."""
        return bool(self.min_volume or self.max_volume or any(
            row.partition('=')[0] in VOLUME for row in self.malformed_rows))

    @property
    def without_volume(self) -> 'Requirement':
        """What is required of an instance that has no volume."""
        return dataclasses.replace(
            self, min_volume=0, max_volume=0, malformed_rows=tuple(
                row for row in self.malformed_rows
                if row.partition('=')[0] not in VOLUME))

    @property
    def is_unreadable(self) -> bool:
        """Whether an invalid row was meant to require something.

        No flavor is allowed then.
        """
        return any(not row.startswith(f'{ENFORCEMENT}=')
                   for row in self.malformed_rows)

    @property
    def limits(self) -> dict[str, int]:
        """The minimums and maximums that are set, by key."""
        return {key: value for key in LIMITS if (value := getattr(self, key))}

    @property
    def flavor_limits(self) -> dict[str, int]:
        """As :attr:`limits`, but those of flavors."""
        return {key: value for key, value in self.limits.items()
                if key not in VOLUME}

    @property
    def minimums(self) -> dict[str, int]:
        """The minimums that are set, by key."""
        return {key: value for key, value in self.limits.items()
                if key in MINIMUMS}

    @property
    def only_associations(self) -> bool:
        """Whether nothing but associations is required."""
        return not (self.limits or self.extra_specs)

    @property
    def needs_only_id(self) -> bool:
        """Whether of a flavor only the id matters."""
        return not (self.flavor_limits or self.extra_specs)

    @property
    def invalid_rows(self) -> list[str]:
        """Rows to repair, as ``key=value``.

        These are the invalid rows, and an association without a value.
        """
        return sorted([*self.malformed_rows, *(
            f'{FLAVOR}=' for flavor_id in self.flavor_ids if not flavor_id)])

    @property
    def contradictions(self) -> list[str]:
        """The minimums that are above their maximums, as texts."""
        return [
            f'{low} {getattr(self, low)} is above {high} '
            f'{getattr(self, high)}'
            for low, high in zip(MINIMUMS, MAXIMUMS)
            if 0 < getattr(self, high) < getattr(self, low)]

    def __str__(self) -> str:
        """All requirements except associations, as a text.

        The minimums come first, as sizes without "at least".
        """
        return ', '.join(
            [LIMITS[key].format(value) if key in MINIMUMS
             else f'at most {LIMITS[key].format(value)}'
             for key, value in self.limits.items()]
            + [f'extra spec {text}' for text in self._extra_spec_texts()]
            + [f'invalid row {text}' for text in self.invalid_rows])

    @property
    def summary(self) -> str:
        """As str(), and whether it is on trial."""
        return ', '.join(filter(None, (
            str(self), 'on trial' if self.on_trial else '')))

    def _extra_spec_texts(self) -> list[str]:
        return [' or '.join(f'{key}={value}' for value in sorted(values))
                for key, values in sorted(self.extra_specs.items())]

    @functools.cached_property
    def _folded(self) -> frozenset[str]:
        """The ids of associated flavors, in the form that is compared."""
        if not self.ignores_case:
            return self.flavor_ids
        return frozenset(flavor_id.lower() for flavor_id in self.flavor_ids)

    def is_associated(self, flavor_id: str) -> bool:
        """Whether a flavor is associated, or no flavor is."""
        return not self.flavor_ids or (
            flavor_id.lower() if self.ignores_case
            else flavor_id) in self._folded

    def associated(self, known: Collection[str]) -> list[str]:
        """The ids of the associated flavors, sorted.

        :param known: ids of Nova's flavors. The id of a flavor that Nova has
            is returned as Nova writes it, any other as in the table
        """
        if not self.ignores_case:
            return sorted(self.flavor_ids)
        found = {flavor_id: flavor_id.lower() for flavor_id in known
                 if flavor_id.lower() in self._folded}
        return sorted([*found, *(
            flavor_id for flavor_id in self.flavor_ids
            if flavor_id.lower() not in found.values())])

    def violations_by_id(self, flavor_id: str) -> list[str]:
        """The reasons that do not depend on what Nova says of the flavor."""
        found = []
        if self.is_unreadable:
            found.append('its requirement has invalid rows')
        found += self.contradictions
        if not self.is_associated(flavor_id):
            found.append('is not associated')
        return found

    def violations(self, flavor: Flavor) -> list[str]:
        """The reasons why a flavor is not allowed; empty if it is."""
        found = self.violations_by_id(flavor.id)
        for key, value in self.flavor_limits.items():
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
                # Without the value: the caller may not see it in Nova.
                found.append(f'requires extra spec {text}, has another value')
        return found

    def volume_violations(self, size: int) -> list[str]:
        """The reasons why a data volume is not allowed; empty if it is.

        :param size: GiB
        """
        found = [f'its requirement has the invalid row {row}'
                 for row in self.malformed_rows
                 if row.partition('=')[0] in VOLUME]
        if size < self.min_volume:
            found.append(f'requires a volume of at least {self.min_volume} '
                         f'GiB, has {size}')
        if 0 < self.max_volume < size:
            found.append(f'requires a volume of at most {self.max_volume} '
                         f'GiB, has {size}')
        return found

    def allows(self, flavor: Flavor) -> bool:
        """Whether the datastore version allows a flavor."""
        return bool(self.select([flavor]))

    def select(self, flavors: Iterable[Flavor]) -> list[Flavor]:
        """The allowed flavors among the given ones, in their order."""
        if self.is_unreadable or 0 < self.max_volume < self.min_volume:
            return []
        kept: list[typing.Any] = list(flavors)
        if ids := self._folded:
            kept = ([flavor for flavor in kept if flavor.id.lower() in ids]
                    if self.ignores_case
                    else [flavor for flavor in kept if flavor.id in ids])
        for key, value in self.flavor_limits.items():
            # Access by index is faster than by name.
            at = Flavor._fields.index(key[len('min_'):])
            kept = ([flavor for flavor in kept if flavor[at] >= value]
                    if key in MINIMUMS
                    else [flavor for flavor in kept if flavor[at] <= value])
        for key, values in self.extra_specs.items():
            kept = [flavor for flavor in kept if (has := flavor.extra_specs)
                    and has.get(key) in values]
        return kept


def volume_bounds(found: Iterable[Requirement]) -> dict[str, int | None]:
    """The sizes of a volume that all requirements allow, in GiB.

    :returns: ``min_size`` and ``max_size``, each None for no bound; empty if
        there is neither
    """
    wanted = list(found)
    low = max((each.min_volume for each in wanted), default=0)
    high = min((each.max_volume for each in wanted if each.max_volume),
               default=0)
    return ({'min_size': low or None, 'max_size': high or None}
            if low or high else {})


def size(text: str) -> int:
    """A minimum or a maximum from its text.

    :raises ValueError: it is not a whole number from 1 to LARGEST
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'not a whole number: {text[:40]!r}')
    # Before int(), which raises another message for thousands of digits.
    if len(text) > 10 or not 1 <= int(text) <= LARGEST:
        raise ValueError(f'not between 1 and {LARGEST}: {text[:40]}')
    return int(text)


def extra_spec(text: str) -> tuple[str, str]:
    """Key and value of an extra spec, from ``KEY=VALUE``.

    The first ``=`` separates them. The value may be empty.

    :raises ValueError: the form is wrong, the key is not valid in Nova, the
        value is not printable or ends with a space, or the text is too long
        for the table
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
    # Databases ignore trailing spaces when they compare.
    if not value.isprintable() or value.endswith(' '):
        raise ValueError(f'the value has characters that are not printable, '
                         f'or ends with a space: {shown}')
    return key, value


def names(versions: Iterable[Version]) -> list[str]:
    """Datastore versions for a message, a text each."""
    return [
        f'{version.id} ({version.datastore}/{version.name}'
        f'{", number " + version.number if version.number else ""})'
        for version in versions]
