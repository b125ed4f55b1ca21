if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
if command -v journalctl >/dev/null; then
    journalctl --update-catalog || :
fi
