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

"""Lists of flavors as texts, for the shared cache.

Others can write to the cache, so that a text is checked when it is read.
"""

import math
import time
import typing

from oslo_serialization import jsonutils

from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement

# Seconds by which the clocks of two hosts may differ.
CLOCK_SKEW = 2

# Maximum length of a flavor's id or name in Nova, in characters.
LONGEST = 255

# The types of a flavor's fields, except its extra specs.
_TYPES = (str, str, int, int, int, int)

T = typing.TypeVar('T', snapshot.Snapshot, snapshot.PrivateFlavors)


def dump(listed: snapshot.Snapshot | snapshot.PrivateFlavors) -> str:
    """A list as a text."""
    if isinstance(listed, snapshot.PrivateFlavors):
        return jsonutils.dumps(listed)
    return jsonutils.dumps(
        [listed.fetched, listed.private_elsewhere, listed.flavors])


def load(kind: type[T], text: str) -> T:
    """The inverse of :func:`dump`.

    :param kind: of the list
    :raises Exception: of any class: the text is not valid
    """
    made: typing.Any = kind
    fetched, *rest = jsonutils.loads(text)
    if kind is snapshot.PrivateFlavors:
        (rows,) = rest
        flavors = []
        for before, row in rows:
            if not isinstance(before, str | None):
                raise TypeError(f'not an id: {before!r}')
            flavors.append((before, _flavor(row)))
        return made(_moment(fetched), tuple(flavors))
    private_elsewhere, rows = rest
    if not isinstance(private_elsewhere, bool):
        raise TypeError(f'not a bool: {private_elsewhere!r}')
    return made(_moment(fetched), [_flavor(row) for row in rows],
                private_elsewhere)


def _moment(fetched: typing.Any) -> float:
    """Check that a time is in the past.

    :raises ValueError: it is not, so the rest cannot be trusted either
    """
    now = time.time()
    if (type(fetched) not in (int, float) or not math.isfinite(fetched)
            or fetched > now + CLOCK_SKEW):
        raise ValueError(f'not a time in the past: {fetched!r}')
    return min(fetched, now)


def _flavor(row: typing.Any) -> requirement.Flavor:
    *row, extra_specs = row
    if (len(row) != len(_TYPES)
            or any(type(value) is not kind
                   for value, kind in zip(row, _TYPES))
            or max(map(len, row[:2])) > LONGEST
            or min(row[2:]) < 0 or max(row[2:]) > requirement.LARGEST):
        raise ValueError('not a flavor')
    return requirement.Flavor._make([*row, snapshot.interned(extra_specs)])
