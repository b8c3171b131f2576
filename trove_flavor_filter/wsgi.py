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
import contextlib
import socket
import sys
import time
import typing

from oslo_config import cfg
from oslo_log import log
import routes
import webob

from trove_flavor_filter.api import datastore_versions
from trove_flavor_filter.api import flavors
from trove_flavor_filter.api import guard
from trove_flavor_filter.api import identity
from trove_flavor_filter.api import requirements
from trove_flavor_filter.api import views
from trove_flavor_filter.api import violations
from trove_flavor_filter import conf as config
from trove_flavor_filter import exception
from trove_flavor_filter import services

LOG = log.getLogger(__name__)

Environ = dict[str, typing.Any]
StartResponse = Callable[..., typing.Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# Marks the plugin's own answers for clients. If a 404 lacks it, the cloud has
# no such route of the plugin.
MARK = ('Trove-Flavor-Filter', '1')

# For how many seconds a failure of one kind is not logged at ERROR again.
REPEAT_TIME = 60

# Trove has this path too. Trove handles the methods that have no handler here.
TROVES_LIST = ('/{tenant_id}/datastores/{datastore}/versions/{version_id}'
               '/flavors')

# All requests that the plugin answers: path -> method -> handler.
ROUTES: dict[str, dict[str, Callable[..., webob.Response]]] = {
    '/{tenant_id}/flavors/datastores/versions/{datastore_version_id}': {
        'GET': flavors.list_allowed,
    },
    TROVES_LIST: {
        'GET': flavors.list_associated,
    },
    '/{tenant_id}/flavors/datastores/{datastore}': {
        'GET': flavors.list_of_datastore,
    },
    '/{tenant_id}/instances/{id}/flavors': {
        'GET': flavors.list_for_instance,
    },
    '/{tenant_id}/instances/{id}/datastore-versions': {
        'GET': datastore_versions.list_for_instance,
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
    '/{tenant_id}/mgmt/flavor-requirement-violations': {
        'GET': violations.list_all,
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

# Trove's admin API: collection -> action of Trove's controller -> action. Its
# controllers inherit from those above, and anybody may call what they
# inherit. Routes' mapper.resource makes several routes of a collection, each
# with and without a format suffix.
GUARDED_RESOURCES: dict[str, dict[str, guard.Action]] = {
    '{tenant_id}/mgmt/instances': {
        'create': guard.Guard.create_instance,
        'update': guard.Guard.update_instance,
        'edit': guard.Guard.update_instance,
        'action': guard.Guard.administer_instance,
    },
    '{tenant_id}/mgmt/clusters': {
        'create': guard.Guard.create_cluster,
    },
}


def mapper(answers_troves_list: bool = True) -> routes.Mapper:
    """Match paths with the tables.

    Trove uses the same routing library, so both match paths alike.

    :param answers_troves_list: whether to match TROVES_LIST
    :returns: a mapper; ``controller`` of a match is a key of one of the
        tables
    """
    found = routes.Mapper()
    for path in (*ROUTES, *GUARDED):
        if path != TROVES_LIST or answers_troves_list:
            found.connect(path, controller=path)
    for collection in GUARDED_RESOURCES:
        found.resource(collection, collection, member={'action': 'POST'})
    return found


def by_slashes(whole: routes.Mapper) -> dict[int, routes.Mapper]:
    """Divide a mapper by the number of slashes in a path.

    No variable of a route matches a slash. In a path with more slashes, the
    expression of an id and a format suffix would try each pair of dots.
    """
    found: dict[int, routes.Mapper] = {}
    for route in whole.matchlist:
        found.setdefault(route.routepath.count('/'), routes.Mapper()
                         ).extend([route])
    return found


def guard_of(controller: str, action: str, method: str
             ) -> guard.Action | None:
    """The check of a request that matches GUARDED or GUARDED_RESOURCES.

    :param action: the action of Trove's controller, for a collection
    :param method: the method, which decides for all others
    """
    if controller in GUARDED_RESOURCES:
        return GUARDED_RESOURCES[controller].get(action)
    return GUARDED.get(controller, {}).get(method)


class FlavorFilter:
    """Answers the requests in ROUTES and checks those in GUARDED.

    All other requests are passed on unchanged.

    :param application: the WSGI application behind this filter
    :param conf: a ConfigOpts with our options, as conf.load() returns it
    """

    def __init__(self, application: Application, conf: cfg.ConfigOpts):
        self._application = application
        self._services = services.Services.build(conf)
        self._mappers = by_slashes(
            mapper(conf.flavor_filter.answer_troves_list))
        patcher = sys.modules.get('eventlet.patcher')
        self._is_green = bool(patcher
                              and patcher.is_monkey_patched('time'))
        # When a failure was logged at ERROR, by its kind.
        self._failures: dict[type, float] = {}

    def __call__(self, environ: Environ,
                 start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get('PATH_INFO', '')
        paths = self._mappers.get(path.count('/'))
        if paths is None:
            return self._application(environ, start_response)
        method = guard.method_of(environ)
        match = paths.match(path, environ if method == environ[
            'REQUEST_METHOD'] else {**environ, 'REQUEST_METHOD': method})
        if not match:
            return self._application(environ, start_response)
        answers = self._application
        try:
            answers = self._route(environ, method, **match)
        except exception.FlavorFilterError as error:
            if not error.is_logged:
                self._log(environ, error)
            answers = views.fault(error)
        except Exception as error:
            # Even an unexpected error must not show a traceback to a client
            # or stop the service.
            write = LOG.error if self._is_new(error) else LOG.info
            write('%s %r failed', environ['REQUEST_METHOD'],
                  environ['PATH_INFO'], exc_info=True,
                  context=identity.context_of(environ))
            answers = views.fault(exception.Unavailable(
                'The request could not be answered.', repr(error)))
        if (isinstance(answers, webob.Response)
                and answers is not self._application):
            answers.headers.add(*MARK)
        return answers(environ, start_response)

    def _route(self, environ: Environ, method: str, controller: str,
               action: str = '', format: str = '', **path: str
               ) -> Application:
        """The application that answers a request: a response, or Trove.

        :param controller: the path, or collection, in one of the tables
        :param action: the action of Trove's controller, for a collection
        """
        if controller in ROUTES:
            if (controller == TROVES_LIST
                    and environ['REQUEST_METHOD'] != 'GET'):
                return self._application
            self._let_others_go()
            self._send_at_once(environ)
            return self._answer(environ, ROUTES[controller], path)
        check = guard_of(controller, action, method)
        if check is None:
            return self._application
        self._let_others_go()
        # The path is not decoded, as in Trove.
        finish = guard.check(check, environ, identity.context_of(environ),
                             self._services, **path)
        return (self._application if finish is None
                else _followed(self._application, finish, self._log))

    def _let_others_go(self) -> None:
        """Let the other clients of a worker have their turn.

        Under eventlet, a request that waits for nothing would be followed by
        the same client's next one. With native threads, the interpreter lets
        them, and a pause would cost more than half of a check.
        """
        if self._is_green:
            time.sleep(0)

    @staticmethod
    def _send_at_once(environ: Environ) -> None:
        """Have the connection send the end of an answer without a pause.

        eventlet's server writes the headers and a body of more than 16 KiB
        separately. The kernel would hold the end of the second back until the
        client has acknowledged the first, which takes up to 40 ms.
        """
        source = environ.get('eventlet.input')
        if source is not None:
            with contextlib.suppress(AttributeError, OSError):
                source.get_socket().setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _answer(self, environ: Environ, methods: dict[str, typing.Any],
                path: dict[str, str]) -> webob.Response:
        handler = methods.get(environ['REQUEST_METHOD'])
        if handler is None:
            raise exception.MethodNotAllowed(
                environ['REQUEST_METHOD'], sorted(methods))
        return handler(
            webob.Request(environ), identity.context_of(environ),
            self._services,
            **{name: _decoded(value) for name, value in path.items()})

    def _log(self, environ: Environ,
             error: exception.FlavorFilterError) -> None:
        """Log one line for a request that was refused or failed."""
        write = (LOG.error if isinstance(error, exception.Unavailable)
                 and self._is_new(error) else LOG.info)
        write('%s %r answered with %d: %s', environ['REQUEST_METHOD'],
              environ['PATH_INFO'], error.status,
              getattr(error, 'reason', str(error)),
              context=identity.context_of(environ))

    def _is_new(self, error: Exception) -> bool:
        """Whether a failure is logged at ERROR: each kind once a minute.

        Any member can repeat a request that fails, and alternate it with one
        that does not.
        """
        now = time.monotonic()
        before = self._failures.get(type(error))
        if before is not None and now - before < REPEAT_TIME:
            return False
        self._failures[type(error)] = now
        return True


def _followed(application: Application, finish: guard.Finish,
              log_failure: Callable[[Environ, exception.FlavorFilterError],
                                    None]) -> Application:
    """An application, with something to do when it has answered.

    :param finish: called with the status; 500 if the application fails
    :param log_failure: called if that cannot be done
    """
    def call(environ: Environ,
             start_response: StartResponse) -> Iterable[bytes]:
        status = 500

        def started(line: str, *arguments: typing.Any) -> typing.Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *arguments)
        try:
            return application(environ, started)
        finally:
            try:
                finish(status)
            except exception.SchemaIncomplete:
                # There is no table, so there is nothing to write.
                pass
            except exception.FlavorFilterError as error:
                # The record stays as it was when Trove got the request. The
                # next upgrade of the instance replaces it.
                log_failure(environ, error)
    return call


def _decoded(value: str) -> str:
    """A part of PATH_INFO as text; WSGI passes its bytes in a str."""
    return value.encode('latin-1').decode('utf-8', 'replace')


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
