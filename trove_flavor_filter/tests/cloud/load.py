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

"""A steady load on Trove; counts the responses."""

import collections
import concurrent.futures
import http.client
import threading
import time
from urllib import parse

from trove_flavor_filter.tests.cloud import cloud

CLIENTS = 4


class Load:
    """Clients that request a list of flavors in a loop.

    :param url: of Trove; None for the cloud's own

    :ivar answers: number of responses, by status; 0 for no response
    :ivar slowest: the longest response time, in seconds
    """

    def __init__(self, booted: cloud.Cloud, path: str,
                 url: str | None = None):
        self._url = parse.urlsplit(url or booted.trove_url)
        self._path = f'/v1.0/{booted.project_id()}{path}'
        self._token = booted.token()
        self._end = threading.Event()
        self.answers: collections.Counter[int] = collections.Counter()
        self.slowest = 0.0

    def __enter__(self) -> 'Load':
        self._pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)
        self._jobs = [self._pool.submit(self._ask) for _client
                      in range(CLIENTS)]
        return self

    def __exit__(self, *_exception) -> None:
        self._end.set()
        for job in self._jobs:
            job.result()
        self._pool.shutdown()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(
            self._url.hostname, self._url.port, timeout=30)
        while not self._end.wait(0.01):
            begun = time.monotonic()
            try:
                connection.request('GET', self._path,
                                   headers={'X-Auth-Token': self._token})
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
                if answer.status == 503:
                    self.answers['Retry-After'] += bool(
                        answer.headers['Retry-After'])
            except (OSError, http.client.HTTPException):
                self.answers[0] += 1
                connection.close()
            self.slowest = max(self.slowest, time.monotonic() - begun)
        connection.close()
