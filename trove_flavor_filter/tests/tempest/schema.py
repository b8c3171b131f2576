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

"""What an answer must look like: jsonschema, and nothing left open."""

from tempest.lib.api_schema.response.compute.v2_1 import parameter_types

FLAVOR = {
    'type': 'object',
    'properties': {
        # None for an id that is not a number; "str_id" is always there.
        'id': {'type': ['integer', 'null']},
        'str_id': {'type': 'string', 'minLength': 1},
        'name': {'type': 'string', 'minLength': 1},
        'ram': {'type': 'integer', 'minimum': 0},
        'vcpus': {'type': 'integer', 'minimum': 1},
        'disk': {'type': 'integer', 'minimum': 0},
        'ephemeral': {'type': 'integer', 'minimum': 0},
        # Where instances keep their data on the ephemeral disk.
        'local_storage': {'type': 'integer', 'minimum': 0},
        'links': parameter_types.links | {'minItems': 2, 'maxItems': 2},
    },
    'additionalProperties': False,
    'required': ['id', 'str_id', 'name', 'ram', 'vcpus', 'disk', 'ephemeral',
                 'links'],
}

LIST_FLAVORS = {
    'status_code': [200],
    'response_body': {
        'type': 'object',
        'properties': {'flavors': {'type': 'array', 'items': FLAVOR}},
        'additionalProperties': False,
        'required': ['flavors'],
    },
}

# Of an error, within the member that is named for its kind, which is all
# that tempest's client keeps.
FAULT = {
    'type': 'object',
    'properties': {
        'code': {'type': 'integer', 'minimum': 400, 'maximum': 599},
        'message': {'type': 'string', 'minLength': 1},
    },
    'additionalProperties': False,
    'required': ['code', 'message'],
}
