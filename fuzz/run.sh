#!/bin/sh
# Fuzz for so many seconds (first argument, default half an hour), after the corpus of real
# captures where it is there. New inputs go to fuzz/build/corpus, findings to fuzz/build/.
set -eu
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/fuzz/build
seconds=${1:-1800}
mkdir -p "$build/corpus" "$build/captures"
# A real capture as an input: form 0 (a whole file), and no link type of our choice.
for capture in "$root"/../shared/corpus/pcaps/* "$root"/fixtures/*/pcap/*; do
    if [ -f "$capture" ]; then
        { printf '\000\000'; cat "$capture"; } > "$build/captures/$(basename "$capture")"
    fi
done
PYTHONHOME=$("$python" -c "import sys; print(sys.base_prefix)")
PYTHONPATH=$build:$root/fuzz:$("$python" -c "import sysconfig; print(sysconfig.get_path('platlib'))")
ASAN_OPTIONS=detect_leaks=0
export PYTHONHOME PYTHONPATH ASAN_OPTIONS
cd "$build"
if [ -n "$(ls captures)" ]; then
    echo "running $(ls captures | wc -l) captures"
    nice -n 19 ./harness -rss_limit_mb=4096 captures/* > captures.log 2>&1 || {
        tail -50 captures.log
        exit 1
    }
fi
nice -n 19 ./harness -max_total_time="$seconds" -max_len=2048 -rss_limit_mb=4096 -print_final_stats=1 \
    corpus "$root/fuzz/seeds"
