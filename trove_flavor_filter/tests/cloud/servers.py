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

"""Databases and caches on loopback that tests can stop.

Each is created in an empty folder, and is not started yet.
"""

from collections.abc import Callable
from collections.abc import Iterable
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import unittest

from trove_flavor_filter.tests.cloud import process


def redis(folder: pathlib.Path) -> process.Process:
    """A Redis without persistence."""
    port = process.free_port()
    return _server('redis', folder, port, [
        _program('redis-server'), '--port', str(port), '--bind', '127.0.0.1',
        '--save', ''])


def memcached(folder: pathlib.Path) -> process.Process:
    port = process.free_port()
    return _server('memcached', folder, port, [
        _program('memcached'), '-l', '127.0.0.1', '-p', str(port),
        '-u', 'root'])


def mysql(folder: pathlib.Path) -> process.Process:
    """A MariaDB whose root needs no password."""
    _install(folder, 'mysql')
    return _mariadb('mysql', folder)


def galera(folder: pathlib.Path, nodes: int = 3) -> list[process.Process]:
    """A Galera cluster of MariaDB nodes, to be started one by one.

    The first node bootstraps the cluster; the others copy its data.
    """
    _program('rsync')
    provider = _program('libgalera_smm.so', '/usr/lib*/galera*',
                        package='galera-4')
    ports = [process.free_port() for _node in range(nodes)]
    _install(folder, 'galera0')
    members = ','.join(f'127.0.0.1:{port}' for port in ports)
    return [
        _mariadb(
            f'galera{node}', folder, '--wsrep-on=ON',
            f'--wsrep-provider={provider}', '--binlog-format=ROW',
            '--innodb-autoinc-lock-mode=2', '--wsrep-cluster-name=tests',
            f'--wsrep-cluster-address=gcomm://{members if node else ""}',
            f'--wsrep-node-name=node{node}',
            '--wsrep-node-address=127.0.0.1', '--wsrep-sst-method=rsync',
            f'--wsrep-sst-receive-address=127.0.0.1:{process.free_port()}',
            f'--wsrep-provider-options=base_port={port};'
            f'gmcast.listen_addr=tcp://127.0.0.1:{port};'
            f'ist.recv_addr=127.0.0.1:{process.free_port()};'
            f'gcache.size=32M')
        for node, port in enumerate(ports)]


def _install(folder: pathlib.Path, name: str) -> None:
    """Create MariaDB's own tables."""
    install = _program('mariadb-install-db')
    _prepare(_owner(folder / name, 'mysql'), install, '--no-defaults',
             f'--datadir={folder / name}', '--skip-test-db',
             '--auth-root-authentication-method=normal')


def _mariadb(name: str, folder: pathlib.Path,
             *options: str) -> process.Process:
    server = _program('mariadbd', '/usr/sbin')
    port = process.free_port()
    data = folder / name
    user = _owner(data, 'mysql')
    return _server(name, folder, port, [
        server, '--no-defaults', f'--datadir={data}',
        f'--port={port}', '--bind-address=127.0.0.1',
        f'--socket={data}/socket', f'--pid-file={data}/pid', *options], user)


def postgresql(folder: pathlib.Path) -> process.Process:
    """A PostgreSQL that trusts everybody."""
    port = process.free_port()
    data = folder / 'postgresql'
    server = _program('postgres', '/usr/lib/postgresql/*/bin')
    initdb = _program('initdb', '/usr/lib/postgresql/*/bin')
    user = _owner(data, 'postgres')
    _prepare(user, initdb, '-D', str(data), '-U', 'postgres', '--auth=trust',
             '-N')
    return _server('postgresql', folder, port, [
        server, '-D', str(data),
        '-p', str(port), '-c', 'listen_addresses=127.0.0.1',
        '-c', f'unix_socket_directories={data}'],
        # At SIGTERM it would wait for its clients to disconnect.
        user, signal.SIGINT)


def haproxy(folder: pathlib.Path, ports: Iterable[int]) -> process.Process:
    """A load balancer before services on local ports.

    If one is down, it sends a request to another one.
    """
    port = process.free_port()
    conf = folder / 'haproxy.cfg'
    conf.write_text('\n'.join((
        'defaults', '    mode http', '    timeout connect 2s',
        '    timeout client 30s', '    timeout server 30s',
        '    option redispatch', '    option http-server-close',
        '    retries 5', '    retry-on conn-failure empty-response',
        'listen trove', f'    bind 127.0.0.1:{port}',
        *(f'    server host{at} 127.0.0.1:{backend} check inter 100ms'
          for at, backend in enumerate(ports)), '')))
    return _server('haproxy', folder, port,
                   [_program('haproxy', '/usr/sbin'), '-f', str(conf)])


URLS: dict[str, str] = {
    'mysql': 'mysql+pymysql://root@127.0.0.1:{}/',
    'postgresql': 'postgresql://postgres@127.0.0.1:{}/',
}
SERVERS: dict[str, Callable[[pathlib.Path], process.Process]] = {
    'redis': redis, 'memcached': memcached, 'mysql': mysql,
    'postgresql': postgresql}


def _program(name: str, folders: str = '', package: str = '') -> str:
    """The path of a program; without it a test is skipped, or fails in CI.

    :param folders: a pattern of more directories to search
    :param package: that has it, if its name differs from the program's
    """
    found = shutil.which(name) or next(
        (str(folder / name) for folder
         in sorted(pathlib.Path('/').glob(folders.lstrip('/')), reverse=True)
         if (folder / name).exists()) if folders else iter(()), None)
    if found is None:
        raise _missing(f'{package or name} is not installed')
    return found


def _missing(reason: str) -> Exception:
    if os.environ.get('CI'):
        return process.ServiceFailed(reason)
    return unittest.SkipTest(reason)


def _owner(data: pathlib.Path, user: str) -> str | None:
    """Create a folder for a server that refuses to run as root.

    :returns: the user to run it as; None for the current user
    """
    data.mkdir(exist_ok=True)
    if os.geteuid():
        return None
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise _missing(f'there is no user {user}') from None
    data.parent.chmod(0o755)
    shutil.chown(data, user)
    return user


def _prepare(user: str | None, *command: str) -> None:
    result = subprocess.run(command, user=user, text=True, cwd='/',
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise process.ServiceFailed(
            f'"{" ".join(command)}" exited with {result.returncode}:\n'
            f'{result.stdout}')


def _server(name: str, folder: pathlib.Path, port: int, command: list[str],
            user: str | None = None,
            end: signal.Signals = signal.SIGTERM) -> process.Process:
    return process.Process(name, command, dict(os.environ),
                           folder / f'{name}.log', port, user, end)
