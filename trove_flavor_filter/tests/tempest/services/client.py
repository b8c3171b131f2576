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

"""A client of Trove's API: the plugin's routes, and what the guards guard."""

from urllib import parse

from oslo_serialization import jsonutils
from tempest.lib.common import rest_client
from tempest.lib import exceptions

from trove_flavor_filter.tests.tempest import schema


REQUIREMENTS = 'mgmt/flavor-requirements'
VIOLATIONS = 'mgmt/flavor-requirement-violations'


def _path(datastore_version_id: str) -> str:
    return f'mgmt/datastore-versions/{datastore_version_id}/flavor-requirement'


class FlavorFilterClient(rest_client.RestClient):
    """Each method raises what tempest raises for a status of 400 or more."""

    def list_allowed_flavors(self, datastore_version_id: str
                             ) -> rest_client.ResponseBody:
        """The flavors that a datastore version allows: the plugin's route.

        :raises InvalidHTTPResponseBody: the answer is not what it should be
        """
        return self._list(
            f'flavors/datastores/versions/{datastore_version_id}')

    def list_associated_flavors(self, datastore: str, version: str
                                ) -> rest_client.ResponseBody:
        """The same, on Trove's own path.

        :param datastore: id or name
        :param version: id or name
        :raises InvalidHTTPResponseBody: the answer is not what it should be
        """
        return self._list(f'datastores/{datastore}/versions/{version}/flavors')

    def list_flavors_for_instance(self, instance_id: str
                                  ) -> rest_client.ResponseBody:
        """The flavors that an instance may be resized to.

        :raises InvalidHTTPResponseBody: the answer is not what it should be
        """
        return self._list(f'instances/{instance_id}/flavors')

    def list_datastore_flavors(self, datastore: str
                               ) -> rest_client.ResponseBody:
        """The flavors that each active version of a datastore allows.

        :param datastore: id or name
        :raises InvalidHTTPResponseBody: the answer is not what it should be
        """
        resp, raw = self.get(f'flavors/datastores/{datastore}')
        return self._validated(schema.LIST_DATASTORE_FLAVORS, resp, raw)

    def list_versions_for_instance(self, instance_id: str
                                   ) -> rest_client.ResponseBody:
        """The datastore versions that an instance may be upgraded to.

        :raises InvalidHTTPResponseBody: the answer is not what it should be
        """
        resp, raw = self.get(f'instances/{instance_id}/datastore-versions')
        return self._validated(schema.LIST_VERSIONS, resp, raw)

    def list_flavors(self) -> rest_client.ResponseBody:
        """All flavors: Trove's own route, with the same documents."""
        return self._list('flavors')

    def _list(self, path: str) -> rest_client.ResponseBody:
        resp, raw = self.get(path)
        return self._validated(schema.LIST_FLAVORS, resp, raw)

    # What datastore versions require: for admins.

    def show_requirement(self, datastore_version_id: str
                         ) -> rest_client.ResponseBody:
        resp, raw = self.get(_path(datastore_version_id))
        return self._validated(schema.SHOW_REQUIREMENT, resp, raw)

    def replace_requirement(
            self, datastore_version_id: str, if_match: str | None = None,
            **requirement: object) -> rest_client.ResponseBody:
        """Have a datastore version require this, and no more.

        :param if_match: the ETag of what is replaced; None for whatever it is
        """
        resp, raw = self.put(
            _path(datastore_version_id),
            jsonutils.dumps({'flavor_requirement': requirement}),
            extra_headers=if_match is not None,
            headers={'If-Match': if_match} if if_match is not None else None)
        return self._validated(schema.SHOW_REQUIREMENT, resp, raw)

    def delete_requirement(self, datastore_version_id: str
                           ) -> rest_client.ResponseBody:
        resp, body = self.delete(_path(datastore_version_id))
        self.expected_success(204, resp.status)
        return rest_client.ResponseBody(resp, body)

    def list_requirements(self) -> rest_client.ResponseBody:
        resp, raw = self.get(REQUIREMENTS)
        return self._validated(schema.LIST_REQUIREMENTS, resp, raw)

    def try_requirements(self, *requirements: object
                         ) -> rest_client.ResponseBody:
        """What replacing several requirements at once would change."""
        resp, raw = self.put(
            f'{REQUIREMENTS}?dry_run=true',
            jsonutils.dumps({'flavor_requirements': requirements}))
        return self._validated(schema.CHANGES, resp, raw)

    def list_violations(self, **query: object) -> rest_client.ResponseBody:
        """The instances that break a requirement."""
        resp, raw = self.get(f'{VIOLATIONS}?{parse.urlencode(query)}')
        return self._validated(schema.LIST_VIOLATIONS, resp, raw)

    def _validated(self, expected: dict, resp: object, raw: bytes
                   ) -> rest_client.ResponseBody:
        body = jsonutils.loads(raw)
        self.validate_response(expected, resp, body)
        return rest_client.ResponseBody(resp, body)

    def list_instances(self) -> rest_client.ResponseBody:
        resp, raw = self.get('instances')
        self.expected_success(200, resp.status)
        return rest_client.ResponseBody(resp, jsonutils.loads(raw))

    def show_instance(self, instance_id: str) -> rest_client.ResponseBody:
        resp, raw = self.get(f'instances/{instance_id}')
        self.expected_success(200, resp.status)
        return rest_client.ResponseBody(resp, jsonutils.loads(raw))

    def create_instance(self, **instance: object) -> rest_client.ResponseBody:
        resp, raw = self.post(
            'instances', jsonutils.dumps({'instance': instance}))
        self.expected_success(200, resp.status)
        return rest_client.ResponseBody(resp, jsonutils.loads(raw))

    def resize_instance(self, instance_id: str, flavor_id: str
                        ) -> rest_client.ResponseBody:
        return self._act(instance_id, resize={'flavorRef': flavor_id})

    def upgrade_instance(self, instance_id: str, datastore_version: str
                         ) -> rest_client.ResponseBody:
        """Upgrade an instance to a datastore version, by id or name."""
        resp, body = self.put(
            f'instances/{instance_id}', jsonutils.dumps(
                {'instance': {'datastore_version': datastore_version}}))
        self.expected_success(202, resp.status)
        return rest_client.ResponseBody(resp, body)

    def reset_instance(self, instance_id: str) -> rest_client.ResponseBody:
        """Have an instance be deletable, whatever it is at. For admins."""
        return self._act(instance_id, reset_status={})

    def _act(self, instance_id: str, **action: object
             ) -> rest_client.ResponseBody:
        resp, body = self.post(
            f'instances/{instance_id}/action', jsonutils.dumps(action))
        self.expected_success(202, resp.status)
        return rest_client.ResponseBody(resp, body)

    def delete_instance(self, instance_id: str) -> rest_client.ResponseBody:
        resp, body = self.delete(f'instances/{instance_id}')
        self.expected_success(202, resp.status)
        return rest_client.ResponseBody(resp, body)

    def is_resource_deleted(self, id: str) -> bool:
        """For wait_for_resource_deletion: whether an instance is gone."""
        try:
            self.get(f'instances/{id}')
        except exceptions.NotFound:
            return True
        return False

    @property
    def resource_type(self) -> str:
        return 'instance'
