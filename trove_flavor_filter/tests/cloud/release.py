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

"""A Python environment with another release of Trove, and the plugin.

python -m trove_flavor_filter.tests.cloud.release RELEASE FOLDER
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[3]

# Beside Trove: drivers, caches and servers that the tests put it on.
COMPANIONS = ('PyMySQL', 'psycopg[binary]', 'pymemcache', 'pyuwsgi', 'redis')


def constraints() -> str:
    """The versions that the tests run on, whatever the Trove."""
    return ''.join(
        line for line in ROOT.joinpath('test-constraints.txt').open()
        if not line.startswith('trove=='))


def make(release: str, folder: pathlib.Path) -> None:
    """Make the environment, or bring it up to date.

    :param release: the first part of Trove's version
    :raises CalledProcessError: it cannot be installed; pip has said why
    """
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write(constraints())
        file.flush()
        environment = os.environ | {
            'PIP_CONSTRAINT': file.name, 'PIP_ROOT_USER_ACTION': 'ignore',
            'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
        if not folder.joinpath('bin', 'python').exists():
            subprocess.run([sys.executable, '-m', 'venv', folder],
                           check=True)
        subprocess.run(
            [folder / 'bin' / 'python', '-m', 'pip', 'install', '--quiet',
             f'trove=={release}.*', *COMPANIONS, '-e', ROOT],
            env=environment, check=True)


if __name__ == '__main__':
    make(sys.argv[1], pathlib.Path(sys.argv[2]))
