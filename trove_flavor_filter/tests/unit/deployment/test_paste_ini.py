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

import importlib.metadata
import io
import itertools
import pathlib
import re
import sys

import fixtures
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


class ServedTest(base.BaseTestCase):
    """What trove-api serves has to be in order; other things have not."""

    COMPOSITE = ('[composite:trove]\nuse = egg:Paste#urlmap\n'
                 '/: versions\n/v1.0: api\n'
                 '[app:versions]\npaste.app_factory = trove.versions:app\n')
    API = f'[pipeline:api]\n{PIPELINE}\n'
    DEBUG = '[pipeline:debug]\npipeline = extensions troveapp\n'

    def test_a_pipeline_that_is_not_served_does_not_stand_in_the_way(self):
        text = self.COMPOSITE + self.DEBUG + self.API + FILTERS
        enabled, changes = paste_ini.enable(text)
        self.assertEqual(['section [filter:flavor_filter]', 'pipeline api'],
                         changes)
        self.assertIn(self.DEBUG, enabled)
        self.assertEqual([], paste_ini.problems(enabled))
        self.assertEqual(text, paste_ini.disable(enabled)[0])

    def test_a_pipeline_that_is_not_served_stays_as_it_is(self):
        other = self.API.replace('pipeline:api', 'pipeline:other')
        enabled, changes = paste_ini.enable(
            self.COMPOSITE + other + self.API + FILTERS)
        self.assertEqual(['section [filter:flavor_filter]', 'pipeline api'],
                         changes)
        self.assertIn(other, enabled)

    def test_a_pipeline_that_is_not_served_may_be_one_that_paste_rejects(self):
        text = (self.COMPOSITE + self.API + FILTERS
                + '[pipeline:x]\npipeline = %(nowhere)s\n')
        enabled, changes = paste_ini.enable(text)
        self.assertEqual(['section [filter:flavor_filter]', 'pipeline api'],
                         changes)
        self.assertEqual(text, paste_ini.disable(enabled)[0])

    def test_a_pipeline_that_is_served_without_auth_is_refused(self):
        for mount in ('/v2: debug\n', '/v2 = debug\n',
                      'not_found_app = debug\n'):
            for composite in (self.COMPOSITE, self.COMPOSITE.replace(
                    'composite:', 'composit:'), self.COMPOSITE.replace(
                        'egg:Paste#urlmap',
                        'call:trove.common.wsgi:versioned_urlmap')):
                error = self.assertRaises(
                    exception.FlavorFilterError, paste_ini.enable,
                    composite.replace('/v1.0', mount + '/v1.0') + self.DEBUG
                    + self.API + FILTERS)
                self.assertIn('pipeline debug has no authtoken', str(error))

    def test_an_application_is_found_through_every_form_of_a_section(self):
        for form in ('[application:troveapp]\n'
                     'paste.app_factory = trove.common.api:app_factory\n',
                     '[app:troveapp]\n'
                     'use = call:trove.common.api:app_factory\n',
                     '[app: troveapp ]\nuse = other\n'
                     '[app:other]\nuse = call:trove.common.api:app_factory\n',
                     '[app:troveapp]\nset debug = yes\n'
                     'paste.app_factory = trove.common.api : app_factory\n',
                     '[filter-app:troveapp]\nnext = other\n'
                     'paste.filter_factory = site:factory\n'
                     '[app:other]\nuse = call:trove.common.api:app_factory\n'):
            text = (self.COMPOSITE + self.API
                    + FILTERS[:FILTERS.index('[app:')] + form)
            enabled, _changes = paste_ini.enable(text)
            self.assertIn(' flavor_filter extensions', enabled)

    def test_authentication_may_stand_in_front_of_the_pipeline(self):
        inner = '[pipeline:inner]\npipeline = extensions troveapp\n'
        for outer in (
                '[pipeline:api]\npipeline = authtoken inner\n',
                '[filter-app:api]\nuse = authtoken\nnext = inner\n',
                '[composite:api]\nuse = egg:Paste#urlmap\n/: inner\n'
                'filter-with = authtoken\n'):
            enabled, changes = paste_ini.enable(
                self.COMPOSITE + outer + inner + FILTERS)
            self.assertIn('pipeline inner', changes)
            self.assertIn('= flavor_filter extensions', enabled)

    def test_a_filter_outside_of_a_composite_is_none_for_what_is_inside(self):
        text = (self.COMPOSITE.replace('composite:trove', 'composite:map')
                + '[pipeline:trove]\npipeline = authtoken flavor_filter map\n'
                + SECTION + self.DEBUG.replace('debug', 'api') + FILTERS)
        self.assertEqual(['pipeline api does not have flavor_filter'],
                         paste_ini.problems(text))

    def test_no_pipeline_to_write_in_is_refused_with_what_is_there(self):
        for text, quoted in (
                ('[app:api]\nuse = troveapp\nfilter-with = authtoken\n',
                 '[composite:trove] /v1.0 = api -> [app:api] '
                 'filter-with = authtoken -> [app:troveapp]'),
                ('[filter-app:api]\nuse = authtoken\nnext = troveapp\n',
                 '[filter-app:api] next = troveapp'),
                ('[DEFAULT]\nall = authtoken extensions troveapp\n'
                 '[pipeline:api]\npipeline = %(all)s\n',
                 '[pipeline:api] pipeline = %(all)s')):
            error = self.assertRaises(
                exception.FlavorFilterError, paste_ini.enable,
                self.COMPOSITE + text + FILTERS)
            self.assertIn('put it in by hand', str(error))
            self.assertIn(quoted, str(error))

    def test_a_way_through_another_file(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        other = folder / 'other file.ini'
        for mount in ('config:other%%20file.ini#api',
                      'config:%(here)s/other file.ini#api'):
            text = self.COMPOSITE.replace(': api', f': {mount}')
            other.write_text(self.API + FILTERS)
            error = self.assertRaises(
                exception.FlavorFilterError, paste_ini.enable, text,
                str(folder / 'api-paste.ini'))
            self.assertIn(f'{other} pipeline:api', str(error))
            other.write_text(
                f'{SECTION}{self.API}{FILTERS}'.replace(
                    ' extensions', ' flavor_filter extensions'))
            self.assertEqual((text, []), paste_ini.enable(
                text, str(folder / 'api-paste.ini')))

    def test_what_paste_says_is_quoted(self):
        for text, why in (
                (self.COMPOSITE, "No section 'api'"),
                (self.COMPOSITE + '[pipeline:api]\npipeline = a\nmore = b\n',
                 'extra (disallowed) settings: more'),
                (self.COMPOSITE + '[app:trove]\nuse = egg:a#b\n',
                 'Ambiguous section names'),
                (self.COMPOSITE + '[app:api]\nuse = api\n',
                 'refer to each other in a circle'),
                (self.COMPOSITE + '[pipeline:api]\npipeline = authtoken '
                 'troveapp\nfilter-with = authtoken\n' + FILTERS,
                 '[pipeline:api] has filter-with')):
            error = self.assertRaises(exception.FlavorFilterError,
                                      paste_ini.enable, text)
            self.assertIn(why, str(error))

    def test_a_pipeline_of_a_composite_that_takes_several_names(self):
        text = ('[composite:trove]\nuse = call:site.auth:pipeline_factory\n'
                'keystone = authtoken extensions troveapp\n')
        error = self.assertRaises(exception.FlavorFilterError,
                                  paste_ini.enable, text + FILTERS)
        self.assertIn('[composite:trove] keystone = authtoken', str(error))
        by_hand = SECTION + text.replace(' ext', ' flavor_filter ext')
        self.assertEqual((by_hand + FILTERS, []),
                         paste_ini.enable(by_hand + FILTERS))

    def test_a_place_by_hand_outside_of_pipelines_is_not_taken_away(self):
        text = (SECTION + self.COMPOSITE
                + '[filter-app:api]\nuse = authtoken\nnext = sized\n'
                '[app:sized]\nuse = troveapp\nfilter-with = flavor_filter\n'
                + FILTERS)
        self.assertEqual((text, []), paste_ini.enable(text))
        error = self.assertRaises(exception.FlavorFilterError,
                                  paste_ini.disable, text)
        self.assertIn('[app:sized] filter-with = flavor_filter', str(error))


class AuthenticationTest(base.BaseTestCase):
    """Which filter authenticates, and that none of ours stands before it."""

    def file(self, *factory, pipeline='mine extensions troveapp'):
        return (f'[pipeline:api]\npipeline = {pipeline}\n'
                f'[filter:mine]\n{"".join(factory)}\n{FILTERS}')

    def assertRefused(self, text, message, auth_filter=None):
        error = self.assertRaises(
            exception.FlavorFilterError, paste_ini.enable, text,
            auth_filter=auth_filter)
        self.assertIn(message, str(error))

    def test_each_of_keystonemiddlewares_is_known_by_each_spelling(self):
        points = [
            point for point in importlib.metadata.distribution(
                'keystonemiddleware').entry_points
            if point.group == 'paste.filter_factory'
            and point.name != 'audit']
        self.assertLessEqual(4, len(points))
        for point in points:
            for spelling in (
                    f'paste.filter_factory = {point.value}',
                    f'use = call:{point.value}',
                    f'use = egg:keystonemiddleware#{point.name}',
                    f'use = egg:KeystoneMiddleware#{point.name}'):
                enabled, _changes = paste_ini.enable(self.file(spelling))
                self.assertIn('mine flavor_filter extensions', enabled)
                self.assertEqual([], paste_ini.problems(enabled))
            self.assertIn(
                f'#{point.name} flavor_filter', paste_ini.enable(self.file(
                    'use = egg:a#b',
                    pipeline=f'egg:keystonemiddleware#{point.name} '
                             f'troveapp'))[0])

    def test_a_sites_own_is_quoted_and_taken_when_insisted_on(self):
        text = self.file('paste.filter_factory = site.auth:factory')
        self.assertRefused(text, 'Filters there: mine (site.auth:factory). If')
        self.assertRefused(text, 'has no filter called other before', 'other')
        enabled, _changes = paste_ini.enable(text, auth_filter='mine')
        self.assertIn('mine flavor_filter extensions', enabled)
        self.assertEqual([], paste_ini.problems(enabled, auth_filter='mine'))
        self.assertEqual(
            ['pipeline api has no authtoken of keystonemiddleware\'s before '
             'flavor_filter ([flavor_filter] auth_filter names another)'],
            paste_ini.problems(enabled))
        self.assertEqual(text, paste_ini.disable(enabled)[0])

    def test_whatever_is_insisted_on_no_authentication_is_behind_ours(self):
        for pipeline in ('mine extensions authtoken troveapp',
                         'extensions mine authtoken troveapp',
                         'mine flavor_filter authtoken troveapp',
                         'authtoken flavor_filter mine troveapp',
                         'flavor_filter mine troveapp'):
            self.assertRefused(
                self.file('paste.filter_factory = site:factory',
                          pipeline=pipeline),
                'the place of flavor_filter', 'mine')
        for name in ('extensions', 'troveapp', 'flavor_filter', 'api'):
            self.assertRefused(
                self.file('use = egg:keystonemiddleware#auth_token'),
                f'has no filter called {name} before', name)


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
