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

"""What a console script notices of being run by a server: nothing."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time

import fixtures
from oslotest import base

from trove_flavor_filter.tests.cloud import commands

# What a program finds when it starts, but for what differs each time.
SITUATION = '''
import atexit, json, os, signal, sys, threading
print(json.dumps({
    'arguments': sys.argv, 'path': sys.path, 'directory': os.getcwd(),
    'environment': dict(os.environ), 'name': __name__, 'file': __file__,
    'main': sys.modules['__main__'].__file__,
    'streams': [[stream.encoding, stream.errors, stream.line_buffering,
                 stream.write_through, stream.isatty()]
                for stream in (sys.stdin, sys.stdout, sys.stderr)],
    'input': sys.stdin.read(),
    'files': [number for number in os.listdir('/proc/self/fd')
              if os.path.exists(f'/proc/self/fd/{number}')],
    'signals': [str(signal.getsignal(number))
                for number in signal.valid_signals()],
    'blocked': list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    'threads': [thread.name for thread in threading.enumerate()],
    'group': os.getpgrp(), 'session': os.getsid(0), 'mask': os.umask(0),
    'warnings': sys.warnoptions, 'flags': list(sys.flags),
}, sort_keys=True, default=str))
print('\xe9', end='')
print('on standard error', file=sys.stderr)
atexit.register(print, 'at the end')
'''


class ServerTest(base.BaseTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path).resolve()
        self.program = self.folder / 'bin' / 'program'
        self.program.parent.mkdir()

    def write(self, text: str) -> None:
        self.program.write_text(f'#!{sys.executable}\n{text}')
        self.program.chmod(0o755)

    def server(self, *modules: str, **environment: str) -> commands.Server:
        server = commands.Server(
            str(self.program), modules, os.environ | environment, self.folder)
        self.addCleanup(server.stop)
        return server

    def started(self, *words: str, **environment: str
                ) -> subprocess.CompletedProcess:
        """The program in a process of its own."""
        return subprocess.run(
            [self.program, *words], env=os.environ | environment,
            cwd=self.folder, text=True, capture_output=True,
            stdin=subprocess.DEVNULL)

    def assertSame(self, code: int, *words: str, **environment: str) -> None:
        expected = self.started(*words, **environment)
        server = self.server('json', **environment)
        # The first one leaves nothing to the second.
        for _turn in range(2):
            result = server.run(*words)
            self.assertEqual(
                (code, expected.stdout, expected.stderr),
                (result.returncode, result.stdout, result.stderr))
            self.assertEqual(expected.returncode, code)

    def test_it_finds_itself_in_the_same_situation(self):
        self.write(SITUATION)
        for environment in ({}, {'LC_ALL': 'C.UTF-8', 'HOME': '/nowhere'},
                            {'PYTHONIOENCODING': 'ascii:namereplace'},
                            {'PYTHONUNBUFFERED': '1'},
                            {'PYTHONUNBUFFERED': ''},
                            {'PYTHONWARNINGS': 'ignore'}):
            self.assertSame(0, 'a', '', 'b c', '\u20ac', **environment)

    def test_it_ends_in_the_same_way(self):
        # A shell lets what it runs in the background ignore it.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(
            signal.SIGINT, signal.default_int_handler))
        for code, text in (
                (0, ''), (3, 'raise SystemExit(3)'),
                (1, 'raise SystemExit("in words")'),
                (-signal.SIGTERM, 'os.kill(os.getpid(), signal.SIGTERM)'),
                (-signal.SIGINT, 'signal.raise_signal(signal.SIGINT)'),
                (7, 'print("lost"); os._exit(7)'),
                # What is still to be printed is missed at the end only.
                (120, 'print("x"); os.close(1)'),
                (0, 'threading.Timer(0.2, print, ["later"]).start()')):
            self.write(f'import os, signal, sys, threading\n'
                       # A traceback names what is called on the way.
                       f'sys.excepthook = lambda *_error: None\n{text}\n')
            self.assertSame(code, PYTHONUNBUFFERED='')

    def test_a_script_is_run_as_it_is_then(self):
        self.write('print("before")')
        server = self.server()
        self.assertEqual('before\n', server.run().stdout)
        self.write('print("after")')
        self.assertEqual('after\n', server.run().stdout)

    def test_many_at_once_have_a_result_each(self):
        self.write('import sys, time\n'
                   'time.sleep(float(sys.argv[1]))\n'
                   'print(sys.argv[2] * 100000)\n')
        server = self.server()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(
                lambda turn: server.run(str(0.3 - turn / 100), str(turn)),
                range(30)))
        self.assertEqual([f'{str(turn) * 100000}\n' for turn in range(30)],
                         [result.stdout for result in results])

    def test_it_ends_with_the_process_that_asked(self):
        self.write('import time; time.sleep(1000)')
        asking = subprocess.Popen(
            [sys.executable, '-c', f'''
import os, sys, threading
from trove_flavor_filter.tests.cloud import commands
server = commands.Server({str(self.program)!r}, (), dict(os.environ), "/")
threading.Thread(target=server.run).start()
print(server._process.pid, flush=True)
'''], stdout=subprocess.PIPE, text=True)
        self.addCleanup(asking.stdout.close)
        server = int(asking.stdout.readline())
        children = pathlib.Path(f'/proc/{server}/task/{server}/children')
        while not (running := children.read_text().split()):
            time.sleep(0.02)
        asking.kill()
        asking.wait()
        deadline = time.monotonic() + 60
        while pathlib.Path('/proc', running[0]).exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_a_server_that_cannot_import_says_why(self):
        self.write('')
        error = self.assertRaises(
            ConnectionError, self.server('no_such_library').run)
        self.assertIn("No module named 'no_such_library'", str(error))

    def test_only_known_scripts_of_this_environment_have_libraries(self):
        main = 'from openstackclient.shell import main\n'
        for text, known in (
                (f'#!{sys.executable}\n{main}', True),
                (f'#!{sys.executable}\nfrom json.tool import main\n', False),
                (f'#!/usr/lib/python/bin/python\n{main}', False),
                (f'#!{sys.executable}\n', False), ('\udcff', False)):
            self.program.write_bytes(text.encode(errors='surrogateescape'))
            self.assertEqual(
                known, bool(commands.libraries(str(self.program))), text)
        self.assertEqual((), commands.libraries('/no/such/program'))
