#!/usr/bin/env bash
# A demo of the plugin on a small cloud of real Keystone, Nova, Glance and
# Trove. --keep leaves the cloud running, --dashboard serves Horizon as well; see
# --help for other options.
#
# Needs python3 with venv, and PyPI.
exec "$(dirname "$0")/with-tox.sh" run -q -e demo -- "$@"
