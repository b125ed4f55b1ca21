# The package as it was installed, and nothing but its timer: two deliveries, the second after the first was taken away.
token=/var/lib/agent/db.token
waited() {
    tries=0
    until [ -s $token ] || [ $tries -ge 900 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    read -r up rest </proc/uptime
    echo "$up" >"$1"
}
read -r up rest </proc/uptime
echo "$up" >begun
systemctl --version >version
systemd-analyze verify /usr/lib/systemd/system/pinnace.timer /usr/lib/systemd/system/pinnace.service \
    /usr/lib/systemd/system/pinnace-rescue.service >verified 2>&1
waited first
cp -p $token token-first
rm $token
waited second
cp -p $token token-second
while [ "$(systemctl show -p ActiveState pinnace.service)" = ActiveState=activating ]; do sleep 0.02; done
systemctl show -p ActiveState,Result,ExecMainStatus pinnace.service >service
systemctl show -p ActiveState,Result pinnace.timer >timer
@JOURNAL@
journalctl --no-pager -q -o cat >journal
# Upgrade, removal and purge while the system runs.
ln -s generations/7-0/pinnace /var/lib/pinnace/current
ln -s generations/6-0/pinnace /var/lib/pinnace/previous
dpkg -i newer.deb
ls /var/lib/pinnace >upgraded
systemctl show -p ActiveState,LoadState pinnace.timer >upgraded-timer
dpkg --remove pinnace
ls /var/lib/pinnace >removed
systemctl show -p ActiveState,LoadState pinnace.timer >removed-timer
dpkg --purge pinnace
ls /var/lib >purged
