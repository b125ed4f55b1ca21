//! A whole site on virtual time: hosts, the network between, and the control plane with pinnaced's own rules. A tick is one interval of
//! the hosts' timers.
//!
//! In each run a host does its job, tells what it has to tell in reports as they go over the wire, and asks which release it is to run.

mod host;
mod plane;
mod store;
mod telemetry;
mod update;

pub(crate) use host::Host;
pub(crate) use plane::Plane;

use crate::{
    chance::Chance,
    machine::Moment,
    signed::{Found, Unbelieved, path},
    world::{Harm, Tick, World},
};
use host::Fate;
use protocol::{
    event::{Event, Report},
    reason::Reason,
    trial::{Crossover, Pair},
};
use rollout::decision::Decision;
use std::collections::BTreeMap;
use update::{Releases, Told};

/// Runs in which every host has told what it is, before anything happens.
const FIRST_RUNS_MAX: usize = 16;
/// When a story begins: the first second of 2027.
pub(crate) const BEGIN: i64 = 1_798_761_600;
/// What the fleet runs at the beginning.
pub(crate) const FIRST_GENERATION: i64 = 1;

/// What generations do wrong, and where: such as `kernel=3.10`, or everywhere.
#[derive(Default)]
pub(crate) struct Harms(Vec<(i64, Harm, Option<String>)>);

impl Harms {
    /// What a generation does on a host.
    pub(crate) fn of(&self, generation: i64, facts: &BTreeMap<String, String>) -> Harm {
        let fits = |(of, _, group): &&(i64, Harm, Option<String>)| *of == generation && has(facts, group.as_deref());
        self.0.iter().rev().find(fits).map_or(Harm::None, |(_, harm, _)| *harm)
    }
}

/// Whether there is a fact such as `kernel=3.10`; every host has none.
pub(crate) fn has(facts: &BTreeMap<String, String>, group: Option<&str>) -> bool {
    group.is_none_or(|group| group.split_once('=').is_some_and(|(fact, value)| facts.get(fact).is_some_and(|own| own == value)))
}

/// All of it.
pub(crate) struct Site {
    pub(crate) world: World,
    /// In the order of their names.
    pub(crate) hosts: Vec<Host>,
    pub(crate) plane: Plane,
    pub(crate) tick: Tick,
    pub(crate) decisions: Vec<(Tick, Decision)>,
    /// When each wave of the newest rollout began.
    pub(crate) wave_began: Vec<Tick>,
    /// Hosts that ever had its release.
    pub(crate) exposed: Vec<bool>,
    releases: Releases,
    harms: Harms,
    chance: Chance,
    interval: i64,
}

impl Site {
    /// Every host has run, and told what it is: one that has done so has nothing to do in the runs after its first.
    pub(crate) fn new(hosts: Vec<Host>, plane: Plane, interval: i64, seed: u64) -> Self {
        let mut site = Self {
            world: World::default(),
            exposed: vec![false; hosts.len()],
            hosts,
            plane,
            tick: 0,
            decisions: Vec::new(),
            wave_began: Vec::new(),
            releases: Releases::new(),
            harms: Harms::default(),
            chance: Chance::new(seed),
            interval,
        };
        for _ in 0..FIRST_RUNS_MAX {
            (0..site.hosts.len()).for_each(|host| site.run_host(host));
        }
        site
    }

    /// Seconds since the beginning.
    pub(crate) fn elapsed(&self) -> i64 {
        i64::from(self.tick) * self.interval
    }

    pub(crate) fn now(&self) -> i64 {
        BEGIN + self.elapsed()
    }

    /// What hosts find when they look for a release.
    pub(crate) fn publish(&mut self, generation: i64, found: Result<Found, Unbelieved>) {
        self.releases.insert(path(generation), found);
    }

    /// What hosts believe of a generation.
    pub(crate) fn believed(&self, generation: i64) -> Option<&Found> {
        self.releases.values().flatten().find(|found| found.release.generation == generation)
    }

    /// Starts the next rollout.
    ///
    /// # Errors
    /// Why the control plane does not.
    pub(crate) fn start(&mut self, generation: i64) -> Result<(), String> {
        self.plane.start(generation, self.now())?;
        self.exposed.fill(false);
        self.wave_began.clear();
        Ok(())
    }

    /// From now on a generation does harm.
    pub(crate) fn harm(&mut self, generation: i64, harm: Harm, group: Option<String>) {
        for Host { machine, .. } in self.hosts.iter_mut().filter(|host| host.has(generation) && has(&host.facts, group.as_deref())) {
            if machine.on_trial() == Some(generation) || machine.committed {
                machine.harm = harm;
            } else {
                machine.current_harm = harm;
            }
        }
        self.harms.0.push((generation, harm, group));
    }

    /// Whether the control plane is there.
    pub(crate) fn is_listening(&self) -> bool {
        !self.world.outages.iter().any(|outage| outage.contains(&self.tick))
    }

    /// Every host runs once, and the control plane decides.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        self.tick += 1;
        (0..self.hosts.len()).for_each(|host| self.run_host(host));
        self.decide()
    }

    /// The control plane decides, if it is there.
    pub(crate) fn decide(&mut self) -> Result<(), String> {
        if !self.is_listening() {
            return Ok(());
        }
        if let Some(decision) = self.plane.round(self.now())? {
            if matches!(decision, Decision::Advance { .. }) {
                self.wave_began.push(self.tick);
            }
            self.decisions.push((self.tick, decision));
        }
        Ok(())
    }

    fn run_host(&mut self, index: usize) {
        let (now, tick, generation) = (self.now(), self.tick, self.plane.in_force.head.generation);
        let Self { hosts, plane, world, chance, releases, harms, exposed, .. } = self;
        let host = &mut hosts[index];
        let moment = Moment { world, tick, now: host.clock(now), whole: true };
        let Some(run) = host.run(&moment, now, chance) else { return };
        plane.hear(index, now);
        let fate = host.fate(world, tick, chance);
        let answer = |plane: &mut Plane, name: &str, report: &Report| match fate {
            Fate::Lost => None,
            Fate::Unanswered => taken(plane, index, name, report, now).and(None),
            Fate::Answered => taken(plane, index, name, report, now),
        };
        host.tell(&run, moment.now, |name, report| answer(plane, name, report));
        let assignment = plane.assign(&host.name, run.generation, now);
        let told = Told { assignment: &assignment, releases, harms, moment: &moment };
        host.follow(run, &told, chance, |name, report| answer(plane, name, report));
        exposed[index] |= host.has(generation);
    }
}

/// What the control plane answers a report. One in which nothing failed or ended is taken as it is; every other as it goes over the wire.
fn taken(plane: &mut Plane, host: usize, name: &str, report: &Report, now: i64) -> Option<i64> {
    if report.facts.is_empty() && report.events.iter().all(is_quiet) {
        return plane.take(host, report, now).ok();
    }
    plane.take(host, &Report::from_json(report.to_json().as_bytes(), name)?, now).ok()
}

fn is_quiet(event: &Event) -> bool {
    let says_nothing = |crossover: &Crossover| matches!(crossover.pair, Pair::Clean | Pair::Void);
    event.code == Reason::Ok.code() && event.verdict.is_empty() && event.crossovers.iter().all(says_nothing)
}
