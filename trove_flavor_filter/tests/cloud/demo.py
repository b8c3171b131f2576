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

"""A demo of the plugin on a small cloud, step by step: run-demo.sh."""

import argparse
import json
import pathlib
import sys
import textwrap
import time

from trove_flavor_filter.tests.cloud import __main__ as command
from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import horizon
from trove_flavor_filter.tests.cloud import process


# Horizon's page of the database instances.
INSTANCES = '/project/databases/'


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='run-demo.sh',
        description='Boot a small cloud of real services, enable the plugin, '
                    'and show API responses before and after.')
    command.add_options(parser)
    parser.add_argument(
        '--keep', action='store_true',
        help='leave the cloud running until Ctrl-C, and print how to use it')
    parser.add_argument(
        '--dashboard', action='store_true',
        help='serve Horizon too, and keep everything running until Ctrl-C')
    args = parser.parse_args()
    try:
        with command.boot(args) as booted:
            show(booted)
            if args.dashboard:
                show_dashboard(booted)
            if args.keep or args.dashboard:
                command.stay(booted)
    except process.ServiceFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def show(booted: cloud.Cloud) -> None:
    """Run the demo, and print it on standard output."""
    title('A cloud with three flavors and two datastore versions')
    for flavor_id, name, ram, vcpus in (
            ('1', 'db.tiny', 512, 1), ('2', 'db.small', 2048, 1),
            ('3', 'db.large', 8192, 4)):
        booted.create_flavor(flavor_id, name, ram=ram, vcpus=vcpus)
        say(f'flavor {flavor_id}: {name}, {ram} MiB RAM, {vcpus} vCPU')
    run(booted, 'trove-manage', 'datastore_update', 'mysql', '')
    for version in ('8.0-enterprise', '5.7'):
        run(booted, 'trove-manage', 'datastore_version_update', 'mysql',
            version, 'mysql', booted.image_id, '', '1')
    versions = {row.name: row.id for row in booted.sql(
        'SELECT name, id FROM datastore_versions')}
    enterprise = f'/flavors/datastores/versions/{versions["8.0-enterprise"]}'
    other = f'/flavors/datastores/versions/{versions["5.7"]}'

    title('Before: Trove does not have the route')
    get(booted, enterprise)

    title('A deployer enables the plugin and restarts trove-api')
    run(booted, 'trove-flavor-filter', 'enable')
    run(booted, 'trove-manage', 'flavor-filter-db-sync')
    booted.restart('trove')
    say('trove-api has been restarted')

    title('Nothing is associated yet: every flavor is allowed')
    get(booted, enterprise)

    title('An administrator associates flavors with the enterprise version')
    run(booted, 'trove-manage', 'datastore-version-flavor-add',
        'mysql/8.0-enterprise', '2,3')
    run(booted, 'trove-manage', 'datastore-version-flavor-list')

    title('After: the enterprise version allows two flavors')
    get(booted, enterprise)

    title('The other version still allows all three')
    get(booted, other)

    title('Trove refuses flavors that are not allowed')
    create(booted, '1', '8.0-enterprise')
    run(booted, 'trove-manage', 'datastore-version-flavor-require',
        'mysql/5.7', '--min-ram', '1024')
    create(booted, '1', '5.7')
    create(booted, '2', '5.7')

    title('Instead of a list: a minimum, a maximum and an extra spec')
    run(booted, 'trove-manage', 'datastore-version-flavor-delete',
        'mysql/8.0-enterprise', '2,3')
    run(booted, 'trove-manage', 'datastore-version-flavor-require',
        'mysql/8.0-enterprise', '--min-ram', '2048', '--max-vcpus', '4',
        '--extra-spec', 'database=enterprise')
    get(booted, enterprise)

    title('A new flavor with the extra spec is allowed immediately')
    booted.create_flavor('4', 'db.enterprise', ram=4096, vcpus=2,
                         extra_specs={'database': 'enterprise'})
    say('flavor 4: db.enterprise, 4096 MiB RAM, 2 vCPU, extra spec '
        'database=enterprise')
    create(booted, '4', '8.0-enterprise')
    create(booted, '3', '8.0-enterprise')

    title('GET /flavors is unchanged')
    get(booted, '/flavors')

    title('Error messages say what to do')
    run(booted, 'trove-manage', 'datastore-version-flavor-add',
        'mysql/5.7', 'db.large', expect=1)
    get(booted, '/flavors/datastores/versions/no-such-version')


def show_dashboard(booted: cloud.Cloud) -> None:
    """Serve Horizon, and say how to look at its dialogs."""
    title('Horizon offers what is allowed')
    prefix = pathlib.Path(sys.prefix).with_name('horizon-27')
    horizon.make('27', prefix)
    booted.create_network()
    accept_volumes(booted)
    served = horizon.beside(booted, str(prefix))
    say(f'{served.url}/auth/login/?next={INSTANCES}')
    say(f'User: demo. Password: {booted.secrets["demo"]}')
    say('"Launch Instance" has a list of flavors for each datastore version.')
    say(f'User: admin. Password: {booted.secrets["admin"]}')
    say('"Admin, Database, Flavor Requirements" has what they require.')


def accept_volumes(booted: cloud.Cloud) -> None:
    """Let Trove accept what the launch dialog of Horizon asks for.

    The dialog asks for a volume, unless the user enters a size of 0.
    """
    booted.options = booted.options | {'mysql': {'volume_support': True}}
    booted.reconfigure()
    booted.restart('trove')


def title(text: str) -> None:
    print(f'\n--- {text}\n', flush=True)


def say(text: str) -> None:
    print(textwrap.indent(text.rstrip(), '    '), flush=True)


def run(booted: cloud.Cloud, *words: str, expect: int = 0) -> None:
    """Run a command, and show it and its output.

    :raises ServiceFailed: its exit code is not the expected one
    """
    say('$ ' + ' '.join(word or "''" for word in words))
    result = booted.run(*words)
    # Trove's own commands print long warnings about eventlet.
    lines = [line for line in
             f'{result.stdout}{result.stderr}'.splitlines() if line.strip()]
    say('\n'.join(lines))
    if result.returncode != expect:
        raise process.ServiceFailed(
            f'{words[0]} exited with {result.returncode}')
    if expect:
        say(f'(exit code {expect})')


def get(booted: cloud.Cloud, path: str) -> None:
    """Send a user's request, and show it and the response."""
    # Validate the token first, so that this is not part of the time shown.
    booted.trove('/limits')
    begun = time.monotonic()
    response = booted.trove(path)
    took = time.monotonic() - begun
    say(f'GET /v1.0/{booted.project_id()}{path}')
    say(f'{response.status_code} {response.reason} '
        f'({took * 1000:.0f} ms)')
    for line in _short(response.json()):
        say(line)


def create(booted: cloud.Cloud, flavor_id: str, version: str) -> None:
    """Request an instance as a user, and show the response."""
    body = {'instance': {'name': 'db', 'flavorRef': flavor_id, 'datastore': {
        'type': 'mysql', 'version': version}}}
    response = booted.trove('/instances', 'POST', json=body)
    say(f'POST /v1.0/{booted.project_id()}/instances '
        f'{json.dumps(body["instance"])}')
    say(f'{response.status_code} {response.reason}')
    document = response.json()
    if 'instance' in document:
        document = {key: document['instance'][key]
                    for key in ('name', 'status', 'flavor')}
        del document['flavor']['links']
    say(json.dumps(document))


def _short(document: dict) -> list[str]:
    """A document with one flavor per line, without links."""
    if 'flavors' not in document:
        return [json.dumps(document)]
    flavors = [
        '  ' + json.dumps({key: value for key, value in flavor.items()
                           if key not in ('links', 'local_storage')})
        for flavor in document['flavors']]
    return ['{"flavors": [', *',\n'.join(flavors).splitlines(), ']}']


if __name__ == '__main__':
    sys.exit(main())
