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

"""A file means the same on a host with libyaml and on one without.

FLAVOR_FILTER_YAML says how many texts are tried.
"""

import collections
import importlib.util
import os
import random
import types
import typing

import fixtures
from oslotest import base
import yaml

from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import reading

COUNT = int(os.environ.get('FLAVOR_FILTER_YAML', '1000'))

TEXT = '''datastore_versions:
  mysql:
    8.0:
      flavors:
      - db.large # big
      - id: 7
      - "a b"
      min_ram: 2048
      extra_specs: {a: b, 'c': [d, "e"], f:   g}
    5.7:
  pg: {10: {flavors: [a, b], max_ram: 5}}
'''

# White space, of YAML and not, and other characters where none should be.
ODD = (' ', '  ', '\t', '\t ', ' \t', '\t\t', '\n', '\r', '\r\n', '\n\t\n',
       '\x85', '\u2028', '\u2029', '\xa0', '\u3000', '\ufeff', '\f', '\v',
       '\0', '\t#x', ' #x', '#', '\n---\n', '...', '- ', '-\t', ':\t', '|\n',
       '"', "'", '&a ', '!a ', '%', ',', '[', '}', '\\')

# White space that YAML permits behind a value.
BEHIND = ('\t', ' \t', '\t ', '\t# x', ' \t # x')


class LoaderTest(base.BaseTestCase):

    def setUp(self) -> None:
        super().setUp()
        if not yaml.__with_libyaml__:
            self.skipTest('PyYAML has no libyaml here')

    def without_libyaml(self) -> types.ModuleType:
        """The reader, as it is imported where PyYAML has no libyaml."""
        for name in ('CLoader', 'CSafeLoader', 'CParser'):
            self.useFixture(fixtures.MonkeyPatch(
                f'yaml.{name}', fixtures.MonkeyPatch.delete))
        spec = importlib.util.find_spec(reading.__name__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def verdict(self, reader: typing.Any, text: str) -> object:
        """What is declared, or the problems."""
        try:
            return reader.read(text.encode())
        except problems.DeclarationRefused as error:
            return error.problems

    def test_every_oddity_has_the_same_verdict_without_libyaml(self):
        pure = self.without_libyaml()
        chance = random.Random(1)
        met = collections.Counter()
        for _turn in range(COUNT):
            text = TEXT
            for _oddity in range(chance.choice((1, 1, 2, 3))):
                at = chance.randrange(len(text) + 1)
                kept = at + chance.choice((0, 0, 1))
                text = text[:at] + chance.choice(ODD) + text[kept:]
            verdict = self.verdict(reading, text)
            self.assertEqual(verdict, self.verdict(pure, text), repr(text))
            met[isinstance(verdict[0], problems.Problem)] += 1
        self.assertLess(COUNT // 10, min(met.values()), met)

    def test_white_space_behind_a_value_changes_nothing(self):
        pure = self.without_libyaml()
        wanted = self.verdict(reading, TEXT)
        self.assertNotIsInstance(wanted[0], problems.Problem)
        for number, line in enumerate(TEXT.splitlines()):
            for odd in BEHIND:
                lines = TEXT.splitlines()
                lines[number] = line + odd
                for reader in (reading, pure):
                    self.assertEqual(
                        wanted, self.verdict(reader, '\n'.join(lines)),
                        repr(lines[number]))
