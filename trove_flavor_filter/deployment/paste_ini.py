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

"""The filter in Trove's api-paste.ini: put in, and taken out to the byte.

Text in, text out. Paste's own parser says what the file means; the edits are
splices, so that what they do not touch stays as it is. After each edit the
new text is read again, and has to mean the old one with our filter more or
less.
"""

import configparser
import re
import typing

from trove_flavor_filter.deployment import served
from trove_flavor_filter import exception

NAME = served.NAME
SECTION = f'filter:{NAME}'
BLOCK = ('# Put here by "trove-flavor-filter enable"; '
         '"trove-flavor-filter disable" removes it.',
         f'[{SECTION}]',
         f'paste.filter_factory = {served.FACTORY}')

# Of a text that comes without its file: files that it refers to are looked
# for in the current folder.
PATH = 'api-paste.ini'


class Word(typing.NamedTuple):
    """A name in a pipeline, and where it stands in the file."""

    text: str
    line: int
    start: int


def enable(text: str, path: str = PATH, auth_filter: str | None = None
           ) -> tuple[str, list[str]]:
    """Put the filter on every way to Trove's application.

    It goes into a pipeline, just before Trove's ``extensions`` or before the
    application where there is no such filter, and behind authentication. A
    section or a place that somebody has given it by hand stays. A pipeline
    that trove-api does not serve gets it where that can be done;
    :func:`left_alone` names the others.

    :param text: a paste file
    :param path: of the file: what it refers to is looked for beside it
    :param auth_filter: the name of the filter that authenticates; None for
        any of keystonemiddleware's
    :returns: the file with the filter, and what was added to it, in words
    :raises FlavorFilterError: the file cannot be read as a paste file, has
        no way to Trove's application, or has one that lacks authentication or
        a place for the filter
    """
    paste = served.PasteFile(text, path)
    if paste.defines(NAME) and not paste.step(NAME).is_ours:
        raise exception.FlavorFilterError(
            f'[{SECTION}] is there and is not this plugin\'s: '
            f'{paste.step(NAME).factory!r}')
    if not paste.ways:
        raise exception.FlavorFilterError(_no_way(paste))
    places = {_place(way, auth_filter) for way in paste.ways}
    for way in paste.others:
        try:
            places.add(_place(way, auth_filter))
        except exception.FlavorFilterError:
            continue

    lines = served.split(text)
    words = words_of(lines)
    expected: dict[str, list[str]] = {}
    # The last first, so that the places of the others stay true.
    for section, at in sorted(filter(None, places), reverse=True):
        names = paste.names(section)
        expected.setdefault(section, names).insert(len(names) + at, NAME)
        try:
            _insert(lines, words.get(section, [])[at])
        except IndexError:
            raise _not_editable(section) from None
    changes = [served.named(section) for section in paste.pipelines
               if section in expected]
    if (expected or paste.lacks_section) and not paste.defines(NAME):
        changes.insert(0, f'section [{SECTION}]')
        eol = end_of_line(lines)
        # One form for a file that ends with a newline and for one that does
        # not: what stands before it is the original, to the byte.
        lines.append(eol + _block(eol))
    after = _checked(paste, lines, path, expected)
    if any(_own(way) is None for way in after.ways):
        raise _not_safe()
    return ''.join(lines), changes


def disable(text: str, path: str = PATH) -> tuple[str, list[str]]:
    """Take the filter out of every pipeline, and our section away.

    A section that somebody wrote by hand, or added options to, stays: with
    no pipeline that names it, it does nothing.

    :param text: a paste file
    :param path: of the file: what it refers to is looked for beside it
    :returns: the file without the filter, and what was taken from it, in
        words
    :raises FlavorFilterError: the file cannot be read as a paste file, or
        somebody has put the filter somewhere else than into a pipeline
    """
    paste = served.PasteFile(text, path)
    lines = served.split(text)
    words = words_of(lines)
    changes = []
    expected = {}
    for section in paste.pipelines:
        # The last name is an application's, whatever it is called.
        *names, last = paste.names(section) or ['']
        left = [name for name in names if not paste.step(name).is_ours]
        if left != names:
            # From the end, so that the places of the others stay true.
            for word in reversed(words.get(section, [])[:-1]):
                if paste.step(word.text).is_ours:
                    _remove(lines, word)
            expected[section] = [*left, last]
            changes.append(served.named(section))
    if paste.options(SECTION) == {'paste.filter_factory': served.FACTORY}:
        text, removed = _without_block(''.join(lines))
        if removed:
            lines = served.split(text)
            changes.insert(0, f'section [{SECTION}]')
    after = _checked(paste, lines, path, expected)
    for way in after.ways:
        if any(step.is_ours for step in way.steps):
            raise exception.FlavorFilterError(
                f'{NAME} is not in a pipeline, where this command puts it; '
                f'take it out by hand: {_quoted(way)}')
    return ''.join(lines), changes


def left_alone(text: str, path: str = PATH, auth_filter: str | None = None
               ) -> list[str]:
    """Pipelines that :func:`enable` leaves as they are, and why, in words.

    They are none that trove-api serves: no filter is needed there.
    """
    found = []
    for way in served.PasteFile(text, path).others:
        try:
            _place(way, auth_filter)
        except exception.FlavorFilterError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def problems(text: str, path: str = PATH, auth_filter: str | None = None
             ) -> list[str]:
    """What keeps the filter from its work, in words; empty when nothing does.

    :param text: a paste file
    :param path: of the file: what it refers to is looked for beside it
    :param auth_filter: the name of the filter that authenticates; None for
        any of keystonemiddleware's
    :raises FlavorFilterError: the file cannot be read as a paste file
    """
    paste = served.PasteFile(text, path)
    found = []
    for way in paste.ways:
        own = _own(way)
        if own is None:
            found.append(f'{way} does not have {NAME}')
            continue
        if not any(_authenticates(step, auth_filter)
                   for step in way.steps[:own]):
            found.append(
                f'{way} has no {_wanted(auth_filter)} before {NAME} '
                f'([flavor_filter] auth_filter names another)')
        if any(step.factory == served.EXTENSIONS
               for step in way.steps[_inside(way):own]):
            found.append(f'{way} has {NAME} behind extensions')
    if paste.lacks_section:
        found.append(f'[{SECTION}] is missing')
    return list(dict.fromkeys(found)) or (
        [] if paste.ways else [_no_way(paste)])


def end_of_line(lines: list[str]) -> str:
    """How the lines of a file end, by its first."""
    first = lines[0] if lines else ''
    return first[len(first.rstrip('\r\n')):] or '\n'


def words_of(lines: list[str]) -> dict[str, list[Word]]:
    """The names in each pipeline, with their places.

    configparser gives values without places, so this walks the lines by its
    rules: what is indented deeper than an option continues it, over blank
    lines and comments. A value that is interpolated is seen as it is written.
    """
    words: dict[str, list[Word]] = {}
    section, option, depth = '', '', 0
    for number, line in enumerate(lines):
        text = line.strip()
        if not text or text[0] in '#;':
            continue
        start = indent = len(line) - len(line.lstrip())
        if not option or indent <= depth:
            depth = indent
            header = configparser.ConfigParser.SECTCRE.match(text)
            if header:
                section, option = header.group('header'), ''
                continue
            key = re.split('[=:]', text)[0]
            option = key.rstrip()
            start += len(key) + 1
        if option == 'pipeline':
            words.setdefault(section, []).extend(
                Word(match.group(), number, match.start())
                for match in re.compile(r'\S+').finditer(line, start))
    return words


def _inside(way: served.Way) -> int:
    """Where a way has left the last composite.

    Outside of it a path still begins with the version, and none is ours.
    """
    return max((at + 1 for at, step in enumerate(way.steps)
                if step.is_composite), default=0)


def _own(way: served.Way) -> int | None:
    """Where our filter stands on a way."""
    return next((at for at, step in enumerate(way.steps)
                 if step.is_ours and at >= _inside(way)), None)


def _authenticates(step: served.Step, auth_filter: str | None) -> bool:
    if auth_filter is None:
        return step.factory in served.AUTHENTICATION
    return step.name == auth_filter and not step.is_composite


def _wanted(auth_filter: str | None) -> str:
    return ('authtoken of keystonemiddleware\'s' if auth_filter is None
            else f'filter called {auth_filter}')


def _place(way: served.Way, auth_filter: str | None) -> served.Place | None:
    """Where our filter has to go on a way; None where it has a place.

    :raises FlavorFilterError: that is in front of authentication, or nowhere
        in a pipeline that can be edited
    """
    own = _own(way)
    at = own if own is not None else next(
        (at for at in range(_inside(way), len(way.steps))
         if way.steps[at].factory == served.EXTENSIONS), len(way.steps))
    before, behind = way.steps[:at], way.steps[at:]
    late = [step for step in behind
            if _authenticates(step, None) or _authenticates(step, auth_filter)]
    trusts = (f'the place of {NAME}, which trusts the identity that authtoken '
              f'establishes')
    if not any(_authenticates(step, auth_filter) for step in before):
        raise exception.FlavorFilterError(
            f'{way} has no {_wanted(auth_filter)} before {trusts}. There '
            f'stand: {", ".join(map(str, before)) or "none"}. If one of these '
            f'authenticates, name it with --auth-filter')
    if late:
        raise exception.FlavorFilterError(
            f'{way} has {late[0]} behind {trusts}')
    if own is not None:
        return None
    # In front of a filter that is not in the pipeline itself there is no
    # place, but there may be one further out.
    for outer in range(at, _inside(way) - 1, -1):
        if any(_authenticates(step, None) or _authenticates(step, auth_filter)
               for step in way.steps[outer:]):
            break
        place = (way.place if outer == len(way.steps)
                 else way.steps[outer].place)
        if place is not None:
            return place
    raise exception.FlavorFilterError(
        f'{way} has no place for {NAME}, behind authentication and in a '
        f'pipeline, that can be edited safely; put it in by hand: '
        f'{_quoted(way)}')


def _insert(lines: list[str], word: Word) -> None:
    """Put our name before a word: on its line, or on one like its own."""
    line = lines[word.line]
    indent = line[:word.start]
    if indent.strip():
        ours = f'{NAME} '
    else:
        # A word that begins a continuation line has a line before it.
        before = lines[word.line - 1]
        ours = NAME + before[len(before.rstrip('\r\n')):] + indent
    lines[word.line] = indent + ours + line[word.start:]


def _remove(lines: list[str], word: Word) -> None:
    """The inverse of :func:`_insert`, for names written by hand as well."""
    line = lines[word.line]
    before = line[:word.start]
    after = line[word.start + len(word.text):]
    if not before.strip() and not after.strip():
        lines[word.line] = ''
    elif after.strip():
        lines[word.line] = before + after[1:]
    else:
        lines[word.line] = before.rstrip() + after


def _block(eol: str) -> str:
    return ''.join(line + eol for line in BLOCK)


def _without_block(text: str) -> tuple[str, bool]:
    for eol in ('\r\n', '\n', '\r'):
        before, found, after = text.partition(eol + _block(eol))
        if found:
            # Lines that came after ours must not join the last of a file
            # that had no newline at its end.
            joint = eol if after and before[-1:] not in '\r\n' else ''
            return before + joint + after, True
    return text, False


def _checked(before: served.PasteFile, lines: list[str], path: str,
             pipelines: dict[str, list[str]]) -> served.PasteFile:
    """The edited file, once it is seen to mean what it should.

    :param before: the file as it was
    :param pipelines: the names in those that were edited
    """
    after = served.PasteFile(''.join(lines), path)
    for section, names in pipelines.items():
        if after.names(section) != names:
            raise _not_editable(section)
    kept, found = ({section: paste.options(section)
                    for section in paste.parser.sections()
                    if section not in pipelines and section != SECTION}
                   for paste in (before, after))
    if kept != found or before.parser.defaults() != after.parser.defaults():
        raise _not_safe()
    return after


def _quoted(way: served.Way) -> str:
    return ' -> '.join(map(str, way.trail))


def _no_way(paste: served.PasteFile) -> str:
    why = ''.join(f'; Paste does not load it, which has to be mended by hand: '
                  f'{complaint}' for complaint in paste.complaints)
    return (f'no pipeline in it ends in Trove\'s application, '
            f'{served.APPLICATION}{why}')


def _not_safe() -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'its layout does not allow a safe edit; put [{SECTION}] in or out '
        f'by hand')


def _not_editable(section: str) -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'{served.named(section)} is written in a way that does not allow a '
        f'safe edit; put {NAME} in or out by hand')
