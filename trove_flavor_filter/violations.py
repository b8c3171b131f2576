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

"""Which instances break a requirement. Pure: no I/O, no settings.

An instance is judged by combinations: a datastore version that it may run, the
id of its flavor, and the size of its volume. There are few of them, however
many instances there are.
"""

from collections.abc import Iterable
import typing

from trove_flavor_filter import requirement

GONE = 'is no longer in Nova'


class Instance(typing.NamedTuple):
    """An instance, with what it is judged by.

    :ivar volume_size: GiB of the data volume; 0 without one
    :ivar version_ids: ids of the datastore versions that it may run: the one
        in its row, then the others
    """

    id: str
    name: str | None
    project_id: str | None
    cluster_id: str | None
    flavor_id: str
    volume_size: int
    version_ids: tuple[str, ...]


class Violation(typing.NamedTuple):
    """An instance, and a datastore version that does not allow its hardware.

    The fields are those of the JSON document.

    :ivar datastore_version_id: of the version that does not allow it:
        the one in the instance's row, if it may run several such
    :ivar flavor_name: None if Nova no longer has the flavor
    """

    instance_id: str
    instance_name: str | None
    project_id: str | None
    cluster_id: str | None
    datastore_version_id: str
    datastore: str
    datastore_version: str
    flavor_id: str
    flavor_name: str | None
    reasons: list[str]


class Impact(typing.NamedTuple):
    """What a change of one datastore version's requirement does.

    The fields are those of the JSON document.

    :ivar violations_added: the number of instances that newly break it
    :ivar violations_ended: the number of instances that no longer break it
    :ivar projects: the number of projects whose instances newly break it
    :ivar flavors_allowed: ids of the flavors that it newly allows
    :ivar flavors_refused: ids of the flavors that it no longer allows
    :ivar instances: the first of those that newly break it
    """

    violations_added: int
    violations_ended: int
    projects: int
    flavors_allowed: list[str]
    flavors_refused: list[str]
    instances: list[Violation]

    def document(self) -> dict[str, typing.Any]:
        """The impact as a JSON document."""
        return {**self._asdict(), 'instances': [
            violation._asdict() for violation in self.instances]}


class Judge:
    """Judges instances by the requirements of datastore versions.

    Nobody bypasses a requirement here, since there is no caller.

    :param requirements: of the datastore versions that judge
    :param flavors: all of Nova's flavors
    """

    def __init__(self, requirements: Iterable[tuple[
            requirement.Version, requirement.Requirement]],
            flavors: Iterable[requirement.Flavor]):
        self._requirements = {version.id: (version, wanted)
                              for version, wanted in requirements
                              if not wanted.is_empty}
        self._flavors = {flavor.id: flavor for flavor in flavors}
        # Nova accepts other spellings of an id if its database does.
        self._folded = {flavor.id.lower(): flavor
                        for flavor in self._flavors.values()}
        self._allowed: dict[str, frozenset[str]] = {}

    def breaks(self, version_id: str, flavor_id: str,
               volume_size: int) -> bool:
        """Whether a datastore version does not allow a flavor or a volume.

        :param volume_size: GiB; 0 for no volume
        """
        if version_id not in self._requirements:
            return False
        _version, wanted = self._requirements[version_id]
        if volume_size and wanted.volume_violations(volume_size):
            return True
        if flavor_id not in self._flavors:
            return bool(self._reasons(version_id, flavor_id, 0))
        if version_id not in self._allowed:
            self._allowed[version_id] = frozenset(
                flavor.id for flavor in wanted.select(self._flavors.values()))
        return flavor_id not in self._allowed[version_id]

    def judge(self, instance: Instance) -> Violation | None:
        """What an instance breaks; None if it breaks nothing."""
        broken = [version_id for version_id in instance.version_ids
                  if self.breaks(version_id, instance.flavor_id,
                                 instance.volume_size)]
        if not broken:
            return None
        shown, *others = broken
        hardware = instance.flavor_id, instance.volume_size
        reasons = self._reasons(shown, *hardware)
        if shown != instance.version_ids[0]:
            reasons.append('the instance may still run this version after an '
                           'upgrade')
        for version_id in others:
            version, _wanted = self._requirements[version_id]
            reasons += [
                f'{reason} (of {version}, which the instance may still run '
                f'after an upgrade)'
                for reason in self._reasons(version_id, *hardware)]
        version, _wanted = self._requirements[shown]
        flavor = self._find(instance.flavor_id)
        return Violation(
            instance.id, instance.name, instance.project_id,
            instance.cluster_id, version.id, version.datastore, version.name,
            instance.flavor_id, flavor.name if flavor else None, reasons)

    def _reasons(self, version_id: str, flavor_id: str,
                 volume_size: int) -> list[str]:
        _version, wanted = self._requirements[version_id]
        flavor = self._find(flavor_id)
        return [
            *(wanted.violations(flavor._replace(id=flavor_id)) if flavor
              else [*wanted.violations_by_id(flavor_id), GONE]),
            *(wanted.volume_violations(volume_size) if volume_size else ())]

    def _find(self, flavor_id: str) -> requirement.Flavor | None:
        return (self._flavors.get(flavor_id)
                or self._folded.get(flavor_id.lower()))
