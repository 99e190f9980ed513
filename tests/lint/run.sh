#!/usr/bin/env bash
# run.sh JOBS: the lint tests, then clang-tidy over all sources where it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
jobs=${1:-$(nproc)}

for rule in coroutine_rule include_rule layer_rule tidiness; do
    /usr/bin/python3 -B "tests/lint/$rule.py"
done

if command -v run-clang-tidy-19 > /dev/null; then
    cmake --preset clang > /dev/null
    run-clang-tidy-19 -quiet -j "$jobs" -p build/clang '/(daemon|tests)/'
else
    echo "clang-tidy-19 is not installed: the sources are not looked at by it."
fi
