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

"""The shared cache: which ``[cache]`` it takes, and what it makes of it.

What only a server can show is in the functional tests.
"""

import os
import pathlib
import threading
import time
import typing

from dogpile.cache import proxy
import fixtures
import hypothesis
from hypothesis import strategies
from oslo_cache import core as oslo_cache
from oslo_config import cfg
from oslo_serialization import jsonutils

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import shared
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter import services
from trove_flavor_filter.tests.unit import base

# How many sections are tried.
COUNT = int(os.environ.get('FLAVOR_FILTER_CACHES', '150'))

FLAVORS = [
    requirement.Flavor('2', 'two', 512, 1, 5, 0),
    requirement.Flavor('1', 'one', 1024, 2, 10, 1, {'a': 'b', 'c': ''}),
    requirement.Flavor('0', 'none', 1, 1, 1, 0, {}),
]

# Values of the options of [cache] that are not drawn by their type.
VALUES = {
    'proxies': ['dogpile.cache.proxy.ProxyBackend', 'no.such.Class',
                'builtins.dict',
                f'{__name__}.FaultyCache'],
    'config_prefix': ['cache.oslo', 'x', '', 'a b'],
    'backend_argument': [
        'filename:{folder}/file.dbm', 'filename:/no/such/folder/file.dbm',
        'url:127.0.0.1:1', 'url:redis://127.0.0.1:1/0', 'url:nonsense:',
        'distributed_lock:false', 'lock_timeout:x', 'lock_prefix:_',
        'expiration_time:x', 'redis_expiration_time:0',
        'memcached_expire_time:5', 'no colon', 'port:x', ':', 'url:'],
    'memcache_servers': ['127.0.0.1:1', '127.0.0.1:1,127.0.0.1:2',
                         'inet6:[::1]:1', '', 'nonsense:port'],
    'redis_server': ['127.0.0.1:1', '[::1]:1', 'host:port', ''],
    'redis_sentinels': ['127.0.0.1:1', '127.0.0.1:1,[::1]:2', 'no-port', ''],
    'tls_cafile': ['{folder}/ca.pem', '/no/such/file'],
    'tls_certfile': ['{folder}/ca.pem', '/no/such/file'],
    'tls_keyfile': ['/no/such/file'],
    'tls_allowed_ciphers': ['HIGH', 'no such cipher'],
}


def values_of(option: cfg.Opt) -> list[str]:
    if option.name in VALUES:
        return VALUES[option.name]
    if isinstance(option, cfg.BoolOpt):
        return ['true', 'false', 'perhaps']
    if isinstance(option, cfg.IntOpt | cfg.FloatOpt):
        return ['0', '1', '600', '900', '99999999', '-1', 'x', '0.5', '']
    if getattr(option.type, 'choices', None):
        return [*option.type.choices, 'no.such.backend']
    return ['text', '']


def sections() -> strategies.SearchStrategy:
    """Options of [cache]: the lines of a section."""
    options = {
        name: option for option in oslo_cache._opts.OPTS
        for name in (option.name, *(
            old.name for old in option.deprecated_opts if old.name))}
    lines = strategies.sampled_from(sorted(options)).flatmap(
        lambda name: strategies.sampled_from(values_of(options[name])).map(
            lambda value: f'{name} = {value}'))
    backends = strategies.sampled_from(values_of(options['backend'])).map(
        lambda name: f'backend = {name}')
    # Of an option with one value, the last line counts.
    return strategies.tuples(
        strategies.lists(lines, max_size=5), backends,
        strategies.sampled_from(['enabled = true'] * 4 + ['enabled = false'])
    ).map(lambda drawn: [*drawn[0], *drawn[1:]])


class SectionTest(base.TestCase):
    """Which sections are taken: oslo.cache is the judge."""

    def test_what_oslo_cache_takes_is_taken(self):
        outcomes = {'taken': 0, 'refused': 0}
        self.useFixture(fixtures.FakeLogger())
        folder = self.useFixture(fixtures.TempDir()).path
        pathlib.Path(folder, 'ca.pem').write_text('no certificate')

        @hypothesis.settings(
            max_examples=COUNT, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(sections(), strategies.sampled_from(
            ['', 'flavor_stale_time = 0', 'flavor_cache_time = 0',
             'flavor_stale_time = 99999999999', 'nova_timeout = inf']))
        @hypothesis.example([
            'enabled = true', 'backend = dogpile.cache.redis',
            'expiration_time = 600', 'backend_expiration_time = 900'], '')
        def compare(section, own):
            text = '\n'.join(['[cache]', *section, '[flavor_filter]', own,
                              '[database]', 'connection = sqlite://'])
            text = text.replace('{folder}', folder)
            judged, conf = self.configuration(text), self.configuration(text)
            refusal = refusal_of_oslo_cache(judged)
            try:
                services.Services.build(conf)
            except exception.Misconfigured as error:
                outcomes['refused'] += 1
                self.assertIsNotNone(refusal, error)
                self.assertIn('[cache]', str(error))
                self.assertNotIn('\n', str(error))
            else:
                outcomes['taken'] += 1
                self.assertIsNone(refusal, section)
                self.assertEqual(judged.cache.backend_argument,
                                 conf.cache.backend_argument)
        compare()
        print(f'\nSections [cache]: {outcomes}')
        self.assertTrue(all(outcomes.values()), outcomes)


def refusal_of_oslo_cache(conf: cfg.ConfigOpts) -> Exception | None:
    oslo_cache.configure(conf)
    try:
        oslo_cache.configure_cache_region(conf, oslo_cache.create_region())
    except Exception as error:
        return error
    return None


class FaultyCache(proxy.ProxyBackend):
    """A cache that loses what it had, and whose lock may come too late."""

    def __init__(self, proxied: typing.Any = None):
        super().__init__()
        self.lost = False
        self.go, self.given, self.released = (
            threading.Event() for _event in range(3))
        self.go.set()

    def get(self, key: str) -> typing.Any:
        if self.lost:
            raise ConnectionResetError('of this test')
        return super().get(key)

    def get_mutex(self, key: str) -> typing.Any:
        return self

    def acquire(self, _wait: bool) -> bool:
        self.go.wait(30)
        self.given.set()
        return True

    def release(self) -> None:
        self.released.set()

    def locked(self) -> bool:
        return False


class LockTest(base.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        # The call must have begun by the time it is given up.
        for name, seconds in (('PATIENCE', 1), ('RETRY', 0.01)):
            self.useFixture(fixtures.MonkeyPatch(
                f'trove_flavor_filter.flavors.cache_calls.{name}', seconds))
        self.subject = shared.SharedCache(self.configuration(
            '[cache]\nenabled = true\nbackend = oslo_cache.dict\nproxies = '
            'trove_flavor_filter.tests.unit.flavors.test_shared.FaultyCache'))
        self.faulty = self.subject._region.backend
        self.addCleanup(self.faulty.go.set)

    def refresh_lock(self):
        return self.subject.refresh_lock(
            '', snapshot.Snapshot, lambda _found: True,
            wait=False)

    def test_a_lock_that_comes_too_late_is_given_back(self):
        self.faulty.go.clear()
        with self.refresh_lock() as (_found, asks):
            self.assertTrue(asks)
            self.faulty.go.set()
            self.assertTrue(self.faulty.given.wait(30))
            self.assertTrue(self.faulty.released.wait(30))

    def test_a_lock_is_given_back_when_the_cache_is_up_again(self):
        with self.refresh_lock():
            self.assertTrue(self.faulty.given.wait(30))
            self.faulty.lost = True
            self.subject.get('', snapshot.Snapshot)
        self.assertFalse(self.faulty.released.is_set())
        self.faulty.lost = False
        self.assertTrue(self.faulty.released.wait(30))


class SharedCacheTest(base.TestCase):

    def cache(self, text: str) -> shared.SharedCache:
        return shared.SharedCache(self.configuration(text))

    def assertAsks(self, subject: shared.SharedCache) -> None:
        """See that nobody waits for another process's list."""
        begun = time.monotonic()
        with subject.refresh_lock(
                '', snapshot.Snapshot, lambda _found: True,
                wait=True) as (found, asks):
            self.assertIsNone(found)
            self.assertTrue(asks)
        self.assertLess(time.monotonic() - begun, 3)

    def test_what_is_not_enabled_is_empty_and_its_lock_open(self):
        for text in ('', '[cache]\nenabled = true\n'):
            subject = self.cache(text)
            subject.set('', snapshot.Snapshot(1, FLAVORS))
            self.assertIsNone(subject.get('', snapshot.Snapshot))
            self.assertAsks(subject)

    def test_what_was_put_in_comes_out(self):
        for backend in ('dogpile.cache.memory', 'oslo_cache.dict'):
            subject = self.cache(
                f'[cache]\nenabled = true\nbackend = {backend}\n')
            own = snapshot.PrivateFlavors(
                1, ((None, FLAVORS[0]), ('0', FLAVORS[1])))
            subject.set('', snapshot.Snapshot(1, FLAVORS))
            subject.set('p', own)
            self.assertEqual(
                FLAVORS, subject.get('', snapshot.Snapshot).flavors)
            self.assertEqual(own, subject.get('p', snapshot.PrivateFlavors))
            self.assertIsNone(subject.get('q', snapshot.PrivateFlavors))

    def test_rubbish_is_as_good_as_nothing(self):
        subject = self.cache('[cache]\nenabled = true\n'
                             'backend = dogpile.cache.memory\n')
        self.useFixture(fixtures.FakeLogger())
        now = time.time()
        good = ['1', 'one', 1, 1, 1, 1]
        rows = [[], good[:5], [*good, 1], [1, *good[1:]],
                ['9' * 5000, *good[1:]], ['1', None, 1, 1, 1, 1],
                [*good[:2], '1', 1, 1, 1], [*good[:2], -1, 1, 1, 1],
                [*good[:2], True, 1, 1, 1], [*good[:2], 1e3, 1, 1, 1],
                [*good[:2], 10 ** 30, 1, 1, 1], {'id': '1'}, 'flavor', None]
        for rubbish in ('', 'x', '[]', '[1]', '[1, [[]]]', '[1, 2]', '{}',
                        'null', '["x", false, []]', 7, None, b'bytes',
                        ['list'], '[' * 10 ** 6, '"' + 'x' * 2 ** 25,
                        '[1, 0, []]', '[NaN, false, []]',
                        '[true, false, []]', f'[{now + 99}, false, []]',
                        *(jsonutils.dumps([now, False, [good, row]])
                          for row in rows),
                        *(jsonutils.dumps([now, [[None, good], [None, row]]])
                          for row in rows),
                        jsonutils.dumps([now, [[7, good]]])):
            subject._region.set(subject._key('p'), rubbish)
            for kind in (snapshot.Snapshot, snapshot.PrivateFlavors):
                self.assertIsNone(subject.get('p', kind), rubbish)

    def test_two_clouds_have_two_keys(self):
        keys = {self.cache(
            f'[cache]\nenabled = true\nbackend = dogpile.cache.memory\n'
            f'[service_credentials]\nregion_name = {region}\n')._prefix
            for region in ('one', 'two')}
        self.assertEqual(2, len(keys))
