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

"""openstack database instance flavor list."""

import argparse
from collections.abc import Iterator
import functools
import typing
import urllib.parse

from osc_lib import exceptions
from oslo_utils import uuidutils
from troveclient import exceptions as trove_exceptions

from trove_flavor_filter.declaration import problems
from trove_flavor_filter.osc.v1 import flavors


def find(instances: typing.Any, name: str) -> str:
    """The id of the instance with a name.

    :param instances: python-troveclient's manager of instances
    :raises CommandError: no instance has the name, or several have it; the
        message lists their ids
    """
    try:
        found = [instance.id for instance in _pages(instances)
                 if instance.name == name]
    except trove_exceptions.HttpError as error:
        raise exceptions.CommandError(
            f'Trove does not list your instances: {error}; give the ID of the '
            f'instance rather than its name, or try again.') from error
    if not found:
        raise unknown(name)
    if len(found) > 1:
        raise exceptions.CommandError(
            f'Instance {name!r} is ambiguous; give the ID of one of these: '
            f'{problems.joined(found, divider=", ")}.')
    return found[0]


def _pages(instances: typing.Any) -> Iterator[typing.Any]:
    """All instances of the project; Trove lists twenty per page."""
    marker = None
    while True:
        page = instances.list(marker=marker, include_clustered=True)
        yield from page
        marker = page.next
        if not marker:
            return


def unknown(instance: str) -> exceptions.CommandError:
    """The error for an instance that does not exist."""
    return exceptions.CommandError(
        f'There is no instance {instance!r} that you may use; "openstack '
        f'database instance list" shows the available ones.')


def failure(status: int, body: typing.Any, is_there: bool,
            instance_id: str,
            lacks: str = 'does not list the flavors that an instance may be '
                         'resized to; "openstack flavor list" shows all '
                         'flavors') -> exceptions.CommandError:
    """The error for a response from Trove that is not a list.

    :param status: the HTTP status
    :param body: the JSON of the response; None if it is not JSON
    :param is_there: whether the cloud has the route
    :param lacks: what a cloud without the route does not do
    """
    if status != 404:
        return flavors.failure(status, body, is_there, instance_id)
    if is_there:
        return unknown(instance_id)
    return exceptions.CommandError(
        f'This cloud does not have trove-flavor-filter, or a release that '
        f'{lacks}.')


class _OfInstance(flavors.FlavorLister):
    """A command that takes an instance."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('instance', metavar='<instance>',
                            help='ID or name of the instance')
        return parser

    def instance_id(self, parsed_args: argparse.Namespace) -> str:
        """The id of the instance that is given by id or name."""
        if uuidutils.is_uuid_like(parsed_args.instance):
            return parsed_args.instance
        with flavors.translated():
            return find(self.client.instances, parsed_args.instance)


class ListInstanceFlavors(_OfInstance):
    """List the flavors that a database instance may be resized to.

    These are the flavors of your project that the datastore version of the
    instance allows and Trove accepts, without the instance's own flavor. RAM
    is in MiB, disk and ephemeral disk in GiB.

    The Trove plugin trove-flavor-filter must be installed in the cloud.
    """

    examples = '''
{name} orders
{name} orders --sort-column RAM -f value -c ID
'''

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        instance_id = self.instance_id(parsed_args)
        return self.listed(
            f'/instances/{urllib.parse.quote(instance_id, safe="")}/flavors',
            functools.partial(failure, instance_id=instance_id))


class ListInstanceVersions(_OfInstance):
    """List the datastore versions that a database instance may be upgraded to.

    These are the versions of its datastore that allow the flavor and the data
    volume that the instance has, without the version that it has. While it is
    busy, for example being resized, there are none if any version of its
    datastore has a requirement. "Version" is the version number. To upgrade,
    give the ID to "openstack database instance upgrade".

    The Trove plugin trove-flavor-filter must be installed in the cloud.
    """

    examples = '''
{name} orders
{name} orders -f value -c ID
database instance upgrade orders 5a64e9b0-84d5-47fb-8d2a-4f7b82d5f272
'''

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[tuple[str, ...], list[tuple]]:
        instance_id = self.instance_id(parsed_args)
        body = self.asked(
            f'/instances/{urllib.parse.quote(instance_id, safe="")}'
            f'/datastore-versions', 'datastore_versions', functools.partial(
                failure, instance_id=instance_id,
                lacks='does not list the versions that an instance may be '
                      'upgraded to; "openstack datastore version list '
                      '<datastore>" shows all versions'))
        return ('ID', 'Name', 'Version'), [
            (version['id'], version['name'], version['version'])
            for version in body['datastore_versions']]
