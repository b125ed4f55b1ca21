//! Who bets against a harmless release gains nothing in the mean.

use crate::fleet::{Chance, INTERVAL, candidates, crossover, survey, terms, tick, tick_with};
use rollout::{Rollout, evidence::Bet, plan::Plan, survey::Survey};

const RUNS: u32 = 4000;

/// Mean and standard error of a final wealth.
fn mean(of: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = of.collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

fn means(bets: &[Bet]) -> [(f64, f64); 4] {
    let of = |bet: fn(&Bet) -> f64| mean(bets.iter().map(bet));
    [of(|bet| bet.concentrated.number()), of(|bet| bet.diffuse.number()), of(|bet| bet.silence.number()), of(|bet| bet.all.number())]
}

/// Canaries whose runs are disturbed now and then, by the coin of the real protocol; the candidate fails on its own for `harm`.
fn disturbed(fleet: &Survey, id: &str, harm: u64) -> Rollout {
    let mut rollout = Rollout::new(Plan::draw(fleet, terms(id, id)), 0);
    tick(&mut rollout, 0);
    let mut chance = Chance(protocol::stable_hash(&[id, "disturbed"]));
    for run in 1..=3 {
        for host in candidates(&rollout) {
            let release = id.to_owned();
            let first = protocol::trial::candidate_goes_first(&host, &release, run, 0);
            let disturbed = chance.permille(120);
            crossover(&mut rollout, &host, (run, 0), disturbed && first || chance.permille(harm), disturbed && !first);
        }
    }
    rollout
}

#[test]
fn fair_coins_earn_nothing() {
    let fleet = survey(240, 24);
    let bets: Vec<Bet> = (0..RUNS).map(|run| disturbed(&fleet, &format!("fair-{run}"), 0).evidence().bet()).collect();
    for (mean, error) in means(&bets) {
        assert!(error < 0.12, "too few runs to say anything: {error}");
        assert!(mean <= 1.0 + 3.0 * error, "{mean} with a standard error of {error}");
    }
    // The bet on harm everywhere has neither cap nor unlaid part: its mean is one.
    let (diffuse, error) = means(&bets)[1];
    assert!(diffuse > 1.0 - 4.0 * error, "{diffuse} with a standard error of {error}");
    // The same measure sees a coin that is loaded a little.
    let loaded: Vec<Bet> = (0..RUNS / 4).map(|run| disturbed(&fleet, &format!("loaded-{run}"), 60).evidence().bet()).collect();
    let (mean, error) = means(&loaded)[3];
    assert!(mean > 1.0 + 3.0 * error, "{mean} with a standard error of {error}");
}

#[test]
fn silence_that_falls_on_anybody_earns_nothing() {
    let fleet = survey(160, 24);
    let silenced = |run: u32, unfair: bool| {
        let id = format!("silence-{run}");
        let mut rollout = Rollout::new(Plan::draw(&fleet, terms(&id, &id)), 0);
        let mut chance = Chance(u64::from(run));
        tick(&mut rollout, 0);
        tick(&mut rollout, 60);
        let treated = candidates(&rollout);
        let doomed: Vec<String> = rollout
            .plan()
            .places()
            .iter()
            .map(|place| place.host.clone())
            .filter(|host| chance.permille(if unfair && treated.contains(host) { 200 } else { 50 }))
            .collect();
        for now in 1..6 {
            tick_with(&mut rollout, now * INTERVAL, |host| !doomed.iter().any(|doomed| doomed == host));
        }
        rollout.evidence().bet()
    };
    let fair: Vec<Bet> = (0..RUNS / 4).map(|run| silenced(run, false)).collect();
    let (mean, error) = means(&fair)[2];
    assert!(error < 0.1 && mean <= 1.0 + 3.0 * error, "{mean} with a standard error of {error}");
    let unfair: Vec<Bet> = (0..RUNS / 4).map(|run| silenced(run, true)).collect();
    let (mean, error) = means(&unfair)[2];
    assert!(mean > 1.0 + 3.0 * error, "{mean} with a standard error of {error}");
}
