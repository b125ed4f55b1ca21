//! A fleet, a rollout over it, and hosts that run once an interval.

use protocol::trial::{Crossover, Pair, candidate_goes_first};
use rollout::{
    Assigned, Rollout, Unheard,
    decision::Decision,
    plan::{Plan, Terms},
    survey::{Host, Survey},
};

pub(crate) const INTERVAL: i64 = 900;
pub(crate) const LONG_AGO: i64 = -1_000_000;

/// Chance for tests: SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn permille(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

/// Hosts of three systems; those whose number is below `old` have an old kernel.
pub(crate) fn survey(hosts: usize, old: usize) -> Survey {
    let host = |number: usize| {
        let system = if number < old { "rhel7" } else { ["rhel9", "debian12", "sles15"][number % 3] };
        let kernel = if number < old { "3.10" } else { "5.14" };
        let facts = [("os", system), ("kernel", kernel)].map(|(fact, value)| (fact.to_owned(), value.to_owned()));
        Host { name: format!("host-{number}"), facts: facts.into() }
    };
    Survey::of((0..hosts).map(host).collect())
}

pub(crate) fn terms(id: &str, release: &str) -> Terms {
    Terms::usual(id, 1, 2, release, INTERVAL)
}

pub(crate) fn rollout(hosts: usize, old: usize, id: &str) -> Rollout {
    Rollout::new(Plan::draw(&survey(hosts, old), terms(id, id)), 0)
}

/// One tick at which every host was heard of.
pub(crate) fn tick(rollout: &mut Rollout, now: i64) -> Option<Decision> {
    tick_with(rollout, now, |_| true)
}

/// One tick; who is not heard of was never.
pub(crate) fn tick_with(rollout: &mut Rollout, now: i64, is_heard: impl Fn(&str) -> bool) -> Option<Decision> {
    let hosts: Vec<bool> = rollout.plan().places().iter().map(|place| is_heard(&place.host)).collect();
    let decision = rollout.tick(now, |place| if hosts[place] { now } else { LONG_AGO })?;
    rollout.apply(decision.clone(), now);
    Some(decision)
}

/// The hosts that have the release.
pub(crate) fn candidates(rollout: &Rollout) -> Vec<String> {
    let has = |place: &usize| rollout.assign_place(*place) == Assigned::Candidate;
    (0..rollout.plan().places().len()).filter(has).map(|place| rollout.plan().places()[place].host.clone()).collect()
}

/// One crossover of a host whose candidate fails or not, and whose current generation fails or not.
pub(crate) fn crossover(rollout: &mut Rollout, host: &str, (run, crossover): (i64, i64), candidate_fails: bool, current_fails: bool) {
    let release = rollout.plan().terms().releases[0].clone();
    let bad = candidate_goes_first(host, &release, run, crossover);
    let discordant = if bad { candidate_fails && !current_fails } else { current_fails && !candidate_fails };
    if discordant {
        report(rollout, host, (run, crossover)).unwrap();
    }
}

/// A host says that who went first failed, and the other did the job.
pub(crate) fn report(rollout: &mut Rollout, host: &str, (run, crossover): (i64, i64)) -> Result<(), Unheard> {
    let release = rollout.plan().terms().releases[0].clone();
    let pair = if candidate_goes_first(host, &release, run, crossover) { Pair::Bad } else { Pair::Good };
    rollout.take_crossover(host, &Crossover { release, run, crossover, pair, code: "http.unavailable".into() })
}

/// A fleet that runs for so many intervals; `fails` says of a host and run whether the candidate fails, `flaky` whether who goes first
/// fails whoever it is.
pub(crate) fn run(rollout: &mut Rollout, runs: i64, fails: impl Fn(&str, i64) -> bool, mut flaky: impl FnMut() -> bool) -> Vec<Decision> {
    let release = rollout.plan().terms().releases[0].clone();
    let mut decisions = Vec::new();
    let start = std::iter::once(tick(rollout, 0)).flatten();
    decisions.extend(start);
    for run in 1..=runs {
        for host in candidates(rollout) {
            for repeat in 0..5 {
                let first = candidate_goes_first(&host, &release, run, repeat);
                let disturbed = flaky();
                let (candidate, current) = (fails(&host, run) || disturbed && first, disturbed && !first);
                crossover(rollout, &host, (run, repeat), candidate, current);
                if !(first && candidate) {
                    break;
                }
            }
        }
        decisions.extend(tick(rollout, run * INTERVAL));
        if rollout.has_ended() {
            break;
        }
    }
    decisions
}
