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

"""The trove-manage subcommands for the flavors of one datastore version."""

import argparse
from collections.abc import Collection
from collections.abc import Iterable
import difflib
import functools
import sys
import typing

from cliff import command
from cliff import lister
from oslo_config import cfg

from trove_flavor_filter.cmd import base
from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import violations
from trove_flavor_filter.declaration import outcome
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter import requirement


# What the list says of a row that names no flavor.
NO_VALUE = ('the association has no value; "datastore-version-flavor-delete '
            'DATASTORE_VERSION \'\'" removes it')


def given_ids(text: str) -> list[str]:
    """The flavor ids in one argument of the command line.

    :param text: one id, or several separated by commas
    :raises argparse.ArgumentTypeError: one of them is empty
    """
    found = [part.strip() for part in text.split(',')]
    if not all(found):
        raise argparse.ArgumentTypeError(f'a flavor id is empty in {text!r}')
    return found


def new_ids(text: str) -> list[str]:
    """As :func:`given_ids`; each must be a valid flavor id in Nova."""
    found = given_ids(text)
    for flavor_id in found:
        if not requirement.FLAVOR_ID.match(flavor_id):
            raise argparse.ArgumentTypeError(
                f'not a flavor id: {flavor_id[:40]!r} (up to 128 letters, '
                f'digits, spaces and "._-")')
    return found


ON_TRIAL = '{} is on trial: what it does not allow is logged, not refused.'


def removed_ids(text: str) -> list[str]:
    """As :func:`given_ids`; '' means an association without a value."""
    return given_ids(text) if text else ['']


def table(conf: cfg.ConfigOpts) -> requirements.Requirements:
    """The table that the commands read and change."""
    return requirements.Requirements(
        engine.Database(conf), config.storages(conf))


def finder(conf: cfg.ConfigOpts, database: requirements.Requirements
           ) -> violations.Violations:
    """What finds the instances that break a requirement."""
    return violations.Violations(database.database, config.storages(conf))


def find_version(database: requirements.Requirements,
                 text: str) -> requirement.Version:
    """The datastore version with an id or a name.

    :param text: an id, or DATASTORE/VERSION by name
    :raises NotFound: none, or more than one; the message lists candidates
    """
    found = database.find_versions(text)
    if len(found) == 1:
        return found[0]
    if found:
        raise exception.NotFound(
            f'{text} is ambiguous; specify the id of one of these: '
            f'{problems.joined(requirement.names(found), divider=", ")}')
    # The nearest first, since a long list is cut.
    versions = sorted(
        database.versions(), reverse=True,
        key=lambda version: difflib.SequenceMatcher(
            None, f'{version.datastore}/{version.name}'.casefold(),
            text.casefold()).quick_ratio())
    available = problems.joined(requirement.names(versions), divider=', ')
    raise exception.NotFound(
        f'There is no datastore version {text!r}. Specify an id, or '
        f'DATASTORE/VERSION by name. Available: {available or "none"}')


def add_version(parser: argparse.ArgumentParser,
                **kwargs: typing.Any) -> None:
    """Add the argument for the datastore version."""
    parser.add_argument(
        'datastore_version', metavar='DATASTORE_VERSION',
        help='id of a datastore version, or DATASTORE/VERSION by name '
             '(mysql/8.0)', **kwargs)


class Changing(base.Subcommand, command.Command):
    """A command that changes requirements, or shows what a change would do."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run', action='store_true',
            help='show the changes, and which instances would break the '
                 'requirement; write nothing')
        return parser

    def make(self, parsed_args: argparse.Namespace,
             database: requirements.Requirements, plan: requirement.Plan,
             version_ids: Collection[str]) -> list[requirement.Change]:
        """Make a change; in a dry run, show it.

        :returns: the changes that were made, none in a dry run
        """
        if not parsed_args.dry_run:
            made = self.change(database, plan, version_ids)
            self.warn_of_volumes(database, made)
            return made
        changes = [change for change in database.preview(plan, version_ids)
                   if change.before != change.after]
        if not changes:
            self.say('Nothing to change.')
            return []
        self.warn_of_volumes(database, changes)
        flavors = flavors_if_known(self.conf)
        for line in planning.diff(changes, flavors or {}):
            self.say(line)
        self.show_impact(database, changes, flavors)
        return []

    def warn_of_volumes(self, database: requirements.Requirements,
                        changes: Iterable[requirement.Change]) -> None:
        """Warn of bounds of volumes that Trove makes void, or impossible."""
        changed = {change.version.id: change for change in changes if any(
            key in requirement.VOLUME for key, _value in change.added)}
        if not changed:
            return
        without = database.without_volumes(changed)
        for version_id, manager in without.items():
            warn(f'instances of {changed[version_id].version} have no data '
                 f'volume, so bounds of its size have no effect: '
                 f'volume_support in [{manager}] of trove.conf is false')
        largest = self.conf.max_accepted_volume_size
        for version_id in changed.keys() - without:
            change = changed[version_id]
            if change.requirement.min_volume > largest:
                warn(f'{change.version} requires a volume that Trove does '
                     f'not accept: max_accepted_volume_size in trove.conf '
                     f'is {largest}')

    def show_impact(self, database: requirements.Requirements,
                    changes: Iterable[requirement.Change],
                    flavors: dict[str, requirement.Flavor] | None) -> None:
        """Print what changes would do.

        :param flavors: Nova's, by id; None if they are not known
        """
        if flavors is None:
            return
        found = finder(self.conf, database)
        for change in changes:
            for line in outcome.impact(change.version, found.impact(
                    change, flavors.values()).document()):
                self.say(line)

    def show_violations(self, database: requirements.Requirements,
                        changes: Iterable[requirement.Change],
                        flavors: dict[str, requirement.Flavor] | None
                        ) -> None:
        """Print how many instances break the changed requirements.

        :param flavors: Nova's, by id; None if they are not known
        """
        changed = {change.version.id for change in changes
                   if change.before != change.after}
        if not changed or not flavors:
            return
        counts = finder(self.conf, database).counts(
            flavors.values(), violations.Scope(
                *changed if len(changed) == 1 else ()))
        number = sum(count for version, count in counts
                     if version.id in changed)
        if number:
            self.say(outcome.violations(str(number), number > 1, (
                'trove-manage datastore-version-flavor-violations')))


class _OfVersion(Changing):
    """A command that takes one datastore version and flavor ids."""

    ids = staticmethod(given_ids)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser)
        parser.add_argument(
            'flavors', metavar='FLAVOR', nargs='+', type=self.ids,
            help='flavor id; may be repeated, separated by spaces or commas')
        return parser

    @staticmethod
    def flavor_ids(parsed_args: argparse.Namespace) -> list[str]:
        """The ids as given, without duplicates."""
        return list(dict.fromkeys(
            flavor_id for word in parsed_args.flavors for flavor_id in word))


class Add(_OfVersion):
    """Associate flavors with a datastore version.

    A datastore version with associated flavors allows only these. Each flavor
    is looked up in Nova first. Either all the given flavors are associated
    or, on any error, none. The command is idempotent: a flavor that is
    already associated is not an error.

    Use it to restrict a datastore version to certain flavors. To set a
    minimum or maximum size, see datastore-version-flavor-require.
    """

    examples = 'datastore-version-flavor-add mysql/8.0 2 3,4'
    ids = staticmethod(new_ids)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--no-validate', action='store_true',
            help='do not look the flavors up in Nova; for use while Nova is '
                 'unavailable')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        flavor_ids = self.flavor_ids(parsed_args)
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        flavors = (None if parsed_args.no_validate else found_in_nova(
            nova.NovaFlavors.for_command(self.conf), flavor_ids))
        changes = self.make(
            parsed_args, database,
            functools.partial(planning.add, flavor_ids), [version.id])
        if parsed_args.dry_run:
            return
        (change,) = changes
        added = [flavor_id for flavor_id in flavor_ids
                 if (requirement.FLAVOR, flavor_id) in change.added]
        if added:
            self.say(f'Associated with {version}: {", ".join(added)}')
        if len(added) < len(flavor_ids):
            self.say(f'Associated with {version} already: ' + ', '.join(
                flavor_id for flavor_id in flavor_ids
                if flavor_id not in added))
        self.show_violations(database, changes, flavors)


def found_in_nova(client: nova.NovaFlavors, flavor_ids: Iterable[str]
                  ) -> dict[str, requirement.Flavor]:
    """All of Nova's flavors by id, with the given ones among them.

    :raises NotFound: it lacks some; the message names each of them. Where a
        name was given in place of an id, the message has that flavor's id
    :raises NovaUnavailable: Nova or Keystone is unavailable
    """
    by_name = {flavor.name: flavor for flavor in client.everything()}
    known = {flavor.id: flavor for flavor in by_name.values()}
    unknown = [
        f'{flavor_id}{resolving.id_of_name(flavor_id, by_name)}'
        for flavor_id in flavor_ids if flavor_id not in known]
    if unknown:
        advice = ('"openstack flavor list --all" shows the ids'
                  if client.sees_all() else
                  f'{nova.UNSEEN}; --no-validate skips this check')
        raise exception.NotFound(
            f'Nothing was associated: Nova has no flavor with the id '
            f'{problems.joined(unknown, divider=", ")}. {advice}.')
    return known


class Delete(_OfVersion):
    """Remove the association of flavors with a datastore version.

    If one of the given flavors is not associated, this is an error and
    nothing is removed. A datastore version without associated flavors allows
    every flavor that meets its other requirements.

    Use it when a flavor is retired, or was associated by mistake. Existing
    instances are not affected. An empty FLAVOR ('') removes an association
    that has no value.
    """

    examples = '''
datastore-version-flavor-delete mysql/8.0 2
datastore-version-flavor-delete mysql/8.0 \'\'
'''
    ids = staticmethod(removed_ids)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        flavor_ids = self.flavor_ids(parsed_args)
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        changes = self.make(
            parsed_args, database,
            functools.partial(planning.delete, flavor_ids), [version.id])
        if parsed_args.dry_run:
            return
        (change,) = changes
        self.say(f'No longer associated with {version}: ' + ', '.join(
            flavor_id or 'the association without a value'
            for _key, flavor_id in change.removed))
        if not change.requirement.flavor_ids:
            self.say(f'Nothing is associated with {version} now: every '
                     f'flavor is allowed.')
        self.show_violations(database, changes, flavors_if_known(self.conf))


def new_size(text: str) -> int:
    """A minimum or a maximum from the command line.

    :raises argparse.ArgumentTypeError: it is not valid
    """
    try:
        return requirement.size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def new_extra_spec(text: str) -> tuple[str, str]:
    """Key and value of an extra spec from the command line.

    :raises argparse.ArgumentTypeError: it is not valid
    """
    try:
        return requirement.extra_spec(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def extra_spec_key(text: str) -> str:
    """The key of an extra spec from the command line.

    :raises argparse.ArgumentTypeError: it is not a valid key in Nova
    """
    if not requirement.EXTRA_SPEC_KEY.match(text):
        raise argparse.ArgumentTypeError(
            f'not the key of an extra spec: {text[:60]!r}')
    return text


class Require(Changing):
    """Set minimums, maximums and extra specs for a datastore version.

    A flavor is allowed if it is associated (or no flavor is), is within every
    minimum and maximum, and has every required extra spec. This includes
    flavors that are created later. Several values of one extra spec are
    alternatives: a flavor needs one of them. Values are compared exactly.

    --min-volume and --max-volume bound the data volume of an instance, in
    Cinder. They have no effect on a datastore without volume support.

    Requirements that are not given are kept; --clear removes them. The given
    values of an extra spec replace its earlier ones; --no-extra-spec removes
    an extra spec. A value replaces an invalid row of the same key;
    --clear-invalid removes all invalid rows.

    With --enforcement warn, the requirement of the datastore version is on
    trial, its associations included: lists contain allowed flavors only, but
    no request is refused. The log of trove-api has a line for each request
    that would be. --enforcement deny puts it in force.

    Use it to allow flavors by their properties rather than by their ids.
    """

    examples = '''
datastore-version-flavor-require mysql/8.0 --min-ram 2048 --max-vcpus 8
datastore-version-flavor-require mysql/8.0 --extra-spec database=mysql
datastore-version-flavor-require mysql/8.0 --no-extra-spec database
datastore-version-flavor-require mysql/8.0 --enforcement warn
datastore-version-flavor-require mysql/8.0 --clear
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser)
        for key, metavar, what in (
                ('ram', 'MIB', 'MiB of RAM'),
                ('vcpus', 'N', 'vCPUs'),
                ('disk', 'GIB', 'GiB of root disk'),
                ('volume', 'GIB', 'GiB')):
            thing = 'data volumes' if key == 'volume' else 'flavors'
            for which, words in (('min', 'at least'), ('max', 'at most')):
                parser.add_argument(
                    f'--{which}-{key}', metavar=metavar, type=new_size,
                    help=f'allow {thing} with {words} this many {what}')
        parser.add_argument(
            '--extra-spec', metavar='KEY=VALUE', type=new_extra_spec,
            action='append', default=[],
            help='require flavors to have this extra spec; may be repeated. '
                 'Several values of one key are alternatives')
        parser.add_argument(
            '--no-extra-spec', metavar='KEY', type=extra_spec_key,
            action='append', default=[],
            help='remove the requirement of this extra spec; may be repeated')
        parser.add_argument(
            '--enforcement', choices=[requirement.WARN, requirement.DENY],
            help='whether to log ("warn") or to refuse ("deny") what is not '
                 'allowed. The milder of this and of the option in trove.conf '
                 'counts')
        parser.add_argument(
            '--clear', action='store_true',
            help='remove all requirements that are not given; associations '
                 'and the enforcement are kept')
        parser.add_argument(
            '--clear-invalid', action='store_true',
            help='remove invalid rows, and associations without a value')
        self._usage_error = parser.error
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        limits = {key: value for key in requirement.LIMITS
                  if (value := getattr(parsed_args, key)) is not None}
        removed = parsed_args.no_extra_spec
        if not (limits or parsed_args.extra_spec or removed
                or parsed_args.enforcement or parsed_args.clear
                or parsed_args.clear_invalid):
            self._usage_error('specify a minimum, a maximum, an extra spec, '
                              '--enforcement, --clear or --clear-invalid')
        if both := {key for key, _value in parsed_args.extra_spec} & {
                *removed}:
            self._usage_error(f'extra spec {min(both)} is given to both '
                              f'--extra-spec and --no-extra-spec')
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        changes = self.make(
            parsed_args, database, functools.partial(
                planning.require, limits, parsed_args.clear,
                extra_specs=parsed_args.extra_spec, removed=removed,
                clear_invalid=parsed_args.clear_invalid,
                enforcement=parsed_args.enforcement),
            [version.id])
        if parsed_args.dry_run:
            return
        (change,) = changes
        wanted = change.requirement
        if wanted.only_associations:
            self.say(f'{version} requires no minimum, no maximum and no '
                     f'extra spec.')
        else:
            self.say(f'{version} requires '
                     f'{"at least " if wanted.minimums else ""}{wanted}.')
        if wanted.on_trial:
            self.say(ON_TRIAL.format(version))
        flavors = flavors_if_known(self.conf)
        self._warn(version, wanted, flavors)
        self.show_violations(database, changes, flavors)

    def _warn(self, version: requirement.Version,
              wanted: requirement.Requirement,
              flavors: dict[str, requirement.Flavor] | None) -> None:
        """Warn of associated flavors that are no longer allowed."""
        if wanted.is_unreadable:
            warn(f'{version} allows no flavor because of invalid rows: '
                 f'{", ".join(wanted.malformed_rows)}; --clear-invalid '
                 f'removes them')
            return
        if flavors is None:
            return
        for flavor_id in wanted.associated(flavors):
            flavor = flavors.get(flavor_id)
            if flavor and (reasons := wanted.violations(flavor)):
                warn(f'flavor {flavor_id} ({flavor.name}) is associated and '
                     f'not allowed: {"; ".join(reasons)}')
        if not wanted.select(flavors.values()):
            warn(f'{version} allows none of the existing flavors')


class Copy(Changing):
    """Copy the requirements of a datastore version to another one.

    Associations, minimums, maximums, extra specs and the enforcement are
    copied in one transaction. The changes are shown: "+" is added, "-" is
    removed. If the target already has other requirements, nothing is changed,
    unless --replace is given.

    Use it when you add a datastore version that runs on the same flavors as
    an existing one.
    """

    examples = '''
datastore-version-flavor-copy mysql/8.0 mysql/8.4
datastore-version-flavor-copy mysql/8.0 mysql/8.4 --replace
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for name, what in (('from', 'to copy from'), ('to', 'to copy to')):
            parser.add_argument(
                f'{name}_datastore_version',
                metavar=f'{name.upper()}_DATASTORE_VERSION',
                help=f'the datastore version {what}: its id, or '
                     f'DATASTORE/VERSION by name')
        parser.add_argument(
            '--replace', action='store_true',
            help='replace the requirements that the target already has')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        database = table(self.conf)
        source = find_version(database, parsed_args.from_datastore_version)
        target = find_version(database, parsed_args.to_datastore_version)
        changes = [
            change for change in self.make(
                parsed_args, database, functools.partial(
                    planning.copy, source.id, target.id,
                    parsed_args.replace),
                {source.id, target.id})
            if change.before != change.after]
        if parsed_args.dry_run:
            return
        if not changes:
            self.say(f'Nothing to change: {target} requires what {source} '
                     f'does.')
            return
        flavors = flavors_if_known(self.conf)
        for line in planning.diff(changes, flavors or {}):
            self.say(line)
        self.show_violations(database, changes, flavors)


def warn(text: str) -> None:
    print(f'Warning: {text}.', file=sys.stderr)


def flavors_by_id(conf: cfg.ConfigOpts) -> dict[str, requirement.Flavor]:
    """Nova's flavors by id.

    :raises NovaUnavailable: Nova or Keystone is unavailable
    """
    return {flavor.id: flavor
            for flavor in nova.NovaFlavors.for_command(conf).everything()}


def flavors_if_known(conf: cfg.ConfigOpts
                     ) -> dict[str, requirement.Flavor] | None:
    """Nova's flavors by id; None, with a warning, if Nova is unavailable."""
    try:
        return flavors_by_id(conf)
    except exception.NovaUnavailable as error:
        warn(f'flavors cannot be listed: {" ".join(error.reason.split())}')
        return None


class List(base.Subcommand, lister.Lister):
    """List the flavors of datastore versions, and whether they are allowed.

    The list has the associated flavors. For a datastore version that has
    other requirements and no associated flavors, it has all of Nova's
    flavors. RAM is in MiB, the root disk in GiB. "Requires" shows the
    minimums, maximums and extra specs, and "on trial" if what is not allowed
    is logged and not refused. "In Nova" shows whether the flavor still exists
    in Nova, and "Reason" why a flavor is not allowed. Without a datastore
    version, all of them are listed.

    Use it to see which requirements are in force, and why a flavor is
    refused.

    With --flavor, the command lists the datastore versions that allow this
    flavor. A datastore version without requirements allows every flavor.
    """

    examples = '''
datastore-version-flavor-list
datastore-version-flavor-list mysql/8.0 -f json
datastore-version-flavor-list --flavor m1.large -c Datastore -c Version
datastore-version-flavor-list --stale -f value -c "Flavor ID"
'''
    COLUMNS = ('Datastore', 'Version', 'Datastore Version ID', 'Requires',
               'Flavor ID', 'Name', 'RAM', 'vCPUs', 'Disk', 'In Nova',
               'Allowed', 'Reason')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser, nargs='?')
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            '--flavor', metavar='FLAVOR',
            help='list the datastore versions that allow this flavor, given '
                 'by id or name')
        which.add_argument(
            '--stale', action='store_true',
            help='list associated flavors that Nova no longer has')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        database = table(self.conf)
        version_id = None
        if parsed_args.datastore_version is not None:
            version = find_version(database, parsed_args.datastore_version)
            version_id = version.id
        if parsed_args.flavor is not None:
            return self.COLUMNS, self._allowing(
                database, version_id, parsed_args.flavor)
        wanted = database.requirements(version_id)
        if parsed_args.stale:
            return self.COLUMNS, self._stale(wanted)
        if not wanted:
            print('Nothing is associated or required: every flavor is '
                  'allowed.', file=sys.stderr)
            return self.COLUMNS, []
        flavors = flavors_if_known(self.conf)
        return self.COLUMNS, [
            _row(version, needs, flavors, flavor_id)
            for version, needs in wanted
            for flavor_id in _listed(needs, flavors)]

    def _allowing(self, database: requirements.Requirements,
                  version_id: str | None, text: str) -> list[tuple]:
        """A row for each datastore version that allows a flavor."""
        flavors = flavors_by_id(self.conf)
        flavor = resolving.find_flavor(flavors, text)
        wanted = {version.id: needs
                  for version, needs in database.requirements()}
        return [
            _row(version, needs, flavors, flavor.id)
            for version in database.versions()
            if version_id in (None, version.id)
            and (needs := wanted.get(
                version.id, requirement.Requirement())).allows(flavor)]

    def _stale(
            self, wanted: Iterable[
                tuple[requirement.Version, requirement.Requirement]]
    ) -> list[tuple]:
        """A row for each association with a flavor that Nova lacks."""
        flavors = flavors_by_id(self.conf)
        return [_row(version, needs, flavors, flavor_id)
                for version, needs in wanted
                for flavor_id in needs.associated(flavors)
                if flavor_id not in flavors]


class Violations(base.Subcommand, lister.Lister):
    """List the instances on flavors that a datastore version does not allow.

    The list has instances of all projects, members of clusters included, that
    were there before a requirement, or on a flavor that was changed or deleted
    in Nova. "Reasons" shows why a flavor is not allowed. After an upgrade
    that is not known to have succeeded, an instance may still run its earlier
    version, and that version counts as well. With a datastore version, the
    list has the instances that break its requirements.

    Use it to find out who has to resize. The instances keep running.
    """

    examples = '''
datastore-version-flavor-violations
datastore-version-flavor-violations mysql/8.0 -f json
datastore-version-flavor-violations -f value -c "Project ID" | sort | uniq -c
'''
    COLUMNS = ('Instance ID', 'Name', 'Project ID', 'Cluster ID',
               'Datastore Version ID', 'Datastore', 'Version', 'Flavor ID',
               'Flavor', 'Reasons')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser, nargs='?')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        database = table(self.conf)
        scope = violations.Scope()
        if parsed_args.datastore_version is not None:
            scope = violations.Scope(find_version(
                database, parsed_args.datastore_version).id)
        client = nova.NovaFlavors.for_command(self.conf)
        found = list(finder(self.conf, database).all(
            client.everything(), scope))
        if (any(each.flavor_name is None for each in found)
                and not client.sees_all()):
            warn(nova.UNSEEN)
        return self.COLUMNS, [(*each[:-1], '; '.join(each.reasons))
                              for each in found]


def _row(version: requirement.Version, wanted: requirement.Requirement,
         flavors: dict[str, requirement.Flavor] | None,
         flavor_id: str | None) -> tuple[typing.Any, ...]:
    return (version.datastore, version.name, version.id,
            wanted.summary or None, flavor_id,
            *_described(wanted, flavors, flavor_id))


def _listed(wanted: requirement.Requirement,
            flavors: dict[str, requirement.Flavor] | None
            ) -> list[str | None]:
    """Ids of the flavors to list; [None] if they are not known."""
    return [*(wanted.associated(flavors or ()) or sorted(flavors or ()))
            ] or [None]


def _described(wanted: requirement.Requirement,
               flavors: dict[str, requirement.Flavor] | None,
               flavor_id: str | None) -> tuple[typing.Any, ...]:
    """The columns from "Name" to "Reason"; None where it is not known."""
    if flavor_id == '':
        return (None,) * 4 + (False, False, NO_VALUE)
    if flavors is None or flavor_id is None:
        return (None,) * 7
    flavor = flavors.get(flavor_id)
    if flavor is None:
        return (None,) * 4 + (False, False, 'is no longer in Nova')
    reasons = wanted.violations(flavor)
    return (flavor.name, flavor.ram, flavor.vcpus, flavor.disk, True,
            not reasons, '; '.join(reasons) or None)
