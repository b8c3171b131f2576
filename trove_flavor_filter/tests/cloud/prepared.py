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

"""Databases and keys of a service: created once, and copied for each cloud.

Creating them for each cloud would take most of its boot time.
"""

from collections.abc import Callable
import fcntl
import hashlib
import pathlib
import shutil
import tempfile

PATTERNS = ('*.sqlite', 'fernet', 'credentials')


def fill(name: str, folder: pathlib.Path, prefix: str,
         prepare: Callable[[], None]) -> None:
    """Fill a service's folder with its databases and keys.

    The service's own commands are run only if there is no cached copy for the
    installed packages. The result is cached under the prefix.

    :param name: of the service
    :param folder: of its databases and keys
    :param prefix: of the Python environment that has the service
    :param prepare: runs the commands
    """
    kept = pathlib.Path(prefix) / 'small-cloud' / _digest(prefix) / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Of several clouds that boot at the same time, one runs the commands.
    with kept.with_suffix('.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            prepare()
            # Atomic, as this process may be stopped meanwhile.
            copy = pathlib.Path(tempfile.mkdtemp(dir=kept.parent))
            _copy(folder, copy)
            copy.rename(kept)
            return
    _copy(kept, folder)


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    for pattern in PATTERNS:
        for path in source.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, target / path.name)
            else:
                shutil.copy(path, target)


def _digest(prefix: str) -> str:
    """The cache key: a digest of the packages and of the cloud's code."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(prefix).glob(
            'lib/python*/site-packages/*.dist-info')):
        digest.update(path.name.encode())
    for path in sorted(pathlib.Path(__file__).parent.glob('*.py')):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
