#!/usr/bin/env bash
# debian13.sh [PART..]: proves in a Debian 13 of its own (debootstrap) that the project builds there with
# the packages of cmake/debian-packages.txt and nothing else. PART is `units` (the default: the programs,
# the demo and the unit tests, as `make run` and `make check` do), or `deb`: the packages, installed with
# apt. Exit status 77 with "SKIP: why" where that is not possible.
# MIRROR and ROOT say from where and into which directory; a ROOT that is there already is used again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tree=$PWD
mirror=${MIRROR:-http://deb.debian.org/debian}
parts=("${@:-units}")

skip() {
    echo "SKIP: debian13: $*" >&2
    exit 77
}

if [ "${1:-}" = --inside ]; then # in the new mount namespace
    mount --make-rprivate /
    mount -t proc proc "$ROOT/proc"
    mount --rbind /dev "$ROOT/dev"
    mount -t tmpfs tmpfs "$ROOT/run"
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
    exec chroot "$ROOT" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" \
        bash -euxc "cd /src/flowrelay; apt-get install -y --no-install-recommends make; $2"
fi

[ "$(id -u)" = 0 ] || skip "needs root (debootstrap, chroot)"
command -v debootstrap > /dev/null || skip "no debootstrap"
unshare --mount true 2> /dev/null || skip "namespaces are not allowed here"
export ROOT=${ROOT:-/var/tmp/flowrelay-debian13}
if [ ! -e "$ROOT/etc/debian_version" ]; then
    debootstrap --variant=minbase trixie "$ROOT" "$mirror" > "$ROOT.log" 2>&1 ||
        { tail -n 3 "$ROOT.log" >&2; skip "debootstrap failed: is $mirror reachable? ($ROOT.log)"; }
fi

# A copy: what is built here belongs to another compiler.
mkdir -p "$ROOT/src/flowrelay"
find "$ROOT/src/flowrelay" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git -C "$tree" ls-files -z --cached --others --exclude-standard |
    tar -C "$tree" --null --files-from - --ignore-failed-read -cf - | tar -xf - -C "$ROOT/src/flowrelay"

for part in "${parts[@]}"; do
    case $part in
    units)
        # What make run and make check do; the lint tests and the simulation do not depend on the system.
        # shellcheck disable=SC2016 # for the shell in there
        command='make run
cmake/install-debian-packages.sh build test
cmake --preset ci -D FLOWRELAY_WERROR=OFF -Wno-dev
cmake --build --preset ci -j "$(nproc)"
ctest --preset ci -L unit -E simulation -j "$(nproc)"'
        ;;
    deb)
        command='make deb
apt-get install -y --no-install-recommends ./build/deb/flowrelay_*.deb ./build/deb/flowrelay-devserver_*.deb
flowrelayd --version
flowrelay config check || test $? = 78
mkdir -p /tmp/bin
ln -sf /usr/sbin/flowrelayd /usr/bin/flowrelay /usr/bin/flowrelay-devserver /tmp/bin
config/examples/demo.sh /tmp/bin'
        ;;
    *) echo "debian13.sh: there is no part $part" >&2; exit 64 ;;
    esac
    echo "=== Debian $(cat "$ROOT/etc/debian_version"): $part"
    unshare --mount --propagation private "$tree/tests/package/debian13.sh" --inside "$command"
done
