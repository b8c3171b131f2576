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

"""openstackclient's command that shows what a datastore offers."""

import argparse
import collections
from collections.abc import Iterable
from collections.abc import Mapping
import functools
import sys
import typing
import urllib.parse

from cliff import columns
from osc_lib import exceptions

from trove_flavor_filter.osc.v1 import flavors


class Allowed(columns.FormattableColumn):
    """Whether a version allows a flavor."""

    def human_readable(self) -> str:
        return 'yes' if self._value else ''


def failure(status: int, body: typing.Any, is_there: bool,
            datastore: str) -> exceptions.CommandError:
    """The error for a response from Trove that is not the list.

    :param status: the HTTP status
    :param body: the JSON of the response; None if it is not JSON
    :param is_there: whether the cloud has the route
    """
    if not is_there:
        return exceptions.CommandError(
            'This cloud does not have trove-flavor-filter, or a release that '
            'does not list all versions of a datastore at once; "openstack '
            'datastore version flavor list <datastore version>" lists the '
            'flavors of one.')
    if status == 404:
        return exceptions.CommandError(
            f'There is no datastore {datastore!r}; "openstack datastore '
            f'list" shows the available ones.')
    return flavors.refusal(status, body, datastore,
                           'Trove returned no list of datastore versions')


def headings(versions: Iterable[Mapping[str, typing.Any]]) -> list[str]:
    """A heading for each version.

    Two versions may have the same name, and one the name of another column.
    """
    versions = list(versions)
    names = collections.Counter([
        *flavors.COLUMNS, *(version['name'] for version in versions)])
    numbers = collections.Counter(
        (version['name'], version['version']) for version in versions)
    return [
        version['name'] if names[version['name']] == 1 else
        f'{version["name"]} ({version["version"]})'
        if numbers[version['name'], version['version']] == 1 else
        f'{version["name"]} ({version["id"]})' for version in versions]


class ListDatastoreFlavors(flavors.FlavorLister):
    """List the flavors that each version of a datastore allows.

    There is a row for each flavor that any active version allows, and a column
    for each version. RAM is in MiB, disk and ephemeral disk in GiB. What a
    version requires of the data volume, and versions that allow no flavor, are
    printed on standard error.

    The Trove plugin trove-flavor-filter must be installed in the cloud.
    """

    examples = '''
{name} mysql
{name} mysql -c Name -c 8.0 -c 8.4
{name} mysql -f json
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('datastore', metavar='<datastore>',
                            help='ID or name of the datastore')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        datastore = parsed_args.datastore
        if '/' in datastore:
            # Even quoted, it would make another path.
            raise exceptions.CommandError(
                f'A datastore is given by its ID, or by a name without a '
                f'slash, not as {datastore!r}; "openstack datastore list" '
                f'shows the available ones.')
        body = self.asked(
            f'/flavors/datastores/{urllib.parse.quote(datastore, safe="")}',
            'datastore_versions',
            functools.partial(failure, datastore=datastore))
        versions = body['datastore_versions']
        names = headings(versions)
        if not versions:
            print(f'Datastore {datastore} has no active version.',
                  file=sys.stderr)
        for version, name in zip(versions, names):
            if not version['flavors']:
                print(f'Version {name} allows none of your flavors.',
                      file=sys.stderr)
            if volume := flavors.volume_text(version.get('volume')):
                print(f'The data volume of version {name} must have '
                      f'{volume}.', file=sys.stderr)
        allowed = [{*version['flavors']} for version in versions]
        return (*flavors.COLUMNS, *names), [
            (*flavors.row(flavor), *(
                Allowed(flavor['str_id'] in ids) for ids in allowed))
            for flavor in body['flavors']]
