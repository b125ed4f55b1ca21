//! Which version of systemd knows what our units say: older ones warn of a directive and go on.

use super::systems::System;
use std::collections::BTreeSet;

/// The oldest version that our units are for.
const OLDEST: u32 = 219;

/// Everything that stands in a unit, with the version whose news (systemd's file NEWS) introduce it; [`OLDEST`] for what is no younger.
const KNOWN: &[(&str, u32)] = &[
    ("AccuracySec", OLDEST),
    ("After", OLDEST),
    ("CapabilityBoundingSet", OLDEST),
    ("Description", OLDEST),
    ("ExecStart", OLDEST),
    ("LimitCORE", OLDEST),
    ("OnBootSec", OLDEST),
    ("OnFailure", OLDEST),
    ("OnUnitInactiveSec", OLDEST),
    ("PrivateDevices", OLDEST),
    ("ProtectSystem", OLDEST),
    ("ReadWriteDirectories", OLDEST),
    ("RestrictAddressFamilies", OLDEST),
    ("SystemCallArchitectures", OLDEST),
    ("TimeoutStartSec", OLDEST),
    ("Type", OLDEST),
    ("UMask", OLDEST),
    ("WantedBy", OLDEST),
    ("RestrictRealtime", 231),
    ("ProtectControlGroups", 232),
    ("ProtectKernelModules", 232),
    ("ProtectKernelTunables", 232),
    ("RestrictNamespaces", 233),
    ("LockPersonality", 235),
    ("ProtectHostname", 242),
    ("OOMPolicy", 243),
    ("ProtectKernelLogs", 244),
    ("ProtectClock", 245),
];

/// Without these there is no run, no rescue or no schedule, so the oldest version has to know them.
const NEEDED: [&str; 8] =
    ["ExecStart", "Type", "OnFailure", "OnBootSec", "OnUnitInactiveSec", "AccuracySec", "TimeoutStartSec", "ReadWriteDirectories"];

/// Fails unless a system's `systemd-analyze verify` complains of the directives that are younger than it, and of nothing else.
pub(crate) fn check(system: &System, said: &str) {
    let complaints = said.lines().filter(|line| line.contains("pinnace") && !line.contains("Failed to"));
    let unknown: BTreeSet<&str> = complaints.map(|line| quoted(line).unwrap_or(line)).collect();
    let younger: BTreeSet<&str> = KNOWN.iter().filter(|(_, since)| *since > system.systemd).map(|(name, _)| *name).collect();
    assert_eq!(unknown, younger, "systemd {}: {said}", system.systemd);
}

/// The directive that a line says is unknown.
fn quoted(line: &str) -> Option<&str> {
    line.split_once("Unknown ")?.1.split('\'').nth(1)
}

#[test]
fn what_the_oldest_version_does_not_know_can_be_missed() {
    let units = [
        include_str!("../../../packaging/pinnace.service"),
        include_str!("../../../packaging/pinnace-rescue.service"),
        include_str!("../../../packaging/pinnace.timer"),
    ];
    let lines = units.iter().flat_map(|unit| unit.lines()).filter(|line| !line.starts_with('#'));
    for (name, _) in lines.filter_map(|line| line.split_once('=')) {
        let since = KNOWN.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("since when is there {name}?")).1;
        let may_be_missed = ["Protect", "Restrict", "Lock", "OOMPolicy"].iter().any(|word| name.starts_with(word));
        assert!(since <= OLDEST || may_be_missed, "{name}");
    }
    let oldest = |name: &str| KNOWN.contains(&(name, OLDEST));
    assert!(NEEDED.iter().all(|name| oldest(name)));
}
