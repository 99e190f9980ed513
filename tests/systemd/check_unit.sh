#!/usr/bin/env bash
# check_unit.sh BUILD: runs inside the throw-away systemd. Installs the build, starts the service as
# an administrator would, sends an event, kills the daemon, stops the service.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
build=$1
here=$(dirname "$(readlink -f "$0")")
unit=flowrelayd.service
# shellcheck source=tests/systemd/checks.sh
. "$here/checks.sh"
# shellcheck source=tests/systemd/service.sh
. "$here/service.sh"

install_service
devserver
user=$(sed -n 's/^User=//p' "/usr/lib/systemd/system/$unit")
make_token "root:$user" 0640
configure "$file"
journalctl --update-catalog

# What a container sees that mounts the directory of the sockets before the daemon starts.
mkdir -p /tmp/container
mount --bind /run/flowrelay /tmp/container

check "the units have no mistakes" systemd-analyze verify /usr/lib/systemd/system/flowrelayd{.service,@.service,.socket,-control.socket}
check "the service starts" timeout 30 systemctl start "$unit"
check "its type is notify" property_is Type notify
check "it is active" property_is ActiveState active
check "it tells its state" test -n "$(property StatusText)"
check "it is not root" test "$(stat -c %U "/proc/$(property MainPID)")" = "$user"
check "its state directory is its own" test "$(stat -c '%U %a' /var/lib/flowrelay)" = "$user 700"
check "the ingest socket belongs to the producers" \
    test "$(stat -c '%G %a' /run/flowrelay/ingest.sock)" = "flowrelay-send 660"
check "the control socket belongs to the operators" \
    test "$(stat -c '%G %a' /run/flowrelay/control.sock)" = "flowrelay-admin 660"
useradd --system --user-group --groups flowrelay-send a-producer
useradd --system --user-group --groups flowrelay-admin an-operator
as() { setpriv --reuid "$1" --regid "$1" --init-groups -- "${@:2}"; }
check "a producer hands an event in" as a-producer timeout 10 \
    flowrelay send --source ci --thread of-a-producer --title failed
check "a producer can't read the token" fails as a-producer cat /etc/flowrelay/ci.token
check "a producer is no operator" fails as a-producer timeout 10 flowrelay status
check "an operator sees the status" as an-operator timeout 10 flowrelay status
check "an operator can't read the token" fails as an-operator cat /etc/flowrelay/ci.token
check "an operator is no producer" fails as an-operator timeout 10 \
    flowrelay send --source ci --thread of-an-operator --title failed
check "an event is accepted" send the-first-thread
check "the event arrives" within 10 arrived the-first-thread
check "the status can be asked for" timeout 10 flowrelay status

check "its core would not be written" property_is LimitCORE 0

flowrelay source pause ci > /tmp/output
check "a producer's unit hands an event in" systemd-run --quiet --wait --unit=nightly-build \
    flowrelay send --source ci --thread of-a-unit --title failed
check "the unit of the producer is known" \
    bash -c "timeout 10 flowrelay queue list --json | grep -q nightly-build.service"
flowrelay source resume ci > /tmp/output

restart() { systemctl restart "$unit"; }
load() { timeout 120 "$here/restart_load.py" /run/flowrelay/ingest.sock "$1" systemctl restart "$unit"; }
check "10 restarts under load refuse nobody" load 10
say "$(cat /tmp/output)"
rules '[{"match": {"external_thread_id": "hanging"}, "status": 202, "delay_ms": 8000}]'
check "an event whose request hangs is accepted" send hanging
sleep 0.5
check "a restart with a hanging request refuses nobody" load 1
say "$(cat /tmp/output)"
rules '[]'
check "a container that mounted the directory still has the socket" \
    timeout 10 flowrelay --socket /tmp/container/ingest.sock send --source ci --thread in-a-container --title x
umount /tmp/container
check "SIGTERM twice stops it in good order" bash -c "
    systemctl kill --signal=TERM $unit; systemctl kill --signal=TERM $unit; sleep 1
    systemctl start $unit; journalctl --no-pager -u $unit | grep -c relay.stopped | grep -qv '^0$'"
storm() { for _ in 1 2 3 4 5 6 7 8; do systemctl kill --signal=HUP "$unit"; done; }
check "a storm of SIGHUP is survived" storm
check "it is active after it" within 10 property_is ActiveState active

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
main=$(property MainPID)
replaced() { # another process is the daemon
    local now
    now=$(property MainPID)
    [ "$now" != "$main" ] && [ "$now" != 0 ]
}
sleep 3
check "it feeds the watchdog" property_is MainPID "$main"
kill -STOP "$main"
check "it is started again when it hangs" within 20 replaced
check "it is active again" within 20 property_is ActiveState active
check "an event is accepted after that" within 10 send the-third-thread
check "the event arrives" within 10 arrived the-third-thread
hold() { # hold SECONDS: the thread of the disk; returns when it is held
    : > /tmp/hold
    "$here/hold_thread.py" "$main" "$1" > /tmp/hold 2>&1 &
    within 10 grep -qx held /tmp/hold || { cat /tmp/hold; return 1; }
}
# Its outcome is on the disk a moment after it has arrived.
empty() { timeout 10 flowrelay status --json | grep -q '"queued":0[,}]'; }
check "its outcome is on the disk" within 10 empty
sleep 1
main=$(property MainPID)
check "its thread of the disk is held" hold 5
wait
check "a thread of the disk that has nothing to do is no reason to restart" property_is MainPID "$main"
check "its thread of the disk is held again" hold 20
send the-fourth-thread > /tmp/sent 2>&1 &
check "it is started again when the disk does not answer" within 15 replaced
wait
check "it is active again" within 20 property_is ActiveState active
check "an event is accepted after that, too" within 10 send the-fifth-thread
check "that event arrives" within 10 arrived the-fifth-thread

check "no start took another one for a reboot" fails logged FLOWRELAY_EVENT=clock.not_believed

systemctl stop flowrelayd.socket flowrelayd-control.socket
check "the service stops" timeout 30 systemctl stop "$unit"
check "its exit status is 0" property_is ExecMainStatus 0
check "the result is success" property_is Result success
check "systemd sees it as stopped" property_is ActiveState inactive
check "the journal has its last line" \
    bash -c "journalctl --no-pager -u $unit | grep -q 'relay\.stopped'"
entries() { journalctl --no-pager -o "$1" "${@:2}"; }
check "the journal can be asked for an event" \
    test "$(entries cat FLOWRELAY_EVENT=relay.stopped | wc -l)" -ge 2
check "its fields stand for themselves" \
    bash -c "journalctl --no-pager -o verbose FLOWRELAY_EVENT=relay.stopped | grep -q 'FLOWRELAY_UNACCOUNTED=0'"
check "each entry has the id and the unit that it belongs to" \
    test "$(entries json -u "$unit" FLOWRELAY_EVENT=relay.stopped | grep -c '"MESSAGE_ID":"8f4ec8806e6f441fbcf1cb9af25f0c76"')" -ge 2
check "journalctl -x explains an event" \
    bash -c "journalctl --no-pager -x FLOWRELAY_EVENT=relay.stopped | grep -q 'keep the spool and'"
check "the journal does not have the token" \
    bash -c "! journalctl --no-pager | grep -q '$token'"
check "the state directory does not have the token of the source" \
    bash -c "! grep -rq '$token' /var/lib/flowrelay"
say "exposure: $(exposure)"
check "the exposure is under 1.5" awk -v level="$(exposure)" 'BEGIN { exit !(level != "" && level < 1.5) }'

sed -e 's,/run/flowrelay/,/run/flowrelay-two/,' /etc/flowrelay/flowrelay.yaml > /etc/flowrelay/two.yaml
cat >> /etc/flowrelay/two.yaml <<YAML
spool:   {directory: /var/lib/flowrelay-two}
ingest:  {socket: /run/flowrelay-two/ingest.sock, socket_group: flowrelay-send}
control: {socket: /run/flowrelay-two/control.sock, socket_group: flowrelay-admin}
YAML
check "an instance of the template starts" timeout 30 systemctl start flowrelayd@two.service
check "its socket belongs to the producers" \
    test "$(stat -c '%G %a' /run/flowrelay-two/ingest.sock)" = "flowrelay-send 660"
check "it takes an event" timeout 10 flowrelay --socket /run/flowrelay-two/ingest.sock send \
    --source ci --thread of-two --title failed
check "that event arrives" within 10 arrived of-two
check "the instance reloads" timeout 30 systemctl reload flowrelayd@two.service
check "the instance stops" timeout 30 systemctl stop flowrelayd@two.service

datagram() {
    systemd-socket-activate --datagram --listen=/tmp/datagram.sock \
        flowrelayd --config /etc/flowrelay/two.yaml > /tmp/datagram.out 2>&1 &
    local pid=$!
    sleep 0.5
    python3 -c 'import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b"x", "/tmp/datagram.sock")'
    within 10 grep -q "ListenStream=" /tmp/datagram.out
    kill "$pid" 2> /tmp/output || true
}
check "a datagram socket is refused with a sentence" datagram

[ "$failed" -eq 0 ] || journalctl --no-pager -u "$unit" -u devserver | tail -n 60
exit "$failed"
