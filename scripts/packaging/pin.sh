#!/usr/bin/env bash
# Choose the newest allowed versions of everything that the releases are built from and that tests
# run with, with hashes.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 -m venv build/pin
readonly UV=$PWD/build/pin/bin/uv
build/pin/bin/pip install -q uv
pin() {
    "$UV" pip compile -q --system-certs --upgrade --generate-hashes --no-header --no-strip-extras \
        --no-emit-index-url --python-version 3.11 "$@"
}
pin_linux() {
    pin --python-platform x86_64-manylinux_2_28 "$@"
}
cd scripts/packaging
pin_linux --extra zstd --extra lz4 -c binary-constraints.in ../../pyproject.toml -o binary-requirements.txt
for tools in build docs release; do
    pin_linux "$tools-tools.in" -o "$tools-tools.txt"
done
# For every Python and machine that tests run on, by markers.
python3 ranges.py build | pin --universal --extra test ../../pyproject.toml - -o test-requirements.txt
