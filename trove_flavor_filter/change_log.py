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

"""The line of the log for each change of a requirement."""

from collections.abc import Iterable
import typing

from oslo_log import log
from oslo_serialization import jsonutils

from trove_flavor_filter import requirement

LOG = log.getLogger(__name__)


def write(changes: Iterable[requirement.Change], user: str | None,
          project: str | None = '-', request_id: str | None = '-',
          **kwargs: typing.Any) -> None:
    """Log a line for each datastore version whose rows have changed.

    :param user: who has changed them: an id in Keystone, or a name on the
        host with "-" for project and request
    :param kwargs: for the logger, such as the context of the request
    """
    for change in changes:
        if change.before != change.after:
            LOG.info(
                'flavor requirement changed: user=%s project=%s '
                'request_id=%s datastore_version=%s added=%s removed=%s', user,
                project, request_id, change.version.id, _texts(change.added),
                _texts(change.removed), **kwargs)


def _texts(rows: Iterable[requirement.Row]) -> str:
    return jsonutils.dumps([f'{key}={value}' for key, value in rows])
