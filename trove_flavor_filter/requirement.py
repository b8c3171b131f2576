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

"""Which flavors a datastore version allows. Pure: no I/O, no settings."""

from collections.abc import Iterable
import dataclasses
import typing


class Flavor(typing.NamedTuple):
    """A Nova flavor, as far as the plugin cares.

    :ivar id: Nova's ``flavorid``, always a string
    :ivar name: unique in Nova
    :ivar ram: MiB
    :ivar vcpus: count
    :ivar disk: root disk, GiB
    :ivar ephemeral: ephemeral disk, GiB
    :ivar projects: ids of the projects that may use it; None when all may
    """

    id: str
    name: str
    ram: int
    vcpus: int
    disk: int
    ephemeral: int
    projects: frozenset[str] | None = None

    def visible_to(self, project_id: str) -> bool:
        """Whether Nova would show this flavor to a project."""
        return self.projects is None or project_id in self.projects


@dataclasses.dataclass(frozen=True)
class Requirement:
    """What a datastore version requires of a flavor.

    :ivar flavor_ids: the associated flavors; when empty, nothing is
        associated and every flavor is allowed, as in Trove's own
        ``list_datastore_version_flavor_associations``
    """

    flavor_ids: frozenset[str] = frozenset()

    def allows(self, flavor: Flavor) -> bool:
        """Whether the datastore version may run on a flavor."""
        return not self.flavor_ids or flavor.id in self.flavor_ids

    def select(self, flavors: Iterable[Flavor]) -> list[Flavor]:
        """The allowed ones of some flavors, in the order given."""
        return [flavor for flavor in flavors if self.allows(flavor)]
