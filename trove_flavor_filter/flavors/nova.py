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

"""Flavors from Nova: for Trove's service user, and for a caller."""

from collections.abc import Iterator
import contextlib
import typing
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import token_endpoint
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
from oslo_config import cfg

from trove_flavor_filter import exception
from trove_flavor_filter.flavors import snapshot
from trove_flavor_filter import keystone
from trove_flavor_filter import requirement

# The first microversion that shows extra specs, in Nova since Rocky. The other
# fields that are read are the same in all.
MICROVERSION = '2.61'

# What was waited for, as the errors say it.
KEYSTONE_FAILED = 'Keystone returned no token'
NOVA_FAILED = 'Nova returned no flavors'

# Seconds for which a command waits for each response, where a request waits
# for nova_timeout: an administrator would only run the command again.
COMMAND_TIMEOUT = 60

# How often a list is restarted because a flavor was deleted between two of
# its pages.
RESTARTS = 3

# The consequence, for messages, if NovaFlavors.sees_all() is false.
UNSEEN = ('Trove\'s service user has no admin role in Nova, so private '
          'flavors of other projects are neither visible to the plugin nor '
          'listed')


class Caller:
    """The caller of one request.

    :param project_id: of the token
    :param token: the caller's own; None without one
    :ivar listing: the flavors that the caller sees, once they are known
    :ivar unlisted: ids that were looked up in Nova one by one
    """

    def __init__(self, project_id: str, token: str | None):
        self.project_id = project_id
        self.token = token
        self.listing: snapshot.Listing | None = None
        self.unlisted: list[str] = []


class Listed(typing.NamedTuple):
    """The flavors that Nova lists for Trove's service user.

    :ivar flavors: public ones, and private ones of the service project
    :ivar private_elsewhere: whether there are other private flavors
    :ivar sees_all: whether the service user can see those: False without
        the admin role
    """

    flavors: list[requirement.Flavor]
    private_elsewhere: bool
    sees_all: bool


class NovaFlavors:
    """Nova's flavors, requested in the way that Trove itself does.

    :param conf: ``[service_credentials]`` and the ``nova_*`` options have
        the credentials and the endpoint
    :param timeout: seconds to wait for each response; None for nova_timeout
    """

    def __init__(self, conf: cfg.ConfigOpts, timeout: float | None = None):
        self._conf = conf
        self._timeout = timeout or conf.flavor_filter.nova_timeout
        self._client: nova_client.Client | None = None

    @classmethod
    def for_command(cls, conf: cfg.ConfigOpts) -> 'NovaFlavors':
        """For a command, which waits longer than a request does."""
        return cls(conf, max(COMMAND_TIMEOUT, conf.flavor_filter.nova_timeout))

    def everything(self) -> list[requirement.Flavor]:
        """Every flavor that the service user may see, in Nova's order.

        With the admin role, these are all public and private flavors.

        :raises NovaUnavailable: Nova or Keystone is unavailable
        """
        with self._asking(NOVA_FAILED):
            return self._flavors(self._service(), is_public='None')

    def sees_all(self) -> bool:
        """Whether the service user sees private flavors of other projects.

        Nova ignores ``is_public`` for users without the admin role, and
        lists public flavors for them. Without any public flavor this cannot
        be determined, and the result is True.

        :raises NovaUnavailable: as :meth:`everything`
        """
        with self._asking(NOVA_FAILED):
            return not any(
                document['os-flavor-access:is_public']
                for document in self._pages(
                    self._service(), is_public='false'))

    def listed(self) -> Listed:
        """The flavors that Nova lists for the service user, as for Trove.

        A second request lists private flavors only, limited to one more than
        are known. It tells whether there are others, and fetches no more.

        :raises NovaUnavailable: as :meth:`everything`
        """
        with self._asking(NOVA_FAILED):
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
        """The flavors that Nova lists with the caller's own token.

        :raises CallerRefused: Nova or Keystone refuses the token
        :raises NovaUnavailable: as :meth:`everything`
        """
        with self._asking(NOVA_FAILED):
            try:
                return self._flavors(self._of(caller))
            except (nova_exceptions.Unauthorized, nova_exceptions.Forbidden,
                    keystone_exceptions.Unauthorized,
                    keystone_exceptions.Forbidden) as error:
                raise exception.CallerRefused(
                    f'{type(error).__name__}: {error}') from error

    def find(self, flavor_id: str, caller: Caller | None = None
             ) -> requirement.Flavor | None:
        """The flavor that Trove would get for an id, in any spelling.

        The request is the same as Trove's own, because Nova accepts several
        spellings of an id: "%31" for "1", or another case.

        :param caller: whose token to use; None for the service user's
        :returns: None when there is no such flavor
        :raises NovaUnavailable: as :meth:`everything`
        :raises BadRequest: the id leads to another path of Nova's API
        """
        with self._asking(NOVA_FAILED):
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

    @contextlib.contextmanager
    def _asking(self, failed: str) -> Iterator[None]:
        """Turn errors of Keystone's and Nova's clients into NovaUnavailable.

        :param failed: what was waited for in vain
        """
        try:
            yield
        except keystone_exceptions.ConnectTimeout as error:
            raise exception.NovaUnavailable(
                f'{failed}: {error} after {self._timeout:g} seconds'
            ) from error
        except (keystone_exceptions.ClientException,
                nova_exceptions.ClientException) as error:
            raise exception.NovaUnavailable(
                f'{failed}: {type(error).__name__}: {error}') from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise exception.NovaUnavailable(
                f'{failed}: invalid response: {error!r}') from error
        except OSError as error:
            # The clients turn all other errors into their own.
            raise exception.NovaUnavailable(
                f'{failed}: {error} (see "cafile" in [keystone_authtoken] of '
                f'trove.conf)') from error

    def _service(self) -> nova_client.Client:
        if self._client is None:
            self._client = connect(self._conf, self._timeout)
        return self._client

    def _of(self, caller: Caller) -> nova_client.Client:
        """A client with a caller's token and the service user's endpoint."""
        conf = self._conf
        if conf.nova_compute_url:
            url = f'{conf.nova_compute_url.rstrip("/")}/{caller.project_id}'
        else:
            service = self._service().client
            with self._asking(KEYSTONE_FAILED):
                # If the URL has a project id, it must be that of the token.
                url = service.get_endpoint().replace(
                    service.get_project_id(), caller.project_id)
        return nova_client.Client(
            MICROVERSION, session=keystone.new_session(
                conf, token_endpoint.Token(url, caller.token),
                self._timeout))

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
                # The flavor that was the marker of the next page is deleted.
                continue
        raise exception.NovaUnavailable(
            'flavors are deleted faster than Nova lists them')

    def _pages(self, nova: nova_client.Client,
               **query: str) -> Iterator[dict]:
        # The client's own flavors.list() hides whether a page is the last
        # one, and so takes a request more than its HTTP client does.
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
        with self._asking(KEYSTONE_FAILED):
            # If the token has expired, this gets a new one.
            nova.client.get_token()
        _response, body = nova.client.get(path, **kwargs)
        return body


def _flavor(document: dict) -> requirement.Flavor:
    return requirement.Flavor(
        id=document['id'], name=document['name'], ram=document['ram'],
        vcpus=document['vcpus'], disk=document['disk'],
        ephemeral=document['OS-FLV-EXT-DATA:ephemeral'],
        extra_specs=snapshot.interned(document.get('extra_specs')))


def connect(conf: cfg.ConfigOpts, timeout: float) -> nova_client.Client:
    """A Nova client with the credentials of Trove's service user.

    :param timeout: seconds to wait for each response
    :raises NovaUnavailable: trove.conf lacks credentials
    """
    credentials = conf.service_credentials
    try:
        auth = keystone.password(conf)
        if conf.nova_compute_url:
            keystone.check_url(
                '[DEFAULT] nova_compute_url', conf.nova_compute_url)
    except exception.Misconfigured as error:
        raise exception.NovaUnavailable(str(error)) from error
    override = None
    if conf.nova_compute_url and credentials.project_id:
        override = (f'{conf.nova_compute_url.rstrip("/")}/'
                    f'{credentials.project_id}')
    return nova_client.Client(
        MICROVERSION,
        session=keystone.new_session(conf, auth, timeout),
        service_type=conf.nova_compute_service_type,
        region_name=credentials.region_name,
        endpoint_type=conf.nova_compute_endpoint_type,
        endpoint_override=override)
