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

"""The problems of a declaration: collected, counted, and shown.

A declaration is a file or a JSON document.
"""

from collections.abc import Callable
from collections.abc import Iterable
import difflib
import functools
import typing

from trove_flavor_filter import exception

# How many problems are shown. The others are counted, so that an answer does
# not grow with the mistakes in a request.
SHOWN = 100

# The effort of all searches for close matches in one declaration, in pairs of
# characters: some tenths of a second.
EFFORT = 1_000_000

Path = tuple[str | int, ...]
Message = str | Callable[[], str]


class Place(typing.NamedTuple):
    """A position in a file; line and column count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f'line {self.line}'


class Pointer(typing.NamedTuple):
    """Where something stands in a JSON document; as text, RFC 6901's."""

    path: Path

    def __str__(self) -> str:
        return ''.join(
            '/' + str(step).replace('~', '~0').replace('/', '~1')
            for step in self.path)


class Problem(typing.NamedTuple):
    """A problem in a declaration, and its position."""

    place: Place | Pointer
    message: str


class Problems:
    """Collects problems: keeps the first of them, and counts all.

    :param others: problems that are known already
    :ivar count: the number of problems
    :ivar misses_flavors: whether a flavor is not there, or cannot be seen
    """

    def __init__(self, others: 'Problems | None' = None):
        self.count: int = others.count if others else 0
        self.misses_flavors: bool = bool(others and others.misses_flavors)
        self._first: list[tuple[Place | Pointer, Message]] = (
            [*others._first] if others else [])

    @property
    def is_full(self) -> bool:
        """Whether another problem is only counted."""
        return self.count >= SHOWN

    def add(self, place: Place | Pointer, message: Message) -> None:
        """Add a problem.

        :param message: a text, or a function that makes it when the problem
            is shown. Problems are found while the database is locked. A
            search for close matches would take too long there
        """
        if not self.is_full:
            self._first.append((place, message))
        self.count += 1

    def shown(self) -> list[Problem]:
        """The problems that are kept, by position."""
        return sorted(
            Problem(place, message if isinstance(message, str) else message())
            for place, message in self._first)


class DeclarationRefused(exception.BadRequest):
    """A declaration has problems and is refused.

    :ivar count: the number of problems
    :ivar misses_flavors: whether a flavor is not there, or cannot be seen
    :ivar advice: a sentence that follows the problems, or ''
    """

    def __init__(self, problems: Problems):
        super().__init__()
        self.count = problems.count
        self.misses_flavors = problems.misses_flavors
        self.advice = ''
        self._collected = problems

    @functools.cached_property
    def problems(self) -> list[Problem]:
        """The first problems, by position."""
        return self._collected.shown()

    @property
    def more(self) -> int:
        """The number of the other problems."""
        return self.count - len(self.problems)

    def __str__(self) -> str:
        texts = joined([f'{place}: {message}'
                        for place, message in self.problems], self.more)
        advice = f' {self.advice}.' if self.advice else ''
        return f'Nothing was changed. {texts}.{advice}'

    @property
    def reason(self) -> str:
        """One line for the log."""
        place, message = self.problems[0]
        # A key in a document may have any characters.
        first = repr(f'{place}: {message}')[1:-1]
        return f'problems: {self.count}, the first: {first}'


def first(texts: Iterable[str], more: int = 0) -> list[str]:
    """The first of some texts, and a text that says how many more there are.

    :param more: the number of other texts, which are not given
    """
    texts = list(texts)
    shown = texts[:SHOWN]
    more += len(texts) - len(shown)
    return [*shown, f'and {more} more'] if more else shown


def joined(texts: Iterable[str], more: int = 0, divider: str = '; ') -> str:
    """As :func:`first`, in one text."""
    return divider.join(first(texts, more))


def short(value: typing.Any) -> str:
    """A value for a message, shortened to 60 characters."""
    if value is None:
        return 'nothing'
    if isinstance(value, dict):
        return 'a mapping'
    if isinstance(value, list):
        return 'a list'
    # A text may have megabytes.
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f'{text[:57]}...'


class CloseMatches:
    """Finds what somebody may have meant, with a limited effort."""

    def __init__(self) -> None:
        self._left = EFFORT

    def near(self, text: str, known: Iterable[str]) -> str:
        """A "did you mean" hint for a message.

        It is empty without a close match, and once the effort is spent.
        """
        texts = list(known)
        # A comparison takes at least the time of a hundred pairs.
        effort = sum(100 + len(text) * len(other) for other in texts)
        if effort > self._left:
            return ''
        self._left -= effort
        found = difflib.get_close_matches(text, texts, 3)
        return f' (did you mean {" or ".join(found)}?)' if found else ''
