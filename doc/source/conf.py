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

"""How the documentation is built."""

import argparse
import pathlib

from oslo_config import cfg

from trove_flavor_filter.cmd import enable
from trove_flavor_filter.cmd import status
from trove_flavor_filter.cmd import subcommands

project = 'trove-flavor-filter'
copyright = 'The trove-flavor-filter developers'
extensions = ['openstackdocstheme', 'oslo_config.sphinxext',
              'oslo_policy.sphinxext', 'sphinx.ext.extlinks']
openstackdocs_repo_name = 'openstack/trove-flavor-filter'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
version = release = ''
html_theme = 'openstackdocs'
exclude_patterns = []


def _helps():
    """The help of each command, by its name."""
    parser = enable.argument_parser()
    yield 'trove-flavor-filter', parser
    for parsers, command in (
            (lambda parsers: subcommands.add_parsers(
                parsers, cfg.ConfigOpts()), 'trove-manage'),
            (lambda parsers: status.add_parser(parsers, None),
             'trove-flavor-filter-status')):
        subparsers = argparse.ArgumentParser(prog=command).add_subparsers()
        parsers(subparsers)
        for name, parser in subparsers.choices.items():
            yield f'{command} {name}', parser


def _write_helps(app):
    """Write a page for each command, by what it prints itself."""
    folder = pathlib.Path(app.srcdir) / 'cli' / 'help'
    folder.mkdir(exist_ok=True)
    for name, parser in _helps():
        title = '=' * len(name)
        text = ''.join(f'    {line}'.rstrip() + '\n'
                       for line in parser.format_help().splitlines())
        page = (f'{title}\n{name}\n{title}\n\n'
                f'.. code-block:: text\n\n{text}')
        path = folder / f'{name.replace(" ", "-")}.rst'
        if not path.exists() or path.read_text() != page:
            path.write_text(page)


def setup(app):
    app.connect('builder-inited', _write_helps)
