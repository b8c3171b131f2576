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

"""The part of curl that the documentation uses, for hosts without curl."""

import argparse
import pathlib
import sys

import requests


def install(folder: pathlib.Path) -> None:
    """Install curl in a directory."""
    program = folder / 'curl'
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m {__name__} "$@"\n')
    program.chmod(0o755)


def main() -> None:
    parser = argparse.ArgumentParser(prog='curl')
    parser.add_argument('-s', action='store_true')
    parser.add_argument('-H', dest='headers', action='append', default=[])
    parser.add_argument('-X', dest='method')
    parser.add_argument('-d', dest='data')
    parser.add_argument('url')
    args = parser.parse_args()
    response = requests.request(
        args.method or ('GET' if args.data is None else 'POST'), args.url,
        headers=dict(header.split(': ', 1) for header in args.headers),
        data=args.data)
    sys.stdout.write(response.text)


if __name__ == '__main__':
    main()
