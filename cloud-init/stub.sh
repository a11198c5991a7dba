#!/bin/sh
# Finds the node program of this cluster, proves that it is the pinned one,
# and hands over to it. It does nothing else. POSIX sh; run by
# pgbundle.service as root, again 10 s after each failure but a refusal (1).
set -eu
umask 077
# What goes wrong here may go right the next time: the unit tries again after 3.
trap 'exit 3' EXIT

digest={{ digest }}
size={{ size }}
path={{ path }}
# Where it may be, in order: media, folder:/absolute/path, http(s)://…
set -- {{ sources }}

program=/usr/local/sbin/pgbundle-node
new=/usr/local/sbin/.pgbundle-node.new
is_refused=no
mount_point=/run/pgbundle-media

say() { echo "pgbundle: $*"; }

is_pinned() { [ -f "$1" ] && [ "$(sha256sum <"$1")" = "$digest  -" ]; }

# Copies its input to $new, and one byte more than is right at the most: what
# gives more must not fill the disk.
bounded() { head -c "$((size + 1))" >"$new"; }

# Copies what lies at $1 to $new.
take() {
    [ -f "$1" ] || { say "  no $1"; return 1; }
    bounded <"$1"
}

accept() {
    is_pinned "$new" && return
    found=$(wc -c <"$new")
    # A shorter file may still be on its way there.
    [ "$found" -ge "$size" ] || { say "  cut off: $found bytes of $size"; return 1; }
    is_refused=yes
    say "  refused: $found bytes with another digest (pinned: $size bytes, sha256 $digest)"
    return 1
}

from_media() {
    for label in PGBUNDLE cidata CIDATA; do
        device=/dev/disk/by-label/$label
        [ -b "$device" ] || device=$(blkid -L "$label" 2>/dev/null) || continue
        say "  disk $label at $device"
        mkdir -p "$mount_point"
        mount -o ro,nosuid,nodev,noexec "$device" "$mount_point" || continue
        is_found=no
        if take "$mount_point/$path" && accept; then is_found=yes; fi
        umount "$mount_point"
        [ "$is_found" = no ] || return 0
    done
    say "  no disk labelled PGBUNDLE or cidata has it"
    return 1
}

from_url() {
    if command -v curl >/dev/null; then
        curl -fsSL --connect-timeout 10 --max-time 300 "$1" | bounded
    elif command -v wget >/dev/null; then
        wget -q -T 10 -O - "$1" | bounded
    elif command -v python3 >/dev/null; then
        python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as source:
    shutil.copyfileobj(source, sys.stdout.buffer)' "$1" | bounded
    else
        say "  this host has neither curl nor wget nor python3: use media or a folder"
        return 1
    fi
}

fetch() {
    case $1 in
        media) from_media ;;
        folder:*) take "${1#folder:}/$path" && accept ;;
        *) from_url "$1/$path" && accept ;;
    esac
}

install_program() {
    mkdir -p /usr/local/sbin
    for source in "$@"; do
        say "looking for the node program in $source"
        rm -f "$new"
        fetch "$source" || continue
        chmod 0755 "$new" && sync && mv "$new" "$program" && sync
        return
    done
    rm -f "$new"
    return 1
}

# A mount that a killed run left behind would hide the disk from this one.
while grep -q " $mount_point " /proc/mounts; do umount "$mount_point"; done

if ! is_pinned "$program" && ! install_program "$@"; then
    if [ "$is_refused" = yes ]; then
        say "refused: no source has the pinned node program; mend the source, then: systemctl restart pgbundle"
        trap - EXIT
        exit 1
    fi
    say "the node program is nowhere to be found; trying again in 10 s"
    exit 3
fi
exec "$program" up
