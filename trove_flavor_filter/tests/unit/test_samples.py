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

"""The samples in etc/ say what the code says."""

import importlib
import pathlib
import tempfile

from oslo_config import generator as config_generator
from oslo_policy import generator as policy_generator
from oslotest import base

from trove_flavor_filter.policy import rules

SAMPLES = (pathlib.Path(__file__).parents[3] / 'etc'
           / 'trove-flavor-filter')


class SamplesTest(base.BaseTestCase):

    def generated(self, generate, *arguments: str) -> str:
        with tempfile.NamedTemporaryFile('r') as file:
            generate(['--namespace', 'trove_flavor_filter', '--output-file',
                      file.name, *arguments])
            return file.read()

    def test_of_the_options(self):
        self.assertEqual(
            (SAMPLES / 'trove-flavor-filter.conf.sample').read_text(),
            self.generated(config_generator.main, '--wrap-width', '79'),
            'run "tox -e genconfig"')

    def test_of_the_policy_rules(self):
        self.assertEqual(
            (SAMPLES / 'policy.yaml.sample').read_text(),
            self.generated(policy_generator.generate_sample),
            'run "tox -e genpolicy"')

    def test_the_rules_have_samples_for_every_name_in_the_contract(self):
        text = (SAMPLES / 'policy.yaml.sample').read_text()
        for rule in rules.RULES:
            self.assertIn(f'#"{rule.name}":', text)

    def test_the_paste_sample_names_a_factory_that_is_there(self):
        text = (SAMPLES / 'api-paste.ini.sample').read_text()
        factory = text.partition('paste.filter_factory = ')[2].split()[0]
        module, _, name = factory.partition(':')
        self.assertTrue(callable(getattr(
            importlib.import_module(module), name)))
