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

"""trove-manage datastore-version-flavor-export and -apply."""

import argparse
import contextlib

from cliff import command

from trove_flavor_filter.cmd import associations
from trove_flavor_filter.cmd import base
from trove_flavor_filter.declaration import outcome
from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import reading
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter.declaration import writing
from trove_flavor_filter import exception
from trove_flavor_filter import files
from trove_flavor_filter.flavors import nova
from trove_flavor_filter import requirement


class Export(base.Subcommand, command.Command):
    """Export the requirements of datastore versions to a YAML file.

    The file has the flavors, minimums, maximums and extra specs of each
    datastore version that requires something. Datastore versions and flavors
    are named, so that datastore-version-flavor-apply can import the file on
    another cloud, where their ids differ. The order is stable, for version
    control. An existing file is replaced atomically.

    Use it to put requirements under version control, to copy them to another
    cloud, or as a backup before a change.
    """

    examples = '''
datastore-version-flavor-export
datastore-version-flavor-export flavors.yaml
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='FILE', nargs='?', default=files.STANDARD,
            help='file to write; "-", the default, for standard output')
        parser.add_argument(
            '--ids', action='store_true',
            help='refer to flavors by their ids, with the names in comments')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        database = associations.table(self.conf)
        text = writing.write(
            database.present(), associations.flavors_if_known(self.conf),
            parsed_args.ids)
        with contextlib.redirect_stdout(self.app.stdout):
            files.save(parsed_args.file, text.encode())


class Apply(associations.Changing):
    """Apply a file of requirements to datastore versions.

    The format is that of datastore-version-flavor-export:

      datastore_versions:
        mysql:
          8.0:
            flavors:
            - db.large        # a flavor's id or name
            - id: 7           # an id that is also another flavor's name
            min_ram: 2048     # MiB; also min_vcpus, and min_disk in GiB
            max_vcpus: 8      # also max_ram, max_disk
            min_volume: 20    # of the data volume, GiB; also max_volume
            extra_specs:
              database: mysql     # or a list of values

    The whole file is checked before anything is written, and every problem is
    printed with its line and column. Then the changes are made in one
    transaction, all or none, and shown: "+" is added, "-" is removed. What
    the file does not mention is kept, unless --prune is given. The command is
    idempotent.

    Use it where requirements are kept in version control, by hand or with a
    configuration management tool, and to configure several clouds alike.
    """

    examples = '''
datastore-version-flavor-apply flavors.yaml --dry-run
datastore-version-flavor-apply flavors.yaml
datastore-version-flavor-apply --prune - < flavors.yaml
'''
    exit_codes = ('0 done, or nothing to change, 1 failed, 2 wrong usage.\n'
                  'With --dry-run --detailed-exitcode: 0 nothing to change, '
                  '1 failed,\n2 changes to make, or wrong usage.')

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='FILE',
            help='file to apply; "-" for standard input')
        parser.add_argument(
            '--detailed-exitcode', action='store_true',
            help='with --dry-run, exit with 2 if there are changes to make')
        parser.add_argument(
            '--prune', action='store_true',
            help='remove everything that the file does not mention, from '
                 'all datastore versions')
        parser.add_argument(
            '--no-validate', action='store_true',
            help='do not look flavors up in Nova; every flavor in the file '
                 'must be an id. For use while Nova is unavailable')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        try:
            return self._apply(parsed_args)
        except problems.DeclarationRefused as error:
            with contextlib.redirect_stdout(self.app.stdout):
                last = outcome.refusal(error, parsed_args.file)
            if error.misses_flavors and not (
                    nova.NovaFlavors.for_command(self.conf).sees_all()):
                last += f'. {nova.UNSEEN}'
            raise exception.FlavorFilterError(last) from None

    def _apply(self, parsed_args: argparse.Namespace) -> int:
        """Make the changes, unless this is a dry run, and print them.

        :returns: the exit code
        """
        declared = reading.read(
            files.load(parsed_args.file, reading.LARGEST))
        flavors = (None if parsed_args.no_validate
                   else associations.flavors_by_id(self.conf))
        warnings: list[str] = []

        def plan(present: requirement.CurrentRows) -> planning.Wanted:
            wanted = resolving.resolve(
                declared, None if flavors is None else flavors.values(),
                present)
            warnings[:] = wanted.warnings
            return planning.apply(wanted.rows, parsed_args.prune, present)

        database = associations.table(self.conf)
        made = (database.preview(plan) if parsed_args.dry_run
                else self.change(database, plan))
        changes = [change for change in made
                   if change.before != change.after]
        with contextlib.redirect_stdout(self.app.stdout):
            code = outcome.report(
                changes, warnings, flavors or {}, parsed_args)
        self.warn_of_volumes(database, changes)
        if parsed_args.dry_run:
            if changes and flavors is None:
                flavors = associations.flavors_if_known(self.conf)
            self.show_impact(database, changes, flavors)
        else:
            self.show_violations(database, changes, flavors)
        return code
