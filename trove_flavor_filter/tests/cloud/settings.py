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

"""The contents of each service's configuration file."""

import configparser
import pathlib
import secrets

REGION = 'RegionOne'

Sections = dict[str, dict[str, object]]


def write(path: pathlib.Path, sections: Sections) -> None:
    """Write a configuration file; None stands for an empty value."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for section, options in sections.items():
        if section != 'DEFAULT':
            parser.add_section(section)
        for option, value in options.items():
            parser.set(section, option, '' if value is None else str(value))
    with open(path, 'w') as file:
        parser.write(file)


def authtoken(auth_url: str, user: str, password: str) -> dict[str, object]:
    """The section for the validation of tokens with Keystone."""
    return {
        'auth_type': 'password',
        'auth_url': auth_url,
        'www_authenticate_uri': auth_url,
        'username': user,
        'password': password,
        'user_domain_name': 'Default',
        'project_name': 'service',
        'project_domain_name': 'Default',
        'region_name': REGION,
        'interface': 'internal',
    }


def sqlite(path: pathlib.Path) -> str:
    return f'sqlite:///{path}'


def database(url: str) -> dict[str, object]:
    """The section for a database.

    Nothing is left of the cloud after the machine has failed, so SQLite need
    not wait for the disk at the end of each transaction. It would be most of
    the time that Trove takes to create an instance.
    """
    return {'connection': url, 'sqlite_synchronous': False}


def keystone(folder: pathlib.Path) -> Sections:
    return {
        'DEFAULT': {'use_stderr': True},
        'database': database(sqlite(folder / 'keystone.sqlite')),
        'fernet_tokens': {'key_repository': folder / 'fernet'},
        'credential': {'key_repository': folder / 'credentials'},
        # The fewest that there may be. The passwords are random and gone with
        # the cloud, and the usual number takes 0.2 s of CPU for each token.
        'identity': {'password_hash_rounds': 4},
        'token': {'provider': 'fernet', 'expiration': 86400},
    }


def nova(folder: pathlib.Path, auth_url: str, password: str) -> Sections:
    return {
        'DEFAULT': {'transport_url': 'fake://', 'use_stderr': True,
                    'state_path': folder, 'host': 'cloud'},
        'api': {'auth_strategy': 'keystone'},
        'database': database(sqlite(folder / 'nova.sqlite')),
        'api_database': database(sqlite(folder / 'nova_api.sqlite')),
        'keystone_authtoken': authtoken(auth_url, 'nova', password),
        'oslo_concurrency': {'lock_path': folder},
        'placement': authtoken(auth_url, 'nova', password),
        'oslo_messaging_notifications': {'driver': 'noop'},
    }


def glance(folder: pathlib.Path, auth_url: str, password: str) -> Sections:
    return {
        'DEFAULT': {'use_stderr': True, 'enabled_backends': 'store:file',
                    'use_keystone_limits': False,
                    'node_staging_uri': f'file://{folder}/staging'},
        'database': database(sqlite(folder / 'glance.sqlite')),
        'glance_store': {'default_backend': 'store'},
        'store': {'filesystem_store_datadir': folder / 'images'},
        'os_glance_staging_store': {
            'filesystem_store_datadir': folder / 'staging'},
        'os_glance_tasks_store': {
            'filesystem_store_datadir': folder / 'tasks'},
        'keystone_authtoken': authtoken(auth_url, 'glance', password),
        'paste_deploy': {'flavor': 'keystone'},
        'oslo_messaging_notifications': {'driver': 'noop'},
        'oslo_concurrency': {'lock_path': folder},
    }


def neutron(folder: pathlib.Path, auth_url: str, password: str) -> Sections:
    return {
        'DEFAULT': {'transport_url': 'fake://', 'use_stderr': True,
                    'auth_strategy': 'keystone', 'core_plugin': 'ml2',
                    'service_plugins': 'router,port_forwarding',
                    'state_path': folder,
                    'api_paste_config': folder / 'api-paste.ini',
                    'notify_nova_on_port_status_changes': False,
                    'notify_nova_on_port_data_changes': False},
        'database': database(sqlite(folder / 'neutron.sqlite')),
        'keystone_authtoken': authtoken(auth_url, 'neutron', password),
        'ml2': {'type_drivers': 'local', 'tenant_network_types': 'local',
                'mechanism_drivers': None},
        'oslo_concurrency': {'lock_path': folder},
        'oslo_messaging_notifications': {'driver': 'noop'},
    }


def cinder(folder: pathlib.Path, auth_url: str, password: str) -> Sections:
    return {
        'DEFAULT': {'transport_url': 'fake://', 'use_stderr': True,
                    'state_path': folder,
                    'api_paste_config': folder / 'api-paste.ini',
                    'quota_volumes': -1, 'quota_gigabytes': -1},
        'database': database(sqlite(folder / 'cinder.sqlite')),
        'keystone_authtoken': authtoken(auth_url, 'cinder', password),
        'oslo_concurrency': {'lock_path': folder},
        'oslo_messaging_notifications': {'driver': 'noop'},
    }


def trove(folder: pathlib.Path, auth_url: str, password: str,
          project_id: str, url: str, port: int,
          workers: int) -> Sections:
    rates = {f'http_{method}_rate': 1000000
             for method in ('get', 'post', 'put', 'delete', 'mgmt_post')}
    return {
        'DEFAULT': {
            'transport_url': 'fake://',
            'use_stderr': True,
            'bind_host': '127.0.0.1',
            'bind_port': port,
            'trove_api_workers': workers,
            'api_paste_config': folder / 'api-paste.ini',
            'default_datastore': 'mysql',
            # Without Cinder a database lives on the flavor's ephemeral disk.
            'trove_volume_support': False,
            'max_instances_per_tenant': -1,
            'max_volumes_per_tenant': -1,
            'max_ram_per_tenant': -1,
            # There is no guest to wait for.
            'agent_call_low_timeout': 1,
            'agent_call_high_timeout': 1,
            **rates,
        },
        'database': database(url),
        'keystone_authtoken': authtoken(auth_url, 'trove', password),
        'service_credentials': {
            'auth_url': auth_url,
            'username': 'trove',
            'password': password,
            'user_domain_name': 'Default',
            'project_id': project_id,
            'project_name': 'service',
            'project_domain_name': 'Default',
            'region_name': REGION,
        },
        'oslo_messaging_notifications': {'driver': 'noop'},
        'oslo_policy': {'policy_file': folder / 'policy.yaml'},
        'mysql': {'volume_support': False},
        'postgresql': {'volume_support': False},
    }


def horizon(auth_url: str, static: pathlib.Path) -> str:
    """The local_settings.py of Horizon."""
    values = {
        'ALLOWED_HOSTS': ['127.0.0.1'],
        'SECRET_KEY': secrets.token_hex(16),
        'OPENSTACK_KEYSTONE_URL': auth_url,
        'CACHES': {'default': {
            'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}},
        'STATIC_ROOT': str(static),
        'COMPRESS_OFFLINE': True,
        'AVAILABLE_THEMES': [('default', 'Default', 'themes/default')],
    }
    return ''.join(f'{name} = {value!r}\n' for name, value in values.items())
