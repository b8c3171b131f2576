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

"""Add the filter to Trove's api-paste.ini, and remove it to the byte.

Text in, text out. Paste's own parser reads the file. The edits are splices,
so that nothing else changes. After each edit the new text is parsed again:
it must differ from the old one by our filter only.
"""

import configparser
import re
import typing

from trove_flavor_filter.deployment import paste_graph
from trove_flavor_filter import exception

NAME = paste_graph.NAME
SECTION = f'filter:{NAME}'
BLOCK = ('# Put here by "trove-flavor-filter enable"; '
         '"trove-flavor-filter disable" removes it.',
         f'[{SECTION}]',
         f'paste.filter_factory = {paste_graph.FACTORY}')

# The path of a text without a file: files that it refers to are looked for in
# the current directory.
PATH = 'api-paste.ini'


class Word(typing.NamedTuple):
    """A name in a pipeline, and its position in the file."""

    text: str
    line: int
    start: int


def enable(text: str, path: str = PATH, auth_filter: str | None = None
           ) -> tuple[str, list[str]]:
    """Add the filter to every way to Trove's application.

    It goes into a pipeline after authentication, just before Trove's
    ``extensions``, or before the application if there is no such filter. A
    section or a position that was given to it by hand is kept. A pipeline
    that trove-api does not serve stays as it is.

    :param text: a paste file
    :param path: of the file; references to other files are relative to it
    :param auth_filter: the name of the filter that authenticates; None for
        any of keystonemiddleware's
    :returns: the file with the filter, and a description of each change
    :raises FlavorFilterError: the file cannot be read as a paste file, has
        no way to Trove's application, or has one that lacks authentication or
        a place for the filter
    """
    paste = paste_graph.PasteFile(text, path)
    if paste.defines(NAME) and not paste.step(NAME).is_ours:
        raise exception.FlavorFilterError(
            f'[{SECTION}] exists, and is not this plugin\'s: '
            f'{paste.step(NAME).factory!r}')
    if not paste.ways:
        raise exception.FlavorFilterError(_no_way(paste))
    places = {_place(way, auth_filter) for way in paste.ways}

    lines = paste_graph.split(text)
    words = words_of(lines)
    expected: dict[str, list[str]] = {}
    # The last one first, so that the positions of the others stay valid.
    for section, at in sorted(filter(None, places), reverse=True):
        names = paste.names(section)
        expected.setdefault(section, names).insert(len(names) + at, NAME)
        try:
            _insert(lines, words.get(section, [])[at])
        except IndexError:
            raise _not_editable(section) from None
    changes = [paste_graph.named(section) for section in paste.pipelines
               if section in expected]
    if (expected or paste.lacks_section) and not paste.defines(NAME):
        changes.insert(0, f'section [{SECTION}]')
        eol = end_of_line(lines)
        # The block always begins with a line end, so that "disable" can
        # restore the original bytes.
        lines.append(eol + _block(eol))
    after = _checked(paste, lines, path, expected)
    if any(_own(way) is None for way in after.ways):
        raise _not_safe()
    return ''.join(lines), changes


def disable(text: str, path: str = PATH) -> tuple[str, list[str]]:
    """Remove the filter from every pipeline, and remove our section.

    A section that was written by hand, or has more options, is kept: it does
    nothing when no pipeline names it.

    :param text: a paste file
    :param path: of the file; references to other files are relative to it
    :returns: the file without the filter, and a description of each change
    :raises FlavorFilterError: the file cannot be read as a paste file, or
        the filter was put by hand somewhere else than into a pipeline
    """
    paste = paste_graph.PasteFile(text, path)
    lines = paste_graph.split(text)
    words = words_of(lines)
    changes = []
    expected = {}
    for section in paste.pipelines:
        # The last name is always the application's.
        *names, last = paste.names(section) or ['']
        left = [name for name in names if not paste.step(name).is_ours]
        if left != names:
            # From the end, so that the positions of the others stay valid.
            for word in reversed(words.get(section, [])[:-1]):
                if paste.step(word.text).is_ours:
                    _remove(lines, word)
            expected[section] = [*left, last]
            changes.append(paste_graph.named(section))
    if paste.options(SECTION) == {'paste.filter_factory': paste_graph.FACTORY}:
        text, removed = _without_block(''.join(lines))
        if removed:
            lines = paste_graph.split(text)
            changes.insert(0, f'section [{SECTION}]')
    after = _checked(paste, lines, path, expected)
    for way in after.ways:
        if any(step.is_ours for step in way.steps):
            raise exception.FlavorFilterError(
                f'{NAME} is outside of a pipeline, where this command does '
                f'not put it; remove it by hand: {_quoted(way)}')
    return ''.join(lines), changes


def problems(text: str, path: str = PATH, auth_filter: str | None = None
             ) -> list[str]:
    """Problems that keep the filter from working; empty without any.

    :param text: a paste file
    :param path: of the file; references to other files are relative to it
    :param auth_filter: the name of the filter that authenticates; None for
        any of keystonemiddleware's
    :raises FlavorFilterError: the file cannot be read as a paste file
    """
    paste = paste_graph.PasteFile(text, path)
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
        if any(step.factory == paste_graph.EXTENSIONS
               for step in way.steps[_inside(way):own]):
            found.append(f'{way} has {NAME} after extensions')
    if paste.lacks_section:
        found.append(f'[{SECTION}] is missing')
    return list(dict.fromkeys(found)) or (
        [] if paste.ways else [_no_way(paste)])


def end_of_line(lines: list[str]) -> str:
    """The line end of a file, taken from its first line."""
    first = lines[0] if lines else ''
    return first[len(first.rstrip('\r\n')):] or '\n'


def words_of(lines: list[str]) -> dict[str, list[Word]]:
    """The names in each pipeline, with their positions.

    configparser does not report positions, so this follows its rules line by
    line: a line that is indented deeper than an option continues it, across
    blank lines and comments. Values are not interpolated.
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


def _inside(way: paste_graph.PipelinePath) -> int:
    """The index of the first step after the last composite of a way.

    Before a composite, a request's path still begins with the API version,
    which our routes do not match.
    """
    return max((at + 1 for at, step in enumerate(way.steps)
                if step.is_composite), default=0)


def _own(way: paste_graph.PipelinePath) -> int | None:
    """The index of our filter on a way; None if it is missing."""
    return next((at for at, step in enumerate(way.steps)
                 if step.is_ours and at >= _inside(way)), None)


def _authenticates(step: paste_graph.Step, auth_filter: str | None) -> bool:
    if auth_filter is None:
        return step.factory in paste_graph.AUTHENTICATION
    return step.name == auth_filter and not step.is_composite


def _wanted(auth_filter: str | None) -> str:
    return ('authtoken of keystonemiddleware\'s' if auth_filter is None
            else f'filter called {auth_filter}')


def _place(way: paste_graph.PipelinePath, auth_filter: str | None
           ) -> paste_graph.InsertionPoint | None:
    """The place for our filter on a way; None if the filter is there.

    :raises FlavorFilterError: the place is before authentication, or not in
        a pipeline that can be edited
    """
    own = _own(way)
    at = own if own is not None else next(
        (at for at in range(_inside(way), len(way.steps))
         if way.steps[at].factory == paste_graph.EXTENSIONS), len(way.steps))
    before, behind = way.steps[:at], way.steps[at:]
    late = [step for step in behind
            if _authenticates(step, None) or _authenticates(step, auth_filter)]
    trusts = (f'the place of {NAME}, which trusts the identity that authtoken '
              f'establishes')
    if not any(_authenticates(step, auth_filter) for step in before):
        raise exception.FlavorFilterError(
            f'{way} has no {_wanted(auth_filter)} before {trusts}. Filters '
            f'there: {", ".join(map(str, before)) or "none"}. If one of these '
            f'authenticates, name it with --auth-filter')
    if late:
        raise exception.FlavorFilterError(
            f'{way} has {late[0]} after {trusts}')
    if own is not None:
        return None
    # Nothing can be inserted before a filter that is not written in the
    # pipeline itself. There may be a place further out.
    for outer in range(at, _inside(way) - 1, -1):
        if any(_authenticates(step, None) or _authenticates(step, auth_filter)
               for step in way.steps[outer:]):
            break
        place = (way.place if outer == len(way.steps)
                 else way.steps[outer].place)
        if place is not None:
            return place
    raise exception.FlavorFilterError(
        f'{way} has no place for {NAME} that is after authentication and '
        f'can be edited safely; put it in by hand: {_quoted(way)}')


def _insert(lines: list[str], word: Word) -> None:
    """Insert our name before a word, in the layout of the pipeline."""
    line = lines[word.line]
    indent = line[:word.start]
    if indent.strip():
        ours = f'{NAME} '
    else:
        # A continuation line: its layout is that of the line before it.
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
            # The original may have had no newline at its end: lines that
            # were added after our block must not join its last line.
            joint = eol if after and before[-1:] not in '\r\n' else ''
            return before + joint + after, True
    return text, False


def _checked(before: paste_graph.PasteFile, lines: list[str], path: str,
             pipelines: dict[str, list[str]]) -> paste_graph.PasteFile:
    """Parse the edited file, and check that nothing else has changed.

    :param before: the original file
    :param pipelines: the expected names in each edited pipeline
    """
    after = paste_graph.PasteFile(''.join(lines), path)
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


def _quoted(way: paste_graph.PipelinePath) -> str:
    return ' -> '.join(map(str, way.trail))


def _no_way(paste: paste_graph.PasteFile) -> str:
    why = ''.join(f'; Paste cannot load it, fix this by hand: {complaint}'
                  for complaint in paste.complaints)
    return (f'no pipeline in it ends in Trove\'s application, '
            f'{paste_graph.APPLICATION}{why}')


def _not_safe() -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'its layout does not allow a safe edit; add or remove [{SECTION}] '
        f'by hand')


def _not_editable(section: str) -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'{paste_graph.named(section)} is written in a way that does not '
        f'allow a safe edit; add or remove {NAME} by hand')
