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

Text in, text out. configparser, which Paste itself reads with, says what the
file means; the edits are splices, so that what they do not touch stays as it
is. After each edit the new text is read again, and has to mean the old one
with our filter more or less.
"""

import configparser
import io
import re
import typing

from trove_flavor_filter import exception

NAME = 'flavor_filter'
SECTION = f'filter:{NAME}'
FACTORY = 'trove_flavor_filter.wsgi:filter_factory'
BLOCK = ('# Put here by "trove-flavor-filter enable"; '
         '"trove-flavor-filter disable" removes it.',
         f'[{SECTION}]',
         f'paste.filter_factory = {FACTORY}')

OURS = re.compile(rf'{re.escape(FACTORY)}|'
                  rf'egg:trove[-_.]flavor[-_.]filter#{NAME}')
AUTH = re.compile(r'keystonemiddleware\.auth_token:filter_factory|'
                  r'egg:keystonemiddleware#auth_token')
EXTENSIONS = re.compile(r'trove\.common\.extensions:factory')
APPLICATION = re.compile(r'trove\.common\.api:app_factory')

NO_PIPELINE = ('no pipeline in it ends in Trove\'s application, '
               'trove.common.api:app_factory')

# A pipeline's section -> its names, as Paste reads them.
Pipelines = dict[str, list[str]]


class Word(typing.NamedTuple):
    """A name in a pipeline, and where it stands in the file."""

    text: str
    line: int
    start: int


def enable(text: str) -> tuple[str, list[str]]:
    """Put the filter into every pipeline that ends in Trove's application.

    It goes just before Trove's ``extensions``, or before the application
    where there is no such filter. A section or a place in a pipeline that
    somebody has given it by hand stays.

    :param text: a paste file
    :returns: the file with the filter, and what was added to it, in words
    :raises FlavorFilterError: the file cannot be read as a paste file, has
        no such pipeline, or has one without authtoken before our place
    """
    lines = split(text)
    parser = parse(lines)
    made_by = maker(parser, 'filter', NAME)
    if made_by is not None and not OURS.fullmatch(made_by):
        raise exception.FlavorFilterError(
            f'[{SECTION}] is there and is not this plugin\'s: {made_by!r}')

    pipelines = pipelines_of(parser)
    trove = _troves(parser)
    if not trove:
        raise exception.FlavorFilterError(NO_PIPELINE)
    changes = []
    words = words_of(lines)
    for section in trove:
        names = pipelines[section]
        at = _place(parser, names)
        _require_auth(parser, section, names[:at])
        if is_ours(parser, names[at]) and at < len(names) - 1:
            continue
        # Counted from the end: what comes before may be interpolated, and
        # then is not the same number of words in the file.
        try:
            word = words.get(section, [])[at - len(names)]
        except IndexError:
            raise _not_editable(section) from None
        _insert(lines, word)
        pipelines[section] = names[:at] + [NAME] + names[at:]
        changes.append(_named(section))

    sections = sections_of(parser)
    if made_by is None and NAME in sum(pipelines.values(), []):
        changes.insert(0, f'section [{SECTION}]')
        eol = end_of_line(lines)
        # One form for a file that ends with a newline and for one that does
        # not: what stands before it is the original, to the byte.
        lines.append(eol + _block(eol))
        sections[SECTION] = {'paste.filter_factory': FACTORY}
    return _checked(lines, pipelines, sections), changes


def disable(text: str) -> tuple[str, list[str]]:
    """Take the filter out of every pipeline, and our section away.

    A section that somebody wrote by hand, or added options to, stays: with
    no pipeline that names it, it does nothing.

    :param text: a paste file
    :returns: the file without the filter, and what was taken from it, in
        words
    :raises FlavorFilterError: the file cannot be read as a paste file
    """
    lines = split(text)
    parser = parse(lines)
    pipelines = pipelines_of(parser)
    changes = []
    words = words_of(lines)
    for section, names in pipelines.items():
        # The last name is an application's, whatever it is called.
        left = [name for name in names[:-1] if not is_ours(parser, name)]
        left += names[-1:]
        if left != names:
            # From the end, so that the places of the others stay true.
            for word in reversed(words.get(section, [])[:-1]):
                if is_ours(parser, word.text):
                    _remove(lines, word)
            pipelines[section] = left
            changes.append(_named(section))

    sections = sections_of(parser)
    if sections.get(SECTION) == {'paste.filter_factory': FACTORY}:
        text, removed = _without_block(''.join(lines))
        if removed:
            lines = split(text)
            del sections[SECTION]
            changes.insert(0, f'section [{SECTION}]')
    return _checked(lines, pipelines, sections), changes


def problems(text: str) -> list[str]:
    """What keeps the filter from its work, in words; empty when nothing does.

    :param text: a paste file
    :raises FlavorFilterError: the file cannot be read as a paste file
    """
    parser = parse(split(text))
    found = []
    for section, names in _troves(parser).items():
        ours = [at for at, name in enumerate(names[:-1])
                if is_ours(parser, name)]
        if not ours:
            found.append(f'{_named(section)} does not have {NAME}')
            continue
        if not _is(AUTH, parser, 'filter', names[:ours[0]]):
            found.append(f'{_named(section)} has no authtoken before {NAME}')
        if _is(EXTENSIONS, parser, 'filter', names[:ours[0]]):
            found.append(f'{_named(section)} has {NAME} behind extensions')
        if maker(parser, 'filter', names[ours[0]]) is None:
            found.append(f'[{SECTION}] is missing')
    return found or ([] if _troves(parser) else [NO_PIPELINE])


def split(text: str) -> list[str]:
    """The lines of a file, with their ends, as Python's open() splits it."""
    return list(io.StringIO(text, newline=''))


def end_of_line(lines: list[str]) -> str:
    """How the lines of a file end, by its first."""
    first = lines[0] if lines else ''
    return first[len(first.rstrip('\r\n')):] or '\n'


def parse(lines: list[str]) -> configparser.ConfigParser:
    """Read a paste file as Paste does.

    :raises FlavorFilterError: it cannot be read so
    """
    parser = configparser.ConfigParser(
        defaults={'here': '', '__file__': ''})
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_file(lines, source='the file')
    except configparser.Error as error:
        raise _not_paste(error) from None
    return parser


def pipelines_of(parser: configparser.ConfigParser) -> Pipelines:
    """The pipelines of a paste file."""
    try:
        return {section: parser.get(section, 'pipeline').split()
                for section in parser.sections()
                if section.startswith('pipeline:')
                and parser.has_option(section, 'pipeline')}
    except configparser.Error as error:
        raise _not_paste(error) from None


def sections_of(parser: configparser.ConfigParser
                ) -> dict[str, dict[str, str]]:
    """The options of every section that is not a pipeline's, as written."""
    defaults = parser.defaults()
    return {section: {name: value
                      for name, value in parser.items(section, raw=True)
                      if name not in defaults}
            for section in parser.sections()
            if not section.startswith('pipeline:')}


def maker(parser: configparser.ConfigParser, kind: str, name: str
          ) -> str | None:
    """What makes the thing that a pipeline names.

    :param kind: ``filter`` or ``app``
    :returns: its factory or what it uses; None when nothing has that name
    """
    if re.match('[a-zA-Z]+:', name):
        return name
    for section in parser.sections():
        prefix, _, rest = section.partition(':')
        if prefix == kind and rest.strip() == name:
            options = dict(parser.items(section, raw=True))
            return options.get('use') or options.get(
                f'paste.{kind}_factory', '')
    return None


def is_ours(parser: configparser.ConfigParser, name: str) -> bool:
    """Whether a pipeline means our filter by this name.

    A pipeline that names ``flavor_filter`` where no section does means ours:
    somebody has done half of what enable does.
    """
    made_by = maker(parser, 'filter', name)
    if made_by is None:
        return name == NAME
    return OURS.fullmatch(made_by) is not None


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


def _is(what: re.Pattern[str], parser: configparser.ConfigParser, kind: str,
        names: list[str]) -> bool:
    return any(what.fullmatch(maker(parser, kind, name) or '')
               for name in names)


def _troves(parser: configparser.ConfigParser) -> Pipelines:
    """The pipelines that end in Trove's application."""
    return {section: names for section, names in pipelines_of(parser).items()
            if _is(APPLICATION, parser, 'app', names[-1:])}


def _place(parser: configparser.ConfigParser, names: list[str]) -> int:
    """Where our filter stands in a pipeline, or else would have to."""
    for wanted in (lambda name: is_ours(parser, name),
                   lambda name: _is(EXTENSIONS, parser, 'filter', [name])):
        for at, name in enumerate(names[:-1]):
            if wanted(name):
                return at
    return len(names) - 1


def _require_auth(parser: configparser.ConfigParser, section: str,
                  before: list[str]) -> None:
    if not _is(AUTH, parser, 'filter', before):
        raise exception.FlavorFilterError(
            f'{_named(section)} has no authtoken '
            f'(keystonemiddleware.auth_token) before the place of {NAME}, '
            f'which trusts the identity that authtoken establishes')


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


def _checked(lines: list[str], pipelines: Pipelines,
             sections: dict[str, dict[str, str]]) -> str:
    """The edited text, once it is seen to mean what it should."""
    text = ''.join(lines)
    parser = parse(split(text))
    found = pipelines_of(parser)
    for section, names in pipelines.items():
        if found.get(section) != names:
            raise _not_editable(section)
    if found.keys() != pipelines.keys() or sections_of(parser) != sections:
        raise exception.FlavorFilterError(
            f'its layout does not allow a safe edit; put [{SECTION}] in or '
            f'out by hand')
    return text


def _named(section: str) -> str:
    return f'pipeline {section.partition(":")[2].strip()}'


def _not_paste(error: configparser.Error) -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        'not a paste file: ' + ' '.join(str(error).split()))


def _not_editable(section: str) -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'{_named(section)} is written in a way that does not allow a safe '
        f'edit; put {NAME} in or out by hand')
