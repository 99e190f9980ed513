# What the checks inside the throw-away systemd and in containers share; to be sourced. Sets `failed` to
# 1 when one fails. What the last command wrote is in $output; what one wrote that `says` ran, in $said.
# shellcheck shell=bash disable=SC2034 # who sources it ends with `failed`
failed=0
output=${output:-/tmp/output}
said=${said:-/tmp/said}

say() { printf '%s\n' "$*"; }

check() { # check WHAT COMMAND..
    local what=$1
    shift
    if "$@" > "$output" 2>&1; then
        say "ok: $what"
    else
        say "FAILED: $what"
        sed 's/^/    /' "$output"
        failed=1
    fi
}

within() { # within SECONDS COMMAND..: until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

fails() { ! "$@"; }

says() { # says TEXT COMMAND..: whether it says so, however it ends
    local text=$1
    shift
    "$@" > "$said" 2>&1 || true
    grep -qF -- "$text" "$said" || { cat "$said"; return 1; }
}
