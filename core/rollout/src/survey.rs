//! What a fleet is made of: the share of every fact, how weird a host is, and which stratum it belongs to.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

/// A fact is rare if at most this share of the fleet has it ...
const RARE_PERMILLE_MAX: usize = 10;
/// ... or, in a fleet whose hundredth part is too small to try anything on, at most so many hosts.
const RARE_HOSTS_MAX: usize = 30;
/// Fewer hosts than this make no stratum: the trial of one or two of them would prove nothing.
const STRATUM_HOSTS_MIN: usize = 8;
/// The fact that names the stratum of a host without rare facts.
const OPERATING_SYSTEM: &str = "os";

/// A host and what is known of it, such as `kernel` = `3.10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its facts by name; a fact that it never told is absent.
    pub facts: BTreeMap<String, String>,
}

/// Hosts that are alike in what makes them rare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// The fact, such as `kernel=3.10` or `os=rhel7`.
    pub name: String,
    /// Its hosts, as indices into the survey's.
    pub hosts: Vec<usize>,
}

/// A fleet at one moment.
#[derive(Clone, Debug)]
pub struct Survey {
    hosts: Vec<Host>,
    counts: BTreeMap<String, usize>,
    strata: Vec<Stratum>,
}

impl Survey {
    /// Counts what the hosts are made of. Of two hosts with one name the first counts.
    #[must_use]
    pub fn of(mut hosts: Vec<Host>) -> Self {
        hosts.sort_by(|one, other| one.name.cmp(&other.name));
        hosts.dedup_by(|later, first| later.name == first.name);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in hosts.iter().flat_map(facts) {
            *counts.entry(text).or_default() += 1;
        }
        let mut strata: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, host) in hosts.iter().enumerate() {
            strata.entry(stratum_of(host, &counts, hosts.len())).or_default().push(index);
        }
        let strata = strata.into_iter().map(|(name, hosts)| Stratum { name, hosts }).collect();
        Self { hosts, counts, strata }
    }

    /// The hosts, in the order of their names.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Every fact in the fleet, such as `kernel=3.10`, and how many hosts have it.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, usize> {
        &self.counts
    }

    /// The strata in the order of their names; every host is in one.
    #[must_use]
    pub fn strata(&self) -> &[Stratum] {
        &self.strata
    }

    /// How weird a host is, in bits: the sum of the surprisal of its facts, -log2 of the share of the fleet that has each.
    #[must_use]
    pub fn weirdness(&self, host: &Host) -> f64 {
        let fleet = self.hosts.len().max(1) as f64;
        facts(host).map(|fact| -libm::log2(self.counts.get(&fact).copied().unwrap_or(1) as f64 / fleet)).sum()
    }
}

/// A host's facts as text.
pub(crate) fn facts(host: &Host) -> impl Iterator<Item = String> {
    host.facts.iter().map(|(name, value)| format!("{name}={value}"))
}

/// Which stratum a host is in, by its facts: name, value, and how many of the fleet's hosts have it. That is the rarest one if it is
/// rare, and shared by enough hosts to try a release on; else the operating system.
#[must_use]
pub fn stratum(facts: &[(&str, &str, usize)], fleet: usize) -> String {
    let rare = (fleet * RARE_PERMILLE_MAX / 1000).max(RARE_HOSTS_MAX.min(fleet / 4));
    let rarest = facts.iter().filter(|(_, _, count)| (STRATUM_HOSTS_MIN..=rare).contains(count));
    let rarest = rarest.map(|(name, value, count)| (*count, format!("{name}={value}"))).min();
    let system = || facts.iter().find(|(name, ..)| *name == OPERATING_SYSTEM).map_or("unknown", |(_, value, _)| value);
    rarest.map_or_else(|| format!("{OPERATING_SYSTEM}={}", system()), |(_, fact)| fact)
}

fn stratum_of(host: &Host, counts: &BTreeMap<String, usize>, fleet: usize) -> String {
    let counted: Vec<_> =
        host.facts.iter().zip(facts(host)).filter_map(|((name, value), fact)| Some((name.as_str(), value.as_str(), *counts.get(&fact)?))).collect();
    stratum(&counted, fleet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn host(name: String, facts: &[(&str, &str)]) -> Host {
        Host { name, facts: facts.iter().map(|(fact, value)| ((*fact).to_string(), (*value).to_string())).collect() }
    }

    fn fleet() -> Survey {
        let of = |number: usize| match number {
            0..8 => host(format!("old-{number}"), &[("os", "rhel7"), ("kernel", "3.10")]),
            8 => host("odd".into(), &[("os", "rhel7"), ("kernel", "2.6")]),
            9..300 => host(format!("seven-{number}"), &[("os", "rhel7"), ("kernel", "4.18")]),
            _ => host(format!("nine-{number}"), &[("os", "rhel9"), ("kernel", "5.14")]),
        };
        Survey::of((0..1200).map(of).collect())
    }

    #[test]
    fn a_stratum_is_the_rarest_fact_if_it_is_rare_else_the_system() {
        let survey = fleet();
        let sizes: Vec<_> = survey.strata().iter().map(|stratum| (stratum.name.as_str(), stratum.hosts.len())).collect();
        assert_eq!(sizes, [("kernel=3.10", 8), ("os=rhel7", 292), ("os=rhel9", 900)]);
        assert_eq!(survey.counts().get("os=rhel7"), Some(&300));
    }

    #[test]
    fn weirdness_is_the_sum_of_surprisals() {
        let survey = fleet();
        let bits = |name: &str| survey.weirdness(survey.hosts().iter().find(|host| host.name == name).unwrap());
        // 300 of 1200 is two bits, one of 1200 is log2(1200).
        assert!((bits("odd") - (2.0 + 1200_f64.log2())).abs() < 1e-9);
        assert!(bits("odd") > bits("old-3") && bits("old-3") > bits("nine-700"));
    }
}
