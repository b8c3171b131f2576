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

"""A proxy before a real service that can inject faults."""

import contextlib
import socket
import threading
import time

PASS = 'pass'
REFUSE = 'refuse'
HANG = 'hang'
SLOW = 'slow'
# Seconds by which each answer is late.
LATE = 0.8
ANSWERS = {
    '500': b'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n'
           b'Content-Type: application/json\r\nConnection: close\r\n\r\n{}',
    '503': b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n'
           b'Connection: close\r\n\r\n',
    '401': b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n'
           b'Content-Type: application/json\r\nConnection: close\r\n\r\n{}',
    'garbage': b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\nContent-Type: '
               b'application/json\r\nConnection: close\r\n\r\n'
               b'<html>\xff not JSON</html>',
    'nonsense': b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Type: '
                b'application/json\r\nConnection: close\r\n\r\n'
                b'{"flavors":[{} ]',
    'half': b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: '
            b'application/json\r\nConnection: close\r\n\r\n{"flavors": [{"id"',
}


class FaultyDoor:
    """A TCP proxy to a local port, which can inject faults.

    :param port: of the real service
    :ivar port: the proxy's own port
    """

    def __init__(self, port: int):
        self._upstream = port
        self._mode = PASS
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self._drop()

    def misbehave(self, mode: str) -> None:
        """Change its behaviour; open connections are closed.

        :param mode: PASS, REFUSE, HANG, SLOW, or one of ANSWERS
        """
        self._mode = mode
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            # Wakes up a thread that reads from it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        mode = self._mode
        with self._lock:
            self._open.add(connection)
        with contextlib.suppress(OSError):
            if mode in (PASS, SLOW):
                upstream = socket.create_connection(
                    ('127.0.0.1', self._upstream))
                with self._lock:
                    self._open.add(upstream)
                threading.Thread(target=_pump, args=(
                    upstream, connection, LATE if mode == SLOW else 0),
                    daemon=True).start()
                _pump(connection, upstream)
            elif mode in ANSWERS:
                connection.recv(65536)
                connection.sendall(ANSWERS[mode])
            elif mode == HANG:
                while connection.recv(65536):
                    continue
        connection.close()
        with self._lock:
            self._open.discard(connection)


def _pump(source: socket.socket, sink: socket.socket,
          late: float = 0) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            time.sleep(late)
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
