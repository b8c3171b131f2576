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

"""The few errors: what went wrong, and how HTTP and the shell are told."""


class FlavorFilterError(Exception):
    """An error whose text may be shown to whoever caused it.

    Commands print it as their one line and exit with 1. The API answers with
    ``status`` and a fault named as Trove names them.
    """

    status = 503
    fault = 'serviceUnavailable'
    headers: tuple[tuple[str, str], ...] = ()


class Misconfigured(FlavorFilterError):
    """A configuration that cannot be used: names the file or the option."""


class PolicyUnusable(FlavorFilterError):
    """A policy file that cannot be used."""

    def __init__(self, path: str, problem: object):
        super().__init__(f'{path}: {" ".join(str(problem).split())}')


class BadRequest(FlavorFilterError):
    status = 400
    fault = 'badRequest'


class FlavorRefused(BadRequest):
    """A flavor that a datastore version does not allow.

    :param reason: for the log: who was refused what, in fields
    """

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


class Unauthorized(FlavorFilterError):
    status = 401
    fault = 'unauthorized'


class Forbidden(FlavorFilterError):
    status = 403
    fault = 'forbidden'


class NotFound(FlavorFilterError):
    status = 404
    fault = 'itemNotFound'


class VersionNotFound(NotFound):
    """There is no such datastore version, or none that may be seen."""

    def __init__(self, version_id: str):
        super().__init__(
            f'Datastore version \'{version_id}\' cannot be found.')


class MethodNotAllowed(FlavorFilterError):
    status = 405
    fault = 'badMethod'

    def __init__(self, method: str, allowed: list[str]):
        super().__init__(f'The method {method} is not allowed here.')
        self.headers = (('Allow', ', '.join(allowed)),)


class TooLarge(FlavorFilterError):
    """A request that is larger than any that makes sense."""

    status = 413
    fault = 'overLimit'


class PreconditionFailed(FlavorFilterError):
    """What is there is not what the caller takes for granted."""

    status = 412
    fault = 'preconditionFailed'


class NotReady(FlavorFilterError):
    """An instance has to finish what it is busy with first.

    Named as Trove names it where it says so itself.
    """

    status = 422
    fault = 'unprocessableEntity'


class Unavailable(FlavorFilterError):
    """Something that an answer needs is away; asking again may help.

    :param message: for the client: names the kind of thing, no more
    :param reason: for the log and for administrators: what really happened
    """

    # Long enough to outlast a service restart, short enough for a client
    # that waits.
    headers = (('Retry-After', '5'),)

    def __init__(self, message: str, reason: str = ''):
        super().__init__(message)
        self.reason = reason or message


class DatabaseUnavailable(Unavailable):
    def __init__(self, reason: str):
        super().__init__('The database is not available.', reason)


class SchemaIncomplete(DatabaseUnavailable):
    """A table or a column is missing."""

    hint = ('is the schema complete? "trove-manage db_sync", then '
            '"trove-manage flavor-filter-db-sync", see to that')

    def __init__(self, reason: str):
        super().__init__(f'{reason} ({self.hint})')


class NovaUnavailable(Unavailable):
    def __init__(self, reason: str):
        super().__init__('The list of flavors is not available.', reason)


class CallerRefused(NovaUnavailable):
    """Nova gives no list of flavors for the caller's own token."""


class FlavorNotFound(BadRequest):
    """Flavors that Nova does not have, looked for often enough."""
