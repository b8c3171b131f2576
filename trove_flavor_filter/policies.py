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

"""The policy rules, and who is asked whether they hold."""

from oslo_config import cfg
from oslo_context import context
from oslo_policy import policy

from trove_flavor_filter import exception

LIST = 'flavor_filter:flavors:list'
BYPASS = 'flavor_filter:bypass'

# Trove's base rules, under Trove's names: the policy file is the
# deployment's one, and what it says of them holds here too.
BASE_RULES: list[policy.RuleDefault] = [
    policy.RuleDefault('context_is_admin', 'role:admin'),
    policy.RuleDefault('admin', 'role:admin or is_admin:True'),
    policy.RuleDefault('admin_or_owner',
                       'rule:admin or project_id:%(tenant)s'),
    policy.RuleDefault('default', 'rule:admin_or_owner'),
    # For clouds that go by Keystone's own roles.
    policy.RuleDefault('project_reader',
                       'role:reader and project_id:%(project_id)s'),
    policy.RuleDefault('project_reader_or_admin',
                       'rule:project_reader or rule:admin'),
]

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
        name=BYPASS,
        check_str='!',
        description='Run a database on a flavor that its datastore version '
                    'does not allow. By default nobody may.',
        operations=[
            {'path': '/v1.0/{tenant_id}/instances', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/instances/{id}', 'method': 'PUT'},
            {'path': '/v1.0/{tenant_id}/instances/{id}', 'method': 'PATCH'},
            {'path': '/v1.0/{tenant_id}/instances/{id}/action',
             'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/clusters', 'method': 'POST'},
            {'path': '/v1.0/{tenant_id}/clusters/{id}', 'method': 'POST'},
        ]),
]


class Policy:
    """Decides by the deployment's own policy file.

    :param conf: names the file, in ``[oslo_policy]``
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._admin_roles = {role.lower() for role in conf.admin_roles}
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults([*BASE_RULES, *RULES])

    def authorize(self, ctx: context.RequestContext, rule: str) -> None:
        """Check that a rule holds for a caller, on the caller's own project.

        :raises Forbidden: when it does not
        """
        if not self.allows(ctx, rule):
            raise exception.Forbidden(
                f'Policy does not allow {rule} to be performed.')

    def allows(self, ctx: context.RequestContext, rule: str) -> bool:
        """Whether a rule holds for a caller, on the caller's own project."""
        values = self._values(ctx) | {'is_admin': self.is_admin(ctx)}
        target = {'tenant': ctx.project_id, 'project_id': ctx.project_id}
        return self._enforcer.authorize(rule, target, values)

    def is_admin(self, ctx: context.RequestContext) -> bool:
        """Whether Trove takes this caller for an admin.

        As Trove's ContextMiddleware does: by ``[DEFAULT] admin_roles`` where
        that is set, by the rule ``context_is_admin`` otherwise.
        """
        if self._admin_roles:
            return any(role.lower() in self._admin_roles
                       for role in ctx.roles)
        return self._enforcer.authorize(
            'context_is_admin', {'tenant': ctx.project_id},
            self._values(ctx))

    @staticmethod
    def _values(ctx: context.RequestContext) -> dict[str, object]:
        # "tenant" and "user" are what rules written for older Troves say.
        # The token is not among these values, so it cannot reach a log.
        return dict(ctx.to_policy_values(),
                    tenant=ctx.project_id, user=ctx.user_id)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """For oslopolicy-sample-generator: the rules that the plugin adds."""
    return RULES


def get_enforcer() -> policy.Enforcer:
    """For oslo.policy's own commands, oslopolicy-validator and others."""
    # They read the global configuration beside the enforcer's.
    cfg.CONF([], project='trove')
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults([*BASE_RULES, *RULES])
    return enforcer
