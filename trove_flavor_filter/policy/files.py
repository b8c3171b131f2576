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

"""The policy files of a deployment, found and read as oslo.policy does."""

from collections.abc import Callable
import os
import time
import typing

from oslo_config import cfg
from oslo_policy import policy

from trove_flavor_filter import exception
from trove_flavor_filter import files

# A file that changes twice within this time, in nanoseconds, may have the
# same times after both changes: file systems have clocks of their own, some
# with a resolution of two seconds.
RESOLUTION = 2 * 10 ** 9

# The path of each file, and what is in it.
Contents = list[tuple[str, bytes]]

T = typing.TypeVar('T')


class _Look(typing.NamedTuple):
    """What was seen in a file or a folder.

    :ivar stamp: changes whenever the file does
    :ivar time: just before it was read, in nanoseconds since the epoch
    :ivar found: the bytes of the file, or the names in the folder
    """

    stamp: tuple[int, ...]
    time: int
    found: typing.Any

    def holds(self, stamp: tuple[int, ...]) -> bool:
        """Whether nothing has changed since.

        :param stamp: of the file as it is now
        """
        return stamp == self.stamp and max(stamp[2:]) + RESOLUTION < self.time


class PolicyFiles:
    """The policy files of a deployment.

    A file is read again only when it has changed. So a process that has no
    file descriptor left still knows what it has read before.

    :param conf: ``[oslo_policy]`` names them
    :param now: the time in nanoseconds since the epoch
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 now: Callable[[], int] = time.time_ns):
        self._conf = conf
        self._now = now
        self._looks: dict[tuple[str, object], _Look] = {}

    def read(self) -> Contents:
        """The files as they are now, in the order in which rules override.

        :raises PolicyUnusable: one cannot be read; the message names it
        """
        before, self._looks = self._looks, {}

        def look(path: str, read: Callable[[str], T]) -> T:
            try:
                stamp = _stamp(path)
                seen = before.get((path, read))
                if seen is None or not seen.holds(stamp):
                    seen = _Look(stamp, self._now(), read(path))
            except OSError as error:
                raise exception.PolicyUnusable(
                    path, error.strerror or error) from error
            except exception.FlavorFilterError as error:
                raise exception.PolicyUnusable(path, error) from error
            self._looks[path, read] = seen
            return seen.found

        contents = []
        if path := self._conf.find_file(_name(self._conf)):
            contents.append((path, look(path, files.read)))
        for name in self._conf.oslo_policy.policy_dirs:
            if folder := self._conf.find_file(name):
                contents += [
                    (path, look(path, files.read))
                    for path in look(folder, _paths_in)
                    if not os.path.isdir(path)]
        return contents


def _name(conf: cfg.ConfigOpts) -> str:
    """The name of the policy file, as oslo.policy finds it.

    Before oslo.policy 5.0, a policy.json takes the place of a policy.yaml
    that is not there.
    """
    pick = getattr(policy, 'pick_default_policy_file', None)
    return pick(conf) if pick else conf.oslo_policy.policy_file


def _paths_in(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if not name.startswith('.')]


def _stamp(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    # The time alone does not show that an older file was restored.
    return (status.st_ino, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns)


def rules_in(path: str, data: bytes) -> dict[str, policy.RuleDefault]:
    """The rules in a file, by name.

    :raises PolicyUnusable: these are no rules
    """
    try:
        rules = policy.parse_file_contents(data.decode())
    except (ValueError, RecursionError) as error:
        raise exception.PolicyUnusable(path, error) from error
    if not isinstance(rules, dict):
        raise exception.PolicyUnusable(path, 'it must map names to rules')
    for name, rule in rules.items():
        if rule and not isinstance(rule, str | list | dict):
            raise exception.PolicyUnusable(
                path, f'rule "{name}" is neither a text nor a list: {rule!r}')
    try:
        return {name: policy.RuleDefault(name, rule)
                for name, rule in rules.items()}
    except Exception as error:
        # Of any class: oslo.policy does not expect what it cannot parse.
        raise exception.PolicyUnusable(path, error) from error
