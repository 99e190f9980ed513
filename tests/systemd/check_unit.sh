#!/usr/bin/env bash
# check_unit.sh BUILD: runs inside the throw-away systemd. Installs the build, starts the service as
# an administrator would, sends an event, kills the daemon, stops the service.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
build=$1
unit=flowrelayd.service
failed=0

say() { printf '%s\n' "$*"; }

check() { # check WHAT COMMAND..
    local what=$1
    shift
    if "$@" > /tmp/output 2>&1; then
        say "ok: $what"
    else
        say "FAILED: $what"
        sed 's/^/    /' /tmp/output
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

property() { systemctl show --value --property "$1" "$unit"; }
property_is() { [ "$(property "$1")" = "$2" ] || { echo "$1=$(property "$1")"; return 1; }; }
arrived() { [ "$(grep -c "$1" /tmp/received)" -eq 1 ]; }
send() { timeout 10 flowrelay send --source ci --thread "$1" --title failed; }
fails() { ! "$@"; }
exposure() { systemd-analyze security --no-pager "$unit" | sed -n 's/^.*xposure level.*: \([0-9.]*\).*$/\1/p'; }

cmake --install "$build" --prefix /usr > /dev/null
systemd-sysusers
[ ! -e /usr/lib/tmpfiles.d/flowrelay.conf ] || systemd-tmpfiles --create flowrelay.conf
systemd-run --quiet --unit=devserver "$build/bin/flowrelay-devserver" \
    --listen 127.0.0.1:8099 --journal /tmp/received
mkdir -p /etc/flowrelay
token=$(tr -d - < /proc/sys/kernel/random/uuid)
cat > /etc/flowrelay/flowrelay.yaml <<YAML
destination:
  base_url: http://127.0.0.1:8099
sources:
  - name: ci
    flow_token_file: /etc/flowrelay/ci.token
    defaults: {author: {name: CI}}
YAML
printf '%s\n' "$token" > /etc/flowrelay/ci.token
user=$(sed -n 's/^User=//p' "/usr/lib/systemd/system/$unit")
chown "root:$user" /etc/flowrelay/ci.token
chmod 0640 /etc/flowrelay/ci.token
systemctl daemon-reload
journalctl --update-catalog

check "the unit has no mistakes" systemd-analyze verify "/usr/lib/systemd/system/$unit"
check "the service starts" timeout 30 systemctl start "$unit"
check "its type is notify" property_is Type notify
check "it is active" property_is ActiveState active
check "it tells its state" test -n "$(property StatusText)"
check "it is not root" test "$(stat -c %U "/proc/$(property MainPID)")" = "$user"
check "its state directory is its own" test "$(stat -c '%U %a' /var/lib/flowrelay)" = "$user 700"
check "an event is accepted" send the-first-thread
check "the event arrives" within 10 arrived the-first-thread
check "the status can be asked for" timeout 10 flowrelay status

sed -i 's/name: CI/name: Robot/' /etc/flowrelay/flowrelay.yaml
check "the service reloads" timeout 30 systemctl reload "$unit"
logged() { journalctl --no-pager -o cat "$@" | grep -q .; }
check "the new configuration is in force" logged FLOWRELAY_EVENT=config.reloaded
check "it is active after the reload" within 5 property_is ActiveState active
check "an event gets the new author" send a-robots-thread
check "the event with the new author arrives" within 10 arrived Robot
echo "spool: {max_size: lots}" >> /etc/flowrelay/flowrelay.yaml
check "the reload of a wrong configuration fails" fails timeout 30 systemctl reload "$unit"
check "a wrong configuration is refused" logged FLOWRELAY_EVENT=config.not_reloaded
check "the service goes on with the old one" within 5 property_is ActiveState active
sed -i '$d' /etc/flowrelay/flowrelay.yaml

kill -KILL "$(property MainPID)"
check "it is started again after a crash" within 20 property_is NRestarts 1
check "it is active again" within 20 property_is ActiveState active
check "an event is accepted after the crash" within 10 send the-second-thread
check "the event after the crash arrives" within 10 arrived the-second-thread

mkdir -p "/run/systemd/system/$unit.d"
printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n' > "/run/systemd/system/$unit.d/lab.conf"
systemctl daemon-reload
check "it restarts with a short watchdog" timeout 30 systemctl restart "$unit"
sleep 3
check "it feeds the watchdog" property_is NRestarts 0
kill -STOP "$(property MainPID)"
check "it is started again when it hangs" within 20 property_is NRestarts 1
check "it is active again" within 20 property_is ActiveState active
check "an event is accepted after that" within 10 send the-third-thread
check "the event arrives" within 10 arrived the-third-thread

check "the service stops" timeout 30 systemctl stop "$unit"
check "its exit status is 0" property_is ExecMainStatus 0
check "the result is success" property_is Result success
check "systemd sees it as stopped" property_is ActiveState inactive
check "the journal has its last line" \
    bash -c "journalctl --no-pager -u $unit | grep -q 'relay\.stopped'"
entries() { journalctl --no-pager -o "$1" "${@:2}"; }
check "the journal can be asked for an event" \
    test "$(entries cat FLOWRELAY_EVENT=relay.stopped | wc -l)" -eq 2
check "its fields stand for themselves" \
    bash -c "journalctl --no-pager -o verbose FLOWRELAY_EVENT=relay.stopped | grep -q 'FLOWRELAY_UNACCOUNTED=0'"
check "each entry has the id and the unit that it belongs to" \
    test "$(entries json -u "$unit" FLOWRELAY_EVENT=relay.stopped | grep -c '"MESSAGE_ID":"8f4ec8806e6f441fbcf1cb9af25f0c76"')" -eq 2
check "journalctl -x explains an event" \
    bash -c "journalctl --no-pager -x FLOWRELAY_EVENT=relay.stopped | grep -q 'keep the spool and'"
check "the journal does not have the token" \
    bash -c "! journalctl --no-pager | grep -q '$token'"
check "the state directory does not have the token of the source" \
    bash -c "! grep -rq '$token' /var/lib/flowrelay"
say "exposure: $(exposure)"
check "the exposure is under 1.5" awk -v level="$(exposure)" 'BEGIN { exit !(level != "" && level < 1.5) }'

[ "$failed" -eq 0 ] || journalctl --no-pager -u "$unit" -u devserver | tail -n 60
exit "$failed"
