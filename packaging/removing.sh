if [ -d /run/systemd/system ]; then
    systemctl stop pinnace.timer || :
fi
