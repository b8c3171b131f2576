#!/usr/bin/env bash
# All tests: style, types and security, the documentation, then the unit and
# database tests, then those on a small cloud of real Keystone, Nova, Glance
# and Trove.
#
# Needs python3 with venv, and PyPI. Tests on MariaDB and PostgreSQL run where
# a server answers; tools/start-servers.sh starts them.
exec "$(dirname "$0")/with-tox.sh" run -e pep8,docs,tests "$@"
