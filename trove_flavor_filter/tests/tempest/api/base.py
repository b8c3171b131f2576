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

"""What the API tests share: flavors, and a datastore version for them."""

import shlex
import subprocess
import time
import typing

import jsonschema
from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils
from tempest.lib import decorators
from tempest.lib import exceptions
from tempest import test

from trove_flavor_filter.tests.tempest import schema

CONF = config.CONF


# There is one datastore version for all classes. Those that are derived of
# this one have the mark too.
@decorators.serial
class FlavorFilterTestCase(test.BaseTestCase):
    """A test on the configured datastore version.

    :cvar client: of a member of a project; :cvar:`reader_client` is of a
        reader of the same project, :cvar:`other_client` of a member of
        another one
    """

    credentials = ['admin', 'primary', 'project_reader', 'alt']

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        if not CONF.service_available.flavor_filter:
            raise cls.skipException(
                'There is no trove-flavor-filter: [service_available] '
                'flavor_filter is false.')
        if not CONF.flavor_filter.datastore_version_id:
            raise cls.skipException(
                'There is no datastore version to associate flavors with: '
                '[flavor_filter] datastore_version_id is not set.')

    @classmethod
    def setup_credentials(cls) -> None:
        # No test needs a network of its own.
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        super().setup_clients()
        cls.client = cls.os_primary.flavor_filter.FlavorFilterClient()
        cls.reader_client = (
            cls.os_project_reader.flavor_filter.FlavorFilterClient())
        cls.other_client = cls.os_alt.flavor_filter.FlavorFilterClient()
        cls.admin_client = cls.os_admin.flavor_filter.FlavorFilterClient()
        cls.flavors_client = cls.os_admin.flavors_client

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.version_id = CONF.flavor_filter.datastore_version_id

    @classmethod
    def create_flavor(cls, ram: int = 512,
                      project_id: str | None = None) -> str:
        """A flavor, until the class is done.

        :param ram: MiB
        :param project_id: the one project that may see it; None for all
        :returns: its id
        """
        flavor = cls.flavors_client.create_flavor(**{
            'name': data_utils.rand_name(
                'flavor-filter', prefix=CONF.resource_name_prefix),
            'ram': ram, 'vcpus': 1, 'disk': 5,
            'OS-FLV-EXT-DATA:ephemeral':
                0 if CONF.flavor_filter.volume_size else 1,
            'os-flavor-access:is_public': project_id is None})['flavor']
        cls.addClassResourceCleanup(
            test_utils.call_and_ignore_notfound_exc,
            cls.flavors_client.delete_flavor, flavor['id'])
        if project_id is not None:
            cls.flavors_client.add_flavor_access(flavor['id'], project_id)
        return flavor['id']

    @classmethod
    def associate(cls, *flavor_ids: str) -> None:
        """Associate flavors with the version, until the class is done."""
        cls.manage('datastore-version-flavor-add', *flavor_ids)
        cls.addClassResourceCleanup(
            cls.manage, 'datastore-version-flavor-delete', *flavor_ids)

    @classmethod
    def manage(cls, subcommand: str, *flavor_ids: str) -> None:
        """Run a subcommand of trove-manage on the datastore version.

        :raises InvalidConfiguration: it cannot be run
        :raises TempestException: it failed
        """
        command = [*shlex.split(CONF.flavor_filter.manage_command),
                   subcommand, cls.version_id, *flavor_ids]
        try:
            result = subprocess.run(
                command, text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            raise exceptions.InvalidConfiguration(
                f'[flavor_filter] manage_command cannot be run: {error}'
            ) from error
        if result.returncode:
            raise exceptions.TempestException(
                f'"{shlex.join(command)}" exited with {result.returncode}: '
                f'{result.stdout}')

    def wait_until_allowed(self, client: typing.Any,
                           flavor_ids: typing.Iterable[str]
                           ) -> list[dict[str, typing.Any]]:
        """See that the version's list is these flavors and no others.

        A process of Trove's may have a list of flavors from before they were
        made, so that it is asked again until ``flavor_timeout``.

        :returns: their documents
        """
        wanted = sorted(flavor_ids)
        deadline = time.monotonic() + CONF.flavor_filter.flavor_timeout
        while True:
            flavors = client.list_allowed_flavors(self.version_id)['flavors']
            found = sorted(flavor['str_id'] for flavor in flavors)
            if found == wanted or time.monotonic() >= deadline:
                break
            time.sleep(CONF.flavor_filter.build_interval)
        self.assertEqual(wanted, found)
        return flavors

    def create_instance(self, flavor_id: str) -> dict[str, typing.Any]:
        """An instance of the datastore version, until the test is done.

        Nothing waits for it to come up.
        """
        more: dict[str, typing.Any] = {}
        if CONF.flavor_filter.volume_size:
            more['volume'] = {'size': CONF.flavor_filter.volume_size}
        if CONF.flavor_filter.network_id:
            more['nics'] = [{'net-id': CONF.flavor_filter.network_id}]
        instance = self.client.create_instance(
            name=data_utils.rand_name(
                'flavor-filter', prefix=CONF.resource_name_prefix),
            flavorRef=flavor_id,
            datastore={'type': CONF.flavor_filter.datastore_type,
                       'version': self.version_id}, **more)['instance']
        self.addCleanup(self._delete_instance, instance['id'])
        return instance

    def wait_until_up(self, instance_id: str) -> None:
        """Wait until an instance takes actions.

        :raises TimeoutException: it does not within ``build_timeout``
        """
        if not test_utils.call_until_true(
                lambda: self.client.show_instance(instance_id)['instance'][
                    'status'] in ('HEALTHY', 'ACTIVE'),
                CONF.flavor_filter.build_timeout,
                CONF.flavor_filter.build_interval):
            raise exceptions.TimeoutException(
                f'Instance {instance_id} is not up after '
                f'{CONF.flavor_filter.build_timeout} s.')

    def _delete_instance(self, instance_id: str) -> None:
        # One that is still building cannot be deleted otherwise.
        self.admin_client.reset_instance(instance_id)
        self.client.delete_instance(instance_id)
        self.client.wait_for_resource_deletion(instance_id)

    def assertFault(self, status: int, error: exceptions.RestClientException
                    ) -> str:
        """See that an error is spelled as Trove spells them.

        :returns: its message
        """
        jsonschema.validate(error.resp_body, schema.FAULT)
        self.assertEqual(status, error.resp_body['code'])
        return error.resp_body['message']


class InactiveVersionTestCase(FlavorFilterTestCase):
    """A test on the configured datastore version that is not active."""

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        if not CONF.flavor_filter.inactive_datastore_version_id:
            raise cls.skipException(
                'There is no inactive datastore version: [flavor_filter] '
                'inactive_datastore_version_id is not set.')

    @classmethod
    def resource_setup(cls) -> None:
        super().resource_setup()
        cls.version_id = CONF.flavor_filter.inactive_datastore_version_id
