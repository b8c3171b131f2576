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

"""What Nova says of flavors, and of who may use them."""

from collections.abc import Iterator
import contextlib
import typing
from urllib import parse

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1.identity import generic
from keystoneauth1 import session
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
from oslo_config import cfg

from trove_flavor_filter import exception
from trove_flavor_filter import requirement

# What is read of a flavor has not changed since the first microversion, so
# whatever Nova there is can answer.
MICROVERSION = '2.1'

# How often a list is begun again because a flavor was deleted between two of
# its pages.
RESTARTS = 3


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Turn what Keystone's and Nova's clients throw into NovaUnavailable."""
    try:
        yield
    except (keystone_exceptions.ClientException,
            nova_exceptions.ClientException) as error:
        raise exception.NovaUnavailable(
            f'{type(error).__name__}: {error}') from error


class NovaFlavors:
    """The flavors that exist, asked of Nova as Trove itself asks.

    :param conf: ``[service_credentials]`` and the ``nova_*`` options say
        who asks and where
    """

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._client: nova_client.Client | None = None

    def everything(self) -> list[requirement.Flavor]:
        """Every flavor, whoever may use it, in Nova's order.

        A flavor that Trove's service project may use counts as public:
        giving it to that project, and to it alone, is how a cloud keeps
        database flavors out of its users' Nova, and Trove lists them.

        :raises NovaUnavailable: when Keystone or Nova gives no answer
        """
        try:
            with _answered():
                nova = self._nova()
                service_project = nova.client.get_project_id()
                return [
                    _flavor(document,
                            self._may_use(nova, document, service_project))
                    for document in self._documents(nova)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise exception.NovaUnavailable(
                f'the answer of Nova cannot be understood: {error!r}'
            ) from error

    def find(self, flavor_id: str) -> requirement.Flavor | None:
        """The flavor that Trove would get for an id, however it is spelled.

        Nova is asked by the same call as Trove's own, since it takes more
        than one spelling for a flavor: "%31" for "1", or another case.

        :returns: None when there is no such flavor
        :raises NovaUnavailable: as :meth:`everything`
        :raises BadRequest: the id leads somewhere else in Nova's API
        """
        with _answered():
            try:
                return _flavor(self._nova().flavors.get(flavor_id).to_dict())
            except (nova_exceptions.NotFound, nova_exceptions.BadRequest):
                return None
            except (KeyError, TypeError, ValueError,
                    AttributeError) as error:
                raise exception.BadRequest(
                    f'{flavor_id!r} is not the id of a flavor.') from error

    def _nova(self) -> nova_client.Client:
        if self._client is None:
            self._client = connect(self._conf)
        return self._client

    def _documents(self, nova: nova_client.Client) -> Iterator[dict]:
        """Nova's documents of all flavors, page after page."""
        for _attempt in range(RESTARTS):
            try:
                return iter(self._pages(nova))
            except nova_exceptions.BadRequest:
                # The flavor that marks where the next page begins is gone.
                continue
        raise exception.NovaUnavailable(
            'flavors are deleted faster than Nova lists them')

    def _pages(self, nova: nova_client.Client) -> list[dict]:
        # The client's own flavors.list() hides whether a page is the last
        # one, so its HTTP client is asked: one call where one will do.
        documents: list[dict] = []
        marker = ''
        while True:
            body = self._get(
                nova, f'/flavors/detail?is_public=None{marker}')
            documents += body['flavors']
            if not body.get('flavors_links') or not body['flavors']:
                return documents
            marker = f'&marker={parse.quote(documents[-1]["id"])}'

    def _may_use(self, nova: nova_client.Client, document: dict,
                 service_project: str) -> frozenset[str] | None:
        """Ids of the projects that may use a flavor; None when all may."""
        if document['os-flavor-access:is_public']:
            return None
        projects = self._projects(nova, document['id'])
        if projects is not None and service_project in projects:
            return None
        return projects

    def _projects(self, nova: nova_client.Client,
                  flavor_id: str) -> frozenset[str] | None:
        """Ids of the projects that may use a private flavor."""
        try:
            body = self._get(nova, f'/flavors/{parse.quote(flavor_id)}'
                                   f'/os-flavor-access')
        except nova_exceptions.Forbidden:
            # To a service user without the admin role Nova lists just the
            # private flavors of its own project, which count as public.
            return None
        except nova_exceptions.NotFound:
            # Deleted, or made public, since it was listed: until the next
            # look it is nobody's.
            return frozenset()
        return frozenset(access['tenant_id']
                         for access in body['flavor_access'])

    def _get(self, nova: nova_client.Client, path: str) -> dict:
        kwargs: dict[str, typing.Any] = {}
        if self._conf.nova_api_insecure:
            kwargs['verify'] = False
        _response, body = nova.client.get(path, **kwargs)
        return body


def _flavor(document: dict,
            projects: frozenset[str] | None = None) -> requirement.Flavor:
    return requirement.Flavor(
        id=document['id'], name=document['name'], ram=document['ram'],
        vcpus=document['vcpus'], disk=document['disk'],
        ephemeral=document['OS-FLV-EXT-DATA:ephemeral'], projects=projects)


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
    auth = generic.Password(
        auth_url=credentials.auth_url,
        username=credentials.username,
        password=credentials.password,
        user_domain_name=credentials.user_domain_name,
        **({'project_name': credentials.project_name,
            'project_domain_name': credentials.project_domain_name}
           if credentials.project_name
           else {'project_id': credentials.project_id}))
    verify = (not conf.keystone_authtoken.insecure
              and (conf.keystone_authtoken.cafile or True))
    override = None
    if conf.nova_compute_url and credentials.project_id:
        override = (f'{conf.nova_compute_url.rstrip("/")}/'
                    f'{credentials.project_id}')
    return nova_client.Client(
        MICROVERSION,
        session=session.Session(
            auth=auth, verify=verify, timeout=conf.flavor_filter.nova_timeout,
            app_name='trove-flavor-filter'),
        service_type=conf.nova_compute_service_type,
        region_name=credentials.region_name,
        endpoint_type=conf.nova_compute_endpoint_type,
        endpoint_override=override)
