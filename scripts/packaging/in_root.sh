#!/usr/bin/env bash
# The part of build_binary.sh that runs inside the Debian 11 root: Python, packages, PyInstaller.
set -euo pipefail

readonly HERE=/packaging
readonly PYTHON=/opt/python/bin/python3.11
readonly BIN=/opt/venv/bin

# Debian 12's source of Python 3.11: Debian keeps mending it, and apt checks its signature.
build_python() {
    if [ -x "$PYTHON" ]; then
        return
    fi
    rm -rf /build/python
    mkdir -p /build/python
    cd /build/python
    echo "deb-src $DEBIAN_MIRROR bookworm main" >/etc/apt/sources.list.d/source.list
    apt-get update -q
    apt-get source -q --download-only python3.11
    dpkg-source --no-check -x python3.11_*.dsc source
    cd source
    # As mended by Debian, pyexpat uses the interpreter's own headers.
    sed -i '1i #define Py_BUILD_CORE_MODULE 1' Modules/pyexpat.c
    ./configure --prefix=/opt/python --enable-shared --without-ensurepip --disable-test-modules \
        --with-system-expat \
        CFLAGS="-g0 -O3" LDFLAGS="-Wl,-rpath,/opt/python/lib -s"
    make -j"$(nproc)"
    make install
}

# All pinned, with hashes. PyInstaller again from source, with its bootloader mended.
install_packages() {
    rm -rf /opt/venv /build/pyinstaller
    "$PYTHON" -m venv /opt/venv
    "$BIN/pip" install -q --require-hashes --only-binary :all: -r "$HERE/build-tools.txt"
    "$BIN/pip" install -q --require-hashes --only-binary :all: -r "$HERE/binary-requirements.txt"
    mkdir /build/pyinstaller
    cd /build/pyinstaller
    sed -n '/^pyinstaller==/,/[^\\]$/p' "$HERE/build-tools.txt" >pyinstaller.txt
    "$BIN/pip" download -q --no-deps --no-build-isolation --no-binary :all: --require-hashes -r pyinstaller.txt
    tar -xzf pyinstaller-*.tar.gz --strip-components=1
    patch -p1 <"$HERE/bootloader.patch"
    PYINSTALLER_COMPILE_BOOTLOADER=1 "$BIN/pip" install -q --no-deps --no-build-isolation \
        --force-reinstall .
}

build_binary() {
    rm -rf /out /build/frozen
    mkdir -p /out /build/frozen
    "$BIN/pip" install -q --no-deps --no-build-isolation --force-reinstall /sdist/*.tar.gz
    "$BIN/python" -c "import otterize_pcap._fastpath"
    cd "$HERE"
    # Without a fixed seed, sets are written in another order each time.
    PYTHONHASHSEED=0 "$BIN/pyinstaller" --noconfirm --log-level WARN \
        --distpath /out --workpath /build/frozen otterize.spec
    "$BIN/python" "$HERE/glibc_floor.py" /out/directory/otterize >/out/glibc
}

build_python
install_packages
build_binary
