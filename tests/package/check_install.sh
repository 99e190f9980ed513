#!/usr/bin/env bash
# check_install.sh BUILD: installs the build into an empty directory and uninstalls it: nothing is left but
# what the administrator has, and an installed configuration is not overwritten.
set -euo pipefail
build=$1
cmake=$(dirname "${BASH_SOURCE[0]}")/../../cmake
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "$*" >&2; exit 1; }

mkdir -p "$root/etc/flowrelay"
echo mine > "$root/etc/flowrelay/flowrelay.yaml"
DESTDIR=$root cmake --install "$build" --prefix /usr > "$root.log"
grep -qx mine "$root/etc/flowrelay/flowrelay.yaml" || fail "the configuration was overwritten"
for file in sbin/flowrelayd sbin/flowrelay-connect bin/flowrelay share/doc/flowrelay/LICENSE share/doc/flowrelay/docs/operations.md \
    share/man/man1/flowrelay-send.1 share/man/man7/flowrelay-protocol.7 lib/systemd/catalog/flowrelay.catalog \
    share/fish/vendor_completions.d/flowrelay.fish; do
    [ -e "$root/usr/$file" ] || fail "/usr/$file was not installed"
done
"$cmake/uninstall.sh" "$build/install_manifest.txt" "$root" > "$root.log"
for left in flowrelay private/flowrelay; do
    grep -q "$root/var/lib/$left " "$root.log" || fail "the uninstallation does not say that /var/lib/$left is left"
done
left=$(find "$root" ! -type d)
[ "$left" = "$root/etc/flowrelay/flowrelay.yaml" ] || fail "left: $left"
[ ! -e "$root/usr/share/doc/flowrelay" ] || fail "empty directories are left"
rm "$root.log"
