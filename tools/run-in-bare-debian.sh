#!/usr/bin/env bash
# Runs the demo and all tests on a bare Debian: a root made by debootstrap,
# with python3, its venv, git and certificates, and nothing else. Prints what
# came of both. Needs root, debootstrap, and some 5 GB in /var/tmp.
#
#     tools/run-in-bare-debian.sh [SUITE [COMMAND...]]
#
# SUITE is bookworm (the default), trixie or another one of Debian's. COMMAND is
# run in place of both, such as "tools/with-tox.sh run -e py3". The mirror is
# that of this machine, or DEBIAN_MIRROR. How pip reaches PyPI here (its
# configuration, proxies, certificates) holds there as well. What is committed
# is what runs. The databases of this machine are out of reach: their tests
# are skipped.
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
    # A suite newer than debootstrap is made as sid is.
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

# How this machine reaches PyPI. A file that a variable names comes along.
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
# Ports that nobody answers at.
environment+=(FLAVOR_FILTER_MYSQL=mysql+pymysql://root@127.0.0.1:9/
              FLAVOR_FILTER_POSTGRESQL=postgresql://postgres@127.0.0.1:9/)

rm -rf "$root/root/checkout"
git clone --quiet --no-local . "$root/root/checkout"

in_root() {
    env -i "${environment[@]}" chroot "$root" sh -c "cd /root/checkout && $1" \
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
