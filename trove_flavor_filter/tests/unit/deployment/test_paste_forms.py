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

"""What Paste loads is edited, or refused for one of few reasons.

FLAVOR_FILTER_PASTE_FILES says how many files are tried.
"""

import collections
import os
import re

import hypothesis
from oslotest import base

from trove_flavor_filter.deployment import paste_ini
from trove_flavor_filter import exception
from trove_flavor_filter.tests.unit.deployment import paste_files

COUNT = int(os.environ.get('FLAVOR_FILTER_PASTE_FILES', '100'))

# Of files that Paste loads: whatever else enable says of one is a fault.
REASONS = {
    'no authentication': re.compile(r'has no authtoken of .* before the '
                                    r'place of flavor_filter'),
    'authentication after extensions': re.compile(
        r'has \S+ \(\S+\) after the place of flavor_filter'),
    'no pipeline to write in': re.compile(r'has no place for flavor_filter'),
    'nothing of Trove\'s': re.compile('no pipeline in it ends in Trove'),
}


def _reason(error):
    return next((name for name, pattern in REASONS.items()
                 if pattern.search(str(error))), str(error))


class FormsTest(base.BaseTestCase):

    DEFAULT_TIMEOUT = 600

    def setUp(self):
        super().setUp()
        self.judge = self.useFixture(paste_files.Judge())
        self.counts = collections.Counter()

    def try_one(self, text):
        before = self.judge.ways(text)
        try:
            enabled, _changes = paste_ini.enable(text, str(self.judge.path))
        except exception.FlavorFilterError as error:
            self.counts['refused, ' + (
                _reason(error) if before is not None
                else 'not loaded by Paste')] += 1
            if before is not None:
                self.assertIn(_reason(error), REASONS)
                self.assertTrue(self.is_rightly_refused(
                    _reason(error), before), error)
            return
        self.assertEqual((enabled, []),
                         paste_ini.enable(enabled, str(self.judge.path)))
        self.assertEqual(
            text, paste_ini.disable(enabled, str(self.judge.path))[0])
        if before is None:
            self.counts['edited, not loaded by Paste'] += 1
            return
        self.counts['edited'] += 1
        after = self.judge.ways(enabled)
        self.assertIsNotNone(after, 'Paste no longer loads it')
        self.assertEqual(before, [
            tuple(name for name in way if name != paste_files.OURS)
            for way in after])
        for way in after:
            self.assertIn(paste_files.OURS, way)
            at = way.index(paste_files.OURS)
            # Some filter authenticates before ours, none does behind it, and
            # the paths that ours sees are those behind the composites.
            self.assertTrue(set(way[:at]) & set(paste_files.KNOWN_AUTH), way)
            self.assertFalse(
                set(way[at:]) & {*paste_files.KNOWN_AUTH, '/'}, way)

    def is_rightly_refused(self, reason, ways):
        """Whether what is loaded bears the reason out."""
        auth = set(paste_files.KNOWN_AUTH)
        match reason:
            case 'no authentication':
                return any(not auth & set(way) or not auth & set(
                    self.before_extensions(way)) for way in ways)
            case 'authentication after extensions':
                return any(auth & set(way[len(self.before_extensions(way)):])
                           for way in ways)
            case 'nothing of Trove\'s':
                return not ways
        return True

    def before_extensions(self, way):
        inside = max((at + 1 for at, name in enumerate(way) if name == '/'),
                     default=0)
        rest = way[inside:]
        return way[:inside] + rest[:rest.index(paste_files.EXTENSIONS)] if (
            paste_files.EXTENSIONS in rest) else way

    def test_what_paste_loads_is_edited_or_refused_for_a_reason(self):
        @hypothesis.settings(
            max_examples=COUNT, database=None, derandomize=True)
        @hypothesis.given(paste_files.TEXTS)
        def every(text):
            self.try_one(text)

        every()
        if 'FLAVOR_FILTER_PASTE_FILES' in os.environ:
            print(*sorted(self.counts.items()), sep='\n')
        self.assertLess(COUNT / 3, self.counts['edited'])
