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

"""Whatever requests reach the filter, it answers them or hands them on.

Requests are generated as a server would hand them over: a WSGI environ, of
which method, path, query string, headers and body are anything at all.
FLAVOR_FILTER_HOSTILE says how many are tried.
"""

import collections
import copy
import io
import json
import os
import re
import sys
import time
import typing
import uuid

import fixtures
import hypothesis
from hypothesis import strategies
import sqlalchemy as sa
from trove.instance import tasks
import webob

from trove_flavor_filter.api import requirements as requirements_api
from trove_flavor_filter.db import models
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement
from trove_flavor_filter.tests.unit import test_wsgi

COUNT = int(os.environ.get('FLAVOR_FILTER_HOSTILE', '2000'))

# Seconds after which a request counts as one that hangs.
PATIENCE = 30

PROJECT = test_wsgi.PROJECT
RESIZING = tasks.InstanceTasks.RESIZING.code
HOSTILE = 'hostile.trove'

FLAVORS = [
    requirement.Flavor('small', 'db.small', 512, 1, 5, 0),
    requirement.Flavor('large', 'db.large', 8192, 4, 80, 0),
    requirement.Flavor('7', 'db.own', 4096, 2, 40, 0),
]

# Of its own answers, those that the generated requests must have met: a test
# that never gets past the door would say nothing.
MET = {'200', '204', '304', '400', '401', '403', '404', '405', '412', '413',
       '422', '503'}

# The one key of a document that is answered with 200.
DOCUMENTS = {'flavors', 'flavor_requirement', 'flavor_requirements',
             'flavor_requirement_violations',
             'flavor_requirement_changes'}

HUGE = (
    b'[' * 200000,
    b'{"instance": ' * 50000 + b'{}' + b'}' * 50000,
    b'{"instance": {"flavorRef": "' + b'9' * 1000000 + b'", "datastore": '
    b'{"type": "mysql", "version": "8.0"}}}',
    b'{"instance": {"flavorRef": ' + b'9' * 10000 + b'}}',
    b'{"instance": {"flavorRef": 1e999, "datastore": {"type": "mysql"}}}',
    b'{"instance": {"flavorRef": "//[", "datastore": {"type": "' +
    b'\xc3\xa9' * 100000 + b'"}}}',
    b'\0' * 1000000,
    # Deeper than Trove's parser or the rest of it takes, depending.
    *(b'{"instance": {"flavorRef": "small", "x": %s%s}}' % (
        b'[' * depth, b']' * depth) for depth in (97, 98, 99, 400, 870)),
    b'{"grow": [' + b'{"flavorRef": "small"},' * 1500 + b'{}], "cluster": {'
    b'"datastore": {"type": "mysql", "version": "8.0"}, "instances": [' +
    b'{"flavorRef": "large"},' * 1000 + b'{"flavorRef": "small"}]}}',
)


class Hostile(typing.NamedTuple):
    """A request, before a server has made an environ of it.

    :ivar length: what Content-Length says; None when it is not there
    :ivar source: what reads the body
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    length: str | None
    source: type[io.BytesIO]


class Trickle(io.BytesIO):
    """A body that comes in small pieces."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size in range(1000) else 1000)


class Reset(io.BytesIO):
    """A client that has gone: the server cannot read on."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError(104, 'Connection reset by peer')


class BadChunk(io.BytesIO):
    """A chunk whose size is no number: eventlet's ChunkReadError."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ValueError("invalid literal for int() with base 16: b'zz'")


def weighted(*pairs: tuple[int, typing.Any]) -> strategies.SearchStrategy:
    """One of several values or strategies, each so many times as likely."""
    return strategies.sampled_from([
        choice for weight, choice in pairs for _time in range(weight)
    ]).flatmap(lambda choice: choice if isinstance(
        choice, strategies.SearchStrategy) else strategies.just(choice))


# What a header or a path is to WSGI: bytes, in a str.
LATIN = strategies.text(strategies.characters(
    max_codepoint=0xff, exclude_categories=('Cc',)), max_size=12)
PATH_TEXT = strategies.text(strategies.characters(max_codepoint=0xff),
                            max_size=12)


def requests(names: dict[str, str]) -> strategies.SearchStrategy[Hostile]:
    """Hostile requests.

    :param names: of what there is to name, by what it is
    """
    known = strategies.sampled_from(sorted(names.values()))
    word = strategies.sampled_from([
        *names.values(), '', 'mysql', '8.0', '%00', '..', '\0', '\xff',
        '\xc3\xa9', "' OR 1=1 --", '%', '{id}', 'x' * 37, 'x' * 256,
        'x' * 4000, 'null',
        '\r\nSet-Cookie: x=y'])
    anything = strategies.recursive(
        weighted((3, word), (1, strategies.none()),
                 (1, strategies.booleans()), (1, strategies.integers()),
                 (1, strategies.floats()), (1, strategies.text(max_size=8)),
                 (1, strategies.sampled_from(
                     ['\ud800', 'a\0b', 'http://[', 10 ** 400, -0.0]))),
        lambda inner: strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.sampled_from(
            ['instance', 'flavorRef', 'type', '', '\ud800']) | word,
            inner, max_size=3), max_leaves=6)

    def some(**fields: strategies.SearchStrategy
             ) -> strategies.SearchStrategy:
        """An object with some of these fields, or something else."""
        return weighted((7, strategies.fixed_dictionaries(
            {}, optional=fields)), (1, anything))

    flavor = weighted((3, 'small'), (3, 'large'), (1, '7'), (1, 7),
                      (1, 'http://nova/v2.1/flavors/small'),
                      (2, 'no-such'), (1, anything))
    datastore = weighted(
        (6, {'type': 'mysql', 'version': '8.0'}),
        (4, {'type': 'mysql', 'version': '5.7'}),
        (1, {'type': 'mysql', 'version': names['inactive'],
             'return_inactive': True}),
        (2, some(type=weighted((3, 'mysql'), (1, 'ds'), (1, anything)),
                 version=weighted((2, '8.0'), (2, known), (1, anything)),
                 version_number=anything)))
    nodes = weighted((7, strategies.lists(
        some(flavorRef=flavor, instance_type=anything), max_size=3)),
        (1, anything))
    create = strategies.fixed_dictionaries({
        'instance': strategies.fixed_dictionaries(
            {'flavorRef': flavor, 'datastore': datastore})})
    upgrade = strategies.builds(
        lambda version: {'instance': {'datastore_version': version}},
        weighted((2, '5.7'), (1, known), (1, word)))
    document = weighted(
        (4, create),
        (2, some(instance=some(
            flavorRef=flavor, datastore=datastore, replica_of=known,
            datastore_version=known | word, name=anything))),
        (2, some(resize=some(flavorRef=flavor, volume=anything))),
        (2, some(cluster=some(datastore=datastore, instances=nodes))),
        (2, some(grow=nodes, add_shard=anything,
                 upgrade=some(datastore_version=known | word))),
        (1, anything))
    limit = weighted((6, strategies.integers(-1, 4096)), (1, None),
                     (1, anything))
    says = some(
        datastore_version_id=known | word, datastore=weighted(
            (3, 'mysql'), (1, anything)), datastore_version=word,
        flavors=weighted((5, strategies.lists(weighted(
            (6, flavor), (1, some(name=flavor))), max_size=4)),
            (1, anything)),
        extra_specs=weighted(
            (3, strategies.dictionaries(word, weighted(
                (2, word), (1, strategies.lists(word, max_size=2)))
                | anything, max_size=3)), (1, anything)),
        **{key: limit for key in requirement.LIMITS}, min_rma=anything)
    requirements = weighted(
        (5, strategies.fixed_dictionaries({'flavor_requirement': weighted(
            (3, says), (2, strategies.fixed_dictionaries(
                {'min_ram': strategies.integers(1, 99)})))})),
        (5, strategies.fixed_dictionaries({
            'flavor_requirements': weighted(
                (5, strategies.lists(says, max_size=3)), (1, anything))})),
        (1, some(flavor_requirement=says, flavor_requirements=anything)))
    spelled = strategies.builds(
        lambda value, ascii, encoding: json.dumps(
            value, ensure_ascii=ascii).encode(encoding, 'surrogatepass'),
        weighted((3, document), (1, requirements)), strategies.booleans(),
        strategies.sampled_from(
            ['utf-8'] * 8 + ['utf-16', 'utf-32', 'utf-8-sig']))
    body = weighted(
        (12, spelled), (1, strategies.binary(max_size=40)), (2, b''),
        (1, spelled.map(lambda text: text[:len(text) // 2])),
        (1, spelled.map(lambda text: text.replace(b'"', b'\xff', 1))),
        (1, spelled.map(lambda text: text + text)),
        (1, strategies.sampled_from(HUGE)))

    method = weighted((6, 'GET'), (9, 'POST'), (3, 'PUT'), (2, 'PATCH'),
                      (1, strategies.sampled_from(
                          ['DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT',
                           'get', 'BREW', 'POST ', ''])), (1, LATIN))
    project = weighted((14, PROJECT), (1, 'other'), (1, PATH_TEXT))
    segment = weighted((10, known), (2, word), (1, PATH_TEXT))
    version = weighted((8, names['version']), (3, segment))
    path = weighted(
        (16, strategies.builds(
            '/{}/{}'.format, project,
            weighted(
                (6, version.map(
                    'flavors/datastores/versions/{}'.format)),
                (4, 'instances'), (2, 'clusters'),
                (2, version.map(
                    'datastores/mysql/versions/{}/flavors'.format)),
                (1, segment.map('datastores/{}/versions/8.0/flavors'.format)),
                (2, segment.map('instances/{}/flavors'.format)),
                (3, segment.map('instances/{}'.format)),
                (3, segment.map('instances/{}/action'.format)),
                (4, segment.map('clusters/{}'.format)),
                (3, segment.map('mgmt/datastore-versions/{}/'
                                'flavor-requirement'.format)),
                (2, 'mgmt/flavor-requirements'),
                (2, 'mgmt/flavor-requirement-violations')))),
        (1, PATH_TEXT), (1, PATH_TEXT.map(f'/{PROJECT}/{{}}'.format)))
    suffix = weighted((14, ''), (1, strategies.sampled_from(
        ['/', '//', '.json', '.xml', '%2f', '\0', ';x', '/..', '\n'])))
    query = weighted(
        (10, ''), (2, strategies.sampled_from(
            ['_method=PUT', '_method=POST', '_method=%ff', '_method=&x',
             '_method=\xff', '%', '&&;=', '_method=a&_method=POST'])),
        (2, strategies.sampled_from(
            ['validate=0', 'validate=no&prune=1', 'dry_run=1&validate=0',
             'validate=2', 'validate', 'prune=1&prune=1', 'validate=\xff',
             'limit=5&marker=x', 'limit=0', 'project_id=%00',
             'datastore_version_id=x&limit=\xb2'])),
        (1, LATIN), (1, LATIN.map('_method={}'.format)))

    likely = weighted(
        (3, strategies.tuples(
            strategies.just('POST'), strategies.just(f'/{PROJECT}/instances'),
            create.map(json.dumps).map(str.encode))),
        (1, strategies.tuples(
            strategies.sampled_from(['PUT', 'PATCH']),
            strategies.just(f'/{PROJECT}/instances/{names["instance"]}'),
            upgrade.map(json.dumps).map(str.encode))))

    one = f'/{PROJECT}/mgmt/datastore-versions/{{}}/flavor-requirement'
    of_admins = strategies.tuples(
        weighted((4, 'PUT'), (2, 'GET'), (3, 'DELETE')),
        weighted((2, f'/{PROJECT}/mgmt/flavor-requirements'),
                 (4, one.format(names['other'])),
                 (1, segment.map(one.format))),
        weighted((30, requirements.map(json.dumps).map(str.encode)),
                 (1, b'9' * (requirements_api.LARGEST + 1))))
    if_match = weighted(
        (8, {}), (1, {'HTTP_IF_MATCH': '"x"'}),
        (1, strategies.fixed_dictionaries({'HTTP_IF_MATCH': LATIN})))

    caller = {'HTTP_X_IDENTITY_STATUS': 'Confirmed',
              'HTTP_X_USER_ID': 'user', 'HTTP_X_PROJECT_ID': PROJECT,
              'HTTP_X_ROLES': 'member'}
    identity = weighted(
        (14, caller), (3, caller | {'HTTP_X_ROLES': 'admin'}), (1, {}),
        (1, caller | {'HTTP_X_IDENTITY_STATUS': 'Invalid'}),
        (1, caller | {'HTTP_X_PROJECT_ID': 'other'}))
    content_type = weighted(
        (14, 'application/json'), (2, strategies.sampled_from(
            ['', 'text/xml', 'application/json; charset=utf-16', ';', '/',
             'multipart/form-data', 'application/json;charset="',
             'application/x-www-form-urlencoded'])), (1, LATIN))
    others = strategies.dictionaries(
        strategies.sampled_from([
            'HTTP_HOST', 'HTTP_ACCEPT', 'HTTP_X_ROLES', 'HTTP_X_USER_ID',
            'HTTP_X_PROJECT_ID', 'HTTP_X_AUTH_TOKEN', 'HTTP_IF_NONE_MATCH',
            'HTTP_X_SERVICE_CATALOG', 'HTTP_X_SERVICE_ROLES',
            'HTTP_OPENSTACK_SYSTEM_SCOPE', 'HTTP_X_IS_ADMIN_PROJECT',
            'HTTP_X_HTTP_METHOD_OVERRIDE', 'HTTP_X_FORWARDED_PROTO',
            'HTTP_TRANSFER_ENCODING', 'HTTP_CONTENT_ENCODING',
            'HTTP_EXPECT', 'HTTP_RANGE', 'HTTP_X_OPENSTACK_REQUEST_ID',
            'HTTP_X_DOMAIN_ID', 'HTTP_COOKIE']),
        weighted((2, LATIN), (1, strategies.sampled_from(
            ['', '*', '"', 'W/"x"', 'chunked', 'gzip, chunked', '[', '{}',
             'a' * 9000, '100-continue', 'all', ',,,', 'x:y:z']))),
        max_size=3)
    if_none_match = weighted((4, {}), (1, {'HTTP_IF_NONE_MATCH': '*'}))

    @strategies.composite
    def request(draw) -> Hostile:
        # One in four is close to what a client might send, one in four to
        # what an administrator might.
        verb, where, content = draw(weighted(
            (2, strategies.tuples(method, path, body)), (1, likely)))
        asked = draw(query)
        headers = {**draw(identity), **draw(if_none_match),
                   'CONTENT_TYPE': draw(content_type),
                   **draw(weighted((2, {}), (1, others)))}
        if draw(weighted((3, False), (1, True))):
            verb, where, content = draw(of_admins)
            asked = draw(weighted((3, 'validate=0'), (1, query)))
            headers |= caller | {'HTTP_X_ROLES': 'admin'} | draw(if_match)
        length = draw(weighted(
            (10, str(len(content))), (1, None), (2, 'chunked'),
            (2, strategies.sampled_from(
                ['', '0', '-1', '1', str(len(content) + 1), '1' + '0' * 12,
                 '1' + '0' * 40, '+5', ' 5', '5, 5', '0x5', '1e3',
                 '\xb2', '\u0663'.encode().decode('latin-1')]))))
        if length == 'chunked':
            headers['HTTP_TRANSFER_ENCODING'] = 'chunked'
            length = None
        return Hostile(
            verb, where + draw(suffix), asked, headers, content,
            length, draw(weighted(
                (12, io.BytesIO), (1, Trickle), (1, Reset), (1, BadChunk))))

    return request()


class HostileTest(test_wsgi.WsgiTestCase):
    """The filter, with a database and a list of flavors, but no Nova."""

    def setUp(self) -> None:
        super().setUp()
        self.create_row(self.version_id, 'large')
        self.create_row(self.version_id, '7')
        self.create_row(self.other_id, '1024', key='min_ram')
        names = {
            'version': self.version_id, 'other': self.other_id,
            'inactive': self.create_version('old', active=False),
            'cluster': str(uuid.uuid4()), 'instance': str(uuid.uuid4())}
        self.execute(sa.insert(models.Cluster).values(
            id=names['cluster'], tenant_id=PROJECT,
            datastore_version_id=self.version_id, deleted=False))
        self.execute(sa.insert(models.Instance).values(
            id=names['instance'], tenant_id=PROJECT, flavor_id='small',
            cluster_id=names['cluster'], task_id=RESIZING,
            datastore_version_id=self.version_id, deleted=False))
        self.requests = requests(names)
        # Nova was there for a moment, and its list serves for long.
        self.application._services.catalog._service_list.last = (
            snapshot.Snapshot(time.time(), FLAVORS))

    def trove(self, environ, start_response):
        self.reached.append(environ)
        start_response('299 Trove', [('Content-Type', HOSTILE)])
        return self.streamed

    @staticmethod
    def environ(hostile: Hostile) -> dict[str, typing.Any]:
        environ = {
            'REQUEST_METHOD': hostile.method, 'SCRIPT_NAME': '/v1.0',
            'PATH_INFO': hostile.path, 'QUERY_STRING': hostile.query,
            'SERVER_NAME': 'db.example.org', 'SERVER_PORT': '8779',
            'SERVER_PROTOCOL': 'HTTP/1.1', 'REMOTE_ADDR': '192.0.2.7',
            'wsgi.version': (1, 0), 'wsgi.url_scheme': 'https',
            'wsgi.input': hostile.source(hostile.body),
            'wsgi.errors': sys.stderr, 'wsgi.multithread': True,
            'wsgi.multiprocess': False, 'wsgi.run_once': False,
            **hostile.headers}
        if hostile.length is not None:
            environ['CONTENT_LENGTH'] = hostile.length
        return environ

    def send(self, hostile: Hostile) -> str:
        """Send a request, and see that all is well with the answer.

        :returns: its status, or that it was handed on
        """
        self.reached.clear()
        environ = self.environ(hostile)
        started = []
        with fixtures.Timeout(PATIENCE, gentle=True):
            content = b''.join(self.application(
                environ, lambda *given: started.append(given)))
        (status, headers), = started
        if self.reached:
            self.check_handed_on(hostile, status, content)
            return 'handed on'
        self.check_answer(hostile, status, headers, content)
        return status[:3]

    def check_handed_on(self, hostile: Hostile, status: str,
                        content: bytes) -> None:
        self.assertEqual('299 Trove', status)
        self.assertEqual(b'from Trove', content)
        environ, = self.reached
        # All that a client has sent is there as it came. The length of a
        # body that did not say its own is known by now.
        expected = self.environ(hostile)
        for key in expected:
            if key not in ('CONTENT_LENGTH', 'wsgi.input'):
                self.assertEqual(expected[key], environ[key])
        self.assertEqual(self.body(expected), self.body(environ))

    @staticmethod
    def body(environ: dict[str, typing.Any]) -> bytes | str:
        """The body as webob reads it, or how it fails to."""
        request = webob.Request(copy.copy(environ))
        if (request.content_length is None and 'chunked' in
                environ.get('HTTP_TRANSFER_ENCODING', '').lower()):
            request.is_body_readable = True
        try:
            return request.body
        except (OSError, ValueError) as error:
            return type(error).__name__

    def check_answer(self, hostile: Hostile, status: str,
                     headers: list[tuple[str, str]],
                     content: bytes) -> None:
        self.assertTrue(re.fullmatch(r'\d{3} [ -~]+', status), status)
        for header in headers:
            for part in header:
                self.assertIsInstance(part, str)
                self.assertTrue(re.fullmatch(r'[ -~\x80-\xff]*', part), part)
        code = int(status[:3])
        fields = {name.lower(): value for name, value in headers}
        self.assertEqual(len(headers), len(fields))
        if code in (204, 304) or hostile.method == 'HEAD':
            self.assertEqual(b'', content)
            return
        self.assertEqual('application/json', fields['content-type'])
        self.assertEqual(str(len(content)), fields['content-length'])
        document = json.loads(content.decode())
        if code == 200:
            self.assertEqual(1, len(DOCUMENTS & {*document}))
            return
        (fault,), = [document.values()]
        self.assertEqual({'code', 'message'}, {*fault} - {'problems'})
        self.assertEqual(code, fault['code'])
        self.assertIsInstance(fault['message'], str)
        self.assertIn(str(code), MET)
        if code == 405:
            self.assertIn(fields['allow'],
                          ('GET', 'GET, PUT', 'DELETE, GET, PUT'))
        if code == 503:
            self.assertEqual('5', fields['retry-after'])
            # That of an exception that nobody foresaw is another one.
            self.assertEqual('The list of flavors is not available.',
                             fault['message'])

    def test_a_chunk_whose_size_is_no_number_is_400(self):
        self.assertEqual('400', self.send(Hostile(
            'POST', f'/{PROJECT}/instances', '', {
                'HTTP_X_USER_ID': 'user', 'HTTP_X_PROJECT_ID': PROJECT,
                'HTTP_TRANSFER_ENCODING': 'chunked',
                'CONTENT_TYPE': 'application/json'},
            b'', None, BadChunk)))
        self.assertNotIn('Traceback', self.log.output)

    def test_whatever_comes_is_answered_or_handed_on(self):
        met = collections.Counter()

        @hypothesis.settings(max_examples=COUNT, database=None)
        @hypothesis.given(self.requests)
        def send(hostile):
            met[self.send(hostile)] += 1
        begun = time.monotonic()
        send()
        print(f'\n{met.total()} requests in '
              f'{time.monotonic() - begun:.0f} s: ' + ', '.join(
                  f'{status} {count}'
                  for status, count in sorted(met.items())))
        # A short run may not have these; tests of their own do.
        rare = {'304', '413'} if COUNT < 10000 else set()
        self.assertEqual((MET | {'handed on'}) - rare, set(met) - rare)
