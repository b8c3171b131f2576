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

"""The plugin's errors, with their HTTP status and fault name."""


class FlavorFilterError(Exception):
    """An error whose text may be shown to the user or client.

    Commands print it as one line and exit with 1. The API answers with
    ``status`` and a fault that has the same name as in Trove.
    """

    status = 503
    fault = 'serviceUnavailable'
    headers: tuple[tuple[str, str], ...] = ()
    # Whether a line of the log has been written where it was raised.
    is_logged = False


class Misconfigured(FlavorFilterError):
    """An invalid configuration; the message names the file or the option."""


class PolicyUnusable(FlavorFilterError):
    """An invalid policy file, or one that cannot be read."""

    def __init__(self, path: str, problem: object):
        super().__init__(f'{path}: {" ".join(str(problem).split())}')


class BadRequest(FlavorFilterError):
    status = 400
    fault = 'badRequest'


class Refused(BadRequest):
    """A flavor or a volume that a datastore version does not allow."""

    is_logged = True


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
    """The datastore version does not exist, or the caller may not see it."""

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
    """A request body above the size limit."""

    status = 413
    fault = 'overLimit'


class PreconditionFailed(FlavorFilterError):
    """A condition of the request (If-Match, If-None-Match) does not hold."""

    status = 412
    fault = 'preconditionFailed'


class NotReady(FlavorFilterError):
    """An instance is busy with a task that has to end first.

    Trove uses the same fault when it refuses such a request itself.
    """

    status = 422
    fault = 'unprocessableEntity'
    is_logged = True


class Unavailable(FlavorFilterError):
    """A service that the answer needs is unavailable; a retry may help.

    :param message: for the client: names the service only
    :param reason: for the log and for administrators: the actual error
    """

    # Long enough for a service to restart, short enough for a client that
    # waits.
    headers = (('Retry-After', '5'),)

    def __init__(self, message: str, reason: str = ''):
        super().__init__(message)
        self.reason = reason or message


class DatabaseUnavailable(Unavailable):
    def __init__(self, reason: str):
        super().__init__('The database is not available.', reason)


class SchemaIncomplete(DatabaseUnavailable):
    """A table or a column of the database is missing."""

    hint = ('is the schema complete? Run "trove-manage db_sync", then '
            '"trove-manage flavor-filter-db-sync"')

    def __init__(self, reason: str):
        super().__init__(f'{reason} ({self.hint})')


class CommitLost(DatabaseUnavailable):
    """The connection broke while a change was committed.

    The change may have been made.
    """


class NovaUnavailable(Unavailable):
    def __init__(self, reason: str):
        super().__init__('The list of flavors is not available.', reason)


class CinderUnavailable(Unavailable):
    def __init__(self, reason: str):
        super().__init__('The size of a volume is not available.', reason)


class CallerRefused(NovaUnavailable):
    """Nova does not list flavors for the caller's own token."""


class FlavorNotFound(BadRequest):
    """A flavor in the negative cache, or beyond a request's Nova lookups."""
