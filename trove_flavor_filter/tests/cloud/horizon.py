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


"""A real Horizon with trove-dashboard, beside the small cloud."""

import atexit
import os
import pathlib
import shutil
import subprocess

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import release
from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.cloud import wsgi_runner

# Horizon by itself, and the files that a web server would serve.
SITE = '''
from django.contrib.staticfiles import handlers
from openstack_dashboard import wsgi

application = handlers.StaticFilesHandler(wsgi.application)
'''


def make(dashboard: str, folder: pathlib.Path) -> None:
    """Make a Python environment for Horizon, or bring it up to date.

    :param dashboard: the first part of trove-dashboard's version
    :raises CalledProcessError: it cannot be installed; uv has said why
    """
    release.install(
        folder, release.ROOT / 'constraints' / f'dashboard{dashboard}.txt',
        'horizon', 'trove-dashboard', 'waitress',
        # For django-debreach, where Python no longer has distutils.
        'setuptools',
        '-e', str(release.ROOT / 'dashboard'))


class Horizon:
    """Horizon in a folder of its own, with clusters turned on.

    :param auth_url: Keystone's, which need not answer before start()
    :param folder: where its files will be; not there yet
    :param prefix: of the Python environment that has Horizon
    :param plugin: whether trove-flavor-filter-dashboard is enabled
    :param dashboard: whether trove-dashboard is enabled
    :param static: a folder for static files, made by the first Horizon that
        uses it: they take longer than all else, and are the same for all of
        one environment. None for a folder of its own

    :ivar url: of its first page
    """

    def __init__(self, auth_url: str, folder: pathlib.Path, prefix: str,
                 plugin: bool = True, dashboard: bool = True,
                 static: pathlib.Path | None = None):
        self._python = pathlib.Path(prefix) / 'bin' / 'python'
        self._folder = folder
        self._static = static or folder / 'static'
        port = process.free_port()
        self.url = f'http://127.0.0.1:{port}'
        self._make_site(auth_url, plugin, dashboard)
        self._process = process.Process(
            'horizon', [
                # Not beside the runner, whose folder has a "settings".
                str(self._python), '-P', wsgi_runner.__file__,
                'site_with_files:application', '127.0.0.1', str(port), '8'],
            self._environ(), self.log, port)

    @property
    def log(self) -> pathlib.Path:
        return self._folder / 'horizon.log'

    @property
    def upgrades(self) -> bool:
        """Whether its trove-dashboard has a dialog for upgrades."""
        return (self._package('trove_dashboard')
                / 'content' / 'databases' / 'upgrade').is_dir()

    def _environ(self) -> dict[str, str]:
        return {
            'PATH': os.environ['PATH'], 'PYTHONPATH': str(self._folder),
            'PYTHONWARNINGS': 'ignore', 'PYTHONDONTWRITEBYTECODE': '1',
            'DJANGO_SETTINGS_MODULE': 'openstack_dashboard.settings'}

    def _make_site(self, auth_url: str, plugin: bool,
                   dashboard: bool) -> None:
        """Have an openstack_dashboard with settings of its own.

        All but its "local" is the one that is installed.
        """
        installed = self._package('openstack_dashboard')
        own = self._folder / 'openstack_dashboard'
        own.mkdir(parents=True)
        for path in installed.iterdir():
            if path.name not in ('local', '__pycache__'):
                (own / path.name).symlink_to(path)
        shutil.copytree(installed / 'local', own / 'local')
        (own / 'local' / 'local_settings.py').write_text(
            settings.horizon(auth_url, self._static))
        enabled = own / 'local' / 'enabled'
        if dashboard:
            for path in (self._package('trove_dashboard')
                         / 'enabled').glob('_1*.py'):
                # Most releases have clusters turned off.
                (enabled / path.name).write_text(
                    path.read_text().replace('DISABLED = True', ''))
        if plugin:
            for path in (self._package('trove_flavor_filter_dashboard')
                         / 'enabled').glob('_1*.py'):
                shutil.copy(path, enabled)
        (self._folder / 'site_with_files.py').write_text(SITE)

    def _package(self, name: str) -> pathlib.Path:
        printed = subprocess.run(
            [self._python, '-c',
             'import importlib.util, sys; '
             'print(importlib.util.find_spec(sys.argv[1]).origin)', name],
            check=True, text=True, capture_output=True).stdout
        return pathlib.Path(printed.strip()).parent

    def manage(self, *command: str,
               without: str | None = None) -> subprocess.CompletedProcess:
        """Run a command of Django's.

        :param without: a package that is not to be found
        """
        return subprocess.run(
            [self._python, '-c',
             'import sys; from django.core import management; '
             f'sys.modules.update({dict.fromkeys(filter(None, [without]))}); '
             'management.execute_from_command_line(sys.argv)', *command],
            env=self._environ(), text=True, capture_output=True)

    def python(self, code: str) -> str:
        """Run Python code with the settings of this Horizon.

        :returns: what it prints
        :raises CalledProcessError: it failed
        """
        return subprocess.run(
            [self._python, '-c', code], env=self._environ(), text=True,
            check=True, stdout=subprocess.PIPE).stdout

    def prepare(self) -> None:
        """Collect the static files and compress them, if they are not there.

        :raises ServiceFailed: one of them failed
        """
        if self._static.exists():
            return
        for command in (['collectstatic', '--noinput', '--link'],
                        ['compress']):
            result = self.manage(*command)
            if result.returncode:
                raise process.ServiceFailed(
                    f'{command[0]}: {result.stdout}{result.stderr}')

    def start(self) -> None:
        """Serve it until stop() is called or this process ends."""
        self.prepare()
        self._process.start()
        atexit.register(self.stop)
        self._process.wait()

    def stop(self) -> None:
        atexit.unregister(self.stop)
        self._process.stop()


def beside(booted: cloud.Cloud, prefix: str, name: str = 'horizon',
           plugin: bool = True) -> Horizon:
    """Start a Horizon for a cloud that is up.

    :param name: of its folder in the cloud's
    """
    # The dialogs list its types of volumes.
    booted.add_cinder()
    served = Horizon(booted.auth_url, booted.directory / name, prefix, plugin,
                     static=booted.directory / 'horizon-static')
    served.start()
    return served
