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

import configparser
import os
import subprocess

import setuptools

# pbr tells the version by git, or by what an sdist says of itself. What has
# neither is something before the version that setup.cfg names.
if not os.path.exists('PKG-INFO') and not (
        os.path.exists('.git')
        and subprocess.run(['git', 'rev-parse'], capture_output=True,
                           check=False).returncode == 0):
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read('setup.cfg')
    os.environ.setdefault(
        'PBR_VERSION', f'{setup_cfg["metadata"]["version"]}.dev0')

setuptools.setup(setup_requires=['pbr>=6.1.0'], pbr=True)
