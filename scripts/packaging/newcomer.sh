#!/usr/bin/env bash
# What a newcomer does, in a fresh Debian 12 that has python3, make and git and no C compiler: clone,
# `make demo`, `make test`; then install the sdist, which says once that it reads slowly.
#
# Needs root and debootstrap. Everything is made in build/newcomer; the root is kept between runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly BUILD=$PWD/build/newcomer
readonly ROOT=$BUILD/root
readonly MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly PACKAGES=ca-certificates,git,make,python3,python3-venv

# The mounts end with the mount namespace.
run_in_root() {
    unshare --mount --propagation private -- bash -c \
        'mount -t proc proc "$0/proc" && mount -t devpts devpts "$0/dev/pts" &&
            exec chroot "$0" "${@:1}"' "$ROOT" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        PIP_CERT=/etc/ssl/host-certificates.crt PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
        ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"
}

mkdir -p "$BUILD"
if [ ! -e "$BUILD/root-made" ]; then
    rm -rf "$ROOT"
    debootstrap --variant=minbase --include="$PACKAGES" bookworm "$ROOT" "$MIRROR" \
        >"$BUILD/debootstrap.log" 2>&1
    touch "$BUILD/root-made"
fi
cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/host-certificates.crt"
rm -rf "$ROOT/origin.git" "$ROOT/root/otterize-pcap" "$ROOT/root/installed" "$ROOT/sdist"
git clone --quiet --bare --no-hardlinks . "$ROOT/origin.git"
mkdir "$ROOT/sdist"
cp dist/otterize_pcap-*.tar.gz "$ROOT/sdist/"
cp scripts/packaging/slow_start.py "$ROOT/sdist/"

echo "== clone, make demo, make test"
run_in_root bash -euc '
    if command -v gcc cc clang; then echo "there is a compiler"; exit 1; fi
    git config --global --add safe.directory /origin.git
    git clone --quiet /origin.git ~/otterize-pcap
    cd ~/otterize-pcap
    make demo
    make test
'
echo "== install without a compiler"
run_in_root bash -euc '
    python3 -m venv ~/installed
    ~/installed/bin/pip install --quiet /sdist/*.tar.gz
    cd ~/otterize-pcap
    ~/installed/bin/python /sdist/slow_start.py fixtures/tutorial-before
'
