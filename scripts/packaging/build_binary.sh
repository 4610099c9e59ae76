#!/usr/bin/env bash
# Build dist/otterize, one file that needs nothing but the C library, and beside it the same as a
# directory in a tar.gz, which starts faster, and with the C library, for pods without (portable.sh).
#
# Both are built in a Debian 11 root made here, so that they run wherever glibc is 2.31 or newer.
# Needs root, a Debian or Ubuntu host with apt, and the sdist (`make dist`). Everything is made in
# build/binary; to start afresh, remove that. The root and its Python are kept between runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly HERE=scripts/packaging
readonly BUILD=$PWD/build/binary
readonly ROOT=$BUILD/root
readonly MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly IN_ROOT_PACKAGES=binutils,ca-certificates,dpkg-dev,file,gcc,libbz2-dev,libc6-dev,libexpat1-dev,libffi-dev,liblzma-dev,libssl-dev,make,patch,xz-utils,zlib1g-dev

fail() {
    echo "build_binary: $*" >&2
    exit 1
}

# debootstrap, from the host or unpacked into the build directory.
find_debootstrap() {
    if command -v debootstrap >/dev/null; then
        return
    fi
    (
        mkdir -p "$BUILD/tools"
        cd "$BUILD/tools"
        apt-get download -q debootstrap || (apt-get update -q && apt-get download -q debootstrap)
        dpkg -x debootstrap_*.deb .
    ) || fail "no debootstrap, and apt-get cannot download it; install it and start again"
    export DEBOOTSTRAP_DIR=$BUILD/tools/usr/share/debootstrap
    PATH=$BUILD/tools/usr/sbin:$PATH
}

make_root() {
    if [ -e "$BUILD/root-made" ]; then
        return
    fi
    find_debootstrap
    rm -rf "$ROOT"
    debootstrap --variant=minbase --include="$IN_ROOT_PACKAGES" bullseye "$ROOT" "$MIRROR" \
        >"$BUILD/debootstrap.log" 2>&1 || fail "debootstrap failed; see $BUILD/debootstrap.log"
    touch "$BUILD/root-made"
}

# What lies outside the root and is needed inside: names, certificates, our files.
furnish_root() {
    cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
    # Under a name of its own: the root's package of certificates replaces its own file.
    cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/host-certificates.crt"
    rm -rf "$ROOT/packaging" "$ROOT/sdist"
    mkdir "$ROOT/sdist"
    cp -r "$HERE" "$ROOT/packaging"
    cp dist/otterize_pcap-*.tar.gz "$ROOT/sdist/"
}

# The mount of /proc ends with the mount namespace, whatever happens to this script.
run_in_root() {
    unshare --mount --propagation private -- bash -c \
        'mount -t proc proc "$0/proc" && exec chroot "$0" "${@:1}"' "$ROOT" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        PIP_CERT=/etc/ssl/host-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 \
        PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" DEBIAN_MIRROR="$MIRROR" \
        SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"
}

[ "$(id -u)" = 0 ] || fail "needs root, for debootstrap and chroot"
[ "$(uname -m)" = x86_64 ] || fail "builds on x86-64 only"
[ "$(ls dist/otterize_pcap-*.tar.gz 2>/dev/null | wc -l)" = 1 ] || fail "needs one sdist in dist/: make dist"
mkdir -p "$BUILD"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y pyproject.toml)}"
make_root
furnish_root
run_in_root bash /packaging/in_root.sh

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' otterize_pcap/version.py)
name=otterize-$version-linux-x86_64
install -m 755 "$ROOT/out/otterize-file" dist/otterize
bash "$HERE/portable.sh" dist/otterize "$ROOT" dist/otterize-portable
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --transform="s,^otterize,$name," -C "$ROOT/out" -c otterize \
    | gzip -9n >"dist/$name.tar.gz"
cp "$ROOT/out/glibc" "$ROOT/out/system-packages" "$BUILD/"
ls -l dist/otterize dist/otterize-portable "dist/$name.tar.gz"
echo "needs $(cat "$BUILD/glibc") or newer"
