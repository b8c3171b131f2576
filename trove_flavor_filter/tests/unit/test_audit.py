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

"""keystonemiddleware's audit filter records the administrators' routes."""

import json
import pathlib

from keystonemiddleware import audit
from oslo_config import cfg
from oslo_messaging.notify import _impl_test as notified

from trove_flavor_filter.tests.unit.api import test_requirements
from trove_flavor_filter.tests.unit import test_wsgi

MAP = (pathlib.Path(__file__).parents[3] / 'etc' / 'trove-flavor-filter'
       / 'audit_map.conf.sample')
CATALOG = json.dumps([{'type': 'database', 'name': 'trove', 'endpoints': [
    {'id': 'one', 'publicURL': 'http://db.example.org/v1.0'}]}])
TYPE = 'service/database/mgmt'


class AuditFilterTest(test_requirements.RequirementsTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(notified.reset)
        # Trove's own settings are not loaded here.
        self.application = audit.filter_factory(
            {}, audit_map_file=str(MAP), driver='test',
            transport_url='fake:/',
            oslo_config_config=cfg.ConfigOpts())(self.application)

    def event(self, method: str, path: str, body: dict | None = None,
              **headers: str) -> dict:
        """The event of the response to a request."""
        notified.reset()
        self.send(method, path, body, X_Service_Catalog=CATALOG, **headers)
        *_more, (_context, message, _priority, _retry) = (
            notified.NOTIFICATIONS)
        self.assertEqual('audit.http.response', message['event_type'])
        return message['payload']

    def test_the_routes_of_the_page_have_a_type_and_an_action(self):
        one = f'{TYPE}/datastore-versions/datastore-version/flavor-requirement'
        every = f'{TYPE}/flavor-requirements'
        for method, path, body, kind, action in (
                ('GET', self.one(), None, one, 'read'),
                ('PUT', f'{self.one()}?validate=no',
                 {'flavor_requirement': {'min_ram': 5}}, one, 'update'),
                ('DELETE', self.one(), None, one, 'delete'),
                ('GET', test_requirements.ALL, None, every, 'read/list'),
                ('PUT', f'{test_requirements.ALL}?validate=no&dry_run=true',
                 {'flavor_requirements': []}, every, 'update')):
            event = self.event(method, path, body)
            self.assertEqual(
                (kind, action, 'success'),
                (event['target']['typeURI'], event['action'],
                 event['outcome']), (method, path))
            self.assertEqual(f'/v1.0/{test_wsgi.PROJECT}{path}',
                             event['requestPath'])
        self.assertEqual(
            f'{TYPE}/flavor-requirement-violations',
            self.event('GET', '/mgmt/flavor-requirement-violations')
            ['target']['typeURI'])

    def test_a_refused_change_is_a_failure_with_its_status(self):
        event = self.event('DELETE', self.one(), roles='member')
        self.assertEqual(('failure', '403'), (
            event['outcome'], event['reason']['reasonCode']))

    def test_an_event_says_who_and_hides_the_token(self):
        event = self.event('DELETE', self.one(),
                           X_Auth_Token='gAAAA-secret-token')
        self.assertEqual(('user', test_wsgi.PROJECT), (
            event['initiator']['id'], event['initiator']['project_id']))
        self.assertNotIn('secret', json.dumps(event))
