//! A crowd of hosts: what ninety thousand enrolments and runs come to, without the hours that they take. The hosts that something
//! happens to are put on record so, or tell it themselves.

use std::collections::BTreeMap;

pub(crate) const INTERVAL: i64 = 1_800;
const SITES: [&str; 5] = ["ams", "fra", "lon", "nyc", "sgp"];
const ROLES: [&str; 4] = ["web", "db", "batch", "edge"];
/// System, kernel, kernel's release, and what share of a hundred has it.
const SYSTEMS: [(&str, &str, &str, u32); 6] = [
    ("rhel9", "5.14", "5.14.0-427.el9", 34),
    ("rhel8", "4.18", "4.18.0-553.el8", 24),
    ("debian12", "6.1", "6.1.0-21-amd64", 20),
    ("ubuntu22", "5.15", "5.15.0-113-generic", 12),
    ("rhel7", "3.10", "3.10.0-1160.el7", 8),
    ("sles12", "4.12", "4.12.14-122-default", 2),
];

/// One host of it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) site: &'static str,
    pub(crate) role: &'static str,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) generation: i64,
    pub(crate) code: &'static str,
    /// Seconds since it was heard of.
    pub(crate) unheard: i64,
    pub(crate) status: &'static str,
    pub(crate) clock: &'static str,
}

/// What happened to some: a kernel after an update, a proxy, clocks, disks.
pub(crate) fn fault(member: &Member) -> Option<(&'static str, &'static str)> {
    let fact = |name: &str| member.facts[name].as_str();
    match number(&member.name) {
        _ if fact("kernel") == "4.12" && member.generation == 42 => Some(("delivery.exec-failed", "none")),
        number if member.site == "sgp" && member.role == "edge" && number % 10 < 2 => Some(("tls.clock-skew", "hours behind")),
        _ if member.site == "nyc" && fact("egress") == "proxy" => Some(("tls.unknown-authority", "none")),
        number if member.role == "batch" && member.site == "lon" && number % 10 < 2 => Some(("delivery.disk-full", "none")),
        _ => None,
    }
}

/// Whether it is served and was heard of lately.
pub(crate) fn is_heard(member: &Member) -> bool {
    member.status == "active" && member.unheard < 3_600
}

/// Whether nothing happens to it.
pub(crate) fn is_well(member: &Member) -> bool {
    is_heard(member) && member.code == "ok" && fault(member).is_none()
}

/// So many hosts, always the same; nothing has happened to them but what happens to some every day.
pub(crate) fn members(count: u32) -> Vec<Member> {
    (0..count).map(member).collect()
}

fn member(index: u32) -> Member {
    // Well spread and always the same (Knuth, The Art of Computer Programming 2, section 3.3.4).
    let mut state = u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut dice = |sides: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).unwrap() % sides
    };
    let (site, role, mut share) = (SITES[dice(5) as usize], ROLES[dice(4) as usize], dice(100));
    let system = SYSTEMS.iter().find(|(.., part)| {
        let found = share < *part;
        share = share.saturating_sub(*part);
        found
    });
    let (os, kernel, release, _) = system.unwrap();
    let egress = if dice(25) == 0 { "proxy" } else { "direct" };
    let virt = ["vm", "metal", "container"][dice(3) as usize];
    let words =
        [("os", *os), ("kernel", *kernel), ("kernel_release", *release), ("egress", egress), ("virt", virt), ("arch", "x86_64"), ("init", "systemd")];
    let facts = words.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let (unheard, status) = match dice(1_000) {
        0..=3 => (3 * 3_600 + i64::from(dice(86_400)), "active"),
        4..=5 => (10 * 86_400, "active"),
        6 => (60, "quarantined"),
        _ => (i64::from(dice(1_500)), "active"),
    };
    let code = if dice(2_000) == 0 { "dns.timeout" } else { "ok" };
    let generation = if dice(10) < 4 { 42 } else { 41 };
    Member {
        name: format!("{role}-{index:05}"),
        site,
        role,
        facts,
        generation,
        code,
        unheard,
        status,
        clock: if dice(300) == 0 { "seconds ahead" } else { "none" },
    }
}

fn number(name: &str) -> u32 {
    name.rsplit('-').next().unwrap().parse().unwrap()
}
