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

"""Identify the caller, from what the filters before this one have set."""

import typing

from oslo_context import context

from trove_flavor_filter import exception


def context_of(environ: dict[str, typing.Any]) -> context.RequestContext:
    """The caller's context from the pipeline, not yet checked.

    The thread's current context is not replaced. It is Trove's, and the log
    lines of the filters behind this one depend on it.
    """
    return context.RequestContext.from_environ(
        environ, request_id=environ.get('openstack.request_id'),
        overwrite=False)


def check(environ: dict[str, typing.Any], ctx: context.RequestContext,
          project_id: str) -> None:
    """Check that the caller is authenticated, and uses its project's path.

    :param environ: the WSGI environ, as auth_token has set it
    :param ctx: the context from the same environ
    :param project_id: the project in the path
    :raises Unauthorized: the caller is not authenticated
    :raises Forbidden: the token is for another project. Trove's own
        ``authorization`` filter refuses this as well, for admins too; this
        check also works in a pipeline without that filter
    """
    confirmed = environ.get('HTTP_X_IDENTITY_STATUS', 'Confirmed')
    if confirmed != 'Confirmed' or not (ctx.user_id or ctx.project_id):
        raise exception.Unauthorized('Authentication is required.')
    if ctx.project_id != project_id:
        raise exception.Forbidden(
            f'User with tenant id {ctx.project_id} cannot access this '
            f'resource.')
