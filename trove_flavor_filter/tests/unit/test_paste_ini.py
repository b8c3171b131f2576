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

"""The filter goes into a paste file, and comes out of it, to the byte."""

import io
import itertools
import pathlib
import re
import sys

from oslotest import base
from paste.deploy import loadwsgi

from trove_flavor_filter.deployment import paste_ini
from trove_flavor_filter import exception

TROVES = pathlib.Path(sys.prefix, 'etc', 'trove', 'api-paste.ini')

PIPELINE = 'pipeline = faultwrapper authtoken ratelimit extensions troveapp'
FILTERS = '''\
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory

[filter:extensions]
paste.filter_factory = trove.common.extensions:factory

[app:troveapp]
paste.app_factory = trove.common.api:app_factory
'''
SECTION = '''\
[filter:flavor_filter]
paste.filter_factory = trove_flavor_filter.wsgi:filter_factory
'''

# How the value of a pipeline may be laid out.
LAYOUTS = (
    PIPELINE,
    'pipeline=authtoken extensions troveapp',
    'pipeline: authtoken extensions troveapp',
    'pipeline   =\tauthtoken\textensions\t\ttroveapp',
    'pipeline =   authtoken   extensions   troveapp   ',
    'pipeline =\n    authtoken\n    extensions\n    troveapp',
    'pipeline = authtoken\n           extensions troveapp',
    'pipeline = authtoken extensions\n  troveapp',
    'pipeline = authtoken\n\textensions\n\ttroveapp',
    'pipeline =\n  authtoken ratelimit\n\n  # why\n  ; and\n# how\n'
    '    extensions\n  troveapp',
    '  pipeline = authtoken\n    extensions\n    troveapp',
    'pipeline = authtoken troveapp',
    'pipeline =\n  authtoken\n  troveapp',
    'pipeline = egg:keystonemiddleware#auth_token extensions troveapp',
)
ENDINGS = ('', '\n', '\n\n\n', '\n# the end', '\n# the end\n',
           '\n[filter:last]\nkey =\n  value\n  more', '\n   \n\t')


def read(text):
    """What Paste's own parser finds: the options of each section."""
    parser = loadwsgi.NicerConfigParser('api-paste.ini')
    parser.optionxform = str
    parser.read_file(io.StringIO(text, newline=None))
    return {section: {name: value.split()
                      for name, value in parser.items(section, raw=True)}
            for section in parser.sections()}


class RoundTripTest(base.BaseTestCase):

    def round_trip(self, original):
        enabled, changes = paste_ini.enable(original)
        self.assertNotEqual(original, enabled)
        self.assertTrue(changes)
        self.assertEqual((enabled, []), paste_ini.enable(enabled))
        disabled, changes = paste_ini.disable(enabled)
        self.assertEqual(original, disabled)
        self.assertTrue(changes)
        self.assertEqual((original, []), paste_ini.disable(original))
        return enabled

    def test_troves_own_file_comes_back(self):
        if not TROVES.exists():
            self.skipTest(f'Trove is not installed: no {TROVES}')
        original = TROVES.read_bytes().decode()
        enabled = self.round_trip(original)

        expected = read(original)
        names = expected['pipeline:troveapi']['pipeline']
        names.insert(names.index('extensions'), 'flavor_filter')
        expected['filter:flavor_filter'] = {'paste.filter_factory': [
            'trove_flavor_filter.wsgi:filter_factory']}
        self.assertEqual(expected, read(enabled))

    def test_every_layout_comes_back_and_means_one_filter_more(self):
        for layout, ending, eol, last in itertools.product(
                LAYOUTS, ENDINGS, ('\n', '\r\n', '\r'), (False, True)):
            parts = [FILTERS, f'[pipeline:api]\n{layout}\n']
            text = ''.join(parts if last else parts[::-1])
            original = (text.rstrip('\n') + ending).replace('\n', eol)
            with self.subTest(original):
                enabled = self.round_trip(original)
                names = read(original)['pipeline:api']['pipeline']
                at = names.index(
                    'extensions' if 'extensions' in names else 'troveapp')
                self.assertEqual(
                    names[:at] + ['flavor_filter'] + names[at:],
                    read(enabled)['pipeline:api']['pipeline'])
                self.assertEqual(
                    ['trove_flavor_filter.wsgi:filter_factory'],
                    read(enabled)['filter:flavor_filter'][
                        'paste.filter_factory'])

    def test_a_file_keeps_its_ends_of_lines(self):
        for space in (' ', '\n  '):
            pipeline = PIPELINE.replace(' extensions', f'{space}extensions')
            original = f'[pipeline:api]\n{pipeline}\n{FILTERS}'
            enabled = self.round_trip(original.replace('\n', '\r\n'))
            self.assertEqual([], re.findall('[^\r]\n', enabled))

    def test_a_name_on_a_line_of_its_own_gets_such_a_line(self):
        enabled = self.round_trip(
            '[pipeline:api]\npipeline =\n\tauthtoken\n\textensions\n'
            '\ttroveapp\n' + FILTERS)
        self.assertIn('\tauthtoken\n\tflavor_filter\n\textensions\n', enabled)

    def test_each_pipeline_that_ends_in_troves_application_gets_it(self):
        enabled = self.round_trip(
            f'[pipeline:one]\n{PIPELINE}\n'
            '[pipeline:other]\npipeline = authtoken extensions another\n'
            f'[pipeline: two]\n{PIPELINE}\n'
            '[app:another]\npaste.app_factory = a:b\n' + FILTERS)
        found = read(enabled)
        self.assertIn('flavor_filter', found['pipeline:one']['pipeline'])
        self.assertIn('flavor_filter', found['pipeline: two']['pipeline'])
        self.assertNotIn('flavor_filter', found['pipeline:other']['pipeline'])

    def test_names_by_another_name_are_known_by_their_factories(self):
        enabled = self.round_trip(
            '[pipeline:api]\npipeline = who extensions more db\n'
            '[filter:who]\nuse = egg:keystonemiddleware#auth_token\n'
            '[filter:extensions]\npaste.filter_factory = some.other:thing\n'
            '[filter:more]\n'
            'paste.filter_factory = trove.common.extensions:factory\n'
            '[app:db]\npaste.app_factory = trove.common.api:app_factory')
        self.assertEqual(
            ['who', 'extensions', 'flavor_filter', 'more', 'db'],
            read(enabled)['pipeline:api']['pipeline'])

    def test_a_pipeline_in_a_comment_stays(self):
        comment = '#pipeline = authtoken extensions troveapp\n'
        self.assertIn(comment, self.round_trip(
            f'[pipeline:api]\n{PIPELINE}\n{comment}' + FILTERS))

    def test_bytes_that_are_not_utf_8_stay(self):
        original = (f'# caf\xe9 \x85\n[pipeline:api]\n{PIPELINE}\n'
                    + FILTERS).encode('latin-1')
        enabled = self.round_trip(
            original.decode('utf-8', 'surrogateescape'))
        self.assertIn(b'# caf\xe9 \x85\n',
                      enabled.encode('utf-8', 'surrogateescape'))

    def test_a_part_of_a_pipeline_may_come_from_elsewhere(self):
        enabled = self.round_trip(
            '[DEFAULT]\nfront = cors authtoken\n'
            '[pipeline:api]\npipeline = %(front)s extensions troveapp\n'
            + FILTERS)
        self.assertIn('%(front)s flavor_filter extensions', enabled)


class ByHandTest(base.BaseTestCase):
    """What somebody has written stays; what is missing is added."""

    def test_a_section_written_by_hand_stays(self):
        for section in (
                SECTION,
                SECTION + 'oslo_config_project = trove\n',
                '[filter:flavor_filter]\n'
                'use = egg:trove-flavor-filter#flavor_filter\n'):
            original = f'{section}[pipeline:api]\n{PIPELINE}\n{FILTERS}'
            enabled, changes = paste_ini.enable(original)
            self.assertEqual(['pipeline api'], changes)
            self.assertEqual(original, enabled.replace('flavor_filter ext',
                                                       'ext'))
            self.assertEqual(original, paste_ini.disable(enabled)[0])

    def test_what_is_whole_is_left_alone(self):
        pipeline = PIPELINE.replace('extensions', 'flavor_filter extensions')
        text = f'{SECTION}[pipeline:api]\n{pipeline}\n{FILTERS}'
        self.assertEqual((text, []), paste_ini.enable(text))

    def test_a_filter_of_ours_by_another_name_counts(self):
        text = (SECTION.replace('[filter:flavor_filter]', '[filter:sizes]')
                + '[pipeline:api]\npipeline = authtoken sizes troveapp\n'
                + FILTERS)
        self.assertEqual((text, []), paste_ini.enable(text))
        disabled, _ = paste_ini.disable(text)
        self.assertEqual(['authtoken', 'troveapp'],
                         read(disabled)['pipeline:api']['pipeline'])

    def test_a_pipeline_that_lacks_it_gets_it_where_another_has_it(self):
        pipeline = PIPELINE.replace('extensions', 'flavor_filter extensions')
        enabled, changes = paste_ini.enable(
            f'{SECTION}[pipeline:one]\n{pipeline}\n'
            f'[pipeline:two]\n{PIPELINE}\n{FILTERS}')
        self.assertEqual(['pipeline two'], changes)
        self.assertEqual(read(enabled)['pipeline:one'],
                         read(enabled)['pipeline:two'])

    def test_a_section_that_is_missing_is_added(self):
        pipeline = PIPELINE.replace('extensions', 'flavor_filter extensions')
        enabled, changes = paste_ini.enable(
            f'[pipeline:api]\n{pipeline}\n{FILTERS}')
        self.assertEqual(['section [filter:flavor_filter]'], changes)
        self.assertIn('filter:flavor_filter', read(enabled))

    def test_a_name_written_by_hand_is_taken_out_wherever_it_stands(self):
        for pipeline in ('authtoken flavor_filter\textensions troveapp',
                         'authtoken flavor_filter\n  extensions troveapp',
                         'authtoken\n  flavor_filter extensions\n  troveapp',
                         'flavor_filter authtoken flavor_filter extensions '
                         'flavor_filter troveapp',
                         '\n  authtoken\n  flavor_filter  \n  extensions\n'
                         '  troveapp'):
            disabled, _ = paste_ini.disable(
                f'{SECTION}[pipeline:api]\npipeline = {pipeline}\n{FILTERS}')
            self.assertEqual(['authtoken', 'extensions', 'troveapp'],
                             read(disabled)['pipeline:api']['pipeline'])
            self.assertNotIn(' \n', disabled.replace('pipeline = \n', ''))

    def test_what_was_edited_in_between_stays(self):
        original = f'[pipeline:api]\n{PIPELINE}\n{FILTERS}'

        def edited(text):
            return text.replace('ratelimit ', '').replace(
                '[filter:extensions]', '# mine\n[filter:extensions]'
            ) + '\n[filter:mine]\npaste.filter_factory = a:b\n'

        enabled, _ = paste_ini.enable(original)
        self.assertEqual(edited(original),
                         paste_ini.disable(edited(enabled))[0])

    def test_lines_after_ours_do_not_join_a_last_line_without_end(self):
        original = f'[pipeline:api]\n{PIPELINE}\n{FILTERS}'.rstrip('\n')
        enabled, _ = paste_ini.enable(original)
        disabled, _ = paste_ini.disable(enabled + '# more\n')
        self.assertEqual(original + '\n# more\n', disabled)

    def test_an_option_added_to_our_section_keeps_the_section(self):
        original = f'[pipeline:api]\n{PIPELINE}\n{FILTERS}'
        enabled, _ = paste_ini.enable(original)
        disabled, changes = paste_ini.disable(enabled + 'oslo_config = x\n')
        self.assertEqual(['pipeline api'], changes)
        self.assertEqual(['x'],
                         read(disabled)['filter:flavor_filter']['oslo_config'])
        self.assertEqual((disabled, []), paste_ini.disable(disabled))

    def test_an_application_called_flavor_filter_stays(self):
        text = ('[pipeline:api]\npipeline = authtoken flavor_filter\n'
                '[app:flavor_filter]\n'
                'paste.app_factory = trove_flavor_filter.wsgi:app_factory\n')
        self.assertEqual((text, []), paste_ini.disable(text))


class RefusalTest(base.BaseTestCase):

    def assertRefused(self, message, text, edit=paste_ini.enable):
        error = self.assertRaises(
            exception.FlavorFilterError, edit, text)
        self.assertIn(message, str(error))
        self.assertNotIn('\n', str(error))

    def test_no_pipeline_that_ends_in_troves_application(self):
        for text in ('', FILTERS, '[pipeline:api]\npipeline =\n' + FILTERS,
                     '[pipeline:api]\n' + FILTERS,
                     '[pipeline:api]\n#' + PIPELINE + '\n' + FILTERS,
                     '[pipeline:api]\npipeline = authtoken extensions\n'
                     + FILTERS,
                     '[app:x]\npaste.app_factory = trove.versions:app_factory'
                     '\n[pipeline:api]\npipeline = authtoken x\n' + FILTERS):
            self.assertRefused('no pipeline in it ends in', text)

    def test_no_auth_filter_before_the_place(self):
        for pipeline in ('extensions troveapp', 'troveapp',
                         'extensions authtoken troveapp'):
            self.assertRefused(
                'trusts the identity that authtoken establishes',
                f'[pipeline:api]\npipeline = {pipeline}\n{FILTERS}')

    def test_one_pipeline_without_auth_keeps_all_as_they_are(self):
        self.assertRefused(
            'pipeline two has no authtoken',
            f'[pipeline:one]\n{PIPELINE}\n'
            f'[pipeline:two]\npipeline = extensions troveapp\n{FILTERS}')

    def test_a_filter_that_stands_before_authtoken(self):
        self.assertRefused(
            'before the place of flavor_filter',
            f'{SECTION}[pipeline:api]\n'
            f'pipeline = flavor_filter authtoken extensions troveapp\n'
            f'{FILTERS}')

    def test_a_section_of_that_name_that_is_not_ours(self):
        self.assertRefused(
            'not this plugin\'s',
            f'[filter:flavor_filter]\npaste.filter_factory = a:b\n'
            f'[pipeline:api]\n{PIPELINE}\n{FILTERS}')

    def test_what_is_no_paste_file(self):
        for text in ('garbage', '\ufeff[a]\n', '[a]\n[a]\n', '[a]\nb\n',
                     '[pipeline:a]\npipeline = %(nowhere)s\n',
                     '[pipeline:a]\npipeline = 100%\n', '\x00\x01'):
            for edit in (paste_ini.enable, paste_ini.disable):
                self.assertRefused('not a paste file', text, edit)

    def test_a_pipeline_whose_end_comes_from_elsewhere(self):
        for text in (
                '[DEFAULT]\nback = extensions troveapp\n'
                '[pipeline:api]\npipeline = authtoken %(back)s\n',
                '[DEFAULT]\nall = authtoken extensions troveapp\n'
                '[pipeline:api]\npipeline = %(all)s\n',
                f'[DEFAULT]\n{PIPELINE}\n[pipeline:api]\n'):
            self.assertRefused('by hand', text + FILTERS)
        self.assertRefused(
            'by hand',
            '[DEFAULT]\nall = authtoken flavor_filter troveapp\n'
            '[pipeline:api]\npipeline = %(all)s\n' + FILTERS,
            paste_ini.disable)
