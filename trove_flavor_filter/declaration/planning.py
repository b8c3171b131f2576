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

"""Plans: from the present rows to the wanted rows.

Each plan is a pure function. Its last argument is the present rows; the
others are bound first, and the result is a ``requirement.Plan`` for the
database.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from trove_flavor_filter.declaration import problems
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

Wanted = Mapping[requirement.Version, Collection[requirement.Row]]


def add(flavor_ids: Iterable[str], present: requirement.CurrentRows) -> Wanted:
    """Associate flavors. An existing association gets the given spelling."""
    new = [(requirement.FLAVOR, flavor_id) for flavor_id in flavor_ids]
    return {version: present.distinct([*rows, *new]).values()
            for version, rows in present.rows.items()}


def delete(flavor_ids: Iterable[str],
           present: requirement.CurrentRows) -> Wanted:
    """Remove the association of flavors.

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
                f'version {version.id}: '
                f'{problems.joined(missing, divider=", ")}.')
        wanted[version] = [there[row] for row in there if row not in gone]
    return wanted


def require(limits: Mapping[str, int], clear: bool,
            present: requirement.CurrentRows,
            extra_specs: Iterable[tuple[str, str]] = (),
            removed: Iterable[str] = (),
            removed_limits: Iterable[str] = (),
            clear_invalid: bool = False,
            enforcement: str | None = None) -> Wanted:
    """Set minimums, maximums, extra specs, and whether they are on trial.

    Requirements that are not given are kept. The given values of an extra
    spec replace its earlier ones.

    :param limits: minimums and maximums, by key (``min_ram``: MiB,
        ``min_vcpus``, ``min_disk``: GiB, and so on)
    :param clear: remove all that is not given, except associations and the
        enforcement: what is on trial must not come into force by this
    :param extra_specs: keys and values; several values of one key are
        alternatives
    :param removed: keys of extra specs to remove
    :param removed_limits: keys of minimums and maximums to remove
    :param clear_invalid: remove invalid rows, and associations without a
        value
    :param enforcement: WARN or DENY; None keeps it
    :raises BadRequest: as :func:`checked`
    """
    new = {*((key, str(value)) for key, value in limits.items()),
           *((requirement.EXTRA_SPEC, f'{key}={value}')
             for key, value in extra_specs),
           *([(requirement.ENFORCEMENT, enforcement)] if enforcement else [])}
    subjects = {*map(_subject, new),
                *((requirement.EXTRA_SPEC, key) for key in removed),
                *((key, '') for key in removed_limits)}
    return checked({
        version: {*new, *(
            row for row in rows
            if (row[0] == requirement.FLAVOR
                or _subject(row) not in subjects
                and (not clear or row[0] == requirement.ENFORCEMENT))
            and not (clear_invalid
                     and requirement.Requirement.of([row]).invalid_rows))}
        for version, rows in present.rows.items()}, present)


def apply(declared: Wanted, prune: bool,
          present: requirement.CurrentRows) -> Wanted:
    """Apply what is declared.

    A declared minimum or maximum replaces the present one, and the declared
    values of an extra spec replace the present ones. All other rows are kept,
    unless they are pruned.

    :param prune: remove all that is not declared, from every version
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


def replace(declared: Wanted, prune: bool,
            present: requirement.CurrentRows) -> Wanted:
    """Have what is declared, and nothing else of the versions mentioned.

    :param prune: nor anything of the others
    :raises BadRequest: as :func:`checked`
    """
    return checked({
        version: declared.get(version, ()) for version in present.rows
        if prune or version in declared}, present)


def copy(source_id: str, target_id: str, replace: bool,
         present: requirement.CurrentRows) -> Wanted:
    """Copy the requirements of one datastore version to another.

    :param replace: replace other requirements of the target; without it,
        they are an error
    :raises BadRequest: the target has other requirements, or a row of the
        source is invalid; or as :func:`checked`
    """
    versions = {version.id: version for version in present.rows}
    source, target = versions[source_id], versions[target_id]
    rows, there = present.rows[source], present.rows[target]
    if malformed_rows := requirement.Requirement.of(rows).malformed_rows:
        raise exception.BadRequest(
            f'Nothing was changed. {source} has invalid '
            f'rows: {", ".join(malformed_rows)}.')
    if there and there != rows and not replace:
        raise exception.BadRequest(
            f'Nothing was changed. {target} has other requirements '
            f'already; use --replace to replace them.')
    # The source as well, so that its rows do not change meanwhile.
    return checked({source: rows, target: rows}, present)


def checked(wanted: Wanted, present: requirement.CurrentRows) -> Wanted:
    """The wanted rows, once they are known to be consistent.

    Of the enforcement, DENY is not stored.

    :raises BadRequest: a minimum is above its maximum; or two extra specs
        differ in case only, and the database holds just one of them
    """
    found = []
    deny = (requirement.ENFORCEMENT, requirement.DENY)
    wanted = {
        version: ([row for row in rows if row != deny] if deny in rows
                  else rows)
        for version, rows in wanted.items()}
    for version, rows in wanted.items():
        found += [
            f'{version}: {text}'
            for text in requirement.Requirement.of(rows).contradictions]
        there: dict[requirement.Row, requirement.Row] = {}
        for row in rows:
            if row[0] != requirement.EXTRA_SPEC:
                continue
            other = there.setdefault(present.identity(row), row)
            if other != row:
                found.append(
                    f'{version}: this database does not distinguish '
                    f'extra spec {other[1]} from {row[1]}')
    if found:
        raise exception.BadRequest(
            f'Nothing was changed. {problems.joined(found)}.')
    return wanted


def _subject(row: requirement.Row) -> requirement.Row:
    """The subject of a row: rows of one subject are replaced together."""
    key, value = row
    return (key, value.partition('=')[0]
            if key == requirement.EXTRA_SPEC else '')


def diff(changes: Iterable[requirement.Change],
         flavors: Mapping[str, requirement.Flavor]) -> Iterator[str]:
    """Changes as lines for people: "-" is removed, "+" is added."""
    for change in changes:
        yield f'  {change.version}'
        for key, value, sign in sorted(
                [(key, value, '-') for key, value in change.removed]
                + [(key, value, '+') for key, value in change.added],
                key=lambda row: (requirement.KEYS.index(row[0]),
                                 row[2] == '+', row[1])):
            name = (f' ({flavors[value].name})' if key == requirement.FLAVOR
                    and value in flavors else '')
            yield f'{sign}   {key} {value or "without a value"}{name}'
