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

"""Which trove-manage a command line means."""

import argparse

from oslo_config import cfg
from oslotest import base

from trove_flavor_filter.cmd import associations
from trove_flavor_filter.cmd import manage
from trove_flavor_filter.cmd import subcommands


class SubcommandTest(base.BaseTestCase):

    def test_the_subcommand_stands_behind_options_and_their_values(self):
        for line in ('flavor-filter-db-sync',
                     '--config-file a.conf flavor-filter-db-sync',
                     '--config-file=a.conf --debug flavor-filter-db-sync',
                     '-d --config-dir db_sync flavor-filter-db-sync --help',
                     # argparse takes the beginning of a name.
                     '--config-f a.conf flavor-filter-db-sync'):
            self.assertEqual('flavor-filter-db-sync',
                             manage.subcommand(line.split()))

    def test_a_name_of_ours_further_on_is_an_argument(self):
        self.assertEqual('datastore_update', manage.subcommand(
            ['datastore_update', 'flavor-filter-db-sync', '']))

    def test_there_may_be_none(self):
        for line in ('', '--help', '--config-file'):
            self.assertIsNone(manage.subcommand(line.split()))


class HelpTest(base.BaseTestCase):

    def test_each_subcommand_says_what_when_how_and_how_it_exits(self):
        parsers = argparse.ArgumentParser(
            prog='trove-manage').add_subparsers()
        subcommands.add_parsers(parsers, cfg.ConfigOpts())
        self.assertEqual(subcommands.NAMES, set(parsers.choices))
        for name, parser in parsers.choices.items():
            text = parser.format_help()
            for part in (f'usage: trove-manage {name}',
                         f'Examples:\n  trove-manage {name}',
                         'Exit codes: 0 done'):
                self.assertIn(part, text)
            self.assertRegex(text, r'\n *(Use it|Run this) ')


class IdsTest(base.BaseTestCase):

    def test_both_spellings_of_a_list(self):
        self.assertEqual(['a', 'b'], associations.given_ids('a,b'))
        self.assertEqual(['a'], associations.given_ids('a'))

    def test_an_empty_id_is_wrong_usage(self):
        for text in ('', ',', 'a,', ',a', 'a,,b', '  '):
            self.assertRaises(argparse.ArgumentTypeError,
                              associations.given_ids, text)

    def test_what_nova_could_not_have_is_wrong_usage(self):
        for text in ('é', 'a' * 129, 'a/b', 'a\x00', "'; DROP TABLE"):
            self.assertRaises(argparse.ArgumentTypeError,
                              associations.new_ids, text)

    def test_what_nova_could_have_is_not(self):
        for text in ('1', 'm1.small', 'a b', 'x' * 128, 'A-_.'):
            self.assertEqual([text], associations.new_ids(text))
