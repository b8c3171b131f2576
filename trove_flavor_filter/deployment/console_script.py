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

"""Add the plugin to Trove's trove-manage script, and remove it.

trove-manage has no plugin mechanism. A marked block before the first
statement of the script runs the plugin-aware command. The rest of the script
stays Trove's own; it runs once the plugin is uninstalled. Text in, text out.
"""

import ast
import io
import re

from trove_flavor_filter import exception

BEGIN = '# >>> trove-flavor-filter'
END = '# <<< trove-flavor-filter'
BLOCK = f'''\
{BEGIN}: "trove-flavor-filter disable" removes this block
try:
    from trove_flavor_filter.cmd.manage import main as _flavor_filter_main
except ImportError as error:
    # Uninstalled or broken: what follows is Trove's own trove-manage.
    if (not isinstance(error, ModuleNotFoundError)
            or str(error.name).partition('.')[0] != 'trove_flavor_filter'):
        import sys
        print('trove-manage: running without trove-flavor-filter, which '
              f'cannot be loaded: {{error}}', file=sys.stderr)
else:
    if __name__ == '__main__':
        raise SystemExit(_flavor_filter_main())
{END}
'''

# pip and uv write the second form if the interpreter's path is too long for
# the kernel.
SHEBANG = re.compile(r"""#!([^\n]*(python|pypy)|/bin/sh\r?\n'''exec' )""")

HANDED_OVER = re.compile(r'"\$0"\s+"\$@"$')


def enable(text: str) -> tuple[str, list[str]]:
    """Add the plugin's subcommands to a trove-manage script.

    :param text: Trove's console script; it may have the block of this or of
        an older release
    :returns: the script with this release's block, and a description of each
        change
    :raises FlavorFilterError: it is not Trove's console script
    """
    lines = _without_block(text)
    at = _first_statement(''.join(lines))
    first = lines[0]
    eol = first[len(first.rstrip('\r\n')):]
    lines.insert(at, BLOCK.replace('\n', eol))
    enabled = ''.join(lines)
    return enabled, ['the plugin\'s subcommands'] if enabled != text else []


def disable(text: str) -> tuple[str, list[str]]:
    """Restore Trove's own trove-manage.

    :returns: the script without our block, and a description of each change
    :raises FlavorFilterError: it is not Trove's console script
    """
    disabled = ''.join(_without_block(text))
    _first_statement(disabled)
    return disabled, ['the plugin\'s subcommands'] if disabled != text else []


def interpreter(text: str, path: str) -> list[str]:
    """The command that starts the interpreter of a console script.

    :param text: of the script, which is Trove's
    :param path: of the script; a relocatable environment finds its
        interpreter by it
    :returns: a command, to which Python's own arguments can be added
    """
    shebang, exec_line, *_rest = text.split('\n', 2)
    words = shebang.removeprefix('#!').strip().split(None, 1)
    if words != ['/bin/sh']:
        return words
    # The script passes itself to the interpreter as "$0"; drop that, so that
    # other arguments can take its place.
    return ['/bin/sh', '-c',
            HANDED_OVER.sub('"$@"', exec_line.rstrip()), path]


def _without_block(text: str) -> list[str]:
    """The lines of a script without our block, with their line ends."""
    lines = list(io.StringIO(text, newline=''))
    begins = [at for at, line in enumerate(lines) if line.startswith(BEGIN)]
    ends = [at for at, line in enumerate(lines) if line.startswith(END)]
    if not begins and not ends:
        return lines
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise exception.FlavorFilterError(
            f'the block between "{BEGIN}" and "{END}" is damaged; remove it '
            f'by hand')
    return lines[:begins[0]] + lines[ends[0] + 1:]


def _first_statement(script: str) -> int:
    """The index of the line with a console script's first statement.

    It comes after the shebang, the coding line, and the string in which pip
    and uv hide the "exec" of a long interpreter path.

    :raises FlavorFilterError: it is not Trove's console script
    """
    if not SHEBANG.match(script):
        raise _not_troves('it is not a Python script')
    try:
        tree = ast.parse(script.encode('utf-8', 'surrogateescape'))
    except (SyntaxError, ValueError) as error:
        raise _not_troves(f'it cannot be parsed: {error}') from None
    if not any(_is_trove_manage(node) for node in ast.walk(tree)):
        raise _not_troves('it does not run trove.cmd.manage')
    for statement in tree.body:
        if statement.col_offset or (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)):
            continue
        if (isinstance(statement, ast.ImportFrom)
                and statement.module == '__future__'):
            continue
        return statement.lineno - 1
    raise _not_troves('it has no statement at the top level')


def _is_trove_manage(node: ast.AST) -> bool:
    """Whether code runs trove-manage, as any of the installers writes it.

    pip, uv and pbr import its module; setuptools looks up its entry point.
    """
    match node:
        case ast.ImportFrom(module='trove.cmd.manage'):
            return True
        case ast.Call(args=[ast.Constant(str(distribution)),
                            ast.Constant('console_scripts'),
                            ast.Constant('trove-manage')]):
            return distribution.partition('==')[0] == 'trove'
    return False


def _not_troves(why: str) -> exception.FlavorFilterError:
    return exception.FlavorFilterError(
        f'not Trove\'s trove-manage: {why}')
