//! The cases of the table: what disturbs a good release, and what is wrong with a bad one.

use crate::{
    chance::Chance,
    control::Simulation,
    fleet::{Group, Population, SITES},
    machine::Machine,
    world::{Harm, Tick, Traits, World},
};
use rollout::{
    Rollout,
    plan::{Plan, Terms},
    survey::Survey,
};
use std::ops::Range;

/// Seconds between two runs of a host.
pub(crate) const INTERVAL: i64 = 900;
/// Ticks of a day.
pub(crate) const DAY: Tick = 96;

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The fleet's size.
    pub(crate) hosts: usize,
    pub(crate) ticks: Tick,
    /// The stratum that is harmed, if it is one.
    pub(crate) stratum: Option<&'static str>,
    pub(crate) harm: Harm,
    current_harm: Harm,
    world: fn(&mut Chance) -> World,
}

/// Rare groups of the fleets in which releases are bad; of the small fleets only the last three.
const GROUPS: [(&str, &str, usize); 8] = [
    ("kernel", "4.4-rt", 450),
    ("filesystem", "jfs", 400),
    ("egress", "socks", 90),
    ("container", "lxc", 300),
    ("arch", "ppc64le", 200),
    ("kernel", "2.6.32", 20),
    ("init", "openrc", 28),
    ("egress", "satellite", 24),
];
const SMALL_GROUPS: usize = 3;
const FORTY: (&str, &str, usize) = ("arch", "riscv64", 40);

pub(crate) const LARGE: usize = 45_000;
pub(crate) const SMALL: usize = 2_000;
const WHOLE: Tick = 2 * DAY;

/// A harmless release under everything that happens around it.
pub(crate) fn good() -> Vec<Case> {
    let case = |name, world| Case { name, hosts: SMALL, ticks: WHOLE, stratum: None, harm: Harm::None, current_harm: Harm::None, world };
    vec![
        case("quiet", |_| World::default()),
        case("control-plane outage", |chance| World { outages: vec![after(chance, 60, 8)], ..World::default() }),
        case("outage at wave start", |_| World { outages: vec![from(1, 8), from(33, 8)], ..World::default() }),
        case("one site down", |chance| World { site_outages: vec![(chance.below(SITES), after(chance, 60, 16))], ..World::default() }),
        case("drifting clocks", |_| World { drift: 2_000, ..World::default() }),
        case("30 % telemetry loss at one site", |chance| World { lost: Some((chance.below(SITES), 300_000)), ..World::default() }),
        case("duplicate and late reports", |_| World { late: 200_000, ..World::default() }),
        case("CA expires mid-rollout", |_| World { site_outages: (0..SITES).map(|site| (site, from(40, 6))).collect(), ..World::default() }),
        Case { current_harm: Harm::Fails(300_000), ..case("a bad current", |_| World::default()) },
    ]
}

/// Harmful releases in a quiet world.
pub(crate) fn bad() -> Vec<Case> {
    let quiet: fn(&mut Chance) -> World = |_| World::default();
    let case = |name, stratum, harm| Case { name, hosts: LARGE, ticks: 64, stratum: Some(stratum), harm, current_harm: Harm::None, world: quiet };
    let everywhere = |name, harm| Case { name, hosts: LARGE, ticks: 64, stratum: None, harm, current_harm: Harm::None, world: quiet };
    let always = Harm::Fails(1_000_000);
    vec![
        case("broken on a stratum of 20", "kernel=2.6.32", always),
        case("broken on a stratum of 90", "egress=socks", always),
        case("broken on a stratum of 450", "kernel=4.4-rt", always),
        case("half of the runs fail on a stratum of 40", "arch=riscv64", Harm::Fails(500_000)),
        case("30 % of the runs fail on 400 hosts", "filesystem=jfs", Harm::Fails(300_000)),
        Case { ticks: WHOLE, ..everywhere("+0.2 % failures everywhere", Harm::Fails(2_000)) },
        case("silent death of a stratum of 400", "filesystem=jfs", Harm::Kills),
        everywhere("fails from the 12th tick on", Harm::After(12)),
        everywhere("every fifth run fails", Harm::Every(5)),
        everywhere("broken everywhere", always),
    ]
}

fn after(chance: &mut Chance, within: usize, ticks: Tick) -> Range<Tick> {
    let begin = Tick::try_from(chance.below(within)).unwrap_or(0);
    from(begin, ticks)
}

fn from(begin: Tick, ticks: Tick) -> Range<Tick> {
    begin..begin + ticks
}

impl Case {
    /// The fleet that all runs of this case share.
    pub(crate) fn population(&self) -> Population {
        let groups: Vec<_> =
            if self.hosts == LARGE { GROUPS.iter().chain([&FORTY]).collect() } else { GROUPS.iter().rev().take(SMALL_GROUPS).collect() };
        let groups = groups.into_iter().map(|(fact, value, hosts)| Group::new(fact, value, *hosts)).collect();
        Population { hosts: self.hosts, seed: 1, groups, flaky_permille: 10, clock_off_permille: 30 }
    }

    /// How many hosts the harmed stratum has.
    pub(crate) fn stratum_hosts(&self) -> Option<usize> {
        let population = self.population();
        let group = population.groups.iter().find(|group| Some(format!("{}={}", group.fact, group.value).as_str()) == self.stratum);
        group.map(|group| group.hosts)
    }

    /// One run, drawn by its seed.
    pub(crate) fn simulation(&self, survey: &Survey, seed: u64) -> Simulation {
        let mut chance = Chance::new(seed);
        let release = format!("{:016x}{:016x}{:016x}{:016x}", chance.next(), chance.next(), chance.next(), chance.next());
        let plan = Plan::draw(survey, Terms::usual(&format!("r{seed}"), 1, 2, &release, INTERVAL));
        let stratum = self.stratum.and_then(|name| plan.strata().iter().position(|stratum| stratum == name));
        let world = (self.world)(&mut chance);
        let machine = |(place, host): (&rollout::plan::Place, &rollout::survey::Host)| {
            let hit = self.stratum.is_none() || Some(place.stratum) == stratum;
            let site = host.facts.get("site").and_then(|site| site.strip_prefix('s')?.parse().ok()).unwrap_or(0);
            let traits = Traits { site, flaky: chance.millionths(10_000), clock_off: chance.millionths(30_000) };
            let harm = if hit { self.harm } else { Harm::None };
            Machine::new(traits, harm, self.current_harm)
        };
        let machines = plan.places().iter().zip(survey.hosts()).map(machine).collect();
        Simulation::new(world, machines, Rollout::new(plan, 0), chance.next())
    }
}
