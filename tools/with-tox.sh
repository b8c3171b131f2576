#!/usr/bin/env bash
# Runs tox; makes a virtualenv for it first where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v tox >/dev/null || ! tox --version 2>/dev/null | grep -q '^4'; then
    if [ ! -x .venv-tox/bin/tox ]; then
        echo 'Making a virtualenv for tox in .venv-tox ...' >&2
        python3 -m venv .venv-tox
        .venv-tox/bin/python -m pip install --quiet 'tox>=4.6,<5' >&2
    fi
    PATH="$PWD/.venv-tox/bin:$PATH"
fi
# A checkout without a tag and an archive without .git have no version that
# pbr could tell.
if ! git describe --tags >/dev/null 2>&1; then
    export PBR_VERSION="${PBR_VERSION:-0.1.0}"
fi
exec tox "$@"
