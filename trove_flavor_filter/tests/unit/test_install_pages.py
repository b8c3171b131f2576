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

"""What the installation guide gives to deployment tools."""

import pathlib
import re
import textwrap

from oslotest import base
import yaml

PAGES = pathlib.Path(__file__).parents[3] / 'doc' / 'source' / 'install'
FACTORY = 'trove_flavor_filter.wsgi:filter_factory'
BLOCK = re.compile(r'\.\. code-block:: yaml\n\n((?:    .*\n|\n)+)')


def paste_sections(page: str) -> dict[str, dict[str, str]]:
    """The sections of api-paste.ini among the YAML that a page shows."""
    found: dict[str, dict[str, str]] = {}
    pending = [yaml.safe_load(textwrap.dedent(block)) for block
               in BLOCK.findall(PAGES.joinpath(page).read_text())]
    while pending:
        for name, value in pending.pop().items():
            if isinstance(value, dict):
                pending.append(value)
                if name.startswith(('pipeline:', 'filter:')):
                    found[name] = value
    return found


class PasteSectionsTest(base.BaseTestCase):

    def assertFilterIsIn(self, page: str) -> None:
        sections = paste_sections(page)
        self.assertEqual({'paste.filter_factory': FACTORY},
                         sections['filter:flavor_filter'])
        pipeline = sections['pipeline:troveapi']['pipeline'].split()
        self.assertEqual(
            ['authtoken', 'authorization', 'contextwrapper', 'ratelimit',
             'flavor_filter', 'extensions', 'troveapp'], pipeline[-7:])

    def test_of_openstack_ansible(self):
        self.assertFilterIsIn('openstack-ansible.rst')

    def test_of_openstack_helm(self):
        self.assertFilterIsIn('openstack-helm.rst')
