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

"""A hunt for a way around the guards.

Requests are generated: each asks for a flavor that is not allowed, in a
spelling of its own, by any route of Trove's mappers that leads there. The
oracle is Trove's database: whatever the answers, no instance and no cluster
may appear, and none may change. Now and then the instances and clusters that
are there get other tasks.

Then pairs of requests are sent, each of which might be allowed by itself: a
resize and an upgrade, or what might hide one from the other. Again the
database tells: a resize or an upgrade that has begun must be known to it
still, or the next request would be judged by what is about to end.

FLAVOR_FILTER_HUNT says how many requests are tried, a quarter as many pairs
are; FLAVOR_FILTER_SEED says where chance begins.
"""

import collections
import http.client
import json
import os
import random
import time
import urllib.parse
import uuid

from trove.cluster import tasks as cluster_tasks
from trove.instance import tasks

from trove_flavor_filter.tests.cloud import doors
from trove_flavor_filter.tests.functional import base

COUNT = int(os.environ.get('FLAVOR_FILTER_HUNT', '2000'))
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '20261123'))
BATCH = 250

NONE, RESIZING, UPGRADING = (task.code for task in (
    tasks.InstanceTasks.NONE, tasks.InstanceTasks.RESIZING,
    tasks.InstanceTasks.UPGRADING))
INSTANCE_TASKS = [task.code for task in vars(tasks.InstanceTasks).values()
                  if isinstance(task, tasks.InstanceTask)]
# Of an instance that nothing is done to.
SETTLED = {NONE, tasks.InstanceTasks.RESTART_REQUIRED.code,
           *(task.code for task in vars(tasks.InstanceTasks).values()
             if isinstance(task, tasks.InstanceTask) and task.is_error)}
# An owner has to reset these to delete the instance.
DELETABLE = {tasks.InstanceTasks.BUILDING.code,
             tasks.InstanceTasks.DELETING.code}
CLUSTER_TASKS = [task.code
                 for task in vars(cluster_tasks.ClusterTasks).values()
                 if isinstance(task, cluster_tasks.ClusterTask)]

# Nobody has as many, so that it can stand for "the flavor that is refused"
# in a JSON text where the number itself is wanted.
TINY = '90000001'
SMALL = 'Tiny.Flavor'

# Each refuses these two and lets by the flavor that is allowed. Rules take
# turns during a hunt.
RULES = (('min_ram', '2048'), ('max_vcpus', '4'), ('extra_spec', 'hunted=yes'))
MARKED = {'hunted': 'yes'}

CONTENT_TYPES = (
    'application/json', 'application/json', 'application/json',
    'application/json', 'application/json; charset=utf-8',
    'application/json;charset=utf-16', 'application/json;',
    'application/json ; x=y', ' application/json', 'Application/JSON',
    'application/xml', 'text/xml', 'text/json', 'text/plain', '',
    'application/vnd.openstack.trove+json', 'application/jsonp',
    'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
    'application/json, application/json', None)
ENCODINGS = ('utf-8', 'utf-8', 'utf-8', 'utf-8', 'utf-8', 'utf-8-sig',
             'utf-16', 'utf-16-le', 'utf-32', 'utf-7')
SPACES = (' ', '\t', '\n', '\u00a0', '\u3000', '\u200b', '%20', '+')


class Hunt:
    """Spells requests.

    :param chance: all that is chosen is chosen by it
    :param names: what there is in the cloud, by what it is
    :param found: the routes of Trove that lead to each controller's actions
    """

    def __init__(self, chance: random.Random, names: dict[str, str],
                 found: dict[str, list[doors.Door]]):
        self.chance = chance
        self.names = names
        self.doors = found

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    # Parts of a body.

    def flavor(self):
        """A flavorRef that means the refused flavor, or nearly so."""
        flavor_id = self.chance.choice((TINY, SMALL))
        spelled = self.chance.choice((
            lambda: flavor_id,
            lambda: int(TINY),
            lambda: float(TINY),
            lambda: f'http://nova:8774/v2.1/flavors/{flavor_id}',
            lambda: f'https://h/v1.0/t/flavors/{flavor_id}?x=y',
            lambda: f'{flavor_id}?a=/b/{self.names["allowed"]}',
            lambda: f'{flavor_id}#/{self.names["allowed"]}',
            lambda: f'#/{self.names["allowed"]}/{flavor_id}',
            lambda: f'//{self.names["allowed"]}/{flavor_id}',
            lambda: f'{self.names["allowed"]}/{flavor_id}',
            lambda: f'{self.names["allowed"]}/../{flavor_id}',
            lambda: f'/{flavor_id}',
            lambda: f'{flavor_id}/',
            lambda: f'{flavor_id}/.',
            lambda: f'./{flavor_id}',
            lambda: flavor_id.upper(),
            lambda: flavor_id.lower(),
            lambda: f'{self.chance.choice(SPACES)}{flavor_id}',
            lambda: f'{flavor_id}{self.chance.choice(SPACES)}',
            lambda: self.percent(flavor_id),
            lambda: f'0{TINY}',
            lambda: f'{TINY}.0',
            lambda: TINY.translate({
                ord('0') + digit: 0x660 + digit for digit in range(10)}),
            lambda: f'{flavor_id};x={self.names["allowed"]}',
            lambda: f'{"x" * self.long()}/{flavor_id}',
            lambda: flavor_id + ' ' * self.long(),
            lambda: f'{flavor_id}?{"x" * self.long()}',
            lambda: int('9' * 400),
            lambda: float('nan'),
            lambda: float('inf'),
            lambda: [flavor_id],
            lambda: {'id': flavor_id},
            lambda: True,
            lambda: None))()
        return spelled

    def long(self) -> int:
        """A length beyond that of a column, by little or by much."""
        return self.chance.choice((220, 256, 4000, 70_000, 300_000))

    def percent(self, text: str) -> str:
        """A text with some of its characters percent-encoded."""
        return ''.join(
            f'%{ord(character):02{self.chance.choice("xX")}}'
            if character.isascii() and self.maybe(0.3) else character
            for character in text)

    def case(self, text: str) -> str:
        """A text as another might type it."""
        return self.chance.choice((
            lambda: text, lambda: text, lambda: text, lambda: text,
            lambda: text.upper(), lambda: text.title(),
            lambda: f'{text} ', lambda: f' {text}',
            lambda: f'{text}\u00a0',
            lambda: text.replace('s', '\u017f'),
            lambda: text.replace('-', ''),
            lambda: f'{{{text}}}', lambda: f'urn:uuid:{text}',
            lambda: text + ' ' * self.long(),
            lambda: text.replace('y', '\u00ff')))()

    def datastore(self, kind: str) -> dict:
        value = {'type': self.case(self.chance.choice(
            (self.names[kind], self.names[f'{kind}-id'])))}
        if kind == 'mysql' and self.maybe(0.1):
            del value['type']
        if kind != 'mysql' or self.maybe(0.8):
            value['version'] = self.case(self.chance.choice(
                (self.names[f'{kind}-version'],
                 self.names[f'{kind}-version-id'])))
        if self.maybe(0.2):
            value['version_number'] = self.chance.choice(
                (self.names[f'{kind}-version'], '', '5.7', None, 0, False,
                 [], {}, 8, 8.5, True, [self.names[f'{kind}-version']],
                 'x' * self.long()))
        if self.maybe(0.1):
            value['return_inactive'] = self.maybe(0.5)
        if self.maybe(0.05):
            value[self.chance.choice(('name', 'id', 'x'))] = 'y'
        return value

    # Requests: (method, path, document).

    def door(self, *names: str, id: str = '') -> tuple[str, str]:
        """Method and path of any route to one of Trove's actions.

        :param names: controller and action
        :param id: of the instance or cluster
        """
        door = self.chance.choice(
            [door for name in names for door in self.doors[name]])
        path = door.at(id=id, tenant_id='TENANT', format=self.chance.choice(
            ('json', 'xml', 'x', 'json.json')))
        return door.method, path.removeprefix('/TENANT')

    def create(self):
        instance = {'name': 'hunted', 'flavorRef': self.flavor(),
                    'datastore': self.datastore('mysql')}
        if self.maybe(0.15):
            del instance['datastore']
        if self.maybe(0.1):
            instance['replica_of'] = self.chance.choice(
                (self.names['small-instance'], '', None, 0, [], False))
        if self.maybe(0.1):
            instance['slave_of'] = self.names['instance']
        if self.maybe(0.1):
            instance['replica_count'] = self.chance.choice((1, 2))
        if self.maybe(0.1):
            instance['region_name'] = 'RegionOne'
        return *self.door('InstanceController.create'), {
            'instance': instance}

    def replica(self):
        return *self.door('InstanceController.create'), {'instance': {
            'name': 'hunted',
            'replica_of': self.case(self.names['small-instance'])}}

    def resize(self):
        resize = {'flavorRef': self.flavor()}
        if self.maybe(0.1):
            resize['volume'] = {'size': 1}
        actions = [('resize', resize)]
        if self.maybe(0.3):
            actions.insert(self.chance.randrange(2), (
                self.chance.choice(('x', 'promote_to_replica_source')), {}))
        return *self.door('InstanceController.action',
                          id=self.names['instance']), dict(actions)

    def upgrade(self):
        instance = {'datastore_version': self.case(self.chance.choice(
            (self.names['mysql-version'],
             self.names['mysql-version-id'])))}
        if self.maybe(0.2):
            instance['name'] = 'hunted'
        return *self.door('InstanceController.update',
                          'InstanceController.edit',
                          id=self.case(self.names['small-instance'])), {
            'instance': instance}

    def cluster(self):
        nodes = [{'flavorRef': self.names['allowed'], 'volume': {'size': 1}}
                 for _number in range(self.chance.choice(
                     (0, 1, 2, 2, 2, 2, 999, 1500)))]
        nodes.insert(self.chance.randrange(len(nodes) + 1), {
            'flavorRef': self.flavor(), 'volume': {'size': 1}})
        return *self.door('ClusterController.create'), {'cluster': {
            'name': 'hunted', 'datastore': self.datastore('mariadb'),
            'instances': nodes}}

    def grow(self):
        return *self.door('ClusterController.action',
                          id=self.names['cluster']), {
            'grow': [{'flavorRef': self.flavor(), 'volume': {'size': 1}}]}

    def add_shard(self):
        return *self.door('ClusterController.action',
                          id=self.names['shards']), {'add_shard': {}}

    # How a request is sent.

    def path(self, path: str) -> str:
        """A path, as somebody might write it who hopes to slip through."""
        prefix = f'/v1.0/{self.names["project"]}'
        if self.maybe(0.7):
            return prefix + path
        path = self.chance.choice((
            lambda: path, lambda: f'{path}/', lambda: f'/{path}',
            lambda: path.replace('/', '//'), lambda: f'/.{path}',
            lambda: f'/x/..{path}', lambda: f'{path}/.',
            lambda: f'{path}.json', lambda: f'{path};x=y',
            lambda: path.upper(), lambda: path.replace('/', '%2F'),
            lambda: self.percent(path), lambda: f'{path}%00',
            lambda: f'{path}%20', lambda: f'{path}?',
            lambda: path.replace('s', '%73')))()
        return self.chance.choice((
            prefix, prefix, prefix, f'/v1.0//{self.names["project"]}',
            f'//v1.0/{self.names["project"]}',
            f'/{self.names["project"]}',
            f'/v1.0/{self.percent(self.names["project"])}')) + path

    def method(self, method: str, path: str, headers: dict[str, str]
               ) -> tuple[str, str]:
        """A method, perhaps by way of an override."""
        if self.maybe(0.8):
            return method, path
        sign = '&' if '?' in path else '?'
        # Not DELETE, which does as it is told where an override fails.
        other = self.chance.choice(('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS',
                                    'PATCH', 'BREW'))
        if self.maybe(0.7):
            return other, (
                f'{path}{sign}' + self.chance.choice((
                    '_method={}', 'x=y&_method={}', '_method=GET&_method={}',
                    '_method={}&_method=', '%5Fmethod={}', '_method={}%20',
                    '_method={}&x=%FF', '_METHOD={}')).format(
                        self.chance.choice((method, method.lower()))))
        headers[self.chance.choice((
            'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override',
            '_method'))] = method
        return other, path

    def text(self, document: dict) -> str:
        """A document as JSON, in more than one way."""
        text = json.dumps(document, ensure_ascii=self.maybe(0.5))
        key = next(iter(document))
        allowed = json.dumps(document).replace(
            TINY, self.names['allowed']).replace(
            SMALL, self.names['allowed'])
        return self.chance.choice((
            lambda: text, lambda: text, lambda: text, lambda: text,
            lambda: json.dumps(document, indent=3),
            # Of two keys of a name the last one counts.
            lambda: f'{{"{key}": {{}}, {text[1:]}',
            lambda: f'{allowed[:-1]}, {text[1:]}',
            lambda: text.replace('"flavorRef"', f'"flavorRef": '
                                 f'"{self.names["allowed"]}", "flavorRef"'),
            lambda: text.replace('flavorRef', '\\u0066lavorRef'),
            lambda: text.replace('instance', '\\u0069nstance'),
            lambda: f'\n\t {text} \n', lambda: f'{text}\0',
            lambda: f'{text} {allowed}', lambda: f'[{text}]',
            lambda: text.replace('"', "'"), lambda: text[:-1],
            lambda: self.deep(text, 50),
            lambda: self.deep(text, self.chance.choice(
                (98, 99, 100, 400, *range(850, 900, 7), 5000))),
            lambda: f'{text[:-1]}, "x": NaN}}',
            lambda: text.replace(': ', ' :\f')))()

    def deep(self, text: str, depth: int) -> str:
        """A document with brackets within brackets, to be read or not."""
        more = f'"deep": {"[" * depth}{"]" * depth}'
        return (f'{text[:-1]}, {more}}}' if self.maybe(0.5)
                else f'{{{more}, "deep": 1, {text[1:]}')

    def request(self):
        """(kind, method, path, headers, body, whether it is chunked)."""
        kind = self.chance.choices(
            ('create', 'replica', 'resize', 'upgrade', 'cluster', 'grow',
             'add_shard'),
            (40, 5, 20, 15, 10, 10, 3))[0]
        method, path, document = getattr(self, kind)()
        headers = {}
        content_type = self.chance.choice(CONTENT_TYPES)
        if content_type is not None:
            headers['Content-Type'] = content_type
        if self.maybe(0.1):
            headers['Accept'] = self.chance.choice((
                'application/vnd.openstack.trove+json;version=1.0',
                'application/xml', 'text/html', '*/*'))
        if self.maybe(0.05):
            headers['Content-Encoding'] = self.chance.choice(
                ('gzip', 'identity', 'deflate'))
        method, path = self.method(method, self.path(path), headers)
        body = self.text(document).encode(
            self.chance.choice(ENCODINGS), 'surrogatepass')
        return kind, method, path, headers, body, self.maybe(0.1)


class HuntTestCase(base.FunctionalTestCase):
    """A hunt, by requests that are sent to the byte."""

    DEFAULT_TIMEOUT = max(600, COUNT // 4)

    def doors(self) -> list[doors.Door]:
        """All routes of the Trove that is tested."""
        return doors.doors(self.cloud.trove_prefix)

    def send(self, method, path, headers, body, chunked, url='') -> int:
        """Send a request to the byte.

        :param url: of the trove-api, if it is another than the cloud's
        :returns: the status, 0 when the server hung up
        """
        server = urllib.parse.urlsplit(url or self.cloud.trove_url)
        connection = http.client.HTTPConnection(
            server.hostname, server.port, timeout=60)
        try:
            connection.putrequest(
                method, path.replace(' ', '%20').replace('\t', '%09')
                .encode().decode('latin-1').translate(
                    {code: f'%{code:02X}' for code in range(128, 256)}))
            connection.putheader('X-Auth-Token', self.cloud.token())
            for name, value in headers.items():
                connection.putheader(name, value)
            if chunked:
                connection.putheader('Transfer-Encoding', 'chunked')
                connection.endheaders(
                    iter([body[:5], body[5:]]), encode_chunked=True)
            else:
                connection.putheader('Content-Length', str(len(body)))
                connection.endheaders(body)
            return connection.getresponse().status
        except (http.client.HTTPException, ConnectionError):
            return 0
        finally:
            connection.close()


class HuntedTestCase(HuntTestCase):
    """What is hunted: instances and clusters, and versions with rules."""

    def set_tasks(self, chance: random.Random) -> None:
        """Have what is there be busy with something else, or with nothing."""
        for table, names, codes in (
                ('instances', ('instance', 'small-instance'),
                 INSTANCE_TASKS),
                ('clusters', ('cluster', 'shards'), CLUSTER_TASKS)):
            for name in names:
                self.cloud.sql(
                    f'UPDATE {table} SET task_id = :task WHERE id = :id',
                    id=self.names[name],
                    task=NONE if chance.random() < 0.4
                    else chance.choice(codes))

    def require(self, version_id: str) -> None:
        """Have a version require what the first of the rules says."""
        key, value = RULES[0]
        self.cloud.sql(
            f'INSERT INTO datastore_version_metadata (id, '
            f'datastore_version_id, {self._key()}, value, created, deleted) '
            f'VALUES (:id, :version, :key, :value, :now, :no)',
            id=f'rule-{version_id[:30]}', version=version_id, key=key,
            value=value, now='2026-01-01 00:00:00', no=False)

    def set_rule(self, chance: random.Random) -> None:
        """Have the versions with a rule require something else."""
        key, value = chance.choice(RULES)
        self.cloud.sql(
            f'UPDATE datastore_version_metadata SET {self._key()} = :key, '
            f'value = :value WHERE id LIKE \'rule-%\'', key=key, value=value)

    def prepare(self) -> dict[str, str]:
        """What is hunted, by name."""
        cloud = self.cloud
        for flavor_id in (TINY, SMALL):
            cloud.create_flavor(flavor_id, ram=512, vcpus=8)
            self.addCleanup(cloud.delete_flavor, flavor_id)
        allowed = self.create_flavor(ram=4096, extra_specs=MARKED)
        names = {'allowed': allowed, 'project': cloud.project_id()}
        free = self.create_version()
        # One version says it by a list, the other by a minimum.
        for kind in ('mysql', 'mariadb'):
            version_id = cloud.create_datastore_version(
                kind, self.unique(f'{kind}s'), manager=kind)
            row = cloud.sql(
                'SELECT v.name, d.id FROM datastore_versions v, datastores d '
                'WHERE v.id = :id AND d.id = v.datastore_id', id=version_id
            )[0]
            names |= {kind: kind, f'{kind}-id': row.id,
                      f'{kind}-version': row.name,
                      f'{kind}-version-id': version_id}
        cloud.sql('UPDATE datastores SET default_version_id = :version '
                  'WHERE id = :id', id=names['mysql-id'],
                  version=names['mysql-version-id'])
        self.associate(names['mariadb-version-id'], allowed)
        self.require(names['mysql-version-id'])
        for name, flavor_id, version_id in (
                ('instance', allowed, names['mysql-version-id']),
                ('small-instance', TINY, free)):
            names[name] = cloud.create_instance(flavor_id, version_id)
            cloud.activate_instance(names[name])
        # A replica would take this version with it.
        self.small_version = free
        self.require(free)
        # The one is judged by its own version, the other by its members'.
        for name, version_id in (
                ('cluster', names['mariadb-version-id']),
                ('shards', cloud.create_datastore_version(
                    'mongodb', self.unique('v'), manager='mongodb'))):
            names[name] = str(uuid.uuid4())
            cloud.sql(
                'INSERT INTO clusters (id, created, updated, name, task_id, '
                'tenant_id, datastore_version_id, deleted) VALUES (:id, '
                ':now, :now, :id, 1, :tenant, :version, :no)',
                id=names[name], now='2026-01-01 00:00:00',
                tenant=names['project'], version=version_id, no=False)
        member = cloud.create_instance(TINY, self.create_version())
        cloud.sql('UPDATE instances SET cluster_id = :cluster, type = '
                  ':member, datastore_version_id = :version WHERE id = :id',
                  cluster=names['shards'], member='member', id=member,
                  version=names['mysql-version-id'])
        self.names = names
        return names

    def state(self):
        """All instances and clusters, as far as they may not change."""
        return (
            sorted(tuple(row) for row in self.cloud.sql(
                'SELECT id, flavor_id, datastore_version_id, task_id '
                'FROM instances')),
            sorted(tuple(row) for row in self.cloud.sql(
                'SELECT id, datastore_version_id, task_id FROM clusters')))

    def assert_unchanged(self, before, requests) -> None:
        """See that nothing has changed; else, find out by which request."""
        after = self.state()
        if after == before:
            return
        guilty = []
        for request in requests:
            state = self.state()
            status = self.send(*request[1:])
            if self.state() != state:
                guilty.append((status, *request))
        self.fail(f'{before}\nbecame\n{after}\nThese change something when '
                  f'they are sent again: {guilty}')

    def assert_open(self) -> None:
        """See that the same requests get through with an allowed flavor.

        Were they refused in any case, the hunt could not have failed.
        """
        allowed, names = self.names['allowed'], self.names
        cases = (
            ('POST', '/instances', {'instance': {
                'name': 'open', 'flavorRef': allowed, 'datastore': {
                    'type': 'mysql', 'version': names['mysql-version']}}}),
            ('POST', f'/instances/{names["instance"]}/action?_method=POST',
             {'resize': {'flavorRef': self.create_flavor(
                 ram=8192, extra_specs=MARKED)}}),
            ('GET', '/instances?_method=post', {'instance': {
                'name': 'open', 'flavorRef': allowed}}))
        for method, path, body in cases:
            status = self.send(
                method, f'/v1.0/{names["project"]}{path}',
                {'Content-Type': 'application/json'},
                json.dumps(body).encode(), False)
            self.assertIn(status, (200, 202), path)


class BypassTest(HuntedTestCase):

    def test_no_spelling_of_a_request_gets_around_the_guards(self):
        hunt = Hunt(random.Random(SEED), self.prepare(),
                    doors.by_name(self.doors()))
        answers = collections.Counter()
        before = self.state()
        chance = random.Random(SEED + 1)
        begun = time.monotonic()
        requests = []
        for number in range(COUNT):
            requests.append(hunt.request())
            answers[requests[-1][0], self.send(*requests[-1][1:])] += 1
            if len(requests) == BATCH or number == COUNT - 1:
                self.assert_unchanged(before, requests)
                requests.clear()
                self.set_tasks(chance)
                self.set_rule(chance)
                before = self.state()
        print(f'\n{sum(answers.values())} requests in '
              f'{time.monotonic() - begun:.0f} s, none got through. Answers: '
              + ', '.join(f'{kind} {status}: {count}' for (kind, status), count
                          in sorted(answers.items())))
        # A hunt that Trove or the network stopped at the door proves
        # nothing: most requests must have been understood and refused.
        for kind in ('create', 'replica', 'resize', 'upgrade', 'cluster',
                     'grow'):
            self.assertLess(0, answers[kind, 400], kind)
        self.cloud.sql('UPDATE instances SET task_id = :none WHERE id = :id',
                       none=NONE, id=self.names['instance'])
        self.assert_open()


class PairTest(HuntTestCase):
    """Two requests one after the other."""

    def setUp(self) -> None:
        super().setUp()
        cloud = self.cloud
        self.small, self.large = (self.create_flavor(ram=ram)
                                  for ram in (4096, 8192))
        # The old version has both flavors, the new one what there is now.
        self.versions = {'old': self.create_version(),
                         'new': self.create_version()}
        self.associate(self.versions['old'], self.small, self.large)
        self.associate(self.versions['new'], self.small)
        self.source, self.replica = (
            cloud.create_instance(self.small, self.versions['old'])
            for _each in range(2))
        for instance_id in (self.source, self.replica):
            cloud.activate_instance(instance_id)
        self.configuration = self.unique('c')
        cloud.sql(
            'INSERT INTO configurations (id, name, tenant_id, '
            'datastore_version_id, deleted) VALUES (:id, :id, :tenant, '
            ':version, :no)', id=self.configuration, no=False,
            tenant=cloud.project_id(), version=self.versions['old'])
        self.chance = random.Random(SEED)
        self.by_name = doors.by_name(self.doors())

    def put_back(self) -> int:
        """Have both be as they were, and perhaps busy; the source's task."""
        task, other = (
            self.chance.choice((NONE, NONE, NONE, RESIZING, UPGRADING,
                                self.chance.choice(INSTANCE_TASKS)))
            for _each in range(2))
        self.cloud.sql('DELETE FROM flavor_filter_upgrade')
        for instance_id, task_id, source in (
                (self.source, task, None),
                (self.replica, other if self.chance.random() < 0.2 else NONE,
                 self.source)):
            self.cloud.sql(
                'UPDATE instances SET task_id = :task, flavor_id = :flavor, '
                'datastore_version_id = :version, slave_of_id = :source, '
                'configuration_id = :configuration WHERE id = :id',
                task=task_id, flavor=self.small, source=source,
                version=self.versions['old'], id=instance_id,
                configuration=self.configuration)
        # Not heard of for long, as it may be for Trove to eject it.
        self.cloud.sql(
            'UPDATE service_statuses SET status_id = 1, updated_at = :then '
            'WHERE instance_id IN (:source, :replica)',
            then='2026-01-01 00:00:00', source=self.source,
            replica=self.replica)
        return task

    def request(self, kind: str):
        """(method, path, document) of an action on the source."""
        choice = self.chance.choice
        source = f'/instances/{self.source}'
        action = f'{source}/action'

        def update() -> tuple[str, str]:
            door = choice([*self.by_name['InstanceController.update'],
                           *self.by_name['InstanceController.edit']])
            return door.method, door.at(
                id=self.source, tenant_id='TENANT').removeprefix('/TENANT')
        first = choice(({}, {'x': {}}, {'restart': {}}))
        return {
            'resize': lambda: ('POST', action, first | {'resize': {
                'flavorRef': choice((self.large, f'/x/{self.large}?y'))}}),
            'upgrade': lambda: (
                *update(), {'instance': choice(
                    ({}, {'name': 'paired'})) | {'datastore_version': choice(
                        (self.versions['new'], self.name_of_new()))}}),
            'downgrade': lambda: (*update(), {'instance': {
                'datastore_version': self.versions['old']}}),
            'access': lambda: (*update(), {'instance': {
                'access': {'is_public': choice((True, False))}}}),
            'promote': lambda: (
                'POST', f'/instances/{self.replica}/action',
                first | {'promote_to_replica_source': {}}),
            'eject': lambda: ('POST', action,
                              first | {'eject_replica_source': {}}),
            'reset': lambda: ('POST', action, first | {'reset_status': choice(
                ({'force_delete': None}, ['force_delete'],
                 'force_delete'))}),
            'restart': lambda: ('POST', action, {'restart': {}}),
            'detach': lambda: ('PUT', source, {
                'instance': {'replica_of': ''}}),
            'configure': lambda: (
                choice(('PUT', 'PATCH')),
                f'/configurations/{self.configuration}',
                {'configuration': {'values': {}}}),
            'replica': lambda: ('POST', '/instances', {'instance': {
                'name': 'paired', 'replica_of': self.source}}),
        }[kind]()

    def name_of_new(self) -> str:
        return self.cloud.sql(
            'SELECT name FROM datastore_versions WHERE id = :id',
            id=self.versions['new'])[0].name

    def row(self):
        return self.cloud.sql(
            'SELECT task_id, flavor_id, datastore_version_id AS version '
            'FROM instances WHERE id = :id', id=self.source)[0]

    def test_no_pair_of_requests_gets_around_the_guards(self):
        answers = collections.Counter()
        begun = time.monotonic()
        count = COUNT // 4
        for _pair in range(count):
            task = self.put_back()
            sent = []
            for _each in range(2):
                kind = self.chance.choices(
                    ('resize', 'upgrade', 'downgrade', 'access', 'promote',
                     'eject', 'reset', 'restart', 'detach', 'replica',
                     'configure'),
                    (30, 30, 5, 5, 5, 5, 5, 3, 3, 3, 5))[0]
                if kind == 'configure' and task in SETTLED:
                    # What gets through waits for a guest that is not there.
                    kind = 'resize'
                method, path, body = self.request(kind)
                before = self.row()
                status = self.send(
                    method, f'/v1.0/{self.cloud.project_id()}{path}',
                    {'Content-Type': 'application/json'},
                    json.dumps(body).encode(), False)
                after = self.row()
                sent.append((kind, body, status, tuple(before),
                             tuple(after)))
                answers[kind, status] += 1
                self.assertEqual(self.small, after.flavor_id, sent)
                if task not in SETTLED and not (
                        kind == 'reset' and task in DELETABLE):
                    # What has begun is known still, and nothing else has.
                    self.assertEqual(before, after, sent)
                task = after.task_id
        print(f'\n{count} pairs in {time.monotonic() - begun:.0f} s, none '
              f'got through. Answers: ' + ', '.join(
                  f'{kind} {status}: {number}' for (kind, status), number
                  in sorted(answers.items())))
        if count >= 100:
            for answer in ((kind, status) for kind in ('resize', 'upgrade')
                           for status in (202, 422)):
                self.assertLess(0, answers[answer], answer)
