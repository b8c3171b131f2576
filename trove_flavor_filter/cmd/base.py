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

"""What the plugin's subcommands have in common."""

import argparse
from collections.abc import Callable
import functools
import io
import logging
import os
import signal
import sys
import typing

from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import conf as config
from trove_flavor_filter import exception

P = typing.ParamSpec('P')


def prints(failed: int) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Of a command: see that what it prints arrives.

    A reader may leave before the end, as ``head`` does: the command exits
    then as a program does that SIGPIPE ends, without a word. The signal
    itself stays off: a server that hangs up is an error to be told. Where
    standard output is closed from the start nothing is done.

    :param failed: the exit code when there is no room for it
    """
    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
            # The interpreter has None for a stream that is closed.
            if typing.cast(typing.Any, sys.stderr) is None:
                # print() would take standard output instead.
                sys.stderr = open(os.devnull, 'w')
            if typing.cast(typing.Any, sys.stdout) is None:
                print(f'{os.path.basename(sys.argv[0])}: standard output is '
                      f'closed, so nothing was done', file=sys.stderr)
                return failed
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A name may have characters that the terminal has not.
                sys.stdout.reconfigure(errors='backslashreplace')
            try:
                code = main(*args, **kwargs)
                sys.stdout.flush()
                return code
            except OSError as error:
                # So that the interpreter does not try once more, and complain.
                os.dup2(os.open(os.devnull, os.O_WRONLY),
                        sys.stdout.fileno())
                if isinstance(error, BrokenPipeError):
                    return 128 + signal.SIGPIPE
                print(f'{os.path.basename(sys.argv[0])}: standard output: '
                      f'{error.strerror}', file=sys.stderr)
                return failed
        return wrapped
    return decorate


class Subcommand:
    """Mixed into a command of cliff's: settings, and help that teaches.

    The first paragraph of a command's docstring is its line in the list of
    subcommands; ``examples`` and ``exit_codes`` close its help.
    """

    conflict_handler = 'error'
    examples = ''
    exit_codes = '0 done, 1 failed, 2 wrong usage.'
    app_args: typing.Any

    @property
    def conf(self) -> cfg.ConfigOpts:
        return self.app_args.conf

    def get_epilog(self) -> str:
        lines = ''.join(f'  trove-manage {line}\n'
                        for line in self.examples.strip().splitlines())
        return (f'Examples:\n{lines}\n'
                f'Exit codes: {self.exit_codes}')


def set_up_logging(conf: cfg.ConfigOpts) -> None:
    """Leave standard error to what an administrator needs to know.

    That is printed. The libraries' logs would bury it, so they are for
    ``--debug`` alone.

    :raises Misconfigured: trove.conf says of logs what cannot be done
    """
    if conf.debug:
        try:
            if conf.log_config_append:
                config.check_file(conf.log_config_append)
            log.setup(conf, 'trove')
        except Exception as error:
            # Handlers of any library may be named there.
            option = ('log_config_append' if conf.log_config_append
                      else 'log_file, log_dir or another option of the log')
            raise exception.Misconfigured(
                f'[DEFAULT] {option} of trove.conf: '
                f'{" ".join(str(error).split())}') from error
    else:
        logging.captureWarnings(True)
        # Among them one that oslo.log prints with until it is set up.
        logging.getLogger().handlers[:] = [logging.NullHandler()]


def app_args(conf: cfg.ConfigOpts) -> argparse.Namespace:
    """What a Subcommand is built with."""
    return argparse.Namespace(conf=conf)
