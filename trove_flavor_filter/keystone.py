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

"""Keystone, as Trove's service user: sessions, and errors in words."""

import threading
import typing

from keystoneauth1 import access
from keystoneauth1 import exceptions
from keystoneauth1.identity import generic
from keystoneauth1 import plugin
from keystoneauth1 import session
from oslo_config import cfg
from oslo_config import types

from trove_flavor_filter import exception

URL = types.URI(schemes=['http', 'https'])


class _Password(generic.Password):
    """A password, without a deadlock of keystoneauth.

    If Keystone answers 401 when it is asked for its versions, keystoneauth
    asks again with a token, and waits for the lock under which it asks.
    """

    _getting: int | None = None

    def get_auth_ref(self, session: session.Session, **kwargs: typing.Any
                     ) -> access.AccessInfo:
        self._getting = threading.get_ident()
        try:
            return super().get_auth_ref(session, **kwargs)
        finally:
            self._getting = None

    def get_access(self, session: session.Session, **kwargs: typing.Any
                   ) -> access.AccessInfo:
        if self._getting == threading.get_ident():
            raise exceptions.Unauthorized(
                'Keystone does not show its versions')
        return super().get_access(session, **kwargs)


def password(conf: cfg.ConfigOpts) -> plugin.BaseAuthPlugin:
    """The credentials of Trove's service user.

    :raises Misconfigured: trove.conf lacks some of them; the message names
        them
    """
    credentials = conf.service_credentials
    missing = [name for name in ('auth_url', 'username', 'password')
               if not credentials[name]]
    if missing:
        raise exception.Misconfigured(
            f'trove.conf has no {" and no ".join(missing)} in '
            f'[service_credentials]')
    check_url('[service_credentials] auth_url', credentials.auth_url)
    return _Password(
        auth_url=credentials.auth_url,
        username=credentials.username,
        password=credentials.password,
        user_domain_name=credentials.user_domain_name,
        **({'project_name': credentials.project_name,
            'project_domain_name': credentials.project_domain_name}
           if credentials.project_name
           else {'project_id': credentials.project_id}))


def new_session(conf: cfg.ConfigOpts, auth: plugin.BaseAuthPlugin,
                timeout: float) -> session.Session:
    return session.Session(
        auth=auth, timeout=timeout,
        verify=(not conf.keystone_authtoken.insecure
                and (conf.keystone_authtoken.cafile or True)),
        app_name='trove-flavor-filter')


def check_url(option: str, url: str) -> None:
    """See that an option is a URL: the clients' errors do not name it.

    :raises Misconfigured: it is none
    """
    try:
        URL(url)
    except ValueError:
        raise exception.Misconfigured(
            f'{option} of trove.conf is not a URL of http or https') from None
