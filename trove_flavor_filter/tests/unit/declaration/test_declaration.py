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

"""The file that declares what datastore versions require."""

import hypothesis
from hypothesis import strategies
from oslotest import base
import yaml

from trove_flavor_filter.declaration import planning
from trove_flavor_filter.declaration import problems
from trove_flavor_filter.declaration import reading
from trove_flavor_filter.declaration import resolving
from trove_flavor_filter.declaration import writing
from trove_flavor_filter import exception
from trove_flavor_filter import requirement

V80 = requirement.Version('id-80', 'mysql', '8.0', '8.0.29')
V57 = requirement.Version('id-57', 'mysql', '5.7', '5.7.40')
PG = requirement.Version('id-pg', 'postgresql', '16', '16')
VERSIONS = [V57, V80, PG]

SMALL = requirement.Flavor('1', 'm1.small', 512, 1, 5, 0)
LARGE = requirement.Flavor('2', 'm1.large', 4096, 4, 40, 0)
# Its name is another one's id.
ODD = requirement.Flavor('odd', '2', 8192, 8, 80, 0)


def by_id(*flavors: requirement.Flavor) -> dict[str, requirement.Flavor]:
    return {flavor.id: flavor for flavor in flavors}


def rows(*flavor_ids: str, **minimums: int) -> set[tuple[str, str]]:
    return ({('flavor', flavor_id) for flavor_id in flavor_ids}
            | {(key, str(value)) for key, value in minimums.items()})


def present(said=None, versions=VERSIONS,
            ignores_case=False) -> requirement.CurrentRows:
    """The rows of versions: none but those that are said."""
    return requirement.CurrentRows(
        {version: frozenset((said or {}).get(version, ()))
         for version in versions}, ignores_case)


class TestCase(base.BaseTestCase):

    def problems(self, function, *arguments) -> list[str]:
        error = self.assertRaises(problems.DeclarationRefused, function,
                                  *arguments)
        return [f'{place.line}:{place.column}: {message}'
                for place, message in error.problems]


class ReadTest(TestCase):

    def refused(self, text: str | bytes) -> list[str]:
        data = text if isinstance(text, bytes) else text.encode()
        return self.problems(reading.read, data)

    def test_names_are_taken_to_the_letter(self):
        found = reading.read(b'''
datastore_versions:
  mysql:
    8.10:
      flavors: [010, 1_0, yes, 1e3, id: 0x10]
      min_ram: 2048
''')
        self.assertEqual(['8.10'], [one.name for one in found])
        self.assertEqual(
            [('010', False), ('1_0', False), ('yes', False), ('1e3', False),
             ('0x10', True)],
            [(flavor.text, flavor.by_id) for flavor in found[0].flavors])
        self.assertEqual({'min_ram': 2048}, found[0].limits)

    def test_a_version_may_be_left_empty(self):
        for text in ('{datastore_versions: {mysql: {8.0: }}}',
                     '{datastore_versions: {mysql: {8.0: {}}}}'):
            self.assertEqual([], reading.read(text.encode())[0].flavors)

    def test_every_problem_is_told_with_its_place(self):
        self.assertEqual([
            '1:1: unknown key \'version\'; known keys: datastore_versions',
            '5:16: \'m1.small\' is not a list of flavors',
            '6:16: \'lots\' is not a whole number of MiB from 1 to '
            '2147483647',
            '7:7: unknown key \'min_vcpu\' (did you mean '
            'min_vcpus or max_vcpus or min_volume?); known keys: flavors, '
            'min_ram, min_vcpus, min_disk, min_volume, max_ram, max_vcpus, '
            'max_disk, max_volume, extra_specs, enforcement',
            '8:17: \'0\' is not a whole number of GiB from 1 to 2147483647',
            '9:5: \'8.0\' is already defined in line 4',
        ], self.refused('''version: 2
datastore_versions:
  mysql:
    8.0:
      flavors: m1.small
      min_ram: lots
      min_vcpu: 2
      min_disk: 0
    8.0: {}
'''))

    def test_wrong_types(self):
        for text, wanted in (
                ('', '1:1: nothing is not a mapping'),
                ('[]', '1:1: a list is not a mapping'),
                ('7', '1:1: \'7\' is not a mapping'),
                ('{}', '1:1: "datastore_versions" is missing'),
                ('datastore_versions:', ': nothing is not a mapping'),
                ('datastore_versions: {mysql: [8.0]}',
                 '1:29: a list is not a mapping'),
                ('datastore_versions: {mysql: {8.0: [1]}}',
                 '1:35: a list is not a mapping'),
                ('datastore_versions: {mysql: {8.0: {flavors: [~]}}}',
                 '1:46: nothing is not the id or name'),
                ('datastore_versions: {mysql: {8.0: {flavors: [[1]]}}}',
                 '1:46: a list is not the id or name'),
                ('datastore_versions: {mysql: {8.0: {flavors: [""]}}}',
                 '1:46: \'\' is not the id or name'),
                ('datastore_versions: {mysql: {8.0: {flavors: [{}]}}}',
                 '1:46: "id" is missing'),
                ('datastore_versions: {mysql: {8.0: {min_ram: 1.5}}}',
                 '1:45: \'1.5\' is not a whole number'),
                ('datastore_versions: {mysql: {8.0: {min_ram: 99999999999}}}',
                 '1:45: 99999999999 is not a whole number'),
                ('datastore_versions: {mysql: {8.0: {min_ram: 010}}}',
                 '1:45: \'010\' is not a whole number'),
                ('datastore_versions: {mysql: {[a]: {}}}',
                 '1:30: a key must be a string')):
            found = self.refused(text)
            self.assertEqual(1, len(found), found)
            self.assertIn(wanted, found[0])

    def test_what_is_no_yaml(self):
        for text, wanted in (
                ('datastore_versions:\n\tmysql: {}', '2:1: a tab cannot'),
                ('a: [', '1:'), ('a: b: c', '1:5: '),
                ('a: 1\n---\nb: 2\n', '2:1: '),
                (b'a: \xff', '1:4: this is not UTF-8'),
                (b'a: \x00', '1:4: '),
                ('a: &a [1]\nb: *a', '2:4: aliases are not supported'),
                ('[' * 100000, '1:7: nested too deep')):
            found = self.refused(text)
            self.assertEqual(1, len(found), found)
            self.assertIn(wanted, found[0])

    def test_a_tag_that_would_be_lost_is_refused(self):
        for value, shown in (
                ('flavors: [!secret db]', "2:21: the tag '!secret'"),
                ('!env_var X: []', "2:11: the tag '!env_var'"),
                ('min_ram: !x 1', "2:20: the tag '!x'"),
                ('min_ram: !!int 1', "2:20: the tag '!!int'"),
                ('flavors: !x [db]', "2:20: the tag '!x'"),
                ('flavors: !!str [db]', "2:20: the tag '!!str'"),
                ('extra_specs: !!set {a}', "2:24: the tag '!!set'"),
                ('extra_specs: {a: ! b}', "2:28: the tag '!'"),
                ('flavors: [!<x:y> db]', "2:21: the tag 'x:y'")):
            (problem,) = self.refused(
                f'datastore_versions:\n  a: {{b: {{{value}}}}}')
            self.assertEqual(f'{shown} is not supported; remove it',
                             problem)

    def test_a_tag_that_says_what_is_so_anyway_is_read(self):
        wanted = {'flavors': ['8.0'], 'extra_specs': {'a': 'b'}}
        says = yaml.safe_dump({'datastore_versions': {'a': {'b': wanted}}})
        tagged = says
        for plain, with_tag in (("'8.0'", '!!str 8.0'),
                                ('flavors:', 'flavors: !!seq'),
                                ('extra_specs:', 'extra_specs: !!map')):
            tagged = tagged.replace(plain, with_tag)
        self.assertEqual(
            [(['8.0'], ['a=b'])] * 2, [
                ([flavor.text for flavor in declared.flavors],
                 declared.extra_specs)
                for text in (says, tagged)
                for declared in reading.read(text.encode())])

    def test_an_anchor_bomb_is_refused(self):
        lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
        lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]'
                  for n in range(1, 30)]
        self.assertIn('aliases', self.refused('\n'.join(lines))[0])

    def test_names_in_other_scripts(self):
        found = reading.read(
            'datastore_versions: {база: {"八": {flavors: [größe, 大]}}}'
            .encode())
        self.assertEqual(('база', '八'), found[0][:2])
        self.assertEqual(['größe', '大'],
                         [flavor.text for flavor in found[0].flavors])

    def test_a_hundred_thousand_entries(self):
        # What takes the square of their number would not end.
        text = 'datastore_versions:\n  mysql:\n    8.0:\n      flavors:\n'
        text += ''.join(f'      - flavor-{n}\n' for n in range(100000))
        declared = reading.read(text.encode())
        self.assertEqual(100000, len(declared[0].flavors))
        error = self.assertRaises(
            problems.DeclarationRefused, resolving.resolve, declared,
            [SMALL, LARGE], present())
        self.assertEqual((100000, 100, 99900), (
            error.count, len(error.problems), error.more))

    @hypothesis.given(strategies.binary(max_size=200) | strategies.text(
        'datastore_versions: {}[]&*!|>-\n\t#\'"0:', max_size=80
    ).map(str.encode))
    @hypothesis.settings(max_examples=500)
    def test_whatever_it_is_fed_it_reads_or_refuses(self, data):
        try:
            reading.read(data)
        except problems.DeclarationRefused as error:
            self.assertTrue(error.problems)

    def test_maximums_and_extra_specs(self):
        found = reading.read(b'''datastore_versions:
  mysql:
    8.0:
      max_ram: 4096
      extra_specs:
        min_ram: 5
        a:b: 010
        c: [x, "", a=b]
''')
        self.assertEqual({'max_ram': 4096}, found[0].limits)
        self.assertEqual(['min_ram=5', 'a:b=010', 'c=x', 'c=', 'c=a=b'],
                         found[0].extra_specs)

    def test_an_older_releases_file_means_the_same(self):
        found = resolving.resolve(reading.read(b'''\
# Flavor requirements of datastore versions.
# Apply them with "trove-manage datastore-version-flavor-apply".
datastore_versions:
  mysql:
    '5.7':
      flavors:
      - id: '9'  # no longer in Nova
      - m1.large  # id 2: 4096 MiB RAM, 4 vCPUs, 40 GiB disk
      min_ram: 512  # MiB RAM
      min_vcpus: 2  # vCPUs
    '8.0':
      min_disk: 7  # GiB disk
'''), [SMALL, LARGE], present({V57: rows('9')}))
        self.assertEqual({V57: rows('9', '2', min_ram=512, min_vcpus=2),
                          V80: rows(min_disk=7)}, found.rows)

    def test_what_no_flavor_could_have_is_told_with_its_place(self):
        self.assertEqual([
            '3:5: min_ram 2048 is above max_ram 1024',
            "7:14: not the key of an extra spec, which has letters, digits, "
            "spaces and \"_:.-\" only: 'a/b=x'",
            "8:16: not the key of an extra spec, which has letters, digits, "
            "spaces and \"_:.-\" only: '=x'",
            "9:15: the value has characters that are not printable, or ends "
            "with a space: 'c=y\\t'",
            "10:14: 'a=b' is not the key of an extra spec",
        ], self.refused('''datastore_versions:
  mysql:
    8.0:
      min_ram: 2048
      max_ram: 1024
      extra_specs:
        a/b: x
        '':   [x]
        c: [x,"y\\t"]
        a=b: x
'''))

    def test_of_extra_specs_the_form_is_checked(self):
        for text, problem in (
                ('7', "4:20: '7' is not a mapping of the keys of extra "
                      "specs"),
                ('{a: }', '4:23: nothing is not the value of an extra spec, '
                          'or a list of values'),
                ('{a: []}', '4:24: a list is not the value of an extra '
                            'spec, or a list of values'),
                ('{a: {}}', '4:24: a mapping is not the value of an extra '
                            'spec, or a list of values'),
                ('{a: [null]}', '4:25: nothing is not the value of an extra '
                                'spec'),
                ('{a: b, a: c}', "4:27: 'a' is already defined in line 4")):
            self.assertEqual([problem], self.refused(
                f'''datastore_versions:
  mysql:
    8.0:
      extra_specs: {text}
'''))


class ResolveTest(TestCase):

    def resolve(self, text: str, flavors=(SMALL, LARGE), said=None,
                versions=VERSIONS) -> resolving.Wanted:
        return resolving.resolve(
            reading.read(text.encode()), flavors, present(said, versions))

    def test_flavors_by_id_and_by_name(self):
        wanted = self.resolve(
            'datastore_versions: {mysql: {8.0: {flavors: [1, m1.large], '
            'min_ram: 7}}}')
        self.assertEqual({V80: rows('1', '2', min_ram=7)}, wanted.rows)

    def test_a_version_by_its_id(self):
        self.assertEqual({V80: set()}, self.resolve(
            'datastore_versions: {mysql: {id-80: }}').rows)

    def test_a_version_whose_name_is_its_id_is_one_version(self):
        same = requirement.Version('same', 'mysql', 'same', None)
        self.assertEqual({same: set()}, self.resolve(
            'datastore_versions: {mysql: {same: }}', versions=[same]).rows)

    def test_what_is_not_there_is_told_with_what_is_near(self):
        self.assertEqual([
            '2:3: there is no datastore \'mysq\' (did you mean mysql?)',
            '5:5: there is no datastore version \'mysql/8.1\' (did you mean '
            '8.0?)',
            '7:17: Nova has no flavor \'m1.smal\' (did you mean m1.small?)',
            '7:26: Nova has no flavor \'xyzzy\'',
        ], self.problems(self.resolve, '''datastore_versions:
  mysq: {8.0: , 5.7: }
  mysql:
    # There is no such version.
    8.1:
    5.7:
      flavors: [m1.smal, xyzzy]
'''))

    def test_a_name_that_is_another_ones_id_is_ambiguous(self):
        text = 'datastore_versions: {mysql: {8.0: {flavors: [%s]}}}'
        found = self.problems(self.resolve, text % 2, (SMALL, LARGE, ODD))
        self.assertEqual(1, len(found))
        self.assertIn('write "id: 2" or "id: odd"', found[0])
        for flavor_id in ('2', 'odd'):
            self.assertEqual(
                {V80: rows(flavor_id)},
                self.resolve(text % f'id: {flavor_id}',
                             (SMALL, LARGE, ODD)).rows)

    def test_an_ambiguous_version_is_told_its_ids(self):
        other = requirement.Version('id-other', 'mysql', '8.0', '8.0.99')
        found = self.problems(
            self.resolve, 'datastore_versions: {mysql: {8.0: }}', (), {},
            [*VERSIONS, other])
        self.assertIn('id-80', found[0])
        self.assertIn('id-other', found[0])

    def test_one_thing_said_twice(self):
        found = self.problems(self.resolve, '''datastore_versions:
  mysql:
    8.0: {flavors: [1, m1.small]}
    id-80: {}
''')
        self.assertEqual(2, len(found), found)
        self.assertIn('3:24: flavor 1 is already listed in line 3', found[0])
        self.assertIn('is already defined in line 3', found[1])

    def test_what_nova_lost_may_stay_and_not_come(self):
        text = 'datastore_versions: {mysql: {8.0: {flavors: [id: gone]}}}'
        wanted = self.resolve(text, said={V80: rows('gone')})
        self.assertEqual({V80: rows('gone')}, wanted.rows)
        self.assertEqual(1, len(wanted.warnings))
        self.assertEqual(1, len(self.problems(self.resolve, text)))

    def test_without_nova_every_flavor_is_an_id(self):
        self.assertEqual({V80: rows('m1.small')}, self.resolve(
            'datastore_versions: {mysql: {8.0: {flavors: [m1.small]}}}',
            None).rows)
        self.assertEqual(1, len(self.problems(
            self.resolve, 'datastore_versions: {mysql: {8.0: {flavors: '
                          '["a/b"]}}}', None)))


class PlanTest(base.BaseTestCase):

    PRESENT = present({V80: rows('1', '9', min_ram=512), PG: rows('3')})

    def plan(self, wanted, prune=False) -> list[requirement.Change]:
        """The changes that it takes to have what is wanted."""
        return [
            change for version, after in planning.apply(
                wanted, prune, self.PRESENT).items()
            if (change := requirement.Change(
                version, self.PRESENT.rows[version],
                frozenset(after))).added or change.removed]

    def assertChanges(self, expected, changes) -> None:
        self.assertEqual(expected, [
            (change.version, change.added, change.removed)
            for change in changes])

    def test_what_is_so_already_takes_no_change(self):
        self.assertEqual([], self.plan({V80: rows('1', '9', min_ram=512)}))

    def test_what_is_not_mentioned_stays(self):
        self.assertChanges(
            [(V80, [('flavor', '2')], [])],
            self.plan({V80: rows('1', '2')}))

    def test_pruned_it_goes(self):
        self.assertChanges(
            [(V80, [('flavor', '2')], [('flavor', '9'), ('min_ram', '512')]),
             (PG, [], [('flavor', '3')])],
            self.plan({V80: rows('1', '2')}, prune=True))

    def test_a_minimum_has_one_value(self):
        self.assertChanges(
            [(V80, [('min_ram', '1024')], [('min_ram', '512')])],
            self.plan({V80: rows(min_ram=1024)}))

    def test_so_does_a_maximum_and_an_extra_spec_has_those_declared(self):
        there = present({V80: {
            ('max_ram', '512'), ('max_disk', '5'), ('extra_spec', 'a=b'),
            ('extra_spec', 'a=c'), ('extra_spec', 'd=e')}})
        declared = {V80: {('max_ram', '1024'), ('extra_spec', 'a=x')}}
        self.assertEqual({
            ('max_ram', '1024'), ('max_disk', '5'), ('extra_spec', 'a=x'),
            ('extra_spec', 'd=e')},
            set(planning.apply(declared, False, there)[V80]))
        self.assertEqual(
            declared[V80], set(planning.apply(declared, True, there)[V80]))

    def test_a_minimum_above_a_maximum_that_is_there_is_refused(self):
        there = present({V80: rows(max_ram=512)})
        error = self.assertRaises(
            exception.BadRequest, planning.apply,
            {V80: rows(min_ram=1024)}, False, there)
        self.assertIn('mysql/8.0 (id-80): min_ram 1024 is above max_ram 512',
                      str(error))
        planning.apply({V80: rows(min_ram=1024)}, True, there)
        for limits in ({'min_ram': 1024}, {'max_ram': 8, 'min_ram': 9}):
            self.assertRaises(exception.BadRequest, planning.require, limits,
                              False, there)
        planning.require({'min_ram': 1024}, True, there)

    def test_extra_specs_that_a_database_does_not_tell_apart(self):
        specs = [('a', 'X'), ('a', 'x')]
        planning.require({}, False, present(), specs)
        error = self.assertRaises(
            exception.BadRequest, planning.require, {}, False,
            present(ignores_case=True), specs)
        self.assertIn('a=X', str(error))
        self.assertIn('a=x', str(error))
        # One takes the place of the other.
        self.assertEqual({('extra_spec', 'a=x')}, set(planning.require(
            {}, False, present({V80: {('extra_spec', 'a=X')}}, [V80], True),
            [('a', 'x')])[V80]))

    def test_requiring_sets_what_is_named_and_no_more(self):
        there = present({V80: {
            ('flavor', '1'), ('min_ram', '512'), ('max_ram', '1024'),
            ('extra_spec', 'a=b'), ('extra_spec', 'c=d')}}, [V80])
        for arguments, options, expected in (
                (({'max_ram': 2048}, False), {}, {
                    ('flavor', '1'), ('min_ram', '512'),
                    ('max_ram', '2048'), ('extra_spec', 'a=b'),
                    ('extra_spec', 'c=d')}),
                (({}, False), {'extra_specs': [('a', 'x'), ('a', 'y')]}, {
                    ('flavor', '1'), ('min_ram', '512'),
                    ('max_ram', '1024'), ('extra_spec', 'a=x'),
                    ('extra_spec', 'a=y'), ('extra_spec', 'c=d')}),
                (({}, False), {'removed': ['a', 'nothing']}, {
                    ('flavor', '1'), ('min_ram', '512'),
                    ('max_ram', '1024'), ('extra_spec', 'c=d')}),
                (({'min_disk': 5}, True), {'extra_specs': [('a', 'x')]}, {
                    ('flavor', '1'), ('min_disk', '5'),
                    ('extra_spec', 'a=x')}),
                (({}, True), {}, {('flavor', '1')})):
            self.assertEqual(expected, set(planning.require(
                *arguments, there, **options)[V80]))

    def test_a_copy_is_all_of_it_and_replaces_when_told(self):
        said = rows('1', min_ram=512) | {('extra_spec', 'a=b')}
        self.assertEqual(
            {V80: said, V57: said},
            planning.copy('id-80', 'id-57', False,
                          present({V80: said}, [V80, V57])))
        there = present({V80: said, V57: rows('2')}, [V80, V57])
        error = self.assertRaises(exception.BadRequest, planning.copy,
                                  'id-80', 'id-57', False, there)
        self.assertIn('mysql/5.7 (id-57)', str(error))
        self.assertIn('--replace', str(error))
        self.assertEqual(said, planning.copy(
            'id-80', 'id-57', True, there)[V57])

    def test_what_cannot_be_met_is_not_copied(self):
        for said in ({('min_ram', 'x')}, {('extra_spec', 'x')},
                     rows(min_ram=2, max_ram=1)):
            self.assertRaises(
                exception.BadRequest, planning.copy, 'id-80', 'id-57', False,
                present({V80: said}, [V80, V57]))

    def test_the_difference_names_flavors(self):
        changes = self.plan({V80: rows('2', min_ram=1024)}, prune=True)
        self.assertEqual([
            '  mysql/8.0 (id-80)',
            '-   flavor 1 (m1.small)',
            '-   flavor 9',
            '+   flavor 2 (m1.large)',
            '-   min_ram 512',
            '+   min_ram 1024',
            '  postgresql/16 (id-pg)',
            '-   flavor 3',
        ], list(planning.diff(changes, by_id(SMALL, LARGE))))


class WriteTest(base.BaseTestCase):

    def test_it_is_ordered_and_names_flavors(self):
        self.assertEqual('''\
# Flavor requirements of datastore versions.
# Apply them with "trove-manage datastore-version-flavor-apply".
datastore_versions:
  mysql:
    '8.0':
      flavors:
      - id: '9'  # no longer in Nova
      - m1.large  # id 2: 4096 MiB RAM, 4 vCPUs, 40 GiB disk
      min_ram: 512  # MiB RAM
  postgresql:
    '16':
      min_disk: 7  # GiB disk
''', writing.write(
            present({V80: rows('9', '2', min_ram=512),
                     PG: rows(min_disk=7)}), by_id(SMALL, LARGE), False))

    def test_by_id_the_names_are_comments(self):
        self.assertIn(
            '- id: \'2\'  # m1.large: 4096 MiB RAM',
            writing.write(present({V80: rows('2')}),
                          by_id(SMALL, LARGE), True))

    def test_where_nothing_is_required(self):
        self.assertEqual([], reading.read(writing.write(
            present(), {}, False).encode()))

    def test_versions_of_one_name_go_by_their_ids(self):
        other = requirement.Version('id-other', 'mysql', '8.0', '8.0.99')
        text = writing.write(
            present({V80: rows('1'), other: rows('2')}, [V80, other]),
            by_id(SMALL, LARGE), False)
        self.assertIn('    id-80:  # 8.0, number 8.0.29\n', text)
        self.assertEqual(
            {V80: rows('1'), other: rows('2')}, resolving.resolve(
                reading.read(text.encode()), [SMALL, LARGE],
                present(versions=[V80, other])).rows)

    def test_the_order_is_the_same_whoever_lists_the_versions(self):
        # MySQL sorts without regard to case; Trove's API does not sort.
        versions = [
            requirement.Version(f'id-{name}-{number}', datastore, name, number)
            for datastore in ('MySQL', 'mariadb')
            for name, number in (('A', '1'), ('a', '1'), ('B', '2'),
                                 ('B', '10'), ('B', None))]
        said = {version: rows('1') for version in versions}
        first, *others = (
            writing.write(present(said, order), by_id(SMALL), False)
            for order in (versions, versions[::-1], versions[1::2]
                          + versions[::2]))
        self.assertEqual([first, first], others)
        self.assertLess(first.index('MySQL'), first.index('mariadb'))

    texts = strategies.text(min_size=1, max_size=30).filter(
        lambda text: all(character.isprintable() for character in text))

    @hypothesis.given(
        strategies.dictionaries(
            strategies.tuples(texts, texts), strategies.sets(
                strategies.integers(0, 4), min_size=1), max_size=5),
        strategies.lists(texts, min_size=5, max_size=5, unique=True),
        strategies.booleans())
    def test_what_is_written_is_read_as_what_it_was(
            self, said, names, ids):
        flavors = by_id(*(requirement.Flavor(f'id-{n}', name, 1, 1, 1, 0)
                          for n, name in enumerate(names)))
        versions = [requirement.Version(f'version-{n}', datastore, name, None)
                    for n, (datastore, name) in enumerate(sorted(said))]
        there = {version: rows(*(
            f'id-{n}' for n in said[version.datastore, version.name]))
            for version in versions}
        text = writing.write(present(there, versions), flavors, ids)
        self.assertEqual(there, resolving.resolve(
            reading.read(text.encode()), flavors.values(),
            present(versions=versions)).rows)
        yaml.safe_load(text)

    values = strategies.text(max_size=30).filter(
        lambda text: text.isprintable() and not text.endswith(' '))
    keys = strategies.text('abAB:_. -=0', min_size=1, max_size=8).filter(
        lambda text: '=' not in text)

    @hypothesis.given(
        strategies.dictionaries(
            strategies.sampled_from(sorted(requirement.MINIMUMS)),
            strategies.integers(1, 1000)),
        strategies.dictionaries(
            strategies.sampled_from(sorted(requirement.MAXIMUMS)),
            strategies.integers(1000, requirement.LARGEST)),
        strategies.dictionaries(
            keys, strategies.sets(values, min_size=1, max_size=3)))
    @hypothesis.example({}, {}, {'0': {'0...', '...', '...a', '-...'}})
    def test_so_are_limits_and_extra_specs(
            self, minimums, maximums, extra_specs):
        said = rows(**minimums, **maximums) | {
            ('extra_spec', f'{key}={value}')
            for key, values in extra_specs.items() for value in values}
        text = writing.write(present({V80: said}), {}, False)
        self.assertEqual({V80: said} if said else {}, resolving.resolve(
            reading.read(text.encode()), [], present()).rows)
        yaml.safe_load(text)
