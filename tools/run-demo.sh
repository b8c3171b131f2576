#!/usr/bin/env bash
# The main job on a small cloud of real Keystone, Nova, Glance and Trove, shown
# step by step. --keep leaves the cloud up, --dashboard serves Horizon as well,
# --help tells the rest.
#
# Needs python3 with venv, and PyPI.
exec "$(dirname "$0")/with-tox.sh" run -q -e demo -- "$@"
