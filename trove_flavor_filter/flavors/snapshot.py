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

"""Lists of flavors, each with its time."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import sys
import typing

from trove_flavor_filter import requirement


class Snapshot:
    """The list of Nova's flavors for Trove's service user, and its time.

    :ivar fetched: seconds since the epoch, when Nova was asked
    :ivar flavors: public ones and those of the service project, in Nova's
        order
    :ivar private_elsewhere: whether there are other private flavors, so
        that a caller may see more than these
    :ivar json_fragments: parts of documents for views, by flavor id
    :ivar choices: the choice that each requirement leaves; the same object
        for the same flavors
    """

    def __init__(self, fetched: float, flavors: Sequence[requirement.Flavor],
                 private_elsewhere: bool = False):
        self.fetched = fetched
        self.flavors = flavors
        self.private_elsewhere = private_elsewhere
        self.by_id = {flavor.id: flavor for flavor in flavors}
        self.json_fragments: dict[str, tuple[str, str, str]] = {}
        self.choices: dict[typing.Hashable, Choice] = {}


class Choice(typing.NamedTuple):
    """The ids of the flavors that requirements leave.

    :ivar json: the ids as JSON
    :ivar tag: differs if the ids do
    """

    ids: tuple[str, ...]
    json: bytes
    tag: bytes


class PrivateFlavors(typing.NamedTuple):
    """The flavors that Nova lists for a project beyond the service list.

    There may be thousands of these objects, so they are kept small.

    :ivar fetched: as in Snapshot
    :ivar flavors: each after the id of the flavor that precedes it in the
        service list; None at the start
    """

    fetched: float
    flavors: tuple[tuple[str | None, requirement.Flavor], ...]

    @classmethod
    def of(cls, fetched: float, listed: Iterable[requirement.Flavor],
           service_list: Snapshot) -> 'PrivateFlavors':
        """The flavors of a project's list that the service list lacks.

        :param listed: what Nova lists for the project, in Nova's order
        """
        ids = [flavor.id for flavor in service_list.flavors]
        places = {flavor_id: place for place, flavor_id in enumerate(ids)}
        listed = list(listed)
        known = {flavor.id for flavor in listed}
        key = _sort_key(ids, [flavor.id for flavor in listed])
        flavors = []
        place = -1
        for flavor in listed:
            if flavor.id in places:
                place = places[flavor.id]
                continue
            # Nova sorts by id. Private flavors of the service project are not
            # in this list, so their order is found by comparing ids.
            while (place + 1 < len(ids) and ids[place + 1] not in known
                   and key(ids[place + 1]) < key(flavor.id)):
                place += 1
            flavors.append((ids[place] if place >= 0 else None, flavor))
        return cls(fetched, tuple(flavors))

    def merged(self, service_list: Snapshot) -> Sequence[requirement.Flavor]:
        """The service list and these, in Nova's order."""
        after: dict[str | None, list[requirement.Flavor]] = {}
        for before, flavor in self.flavors:
            # The service list may be newer, and have the flavor by now.
            if flavor.id not in service_list.by_id:
                known = before if before in service_list.by_id else None
                after.setdefault(known, []).append(flavor)
        if not after:
            return service_list.flavors
        merged = after.get(None, [])
        for flavor in service_list.flavors:
            merged.append(flavor)
            merged += after.get(flavor.id, ())
        return merged


class Listing(typing.NamedTuple):
    """The flavors that a caller sees, and the service list among them."""

    flavors: Sequence[requirement.Flavor]
    service_list: Snapshot


def _sort_key(*lists: list[str]) -> Callable[[str], str]:
    """The key by which Nova's database has sorted lists of ids.

    Some databases sort with regard to case and some without. Lists that do
    not tell are taken as sorted without, as in MySQL.
    """
    def is_key(key: Callable[[str], str]) -> bool:
        return all(ids == sorted(ids, key=key) for ids in lists)

    different = {flavor_id for ids in lists for flavor_id in ids}
    # Without regard to case, "A1" and "a1" would be one flavor. MySQL
    # compares capital letters then, so that "_" comes after all of them.
    without = (len({flavor_id.upper() for flavor_id in different})
               == len(different) and is_key(str.upper))
    return str if not without and is_key(str) else str.upper


def interned(extra_specs: Mapping[str, str | None] | None
             ) -> dict[str, str] | None:
    """Extra specs of a flavor, with interned keys and values.

    Thousands of flavors have the same few keys and values, so this saves
    memory. A value that is NULL in Nova's table is left out.

    :param extra_specs: None when Nova does not show them
    """
    if extra_specs is None:
        return None
    return {sys.intern(key): sys.intern(value)
            for key, value in extra_specs.items() if value is not None}
