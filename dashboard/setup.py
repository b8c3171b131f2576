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


"""Builds the distribution, under the version of the repository.

pbr tells the version, and no more: it would take the whole repository for
this distribution.
"""

import configparser
import os
import pathlib

from pbr import packaging
import setuptools

ROOT = pathlib.Path(__file__).resolve().parents[1]

main = configparser.ConfigParser()
main.read(ROOT / 'setup.cfg')
version = main.get('metadata', 'version', fallback=None)

# As the repository's own setup.py does.
if version and not (os.path.exists('PKG-INFO')
                    or ROOT.joinpath('.git').exists()):
    os.environ.setdefault('PBR_VERSION', f'{version}.dev0')

setuptools.setup(version=packaging.get_version(
    'trove-flavor-filter-dashboard', version))
