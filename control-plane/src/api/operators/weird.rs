//! Hosts that are least like the others.

use super::{
    Answer, Desk, aside, invalid,
    model::{FindWeird, RareFact, WeirdHost, WeirdHosts},
};
use crate::driver::survey;
use rollout::survey::Survey;

const LIMIT_MAX: usize = 1000;
/// Facts told of a host.
const FACTS_SHOWN: usize = 3;

/// The weirdest hosts.
pub(super) async fn find(desk: Desk, asked: FindWeird) -> Answer<WeirdHosts> {
    if asked.limit > LIMIT_MAX {
        return Err(invalid("limit is over 1000"));
    }
    Ok(aside(|| weirdest(&survey(&desk.plane, None), asked.limit)))
}

fn weirdest(survey: &Survey, most: usize) -> WeirdHosts {
    let mut strata = vec![""; survey.hosts().len()];
    for stratum in survey.strata() {
        for host in &stratum.hosts {
            if let Some(known) = strata.get_mut(*host) {
                *known = &stratum.name;
            }
        }
    }
    let mut hosts: Vec<_> = survey.hosts().iter().zip(strata).map(|(host, stratum)| (survey.weirdness(host), host, stratum)).collect();
    hosts.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.name.cmp(&other.1.name)));
    let hosts = hosts.into_iter().take(most).map(|(bits, host, stratum)| {
        let fact = |(name, value): (&String, &String)| {
            let fact = format!("{name}={value}");
            RareFact { hosts: survey.counts().get(&fact).copied().unwrap_or(0), fact }
        };
        let mut facts: Vec<RareFact> = host.facts.iter().map(fact).collect();
        facts.sort_by_key(|fact| fact.hosts);
        facts.truncate(FACTS_SHOWN);
        WeirdHost { name: host.name.clone(), bits, stratum: stratum.into(), facts }
    });
    WeirdHosts {
        version: 1,
        hosts: hosts.collect(),
        total: survey.hosts().len(),
        strata: survey.strata().iter().map(|stratum| (stratum.name.clone(), stratum.hosts.len())).collect(),
    }
}
