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

"""The paste filter: a table of routes, and Trove behind everything else."""

from collections.abc import Callable
from collections.abc import Iterable
import typing

from oslo_config import cfg
from oslo_context import context
from oslo_log import log
import routes
import webob

from trove_flavor_filter.api import flavors
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import views
from trove_flavor_filter import conf as config
from trove_flavor_filter import exception
from trove_flavor_filter import services

LOG = log.getLogger(__name__)

Environ = dict[str, typing.Any]
StartResponse = Callable[..., typing.Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# The whole of what the plugin answers: path -> method -> handler. A path
# that is not here is Trove's.
ROUTES = {
    '/{tenant_id}/flavors/datastores/versions/{datastore_version_id}': {
        'GET': flavors.list_allowed,
    },
}


class FlavorFilter:
    """Answers the paths of ROUTES, and hands on all others untouched.

    :param application: what stands behind this filter
    :param conf: a ConfigOpts with our options, as conf.load() gives it
    """

    def __init__(self, application: Application, conf: cfg.ConfigOpts):
        self._application = application
        self._services = services.Services.build(conf)
        # The library that Trove routes with, so that both read a path alike.
        self._mapper = routes.Mapper()
        for path in ROUTES:
            self._mapper.connect(path, route=path)

    def __call__(self, environ: Environ,
                 start_response: StartResponse) -> Iterable[bytes]:
        match = self._mapper.match(environ.get('PATH_INFO', ''), environ)
        if not match:
            return self._application(environ, start_response)
        return self._answer(environ, match)(environ, start_response)

    def _answer(self, environ: Environ,
                match: dict[str, typing.Any]) -> webob.Response:
        methods = ROUTES[match.pop('route')]
        arguments = {name: _decoded(value) for name, value in match.items()}
        ctx = identity.context_of(environ)
        try:
            handler = methods.get(environ['REQUEST_METHOD'])
            if handler is None:
                raise exception.MethodNotAllowed(
                    environ['REQUEST_METHOD'], sorted(methods))
            return handler(webob.Request(environ), ctx, self._services,
                           **arguments)
        except exception.FlavorFilterError as error:
            _log(environ, ctx, error)
            return views.fault(error)
        except Exception as error:
            # What nobody foresaw is still no reason to show a client a
            # traceback, or to close the door on the next request.
            LOG.exception('%s %r failed', environ['REQUEST_METHOD'],
                          environ['PATH_INFO'], context=ctx)
            return views.fault(exception.Unavailable(
                'The request could not be answered.', repr(error)))


def _decoded(value: str) -> str:
    """A part of PATH_INFO as text; WSGI has it as bytes in a str."""
    return value.encode('latin-1').decode('utf-8', 'replace')


def _log(environ: Environ, ctx: context.RequestContext,
         error: exception.FlavorFilterError) -> None:
    """One line for a request that was refused or that failed."""
    if isinstance(error, exception.Unavailable):
        write, reason = LOG.error, error.reason
    else:
        write, reason = LOG.info, str(error)
    write('%s %r answered with %d: %s', environ['REQUEST_METHOD'],
          environ['PATH_INFO'], error.status, reason, context=ctx)


def filter_factory(global_conf: dict[str, str],
                   **local_conf: str) -> Callable[[Application], FlavorFilter]:
    """For paste: ``paste.filter_factory``.

    :param local_conf: ``oslo_config_project``, ``oslo_config_program`` and
        ``oslo_config_file``, as the filters of oslo.middleware take them
    """
    conf = config.load(global_conf | local_conf)

    def build(application: Application) -> FlavorFilter:
        return FlavorFilter(application, conf)

    return build


def app_factory(global_conf: dict[str, str],
                **local_conf: str) -> FlavorFilter:
    """For paste: ``paste.app_factory``. The filter with nothing behind it."""
    return filter_factory(global_conf, **local_conf)(_not_found)


def _not_found(environ: Environ,
               start_response: StartResponse) -> Iterable[bytes]:
    answer = views.fault(exception.NotFound('The resource cannot be found.'))
    return answer(environ, start_response)
