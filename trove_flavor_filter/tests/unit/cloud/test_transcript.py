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

"""The runner of the documentation's commands."""

import pathlib

from oslotest import base

from trove_flavor_filter.tests.cloud import transcript

ID = '8f5f8f52-0762-40a8-ba18-510150b5b5f6'
OTHER = '1b139c4d-cd6c-4b2c-ad3e-5c002d55e284'

PAGE = f'''
Some words.

.. code-block:: console

    $ one \\
    > more
    {ID} is one

      indented
    $ two
    ...

More words, of which ``$ this`` is no command.

.. code-block:: ini

    $ nor = is this

.. code-block:: console

    $ three
'''


class TranscriptTest(base.BaseTestCase):

    def run_page(self, answers: dict[str, str], write: bool = False):
        self.page = pathlib.Path(self.create_tempfiles([('page', PAGE)])[0])
        return transcript.run(self.page, answers.__getitem__, write)

    ANSWERS = {'one \\\nmore': f'{OTHER} is one\n\n  indented\n',
               'two': 'whatever\n', 'three': ''}

    def test_what_is_shown_may_differ_in_ids_alone(self):
        self.assertEqual([], self.run_page(self.ANSWERS))
        for command, answer in (('one \\\nmore', f'{ID} is two\n'),
                                ('three', 'something\n')):
            found = self.run_page(self.ANSWERS | {command: answer})
            self.assertEqual([command], [row[0] for row in found])

    def test_what_is_printed_is_written_where_it_differs(self):
        self.run_page(self.ANSWERS, write=True)
        self.assertEqual(PAGE, self.page.read_text())
        self.run_page(self.ANSWERS | {'three': 'a\n  b\n'}, write=True)
        self.assertEqual(PAGE + '    a\n      b\n', self.page.read_text())
