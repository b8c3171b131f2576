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

"""The ETags in If-Match and If-None-Match (RFC 9110, 13.1).

webob's own parser takes an empty header for an absent one. It also misses an
ETag after a comma without a space: that is how servers join two headers of
the same name.
"""

import re

# An element of a list, after empty elements.
ELEMENT = re.compile(r'[ \t,]*(W/)?"([^"]*)"[ \t]*(?:,|\Z)')

# What a proxy may append to an ETag when it compresses the answer.
CODING = re.compile(r'(?:[-;]+[a-z]+)?')


def match(header: str, tag: str, weak: bool) -> bool | None:
    """Whether a header has an ETag.

    :param header: the value of If-Match or If-None-Match
    :param tag: the ETag, without quotes
    :param weak: whether a weak ETag in the header counts
    :returns: None if the header is empty or not a list of ETags
    """
    header = header.strip(' \t,')
    if header == '*':
        return True
    found = None
    end = 0
    while end < len(header):
        element = ELEMENT.match(header, end)
        if element is None:
            return None
        end = element.end()
        is_weak, opaque = element.groups()
        found = found or bool(
            (weak or not is_weak) and opaque.startswith(tag)
            and CODING.fullmatch(opaque, len(tag)))
    return found
