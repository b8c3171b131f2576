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

"""The JSON body of a request, read whole and in bounds."""

from collections.abc import Callable
import itertools
import re
import typing

from oslo_serialization import jsonutils
import webob

from trove_flavor_filter import exception

# Brackets within brackets that a body may have. Trove's own bodies need eight;
# its parser and the rest of it give in after some hundreds, depending on who
# has called them.
DEEPEST = 100

# A string of JSON; in a broken document, all that follows its first quote.
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
STEPS = {ord('['): 1, ord('{'): 1, ord(']'): -1, ord('}'): -1}
NO_BRACKETS = bytes(set(range(256)) - STEPS.keys())

Document = dict[str, typing.Any]
Pairs = list[tuple[str, typing.Any]]


def read(environ: dict[str, typing.Any], largest: int | None = None,
         pairs: Callable[[Pairs], Document] = dict) -> Document | None:
    """The JSON object of a request's body, by the library that Trove uses.

    :param largest: bytes that the body may have. A body that is read in
        bounds cannot be read again; without, it is left as it came
    :param pairs: makes an object of its keys and values
    :returns: None when there is no body
    :raises BadRequest: it is not a JSON object
    :raises TooLarge: it has more bytes
    """
    request = webob.Request(environ)
    if (request.content_length is None and 'chunked'
            in environ.get('HTTP_TRANSFER_ENCODING', '').lower()):
        # A chunked body ends by itself, which servers know and some do not
        # say; neither the guard nor Trove would see it otherwise.
        request.is_body_readable = True
    try:
        raw = (request.body if largest is None
               else _bounded(request, largest))
    except (OSError, ValueError) as error:
        # A client that has gone, or chunks whose sizes are no numbers.
        raise exception.BadRequest(
            'The body of the request cannot be read to its end.') from error
    if not raw:
        return None
    # To the letter, as Trove compares; it has a reader of XML as well, that
    # no client of this decade needs.
    if request.content_type != 'application/json':
        raise exception.BadRequest(
            'The content type of a request must be application/json.')
    if _depth(raw) > DEEPEST:
        raise exception.BadRequest(
            'The request body has too many brackets within brackets.')
    try:
        # Trove's library would take UTF-16 as well, and Trove then fails.
        body = jsonutils.loads(raw.decode(), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise exception.BadRequest('Malformed request body') from error
    return as_object(body, 'request body')


def _bounded(request: webob.Request, largest: int) -> bytes:
    if (request.content_length or 0) > largest:
        raise exception.TooLarge(
            f'The body of a request may have {largest} bytes.')
    raw = b''
    # A server gives what has come so far.
    while chunk := request.body_file.read(largest + 1 - len(raw)):
        raw += chunk
        if len(raw) > largest:
            raise exception.TooLarge(
                f'The body of a request may have {largest} bytes.')
    return raw


def _depth(raw: bytes) -> int:
    """How many brackets a JSON document has within one another.

    Counted, so that the answer does not depend on how deep in calls we are.
    """
    brackets = STRING.sub(b'', raw).translate(None, NO_BRACKETS)
    return max(itertools.accumulate(map(STEPS.__getitem__, brackets)),
               default=0)


def as_object(value: typing.Any, name: str) -> Document:
    """A value that must be a JSON object.

    :param name: of the value, for the message
    :raises BadRequest: it is none
    """
    if not isinstance(value, dict):
        raise exception.BadRequest(f'The {name} must be an object.')
    return value
