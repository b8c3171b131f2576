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

"""What has to change for datastore versions to require what is wanted."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from trove_flavor_filter import requirement


def plan(wanted: Mapping[requirement.Version, set[requirement.Row]],
         present: requirement.Rows, versions: Iterable[requirement.Version],
         prune: bool) -> list[requirement.Change]:
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
            changes.append(requirement.Change(
                version, tuple(sorted(rows - there)), tuple(sorted(ended))))
    return changes


def diff(changes: Iterable[requirement.Change],
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
