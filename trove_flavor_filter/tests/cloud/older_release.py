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

"""The plugin as it was at a commit of this repository, in a small cloud."""

from collections.abc import Iterator
import contextlib
import io
import subprocess
import tarfile
import tempfile
import unittest

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import release

# The last commit before volumes have bounds, and before the lists of what a
# datastore offers and of upgrades.
BEFORE_VOLUMES = 'b4f62ef'
# The last commit before the plugin marks its answers. Nor has it trials, the
# list of violations, or what a change would do.
BEFORE_MARK = 'b7e5e9a'


@contextlib.contextmanager
def running(booted: cloud.Cloud, commit: str) -> Iterator[None]:
    """Have Trove run the plugin of a commit meanwhile.

    The plugin's other programs remain as they are.

    :raises SkipTest: the checkout lacks its history
    """
    trove = booted.processes['trove']
    before = trove.env
    with tempfile.TemporaryDirectory(dir=booted.directory) as folder:
        extract(commit, folder)
        # Before the plugin that is installed there.
        trove.env = before | {'PYTHONPATH': folder}
        booted.restart('trove')
        try:
            yield
        finally:
            trove.env = before
            booted.restart('trove')


def extract(commit: str, folder: str) -> None:
    """Put the plugin's package as it was at a commit into a folder.

    :raises SkipTest: as in :func:`running`
    """
    result = subprocess.run(
        ['git', '-C', str(release.ROOT), 'archive', commit,
         'trove_flavor_filter'], capture_output=True)
    if result.returncode:
        raise unittest.SkipTest(
            f'this checkout lacks the commit {commit}: {result.stderr!r}')
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        archive.extractall(folder, filter='data')
