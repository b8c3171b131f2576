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

"""Read the JSON body of a request, within limits of size and nesting."""

from collections.abc import Callable
import itertools
import re
import typing

from oslo_serialization import jsonutils
import webob

from trove_flavor_filter import exception

# The maximum depth of nested brackets in a body. Trove's own bodies need
# eight. Trove's parser and other code fail at some hundreds, depending on the
# depth of the call stack.
DEEPEST = 100

# The maximum number of lists and objects in a body. Those of ten thousand
# requirements, or of a thousand nodes, are fewer. A million of them would take
# a second to parse.
MOST = 50_000

# A JSON string; if its closing quote is missing, the rest of the document.
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
STEPS = {ord('['): 1, ord('{'): 1, ord(']'): -1, ord('}'): -1}
NO_BRACKETS = bytes(set(range(256)) - STEPS.keys())

Document = dict[str, typing.Any]
Pairs = list[tuple[str, typing.Any]]


def read(environ: dict[str, typing.Any], largest: int | None = None,
         pairs: Callable[[Pairs], Document] = dict) -> Document | None:
    """The JSON object in a request's body, parsed with Trove's library.

    :param largest: the maximum size of the body, in bytes. With a maximum,
        the body cannot be read again; without one, it can
    :param pairs: builds an object from its keys and values
    :returns: None if there is no body
    :raises BadRequest: it is not a JSON object
    :raises TooLarge: it is larger than the maximum
    """
    request = webob.Request(environ)
    if (request.content_length is None and 'chunked'
            in environ.get('HTTP_TRANSFER_ENCODING', '').lower()):
        # A chunked body has no Content-Length. Not all servers set
        # wsgi.input_terminated for it; without this line, neither the guard
        # nor Trove would see the body.
        request.is_body_readable = True
    try:
        raw = (request.body if largest is None
               else _bounded(request, largest))
    except (OSError, ValueError) as error:
        # The client has disconnected, or a chunk size is not a number.
        raise exception.BadRequest(
            'The body of the request cannot be read to its end.') from error
    if not raw:
        return None
    # Compared exactly, as in Trove. Trove can read XML as well, which no
    # current client needs.
    if request.content_type != 'application/json':
        raise exception.BadRequest(
            'The content type of a request must be application/json.')
    _check_nesting(raw)
    try:
        # Trove's library accepts UTF-16 as well, but then Trove fails.
        body = jsonutils.loads(raw.decode(), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise exception.BadRequest('Malformed request body') from error
    return as_object(body, 'request body')


def _bounded(request: webob.Request, largest: int) -> bytes:
    if (request.content_length or 0) > largest:
        raise exception.TooLarge(
            f'The body of a request must not exceed {largest} bytes.')
    chunks, left = [], largest + 1
    # A server may return only the part that has arrived so far.
    while left and (chunk := request.body_file.read(left)):
        chunks.append(chunk)
        left -= len(chunk)
    if not left:
        raise exception.TooLarge(
            f'The body of a request must not exceed {largest} bytes.')
    return b''.join(chunks)


def _check_nesting(raw: bytes) -> None:
    """Check how many lists and objects a JSON document has, and how deep.

    The brackets are counted without recursion, so that the result does not
    depend on the depth of the call stack.

    :raises BadRequest: too many, or too deep
    """
    if raw.count(b'[') + raw.count(b'{') <= DEEPEST:
        return
    brackets = STRING.sub(b'', raw).translate(None, NO_BRACKETS)
    if len(brackets) > 2 * MOST:
        raise exception.BadRequest(
            f'The request body has too many lists and objects (maximum '
            f'{MOST}).')
    depth = max(itertools.accumulate(map(STEPS.__getitem__, brackets)),
                default=0)
    if depth > DEEPEST:
        raise exception.BadRequest(
            f'The request body is nested too deeply (maximum {DEEPEST}).')


def as_object(value: typing.Any, name: str) -> Document:
    """Return a value that must be a JSON object.

    :param name: the name of the value, for the message
    :raises BadRequest: it is not an object
    """
    if not isinstance(value, dict):
        raise exception.BadRequest(f'The {name} must be an object.')
    return value
