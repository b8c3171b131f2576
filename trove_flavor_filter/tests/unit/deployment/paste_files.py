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

"""Paste files of every form that Paste loads, and what it loads from them."""

import collections
import pathlib
import random
import typing

import fixtures
from hypothesis import strategies
from paste import cascade
from paste.deploy import loadwsgi
from paste import urlmap

KNOWN_AUTH = (
    'keystonemiddleware.auth_token:filter_factory',
    'keystonemiddleware.oauth2_token:filter_factory',
    'keystonemiddleware.oauth2_mtls_token:filter_factory',
    'keystonemiddleware.external_oauth2_token:filter_factory')
TROVE = 'trove.common.api:app_factory'
EXTENSIONS = 'trove.common.extensions:factory'
OURS = 'trove_flavor_filter.wsgi:filter_factory'
FILTERS = (EXTENSIONS, 'trove.common.auth:AuthorizationMiddleware.factory',
           'oslo_middleware.cors:filter_factory', 'site.more:make')
COMPOSITES = {
    'paste.urlmap:urlmap_factory': urlmap.urlmap_factory,
    'trove.common.wsgi:versioned_urlmap': urlmap.urlmap_factory,
    'paste.cascade:make_cascade': cascade.make_cascade}


class Made(typing.NamedTuple):
    """What a factory made, and what stands behind it."""

    factory: str
    behind: typing.Any = None


class Judge(fixtures.Fixture):
    """Paste's own loader, over factories that record what they make."""

    def _setUp(self) -> None:
        self.path = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path, 'api-paste.ini')
        self.useFixture(fixtures.MonkeyPatch(
            'importlib.metadata.EntryPoint.load',
            lambda point: _recorder(f'{point.module}:{point.attr}')))
        self.useFixture(fixtures.MonkeyPatch(
            'paste.deploy.loadwsgi.lookup_object', _recorder))

    def ways(self, text: str) -> list[tuple[str, ...]] | None:
        """The factories on each way from what trove-api loads to Trove.

        :returns: None where Paste does not load the text
        """
        self.path.write_bytes(text.encode())
        try:
            return list(_ways(loadwsgi.loadapp(
                f'config:{self.path}', name='trove')))
        except Exception:
            # Whatever it is that Paste, or a composite, takes exception to.
            # Among it is "filter-with" of a pipeline, for which Paste makes
            # something that is no application.
            return None


def _recorder(factory: str) -> typing.Callable:
    if factory in COMPOSITES:
        return COMPOSITES[factory]

    def make(*args: typing.Any, **local_conf: str) -> typing.Any:
        if len(args) == 2:
            # paste.filter_app_factory
            return Made(factory, args[0])
        if factory.endswith(':app_factory'):
            return Made(factory)
        return lambda app: Made(factory, app)

    return make


def _ways(app: typing.Any, before: tuple[str, ...] = ()
          ) -> typing.Iterator[tuple[str, ...]]:
    if isinstance(app, urlmap.URLMap):
        for _path, mounted in app.applications:
            yield from _ways(mounted, (*before, '/'))
        if isinstance(app.not_found_application, Made):
            yield from _ways(app.not_found_application, (*before, '/'))
    elif isinstance(app, cascade.Cascade):
        for mounted in app.apps:
            yield from _ways(mounted, (*before, '/'))
    elif app.behind is not None:
        yield from _ways(app.behind, (*before, app.factory))
    elif app.factory == TROVE:
        yield before


class Writer:
    """Writes a paste file, by chance."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []
        self.defaults: list[tuple[str, str]] = []
        self.counts: collections.Counter = collections.Counter()

    def often(self, percent: int) -> bool:
        return self.chance.random() * 100 < percent

    def name(self, kind: str, spaces: bool = False) -> str:
        self.counts[kind] += 1
        name = f'{kind}{self.counts[kind]}'
        if spaces and self.often(10):
            name = f'{kind} {self.counts[kind]}'
        return name.upper() if self.often(5) else name

    def add(self, prefix: str, name: str,
            options: list[tuple[str, str]]) -> str:
        colon = ': ' if self.often(5) else ':'
        if prefix != 'DEFAULT' and self.often(8):
            options = [*options, self.chance.choice([
                ('set debug', 'yes'), ('Mixed_Case', 'a = b : c'),
                ('folder', '%(here)s/more')])] if (
                    not prefix.startswith(('pipeline', 'compos'))) else [
                        *options, ('set debug', 'yes')]
        self.sections.append((f'{prefix}{colon}{name}', options))
        return name

    def filter(self, factory: str) -> str:
        """A filter of a factory: its name in a pipeline."""
        module, _, attribute = factory.partition(':')
        package = module.rpartition('.')[2]
        egg = (f'egg:keystonemiddleware#{package}'
               if module.startswith('keystonemiddleware')
               else 'egg:trove-flavor-filter#flavor_filter'
               if factory == OURS else None)
        if egg and self.often(15):
            return egg
        name = self.name('filter')
        options = [('paste.filter_factory', self.chance.choice(
            [factory] * 8 + [f'{module} : {attribute}', f'{factory} [x]']))]
        if self.often(15):
            options = [('use', f'call:{factory}')]
        elif egg and self.often(20):
            options = [('use', egg)]
        elif self.often(10) and not egg:
            options = [('paste.filter_app_factory', factory)]
        if self.often(6):
            options.append(('filter-with', self.filter(self.any_filter())))
        self.add('filter', name, options)
        if self.often(8):
            alias = self.name('filter')
            self.add('filter', alias, [('use', name)])
            return alias
        return name

    def any_filter(self) -> str:
        return self.chance.choice(
            FILTERS * 2 + (self.chance.choice(KNOWN_AUTH),))

    def filters(self, authenticated: bool) -> list[str]:
        """The names of some filters, in the order of Trove's own."""
        made = [self.chance.choice(FILTERS[1:])
                for _number in range(self.chance.randrange(4))]
        if not authenticated and self.often(92):
            made.insert(self.chance.randrange(len(made) + 1),
                        self.chance.choice(KNOWN_AUTH))
        if self.often(75):
            made.append(EXTENSIONS)
        if self.often(4):
            self.chance.shuffle(made)
        return [self.filter(factory) for factory in made]

    def application(self, depth: int, troves: bool,
                    authenticated: bool = False) -> str:
        """An application, and all that leads to it: its name."""
        if troves and depth > 0:
            kind = self.chance.choice([
                *['pipeline'] * 14, 'filter_app', 'composite', 'use',
                'with_filter'])
            if kind == 'composite' and not authenticated:
                kind = 'pipeline'
            return getattr(self, kind)(
                depth, authenticated)
        factory = TROVE if troves else 'trove.versions:app_factory'
        name = self.name('app', spaces=not troves)
        self.add(self.chance.choice(['app', 'app', 'app', 'application']),
                 name, [('paste.app_factory', factory) if self.often(85)
                        else ('use', f'call:{factory}')])
        if self.often(10):
            alias = self.name('app')
            self.add('app', alias, [('use', name)])
            return alias
        return name

    def pipeline(self, depth: int, authenticated: bool) -> str:
        names = self.filters(authenticated)
        deeper = depth - 1 if self.often(15) else 0
        last = self.application(deeper, True, authenticated or bool(names))
        if ' ' in last:
            last = self.add('app', self.name('app'), [('use', last)])
        names.append(last)
        if self.often(10):
            shift = self.chance.randrange(len(names) + 1)
            variable = f'front{len(self.defaults)}'
            if self.often(75):
                part, names = names[:shift], names[shift:]
                names.insert(0, f'%({variable})s')
            else:
                part, names = names[shift:], names[:shift]
                names.append(f'%({variable})s')
            self.defaults.append((variable, ' '.join(part)))
        options = [('pipeline', self.laid_out(names))]
        if self.often(4):
            options.append(('filter-with', self.filter(self.any_filter())))
        return self.add('pipeline', self.name('pipe', spaces=self.often(5)),
                        options)

    def filter_app(self, depth: int, authenticated: bool) -> str:
        factory = (self.any_filter() if authenticated
                   else self.chance.choice(KNOWN_AUTH))
        following = self.application(depth - 1, True, True)
        made = (('use', self.filter(factory)) if self.often(40)
                else ('paste.filter_factory', factory))
        return self.add('filter-app', self.name('fapp'),
                        [made, ('next', following)])

    def use(self, depth: int, authenticated: bool) -> str:
        target = self.application(depth - 1, True, authenticated)
        return self.add('app', self.name('alias'), [('use', target)])

    def with_filter(self, depth: int, authenticated: bool) -> str:
        target = self.application(depth - 1, True, True)
        return self.add('app', self.name('with'), [
            ('use', target), ('filter-with', self.filter(
                self.chance.choice(KNOWN_AUTH + FILTERS)))])

    def composite(self, depth: int, authenticated: bool,
                  name: str | None = None) -> str:
        made, key = self.chance.choice([
            (('use', 'egg:Paste#urlmap'), '/v{}.0'),
            (('use', 'call:trove.common.wsgi:versioned_urlmap'), '/v{}.0'),
            (('use', 'call:trove.common.wsgi:versioned_urlmap'), '/v{}.0'),
            (('paste.composite_factory', 'paste.urlmap:urlmap_factory'),
             '/v{}.0'),
            (('use', 'egg:Paste#cascade'), 'app{}')])
        options = [made]
        for number in range(1, self.chance.choice([1, 1, 1, 2, 3]) + 1):
            options.append((key.format(number), self.application(
                max(depth - 1, 0 if authenticated else 1), True,
                authenticated)))
        if self.often(70):
            options.append((key.format(0), self.application(0, False)))
        if 'cascade' in made[1]:
            if self.often(50):
                options.append(('catch', '404 500'))
        elif self.often(10):
            options.append(('not_found_app', self.application(0, False)))
        self.chance.shuffle(options)
        return self.add(
            self.chance.choice(['composite', 'composite', 'composit']),
            name or self.name('map', spaces=True), options)

    def laid_out(self, names: list[str]) -> str:
        if self.often(40):
            return ' '.join(names)
        text = self.chance.choice(['', '\n  ', ' '])
        for name in names:
            text += name + self.chance.choice(
                [' ', '  ', '\t', ' \t ', '\n  ', '\n\t', '\n    ',
                 '\n\n  ', '\n  # why\n  ', '\n; why not\n  '])
        return text.rstrip(' \t') if self.often(80) else text

    def text(self) -> str:
        """A whole file."""
        if self.often(85):
            self.composite(3, False, 'trove')
        else:
            kind = self.pipeline if self.often(80) else self.filter_app
            root = kind(3, False)
            section, options = self.sections[-1]
            self.sections[-1] = (section.replace(root, 'trove'), options)
        for _number in range(self.chance.choice([0, 0, 1, 2])):
            self.unserved()
        self.chance.shuffle(self.sections)
        if self.defaults or self.often(10):
            self.sections.insert(0, ('DEFAULT', [
                *self.defaults, ('debug', 'no'), ('log', '%(here)s/log')]))
        parts = [self.section(*section) for section in self.sections]
        text = self.chance.choice(['', '\n', '# A paste file\n\n']) + (
            '\n'.join(parts))
        if self.often(15):
            text = text.rstrip('\n')
        elif self.often(10):
            text += '\n\n# the end'
        return self.chance.choice(
            [text, text, text, text.replace('\n', '\r\n')])

    def unserved(self) -> None:
        """What nothing leads to, sound or not."""
        kind = self.chance.randrange(4)
        if kind == 0:
            self.pipeline(1, False)
        elif kind == 1:
            self.add('pipeline', self.name('spare'), [
                ('pipeline', f'{self.filter(EXTENSIONS)} '
                             f'{self.application(0, True)}')])
        elif kind == 2:
            self.add('pipeline', self.name('spare'),
                     [('pipeline', 'gone %(nowhere)s more')])
        else:
            self.composite(1, False)

    def section(self, name: str, options: list[tuple[str, str]]) -> str:
        lines = [f'[{name}]']
        for option, value in options:
            if self.often(5):
                lines.append(self.chance.choice(['# a comment', '; another',
                                                 '', '#pipeline = a b c']))
            sign = self.chance.choice([' = '] * 3 + ['=', ' : ', ' =\t'])
            if ':' in option or option.startswith('/'):
                sign = self.chance.choice([': ', ' = '])
            lines.append(f'{option}{sign}{value}')
        return '\n'.join(lines) + self.chance.choice(['\n', '\n', '\n\n'])


# A file fails by its seed, which hypothesis prints and tries to make smaller.
TEXTS = strategies.integers(0, 2 ** 32).map(
    lambda seed: Writer(random.Random(seed)).text())
