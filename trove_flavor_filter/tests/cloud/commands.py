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

"""Run console scripts from a process that has imported their libraries.

An ``openstack`` or ``trove-manage`` spends most of its time on imports, and
the tests run hundreds of them. So a server is started in place of the first
one, by the same interpreter, in the same environment and directory. It
imports libraries, and then a fork of it runs each script.

Commands share nothing but the start of the interpreter, with the seed of its
hashes, and the imports of these libraries. A fork imports all else, the
plugin included. It has its own arguments, standard streams and exit, and no
open file or thread of the server.

This file is the program of the server as well. It imports nothing that the
programs do not import themselves.
"""

import contextlib
import gc
import importlib
import json
import os
import pathlib
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

# The libraries of a program, by the module of its main function. Trove is not
# among them: it changes the standard library on import.
OURS = ('alembic.command', 'keystoneauth1.identity.generic',
        'keystoneauth1.session', 'novaclient.client', 'oslo_cache.core',
        'oslo_config.cfg', 'oslo_db.sqlalchemy.enginefacade',
        'oslo_log.log', 'oslo_serialization.jsonutils', 'sqlalchemy.orm',
        'yaml')
LIBRARIES = {
    'openstackclient.shell': (
        'openstackclient.shell', 'cliff.formatters.table',
        'oslo_log.log', 'swiftclient.client', 'troveclient.v1.client',
        'troveclient.v1.shell'),
    'trove_flavor_filter.cmd.manage': (*OURS, 'cliff.lister'),
    'trove_flavor_filter.cmd.status': (*OURS, 'oslo_policy.policy',
                                       'oslo_upgradecheck.upgradecheck',
                                       'paste.deploy.loadwsgi'),
}

MAIN = re.compile(r'^ *from (\S+) import main\b', re.MULTILINE)

# A request is one message: the arguments of the script.
LARGEST = 2 ** 17


def libraries(program: str) -> tuple[str, ...]:
    """The libraries that a server for a program imports.

    :param program: path of a file
    :returns: empty if it is not a console script of this environment that is
        known here, and is to be started as any other program
    """
    try:
        text = pathlib.Path(program).read_text()
    except (OSError, UnicodeDecodeError):
        return ()
    main = MAIN.search(text)
    if (main is None or os.path.dirname(text.partition('\n')[0])
            != f'#!{os.path.dirname(sys.executable)}'):
        return ()
    return LIBRARIES.get(main[1], ())


class Server:
    """A process that runs a console script. It ends with this process.

    :param program: path of the script; each time it is run as it is then
    :param modules: that the server imports
    :param environment: of the commands
    :param directory: where they run
    """

    def __init__(self, program: str, modules: tuple[str, ...],
                 environment: dict[str, str], directory: str | os.PathLike):
        self._program = program
        self._requests, theirs = socket.socketpair(
            type=socket.SOCK_SEQPACKET)
        # Without a name: a test may look at what is in the directory.
        self._errors = tempfile.TemporaryFile('w+')
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), program,
                 *modules],
                env=environment, cwd=directory, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=self._errors,
                pass_fds=[theirs.fileno()])

    def run(self, *words: str,
            merged: bool = False) -> subprocess.CompletedProcess:
        """Run the script with arguments, as subprocess.run does.

        Its standard input is empty. Several threads may call this at the same
        time.

        :param merged: whether its standard error is a part of its output
        :returns: its exit code and its output, as text
        :raises ConnectionError: the server has ended
        """
        ours, theirs = socket.socketpair()
        with (ours, open(os.devnull) as empty,
              tempfile.TemporaryFile('w+') as output,
              tempfile.TemporaryFile('w+') as errors):
            with theirs:
                socket.send_fds(
                    self._requests, [json.dumps(words).encode()],
                    [file.fileno() for file in (
                        empty, output, output if merged else errors,
                        theirs)])
            code = ours.recv(16)
            if not code:
                self._errors.seek(0)
                raise ConnectionError(
                    f'no answer from the server of {self._program}: '
                    f'{self._errors.read()}')
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(
                [self._program, *words], int(code), output.read(),
                errors.read())

    def stop(self) -> None:
        """End it, and the commands that it runs."""
        self._requests.close()
        self._process.wait()
        self._errors.close()


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request; the end of requests ends the process.

    :returns: in a fork: the arguments of its script
    """
    polled = select.poll()
    polled.register(requests, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    clients: dict[int, int] = {}
    while True:
        for ready, _events in polled.poll():
            if ready in running:
                # A process that has ended.
                process_id, client = running.pop(ready)
                _process_id, status = os.waitpid(process_id, 0)
                with contextlib.suppress(OSError):
                    os.write(client, b'%d' % os.waitstatus_to_exitcode(
                        status))
                del clients[client]
                for number in (ready, client):
                    with contextlib.suppress(KeyError):
                        polled.unregister(number)
                    os.close(number)
            elif ready in clients:
                # Whoever wanted the result does not wait for it any more.
                os.kill(clients[ready], signal.SIGKILL)
                polled.unregister(ready)
            elif ready == requests.fileno():
                message, files, _flags, _address = socket.recv_fds(
                    requests, LARGEST, 4)
                if not message:
                    for process_id in clients.values():
                        os.kill(process_id, signal.SIGKILL)
                    os._exit(0)
                process_id = os.fork()
                if not process_id:
                    for standard, number in enumerate(files[:3]):
                        os.dup2(number, standard)
                    # By its number below, so that it is not closed again.
                    requests.detach()
                    os.closerange(3, os.sysconf('SC_OPEN_MAX'))
                    return json.loads(message)
                for number in files[:3]:
                    os.close(number)
                ended, client = os.pidfd_open(process_id), files[3]
                running[ended] = process_id, client
                clients[client] = process_id
                polled.register(ended, select.POLLIN)
                # Only for the end of it.
                polled.register(client, 0)


def _main() -> None:
    """Serve; a fork returns, ready to run its script."""
    number, program, *modules = sys.argv[1:]
    requests = socket.socket(fileno=int(number))
    # Some libraries look at the name of the program on import.
    sys.argv = [program]
    sys.path[0] = os.path.dirname(os.path.realpath(program))
    for name in modules:
        importlib.import_module(name)
    if threading.active_count() > 1:
        raise RuntimeError(f'left by imports: {threading.enumerate()}')
    gc.collect()
    gc.freeze()
    # Ctrl-C is for the commands.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv += _serve(requests)
    signal.signal(signal.SIGINT, handler)


if __name__ == '__main__':
    _main()
    # The interpreter does the rest, as for any script: the exit code, the
    # functions of atexit, and what is still to be written.
    runpy.run_path(sys.argv[0], run_name='__main__')
