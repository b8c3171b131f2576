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

"""A list of flavors at a moment: what processes share, as text."""

from collections.abc import Sequence

from oslo_serialization import jsonutils

from trove_flavor_filter import requirement


class Snapshot:
    """A list of flavors, and when Nova gave it.

    :ivar fetched: seconds since the epoch
    :ivar flavors: all of them, in Nova's order
    :ivar pieces: for views: parts of documents, by flavor id
    """

    def __init__(self, fetched: float,
                 flavors: Sequence[requirement.Flavor]):
        self.fetched = fetched
        self.flavors = flavors
        self.by_id = {flavor.id: flavor for flavor in flavors}
        self.pieces: dict[str, tuple[str, str, str]] = {}
        self._any_private = any(
            flavor.projects is not None for flavor in flavors)

    def visible_to(self, project_id: str) -> Sequence[requirement.Flavor]:
        """The flavors that a project may see, in Nova's order."""
        if not self._any_private:
            return self.flavors
        return [flavor for flavor in self.flavors
                if flavor.visible_to(project_id)]

    def to_text(self) -> str:
        return jsonutils.dumps([self.fetched, [
            [*flavor[:-1], None if flavor.projects is None
             else sorted(flavor.projects)]
            for flavor in self.flavors]])

    @classmethod
    def from_text(cls, text: str) -> 'Snapshot':
        """What :meth:`to_text` has made.

        :raises Exception: something else has; of whatever kind
        """
        fetched, rows = jsonutils.loads(text)
        return cls(float(fetched), [
            requirement.Flavor._make(
                [*row[:-1], None if row[-1] is None else frozenset(row[-1])])
            for row in rows])
