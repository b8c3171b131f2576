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

"""The small cloud: booted in a temporary folder, and removed afterwards."""

import atexit
from collections.abc import Sequence
import concurrent.futures
import contextlib
import functools
import itertools
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import typing
import uuid

from keystoneauth1 import identity
from keystoneauth1 import session as keystone_session
from novaclient import client as nova_client
import sqlalchemy as sa

from trove_flavor_filter.tests.cloud import commands
from trove_flavor_filter.tests.cloud import prepared
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.cloud import trove_schema
from trove_flavor_filter.tests import databases

# The directory for temporary files. It is read at import, because a test that
# boots a cloud for several tests may have a temporary directory of its own.
FOLDER = tempfile.gettempdir()

# Nova's libraries are for this program only, and not for the tests.
NOVA_SERVER = str(pathlib.Path(__file__).with_name('nova_server.py'))

SERVICES = ('keystone', 'nova', 'glance', 'neutron', 'trove')
SCRIPTS = ('openstack', 'trove-api', 'trove-manage', 'trove-flavor-filter',
           'trove-flavor-filter-manage', 'trove-flavor-filter-status')


class User(typing.NamedTuple):
    name: str
    project: str
    roles: tuple[str, ...]


USERS = (
    User('admin', 'admin', ('admin',)),
    User('nova', 'service', ('admin', 'service')),
    User('glance', 'service', ('admin', 'service')),
    User('neutron', 'service', ('admin', 'service')),
    User('trove', 'service', ('admin', 'service')),
    User('demo', 'demo', ('member', 'reader')),
    User('viewer', 'demo', ('reader',)),
    User('other', 'other', ('member', 'reader')),
)


class Cloud:
    """Keystone, Nova, Glance and Trove APIs, from the environment's packages.

    Trove runs without the plugin until :meth:`enable` is called, and without
    Cinder until :meth:`add_cinder` is called.

    :param backend: of Trove's database: 'sqlite', 'mysql' or 'postgresql'
    :param workers: number of trove-api processes
    :param server: 'eventlet' for the trove-api command; 'uwsgi' for
        trove.cmd.app_wsgi under uWSGI with native threads
    :param progress: a stream for progress messages; None for no messages
    :param options: for trove.conf, by section; they override the defaults
    :param database_server: URL of the server of Trove's database; None for
        the one in tests/databases.py
    :param trove_prefix: of the Python environment with Trove and the plugin;
        None for FLAVOR_FILTER_TROVE, or else the environment of the other
        services
    :param own_scripts: copy the scripts of that environment, so that
        "enable" leaves its trove-manage alone

    :ivar directory: where all its files are
    :ivar trove_url: of Trove's API, without the version
    """

    def __init__(self, backend: str = 'sqlite', workers: int = 1,
                 server: str = 'eventlet',
                 progress: typing.TextIO | None = sys.stderr,
                 options: settings.Sections | None = None,
                 database_server: str | None = None,
                 trove_prefix: str | None = None,
                 own_scripts: bool = True):
        self.backend = backend
        self.database_server = database_server
        self.trove_prefix = (
            trove_prefix or os.environ.get('FLAVOR_FILTER_TROVE')
            or sys.prefix)
        self.own_scripts = own_scripts
        self.workers = workers
        self.server = server
        self.options = options or {}
        self._progress = progress
        self._begun = time.monotonic()
        self._stack = contextlib.ExitStack()
        self._sessions: dict[str, keystone_session.Session] = {}
        self.processes: dict[str, process.Process] = {}
        self._servers: dict[typing.Any, commands.Server] = {}
        self._starting = threading.Lock()
        # All secrets, for tests that search the logs for them.
        self.secrets = {user.name: secrets.token_hex(16)
                        for user in USERS}
        self.users = {user.name: user for user in USERS}

    # Its life.

    def __enter__(self) -> 'Cloud':
        atexit.register(self.stop_all)
        for number in (signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, _exit)
        try:
            self._boot()
        except BaseException:
            self.stop_all()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 traceback: types.TracebackType | None) -> None:
        self.stop_all()

    def stop_all(self) -> None:
        """Stop all services and remove all files; idempotent."""
        atexit.unregister(self.stop_all)
        self._stack.close()

    def _say(self, text: str) -> None:
        if self._progress is not None:
            process.say(
                self._progress,
                f'[{time.monotonic() - self._begun:5.1f} s] {text}')

    def _boot(self) -> None:
        self._say('booting a small cloud')
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix='cloud-', dir=FOLDER))
        self._stack.callback(shutil.rmtree, self.directory,
                             ignore_errors=True)
        database = databases.EmptyDatabase(
            self.backend, str(self.directory), self.database_server)
        database.setUp()
        self._stack.callback(database.cleanUp)
        self.database_url = database.url
        self.ports = {name: process.free_port() for name in SERVICES}
        self.auth_url = f'http://127.0.0.1:{self.ports["keystone"]}/v3'
        self.nova_url = f'http://127.0.0.1:{self.ports["nova"]}/v2.1'
        self.glance_url = f'http://127.0.0.1:{self.ports["glance"]}'
        self.neutron_url = f'http://127.0.0.1:{self.ports["neutron"]}'
        self.trove_url = f'http://127.0.0.1:{self.ports["trove"]}'
        for name in SERVICES:
            (self.directory / name).mkdir()
        self._copy_scripts()
        # Importing the packages of each service takes most of the time.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            keystone, *others = [pool.submit(prepare) for prepare in (
                self._prepare_keystone, self._prepare_nova,
                self._prepare_glance, self._prepare_neutron,
                self._prepare_trove)]
            # Only this thread starts services, because they end with the
            # thread that started them.
            keystone.result()
            self.start('keystone')
            self._say('keystone: projects, users and endpoints')
            self._populate_keystone()
            for job in others:
                job.result()
        # Trove's configuration needs a project id from Keystone.
        self._configure_trove()
        for name in SERVICES[1:]:
            self.processes[name].start()
        for name in SERVICES[1:]:
            self.processes[name].wait()
            self._say(f'{name}: up')
        # Neutron's models are complete only after a first query. The list of
        # ports, which Nova and Trove request, fails if it is the first one.
        self.session('admin').get(f'{self.neutron_url}/v2.0/networks')
        self.image_id = self._create_image()
        self._say('the cloud is up')

    def _add(self, name: str, command: list[str],
             **env: str) -> process.Process:
        service = process.Process(
            name, command, self._environ(**env), self.log(name),
            self.ports[name])
        self.processes[name] = service
        self._stack.callback(service.stop)
        return service

    def _environ(self, **more: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items()
                     if not key.startswith('OS_')
                     # All of it is on loopback.
                     and not key.lower().endswith('_proxy')}
        return inherited | {'PYTHONWARNINGS': 'ignore'} | more

    def _serve(self, name: str, target: str, threads: int,
               **env: str) -> process.Process:
        return self._add(
            name, [sys.executable, '-m',
                   'trove_flavor_filter.tests.cloud.wsgi_runner', target,
                   '127.0.0.1', str(self.ports[name]), str(threads)], **env)

    def _run(self, name: str, *command: str, **env: str) -> None:
        process.run(name, [_script(command[0]), *command[1:]],
                    self._environ(**env), self.log(name))

    def log(self, name: str) -> pathlib.Path:
        """The log of a service."""
        return self.directory / f'{name}.log'

    # Each service.

    def _prepare_keystone(self) -> None:
        folder = self.directory / 'keystone'
        conf = folder / 'keystone.conf'
        settings.write(conf, settings.keystone(folder))
        manage = ('keystone-manage', '--config-file', str(conf))
        self._say('keystone: database, keys and first user')

        def prepare() -> None:
            for repository in ('fernet', 'credentials'):
                (folder / repository).mkdir(mode=0o700)
            owner = ('--keystone-user', str(os.getuid()),
                     '--keystone-group', str(os.getgid()))
            self._run('keystone', *manage, 'db_sync')
            self._run('keystone', *manage, 'fernet_setup', *owner)
            self._run('keystone', *manage, 'credential_setup', *owner)

        prepared.fill('keystone', folder, sys.prefix, prepare)
        self._run(
            'keystone', *manage, 'bootstrap',
            '--bootstrap-password', self.secrets['admin'],
            '--bootstrap-region-id', settings.REGION,
            *(word for interface in ('public', 'internal', 'admin')
              for word in (f'--bootstrap-{interface}-url', self.auth_url)))
        self._serve('keystone', 'keystone.wsgi.api:application', 4,
                    OS_KEYSTONE_CONFIG_FILES=str(conf))

    def _populate_keystone(self) -> None:
        self._projects = {'admin': self._keystone(
            'GET', '/projects?name=admin')['projects'][0]['id']}
        self._roles = {role['name']: role['id'] for role in self._keystone(
            'GET', '/roles')['roles']}
        for user in USERS[1:]:
            self._create_user(user)
        for kind, url in (
                ('compute', self.nova_url), ('image', self.glance_url),
                ('network', self.neutron_url),
                ('database', f'{self.trove_url}/v1.0/%(tenant_id)s')):
            self._add_service(kind, url)
        # Its token has an empty catalog.
        self._sessions.clear()

    def _add_service(self, kind: str, url: str) -> None:
        """Put a service into Keystone's catalog."""
        service = self._keystone(
            'POST', '/services', {'service': {'type': kind,
                                              'name': kind}})['service']
        for interface in ('public', 'internal'):
            self._keystone('POST', '/endpoints', {'endpoint': {
                'service_id': service['id'], 'interface': interface,
                'url': url, 'region_id': settings.REGION}})

    def _keystone(self, method: str, path: str,
                  body: dict | None = None) -> dict:
        response = self.session('admin').request(
            self.auth_url + path, method, json=body)
        return response.json() if response.content else {}

    def _create_user(self, user: User) -> None:
        if user.project not in self._projects:
            self._projects[user.project] = self._keystone(
                'POST', '/projects', {'project': {
                    'name': user.project, 'domain_id': 'default'}}
            )['project']['id']
        user_id = self._keystone('POST', '/users', {'user': {
            'name': user.name, 'domain_id': 'default',
            'password': self.secrets[user.name]}})['user']['id']
        for role in user.roles:
            self._keystone(
                'PUT', f'/projects/{self._projects[user.project]}/users/'
                       f'{user_id}/roles/{self._roles[role]}')

    def create_user(self, name: str, project: str,
                    roles: tuple[str, ...] = ('member', 'reader')) -> None:
        """Create a user, and the project if it is missing."""
        self.secrets[name] = secrets.token_hex(16)
        self.users[name] = User(name, project, roles)
        self._create_user(self.users[name])

    def _prepare_nova(self) -> None:
        folder = self.directory / 'nova'
        settings.write(folder / 'nova.conf', settings.nova(
            folder, self.auth_url, self.secrets['nova']))
        shutil.copy(_installed('nova/api-paste.ini'), folder)
        manage = ('nova-manage', '--config-file', str(folder / 'nova.conf'))
        self._say('nova: databases and cells')

        def prepare() -> None:
            self._run('nova', *manage, 'api_db', 'sync')
            self._run('nova', *manage, 'cell_v2', 'map_cell0',
                      '--database_connection',
                      settings.sqlite(folder / 'cell0.sqlite'))
            self._run('nova', *manage, 'db', 'sync')
            self._run('nova', *manage, 'cell_v2', 'create_cell')

        prepared.fill('nova', folder, sys.prefix, prepare)
        self._locate_cells(folder)
        self._serve('nova', 'nova.wsgi.osapi_compute:application', 8,
                    OS_NOVA_CONFIG_DIR=str(folder))

    def _locate_cells(self, folder: pathlib.Path) -> None:
        # Nova's API database has the locations of the cell databases.
        engine = sa.create_engine(settings.sqlite(folder / 'nova_api.sqlite'))
        with engine.begin() as connection:
            connection.execute(
                sa.text('UPDATE cell_mappings SET database_connection = CASE '
                        'name WHEN \'cell0\' THEN :cell0 ELSE :cell1 END'),
                {'cell0': settings.sqlite(folder / 'cell0.sqlite'),
                 'cell1': settings.sqlite(folder / 'nova.sqlite')})
        engine.dispose()

    def _prepare_glance(self) -> None:
        folder = self.directory / 'glance'
        settings.write(folder / 'glance-api.conf', settings.glance(
            folder, self.auth_url, self.secrets['glance']))
        shutil.copy(_installed('glance/glance-api-paste.ini'), folder)
        self._say('glance: database')
        prepared.fill('glance', folder, sys.prefix, lambda: self._run(
            'glance', 'glance-manage', '--config-file',
            str(folder / 'glance-api.conf'), 'db_sync'))
        self._serve('glance', 'glance.wsgi.api:application', 4,
                    OS_GLANCE_CONFIG_DIR=str(folder))

    def _prepare_neutron(self) -> None:
        folder = self.directory / 'neutron'
        conf = folder / 'neutron.conf'
        sections = settings.neutron(
            folder, self.auth_url, self.secrets['neutron'])
        settings.write(conf, sections)
        shutil.copy(_installed('neutron/api-paste.ini'), folder)
        self._say('neutron: database')
        prepared.fill('neutron', folder, sys.prefix, lambda: self._run(
            'neutron', 'python', '-m',
            'trove_flavor_filter.tests.cloud.neutron_schema',
            str(sections['database']['connection'])))
        self._serve('neutron', 'neutron.wsgi.api:application', 4,
                    OS_NEUTRON_CONFIG_FILES=str(conf))

    def _prepare_trove(self) -> None:
        folder = self.directory / 'trove'
        self.paste_ini = folder / 'api-paste.ini'
        self.policy_file = folder / 'policy.yaml'
        self.trove_conf = folder / 'trove.conf'
        shutil.copy(_installed('trove/api-paste.ini', self.trove_prefix),
                    self.paste_ini)
        self.policy_file.write_text('{}\n')
        self._write_trove_conf('')
        self._say(f'trove: database ({self.backend})')

        def prepare() -> None:
            self._run('trove', f'{self.trove_prefix}/bin/python',
                      str(pathlib.Path(trove_schema.__file__)),
                      '--config-file', str(self.trove_conf), 'db_sync')

        if self.backend != 'sqlite':
            prepare()
            return
        prepared.fill(
            'trove', self.directory, self.trove_prefix, prepare)
        # Trove leaves the transaction of some lists (GET /datastores) open
        # until garbage collection, which would block all other writers.
        self.sql('PRAGMA journal_mode = WAL')

    def _write_trove_conf(self, project_id: str) -> None:
        sections = settings.trove(
            self.directory / 'trove', self.auth_url, self.secrets['trove'],
            project_id, self.database_url, self.ports['trove'],
            self.workers)
        for section, options in self.options.items():
            sections[section] = sections.get(section, {}) | options
        settings.write(self.trove_conf, sections)

    def reconfigure(self) -> None:
        """Rewrite Trove's configuration after a change of options."""
        self._write_trove_conf(self._projects['service'])

    def _configure_trove(self) -> None:
        self.reconfigure()
        # oslo.config finds the file here, so that commands in the cloud's
        # environment need no --config-file.
        home = self.directory / 'home' / '.trove'
        home.mkdir(parents=True)
        (home / 'trove.conf').symlink_to(self.trove_conf)
        self._add_trove('trove', self.server, '--config-file',
                        str(self.trove_conf))

    def _add_trove(self, name: str, server: str, *words: str,
                   **env: str) -> None:
        """Add a trove-api.

        :param server: eventlet or uwsgi
        :param words: that name its configuration
        """
        if server == 'uwsgi':
            self._add(name, [
                self._trove_script('uwsgi'), '--http-socket',
                f'127.0.0.1:{self.ports[name]}', '--master',
                '--die-on-term', '--processes', str(self.workers),
                '--threads', '8', '--need-app', '--lazy-apps', '--add-header',
                'Connection: close', '--buffer-size', '65535',
                '--pyargv', ' '.join(words),
                '--module', 'trove.cmd.app_wsgi:application'],
                NO_EVENTLET_MONKEYPATCH='1', **env)
        else:
            self._add(name, [self._trove_script('trove-api'), *words], **env)

    def _copy_scripts(self) -> None:
        if not self.own_scripts:
            self.bin = pathlib.Path(self.trove_prefix) / 'bin'
            return
        self.bin = self.directory / 'bin'
        self.bin.mkdir()
        for name in SCRIPTS:
            for script in (self._trove_script(name), _script(name)):
                if pathlib.Path(script).exists():
                    shutil.copy(script, self.bin)
                    break

    def _trove_script(self, name: str) -> str:
        return f'{self.trove_prefix}/bin/{name}'

    def _create_image(self) -> str:
        response = self.session('admin').post(
            f'{self.glance_url}/v2/images',
            json={'name': 'guest', 'disk_format': 'raw',
                  'container_format': 'bare', 'visibility': 'public',
                  'tags': ['trove']})
        image_id = response.json()['id']
        self.session('admin').put(
            f'{self.glance_url}/v2/images/{image_id}/file', data=b'guest',
            headers={'Content-Type': 'application/octet-stream'})
        return image_id

    # What is done with it.

    def session(self, user: str = 'demo') -> keystone_session.Session:
        """A Keystone session of a user, scoped to the user's project."""
        if user not in self._sessions:
            self._sessions[user] = keystone_session.Session(
                identity.V3Password(
                    auth_url=self.auth_url, username=user,
                    password=self.secrets[user], user_domain_id='default',
                    project_name=self.users[user].project,
                    project_domain_id='default'))
        return self._sessions[user]

    def token(self, user: str = 'demo') -> str:
        return self.session(user).get_token()

    def project_id(self, user: str = 'demo') -> str:
        return self._projects[self.users[user].project]

    def trove(self, path: str, method: str = 'GET', user: str = 'demo',
              **kwargs: typing.Any) -> typing.Any:
        """Send a request to Trove: ``/v1.0/PROJECT`` and a path.

        :returns: requests' response, whatever its status
        """
        return self.session(user).request(
            f'{self.trove_url}/v1.0/{self.project_id(user)}{path}', method,
            raise_exc=False, **kwargs)

    def environment(self) -> dict[str, str]:
        """The environment of a user's shell: credentials, and PATH."""
        return self._environ(
            HOME=str(self.directory / 'home'),
            PATH=os.pathsep.join([
                str(self.bin), os.path.dirname(sys.executable),
                os.environ['PATH']]),
            OS_AUTH_URL=self.auth_url, OS_IDENTITY_API_VERSION='3',
            OS_USERNAME='admin', OS_PASSWORD=self.secrets['admin'],
            OS_PROJECT_NAME='admin', OS_USER_DOMAIN_ID='default',
            OS_PROJECT_DOMAIN_ID='default',
            OS_REGION_NAME=settings.REGION)

    def run(self, *command: str, path: str | None = None,
            merged: bool = False, **kwargs: typing.Any
            ) -> subprocess.CompletedProcess:
        """Run a command in the cloud's environment.

        Console scripts that import much are run by :mod:`commands`, unless
        there are keyword arguments.

        :param path: the command's PATH; None for that of the cloud
        :param merged: whether its standard error is a part of its output
        :param kwargs: of subprocess.run
        :returns: its exit code and its output, as text
        """
        environment = self.environment()
        if path is not None:
            environment['PATH'] = path
        program = shutil.which(command[0], path=environment['PATH'])
        if program is None:
            raise process.ServiceFailed(f'there is no {command[0]}')
        if not kwargs and (modules := commands.libraries(program)):
            return self._server(program, modules, environment).run(
                *command[1:], merged=merged)
        return subprocess.run(
            [program, *command[1:]], env=environment, cwd=self.directory,
            text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            **kwargs)

    def _server(self, program: str, modules: tuple[str, ...],
                environment: dict[str, str]) -> commands.Server:
        """The server of a program in an environment."""
        key = (program, modules, *sorted(environment.items()))
        with self._starting:
            if key not in self._servers:
                self._servers[key] = commands.Server(
                    program, modules, environment, self.directory)
                self._stack.callback(self._servers[key].stop)
            return self._servers[key]

    def check(self, *command: str) -> str:
        """Run a command that must succeed, and return its output."""
        result = self.run(*command)
        if result.returncode:
            raise process.ServiceFailed(
                f'"{" ".join(command)}" exited with {result.returncode}: '
                f'{result.stdout}{result.stderr}')
        return result.stdout

    def enable(self) -> None:
        """Enable the plugin, as a deployer does."""
        self.check('trove-flavor-filter', 'enable')
        self.check('trove-manage', 'flavor-filter-db-sync')
        self.restart('trove')

    def add_cinder(self) -> None:
        """Start Cinder's API and add it to Keystone's catalog; idempotent.

        There is no scheduler and no backend, so a volume that a user requests
        is never finished. A trove-api keeps the catalog of its first token:
        restart it, or add a host after this call.
        """
        if 'cinder' in self.processes:
            return
        self.create_user('cinder', 'service', ('admin', 'service'))
        folder = self.directory / 'cinder'
        folder.mkdir()
        conf = folder / 'cinder.conf'
        settings.write(conf, settings.cinder(
            folder, self.auth_url, self.secrets['cinder']))
        shutil.copy(_installed('cinder/api-paste.ini'), folder)
        prepared.fill('cinder', folder, sys.prefix, lambda: self._run(
            'cinder', 'cinder-manage', '--config-file', str(conf), 'db',
            'sync'))
        self.ports['cinder'] = process.free_port()
        # It looks for its file in the home directory.
        self._serve('cinder', 'cinder.wsgi.api:application', 4,
                    HOME=str(folder))
        self.start('cinder')
        self.cinder_url = f'http://127.0.0.1:{self.ports["cinder"]}/v3'
        self._add_service('volumev3', self.cinder_url)
        # Their tokens have the catalog without it.
        self._sessions.clear()
        self._say('cinder: up')

    def add_host(self, options: settings.Sections | None = None) -> str:
        """Start another trove-api on the same database, as on a second host.

        :param options: that its trove.conf has besides
        :returns: its URL, without the version
        """
        port = process.free_port()
        conf = self.trove_conf.with_name(f'trove-{port}.conf')
        conf.write_text(self.trove_conf.read_text().replace(
            f'bind_port = {self.ports["trove"]}\n', f'bind_port = {port}\n'))
        more = conf.with_suffix('.options')
        settings.write(more, options or {})
        return self.start_trove(port, 'eventlet', '--config-file', str(conf),
                                '--config-file', str(more))

    def start_trove(self, port: int, server: str, *words: str,
                    **env: str) -> str:
        """Start another trove-api.

        :param port: that its configuration names
        :param server: eventlet or uwsgi
        :param words: that name its configuration
        :returns: its URL, without the version
        """
        name = f'trove-{port}'
        self.ports[name] = port
        self._add_trove(name, server, *words, **env)
        self.start(name)
        return f'http://127.0.0.1:{port}'

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def stop(self, name: str) -> None:
        self.processes[name].stop()

    def start(self, name: str) -> None:
        self.processes[name].start()
        self.processes[name].wait()

    def nova(self) -> nova_client.Client:
        """A Nova client of an administrator."""
        return nova_client.Client('2.1', session=self.session('admin'))

    def create_flavor(self, flavor_id: str, name: str | None = None,
                      ram: int = 512, vcpus: int = 1, disk: int = 5,
                      ephemeral: int = 1,
                      projects: tuple[str, ...] | None = None,
                      extra_specs: dict[str, str] | None = None) -> str:
        """Create a flavor with Nova's API.

        :param projects: users whose projects have access to it; None for a
            public flavor
        """
        nova = self.nova()
        flavor = nova.flavors.create(
            name or flavor_id, ram, vcpus, disk, flavorid=flavor_id,
            ephemeral=ephemeral, is_public=projects is None)
        if extra_specs:
            flavor.set_keys(extra_specs)
        for user in projects or ():
            nova.flavor_access.add_tenant_access(
                flavor_id, self.project_id(user))
        return flavor_id

    def delete_flavor(self, flavor_id: str) -> None:
        self.nova().flavors.delete(flavor_id)

    def create_network(self) -> str:
        """A network for databases, shared by all projects.

        :returns: its id
        """
        session = self.session('admin')
        network = session.post(
            f'{self.neutron_url}/v2.0/networks', json={'network': {
                'name': 'databases', 'shared': True}}).json()['network']
        session.post(f'{self.neutron_url}/v2.0/subnets', json={'subnet': {
            'network_id': network['id'], 'cidr': '10.1.1.0/24',
            'ip_version': 4}})
        return network['id']

    def add_volume(self, size: int, volume_type: str | None = None) -> str:
        """Create an available volume of Trove's, after add_cinder().

        :param size: in GiB
        :param volume_type: its name or id; None for Cinder's default
        :returns: its id
        """
        session = self.session('trove')
        volumes = f'{self.cinder_url}/volumes'
        volume_id = session.post(volumes, json={'volume': {
            'size': size, 'volume_type': volume_type}}).json()['volume']['id']
        # No backend finishes it.
        session.post(f'{volumes}/{volume_id}/action', json={
            'os-reset_status': {'status': 'available'}})
        return volume_id

    def create_many_flavors(self, count: int, prefix: str = 'many',
                            project_ids: Sequence[str] = ()) -> None:
        """Insert thousands of flavors into Nova's database.

        :param project_ids: projects that have access to them, each flavor
            one of these in turn; none for public flavors
        """
        engine = sa.create_engine(settings.sqlite(
            self.directory / 'nova' / 'nova_api.sqlite'))
        metadata = sa.MetaData()
        flavors = sa.Table('flavors', metadata, autoload_with=engine)
        access = sa.Table('flavor_projects', metadata, autoload_with=engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(flavors), [
                {'name': f'{prefix}-{number:05}',
                 'flavorid': f'{prefix}-{number:05}',
                 'memory_mb': 512 * (1 + number % 64),
                 'vcpus': 1 + number % 16, 'root_gb': 10, 'ephemeral_gb': 1,
                 'swap': 0, 'rxtx_factor': 1.0, 'disabled': False,
                 'is_public': not project_ids}
                for number in range(count)])
            if project_ids:
                created = connection.scalars(
                    sa.select(flavors.c.id)
                    .where(flavors.c.flavorid.like(f'{prefix}-%')))
                connection.execute(sa.insert(access), [
                    {'flavor_id': flavor_id, 'project_id': project_id}
                    for flavor_id, project_id in zip(
                        created.all(), itertools.cycle(project_ids))])
        engine.dispose()

    def delete_many_flavors(self, prefix: str = 'many') -> None:
        engine = sa.create_engine(settings.sqlite(
            self.directory / 'nova' / 'nova_api.sqlite'))
        flavors = sa.Table('flavors', sa.MetaData(), autoload_with=engine)
        with engine.begin() as connection:
            connection.execute(sa.delete(flavors).where(
                flavors.c.flavorid.like(f'{prefix}-%')))
        engine.dispose()

    def sql(self, statement: str, **parameters: typing.Any) -> typing.Any:
        """Run a statement in Trove's database directly."""
        with self._engine.begin() as connection:
            result = connection.execute(sa.text(statement), parameters)
            return result.all() if result.returns_rows else None

    @functools.cached_property
    def _engine(self) -> sa.Engine:
        # Without a pool: a test may move or stop the database.
        engine = sa.create_engine(self.database_url,
                                  poolclass=sa.pool.NullPool)
        if self.backend == 'sqlite':
            # As in settings.database().
            sa.event.listen(
                engine, 'connect', lambda connection, _record:
                connection.execute('PRAGMA synchronous = OFF'))
        return engine

    def create_datastore_version(self, datastore: str, name: str,
                                 manager: str = 'mysql', active: bool = True,
                                 number: str | None = None,
                                 version_id: str | None = None) -> str:
        """Insert a datastore version, as trove-manage does, but faster.

        :param version_id: its id; None for any
        :returns: its id
        """
        rows = self.sql('SELECT id FROM datastores WHERE name = :name',
                        name=datastore)
        datastore_id = rows[0].id if rows else str(uuid.uuid4())
        if not rows:
            self.sql('INSERT INTO datastores (id, name) VALUES (:id, :name)',
                     id=datastore_id, name=datastore)
        version_id = version_id or str(uuid.uuid4())
        values = {
            'id': version_id, 'datastore_id': datastore_id, 'name': name,
            'version': number or name, 'manager': manager,
            'image_id': self.image_id, 'packages': '', 'active': active,
            # Not in every Trove.
            'registry_ext': '', 'repl_strategy': ''}
        inspector = sa.inspect(self._engine)
        columns = {column['name'] for column
                   in inspector.get_columns('datastore_versions')}
        known = [column for column in values if column in columns]
        self.sql(
            f'INSERT INTO datastore_versions ({", ".join(known)}) '
            f'VALUES (:{", :".join(known)})',
            **{column: values[column] for column in known})
        return version_id

    def create_instance(self, flavor_id: str, version_id: str,
                        user: str = 'demo', datastore: str = 'mysql') -> str:
        """Create an instance with Trove's API; it stays in BUILD.

        :returns: its id
        """
        response = self.trove('/instances', 'POST', user, json={'instance': {
            'name': 'database', 'flavorRef': flavor_id,
            'datastore': {'type': datastore, 'version': version_id}}})
        if response.status_code != 200:
            raise process.ServiceFailed(response.text)
        return response.json()['instance']['id']

    def activate_instance(self, instance_id: str,
                          network_id: str | None = None) -> None:
        """Make an instance active, as if its guest agent had reported.

        There is no hypervisor and no guest agent, so this writes what they
        would report.

        :param network_id: the network of its address; None for no address
        """
        row = self.sql('SELECT tenant_id, flavor_id FROM instances '
                       'WHERE id = :id', id=instance_id)[0]
        server_id = str(uuid.uuid4())
        created = self._server(
            NOVA_SERVER, ('nova.config', 'nova.context', 'nova.objects.fields',
                          'nova.objects.instance'),
            self._environ(OS_NOVA_CONFIG_DIR=str(self.directory / 'nova'))
        ).run(server_id, self.project_id('trove'), row.flavor_id)
        if created.returncode:
            raise process.ServiceFailed(created.stderr)
        if network_id is not None:
            self.session('admin').post(
                f'{self.neutron_url}/v2.0/ports', json={'port': {
                    'network_id': network_id, 'device_id': server_id}})
        # An instance that is being deleted by now is not changed.
        self.sql('UPDATE instances SET compute_instance_id = :server, '
                 'task_id = 1, task_description = :task WHERE id = :id '
                 'AND task_id != 2', server=server_id,
                 task='No tasks for the instance.', id=instance_id)
        self.sql('UPDATE service_statuses SET status_id = 1, '
                 'status_description = :status, updated_at = :now '
                 'WHERE instance_id = :id', status='running',
                 now='2999-01-01 00:00:00', id=instance_id)

    def describe(self) -> str:
        """How to use the cloud from a shell; writes a file to source."""
        openrc = self.directory / 'openrc'
        own = {key: value for key, value in self.environment().items()
               if key.startswith('OS_')}
        openrc.write_text(''.join(
            f'export {key}={value}\n' for key, value in own.items())
            + f'export PATH={self.bin}:$PATH\n'
            + f'export HOME={self.directory / "home"}\n')
        return (
            f'The cloud is in {self.directory}, with a log of each service.\n'
            f'In another terminal:\n'
            f'  . {openrc}\n'
            f'  openstack flavor list --all\n'
            f'  trove-manage datastore-version-flavor-list\n'
            f'  curl -s -H "X-Auth-Token: $(openstack token issue -f value '
            f'-c id)" \\\n'
            f'    {self.trove_url}/v1.0/{self.project_id("admin")}/flavors\n')


def _exit(number: int, _frame: types.FrameType | None) -> None:
    raise SystemExit(128 + number)


def _script(name: str) -> str:
    """A console script in the environment of this interpreter."""
    return os.path.join(os.path.dirname(sys.executable), name)


def _installed(name: str, prefix: str = sys.prefix) -> pathlib.Path:
    """A file that a service's wheel installs under etc/."""
    path = pathlib.Path(prefix) / 'etc' / name
    if not path.exists():
        raise process.ServiceFailed(
            f'{path} is not there: are the packages of '
            f'cloud-requirements.txt installed?')
    return path
