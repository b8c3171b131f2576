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

"""The common parts of the plugin's commands."""

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import functools
import io
import logging
import os
import pwd
import signal
import sys
import typing

from oslo_config import cfg
from oslo_log import log

from trove_flavor_filter import change_log
from trove_flavor_filter import conf as config
from trove_flavor_filter.db import requirements
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

P = typing.ParamSpec('P')

# The options of oslo.log that may send the log to other places than standard
# error, where a command prints its messages.
DESTINATIONS = ('log_config_append', 'log_file', 'log_dir', 'use_journal',
                'use_syslog')


def prints(failed: int) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Decorate a command's main: handle a closed or full stdout.

    If the reader closes the pipe early, as ``head`` does, the command exits
    silently, with the exit code of a program that SIGPIPE has ended. The
    signal itself stays ignored, so that a closed connection to a server is
    reported as an error. If standard output is closed from the start, the
    command does nothing.

    :param failed: the exit code if standard output is full or closed
    """
    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
            # In Python, a stream that is closed at startup is None.
            if typing.cast(typing.Any, sys.stderr) is None:
                # print() would use standard output instead.
                sys.stderr = open(os.devnull, 'w')
            if typing.cast(typing.Any, sys.stdout) is None:
                print(f'{os.path.basename(sys.argv[0])}: standard output is '
                      f'closed, so nothing was done', file=sys.stderr)
                return failed
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A name may have characters that the terminal cannot show.
                sys.stdout.reconfigure(errors='backslashreplace')
            try:
                code = main(*args, **kwargs)
                sys.stdout.flush()
                return code
            except OSError as error:
                # Otherwise Python flushes again at exit, and prints an error.
                os.dup2(os.open(os.devnull, os.O_WRONLY),
                        sys.stdout.fileno())
                if isinstance(error, BrokenPipeError):
                    return 128 + signal.SIGPIPE
                print(f'{os.path.basename(sys.argv[0])}: standard output: '
                      f'{error.strerror}', file=sys.stderr)
                return failed
        return wrapped
    return decorate


@contextlib.contextmanager
def output_only() -> Iterator[typing.TextIO]:
    """Keep standard output for what a command was asked for.

    All else that is written to it goes to standard error: by sys.stdout, by
    the number of its file, or as /dev/stdout. The configuration of the log
    may name any of these.

    :returns: the stream for what was asked for
    """
    output = sys.stdout
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        # In a test, the streams need not be files.
        with contextlib.suppress(io.UnsupportedOperation):
            number, errors = output.fileno(), sys.stderr.fileno()
            output.flush()
            original = os.dup(number)
            stack.callback(os.close, original)
            stack.callback(os.dup2, original, number)
            output = stack.enter_context(
                # By lines: warnings on standard error keep their place.
                open(os.dup(number), 'w', buffering=1,
                     encoding=output.encoding, errors=output.errors))
            os.dup2(errors, number)
        yield output


class Subcommand:
    """A mixin for cliff's commands: configuration, and help with examples.

    The first line of a command's docstring is its line in the list of
    subcommands. ``examples`` and ``exit_codes`` are shown at the end of its
    help.
    """

    conflict_handler = 'error'
    examples = ''
    exit_codes = '0 done, 1 failed, 2 wrong usage.'
    # What is left where a service could not be used.
    left = 'Nothing was changed'
    app: typing.Any
    app_args: typing.Any

    @property
    def conf(self) -> cfg.ConfigOpts:
        return self.app_args.conf

    def say(self, text: str) -> None:
        """Print a line of what was asked for."""
        print(text, file=self.app.stdout)

    def change(self, database: requirements.Requirements,
               plan: requirement.Plan,
               version_ids: Collection[str] | None = None
               ) -> list[requirement.Change]:
        """Change requirements, and log it as trove-api logs its changes.

        For the arguments, see :meth:`requirements.Requirements.change`.
        """
        made = database.change(plan, version_ids)
        if any(change.before != change.after for change in made):
            _log_changes(self.conf, made)
        return made

    def failure(self, error: exception.Unavailable,
                parsed_args: argparse.Namespace) -> str:
        """What a service that could not be used means for this command."""
        text = error.reason.rstrip('.')
        match error:
            case exception.CommitLost():
                return (f'The database was lost while the change was '
                        f'committed: {text}. It may have been made; run the '
                        f'command again')
            case exception.DatabaseUnavailable():
                return f'The database cannot be used: {text}. {self.left}'
        without = (', or use --no-validate'
                   if hasattr(parsed_args, 'no_validate') else '')
        return (f'{text}. {self.left}; run the command again when this is '
                f'fixed{without}')

    def get_epilog(self) -> str:
        lines = ''.join(f'  trove-manage {line}\n'
                        for line in self.examples.strip().splitlines())
        return (f'Examples:\n{lines}\n'
                f'Exit codes: {self.exit_codes}')


def set_up_logging(conf: cfg.ConfigOpts) -> None:
    """Log only with ``--debug``: where trove.conf says, or to standard error.

    Without it, the libraries' logs would hide the messages that an
    administrator needs, which are printed. Changes are logged all the same,
    see :meth:`Subcommand.change`.

    :raises Misconfigured: the logging options in trove.conf are invalid
    """
    if conf.debug:
        _open_log(conf)
    else:
        logging.captureWarnings(True)
        # This removes the handler that oslo.log uses until it is set up.
        logging.getLogger().handlers[:] = [logging.NullHandler()]


def _open_log(conf: cfg.ConfigOpts) -> None:
    try:
        if conf.log_config_append:
            config.check_file(conf.log_config_append)
        log.setup(conf, 'trove')
    except Exception as error:
        # The file may name handlers from any library.
        option = ('log_config_append' if conf.log_config_append
                  else 'log_file, log_dir or another option of the log')
        raise exception.Misconfigured(
            f'[DEFAULT] {option} of trove.conf: '
            f'{" ".join(str(error).split())}') from error


def _log_changes(conf: cfg.ConfigOpts,
                 changes: Iterable[requirement.Change]) -> None:
    """Log changes that have been made, where trove.conf says.

    Without ``--debug``, this is all that a command logs, and it is not
    printed between the messages. If trove.conf has no other place for the
    logs than standard error, nothing is logged.
    """
    if conf.debug:
        change_log.write(changes, _user_name())
        return
    if not any(conf[name] for name in DESTINATIONS):
        return
    try:
        _open_log(conf)
    except exception.Misconfigured as error:
        # The change has been made all the same.
        print(f'Warning: the change is not in the log: {error}.',
              file=sys.stderr)
        return
    logger: logging.Logger | None = logging.getLogger(change_log.__name__)
    while logger is not None:
        logger.handlers[:] = [handler for handler in logger.handlers
                              if not _prints(handler)]
        logger = logger.parent
    change_log.write(changes, _user_name())
    # What the libraries log from now on is dropped again.
    set_up_logging(conf)


def _prints(handler: logging.Handler) -> bool:
    return (isinstance(handler, logging.StreamHandler)
            and handler.stream in (sys.stdout, sys.stderr, sys.__stdout__,
                                   sys.__stderr__))


def _user_name() -> str:
    """The system user who runs the command; with sudo, who called it."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f'{number}'
    caller = os.environ.get('SUDO_USER')
    return f'{caller}(sudo:{name})' if caller and number == 0 else name


def app_args(conf: cfg.ConfigOpts) -> argparse.Namespace:
    """The arguments with which a Subcommand is built."""
    return argparse.Namespace(conf=conf)
