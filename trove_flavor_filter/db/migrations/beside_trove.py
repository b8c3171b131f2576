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

"""Options for a new table with a foreign key to a table of Trove's."""

import typing

import sqlalchemy as sa


def table_options(connection: sa.Connection) -> dict[str, typing.Any]:
    """Options of ``create_table`` for a table with a foreign key to Trove's.

    MariaDB and MySQL refuse a foreign key between columns of different
    collations (errno 150), and the default collation of a new table is not
    always that of Trove's tables.
    """
    dialect = connection.dialect.name
    if dialect not in ('mysql', 'mariadb'):
        return {}
    charset, collation = connection.execute(sa.text(
        'SELECT character_set_name, collation_name '
        'FROM information_schema.columns WHERE table_schema = DATABASE() '
        'AND table_name = \'datastore_versions\' AND column_name = \'id\'')
    ).one()
    return {f'{dialect}_engine': 'InnoDB', f'{dialect}_charset': charset,
            f'{dialect}_collate': collation}
