#!/usr/bin/env bash
# build.sh DIR [BUILT]: builds the Debian packages of this tree in DIR and checks them with lintian.
# It builds from a copy, so that no file of the tree changes. With BUILT the programs are taken from
# that build directory, and nothing is compiled. DEB_BUILD_PROFILES and DEB_BUILD_OPTIONS are "nocheck"
# unless they are set: without it, the build runs the unit tests, as that of a distribution does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p "${1:?usage: build.sh DIR}"
directory=$(cd "$1" && pwd)
export DEB_BUILD_PROFILES=${DEB_BUILD_PROFILES-nocheck} DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}
if [ $# -gt 1 ]; then
    FLOWRELAY_BUILT=$(cd "$2" && pwd)
    export FLOWRELAY_BUILT DEB_BUILD_OPTIONS="nocheck noautodbgsym"
fi
version=$(sed -n '1s/^[^(]*(\([^)]*\)).*$/\1/p' debian/changelog)
copy=$directory/flowrelay-$version

# debhelper gives the build a home directory of its own.
if command -v ccache > /dev/null; then
    CCACHE_DIR=${CCACHE_DIR:-$(ccache --get-config cache_dir)}
    export CCACHE_DIR CCACHE_BASEDIR=$copy CCACHE_NOHASHDIR=1
fi

rm -rf "$copy" "$directory"/*.deb "$directory"/*.buildinfo "$directory"/*.changes
mkdir "$copy"
if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from - -cf - --ignore-failed-read
else
    tar --exclude=./build -cf - .
fi | tar -xf - -C "$copy"
(cd "$copy" && dpkg-buildpackage --build=binary --no-sign)
if [ -z "${FLOWRELAY_BUILT:-}" ]; then
    tests/package/check_hardening.sh "$copy"/debian/flowrelay/usr/{s,}bin/* \
        "$copy"/debian/flowrelay-devserver/usr/bin/*
fi
rm -rf "$copy"

echo "AppArmor profiles:"
for profile in debian/apparmor/*; do
    apparmor_parser --skip-kernel-load --skip-cache --skip-read-cache "$profile"
done

echo "lintian:"
# The tools of the distribution may be newer than the Standards-Version that both support.
lintian --fail-on error,warning --info \
    --suppress-tags newer-standards-version,out-of-date-standards-version "$directory"/*.changes
echo "Built:"
ls -1 "$directory"/*.deb
