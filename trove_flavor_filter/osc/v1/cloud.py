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

"""The requests to Trove and Nova by the administrators' commands."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import random
import re
import time
import types
import typing
import urllib.parse

from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions

from trove_flavor_filter.declaration import document
from trove_flavor_filter.osc.v1 import flavors
from trove_flavor_filter import requirement

ALL = '/mgmt/flavor-requirements'
VIOLATIONS = '/mgmt/flavor-requirement-violations'

# The maximum number of tries for a change that conflicts with others, and the
# maximum time between two tries in seconds.
TRIES = 20
PAUSE = 0.5

# The plugin's ETag. A proxy that compresses an answer makes it weak or appends
# the coding.
ETAG = re.compile(r'(?:W/)?("[0-9a-f]{32})(?:[-;]+[a-z]+)?"')

_Result = typing.TypeVar('_Result')


class Changed(Exception):
    """The requirements have changed since a change was planned on them."""


class Cloud:
    """The cloud that a command is for.

    On an error, each method raises CommandError. The message is one sentence
    that says what to do.

    :param manager: openstackclient's client manager
    """

    def __init__(self, manager: typing.Any):
        self._manager = manager

    @property
    def trove(self) -> typing.Any:
        """python-troveclient's client."""
        with flavors.translated():
            return self._manager.database

    def flavors(self) -> dict[str, requirement.Flavor]:
        """Nova's flavors that the caller can see, by id."""
        try:
            compute = self._manager.sdk_connection.compute
            return {flavor.id: requirement.Flavor(
                flavor.id, flavor.name, flavor.ram, flavor.vcpus,
                flavor.disk, flavor.ephemeral)
                for flavor in compute.flavors(is_public='None')}
        except (keystone_exceptions.ClientException,
                sdk_exceptions.SDKException) as error:
            raise exceptions.CommandError(
                f'Nova does not list its flavors: '
                f'{" ".join(str(error).split())}; try again, or give ids of '
                f'flavors with --no-validate.') from error

    def present(self) -> tuple[requirement.CurrentRows, str]:
        """The requirements of all datastore versions, and their ETag."""
        listed, tag = self._ask('GET', ALL)
        with flavors.translated():
            datastores = self.trove.datastores.list()
        rows = {requirement.Version(one.id, one.datastore, one.name,
                                    one.number): frozenset[requirement.Row]()
                for one in flavors.versions_of(datastores)}
        known = {version.id: version for version in rows}
        for says in listed[document.MANY]:
            rows[known.get(says['datastore_version_id'],
                           _version(says))] = document.rows(says)
        return requirement.CurrentRows(dict(sorted(
            rows.items(), key=lambda item: item[0][1:3]))), tag

    def requirement_of(self, version_id: str) -> tuple[dict, str]:
        """The document of one datastore version, and its ETag."""
        body, tag = self._ask('GET', _path(version_id), version_id)
        return body[document.ONE], tag

    def end(self, version_id: str) -> None:
        """Remove all requirements of a datastore version."""
        self._ask('DELETE', _path(version_id), version_id)

    def violations(self, **query: typing.Any
                   ) -> Iterator[dict[str, typing.Any]]:
        """The documents of violations, page by page.

        :param query: parameters; None for those that are not given
        """
        given = {name: value for name, value in query.items()
                 if value is not None}
        while True:
            page, _tag = self._ask(
                'GET', f'{VIOLATIONS}?{urllib.parse.urlencode(given)}',
                lacks='does not list the instances that break a requirement')
            yield from page['flavor_requirement_violations']
            if not page.get('links'):
                return
            link = urllib.parse.urlsplit(page['links'][0]['href'])
            given = dict(urllib.parse.parse_qsl(link.query))

    def change(self, version_id: str, plan: requirement.Plan,
               validate: bool = True, dry_run: bool = False
               ) -> tuple[requirement.Change, dict[str, typing.Any]]:
        """Change the requirements of a datastore version by a plan.

        :returns: the change; and in a dry run, the document of its impact,
            which is empty if nothing would change
        """
        def change() -> tuple[requirement.Change, dict[str, typing.Any]]:
            says, tag = self.requirement_of(version_id)
            version, rows = _version(says), document.rows(says)
            with flavors.translated():
                wanted = frozenset(
                    plan(requirement.CurrentRows({version: rows}))[version])
            body: dict[str, typing.Any] = {}
            if wanted != rows:
                body, _tag = self._ask(
                    'PUT', f'{_path(version_id)}?validate={validate}'
                    # Older releases do not know it.
                    f'{"&dry_run=true" if dry_run else ""}',
                    version_id, headers=_if_match(tag),
                    body={document.ONE: _document(version, wanted)})
            return (requirement.Change(version, rows, wanted),
                    body.get('impact', {}))
        return self.repeat(change)

    def apply(self, wanted: Mapping[requirement.Version,
                                    frozenset[requirement.Row]],
              tag: str, validate: bool, dry_run: bool
              ) -> dict[str, dict[str, typing.Any]]:
        """Replace the requirements of datastore versions.

        :param tag: the ETag of the requirements that the change is planned on
        :returns: the document of the impact by the id of the version, in a
            dry run
        :raises Changed: they have changed since
        """
        body, _tag = self._ask(
            'PUT', f'{ALL}?validate={validate}&dry_run={dry_run}',
            headers=_if_match(tag), body={document.MANY: [
                _document(version, rows)
                for version, rows in wanted.items()]})
        return {change['datastore_version_id']: change['impact']
                for change in body['flavor_requirement_changes']
                if 'impact' in change}

    @staticmethod
    def repeat(change: Callable[[], _Result]) -> _Result:
        """Make a change; try again after a conflict with another one."""
        for _attempt in range(TRIES):
            try:
                return change()
            except Changed:
                # A random pause, so that others do not retry at the same time.
                time.sleep(random.uniform(0, PAUSE))  # nosec B311
        raise exceptions.CommandError(
            'Nothing was changed, because others keep changing the same '
            'requirements; try again in a moment.')

    def _ask(self, method: str, path: str, version_id: str = '',
             headers: Mapping[str, str] = types.MappingProxyType({}),
             lacks: str = 'does not let administrators change requirements '
                          'over HTTP',
             **kwargs: typing.Any) -> tuple[typing.Any, str]:
        """Send a request; return the response's document and ETag.

        :param version_id: the datastore version of the request
        :param lacks: what an older release of the plugin does not do
        :returns: the ETag as the plugin has made it; '' without one
        :raises Changed: a condition of the request does not hold
        """
        with flavors.translated():
            client = self.trove.client
            response, body = client.request(
                path, method, raise_exc=False,
                # No proxy has to change the ETag then.
                headers={'Accept-Encoding': 'identity', **headers}, **kwargs)
            is_there = flavors.has_route(client, path, response)
        status = response.status_code
        if status == 412:
            raise Changed
        if not is_there:
            raise exceptions.CommandError(
                f'This cloud does not have trove-flavor-filter, or a release '
                f'that {lacks}; use trove-manage on a host that runs '
                f'trove-api, or have the plugin installed there.')
        if status == 204 or status == 200 and isinstance(body, dict):
            tag = response.headers.get('ETag', '')
            ours = ETAG.fullmatch(tag)
            return body, f'{ours[1]}"' if ours else tag
        raise flavors.refusal(status, body, version_id,
                              'Trove returned no requirement')


def _if_match(tag: str) -> dict[str, str]:
    """The header for a change that is planned on a state.

    :param tag: the ETag of the state
    :raises CommandError: there is none
    """
    if not tag:
        raise exceptions.CommandError(
            'Nothing was changed, because the answer has no ETag, which a '
            'proxy must have removed; the change could overwrite another '
            'one. Use trove-manage on a host that runs trove-api, or have '
            'the proxy keep the header ETag.')
    return {'If-Match': tag}


def _document(version: requirement.Version,
              rows: frozenset[requirement.Row]) -> dict[str, typing.Any]:
    """The document with the wanted rows of a datastore version.

    :raises CommandError: some of them are invalid, so Trove would refuse it
    """
    wanted = requirement.Requirement.of(rows)
    if wanted.invalid_rows:
        raise exceptions.CommandError(
            f'Nothing was changed, because datastore version {version} has '
            f'invalid rows: {", ".join(wanted.invalid_rows)}; remove them '
            f'with "openstack datastore version flavor requirement unset '
            f'{version.id} --invalid", or set valid values.')
    # Older releases of the plugin refuse keys that they do not know.
    return {key: value
            for key, value in document.write(version, wanted).items()
            if value is not None}


def _path(version_id: str) -> str:
    quoted = urllib.parse.quote(version_id, safe='')
    return f'/mgmt/datastore-versions/{quoted}/flavor-requirement'


def _version(says: Mapping[str, typing.Any]) -> requirement.Version:
    return requirement.Version(
        says['datastore_version_id'], says['datastore'],
        says['datastore_version'], None)
