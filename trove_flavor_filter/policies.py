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

"""The policy rules with their defaults, and how they are enforced."""

from collections.abc import Iterator
import contextlib
import logging
import threading

from oslo_config import cfg
from oslo_context import context
from oslo_log import log
from oslo_policy import policy

from trove_flavor_filter import exception
from trove_flavor_filter import policy_checks
from trove_flavor_filter import policy_files

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
        self._rules = policy_checks.Rules(new_enforcer(conf, use_conf=False))
        self._files = policy_files.PolicyFiles(conf)
        self._loaded: policy_files.State = {}
        self._seen: policy_files.State | None = None
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

    def _is_admin(self, rules: policy_checks.Rules,
                  values: policy_checks.Values) -> bool:
        if self._admin_roles:
            # Trove lowercases the caller's roles, but not its own option.
            return any(role.lower() in self._admin_roles
                       for role in values['roles'])
        return rules.hold('context_is_admin', values)

    def _current(self) -> policy_checks.Rules:
        """The rules in force, reloaded if a file has changed."""
        state = self._files.state()
        if state != self._seen:
            with self._loading:
                if state != self._seen:
                    self._load(state)
                    self._seen = state
        return self._rules

    def _load(self, state: policy_files.State) -> None:
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


def _values(ctx: context.RequestContext) -> policy_checks.Values:
    # Rules written for older releases of Trove use "tenant" and "user". The
    # token is not among these values, so it cannot reach a log.
    return dict(ctx.to_policy_values(), is_admin=False,
                tenant=ctx.project_id, user=ctx.user_id,
                # oslo.policy's enforcer uses this name.
                **({'system': ctx.system_scope} if ctx.system_scope else {}))


def load(conf: cfg.ConfigOpts,
         state: policy_files.State) -> policy_checks.Rules:
    """Load the rules in the deployment's files, and defaults for all others.

    :param state: as ``PolicyFiles.state`` returns it
    :raises PolicyUnusable: a file cannot be used; the message names it
    """
    for entries in state.values():
        for path, _changes in entries:
            policy_files.check(path)
    try:
        enforcer = new_enforcer(conf)
        with _without_tracebacks():
            enforcer.load_rules()
        return policy_checks.Rules(enforcer)
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
    return load(conf, policy_files.PolicyFiles(conf).state()).problems()


def new_enforcer(conf: cfg.ConfigOpts,
                 use_conf: bool = True) -> policy.Enforcer:
    """An enforcer for which an undefined rule never holds."""
    enforcer = policy.Enforcer(conf, default_rule=policy_checks.NOBODY,
                               use_conf=use_conf)
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
