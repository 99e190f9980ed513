#!/usr/bin/env bash
# check_container.sh PACKAGES BIN: builds the image of config/examples/container with podman from the Debian
# packages in PACKAGES, runs it as docs/containers.md says, and hands events in from the host and from
# a second container. BIN has the development server. The base image is made with mmdebstrap, since
# there may be no registry; CACHE keeps it. Exit status 77 with "SKIP: why" where that is not possible.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
packages=$(readlink -f "$1")
bin=$(readlink -f "$2")
tree=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
mirror=${MIRROR:-http://deb.debian.org/debian}
output=$(mktemp)
said=$(mktemp)
# shellcheck source=tests/systemd/checks.sh
. "$tree/tests/systemd/checks.sh"

skip() {
    echo "SKIP: check_container: $*" >&2
    exit 77
}

[ "$(id -u)" = 0 ] || skip "needs root (mmdebstrap)"
command -v podman > /dev/null || skip "no podman"
command -v mmdebstrap > /dev/null || skip "no mmdebstrap"
release=$(cut -d. -f1 /etc/debian_version)
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[[ $release =~ ^[0-9]+$ && -n $suite ]] || skip "the packages are of no release of Debian that has an image"

# Not below /tmp, which may be a small file system in memory.
work=$(mktemp -d /var/tmp/flowrelay-container-XXXXXX)
# A podman of its own: nothing of the host's images and containers is seen or changed. Higher limits than
# those of this process may not be permitted; a short name of an image means what it means to docker.
podman=(podman --root "$work/storage" --runroot "$work/run" --tmpdir "$work/tmp" --cgroup-manager cgroupfs
    --events-backend file --runtime)
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    "${podman[@]}" rm --all --force --time 1 > /dev/null 2>&1 || true
    rm -f "$output" "$said"
    umount "$work"/storage/overlay 2> /dev/null || true
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

mkdir "$work/etc"
limit=$(ulimit -Hn)
printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=4096:4096"]\n' "$limit" "$limit" \
    > "$work/etc/containers.conf"
echo 'unqualified-search-registries = ["docker.io"]' > "$work/etc/registries.conf"
export CONTAINERS_CONF=$work/etc/containers.conf CONTAINERS_REGISTRIES_CONF=$work/etc/registries.conf

root=${CACHE:-$work/base}
if [ ! -e "$root/etc/debian_version" ]; then
    rm -rf "$root"
    mmdebstrap --variant=minbase "$suite" "$root" "deb $mirror $suite main" > "$work/mmdebstrap.log" 2>&1 ||
        { rm -rf "$root"; skip "mmdebstrap failed: is $mirror reachable?"; }
fi
base=docker.io/library/debian:$release-slim
tar -C "$root" --one-file-system -c . | "${podman[@]}" runc import - "$base" > "$output" 2>&1 ||
    { cat "$output" >&2; skip "podman can't keep images here"; }
for runtime in crun runc ''; do
    [ -n "$runtime" ] || { cat "$output" >&2; skip "podman can't run containers here"; }
    ! timeout 60 "${podman[@]}" "$runtime" run --rm --pull=never --network host "$base" true \
        > "$output" 2>&1 || break
done
podman+=("$runtime")

# ---- the image, with the commands of the page
context=$work/context
mkdir -p "$context/build/deb" "$context/config/examples"
cp "$packages"/flowrelay_*.deb "$context/build/deb"
cp -r "$tree/config/examples/container" "$context/config/examples"
build() {
    timeout 300 "${podman[@]}" build --pull=never --network host --format docker --build-arg "DEBIAN=$release" \
        --build-arg http_proxy --build-arg https_proxy \
        -t flowrelay -f "$context/config/examples/container/Containerfile" "$context"
}
check "the image is built" build
[ "$failed" -eq 0 ] || exit 1

"$bin/flowrelay-devserver" --listen 127.0.0.1:0 --journal "$work/received" > "$work/server" 2>&1 &
server=$!
url() { sed -n 's/.*\(http:\/\/127\.0\.0\.1:[0-9]*\).*/\1/p' "$work/server" | head -n 1; }
listens() { [ -n "$(url)" ]; }
within 10 listens
mkdir "$work/sockets"
chown 54321:54321 "$work/sockets"
install -o 54321 -g 54321 -m 0400 <(tr -d - < /proc/sys/kernel/random/uuid) "$work/ci.token"
sed "s,https://api.flowdock.com,$(url)," "$tree/config/examples/container/flowrelay.yaml" > "$work/flowrelay.yaml"

# As in the page; --passwd=false since podman, unlike others, would give the user a name.
start() {
    timeout 60 "${podman[@]}" run -d --name relay --read-only --read-only-tmpfs=false --user 54321:54321 \
        --passwd=false --cap-drop ALL --security-opt no-new-privileges --stop-timeout 20 --network host \
        -v flowrelay-spool:/var/lib/flowrelay -v "$work/sockets:/run/flowrelay" \
        -v "$work/ci.token:/run/secrets/ci.token:ro" \
        -v "$work/flowrelay.yaml:/etc/flowrelay/flowrelay.yaml:ro" flowrelay
}
inside() { timeout 20 "${podman[@]}" exec relay "$@"; }
arrived() { grep -q "$1" "$work/received"; }
ready() { inside flowrelay status; }
send() { timeout 20 "$bin/flowrelay" --socket "$work/sockets/ingest.sock" send --source ci --thread "$1" --title x; }
rules() { curl -sS -X PUT -H 'Content-Type: application/json' -d "$1" "$(url)/_dev/rules"; }
stop() { # stop: within 8 seconds and with exit status 0
    local begun=$EPOCHREALTIME took status
    timeout 60 "${podman[@]}" stop relay
    took=$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    status=$("${podman[@]}" inspect --format '{{.State.ExitCode}}' relay)
    echo "stopped after $took s, exit status $status"
    [ "$status" = 0 ] && awk -v t="$took" 'BEGIN { exit !(t < 8) }'
}

check "the container starts" start
check "flowrelayd serves" within 20 ready
check "it is PID 1" says flowrelayd inside cat /proc/1/comm
check "its user has no name" fails inside getent passwd 54321
check "it is not root" says "Uid:	54321" inside cat /proc/1/status
check "it has no capabilities" says "CapEff:	0000000000000000" inside cat /proc/1/status
check "its root is read-only" says "Read-only file system" inside touch /opt/x
check "the health check of the image is content" timeout 20 "${podman[@]}" healthcheck run relay
check "an event from the host is accepted" send from-the-host
check "it arrives" within 20 arrived from-the-host

# The relay knows the user of a producer in another PID namespace, and no process.
check "the source is paused" inside flowrelay source pause ci
check "another container hands an event in" timeout 60 "${podman[@]}" run --rm --network none \
    --user 12345:12345 --entrypoint flowrelay -v "$work/sockets:/run/flowrelay" flowrelay \
    send --source ci --thread from-a-container --title x
check "its user is known" says 12345 inside flowrelay queue list --json
check "the source is resumed" inside flowrelay source resume ci
check "that event arrives, too" within 20 arrived from-a-container

"${podman[@]}" kill --signal STOP relay > "$output"
check "the health check notices a daemon that hangs" fails timeout 20 "${podman[@]}" healthcheck run relay
"${podman[@]}" kill --signal CONT relay > "$output"
check "the health check is content again" within 10 timeout 20 "${podman[@]}" healthcheck run relay

rules '[{"match": {"external_thread_id": "hangs"}, "status": 202, "delay_ms": 60000}]' > "$output"
check "an event whose request hangs is accepted" send hangs
check "its request is under way" within 20 says "1 in flight" inside flowrelay status
check "podman stop ends it within 8 seconds" stop
say "$(grep "^stopped" "$output")"
rules '[]' > "$output"
"${podman[@]}" rm relay > "$output"
check "a new container takes over the spool" start
check "it serves" within 20 ready
check "the event arrives after all" within 20 arrived hangs
check "it stops" stop

[ "$failed" -eq 0 ] || "${podman[@]}" logs relay 2>&1 | tail -n 30
exit "$failed"
