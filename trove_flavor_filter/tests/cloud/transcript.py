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

"""Run the commands in the documentation, and compare their output.

In a ``.. code-block:: console`` a line that starts with ``$`` is a command,
lines that start with ``>`` continue it, and the following lines are its
output. ``...`` in place of the output matches any output.
"""

import collections.abc
import pathlib
import re
import textwrap
import typing

DIRECTIVE = re.compile(r'( *)\.\. code-block:: console\n\n')

# Different in each cloud, and always of the same length.
CHANGING = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
                      r'|\b[0-9a-f]{32}\b')

ANYTHING = '...'


class Step(typing.NamedTuple):
    """A command, and its expected output."""

    command: str
    output: str


def blocks(text: str) -> list[tuple[int, int, int, list[Step]]]:
    """The blocks of a page: start, end, indentation, and steps."""
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
    """Whether the output of a command matches the page."""
    return shown.strip() == ANYTHING or (
        CHANGING.sub('ID', shown) == CHANGING.sub('ID', printed))


def run(page: pathlib.Path,
        execute: 'collections.abc.Callable[[str], str]',
        write: bool) -> list[tuple[str, str, str]]:
    """Run a page's commands, in order.

    :param execute: runs a command, and returns its output
    :param write: write the output to the page
    :returns: commands whose output differs from the page, with the expected
        and the actual output
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
