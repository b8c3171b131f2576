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

"""What Trove itself accepts. Pure: no I/O, no settings.

Trove refuses some flavors whatever a datastore version requires. A list must
not offer them. Only the checks are mirrored here that depend on nothing but
the flavor, the datastore version, the instance and Trove's configuration.
They are the same in Trove 23 to 26.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import typing

from trove_flavor_filter import requirement


class Storage(typing.NamedTuple):
    """Where instances store their data: options of a manager in trove.conf.

    :ivar volume_support: whether on a volume in Cinder
    :ivar device_path: of the device with the data. Without volume support,
        this is the flavor's ephemeral disk
    """

    volume_support: bool
    device_path: str | None


# By the manager of a datastore version. A manager that is not Trove's is
# missing.
Storages = Mapping[str | None, Storage]


def applicable(wanted: requirement.Requirement, storage: Storage | None
               ) -> requirement.Requirement:
    """What a requirement requires of instances with such a storage.

    :param storage: as in :func:`for_create`
    """
    if (storage is None or storage.volume_support
            or not wanted.bounds_volume):
        return wanted
    return wanted.without_volume


def for_create(flavors: Sequence[requirement.Flavor], storage: Storage | None,
               wanted: requirement.Requirement
               ) -> Sequence[requirement.Flavor]:
    """The flavors on which Trove creates an instance or a cluster.

    Mirrors ``Instance.create`` and ``validate_instance_flavors``. Beside a
    volume they accept an ephemeral disk.

    :param flavors: allowed flavors
    :param storage: None if the datastore version has a manager that is not
        Trove's; then nothing is known about its storage
    :param wanted: what the datastore version requires
    :returns: those that are accepted, in the same order
    """
    if wanted.ignores_case and wanted.flavor_ids:
        # Trove compares associations exactly, even if the database does not.
        flavors = [flavor for flavor in flavors
                   if flavor.id in wanted.flavor_ids]
    # Trove's create treats an empty path as no path.
    if storage and not storage.volume_support and storage.device_path:
        return [flavor for flavor in flavors if flavor.ephemeral]
    return flavors


def for_resize(flavors: Sequence[requirement.Flavor], storage: Storage | None,
               present: requirement.Flavor | None, in_cluster: bool
               ) -> Sequence[requirement.Flavor]:
    """The flavors to which Trove resizes an instance.

    Mirrors ``Instance.resize_flavor``.

    :param flavors: allowed flavors
    :param storage: as in :func:`for_create`
    :param present: the instance's flavor; None if Nova no longer has it
    :param in_cluster: whether the instance is a member of a cluster
    :returns: those that are accepted, in the same order
    """
    if present is None or in_cluster:
        return []
    if storage and storage.volume_support:
        return [flavor for flavor in flavors
                if not flavor.ephemeral and flavor.id != present.id]
    if storage and storage.device_path is not None:
        return [flavor for flavor in flavors
                if flavor.ephemeral and flavor.id != present.id]
    return [flavor for flavor in flavors if flavor.id != present.id]
