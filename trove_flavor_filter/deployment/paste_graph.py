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

"""The ways to Trove's application that trove-api serves from a paste file.

Paste's own loader interprets the file. Here it imports nothing: a factory is
kept as the text that names it.
"""

from collections.abc import Iterator
import configparser
import io
import os
import re
import typing
import urllib.parse

from paste.deploy import loadwsgi

from trove_flavor_filter import exception

NAME = 'flavor_filter'

# The application that trove-api and trove.cmd.app_wsgi load.
ROOT = 'trove'
APPLICATION = 'trove.common.api:app_factory'
EXTENSIONS = 'trove.common.extensions:factory'
FACTORY = 'trove_flavor_filter.wsgi:filter_factory'
OURS = frozenset({FACTORY, f'egg:trove-flavor-filter#{NAME}'})
AUTHENTICATION = frozenset(
    spelling for name in ('auth_token', 'oauth2_token', 'oauth2_mtls_token',
                          'external_oauth2_token')
    for spelling in (f'keystonemiddleware.{name}:filter_factory',
                     f'egg:keystonemiddleware#{name}'))

PREFIXES = tuple(f'{prefix}:' for kinds in loadwsgi.APP.config_prefixes
                 for prefix in kinds)


class InsertionPoint(typing.NamedTuple):
    """The place before a name in a pipeline of the edited file.

    :ivar section: the pipeline's section
    :ivar at: counted from the end: -1 for the last
    """

    section: str
    at: int


class Step(typing.NamedTuple):
    """A filter or a composite on a way.

    :ivar name: as in the file
    :ivar factory: its factory; '' if the file does not define it
    :ivar place: the place before it; None if nothing can be inserted there
    """

    name: str
    factory: str
    place: InsertionPoint | None
    is_composite: bool = False

    @property
    def is_ours(self) -> bool:
        return self.factory in OURS

    def __str__(self) -> str:
        return f'{self.name} ({self.factory or "not defined"})'


class Link(typing.NamedTuple):
    """A section on a way, and the text in it that names the next one."""

    section: str
    text: str = ''

    def __str__(self) -> str:
        return f'[{self.section}] {self.text}'.rstrip()


class PipelinePath(typing.NamedTuple):
    """The filters and composites between a request and Trove's application.

    :ivar steps: outermost first
    :ivar place: the place before the application; None if nothing can be
        inserted there
    :ivar trail: the sections on the way
    """

    steps: tuple[Step, ...]
    place: InsertionPoint | None
    trail: tuple[Link, ...]

    def __str__(self) -> str:
        pipelines = [link.section for link in self.trail
                     if link.section.startswith('pipeline:')]
        return named(pipelines[-1]) if pipelines else str(self.trail[0])


def named(section: str) -> str:
    """The name of a pipeline's section, for messages."""
    return f'pipeline {section.partition(":")[2].strip()}'


def split(text: str) -> list[str]:
    """The lines of a file with their line ends, as open() splits them."""
    return list(io.StringIO(text, newline=''))


class PasteFile:
    """A parsed paste file.

    The rare forms are followed too: ``filter-app``, ``filter-with``, variables
    and references to other files. A refusal would do for the command that
    edits the file, but not for the upgrade check: it has to judge files in
    which the filter was put by hand.

    :param text: of the file
    :param path: of the file; references to other files are relative to it
    :ivar ways: to Trove's application, from what trove-api serves. If the
        file lacks the name that trove-api loads: from every section that no
        other section refers to
    :ivar complaints: Paste's errors on loading what is served
    :ivar lacks_section: our filter is used, and not defined
    :raises FlavorFilterError: it cannot be read as a paste file
    """

    def __init__(self, text: str, path: str):
        try:
            self._loader = _Loader(path, text, edited=True)
            self.parser: configparser.ConfigParser = self._loader.parser
            self._defaults = self.parser.defaults()
            self._applications = [
                section for section in self.parser.sections()
                if section.startswith(PREFIXES)]
            self.is_served = any(
                section.partition(':')[2].strip() == ROOT
                for section in self._applications)
            self._find_ways()
            self.lacks_section = self._loader.lacks_section
        except (configparser.Error, UnicodeError) as error:
            raise exception.FlavorFilterError(
                'not a paste file: ' + ' '.join(str(error).split())) from None
        except RecursionError:
            raise exception.FlavorFilterError(
                'Paste cannot load it: its sections refer to each other in a '
                'circle') from None

    def _find_ways(self) -> None:
        if self.is_served:
            self.ways = list(_walk(self._loader.get_context(
                loadwsgi.APP, ROOT)))
            self.complaints = self._loader.complaints
        else:
            inner: set[str] = set()
            found = {}
            for section in self._applications:
                self._loader.reached.clear()
                found[section] = self._from(section)
                inner |= self._loader.reached - {section}
            self.complaints = self._loader.complaints
            # An application that nothing refers to is not served.
            self.ways = [way for section, ways in found.items()
                         for way in ways if section not in inner
                         and (way.steps or way.place)]

    def _from(self, section: str) -> list[PipelinePath]:
        return list(_walk(self._loader.get_context(
            loadwsgi.APP, section.partition(':')[2].strip())))

    def step(self, name: str) -> Step:
        """The filter with a name in a pipeline.

        A filter that cannot be read is not served; Paste's error takes the
        place of its factory.
        """
        try:
            return _filters(name, self._loader.get_context(
                loadwsgi.FILTER, name), None)[-1]
        except (configparser.Error, RecursionError) as error:
            return Step(name, ' '.join(str(error).split()), None)

    def defines(self, name: str) -> bool:
        """Whether the file defines a filter of this name."""
        return self._loader.has(loadwsgi.FILTER, name)

    @property
    def pipelines(self) -> list[str]:
        """The sections of pipelines that can be read."""
        found = []
        for section in self.parser.sections():
            if section.startswith('pipeline:'):
                try:
                    self.names(section)
                except configparser.Error:
                    # It is not served: __init__ has checked that.
                    continue
                found.append(section)
        return found

    def names(self, section: str) -> list[str]:
        """The names in a pipeline, as Paste reads them."""
        return self.parser.get(section, 'pipeline', fallback='').split()

    def options(self, section: str) -> dict[str, str]:
        """The options of a section, as written; empty without a section."""
        if not self.parser.has_section(section):
            return {}
        return {name: value
                for name, value in self.parser.items(section, raw=True)
                if name not in self._defaults}


class _Loader(loadwsgi.ConfigLoader):
    """Paste's loader of a file, which keeps names and imports nothing.

    :ivar reached: sections that were loaded
    :ivar complaints: Paste's errors on loading them
    :ivar lacks_section: our filter is used, and not defined
    """

    def __init__(self, path: str, text: str, edited: bool):
        # Paste's own __init__ would open the file.
        self.filename = path
        self.is_edited = edited
        self.reached: set[str] = set()
        self.complaints: list[str] = []
        self.lacks_section = False
        self.parser = loadwsgi.NicerConfigParser(
            path, defaults={'here': os.path.dirname(os.path.abspath(path)),
                            '__file__': os.path.abspath(path)})
        self.parser.optionxform = str
        self.parser.read_file(split(text), source='the file')
        for section in self.parser.sections():
            # The packages that are installed here do not matter.
            self.parser.remove_option(section, 'require')

    def get_context(self, object_type: typing.Any, name: str | None = None,
                    global_conf: dict[str, str] | None = None) -> typing.Any:
        if self.absolute_name(name):
            return self._absolute(object_type, name or '', global_conf)
        if (name == NAME and object_type is loadwsgi.FILTER
                and not self._find_sections(
                    self.parser.sections(), 'filter', NAME)):
            # Half enabled by hand: the name without its section.
            self.lacks_section = True
            return self._context(FACTORY, object_type, global_conf)
        try:
            section = self.find_config_section(object_type, name=name)
            self.reached.add(section)
            context = super().get_context(object_type, name, global_conf)
        except LookupError as error:
            self.complaints.append(' '.join(str(error).split()))
            return self._context('', object_type, global_conf)
        for made in (context, getattr(context, 'next_context', context)):
            # With "use", the context already has those of the file used.
            vars(made).setdefault('section', section)
            vars(made).setdefault('home', self)
        return context

    def has(self, object_type: typing.Any, name: str) -> bool:
        """Whether Paste finds a section of this name."""
        try:
            self.find_config_section(object_type, name)
        except LookupError:
            return False
        return True

    def _context_from_explicit(
            self, object_type: typing.Any, local_conf: dict[str, str],
            global_conf: dict[str, str], global_addition: dict[str, str],
            section: str) -> typing.Any:
        protocols = [protocol for either in object_type.egg_protocols
                     for protocol in [next(
                         (name for name in either if name in local_conf),
                         None)] if protocol]
        if len(protocols) != 1:
            raise LookupError(
                f'[{section}] names {len(protocols)} factories')
        made_by = local_conf.pop(protocols[0])
        return self._context(made_by, object_type, global_conf, local_conf,
                             protocols[0])

    def _absolute(self, object_type: typing.Any, uri: str,
                  global_conf: dict[str, str] | None) -> typing.Any:
        scheme, _, rest = uri.partition(':')
        if scheme.lower() != 'config':
            return self._context(uri, object_type, global_conf)
        rest, _, name = rest.partition('#')
        path = os.path.join(os.path.dirname(self.filename),
                            urllib.parse.unquote(rest))
        try:
            with open(path, encoding='utf-8',
                      errors='surrogateescape') as file:
                other = _Loader(path, file.read(), edited=False)
        except OSError as error:
            self.complaints.append(f'{uri}: {error.strerror}')
            return self._context('', object_type, global_conf)
        if global_conf:
            other.update_defaults(global_conf, overwrite=False)
        context = other.get_context(object_type, name or 'main', global_conf)
        self.complaints += other.complaints
        return context

    def _context(self, made_by: str, object_type: typing.Any,
                 global_conf: dict[str, str] | None,
                 local_conf: dict[str, str] | None = None,
                 protocol: str | None = None) -> typing.Any:
        return loadwsgi.LoaderContext(
            _factory(made_by), object_type, protocol, global_conf or {},
            local_conf or {}, self)


def _factory(text: str) -> str:
    """Normalize the name of a factory.

    ``call:`` is equal to ``paste.app_factory``. An entry point may contain
    blanks and extras. The name of a distribution has several spellings.
    """
    scheme, colon, rest = text.partition(':')
    if scheme.lower() == 'egg' and colon:
        distribution, _, name = rest.partition('#')
        return (f'egg:{re.sub("[-_.]+", "-", distribution).lower().strip()}'
                f'#{name or "main"}')
    if scheme.lower() == 'call':
        text = rest
    return re.sub(r'\s|\[.*', '', text, flags=re.DOTALL)


def _walk(context: typing.Any, steps: tuple[Step, ...] = (),
          place: InsertionPoint | None = None, trail: tuple[Link, ...] = ()
          ) -> Iterator[PipelinePath]:
    """The ways from a context to Trove's application.

    :param steps: the steps before it
    :param place: the place before it
    :param trail: the sections before it
    """
    kind, section = context.object_type, getattr(context, 'section', '')
    if kind is loadwsgi.FILTER_WITH:
        outer = context.home.parser.get(section, 'filter-with')
        if context.next_context.object_type is not loadwsgi.APP:
            # Paste treats all other kinds as filters, not as applications.
            context.home.complaints.append(
                f'[{section}] has filter-with, which is for an application '
                f'or a composite of its own')
            return
        yield from _walk(
            context.next_context,
            steps + _filters(outer, context.filter_context, place), None,
            (*trail, Link(section, f'filter-with = {outer}')))
    elif kind is loadwsgi.FILTER_APP:
        name = section.partition(':')[2].strip()
        following = context.home.parser.get(section, 'next')
        yield from _walk(
            context.next_context,
            steps + _filters(name, context.filter_context, place), None,
            (*trail, Link(section, f'next = {following}')))
    elif kind is loadwsgi.PIPELINE:
        parser = context.home.parser
        names = parser.get(section, 'pipeline').split()
        written = parser.get(section, 'pipeline', raw=True).split()
        places = (_places(section, names, written)
                  if context.home.is_edited else [None] * len(names))
        for name, made, front in zip(names, context.filter_contexts, places,
                                     strict=False):
            steps += _filters(name, made, front)
        text = f'pipeline = {" ".join(written)}'
        yield from _walk(
            context.app_context, steps, places[-1],
            (*trail, Link(section if context.home.is_edited
                          else f'{context.home.filename} {section}', text)))
    elif context.object == APPLICATION:
        yield PipelinePath(
            steps, place, (*trail, Link(section or context.object)))
    elif (context.protocol != 'paste.app_factory'
            or context.object.startswith('egg:')):
        yield from _mounted(context, section, steps, trail)


def _places(section: str, names: list[str], written: list[str]
            ) -> list[InsertionPoint | None]:
    """The places before the names of a pipeline; None without a place.

    An interpolated value is a different number of words in the file. So
    places are counted from the end, up to the first interpolated word.
    """
    tail = 0
    for name, word in zip(reversed(names), reversed(written), strict=False):
        if name != word:
            break
        tail += 1
    return [InsertionPoint(section, at - len(names)) if at >= len(names) - tail
            else None for at in range(len(names))]


def _filters(name: str, context: typing.Any, place: InsertionPoint | None
             ) -> tuple[Step, ...]:
    """The filters behind one name, outermost first."""
    if context.object_type is not loadwsgi.FILTER_WITH:
        return (Step(name, context.object, place),)
    outer = context.home.parser.get(context.section, 'filter-with')
    return (_filters(outer, context.filter_context, place)
            + _filters(name, context.next_context, None))


def _mounted(context: typing.Any, section: str, steps: tuple[Step, ...],
             trail: tuple[Link, ...]) -> Iterator[PipelinePath]:
    """The ways through a composite.

    Only its factory knows which options name applications. Here every option
    counts whose value is the name of one. Several words are a pipeline, as in
    the factories of other services.
    """
    mounts = dict(context.local_conf)
    if 'urlmap' in context.object and 'not_found_app' in context.global_conf:
        mounts.setdefault('not_found_app',
                          context.global_conf['not_found_app'])
    steps += (Step(section, context.object, None, is_composite=True),)
    loader = context.loader
    for option, mount in mounts.items():
        *words, last = mount.split() or [mount]
        if (mount.lower().startswith('config:')
                or loader.has(loadwsgi.APP, mount)):
            words, last = [], mount
        before = tuple(step for name in words for step in _filters(
            name, loader.get_context(
                loadwsgi.FILTER, name, context.global_conf), None))
        yield from _walk(
            loader.get_context(loadwsgi.APP, last, context.global_conf),
            steps + before, None,
            (*trail, Link(section, f'{option} = {mount}')))
