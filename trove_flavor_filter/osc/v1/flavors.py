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

It has the older name "openstack database datastore version flavor list", too.
"""

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import typing
import urllib.parse

from keystoneauth1 import exceptions as keystone_exceptions
from osc_lib.command import command
from osc_lib import exceptions
from oslo_utils import uuidutils
from troveclient import exceptions as trove_exceptions

from trove_flavor_filter import exception

# A column -> where the document of a flavor has it. ``id`` is null there for
# each flavor whose id is not a number; ``str_id`` never is.
COLUMNS = {'ID': 'str_id', 'Name': 'name', 'RAM': 'ram', 'VCPUs': 'vcpus',
           'Disk': 'disk', 'Ephemeral': 'ephemeral'}

# What to do about an HTTP status of Trove's.
ADVICE = {
    400: 'correct it and try again',
    403: 'ask an administrator of the cloud for a role that may',
    413: 'wait a minute and try again',
    429: 'wait a minute and try again',
    503: 'try again in a moment',
}


class Version(typing.NamedTuple):
    """A datastore version, as Trove lists it.

    :ivar number: of the database's version; None where Trove tells none
    :ivar datastore: name of its datastore
    """

    id: str
    name: str
    number: str | None
    datastore: str
    datastore_id: str

    def __str__(self) -> str:
        # Versions of one name differ in their number alone.
        number = (f', number {self.number}'
                  if self.number not in (None, self.name) else '')
        return f'{self.id} ({self.datastore}/{self.name}{number})'

    def is_meant_by(self, text: str) -> bool:
        """Whether a person could mean this one."""
        return text in (self.id, self.name, f'{self.datastore}/{self.name}')


def versions_of(datastores: Iterable[typing.Any]) -> list[Version]:
    """The datastore versions of python-troveclient's list of datastores."""
    return [
        Version(version['id'], version['name'], version.get('version'),
                datastore.name, datastore.id)
        for datastore in datastores for version in datastore.versions]


def find(versions: Iterable[Version], text: str,
         datastore: str | None = None) -> Version:
    """The datastore version that a person means.

    :param versions: those that there are
    :param text: an id, a name, or DATASTORE/VERSION by name
    :param datastore: id or name of the only datastore to look in
    :raises CommandError: none, or more than one; the message names those
        that there are, with their ids
    """
    versions = list(versions)
    if datastore is not None:
        there = [version for version in versions if datastore in (
            version.datastore, version.datastore_id)]
        if not there:
            names = dict.fromkeys(version.datastore for version in versions)
            raise exceptions.CommandError(
                f'There is no datastore {datastore!r} with a version that '
                f'you may use; give one of these: '
                f'{", ".join(names) or "(none)"}.')
        versions = there
    found = [version for version in versions if version.is_meant_by(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise exceptions.CommandError(
            f'Datastore version {text!r} is ambiguous; give the ID of one of '
            f'these: {", ".join(map(str, found))}.')
    raise exceptions.CommandError(
        f'There is no datastore version {text!r} that you may use; give the '
        f'ID of one of these: {", ".join(map(str, versions)) or "(none)"}.')


def row(flavor: dict[str, typing.Any]) -> tuple[typing.Any, ...]:
    """The COLUMNS of a flavor, of its document."""
    return tuple(flavor.get(field) for field in COLUMNS.values())


def failure(status: int, body: typing.Any, version_id: str,
            datastore: str | None = None) -> exceptions.CommandError:
    """The error for an answer of Trove's that is no list of flavors.

    :param status: of HTTP
    :param body: the answer's JSON; None where it is none
    :param version_id: of the datastore version that was asked about
    :param datastore: its datastore's name; None where it is not known
    """
    if status == 404 and not is_of_plugin(body):
        return exceptions.CommandError(
            f'This cloud does not have trove-flavor-filter, so it does not '
            f'tell which flavors a datastore version allows; try Trove\'s '
            f'own "openstack database flavor list --datastore-type '
            f'{datastore or "<datastore>"} --datastore-version-id '
            f'{version_id}", or "openstack flavor list" for all flavors.')
    return refusal(status, body, version_id, 'Trove gave no list of flavors')


def refusal(status: int, body: typing.Any, version_id: str,
            otherwise: str) -> exceptions.CommandError:
    """The error for an answer that is a fault of the plugin's or Trove's.

    :param otherwise: what to say when it is no fault
    """
    if status == 404 and is_of_plugin(body):
        return exceptions.CommandError(
            f'There is no datastore version {version_id!r} that you may use; '
            f'"openstack datastore list" and "openstack datastore version '
            f'list <datastore>" show those that there are.')
    advice = ADVICE.get(status, 'ask an administrator of the cloud')
    reason = _message(body).rstrip('.') or otherwise
    return exceptions.CommandError(f'{reason} (HTTP {status}); {advice}.')


def is_of_plugin(body: typing.Any) -> bool:
    """Whether a body with status 404 is the plugin's.

    It names what cannot be found; Trove's router does not, nor does a proxy.
    """
    return _message(body).startswith('Datastore version ')


def _message(body: typing.Any) -> str:
    """The message of a fault, as Trove spells them; empty without one."""
    if isinstance(body, dict) and len(body) == 1:
        fault, = body.values()
        if isinstance(fault, dict):
            return str(fault.get('message', ''))
    return ''


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what python-troveclient throws into CommandError.

    What the plugin's own rules refuse as well.
    """
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


def add_version(parser: argparse.ArgumentParser) -> None:
    """Have a command take the datastore version that it is about."""
    parser.add_argument(
        'datastore_version', metavar='<datastore version>',
        help='ID or name of the datastore version, or DATASTORE/VERSION by '
             'name (mysql/8.0); a name by itself is looked for in all '
             'datastores')
    parser.add_argument(
        '--datastore', metavar='<datastore>',
        help='name or ID of the datastore to look for the datastore version '
             'in')


def named(client: typing.Any, parsed_args: argparse.Namespace
          ) -> tuple[str, str | None]:
    """The datastore version that a command line names.

    :param client: python-troveclient's
    :returns: its id, and the name of its datastore as far as it is known
    :raises CommandError: as :func:`find`
    """
    # Whoever knows the id need not be allowed to list datastores.
    if (not parsed_args.datastore
            and uuidutils.is_uuid_like(parsed_args.datastore_version)):
        return parsed_args.datastore_version, None
    version = find(versions_of(client.datastores.list()),
                   parsed_args.datastore_version, parsed_args.datastore)
    return version.id, version.datastore


class ListDatastoreVersionFlavors(command.Lister):
    """List the flavors that a datastore version allows.

    Lists the flavors of your project on which an instance of the datastore
    version may run: those that an administrator has associated with it, or all
    when there are none, cut to those that are as large as it requires. RAM is
    in MiB, disk and ephemeral disk in GiB.

    The cloud must have the Trove plugin trove-flavor-filter.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        # The paragraphs and the examples are to stay as they are laid out.
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add_version(parser)
        return parser

    def get_epilog(self) -> str:
        name = f'openstack {self.cmd_name}'
        return f'''\
Examples:
  {name} mysql/8.0
  {name} 8.0 --datastore mysql --sort-column RAM
  {name} 8.0 -f value -c ID

{super().get_epilog()}'''

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        """The flavors, in Nova's order.

        :returns: the names of the columns, and a row for each flavor
        :raises CommandError: there are none to list; one sentence, which
            says what to do
        """
        with translated():
            # The attribute is there only once python-troveclient has added it.
            manager: typing.Any = self.app.client_manager
            client = manager.database
            version_id, datastore = named(client, parsed_args)
            response, body = client.client.get(
                '/flavors/datastores/versions/'
                + urllib.parse.quote(version_id, safe=''), raise_exc=False)
        flavors = body.get('flavors') if isinstance(body, dict) else None
        if response.status_code != 200 or flavors is None:
            raise failure(response.status_code, body, version_id, datastore)
        return tuple(COLUMNS), [row(flavor) for flavor in flavors]
