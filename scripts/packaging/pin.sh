#!/usr/bin/env bash
# Choose the newest allowed versions of everything that the releases are built from, with hashes.
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 -m venv build/pin
readonly UV=$PWD/build/pin/bin/uv
build/pin/bin/pip install -q uv
pin() {
    "$UV" pip compile -q --system-certs --upgrade --generate-hashes --no-header \
        --no-emit-index-url --python-version 3.11 --python-platform x86_64-manylinux_2_28 "$@"
}
cd scripts/packaging
pin --extra zstd --extra lz4 -c binary-constraints.in ../../pyproject.toml -o binary-requirements.txt
for tools in build docs release; do
    pin "$tools-tools.in" -o "$tools-tools.txt"
done
