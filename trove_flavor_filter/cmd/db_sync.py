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

"""trove-manage flavor-filter-db-sync."""

import argparse

from cliff import command

from trove_flavor_filter.cmd import base
from trove_flavor_filter.db import engine


class DbSync(base.Subcommand, command.Command):
    """Create or adopt the tables of what datastore versions require.

    The plugin shares the table datastore_version_metadata with Trove. Where
    Trove's own migrations have made it, it is adopted as it is and no row is
    touched; where it is missing it is made in the same shape. A table of the
    plugin's own, flavor_filter_revision, counts the changes.

    Run this after "trove-manage db_sync", when installing and after each
    upgrade of the plugin. Running it again changes nothing.
    """

    examples = 'flavor-filter-db-sync'

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        # Alembic is slow to import, and no other command needs it.
        from trove_flavor_filter.db import migration
        print(migration.sync(engine.Database(self.conf)))
