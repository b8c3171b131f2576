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

"""python -m trove_flavor_filter.tests.cloud: boot a small cloud."""

import argparse
import subprocess
import sys
import threading

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import process


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='python -m trove_flavor_filter.tests.cloud',
        description='Boot a small cloud, run a command in its environment, '
                    'and remove the cloud. Without a command it stays up '
                    'until Ctrl-C.',
        epilog='Example: python -m trove_flavor_filter.tests.cloud --enable '
               '-- openstack flavor list')
    add_options(parser)
    parser.add_argument('--enable', action='store_true',
                        help='enable the plugin')
    parser.add_argument('command', nargs='*', metavar='COMMAND')
    args = parser.parse_args()
    try:
        with boot(args) as booted:
            if args.enable:
                booted.enable()
            if args.command:
                return subprocess.run(
                    args.command, env=booted.environment()).returncode
            stay(booted)
    except process.ServiceFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the cloud."""
    parser.add_argument(
        '--database', choices=('sqlite', 'mysql', 'postgresql'),
        default='sqlite', help='the database of Trove; '
        'FLAVOR_FILTER_MYSQL and FLAVOR_FILTER_POSTGRESQL have the URLs of '
        'the servers (default: %(default)s)')
    parser.add_argument(
        '--workers', type=int, default=1,
        help='processes of trove-api (default: %(default)s)')
    parser.add_argument(
        '--server', choices=('eventlet', 'uwsgi'), default='eventlet',
        help='the server of trove-api (default: %(default)s)')


def boot(args: argparse.Namespace) -> cloud.Cloud:
    """The cloud for the options; a context manager boots it."""
    return cloud.Cloud(args.database, args.workers, args.server)


def stay(booted: cloud.Cloud) -> None:
    """Keep a cloud up until Ctrl-C."""
    print(f'\n{booted.describe()}Ctrl-C ends it.', flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    sys.exit(main())
