#!/usr/bin/env bash
# Runs the demo and all tests on a minimal Debian: a chroot from debootstrap
# with only python3, venv, git and CA certificates. Prints the results. Needs
# root, debootstrap, and about 5 GB in /var/tmp.
#
#     tools/run-in-bare-debian.sh [SUITE [COMMAND...]]
#
# SUITE is bookworm (the default), trixie or another Debian suite. COMMAND
# replaces the demo and the tests, for example "tools/with-tox.sh run -e py3".
# The mirror is that of the host, or DEBIAN_MIRROR. The host's settings for PyPI
# (pip configuration, proxies, certificates) are used in the chroot too. Only
# committed changes are tested. The host's databases are not used, so tests
# that need them are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:-bookworm}
shift $(($# > 0))
root=/var/tmp/bare-debian/$suite
mirror=${DEBIAN_MIRROR:-$(
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -n 's|^[^#]*\(https\?://[^ ]*/debian\)/\?\( .*\)\?$|\1|p' | head -n 1 || true)}
mirror=${mirror:-http://deb.debian.org/debian}

if [ ! -e "$root/made" ]; then
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    # A suite that is newer than debootstrap uses the script of sid.
    scripts=/usr/share/debootstrap/scripts
    script=$scripts/$suite
    [ -e "$script" ] || script=$scripts/sid
    debootstrap --variant=minbase --include=python3,python3-venv,git,ca-certificates \
        "$suite" "$root" "$mirror" "$script"
    touch "$root/made"
fi

trap 'umount "$root/proc" "$root/dev/shm" "$root/dev" 2>/dev/null || true' EXIT
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mkdir -p "$root/dev/shm"
mount -t tmpfs tmpfs "$root/dev/shm"

# The host's settings for PyPI. A file that a variable names is copied.
environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
while IFS='=' read -r name value; do
    environment+=("$name=$value")
    case $value in
        /*) [ ! -f "$value" ] || install -D -m 0644 "$value" "$root$value" ;;
    esac
done < <(env | grep -iE '^(PIP_|UV_|[a-z]*_proxy=|SSL_CERT_|REQUESTS_CA|GIT_SSL_CAINFO)')
cp /etc/resolv.conf /etc/hosts "$root/etc/"
for file in /etc/pip.conf /etc/xdg/pip/*; do
    [ ! -f "$file" ] || install -D -m 0644 "$file" "$root$file"
done
# Ports where no server listens.
environment+=(FLAVOR_FILTER_MYSQL=mysql+pymysql://root@127.0.0.1:9/
              FLAVOR_FILTER_POSTGRESQL=postgresql://postgres@127.0.0.1:9/)

rm -rf "$root/srv/checkout"
git clone --quiet --no-local . "$root/srv/checkout"

in_root() {
    env -i "${environment[@]}" chroot "$root" sh -c "cd /srv/checkout && $1" \
        </dev/null
}
failed=0
in_root 'python3 --version; cat /etc/debian_version'
commands=(tools/run-demo.sh tools/run-tests.sh)
[ $# -eq 0 ] || commands=("$*")
for command in "${commands[@]}"; do
    begun=$SECONDS
    word=passed
    in_root "$command" 2>&1 | tee "$root/log" || { word=failed; failed=1; }
    echo "$command on $suite: $word after $((SECONDS - begun)) s"
done
grep -hoE '(SKIPPED|FAILED).*' "$root/log" | sort | uniq -c | sort -rn | head -n 20 || true
awk '/^ - Passed: / {passed += $3} /^ - Failed: / {failed += $3}
     /^ - Skipped: / {skipped += $3}
     END {printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped}' "$root/log"
exit "$failed"
