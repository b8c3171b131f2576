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

"""trove-flavor-filter-status upgrade check: check the plugin's deployment."""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
import contextlib
import functools
import sys
import typing

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from trove_flavor_filter.cmd import base
from trove_flavor_filter.cmd import enable
from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import violations
from trove_flavor_filter.deployment import console_script
from trove_flavor_filter.deployment import paste_ini
from trove_flavor_filter import exception
from trove_flavor_filter import files
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.policy import rules
from trove_flavor_filter import requirement

DESCRIPTION = '''\
Check everything that the plugin depends on, and print what to do about each
problem. The checks cover:

* the table and its migrations, api-paste.ini, trove-manage and the policy
* Keystone and Nova
* associations with flavors that Nova no longer has
* requirements that no flavor can meet or that cannot be checked
* keys that older releases of the plugin ignore
* datastore versions that allow none of the existing flavors
* instances with a flavor or a volume that their datastore version does not
  allow

Nothing is changed. Run it on each host that runs trove-api, before and after
an upgrade of Trove or of the plugin, and whenever something seems wrong.
'''

EPILOG = '''\
Examples:
  trove-flavor-filter-status upgrade check
  trove-flavor-filter-status --config-file /etc/trove/trove.conf upgrade check
  trove-flavor-filter-status --config-dir /etc/trove/conf.d upgrade check
  trove-flavor-filter-status upgrade check --json
  trove-flavor-filter-status upgrade check --trove-manage /usr/bin/trove-manage

Exit codes: 0 all is well, 1 there are warnings but the plugin works, 2 a
problem stops the plugin from working, 255 the checks could not be run.
'''

# The maximum number of items of a kind that a result lists.
NAMED = 5

FILES = [
    cfg.StrOpt('paste-config', metavar='FILE',
               help='the paste file (default: the one that api_paste_config '
                    'in trove.conf names)'),
    cfg.StrOpt('trove-manage', metavar='FILE',
               help='the trove-manage script (default: the one in the '
                    'directory of this command, or else on PATH)'),
]


@base.prints(failed=255)
def main() -> int:
    """Run trove-flavor-filter-status with the process's arguments.

    :returns: the exit code, as defined by oslo.upgradecheck
    """
    conf = config.new()
    conf.register_cli_opts(FILES)
    conf.register_cli_opt(cfg.SubCommandOpt(
        'command', handler=lambda parsers: add_parser(
            parsers, Checks(conf, sys.argv[0]).check)))
    try:
        config.parse(conf, sys.argv[1:], 'trove-flavor-filter-status',
                     config.Defaults.of('trove-api'))
    except exception.Misconfigured as error:
        print(f'trove-flavor-filter-status: {error}', file=sys.stderr)
        return 255
    with base.output_only() as output:
        try:
            base.set_up_logging(conf)
        except exception.Misconfigured as error:
            print(f'trove-flavor-filter-status: {error}', file=sys.stderr)
            return 255
        # oslo.upgradecheck reads --json from this object.
        upgradecheck.CONF = conf
        with contextlib.redirect_stdout(output):
            return int(upgradecheck.run(conf))


def add_parser(parsers: typing.Any, check: Callable[[], int]) -> None:
    """Add ``upgrade check`` to a command line parser."""
    parser = parsers.add_parser(
        'upgrade', help='check everything that the plugin depends on',
        description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('check', choices=['check'],
                        help='the only action')
    parser.add_argument('--json', action='store_true',
                        help='print the results as JSON')
    for option in FILES:
        # The options may come before "upgrade" or after "check".
        parser.add_argument(f'--{option.name}', metavar=option.metavar,
                            help=option.help, default=argparse.SUPPRESS)
    parser.set_defaults(action_fn=check)


def _result(code: upgradecheck.Code,
            problems: Iterable[str]) -> upgradecheck.Result:
    """A result with this code, or success if there are no problems."""
    text = ' '.join(problems)
    return (upgradecheck.Result(code, text) if text
            else upgradecheck.Result(upgradecheck.Code.SUCCESS))


failure = functools.partial(_result, upgradecheck.Code.FAILURE)
warning = functools.partial(_result, upgradecheck.Code.WARNING)

Check = Callable[['Checks'], upgradecheck.Result]


def _guarded(check: Check) -> Check:
    """Decorate a check: return a failure or a warning instead of raising."""
    @functools.wraps(check)
    def guarded(self: 'Checks') -> upgradecheck.Result:
        try:
            # Where the log goes, it must not get between the results.
            with contextlib.redirect_stdout(sys.stderr):
                return check(self)
        except exception.NovaUnavailable:
            return warning(['This cannot be checked while Nova does not list '
                            'its flavors.'])
        except exception.FlavorFilterError as error:
            return failure([getattr(error, 'reason', str(error))])
        except Exception as error:
            # The other checks must run after any error.
            return failure([str(error) or type(error).__name__])
    return guarded


class Checks(upgradecheck.UpgradeCommands):
    """The checks, in the order in which they run.

    :param conf: Trove's configuration
    :param command: the path with which this process was started
    """

    display_title = 'trove-flavor-filter'

    def __init__(self, conf: cfg.ConfigOpts, command: str):
        super().__init__()
        self._conf = conf
        self._command = command

    @functools.cached_property
    def _database(self) -> engine.Database:
        return engine.Database(self._conf)

    @functools.cached_property
    def _flavors(self) -> dict[str, requirement.Flavor]:
        if isinstance(self._nova, exception.NovaUnavailable):
            raise self._nova
        return {flavor.id: flavor for flavor in self._nova}

    @functools.cached_property
    def _nova(self) -> (list[requirement.Flavor]
                        | exception.NovaUnavailable):
        """All flavors, fetched once; or the error if that failed."""
        try:
            return nova.NovaFlavors.for_command(self._conf).everything()
        except exception.NovaUnavailable as error:
            return error

    @functools.cached_property
    def _sees_all(self) -> bool:
        return nova.NovaFlavors.for_command(self._conf).sees_all()

    @functools.cached_property
    def _table(self) -> requirements.Requirements:
        return requirements.Requirements(
            self._database, config.storages(self._conf))

    @functools.cached_property
    def _requirements(self) -> list[
            tuple[requirement.Version, requirement.Requirement]]:
        return self._table.requirements()

    @functools.cached_property
    def _applicable(self) -> list[
            tuple[requirement.Version, requirement.Requirement]]:
        """The requirements, as far as they apply to instances."""
        without = self._table.without_volumes(
            [version.id for version, _wanted in self._requirements])
        return [(version, wanted.without_volume if version.id in without
                 else wanted) for version, wanted in self._requirements]

    @_guarded
    def table(self) -> upgradecheck.Result:
        # Alembic is slow to import.
        from trove_flavor_filter.db import migration
        return failure(migration.problems(self._database))

    @_guarded
    def pipeline(self) -> upgradecheck.Result:
        path = self._conf.paste_config or enable.paste_config(self._conf)
        text = files.read(path).decode('utf-8', 'surrogateescape')
        return failure(
            f'{path}: {problem}. "trove-flavor-filter enable" puts the '
            f'filter in its place; then restart trove-api.'
            for problem in paste_ini.problems(
                text, path, self._conf.flavor_filter.auth_filter))

    @_guarded
    def trove_manage(self) -> upgradecheck.Result:
        try:
            path = (self._conf.trove_manage
                    or enable.trove_manage(self._command))
        except exception.FlavorFilterError as error:
            return warning([f'{error}. trove-flavor-filter-manage has the '
                            f'subcommands as well.'])
        text = files.read(path).decode('utf-8', 'surrogateescape')
        try:
            _text, changes = console_script.enable(text)
            enable.require_plugin(text, path)
        except exception.FlavorFilterError as error:
            return warning([
                f'{path}: {error}. trove-flavor-filter-manage has the '
                f'subcommands as well.'])
        return warning([
            f'{path} does not have this release\'s subcommands; an upgrade '
            f'of Trove replaces it. Run "trove-flavor-filter enable". '
            f'Until then, trove-flavor-filter-manage has them.'
        ] if changes else [])

    @_guarded
    def policy(self) -> upgradecheck.Result:
        with config.config_errors('[oslo_policy]'):
            problems = rules.problems(self._conf)
        name = self._conf.oslo_policy.policy_file
        path = self._conf.find_file(name)
        if problems:
            return failure([
                *(f'{problem}. It denies access to everybody.'
                  for problem in problems),
                f'Correct the rules in {path or name}; trove-api reloads '
                f'them by itself.'])
        location = self._conf.get_location('policy_file', 'oslo_policy')
        return warning([
            f'There is no policy file {name}, which [oslo_policy] of '
            f'trove.conf names, so the default rules apply.'
        ] if path is None and location is not None
            and location.location == cfg.Locations.user else [])

    @_guarded
    def nova(self) -> upgradecheck.Result:
        if isinstance(self._nova, exception.NovaUnavailable):
            return failure([
                f'No flavors can be listed: {self._nova.reason}. Check '
                f'[service_credentials] in trove.conf, and Keystone and '
                f'Nova.'])
        return warning([] if self._sees_all else [
            f'{nova.UNSEEN}. To use such flavors, give the user of '
            f'[service_credentials] in trove.conf the admin role.'])

    @_guarded
    def stale(self) -> upgradecheck.Result:
        gone = [f'{flavor_id or "(one without a value)"} of {version}'
                for version, wanted in self._requirements
                for flavor_id in wanted.associated(self._flavors)
                if flavor_id not in self._flavors]
        unseen = ('' if not gone or self._sees_all else
                  'They may also be private flavors of other projects, which '
                  'Trove\'s service user cannot see. ')
        return warning([
            f'Nova no longer has {len(gone)} of the associated flavors: '
            f'{_some(gone)}. {unseen}"trove-manage '
            f'datastore-version-flavor-list --stale" lists them, and '
            f'"trove-manage datastore-version-flavor-delete" removes their '
            f'associations.'
        ] if gone else [])

    @_guarded
    def impossible(self) -> upgradecheck.Result:
        largest = self._conf.max_accepted_volume_size
        found = [f'{version}: {"; ".join(problems)}'
                 for version, wanted in self._applicable
                 if (problems := [
                     *wanted.contradictions,
                     *([f'min_volume {wanted.min_volume} is above '
                        f'max_accepted_volume_size {largest} in trove.conf']
                       if wanted.min_volume > largest else []),
                     *(f'{row} is invalid'
                       for row in wanted.malformed_rows
                       if wanted.is_unreadable)])]
        return _listed(
            found, 'No instance can meet the requirements of these datastore '
            'versions: {}. Use "trove-manage '
            'datastore-version-flavor-require" to change them.')

    @_guarded
    def extra_specs(self) -> upgradecheck.Result:
        requiring = [str(version) for version, wanted in self._requirements
                     if wanted.extra_specs]
        hidden = requiring and [
            flavor.name for flavor in self._flavors.values()
            if flavor.extra_specs is None]
        return warning([
            f'Nova does not show the extra specs of {len(hidden)} flavors to '
            f'Trove\'s service user, so that datastore versions that require '
            f'one do not allow them: {_some(requiring)}. Nova shows them '
            f'from microversion 2.61 on, to users whom its policy rule '
            f'os_compute_api:os-flavor-extra-specs:index permits.'
        ] if hidden else [])

    @_guarded
    def newer_keys(self) -> upgradecheck.Result:
        found = [str(version) for version, wanted in self._requirements
                 if wanted.extra_specs or wanted.on_trial
                 or wanted.min_volume or wanted.limits != wanted.minimums]
        return _listed(
            found, 'These datastore versions require maximums, extra specs '
            'or the size of a volume, or are on trial: {}. Hosts with an '
            'older release of the plugin ignore that, and allow more or '
            'refuse more. Make sure that every host that runs trove-api has '
            'this release.')

    @_guarded
    def on_trial(self) -> upgradecheck.Result:
        mode = config.enforcement(self._conf)
        trials = [str(version) for version, wanted in self._requirements
                  if wanted.on_trial]
        invalid = [
            f'{row} of {version}' for version, wanted in self._requirements
            for row in wanted.malformed_rows
            if row.startswith(f'{requirement.ENFORCEMENT}=')]
        return warning([
            *(['[flavor_filter] enforcement = warn in trove.conf: no request '
               'is refused, and what would be is logged.']
              if mode == config.WARN else []),
            *([f'The requirements of these datastore versions are on trial: '
               f'{_some(trials)}. "trove-manage '
               f'datastore-version-flavor-require DATASTORE_VERSION '
               f'--enforcement deny" puts one in force.'] if trials else []),
            *([f'These rows are invalid and count as "deny": '
               f'{_some(invalid)}.'] if invalid else [])])

    @_guarded
    def nothing_left(self) -> upgradecheck.Result:
        without = [
            str(version) for version, wanted in self._applicable
            if not wanted.select(self._flavors.values())]
        return _listed(
            without, 'These datastore versions allow none of the existing '
            'flavors: {}. Create a flavor that they allow, or change what '
            'they require, which "trove-manage '
            'datastore-version-flavor-list" shows.')

    @_guarded
    def instances(self) -> upgradecheck.Result:
        counts = violations.Violations(
            self._database, config.storages(self._conf)).counts(
            self._flavors.values())
        return _listed(
            [f'{count} of {version}' for version, count in counts],
            'Instances have a flavor or a volume that their datastore version '
            'does not allow, or that a version does not allow which they may '
            'still run after an upgrade: {}. "trove-manage '
            'datastore-version-flavor-violations" lists them. They keep '
            'running; "openstack database instance resize flavor" and '
            '"openstack database instance resize volume" change one to what '
            'is allowed.')

    _upgrade_checks = (
        ('Table and migrations', table),
        ('Pipeline in api-paste.ini', pipeline),
        ('Subcommands of trove-manage', trove_manage),
        ('Policy rules', policy),
        ('Keystone and Nova', nova),
        ('Flavors that Nova no longer has', stale),
        ('Requirements that cannot be met', impossible),
        ('Extra specs that Nova does not show', extra_specs),
        ('Keys that older releases ignore', newer_keys),
        ('Requirements on trial', on_trial),
        ('Versions without an allowed flavor', nothing_left),
        ('Instances on flavors not allowed', instances),
    )


def _listed(found: list[str], message: str) -> upgradecheck.Result:
    """A warning that lists what was found, in place of "{}"; or success."""
    return warning([message.format(_some(found))] if found else [])


def _some(texts: list[str]) -> str:
    more = f' and {len(texts) - NAMED} more' if len(texts) > NAMED else ''
    return ', '.join(texts[:NAMED]) + more
