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

"""The trove-manage subcommands on the flavors of single datastore versions."""

import argparse
from collections.abc import Iterable
import functools
import sys
import typing

from cliff import command
from cliff import lister
from oslo_config import cfg

from trove_flavor_filter.cmd import base
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import requirements
from trove_flavor_filter.declaration import planning
from trove_flavor_filter import exception
from trove_flavor_filter.flavors import nova
from trove_flavor_filter import requirement


# What the list says of a row that names no flavor.
NO_VALUE = ('the association has no value; "datastore-version-flavor-delete '
            'DATASTORE_VERSION \'\'" ends it')


def given_ids(text: str) -> list[str]:
    """The flavor ids of one word of the command line.

    :param text: one id, or several between commas
    :raises argparse.ArgumentTypeError: one of them is empty
    """
    found = [part.strip() for part in text.split(',')]
    if not all(found):
        raise argparse.ArgumentTypeError(f'a flavor id is empty in {text!r}')
    return found


def new_ids(text: str) -> list[str]:
    """As :func:`given_ids`, for ids that Nova could have."""
    found = given_ids(text)
    for flavor_id in found:
        if not requirement.FLAVOR_ID.match(flavor_id):
            raise argparse.ArgumentTypeError(
                f'not the id of a flavor: {flavor_id[:40]!r} (up to 128 '
                f'letters, digits, spaces and "._-")')
    return found


def ended_ids(text: str) -> list[str]:
    """As :func:`given_ids`; '' means an association without a value."""
    return given_ids(text) if text else ['']


def table(conf: cfg.ConfigOpts) -> requirements.Requirements:
    """The table that the commands read and change."""
    return requirements.Requirements(engine.Database(conf))


def find_version(database: requirements.Requirements,
                 text: str) -> requirement.Version:
    """The datastore version that an administrator means.

    :param text: an id, or DATASTORE/VERSION by name
    :raises NotFound: none, or more than one; the message says what to do
    """
    found = database.find_versions(text)
    if len(found) == 1:
        return found[0]
    if found:
        raise exception.NotFound(
            f'{text} is ambiguous; say the id of the one that you mean: '
            f'{requirement.names(found)}')
    raise exception.NotFound(
        f'There is no datastore version {text!r}. Say an id, or '
        f'DATASTORE/VERSION by name; there are: '
        f'{requirement.names(database.versions()) or "none at all"}')


def add_version(parser: argparse.ArgumentParser,
                **kwargs: typing.Any) -> None:
    """Have a command take the datastore version that it is about."""
    parser.add_argument(
        'datastore_version', metavar='DATASTORE_VERSION',
        help='id of a datastore version, or DATASTORE/VERSION by name '
             '(mysql/8.0)', **kwargs)


class _OfVersion(base.Subcommand, command.Command):
    """A command on the flavors of one datastore version."""

    ids = staticmethod(given_ids)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser)
        parser.add_argument(
            'flavors', metavar='FLAVOR', nargs='+', type=self.ids,
            help='id of a flavor; several may be given, between spaces or '
                 'commas')
        return parser

    @staticmethod
    def flavor_ids(parsed_args: argparse.Namespace) -> list[str]:
        """The ids given, each once, in their order."""
        return list(dict.fromkeys(
            flavor_id for word in parsed_args.flavors for flavor_id in word))


class Add(_OfVersion):
    """Associate flavors with a datastore version.

    Once a datastore version has associated flavors, it allows those only.
    Each flavor is looked up in Nova first. Either all that were given are
    associated or, when anything is wrong, none. What is associated already
    stays so and is no error, so the command may be repeated.

    Use it where a datastore version is to run on certain flavors only. For a
    size that each of them must have, see datastore-version-flavor-require.
    """

    examples = 'datastore-version-flavor-add mysql/8.0 2 3,4'
    ids = staticmethod(new_ids)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--no-validate', action='store_true',
            help='do not look the flavors up in Nova: for when Nova is away')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        flavor_ids = self.flavor_ids(parsed_args)
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        if not parsed_args.no_validate:
            check_in_nova(nova.NovaFlavors(self.conf), flavor_ids)
        (change,) = database.change(
            functools.partial(planning.add, flavor_ids), [version.id])
        added = [flavor_id for flavor_id in flavor_ids
                 if (requirement.FLAVOR, flavor_id) in change.added]
        if added:
            print(f'Associated with {version}: {", ".join(added)}')
        if len(added) < len(flavor_ids):
            print(f'Associated with {version} already: ' + ', '.join(
                flavor_id for flavor_id in flavor_ids
                if flavor_id not in added))


def check_in_nova(client: nova.NovaFlavors,
                  flavor_ids: Iterable[str]) -> None:
    """See that Nova has flavors.

    :raises NotFound: it does not; the message names each of them, and the
        id of the flavor whose name it is, if it is one's name
    :raises NovaUnavailable: that cannot be told
    """
    by_name = {flavor.name: flavor.id for flavor in client.everything()}
    known = set(by_name.values())
    unknown = [
        f'{flavor_id} (did you mean {by_name[flavor_id]}, the id of the '
        f'flavor of that name?)' if flavor_id in by_name else flavor_id
        for flavor_id in flavor_ids if flavor_id not in known]
    if unknown:
        advice = ('"openstack flavor list --all" shows the ids'
                  if client.sees_all() else
                  f'{nova.UNSEEN}; --no-validate associates them unseen')
        raise exception.NotFound(
            f'Nothing was associated: Nova has no flavor with the id '
            f'{", ".join(unknown)}. {advice}.')


class Delete(_OfVersion):
    """End the association of flavors with a datastore version.

    When one of the given flavors is not associated, that is an error and
    nothing is deleted. A datastore version without any associated flavor
    allows every flavor.

    Use it when a flavor is retired, or was associated by mistake. Instances
    that run on it go on as they are. An empty FLAVOR ('') ends an association
    that has no value.
    """

    examples = '''
datastore-version-flavor-delete mysql/8.0 2
datastore-version-flavor-delete mysql/8.0 \'\'
'''
    ids = staticmethod(ended_ids)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        flavor_ids = self.flavor_ids(parsed_args)
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        (change,) = database.change(
            functools.partial(planning.delete, flavor_ids), [version.id])
        print(f'No longer associated with {version}: ' + ', '.join(
            flavor_id or 'the association without a value'
            for _key, flavor_id in change.ended))
        if not change.requirement.flavor_ids:
            print(f'Nothing is associated with {version} now: every flavor '
                  f'is allowed.')


def new_size(text: str) -> int:
    """A minimum or a maximum of the command line.

    :raises argparse.ArgumentTypeError: it is not one
    """
    try:
        return requirement.size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def new_extra_spec(text: str) -> tuple[str, str]:
    """Key and value of an extra spec of the command line.

    :raises argparse.ArgumentTypeError: it is not one
    """
    try:
        return requirement.extra_spec(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def extra_spec_key(text: str) -> str:
    """The key of an extra spec on the command line.

    :raises argparse.ArgumentTypeError: Nova would not take it
    """
    if not requirement.EXTRA_SPEC_KEY.match(text):
        raise argparse.ArgumentTypeError(
            f'not the key of an extra spec: {text[:60]!r}')
    return text


class Require(base.Subcommand, command.Command):
    """Set what a flavor must be like for a datastore version.

    A flavor is allowed when it is associated (or nothing is), is within every
    minimum and maximum, and has every required extra spec, be it there today
    or made next year. Several values of one extra spec are alternatives: a
    flavor needs one of them. They are compared to the letter.

    What is not named stays as it is; --clear ends that. An extra spec that is
    named has the values given and no others; --no-extra-spec ends one.

    Use it where the kind of flavor is what counts, rather than which flavor
    it is.
    """

    examples = '''
datastore-version-flavor-require mysql/8.0 --min-ram 2048 --max-vcpus 8
datastore-version-flavor-require mysql/8.0 --extra-spec database=mysql
datastore-version-flavor-require mysql/8.0 --no-extra-spec database
datastore-version-flavor-require mysql/8.0 --clear
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser)
        for key, metavar, what in (
                ('ram', 'MIB', 'MiB of RAM'),
                ('vcpus', 'N', 'vCPUs'),
                ('disk', 'GIB', 'GiB of root disk')):
            for which, words in (('min', 'at least'), ('max', 'at most')):
                parser.add_argument(
                    f'--{which}-{key}', metavar=metavar, type=new_size,
                    help=f'allow flavors with {words} this many {what}')
        parser.add_argument(
            '--extra-spec', metavar='KEY=VALUE', type=new_extra_spec,
            action='append', default=[],
            help='allow flavors with this extra spec; may be given more than '
                 'once, and several values of one key are alternatives')
        parser.add_argument(
            '--no-extra-spec', metavar='KEY', type=extra_spec_key,
            action='append', default=[],
            help='require the extra spec of this key no longer; may be given '
                 'more than once')
        parser.add_argument(
            '--clear', action='store_true',
            help='end all that is not named; associations stay')
        self._usage_error = parser.error
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        limits = {key: value for key in requirement.LIMITS
                  if (value := getattr(parsed_args, key)) is not None}
        ended = parsed_args.no_extra_spec
        if not (limits or parsed_args.extra_spec or ended
                or parsed_args.clear):
            self._usage_error('say a minimum, a maximum, an extra spec, or '
                              '--clear')
        if both := {key for key, _value in parsed_args.extra_spec} & {*ended}:
            self._usage_error(f'extra spec {min(both)} is both required and '
                              f'not')
        database = table(self.conf)
        version = find_version(database, parsed_args.datastore_version)
        (change,) = database.change(
            functools.partial(
                planning.require, limits, parsed_args.clear,
                extra_specs=parsed_args.extra_spec, ended=ended),
            [version.id])
        wanted = change.requirement
        if wanted.goes_by_id:
            print(f'{version} requires no minimum, no maximum and no extra '
                  f'spec.')
        else:
            print(f'{version} requires '
                  f'{"at least " if wanted.minimums else ""}{wanted}.')
        self._warn(version, wanted)

    def _warn(self, version: requirement.Version,
              wanted: requirement.Requirement) -> None:
        """Say which flavors stop qualifying, and whether any is left."""
        flavors = flavors_if_known(self.conf)
        if flavors is None:
            return
        for flavor_id in wanted.associated(flavors):
            flavor = flavors.get(flavor_id)
            if flavor and (reasons := wanted.shortcomings(flavor)):
                warn(f'flavor {flavor_id} ({flavor.name}) is associated and '
                     f'not allowed: {"; ".join(reasons)}')
        if not wanted.select(flavors.values()):
            warn(f'no flavor is left that {version} allows')


class Copy(base.Subcommand, command.Command):
    """Have a datastore version require what another one requires.

    Associations, minimums, maximums and extra specs: all of it, in one
    transaction. What has changed is shown, lines with "+" for what comes and
    "-" for what goes. When the other version requires something else already,
    nothing is changed, unless --replace is given.

    Use it when a new version of a datastore comes that runs on what the old
    one runs on.
    """

    examples = '''
datastore-version-flavor-copy mysql/8.0 mysql/8.4
datastore-version-flavor-copy mysql/8.0 mysql/8.4 --replace
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for name, what in (('from', 'it is copied from'),
                           ('to', 'it is copied to')):
            parser.add_argument(
                f'{name}_datastore_version',
                metavar=f'{name.upper()}_DATASTORE_VERSION',
                help=f'the datastore version that {what}: its id, or '
                     f'DATASTORE/VERSION by name')
        parser.add_argument(
            '--replace', action='store_true',
            help='end what the other version requires already')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        database = table(self.conf)
        source = find_version(database, parsed_args.from_datastore_version)
        target = find_version(database, parsed_args.to_datastore_version)
        changes = [
            change for change in database.change(
                functools.partial(planning.copy, source.id, target.id,
                                  parsed_args.replace),
                {source.id, target.id})
            if change.before != change.after]
        if not changes:
            print(f'Nothing to change: {target} requires what {source} does.')
            return
        for line in planning.diff(changes, flavors_if_known(self.conf) or {}):
            print(line)


def warn(text: str) -> None:
    print(f'Warning: {text}.', file=sys.stderr)


def flavors_by_id(conf: cfg.ConfigOpts) -> dict[str, requirement.Flavor]:
    """Nova's flavors by id.

    :raises NovaUnavailable: when Keystone or Nova gives no answer
    """
    return {flavor.id: flavor
            for flavor in nova.NovaFlavors(conf).everything()}


def flavors_if_known(conf: cfg.ConfigOpts
                     ) -> dict[str, requirement.Flavor] | None:
    """Nova's flavors by id; None, with a warning, when Nova is away."""
    try:
        return flavors_by_id(conf)
    except exception.NovaUnavailable as error:
        warn(f'Nova cannot be asked about the flavors: '
             f'{" ".join(error.reason.split())}')
        return None


class List(base.Subcommand, lister.Lister):
    """List the flavors of datastore versions, and whether they are allowed.

    The flavors that are associated; where there are none but something is
    required, all that Nova has. RAM is in MiB, the root disk in GiB.
    "Requires" says which minimums, maximums and extra specs there are, "In
    Nova" whether Nova still has the flavor, "Reason" why one is not allowed.
    Without a datastore version, those of all are listed.

    Use it to see what is in force, and why a flavor is refused.

    With --flavor the question is the other way round: which datastore
    versions allow this flavor. Those that require nothing allow every one.
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
            help='list the datastore versions that allow this flavor: its '
                 'id, or its name')
        which.add_argument(
            '--stale', action='store_true',
            help='list the associated flavors that Nova no longer has')
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
            print('Nothing is associated and nothing required: every flavor '
                  'is allowed.', file=sys.stderr)
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
        flavor = find_flavor(flavors, text)
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
        """A row for each association with a flavor that is gone."""
        flavors = flavors_by_id(self.conf)
        return [_row(version, needs, flavors, flavor_id)
                for version, needs in wanted
                for flavor_id in needs.associated(flavors)
                if flavor_id not in flavors]


def find_flavor(flavors: dict[str, requirement.Flavor],
                text: str) -> requirement.Flavor:
    """The flavor that an administrator means by an id or a name.

    :raises NotFound: none, or more than one; the message says what to do
    """
    found = {flavor.id: flavor for flavor in flavors.values()
             if text in (flavor.id, flavor.name)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise exception.NotFound(
            f'{text} is the id of one flavor and the name of another; say '
            f'the id of the one that you mean: {", ".join(found)}')
    raise exception.NotFound(
        f'Nova has no flavor {text!r}. "openstack flavor list --all" shows '
        f'what there is.')


def _row(version: requirement.Version, wanted: requirement.Requirement,
         flavors: dict[str, requirement.Flavor] | None,
         flavor_id: str | None) -> tuple[typing.Any, ...]:
    return (version.datastore, version.name, version.id,
            str(wanted) or None, flavor_id,
            *_described(wanted, flavors, flavor_id))


def _listed(wanted: requirement.Requirement,
            flavors: dict[str, requirement.Flavor] | None
            ) -> list[str | None]:
    """Ids of the flavors to list; None alone when they are not known."""
    return [*(wanted.associated(flavors or ()) or sorted(flavors or ()))
            ] or [None]


def _described(wanted: requirement.Requirement,
               flavors: dict[str, requirement.Flavor] | None,
               flavor_id: str | None) -> tuple[typing.Any, ...]:
    """Name, RAM, vCPUs, disk, in Nova, allowed, and why not.

    None stands for what is not known.
    """
    if flavor_id == '':
        return (None,) * 4 + (False, False, NO_VALUE)
    if flavors is None or flavor_id is None:
        return (None,) * 7
    flavor = flavors.get(flavor_id)
    if flavor is None:
        return (None,) * 4 + (False, False, 'is not in Nova any more')
    reasons = wanted.shortcomings(flavor)
    return (flavor.name, flavor.ram, flavor.vcpus, flavor.disk, True,
            not reasons, '; '.join(reasons) or None)
