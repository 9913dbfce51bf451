#!/bin/sh
# Installs what building and testing retrain needs, and says what and why. `--check` only looks: exit 0 if all is there.
# Looks at what is on the machine, not at the package list, so libraries from elsewhere count too.
set -u

missing=  # Debian packages
required= # those among them without which nothing can be built
reasons=
need() # package, why, "optional" or nothing
{
    case " $missing " in *" $1 "*) return ;; esac
    [ "${3:-}" = optional ] || required="$required $1"
    missing="$missing $1"
    reasons="$reasons
  $1: $2"
}

has() { command -v "$1" >/dev/null 2>&1; }

{ has cc || has gcc || has clang; } || need gcc "C compiler"
has ar || need binutils "linker and archiver"
has make || need make "builds"
has pkg-config || need pkg-config "finds the libraries"
has python3 || need python3 "runs the tests" optional
if has cc || has gcc || has clang; then
    [ -e /usr/include/stdio.h ] || need libc6-dev "C library's headers"
else
    need libc6-dev "C library's headers"
fi

lib() # pkg-config name, package, why, "optional" or nothing
{
    { has pkg-config && pkg-config --exists "$1" 2>/dev/null; } || need "$2" "$3" "${4:-}"
}
# One call answers for all of them in the usual case.
if ! { has pkg-config && pkg-config --exists libcurl libcrypto yaml-0.1 expat jansson cmocka 2>/dev/null; }; then
    lib libcurl libcurl4-openssl-dev "HTTP"
    lib libcrypto libssl-dev "digests"
    lib yaml-0.1 libyaml-dev "configuration and data.yaml"
    lib expat libexpat1-dev "XML: Pascal VOC and S3's replies"
    lib jansson libjansson-dev "JSON"
    lib cmocka libcmocka-dev "unit tests" optional
fi
[ -e /usr/include/stb/stb_image.h ] || [ -e /usr/local/include/stb/stb_image.h ] || need libstb-dev "image files"
has_openblas()
{
    for file in /usr/lib/*/libopenblas.so.0 /usr/lib/libopenblas.so* /usr/lib64/libopenblas*.so* /usr/local/lib/libopenblas.so*; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}
has_openblas || need libopenblas0-pthread "fast matrix products" optional
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || need ca-certificates "HTTPS" optional

[ "${1:-}" != --check ] || { [ -z "$missing" ]; exit; }
if [ -z "$missing" ]; then
    echo "deps: everything is there"
    exit 0
fi

# What is optional must not stop a build that can do without it.
give_up() # what to do
{
    echo "deps: $1" >&2
    [ -n "$required" ] && exit 1
    echo "deps: going on without:$missing" >&2
    exit 0
}

echo "deps: missing here:$reasons"
has apt-get || give_up "this system has no apt-get; install the like of these with its own tool, then run make again"
sudo=
if [ "$(id -u)" != 0 ]; then
    has sudo || give_up "not root and no sudo; as root run: apt-get install$missing"
    sudo="sudo"
fi
echo "deps: $sudo apt-get install$missing"
# shellcheck disable=SC2086 # both are lists of words
{
    $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
} || give_up "apt-get failed, see above; without a network, install these by hand:$missing"
