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

"""The services that handlers use, each built once from the configuration."""

from collections.abc import Mapping
import typing

from oslo_config import cfg

from trove_flavor_filter import acceptance
from trove_flavor_filter import conf as config
from trove_flavor_filter.db import engine
from trove_flavor_filter.db import lookup
from trove_flavor_filter.db import requirements
from trove_flavor_filter.db import upgrades
from trove_flavor_filter.db import violations
from trove_flavor_filter.flavors import catalog
from trove_flavor_filter.flavors import nova
from trove_flavor_filter.policy import rules


class Services(typing.NamedTuple):
    """All services.

    :ivar storages: where instances store their data, by the manager of their
        datastore version; a manager that is not Trove's is missing
    """

    conf: cfg.ConfigOpts
    policy: rules.Policy
    requirements: requirements.Requirements
    lookup: lookup.Lookup
    upgrades: upgrades.Upgrades
    violations: violations.Violations
    catalog: catalog.Catalog
    nova: nova.NovaFlavors
    storages: Mapping[str | None, acceptance.Storage]

    @classmethod
    def build(cls, conf: cfg.ConfigOpts) -> 'Services':
        """Build all services. Each connects on its first use.

        :raises Misconfigured: options are invalid; the message names them
        """
        database = engine.Database(conf)
        with config.config_errors('[oslo_policy]'):
            policy = rules.Policy(conf)
        with config.config_errors('[cache]'):
            flavors = catalog.Catalog(conf)
        return cls(conf=conf, policy=policy,
                   requirements=requirements.Requirements(database),
                   lookup=lookup.Lookup(database),
                   upgrades=upgrades.Upgrades(database),
                   violations=violations.Violations(database),
                   catalog=flavors, nova=nova.NovaFlavors(conf),
                   storages={manager: acceptance.Storage(
                       conf[manager].volume_support,
                       conf[manager].device_path)
                       for manager in config.MANAGERS})
