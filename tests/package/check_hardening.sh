#!/usr/bin/env bash
# check_hardening.sh PROGRAM..: whether the flags of cmake/Hardening.cmake reached the programs.
set -euo pipefail
status=0
expect() { # expect PROGRAM WHAT PATTERN FILE
    grep -qE "$3" "$4" || { echo "$1 has no $2" >&2; status=1; }
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in "$@"; do
    LC_ALL=C readelf --wide --file-header --dynamic --program-headers "$program" > "$work/headers"
    LC_ALL=C readelf --wide --dyn-syms "$program" > "$work/symbols"
    expect "$program" "position-independent code (PIE)" 'Type: +DYN' "$work/headers"
    expect "$program" "full RELRO (BIND_NOW)" 'BIND_NOW|FLAGS_1.*NOW' "$work/headers"
    expect "$program" "GNU_RELRO segment" GNU_RELRO "$work/headers"
    expect "$program" "stack protector" __stack_chk_fail "$work/symbols"
    expect "$program" "fortified libc calls" '__[a-z]+_chk\b' "$work/symbols"
    case $(uname -m) in
    x86_64)
        # Every function that can be called indirectly begins with it (CET).
        objdump -d --no-show-raw-insn --stop-address=0x80000 "$program" > "$work/code" 2> /dev/null || true
        expect "$program" "indirect branch tracking (CET)" endbr64 "$work/code"
        ;;
    esac
done
exit "$status"
