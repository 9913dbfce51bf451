#!/usr/bin/env bash
# docker-engine.sh: a Docker engine for the tests on a machine that has none.
#
#   docker-engine.sh start   install Docker when it is missing (root, apt), start the daemon, make sure that the
#                            base image is there, and print DOCKER_HOST=... for the caller to export
#   docker-engine.sh stop    stop the daemon that start started
#
# A daemon that already answers is used as it is. Ours has its own socket and data folder, so that it never meets
# another one. The base image is made with debootstrap from the mirror that this machine's apt uses, together with its
# proxy settings: so the build works behind a mirror or a proxy without any of their names in the repository.
set -euo pipefail

base=debian:bookworm-slim
socket=/run/retrain-docker.sock
data=/var/lib/retrain-docker
pidfile=/run/retrain-docker.pid
log=${TMPDIR:-/tmp}/retrain-dockerd.log

say() { echo "docker-engine: $*" >&2; }
answers() { timeout 20 docker info > /dev/null 2>&1; }

install_packages() {
    command -v dockerd > /dev/null && command -v docker > /dev/null && command -v debootstrap > /dev/null && return
    [ "$(id -u)" = 0 ] || { say "not root: install docker.io and debootstrap first"; exit 1; }
    say "installing docker.io and debootstrap"
    apt-get update -qq > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        docker.io debootstrap iptables ca-certificates > /dev/null < /dev/null
}

start_daemon() {
    [ "$(id -u)" = 0 ] || { say "not root: start a Docker engine first"; exit 1; }
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup || say "no cgroups can be mounted"
    # From the usual set-up down to the least that a machine may allow.
    local options
    for options in "" "--iptables=false --bridge=none" "--iptables=false --bridge=none --storage-driver=vfs"; do
        rm -f "$pidfile"
        # shellcheck disable=SC2086
        setsid dockerd -H "unix://$socket" --data-root "$data" --exec-root /run/retrain-docker --pidfile "$pidfile" \
            $options > "$log" 2>&1 < /dev/null &
        local pid=$!
        for _ in $(seq 60); do
            if answers; then
                say "dockerd runs ${options:+with $options}"
                return
            fi
            kill -0 "$pid" 2> /dev/null || break
            sleep 0.5
        done
        kill "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    say "dockerd does not start; the end of $log:"
    tail -n 5 "$log" >&2
    exit 1
}

apt_mirror() {
    # The first archive that apt itself would use for bookworm's main packages.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2> /dev/null |
        head -n 1
}

make_base() {
    docker image inspect "$base" > /dev/null 2>&1 && return
    local mirror root
    mirror=$(apt_mirror)
    root=$(mktemp -d)
    say "making $base with debootstrap"
    debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}" > "$log.debootstrap" 2>&1 ||
        { tail -n 5 "$log.debootstrap" >&2; exit 1; }
    # How this machine's apt reaches its mirror; hooks and the like stay behind.
    apt-config dump Acquire | grep -E '^Acquire::(http|https|ftp|Retries|Check-)' > "$root/etc/apt/apt.conf.d/90host" || true
    case $mirror in https:*) mkdir -p "$root/etc/ssl/certs" && cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" ;; esac
    tar -C "$root" -c . | docker import - "$base" > /dev/null
    rm -rf "$root"
}

case ${1:-} in
start)
    if ! answers; then
        export DOCKER_HOST=unix://$socket
        if ! answers; then
            install_packages
            start_daemon
        fi
    fi
    if command -v debootstrap > /dev/null; then make_base; else say "no debootstrap: Docker pulls $base itself"; fi
    echo "DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}"
    ;;
stop)
    [ -f "$pidfile" ] && kill "$(cat "$pidfile")"
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
