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

"""The plugin's trove-manage subcommands: list them, and run one."""

import argparse
from collections.abc import Callable
import contextlib
import os
import sys
import types
import typing

from oslo_config import cfg

from trove_flavor_filter.cmd import associations
from trove_flavor_filter.cmd import base
from trove_flavor_filter.cmd import db_sync
from trove_flavor_filter.cmd import declare
from trove_flavor_filter import conf as config
from trove_flavor_filter import exception

COMMANDS: dict[str, typing.Any] = {
    'datastore-version-flavor-add': associations.Add,
    'datastore-version-flavor-delete': associations.Delete,
    'datastore-version-flavor-require': associations.Require,
    'datastore-version-flavor-copy': associations.Copy,
    'datastore-version-flavor-list': associations.List,
    'datastore-version-flavor-violations': associations.Violations,
    'datastore-version-flavor-export': declare.Export,
    'datastore-version-flavor-apply': declare.Apply,
    'flavor-filter-db-sync': db_sync.DbSync,
}
NAMES = frozenset(COMMANDS)

Parsers = typing.Any  # argparse keeps the class of subparsers to itself
Handler = Callable[[Parsers], None]


def add_parsers(parsers: Parsers, conf: cfg.ConfigOpts) -> None:
    """Add the plugin's subcommands to a command line parser.

    :param conf: the configuration that the commands read when they run
    """
    # The commands use only the stdout of cliff's application.
    application: typing.Any = types.SimpleNamespace()
    for name, command_class in COMMANDS.items():
        command = command_class(application, base.app_args(conf))
        parser = parsers.add_parser(
            name, parents=[command.get_parser(name)], add_help=False,
            help=command.get_description().partition('\n')[0],
            description=command.get_description(),
            epilog=command.get_epilog(),
            formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.set_defaults(flavor_filter_command=command)


@base.prints(failed=1)
def run(argv: list[str]) -> int:
    """Run one of the plugin's subcommands.

    :param argv: the command line, the program's name first
    :returns: the exit code: 0 done, 1 failed; wrong usage exits with 2
    """
    program = os.path.basename(argv[0])
    conf = config.new()
    conf.register_cli_opt(cfg.SubCommandOpt(
        'action', handler=lambda parsers: add_parsers(parsers, conf)))
    with contextlib.ExitStack() as stack:
        try:
            config.parse(conf, argv[1:], program,
                         config.Defaults.of('trove-manage'))
            command = conf.action.flavor_filter_command
            command.app.stdout = stack.enter_context(base.output_only())
            base.set_up_logging(conf)
            return command.run(conf.action)
        except exception.Unavailable as error:
            message = command.failure(error, conf.action)
        except exception.FlavorFilterError as error:
            message = getattr(error, 'reason', str(error))
        except BrokenPipeError:
            raise
        except (cfg.Error, OSError) as error:
            message = str(error)
        except KeyboardInterrupt:
            message = 'interrupted'
    print(f'{program}: {" ".join(message.split())}', file=sys.stderr)
    return 1
