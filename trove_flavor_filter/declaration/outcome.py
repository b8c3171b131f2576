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

"""The output of the commands that apply a file, and their exit code."""

import argparse
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import sys
import typing

from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter import files
from trove_flavor_filter import requirement


def refusal(error: problems.DeclarationRefused, file: str) -> str:
    """Print the problems of a file that is refused, a line each.

    :param file: as given on the command line
    :returns: a summary for the command's error
    """
    name = 'standard input' if file == files.STANDARD else file
    for place, message in error.problems:
        print(f'{name}:{":".join(map(str, place))}: {message}')
    if error.more:
        print(f'{name}: and {error.more} more')
    return (f'{name}: {error.count} problem{"s" if error.count > 1 else ""}; '
            f'nothing was changed')


def report(changes: Collection[requirement.Change], warnings: Iterable[str],
           flavors: Mapping[str, requirement.Flavor],
           parsed_args: argparse.Namespace) -> int:
    """Print warnings, and the changes that were made or would be made.

    :param flavors: Nova's, by id; empty if they are not known
    :param parsed_args: the options ``dry_run`` and ``detailed_exitcode``
    :returns: the exit code
    """
    for text in problems.first(warnings):
        print(f'Warning: {text}.', file=sys.stderr)
    for line in planning.diff(changes, flavors):
        print(line)
    if not changes:
        print('Nothing to change.')
        return 0
    rows = sum(len(change.added) + len(change.removed) for change in changes)
    print(f'{"To do" if parsed_args.dry_run else "Done"}: '
          f'{rows} change{"s" if rows != 1 else ""} to {len(changes)} '
          f'datastore version{"s" if len(changes) != 1 else ""}.')
    return 2 if parsed_args.dry_run and parsed_args.detailed_exitcode else 0


def impact(version: requirement.Version | str,
           says: Mapping[str, typing.Any]) -> Iterator[str]:
    """What a change would do, as lines for people.

    :param says: the document of the impact
    """
    yield (f'{version}: {_count(len(says["flavors_allowed"]), "flavor")} '
           f'would be newly allowed, {len(says["flavors_refused"])} newly '
           f'refused. {_count(says["violations_added"], "instance")} of '
           f'{_count(says["projects"], "project")} would newly break the '
           f'requirement, {says["violations_ended"]} would no longer.')
    for each in says['instances']:
        yield (f'  {each["instance_id"]} ({each["instance_name"]}) of '
               f'project {each["project_id"]}, flavor '
               f'{each["flavor_name"] or each["flavor_id"]}: '
               f'{"; ".join(each["reasons"])}')
    if (more := says['violations_added'] - len(says['instances'])) > 0:
        yield f'  and {more} more'


def violations(number: str, several: bool, command: str) -> str:
    """How many instances break what is required, for people.

    :param number: of instances, which may say "More than"
    :param command: that lists them
    """
    return (f'{number} instance{"s" if several else ""} '
            f'break{"" if several else "s"} what is required now; '
            f'"{command}" lists {"them" if several else "it"}.')


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'
