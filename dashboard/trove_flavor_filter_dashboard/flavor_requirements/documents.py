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

"""The documents of the plugin's API: their keys, and what they say in words.

A key that this release does not know is shown as it is, and kept.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import typing

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import ngettext


class Limit(typing.NamedTuple):
    """A key with a number.

    :ivar label: of its field
    :ivar text: what it requires, with the number as %d
    """

    key: str
    label: typing.Any
    text: typing.Any


# In the order of the form.
LIMITS = (
    Limit('min_ram', gettext_lazy('Minimum RAM (MiB)'),
          gettext_lazy('at least %d MiB RAM')),
    Limit('max_ram', gettext_lazy('Maximum RAM (MiB)'),
          gettext_lazy('at most %d MiB RAM')),
    Limit('min_vcpus', gettext_lazy('Minimum VCPUs'),
          gettext_lazy('at least %d VCPUs')),
    Limit('max_vcpus', gettext_lazy('Maximum VCPUs'),
          gettext_lazy('at most %d VCPUs')),
    Limit('min_disk', gettext_lazy('Minimum root disk (GiB)'),
          gettext_lazy('at least %d GiB root disk')),
    Limit('max_disk', gettext_lazy('Maximum root disk (GiB)'),
          gettext_lazy('at most %d GiB root disk')),
    Limit('min_volume', gettext_lazy('Minimum data volume (GiB)'),
          gettext_lazy('at least %d GiB data volume')),
    Limit('max_volume', gettext_lazy('Maximum data volume (GiB)'),
          gettext_lazy('at most %d GiB data volume')),
)

FLAVORS = 'flavors'
EXTRA_SPECS = 'extra_specs'
ENFORCEMENT = 'enforcement'
INVALID_ROWS = 'invalid_rows'

# The keys that name the datastore version.
NAMES = ('datastore_version_id', 'datastore', 'datastore_version')

# The number of flavors that a sentence names.
NAMED = 5


def flavor_text(flavor_id: str, flavors: Mapping[str, typing.Any]) -> str:
    """A flavor by its name."""
    if flavor_id in flavors:
        return flavors[flavor_id].name
    return _('%s (not in Nova)') % flavor_id


def flavor_with_sizes(flavor: typing.Any) -> str:
    """A flavor by its name and sizes."""
    return _('%(name)s: %(ram)d MiB RAM, %(vcpus)d VCPUs, %(disk)d GiB root '
             'disk') % {'name': flavor.name, 'ram': flavor.ram,
                        'vcpus': flavor.vcpus, 'disk': flavor.disk}


def shortened(texts: list[str]) -> str:
    """A few texts of a list, and how many more there are."""
    shown = ', '.join(texts[:NAMED])
    more = len(texts) - NAMED
    if more <= 0:
        return shown
    return ngettext('%(shown)s and %(more)d more',
                    '%(shown)s and %(more)d more', more) % {
                        'shown': shown, 'more': more}


def sentences(document: Mapping[str, typing.Any],
              flavors: Mapping[str, typing.Any]) -> list[str]:
    """What a document requires, a text for each kind of requirement."""
    found = []
    if document[FLAVORS]:
        found.append(_('one of the flavors %s') % shortened(sorted(
            flavor_text(flavor_id, flavors)
            for flavor_id in document[FLAVORS])))
    found += [str(limit.text) % document[limit.key] for limit in LIMITS
              if document.get(limit.key) is not None]
    found += [
        _('extra spec %s') % _(' or ').join(
            f'{key}={value}' for value in several(values))
        for key, values in document[EXTRA_SPECS].items()]
    found += [_('invalid row %s: no flavor is allowed') % text
              for text in document.get(INVALID_ROWS, ())]
    found += [f'{key}: {value}' for key, value in _others(document).items()
              if value is not None]
    return found


def _others(document: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """What a document has under keys that this release does not know."""
    known = {*NAMES, FLAVORS, EXTRA_SPECS, ENFORCEMENT, INVALID_ROWS,
             *(limit.key for limit in LIMITS)}
    return {key: value for key, value in document.items() if key not in known}


def several(values: str | list[str]) -> list[str]:
    """The alternative values of an extra spec."""
    return [values] if isinstance(values, str) else values


def content(document: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """A document without the version's names, to send it back."""
    return {key: value for key, value in document.items()
            if key not in (*NAMES, INVALID_ROWS)}


def write_extra_specs(extra_specs: Mapping[str, str | list[str]]) -> str:
    """Extra specs as lines KEY=VALUE."""
    return '\n'.join(f'{key}={value}' for key, values in extra_specs.items()
                     for value in several(values))


def read_extra_specs(text: str) -> dict[str, list[str]]:
    """Extra specs from lines KEY=VALUE; lines of one key are alternatives.

    :raises ValueError: a line has no "="
    """
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, divider, value = line.partition('=')
        if not divider:
            raise ValueError(_('"%s" is not KEY=VALUE.') % line)
        found.setdefault(key, []).append(value)
    return found


def steps(pointer: str) -> list[str]:
    """The steps of a JSON pointer."""
    return [step.replace('~1', '/').replace('~0', '~')
            for step in pointer.split('/')[1:]]


def named(flavor_ids: Iterable[str],
          flavors: Mapping[str, typing.Any]) -> Iterator[str]:
    """The names of flavors, in the order of Nova's list."""
    wanted = set(flavor_ids)
    yield from (flavor.name for flavor_id, flavor in flavors.items()
                if flavor_id in wanted)
    yield from (flavor_text(flavor_id, {})
                for flavor_id in sorted(wanted - flavors.keys()))
