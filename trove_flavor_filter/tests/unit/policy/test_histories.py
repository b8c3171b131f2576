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

"""Policy files that change in any order: a fresh process is the judge.

After each change, a Policy that has seen all changes decides like one that is
built now; and where no rule has an error, like oslo.policy itself.
FLAVOR_FILTER_POLICIES says how many histories are tried.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import tempfile
import typing

import fixtures
import hypothesis
from hypothesis import strategies
from oslo_context import context
from oslo_policy import policy

from trove_flavor_filter import exception
from trove_flavor_filter.policy import rules
from trove_flavor_filter.tests.unit import base

COUNT = int(os.environ.get('FLAVOR_FILTER_POLICIES', '30'))

# All have the same length, so that the size of a file tells nothing.
TEXTS = [text.ljust(64).encode() + b'\n' for text in (
    '{}',
    '',
    '"flavor_filter:bypass": "role:member"',
    '"flavor_filter:flavors:list": "role:dba"',
    '"flavor_filter:flavors:list": "@"',
    '"context_is_admin": "role:dba"',
    '"admin": "role:dba"',
    '"flavor_filter:flavors:list": "rule:typo"',
    '"flavor_filter:bypass": "role:member',
    '- a list',
    '"a number": 5',
)] + [b'"not UTF-8": "\xe9"'.ljust(64) + b'\n']

FOLDERS = ['conf/site.d', 'home/site.d', 'conf/more.d']
FILES = ['conf/site.yaml', 'home/site.yaml', *(
    f'{folder}/{name}' for folder in FOLDERS
    for name in ('10.yaml', '20.yaml', '.hidden'))]

Change = Callable[[pathlib.Path], object]


def write(path: pathlib.Path, text: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.is_fifo():
        path.unlink()
    path.write_bytes(text)


def rename(path: pathlib.Path, text: bytes) -> None:
    write(path.with_name('.new'), text)
    os.replace(path.with_name('.new'), path)


def write_with_the_same_times(path: pathlib.Path, text: bytes) -> None:
    before = path.stat()
    write(path, text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def empty(path: pathlib.Path) -> None:
    for inside in path.iterdir():
        remove(inside)


def pipe(path: pathlib.Path) -> None:
    os.mkfifo(path)


def dangle(path: pathlib.Path) -> None:
    path.symlink_to('nowhere')


def allow(path: pathlib.Path) -> None:
    path.chmod(0o755)


def forbid(path: pathlib.Path) -> None:
    path.chmod(0)


def flip(path: pathlib.Path, text: bytes) -> None:
    """Have a link lead to another folder, as Kubernetes does."""
    target = pathlib.Path(tempfile.mkdtemp(prefix='.rev', dir=path.parent))
    target.chmod(0o755)
    (target / '10.yaml').write_bytes(text)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    link = path.with_name('.link')
    link.symlink_to(target.name)
    os.replace(link, path)


def changes() -> strategies.SearchStrategy:
    """Functions with their arguments: a path, and for some a text."""
    texts, files = strategies.sampled_from(TEXTS), strategies.sampled_from(
        FILES)
    folders = strategies.sampled_from(FOLDERS)
    return strategies.one_of(
        strategies.tuples(strategies.sampled_from(
            [write, rename, write_with_the_same_times]), files, texts),
        strategies.tuples(strategies.sampled_from(
            [remove, pipe, dangle, forbid, allow, os.mkdir]), files),
        strategies.tuples(strategies.just(flip), folders, texts),
        strategies.tuples(strategies.sampled_from(
            [os.mkdir, remove, empty, forbid, allow]), folders))


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so be somebody else if this is root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


class HistoryTest(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        # The folder that oslotest has made for this test.
        pathlib.Path(tempfile.gettempdir()).chmod(0o755)

    def test_a_policy_that_saw_all_changes_decides_like_a_fresh_one(self):
        outcomes = {'decided': 0, 'nobody': 0, 'as oslo.policy': 0}

        @hypothesis.settings(
            max_examples=COUNT, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(strategies.lists(
            strategies.tuples(changes(), strategies.booleans()),
            min_size=1, max_size=25))
        @hypothesis.example([
            # A folder that is removed, and a file that is tightened.
            ((write, FILES[0], TEXTS[4]), True),
            ((os.mkdir, FOLDERS[0]), True),
            ((remove, FOLDERS[0]), True),
            ((write, FILES[0], TEXTS[3]), True)])
        def live_through(history):
            with tempfile.TemporaryDirectory() as folder:
                self.compare(pathlib.Path(folder), history, outcomes)
        live_through()
        print(f'\nHistories of policy files: {outcomes}')
        self.assertTrue(all(outcomes.values()), outcomes)

    def compare(self, folder: pathlib.Path,
                history: list[tuple[tuple, bool]],
                outcomes: dict[str, int]) -> None:
        folder.chmod(0o755)
        for name in ('conf', 'home'):
            (folder / name).mkdir()
        self.useFixture(fixtures.EnvironmentVariable(
            'HOME', str(folder / 'home')))
        path = folder / 'conf' / 'trove.conf'
        path.write_text('[oslo_policy]\npolicy_file = site.yaml\n'
                        'policy_dirs = site.d\npolicy_dirs = more.d\n')
        conf = base.config.load({'oslo_config_file': str(path)})
        always, sometimes = rules.Policy(conf), rules.Policy(conf)
        for (change, name, *text), is_asked in history:
            with contextlib.suppress(OSError):
                change(folder / name, *text)
            with as_nobody():
                wanted = decisions(rules.Policy(conf))
                self.assertEqual(wanted, decisions(always))
                if is_asked:
                    self.assertEqual(wanted, decisions(sometimes))
                try:
                    problems = rules.problems(conf)
                except exception.PolicyUnusable:
                    outcomes['nobody'] += 1
                    self.assertNotIn(True, wanted)
                    continue
                outcomes['decided'] += 1
                if not problems:
                    with contextlib.suppress(OSError):
                        # It fails on a hidden link that leads nowhere.
                        self.assertEqual(oslos(conf), wanted[:-len(ROLES)])
                        outcomes['as oslo.policy'] += 1


ROLES: tuple[tuple[str, ...], ...] = ((), ('member',), ('admin',), ('dba',))
RULES = [rules.LIST, rules.BYPASS, rules.SHOW_REQUIREMENTS]


def callers() -> list[context.RequestContext]:
    return [context.RequestContext(user_id='u', project_id='p',
                                   roles=list(roles)) for roles in ROLES]


def decisions(asked: rules.Policy) -> list[bool]:
    return [*(asked.allows(caller, rule)
              for rule in RULES for caller in callers()),
            *(asked.is_admin(caller) for caller in callers())]


def oslos(conf: typing.Any) -> list[bool]:
    """The decisions of oslo.policy, as Trove asks it."""
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults([*rules.BASE_RULES, *rules.RULES])
    found = []
    for rule in RULES:
        for caller in callers():
            values = dict(caller.to_policy_values(), tenant='p')
            values['is_admin'] = enforcer.enforce(
                'context_is_admin', {}, values)
            found.append(bool(enforcer.enforce(
                rule, {'tenant': 'p', 'project_id': 'p'}, values)))
    return found
