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

"""trove-flavor-filter: put the plugin into Trove, and take it out again."""

import argparse
from collections.abc import Callable
import difflib
import io
import os
import shutil
import sys

from oslo_config import cfg

from trove_flavor_filter.cmd import base
from trove_flavor_filter import conf as config
from trove_flavor_filter.deployment import console_script
from trove_flavor_filter.deployment import files
from trove_flavor_filter.deployment import paste_ini
from trove_flavor_filter import exception

DESCRIPTION = '''\
Put the plugin into Trove on this host ("enable"), or take it out ("disable").

Two files are brought to the wanted state, each whatever the other's:

  api-paste.ini   gets [filter:flavor_filter], and flavor_filter in every
                  pipeline that ends in Trove's application, just before
                  "extensions"
  trove-manage    gets the plugin's subcommands

Everything else in them stays byte for byte, and "disable" gives back what
was there before. Saying either twice is the same as once. Each file is
replaced in one step, so that a crash leaves the old one or the new one.
'''

EPILOG = '''\
Example:
  trove-flavor-filter enable --dry-run        # shows what would change
  trove-flavor-filter enable
  trove-manage flavor-filter-db-sync
  systemctl restart trove-api                 # or however Trove is run here

Exit codes: 0 done, 1 failed (each failure is a line on standard error; the
other file is changed all the same), 2 wrong usage.
'''

# The new text of a file, and what was changed in it, in words.
Edit = Callable[[str], tuple[str, list[str]]]


@base.prints(failed=1)
def main() -> int:
    """Run trove-flavor-filter with the process's arguments.

    :returns: the exit code: 0 done, 1 failed, 2 wrong usage
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path may have characters that the terminal has not.
        sys.stdout.reconfigure(errors='backslashreplace')
    args = argument_parser().parse_args()
    enable = args.state == 'enable'
    halves: list[tuple[Callable[[], str], Edit]] = [
        (lambda: paste_config(args.config_file) if args.paste_config is None
         else args.paste_config,
         paste_ini.enable if enable else paste_ini.disable),
        (lambda: trove_manage(sys.argv[0]) if args.trove_manage is None
         else args.trove_manage,
         console_script.enable if enable else console_script.disable)]
    changed, failed = False, False
    for find, edit in halves:
        try:
            changed |= bring(find(), args.state, edit, args.dry_run)
        except exception.FlavorFilterError as error:
            print(f'trove-flavor-filter: {error}', file=sys.stderr)
            failed = True
    if changed:
        print('Next: ' + (
            'run "trove-manage flavor-filter-db-sync", then restart '
            'trove-api.' if enable else 'restart trove-api.'))
    return 1 if failed else 0


def argument_parser() -> argparse.ArgumentParser:
    """The command line, and its help."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        '--config-file', action='append', default=[], metavar='FILE',
        help='the trove.conf that names the paste file, as trove-api is '
             'given it; may be repeated (default: where trove-api looks, '
             'such as /etc/trove/trove.conf)')
    options.add_argument(
        '--paste-config', metavar='FILE',
        help='the paste file (default: what api_paste_config in trove.conf '
             'names)')
    options.add_argument(
        '--trove-manage', metavar='FILE',
        help='the trove-manage script (default: the one beside this '
             'command)')
    options.add_argument(
        '--dry-run', action='store_true',
        help='print what would change, as a diff, and write nothing')

    parser = argparse.ArgumentParser(
        prog='trove-flavor-filter', description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    states = parser.add_subparsers(
        dest='state', required=True, metavar='{enable,disable}')
    for state, text in (('enable', 'put the plugin into Trove'),
                        ('disable', 'give back Trove\'s own files')):
        states.add_parser(
            state, help=text, parents=[options], description=DESCRIPTION,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter)
    return parser


def paste_config(config_files: list[str]) -> str:
    """The paste file of the Trove that is started with these files.

    :param config_files: values of ``--config-file``; none for the files that
        trove-api finds by itself
    :raises FlavorFilterError: trove.conf cannot be read, or the file that it
        names is nowhere
    """
    conf = cfg.ConfigOpts()
    conf.register_opt(
        cfg.StrOpt('api_paste_config', default='api-paste.ini'))
    try:
        config.parse(conf, [f'--config-file={name}' for name in config_files],
                     prog='trove-api')
        path = conf.find_file(conf.api_paste_config)
    except ValueError as error:
        raise exception.FlavorFilterError(
            f'[DEFAULT] api_paste_config of trove.conf: {error}') from None
    if path is None:
        where = ', '.join(conf.config_file) or 'a trove.conf (none is found)'
        raise exception.FlavorFilterError(
            f'{conf.api_paste_config}: no such file beside {where}, nor '
            f'where Trove looks; name it with --paste-config, or trove.conf '
            f'with --config-file')
    return path


def trove_manage(command: str) -> str:
    """The trove-manage beside a command.

    :param command: what the shell was told to run: a path, or a name to be
        found on PATH
    :raises FlavorFilterError: there is none
    """
    if os.sep not in command:
        command = shutil.which(command) or command
    for beside in (os.path.abspath(command), os.path.realpath(command)):
        path = os.path.join(os.path.dirname(beside), 'trove-manage')
        if os.path.exists(path):
            return path
    raise exception.FlavorFilterError(
        f'{path}: no such file; name it with --trove-manage')


def bring(path: str, state: str, edit: Edit, dry_run: bool) -> bool:
    """Bring a file to a state, and say what was done.

    :param state: ``enable`` or ``disable``
    :returns: whether the file was changed
    :raises FlavorFilterError: the file cannot be read, edited or written;
        then it is as before
    """
    try:
        old = files.read(path)
        text, changes = edit(old.decode('utf-8', 'surrogateescape'))
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


def show_difference(path: str, old: bytes, new: bytes) -> None:
    """Print a diff that patch(1) takes, in the bytes of the file."""
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
