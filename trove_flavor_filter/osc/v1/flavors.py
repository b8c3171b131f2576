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

"""openstack datastore version flavor list.

The command is also available under its older name, "openstack database
datastore version flavor list".
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import functools
import sys
import typing
import urllib.parse

from keystoneauth1 import exceptions as keystone_exceptions
from osc_lib.command import command
from osc_lib import exceptions
from oslo_utils import uuidutils
from troveclient import exceptions as trove_exceptions

from trove_flavor_filter.declaration import problems
from trove_flavor_filter import exception

# Column -> key in the document of a flavor. ``id`` is null if the flavor's id
# is not a number; ``str_id`` never is.
COLUMNS = {'ID': 'str_id', 'Name': 'name', 'RAM': 'ram', 'VCPUs': 'vcpus',
           'Disk': 'disk', 'Ephemeral': 'ephemeral'}

# The header of all answers of the plugin.
MARK = 'Trove-Flavor-Filter'

# What the user can do about an HTTP status from Trove.
ADVICE = {
    400: 'correct it and try again',
    403: 'ask an administrator of the cloud for permission',
    413: 'wait a minute and try again',
    429: 'wait a minute and try again',
    503: 'try again in a moment',
}


class Version(typing.NamedTuple):
    """A datastore version, as Trove lists it.

    :ivar number: version number of the database; None if Trove has none
    :ivar datastore: name of its datastore
    """

    id: str
    name: str
    number: str | None
    datastore: str
    datastore_id: str

    def __str__(self) -> str:
        # Versions with the same name differ only in their number.
        number = (f', number {self.number}'
                  if self.number not in (None, self.name) else '')
        return f'{self.id} ({self.datastore}/{self.name}{number})'

    def is_meant_by(self, text: str) -> bool:
        """Whether a text is this version's id or one of its names."""
        return text in (self.id, self.name, f'{self.datastore}/{self.name}')


def versions_of(datastores: Iterable[typing.Any]) -> list[Version]:
    """The datastore versions of python-troveclient's list of datastores."""
    return [
        Version(version['id'], version['name'], version.get('version'),
                datastore.name, datastore.id)
        for datastore in datastores for version in datastore.versions]


def find(versions: Iterable[Version], text: str,
         datastore: str | None = None) -> Version:
    """The datastore version with an id or a name.

    :param versions: the available versions
    :param text: an id, a name, or DATASTORE/VERSION by name
    :param datastore: id or name of a datastore, to search only there
    :raises CommandError: none, or more than one; the message lists the
        candidates with their ids
    """
    versions = list(versions)
    if datastore is not None:
        there = [version for version in versions if datastore in (
            version.datastore, version.datastore_id)]
        if not there:
            names = dict.fromkeys(version.datastore for version in versions)
            raise exceptions.CommandError(
                f'There is no datastore {datastore!r} with a version that '
                f'you may use; give one of these: {_listed(names)}.')
        versions = there
    found = [version for version in versions if version.is_meant_by(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise exceptions.CommandError(
            f'Datastore version {text!r} is ambiguous; give the ID of one of '
            f'these: {_listed(found)}.')
    raise exceptions.CommandError(
        f'There is no datastore version {text!r} that you may use; give the '
        f'ID of one of these: {_listed(versions)}.')


def _listed(candidates: Iterable[typing.Any]) -> str:
    return problems.joined(map(str, candidates), divider=', ') or '(none)'


def row(flavor: dict[str, typing.Any]) -> tuple[typing.Any, ...]:
    """The values of COLUMNS from the document of a flavor."""
    return tuple(flavor.get(field) for field in COLUMNS.values())


def volume_text(volume: Mapping[str, int | None] | None) -> str:
    """The bounds of a volume, as a list of flavors has them; or ''."""
    return ' and '.join(
        f'{words} {size} GiB' for words, key in (
            ('at least', 'min_size'), ('at most', 'max_size'))
        if (size := (volume or {}).get(key)) is not None)


def failure(status: int, body: typing.Any, is_there: bool, version_id: str,
            datastore: str | None = None) -> exceptions.CommandError:
    """The error for a response from Trove that is not a list of flavors.

    :param status: the HTTP status
    :param body: the JSON of the response; None if it is not JSON
    :param is_there: whether the cloud has the route
    :param version_id: the datastore version of the request
    :param datastore: its datastore's name; None if it is not known
    """
    if not is_there:
        return exceptions.CommandError(
            f'This cloud does not have trove-flavor-filter, so it does not '
            f'list the flavors that a datastore version allows; try Trove\'s '
            f'own "openstack database flavor list --datastore-type '
            f'{datastore or "<datastore>"} --datastore-version-id '
            f'{version_id}", or "openstack flavor list" for all flavors.')
    return refusal(status, body, version_id,
                   'Trove returned no list of flavors')


def refusal(status: int, body: typing.Any, version_id: str,
            otherwise: str) -> exceptions.CommandError:
    """The error for a response with a fault, on a route that is there.

    :param otherwise: the message if the body is not a fault
    """
    if status == 404:
        return exceptions.CommandError(
            f'There is no datastore version {version_id!r} that you may use; '
            f'"openstack datastore list" and "openstack datastore version '
            f'list <datastore>" show the available ones.')
    advice = ADVICE.get(status, 'ask an administrator of the cloud')
    reason = _message(body).rstrip('.') or otherwise
    return exceptions.CommandError(f'{reason} (HTTP {status}); {advice}.')


def has_route(client: typing.Any, path: str, response: typing.Any) -> bool:
    """Whether the cloud has a route of the plugin.

    The answer 404 may be that of Trove without the plugin, or of a proxy. The
    plugin marks its answers. Its earlier releases do not, but they answer 405
    to a method that a route of theirs does not have.

    :param client: python-troveclient's HTTP client
    :param path: of the route
    :param response: its response
    """
    if response.status_code != 404 or MARK in response.headers:
        return True
    response, _body = client.request(path, 'OPTIONS', raise_exc=False)
    return response.status_code == 405


def _message(body: typing.Any) -> str:
    """The message of a fault in Trove's form; empty if it is not a fault."""
    if isinstance(body, dict) and len(body) == 1:
        fault, = body.values()
        if isinstance(fault, dict):
            return str(fault.get('message', ''))
    return ''


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors of troveclient and the plugin into CommandError."""
    try:
        yield
    except exception.FlavorFilterError as error:
        raise exceptions.CommandError(str(error)) from error
    except (keystone_exceptions.CatalogException,
            trove_exceptions.EndpointNotFound) as error:
        raise exceptions.CommandError(
            'This cloud has no database service for you; see '
            '"openstack catalog list", and check --os-region-name and '
            '--os-interface.') from error
    except trove_exceptions.HttpError as error:
        raise exceptions.CommandError(
            f'Trove does not list its datastores: {error}; give the ID of '
            f'the datastore version rather than its name, or try again.'
        ) from error
    except keystone_exceptions.ConnectionError as error:
        raise exceptions.CommandError(
            f'Trove does not answer: {error}; try again, or ask an '
            f'administrator of the cloud.') from error


def add_version(parser: argparse.ArgumentParser,
                **kwargs: typing.Any) -> None:
    """Add the arguments for the datastore version."""
    parser.add_argument(
        'datastore_version', metavar='<datastore version>', **kwargs,
        help='ID or name of the datastore version, or DATASTORE/VERSION by '
             'name (mysql/8.0); a version name alone is searched for in all '
             'datastores')
    parser.add_argument(
        '--datastore', metavar='<datastore>',
        help='name or ID of a datastore, to search for the datastore version '
             'only there')


def named(client: typing.Any, parsed_args: argparse.Namespace
          ) -> tuple[str, str | None]:
    """The datastore version on a command line.

    :param client: python-troveclient's client
    :returns: its id, and the name of its datastore, or None if not known
    :raises CommandError: as in :func:`find`
    """
    # With an id, no permission to list datastores is needed.
    if (not parsed_args.datastore
            and uuidutils.is_uuid_like(parsed_args.datastore_version)):
        return parsed_args.datastore_version, None
    version = find(versions_of(client.datastores.list()),
                   parsed_args.datastore_version, parsed_args.datastore)
    return version.id, version.datastore


class Explained(command.Command):
    """A command whose help keeps its paragraphs and ends with examples.

    :cvar examples: the commands without "openstack", a line each; ``{name}``
        is the name under which the command was called
    """

    examples = ''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        # Keep the layout of paragraphs and examples.
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        return parser

    def get_epilog(self) -> str:
        lines = ''.join(f'  openstack {line.format(name=self.cmd_name)}\n'
                        for line in self.examples.strip().splitlines())
        return f'Examples:\n{lines}\n{super().get_epilog()}'


Failure = Callable[[int, typing.Any, bool], exceptions.CommandError]


class FlavorLister(Explained, command.Lister):
    """The base class of the commands that list flavors or versions."""

    @property
    def client(self) -> typing.Any:
        """python-troveclient's client."""
        # python-troveclient adds this attribute at run time.
        manager: typing.Any = self.app.client_manager
        return manager.database

    def asked(self, path: str, key: str, error: Failure
              ) -> dict[str, typing.Any]:
        """The JSON document that Trove returns for a path.

        :param key: a key that it has
        :param error: makes the error from the status and the JSON of another
            response, and from whether the cloud has the route
        :raises CommandError: there is none; the message is one sentence that
            says what to do
        """
        with translated():
            client = self.client.client
            response, body = client.get(path, raise_exc=False)
            is_there = has_route(client, path, response)
        if (response.status_code != 200 or not isinstance(body, dict)
                or body.get(key) is None):
            raise error(response.status_code, body, is_there)
        return body

    def listed(self, path: str, error: Failure
               ) -> tuple[tuple[str, ...], list[tuple]]:
        """The flavors that Trove lists on a path, in Nova's order.

        :returns: the names of the columns, and a row for each flavor
        :raises CommandError: as :meth:`asked`
        """
        body = self.asked(path, 'flavors', error)
        if volume := volume_text(body.get('volume')):
            print(f'The data volume must have {volume}.', file=sys.stderr)
        return tuple(COLUMNS), [row(flavor) for flavor in body['flavors']]


class ListDatastoreVersionFlavors(FlavorLister):
    """List the flavors that a datastore version allows.

    These are the flavors of your project on which an instance of the datastore
    version may run: those that an administrator has associated with it, or all
    flavors if none are associated. Of these, only flavors within its minimums
    and maximums and with its extra specs are listed, and only those on which
    Trove creates an instance. RAM is in MiB, disk and ephemeral disk in GiB.

    The Trove plugin trove-flavor-filter must be installed in the cloud.
    """

    examples = '''
{name} mysql/8.0
{name} 8.0 --datastore mysql --sort-column RAM
{name} 8.0 -f value -c ID
'''

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_version(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        with translated():
            version_id, datastore = named(self.client, parsed_args)
        return self.listed(
            '/flavors/datastores/versions/'
            + urllib.parse.quote(version_id, safe=''),
            functools.partial(failure, version_id=version_id,
                              datastore=datastore))
