//! The language of scenarios: one line says one thing. docs/trial.md lists the lines.

use crate::{
    fleet::{Group, Population},
    signed::Signer,
    world::Harm,
};

/// A scenario, read.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) population: Population,
    pub(crate) releases: Vec<ReleaseLine>,
    /// What happens, each with its second, in the order of time.
    pub(crate) events: Vec<(i64, Event)>,
    /// When it is over.
    pub(crate) until: i64,
    pub(crate) expectations: Vec<(String, Expectation)>,
}

/// A release that is published before anything happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReleaseLine {
    pub(crate) generation: i64,
    pub(crate) minimum: i64,
    pub(crate) signer: Signer,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Start(i64),
    /// What a generation does wrong; `None` is the one that the fleet runs at the beginning.
    Harm {
        generation: Option<i64>,
        harm: Harm,
        group: Option<String>,
    },
    Outage {
        seconds: i64,
    },
    SiteDown {
        site: usize,
        seconds: i64,
    },
    Lost {
        site: usize,
        percent: u32,
    },
    Late {
        percent: u32,
    },
    Drift,
    PowerCut {
        group: Option<String>,
    },
    Restart,
    Pause {
        who: String,
        why: String,
    },
    Resume,
    Promote,
    PullBy {
        who: String,
        why: String,
    },
}

/// What must be so at the end.
#[derive(Clone, Debug)]
pub(crate) enum Expectation {
    /// The release is pulled, because it is worse, first in that stratum if one is named, within so many seconds of its start.
    Pull {
        generation: i64,
        stratum: Option<String>,
        within: i64,
    },
    NoPull,
    Done {
        generation: i64,
        within: i64,
    },
    Held {
        word: String,
    },
    Missed {
        at_most: usize,
    },
    Ever {
        generation: i64,
        at_most: usize,
    },
    Harmed {
        at_most: usize,
    },
}

/// Reads a scenario.
pub(crate) fn read(text: &str) -> Result<Script, String> {
    let population = Population { hosts: 0, seed: 0, groups: Vec::new(), flaky_permille: 0, clock_off_permille: 0 };
    let mut script = Script { population, releases: Vec::new(), events: Vec::new(), until: 0, expectations: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            script.line(line).ok_or(format!("line {}: not understood: {line}", number + 1))?;
        }
    }
    script.events.sort_by_key(|(at, event)| (*at, !matches!(event, Event::Start(_))));
    let is_whole = script.population.hosts > 0 && script.until > 0 && matches!(script.events.first(), Some((0, Event::Start(_))));
    if is_whole { Ok(script) } else { Err("a scenario has a fleet, begins with a rollout, and says how long it runs".to_owned()) }
}

impl Script {
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("fleet ") {
            return self.fleet(rest);
        }
        if let Some(rest) = line.strip_prefix("expect ") {
            self.expectations.push((line.to_owned(), expectation(rest)?));
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("at ") {
            let (at, what) = rest.split_once(": ")?;
            self.events.push((span(at)?, event(what)?));
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("run ") {
            self.until = span(rest)?;
            return Some(());
        }
        if let Some((generation, signer)) = line.strip_prefix("release ").and_then(|rest| rest.split_once(" signed by ")) {
            let (signer, minimum) = signer.split_once(" minimum ").unwrap_or((signer, "1"));
            let signer = if signer == "a stranger" { Signer::Stranger } else { (signer == "targets").then_some(Signer::Targets)? };
            self.releases.push(ReleaseLine { generation: generation.parse().ok()?, minimum: minimum.parse().ok()?, signer });
            return Some(());
        }
        self.events.push((0, event(line)?));
        Some(())
    }

    /// `9000 hosts seed 7, 3% clock-off, 1% flaky, 40 kernel=3.10`
    fn fleet(&mut self, rest: &str) -> Option<()> {
        let mut parts = rest.split(", ");
        let (hosts, seed) = parts.next()?.split_once(" hosts seed ")?;
        (self.population.hosts, self.population.seed) = (hosts.parse().ok()?, seed.parse().ok()?);
        for part in parts {
            let (amount, what) = part.split_once(' ')?;
            match what.split_once('=') {
                Some((fact, value)) => {
                    let hosts = match amount.strip_suffix('%') {
                        Some(_) => self.population.hosts * usize::try_from(permille(amount)?).ok()? / 1000,
                        None => amount.parse().ok()?,
                    };
                    self.population.groups.push(Group::new(fact, value, hosts));
                }
                None if what == "flaky" => self.population.flaky_permille = permille(amount)?,
                None if what == "clock-off" => self.population.clock_off_permille = permille(amount)?,
                None => return None,
            }
        }
        Some(())
    }
}

fn event(text: &str) -> Option<Event> {
    let words: Vec<&str> = text.split(' ').collect();
    Some(match words.as_slice() {
        ["rollout", "start", generation] => Event::Start(generation.parse().ok()?),
        ["release", generation, rest @ ..] => {
            let (harm, group) = harm(rest)?;
            Event::Harm { generation: Some(generation.parse().ok()?), harm, group }
        }
        ["current", rest @ ..] => {
            let (harm, group) = harm(rest)?;
            Event::Harm { generation: None, harm, group }
        }
        ["outage", "for", seconds] => Event::Outage { seconds: span(seconds)? },
        ["site", site, "down", "for", seconds] => Event::SiteDown { site: site.strip_prefix('s')?.parse().ok()?, seconds: span(seconds)? },
        ["reports", "of", "site", site, "lost", part] => Event::Lost { site: site.strip_prefix('s')?.parse().ok()?, percent: permille(part)? / 10 },
        ["reports", "late", part] => Event::Late { percent: permille(part)? / 10 },
        ["clocks", "drift"] => Event::Drift,
        ["power", "cut"] => Event::PowerCut { group: None },
        ["power", "cut", "where", group] => Event::PowerCut { group: Some((*group).to_owned()) },
        ["control-plane", "restarts"] => Event::Restart,
        [who, "pauses", "because", why @ ..] => Event::Pause { who: (*who).to_owned(), why: why.join(" ") },
        [_, "resumes"] => Event::Resume,
        [_, "promotes"] => Event::Promote,
        [who, "pulls", "because", why @ ..] => Event::PullBy { who: (*who).to_owned(), why: why.join(" ") },
        _ => return None,
    })
}

/// `crashes at start where kernel=3.10`, `fails 30% of runs`, `fails every 5 runs`, `fails after 12 runs`, `kills`, `cannot be replaced`
fn harm(words: &[&str]) -> Option<(Harm, Option<String>)> {
    let (words, group) = match words {
        [rest @ .., "where", group] => (rest, Some((*group).to_owned())),
        rest => (rest, None),
    };
    let harm = match words {
        ["crashes", "at", "start"] | ["fails"] => Harm::Fails(1_000_000),
        ["fails", part, "of", "runs"] => Harm::Fails(permille(part)? * 1000),
        ["fails", "every", every, "runs"] => Harm::Every(every.parse().ok()?),
        ["fails", "after", ticks, "runs"] => Harm::After(ticks.parse().ok()?),
        ["kills"] => Harm::Kills,
        ["cannot", "be", "replaced"] => Harm::Irreplaceable,
        _ => return None,
    };
    Some((harm, group))
}

fn expectation(text: &str) -> Option<Expectation> {
    let words: Vec<&str> = text.split(' ').collect();
    Some(match words.as_slice() {
        ["pull", generation, "because", "worse-than-current", rest @ ..] => {
            let (stratum, within) = match rest {
                ["in", "stratum", stratum, "within", within] => (Some((*stratum).to_owned()), within),
                ["within", within] => (None, within),
                _ => return None,
            };
            Expectation::Pull { generation: generation.parse().ok()?, stratum, within: span(within)? }
        }
        ["no", "pull"] => Expectation::NoPull,
        ["done", generation, "within", within] => Expectation::Done { generation: generation.parse().ok()?, within: span(within)? },
        ["held", "for", word] => Expectation::Held { word: (*word).to_owned() },
        ["missed", "credentials", "=" | "<=", count] => Expectation::Missed { at_most: count.parse().ok()? },
        ["hosts", "ever", "on", generation, "=" | "<=", count] => {
            Expectation::Ever { generation: generation.parse().ok()?, at_most: count.parse().ok()? }
        }
        ["hosts", "harmed", "=" | "<=", count] => Expectation::Harmed { at_most: count.parse().ok()? },
        _ => return None,
    })
}

/// `40m`, `3h`, `2d`
fn span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}

/// `0.5%` as 5
fn permille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    (tenth.len() == 1).then_some(())?;
    Some(whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_understood_is_an_error_with_its_number() {
        let text = "fleet 100 hosts seed 1\nrelease 2 signed by targets\nrollout start 2\nrelease 2 explodes\nrun 1d\n";
        assert_eq!(read(text).map(|_| ()), Err("line 4: not understood: release 2 explodes".to_owned()));
        assert!(read("fleet 100 hosts seed 1\nrun 1d").is_err());
    }

    #[test]
    fn times_and_shares_are_read_exactly() {
        assert_eq!([span("40m"), span("3h"), span("2d"), span("2"), span("")], [Some(2400), Some(10_800), Some(172_800), None, None]);
        assert_eq!([permille("0.5%"), permille("30%"), permille("30")], [Some(5), Some(300), None]);
    }
}
