#!/usr/bin/env bash
# check_connect.sh BUILD: runs inside the throw-away systemd. Installs the build, and starts the pages
# (flowrelay-connect) by their sockets as an administrator would: with mistakes in the configuration, then
# without; connects a source through them, and looks at what their process can read.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
build=$1
here=$(dirname "$(readlink -f "$0")")
unit=flowrelay-connect.service
sockets=(flowrelay-connect.socket flowrelay-connect-invite.socket)
site=http://127.0.0.1:8026/flowdock
state=/var/lib/flowrelay-connect
# shellcheck source=tests/systemd/checks.sh
. "$here/checks.sh"
# shellcheck source=tests/systemd/service.sh
. "$here/service.sh"

install_service
callback=$site/callback
devserver
make_token flowrelay 0600
secret=/etc/flowrelay/pages.secret
echo devserver-secret > $secret
chmod 0600 $secret

setup() { # setup STATUS: how the set-up page answers
    local status
    status=$(curl -sS -m 20 -o /tmp/page -w '%{http_code}' "$site/setup?flow=example:main")
    [ "$status" = "$1" ] || { echo "$status, not $1"; cat /tmp/page; return 1; }
}
journal_says() { journalctl --no-pager -o cat -u "$unit" | grep -F -- "$1"; }
pages="public_url: $site, client_id: devserver, client_secret_file: $secret"

check "the units have no mistakes" systemd-analyze verify \
    /usr/lib/systemd/system/flowrelay-connect{.service,.socket,-invite.socket}

# ---- a configuration that can't be used: what the journal says, and the way back
configure "$file"
check "it does not start without an address" fails timeout 30 systemctl start $unit
check "the journal says which key is missing" journal_says "pages.public_url"
check "and what to do, as an error" says "systemctl restart flowrelay-connect" \
    journalctl --no-pager -o cat -p err -t flowrelay-connect
check "its exit status is that of a configuration" property_is ExecMainStatus 78
sleep 3
check "it is not tried again" property_is NRestarts 0
check "its sockets accept connections" systemctl is-active "${sockets[@]}"
check "a browser gets no page" fails setup 403
# It was started again for each connection that waited, until systemd gave the socket up.
check "systemd gives it up soon" within 20 fails systemctl --quiet is-active flowrelay-connect.socket
systemctl reset-failed
configure "$file" "pages: {$pages}"
check "it does not start with a secret that is for root alone" fails timeout 30 systemctl start $unit
check "the journal names the file" journal_says "$secret"
chown root:flowrelay-connect $secret
chmod 0640 $secret
check "a restart is all that a corrected configuration takes" timeout 30 systemctl restart $unit
check "it opens the sockets again" setup 403
systemctl stop "${sockets[@]}" $unit

# ---- started by a browser
check "flowrelayd starts" timeout 30 systemctl start flowrelayd.service
check "its sockets start" timeout 30 systemctl start "${sockets[@]}"
check "it does not run before anybody asks" property_is ActiveState inactive
check "the set-up page answers, and asks for an invitation" setup 403
check "in words" grep -q "You need an invitation" /tmp/page
check "it is active" property_is ActiveState active
main=$(property MainPID)
check "it is flowrelay-connect" test "$(readlink "/proc/$main/exe")" = /usr/sbin/flowrelay-connect
check "its user is its own" test "$(stat -c %U "/proc/$main")" = flowrelay-connect
check "its state directory is its own" test "$(stat -c '%U %a' $state)" = "flowrelay-connect 700"
check "the socket for invitations belongs to the operators" \
    test "$(stat -c '%G %a' /run/flowrelay-connect/invite.sock)" = "flowrelay-admin 660"
check "its lines in the journal have its name" says pages.ready journalctl --no-pager -o cat -t flowrelay-connect
check "its core would not be written" property_is LimitCORE 0

# ---- a source, from the invitation to an event: the pages reach the control socket, the API and their state
useradd --system --user-group --groups flowrelay-send a-producer
useradd --system --user-group --groups flowrelay-admin an-operator
as() { setpriv --reuid "$1" --regid "$1" --init-groups -- "${@:2}"; }
invite() { timeout 10 flowrelay source invite "$1" --flow example/main; }
check "a producer can't invite" fails as a-producer timeout 10 flowrelay source invite web
check "an operator invites" as an-operator timeout 10 flowrelay source invite web --flow example/main
invitation=$(grep -o "$site/invite/.*" "$output" || true)
check "a person connects the source" timeout 60 "$here/connect_source.py" "$invitation"
check "the daemon has the source" says web flowrelay source list
check "an event of it is accepted" timeout 10 flowrelay send --source web --thread by-the-pages --title failed --author Web
check "it arrives" within 10 arrived by-the-pages

# ---- what the process can't read
printf 'web.token\n' > /var/lib/flowrelay/outside.token # readable for everybody, but for the directory
chmod 0644 /var/lib/flowrelay/outside.token
hidden=(/etc/flowrelay/ci.token /var/lib/flowrelay /var/lib/flowrelay/spool /var/lib/flowrelay/outside.token)
while read -r path; do hidden+=("$path"); done < <(find /var/lib/flowrelay/spool -type f)
check "there are files in the spool" test ${#hidden[@]} -gt 4
opens() { # opens PID RESULT PATH..: what becomes of each when the process tries to open it
    timeout 20 "$here/try_open.py" "$1" "${@:3}" > /tmp/opens || return
    cat /tmp/opens
    [ "$(grep -c ": $2$" /tmp/opens)" -eq $(($# - 2)) ]
}
check "it can't open the token, the spool and its files" opens "$main" EACCES "${hidden[@]}"
check "the daemon can open all of them" \
    opens "$(systemctl show --value -p MainPID flowrelayd.service)" opened "${hidden[@]}"
check "it can open what it needs" \
    opens "$main" opened /etc/flowrelay/flowrelay.yaml $secret $state $state/pages.json
daemon_reads() { setpriv --reuid flowrelay --regid flowrelay --clear-groups cat "$1"; }
check "the daemon's user can't read the secret of the pages" fails daemon_reads $secret
check "nor their state" fails daemon_reads $state/pages.json
check "the journal does not have the token" bash -c "! journalctl --no-pager | grep -q '$token'"
check "nor the invitation" bash -c "! journalctl --no-pager | grep -q '${invitation##*/}'"
check "nor the secret" bash -c "! journalctl --no-pager | grep -q devserver-secret"

# ---- restarted, killed, stopped
kept() { flowrelay source invite --list | grep "$1"; }
check "another source is invited" invite later
check "it restarts" timeout 60 systemctl restart $unit
check "the invitation is still there" kept later
check "the set-up page answers" setup 403
kill -KILL "$(property MainPID)"
check "it is started again after a crash" within 20 property_is NRestarts 1
check "the set-up page answers again" within 20 setup 403
check "the invitation is there still" kept later
check "it stops" timeout 60 systemctl stop $unit
check "its exit status is 0" property_is ExecMainStatus 0
check "the result is success" property_is Result success
check "the next browser starts it" setup 403
check "it is active again" property_is ActiveState active

# ---- without flowrelayd
check "flowrelayd stops" timeout 60 systemctl stop flowrelayd.socket flowrelayd-control.socket flowrelayd.service
check "the set-up page answers without flowrelayd" setup 403

say "exposure: $(exposure)"
check "the exposure is under 1.5" awk -v level="$(exposure)" 'BEGIN { exit !(level != "" && level < 1.5) }'
check "everything stops" timeout 60 systemctl stop "${sockets[@]}" $unit
check "nobody listens any more" fails setup 403

[ "$failed" -eq 0 ] || journalctl --no-pager -u $unit -u "${sockets[0]}" -u flowrelayd -u devserver | tail -n 80
exit "$failed"
