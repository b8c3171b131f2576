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

"""Create an active server in Nova's database: SERVER_ID PROJECT FLAVOR.

There is no hypervisor. Nova's own objects write the rows that nova-compute
would write. The configuration file is in OS_NOVA_CONFIG_DIR.
"""

import os
import sys

from nova import config
from nova import context as nova_context
from nova import objects
from nova.objects import fields


def main() -> None:
    server_id, project_id, flavor_id = sys.argv[1:]
    config.parse_args(['nova', '--config-file', os.path.join(
        os.environ['OS_NOVA_CONFIG_DIR'], 'nova.conf')])
    objects.register_all()
    context = nova_context.RequestContext(
        'user', project_id, is_admin=True)
    cell = next(cell for cell in objects.CellMappingList.get_all(context)
                if not cell.is_cell0())
    flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
    with nova_context.target_cell(context, cell) as in_cell:
        objects.Instance(
            in_cell, uuid=server_id, project_id=project_id, user_id='user',
            display_name=server_id, hostname='server', host='cloud',
            vm_state='active', task_state=None, power_state=1,
            image_ref='', flavor=flavor, old_flavor=None, new_flavor=None,
            instance_type_id=flavor.id, memory_mb=flavor.memory_mb,
            vcpus=flavor.vcpus, root_gb=flavor.root_gb,
            ephemeral_gb=flavor.ephemeral_gb, system_metadata={},
            metadata={},
            info_cache=objects.InstanceInfoCache(
                in_cell, instance_uuid=server_id,
                network_info=fields.NetworkModel().coerce(
                    None, 'network_info', '[]'))).create()
    objects.InstanceMapping(
        context, instance_uuid=server_id, cell_mapping=cell,
        project_id=project_id, user_id='user',
        queued_for_delete=False).create()


if __name__ == '__main__':
    main()
