#!/bin/sh
# image-root.sh DIR: lays out the root file system of the container image: build/retrain, build/entrypoint, every shared
# library that they load (OpenBLAS by name, because it is loaded with dlopen), certificates and busybox.
set -eu
root=$1
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/etc/ssl/certs" "$root/root"
mkdir "$root/tmp" && chmod 1777 "$root/tmp"
for link in bin sbin lib lib64; do ln -s "usr/$(echo $link | sed s/sbin/bin/)" "$root/$link"; done

install -s -m 755 build/retrain "$root/usr/bin/retrain"
install -s -m 755 build/entrypoint "$root/usr/bin/retrain-entrypoint"
install -m 755 "$(command -v busybox)" "$root/usr/bin/busybox"
for applet in $(busybox --list); do [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"; done

# The library's own file: the system's name for it is a link through /etc/alternatives.
openblas=$(find /usr/lib -name libopenblas.so.0 -path '*openblas-pthread*' | head -n 1)
[ -n "$openblas" ] || { echo "image-root.sh: libopenblas.so.0 not found: install libopenblas0-pthread" >&2; exit 1; }
libdir=$(dirname "$(dirname "$openblas")")
mkdir -p "$root$libdir"
install -m 644 "$(readlink -f "$openblas")" "$root$libdir/libopenblas.so.0"

{ ldd build/retrain; ldd "$openblas"; } | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | sort -u |
    while read -r lib; do
        case $lib in
        */ld-linux*) mkdir -p "$root/usr/lib64"; install -m 755 "$(readlink -f "$lib")" "$root/usr/lib64/${lib##*/}" ;;
        *) install -m 644 "$(readlink -f "$lib")" "$root$libdir/${lib##*/}" ;;
        esac
    done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
