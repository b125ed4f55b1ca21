//! What must hold after every step, whatever the scenario.

use crate::{
    control::{LIFETIME, Simulation},
    wallet,
    world::Tick,
};
use rollout::{decide::PULL_AT, decision::Decision, wealth::Wealth};

/// What is known beside the simulation.
pub(crate) struct Known<'a> {
    /// The hash of the release that hosts verified; none if they refused it.
    pub(crate) believed: Option<&'a str>,
    /// No host may run a generation below this.
    pub(crate) minimum: i64,
    /// When each site was last out of reach.
    pub(crate) unreachable_at: &'a [Tick],
}

/// The first thing that does not hold.
pub(crate) fn check(simulation: &Simulation, known: &Known<'_>) -> Result<(), String> {
    let (rollout, tick) = (&simulation.rollout, simulation.tick);
    for (place, machine) in rollout.plan().places().iter().zip(&simulation.machines) {
        let host = &place.host;
        if let Some(trial) = &machine.trial
            && known.believed != Some(trial.hash())
        {
            return Err(format!("{host} tries a release that is not signed"));
        }
        if machine.committed && known.believed.is_none() {
            return Err(format!("{host} runs a release that is not signed"));
        }
        if machine.generation < known.minimum {
            return Err(format!("{host} is on generation {}, below {}", machine.generation, known.minimum));
        }
        let began = simulation.wave_began.get(place.wave);
        if (machine.trial.is_some() || machine.committed) && began.is_none() && !rollout.has_ended() {
            return Err(format!("{host} has the release before its wave"));
        }
        let reachable = tick.saturating_sub(known.unreachable_at[machine.traits.site]) > LIFETIME;
        if reachable && !machine.dead && !wallet::is_fresh(machine, simulation.own_now(machine)) {
            return Err(format!("{host} can reach the control plane and holds no fresh credential"));
        }
    }
    let breached = rollout.evidence().bet().all >= Wealth::of(PULL_AT);
    let pulled = matches!(rollout.standing(), Some(Decision::Pull(_) | Decision::Done { .. }));
    let listening = !simulation.world.outages.iter().any(|outage| outage.contains(&tick));
    if breached && listening && !pulled { Err("the rollout goes on past a breach".to_owned()) } else { Ok(()) }
}
