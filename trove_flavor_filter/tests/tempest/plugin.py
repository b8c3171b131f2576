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

"""The tempest plugin: what tempest is told of it."""

import os
import typing

from oslo_config import cfg
from tempest import config
from tempest.test_discover import plugins

from trove_flavor_filter.tests.tempest import config as flavor_filter_config


class FlavorFilterTempestPlugin(plugins.TempestPlugin):

    def load_tests(self) -> tuple[str, str]:
        """Where the tests are, and what their modules' names begin at."""
        tests = os.path.dirname(os.path.abspath(__file__))
        top = os.path.dirname(os.path.dirname(os.path.dirname(tests)))
        return tests, top

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        conf.register_opt(flavor_filter_config.SERVICE_OPTION,
                          group='service_available')
        conf.register_group(flavor_filter_config.GROUP)
        conf.register_opts(flavor_filter_config.OPTIONS,
                           group=flavor_filter_config.GROUP)

    def get_opt_lists(self) -> list[tuple[str, list[cfg.Opt]]]:
        return [
            ('service_available', [flavor_filter_config.SERVICE_OPTION]),
            (flavor_filter_config.GROUP.name, flavor_filter_config.OPTIONS),
        ]

    def get_service_clients(self) -> list[dict[str, typing.Any]]:
        return [{
            'name': 'flavor_filter',
            'service_version': 'flavor_filter',
            'module_path':
                'trove_flavor_filter.tests.tempest.services.client',
            'client_names': ['FlavorFilterClient'],
            **config.service_client_config('flavor_filter'),
        }]
