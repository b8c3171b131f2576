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

"""Run tempest on a small cloud: the plugin's tests, and Trove's own."""

import argparse
import pathlib
import re
import subprocess
import sys
import typing

from trove_flavor_filter.tests.cloud import cloud
from trove_flavor_filter.tests.cloud import process
from trove_flavor_filter.tests.cloud import settings
from trove_flavor_filter.tests.cloud import task_manager

# All tests of trove-tempest-plugin start with an instance that becomes
# healthy, which the small cloud can simulate. Only these tests need neither
# the database in the instance nor its guest agent afterwards.
TROVES_OWN = r'trove_tempest_plugin.*test_instance_update_access'
DATASTORES = ('mysql', 'mariadb', 'postgresql')
FLAVOR, LARGER_FLAVOR = 'd3', 'd4'

OPTIONS: settings.Sections = {
    # No guest will answer.
    'DEFAULT': {'agent_call_low_timeout': 1, 'trove_volume_support': True},
    'flavor_filter': {'flavor_cache_time': 0},
    # Trove's own tests ask for a volume, which is made by the task manager.
    **{name: {'volume_support': True} for name in DATASTORES},
}

# A test's line in what "tempest run" prints.
OUTCOME = re.compile(r'^\{\d+\} (.+?) (?:\[[\d.]+s\] )?\.\.\. (\w+)(?:: .*)?$')
# A request's line in tempest's log: whose it was, status, method and path.
ANSWER = re.compile(r'Request \(([\w:]+)\): (\d+) (\w+) https?://[^/]+(\S+)')
# What differs from run to run.
ID = re.compile(r'[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}')


class Result(typing.NamedTuple):
    """The result of a run of tempest.

    :ivar outcomes: of each test, by its name: 'ok', 'FAILED', 'SKIPPED'
    :ivar answers: (test, status, method, path) of each kind of request
    """

    code: int
    outcomes: dict[str, str]
    answers: set[tuple[str, ...]]

    def passed(self) -> bool:
        """Whether tests were run, and none failed or was skipped."""
        return (not self.code and bool(self.outcomes)
                and set(self.outcomes.values()) == {'ok'})


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='tox -e tempest --',
        description='Boot a small cloud and run tempest on it: '
                    'trove-tempest-plugin before and after the plugin is '
                    'enabled, and then the plugin\'s own tests.')
    parser.add_argument(
        '--own', action='store_true',
        help='run only the plugin\'s own tests')
    parser.add_argument(
        'regex', nargs='?', default='trove_flavor_filter',
        help='which of them (default: all)')
    args = parser.parse_args()
    try:
        with cloud.Cloud(options=OPTIONS) as booted:
            return run(booted, args.regex, args.own)
    except process.ServiceFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(booted: cloud.Cloud, regex: str, own: bool) -> int:
    """Run tempest on a cloud where the plugin is not enabled yet.

    :param regex: selects the plugin's tests
    :param own: skip trove-tempest-plugin
    :returns: the exit code; tempest's own if it failed
    """
    sections = tempest_conf(booted)
    with task_manager.TaskManager(
            booted, sections['database']['shared_network']):
        before = None if own else run_tempest(
            booted, 'before', sections, TROVES_OWN)
        booted.enable()
        if before is not None:
            after = run_tempest(booted, 'after', sections, TROVES_OWN)
            if not compare(before, after):
                return 1
        result = run_tempest(booted, 'plugin', sections, regex)
    if result.code:
        return result.code
    if not result.passed():
        # Here everything is there that a test could miss.
        print('No test may be skipped here.', file=sys.stderr)
        return 1
    return 0


def compare(before: Result, after: Result) -> bool:
    """Whether trove-tempest-plugin saw no difference; prints differences."""
    seen = sorted(f'before the plugin is in: {" ".join(answer)}'
                  for answer in before.answers - after.answers)
    seen += sorted(f'with the plugin: {" ".join(answer)}'
                   for answer in after.answers - before.answers)
    if before.outcomes != after.outcomes:
        seen.append(f'before: {before.outcomes}; after: {after.outcomes}')
    for line in seen:
        print(f'trove-tempest-plugin sees a difference: {line}',
              file=sys.stderr)
    if not (before.passed() and after.passed()):
        print('trove-tempest-plugin does not pass.', file=sys.stderr)
        return False
    if not seen:
        print(f'trove-tempest-plugin: {len(after.outcomes)} tests, '
              f'{len(after.answers)} kinds of answers, the same before and '
              f'with the plugin.\n', flush=True)
    return not seen


def tempest_conf(booted: cloud.Cloud) -> settings.Sections:
    """The contents of tempest.conf; creates the resources that it names."""
    for flavor_id, ram in ((FLAVOR, 1024), (LARGER_FLAVOR, 2048)):
        booted.create_flavor(flavor_id, ram=ram)
    for name in DATASTORES:
        booted.create_datastore_version(name, '1.0', manager=name)
    network_id = booted.create_network()
    return {
        'DEFAULT': {'log_file': 'tempest.log', 'use_stderr': False},
        'auth': {
            'use_dynamic_credentials': True,
            'create_isolated_networks': False,
            'admin_username': 'admin',
            'admin_password': booted.secrets['admin'],
            'admin_project_name': 'admin',
            'admin_domain_name': 'Default',
        },
        'identity': {
            'auth_version': 'v3',
            'uri_v3': booted.auth_url,
            'region': settings.REGION,
        },
        'identity-feature-enabled': {'api_v2': False, 'api_v3': True},
        'oslo_concurrency': {'lock_path': 'locks'},
        'service_available': {
            'cinder': False, 'glance': True, 'horizon': False,
            'neutron': True, 'nova': True, 'swift': False},
        'database': {
            'enabled_datastores': ','.join(DATASTORES),
            'default_datastore_versions': ','.join(
                f'{name}:1.0' for name in DATASTORES),
            'flavor_id': FLAVOR,
            'resize_flavor_id': LARGER_FLAVOR,
            'shared_network': network_id,
            'database_build_timeout': 120,
        },
        'flavor_filter': {
            'manage_command':
                f'{booted.bin}/trove-manage --config-file '
                f'{booted.trove_conf}',
            'datastore_type': 'mysql',
            'datastore_version_id': booted.create_datastore_version(
                'mysql', 'enterprise'),
            'inactive_datastore_version_id': booted.create_datastore_version(
                'mysql', 'retired', active=False),
            'volume_size': 1,
            'network_id': network_id,
            'flavor_timeout': 5,
        },
    }


def run_tempest(booted: cloud.Cloud, name: str, sections: settings.Sections,
                regex: str) -> Result:
    """Run "tempest run" in a new workspace, and show its output.

    :param name: of the workspace
    :param sections: of tempest.conf
    :param regex: selects tests
    """
    workspace = booted.directory / f'tempest-{name}'
    workspace.mkdir()
    (workspace / 'locks').mkdir()
    settings.write(workspace / 'tempest.conf', sections)
    command = ['tempest', 'run', '--config-file', 'tempest.conf',
               '--regex', regex, '--serial']
    print(f'\n$ {" ".join(command)}', flush=True)
    outcomes = {}
    with subprocess.Popen(
            command, cwd=workspace, env=booted.environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end='', flush=True)
            if found := OUTCOME.match(line.rstrip()):
                outcomes[found[1]] = found[2]
    return Result(running.returncode, outcomes,
                  answers(workspace / 'tempest.log'))


def answers(log: pathlib.Path) -> set[tuple[str, ...]]:
    """(test, status, method, path) of each request that tempest made."""
    if not log.exists():
        return set()
    return {(who, status, method, ID.sub('ID', path))
            for who, status, method, path in ANSWER.findall(
                log.read_text(errors='replace'))}


if __name__ == '__main__':
    sys.exit(main())
