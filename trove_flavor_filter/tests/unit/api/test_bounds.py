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

"""Whatever an administrator sends, the answer takes neither long nor much.

Bodies up to the maximum size are generated, with as many values as fit, or
just as many as a limit permits. FLAVOR_FILTER_BODIES says how many.
"""

import os
import random
import time
import typing
import uuid

import fixtures
import sqlalchemy as sa

from trove_flavor_filter.api import bodies
from trove_flavor_filter.api import requirements as api
from trove_flavor_filter.declaration import document
from trove_flavor_filter.tests.unit.api import test_requirements
from trove_flavor_filter.tests.unit.flavors import test_project_flavors

COUNT = int(os.environ.get('FLAVOR_FILTER_BODIES', '60'))

# Seconds of the processor's time that one request may take: one with mistakes,
# and one that writes as much as it may. And the number of bytes that an answer
# with problems may have, whatever the size of the request.
LONGEST = {400: 1.5, 200: 3}
LARGEST = 2 ** 20

# Of the generator.
SEED = int(os.environ.get('FLAVOR_FILTER_SEED', '1'))

FLAVORS = 1000
VERSIONS = 200

# Values and keys; %n is another number each time.
VALUES = ['0', '1', '""', '"x"', '"%n"', '"00000000-0000-4000-8000-%n"',
          'null', 'true', '1e9', '-1', '"\\u00e9%n"', '"\\ud800%n"',
          '"\\u0000"', '"a\\t"', '"%n "', '"db.flavor-%n"', '9' * 400,
          f'"{"x" * 61}%n"', f'"{"x" * 300}%n"', '"\\\\\\""', '"[[{{"']
EMOJI = '\\ud83d\\ude00'
KEYS = ['"%n"', '"min_ram%n"', f'"{"k" * 250}%n"', '"\\u00e9%n"',
        f'"{"~/" * 60}%n"', f'"{EMOJI * 120}%n"', '"a"',
        '"datastore_version_id"', '"datastore"',
        '"datastore_version"', '"flavors"', '"min_ram"', '"max_ram"',
        '"extra_specs"', '"name"', '"invalid_rows"']
# Where values go, and where keys with values go.
LISTS = ['[@]', '{"flavor_requirement":[@]}',
         '{"flavor_requirement":{"flavors":[@]}}',
         '{"flavor_requirement":{"extra_specs":{"k":[@]}}}',
         '{"flavor_requirements":[@]}']
MAPPINGS = ['{@}', '{"flavor_requirement":{@}}',
            '{"flavor_requirement":{"extra_specs":{@}}}',
            '{"flavor_requirements":{@}}', '{"flavor_requirements":[{@}]}',
            '{"flavor_requirements":[{"flavors":{@}}]}']


class Bodies:
    """Generates bodies.

    :param known: values that mean something
    """

    def __init__(self, seed: int, known: list[str]):
        self._random = random.Random(seed)
        self._values = VALUES + known

    def body(self) -> str:
        where = self._random.choice(LISTS + LISTS + MAPPINGS)
        unit = self.value()
        if where in MAPPINGS:
            unit = f'{self._random.choice(KEYS)}:{unit}'
        return filled(where, unit, self._random.choice((
            None, document.MOST, document.MOST_ROWS,
            bodies.MOST // (1 + unit.count('{') + unit.count('[')))))

    def value(self, depth: int = 3) -> str:
        kind = self._random.choice(('text', 'list', 'mapping'))
        if kind == 'text' or not depth:
            return self._random.choice(self._values)
        count = self._random.choice((0, 1, 1, 2, 3, 20, 100))
        items = [self.value(depth - 1) for _item in range(min(count, 3))]
        items = (items * count)[:count]
        if kind == 'list':
            return f'[{",".join(items)}]'
        keys = self._random.sample(KEYS, min(count, len(KEYS)))
        return ('{' + ','.join(f'{key}:{item}'
                               for key, item in zip(keys, items)) + '}')


def filled(where: str, unit: str, count: int | None = None) -> str:
    """A body in which a unit is repeated.

    :param count: how often; None, and no more than, as often as it fits
    """
    longest = len(unit.encode()) + 6 * unit.count('%n') + 1
    most = (api.LARGEST - len(where)) // longest
    return where.replace('@', ','.join(
        unit.replace('%n', f'{number:06}')
        for number in range(min(most, count or most))))


class BoundsTest(test_requirements.RequirementsTestCase):
    """The routes, with a Nova of a thousand flavors."""

    def setUp(self) -> None:
        self.nova = self.useFixture(test_project_flavors.FakeNova())
        self.auth_url = f'{self.nova.url}/v3'
        self.nova.flavors = {
            str(uuid.UUID(int=2 ** 127 + number * 7 ** 40)): None
            for number in range(FLAVORS)}
        self.flavor_ids = list(self.nova.flavors)
        super().setUp()
        self.versions = [self.create_version(f'v{number}')
                         for number in range(VERSIONS)]
        # The first request imports and connects what the others use.
        self.send('PUT', self.one(), {'flavor_requirement': {}})

    def assertBounded(self, requests: typing.Iterable[tuple[str, str]]
                      ) -> None:
        answers = []
        for path, body in requests:
            begun = time.thread_time()
            response = self.send('PUT', path, body.encode())
            taken = time.thread_time() - begun
            status, size = response.status_int, len(response.body)
            text = (f'{taken:.2f} s, answer of {size} bytes, {status}: '
                    f'{len(body)} bytes to {path}: {body[:150]}...')
            self.assertLess(taken, LONGEST[status], text)
            if status == 400:
                self.assertLess(size, LARGEST, text)
                self.assertLessEqual(len(response.json['badRequest'].get(
                    'problems', [])), 100)
                answers.append((taken, size, text))
        print(f'\nslowest: {max(answers)[2]}\nlargest: '
              f'{max(answers, key=lambda answer: answer[1])[2]}')

    def test_of_generated_bodies(self):
        generated = Bodies(SEED, [
            f'"{name}"' for name in (self.versions[0], self.flavor_ids[0],
                                     'mysql', 'v1')])

        def requests():
            for _number in range(COUNT):
                body = generated.body()
                path = (test_requirements.ALL
                        if '"flavor_requirements"' in body else self.one())
                for validate in (0, 1):
                    yield f'{path}?validate={validate}', body

        self.assertBounded(requests())

    def test_of_bodies_that_are_hard_in_one_way(self):
        top = '"datastore_version_id":"{}","flavors":[{}]'
        one, many = self.one(), test_requirements.ALL
        rows = document.MOST_ROWS // VERSIONS

        def of_all(flavor: str) -> str:
            return '{"flavor_requirements":[%s]}' % ','.join(
                '{%s}' % top.format(version_id, ','.join(
                    flavor.replace('%n', f'{at:03}') for at in range(rows)))
                for version_id in self.versions)

        by_name = ('{"datastore":"mysq","datastore_version":"%n"}',
                   '{"datastore":"mysql","datastore_version":"v%nx"}',
                   '{"datastore_version_id":"' + 'x' * 200 + '%n"}')
        nearly = self.flavor_ids[0][:-3]
        self.assertBounded([
            # What is right, and takes the place of what was there.
            (f'{many}?validate=0', of_all('"first-%n"')),
            (f'{many}?validate=0', of_all('"second-%n"')),
            (f'{many}?validate=0&dry_run=1', of_all('"third-%n"')),
            (f'{many}?validate=0&prune=1', '{"flavor_requirements":[]}'),
            (f'{one}?validate=0', filled(LISTS[3], '"%n"',
                                         document.MOST_ROWS)),
            (f'{one}?validate=0', filled(MAPPINGS[2], '"%n":"x"',
                                         document.MOST_ROWS)),
            # What nearly is.
            (many, of_all(f'"{nearly}%n"')),
            (many, of_all(f'{{"name":"{nearly}%n"}}')),
            (many, of_all(f'"{"x" * 240}%n"')),
            *((many, filled('{"flavor_requirements":[@]}', unit,
                            document.MOST)) for unit in by_name),
            # A lot of one thing.
            (one, f'{{"{"x" * (api.LARGEST - 10)}":0}}'),
            (one, f'{{"flavor_requirement":{{"flavors":["'
                  f'{"x" * (api.LARGEST - 100)}"]}}}}'),
            (one, f'{{"flavor_requirement":{{"extra_specs":{{"a":"'
                  f'{"x" * (api.LARGEST - 100)}"}}}}}}'),
            (one, f'{{"flavor_requirement":{"[" * (api.LARGEST - 100)}'),
            (one, f'{{"flavor_requirement":{"9" * (api.LARGEST - 100)}}}'),
            (one, f'{{"flavor_requirement":"{"[{" * (api.LARGEST // 3)}"}}'),
            (one, f'{{"{"x" * 2 ** 20}":"{chr(0xe9) * 2 ** 20}"}}'),
            (one, filled('{@}', '"a":0'))])

    def test_of_many_warnings_the_rest_is_counted(self):
        gone = [f'gone-{number}' for number in range(300)]
        self.send('PUT', f'{self.one()}?validate=0',
                  {'flavor_requirement': {'flavors': gone}})
        warnings = self.send('PUT', test_requirements.ALL, {
            'flavor_requirements': [{
                'datastore_version_id': self.version_id,
                'flavors': gone}]}).json['warnings']
        self.assertEqual((101, 'and 200 more'),
                         (len(warnings), warnings[-1]))

    def test_the_database_is_not_locked_during_what_takes_long(self):
        engine = self.application._services.requirements.database.engine()
        locked = []
        sa.event.listen(engine, 'begin', locked.append)
        for event in 'commit', 'rollback':
            sa.event.listen(engine, event,
                            lambda _connection: locked.clear())
        during = []

        def matches(*arguments):
            during.append(bool(locked))
            return []

        self.useFixture(fixtures.MonkeyPatch(
            'difflib.get_close_matches', matches))

        class Asked(list):
            def append(self, request):
                during.append(bool(locked))

        self.nova.asked = Asked()
        for body in (
                {'flavors': ['no-such', {'name': 'no-such'}], 'min_rma': 1},
                {'datastore': 'mysq', 'datastore_version': '8'},
                {'datastore': 'mysql', 'datastore_version': '8'}):
            for path, key, says in (
                    (self.one(), 'flavor_requirement', body),
                    (test_requirements.ALL, 'flavor_requirements',
                     [body])):
                self.assertEqual(400, self.send(
                    'PUT', path, {key: says}).status_int)
        self.assertLess(15, len(during))
        self.assertEqual({False}, set(during))

    def test_what_is_beyond_a_limit_is_told_so(self):
        for body, text in (
                ('{"flavor_requirement":{"flavors":["1"],"extra_specs":'
                 '{"k":[%s]}}}' % ','.join(['"x"'] * document.MOST_ROWS),
                 f'{document.MOST_ROWS + 1} flavors and extra specs are more'),
                (filled('{"x":[@]}', '[]'), f'(maximum {bodies.MOST})'),
                (f'{{"{"k" * 256}":1}}', 'must not exceed 255 characters')):
            response = self.send('PUT', self.one(), body.encode())
            self.assertEqual(400, response.status_int)
            self.assertIn(text, response.json['badRequest']['message'])
