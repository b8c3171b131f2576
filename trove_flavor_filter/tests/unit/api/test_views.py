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

"""The links of a flavor's document."""

import json

import webob

from trove_flavor_filter.api import views
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import base

FLAVOR = requirement.Flavor(
    id='2', name='db.small', ram=2048, vcpus=1, disk=20, ephemeral=0)


class LinksTest(base.TestCase):

    def links(self, endpoint: str | None,
              host: str = 'db.example.org') -> list[str]:
        conf = self.configuration(
            f'[flavor_filter]\npublic_endpoint = {endpoint}\n'
            if endpoint else '')
        answer = views.flavor_list(
            webob.Request.blank('/v1.0/p/flavors/datastores/versions/v',
                                headers={'Host': host}),
            conf, 'p', [FLAVOR], snapshot.Snapshot(0, [FLAVOR]), [])
        return [link['href']
                for link in json.loads(answer.body)['flavors'][0]['links']]

    def test_they_begin_as_the_request_was_addressed(self):
        self.assertEqual(['https://db.example.org/v1.0/p/flavors/2',
                          'https://db.example.org/flavors/2'],
                         self.links(None))

    def test_the_host_is_taken_as_it_is(self):
        # As in Trove. A search for the end of a version and a project in it
        # took a time that grew with the square of its slashes.
        for host in ('h////', 'h/v1.0', f'h{"/" * 7000}x'):
            self.assertEqual(f'https://{host}/v1.0/p/flavors/2',
                             self.links(None, host)[0])

    def test_a_public_endpoint_may_be_written_as_in_the_catalog(self):
        for prefix in ('https://api.example.org',
                       'http://api.example.org:8779',
                       'https://api.example.org/database',
                       'https://api.example.org/v2-databases'):
            for end in ('', '/', '/v1.0', '/v1.0/', '/v1', '/v1.0//',
                        '/v1.0/%(tenant_id)s', '/v1.0/%(project_id)s/',
                        '/v1.0/$(tenant_id)s', '/v1.0/$(project_id)s',
                        '/v1.0/AUTH_%(tenant_id)s', '/%(tenant_id)s',
                        '/v1.0/{project_id}'):
                self.assertEqual([f'{prefix}/v1.0/p/flavors/2',
                                  f'{prefix}/flavors/2'],
                                 self.links(prefix + end), prefix + end)
