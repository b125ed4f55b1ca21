//! What must hold after every step, whatever the scenario.

use crate::{
    control::LIFETIME,
    machine::generation_of,
    site::{FIRST_GENERATION, Host, Site},
    world::{Harm, Tick},
};
use rollout::{decide::PULL_AT, decision::Decision, wealth::Wealth};

/// What is known beside the site.
pub(crate) struct Known<'a> {
    /// No host may run a generation below this.
    pub(crate) minimum: i64,
    /// When each site was last out of reach.
    pub(crate) unreachable_at: &'a [Tick],
}

/// The first thing that does not hold; otherwise, which hosts are without a fresh credential by the fault of what they ran before.
pub(crate) fn check(site: &Site, known: &Known<'_>) -> Result<Vec<usize>, String> {
    check_waves(site)?;
    let mut without = Vec::new();
    for (index, host) in site.hosts.iter().enumerate() {
        check_release(site, host, known.minimum)?;
        let machine = &host.machine;
        let reachable = site.tick.saturating_sub(known.unreachable_at[machine.traits.site]) > LIFETIME;
        if !reachable || machine.dead || host.is_fresh(site.now()) {
            continue;
        }
        // Of a host that has no release on trial or committed, nobody relieves the one in charge.
        if machine.current_harm == Harm::None || machine.trial.is_some() || machine.committed {
            return Err(format!("{} can reach the control plane and holds no fresh credential", host.name));
        }
        without.push(index);
    }
    let Some(rollout) = site.plane.seen() else { return Ok(without) };
    let breached = rollout.evidence().bet().all >= Wealth::of(PULL_AT);
    let ended = matches!(rollout.standing(), Some(Decision::Pull(_) | Decision::Done { .. }));
    if breached && site.is_listening() && !ended { Err("the rollout goes on past a breach".to_owned()) } else { Ok(without) }
}

fn check_release(site: &Site, host: &Host, minimum: i64) -> Result<(), String> {
    let (machine, name) = (&host.machine, &host.name);
    let believed = |generation: i64| site.believed(generation).map_or("", |found| found.hash.as_str());
    if machine.trial.as_ref().is_some_and(|trial| believed(generation_of(trial)) != trial.hash()) {
        return Err(format!("{name} tries a release that is not signed"));
    }
    if machine.generation != FIRST_GENERATION && believed(machine.generation).is_empty() {
        return Err(format!("{name} runs a release that is not signed"));
    }
    if machine.generation < minimum.max(FIRST_GENERATION) {
        return Err(format!("{name} is on generation {}, below {minimum}", machine.generation));
    }
    Ok(())
}

fn check_waves(site: &Site) -> Result<(), String> {
    let Some(rollout) = site.plane.rollout().filter(|rollout| !rollout.has_ended()) else { return Ok(()) };
    let generation = rollout.plan().terms().generation;
    let early = |host: &&Host| {
        let wave = || rollout.plan().places().get(rollout.plan().find(&host.name)?).map(|place| place.wave);
        host.has(generation) && wave().is_none_or(|wave| site.wave_began.get(wave).is_none())
    };
    match site.hosts.iter().find(early) {
        Some(host) => Err(format!("{} has the release before its wave", host.name)),
        None => Ok(()),
    }
}
