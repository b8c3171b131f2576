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

"""trove-manage with the plugin's subcommands in addition to Trove's own.

This is the only module of the plugin that imports trove. It does so only for
Trove's own subcommands, because the import takes seconds.
"""

import importlib
import sys

from oslo_config import cfg

from trove_flavor_filter.cmd import subcommands

# Options that come before the subcommand and take the next word as value.
VALUED_OPTIONS = {
    '--config-file', '--config-dir', '--log-config-append', '--log-config',
    '--log_config', '--log-date-format', '--log-file', '--logfile',
    '--log-dir', '--logdir', '--syslog-log-facility', '--shell_completion'}


def main() -> int:
    """Run trove-manage.

    :returns: the exit code: 0 done, 1 failed, 2 wrong usage
    """
    if subcommand(sys.argv[1:]) in subcommands.NAMES:
        return subcommands.run(sys.argv)
    return run_trove()


def subcommand(words: list[str]) -> str | None:
    """The subcommand on a command line; None without one."""
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith('-'):
            return word
        # argparse takes the beginning of a name for the name.
        if words and len(word) > 2 and any(
                name.startswith(word) for name in VALUED_OPTIONS):
            words.pop(0)
    return None


def run_trove() -> int:
    """Run Trove's trove-manage; its help lists our subcommands as well."""
    try:
        manage = importlib.import_module('trove.cmd.manage')
    except ModuleNotFoundError as error:
        if error.name not in ('trove', 'trove.cmd', 'trove.cmd.manage'):
            raise
        print('trove-manage: Trove is not installed here; only these '
              'subcommands work: ' + ', '.join(sorted(subcommands.NAMES)),
              file=sys.stderr)
        return 1

    custom_parser = manage.cfg.custom_parser

    def with_ours(name: str, handler: subcommands.Handler) -> None:
        def add_parsers(parsers: subcommands.Parsers) -> None:
            handler(parsers)
            subcommands.add_parsers(parsers, cfg.ConfigOpts())
        custom_parser(name, add_parsers)

    manage.cfg.custom_parser = with_ours
    try:
        return manage.main()
    finally:
        manage.cfg.custom_parser = custom_parser
