#!/usr/bin/env bash
# bare_debian.sh SUITE [PART..]: proves in a Debian of its own (mmdebstrap), as it is right after its
# installation, that the project works there as the README says, with the packages of
# cmake/debian-packages.txt and nothing else. SUITE is a release, such as bookworm or trixie, or noble
# (Ubuntu 24.04, which does not offer all that the tests need). PART is `run` (`make run`), `deb` (the
# packages, made with `make deb`, where the unit tests run as well, and installed with apt), or `packages`
# (whether apt could install everything on that list). The default is all of them. Exit status 77 with
# "SKIP: why" where that is not possible.
# MIRROR and ROOT say from where and into which directory; a ROOT that is there already is used again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tree=$PWD

skip() {
    echo "SKIP: bare_debian: $*" >&2
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
        bash -euxc "cd /src/flowrelay; apt-get -qq update; $2"
fi

suite=${1:?which release?}
# Debian does not have the keys of Ubuntu.
case $suite in
noble) mirror=${MIRROR:-http://archive.ubuntu.com/ubuntu} source="deb [trusted=yes] $mirror $suite main universe" ;;
*) mirror=${MIRROR:-http://deb.debian.org/debian} source="deb $mirror $suite main" ;;
esac
parts=("${@:2}")
[ ${#parts[@]} -gt 0 ] || parts=(packages run deb)
[ "$(id -u)" = 0 ] || skip "needs root (mmdebstrap, chroot)"
command -v mmdebstrap > /dev/null || skip "no mmdebstrap"
unshare --mount true 2> /dev/null || skip "namespaces are not allowed here"
export ROOT=${ROOT:-/var/tmp/flowrelay-$suite}
if [ ! -e "$ROOT/etc/debian_version" ]; then
    # Nothing in there outlives a crash of this machine: dpkg need not wait for the disk.
    mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io "$suite" "$ROOT" "$source" > "$ROOT.log" 2>&1 || {
        tail -n 3 "$ROOT.log" >&2
        rm -rf "$ROOT"
        skip "mmdebstrap failed: is $mirror reachable? ($ROOT.log)"
    }
fi

# A copy: what is built here belongs to another compiler. All of it is new (-m), since a root may be
# used again whose objects are younger than the last changes.
mkdir -p "$ROOT/src/flowrelay"
find "$ROOT/src/flowrelay" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git -C "$tree" ls-files -z --cached --others --exclude-standard |
    tar -C "$tree" --null --files-from - --ignore-failed-read -cf - | tar -xmf - -C "$ROOT/src/flowrelay"

for part in "${parts[@]}"; do
    case $part in
    run)
        command='apt-get install -y --no-install-recommends make
time make run'
        ;;
    deb)
        # Without "nocheck" the build of the packages runs the unit tests, with the libraries that the
        # programs in the packages are linked from: one build serves both. The lint tests and the
        # simulation do not depend on the system. Warnings of a compiler that the project does not use
        # are no errors.
        command='apt-get install -y --no-install-recommends make
time DEB_BUILD_OPTIONS= DEB_BUILD_PROFILES= make deb
apt-get install -y --no-install-recommends ./build/deb/flowrelay_*.deb ./build/deb/flowrelay-devserver_*.deb
flowrelayd --version
flowrelay config check || test $? = 78
mkdir -p /tmp/bin
ln -sf /usr/sbin/flowrelayd /usr/bin/flowrelay /usr/bin/flowrelay-devserver /tmp/bin
config/examples/demo.sh /tmp/bin'
        ;;
    packages)
        command='cmake/install-debian-packages.sh --simulate build test bench deb'
        ;;
    *) echo "bare_debian.sh: there is no part $part" >&2; exit 64 ;;
    esac
    echo "=== $(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' "$ROOT/etc/os-release"): $part"
    unshare --mount --propagation private "$tree/tests/package/bare_debian.sh" --inside "$command"
done
