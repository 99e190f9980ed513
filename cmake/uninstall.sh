#!/bin/sh
# uninstall.sh MANIFEST [DESTDIR]: removes what `make install` has installed, and says what is left.
# The configuration stays, and so does everything that the daemon and the administrator have written.
set -eu
manifest=$1
destdir=${2:-}

if [ ! -s "$manifest" ]; then
    echo "There is no $manifest: run \`make install\` with the same prefix once more, then this." >&2
    exit 1
fi
if [ -z "$destdir" ] && [ -d /run/systemd/system ] &&
    systemctl --quiet is-active flowrelayd.service flowrelayd.socket flowrelayd-control.socket \
        flowrelay-connect.socket flowrelay-connect-invite.socket; then
    echo "flowrelayd or its pages are in use. Stop them first:" >&2
    echo "    systemctl disable --now flowrelayd.socket flowrelayd-control.socket flowrelayd \\" >&2
    echo "        flowrelay-connect.socket flowrelay-connect-invite.socket flowrelay-connect" >&2
    exit 1
fi

removed=0
while read -r file || [ -n "$file" ]; do
    case $file in
    /etc/flowrelay/*) continue ;;
    esac
    [ -e "$destdir$file" ] || [ -L "$destdir$file" ] || continue
    rm "$destdir$file"
    removed=$((removed + 1))
    directory=$(dirname "$destdir$file")
    case $directory in # those that are the project's alone
    */flowrelay | */flowrelay/*) rmdir -p --ignore-fail-on-non-empty "$directory" 2> /dev/null || true ;;
    esac
done < "$manifest"
echo "$removed files are removed. Left, where they exist:"
echo "    $destdir/etc/flowrelay      the configuration, and tokens: secrets"
echo "    $destdir/var/lib/flowrelay  the spool: events that are not delivered yet, and tokens: secrets"
echo "    $destdir/var/lib/private/flowrelay  the same, of a service with DynamicUser=: secrets"
echo "    $destdir/var/lib/flowrelay-connect  invitations and links of the pages: no tokens"
echo "    the journal of flowrelayd (no secrets), and the user and the groups flowrelay, flowrelay-send, flowrelay-admin"
echo "docs/operations.md says how to remove them."
