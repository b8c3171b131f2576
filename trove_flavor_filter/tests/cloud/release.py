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

"""A Python environment with an older release of Trove, and the plugin."""

import pathlib
import subprocess
import sys

import uv

ROOT = pathlib.Path(__file__).parents[3]

# In addition to Trove: drivers, caches and servers for the tests.
COMPANIONS = ('PyMySQL', 'psycopg[binary]', 'pymemcache', 'pyuwsgi', 'redis')


def make(release: str, folder: pathlib.Path) -> None:
    """Create the environment, or update it.

    Libraries are installed with OpenStack's constraints of that release.

    :param release: the first part of Trove's version
    :raises CalledProcessError: the installation fails; uv prints the reason
    """
    install(folder, ROOT / 'constraints' / f'trove{release}.txt',
            f'trove=={release}.*', *COMPANIONS, '-e', str(ROOT))


def install(folder: pathlib.Path, constraints: pathlib.Path,
            *packages: str) -> None:
    """Install packages in a virtualenv; create it if it is missing.

    :raises CalledProcessError: the installation fails; uv prints the reason
    """
    program = uv.find_uv_bin()
    subprocess.run([program, 'venv', '--quiet', '--allow-existing', '--seed',
                    '--python', sys.executable, folder], check=True)
    subprocess.run([program, 'pip', 'install', '--quiet', '--python', folder,
                    '--constraints', constraints, *packages], check=True)
