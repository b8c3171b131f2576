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

"""The documentation's commands: run, and compared with what it shows.

In a block of ``.. code-block:: console`` a line that begins with ``$`` is a
command, those that begin with ``>`` continue it, and what follows is what it
prints. ``...`` in place of that stands for whatever it may be.
"""

import collections.abc
import pathlib
import re
import textwrap
import typing

DIRECTIVE = re.compile(r'( *)\.\. code-block:: console\n\n')

# Printed anew by each cloud, and all of one length.
CHANGING = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
                      r'|\b[0-9a-f]{32}\b')

ANYTHING = '...'


class Step(typing.NamedTuple):
    """A command, and what it is said to print."""

    command: str
    output: str


def blocks(text: str) -> list[tuple[int, int, int, list[Step]]]:
    """The blocks of a page: begin, end, indentation, and steps."""
    found = []
    for match in DIRECTIVE.finditer(text):
        indent = len(match[1]) + 4
        end = match.end()
        for line in text[match.end():].splitlines(keepends=True):
            if line.strip() and not line.startswith(' ' * indent):
                break
            end += len(line)
        body = textwrap.dedent(text[match.end():end].rstrip('\n') + '\n')
        end = match.end() + len(text[match.end():end].rstrip('\n')) + 1
        found.append((match.end(), end, indent, _steps(body)))
    return found


def _steps(body: str) -> list[Step]:
    found: list[Step] = []
    for line in body.splitlines():
        if line.startswith('$ '):
            found.append(Step(line[2:], ''))
            continue
        command, output = found.pop()
        if line.startswith('> ') and not output:
            found.append(Step(f'{command}\n{line[2:]}', output))
        else:
            found.append(Step(command, f'{output}{line}\n'))
    return found


def same(shown: str, printed: str) -> bool:
    """Whether a command printed what the page shows."""
    return shown.strip() == ANYTHING or (
        CHANGING.sub('ID', shown) == CHANGING.sub('ID', printed))


def run(page: pathlib.Path,
        execute: 'collections.abc.Callable[[str], str]',
        write: bool) -> list[tuple[str, str, str]]:
    """Run a page's commands, in order.

    :param execute: runs one, and returns what it prints
    :param write: put what was printed into the page
    :returns: commands that printed something else than the page shows, with
        what it shows, and what they printed
    """
    text = page.read_text()
    differences = []
    written, last = '', 0
    for begin, end, indent, steps in blocks(text):
        lines = []
        for command, shown in steps:
            printed = execute(command)
            lines.append('$ ' + command.replace('\n', '\n> ') + '\n')
            if same(shown, printed):
                lines.append(shown)
            else:
                lines.append(printed)
                differences.append((command, shown, printed))
        written += text[last:begin] + textwrap.indent(
            ''.join(lines), ' ' * indent)
        last = end
    if write:
        page.write_text(written + text[last:])
    return differences
