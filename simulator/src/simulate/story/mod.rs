//! A scenario: a story as text, and what it must end in, with the expected protocol beside it.

mod check;
mod script;

use crate::{
    chance::Chance,
    control::Simulation,
    fleet,
    machine::Machine,
    signed::Publisher,
    world::{Harm, Tick, Traits, World},
};
use check::{Known, check};
use rollout::{
    Rollout,
    decide::Wish,
    decision::{Decision, PullReason, Word},
    plan::{Plan, Terms},
    survey::Survey,
};
use script::{Event, Expectation, Script};
use std::{fmt::Write, fs, path::Path};

const INTERVAL: i64 = 900;

/// Plays a scenario's file; true if the protocol is the one beside it, or that was written anew.
pub(crate) fn play_file(path: &Path, bless: bool) -> Result<bool, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()));
    let text = play(&read(path)?).map_err(|because| format!("{}: {because}", path.display()))?;
    let beside = path.with_extension("expected");
    if bless {
        fs::write(&beside, &text).map_err(|cause| format!("cannot write {}: {cause}", beside.display()))?;
    }
    println!("{}\n{text}", path.display());
    let expected = read(&beside)?;
    let same = expected.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
    if expected != text {
        let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
        eprintln!("{}, line {}: expected {}\nand not {}\n--bless takes it", beside.display(), same + 1, line(&expected), line(&text));
    }
    Ok(expected == text && !text.contains(BROKEN))
}

/// What a protocol says of an expectation that does not hold.
const BROKEN: &str = "DOES NOT HOLD";

/// Plays a scenario, and gives its protocol.
fn play(text: &str) -> Result<String, String> {
    let mut story = Story::begin(script::read(text)?)?;
    while story.simulation.now() < story.script.until {
        story.happen()?;
        story.step()?;
    }
    story.end();
    Ok(story.protocol)
}

struct Story {
    script: Script,
    survey: Survey,
    simulation: Simulation,
    publisher: Publisher,
    believed: Option<String>,
    minimum: i64,
    unreachable_at: Vec<Tick>,
    next_event: usize,
    started_at: Tick,
    told: usize,
    ever: Vec<(i64, usize)>,
    harms: Vec<(i64, Harm, Option<String>)>,
    protocol: String,
}

impl Story {
    fn begin(script: Script) -> Result<Self, String> {
        let survey = fleet::survey(&script.population);
        let mut publisher = Publisher::new()?;
        for release in &script.releases {
            publisher.publish(release.generation, release.minimum, &hash_of(release.generation), release.signer)?;
        }
        let mut chance = Chance::new(script.population.seed);
        let machines = survey
            .hosts()
            .iter()
            .map(|host| {
                let site = host.facts.get("site").and_then(|site| site.strip_prefix('s')?.parse().ok()).unwrap_or(0);
                let flaky = chance.millionths(script.population.flaky_permille * 1000);
                let clock_off = chance.millionths(script.population.clock_off_permille * 1000);
                Machine::new(Traits { site, flaky, clock_off }, Harm::None, Harm::None)
            })
            .collect();
        let mut first = script.events.iter();
        let Some((_, Event::Start(generation))) = first.next() else { return Err("no rollout".to_owned()) };
        let rollout = Rollout::new(plan(&survey, *generation, 1), 0);
        let mut simulation = Simulation::new(World::default(), machines, rollout, chance.next());
        simulation.exact = true;
        let protocol = format!("seed {}\n", script.population.seed);
        let unreachable_at = vec![0; fleet::SITES];
        let minimum = 1;
        Ok(Self {
            script,
            survey,
            simulation,
            publisher,
            believed: None,
            minimum,
            unreachable_at,
            next_event: 0,
            started_at: 0,
            told: 0,
            ever: Vec::new(),
            harms: Vec::new(),
            protocol,
        })
    }

    /// What is due by now.
    fn happen(&mut self) -> Result<(), String> {
        while let Some((at, event)) = self.script.events.get(self.next_event).cloned() {
            if at > self.simulation.now() {
                break;
            }
            self.next_event += 1;
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        let tick = self.simulation.tick;
        let ticks = |seconds: i64| Tick::try_from(seconds / INTERVAL).unwrap_or(0);
        match event {
            Event::Start(generation) => self.start(generation),
            Event::Harm { generation, harm, group } => {
                self.harms.push((generation, harm, group));
                self.harm();
            }
            Event::Outage { seconds } => self.simulation.world.outages.push(tick + 1..tick + 1 + ticks(seconds)),
            Event::SiteDown { site, seconds } => self.simulation.world.site_outages.push((site, tick + 1..tick + 1 + ticks(seconds))),
            Event::Lost { site, percent } => self.simulation.world.lost = Some((site, percent * 10_000)),
            Event::Late { percent } => self.simulation.world.late = percent * 10_000,
            Event::Drift => self.simulation.world.drift = 2_000,
            Event::PowerCut { group } => self.power_cut(group.as_deref()),
            Event::Restart => self.restart()?,
            Event::Pause { who, why } => self.simulation.rollout.wish(Wish::Pause(Word { who, why })),
            Event::Resume => self.simulation.rollout.wish(Wish::None),
            Event::Promote => self.simulation.rollout.wish(Wish::Promote(self.simulation.rollout.progress().out)),
            Event::PullBy { who, why } => self.simulation.rollout.wish(Wish::Pull(Word { who, why })),
        }
        Ok(())
    }

    fn start(&mut self, generation: i64) {
        let number = i64::try_from(self.ever.len()).unwrap_or(0) + 1;
        self.count_ever();
        self.simulation.start(Rollout::new(plan(&self.survey, generation, number), self.simulation.now()));
        self.simulation.wave_began.clear();
        self.started_at = self.simulation.tick;
        let verified = self.publisher.verify(generation, self.simulation.now());
        let what = verified.as_ref().map_or_else(|because| format!("no host believes it: {because}"), |_| "every host believes it".to_owned());
        self.tell(&format!("rollout of {generation} begins; {what}"));
        self.believed = verified.ok();
        self.simulation.believed = self.believed.is_some();
        self.ever.push((generation, 0));
        self.harm();
    }

    /// What the release under way does, and where.
    fn harm(&mut self) {
        let generation = self.generation();
        for (of, harm, group) in &self.harms {
            if *of != generation {
                continue;
            }
            for (host, machine) in self.survey.hosts().iter().zip(&mut self.simulation.machines) {
                if has(host, group.as_deref()) {
                    machine.harm = *harm;
                }
            }
        }
    }

    fn power_cut(&mut self, group: Option<&str>) {
        for (host, machine) in self.survey.hosts().iter().zip(&mut self.simulation.machines) {
            machine.power_cut |= has(host, group);
        }
    }

    /// The control plane goes on from what it has stored.
    fn restart(&mut self) -> Result<(), String> {
        let rollout = &self.simulation.rollout;
        let plan = Plan::from_json(rollout.plan().to_json().as_bytes()).ok_or("the stored plan is not read")?;
        let read = Rollout::from_json(plan, rollout.to_json().as_bytes()).ok_or("the stored rollout is not read")?;
        if read != *rollout {
            return Err("the stored rollout is another than the one that was stored".to_owned());
        }
        self.simulation.rollout = read;
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        if self.simulation.tick == self.started_at {
            self.simulation.decide();
        }
        self.simulation.step();
        let tick = self.simulation.tick;
        for (site, at) in self.unreachable_at.iter_mut().enumerate() {
            if !self.simulation.world.reaches(site, tick) {
                *at = tick;
            }
        }
        self.check().map_err(|broken| format!("seed {}, {}: {broken}", self.script.population.seed, clock(self.simulation.now())))?;
        while let Some((at, decision)) = self.simulation.decisions.get(self.told).cloned() {
            self.told += 1;
            let _ = writeln!(self.protocol, "{} {decision}", clock(i64::from(at) * INTERVAL));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let known = Known { believed: self.believed.as_deref(), minimum: self.minimum, unreachable_at: &self.unreachable_at };
        check(&self.simulation, &known)
    }

    fn generation(&self) -> i64 {
        self.simulation.rollout.plan().terms().generation
    }

    fn count_ever(&mut self) {
        if let Some(last) = self.ever.last_mut() {
            last.1 = self.simulation.exposed.iter().filter(|exposed| **exposed).count();
        }
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.protocol, "{} {what}", clock(self.simulation.now()));
    }

    /// The sums, and what was expected.
    fn end(&mut self) {
        self.count_ever();
        let missed = self.simulation.machines.iter().filter(|machine| machine.dead).count();
        let harmed = self.simulation.machines.iter().filter(|machine| machine.harmed).count();
        for (generation, hosts) in self.ever.clone() {
            self.tell(&format!("hosts ever on {generation}: {hosts}"));
        }
        self.tell(&format!("hosts on which a release failed: {harmed}; hosts that missed credentials: {missed}; every check held after every step"));
        for (line, expectation) in self.script.expectations.clone() {
            let verdict = if self.holds(&expectation, missed, harmed) { "holds" } else { BROKEN };
            let _ = writeln!(self.protocol, "{line}: {verdict}");
        }
    }

    fn holds(&self, expectation: &Expectation, missed: usize, harmed: usize) -> bool {
        let decisions = &self.simulation.decisions;
        let last = decisions.last();
        let since = |at: &Tick| i64::from(at - self.started_at) * INTERVAL;
        match expectation {
            Expectation::Pull { generation, stratum, within } => matches!(last, Some((at, Decision::Pull(PullReason::Worse(breach))))
                if self.generation() == *generation
                    && since(at) <= *within
                    && stratum.as_ref().is_none_or(|stratum| breach.strata.first().is_some_and(|first| first.stratum == *stratum))),
            Expectation::NoPull => !decisions.iter().any(|(_, decision)| matches!(decision, Decision::Pull(_))),
            Expectation::Done { generation, within } => {
                matches!(last, Some((at, Decision::Done { .. })) if self.generation() == *generation && since(at) <= *within)
            }
            Expectation::Held { word } => last.is_some_and(|(_, decision)| {
                let value = decision.to_value();
                value.get("because").and_then(protocol::json::Value::as_str) == Some(word.as_str())
            }),
            Expectation::Missed { at_most } => missed <= *at_most,
            Expectation::Ever { generation, at_most } => self.ever.iter().any(|(of, hosts)| of == generation && hosts <= at_most),
            Expectation::Harmed { at_most } => harmed <= *at_most,
        }
    }
}

fn plan(survey: &Survey, generation: i64, number: i64) -> Plan {
    Plan::draw(survey, Terms::usual(&format!("rollout-{generation}"), number, generation, &hash_of(generation), INTERVAL))
}

/// A release's SHA-256, as good as any.
fn hash_of(generation: i64) -> String {
    let mut chance = Chance::new(generation.unsigned_abs());
    (0..4).map(|_| format!("{:016x}", chance.next())).collect()
}

/// Whether a host has a fact such as `kernel=3.10`; every host has none.
fn has(host: &rollout::survey::Host, group: Option<&str>) -> bool {
    group.is_none_or(|group| group.split_once('=').is_some_and(|(fact, value)| host.facts.get(fact).is_some_and(|own| own == value)))
}

fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_ends_as_its_protocol_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
        let mut played = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                assert!(play_file(&path, false).unwrap(), "{}", path.display());
                played += 1;
            }
        }
        assert!(played >= 8, "{played} scenarios");
    }

    #[test]
    fn what_does_not_hold_is_said() {
        let text = "fleet 2000 hosts seed 3\nrelease 2 signed by targets\nrelease 2 fails\nrollout start 2\nrun 2h\nexpect no pull\n";
        assert!(play(text).unwrap().ends_with("expect no pull: DOES NOT HOLD\n"));
    }

    #[test]
    fn the_checks_see_what_must_not_be() {
        let text = "fleet 500 hosts seed 3\nrelease 2 signed by targets\nrollout start 2\nrun 2h\n";
        let after = |spoil: fn(&mut Story)| {
            let mut story = Story::begin(script::read(text).unwrap()).unwrap();
            for _ in 0..8 {
                story.happen().unwrap();
                story.step().unwrap();
            }
            spoil(&mut story);
            story.check().unwrap_err()
        };
        let stale = after(|story| story.simulation.machines.iter_mut().for_each(|machine| machine.held = None));
        assert!(stale.ends_with("holds no fresh credential"), "{stale}");
        assert!(after(|story| story.believed = None).ends_with("tries a release that is not signed"));
        assert!(after(|story| story.minimum = 9).ends_with("is on generation 1, below 9"));
        assert!(after(|story| story.simulation.wave_began.clear()).ends_with("has the release before its wave"));
    }

    #[test]
    fn a_seed_replays_exactly() {
        let text = "fleet 2000 hosts seed 3, 2% flaky, 24 kernel=3.10-x\nrelease 2 signed by targets\nrollout start 2\n\
                    release 2 fails 50% of runs where kernel=3.10-x\nrun 8h\n";
        let first = play(text).unwrap();
        assert_eq!(first, play(text).unwrap());
        assert_ne!(first, play(&text.replace("seed 3", "seed 4")).unwrap());
    }
}
