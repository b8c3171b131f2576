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
"""What Trove reads of a layout of configuration files, and what we read.

This is a program for the interpreter that has Trove. Trove itself, by its own
loader, is the judge. Standard input has the layouts: the program, its words,
those that name files or folders, and its environment. Standard output has what
each reader has read.
"""

from collections.abc import Callable
import contextlib
import io
import json
import os
import sys
import typing

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from trove.common import cfg as trove_cfg

from trove_flavor_filter.cmd import enable
from trove_flavor_filter import conf as config
from trove_flavor_filter import exception

SET = (cfg.Locations.user, cfg.Locations.command_line,
       cfg.Locations.environment)


def settings(conf: cfg.ConfigOpts) -> dict[str, typing.Any]:
    """Every option that we read and that is set, and the files beside."""
    found = {}
    for group, options in config.READ.items():
        for option in options:
            location = conf.get_location(option.dest, group)
            if location is not None and location.location in SET:
                values = conf if group is None else conf[group]
                found[f'[{group}] {option.dest}'] = values[option.dest]
    for name in (conf.api_paste_config, conf.oslo_policy.policy_file):
        found[name] = conf.find_file(name)
    return found


Layout = dict[str, typing.Any]


def by_trove(layout: Layout) -> dict[str, typing.Any]:
    trove_cfg.parse_args(sys.argv)
    return settings(cfg.CONF)


def by_filter(_layout: Layout) -> dict[str, typing.Any]:
    return settings(config.load({}))


def by_command(layout: Layout) -> dict[str, typing.Any]:
    conf = config.new()
    config.parse(conf, sys.argv[1:], 'command',
                 config.Defaults.of(layout['program']))
    return settings(conf)


def by_enable(layout: Layout) -> dict[str, typing.Any]:
    conf = enable.configuration(layout['named'])
    return {conf.api_paste_config: enable.paste_config(conf)}


# What takes the place of each program of Trove, or runs in its process.
READERS: dict[str, tuple[Callable[[Layout], dict[str, typing.Any]], ...]] = {
    'trove-api': (by_trove, by_filter, by_command, by_enable),
    'trove-manage': (by_trove, by_command),
    'uwsgi': (by_trove, by_filter),
    'mod_wsgi': (by_trove, by_filter),
}


def outcome(read: Callable[[Layout], dict[str, typing.Any]],
            layout: Layout) -> dict[str, typing.Any]:
    """What is read, or else the name of the error and its text."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return {'read': read(layout)}
    except (cfg.Error, OSError, ValueError, SystemExit,
            exception.FlavorFilterError) as error:
        return {'refused': f'{type(error).__name__}: {error}'}


def main() -> None:
    for group, options in (*policy_opts.list_opts(),
                           (config.GROUP.name, config.OPTIONS)):
        cfg.CONF.register_opts(options, group=group)
    environment = dict(os.environ)
    results = []
    for layout in json.load(sys.stdin):
        sys.argv = [f'/usr/bin/{layout["program"]}', *layout['words']]
        os.environ.clear()
        os.environ.update(environment | layout['environment'])
        results.append({read.__name__: outcome(read, layout)
                        for read in READERS[layout['program']]})
    json.dump(results, sys.stdout)


if __name__ == '__main__':
    main()
