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

"""trove-flavor-filter: enable the plugin in Trove, or disable it."""

import argparse
from collections.abc import Callable
import difflib
import functools
import os
import shutil
import subprocess  # nosec B404
import sys

from oslo_config import cfg

from trove_flavor_filter.cmd import base
from trove_flavor_filter import conf as config
from trove_flavor_filter.deployment import console_script
from trove_flavor_filter.deployment import paste_ini
from trove_flavor_filter import exception
from trove_flavor_filter import files

DESCRIPTION = '''\
Enable the plugin in Trove on this host ("enable"), or disable it ("disable").

Two files are edited, independently of each other:

  api-paste.ini   gets [filter:flavor_filter], and flavor_filter in every
                  pipeline through which trove-api serves Trove's
                  application, just before "extensions"
  trove-manage    gets the plugin's subcommands

The filter is never placed before the filter that authenticates.

Nothing else in the files changes, and "disable" restores the original bytes.
Both commands are idempotent. Each file is replaced atomically: after a crash
it is either the old file or the new one.
'''

EPILOG = '''\
Example:
  trove-flavor-filter enable --dry-run        # show what would change
  trove-flavor-filter enable
  trove-manage flavor-filter-db-sync
  systemctl restart trove-api                 # or as your deployment does it
  trove-flavor-filter enable --print < api-paste.ini > new.ini

Exit codes: 0 done, 1 failed (one line on standard error for each failure; the
other file is still changed), 2 wrong usage.
'''

# From a file's text and path: the new text, and a description of each change.
Edit = Callable[[str, str], tuple[str, list[str]]]

# Timeout, in seconds, for an interpreter to start and import the plugin.
INTERPRETER_TIMEOUT = 60


@base.prints(failed=1)
def main() -> int:
    """Run trove-flavor-filter with the process's arguments.

    :returns: the exit code: 0 done, 1 failed, 2 wrong usage
    """
    parser = argument_parser()
    args = parser.parse_args()
    enable = args.state == 'enable'
    edit_paste: Edit = (
        functools.partial(paste_ini.enable, auth_filter=args.auth_filter)
        if enable else paste_ini.disable)
    if args.print:
        if (args.paste_config is not None or args.trove_manage is not None
                or args.before or args.after or args.dry_run):
            parser.error('--print reads standard input only; it takes no '
                         'file and no --dry-run')
        return print_edited(args.state, edit_paste)

    halves: dict[str, tuple[Callable[[], str], Edit]] = {
        'api-paste.ini': (
            lambda: paste_config(configuration(args.before + args.after))
            if args.paste_config is None else args.paste_config,
            edit_paste),
        'trove-manage': (
            lambda: trove_manage(sys.argv[0])
            if args.trove_manage is None else args.trove_manage,
            enable_script if enable else lambda text, _path:
            console_script.disable(text))}
    # The halves that succeeded: whether the file was changed.
    changed: dict[str, bool] = {}
    for name, (find, edit) in halves.items():
        try:
            changed[name] = apply_edit(find(), args.state, edit, args.dry_run)
        except exception.FlavorFilterError as error:
            print(f'trove-flavor-filter: {error}', file=sys.stderr)
    failed = halves.keys() - changed.keys()
    if changed and failed and not args.dry_run:
        print(f'Done: {", ".join(changed)}. Not done: {", ".join(failed)}; '
              f'fix the errors above, then run "trove-flavor-filter '
              f'{args.state}" again.')
    steps = next_steps(args.state, changed)
    if steps:
        print(f'Next: {", then ".join(steps)}.')
    return 1 if failed else 0


def next_steps(state: str, changed: dict[str, bool]) -> list[str]:
    """The steps that the administrator has to do next.

    :param state: ``enable`` or ``disable``
    :param changed: the files that are in that state now: whether they have
        just been changed
    """
    steps = []
    if state == 'enable' and any(changed.values()):
        command = ('trove-manage' if 'trove-manage' in changed
                   else 'trove-flavor-filter-manage')
        steps.append(f'run "{command} flavor-filter-db-sync"')
    # Restart also where the paste file was enabled before: a new trove-manage
    # means that Trove itself was upgraded.
    if changed.get('api-paste.ini') or (steps and 'api-paste.ini' in changed):
        steps.append('restart trove-api')
    return steps


def argument_parser() -> argparse.ArgumentParser:
    """The command line, and its help."""
    options = argparse.ArgumentParser(add_help=False)
    add_configuration(options, 'after')
    options.add_argument(
        '--paste-config', metavar='FILE',
        help='the paste file (default: api_paste_config in trove.conf)')
    options.add_argument(
        '--trove-manage', metavar='FILE',
        help='the trove-manage script (default: the one in the directory of '
             'this command, or else on PATH)')
    options.add_argument(
        '--dry-run', action='store_true',
        help='print the changes as a diff; write nothing')
    options.add_argument(
        '--print', action='store_true',
        help='read a paste file from standard input and print the edited '
             'one; change no file. Use it for a paste file that is kept in '
             'version control or generated by another tool')
    options.set_defaults(auth_filter=None)

    parser = argparse.ArgumentParser(
        prog='trove-flavor-filter', description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_configuration(parser, 'before')
    states = parser.add_subparsers(
        dest='state', required=True, metavar='{enable,disable}')
    for state, text in (('enable', 'enable the plugin in Trove'),
                        ('disable', 'restore Trove\'s original files')):
        added = states.add_parser(
            state, help=text, parents=[options], description=DESCRIPTION,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        if state == 'enable':
            added.add_argument(
                '--auth-filter', metavar='NAME',
                help='the name of the authentication filter in the paste '
                     'file, if your site has its own (default: any of '
                     'keystonemiddleware\'s)')
    return parser


def add_configuration(parser: argparse.ArgumentParser, dest: str) -> None:
    """Add the options that name files and folders of the configuration.

    :param dest: the attribute with the options as they are given, in order
    """
    for option, metavar, what in (
            ('--config-file', 'FILE', 'a file of the configuration'),
            ('--config-dir', 'DIR', 'a folder of such files, *.conf')):
        parser.add_argument(
            option, dest=dest, action='append', default=[], metavar=metavar,
            type=f'{option}={{}}'.format,
            help=f'{what}, as it is given to trove-api; may be repeated, and '
                 f'the last one wins (default: what trove-api finds, such as '
                 f'/etc/trove/trove.conf)')


def configuration(arguments: list[str]) -> cfg.ConfigOpts:
    """What this command needs of the configuration that trove-api reads.

    :param arguments: options ``--config-file`` and ``--config-dir``
    :raises Misconfigured: as conf.parse()
    """
    conf = cfg.ConfigOpts()
    conf.register_opt(
        cfg.StrOpt('api_paste_config', default='api-paste.ini'))
    config.parse(conf, arguments, 'trove-flavor-filter',
                 config.Defaults.of('trove-api'))
    return conf


def paste_config(conf: cfg.ConfigOpts) -> str:
    """The paste file of the Trove with this configuration.

    :raises FlavorFilterError: the file does not exist
    """
    path = conf.find_file(conf.api_paste_config)
    if path is None:
        beside = [*conf.config_dirs, *(
            os.path.dirname(os.path.abspath(path))
            for path in conf.config_file)]
        where = ', '.join(dict.fromkeys(beside)) or (
            'the directory of a trove.conf (none is found)')
        raise exception.FlavorFilterError(
            f'{conf.api_paste_config}: no such file in {where}, nor where '
            f'Trove looks; name it with --paste-config, or the configuration '
            f'with --config-file or --config-dir')
    return path


def trove_manage(command: str) -> str:
    """The trove-manage in the directory of a command, or else on PATH.

    :param command: as given to the shell: a path, or a name on PATH
    :returns: its absolute path
    :raises FlavorFilterError: there is no trove-manage
    """
    if os.sep not in command:
        command = shutil.which(command) or command
    # A link may lead to the environment that has the plugin and Trove.
    folders = dict.fromkeys(
        os.path.dirname(path)
        for path in (os.path.abspath(command), os.path.realpath(command)))
    for folder in folders:
        path = os.path.join(folder, 'trove-manage')
        if os.path.exists(path):
            return path
    found = shutil.which('trove-manage')
    if found is None:
        raise exception.FlavorFilterError(
            f'trove-manage: not found in {" or ".join(folders)}, nor on '
            f'PATH; name it with --trove-manage')
    return os.path.abspath(found)


def apply_edit(path: str, state: str, edit: Edit, dry_run: bool) -> bool:
    """Enable or disable the plugin in a file, and print what was done.

    :param state: ``enable`` or ``disable``
    :returns: whether the file was changed
    :raises FlavorFilterError: the file cannot be read, edited or written; it
        is unchanged
    """
    try:
        old = files.read(path)
        text, changes = edit(old.decode('utf-8', 'surrogateescape'), path)
        new = text.encode('utf-8', 'surrogateescape')
        if not changes:
            print(f'already {state}d in {path}')
        elif dry_run:
            show_difference(path, old, new)
        else:
            files.replace(path, new)
            print(f'{state}d in {path}: {", ".join(changes)}')
    except BrokenPipeError:
        raise
    except OSError as error:
        raise exception.FlavorFilterError(
            f'{path}: {error.strerror or error}') from None
    except exception.FlavorFilterError as error:
        raise exception.FlavorFilterError(f'{path}: {error}') from None
    return bool(changes) and not dry_run


def print_edited(state: str, edit: Edit) -> int:
    """Read a paste file from standard input, and print the edited one.

    :returns: the exit code; nothing is printed when it is not 0
    """
    try:
        # sys.stdin is None where the shell has closed it.
        data = sys.stdin.buffer.read() if sys.stdin else b''
        text, changes = edit(data.decode('utf-8', 'surrogateescape'),
                             paste_ini.PATH)
    except (exception.FlavorFilterError, OSError) as error:
        why = getattr(error, 'strerror', None) or error
        print(f'trove-flavor-filter: standard input: {why}', file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text.encode('utf-8', 'surrogateescape'))
    print(f'{state}d: {", ".join(changes)}' if changes
          else f'already {state}d', file=sys.stderr)
    return 0


def enable_script(text: str, path: str) -> tuple[str, list[str]]:
    """Add the plugin's subcommands to a trove-manage script.

    :raises FlavorFilterError: it is not Trove's trove-manage, or its
        interpreter cannot import the plugin
    """
    edited = console_script.enable(text)
    require_plugin(text, path)
    return edited


def require_plugin(text: str, path: str) -> None:
    """Ensure that the interpreter of a trove-manage can import the plugin.

    :param text: of the script
    :param path: of the script
    :raises FlavorFilterError: it cannot import the plugin, or cannot be run
    """
    path = os.path.realpath(path)
    command = console_script.interpreter(text, path)
    try:
        # The administrator runs this interpreter with each trove-manage.
        result = subprocess.run(  # nosec B603
            [*command, '-c', 'import trove_flavor_filter'],
            # A script looks for modules in its own directory first; -c looks
            # in the current one.
            cwd=os.path.dirname(path), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=INTERPRETER_TIMEOUT)
    except subprocess.TimeoutExpired:
        why = f'no answer within {INTERPRETER_TIMEOUT} seconds'
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if result.returncode == 0:
            return
        lines = result.stderr.decode(errors='replace').split('\n')
        why = next(filter(None, reversed(lines)),
                   f'exit code {result.returncode}')
    name = command[2] if command[0] == '/bin/sh' else ' '.join(command)
    raise exception.FlavorFilterError(
        f'its interpreter, {name}, cannot import the plugin: {why}. Install '
        f'trove-flavor-filter for that interpreter, or use --trove-manage to '
        f'name the trove-manage of an interpreter that has it')


def show_difference(path: str, old: bytes, new: bytes) -> None:
    """Print a diff that patch(1) accepts, in the bytes of the file."""
    name = os.fsencode(path)
    lines = difflib.diff_bytes(
        difflib.unified_diff, old.splitlines(True), new.splitlines(True),
        name, name)
    sys.stdout.flush()
    for line in lines:
        if not line.endswith((b'\n', b'\r')):
            line += b'\n\\ No newline at end of file\n'
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
