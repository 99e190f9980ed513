#!/usr/bin/env bash
# check_man.sh PAGE..: `mandoc -T lint` has nothing to say about the pages, and each has its NAME. What it
# says about pages of others, which may not be installed here, counts for nothing.
set -euo pipefail
status=0
for page in "$@"; do
    said=$(mandoc -T lint "$page" 2>&1 | grep -v -e 'referenced manual not found' \
        -e 'outdated mandoc.db' -e 'possible typo in section name' || true)
    [ -z "$said" ] || { printf '%s\n' "$said"; status=1; }
    grep -q '^\.Nd .' "$page" || { echo "$page has no NAME"; status=1; }
done
exit "$status"
