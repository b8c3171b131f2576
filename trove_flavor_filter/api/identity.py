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

"""Who is asking: what the pipeline before us has established."""

import typing

from oslo_context import context

from trove_flavor_filter import exception


def context_of(environ: dict[str, typing.Any]) -> context.RequestContext:
    """What the pipeline says of the caller, whatever it is worth.

    The thread's current context stays Trove's: what is logged further down
    the pipeline is Trove's business.
    """
    return context.RequestContext.from_environ(
        environ, request_id=environ.get('openstack.request_id'),
        overwrite=False)


def check(environ: dict[str, typing.Any], ctx: context.RequestContext,
          project_id: str) -> None:
    """See that the caller is known, and asks on its own project's path.

    :param environ: the WSGI environ, with what auth_token left in it
    :param ctx: of the same environ
    :param project_id: the project that the path names
    :raises Unauthorized: nobody has been authenticated
    :raises Forbidden: the token is of another project. Trove's own
        ``authorization`` filter says so as well, admins included; here it
        holds even where a pipeline lacks that filter
    """
    confirmed = environ.get('HTTP_X_IDENTITY_STATUS', 'Confirmed')
    if confirmed != 'Confirmed' or not (ctx.user_id or ctx.project_id):
        raise exception.Unauthorized('Authentication is required.')
    if ctx.project_id != project_id:
        raise exception.Forbidden(
            f'User with tenant id {ctx.project_id} cannot access this '
            f'resource.')
