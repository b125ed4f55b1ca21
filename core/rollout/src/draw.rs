//! Drawing a plan: at random inside each stratum, by a hash that anybody can compute again.

use crate::{
    plan::{Place, Terms},
    survey::{Survey, facts},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use protocol::stable_hash;

/// A stratum is tried on so many hosts at least, if they are no more than a quarter of it.
const CANARIES_MIN: usize = 4;
/// Of every stratum so many permille, and at least so many hosts, are held back to the end.
const HELD_BACK_PERMILLE: usize = 20;
const HELD_BACK_MIN: usize = 2;
/// Canaries that may be added for their facts: so many, or this part of the canaries.
const ADDED_MIN: usize = 8;
const ADDED_PART: usize = 8;

pub(crate) struct Drawn {
    pub(crate) places: Vec<Place>,
    pub(crate) uncovered: Vec<String>,
}

pub(crate) fn draw(survey: &Survey, terms: &Terms) -> Drawn {
    let mut places: Vec<Place> =
        survey.hosts().iter().map(|host| Place { host: host.name.clone(), stratum: 0, wave: terms.waves.len(), drawn: true }).collect();
    let ranks: Vec<u64> = survey.hosts().iter().map(|host| stable_hash(&[&terms.id, &host.name])).collect();
    let rank = |host: &usize| ranks.get(*host).copied().unwrap_or_default();
    let sizes: Vec<usize> = survey.strata().iter().map(|stratum| stratum.hosts.len()).collect();
    let factor = factor(&sizes, budget(survey, terms));
    for (index, stratum) in survey.strata().iter().enumerate() {
        let mut order = stratum.hosts.clone();
        order.sort_unstable_by_key(|host| (rank(host), *host));
        let ends = ends(order.len(), factor, terms);
        for (position, host) in order.into_iter().enumerate() {
            if let Some(place) = places.get_mut(host) {
                place.stratum = index;
                place.wave = ends.iter().position(|end| position < *end).unwrap_or(terms.waves.len());
            }
        }
    }
    let uncovered = cover(survey, &ranks, &mut places, terms.waves.len());
    Drawn { places, uncovered }
}

fn budget(survey: &Survey, terms: &Terms) -> usize {
    let share = terms.waves.first().map_or(0, |wave| wave.share_permille);
    survey.hosts().len().saturating_mul(usize::try_from(share).unwrap_or(0)).div_ceil(1000)
}

/// The c of c * sqrt(N): as large as the budget allows.
fn factor(sizes: &[usize], budget: usize) -> f64 {
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        let canaries: usize = sizes.iter().map(|size| canaries(*size, middle)).sum();
        if canaries <= budget { low = middle } else { high = middle }
    }
    low
}

/// How many hosts of a stratum of that size go first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a root of a count is a count")]
fn canaries(size: usize, factor: f64) -> usize {
    let wanted = libm::round(factor * libm::sqrt(size as f64)) as usize;
    wanted.max(CANARIES_MIN).min(size / 4)
}

/// Where each wave ends in a stratum of that size.
fn ends(size: usize, factor: f64, terms: &Terms) -> Vec<usize> {
    let held_back = (size * HELD_BACK_PERMILLE).div_ceil(1000).max(HELD_BACK_MIN).min(size);
    let mut end = canaries(size, factor).min(size - held_back);
    let mut ends = Vec::with_capacity(terms.waves.len());
    for (number, wave) in terms.waves.iter().enumerate() {
        if number > 0 {
            let share = size.saturating_mul(usize::try_from(wave.share_permille).unwrap_or(0)).div_ceil(1000);
            end = end.max(share.min(size - held_back));
        }
        ends.push(end);
    }
    ends
}

/// Adds canaries for facts that none has, the most common fact first, and says which facts stay without.
fn cover(survey: &Survey, ranks: &[u64], places: &mut [Place], held_back: usize) -> Vec<String> {
    let mut covered: BTreeSet<String> =
        survey.hosts().iter().zip(&*places).filter(|(_, place)| place.wave == 0).flat_map(|(host, _)| facts(host)).collect();
    let mut open: Vec<(usize, &String)> =
        survey.counts().iter().filter(|(fact, _)| !covered.contains(*fact)).map(|(fact, count)| (*count, fact)).collect();
    if open.is_empty() {
        return Vec::new();
    }
    open.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let firsts = first_with(survey, ranks, places, &open, held_back);
    let mut left = ADDED_MIN.max(places.iter().filter(|place| place.wave == 0).count() / ADDED_PART);
    let mut uncovered = Vec::new();
    for (_, fact) in open {
        if covered.contains(fact) {
            continue;
        }
        let host = firsts.get(fact).filter(|_| left > 0).and_then(|host| survey.hosts().get(*host).zip(places.get_mut(*host)));
        let Some((host, place)) = host else {
            uncovered.push(fact.clone());
            continue;
        };
        (place.wave, place.drawn) = (0, false);
        left -= 1;
        covered.extend(facts(host));
    }
    uncovered
}

/// For every open fact the first host with it, by rank, that is not held back.
fn first_with(survey: &Survey, ranks: &[u64], places: &[Place], open: &[(usize, &String)], held_back: usize) -> BTreeMap<String, usize> {
    let open: BTreeSet<&String> = open.iter().map(|(_, fact)| *fact).collect();
    let mut firsts: BTreeMap<String, (u64, usize)> = BTreeMap::new();
    for (index, ((host, place), rank)) in survey.hosts().iter().zip(places).zip(ranks).enumerate() {
        if place.wave == held_back {
            continue;
        }
        for fact in facts(host).filter(|fact| open.contains(fact)) {
            let first = firsts.entry(fact).or_insert((*rank, index));
            *first = (*first).min((*rank, index));
        }
    }
    firsts.into_iter().map(|(fact, (_, host))| (fact, host)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Plan, survey::Host};
    use alloc::{format, string::ToString, vec};

    /// Three systems, a rare kernel on 40 of them, and one host whose file system nobody else has.
    fn fleet(hosts: usize) -> Survey {
        let host = |number: usize| {
            let (system, kernel) =
                if number < 40 { ("rhel7", "3.10") } else { ([("rhel9", "5.14"), ("debian12", "6.1"), ("sles15", "5.3")])[number % 3] };
            let mut facts = vec![("os", system), ("kernel", kernel), ("init", "systemd")];
            if number == 77 {
                facts.push(("filesystem", "btrfs"));
            }
            Host { name: format!("h{number}"), facts: facts.iter().map(|(fact, value)| ((*fact).to_string(), (*value).to_string())).collect() }
        };
        Survey::of((0..hosts).map(host).collect())
    }

    fn plan(id: &str, hosts: usize) -> Plan {
        Plan::draw(&fleet(hosts), Terms::usual(id, 1, 2, "ab", 900))
    }

    #[test]
    fn canaries_grow_with_the_root_and_keep_to_the_budget() {
        let plan = plan("r1", 9000);
        let drawn = |stratum: &str| {
            let index = plan.strata().iter().position(|name| name == stratum).unwrap();
            plan.places().iter().filter(|place| place.stratum == index && place.wave == 0 && place.drawn).count()
        };
        assert_eq!([drawn("kernel=3.10"), drawn("os=rhel9"), drawn("os=debian12")], [4, 22, 23]);
        assert!(plan.size(0) <= 90 + ADDED_MIN, "{}", plan.size(0));
    }

    #[test]
    fn every_stratum_is_drawn_for_every_wave_and_held_back_from() {
        let plan = plan("r1", 9000);
        for (stratum, size) in [("kernel=3.10", 40), ("os=rhel9", 2986)] {
            let index = plan.strata().iter().position(|name| name == stratum).unwrap();
            let until = |wave: usize| plan.places().iter().filter(|place| place.stratum == index && place.wave <= wave).count();
            assert_eq!(until(2), (size * 250_usize).div_ceil(1000), "{stratum}");
            assert_eq!(until(4) - until(3), (size * 20_usize).div_ceil(1000).max(2), "{stratum}");
        }
    }

    #[test]
    fn another_rollout_draws_other_hosts_and_the_same_one_the_same() {
        let canaries = |id| {
            let plan = plan(id, 3000);
            plan.places().iter().filter(|place| place.wave == 0).map(|place| place.host.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(canaries("r1"), canaries("r1"));
        assert!(canaries("r1").intersection(&canaries("r2")).count() < 10);
    }

    #[test]
    fn a_fact_is_covered_by_a_canary_or_listed() {
        for id in ["r1", "r2", "r3", "r4"] {
            let (survey, plan) = (fleet(900), plan(id, 900));
            let covered: BTreeSet<String> =
                survey.hosts().iter().zip(plan.places()).filter(|(_, place)| place.wave == 0).flat_map(|(host, _)| facts(host)).collect();
            for fact in survey.counts().keys() {
                assert!(covered.contains(fact) != plan.uncovered().contains(fact), "{fact}");
            }
            let odd = &plan.places()[plan.find("h77").unwrap()];
            assert!(odd.wave == 0 || odd.wave == 4 && plan.uncovered() == ["filesystem=btrfs"], "{odd:?}");
        }
    }

    #[test]
    fn tiny_fleets_have_a_plan_too() {
        for hosts in 0..12 {
            let plan = plan("r1", hosts);
            assert!(plan.places().iter().filter(|place| place.wave == 4).count() >= hosts.min(1), "{hosts}");
        }
    }

    #[test]
    fn an_older_plan_is_not_followed() {
        let plan = plan("r1", 10);
        assert!(plan.follow(1).is_ok() && plan.follow(0).is_ok());
        assert_eq!(plan.follow(3).map_err(|outdated| format!("{outdated}")), Err("plan 1 was replaced by plan 3".to_string()));
    }
}
