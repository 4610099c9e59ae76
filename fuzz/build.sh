#!/bin/sh
# Build the compiled path with AddressSanitizer, UndefinedBehaviorSanitizer and coverage, and the
# harness that feeds it: fuzz/build/harness. Needs clang with libFuzzer, and Python's shared library.
# What was built of the same sources with the same flags is taken again, from fuzz/build/kept.
set -eu
python=$(command -v "${PYTHON:-python3}")
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/fuzz/build
variable() { "$python" -c "import sysconfig; print(sysconfig.get_config_var('$1'))"; }
include=$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")
library=$(variable LIBDIR)
version=$(variable LDVERSION)
suffix=$(variable EXT_SUFFIX)
# Without the define, Cython adds 0 to a null pointer wherever a class is made without arguments.
sanitize="-g1 -O1 -DOTTERIZE_CHECKED_MEMORY -DCYTHON_VECTORCALL_TPNEW=0 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"

rm -rf "$build/otterize_pcap"
mkdir -p "$build/kept"
# Links, but folders of their own: the instrumented path goes in beside the modules that load it.
cp -rs "$root/otterize_pcap" "$build/otterize_pcap"
find "$build/otterize_pcap" -name '*.so' -delete
cd "$root"
# Every module includes some of the .pxd files: one changed builds all of them again.
common=$( { clang --version; "$python" -m cython --version 2>&1; echo "$sanitize $suffix"
    find otterize_pcap -name '*.pxd' | sort | xargs cat; } | sha256sum)
export python build include suffix sanitize common
# Two at once: the longest of them takes as long as the others together.
find otterize_pcap/table otterize_pcap/connections -name '_*.pyx' -printf '%s %p\n' | sort -rn |
    cut -d ' ' -f 2 | xargs -P 2 -I '{}' sh -euc '
    module=${1%.pyx}
    key=$( { echo "$common"; cat "$1"; } | sha256sum | cut -c 1-24)
    kept=$build/kept/$(basename "$module")-$key.so
    if [ ! -e "$kept" ]; then
        "$python" -m cython -3 "$1" -o "$kept.c"
        # shellcheck disable=SC2086 # the flags are words
        clang $sanitize -w -fsanitize=fuzzer-no-link -fPIC -shared -I"$include" "$kept.c" -o "$kept.new"
        mv "$kept.new" "$kept"
        rm "$kept.c"
    fi
    ln -s "$kept" "$build/$module$suffix"
' sh '{}'
# shellcheck disable=SC2086
clang $sanitize -fsanitize=fuzzer -I"$include" "$root/fuzz/harness.c" -o "$build/harness" \
    -L"$library" "-lpython$version" "-Wl,-rpath,$library"
