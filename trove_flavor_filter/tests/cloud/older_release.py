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

"""Routes that an older release of the plugin lacks, answered as by Trove."""

from collections.abc import Callable
import pathlib
import re
import typing

import webob

# What a datastore offers, and what an instance may be upgraded to.
ROUTES = re.compile(r'.*(/flavors/datastores/[^/]+|'
                    r'/instances/[^/]+/datastore-versions)')


def factory(global_conf: dict[str, str], **local_conf: str
            ) -> Callable[..., typing.Any]:
    """A paste filter that answers 404, without the plugin's mark."""
    def before(application: typing.Any) -> typing.Any:
        def answer(environ: dict[str, typing.Any],
                   start_response: Callable[..., typing.Any]) -> typing.Any:
            if ROUTES.fullmatch(environ['PATH_INFO']):
                return webob.Response(status=404)(environ, start_response)
            return application(environ, start_response)
        return answer
    return before


def put_before(paste_ini: pathlib.Path) -> None:
    """Have the plugin of a cloud lack the routes, after a restart."""
    text = paste_ini.read_text()
    changed = re.sub(r'(?m)^(pipeline = .*?)(\S*flavor_filter)',
                     r'\1older_release \2', text)
    assert changed != text, text
    paste_ini.write_text(
        f'{changed}\n[filter:older_release]\n'
        f'paste.filter_factory = {__name__}:factory\n')
