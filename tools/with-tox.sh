#!/usr/bin/env bash
# Runs tox; installs it in a virtualenv first if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v tox >/dev/null || ! tox --version 2>/dev/null | grep -q '^4'; then
    if [ ! -x .venv-tox/bin/tox ]; then
        echo 'Making a virtualenv for tox in .venv-tox ...' >&2
        python3 -m venv .venv-tox
        .venv-tox/bin/python -m pip install --quiet 'tox>=4.28,<5' 'tox-uv>=1.28' >&2
    fi
    PATH="$PWD/.venv-tox/bin:$PATH"
fi
# tox uses uv to install packages. uv does not read pip's configuration, so pass
# on its index and certificates.
configured() {
    { .venv-tox/bin/python -m pip config list || python3 -m pip config list || true; } 2>/dev/null |
        sed -n "s/^\(global\|install\|:env:\)\.$1='\(.*\)'$/\2/p" | tail -n 1
}
index=$(configured index-url)
certificates=$(configured cert)
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
[ -z "$certificates" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificates}"
exec tox "$@"
