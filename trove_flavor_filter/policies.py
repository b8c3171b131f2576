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

"""The policy rules, and how they are enforced."""

from collections.abc import Iterator
import contextlib
import inspect
import logging
import os
import threading
import time
import typing

from oslo_config import cfg
from oslo_context import context
from oslo_log import log
from oslo_policy import policy

from trove_flavor_filter.deployment import files
from trove_flavor_filter import exception

LOG = log.getLogger(__name__)

LIST = 'flavor_filter:flavors:list'
LIST_FOR_INSTANCE = 'flavor_filter:instances:flavors'
BYPASS = 'flavor_filter:bypass'
TROVES_LIST = 'datastore:list_associated_flavors'
SHOW_REQUIREMENTS = 'flavor_filter:requirements:show'
UPDATE_REQUIREMENTS = 'flavor_filter:requirements:update'

# Trove's rules that the plugin checks, with Trove's names and defaults. There
# is one policy file for both, so an override in it applies here too.
BASE_RULES: list[policy.RuleDefault] = [
    policy.RuleDefault('context_is_admin', 'role:admin'),
    policy.RuleDefault('admin', 'role:admin or is_admin:True'),
    policy.RuleDefault('admin_or_owner',
                       'rule:admin or project_id:%(tenant)s'),
    policy.RuleDefault('default', 'rule:admin_or_owner'),
    policy.RuleDefault(TROVES_LIST, ''),
    # For clouds that use Keystone's default roles.
    policy.RuleDefault('project_reader',
                       'role:reader and project_id:%(project_id)s'),
    policy.RuleDefault('project_reader_or_admin',
                       'rule:project_reader or rule:admin'),
]

_OF_ONE = ('/v1.0/{tenant_id}/mgmt/datastore-versions/'
           '{datastore_version_id}/flavor-requirement')
_OF_ALL = '/v1.0/{tenant_id}/mgmt/flavor-requirements'

RULES = [
    policy.DocumentedRuleDefault(
        name=LIST,
        check_str='rule:admin_or_owner',
        description='List the flavors that a datastore version allows.',
        operations=[{
            'path': '/v1.0/{tenant_id}/flavors/datastores/versions/'
                    '{datastore_version_id}',
            'method': 'GET'}]),
    policy.DocumentedRuleDefault(
        name=LIST_FOR_INSTANCE,
        check_str='rule:admin_or_owner',
        description='List the flavors that an instance may be resized to.',
        operations=[{
            'path': '/v1.0/{tenant_id}/instances/{id}/flavors',
            'method': 'GET'}]),
    policy.DocumentedRuleDefault(
        name=BYPASS,
        check_str='!',
        description='Run a database on a flavor that its datastore version '
                    'does not allow. By default, nobody is permitted to.',
        operations=[
            {'path': '/v1.0/{tenant_id}/instances', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/instances/{id}', 'method': 'PUT'},
            {'path': '/v1.0/{tenant_id}/instances/{id}', 'method': 'PATCH'},
            {'path': '/v1.0/{tenant_id}/instances/{id}/action',
             'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/clusters', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/clusters/{id}', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/configurations/{id}',
             'method': 'PUT'},
            {'path': '/v1.0/{tenant_id}/configurations/{id}',
             'method': 'PATCH'},
        ]),
    policy.DocumentedRuleDefault(
        name=SHOW_REQUIREMENTS,
        check_str='rule:admin',
        description='Show the flavor requirements of datastore versions.',
        operations=[
            {'path': _OF_ONE, 'method': 'GET'},
            {'path': _OF_ALL, 'method': 'GET'},
        ]),
    policy.DocumentedRuleDefault(
        name=UPDATE_REQUIREMENTS,
        check_str='rule:admin',
        description='Change the flavor requirements of datastore versions.',
        operations=[
            {'path': _OF_ONE, 'method': 'PUT'},
            {'path': _OF_ONE, 'method': 'DELETE'},
            {'path': _OF_ALL, 'method': 'PUT'},
        ]),
]


# A check that never holds.
NOBODY: typing.Any = policy.RuleDefault('nobody', '!').check

# Seconds between two searches for policy files. Those that were found are
# looked at on each request.
SEARCH = 1

Values = dict[str, typing.Any]

# The existing paths that [oslo_policy] names, and whether each is a folder.
Paths = dict[str, bool]

# For each of these paths: the files to read, each with
# a stamp that changes whenever the file does.
State = dict[str, tuple[tuple[str, tuple[int, ...]], ...]]


class Policy:
    """Enforces the rules of the deployment's policy file.

    If a file changes, the next request uses the new rules; if one is added,
    the requests from a second later do. If a file is invalid, the rules
    loaded before stay in force. If none were loaded, all requests are
    refused.

    :param conf: ``[oslo_policy]`` names the file
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._admin_roles = frozenset(conf.admin_roles)
        self._loading = threading.Lock()
        self._rules = Rules(new_enforcer(conf, use_conf=False))
        self._loaded: State = {}
        self._seen: State | None = None
        self._paths: Paths = {}
        self._searched = float('-inf')
        self._current()

    def authorize(self, ctx: context.RequestContext, rule: str,
                  owner_id: str | None = None) -> None:
        """Check that a rule holds for a caller.

        :param owner_id: the project that owns the resource; None for the
            caller's own
        :raises Forbidden: it does not
        """
        if not self.allows(ctx, rule, owner_id):
            raise exception.Forbidden(
                f'Policy does not allow {rule} to be performed.')

    def allows(self, ctx: context.RequestContext, rule: str,
               owner_id: str | None = None) -> bool:
        """Whether a rule holds for a caller; see :meth:`authorize`."""
        rules, values = self._current(), _values(ctx)
        values['is_admin'] = self._is_admin(rules, values)
        return rules.hold(rule, values, owner_id)

    def is_admin(self, ctx: context.RequestContext) -> bool:
        """Whether Trove treats this caller as an admin.

        As Trove's ContextMiddleware does: by ``[DEFAULT] admin_roles`` if
        that is set, otherwise by the rule ``context_is_admin``.
        """
        return self._is_admin(self._current(), _values(ctx))

    def _is_admin(self, rules: 'Rules', values: Values) -> bool:
        if self._admin_roles:
            # Trove lowercases the caller's roles, but not its own option.
            return any(role.lower() in self._admin_roles
                       for role in values['roles'])
        return rules.hold('context_is_admin', values)

    def _current(self) -> 'Rules':
        """The rules in force, reloaded if a file has changed."""
        now = time.monotonic()
        if now - self._searched >= SEARCH:
            self._paths, self._searched = find_paths(self._conf), now
        state = state_of(self._paths)
        if state != self._seen:
            with self._loading:
                if state != self._seen:
                    self._load(state)
                    self._seen = state
        return self._rules

    def _load(self, state: State) -> None:
        try:
            # Without the file, the defaults would replace its rules.
            if gone := self._loaded.keys() - state.keys():
                raise exception.PolicyUnusable(
                    ', '.join(sorted(gone)), 'no longer there')
            rules = load(self._conf, state)
        except exception.PolicyUnusable as error:
            LOG.error('The policy cannot be loaded, so %s: %s',
                      'the rules loaded before stay in force'
                      if self._seen is not None and self._loaded
                      else 'all requests are denied', error)
            return
        self._rules, self._loaded = rules, state
        for problem in rules.problems():
            LOG.error('%s. It denies access to everybody.', problem)


class Rules:
    """The rules as loaded at one time, with references to rules resolved.

    oslo.policy replaces an undefined rule by the rule "default", which in
    Trove holds for every member of a project. It replaces a word that it
    cannot parse by a check that never holds, and "not" inverts that. Here, a
    rule that contains either denies access to everybody.

    :param enforcer: with the files and the defaults loaded
    """

    def __init__(self, enforcer: policy.Enforcer):
        self._rules = enforcer.rules
        self._written = enforcer.file_rules
        self._checks: dict[str, typing.Any] = {}
        self._problems: dict[str, str] = {}
        for name in self._rules:
            self._resolve(name, ())
        # From here on, the enforcer reads no file.
        enforcer.set_rules(self._checks, use_conf=False)
        self._enforcer = enforcer
        self._told: set[str] = set()

    def problems(self) -> list[str]:
        """The problems of the rules that the plugin checks, a text each."""
        return [f'Policy rule "{name}" {problem}'
                for name, problem in sorted(self._problems.items())
                if name in self._enforcer.registered_rules]

    def hold(self, name: str, values: Values,
             owner_id: str | None = None) -> bool:
        """Whether a rule holds for a caller.

        :param values: the caller's credentials, from the token
        :param owner_id: the project that owns the resource; None for the
            caller's own
        """
        owner_id = owner_id or values['project_id']
        target = {'tenant': owner_id, 'project_id': owner_id}
        try:
            return bool(self._checks.get(name, NOBODY)(
                target, values, self._enforcer, name))
        except Exception as error:
            # A check may call a server, or be third-party code.
            if name not in self._told:
                self._told.add(name)
                LOG.error('Policy rule "%s" does not hold, since a check of '
                          'it failed: %r', name, error)
            return False

    def _resolve(self, name: str, within: tuple[str, ...]) -> None:
        """Build the check of a rule, and of all rules that it refers to.

        :param within: the chain of rules that refer to this one
        """
        if name in self._checks:
            return
        try:
            rule = self._written.get(name)
            if rule is not None and not _is_understood(rule):
                raise _Undecidable(f'cannot be parsed: {rule.check_str!r}')
            check = self._put(self._rules[name], (*within, name))
        except _Undecidable as error:
            self._problems[name] = str(error)
            check = NOBODY
        self._checks[name] = check

    def _put(self, check: typing.Any, within: tuple[str, ...]) -> typing.Any:
        """A check with the rules that it refers to resolved."""
        if isinstance(check, policy.RuleCheck):
            name = check.match
            if name in within:
                raise _Undecidable(f'leads back to the rule "{name}"')
            if name not in self._rules:
                raise _Undecidable(
                    f'names the rule "{name}", which is not defined')
            self._resolve(name, within)
            if name in self._problems:
                raise _Undecidable(
                    f'names the rule "{name}", which {self._problems[name]}')
            return self._checks[name]
        if isinstance(check, policy.NotCheck):
            return _Not(self._put(check.rule, within))
        if isinstance(check, policy.AndCheck | policy.OrCheck):
            return (_All if isinstance(check, policy.AndCheck) else _Any)(
                [self._put(part, within) for part in check.rules])
        if len(inspect.getfullargspec(check.__call__).args) <= 4:
            # A check with the older signature, without the rule's name.
            return lambda *given: check(*given[:3])
        return check


# oslo.policy inspects the signature of a check on each call, which takes
# longer than the check itself. Rules inspects it once, when it loads.

class _Not(policy.NotCheck):
    """As oslo.policy's, but for the inspection."""

    def __call__(self, *given: typing.Any) -> bool:
        return not self.rule(*given)


class _All(policy.AndCheck):
    """As oslo.policy's, but for the inspection."""

    def __call__(self, *given: typing.Any) -> bool:
        return all(rule(*given) for rule in self.rules)


class _Any(policy.OrCheck):
    """As oslo.policy's, but for the inspection."""

    def __call__(self, *given: typing.Any) -> bool:
        return any(rule(*given) for rule in self.rules)


class _Undecidable(Exception):
    """The reason why a rule cannot be evaluated."""


def _is_understood(rule: policy.RuleDefault) -> bool:
    """Whether oslo.policy has parsed a rule completely.

    A part that it cannot parse becomes a check that never holds. A false
    value, such as null, becomes a check that always holds.
    """
    text: typing.Any = rule.check_str
    if isinstance(text, str):
        words = [word.strip('()') for word in text.split()]
    elif isinstance(text, list):
        # The older syntax: a list of lists.
        words = [word for part in text if part
                 for word in ([part] if isinstance(part, str) else part)]
    else:
        return False
    if rule.check == NOBODY:
        return words == ['!']
    return words.count('!') == _count_nobody(rule.check)


def _count_nobody(check: typing.Any) -> int:
    if isinstance(check, policy.NotCheck):
        return _count_nobody(check.rule)
    if isinstance(check, policy.AndCheck | policy.OrCheck):
        return sum(map(_count_nobody, check.rules))
    return int(check == NOBODY)


def _values(ctx: context.RequestContext) -> Values:
    # Rules written for older releases of Trove use "tenant" and "user". The
    # token is not among these values, so it cannot reach a log.
    return dict(ctx.to_policy_values(), is_admin=False,
                tenant=ctx.project_id, user=ctx.user_id,
                # oslo.policy's enforcer uses this name.
                **({'system': ctx.system_scope} if ctx.system_scope else {}))


def find_paths(conf: cfg.ConfigOpts) -> Paths:
    """The policy file and the folders of policy files that exist now."""
    options = conf.oslo_policy
    return {path: is_folder for name, is_folder in (
        (options.policy_file, False),
        *((name, True) for name in options.policy_dirs))
        if (path := conf.find_file(name))}


def state_of(paths: Paths) -> State:
    """The files to read, and a stamp of each.

    :param paths: those that exist no longer are left out
    """
    return {path: tuple((inside, _stamp(inside)) for inside in (
        _files_in(path) if is_folder else [path]))
        for path, is_folder in paths.items() if _stamp(path)}


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


def load(conf: cfg.ConfigOpts, state: State) -> Rules:
    """Load the rules in the deployment's files, and defaults for all others.

    :param state: as :func:`state_of` returns it
    :raises PolicyUnusable: a file cannot be used; the message names it
    """
    for entries in state.values():
        for path, _changes in entries:
            _check_file(path)
    try:
        enforcer = new_enforcer(conf)
        with _without_tracebacks():
            enforcer.load_rules()
        return Rules(enforcer)
    except Exception as error:
        raise exception.PolicyUnusable(', '.join(state), error) from error


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Do not log oslo.policy's tracebacks of rules that it cannot parse.

    Rules reports each broken rule that the plugin checks in one line. Trove
    loads the same files itself.
    """
    parser = logging.getLogger('oslo_policy._parser')
    here = threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    parser.addFilter(elsewhere)
    try:
        yield
    finally:
        parser.removeFilter(elsewhere)


def problems(conf: cfg.ConfigOpts) -> list[str]:
    """The problems of the rules that the plugin checks, a text each.

    :raises PolicyUnusable: a file cannot be used; the message names it
    """
    return load(conf, state_of(find_paths(conf))).problems()


def _check_file(path: str) -> None:
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


def new_enforcer(conf: cfg.ConfigOpts,
                 use_conf: bool = True) -> policy.Enforcer:
    """An enforcer for which an undefined rule never holds."""
    enforcer = policy.Enforcer(conf, default_rule=NOBODY, use_conf=use_conf)
    enforcer.register_defaults([*BASE_RULES, *RULES])
    # Rules reports undefined rules that the plugin checks; others are Trove's.
    enforcer.skip_undefined_check = True
    return enforcer


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """For oslopolicy-sample-generator: the rules that the plugin adds."""
    return RULES


def get_enforcer() -> policy.Enforcer:
    """For oslo.policy's own commands, oslopolicy-validator and others."""
    # They read the global configuration as well as the enforcer's.
    cfg.CONF([], project='trove')
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults([*BASE_RULES, *RULES])
    return enforcer
