# Each drop-in in turn: one start of the service under it, the rescue where it failed, and what both left behind.
token=/var/lib/agent/db.token
ended() {
    while :; do
        case "$(systemctl show -p ActiveState,Job pinnace.service pinnace-rescue.service)" in
        *=activating* | *=active* | *=deactivating* | *Job=[1-9]*) sleep 0.05 ;;
        *) break ;;
        esac
    done
}
# Starts come faster than any timer's.
for unit in pinnace pinnace-rescue; do
    mkdir -p /run/systemd/system/$unit.service.d
    printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nStartLimitInterval=0\n' >/run/systemd/system/$unit.service.d/no-limit.conf
done
systemctl stop pinnace.timer
/usr/bin/pinnace run
cursor=
for file in cases/*; do
    out=ends/${file#cases/}
    mkdir -p "$out"
    cp "$file" /run/systemd/system/pinnace.service.d/zz-hostile.conf
    systemctl daemon-reload
    rm -f /var/lib/pinnace/credential-db
    cp -p $token "$out/before"
    systemctl start pinnace.service
    ended
    cp -p $token "$out/after"
    ls -a /var/lib/agent >"$out/names"
    systemctl show -p ExecMainStartTimestampMonotonic pinnace-rescue.service >"$out/rescue"
    journalctl --sync
    journalctl -q --no-pager -o cat --show-cursor ${cursor:+"--after-cursor=$cursor"} >"$out/journal"
    while read -r line; do case "$line" in "-- cursor: "*) cursor=${line#-- cursor: } ;; esac done <"$out/journal"
done
