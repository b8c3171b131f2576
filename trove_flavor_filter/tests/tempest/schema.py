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

SIZE = {'type': ['integer', 'null'], 'minimum': 1}

# Where the size of the data volume is bounded.
VOLUME = {
    'type': 'object',
    'properties': {'min_size': SIZE, 'max_size': SIZE},
    'additionalProperties': False,
    'required': ['min_size', 'max_size'],
}

LIST_FLAVORS = {
    'status_code': [200],
    'response_body': {
        'type': 'object',
        'properties': {'flavors': {'type': 'array', 'items': FLAVOR},
                       'volume': VOLUME},
        'additionalProperties': False,
        'required': ['flavors'],
    },
}

VERSION_FLAVORS = {
    'type': 'object',
    'properties': {
        'id': {'type': 'string', 'minLength': 1},
        'name': {'type': 'string', 'minLength': 1},
        'version': {'type': ['string', 'null']},
        # Of "str_id" of each flavor.
        'flavors': {'type': 'array', 'uniqueItems': True,
                    'items': {'type': 'string', 'minLength': 1}},
        'volume': VOLUME,
        'left_out': {
            'type': 'object',
            'properties': {
                'count': {'type': 'integer', 'minimum': 0},
                'flavors': {'type': 'array', 'items': {
                    'type': 'object',
                    'properties': {
                        'str_id': {'type': 'string', 'minLength': 1},
                        'name': {'type': 'string'},
                        'reasons': {'type': 'array', 'minItems': 1,
                                    'items': {'type': 'string'}}},
                    'additionalProperties': False,
                    'required': ['str_id', 'name', 'reasons']}}},
            'additionalProperties': False,
            'required': ['count', 'flavors']},
        'volume_types': {'type': 'array', 'minItems': 1, 'uniqueItems': True,
                         'items': {'type': 'string', 'minLength': 1}},
    },
    'additionalProperties': False,
    'required': ['id', 'name', 'version', 'flavors'],
}

LIST_DATASTORE_FLAVORS = {
    'status_code': [200],
    'response_body': {
        'type': 'object',
        'properties': {
            'datastore_versions': {'type': 'array', 'items': VERSION_FLAVORS},
            'flavors': {'type': 'array', 'items': FLAVOR}},
        'additionalProperties': False,
        'required': ['datastore_versions', 'flavors'],
    },
}

OPTIONAL_TEXT = {'type': ['string', 'null']}

# As in Trove's own list of datastore versions.
VERSION = {
    'type': 'object',
    'properties': {
        'id': {'type': 'string', 'minLength': 1},
        'name': {'type': 'string', 'minLength': 1},
        'version': OPTIONAL_TEXT,
        'datastore': {'type': 'string', 'minLength': 1},
        'links': parameter_types.links | {'minItems': 2, 'maxItems': 2},
        # For administrators.
        'active': {'type': 'boolean'},
        'packages': OPTIONAL_TEXT,
        'image': OPTIONAL_TEXT,
        'image_tags': {'type': 'array', 'items': {'type': 'string'}},
        'registry_ext': OPTIONAL_TEXT,
        'repl_strategy': OPTIONAL_TEXT,
    },
    'additionalProperties': False,
    'required': ['id', 'name', 'version', 'datastore', 'links'],
}

LIST_VERSIONS = {
    'status_code': [200],
    'response_body': {
        'type': 'object',
        'properties': {
            'datastore_versions': {'type': 'array', 'items': VERSION}},
        'additionalProperties': False,
        'required': ['datastore_versions'],
    },
}

# Of an error, within the member that is named for its kind, which is all
# that tempest's client keeps.
FAULT = {
    'type': 'object',
    'properties': {
        'code': {'type': 'integer', 'minimum': 400, 'maximum': 599},
        'message': {'type': 'string', 'minLength': 1},
        # Of a document that cannot be taken.
        'more_problems': {'type': 'integer', 'minimum': 1},
        'problems': {
            'type': 'array', 'minItems': 1, 'maxItems': 100, 'items': {
                'type': 'object',
                'properties': {
                    'pointer': {'type': 'string',
                                'pattern': '^(/([^/~]|~[01])*)*$'},
                    'message': {'type': 'string', 'minLength': 1},
                },
                'additionalProperties': False,
                'required': ['pointer', 'message'],
            }},
    },
    'additionalProperties': False,
    'required': ['code', 'message'],
}

LIMIT = {'type': ['integer', 'null'], 'minimum': 1}
TEXT = {'type': 'string', 'minLength': 1}

REQUIREMENT = {
    'type': 'object',
    'properties': {
        'datastore_version_id': TEXT,
        'datastore': TEXT,
        'datastore_version': TEXT,
        'flavors': {'type': 'array', 'items': TEXT},
        **{f'{which}_{what}': LIMIT for which in ('min', 'max')
           for what in ('ram', 'vcpus', 'disk', 'volume')},
        'extra_specs': {
            'type': 'object', 'additionalProperties': {
                'type': ['string', 'array'], 'items': {'type': 'string'}}},
        'enforcement': {'enum': ['warn', None]},
    },
    'additionalProperties': False,
}
REQUIREMENT['required'] = sorted(REQUIREMENT['properties'])


def of(**properties: dict) -> dict:
    """The schema of an answer with 200 that has all of these, and no more."""
    return {'status_code': [200], 'response_body': {
        'type': 'object', 'properties': properties,
        'additionalProperties': False, 'required': sorted(properties)}}


SHOW_REQUIREMENT = of(flavor_requirement=REQUIREMENT)
LIST_REQUIREMENTS = of(flavor_requirements={
    'type': 'array', 'items': REQUIREMENT})
VIOLATION = {
    'type': 'object',
    'properties': {
        **dict.fromkeys(('instance_id', 'datastore_version_id', 'datastore',
                         'datastore_version', 'flavor_id'), TEXT),
        **dict.fromkeys(('instance_name', 'project_id', 'cluster_id',
                         'flavor_name'), {'type': ['string', 'null']}),
        'reasons': {'type': 'array', 'minItems': 1, 'items': TEXT},
    },
    'additionalProperties': False,
}
VIOLATION['required'] = sorted(VIOLATION['properties'])
LIST_VIOLATIONS = of(flavor_requirement_violations={
    'type': 'array', 'items': VIOLATION})
# The link to the next page is there only if there is one.
LIST_VIOLATIONS['response_body']['properties']['links'] = (
    parameter_types.links | {'minItems': 1, 'maxItems': 1})
COUNT = {'type': 'integer', 'minimum': 0}
IDS = {'type': 'array', 'items': TEXT}
# Of a dry run.
IMPACT = {
    'type': 'object',
    'properties': {
        'violations_added': COUNT, 'violations_ended': COUNT,
        'projects': COUNT, 'flavors_allowed': IDS, 'flavors_refused': IDS,
        'instances': {'type': 'array', 'maxItems': 100, 'items': VIOLATION},
    },
    'additionalProperties': False,
}
IMPACT['required'] = sorted(IMPACT['properties'])
ROWS = {'type': 'array', 'items': {
    'type': 'object',
    'properties': {'key': TEXT, 'value': {'type': 'string'}, 'name': TEXT},
    'additionalProperties': False,
    'required': ['key', 'value']}}
CHANGES = of(warnings={'type': 'array', 'items': TEXT},
             flavor_requirement_changes={'type': 'array', 'items': {
                 'type': 'object',
                 'properties': {
                     'datastore_version_id': TEXT, 'datastore': TEXT,
                     'datastore_version': TEXT, 'added': ROWS,
                     'removed': ROWS, 'impact': IMPACT},
                 'additionalProperties': False,
                 'required': ['datastore_version_id', 'datastore',
                              'datastore_version', 'added', 'removed']}})
