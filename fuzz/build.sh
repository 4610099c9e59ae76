#!/bin/sh
# Build the compiled path with AddressSanitizer, UndefinedBehaviorSanitizer and coverage, and the
# harness that feeds it: fuzz/build/harness. Needs clang with libFuzzer, and Python's shared library.
set -eu
python=$(command -v "${PYTHON:-python3}")
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/fuzz/build
variable() { "$python" -c "import sysconfig; print(sysconfig.get_config_var('$1'))"; }
include=$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")
library=$(variable LIBDIR)
version=$(variable LDVERSION)
sanitize="-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"

rm -rf "$build/otterize_pcap"
mkdir -p "$build"
# Links, but folders of their own: the instrumented path goes in beside the modules that load it.
cp -rs "$root/otterize_pcap" "$build/otterize_pcap"
rm -f "$build"/otterize_pcap/table/_fastpath*.so
"$python" -m cython -3 "$root/otterize_pcap/table/_fastpath.pyx" -o "$build/_fastpath.c"
# shellcheck disable=SC2086 # the flags are words
clang $sanitize -fsanitize=fuzzer-no-link -fPIC -shared -I"$include" "$build/_fastpath.c" \
    -o "$build/otterize_pcap/table/_fastpath$(variable EXT_SUFFIX)"
# shellcheck disable=SC2086
clang $sanitize -fsanitize=fuzzer -I"$include" "$root/fuzz/harness.c" -o "$build/harness" \
    -L"$library" "-lpython$version" "-Wl,-rpath,$library"
