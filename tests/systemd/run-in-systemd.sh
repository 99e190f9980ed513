#!/usr/bin/env bash
# run-in-systemd.sh [--bind DIR].. -- CMD ARG..: boots a throw-away systemd as PID 1 of its own
# namespaces, over an overlay of /, runs CMD in it as a transient unit and powers it off. Nothing is
# written outside of a private tmpfs. --bind shows a directory at the same path inside (needed for
# what lies below /tmp or /run); what is written to it there is gone afterwards. The exit status is
# that of CMD; 77 with "SKIP: why" on stderr where this is not permitted.
set -u
export LC_ALL=C
self=$(readlink -f "$0")
limit=${FLOWRELAY_LAB_SECONDS:-180} # seconds, for all of it

skip() {
    echo "SKIP: run-in-systemd: $*" >&2
    exit 77
}

# ------------------------------------------------------- inside the new namespaces, before systemd
if [ "${1:-}" = --inside ]; then
    set -e
    root=$LAB/r
    mount -t tmpfs -o size=1g,mode=755 lab "$LAB"
    mkdir "$LAB/u" "$LAB/w" "$LAB/p" "$root"
    mount -t overlay -o "lowerdir=/,upperdir=$LAB/u,workdir=$LAB/w" overlay "$root"
    # The kernel's file systems; what has no namespace stays read-only, so the host is safe.
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    for entry in sys sysrq-trigger irq bus fs; do
        [ -e "$root/proc/$entry" ] || continue
        mount --bind "$root/proc/$entry" "$root/proc/$entry"
        mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/$entry"
    done
    mount -t proc -o nosuid,nodev,noexec proc "$LAB/p"
    mount --bind "$LAB/p/sys/net" "$root/proc/sys/net"
    umount "$LAB/p"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755,nosuid,noexec tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        : > "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for stream in 0:stdin 1:stdout 2:stderr; do
        ln -s "/proc/self/fd/${stream%%:*}" "$root/dev/${stream#*:}"
    done
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
    mkdir -p "$root/run/lock"
    # None of the host's own services, mounts and journals.
    mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/system"
    mount -t tmpfs -o mode=755 tmpfs "$root/var/log"
    rm -rf "$root"/etc/rc[0-6S].d "$root/etc/fstab" "$root/etc/crypttab" "$root/etc/machine-id" \
        "$root/var/lib/systemd/credential.secret"
    tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
    echo lab > "$root/etc/hostname"
    for unit in getty.target console-getty.service systemd-logind.service \
        systemd-journald-audit.socket systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
        proc-sys-fs-binfmt_misc.mount dev-hugepages.mount dev-mqueue.mount \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
        sys-fs-fuse-connections.mount systemd-sysctl.service systemd-modules-load.service \
        kmod-static-nodes.service systemd-random-seed.service systemd-udevd.service \
        systemd-udev-trigger.service systemd-resolved.service systemd-networkd.service \
        systemd-timesyncd.service systemd-firstboot.service systemd-machine-id-commit.service; do
        ln -s /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/run/systemd/journald.conf.d" "$root/run/systemd/system.conf.d"
    printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' \
        > "$root/run/systemd/journald.conf.d/lab.conf"
    printf '[Manager]\nDefaultTimeoutStopSec=10s\n' > "$root/run/systemd/system.conf.d/lab.conf"
    layers=0
    IFS=:
    for directory in $BIND; do
        [ -n "$directory" ] || continue
        mkdir -p "$root$directory"
        layer=$LAB/b$((layers += 1))
        mkdir "$layer" "$layer/u" "$layer/w"
        mount -t overlay -o "lowerdir=$directory,upperdir=$layer/u,workdir=$layer/w" overlay \
            "$root$directory"
    done
    unset IFS
    mkdir -p "$root/run/oldroot"
    cd "$root"
    pivot_root . run/oldroot
    umount -l /run/oldroot
    rmdir /run/oldroot
    # Shared among themselves (they are private towards the host): systemd sets up credentials in a
    # mount namespace below and relies on propagation.
    mount --make-rshared /
    # The capabilities whose effect reaches past the namespaces go.
    drop=-sys_module,-sys_rawio,-sys_time,-syslog,-wake_alarm,-block_suspend,-mac_admin
    exec setpriv --bounding-set=$drop,-mac_override,-sys_pacct \
        env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
        "$SYSTEMD" --system --unit=multi-user.target --show-status=no \
        --log-target=journal-or-kmsg < /dev/null > /dev/null 2>&1
fi

# ------------------------------------------------------------------------------------ the driver
BIND=
command=()
while [ $# -gt 0 ]; do
    case $1 in
    --bind)
        BIND+=":$(readlink -f "$2")"
        shift 2
        ;;
    --)
        shift
        command=("$@")
        break
        ;;
    *) break ;;
    esac
done
[ ${#command[@]} -gt 0 ] || {
    echo "usage: run-in-systemd.sh [--bind DIR].. -- CMD ARG.." >&2
    exit 2
}

[ "$(id -u)" = 0 ] || skip "needs root (mount, pid and cgroup namespaces)"
for tool in unshare nsenter setpriv pivot_root findmnt pgrep systemd-run dbus-daemon; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool > /dev/null || skip "no $tool"
done
for SYSTEMD in /lib/systemd/systemd /usr/lib/systemd/systemd ''; do
    [ -n "$SYSTEMD" ] || skip "no systemd"
    [ ! -x "$SYSTEMD" ] || break
done
unshare --mount --pid --uts --ipc --net --cgroup --fork --propagation private \
    sh -c 'mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r &&
           mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/r &&
           mount -t proc proc /mnt/r/proc' 2> /dev/null ||
    skip "namespaces or overlayfs are not allowed here"
hierarchy=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
[ -n "$hierarchy" ] || skip "no cgroup2 hierarchy is mounted"

cgroup=$hierarchy/flowrelay-lab-$$
LAB=${TMPDIR:-/tmp}/flowrelay-lab-$$
booter=
init=
timer=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    trap - EXIT INT TERM HUP
    if [ -n "$booter" ]; then
        kill -KILL "$booter" 2> /dev/null
        wait "$booter" 2> /dev/null
    fi
    [ -z "$timer" ] || kill "$timer" 2> /dev/null
    [ ! -e "$cgroup/cgroup.kill" ] || echo 1 > "$cgroup/cgroup.kill" 2> /dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null && break
        sleep 0.1
    done
    rm -rf --one-file-system "$LAB"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
mkdir "$cgroup" 2> /dev/null || skip "cannot create a cgroup in $hierarchy"
mkdir -m 700 "$LAB" || exit 1

export LAB BIND SYSTEMD
# Into the new cgroup first: it becomes the root of the cgroup namespace. If this script is killed,
# so is unshare, and with it PID 1 and everything in its pid namespace.
# shellcheck disable=SC2016 # expanded by that shell
setpriv --pdeathsig KILL bash -c 'echo $$ > "$1/cgroup.procs" || exit; shift; exec "$@"' - \
    "$cgroup" unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child \
    --propagation private bash "$self" --inside > "$LAB/boot.log" 2>&1 < /dev/null &
booter=$!
(
    exec > /dev/null 2>&1 < /dev/null
    sleep "$limit" &
    sleeper=$!
    trap 'kill $sleeper; exit' TERM
    wait "$sleeper"
    kill -KILL "$booter"
) &
timer=$!

inside() { nsenter -t "$init" -a -r -w -- "$@"; }

fail() {
    echo "run-in-systemd: $*" >&2
    cat "$LAB/boot.log" >&2
    [ -z "$init" ] || inside journalctl -b --no-pager -n 60 >&2
    exit 1
}

for _ in $(seq 400); do
    kill -0 "$booter" 2> /dev/null || fail "PID 1 went away during boot"
    [ -n "$init" ] || init=$(pgrep -P "$booter")
    if [ -n "$init" ] && [ "$(readlink "/proc/$init/exe")" = "$(readlink -f "$SYSTEMD")" ] &&
        [ -S "/proc/$init/root/run/systemd/private" ]; then break; fi
    sleep 0.05
done
state=$(inside timeout 30 systemctl is-system-running --wait 2>&1)
case $state in
running | degraded) ;;
*) fail "boot did not finish: $state; $(inside systemctl list-jobs --no-pager)" ;;
esac

inside systemd-run --quiet --pipe --wait --collect --service-type=exec -p WorkingDirectory=/ \
    "${command[@]}"
status=$?
kill -0 "$booter" 2> /dev/null || {
    echo "run-in-systemd: ended after $limit s" >&2
    exit 124
}
inside systemctl exit 0 > /dev/null 2>&1
for _ in $(seq 300); do
    kill -0 "$booter" 2> /dev/null || break
    sleep 0.05
done
exit $status
