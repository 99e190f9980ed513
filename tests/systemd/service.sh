# What the scripts inside the throw-away systemd do with the service; to be sourced, with `unit` set, and
# `build` for what installs or starts something of it.
# shellcheck shell=bash disable=SC2154,SC2034 # `unit` and `build` are the caller's, `file` is for it

property() { systemctl show --value --property "$1" "$unit"; }
property_is() { [ "$(property "$1")" = "$2" ] || { echo "$1=$(property "$1")"; return 1; }; }
exposure() { systemd-analyze security --no-pager "$unit" | sed -n 's/^.*xposure level.*: \([0-9.]*\).*$/\1/p'; }

install_service() { # with its users, its groups and its directories
    cmake --install "$build" --prefix /usr > /dev/null
    systemd-sysusers
    systemd-tmpfiles --create flowrelay.conf
    systemctl daemon-reload
}

# The server that it posts to, and what has come there. With `callback` set, that is the callback URI of its
# application.
devserver() {
    systemd-run --quiet --collect --unit=devserver "$build/bin/flowrelay-devserver" \
        --listen 127.0.0.1:8099 --journal /tmp/received ${callback:+--redirect-uri "$callback"}
}
rules() { # rules JSON: how the server answers from now on
    curl -sS -X PUT -H 'Content-Type: application/json' -d "$1" http://127.0.0.1:8099/_dev/rules > /tmp/rules
}
send() { timeout 10 flowrelay send --source ci --thread "$1" --title failed; }
arrived() { [ "$(grep -c "$1" /tmp/received)" -eq 1 ]; } # arrived WORD: once

make_token() { # make_token OWNER[:GROUP] MODE: that of the source, also in $token
    mkdir -p /etc/flowrelay
    token=$(tr -d - < /proc/sys/kernel/random/uuid)
    printf '%s\n' "$token" > /etc/flowrelay/ci.token
    chown "$1" /etc/flowrelay/ci.token
    chmod "$2" /etc/flowrelay/ci.token
}
file="flow_token_file: /etc/flowrelay/ci.token"
configure() { # configure SECRET [EXTRA]: the source `ci` with a secret ($file, say), and further lines
    cat > /etc/flowrelay/flowrelay.yaml <<YAML
destination:
  base_url: http://127.0.0.1:8099
sources:
  - {name: ci, $1, defaults: {author: {name: CI}}}
${2:-}
YAML
}
