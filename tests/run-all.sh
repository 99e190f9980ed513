#!/usr/bin/env bash
# run-all.sh JOBS: what `make test` does. Builds each configuration, runs its share of the tests,
# goes on after a failure, and ends with one line that counts them all. JOBS is the number of processors.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
jobs=${1:-$(nproc)}

passed=0
failed=0
skipped=0
trouble=()

# attribute FILE NAME: the first attribute of this name in a JUnit report, that of the whole suite.
attribute() { sed -n "s/^.*\b$2=\"\([0-9]*\)\".*$/\1/p" "$1" | head -n 1; }

# configuration PRESET WHAT [TARGET..]: builds the targets (or all) and runs the preset's tests.
configuration() {
    local preset=$1 what=$2 start=$SECONDS junit targets=()
    shift 2
    junit=build/$preset/junit.xml
    [ $# -eq 0 ] || targets=(--target "$@")
    printf '\n=== %s: %s\n' "$preset" "$what"
    if ! cmake --preset "$preset" --log-level=WARNING; then
        trouble+=("$preset: configuring failed")
        failed=$((failed + 1))
        return
    fi
    if ! cmake --build --preset "$preset" -j "$jobs" "${targets[@]}"; then
        trouble+=("$preset: the build failed")
        failed=$((failed + 1))
        return
    fi
    printf -- '--- %s: built in %d s\n' "$preset" $((SECONDS - start))
    rm -f "$junit"
    # Four slots for each processor: most tests wait most of the time (tests/CMakeLists.txt).
    ctest --preset "$preset" -j $((4 * jobs)) --output-junit "$PWD/$junit" || trouble+=("$preset: tests failed")
    if [ -s "$junit" ]; then
        local total failures without
        total=$(attribute "$junit" tests)
        failures=$(attribute "$junit" failures)
        without=$(attribute "$junit" skipped)
        passed=$((passed + total - failures - without))
        failed=$((failed + failures))
        skipped=$((skipped + without))
    else
        failed=$((failed + 1))
    fi
    printf -- '--- %s: done in %d s\n' "$preset" $((SECONDS - start))
}

configuration ci "g++, optimised, warnings are errors; all tests"
configuration asan "g++, address sanitizer"
configuration tsan "clang 19, warnings are errors; thread and undefined behaviour sanitizers"
configuration fuzz "short fuzz runs" fuzzers

printf '\n'
for line in "${trouble[@]}"; do printf '%s\n' "$line"; done
printf '%d passed, %d failed, %d skipped, in %d minutes %d seconds\n' \
    "$passed" "$failed" "$skipped" $((SECONDS / 60)) $((SECONDS % 60))
[ "$failed" -eq 0 ] && [ ${#trouble[@]} -eq 0 ]
