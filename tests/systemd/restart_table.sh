#!/usr/bin/env bash
# restart_table.sh BUILD [TIMES]: runs inside the throw-away systemd. Restarts the shipped unit under load,
# with the socket units and without them, and prints the table of docs/packaging.md: how many events
# were accepted and refused, the longest that a producer waited for an answer, and the longest time in
# which nothing was accepted.
set -euo pipefail
build=$1
times=${2:-10}
here=$(dirname "$(readlink -f "$0")")
unit=flowrelayd.service
socket=/run/flowrelay/ingest.sock
# shellcheck source=tests/systemd/service.sh
. "$here/service.sh"

install_service
devserver
make_token flowrelay 0600
configure "$file"

# The unit as it would be without the two others: it is in the groups that its sockets go to.
sed -e '/^Requires=/d' -e '/^Sockets=/d' -e 's/^User=.*/&\nSupplementaryGroups=flowrelay-send flowrelay-admin/' \
    -e 's/^SystemCallErrorNumber=.*/SystemCallFilter=@chown\n&/' \
    "$(systemctl show --value -p FragmentPath flowrelayd.service)" > /run/systemd/system/alone.service
systemctl daemon-reload

measure() { # measure WHAT UNIT TIMES
    local line
    line=$("$here/restart_load.py" $socket "$3" systemctl restart "$2" || true)
    printf '%s\n' "$line" | sed -n "s/^\([0-9]*\) restarts: \([0-9]*\) accepted, \([0-9]*\) refused, longest wait \(.*\), nothing accepted for \(.*\)$/| $1 | \1 | \2 | \3 | \4 | \5 |/p"
}
# A request that the server holds for longer than the daemon waits for its end.
hang() {
    rules '[{"match": {"external_thread_id": "hanging"}, "status": 202, "delay_ms": 60000}]'
    flowrelay send --source ci --thread hanging --title x > /tmp/output
    sleep 0.5
}

echo "| | restarts | accepted | refused | longest wait | longest without one accepted |"
echo "|---|---|---|---|---|---|"
for unit in flowrelayd.service alone.service; do
    case $unit in
    alone.service) where="without the socket units" ;;
    *) where="with the socket units" ;;
    esac
    systemctl start "$unit"
    measure "$where" "$unit" "$times"
    hang
    measure "$where, a request hangs" "$unit" 1
    rules '[]'
    systemctl stop flowrelayd.socket flowrelayd-control.socket "$unit"
done
