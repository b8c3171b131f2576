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

"""The options of [flavor_filter], and how trove.conf is read."""

from collections.abc import Iterator
from collections.abc import Mapping
import copy
import typing

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log

GROUP = cfg.OptGroup(
    'flavor_filter',
    title='Flavors of datastore versions',
    help='Options of the trove-flavor-filter plugin. Everything else that it '
         'needs it takes from what trove.conf already says.')

OPTIONS = [
    cfg.URIOpt(
        'public_endpoint',
        schemes=['http', 'https'],
        help='Prefix of the links in flavor documents, as clients reach the '
             'API, without the version: "https://db.example.org". By default '
             'links are built from the Host header, as Trove builds those '
             'of GET /flavors.'),
    cfg.BoolOpt(
        'enforce',
        default=True,
        help='Refuse requests that would make or change an instance to a '
             'flavor that its datastore version does not allow. When false, '
             'what is allowed is listed and no more.'),
    cfg.IntOpt(
        'flavor_cache_time',
        default=60, min=0,
        help='Seconds for which the list of Nova\'s flavors is used before '
             'Nova is asked again; 0 to ask it for each request. Each '
             'process remembers the list; where [cache] is enabled, all '
             'processes and hosts that use the same cache share it. '
             'Associations are not cached.'),
    cfg.IntOpt(
        'flavor_stale_time',
        default=3600, min=0,
        help='Seconds for which the last list is used when Nova gives no '
             'new one.'),
    cfg.FloatOpt(
        'nova_timeout',
        default=10, min=0.1,
        help='Seconds to wait for each answer of Keystone and Nova before '
             'the list of flavors counts as not available.'),
]

# Trove's own options that the plugin reads. Trove registers them, with more
# of the same groups, on the global object; here they go on one of our own,
# so that neither side trips over the other's definitions.
TROVE_OPTIONS: dict[str | None, list[cfg.Opt]] = {
    None: [
        cfg.StrOpt('api_paste_config', default='api-paste.ini'),
        cfg.BoolOpt('trove_volume_support', default=False),
        cfg.StrOpt('device_path', default='/dev/vdb'),
        cfg.ListOpt('admin_roles', default=[]),
        cfg.StrOpt('default_datastore'),
        cfg.StrOpt('nova_compute_url'),
        cfg.StrOpt('nova_compute_service_type', default='compute'),
        cfg.StrOpt('nova_compute_endpoint_type', default='publicURL'),
        cfg.BoolOpt('nova_api_insecure', default=False),
    ],
    'service_credentials': [
        cfg.StrOpt('auth_url', deprecated_name='trove_auth_url',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('username', default='',
                   deprecated_name='nova_proxy_admin_user',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('password', default='', secret=True,
                   deprecated_name='nova_proxy_admin_pass',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('project_id', default='',
                   deprecated_name='nova_proxy_admin_tenant_id',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('project_name', default='',
                   deprecated_name='nova_proxy_admin_tenant_name',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('user_domain_name', default='Default',
                   deprecated_name='nova_proxy_admin_user_domain_name',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('project_domain_name', default='Default',
                   deprecated_name='nova_proxy_admin_project_domain_name',
                   deprecated_group='DEFAULT'),
        cfg.StrOpt('region_name', default='RegionOne',
                   deprecated_name='os_region_name',
                   deprecated_group='DEFAULT'),
    ],
    'keystone_authtoken': [
        cfg.StrOpt('cafile'),
        cfg.BoolOpt('insecure', default=False),
    ],
}


def new() -> cfg.ConfigOpts:
    """An unparsed ConfigOpts with everything registered that we read."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    for group, options in TROVE_OPTIONS.items():
        conf.register_opts(options, group=group)
    conf.register_opts(db_options.database_opts, group='database')
    conf.register_group(GROUP)
    conf.register_opts(OPTIONS, group=GROUP)
    return conf


def load(paste: Mapping[str, str]) -> cfg.ConfigOpts:
    """Read the files that this process's Trove was started with.

    :param paste: the keys of the paste section. ``oslo_config_project``,
        ``oslo_config_program`` and ``oslo_config_file`` name the files as
        they do for the filters of oslo.middleware. Without them, the files
        are those of the process's global configuration, which is Trove's.
    :returns: a ConfigOpts of our own
    :raises: the errors of oslo.config, when a file cannot be read
    """
    conf = new()
    named: dict[str, typing.Any] = {}
    if 'oslo_config_file' in paste:
        named['default_config_files'] = [paste['oslo_config_file']]
    elif 'oslo_config_project' not in paste and _files_of(cfg.CONF):
        named['default_config_files'] = _files_of(cfg.CONF)
        named['default_config_dirs'] = list(cfg.CONF.config_dir or [])
    conf([], project=paste.get('oslo_config_project', 'trove'),
         prog=paste.get('oslo_config_program', 'trove-api'), **named)
    return conf


def _files_of(conf: cfg.ConfigOpts) -> list[str]:
    try:
        return list(conf.config_file or [])
    except cfg.NoSuchOptError:
        # Never parsed: the plugin runs in a process that is not Trove's.
        return []


def list_opts() -> Iterator[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For oslo-config-generator: the options that the plugin adds."""
    yield GROUP, copy.deepcopy(OPTIONS)
