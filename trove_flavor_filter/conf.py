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

from trove_flavor_filter import acceptance
from trove_flavor_filter import exception

GROUP = cfg.OptGroup(
    'flavor_filter',
    title='Flavors of datastore versions',
    help='Options of the trove-flavor-filter plugin. It takes all other '
         'settings from existing options in trove.conf.')

# Values of the option "enforcement".
DENY, WARN, OFF = 'deny', 'warn', 'off'

OPTIONS = [
    cfg.URIOpt(
        'public_endpoint',
        schemes=['http', 'https'],
        help='Prefix of the links in flavor documents: the URL at which '
             'clients reach the API, such as "https://db.example.org". A '
             'version and a project template at its end, as in Keystone\'s '
             'catalog, are ignored. By default, links are built from the Host '
             'header, as Trove does in GET /flavors.'),
    cfg.StrOpt(
        'enforcement',
        choices=[
            (DENY, 'refuse what is not allowed'),
            (WARN, 'let all requests pass, and log what would be refused'),
            (OFF, 'let all requests pass')],
        sample_default=DENY,
        help='What to do with a request that would create an instance on, or '
             'change it to, a flavor that its datastore version does not '
             'allow. Lists contain only allowed flavors in any case. The '
             'requirement of a datastore version can be on trial as well '
             '("warn"); the milder of the two counts. Trove itself still '
             'refuses to create an instance on a flavor that is not '
             'associated, if the datastore version has associations.'),
    cfg.BoolOpt(
        'enforce',
        default=True,
        deprecated_for_removal=True,
        deprecated_since='1.0.0',
        deprecated_reason='Use "enforcement". This option is read only if '
                          'that one is not set: false means "off", true '
                          'means "deny".',
        help='Whether to refuse flavors that are not allowed.'),
    cfg.BoolOpt(
        'answer_troves_list',
        default=True,
        help='Answer requests for Trove\'s own list of the flavors of a '
             'datastore version, GET /{tenant_id}/datastores/{datastore}'
             '/versions/{version_id}/flavors, with the flavors that the '
             'datastore version allows. python-troveclient and "openstack '
             'database flavor list --datastore-type --datastore-version-id" '
             'use this path. When false, Trove answers these requests.'),
    cfg.IntOpt(
        'flavor_cache_time',
        default=60, min=0,
        help='Seconds for which the list of Nova\'s flavors is cached; 0 asks '
             'Nova for each request. For the same time again, the stale list '
             'is served while a new one is fetched in the background '
             '(stale-while-revalidate). After that, a request waits for the '
             'new list for up to 3 seconds. So no list is older than twice '
             'this time if Nova lists its flavors within 3 seconds. If it '
             'takes longer, the stale list is served meanwhile (see '
             'flavor_stale_time). Each process caches the list, and '
             'the private flavors of each project; if [cache] is enabled, all '
             'processes and hosts that use the same cache share them. '
             'Associations are not cached.'),
    cfg.IntOpt(
        'flavor_stale_time',
        default=3600, min=0,
        help='The maximum age in seconds of a list that is served while '
             'Nova is slow or unavailable.'),
    cfg.IntOpt(
        'private_flavor_stale_time',
        default=600, min=0,
        help='As flavor_stale_time, for the private flavors of a project; '
             'the shorter time counts. A flavor to which Nova has revoked '
             'access can stay listed for this time while Nova is slow or '
             'unavailable. Where Trove lists flavors with the caller\'s '
             'token (remote_nova_client), flavor_stale_time counts.'),
    cfg.FloatOpt(
        'nova_timeout',
        default=10, min=0.1,
        help='Seconds for which a request waits for each response from '
             'Keystone, Nova and Cinder. After that, they are treated as '
             'unavailable. The commands wait for at least 60 '
             'seconds.'),
    cfg.StrOpt(
        'auth_filter',
        help='Name of the authentication filter in api-paste.ini, if it is '
             'the site\'s own filter and not one from keystonemiddleware. '
             'trove-flavor-filter-status checks that it comes before '
             'flavor_filter. "trove-flavor-filter enable" does not read this '
             'option; use its --auth-filter.'),
]

# The managers of datastores that Trove knows. Each has a group in trove.conf.
MANAGERS = ('cassandra', 'couchbase', 'couchdb', 'db2', 'mariadb', 'mongodb',
            'mysql', 'percona', 'postgresql', 'pxc', 'redis', 'vertica')

# Trove's own options that the plugin reads. Trove registers them, and others
# of the same groups, on the global object. The plugin registers them on its
# own object, so that the two definitions cannot conflict.
TROVE_OPTIONS: dict[str | None, list[cfg.Opt]] = {
    None: [
        cfg.StrOpt('api_paste_config', default='api-paste.ini'),
        cfg.BoolOpt('trove_volume_support', default=False),
        cfg.StrOpt('device_path', default='/dev/vdb'),
        cfg.ListOpt('admin_roles', default=[]),
        cfg.StrOpt('default_datastore'),
        cfg.IntOpt('max_accepted_volume_size', default=10),
        cfg.StrOpt('nova_compute_url'),
        cfg.StrOpt('remote_nova_client'),
        cfg.StrOpt('nova_compute_service_type', default='compute'),
        cfg.StrOpt('nova_compute_endpoint_type', default='publicURL'),
        cfg.BoolOpt('nova_api_insecure', default=False),
        cfg.StrOpt('cinder_service_type', default='volumev3'),
        cfg.StrOpt('cinder_endpoint_type', default='publicURL'),
        cfg.BoolOpt('cinder_api_insecure', default=False),
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
    **{manager: [
        cfg.BoolOpt('volume_support', default=True),
        cfg.StrOpt('device_path', default='/dev/vdb'),
    ] for manager in MANAGERS},
}
TROVE_OPTIONS['mongodb'] += [
    cfg.IntOpt('num_config_servers_per_cluster', default=3),
    cfg.IntOpt('num_query_routers_per_cluster', default=1),
    cfg.IntOpt('config_servers_volume_size', default=10),
    cfg.IntOpt('query_routers_volume_size', default=10),
]


# The message of oslo.config for an invalid value: the option, its file, and
# the problem.
INVALID = re.compile(
    r"Value for option (\S+) [^']*detail='([^']*)'\) is not valid: (.*)")

# Every option that the plugin itself reads, by group.
READ: dict[str | None, list[cfg.Opt]] = {
    **TROVE_OPTIONS,
    'database': db_options.database_opts,
    **{group: options for group, options in policy_opts.list_opts()},
    GROUP.name: OPTIONS,
}


def new() -> cfg.ConfigOpts:
    """An unparsed ConfigOpts with all options registered that we read."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf.register_group(GROUP)
    for group, options in READ.items():
        conf.register_opts(options, group=group)
    return conf


def enforcement(conf: cfg.ConfigOpts) -> str:
    """How the deployment enforces requirements: DENY, WARN or OFF."""
    options = conf.flavor_filter
    return options.enforcement or (DENY if options.enforce else OFF)


def storages(conf: cfg.ConfigOpts) -> acceptance.Storages:
    """Where instances store their data."""
    return {manager: acceptance.Storage(
        conf[manager].volume_support, conf[manager].device_path)
        for manager in MANAGERS}


def load(paste: Mapping[str, str]) -> cfg.ConfigOpts:
    """Read the configuration files that Trove in this process uses.

    :param paste: the keys of the paste section. ``oslo_config_project``,
        ``oslo_config_program`` and ``oslo_config_file`` name the files, as
        in the filters of oslo.middleware. Without them, the files and
        folders of the process's global configuration are read, which is
        Trove's, in the same order.
    :returns: a new ConfigOpts
    :raises Misconfigured: as :func:`parse`
    """
    conf = new()
    # What Trove was started with; None in a process that is not Trove's. In
    # oslo.config, nothing public has the order of files and folders.
    arguments = cfg.CONF._args
    if arguments is None or paste.keys() & {
            'oslo_config_file', 'oslo_config_project'}:
        project = paste.get('oslo_config_project', 'trove')
        program = paste.get('oslo_config_program', 'trove-api')
        default = Defaults.of(program, project)
        if 'oslo_config_file' in paste:
            default = default._replace(files=[paste['oslo_config_file']])
        parse(conf, [], program, default, project)
    else:
        parse(conf, [f'{option}={path}' for option, path in _named(arguments)],
              cfg.CONF.prog,
              Defaults(cfg.CONF.default_config_files,
                       cfg.CONF.default_config_dirs), cfg.CONF.project)
    return conf


class Defaults(typing.NamedTuple):
    """What is read where a command line names no file, or no folder."""

    files: list[str]
    folders: list[str]

    @classmethod
    def of(cls, program: str, project: str = 'trove') -> 'Defaults':
        """Those of a program: of Trove's, trove-api or trove-manage."""
        return cls(cfg.find_config_files(project, program),
                   cfg.find_config_dirs(project, program))


def parse(conf: cfg.ConfigOpts, arguments: Sequence[str], prog: str,
          default: Defaults, project: str | None = 'trove') -> None:
    """Parse a command line, and the files that it names or the default ones.

    oslo.config would wait for a pipe, read a device without end, and not name
    a file that it cannot decode. So the files are checked first.

    :param arguments: the command line without the program's name
    :param prog: the program's name, for its usage
    :raises Misconfigured: a file cannot be read, or an option that the
        plugin reads has an invalid value; the message names it
    :raises SystemExit: the command line is wrong
    """
    for path in _files(arguments, default):
        check_file(path)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            conf(arguments, project=project, prog=prog,
                 default_config_files=default.files,
                 default_config_dirs=default.folders)
    except (cfg.Error, OSError, ValueError) as error:
        raise exception.Misconfigured(' '.join(str(error).split())) from error
    except SystemExit as left:
        # oslo.config exits with 1 if a command line option has an invalid
        # value in a file, and with 2 if the command line is wrong.
        if left.code == 1:
            raise exception.Misconfigured(
                f'[DEFAULT] of trove.conf: {said.getvalue().strip()}'
            ) from left
        sys.stderr.write(said.getvalue())
        raise
    for group, options in READ.items():
        if group is None or group in conf:
            _check_options(conf, group, options)


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files and folders that a command line names, in its order.

    :returns: pairs of an option, as it is spelled, and a path
    """
    words = iter(arguments)
    for word in words:
        option, equals, path = word.partition('=')
        # argparse takes the beginning of a name for the name.
        if option.startswith(('--config-f', '--config-d')):
            if not equals:
                path = next(words, '-')
            # argparse will refuse an option in place of a value.
            if equals or not path.startswith('-'):
                yield option, path


def _files(arguments: Sequence[str], default: Defaults) -> Iterator[str]:
    """The files that oslo.config will read, in any order."""
    named = list(_named(arguments))
    options = {option for option, _path in named}
    folders = [] if '--config-dir' in options else default.folders
    if '--config-file' not in options:
        yield from default.files
    for option, path in named:
        path = os.path.expanduser(path)
        if option.startswith('--config-f'):
            yield path
        else:
            folders = [*folders, path]
    for folder in folders:
        yield from glob.glob(f'{folder}/*.conf')


def check_file(path: str) -> None:
    """Check that a file can be read as oslo.config will read it.

    :raises Misconfigured: it cannot, or it is a pipe or a device
    """
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)
                or os.path.samefile(path, os.devnull)):
            # Reading a pipe would block, and a device may have no end.
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
    """Check that options have values of their types.

    :raises Misconfigured: one does not
    """
    values = conf if group is None else conf[group]
    for option in options:
        with config_errors(f'[{group or "DEFAULT"}] {option.name}'):
            if option.dest in values:
                values[option.dest]


@contextlib.contextmanager
def config_errors(what: str) -> Iterator[None]:
    """Turn any error into Misconfigured, naming an option or a group.

    For libraries that read their own options: they raise any exception.
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
            if not _may_have(path, option):
                path = 'trove.conf'
            if not what.endswith(f' {option}'):
                what = f'{what} {option}'
        elif not isinstance(error, cfg.Error | ValueError):
            problem = f'{type(error).__name__}: {problem}'
        raise exception.Misconfigured(f'{path}: {what}: {problem}') from error


def _may_have(path: str, option: str) -> bool:
    """Whether an option can be in the place that oslo.config names.

    It names the last file that has the option's section.

    :param path: a file, or a variable of the environment
    """
    sections: dict[str, dict[str, list[str]]] = {}
    with contextlib.suppress(OSError):
        cfg.ConfigParser(path, sections).parse()
    return not sections or any(
        option in section for section in sections.values())


def sources(conf: cfg.ConfigOpts) -> str:
    """Where the settings come from, for a message about a missing one."""
    # config_dir has only the last of several folders.
    files = [*(conf.config_file or []), *(
        f'{folder}/*.conf' for folder in conf.config_dirs or conf.config_dir)]
    if files:
        return f'read: {", ".join(files)}'
    return ('there is no trove.conf in ~/.trove, ~, /etc/trove or /etc; '
            'name one with --config-file, or a folder with --config-dir')


def list_opts() -> Iterator[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For oslo-config-generator: the options that the plugin adds."""
    yield GROUP, copy.deepcopy(OPTIONS)
