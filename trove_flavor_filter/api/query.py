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

"""Read the query parameters of a request."""

from collections.abc import Callable
from collections.abc import Mapping
import typing

import webob

from trove_flavor_filter.declaration import problems
from trove_flavor_filter import exception


def read(request: webob.Request,
         known: Mapping[str, Callable[[str], typing.Any]]
         ) -> dict[str, typing.Any]:
    """The query parameters that are given.

    :param known: converts the text of a parameter, by its name; raises
        ValueError
    :raises BadRequest: some are invalid; the message lists every problem
    """
    try:
        given = request.GET.mixed()
    except UnicodeDecodeError as error:
        raise exception.BadRequest(
            'Invalid query string.') from error
    found, mistakes = {}, []
    for name, value in given.items():
        try:
            if name not in known:
                raise ValueError(
                    f'unknown parameter {name[:60]!r}; known parameters: '
                    f'{", ".join(known) or "none"}')
            if not isinstance(value, str):
                raise ValueError(f'the parameter {name} is given twice')
            found[name] = known[name](value)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise exception.BadRequest(
            f'The query is invalid: {problems.joined(mistakes)}.')
    return found


def number(request: webob.Request, name: str, most: int) -> int:
    """A query parameter with a number, where other parameters are ignored.

    :returns: 0 if it is not given
    :raises BadRequest: it is not a number from 1 to most
    """
    try:
        text = request.GET.get(name)
    except UnicodeDecodeError:
        return 0
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))
            and 1 <= int(text) <= most):
        raise exception.BadRequest(
            f'The parameter {name} must be a number from 1 to {most}.')
    return int(text)
