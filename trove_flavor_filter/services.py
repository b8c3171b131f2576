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
from trove_flavor_filter import volumes


class Services(typing.NamedTuple):
    """All services.

    :ivar storages: where instances store their data
    """

    conf: cfg.ConfigOpts
    policy: rules.Policy
    requirements: requirements.Requirements
    lookup: lookup.Lookup
    upgrades: upgrades.Upgrades
    violations: violations.Violations
    catalog: catalog.Catalog
    nova: nova.NovaFlavors
    volumes: volumes.CinderVolumes
    storages: acceptance.Storages

    @classmethod
    def build(cls, conf: cfg.ConfigOpts) -> 'Services':
        """Build all services. Each connects on its first use.

        :raises Misconfigured: options are invalid; the message names them
        """
        database = engine.Database(conf)
        storages = config.storages(conf)
        with config.config_errors('[oslo_policy]'):
            policy = rules.Policy(conf)
        with config.config_errors('[cache]'):
            flavors = catalog.Catalog(conf)
        return cls(conf=conf, policy=policy,
                   requirements=requirements.Requirements(database, storages),
                   lookup=lookup.Lookup(database, storages),
                   upgrades=upgrades.Upgrades(database),
                   violations=violations.Violations(database, storages),
                   catalog=flavors, nova=nova.NovaFlavors(conf),
                   volumes=volumes.CinderVolumes(conf),
                   storages=storages)
