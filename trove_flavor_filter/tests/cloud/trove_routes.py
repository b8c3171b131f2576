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

"""Print every route of Trove's API and of its extensions, as JSON.

Run as a script by the Python of Trove's environment. Each route has its path,
its methods (empty for all), the classes of its controller, with those that it
inherits from, and its action.
"""

import gc
import json
import sys


def main() -> None:
    import routes
    from trove.common import api
    from trove.common import extensions

    # They must stay referenced until their mappers have been found.
    apps = [api.API(), extensions.ExtensionMiddleware(None, {})]
    found = []
    for mapper in gc.get_objects():
        if not isinstance(mapper, routes.Mapper):
            continue
        for route in mapper.matchlist:
            controller = getattr(route.defaults['controller'], 'controller',
                                 route.defaults['controller'])
            action = route.defaults['action']
            # Routes makes more routes of a resource than it has methods.
            if hasattr(controller, action):
                found.append({
                    'path': route.routepath,
                    'methods': (route.conditions or {}).get('method') or [],
                    'controllers': [each.__name__ for each
                                    in type(controller).__mro__[:-1]],
                    'action': action})
    del apps
    json.dump(found, sys.stdout)


if __name__ == '__main__':
    main()
