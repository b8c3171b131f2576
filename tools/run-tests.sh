#!/usr/bin/env bash
# Runs all tests: style, types and security, the documentation, the unit and
# database tests, and the tests on a small cloud of real Keystone, Nova, Glance
# and Trove.
#
# Needs python3 with venv, and PyPI. Tests on MariaDB and PostgreSQL are skipped
# unless a server answers; tools/start-servers.sh starts the servers.
exec "$(dirname "$0")/with-tox.sh" run -e pep8,docs,tests "$@"
