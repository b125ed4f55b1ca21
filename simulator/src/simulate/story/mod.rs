//! A scenario: a story as text, and what it must end in, with the expected protocol beside it.

mod check;
mod script;

use crate::{
    chance::Chance,
    fleet,
    machine::Machine,
    signed::Publisher,
    site::{BEGIN, FIRST_GENERATION, Host, Plane, Site, has},
    world::{Harm, Tick, Traits},
};
use check::{Known, check};
use rollout::decision::{Decision, PullReason};
use script::{Event, Expectation, Script};
use service::rollout::Wanted;
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
    while story.site.elapsed() < story.script.until {
        story.happen()?;
        story.step()?;
    }
    story.end()?;
    Ok(story.protocol)
}

struct Story {
    script: Script,
    site: Site,
    publisher: Publisher,
    minimum: i64,
    unreachable_at: Vec<Tick>,
    next_event: usize,
    started_at: Tick,
    told: usize,
    /// Generations, and how many hosts ever had each.
    ever: Vec<(i64, usize)>,
    /// Hosts that were without a credential while what they ran before failed them, and when the last of them was.
    failed_by_current: Vec<bool>,
    failed_at: Tick,
    protocol: String,
}

impl Story {
    fn begin(script: Script) -> Result<Self, String> {
        let survey = fleet::survey(&script.population);
        let mut publisher = Publisher::new()?;
        for release in &script.releases {
            publisher.publish(release.generation, release.minimum, release.signer)?;
        }
        let mut chance = Chance::new(script.population.seed);
        let host = |host: &rollout::survey::Host| {
            let site = host.facts.get("site").and_then(|site| site.strip_prefix('s')?.parse().ok()).unwrap_or(0);
            let flaky = chance.millionths(script.population.flaky_permille * 1000);
            let clock_off = chance.millionths(script.population.clock_off_permille * 1000);
            Host::new(host.name.clone(), host.facts.clone(), Machine::new(Traits { site, flaky, clock_off }, Harm::None, Harm::None))
        };
        let hosts: Vec<Host> = survey.hosts().iter().map(host).collect();
        let plane = Plane::new(hosts.iter().map(|host| host.name.clone()), publisher.catalog(BEGIN)?, INTERVAL);
        let failed_by_current = vec![false; hosts.len()];
        let site = Site::new(hosts, plane, INTERVAL, chance.next());
        let protocol = format!("seed {}\n", script.population.seed);
        Ok(Self {
            script,
            site,
            publisher,
            minimum: 1,
            unreachable_at: vec![0; fleet::SITES],
            next_event: 0,
            started_at: 0,
            told: 0,
            ever: Vec::new(),
            failed_by_current,
            failed_at: 0,
            protocol,
        })
    }

    /// What is due by now.
    fn happen(&mut self) -> Result<(), String> {
        while let Some((at, event)) = self.script.events.get(self.next_event).cloned() {
            if at > self.site.elapsed() {
                break;
            }
            self.next_event += 1;
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        let tick = self.site.tick;
        let ticks = |seconds: i64| Tick::try_from(seconds / INTERVAL).unwrap_or(0);
        let Site { world, plane, .. } = &mut self.site;
        match event {
            Event::Start(generation) => return self.start(generation),
            Event::Harm { generation, harm, group } => self.site.harm(generation.unwrap_or(FIRST_GENERATION), harm, group),
            Event::Outage { seconds } => world.outages.push(tick + 1..tick + 1 + ticks(seconds)),
            Event::SiteDown { site, seconds } => world.site_outages.push((site, tick + 1..tick + 1 + ticks(seconds))),
            Event::Lost { site, percent } => world.lost = Some((site, percent * 10_000)),
            Event::Late { percent } => world.late = percent * 10_000,
            Event::Drift => world.drift = 2_000,
            Event::PowerCut { group } => self.power_cut(group.as_deref()),
            Event::Restart => return plane.restart(),
            Event::Pause { who, why } => return plane.want(|_| Wanted::Pause { who, why }),
            Event::Resume => return plane.want(|_| Wanted::Nothing),
            Event::Promote => return plane.want(|rollout| Wanted::Promote { waves_out: rollout.progress().out }),
            Event::PullBy { who, why } => return plane.want(|_| Wanted::Pull { who, why }),
        }
        Ok(())
    }

    fn start(&mut self, generation: i64) -> Result<(), String> {
        self.count_ever();
        self.site.plane.check_chain()?;
        self.started_at = self.site.tick;
        self.ever.push((generation, 0));
        if let Err(because) = self.site.start(generation) {
            self.tell(&format!("rollout of {generation} does not begin: {because}"));
            return Ok(());
        }
        let found = self.publisher.find(generation, self.site.now());
        let what = found.as_ref().map_or_else(|(because, _)| format!("no host believes it: {because}"), |_| "every host believes it".to_owned());
        self.site.publish(generation, found);
        self.tell(&format!("rollout of {generation} begins; {what}"));
        Ok(())
    }

    fn power_cut(&mut self, group: Option<&str>) {
        for host in self.site.hosts.iter_mut().filter(|host| has(&host.facts, group)) {
            host.machine.power_cut = true;
        }
    }

    fn step(&mut self) -> Result<(), String> {
        if self.site.tick == self.started_at {
            self.site.decide()?;
        }
        self.site.step()?;
        let tick = self.site.tick;
        for (site, at) in self.unreachable_at.iter_mut().enumerate() {
            if !self.site.world.reaches(site, tick) {
                *at = tick;
            }
        }
        let without = self.check().map_err(|broken| format!("seed {}, {}: {broken}", self.script.population.seed, clock(self.site.elapsed())))?;
        for host in without {
            (self.failed_by_current[host], self.failed_at) = (true, tick);
        }
        while let Some((at, decision)) = self.site.decisions.get(self.told).cloned() {
            self.told += 1;
            let _ = writeln!(self.protocol, "{} {decision}", clock(i64::from(at) * INTERVAL));
        }
        Ok(())
    }

    fn check(&self) -> Result<Vec<usize>, String> {
        check(&self.site, &Known { minimum: self.minimum, unreachable_at: &self.unreachable_at })
    }

    fn count_ever(&mut self) {
        if let Some(last) = self.ever.last_mut() {
            last.1 = self.site.exposed.iter().filter(|exposed| **exposed).count();
        }
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.protocol, "{} {what}", clock(self.site.elapsed()));
    }

    /// The sums, and what was expected.
    fn end(&mut self) -> Result<(), String> {
        self.count_ever();
        self.site.plane.check_chain()?;
        let machines = || self.site.hosts.iter().map(|host| &host.machine);
        let missed = machines().filter(|machine| machine.dead).count();
        let harmed = machines().filter(|machine| machine.harmed).count();
        let before = self.failed_by_current.iter().filter(|failed| **failed).count();
        for (generation, hosts) in self.ever.clone() {
            self.tell(&format!("hosts ever on {generation}: {hosts}"));
        }
        if before > 0 {
            let last = clock(i64::from(self.failed_at) * INTERVAL);
            self.tell(&format!("hosts that missed credentials before they had the release: {before}, the last at {last}"));
        }
        self.tell(&format!("hosts on which a release failed: {harmed}; hosts that missed credentials: {missed}; every check held after every step"));
        for (line, expectation) in self.script.expectations.clone() {
            let verdict = if self.holds(&expectation, missed, harmed) { "holds" } else { BROKEN };
            let _ = writeln!(self.protocol, "{line}: {verdict}");
        }
        Ok(())
    }

    fn holds(&self, expectation: &Expectation, missed: usize, harmed: usize) -> bool {
        let decisions = &self.site.decisions;
        let (last, newest) = (decisions.last(), self.site.plane.in_force.head.generation);
        let since = |at: &Tick| i64::from(at - self.started_at) * INTERVAL;
        match expectation {
            Expectation::Pull { generation, stratum, within } => matches!(last, Some((at, Decision::Pull(PullReason::Worse(breach))))
                if newest == *generation
                    && since(at) <= *within
                    && stratum.as_ref().is_none_or(|stratum| breach.strata.first().is_some_and(|first| first.stratum == *stratum))),
            Expectation::NoPull => !decisions.iter().any(|(_, decision)| matches!(decision, Decision::Pull(_))),
            Expectation::Done { generation, within } => {
                matches!(last, Some((at, Decision::Done { .. })) if newest == *generation && since(at) <= *within)
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

fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::reason::Reason;

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
        let stale = after(|story| story.site.hosts.iter_mut().for_each(|host| host.machine.held = None));
        assert!(stale.ends_with("holds no fresh credential"), "{stale}");
        assert!(after(|story| story.site.publish(2, Err((String::new(), Reason::UpdateUnsigned)))).ends_with("tries a release that is not signed"));
        assert!(after(|story| story.minimum = 9).ends_with("is on generation 1, below 9"));
        assert!(after(|story| story.site.wave_began.clear()).ends_with("has the release before its wave"));
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
