# Plants this host's identity and the unit that acts on it. cloud-init runs
# this at every boot, early, as root, so a boot that is cut off anywhere is
# made good by the next. Once all is in place it only starts the unit, and
# leaves alone what the node program has renewed since.
(
set -eu
umask 077
seed=/var/lib/pgbundle/seed
# What was taken away from this host (pgbundle-node uninstall) does not come
# back by itself: a seed of a higher generation is another one.
if grep -qs {{ digest }} /var/lib/pgbundle/uninstalled.json; then exit 0; fi
unit=/etc/systemd/system/pgbundle.service
mkdir -p /var/lib/pgbundle "$seed"
chmod 0700 /var/lib/pgbundle "$seed"
# What cloud-init does once it calls done before it is on the disk: until the
# node program has seen this host through, each boot is the first.
[ -e "$seed/settled" ] || rm -rf /var/lib/cloud/data/instance-id /var/lib/cloud/instance/sem
# A host that was upgraded since has a newer one than this seed, which is then
# attached for nothing.
have=
[ ! -s "$seed/generation" ] || read -r have <"$seed/generation"
if [ "${have:-0}" -le {{ generation }} ] &&
    [ "$(cat "$seed/planted" 2>/dev/null)" != {{ digest }} ]; then
base64 -d <<'END' | gzip -d >"$seed/identity.json.new"
{{ identity }}
END
cat <<'END' >"$seed/stub.sh.new"
{{ stub }}
END
(umask 022; cat <<'END' >"$unit.new"
{{ unit }}
END
)
echo {{ generation }} >"$seed/generation.new"
echo {{ digest }} >"$seed/planted.new"
sync
mv "$seed/identity.json.new" "$seed/identity.json"
mv "$seed/stub.sh.new" "$seed/stub.sh"
mv "$unit.new" "$unit"
mv "$seed/generation.new" "$seed/generation"
systemctl --no-reload enable pgbundle.service
systemctl daemon-reload
sync
mv "$seed/planted.new" "$seed/planted"
sync
fi
systemctl start --no-block pgbundle.service
)
