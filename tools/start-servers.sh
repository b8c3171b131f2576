#!/usr/bin/env bash
# Installs and starts the servers of bindep.txt on Debian and Ubuntu, unless
# they are running, and allows the tests to connect. For CI and disposable
# machines only: the databases get an administrator without a password, on
# loopback.
set -euo pipefail

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

wait_for() {
    for _ in $(seq 60); do
        answers "$1" && return
        sleep 1
    done
    echo "Nothing answers on port $1." >&2
    exit 1
}

installed() {
    command -v "$1" >/dev/null && return
    [ -n "${updated:-}" ] || { apt-get update -q; updated=yes; }
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$2"
}

if ! answers 3306; then
    installed mariadbd mariadb-server
    install -d -o mysql -g mysql /run/mysqld
    answers 3306 || start-stop-daemon --start --oknodo --background \
        --exec "$(command -v mariadbd)" -- --user=mysql --bind-address=127.0.0.1
    wait_for 3306
    mariadb -e "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('')"
fi

if ! answers 5432; then
    [ -d /usr/lib/postgresql ] || installed no-such-command postgresql
    version=$(printf "%s\n" /usr/lib/postgresql/* | sort -V | tail -n 1)
    version=${version##*/}
    conf=/etc/postgresql/$version/main
    sed -i 's/^\(host.*127\.0\.0\.1\/32 *\).*/\1trust/' "$conf/pg_hba.conf"
    answers 5432 || pg_ctlcluster --skip-systemctl-redirect "$version" main start
    wait_for 5432
fi

# Not started here: the tests start their own.
installed redis-server redis-server
installed memcached memcached
installed haproxy haproxy
[ -e /usr/lib/galera/libgalera_smm.so ] || installed no-such-command galera-4
installed rsync rsync
installed chromium chromium
installed chromedriver chromium-driver
installed xgettext gettext
