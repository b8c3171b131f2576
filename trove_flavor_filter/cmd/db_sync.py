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
    """Create or upgrade the plugin's database tables.

    The plugin shares the table datastore_version_metadata with Trove. If
    Trove's own migrations have created it, it is used as it is and no row is
    changed. If it is missing, it is created with the same schema. A table of
    the plugin's own, flavor_filter_revision, counts the changes to the
    requirements of each datastore version.

    Run this after "trove-manage db_sync", when you install the plugin and
    after each upgrade of it. The command is idempotent.
    """

    examples = 'flavor-filter-db-sync'
    # MariaDB and MySQL do not roll back what was done to tables.
    left = 'Run the command again, it continues where it stopped'

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        # Imported here: alembic is slow, and no other command needs it.
        from trove_flavor_filter.db import migration
        self.say(migration.sync(engine.Database(self.conf)))
