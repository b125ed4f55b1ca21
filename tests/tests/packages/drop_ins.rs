//! What administrators and their tools put beside a unit, and who delivers then.

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The run itself.
    Run,
    /// The rescue, after a run that failed or never began.
    Rescue,
    /// The rescue from this version of systemd on; the run before, which does not know the directive or does not mind.
    RescueSince(u32),
    /// The one or the other: it depends on the kernel's control groups and on which namespaces a container may make.
    Either,
}

use End::{Either, Rescue, RescueSince, Run};

/// What stands under `[Service]`, who delivers then, and the code that a failed run leaves; none where it does not come to say one.
pub(crate) const ALL: &[(&str, End, &str)] = &[
    ("LimitNOFILE=3", Rescue, ""),
    ("LimitFSIZE=0", Rescue, "delivery.io"),
    ("LimitAS=512K", Rescue, ""),
    ("LimitNPROC=0", Run, ""),
    ("MemoryLimit=4M\nMemoryMax=4M", Either, ""),
    ("CPUQuota=5%\nNice=19", Run, ""),
    ("RootDirectory=/nonexistent", Rescue, ""),
    ("WorkingDirectory=/nonexistent", Rescue, ""),
    ("StandardOutput=null", Run, ""),
    ("StandardOutput=file:/nonexistent/log", RescueSince(237), ""),
    ("StandardOutput=file:/dev/full", Run, ""),
    ("StandardInput=tty-force\nTTYPath=/nonexistent", Rescue, ""),
    ("ExecStart=\nExecStart=/bin/sh -c 'exec /usr/bin/pinnace run <&- >&- 2>&-'", Run, ""),
    ("Environment=LD_PRELOAD=/nonexistent.so SSL_CERT_FILE=/nonexistent https_proxy=http://192.0.2.1:1 RES_OPTIONS=debug", Run, ""),
    ("EnvironmentFile=/nonexistent", Rescue, ""),
    ("PrivateNetwork=yes", Either, ""),
    ("RestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX", Rescue, "connect.unreachable"),
    ("SystemCallFilter=~socket", Rescue, ""),
    ("SystemCallFilter=~connect\nSystemCallErrorNumber=EPERM", Rescue, "connect.denied"),
    ("SystemCallFilter=~getrandom\nSystemCallErrorNumber=EPERM", Run, ""),
    ("SystemCallFilter=~rename renameat renameat2\nSystemCallErrorNumber=EPERM", Rescue, "delivery.permission"),
    ("ProtectSystem=strict", RescueSince(237), "delivery.read-only"),
    ("ReadOnlyDirectories=/", Rescue, "delivery.read-only"),
    ("InaccessibleDirectories=/var/lib/pinnace", Rescue, "identity.missing"),
    ("TemporaryFileSystem=/var/lib", RescueSince(245), "identity.missing"),
    ("PrivateTmp=yes\nProtectHome=yes\nNoNewPrivileges=yes\nMemoryDenyWriteExecute=yes", Run, ""),
    ("User=nobody", Rescue, ""),
    ("DynamicUser=yes", RescueSince(237), "identity.unreadable"),
    ("PrivateUsers=yes", Either, ""),
    ("CapabilityBoundingSet=", Run, ""),
    ("UMask=0777", Run, ""),
    ("PAMName=nonexistent", RescueSince(257), ""),
    ("ExecStartPre=/bin/false", Rescue, ""),
    ("ExecStart=\nExecStart=/bin/false", Rescue, ""),
    ("ExecStartPost=/bin/false", Rescue, ""),
    ("TimeoutStartSec=1ms", Rescue, ""),
    ("Type=notify", RescueSince(237), ""),
    ("Type=simple", Run, ""),
];

impl End {
    /// Whether it may be the rescue that delivers, and whether it may be the run.
    pub(crate) fn allows(self, is_rescued: bool, systemd: u32) -> bool {
        match self {
            Run => !is_rescued,
            Rescue => is_rescued,
            RescueSince(first) => is_rescued == (systemd >= first),
            Either => true,
        }
    }

    fn words(self) -> String {
        match self {
            Run => "the run".into(),
            Rescue => "the rescue".into(),
            RescueSince(first) => format!("the rescue from {first} on, the run before"),
            Either => "the run or the rescue".into(),
        }
    }
}

/// The table as the documentation has it.
pub(crate) fn table() -> String {
    let row = |(lines, end, code): &(&str, End, &str)| {
        let code = if code.is_empty() { String::new() } else { format!("`{code}`") };
        format!("| `{}` | {} | {code} |\n", lines.replace('\n', "`, `"), end.words())
    };
    "| drop-in | who delivers | the run's code |\n|---|---|---|\n".to_owned() + &ALL.iter().map(row).collect::<String>()
}

#[test]
fn the_documentation_has_the_table_of_drop_ins() {
    let text = include_str!("../../../docs/packages.md");
    assert!(text.contains(&table()), "docs/packages.md lacks this table:\n{}", table());
}
