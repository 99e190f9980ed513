#!/usr/bin/env bash
# demo.sh BIN: delivers one event. Starts a development server and a relay that posts to it, submits
# the example event to the relay, shows it as the server received it, and stops both. Exits with 0
# when the event arrived. BIN is the directory of the programs.
set -euo pipefail

bin=$(cd "${1:?usage: demo.sh BIN}" && pwd)
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d)
pids=()

stop() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2> /dev/null || true; done
    for pid in "${pids[@]}"; do
        for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

# give_up WHAT LOG: prints what went wrong, with the log of the program.
give_up() {
    printf '\n%s\n' "$1" >&2
    sed 's/^/    /' "$2" >&2
    exit 1
}

# wait_for SECONDS COMMAND..: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

say "1. A server that stands for the API"
"$bin/flowrelay-devserver" --listen 127.0.0.1:0 --show > "$dir/server.log" 2>&1 &
server=$!
pids+=("$server")
wait_for 10 grep -q '^listening on ' "$dir/server.log" ||
    give_up "The server did not start:" "$dir/server.log"
url=$(sed -n 's/^listening on \(http[^ ]*\).*$/\1/p' "$dir/server.log" | head -n 1)
echo "   $url"

say "2. The relay in front of it"
cat > "$dir/flowrelay.yaml" <<YAML
destination:
  base_url: "$url"
ingest:
  socket: $dir/ingest.sock
control:
  socket: $dir/control.sock
spool:
  directory: $dir/state
YAML
"$bin/flowrelayd" --config "$dir/flowrelay.yaml" > "$dir/relay.log" 2>&1 &
relay=$!
pids=("$relay" "${pids[@]}") # stopped first
export FLOWRELAY_SOCKET=$dir/ingest.sock FLOWRELAY_CONTROL_SOCKET=$dir/control.sock
wait_for 10 grep -q 'relay\.ready' "$dir/relay.log" ||
    give_up "The relay did not start:" "$dir/relay.log"
echo "   flowrelayd --config $dir/flowrelay.yaml"

say "3. An event: flowrelay send < config/examples/activity.json"
# One event is one line.
tr -d '\n' < "$examples/activity.json" > "$dir/event.ndjson"
"$bin/flowrelay" send < "$dir/event.ndjson" > "$dir/send.log" 2>&1 ||
    give_up "The relay did not accept the event:" "$dir/send.log"
sed 's/^/   /' "$dir/send.log"

say "4. What the server received"
arrived() { [ "$(grep -c . "$dir/server.log")" -gt 1 ] && grep -q 'Opened pull request' "$dir/server.log"; }
wait_for 10 arrived || give_up "It did not arrive. The relay says:" "$dir/relay.log"
sleep 0.2
# The token is a secret, here as everywhere.
sed -e '/^listening on /d' -e 's/\("flow_token": *"[^"]\{4\}\)[^"]*"/\1…"/g' -e 's/^/   /' "$dir/server.log"

say "5. What the relay says about itself: flowrelay status"
"$bin/flowrelay" status | sed 's/^/   /'

say "The event was accepted, written to disk, delivered and accounted for."
