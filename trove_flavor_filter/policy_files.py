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

"""Find the policy files, notice changes, and check their form."""

import os
import time

from oslo_config import cfg
from oslo_policy import policy

from trove_flavor_filter.deployment import files
from trove_flavor_filter import exception

# For each existing path that [oslo_policy] names: the files to read, each with
# a stamp that changes whenever the file does.
State = dict[str, tuple[tuple[str, tuple[int, ...]], ...]]

# Seconds between two searches for files, since a search looks into several
# folders. The files that it has found are looked at each time.
SEARCH = 1


class PolicyFiles:
    """The policy files of a deployment.

    :param conf: ``[oslo_policy]`` names them
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        # Each path, and whether it is a folder.
        self._paths: dict[str, bool] = {}
        self._searched = float('-inf')

    def state(self) -> State:
        """The files that exist now."""
        now = time.monotonic()
        if now - self._searched >= SEARCH:
            self._paths, self._searched = self._search(), now
        return {path: tuple((inside, _stamp(inside)) for inside in (
            _files_in(path) if is_folder else [path]))
            for path, is_folder in self._paths.items() if _stamp(path)}

    def _search(self) -> dict[str, bool]:
        options = self._conf.oslo_policy
        return {path: is_folder for name, is_folder in (
            (_name(self._conf), False),
            *((name, True) for name in options.policy_dirs))
            if (path := self._conf.find_file(name))}


def _name(conf: cfg.ConfigOpts) -> str:
    """The name of the policy file, as oslo.policy finds it.

    Before oslo.policy 5.0, a policy.json takes the place of a policy.yaml
    that is not there.
    """
    pick = getattr(policy, 'pick_default_policy_file', None)
    return pick(conf) if pick else conf.oslo_policy.policy_file


def _files_in(folder: str) -> list[str]:
    """The files that oslo.policy reads in a folder, in its order."""
    try:
        return sorted(entry.path for entry in os.scandir(folder)
                      if not entry.name.startswith('.')
                      and not entry.is_dir())
    except OSError:
        # Reading it as a file will report the error.
        return [folder]


def _stamp(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    # The time alone would miss an older file that is restored.
    return (status.st_ino, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns)


def check(path: str) -> None:
    """Check that a file has rules in it.

    oslo.policy treats a file that it cannot read as empty, and blocks on a
    pipe.
    """
    try:
        rules = policy.parse_file_contents(files.read(path))
    except OSError as error:
        raise exception.PolicyUnusable(
            path, error.strerror or error) from error
    except (exception.FlavorFilterError, ValueError,
            RecursionError) as error:
        raise exception.PolicyUnusable(path, error) from error
    if not isinstance(rules, dict):
        raise exception.PolicyUnusable(path, 'it must map names to rules')
    for name, rule in rules.items():
        if rule and not isinstance(rule, str | list | dict):
            raise exception.PolicyUnusable(
                path, f'rule "{name}" is neither a text nor a list: {rule!r}')
