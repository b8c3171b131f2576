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

"""The paste filter: two tables of routes; all others go to Trove."""

from collections.abc import Callable
from collections.abc import Iterable
import typing

from oslo_config import cfg
from oslo_context import context
from oslo_log import log
import routes
import webob

from trove_flavor_filter.api import flavors
from trove_flavor_filter.api import guard
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import requirements
from trove_flavor_filter.api import views
from trove_flavor_filter import conf as config
from trove_flavor_filter import exception
from trove_flavor_filter import services

LOG = log.getLogger(__name__)

Environ = dict[str, typing.Any]
StartResponse = Callable[..., typing.Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# Trove has this path too. Trove handles the methods that have no handler here.
TROVES_LIST = ('/{tenant_id}/datastores/{datastore}/versions/{version_id}'
               '/flavors')

# All requests that the plugin answers: path -> method -> handler.
ROUTES = {
    '/{tenant_id}/flavors/datastores/versions/{datastore_version_id}': {
        'GET': flavors.list_allowed,
    },
    TROVES_LIST: {
        'GET': flavors.list_associated,
    },
    '/{tenant_id}/instances/{id}/flavors': {
        'GET': flavors.list_for_instance,
    },
    '/{tenant_id}/mgmt/datastore-versions/{datastore_version_id}'
    '/flavor-requirement': {
        'GET': requirements.show,
        'PUT': requirements.replace,
        'DELETE': requirements.delete,
    },
    '/{tenant_id}/mgmt/flavor-requirements': {
        'GET': requirements.list_all,
        'PUT': requirements.replace_many,
    },
}

# Requests that are checked before Trove handles them: path -> method ->
# action. The paths are written as in Trove. All requests in neither table go
# to Trove unchecked.
GUARDED: dict[str, dict[str, guard.Action]] = {
    '/{tenant_id}/instances': {
        'POST': guard.Guard.create_instance,
    },
    '/{tenant_id}/instances/{id}': {
        'PUT': guard.Guard.update_instance,
        'PATCH': guard.Guard.update_instance,
    },
    '/{tenant_id}/instances/{id}/action': {
        'POST': guard.Guard.act_on_instance,
    },
    '/{tenant_id}/clusters': {
        'POST': guard.Guard.create_cluster,
    },
    '/{tenant_id}/clusters/{id}': {
        'POST': guard.Guard.act_on_cluster,
    },
    '/{tenant_id}/configurations/{id}': {
        'PUT': guard.Guard.update_configuration,
        'PATCH': guard.Guard.update_configuration,
    },
}


class FlavorFilter:
    """Answers the requests in ROUTES and checks those in GUARDED.

    All other requests are passed on unchanged.

    :param application: the WSGI application behind this filter
    :param conf: a ConfigOpts with our options, as conf.load() returns it
    """

    def __init__(self, application: Application, conf: cfg.ConfigOpts):
        self._application = application
        self._services = services.Services.build(conf)
        # Trove uses the same routing library, so both match paths alike.
        self._mapper = routes.Mapper()
        for path in (*ROUTES,
                     *(GUARDED if conf.flavor_filter.enforce else ())):
            if path != TROVES_LIST or conf.flavor_filter.answer_troves_list:
                self._mapper.connect(path, route=path)

    def __call__(self, environ: Environ,
                 start_response: StartResponse) -> Iterable[bytes]:
        match = self._mapper.match(environ.get('PATH_INFO', ''), environ)
        if not match:
            return self._application(environ, start_response)
        path = match.pop('route')
        if path == TROVES_LIST and environ['REQUEST_METHOD'] != 'GET':
            answer = None
        elif path in ROUTES:
            answer = self._faulty(
                environ, self._answer, ROUTES[path], match)
        else:
            action = GUARDED[path].get(guard.method_of(environ))
            answer = action and self._faulty(
                environ, self._guard, action, match)
        return (answer or self._application)(environ, start_response)

    def _answer(self, environ: Environ, ctx: context.RequestContext,
                methods: dict[str, typing.Any],
                match: dict[str, str]) -> webob.Response:
        handler = methods.get(environ['REQUEST_METHOD'])
        if handler is None:
            raise exception.MethodNotAllowed(
                environ['REQUEST_METHOD'], sorted(methods))
        return handler(
            webob.Request(environ), ctx, self._services,
            **{name: _decoded(value) for name, value in match.items()})

    def _guard(self, environ: Environ, ctx: context.RequestContext,
               action: guard.Action, match: dict[str, str]) -> None:
        # Not decoded, as in Trove.
        guard.check(action, environ, ctx, self._services, **match)

    @staticmethod
    def _faulty(environ: Environ, function: Callable[..., typing.Any],
                *arguments: typing.Any) -> webob.Response | None:
        """Call a function; on an error, log it and return a fault."""
        ctx = identity.context_of(environ)
        try:
            return function(environ, ctx, *arguments)
        except exception.FlavorFilterError as error:
            _log(environ, ctx, error)
            return views.fault(error)
        except Exception as error:
            # Even an unexpected error must not show a traceback to a client
            # or stop the service.
            LOG.exception('%s %r failed', environ['REQUEST_METHOD'],
                          environ['PATH_INFO'], context=ctx)
            return views.fault(exception.Unavailable(
                'The request could not be answered.', repr(error)))


def _decoded(value: str) -> str:
    """A part of PATH_INFO as text; WSGI passes its bytes in a str."""
    return value.encode('latin-1').decode('utf-8', 'replace')


def _log(environ: Environ, ctx: context.RequestContext,
         error: exception.FlavorFilterError) -> None:
    """Log one line for a request that was refused or failed."""
    write = (LOG.error if isinstance(error, exception.Unavailable)
             else LOG.info)
    write('%s %r answered with %d: %s', environ['REQUEST_METHOD'],
          environ['PATH_INFO'], error.status,
          getattr(error, 'reason', str(error)), context=ctx)


def filter_factory(global_conf: dict[str, str],
                   **local_conf: str) -> Callable[[Application], FlavorFilter]:
    """For paste: ``paste.filter_factory``.

    :param local_conf: ``oslo_config_project``, ``oslo_config_program`` and
        ``oslo_config_file``, as in the filters of oslo.middleware
    """
    conf = config.load(global_conf | local_conf)

    def build(application: Application) -> FlavorFilter:
        return FlavorFilter(application, conf)

    return build


def app_factory(global_conf: dict[str, str],
                **local_conf: str) -> FlavorFilter:
    """For paste: ``paste.app_factory``. The filter without Trove behind it."""
    return filter_factory(global_conf, **local_conf)(_not_found)


def _not_found(environ: Environ,
               start_response: StartResponse) -> Iterable[bytes]:
    answer = views.fault(exception.NotFound('The resource cannot be found.'))
    return answer(environ, start_response)
