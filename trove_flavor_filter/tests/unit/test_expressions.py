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

"""No regular expression of the product takes the square of a text's length.

Each is found in the source, and run on texts of its own characters, as it is
run there.
"""

import ast
from collections.abc import Iterator
import itertools
import pathlib
import re
import time
import typing

from oslotest import base

from trove_flavor_filter import wsgi

ROOT = pathlib.Path(__file__).parents[3]

# The methods that try each position of a text, and those that try the first.
SEARCHES = {'search', 'sub', 'split', 'findall', 'finditer'}
MATCHES = {'match', 'fullmatch'}

# Lengths of texts; an exponential expression is caught by one of the first.
SIZES = (16, 24, 32, 40, 48, 64, 96, 2000, 8000)
# Seconds: a linear expression takes a tenth of it for the longest text, a
# quadratic one many times as long.
BOUND = 0.015
# So much more may a text take that is four times as long.
GROWTH = 9

# What classes of characters stand for in a text.
CATEGORIES = {'CATEGORY_DIGIT': '0', 'CATEGORY_WORD': 'a',
              'CATEGORY_SPACE': ' '}
OTHER = '\x01'


def sources() -> Iterator[ast.Module]:
    for folder in ('trove_flavor_filter', 'dashboard'):
        for path in sorted((ROOT / folder).rglob('*.py')):
            if 'tests' not in path.relative_to(ROOT).parts:
                yield ast.parse(path.read_text())


def compiled(call: ast.AST) -> re.Pattern | None:
    """The expression of re.compile(), re.sub(), and so on; None without."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name('re'), attr=name),
                      args=[pattern, *more], keywords=keywords):
            if name == 'escape':
                return None
            # Flags are by name, or the last argument of compile().
            flags = [word.value for word in keywords if word.arg == 'flags']
            flags += more if name == 'compile' else []
            return re.compile(*(
                eval(ast.unparse(node), {'re': re})
                for node in (pattern, *flags)))
    return None


def expressions() -> dict[re.Pattern, set[str]]:
    """The expressions of the product, and the methods that run them."""
    found: dict[re.Pattern, set[str]] = {}
    constants: dict[str, re.Pattern] = {}
    nodes = [node for module in sources() for node in ast.walk(module)]
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                if pattern := compiled(value):
                    constants[name] = pattern
    for node in nodes:
        if pattern := compiled(node):
            found.setdefault(pattern, set()).add(node.func.attr)
        match node:
            case ast.Call(func=ast.Attribute(
                    value=ast.Name(name) | ast.Attribute(attr=name),
                    attr=method)) if name in constants:
                found.setdefault(constants[name], set()).add(method)
            case ast.Call(func=ast.Attribute(value=ast.Call() as call,
                                             attr=method)):
                if pattern := compiled(call):
                    found.setdefault(pattern, set()).add(method)
    return found


def routes() -> Iterator[tuple[re.Pattern, int]]:
    """The expression of each route, and the slashes of its paths."""
    for slashes, mapper in wsgi.by_slashes(wsgi.mapper()).items():
        # Routes makes the expressions for its first match.
        mapper.match('/', {})
        for route in mapper.matchlist:
            yield route.regmatch, slashes


def characters(parsed: typing.Any) -> Iterator[str]:
    """The characters that an expression names; '' where a run ends."""
    for kind, value in parsed:
        match f'{kind}':
            case 'LITERAL':
                yield chr(value)
            case 'RANGE':
                yield chr(value[0])
            case 'CATEGORY':
                yield CATEGORIES.get(f'{value}', OTHER)
            case 'NOT_LITERAL' | 'ANY' | 'NEGATE':
                yield 'a'
            case 'IN':
                yield from ('', *characters(value), '')
            case 'BRANCH':
                for branch in value[1]:
                    yield from ('', *characters(branch), '')
            case 'SUBPATTERN':
                yield from ('', *characters(value[-1]), '')
            case 'MAX_REPEAT' | 'MIN_REPEAT' | 'POSSESSIVE_REPEAT':
                yield from ('', *characters(value[-1]), '')
            case 'ASSERT' | 'ASSERT_NOT':
                yield from ('', *characters(value[-1]), '')
            case _:
                yield ''


def texts(pattern: re.Pattern, size: int) -> Iterator[str]:
    """Texts made to hurt: one or two parts of an expression, repeated."""
    source = pattern.pattern
    if isinstance(source, bytes):
        source = source.decode('latin-1')
    named = [*characters(re._parser.parse(source, pattern.flags & re.X))]
    runs = {''.join(run) for ends, run in itertools.groupby(
        named, lambda character: character == '') if not ends}
    whole = ''.join(named)
    beginnings = dict.fromkeys(itertools.accumulate(
        ''.join(run) for _ends, run in itertools.groupby(named, bool)))
    parts = [*dict.fromkeys(['a', '.', *filter(None, named)])][:5]
    parts += sorted(runs, key=len)[-2:]
    for one, two in itertools.product(parts, ['', *parts]):
        repeated = (one + two) * (size // len(one + two))
        for before, after in itertools.product(
                {'', *[*beginnings][-4:]}, (OTHER, f'{OTHER}{whole}', '/')):
            yield before + repeated + after


def took(pattern: re.Pattern, method: str, text: typing.Any) -> float:
    """Seconds of CPU that a match takes: the shortest of three."""
    run = getattr(pattern, method)
    times = []
    for _turn in range(3):
        begun = time.process_time()
        if method == 'sub':
            run(text[:0], text)
        elif method == 'finditer':
            list(run(text))
        else:
            run(text)
        times.append(time.process_time() - begun)
        if times[-1] < BOUND:
            break
    return min(times)


def slow(pattern: re.Pattern, methods: set[str],
         slashes: int | None = None) -> str | None:
    """A text that takes too long; None if there is none.

    :param slashes: that each text has; None for any number
    """
    for method in sorted(methods & (SEARCHES | MATCHES)):
        for pair in itertools.zip_longest(*(
                texts(pattern, size) for size in SIZES)):
            times = []
            for text in pair:
                if slashes not in (None, text.count('/')):
                    continue
                if isinstance(pattern.pattern, bytes):
                    text = text.encode('latin-1')
                times.append(took(pattern, method, text))
                if times[-1] >= BOUND and times[-1] > GROWTH * max(
                        [*times[-2:-1], 1e-6]):
                    return f'{method}: {text[:40]!r} of {len(text)}'
    return None


class ExpressionsTest(base.BaseTestCase):

    def test_none_takes_the_square_of_a_texts_length(self):
        found = expressions()
        self.assertLess(15, len(found))
        for pattern, methods in found.items():
            with self.subTest(pattern=pattern.pattern):
                self.assertNotEqual(set(), methods & (SEARCHES | MATCHES))
                self.assertIsNone(slow(pattern, methods))

    def test_nor_does_that_of_a_route(self):
        for pattern, slashes in routes():
            with self.subTest(pattern=pattern.pattern):
                self.assertIsNone(slow(pattern, {'match'}, slashes))

    def test_one_that_does_is_noticed(self):
        for source, method in (
                ('/+$', 'search'), ('(a+)+b', 'match'),
                (r'(\w|aa)*!', 'match'), ('a.*b', 'search'),
                (r'\s*,', 'sub'), ('x*x*y', 'match'),
                ('[ ,]*"', 'search'), (r'<[^>]*>', 'findall'),
                (r'([^.]+\.?)*/', 'match'), (b'(%[0-9]*)*%$', 'search')):
            self.assertIsNotNone(slow(re.compile(source), {method}), source)
