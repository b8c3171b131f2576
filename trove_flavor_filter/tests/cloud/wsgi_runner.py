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

"""Serve a WSGI application of a service: MODULE:NAME HOST PORT THREADS."""

import importlib
import sys


def main() -> None:
    target, host, port, threads = sys.argv[1:]
    # The services read the command line while they are imported, and
    # would trip over this one.
    sys.argv = ['wsgi']
    module, _, name = target.partition(':')
    application = getattr(importlib.import_module(module), name)
    import waitress
    # Horizon leaves connections open: one for each list of flavors.
    waitress.serve(application, host=host, port=int(port),
                   threads=int(threads), connection_limit=1000, _quiet=True)


if __name__ == '__main__':
    main()
