//! One run of a scenario: the same events for every policy.
//!
//! Other policies know no crossover: on their hosts the candidate runs alone. So what they see is whether the candidate would have
//! done the job in the same run of the same host, with the same disturbance likely.

use super::policy::{Policies, Reach, Seen};
use crate::{
    chance::Chance,
    control::{LIFETIME, Simulation},
    world::{Harm, Tick},
};
use rollout::decision::{Decision, HoldReason, PullReason};

/// When a policy pulled, and what the release had done until then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) tick: Tick,
    pub(crate) exposed: usize,
    pub(crate) harmed: usize,
    pub(crate) missed: usize,
    /// The stratum that is named first; only ours names any.
    pub(crate) named: Option<String>,
}

/// What came of one run, ours first.
pub(crate) struct Outcome {
    pub(crate) pulled: Vec<Option<Pulled>>,
    /// Whether our rollout reached every host.
    pub(crate) done: bool,
    /// Whether it is held for doubt at the end, and whether it ever was.
    pub(crate) held: bool,
    pub(crate) doubted: bool,
    /// Hosts that missed a credential under ours, until its pull or the end.
    pub(crate) missed: usize,
}

/// What the release has done to hosts that run it alone: runs of each host that it failed, each of them a credential missed.
struct Toll {
    failed: Vec<u32>,
    harmed: usize,
    missed: usize,
}

/// Runs a scenario to its end.
pub(crate) fn follow(mut simulation: Simulation, ticks: Tick, seed: u64) -> Outcome {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let mut policies = Policies::new(&simulation, &mut chance);
    let mut pulled: Vec<Option<Pulled>> = vec![None; 1 + policies.count()];
    let mut toll = Toll { failed: vec![0; simulation.machines.len()], harmed: 0, missed: 0 };
    let mut began: Vec<Tick> = Vec::new();
    simulation.decide();
    for _ in 0..ticks {
        advance(&simulation, &mut began);
        if simulation.rollout.has_ended() {
            simulation.tick += 1;
        } else {
            simulation.step();
            if let Some(ours) = pull_of(&simulation)
                && pulled[0].is_none()
            {
                pulled[0] = Some(ours);
            }
        }
        let seen = observe(&simulation, &began, &policies, &mut toll, &mut chance);
        let reaches = policies.observe(&seen);
        for (slot, reach) in pulled.iter_mut().skip(1).zip(reaches) {
            if slot.is_none()
                && let Some(reach) = reach
            {
                *slot = Some(toll.pulled(simulation.tick, &seen, &policies, reach));
            }
        }
        if pulled.iter().all(Option::is_some) || simulation.decisions.last().is_some_and(|(_, last)| matches!(last, Decision::Done { .. })) {
            break;
        }
    }
    let done = simulation.decisions.last().is_some_and(|(_, last)| matches!(last, Decision::Done { .. }));
    let is_doubt = |(_, decision): &(Tick, Decision)| matches!(decision, Decision::Hold(HoldReason::Doubt(_)));
    let (held, doubted) = (simulation.decisions.last().is_some_and(is_doubt), simulation.decisions.iter().any(is_doubt));
    let missed = pulled.first().and_then(Option::as_ref).map_or_else(|| missed(&simulation), |ours| ours.missed);
    Outcome { pulled, done, held, doubted, missed }
}

/// The waves' begins: ours while it goes on, and after its pull by the clock, for the policies that are still blind.
fn advance(simulation: &Simulation, began: &mut Vec<Tick>) {
    let waves = &simulation.rollout.plan().terms().waves;
    if let Some(tick) = simulation.wave_began.get(began.len()) {
        began.push(*tick);
    } else if simulation.rollout.has_ended() && began.len() < waves.len() {
        let interval = simulation.rollout.plan().terms().interval_seconds;
        let soak = waves.get(began.len().saturating_sub(1)).map_or(0, |wave| wave.soak_seconds / interval);
        if began.last().is_some_and(|last| i64::from(simulation.tick - last) >= soak) {
            began.push(simulation.tick);
        }
    }
}

fn pull_of(simulation: &Simulation) -> Option<Pulled> {
    let Some((tick, Decision::Pull(PullReason::Worse(breach)))) = simulation.decisions.last() else { return None };
    Some(Pulled {
        tick: *tick,
        exposed: simulation.exposed.iter().filter(|exposed| **exposed).count(),
        harmed: simulation.machines.iter().filter(|machine| machine.harmed).count(),
        missed: missed(simulation),
        named: breach.strata.first().map(|first| first.stratum.clone()),
    })
}

/// Hosts whose credential has ended, or that will never fetch another.
fn missed(simulation: &Simulation) -> usize {
    let without = |machine: &crate::machine::Machine| machine.dead || simulation.tick.saturating_sub(machine.delivered_at) > LIFETIME;
    simulation.machines.iter().filter(|machine| machine.harm != Harm::None && without(machine)).count()
}

/// What policies without a crossover see of one tick.
fn observe(simulation: &Simulation, began: &[Tick], policies: &Policies, toll: &mut Toll, chance: &mut Chance) -> Seen {
    let (world, tick) = (&simulation.world, simulation.tick);
    let mut seen = Seen { canaries_soak: began.len() <= 1, ..Seen::default() };
    for (index, (place, machine)) in simulation.rollout.plan().places().iter().zip(&simulation.machines).enumerate() {
        let Some(came) = began.get(place.wave).filter(|came| **came < tick) else {
            let disturbed = !world.reaches(machine.traits.site, tick) || world.disturbs(machine.traits, tick, chance);
            // The five random canaries are chosen by nobody's waves.
            if policies.is_canary(index) && seen.canaries_soak && machine.harm != Harm::Kills {
                let harmed = machine.harm.fails(tick, tick, chance);
                toll.note(index, harmed);
                seen.canary_failed |= disturbed || harmed;
            } else {
                seen.waiting.add(disturbed || machine.current_harm.fails(1, 0, chance));
            }
            continue;
        };
        seen.exposed += 1;
        let age = tick - came;
        if machine.harm == Harm::Kills {
            toll.note(index, true);
            continue;
        }
        let disturbed = !world.reaches(machine.traits.site, tick) || world.disturbs(machine.traits, tick, chance);
        let harmed = machine.harm.fails(age, age, chance);
        toll.note(index, harmed);
        let failed = disturbed || harmed;
        if world.lost.is_some_and(|(site, part)| site == machine.traits.site && chance.millionths(part)) {
            continue;
        }
        seen.with.add(failed);
        if age == 1 {
            seen.first_runs.add(failed);
        }
        if policies.is_first(index) && age == 1 {
            seen.first_host_failed = failed;
        }
        if policies.is_canary(index) && seen.canaries_soak {
            seen.canary_failed |= failed;
        }
    }
    seen
}

impl Toll {
    fn note(&mut self, index: usize, harmed: bool) {
        if !harmed {
            return;
        }
        self.missed += 1;
        self.harmed += usize::from(self.failed[index] == 0);
        self.failed[index] += 1;
    }

    /// What a policy's own hosts have suffered when it pulls.
    fn pulled(&self, tick: Tick, seen: &Seen, policies: &Policies, reach: Reach) -> Pulled {
        let of = |hosts: &[usize]| {
            let failed: Vec<u32> = hosts.iter().map(|host| self.failed[*host]).collect();
            let missed = failed.iter().map(|failed| *failed as usize).sum();
            (hosts.len(), failed.iter().filter(|failed| **failed > 0).count(), missed)
        };
        let (exposed, harmed, missed) = match reach {
            Reach::Waves => (seen.exposed, self.harmed, self.missed),
            Reach::First => of(&policies.first_host()),
            Reach::Canaries => of(policies.canaries()),
        };
        Pulled { tick, exposed, harmed, missed, named: None }
    }
}
