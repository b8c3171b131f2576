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

"""trove-manage with migrations that run on PostgreSQL.

Trove's migrations use TEXT with a length, which PostgreSQL does not accept.
Run as a script by the Python of Trove's environment.
"""

import sys
import typing

import sqlalchemy as sa
from sqlalchemy.ext import compiler


@compiler.compiles(sa.Text, 'postgresql')
def _without_length(*_arguments: typing.Any, **_options: typing.Any) -> str:
    return 'TEXT'


def main() -> None:
    from trove.cmd import manage
    sys.exit(manage.main())


if __name__ == '__main__':
    main()
