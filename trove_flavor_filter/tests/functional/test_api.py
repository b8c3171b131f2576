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

"""The gabbits: the API as requests and answers, against the real Trove."""

import os
import unittest
import urllib.parse

from gabbi import driver

from trove_flavor_filter.tests.functional import base


def load_tests(loader, _tests, _pattern):
    try:
        cloud = base.shared_cloud()
    except unittest.SkipTest as skip:
        return _skipped(str(skip))
    for flavor_id, name, ram in (('gabbi-s', 'gabbi-small', 512),
                                 ('gabbi-l', 'gabbi-large', 8192)):
        cloud.create_flavor(flavor_id, name, ram=ram)
    versions = {
        'BOUND': cloud.create_datastore_version('mysql', 'gabbi-bound'),
        'FREE': cloud.create_datastore_version('mysql', 'gabbi-free'),
        'RETIRED': cloud.create_datastore_version(
            'mysql', 'gabbi-retired', active=False)}
    cloud.check('trove-manage', 'datastore-version-flavor-add',
                'mysql/gabbi-bound', 'gabbi-s')
    os.environ.update(
        versions, SMALL='gabbi-s', LARGE='gabbi-l',
        DEMO=cloud.project_id('demo'), OTHER=cloud.project_id('other'),
        ADMIN=cloud.project_id('admin'), DEMO_TOKEN=cloud.token('demo'),
        READER_TOKEN=cloud.token('viewer'), ADMIN_TOKEN=cloud.token('admin'))
    url = urllib.parse.urlsplit(cloud.trove_url)
    return driver.build_tests(
        os.path.join(os.path.dirname(__file__), 'gabbits'), loader,
        host=url.hostname, port=url.port,
        test_loader_name='trove_flavor_filter.tests.functional.test_api')


def _skipped(reason: str) -> unittest.TestSuite:
    class GabbiTest(unittest.TestCase):
        @unittest.skip(reason)
        def test_gabbits(self):
            pass

    return unittest.TestSuite([GabbiTest('test_gabbits')])
