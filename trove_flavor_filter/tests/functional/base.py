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

"""What the functional tests share: one small cloud, with the plugin in."""

import functools
import importlib.util
import logging
import os
import unittest
import uuid

from oslotest import base

from trove_flavor_filter.tests.cloud import cloud

# What each request and its answer were would hide all else that is printed of
# a test that fails.
if not os.environ.get('OS_DEBUG'):
    for name in ('PIL', 'keystoneauth', 'novaclient', 'selenium', 'urllib3'):
        logging.getLogger(name).setLevel(logging.INFO)


@functools.cache
def shared_cloud() -> cloud.Cloud:
    """The cloud of this process; it goes when the process ends.

    FLAVOR_FILTER_DATABASE says what Trove's database is: sqlite (the
    default), mysql or postgresql; FLAVOR_FILTER_SERVER what serves it:
    eventlet (the default) or uwsgi.
    """
    missing = [name for name in ('keystone', 'nova', 'glance', 'trove')
               if importlib.util.find_spec(name) is None]
    if missing and not os.environ.get('CI'):
        raise unittest.SkipTest(
            f'no small cloud without {", ".join(missing)}: '
            f'run these tests by "tox -e functional"')
    booted = cloud.Cloud(
        os.environ.get('FLAVOR_FILTER_DATABASE', 'sqlite'),
        server=os.environ.get('FLAVOR_FILTER_SERVER', 'eventlet'),
        # A test sees the flavors that it has just made; what the cache does
        # is tested on a cloud of its own.
        options={'flavor_filter': {'flavor_cache_time': 0}})
    booted.__enter__()
    booted.enable()
    return booted


@functools.cache
def oracle() -> str:
    """URL of one more trove-api: Trove itself answers its own list there."""
    return shared_cloud().add_host(
        {'flavor_filter': {'answer_troves_list': False}})


class FunctionalTestCase(base.BaseTestCase):
    """A test on the shared cloud. What it makes has names of its own."""

    # Booting counts as part of the first test.
    DEFAULT_TIMEOUT = 600

    def setUp(self) -> None:
        super().setUp()
        self.cloud = shared_cloud()

    def unique(self, prefix: str = 'f') -> str:
        return f'{prefix}-{uuid.uuid4().hex[:8]}'

    def create_flavor(self, **kwargs) -> str:
        flavor_id = self.cloud.create_flavor(self.unique(), **kwargs)
        self.addCleanup(self.cloud.delete_flavor, flavor_id)
        return flavor_id

    def create_version(self, **kwargs) -> str:
        return self.cloud.create_datastore_version(
            'mysql', self.unique('v'), **kwargs)

    def associate(self, version_id: str, *flavor_ids: str) -> None:
        """Rows as Trove's own commands write them."""
        for flavor_id in flavor_ids:
            self.cloud.sql(
                'INSERT INTO datastore_version_metadata (id, '
                'datastore_version_id, key, value, created, deleted) VALUES '
                '(:id, :version, \'flavor\', :flavor, :created, :deleted)'
                .replace(' key,', f' {self._key()},'),
                id=str(uuid.uuid4()), version=version_id, flavor=flavor_id,
                created='2026-01-01 00:00:00', deleted=False)

    def _key(self) -> str:
        return '`key`' if self.cloud.backend == 'mysql' else '"key"'

    def rows(self, version_id: str) -> list[tuple[str, bool]]:
        """(flavor id, deleted) of a version's rows."""
        return sorted(
            (row.value, bool(row.deleted)) for row in self.cloud.sql(
                f'SELECT value, deleted FROM datastore_version_metadata '
                f'WHERE datastore_version_id = :version '
                f'AND {self._key()} = \'flavor\'', version=version_id))

    def listed(self, version_id: str, user: str = 'demo') -> list[dict]:
        """The flavors that the plugin's route lists."""
        response = self.cloud.trove(
            f'/flavors/datastores/versions/{version_id}', user=user)
        self.assertEqual(200, response.status_code, response.text)
        self.assertEqual(['flavors'], list(response.json()))
        return response.json()['flavors']

    def listed_by_trove(self, version_id: str,
                        user: str = 'demo') -> list[dict]:
        """The flavors that Trove's own code for the same lists."""
        response = self.cloud.session(user).get(
            f'{oracle()}/v1.0/{self.cloud.project_id(user)}'
            f'/datastores/mysql/versions/{version_id}/flavors',
            # Links are made of it.
            headers={'Host': self.cloud.trove_url.partition('//')[2]},
            raise_exc=False)
        self.assertEqual(200, response.status_code, response.text)
        return response.json()['flavors']

    def manage(self, *words: str, code: int = 0):
        """Run trove-manage, and see that it exits as it should.

        Whatever happens, nobody is shown a traceback, and a failure is one
        line.
        """
        result = self.cloud.run('trove-manage', *words)
        self.assertEqual(code, result.returncode,
                         result.stdout + result.stderr)
        self.assertNotIn('Traceback', result.stderr)
        if code == 1:
            self.assertEqual(1, result.stderr.count('\n'), result.stderr)
        return result
