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

"""openstack datastore version flavor add, remove, and ... requirement ...."""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import functools
import itertools
import typing

from openstackclient.identity import common
from osc_lib.cli import format_columns
from osc_lib.command import command
from osc_lib import exceptions

from trove_flavor_filter.declaration import checks
from trove_flavor_filter.declaration import document
from trove_flavor_filter.declaration import outcome
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import reading
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter.declaration import writing
from trove_flavor_filter import files
from trove_flavor_filter.osc.v1 import cloud
from trove_flavor_filter.osc.v1 import flavors
from trove_flavor_filter import requirement

Parser = argparse.ArgumentParser

# Violations are counted up to this number, a page of the list.
COUNTED = 100

UNITS = {key: text.format('').strip()
         for key, text in requirement.LIMITS.items()}


def checked(convert: Callable[[str], typing.Any]
            ) -> Callable[[str], typing.Any]:
    """A type for argparse that shows the message of a ValueError."""
    def parse(text: str) -> typing.Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return parse


class _Admin(flavors.Explained):
    """The base class of the administrators' commands."""

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        self._usage_error = parser.error
        return parser

    @property
    def cloud(self) -> cloud.Cloud:
        return cloud.Cloud(self.app.client_manager)

    def version_id(self, parsed_args: argparse.Namespace) -> str:
        """The id of the datastore version on the command line."""
        with flavors.translated():
            return flavors.named(self.cloud.trove, parsed_args)[0]


class _Changing(_Admin):
    """The base class of commands that change one datastore version."""

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run', action='store_true',
            help='show the changes, and which instances would break the '
                 'requirement; change nothing')
        return parser

    def change(self, parsed_args: argparse.Namespace, version_id: str,
               plan: requirement.Plan, validate: bool = False) -> None:
        """Make a change; in a dry run, print it and what it would do."""
        change, impact = self.cloud.change(
            version_id, plan, validate, parsed_args.dry_run)
        if not parsed_args.dry_run:
            if change.before != change.after:
                _print_violations(self.cloud, [version_id])
            return
        if change.before == change.after:
            print('Nothing to change.')
            return
        for line in planning.diff([change], {}):
            print(line)
        _print_impact(change, impact)


def _print_violations(asked: cloud.Cloud, version_ids: Iterable[str]) -> None:
    """Print how many instances break changed requirements, if any do."""
    count = 0
    try:
        for version_id in version_ids:
            count += sum(1 for _each in itertools.islice(asked.violations(
                datastore_version_id=version_id), COUNTED + 1 - count))
    except exceptions.CommandError:
        # The change is made. This caller, or this release, cannot tell.
        return
    if count:
        number = f'More than {COUNTED}' if count > COUNTED else str(count)
        print(outcome.violations(number, count > 1, (
            'openstack datastore version flavor violation list')))


def _print_impact(change: requirement.Change,
                  impact: Mapping[str, typing.Any]) -> None:
    """Print what a change would do.

    :param impact: as the cloud returns it; an older release returns none
    """
    if impact:
        for line in outcome.impact(change.version, impact):
            print(line)


def no_validate(parser: Parser) -> None:
    parser.add_argument(
        '--no-validate', dest='validate', action='store_false',
        help='do not look the flavors up in Nova; flavors must be given as '
             'IDs')


class AddDatastoreVersionFlavor(_Changing):
    """Associate flavors with a datastore version.

    A datastore version with associated flavors allows only these. Either all
    the given flavors are associated or, on any error, none. The command is
    idempotent: a flavor that is already associated is not an error. You must
    be an administrator.
    """

    examples = '''
datastore version flavor add mysql/8.0 db.medium db.large
datastore version flavor add 8.0 --datastore mysql 3
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser)
        parser.add_argument(
            'flavors', metavar='<flavor>', nargs='+',
            help='ID or name of a flavor; may be repeated')
        no_validate(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        version_id = self.version_id(parsed_args)
        flavor_ids = parsed_args.flavors
        if parsed_args.validate:
            known = self.cloud.flavors()
            with flavors.translated():
                flavor_ids = [resolving.find_flavor(known, text).id
                              for text in flavor_ids]
        self.change(parsed_args, version_id,
                    functools.partial(planning.add, flavor_ids),
                    parsed_args.validate)


class RemoveDatastoreVersionFlavor(_Changing):
    """Remove the association of flavors with a datastore version.

    If one of the given flavors is not associated, this is an error and
    nothing is removed. A datastore version without associated flavors allows
    every flavor that meets its other requirements. You must be an
    administrator.
    """

    examples = '''
datastore version flavor remove mysql/8.0 db.medium
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser)
        parser.add_argument(
            'flavors', metavar='<flavor>', nargs='+',
            help='ID of a flavor, or its name if Nova still has it; may be '
                 'repeated')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        version_id = self.version_id(parsed_args)
        there = self.cloud.requirement_of(version_id)[0]['flavors']
        flavor_ids = parsed_args.flavors
        if not {*flavor_ids} <= {*there}:
            known = self.cloud.flavors()
            with flavors.translated():
                flavor_ids = [
                    text if text in there
                    else resolving.find_flavor(known, text).id
                    for text in flavor_ids]
        # No flavor is added, so none has to be looked up.
        self.change(parsed_args, version_id,
                    functools.partial(planning.delete, flavor_ids))


class ListFlavorRequirements(_Admin, command.Lister):
    """List the flavor requirements of datastore versions.

    Datastore versions without requirements are not listed. A datastore version
    with an invalid row allows no flavor; "unset --invalid" removes such rows.
    You must be an administrator.
    """

    examples = '''
datastore version flavor requirement list
datastore version flavor requirement list --long -f json
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--long', action='store_true',
            help='show minimums, maximums, extra specs, the enforcement and '
                 'invalid rows in columns of their own')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        present, _tag = self.cloud.present()
        rows = []
        for version, said in present.rows.items():
            if not said:
                continue
            wanted = requirement.Requirement.of(said)
            says = document.write(version, wanted)
            rows.append((
                version.id, version.datastore, version.name,
                format_columns.ListColumn(says['flavors']),
                *((*(says[key] for key in UNITS),
                   format_columns.DictColumn(says['extra_specs']),
                   says[requirement.ENFORCEMENT],
                   format_columns.ListColumn(wanted.invalid_rows))
                  if parsed_args.long else (wanted.summary,))))
        return ('Datastore Version ID', 'Datastore', 'Version', 'Flavors', *(
            (*(_title(key) for key in UNITS), 'Extra Specs', 'Enforcement',
             'Invalid Rows')
            if parsed_args.long else ('Requires',))), rows


class ListFlavorViolations(_Admin, command.Lister):
    """List the instances on flavors that a datastore version does not allow.

    The list has instances of all projects, members of clusters included.
    After an upgrade that is not known to have succeeded, an instance may still
    run its earlier version, and that version counts as well. With a datastore
    version, the list has the instances that break its requirements. You must
    be an administrator.
    """

    examples = '''
datastore version flavor violation list
datastore version flavor violation list mysql/8.0 -f json
datastore version flavor violation list --project demo --limit 20
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser, nargs='?')
        parser.add_argument(
            '--project', metavar='<project>',
            help='list only instances of this project (name or ID)')
        parser.add_argument(
            '--limit', metavar='<number>', type=checked(requirement.size),
            help='list no more than this many instances')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        version_id = project_id = None
        if parsed_args.datastore_version is not None:
            version_id = self.version_id(parsed_args)
        elif parsed_args.datastore is not None:
            self._usage_error('--datastore needs a datastore version')
        if parsed_args.project is not None:
            project_id = common.find_project(
                self.app.client_manager.identity, parsed_args.project).id
        found = self.cloud.violations(
            datastore_version_id=version_id, project_id=project_id,
            limit=parsed_args.limit)
        return ('Instance ID', 'Name', 'Project ID', 'Cluster ID',
                'Datastore Version ID', 'Datastore', 'Version', 'Flavor ID',
                'Flavor', 'Reasons'), [
            (*(value for key, value in says.items() if key != 'reasons'),
             '; '.join(says['reasons']))
            for says in itertools.islice(found, parsed_args.limit)]


def _title(key: str) -> str:
    """The column title of a minimum or a maximum: Min RAM, Max VCPUs."""
    which, what = key.split('_')
    names = {'ram': 'RAM', 'vcpus': 'VCPUs'}
    return f'{which.title()} {names.get(what, what.title())}'


class ShowFlavorRequirement(_Admin, command.ShowOne):
    """Show the flavor requirement of a datastore version.

    RAM is in MiB, disk in GiB. Invalid rows of the table are shown as
    "invalid_rows"; while there are any, no flavor is allowed. You must be an
    administrator.
    """

    examples = '''
datastore version flavor requirement show mysql/8.0
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple, tuple]:
        says, _tag = self.cloud.requirement_of(self.version_id(parsed_args))
        return tuple(says), tuple(
            format_columns.DictColumn(value) if isinstance(value, dict)
            else format_columns.ListColumn(value) if isinstance(value, list)
            else value for value in says.values())


class SetFlavorRequirement(_Changing):
    """Set minimums, maximums and extra specs for a datastore version.

    Requirements that are not given are kept. The given values of an extra
    spec replace its earlier ones; several values of one extra spec are
    alternatives. A value replaces an invalid row of the same key. With
    "--enforcement warn", the requirement is on trial: what it does not allow
    is logged by trove-api, and not refused. You must be an administrator.
    """

    examples = '''
datastore version flavor requirement set mysql/8.0 --min-ram 2048
datastore version flavor requirement set mysql/8.0 --extra-spec db=mysql
datastore version flavor requirement set mysql/8.0 --enforcement warn
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser)
        for key, unit in UNITS.items():
            words = ('at least' if key in requirement.MINIMUMS
                     else 'at most')
            parser.add_argument(
                f'--{key.replace("_", "-")}', metavar='<number>',
                type=checked(requirement.size),
                help=f'allow data volumes with {words} this many GiB'
                if key in requirement.VOLUME else
                f'allow flavors with {words} this many {unit}')
        parser.add_argument(
            '--extra-spec', metavar='<key=value>', action='append',
            default=[], type=checked(requirement.extra_spec),
            help='require flavors to have this extra spec; may be repeated. '
                 'Several values of one key are alternatives')
        parser.add_argument(
            '--enforcement', choices=[requirement.WARN, requirement.DENY],
            help='whether to log ("warn") or to refuse ("deny") what is not '
                 'allowed')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        limits = {key: value for key in UNITS
                  if (value := getattr(parsed_args, key)) is not None}
        if not (limits or parsed_args.extra_spec or parsed_args.enforcement):
            self._usage_error('specify a minimum, a maximum, an extra spec, '
                              'or --enforcement')
        self.change(
            parsed_args, self.version_id(parsed_args), functools.partial(
                planning.require, limits, False,
                extra_specs=parsed_args.extra_spec,
                enforcement=parsed_args.enforcement))


class UnsetFlavorRequirement(_Changing):
    """Remove minimums, maximums and extra specs of a datastore version.

    All other requirements are kept, including associations, unless --all is
    given. --invalid removes the invalid rows, which "show" lists. You must be
    an administrator.
    """

    examples = '''
datastore version flavor requirement unset mysql/8.0 --min-ram
datastore version flavor requirement unset mysql/8.0 --extra-spec db
datastore version flavor requirement unset mysql/8.0 --invalid
datastore version flavor requirement unset mysql/8.0 --all
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        flavors.add_version(parser)
        for key, unit in UNITS.items():
            which = ('minimum' if key in requirement.MINIMUMS
                     else 'maximum')
            parser.add_argument(
                f'--{key.replace("_", "-")}', action='store_true',
                help=f'remove the {which}: {unit}')
        parser.add_argument(
            '--extra-spec', metavar='<key>', action='append', default=[],
            help='remove the requirement of this extra spec; may be repeated')
        parser.add_argument(
            '--invalid', action='store_true',
            help='remove invalid rows, and associations without a value')
        parser.add_argument(
            '--all', action='store_true',
            help='remove all requirements, including associations')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        limits = [key for key in UNITS if getattr(parsed_args, key)]
        if not (limits or parsed_args.extra_spec or parsed_args.invalid
                or parsed_args.all):
            self._usage_error('specify a minimum, a maximum, an extra spec, '
                              '--invalid or --all')
        version_id = self.version_id(parsed_args)
        if parsed_args.all and not parsed_args.dry_run:
            self.cloud.end(version_id)
            return
        self.change(parsed_args, version_id, functools.partial(
            planning.replace, {}, True) if parsed_args.all
            else functools.partial(
                planning.require, {}, False, removed=parsed_args.extra_spec,
                removed_limits=limits, clear_invalid=parsed_args.invalid))


class ExportFlavorRequirements(_Admin):
    """Write the requirements of datastore versions to a YAML file.

    The file has the same format as that of "trove-manage
    datastore-version-flavor-export". It refers to versions and flavors by
    name, so that you can apply it to another cloud. You must be an
    administrator.
    """

    examples = '''
datastore version flavor requirement export
datastore version flavor requirement export flavors.yaml
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', nargs='?', default=files.STANDARD,
            help='the file to write; "-", the default, is standard output')
        parser.add_argument(
            '--ids', action='store_true',
            help='refer to flavors by ID, with their names in comments')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        present, _tag = self.cloud.present()
        with flavors.translated():
            files.save(parsed_args.file, writing.write(
                present, self.cloud.flavors(), parsed_args.ids).encode())


class ApplyFlavorRequirements(_Admin):
    """Set the requirements of datastore versions from a file.

    The file has the format that "export" writes. The whole file is checked
    before anything is changed, and every problem is printed with its line and
    column. Then the changes are shown ("+" is added, "-" is removed) and made,
    either all of them or none. Requirements that the file does not mention
    are kept, unless --prune is given. You must be an administrator.
    """

    examples = '''
datastore version flavor requirement apply flavors.yaml --dry-run
datastore version flavor requirement apply flavors.yaml
datastore version flavor requirement apply --prune - < flavors.yaml
'''

    def get_parser(self, prog_name: str) -> Parser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>',
            help='the file to apply; "-" is standard input')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='show the changes without making them')
        parser.add_argument(
            '--detailed-exitcode', action='store_true',
            help='with --dry-run, exit with 2 if there are changes')
        parser.add_argument(
            '--prune', action='store_true',
            help='remove all requirements that the file does not mention, of '
                 'every datastore version')
        no_validate(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        known: dict[str, requirement.Flavor] = {}
        try:
            with flavors.translated():
                data = files.load(parsed_args.file, reading.LARGEST)
            declared = reading.read(data)
            if parsed_args.validate:
                known = self.cloud.flavors()
            changes, warnings, impacts = self.cloud.repeat(functools.partial(
                self._apply, declared, known, parsed_args))
        except problems.DeclarationRefused as error:
            raise exceptions.CommandError(
                outcome.refusal(error, parsed_args.file)) from None
        code = outcome.report(changes, warnings, known, parsed_args)
        for change in changes:
            _print_impact(change, impacts.get(change.version.id, {}))
        if not parsed_args.dry_run:
            _print_violations(self.cloud, [
                change.version.id for change in changes])
        return code

    def _apply(self, declared: list[checks.Declared],
               known: dict[str, requirement.Flavor],
               parsed_args: argparse.Namespace
               ) -> tuple[list[requirement.Change], list[str],
                          dict[str, dict[str, typing.Any]]]:
        """Plan the changes and make them, or only check them in a dry run.

        :returns: the changes, the warnings, and in a dry run the impact by
            the id of the datastore version
        :raises Changed: the requirements have changed since they were read
        """
        present, tag = self.cloud.present()
        wanted = resolving.resolve(
            declared, known.values() if parsed_args.validate else None,
            present)
        with flavors.translated():
            plan = planning.apply(wanted.rows, parsed_args.prune, present)
        changes = [
            requirement.Change(version, present.rows[version],
                               frozenset(rows))
            for version, rows in plan.items()
            if present.rows[version] != frozenset(rows)]
        impacts = self.cloud.apply(
            {change.version: change.after for change in changes}, tag,
            parsed_args.validate, parsed_args.dry_run) if changes else {}
        return changes, wanted.warnings, impacts
