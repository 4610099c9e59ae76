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
sanitize="-g -O1 -DOTTERIZE_CHECKED_MEMORY -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"

rm -rf "$build/otterize_pcap"
mkdir -p "$build"
# Links, but folders of their own: the instrumented path goes in beside the modules that load it.
cp -rs "$root/otterize_pcap" "$build/otterize_pcap"
for source in "$root"/otterize_pcap/table/_*.pyx "$root"/otterize_pcap/connections/_*.pyx; do
    module=${source#"$root"/otterize_pcap/}
    module=${module%.pyx}
    rm -f "$build/otterize_pcap/$module".*.so
    source=$build/$(basename "$module").c
    (cd "$root" && "$python" -m cython -3 "otterize_pcap/$module.pyx" -o "$source")
    # shellcheck disable=SC2086 # the flags are words
    clang $sanitize -fsanitize=fuzzer-no-link -fPIC -shared -I"$include" "$source" \
        -o "$build/otterize_pcap/$module$(variable EXT_SUFFIX)"
done
# shellcheck disable=SC2086
clang $sanitize -fsanitize=fuzzer -I"$include" "$root/fuzz/harness.c" -o "$build/harness" \
    -L"$library" "-lpython$version" "-Wl,-rpath,$library"
