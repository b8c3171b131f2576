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

"""The process of a service: start, watch, freeze, stop."""

import collections
import contextlib
import ctypes
import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time
import typing

PR_SET_PDEATHSIG = 1

# Open files, each with a lock on a port.
RESERVED: list[typing.TextIO] = []


class ServiceFailed(Exception):
    """A service, or a command that prepares it, has failed."""


def _end_with_parent() -> None:
    # When the process that booted the cloud ends, even by kill -9, the kernel
    # ends its services: more exactly, when the thread ends that started them.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def say(stream: typing.TextIO, text: str) -> None:
    """Print whole lines, also if several threads print at the same time.

    On an unbuffered stream, print() writes the line end separately, and
    another thread may write in between.
    """
    stream.write(f'{text}\n')
    stream.flush()


def free_port() -> int:
    """A free port, below the ephemeral ports.

    The kernel gives ephemeral ports to clients, which might take the port of
    a service while it is down. No other process gets the same port as long as
    this one runs, so that a service may begin to listen later.
    """
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(open(
                    f'{tempfile.gettempdir()}/flavor-filter-port-{port}',
                    'w'))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as sock:
                    sock.bind(('127.0.0.1', port))
            except OSError:
                continue
            stack.pop_all()
        RESERVED.append(lock)
        return port


def tail(path: pathlib.Path, lines: int = 30) -> str:
    with open(path, errors='replace') as log:
        return ''.join(collections.deque(log, lines))


def run(name: str, command: list[str], env: dict[str, str],
        log: pathlib.Path) -> None:
    """Run a command that prepares a service; its output goes to a log.

    :raises ServiceFailed: it fails; the message has the end of the log
    """
    with open(log, 'ab') as output:
        result = subprocess.run(command, env=env, stdout=output,
                                stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL)
    if result.returncode:
        raise ServiceFailed(
            f'{name}: "{" ".join(command)}" exited with '
            f'{result.returncode}:\n{tail(log)}')


class Process:
    """The process of a service, with all of its children.

    :param name: of the service
    :param command: to run
    :param env: its environment
    :param log: the file to which its output is appended
    :param port: that it will listen on
    :param user: that it runs as; None for the current user
    :param end: the signal for a graceful stop
    """

    def __init__(self, name: str, command: list[str], env: dict[str, str],
                 log: pathlib.Path, port: int, user: str | None = None,
                 end: signal.Signals = signal.SIGTERM):
        self.name = name
        self.command = command
        self.env = env
        self.log = log
        self.port = port
        self.user = user
        self.end = end
        self._process: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f'{self.name} was never started'
        return self._process.pid

    def start(self) -> None:
        """Start it, without waiting for it."""
        with open(self.log, 'ab') as output:
            self._process = subprocess.Popen(
                self.command, env=self.env, stdout=output,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=_end_with_parent,
                user=self.user, group=self.user,
                extra_groups=None if self.user is None else [])

    def members(self) -> list[int]:
        """Ids of the running processes: its own, and its children's."""
        found = []
        for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(')')[2].split()
                if int(fields[2]) == self.pid and fields[0] != 'Z':
                    found.append(int(stat.parent.name))
        return found

    def wait(self, timeout: float = 90) -> None:
        """Wait until it accepts connections.

        :param timeout: seconds
        :raises ServiceFailed: it died, or was not ready in time
        """
        assert self._process is not None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServiceFailed(
                    f'{self.name} exited with {self._process.returncode}:\n'
                    f'{tail(self.log)}')
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise ServiceFailed(f'{self.name} is not ready after {timeout} s:\n'
                            f'{tail(self.log)}')

    def signal(self, number: int) -> None:
        """Send a signal to it and to all of its children."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, as in a crash."""
        if self._process is None:
            return
        # What it forked may have outlived it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Until the last one is gone, its port is taken.
        while self.members():
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it gracefully; kill it after a timeout."""
        if self._process is None:
            return
        self.thaw()
        self.signal(self.end)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self.kill()
