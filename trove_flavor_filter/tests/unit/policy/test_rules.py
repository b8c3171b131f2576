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

"""What a policy file allows: never more than it plainly says."""

from collections.abc import Iterator
import contextlib
import http.server
import json
import os
import pathlib
import resource
import threading
import time
import types

import fixtures
from oslo_context import context
from oslo_policy import policy

from trove_flavor_filter.cmd import status
from trove_flavor_filter.policy import rules
from trove_flavor_filter.tests.unit import base

# Rules under which nobody may bypass: (the policy file, what the log names).
# The second column is empty where the rule is plainly a "no".
CLOSED = [
    # A rule that is not there, at every depth and under every operator.
    ('"flavor_filter:bypass": "rule:context_is_adm"', 'context_is_adm'),
    ('"flavor_filter:bypass": "not rule:typo"', 'typo'),
    ('"flavor_filter:bypass": "role:admin or rule:typo"', 'typo'),
    ('"flavor_filter:bypass": "role:admin and not rule:typo"', 'typo'),
    ('"flavor_filter:bypass": "@ and (rule:typo or role:member)"', 'typo'),
    ('"flavor_filter:bypass": [["rule:typo"]]', 'typo'),
    ('"flavor_filter:bypass": "rule:a"\n"a": "rule:b"\n"b": "rule:typo"',
     'typo'),
    ('"flavor_filter:bypass": "not rule:a"\n"a": "not rule:typo"', 'typo'),
    ('"flavor_filter:bypass": "rule:admin"\n"admin": "rule:typo"', 'typo'),
    ('"flavor_filter:bypass": "rule:admin_or_owner"\n'
     '"admin_or_owner": "rule:admin or rule:typo"', 'typo'),
    # Whatever "default" says.
    ('"flavor_filter:bypass": "rule:typo"\n"default": "@"', 'typo'),
    ('"flavor_filter:bypass": "rule:default"\n"default": "rule:typo"',
     'typo'),
    # Rules that go round in a circle.
    ('"flavor_filter:bypass": "rule:flavor_filter:bypass"', 'leads back'),
    ('"flavor_filter:bypass": "not rule:a"\n"a": "rule:b"\n"b": "rule:a"',
     'leads back'),
    # What cannot be parsed.
    ('"flavor_filter:bypass": "not admin"', 'cannot be parsed'),
    ('"flavor_filter:bypass": "role:member or admin"', 'cannot be parsed'),
    ('"flavor_filter:bypass": "role:member or"', 'cannot be parsed'),
    ('"flavor_filter:bypass": "(role:member"', 'cannot be parsed'),
    ('"flavor_filter:bypass": "! or"', 'cannot be parsed'),
    ('"flavor_filter:bypass": " "', 'cannot be parsed'),
    ('"flavor_filter:bypass": "\'a\':\'a\'"', 'cannot be parsed'),
    ('"flavor_filter:bypass": [["role:member", "admin"], ["member"]]',
     'cannot be parsed'),
    ('"flavor_filter:bypass": "not rule:a"\n"a": "role:x role:y"',
     'cannot be parsed'),
    ('"flavor_filter:bypass":', 'cannot be parsed'),
    ('"flavor_filter:bypass": false', 'cannot be parsed'),
    ('"flavor_filter:bypass": 0', 'cannot be parsed'),
    ('"flavor_filter:bypass": {}', 'cannot be parsed'),
    ('"flavor_filter:bypass": {"role": "member"}', 'cannot be parsed'),
    # A check that fails when it is asked.
    ('"flavor_filter:bypass": "not project_id:%(tenant"', 'check of it'),
    ('"flavor_filter:bypass": "not a..b:1"', 'check of it'),
    ('"flavor_filter:bypass": "not user_id.name:1"', 'check of it'),
    ('"flavor_filter:bypass": "not http://%(nosuch)s/"', 'check of it'),
    ('"flavor_filter:bypass": "not rule:a"\n"a": "http://%(nosuch)s/"',
     'check of it'),
    ('"flavor_filter:bypass": "not http://127.0.0.1:1/"', 'check of it'),
    ('"flavor_filter:bypass": "not broken:check"', 'check of it'),
    # Rules that say no.
    ('{}', ''),
    ('"flavor_filter:bypass": "!"', ''),
    ('"flavor_filter:bypass": "not @"', ''),
    ('"flavor_filter:bypass": [["!"]]', ''),
    ('"flavor_filter:bypass": "role:dba"', ''),
    ('"flavor_filter:bypass": "project_id:%(nosuch)s"', ''),
    ('"flavor_filter:bypass": "is_admin:True"', ''),
]

# Rules under which a member may bypass, as oslo.policy documents.
OPEN = [
    '"flavor_filter:bypass": "@"',
    '"flavor_filter:bypass": ""',
    '"flavor_filter:bypass": []',
    '"flavor_filter:bypass": "not !"',
    '"flavor_filter:bypass": "role:member"',
    '"flavor_filter:bypass": "! or (role:member and not role:admin)"',
    '"flavor_filter:bypass": [["role:nosuch"], ["role:member", "@"]]',
    '"flavor_filter:bypass": ["rule:default"]',
    '"flavor_filter:bypass": "rule:admin_or_owner"',
    '"flavor_filter:bypass": "rule:a or rule:a"\n"a": "tenant:%(tenant)s"',
    '{"flavor_filter:bypass": "rule:site:dba", "site:dba": "user:u"}',
    '"flavor_filter:bypass": "older:u"',
    '"flavor_filter:bypass": "! or (older:u and not older:v)"',
]


class BrokenCheck(policy.Check):
    """A site's own check, with a bug."""

    def __call__(self, target, creds, enforcer, current_rule=None):
        raise SystemError('no such thing')


class OlderCheck(policy.Check):
    """A site's own check, as they were before they were told the rule."""

    def __call__(self, target, creds, enforcer):
        return creds['user_id'] == self.match


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """A process that has as many open files as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open(os.devnull, os.O_RDONLY)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class PolicyTestCase(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.logged = self.useFixture(fixtures.FakeLogger(
            name='trove_flavor_filter', format='%(message)s',
            nuke_handlers=False))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = self.folder / 'policy.yaml'

    def load(self, text: str | None = None,
             trove_conf: str = '') -> rules.Policy:
        if text is not None:
            self.file.write_text(text)
        path = self.folder / 'trove.conf'
        path.write_text(f'{trove_conf}\n[oslo_policy]\n'
                        f'policy_file = {self.file}\n')
        self.conf = base.config.load({'oslo_config_file': str(path)})
        return rules.Policy(self.conf)

    def caller(self, *roles: str) -> context.RequestContext:
        return context.RequestContext(
            user_id='u', project_id='p', roles=list(roles))

    def lines(self) -> list[str]:
        return self.logged.output.splitlines()


class RuleTest(PolicyTestCase):

    def setUp(self) -> None:
        super().setUp()
        policy.register('broken', BrokenCheck)
        policy.register('older', OlderCheck)

    def test_what_is_not_plainly_allowed_is_nobodys(self):
        for text, named in CLOSED:
            self.logged.reset_output()
            asked = self.load(text)
            for _time in range(3):
                for roles in (('member',), ()):
                    self.assertFalse(asked.allows(
                        self.caller(*roles), rules.BYPASS), text)
            found = [line for line in self.lines()
                     if f'"{rules.BYPASS}"' in line]
            if named:
                # Once, however often it is asked.
                self.assertEqual(1, len(found), (text, self.lines()))
                self.assertIn(named, found[0], text)
            else:
                self.assertEqual([], found, text)

    def test_a_rule_that_cannot_be_decided_is_no_admins_either(self):
        for text, named in CLOSED:
            if named:
                self.assertFalse(self.load(text).allows(
                    self.caller('admin', 'member'), rules.BYPASS), text)

    def test_what_is_allowed_stays_so(self):
        for text in OPEN:
            self.assertTrue(self.load(text).allows(
                self.caller('member'), rules.BYPASS), text)
        self.assertEqual([], self.lines())

    def test_a_typo_in_the_rule_for_admins_makes_nobody_one(self):
        for text in ('rule:admim', 'not rule:admim', 'admin', 'not admin'):
            asked = self.load(f'"context_is_admin": "{text}"\n')
            for role in ('member', 'admin'):
                self.assertFalse(asked.is_admin(self.caller(role)), text)
            self.assertIn('"context_is_admin"', self.logged.output)

    def test_a_default_rule_of_another_name_opens_nothing(self):
        asked = self.load(
            '"everybody": "@"\n"flavor_filter:bypass": "rule:typo"\n'
            '"context_is_admin": "rule:typo"\n')
        self.conf.set_override('policy_default_rule', 'everybody',
                               'oslo_policy')
        asked = rules.Policy(self.conf)
        self.assertFalse(asked.allows(self.caller('member'),
                                      rules.BYPASS))
        self.assertFalse(asked.is_admin(self.caller('member')))

    def test_the_scope_of_a_token_goes_by_both_names(self):
        asked = self.load('"flavor_filter:bypass": '
                          '"system:all and system_scope:all"\n')
        ctx = context.RequestContext(user_id='u', system_scope='all')
        self.assertTrue(asked.allows(ctx, rules.BYPASS))
        self.assertFalse(asked.allows(self.caller(), rules.BYPASS))

    def test_a_rule_that_nobody_defines_is_no(self):
        self.assertFalse(self.load('{}').allows(
            self.caller('admin'), 'flavor_filter:no:such'))

    def test_rules_that_are_sound_go_on_beside_one_that_is_not(self):
        asked = self.load('"flavor_filter:bypass": "rule:typo"\n')
        self.assertTrue(asked.allows(self.caller('member'), rules.LIST))
        self.assertTrue(asked.is_admin(self.caller('admin')))

    def test_a_server_that_decides_is_told_the_rule(self):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers['Content-Length'])
                asked.append(self.rfile.read(length).decode())
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'True')

            def log_message(self, *_arguments):
                pass

        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        remote = self.load(f'"flavor_filter:bypass": "rule:a"\n'
                           f'"a": "http://127.0.0.1:{server.server_port}/"')
        self.assertTrue(remote.allows(self.caller('member'),
                                      rules.BYPASS))
        self.assertIn('flavor_filter', asked[0])


class AdminRolesTest(PolicyTestCase):

    def test_they_are_compared_as_trove_compares_them(self):
        # Trove lowers the role of the caller, and not its own option.
        for option, role, is_admin in (
                ('dbadmin', 'dbadmin', True), ('dbadmin', 'DBAdmin', True),
                ('DBAdmin', 'DBAdmin', False), ('DBAdmin', 'dbadmin', False),
                ('a, dbadmin', 'dbadmin', True), ('a', 'admin', False)):
            asked = self.load('{}', f'[DEFAULT]\nadmin_roles = {option}\n')
            self.assertEqual(is_admin, asked.is_admin(
                self.caller('member', role)), (option, role))


class OlderRuleTest(RuleTest):
    """With oslo.policy before 5.0, where two checks are never equal."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'oslo_policy._checks.BaseCheck.__eq__', object.__eq__))


class FileTest(PolicyTestCase):

    restricted = '"flavor_filter:flavors:list": "role:dba"\n'

    def allowed(self, asked: rules.Policy) -> bool:
        return asked.allows(self.caller('member'), rules.LIST)

    def test_a_change_is_seen_by_the_next_request(self):
        asked = self.load('{}')
        self.assertTrue(self.allowed(asked))
        self.file.write_text(self.restricted)
        self.assertFalse(self.allowed(asked))
        self.file.write_text('"flavor_filter:flavors:list": "rule:typo"')
        self.assertFalse(self.allowed(asked))
        self.assertEqual(1, len(self.lines()))
        self.file.write_text('{}')
        self.assertTrue(self.allowed(asked))

    def test_an_older_file_that_is_put_back_is_seen(self):
        asked = self.load('{}')
        older = self.folder / 'older.yaml'
        older.write_text(self.restricted)
        os.utime(older, (1, 1))
        os.replace(older, self.file)
        self.assertFalse(self.allowed(asked))

    def test_changes_within_one_tick_of_the_clock_are_seen(self):
        # Of a file system whose clock stands still: the same inode, size
        # and times after each change.
        exact = os.stat

        def coarse(*arguments, **named):
            found = exact(*arguments, **named)
            return types.SimpleNamespace(
                st_mode=found.st_mode, st_ino=found.st_ino,
                st_size=found.st_size, st_mtime_ns=10 ** 18,
                st_ctime_ns=10 ** 18)

        self.load('{}')
        now = 10 ** 18 + 10 ** 9
        asked = rules.Policy(self.conf, lambda: now)
        for turn in range(10):
            text = ('"flavor_filter:flavors:list": "role:dba"',
                    '"flavor_filter:flavors:list": "rule:admin_or_owner"')
            self.file.write_text(f'{text[turn % 2]:60}')
            with fixtures.MonkeyPatch('os.stat', coarse):
                allowed = self.allowed(asked)
            self.assertEqual(bool(turn % 2), allowed, turn)

    def test_a_file_that_is_added_is_seen_by_the_next_request(self):
        asked = self.load()
        self.assertTrue(self.allowed(asked))
        self.file.write_text(self.restricted)
        self.assertFalse(self.allowed(asked))

    def test_a_file_that_is_removed_leaves_the_default_rules(self):
        asked = self.load(self.restricted)
        self.assertFalse(self.allowed(asked))
        self.file.unlink()
        self.assertTrue(self.allowed(asked))
        self.assertEqual([], self.lines())

    def test_a_folder_that_is_removed_holds_up_no_change(self):
        folder = self.folder / 'policy.d'
        folder.mkdir()
        asked = self.load('{}')
        self.assertTrue(self.allowed(asked))
        folder.rmdir()
        self.file.write_text(self.restricted)
        self.assertFalse(self.allowed(asked))
        self.assertEqual([], self.lines())

    def test_json_is_read_as_well(self):
        self.file = self.folder / 'policy.json'
        self.assertFalse(self.allowed(self.load(
            json.dumps({'flavor_filter:flavors:list': 'role:dba'}))))

    def test_no_file_at_all_is_the_defaults(self):
        asked = self.load()
        self.assertTrue(self.allowed(asked))
        self.assertFalse(asked.allows(self.caller('admin'), rules.BYPASS))
        self.assertEqual([], self.lines())

    # What stands in the place of a policy file.
    UNUSABLE = {
        'a list': lambda path: path.write_text('- a'),
        'a text': lambda path: path.write_text('rules'),
        'no YAML': lambda path: path.write_text('"a": "b'),
        'no UTF-8': lambda path: path.write_bytes(b'"a": "\xe9"'),
        'a number': lambda path: path.write_text('"instance:index": 5'),
        'a deep rule': lambda path: path.write_text(
            f'"a": "{"not " * 9000}role:a"'),
        'a long chain': lambda path: path.write_text(''.join(
            f'"a{number}": "rule:a{number + 1}"\n'
            for number in range(5000)) + '"a5000": "@"\n'),
        'a folder': lambda path: path.mkdir(),
        'a pipe': lambda path: os.mkfifo(path),
        'a device': lambda path: path.symlink_to('/dev/zero'),
    }

    def test_without_a_usable_file_nobody_may_do_anything(self):
        for name, make in self.UNUSABLE.items():
            self.file = self.folder / f'{name}.yaml'
            make(self.file)
            self.logged.reset_output()
            asked = self.load()
            for _time in range(3):
                self.assertFalse(self.allowed(asked), name)
                self.assertFalse(asked.is_admin(self.caller('admin')), name)
            self.assertEqual(1, len(self.lines()), self.logged.output)
            self.assertIn(str(self.file), self.lines()[0])
            self.assertIn('all requests are denied', self.lines()[0])

    def test_when_it_becomes_unusable_nobody_may_do_anything(self):
        for name, make in self.UNUSABLE.items():
            self.file = self.folder / f'{name}.yaml'
            asked = self.load(self.restricted)
            self.assertTrue(asked.allows(self.caller('dba'), rules.LIST))
            self.file.unlink()
            make(self.file)
            self.logged.reset_output()
            for _time in range(3):
                for role in ('member', 'dba', 'admin'):
                    self.assertFalse(asked.allows(
                        self.caller(role), rules.LIST), name)
            self.assertEqual(1, len(self.lines()), self.logged.output)
            self.assertIn(str(self.file), self.lines()[0])
            self.assertIn('all requests are denied', self.lines()[0])
            if self.file.is_dir():
                self.file.rmdir()
            else:
                self.file.unlink()
            self.file.write_text('{}')
            self.assertTrue(self.allowed(asked))

    def test_a_file_that_could_not_be_opened_is_tried_again(self):
        self.load(self.restricted)
        with no_more_files():
            asked = rules.Policy(self.conf)
            for _time in range(3):
                self.assertFalse(asked.allows(self.caller('dba'),
                                              rules.LIST))
        self.assertIn('Too many open files', self.lines()[0])
        self.assertEqual(1, len(self.lines()), self.logged.output)
        self.assertTrue(asked.allows(self.caller('dba'), rules.LIST))
        self.assertFalse(self.allowed(asked))

    def test_what_has_not_changed_needs_no_file_descriptor(self):
        folder = self.folder / 'policy.d'
        folder.mkdir()
        (folder / 'a.yaml').write_text(self.restricted)
        self.load('{}')
        asked = rules.Policy(self.conf, lambda: time.time_ns() + 10 ** 10)
        with no_more_files():
            self.assertFalse(self.allowed(asked))
            self.assertTrue(asked.allows(self.caller('dba'), rules.LIST))
            os.rename(folder / 'a.yaml', folder / 'b.yaml')
            self.assertFalse(asked.allows(self.caller('dba'), rules.LIST))
        self.assertTrue(asked.allows(self.caller('dba'), rules.LIST))

    def test_folders_of_rules_are_read_and_watched(self):
        policy_d = self.folder / 'policy.d'
        policy_d.mkdir()
        inside = policy_d / '10-site.yaml'
        inside.write_text(self.restricted)
        asked = self.load('{}')
        self.assertFalse(self.allowed(asked))
        inside.write_text('"flavor_filter:flavors:list": "not rule:typo"')
        self.assertFalse(self.allowed(asked))
        self.assertIn('typo', self.logged.output)
        inside.write_text('"flavor_filter:flavors:list": "role:member"')
        self.assertTrue(self.allowed(asked))
        os.mkfifo(policy_d / '20-pipe.yaml')
        self.assertFalse(self.allowed(asked))
        self.assertIn('20-pipe.yaml', self.lines()[-1])
        (policy_d / '20-pipe.yaml').unlink()
        self.assertTrue(self.allowed(asked))

    def test_threads_never_see_half_of_a_load(self):
        # While it loads, oslo.policy has no rules but those of the file.
        texts = [f'"default": "@"\n"x{number}": "@"\n' * 50
                 for number in range(2)]
        asked = self.load(texts[0])
        allowed, done = [], threading.Event()

        def ask():
            while not done.is_set():
                if asked.allows(self.caller('member'), rules.BYPASS):
                    allowed.append(True)

        threads = [threading.Thread(target=ask) for _number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(60):
            spare = self.folder / 'spare'
            spare.write_text(texts[number % 2])
            os.replace(spare, self.file)
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual([], allowed)


class CheckTest(PolicyTestCase):
    """What "upgrade check" says of the rules."""

    def check(self, text: str | None = None) -> tuple[str, str]:
        """The result of the check, and its details."""
        self.load(text)
        found = status.Checks(self.conf, 'trove-flavor-filter-status').policy()
        return found.code.name, found.details or ''

    def test_rules_that_are_sound_are_a_success(self):
        for text in ('{}', *OPEN):
            self.assertEqual(('SUCCESS', ''), self.check(text), text)

    def test_each_rule_that_holds_for_nobody_is_named_with_its_cure(self):
        for text, named in CLOSED:
            # A check that fails when it is asked is not asked here.
            if named and named != 'check of it':
                result, details = self.check(text)
                self.assertEqual('FAILURE', result, text)
                self.assertIn(f'"{rules.BYPASS}"', details)
                self.assertIn(named, details)
                self.assertIn('Correct the rules in', details)
                self.assertIn(str(self.file), details)

    def test_so_is_a_rule_of_troves_that_the_plugin_asks(self):
        for text in ('rule:typo', 'admin', 'rule:context_is_admin'):
            result, details = self.check(f'"context_is_admin": "{text}"')
            self.assertEqual('FAILURE', result)
            self.assertIn('"context_is_admin"', details)
        # What it does not ask is Trove's.
        self.assertEqual(('SUCCESS', ''),
                         self.check('"instance:index": "rule:typo"'))

    def test_a_file_that_cannot_be_used_is_named(self):
        for name, make in FileTest.UNUSABLE.items():
            self.file = self.folder / f'{name}.yaml'
            make(self.file)
            result, details = self.check()
            self.assertEqual('FAILURE', result, name)
            self.assertIn(str(self.file), details)

    def test_a_file_that_is_named_and_not_there_is_a_warning(self):
        result, details = self.check()
        self.assertEqual('WARNING', result)
        self.assertIn(str(self.file), details)
        self.assertIn('default rules', details)
