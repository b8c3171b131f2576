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

"""The rules of a policy as checks, in which an error denies access."""

from collections.abc import Mapping
import inspect
import typing

from oslo_log import log
from oslo_policy import policy

LOG = log.getLogger(__name__)

# A check that never holds.
NOBODY: typing.Any = policy.RuleDefault('nobody', '!').check

# The credentials of a caller.
Values = dict[str, typing.Any]


class Rules:
    """The rules as loaded at one time, with references to rules resolved.

    oslo.policy replaces an undefined rule by the rule "default", which in
    Trove holds for every member of a project. It replaces a word that it
    cannot parse by a check that never holds, and "not" inverts that. Here, a
    rule that contains either denies access to everybody.

    :param rules: all rules by name, those of the files before the defaults
    :param enforcer: for checks that need one; it gets the resolved rules
    """

    def __init__(self, rules: Mapping[str, policy.RuleDefault],
                 enforcer: policy.Enforcer):
        self._rules = rules
        self._enforcer = enforcer
        self._checks: dict[str, typing.Any] = {}
        self._told: set[str] = set()
        # Why a rule denies access to everybody, by its name.
        self.problems: dict[str, str] = {}
        for name in rules:
            self._resolve(name, ())
        enforcer.set_rules(self._checks)

    def hold(self, name: str, values: Values,
             target: Mapping[str, str] | None = None) -> bool:
        """Whether a rule holds for a caller.

        :param values: the caller's credentials, from the token
        :param target: what the rule may refer to, by name; the owner is the
            caller's project if it is not given
        """
        owner_id = values['project_id']
        target = {'tenant': owner_id, 'project_id': owner_id,
                  **(target or {})}
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
            rule = self._rules[name]
            if not _is_parsed(rule):
                raise _Undecidable(f'cannot be parsed: {rule.check_str!r}')
            check = self._put(rule.check, (*within, name))
        except _Undecidable as error:
            self.problems[name] = str(error)
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
            if name in self.problems:
                raise _Undecidable(
                    f'names the rule "{name}", which {self.problems[name]}')
            return self._checks[name]
        if isinstance(check, policy.NotCheck):
            return _Not(self._put(check.rule, within))
        if isinstance(check, policy.AndCheck | policy.OrCheck):
            return (_All if isinstance(check, policy.AndCheck) else _Any)(
                [self._put(part, within) for part in check.rules])
        if not callable(check):
            # Before oslo.policy 5.0, the check of a quoted text is the text.
            raise _Undecidable(f'cannot be parsed: {check!r}')
        if len(inspect.getfullargspec(check.__call__).args) <= 4:
            # A check with the older signature, without the rule's name.
            return lambda *given: check(*given[:3])
        return check


# oslo.policy inspects the signature of a check on each call, which takes four
# times as long as the check itself. Rules inspects it once, when it loads.

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


def _is_parsed(rule: policy.RuleDefault) -> bool:
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
    if _is_nobody(rule.check):
        return words == ['!']
    return words.count('!') == _count_nobody(rule.check)


def _count_nobody(check: typing.Any) -> int:
    if isinstance(check, policy.NotCheck):
        return _count_nobody(check.rule)
    if isinstance(check, policy.AndCheck | policy.OrCheck):
        return sum(map(_count_nobody, check.rules))
    return int(_is_nobody(check))


def _is_nobody(check: typing.Any) -> bool:
    # Before oslo.policy 5.0, two of them are not equal.
    return isinstance(check, type(NOBODY))
