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

"""Plans: from the rows that there are to the rows that are wanted.

Each is a pure function whose last argument is what there is, so that the
others can be bound and the rest handed to the database as a
``requirement.Plan``.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from trove_flavor_filter import exception
from trove_flavor_filter import requirement

Wanted = Mapping[requirement.Version, Collection[requirement.Row]]


def add(flavor_ids: Iterable[str], present: requirement.Present) -> Wanted:
    """Associate flavors. One that is there is spelled as it is given."""
    new = [(requirement.FLAVOR, flavor_id) for flavor_id in flavor_ids]
    return {version: present.distinct([*rows, *new]).values()
            for version, rows in present.rows.items()}


def delete(flavor_ids: Iterable[str],
           present: requirement.Present) -> Wanted:
    """End the association of flavors.

    :raises NotFound: one of them is not associated
    """
    gone = present.distinct(
        (requirement.FLAVOR, flavor_id) for flavor_id in flavor_ids)
    wanted = {}
    for version, rows in present.rows.items():
        there = present.distinct(rows)
        missing = [flavor_id for row, (_key, flavor_id) in gone.items()
                   if row not in there]
        if missing:
            raise exception.NotFound(
                f'Nothing was deleted: not associated with datastore '
                f'version {version.id}: {", ".join(missing)}.')
        wanted[version] = [there[row] for row in there if row not in gone]
    return wanted


def require(minimums: Mapping[str, int], clear: bool,
            present: requirement.Present) -> Wanted:
    """Say how large a flavor must at least be.

    :param minimums: by key (``min_ram``: MiB, ``min_vcpus``, ``min_disk``:
        GiB); one that is not named stays as it is
    :param clear: end all minimums that are not named
    """
    ended = requirement.MINIMUMS if clear else minimums
    new = {(key, str(value)) for key, value in minimums.items()}
    return {version: {row for row in rows if row[0] not in ended} | new
            for version, rows in present.rows.items()}


def apply(declared: Wanted, prune: bool,
          present: requirement.Present) -> Wanted:
    """Have what is declared.

    A minimum has one value, so a new one ends the old. All else that is
    there stays, unless it is pruned.

    :param prune: end all that is not declared, of every version
    """
    wanted = {}
    for version, rows in present.rows.items():
        if not prune and version not in declared:
            continue
        new = declared.get(version, ())
        minimums = {key for key, _value in new} - {requirement.FLAVOR}
        wanted[version] = present.distinct([
            *(row for row in rows if not prune and row[0] not in minimums),
            *sorted(new)]).values()
    return wanted


def diff(changes: Iterable[requirement.Change],
         flavors: Mapping[str, requirement.Flavor]) -> Iterator[str]:
    """Changes for people: lines, each what goes or what comes."""
    for change in changes:
        yield f'  {change.version}'
        for key, value, sign in sorted(
                [(key, value, '-') for key, value in change.ended]
                + [(key, value, '+') for key, value in change.added],
                key=lambda row: (requirement.KEYS.index(row[0]),
                                 row[2] == '+', row[1])):
            name = (f' ({flavors[value].name})' if key == requirement.FLAVOR
                    and value in flavors else '')
            yield f'{sign}   {key} {value or "without a value"}{name}'
