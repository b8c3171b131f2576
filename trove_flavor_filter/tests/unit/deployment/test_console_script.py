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

"""The plugin goes into a console script of Trove's, and comes out again."""

import re

from oslotest import base

from trove_flavor_filter.deployment import console_script
from trove_flavor_filter import exception

PIP = '''\
#!/opt/trove/bin/python3
# -*- coding: utf-8 -*-
import re
import sys
from trove.cmd.manage import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
'''
LONG_PATH = "#!/bin/sh\n'''exec' \"/long path/python3\" \"$0\" \"$@\"\n' '''\n"
PBR = '''\
#!/usr/bin/python3
# PBR Generated from 'console_scripts'

import sys

from trove.cmd.manage import main


if __name__ == "__main__":
    sys.exit(main())
'''
SETUPTOOLS = '''\
#!/usr/bin/python3
# EASY-INSTALL-ENTRY-SCRIPT: 'trove==26.0.0','console_scripts','trove-manage'
__requires__ = 'trove==26.0.0'
import re
import sys
from pkg_resources import load_entry_point

if __name__ == '__main__':
    sys.exit(
        load_entry_point('trove==26.0.0', 'console_scripts', 'trove-manage')()
    )
'''
SCRIPTS = {
    'pip': PIP,
    'pip, a long path': LONG_PATH + PIP.partition('\n')[2],
    'pip, CRLF': PIP.replace('\n', '\r\n'),
    'no newline at the end': PIP.rstrip('\n'),
    'pbr': PBR,
    'setuptools': SETUPTOOLS,
    'setuptools, an egg link': SETUPTOOLS.replace(
        "'trove==26.0.0', ", "'trove', "),
    'a docstring, and the future': PIP.replace(
        'import re', '"""Manage\nTrove."""\nfrom __future__ import '
        'annotations\nimport re'),
    'bytes of another encoding': PIP.replace(
        '/opt', '/opt\udce9').replace('utf-8', 'latin-1'),
}


class ConsoleScriptTest(base.BaseTestCase):

    def test_every_installers_script_comes_back(self):
        for name, original in SCRIPTS.items():
            with self.subTest(name):
                enabled, changes = console_script.enable(original)
                self.assertTrue(changes)
                self.assertEqual((enabled, []),
                                 console_script.enable(enabled))
                disabled, changes = console_script.disable(enabled)
                self.assertTrue(changes)
                self.assertEqual(original, disabled)
                self.assertEqual((original, []),
                                 console_script.disable(original))

    def test_the_block_comes_before_anything_is_imported(self):
        for name, original in SCRIPTS.items():
            with self.subTest(name):
                enabled, _ = console_script.enable(original)
                code = enabled.encode('utf-8', 'surrogateescape')
                compile(code, name, 'exec')
                for imported in ('import re\n', 'import sys\n',
                                 'from trove.cmd', 'from pkg_resources'):
                    if imported in original:
                        self.assertLess(enabled.index(console_script.BEGIN),
                                        enabled.index('\n' + imported))

    def test_a_shebang_and_a_coding_line_stay_first(self):
        enabled, _ = console_script.enable(PIP)
        self.assertEqual(PIP.splitlines()[:2], enabled.splitlines()[:2])

    def test_a_script_keeps_its_ends_of_lines(self):
        enabled, _ = console_script.enable(PIP.replace('\n', '\r\n'))
        self.assertEqual([], re.findall('[^\r]\n', enabled))

    def test_the_block_of_an_older_release_becomes_this_ones(self):
        enabled, _ = console_script.enable(PIP)
        older = enabled.replace('cmd.manage import main as', 'old import')
        self.assertEqual((enabled, ['the plugin\'s subcommands']),
                         console_script.enable(older))
        self.assertEqual(PIP, console_script.disable(older)[0])

    def test_what_is_not_troves_trove_manage_is_refused(self):
        for text, why in (
                ('', 'not a Python script'),
                ('\x7fELF\x00\x01', 'not a Python script'),
                ('#!/bin/sh\nexec docker run trove.cmd.manage "$@"\n',
                 'not a Python script'),
                ('#!/bin/sh\n# python: trove.cmd.manage\n',
                 'not a Python script'),
                ('from trove.cmd.manage import main\n', 'not a Python script'),
                ('#!/usr/bin/python3\n', 'does not run trove.cmd.manage'),
                ('#!/usr/bin/python3\nimport json\n# trove.cmd.manage\n',
                 'does not run trove.cmd.manage'),
                (PIP.replace('trove.cmd.manage', 'trove.cmd.status'),
                 'does not run trove.cmd.manage'),
                (PIP.replace('trove.cmd', 'trove_flavor_filter.cmd'),
                 'does not run trove.cmd.manage'),
                (SETUPTOOLS.replace('trove-manage', 'trove-status'),
                 'does not run trove.cmd.manage'),
                ('#!/usr/bin/python3\n""; import trove.cmd.manage\n',
                 'does not run trove.cmd.manage'),
                ('#!/usr/bin/python3\n""; from trove.cmd.manage import main\n',
                 'it has no statement'),
                (PIP + 'def\n', 'cannot be parsed'),
                (PIP + '\x00', 'cannot be parsed')):
            for edit in (console_script.enable, console_script.disable):
                error = self.assertRaises(
                    exception.FlavorFilterError, edit, text)
                self.assertIn('not Trove\'s trove-manage', str(error))
                self.assertIn(why, str(error))

    def test_a_damaged_block_is_refused(self):
        enabled, _ = console_script.enable(PIP)
        begin, end = console_script.BEGIN, console_script.END
        for text in (enabled.replace(begin, '#'), enabled.replace(end, '#'),
                     enabled + end + '\n', end + '\n' + begin + '\n' + PIP):
            for edit in (console_script.enable, console_script.disable):
                error = self.assertRaises(
                    exception.FlavorFilterError, edit, text)
                self.assertIn('is damaged', str(error))
