#!/usr/bin/env bash
# check_package.sh DIR: runs inside the throw-away systemd. Installs the Debian packages in DIR as an
# administrator would, configures and starts the service, upgrades it under load with a spool in use,
# removes it, installs it again and purges it.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
packages=$1
tests=$(dirname "$(dirname "$(readlink -f "$0")")")
unit=flowrelayd.service
config=/etc/flowrelay/flowrelay.yaml
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=tests/systemd/checks.sh
. "$tests/systemd/checks.sh"

arrived() { # arrived COUNT: so many different events
    local count
    count=$(python3 -c 'import json, sys
print(len({json.loads(json.loads(line)["body"])["uuid"] for line in sys.stdin}))' < /tmp/received)
    [ "$count" -eq "$1" ] || { echo "$count, not $1"; return 1; }
}
status_is() { # status_is MEMBER VALUE
    local value
    value=$(timeout 10 flowrelay status --json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1")
    [ "$value" = "$2" ] || { echo "$1 is $value, not $2"; return 1; }
}
active() { systemctl --quiet is-active "$1"; }
enabled() { systemctl --quiet is-enabled "$1"; }
send() { timeout 10 flowrelay send --source ci --thread "$1" --title failed --uuid "$1"; }

# Build machines forbid packages to start and stop services.
rm -f /usr/sbin/policy-rc.d

# ---- installed, and not started before it is configured
check "the packages are installed" dpkg -i "$packages"/flowrelay_*.deb "$packages"/flowrelay-devserver_*.deb
check "the user and the groups are there" getent group flowrelay flowrelay-send flowrelay-admin
check "the directory of the sockets is there" test "$(stat -c %U /run/flowrelay)" = flowrelay
for name in flowrelayd.service flowrelayd.socket flowrelayd-control.socket flowrelay-connect.service \
    flowrelay-connect.socket flowrelay-connect-invite.socket; do
    check "$name is not enabled" fails enabled "$name"
    check "$name is not started" fails active "$name"
done
check "the AppArmor profiles are there" \
    test -s /etc/apparmor.d/usr.sbin.flowrelayd -a -s /etc/apparmor.d/usr.sbin.flowrelay-connect
check "the configuration as installed says what is missing" says base_url flowrelay config check

# ---- what `config check` sees as the user of the service
systemd-run --quiet --unit=devserver flowrelay-devserver --listen 127.0.0.1:8099 --journal /tmp/received
configure() { # configure EXTRA: the configuration with these lines
    cat > $config <<YAML
destination: {base_url: "http://127.0.0.1:8099"}
sources:
  - {name: ci, flow_token_file: ${token_file:-/etc/flowrelay/ci.token}, defaults: {author: {name: CI}}}
$1
YAML
}
tr -d - < /proc/sys/kernel/random/uuid > /etc/flowrelay/ci.token
chmod 0600 /etc/flowrelay/ci.token
configure ""
check "a token that the daemon can't read is found" says "Permission denied" flowrelay config check
chown flowrelay /etc/flowrelay/ci.token
check "the configuration can be used" flowrelay config check
configure "spool: {directory: /srv/spool}"
check "a spool on a protected file system is found" says "ReadWritePaths=/srv/spool" flowrelay config check
cp /etc/flowrelay/ci.token /root/ci.token
token_file=/root/ci.token configure ""
check "a token in a home is found" says "Permission denied" flowrelay config check
token_file=/home/ci.token
install -o flowrelay -m 0600 /root/ci.token $token_file
configure ""
check "a token that ProtectHome hides is found" says "ProtectHome" flowrelay config check
unset token_file
# A unit without sockets: the daemon opens its own.
sed -e '/^Requires=/d' -e '/^Sockets=/d' "$(systemctl show --value -p FragmentPath $unit)" > /run/systemd/system/alone.service
systemctl daemon-reload
configure "ingest: {socket_group: flowrelay-send}"
check "a group that the daemon is not in is found" says "SupplementaryGroups=flowrelay-send" \
    flowrelay config check --unit alone.service
configure "ingest: {socket: /run/elsewhere/ingest.sock}"
check "a socket outside of the RuntimeDirectory is found" says "ReadWritePaths=/run/elsewhere" \
    flowrelay config check --unit alone.service
rm /run/systemd/system/alone.service
systemctl daemon-reload

# ---- configured and started
configure ""
check "it is enabled and starts" timeout 60 \
    systemctl enable --now flowrelayd.socket flowrelayd-control.socket $unit
check "an event is accepted" send first
check "the event arrives" within 20 arrived 1

# ---- the pages
site=http://127.0.0.1:8026/flowdock
echo a-secret > /etc/flowrelay/pages.secret
chown root:flowrelay-connect /etc/flowrelay/pages.secret
chmod 0640 /etc/flowrelay/pages.secret
with_pages="pages: {public_url: $site, client_id: a, client_secret_file: /etc/flowrelay/pages.secret}"
configure "$with_pages"
invites() { curl -sS -m 20 "$site/setup?flow=a:b" | grep "You need an invitation"; }
pages_pid() { systemctl show --value -p MainPID flowrelay-connect.service; }
check "the sockets of the pages are enabled" \
    timeout 30 systemctl enable --now flowrelay-connect.socket flowrelay-connect-invite.socket
check "the set-up page answers" invites
check "the pages have a user of their own" test "$(stat -c %U "/proc/$(pages_pid)")" = flowrelay-connect

# ---- the journal drops no line of the daemon, also at debug
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=2s\nRateLimitBurst=5\n' \
    > /run/systemd/journald.conf.d/lab.conf
systemctl restart systemd-journald
configure "log: {level: debug}"
check "it logs at debug" timeout 30 systemctl reload $unit
refuse() { # refuse FIRST LAST: events of so many sources that nobody knows
    for n in $(seq "$1" "$2"); do
        printf '{"source":"nobody-%s","external_thread_id":"a","title":"t"}\n' "$n"
    done | timeout 60 flowrelay send --quiet > /tmp/rejected 2>&1 || true
}
refuse 1 20000
configure "spool: {max_size: lots}"
check "a wrong configuration is refused" fails timeout 30 systemctl reload $unit
kept() { journalctl --no-pager -u "$unit" | grep -q config.not_reloaded; }
check "the journal says so after 20000 refusals" within 10 kept
sleep 3 # what the journal has dropped it says with the next line of the same priority
refuse 20001 20001
dropped() { journalctl --no-pager | grep 'Suppressed .* messages from flowrelayd.service'; }
check "the journal dropped nothing of the daemon" fails dropped
configure "$with_pages"
check "it reloads" timeout 30 systemctl reload $unit

# ---- an upgrade under load, with a spool in use
newer=/tmp/newer.deb
dpkg-deb -R "$packages"/flowrelay_*.deb /tmp/newer
sed -i 's/^Version: .*/&+1/' /tmp/newer/DEBIAN/control
dpkg-deb -Zgzip -z1 -b /tmp/newer $newer > /tmp/output
check "the source is paused" flowrelay source pause ci
pid=$(systemctl show --value -p MainPID $unit)
pages_before=$(pages_pid)
check "an upgrade under load refuses nobody" timeout 120 \
    "$tests/systemd/restart_load.py" /run/flowrelay/ingest.sock 1 dpkg -i $newer
say "$(grep accepted /tmp/output)"
accepted=$(sed -n 's/^.*: \([0-9]*\) accepted.*/\1/p' /tmp/output)
check "the daemon was restarted by it" test "$pid" != "$(systemctl show --value -p MainPID $unit)"
check "the pages were restarted by it" test "$pages_before" != "$(pages_pid)"
check "the set-up page answers after it" invites
check "the configuration is still the administrator's" grep -q 8099 $config
check "every event is in the spool" within 20 status_is queued "$accepted"
check "the source is resumed" flowrelay source resume ci
check "every event arrives" within 60 arrived $((accepted + 1))
check "nothing is queued any more" within 20 status_is queued 0
check "nothing is unaccounted for" status_is unaccounted 0

# ---- removed, installed again, purged
flowrelay source pause ci > /tmp/output
check "an event is queued" send last
check "the removal says what is queued" says "1 events are queued" dpkg -r flowrelay
check "the daemon is stopped" fails active $unit
check "its sockets are closed" fails active flowrelayd.socket
check "the pages are closed" fails invites
check "the spool is kept" test -d /var/lib/flowrelay/spool
check "it is installed again" dpkg -i $newer
check "it is started again, since it was enabled" within 20 active $unit
check "the event is still queued" within 20 status_is queued 1
check "the purge says that the events are gone" says "erasing /var/lib/flowrelay" dpkg -P flowrelay
check "the purge names what is left" grep -q "/etc/flowrelay is left" /tmp/said
check "the spool is gone" test ! -e /var/lib/flowrelay
check "the state of the pages is gone" test ! -e /var/lib/flowrelay-connect
check "the configuration is gone" test ! -e $config
check "the token of the administrator is not" test -e /etc/flowrelay/ci.token

# ---- purged with the state of a dynamic user
check "it is installed once more" dpkg -i $newer
install -d -m 0700 /var/lib/private /var/lib/private/flowrelay/spool
ln -s private/flowrelay /var/lib/flowrelay
check "the purge follows the link" says "erasing /var/lib/private/flowrelay" dpkg -P flowrelay
check "what the dynamic user had is gone" test ! -e /var/lib/private/flowrelay
check "the link to it is gone" test ! -L /var/lib/flowrelay

[ "$failed" -eq 0 ] || journalctl --no-pager -u "$unit" -u devserver | tail -n 60
exit "$failed"
