#!/usr/bin/env bash
# The part of build_binary.sh that runs inside the Debian 11 root: Python, packages, PyInstaller.
set -euo pipefail

readonly HERE=/packaging
readonly PYTHON=/opt/python/bin/python3.11
readonly BIN=/opt/venv/bin

# Debian 12's source of Python 3.11: Debian keeps mending it, and apt checks its signature.
build_python() {
    if [ -e /build/python-made ]; then
        return
    fi
    rm -rf /build/python /opt/python
    mkdir -p /build/python
    cd /build/python
    {
        echo "deb $DEBIAN_MIRROR-security bullseye-security main"
        echo "deb-src $DEBIAN_MIRROR bookworm main"
    } >/etc/apt/sources.list.d/more.list
    {
        apt-get update -q
        # OpenSSL above all: its libraries go into the binary.
        DEBIAN_FRONTEND=noninteractive apt-get upgrade -q -y
        apt-get source -q --download-only python3.11
        dpkg-source --no-check -x python3.11_*.dsc source
    } >/build/apt.log 2>&1
    cd source
    # As mended by Debian, pyexpat uses the interpreter's own headers.
    sed -i '1i #define Py_BUILD_CORE_MODULE 1' Modules/pyexpat.c
    # The functions said to be missing are too new for older systems; Python does without.
    ./configure -q --prefix=/opt/python --enable-shared --without-ensurepip --disable-test-modules \
        --with-system-expat CFLAGS="-g0 -O3 -include $HERE/old_glibc.h" \
        LDFLAGS="-Wl,-rpath,/opt/python/lib -s" ac_cv_func_copy_file_range=no \
        ac_cv_func_memfd_create=no ac_cv_func_sem_clockwait=no
    make -s -j"$(nproc)" >make.log 2>&1
    make -s install >install.log 2>&1
    touch /build/python-made
}

# All pinned, with hashes. PyInstaller again from source, with its bootloader mended.
install_packages() {
    rm -rf /opt/venv /build/pyinstaller
    "$PYTHON" -m venv /opt/venv
    "$BIN/pip" install -q --require-hashes --only-binary :all: -r "$HERE/build-tools.txt"
    "$BIN/pip" install -q --require-hashes --only-binary :all: -r "$HERE/binary-requirements.txt"
    # Two thirds of these libraries are symbols for debuggers.
    find /opt/venv/lib -name '*.so' -exec strip {} +
    mkdir /build/pyinstaller
    cd /build/pyinstaller
    sed -n '/^pyinstaller==/,/[^\\]$/p' "$HERE/build-tools.txt" >pyinstaller.txt
    "$BIN/pip" download -q --no-deps --no-build-isolation --no-binary :all: --require-hashes -r pyinstaller.txt
    tar -xzf pyinstaller-*.tar.gz --strip-components=1
    patch -p1 <"$HERE/bootloader.patch"
    PYI_STATIC_ZLIB=1 PYINSTALLER_COMPILE_BOOTLOADER=1 "$BIN/pip" install -q --no-deps --no-build-isolation \
        --force-reinstall .
}

build_binary() {
    rm -rf /out /build/frozen
    mkdir -p /out /build/frozen
    "$BIN/pip" install -q --no-deps --no-build-isolation --force-reinstall /sdist/*.tar.gz
    "$BIN/python" -c "import otterize_pcap.table._fastpath"
    cd "$HERE"
    # Without a fixed seed, sets are written in another order each time.
    PYTHONHASHSEED=0 "$BIN/pyinstaller" --noconfirm --log-level WARN \
        --distpath /out --workpath /build/frozen otterize.spec
    "$BIN/python" "$HERE/glibc_floor.py" /out/otterize >/out/glibc
}

# The Debian packages that parts of the binary come from, for its bill of materials.
list_system_packages() {
    cd /out/otterize/lib
    for library in lib*.so.*; do
        case $library in
        libpython*) echo "python3.11 $(sed -n 's/^Version: //p' /build/python/*.dsc)" ;;
        *) dpkg-query --search "*/$library" | sed 's/:.*//' | sort -u | head -1 |
            xargs dpkg-query --show --showformat '${Package} ${Version}\n' ;;
        esac
    done | sort -u >/out/system-packages
}

build_python
install_packages
build_binary
list_system_packages
