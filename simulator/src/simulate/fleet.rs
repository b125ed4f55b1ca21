//! A fleet as it might be: a mix of systems with what goes with them, and groups of hosts that are rare in one fact.

use crate::chance::Chance;
use rollout::survey::{Host, Survey};

/// Sites, each with a fifth of the fleet.
pub(crate) const SITES: usize = 5;

/// Hosts that share a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The fact, such as `kernel`.
    pub(crate) fact: String,
    /// Its value.
    pub(crate) value: String,
    /// How many hosts have it.
    pub(crate) hosts: usize,
}

impl Group {
    pub(crate) fn new(fact: &str, value: &str, hosts: usize) -> Self {
        Self { fact: fact.to_owned(), value: value.to_owned(), hosts }
    }
}

/// What a fleet is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Population {
    pub(crate) hosts: usize,
    pub(crate) seed: u64,
    pub(crate) groups: Vec<Group>,
    /// Hosts of which every tenth run is disturbed, permille.
    pub(crate) flaky_permille: u32,
    /// Hosts whose clock is off, permille.
    pub(crate) clock_off_permille: u32,
}

/// Share in percent, system, kernel, init, file system.
const SYSTEMS: [(usize, &str, &str, &str, &str); 7] = [
    (15, "rhel7", "3.10", "systemd-219", "xfs"),
    (25, "rhel8", "4.18", "systemd-239", "xfs"),
    (25, "rhel9", "5.14", "systemd-252", "xfs"),
    (10, "debian12", "6.1", "systemd-252", "ext4"),
    (15, "ubuntu22", "5.15", "systemd-249", "ext4"),
    (4, "sles12", "4.12", "systemd-228", "btrfs"),
    (6, "sles15", "5.3", "systemd-249", "btrfs"),
];

/// The fleet's survey; the same population gives the same.
pub(crate) fn survey(population: &Population) -> Survey {
    let mut chance = Chance::new(population.seed);
    let mut hosts: Vec<Host> = (0..population.hosts).map(|number| host(number, &mut chance)).collect();
    let mut next = 0;
    // The numbering is by chance already: the hosts of a group follow each other.
    for group in &population.groups {
        for host in hosts.iter_mut().skip(next).take(group.hosts) {
            host.facts.insert(group.fact.clone(), group.value.clone());
        }
        next += group.hosts;
    }
    Survey::of(hosts)
}

fn host(number: usize, chance: &mut Chance) -> Host {
    let (_, system, kernel, init, filesystem) = pick(&SYSTEMS, |row| row.0, chance);
    let (_, arch) = pick(&[(92, "x86_64"), (8, "aarch64")], |row| row.0, chance);
    let (_, egress) = pick(&[(60, "direct"), (30, "proxy"), (10, "nat64")], |row| row.0, chance);
    let (_, container) = pick(&[(85, "none"), (15, "vm")], |row| row.0, chance);
    let site = format!("s{}", chance.below(SITES));
    let facts = [
        ("os", system),
        ("kernel", kernel),
        ("init", init),
        ("filesystem", filesystem),
        ("arch", arch),
        ("egress", egress),
        ("container", container),
        ("site", site.as_str()),
    ];
    Host { name: format!("host-{number}"), facts: facts.into_iter().map(|(fact, value)| (fact.to_owned(), value.to_owned())).collect() }
}

/// A row by its share in percent.
fn pick<T: Copy>(rows: &[T], share: fn(&T) -> usize, chance: &mut Chance) -> T {
    let mut left = chance.below(100);
    for row in rows {
        match left.checked_sub(share(row)) {
            Some(rest) => left = rest,
            None => return *row,
        }
    }
    rows[0]
}
