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

"""Write the requirements of datastore versions to a file."""

import collections
from collections.abc import Iterator
from collections.abc import Mapping
import typing

import yaml

from trove_flavor_filter.declaration import reading
from trove_flavor_filter import requirement

# libyaml is ten times as fast as pure Python.
DUMPER: typing.Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)


def write(present: requirement.CurrentRows,
          flavors: Mapping[str, requirement.Flavor] | None,
          by_id: bool) -> str:
    """The text of a file that ``reading.read`` reads.

    Versions and flavors are sorted by name, so that two files can be
    compared.

    :param present: of all datastore versions; a database and an API sort them
        each in their own way, which does not matter here
    :param flavors: Nova's, by id; None if Nova is unavailable
    :param by_id: refer to flavors by their ids rather than by names
    """
    lines = [
        '# Flavor requirements of datastore versions.',
        '# Apply them with "trove-manage datastore-version-flavor-apply".']
    if flavors is None:
        lines.append('# Nova was unavailable: flavors are given by id only.')
    names = collections.Counter(
        (version.datastore, version.name) for version in present.rows)
    declared = {version: rows for version, rows in sorted(
        present.rows.items(), key=lambda item: _place(item[0])) if rows}
    lines.append(f'{reading.TOP}:' if declared else f'{reading.TOP}: {{}}')
    datastore = None
    for version, rows in declared.items():
        if version.datastore != datastore:
            datastore = version.datastore
            lines.append(f'  {_scalar(datastore)}:')
        if names[version.datastore, version.name] > 1:
            lines.append(f'    {version.id}:  # {_comment(version.name)}, '
                         f'number {_comment(version.number or "none")}')
        else:
            lines.append(f'    {_scalar(version.name)}:')
        lines += _body(requirement.Requirement.of(
            rows, present.ignores_case), flavors, by_id)
    return ''.join(f'{line}\n' for line in lines)


def _place(version: requirement.Version) -> tuple[str, ...]:
    """Where a datastore version stands among the others."""
    # Trove's columns may be NULL.
    return tuple(text or '' for text in (
        version.datastore, version.name, version.number, version.id))


def _body(wanted: requirement.Requirement,
          flavors: Mapping[str, requirement.Flavor] | None,
          by_id: bool) -> Iterator[str]:
    flavor_ids = wanted.associated(flavors or ())
    if any(flavor_ids):
        yield '      flavors:'
        yield from sorted(
            _flavor_line(flavor_id, flavors, by_id)
            for flavor_id in flavor_ids if flavor_id)
    if '' in flavor_ids:
        yield ('      # An association has no value: it allows no flavor, and '
               'is not exported.')
    for key, limit in wanted.limits.items():
        unit = requirement.LIMITS[key].format('').strip()
        yield f'      {key}: {limit}  # {unit}'
    if wanted.extra_specs:
        yield '      extra_specs:'
        for key, values in sorted(wanted.extra_specs.items()):
            name = f'        {_scalar(key)}:'
            if len(values) == 1:
                yield f'{name} {_scalar(*values)}'
            else:
                yield name
                yield from (f'        - {_scalar(value)}'
                            for value in sorted(values))
    if wanted.on_trial:
        yield f'      {requirement.ENFORCEMENT}: {requirement.WARN}'
    for text in wanted.malformed_rows:
        yield f'      # {_comment(text)} is an invalid row'


def _flavor_line(flavor_id: str,
                 flavors: Mapping[str, requirement.Flavor] | None,
                 by_id: bool) -> str:
    if flavors is None:
        return f'      - id: {_scalar(flavor_id)}'
    flavor = flavors.get(flavor_id)
    if flavor is None:
        return f'      - id: {_scalar(flavor_id)}  # no longer in Nova'
    size = (f'{flavor.ram} MiB RAM, {flavor.vcpus} vCPUs, '
            f'{flavor.disk} GiB disk')
    if by_id or (flavor.name in flavors and flavor.name != flavor_id):
        return (f'      - id: {_scalar(flavor_id)}  '
                f'# {_comment(flavor.name)}: {size}')
    return f'      - {_scalar(flavor.name)}  # id {flavor_id}: {size}'


def _scalar(text: str) -> str:
    """A string in YAML, on one line."""
    style = None if text.isprintable() else '"'
    dumped = yaml.dump(text, Dumper=DUMPER, allow_unicode=True,
                       default_style=style, width=2 ** 20)
    # The end of the document, which is not written for every string, is a line
    # of its own: "..." may end the string as well.
    return dumped.removesuffix('\n...\n').strip('\n')


def _comment(text: str) -> str:
    return ''.join(character if character.isprintable() else '?'
                   for character in text)
