#!/bin/sh
# install-debian-packages.sh [--simulate] GROUP..: sees to it that the packages of these groups of
# debian-packages.txt are there. Says what it does, and does nothing when nothing is missing. With
# --simulate it only fails where this system could not install them.
set -eu

simulate=
if [ "$1" = --simulate ]; then
    simulate=--simulate
    shift
fi

list=$(dirname "$0")/debian-packages.txt

if ! command -v dpkg-query > /dev/null; then
    echo "This is not a Debian system: install what $list names by the means of yours." >&2
    exit 0
fi

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null || true)" = installed ]; }
is_offered() { LC_ALL=C apt-cache policy "$1" | grep -q 'Candidate: [^(]'; }

# Sets `missing` to what is not installed, and `unknown` to what the package lists do not offer. Of
# alternatives (a|b) it takes the first that is installed or offered.
look() {
    missing=
    unknown=
    for group in "$@"; do
        entries=$(awk -v group="$group" '!/^#/ && $2 == group { print $1 }' "$list")
        for entry in $entries; do
            choice=
            for package in $(echo "$entry" | tr '|' ' '); do
                if is_installed "$package"; then continue 2; fi
                if is_offered "$package"; then
                    choice=$package
                    break
                fi
            done
            missing="$missing ${choice:-${entry%%|*}}"
            [ -n "$choice" ] || unknown="$unknown $entry"
        done
    done
}

look "$@"
[ -n "$missing" ] || exit 0

echo "Missing packages:$missing"
if [ "$(id -u)" = 0 ] || [ -n "$simulate" ]; then
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

update() {
    echo "Reading the package lists (apt-get update) ..."
    apt_get update
    look "$@"
    [ -z "$unknown" ] || {
        echo "This system does not offer these packages:$unknown" >&2
        exit 1
    }
}

# shellcheck disable=SC2086 # a list of words
if [ -n "$unknown" ] ||
    ! apt-get -qq --simulate install --no-install-recommends $missing > /dev/null 2>&1; then
    update "$@"
fi
echo "Installing them (apt-get install) ..."
# shellcheck disable=SC2086
if ! apt_get install $simulate --no-install-recommends $missing; then
    # The lists may be older than what the mirror still has.
    update "$@"
    # shellcheck disable=SC2086
    apt_get install $simulate --no-install-recommends $missing
fi
[ -z "$simulate" ] || exit 0

# Tests and benchmarks start servers of their own: new ones on the machine's ports would be an
# unwelcome surprise.
for service in nginx beanstalkd prometheus podman.socket podman; do
    case $missing in
    *${service%.*}*)
        [ ! -d /run/systemd/system ] || $as_root systemctl --quiet disable --now $service || true
        ;;
    esac
done
