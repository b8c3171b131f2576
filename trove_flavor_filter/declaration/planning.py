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
        missing = [flavor_id or 'one without a value'
                   for row, (_key, flavor_id) in gone.items()
                   if row not in there]
        if missing:
            raise exception.NotFound(
                f'Nothing was deleted: not associated with datastore '
                f'version {version.id}: {", ".join(missing)}.')
        wanted[version] = [there[row] for row in there if row not in gone]
    return wanted


def require(limits: Mapping[str, int], clear: bool,
            present: requirement.Present,
            extra_specs: Iterable[tuple[str, str]] = (),
            ended: Iterable[str] = ()) -> Wanted:
    """Say what a flavor must be like.

    What is not named stays as it is. Values of an extra spec that is named
    take the place of those that were required for it.

    :param limits: minimums and maximums, by key (``min_ram``: MiB,
        ``min_vcpus``, ``min_disk``: GiB, and so on)
    :param clear: end all that is not named, but for associations
    :param extra_specs: keys and values; several values of one key are
        alternatives
    :param ended: keys of extra specs that are required no longer
    :raises BadRequest: as :func:`checked`
    """
    new = {*((key, str(value)) for key, value in limits.items()),
           *((requirement.EXTRA_SPEC, f'{key}={value}')
             for key, value in extra_specs)}
    subjects = {*map(_subject, new),
                *((requirement.EXTRA_SPEC, key) for key in ended)}
    return checked({
        version: {*new, *(
            row for row in rows
            if row[0] == requirement.FLAVOR
            or not clear and _subject(row) not in subjects)}
        for version, rows in present.rows.items()}, present)


def apply(declared: Wanted, prune: bool,
          present: requirement.Present) -> Wanted:
    """Have what is declared.

    A minimum or a maximum has one value, so a new one ends the old; so do
    the values of an extra spec. All else that is there stays, unless it is
    pruned.

    :param prune: end all that is not declared, of every version
    :raises BadRequest: as :func:`checked`
    """
    wanted: dict[requirement.Version, Collection[requirement.Row]] = {}
    for version, rows in present.rows.items():
        if not prune and version not in declared:
            continue
        new = declared.get(version, ())
        subjects = {_subject(row) for row in new
                    if row[0] != requirement.FLAVOR}
        wanted[version] = [
            *(row for row in rows
              if not prune and _subject(row) not in subjects),
            *sorted(new)]
    return checked(wanted, present)


def copy(source_id: str, target_id: str, replace: bool,
         present: requirement.Present) -> Wanted:
    """Have one datastore version require what another one does.

    :param replace: end what the target requires; without it, that is an
        error
    :raises BadRequest: the target requires something else already, what the
        source requires cannot be understood; or as :func:`checked`
    """
    versions = {version.id: version for version in present.rows}
    source, target = versions[source_id], versions[target_id]
    rows, there = present.rows[source], present.rows[target]
    if nonsense := requirement.Requirement.of(rows).nonsense:
        raise exception.BadRequest(
            f'Nothing was changed. What {source} requires cannot be '
            f'understood: {", ".join(nonsense)}.')
    if there and there != rows and not replace:
        raise exception.BadRequest(
            f'Nothing was changed. {target} requires something else '
            f'already; --replace ends that.')
    # The source as well, so that its rows do not change meanwhile.
    return checked({source: rows, target: rows}, present)


def checked(wanted: Wanted, present: requirement.Present) -> Wanted:
    """What is wanted, when flavors could be allowed by it.

    :raises BadRequest: a minimum is above its maximum; or two extra specs
        differ in case only, and the database holds just one of them
    """
    problems = []
    for version, rows in wanted.items():
        problems += [
            f'{version}: {text}'
            for text in requirement.Requirement.of(rows).contradictions]
        there: dict[requirement.Row, requirement.Row] = {}
        for row in rows:
            if row[0] != requirement.EXTRA_SPEC:
                continue
            other = there.setdefault(present.identity(row), row)
            if other != row:
                problems.append(
                    f'{version}: this database does not tell extra spec '
                    f'{other[1]} from {row[1]}')
    if problems:
        raise exception.BadRequest(
            f'Nothing was changed. {"; ".join(problems)}.')
    return wanted


def _subject(row: requirement.Row) -> requirement.Row:
    """What a row is about: rows of one subject are set together."""
    key, value = row
    return (key, value.partition('=')[0]
            if key == requirement.EXTRA_SPEC else '')


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
