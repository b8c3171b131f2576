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

"""Stacks of Heat: its engine and its resources, without its API.

This is a program, since Heat has its own global configuration. The cloud is
that of the OS_* variables. Standard input has JSON: the id of an instance, the
resources that Heat adopts with it, and a list of resources that this stack is
updated to, one after the other; or no instance, and stacks to create. Standard
output has the state of the stack and its reason after each step.
"""

import json
import logging
import os
import pathlib
import sys
import tempfile
import typing

from heat.common import context
from heat.common import exception
from heat.common import messaging
from heat.db import migration
from heat.engine import environment
from heat.engine import resources
from heat.engine import stack
from heat.engine import template
from oslo_config import cfg

Resources = dict[str, typing.Any]


def configure(folder: pathlib.Path) -> None:
    (folder / 'heat.conf').write_text(f"""
[DEFAULT]
auth_encryption_key = {os.urandom(16).hex()}
deferred_auth_method = password
region_name_for_services = {os.environ['OS_REGION_NAME']}
[database]
connection = sqlite:///{folder}/heat.sqlite
[clients_keystone]
auth_uri = {os.environ['OS_AUTH_URL']}
[oslo_messaging_notifications]
driver = noop
""")
    # Each of its types that is deprecated is a line.
    logging.getLogger('heat').setLevel(logging.ERROR)
    cfg.CONF(['--config-file', str(folder / 'heat.conf')], project='heat')
    messaging.setup('fake://')
    migration.db_sync()
    resources.initialise()


def make(of: Resources, number: int, adopted: dict | None = None
         ) -> stack.Stack:
    user = context.RequestContext(
        username=os.environ['OS_USERNAME'],
        password=os.environ['OS_PASSWORD'],
        project_id=os.environ['OS_PROJECT_ID'],
        project_name=os.environ['OS_PROJECT_NAME'],
        user_domain_id=os.environ['OS_USER_DOMAIN_ID'],
        auth_url=os.environ['OS_AUTH_URL'], is_admin=False)
    return stack.Stack(
        user, f'stack-{number}', template.Template(
            {'heat_template_version': '2021-04-16', 'resources': of},
            env=environment.Environment({})),
        # Of a database that Trove builds nothing is ever up.
        timeout_mins=1, adopt_stack_data=adopted, convergence=False)


def answer(made: stack.Stack) -> dict[str, str]:
    return {'state': '_'.join(made.state), 'reason': made.status_reason}


def create(of: Resources, number: int) -> dict[str, str]:
    made = make(of, number)
    try:
        # As heat-engine does before it makes a stack.
        made.validate()
    except exception.StackValidationFailed as error:
        return {'state': 'not created', 'reason': str(error)}
    made.store()
    made.create()
    return answer(made)


def adopt(of: Resources, instance_id: str) -> stack.Stack:
    made = make(of, 0, {'resources': {
        name: {'resource_id': instance_id, 'resource_data': {},
               'metadata': {}} for name in of}})
    made.store()
    made.adopt()
    return made


def main() -> None:
    order = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix='heat-') as folder:
        configure(pathlib.Path(folder))
        answers = [create(of, number)
                   for number, of in enumerate(order['create'])]
        if order['instance']:
            made = adopt(order['adopt'], order['instance'])
            answers.append(answer(made))
            for of in order['update']:
                made.update(make(of, 0))
                answers.append(answer(made))
    json.dump(answers, sys.stdout)


if __name__ == '__main__':
    main()
