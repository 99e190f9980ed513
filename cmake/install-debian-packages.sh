#!/bin/sh
# install-debian-packages.sh GROUP..: sees to it that the packages of these groups of
# debian-packages.txt are there. Says what it does, and does nothing when nothing is missing.
set -eu

list=$(dirname "$0")/debian-packages.txt

if ! command -v dpkg-query > /dev/null; then
    echo "This is not a Debian system: install what $list names by the means of yours." >&2
    exit 0
fi

missing=
for group in "$@"; do
    packages=$(awk -v group="$group" '!/^#/ && $2 == group { print $1 }' "$list")
    for package in $packages; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

echo "Missing packages:$missing"
if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    as_root="sudo -n env"
else
    echo "They can't be installed without root. Please run:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

apt_get() {
    $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$@"
}

# shellcheck disable=SC2086 # a list of words
if ! apt-get -qq --simulate install --no-install-recommends $missing > /dev/null 2>&1; then
    echo "Reading the package lists (apt-get update) ..."
    apt_get update
fi
echo "Installing them (apt-get install) ..."
# shellcheck disable=SC2086
if ! apt_get install --no-install-recommends $missing; then
    # The lists may be older than what the mirror still has.
    apt_get update
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends $missing
fi

# Tests and benchmarks start servers of their own: new ones on the machine's ports would be an
# unwelcome surprise.
for service in nginx beanstalkd prometheus; do
    case $missing in
    *$service*)
        [ ! -d /run/systemd/system ] || $as_root systemctl --quiet disable --now $service || true
        ;;
    esac
done
