#!/usr/bin/env bash
# check_setups.sh BUILD: runs inside the throw-away systemd. Installs the build and runs the unit in the
# other ways that the documents describe: with a user and credentials of systemd's, behind an allow list of
# addresses; and where it can't start, on a disk that is full, and when it is stopped in an outage.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
build=$1
here=$(dirname "$(readlink -f "$0")")
unit=flowrelayd.service
# shellcheck source=tests/systemd/checks.sh
. "$here/checks.sh"
# shellcheck source=tests/systemd/service.sh
. "$here/service.sh"

stop() { timeout 60 systemctl stop flowrelayd.socket flowrelayd-control.socket "$unit"; }
start() { timeout 60 systemctl start flowrelayd.socket flowrelayd-control.socket "$unit"; }
drop_in() { # drop_in LINE..: what `systemctl edit flowrelayd` would write; without lines there is none
    rm -rf "/run/systemd/system/$unit.d"
    if [ $# -gt 0 ]; then
        mkdir -p "/run/systemd/system/$unit.d"
        printf '%s\n' '[Service]' "$@" > "/run/systemd/system/$unit.d/override.conf"
    fi
    systemctl daemon-reload
}

install_service
devserver
make_token root:flowrelay 0640

# ---- what keeps it from starting passes
configure "$file"
drop_in RestartSteps=0 # newer versions of systemd try less and less often
install -d -o root -m 0700 /var/lib/flowrelay /var/lib/flowrelay/spool
: > /var/lib/flowrelay/spool/lock
mount -t tmpfs -o ro tmpfs /var/lib/flowrelay/spool
check "it does not start on a spool that can't be written to" fails start
restarted() { [ "$(property NRestarts)" -ge "$1" ]; }
check "it is tried again, more often than the usual limit allows" within 30 restarted 7
check "and not given up" fails property_is ActiveState failed
umount /var/lib/flowrelay/spool
rm -rf /var/lib/flowrelay
check "it comes back by itself" within 30 property_is ActiveState active
check "an event is accepted" within 10 send after-the-trouble
check "it arrives" within 10 arrived after-the-trouble
stop
drop_in
configure "$file" "spool: {max_size: lots}"
check "it does not start with a wrong configuration" fails start
sleep 3
check "and is not tried again for one" property_is NRestarts 0
check "since its exit status says so" property_is ExecMainStatus 78
systemctl reset-failed "$unit" flowrelayd.socket flowrelayd-control.socket

# ---- tokens that systemd hands over
configure "flow_token_credential: ci.token"
mkdir -p /root/secrets
install -m 0400 /etc/flowrelay/ci.token /root/secrets/ci.token
drop_in "LoadCredential=ci.token:/root/secrets/ci.token"
check "it starts with a token by LoadCredential=" start
check "an event is accepted" send by-credential
check "it arrives" within 10 arrived by-credential
stop
if systemd-creds encrypt --name=ci.token /root/secrets/ci.token /root/secrets/ci.cred > /tmp/output 2>&1; then
    drop_in "LoadCredentialEncrypted=ci.token:/root/secrets/ci.cred"
    check "it starts with a token by LoadCredentialEncrypted=" start
    check "an event is accepted" send by-sealed-credential
    check "it arrives" within 10 arrived by-sealed-credential
    check "the credential is not readable" fails grep -q "$token" /root/secrets/ci.cred
    stop
else
    say "SKIP: systemd-creds: $(tail -n 1 /tmp/output)"
fi

# ---- a user of systemd's, with the state of the former user
drop_in "LoadCredential=ci.token:/root/secrets/ci.token"
start
flowrelay source pause ci > /tmp/output
check "an event is queued" send by-the-user-before
stop
drop_in DynamicUser=yes User=flowrelay-dynamic Group= SupplementaryGroups=flowrelay-admin RuntimeDirectory= \
    "LoadCredential=ci.token:/root/secrets/ci.token"
check "it starts with DynamicUser=yes" start
check "its user is none of the host's" fails grep -q flowrelay-dynamic /etc/passwd
check "its user is the dynamic one" test "$(ps -o uid= "$(property MainPID)" | tr -d ' ')" -ge 61184
flowrelay source resume ci > /tmp/output
check "the event of the user before arrives" within 10 arrived by-the-user-before
check "an event is accepted" send by-a-dynamic-user
check "it arrives" within 10 arrived by-a-dynamic-user
check "its state is private" test "$(readlink /var/lib/flowrelay)" = private/flowrelay
check "it reloads" timeout 30 systemctl reload "$unit"
flowrelay source pause ci > /tmp/output
check "an event is queued" send over-a-restart
check "it restarts" timeout 60 systemctl restart "$unit"
flowrelay source resume ci > /tmp/output
check "the event arrives after it" within 10 arrived over-a-restart
check "the configuration can be checked" says "can be used" flowrelay config check
say "exposure with DynamicUser=yes: $(exposure)"
flowrelay source pause ci > /tmp/output
check "an event is queued" send by-the-user-after
stop
drop_in "LoadCredential=ci.token:/root/secrets/ci.token"
check "it starts as the static user again" start
flowrelay source resume ci > /tmp/output
check "the event of the dynamic user arrives" within 10 arrived by-the-user-after
stop
rm -rf /var/lib/flowrelay /var/lib/private/flowrelay

# ---- without the boot id, each start might be one after a reboot
configure "$file"
drop_in ProcSubset=pid
since=$(date +%s)
check "it starts without /proc/sys" start
check "it restarts" timeout 60 systemctl restart "$unit"
check "it restarts again" timeout 60 systemctl restart "$unit"
ages() { journalctl --no-pager -o cat -u "$unit" --since "@$since" | grep clock.not_believed; }
check "none of its starts is taken for a reboot" fails ages
stop
rm -rf /var/lib/flowrelay

# ---- only the addresses of the destination
drop_in IPAddressDeny=any IPAddressAllow=localhost
check "it starts with an allow list of addresses" start
check "an event is accepted" send allowed
check "it arrives" within 10 arrived allowed
say "exposure with IPAddressDeny=any: $(exposure)"
check "the exposure with an allow list is 1.3 at most" \
    awk -v level="$(exposure)" 'BEGIN { exit !(level != "" && level <= 1.3) }'
stop
drop_in IPAddressDeny=any
check "it starts where no address is allowed" start
check "an event is accepted all the same" send not-allowed
sleep 2
# Without BPF systemd lets everything pass, and says so.
if journalctl --no-pager | grep -q "does not support BPF/cgroup"; then
    say "SKIP: addresses are not filtered here"
else
    check "it is kept" fails arrived not-allowed
fi
drop_in
check "it restarts without the list" timeout 60 systemctl restart "$unit"
check "the event arrives" within 30 arrived not-allowed

# ---- a disk that is full
stop
rm -rf /var/lib/flowrelay
install -d -o flowrelay -m 0700 /var/lib/flowrelay
mount -t tmpfs -o "size=9m,mode=0700,uid=$(id -u flowrelay)" tmpfs /var/lib/flowrelay
configure "$file" "spool: {segment_size: 2MiB, max_size: 64MiB}"
check "it starts on a small disk" start
flowrelay source pause ci > /tmp/output
body=$(head -c 20000 /dev/zero | tr '\0' x)
fill() { # until an event is refused; then so many were accepted
    accepted=0
    while timeout 10 flowrelay send --source ci --thread "full-$accepted" --title x --body "$body"; do
        accepted=$((accepted + 1))
        [ "$accepted" -lt 2000 ] || return 1
    done
}
check "events are refused when the disk is full" fill
refusal=$(tail -n 1 "$output")
check "the refusal says so" grep -q full <<< "$refusal"
say "accepted on 9 MiB: $accepted; $refusal"
check "the daemon goes on" property_is ActiveState active
queued() { timeout 10 flowrelay status --json | grep -q "\"queued\":$1[,}]"; }
check "it has every accepted event" queued "$accepted"
check "it restarts on the full disk" timeout 60 systemctl restart "$unit"
check "it has every accepted event still" within 10 queued "$accepted"
mount -o remount,size=64m /var/lib/flowrelay
check "with room an event is accepted" within 20 send with-room
flowrelay source resume ci > /tmp/output
check "every event is delivered" within 60 queued 0
stop
umount /var/lib/flowrelay

# ---- stopped under load, twice, in an outage
rm -rf /var/lib/flowrelay
configure "$file"
systemctl stop devserver
check "it starts in an outage" start
"$here/restart_load.py" /run/flowrelay/ingest.sock 1 sleep 4 > /tmp/load 2>&1 &
load=$!
sleep 1
main=$(property MainPID)
systemctl kill --signal=TERM "$unit"
systemctl kill --signal=TERM "$unit" 2> /tmp/output || true
check "no producer is refused when it is stopped twice under load" wait "$load"
say "$(cat /tmp/load)"
accepted=$(sed -n 's/^.*: \([0-9]*\) accepted.*/\1/p' /tmp/load)
check "it was started again by the socket" test "$main" != "$(property MainPID)"
ended_well() { journalctl --no-pager -o cat -u "$unit" FLOWRELAY_EVENT=relay.stopped _PID="$main" | grep -q .; }
check "the first one ended in good order" within 10 ended_well
devserver
check "nothing that was accepted is missing after the outage" within 90 queued 0
check "nothing is unaccounted for" says '"unaccounted":0' flowrelay status --json
each_arrived() { # each_arrived COUNT: so many different events, or more
    local count
    count=$(python3 -c 'import json, sys
print(len({json.loads(json.loads(line)["body"])["uuid"] for line in sys.stdin}))' < /tmp/received)
    [ "$count" -ge "$1" ] || { echo "$count, not $1"; return 1; }
}
check "each event has arrived" each_arrived "$accepted"
check "the journal does not have the token" bash -c "! journalctl --no-pager | grep -q '$token'"

[ "$failed" -eq 0 ] || journalctl --no-pager -u "$unit" -u devserver | tail -n 60
exit "$failed"
