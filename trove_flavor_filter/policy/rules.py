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

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import threading
import time

from oslo_config import cfg
from oslo_context import context
from oslo_log import log
from oslo_policy import policy

from trove_flavor_filter import exception
from trove_flavor_filter.policy import checks
from trove_flavor_filter.policy import files

LOG = log.getLogger(__name__)

LIST = 'flavor_filter:flavors:list'
LIST_FOR_INSTANCE = 'flavor_filter:instances:flavors'
LIST_VERSIONS = 'flavor_filter:instances:datastore_versions'
BYPASS = 'flavor_filter:bypass'
TROVES_LIST = 'datastore:list_associated_flavors'
SHOW_REQUIREMENTS = 'flavor_filter:requirements:show'
UPDATE_REQUIREMENTS = 'flavor_filter:requirements:update'
LIST_VIOLATIONS = 'flavor_filter:violations:list'

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
            'method': 'GET'}, {
            'path': '/v1.0/{tenant_id}/flavors/datastores/{datastore}',
            'method': 'GET'}]),
    policy.DocumentedRuleDefault(
        name=LIST_FOR_INSTANCE,
        check_str='rule:admin_or_owner',
        description='List the flavors that an instance may be resized to.',
        operations=[{
            'path': '/v1.0/{tenant_id}/instances/{id}/flavors',
            'method': 'GET'}]),
    policy.DocumentedRuleDefault(
        name=LIST_VERSIONS,
        check_str='rule:admin_or_owner',
        description='List the datastore versions that an instance may be '
                    'upgraded to.',
        operations=[{
            'path': '/v1.0/{tenant_id}/instances/{id}/datastore-versions',
            'method': 'GET'}]),
    policy.DocumentedRuleDefault(
        name=BYPASS,
        check_str='!',
        description='Run a database on a flavor or with a data volume that '
                    'its datastore version does not allow. By default, '
                    'nobody is permitted to. A check can refer to '
                    '"project_id" of the owner, "datastore", '
                    '"datastore_version" (names), "datastore_version_id", '
                    '"flavor_id" and "action" (create, resize, '
                    'resize_volume, upgrade, grow, add_shard, access, '
                    'configuration and so on).',
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
            {'path': '/v1.0/{tenant_id}/mgmt/instances', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/mgmt/instances/{id}',
             'method': 'PUT'},
            {'path': '/v1.0/{tenant_id}/mgmt/instances/{id}/edit',
             'method': 'GET'},
            {'path': '/v1.0/{tenant_id}/mgmt/clusters', 'method': 'POST'},
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
    policy.DocumentedRuleDefault(
        name=LIST_VIOLATIONS,
        check_str='rule:admin',
        description='List the instances with a flavor or a data volume that '
                    'their datastore version does not allow.',
        operations=[{
            'path': '/v1.0/{tenant_id}/mgmt/flavor-requirement-violations',
            'method': 'GET'}]),
]

DEFAULTS = [*BASE_RULES, *RULES]


class Policy:
    """Enforces the rules of the deployment's policy files.

    Each request is decided by the files as they are at that moment, as by a
    process that has just started. While one of them cannot be read or is
    invalid, all requests are refused.

    :param conf: ``[oslo_policy]`` names the files
    :param now: the time in nanoseconds since the epoch
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 now: Callable[[], int] = time.time_ns):
        self._conf = conf
        self._admin_roles = frozenset(conf.admin_roles)
        self._files = files.PolicyFiles(conf, now)
        self._loading = threading.Lock()
        self._contents: files.Contents | None = None
        self._problem = ''
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
        owner = ({'project_id': owner_id, 'tenant': owner_id} if owner_id
                 else {})
        return self.permitted(ctx, rule, [owner])[0]

    def permitted(self, ctx: context.RequestContext, rule: str,
                  targets: Iterable[Mapping[str, str]]) -> list[bool]:
        """Whether a rule holds for a caller, for each of several targets.

        :param targets: what a rule may refer to, by name
        """
        rules, values = self._current(), _values(ctx)
        values['is_admin'] = self._is_admin(rules, values)
        return [rules.hold(rule, values, target)
                for target in targets]

    def is_admin(self, ctx: context.RequestContext) -> bool:
        """Whether Trove treats this caller as an admin.

        As Trove's ContextMiddleware does: by ``[DEFAULT] admin_roles`` if
        that is set, otherwise by the rule ``context_is_admin``.
        """
        return self._is_admin(self._current(), _values(ctx))

    def _is_admin(self, rules: checks.Rules,
                  values: checks.Values) -> bool:
        if self._admin_roles:
            # Trove lowercases the caller's roles, but not its own option.
            return any(role.lower() in self._admin_roles
                       for role in values['roles'])
        return rules.hold('context_is_admin', values)

    def _current(self) -> checks.Rules:
        """The rules in force, loaded again if a file has changed."""
        with self._loading:
            contents = None
            try:
                contents = self._files.read()
                if contents != self._contents:
                    self._rules = load(self._conf, contents)
                    self._problem = ''
                    for problem in describe(self._rules):
                        LOG.error('%s. It denies access to everybody.',
                                  problem)
            except exception.PolicyUnusable as error:
                self._rules = checks.Rules({}, _enforcer(self._conf))
                if str(error) != self._problem:
                    self._problem = str(error)
                    LOG.error('The policy cannot be loaded, so all requests '
                              'are denied: %s', error)
            # Without contents, the next request tries again.
            self._contents = contents
            return self._rules


def _values(ctx: context.RequestContext) -> checks.Values:
    # Rules written for older releases of Trove use "tenant" and "user". The
    # token is not among these values, so it cannot reach a log.
    return dict(ctx.to_policy_values(), is_admin=False,
                tenant=ctx.project_id, user=ctx.user_id,
                # oslo.policy's enforcer uses this name.
                **({'system': ctx.system_scope} if ctx.system_scope else {}))


def load(conf: cfg.ConfigOpts,
         contents: files.Contents) -> checks.Rules:
    """The rules in the deployment's files, and defaults for all others.

    :param contents: as ``PolicyFiles.read`` returns it
    :raises PolicyUnusable: a file is invalid; the message names it
    """
    rules = {rule.name: rule for rule in DEFAULTS}
    for path, data in contents:
        rules |= files.rules_in(path, data)
    try:
        return checks.Rules(rules, _enforcer(conf))
    except Exception as error:
        # A chain of rules may be too long, and a check third-party code.
        raise exception.PolicyUnusable(
            ', '.join(path for path, _data in contents), error) from error


def problems(conf: cfg.ConfigOpts) -> list[str]:
    """The problems of the rules that the plugin checks, a text each.

    :raises PolicyUnusable: a file cannot be used; the message names it
    """
    return describe(load(conf, files.PolicyFiles(conf).read()))


def describe(rules: checks.Rules) -> list[str]:
    """As :func:`problems`, of rules that have been loaded."""
    return [f'Policy rule "{rule.name}" {rules.problems[rule.name]}'
            for rule in sorted(DEFAULTS, key=lambda rule: rule.name)
            if rule.name in rules.problems]


def _enforcer(conf: cfg.ConfigOpts) -> policy.Enforcer:
    """An enforcer that reads no file, and for which no rule is the default."""
    return policy.Enforcer(conf, default_rule=checks.NOBODY,
                           use_conf=False)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """For oslopolicy-sample-generator: the rules that the plugin adds."""
    return RULES


def get_enforcer() -> policy.Enforcer:
    """For oslo.policy's own commands, oslopolicy-validator and others."""
    # They read the global configuration as well as the enforcer's.
    cfg.CONF([], project='trove')
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults(DEFAULTS)
    return enforcer
