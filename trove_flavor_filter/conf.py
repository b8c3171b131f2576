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

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import copy
import glob
import io
import os
import re
import stat
import sys
import typing

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log
from oslo_policy import opts as policy_opts

from trove_flavor_filter import exception

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
             'API: "https://db.example.org". A version and a template of the '
             'project at its end, as in Keystone\'s catalog, are left out. '
             'By default links are built from the Host header, as Trove '
             'builds those of GET /flavors.'),
    cfg.BoolOpt(
        'enforce',
        default=True,
        help='Refuse requests that would make or change an instance to a '
             'flavor that its datastore version does not allow. When false, '
             'what is allowed is listed and no more.'),
    cfg.BoolOpt(
        'answer_troves_list',
        default=True,
        help='Answer Trove\'s own list of the flavors of a datastore version, '
             'GET /{tenant_id}/datastores/{datastore}/versions/{version_id}'
             '/flavors, with the flavors that the datastore version allows. '
             'python-troveclient and "openstack database flavor list '
             '--datastore-type --datastore-version-id" use this path. When '
             'false, Trove answers it.'),
    cfg.IntOpt(
        'flavor_cache_time',
        default=60, min=0,
        help='Seconds for which the list of Nova\'s flavors is used before '
             'Nova is asked again; 0 to ask it for each request. For as long '
             'again the list is used while a newer one is fetched in the '
             'background. After that a request waits for the newer list, for '
             'up to 3 seconds. So while Nova answers, no list is older than '
             'twice this time. Each process remembers the list, and for each '
             'project its private flavors; where [cache] is enabled, all '
             'processes and hosts that use the same cache share them. '
             'Associations are not cached.'),
    cfg.IntOpt(
        'flavor_stale_time',
        default=3600, min=0,
        help='Seconds for which the last list is used while Nova gives no '
             'new one. Requests do not wait for Nova then.'),
    cfg.FloatOpt(
        'nova_timeout',
        default=10, min=0.1,
        help='Seconds to wait for each answer of Keystone and Nova before '
             'the list of flavors counts as not available.'),
    cfg.StrOpt(
        'auth_filter',
        help='Name of the filter in api-paste.ini that authenticates, where '
             'that is not one of keystonemiddleware but a filter of the '
             'site\'s own. trove-flavor-filter-status looks for it in front '
             'of flavor_filter; "trove-flavor-filter enable" is told by '
             '--auth-filter.'),
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
        cfg.StrOpt('remote_nova_client'),
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


# How oslo.config speaks of a value: the option, the file that it is from, and
# the problem.
INVALID = re.compile(
    r"Value for option (\S+) .*?detail='(.*?)'\) is not valid: (.*)")

# Every option that the plugin reads for itself, by group.
READ: dict[str | None, list[cfg.Opt]] = {
    **TROVE_OPTIONS,
    'database': db_options.database_opts,
    **{group: options for group, options in policy_opts.list_opts()},
    GROUP.name: OPTIONS,
}


def new() -> cfg.ConfigOpts:
    """An unparsed ConfigOpts with everything registered that we read."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf.register_group(GROUP)
    for group, options in READ.items():
        conf.register_opts(options, group=group)
    return conf


def load(paste: Mapping[str, str]) -> cfg.ConfigOpts:
    """Read the files that this process's Trove was started with.

    :param paste: the keys of the paste section. ``oslo_config_project``,
        ``oslo_config_program`` and ``oslo_config_file`` name the files as
        they do for the filters of oslo.middleware. Without them, the files
        are those of the process's global configuration, which is Trove's.
    :returns: a ConfigOpts of our own
    :raises Misconfigured: as :func:`parse`
    """
    conf = new()
    named: dict[str, typing.Any] = {}
    if 'oslo_config_file' in paste:
        named['default_config_files'] = [paste['oslo_config_file']]
    elif 'oslo_config_project' not in paste and _files_of(cfg.CONF):
        named['default_config_files'] = _files_of(cfg.CONF)
        named['default_config_dirs'] = list(cfg.CONF.config_dir or [])
    parse(conf, [], project=paste.get('oslo_config_project', 'trove'),
          prog=paste.get('oslo_config_program', 'trove-api'), **named)
    return conf


def parse(conf: cfg.ConfigOpts, arguments: Sequence[str], prog: str,
          project: str = 'trove', **named: typing.Any) -> None:
    """Parse a command line and the files that it names or leaves to find.

    :param arguments: the words of the command line, without the program's
    :param prog: the program, whose own files are found beside trove.conf
    :param named: ``default_config_files`` and ``default_config_dirs``, to be
        read rather than what is found
    :raises Misconfigured: a file cannot be read, or an option that the
        plugin reads has a value that it cannot have; the message names it
    :raises SystemExit: the command line is wrong
    """
    given = argparse.ArgumentParser(prog=prog, add_help=False,
                                    allow_abbrev=False)
    given.add_argument('--config-file', action='append')
    given.add_argument('--config-dir', action='append')
    words, _others = given.parse_known_args(arguments)
    files = (words.config_file or named.get('default_config_files')
             or cfg.find_config_files(project, prog))
    folders = (words.config_dir or named.get('default_config_dirs')
               or cfg.find_config_dirs(project, prog))
    for path in (*files, *(
            path for folder in folders for path in sorted(
                glob.glob(f'{os.path.expanduser(folder)}/*.conf')))):
        check_file(os.path.expanduser(path))
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            conf(arguments, project=project, prog=prog, **named)
    except (cfg.Error, OSError, ValueError) as error:
        raise exception.Misconfigured(' '.join(str(error).split())) from error
    except SystemExit as left:
        # oslo.config leaves so when an option that the command line has as
        # well is wrong in a file; for a wrong command line it says 2.
        if left.code == 1:
            raise exception.Misconfigured(
                f'[DEFAULT] of trove.conf: {said.getvalue().strip()}'
            ) from left
        sys.stderr.write(said.getvalue())
        raise
    for group, options in READ.items():
        if group is None or group in conf:
            _check_options(conf, group, options)


def check_file(path: str) -> None:
    """See that a file can be read, as oslo.config will read it.

    :raises Misconfigured: it cannot, or nobody knows where it would end
    """
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)
                or os.path.samefile(path, os.devnull)):
            # A pipe would be waited for, a device may have no end.
            raise exception.Misconfigured(f'{path}: not a file')
        with open(path) as file:
            file.read()
    except OSError as error:
        raise exception.Misconfigured(
            f'{path}: {error.strerror or error}') from error
    except UnicodeDecodeError as error:
        line = error.object.count(b'\n', 0, error.start) + 1
        raise exception.Misconfigured(
            f'{path}: line {line} cannot be decoded as '
            f'{error.encoding.upper()}'
        ) from error


def _check_options(conf: cfg.ConfigOpts, group: str | None,
                   options: Sequence[cfg.Opt]) -> None:
    """See that options have values of their types.

    :raises Misconfigured: one has not
    """
    values = conf if group is None else conf[group]
    for option in options:
        with blaming(f'[{group or "DEFAULT"}] {option.name}'):
            if option.dest in values:
                values[option.dest]


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn what goes wrong into Misconfigured that names an option or group.

    For libraries that read options of their own: they raise anything.
    """
    try:
        yield
    except exception.FlavorFilterError:
        raise
    except Exception as error:
        path = 'trove.conf'
        problem = ' '.join(str(error).split())
        if isinstance(error, (cfg.NoSuchOptError, cfg.NoSuchGroupError,
                              cfg.TemplateSubstitutionError)):
            problem = (f'it refers to an option that is not there; write '
                       f'"$$" for a "$" ({problem})')
        elif found := INVALID.match(problem):
            option, path, problem = found.groups()
            if not what.endswith(f' {option}'):
                what = f'{what} {option}'
        elif not isinstance(error, cfg.Error | ValueError):
            problem = f'{type(error).__name__}: {problem}'
        raise exception.Misconfigured(f'{path}: {what}: {problem}') from error


def sources(conf: cfg.ConfigOpts) -> str:
    """Where the settings come from, for a message that misses one."""
    files = [*(conf.config_file or []), *(
        f'{folder}/*.conf' for folder in conf.config_dir or [])]
    if files:
        return f'read: {", ".join(files)}'
    return ('there is no trove.conf in ~/.trove, ~, /etc/trove or /etc; '
            'name one with --config-file')


def _files_of(conf: cfg.ConfigOpts) -> list[str]:
    try:
        return list(conf.config_file or [])
    except cfg.NoSuchOptError:
        # Never parsed: the plugin runs in a process that is not Trove's.
        return []


def list_opts() -> Iterator[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For oslo-config-generator: the options that the plugin adds."""
    yield GROUP, copy.deepcopy(OPTIONS)
