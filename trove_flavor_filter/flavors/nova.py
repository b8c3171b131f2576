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

"""What Nova says of flavors: to Trove's service user, and to a caller."""

from collections.abc import Iterator
import contextlib
import typing
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1.identity import generic
from keystoneauth1 import plugin
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
from oslo_config import cfg
from oslo_config import types

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import requirement

# What is read of a flavor has not changed since the first microversion, so
# whatever Nova there is can answer.
MICROVERSION = '2.1'

# But for the extra specs, which Nova shows from this microversion on.
EXTRA_SPECS = {'OpenStack-API-Version': 'compute 2.61'}

URL = types.URI(schemes=['http', 'https'])

# How often a list is begun again because a flavor was deleted between two of
# its pages.
RESTARTS = 3

# What follows where NovaFlavors.sees_all() is false.
UNSEEN = ('Trove\'s service user has no admin role in Nova, so private '
          'flavors of other projects than its own are neither seen nor '
          'listed')


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Turn what Keystone's and Nova's clients throw into NovaUnavailable."""
    try:
        yield
    except (keystone_exceptions.ClientException,
            nova_exceptions.ClientException) as error:
        raise exception.NovaUnavailable(
            f'{type(error).__name__}: {error}') from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise exception.NovaUnavailable(
            f'the answer of Nova cannot be understood: {error!r}'
        ) from error
    except OSError as error:
        # The clients have words of their own for all but this.
        raise exception.NovaUnavailable(
            f'{error} (see "cafile" in [keystone_authtoken] of trove.conf)'
        ) from error


class Caller:
    """Who asks for flavors, in one request.

    :param project_id: of the token
    :param token: the caller's own; None where there is none
    :ivar listing: what the caller sees, once that has been asked for
    :ivar unlisted: ids that Nova was asked about, one by one
    """

    def __init__(self, project_id: str, token: str | None):
        self.project_id = project_id
        self.token = token
        self.listing: snapshot.Listing | None = None
        self.unlisted: list[str] = []


class Listed(typing.NamedTuple):
    """What Nova lists for Trove's service user.

    :ivar flavors: public ones, and private ones of the service project
    :ivar private_elsewhere: whether there are other private flavors
    :ivar sees_all: whether the service user may know that: False when the
        user lacks the admin role
    """

    flavors: list[requirement.Flavor]
    private_elsewhere: bool
    sees_all: bool


class NovaFlavors:
    """The flavors that exist, asked of Nova as Trove itself asks.

    :param conf: ``[service_credentials]`` and the ``nova_*`` options say
        who asks and where
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._client: nova_client.Client | None = None

    def everything(self) -> list[requirement.Flavor]:
        """Every flavor that the service user may see, in Nova's order.

        With the admin role that is every flavor, whoever may use it.

        :raises NovaUnavailable: when Keystone or Nova gives no answer
        """
        with _answered():
            return self._flavors(self._service(), is_public='None')

    def sees_all(self) -> bool:
        """Whether the service user sees private flavors of other projects.

        Nova ignores ``is_public`` for users without the admin role, and
        lists public flavors for them. Where there is no public flavor, this
        cannot be told, and is taken for true.

        :raises NovaUnavailable: as :meth:`everything`
        """
        with _answered():
            return not any(
                document['os-flavor-access:is_public']
                for document in self._pages(
                    self._service(), is_public='false'))

    def listed(self) -> Listed:
        """What Nova lists for the service user, as Trove asks for it.

        One more request, for private flavors alone and no more of them than
        it takes, tells whether there are others. None is asked for.

        :raises NovaUnavailable: as :meth:`everything`
        """
        with _answered():
            nova = self._service()
            documents = self._documents(nova)
            private = {document['id'] for document in documents
                       if not document['os-flavor-access:is_public']}
            elsewhere, sees_all = False, True
            for document in self._pages(nova, is_public='false',
                                        limit=str(len(private) + 1)):
                if document['os-flavor-access:is_public']:
                    elsewhere, sees_all = False, False
                    break
                if document['id'] not in private:
                    elsewhere = True
                    break
            return Listed([_flavor(document) for document in documents],
                          elsewhere, sees_all)

    def listed_for(self, caller: Caller) -> list[requirement.Flavor]:
        """What Nova lists for a caller, asked with the caller's own token.

        :raises CallerRefused: Nova does not answer this token
        :raises NovaUnavailable: as :meth:`everything`
        """
        with _answered():
            try:
                return self._flavors(self._of(caller))
            except (nova_exceptions.Unauthorized, nova_exceptions.Forbidden,
                    keystone_exceptions.Unauthorized,
                    keystone_exceptions.Forbidden) as error:
                raise exception.CallerRefused(
                    f'{type(error).__name__}: {error}') from error

    def find(self, flavor_id: str, caller: Caller | None = None
             ) -> requirement.Flavor | None:
        """The flavor that Trove would get for an id, however it is spelled.

        Nova is asked by the same call as Trove's own, since it takes more
        than one spelling for a flavor: "%31" for "1", or another case.

        :param caller: whose token to ask with; None for the service user's
        :returns: None when there is no such flavor
        :raises NovaUnavailable: as :meth:`everything`
        :raises BadRequest: the id leads somewhere else in Nova's API
        """
        with _answered():
            nova = self._service() if caller is None else self._of(caller)
            try:
                body = self._get(nova, f'/flavors/{flavor_id}')
                return _flavor(body['flavor'])
            except (nova_exceptions.NotFound, nova_exceptions.BadRequest):
                return None
            except (KeyError, TypeError, ValueError,
                    AttributeError) as error:
                raise exception.BadRequest(
                    f'{flavor_id!r} is not the id of a flavor.') from error

    def _service(self) -> nova_client.Client:
        if self._client is None:
            self._client = connect(self._conf)
        return self._client

    def _of(self, caller: Caller) -> nova_client.Client:
        """A client with a caller's token, where the service user's goes."""
        conf = self._conf
        if conf.nova_compute_url:
            url = f'{conf.nova_compute_url.rstrip("/")}/{caller.project_id}'
        else:
            service = self._service().client
            # Where the URL names a project, Nova wants that of the token.
            url = service.get_endpoint().replace(
                service.get_project_id(), caller.project_id)
        return nova_client.Client(
            MICROVERSION, session=_session(conf, token_endpoint.Token(
                url, caller.token)))

    def _flavors(self, nova: nova_client.Client,
                 **query: str) -> list[requirement.Flavor]:
        return [_flavor(document)
                for document in self._documents(nova, **query)]

    def _documents(self, nova: nova_client.Client,
                   **query: str) -> list[dict]:
        """Nova's documents of all flavors, page after page."""
        for _attempt in range(RESTARTS):
            try:
                return list(self._pages(nova, **query))
            except nova_exceptions.BadRequest:
                # The flavor that marks where the next page begins is gone.
                continue
        raise exception.NovaUnavailable(
            'flavors are deleted faster than Nova lists them')

    def _pages(self, nova: nova_client.Client,
               **query: str) -> Iterator[dict]:
        # The client's own flavors.list() hides whether a page is the last
        # one, so its HTTP client is asked: one call where one will do.
        while True:
            body = self._get(nova, f'/flavors/detail?{parse.urlencode(query)}')
            yield from body['flavors']
            if not body.get('flavors_links') or not body['flavors']:
                return
            query['marker'] = body['flavors'][-1]['id']

    def _get(self, nova: nova_client.Client, path: str) -> dict:
        kwargs: dict[str, typing.Any] = {}
        if self._conf.nova_api_insecure:
            kwargs['verify'] = False
        try:
            _response, body = nova.client.get(
                path, headers=EXTRA_SPECS.copy(), **kwargs)
        except nova_exceptions.NotAcceptable:
            # Nova is older than the microversion.
            _response, body = nova.client.get(path, **kwargs)
        return body


def _flavor(document: dict) -> requirement.Flavor:
    return requirement.Flavor(
        id=document['id'], name=document['name'], ram=document['ram'],
        vcpus=document['vcpus'], disk=document['disk'],
        ephemeral=document['OS-FLV-EXT-DATA:ephemeral'],
        extra_specs=snapshot.interned(document.get('extra_specs')))


def connect(conf: cfg.ConfigOpts) -> nova_client.Client:
    """A client of Nova with the credentials of Trove's service user.

    :raises NovaUnavailable: when trove.conf has no usable credentials
    """
    credentials = conf.service_credentials
    missing = [name for name in ('auth_url', 'username', 'password')
               if not credentials[name]]
    if missing:
        raise exception.NovaUnavailable(
            f'trove.conf says no {" and no ".join(missing)} in '
            f'[service_credentials]')
    _check_url('[service_credentials] auth_url', credentials.auth_url)
    if conf.nova_compute_url:
        _check_url('[DEFAULT] nova_compute_url', conf.nova_compute_url)
    auth = generic.Password(
        auth_url=credentials.auth_url,
        username=credentials.username,
        password=credentials.password,
        user_domain_name=credentials.user_domain_name,
        **({'project_name': credentials.project_name,
            'project_domain_name': credentials.project_domain_name}
           if credentials.project_name
           else {'project_id': credentials.project_id}))
    override = None
    if conf.nova_compute_url and credentials.project_id:
        override = (f'{conf.nova_compute_url.rstrip("/")}/'
                    f'{credentials.project_id}')
    return nova_client.Client(
        MICROVERSION,
        session=_session(conf, auth),
        service_type=conf.nova_compute_service_type,
        region_name=credentials.region_name,
        endpoint_type=conf.nova_compute_endpoint_type,
        endpoint_override=override)


def _session(conf: cfg.ConfigOpts, auth: plugin.BaseAuthPlugin
             ) -> session.Session:
    return session.Session(
        auth=auth, timeout=conf.flavor_filter.nova_timeout,
        verify=(not conf.keystone_authtoken.insecure
                and (conf.keystone_authtoken.cafile or True)),
        app_name='trove-flavor-filter')


def _check_url(option: str, url: str) -> None:
    """See that an option is a URL: the clients' errors do not name it.

    :raises NovaUnavailable: it is none
    """
    try:
        URL(url)
    except ValueError:
        raise exception.NovaUnavailable(
            f'{option} of trove.conf is not a URL of http or https') from None
