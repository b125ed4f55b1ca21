//! A decision with its reason and numbers: stored before it takes effect, and the only explanation there is.

use crate::{
    evidence::{Bet, Count},
    wealth::Wealth,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Display};
use protocol::{
    json::{self, Value},
    time::rfc3339,
};

/// What happens with a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The next wave takes the release.
    Advance {
        /// The wave, as an index.
        wave: usize,
        /// Its name.
        name: String,
        /// Its hosts.
        hosts: u32,
        /// Trials that ended well so far.
        trials: u32,
    },
    /// Nobody takes it who has not taken it.
    Hold(HoldReason),
    /// Every host goes back.
    Pull(PullReason),
    /// Every host takes it, also who was held back.
    Done {
        /// Trials that ended well.
        trials: u32,
    },
}

/// What a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Somebody wants it to wait.
    Paused(Word),
    /// There is evidence against it, and not enough to pull it.
    Doubt(Breach),
    /// The wave was not watched for long enough.
    Soaking {
        /// Until when, seconds since 1970.
        until: i64,
    },
    /// Too few hosts of the waves that are out were heard of lately.
    Quiet {
        /// Hosts that were heard of.
        heard: u32,
        /// Hosts that should have been.
        expected: u32,
    },
    /// Too few trials ended well to promise the next wave anything.
    TooFewTrials {
        /// Trials that ended well.
        trials: u32,
        /// As many as are needed.
        needed: u32,
    },
}

/// Why a release is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullReason {
    /// It is worse than the generation before.
    Worse(Breach),
    /// Somebody wants it so.
    Wanted(Word),
}

/// What a person wants, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Which bet speaks loudest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Harm to one kind of host.
    Concentrated,
    /// A small harm everywhere.
    Diffuse,
    /// Silence.
    Silence,
}

/// The evidence against a release at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What the bets are worth.
    pub bet: Bet,
    /// The one that is worth most.
    pub source: Source,
    /// The first pairs of all hosts.
    pub everywhere: Count,
    /// The strata whose evidence is worth most, first the most.
    pub strata: Vec<Suspect>,
}

/// A stratum that speaks against a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its name, such as `kernel=3.10`.
    pub stratum: String,
    /// What its evidence is worth.
    pub wealth: Wealth,
    /// Its discordant pairs.
    pub pairs: Count,
    /// Hosts that they come from.
    pub hosts: u32,
    /// Hosts with the release that fell silent.
    pub silent: u32,
}

impl Decision {
    /// As it is stored.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Advance { wave, name, hosts, trials } => json::object([
                ("decision", "advance".into()),
                ("wave", count(*wave)),
                ("name", name.as_str().into()),
                ("hosts", i64::from(*hosts).into()),
                ("trials", i64::from(*trials).into()),
            ]),
            Self::Hold(reason) => hold_to_value(reason),
            Self::Pull(PullReason::Worse(breach)) => {
                json::object([("decision", "pull".into()), ("because", "worse-than-current".into()), ("evidence", breach.to_value())])
            }
            Self::Pull(PullReason::Wanted(word)) => {
                json::object([("decision", "pull".into()), ("because", "wanted".into()), ("word", word.to_value())])
            }
            Self::Done { trials } => json::object([("decision", "done".into()), ("trials", i64::from(*trials).into())]),
        }
    }

    /// From its stored form; `None` if it is not a decision.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let because = || value.get("because").and_then(Value::as_str);
        Some(match value.get("decision")?.as_str()? {
            "advance" => Self::Advance {
                wave: usize::try_from(value.get("wave")?.as_i64()?).ok()?,
                name: value.get("name")?.as_str()?.to_string(),
                hosts: number(value, "hosts")?,
                trials: number(value, "trials")?,
            },
            "hold" => Self::Hold(hold_from_value(because()?, value)?),
            "pull" => Self::Pull(match because()? {
                "worse-than-current" => PullReason::Worse(Breach::from_value(value.get("evidence")?)?),
                "wanted" => PullReason::Wanted(Word::from_value(value.get("word")?)?),
                _ => return None,
            }),
            "done" => Self::Done { trials: number(value, "trials")? },
            _ => return None,
        })
    }
}

fn hold_to_value(reason: &HoldReason) -> Value {
    let hold = |because: &str, name: &str, value: Value| json::object([("decision", "hold".into()), ("because", because.into()), (name, value)]);
    let two = |because: &str, (name, value): (&str, u32), (other, of): (&str, u32)| {
        let members = [("decision", "hold".into()), ("because", because.into()), (name, i64::from(value).into()), (other, i64::from(of).into())];
        json::object(members)
    };
    match reason {
        HoldReason::Paused(word) => hold("paused", "word", word.to_value()),
        HoldReason::Doubt(breach) => hold("doubt", "evidence", breach.to_value()),
        HoldReason::Soaking { until } => hold("soaking", "until", (*until).into()),
        HoldReason::Quiet { heard, expected } => two("quiet", ("heard", *heard), ("expected", *expected)),
        HoldReason::TooFewTrials { trials, needed } => two("too-few-trials", ("trials", *trials), ("needed", *needed)),
    }
}

fn hold_from_value(because: &str, value: &Value) -> Option<HoldReason> {
    Some(match because {
        "paused" => HoldReason::Paused(Word::from_value(value.get("word")?)?),
        "doubt" => HoldReason::Doubt(Breach::from_value(value.get("evidence")?)?),
        "soaking" => HoldReason::Soaking { until: value.get("until")?.as_i64()? },
        "quiet" => HoldReason::Quiet { heard: number(value, "heard")?, expected: number(value, "expected")? },
        "too-few-trials" => HoldReason::TooFewTrials { trials: number(value, "trials")?, needed: number(value, "needed")? },
        _ => return None,
    })
}

impl Word {
    pub(crate) fn to_value(&self) -> Value {
        json::object([("who", self.who.as_str().into()), ("why", self.why.as_str().into())])
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        Some(Self { who: value.get("who")?.as_str()?.to_string(), why: value.get("why")?.as_str()?.to_string() })
    }
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Concentrated => "concentrated",
            Self::Diffuse => "diffuse",
            Self::Silence => "silence",
        }
    }
}

impl Breach {
    fn to_value(&self) -> Value {
        let wealth = |wealth: Wealth| wealth.ln_millionths().into();
        json::object([
            ("ln_e_millionths", wealth(self.bet.all)),
            ("ln_concentrated_millionths", wealth(self.bet.concentrated)),
            ("ln_diffuse_millionths", wealth(self.bet.diffuse)),
            ("ln_silence_millionths", wealth(self.bet.silence)),
            ("source", self.source.word().into()),
            ("bad", i64::from(self.everywhere.bad).into()),
            ("good", i64::from(self.everywhere.good).into()),
            ("strata", Value::Array(self.strata.iter().map(Suspect::to_value).collect())),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let wealth = |name| value.get(name).and_then(Value::as_i64).map(Wealth::from_ln_millionths);
        let source = value.get("source")?.as_str()?;
        Some(Self {
            bet: Bet {
                concentrated: wealth("ln_concentrated_millionths")?,
                diffuse: wealth("ln_diffuse_millionths")?,
                silence: wealth("ln_silence_millionths")?,
                all: wealth("ln_e_millionths")?,
            },
            source: [Source::Concentrated, Source::Diffuse, Source::Silence].into_iter().find(|known| known.word() == source)?,
            everywhere: Count { bad: number(value, "bad")?, good: number(value, "good")? },
            strata: value.get("strata")?.as_array()?.iter().map(Suspect::from_value).collect::<Option<_>>()?,
        })
    }
}

impl Suspect {
    fn to_value(&self) -> Value {
        json::object([
            ("stratum", self.stratum.as_str().into()),
            ("ln_wealth_millionths", self.wealth.ln_millionths().into()),
            ("bad", i64::from(self.pairs.bad).into()),
            ("good", i64::from(self.pairs.good).into()),
            ("hosts", i64::from(self.hosts).into()),
            ("silent", i64::from(self.silent).into()),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            stratum: value.get("stratum")?.as_str()?.to_string(),
            wealth: Wealth::from_ln_millionths(value.get("ln_wealth_millionths")?.as_i64()?),
            pairs: Count { bad: number(value, "bad")?, good: number(value, "good")? },
            hosts: number(value, "hosts")?,
            silent: number(value, "silent")?,
        })
    }
}

impl Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advance { wave: 0, name, hosts, .. } => write!(out, "advance to {name}: {hosts} hosts try the release first"),
            Self::Advance { name, hosts, trials, .. } => write!(out, "advance to {name}: {hosts} more hosts after {trials} trials that ended well"),
            Self::Hold(reason) => write!(out, "hold: {reason}"),
            Self::Pull(PullReason::Worse(breach)) => write!(out, "pull: worse than current {breach}"),
            Self::Pull(PullReason::Wanted(word)) => write!(out, "pull: {} wants it so: {}", word.who, word.why),
            Self::Done { trials } => write!(out, "done: every host takes the release, after {trials} trials that ended well"),
        }
    }
}

impl Display for HoldReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(word) => write!(out, "{} paused it: {}", word.who, word.why),
            Self::Doubt(breach) => write!(out, "perhaps worse than current {breach}"),
            Self::Soaking { until } => write!(out, "watching the wave until {}", rfc3339(*until)),
            Self::Quiet { heard, expected } => write!(out, "{heard} of {expected} hosts with the release were heard of lately, and 98 % are needed"),
            Self::TooFewTrials { trials, needed } => write!(out, "{trials} trials ended well, and the next wave needs {needed}"),
        }
    }
}

impl Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { bad, good } = self.everywhere;
        match (self.source, self.strata.first()) {
            (Source::Diffuse, Some(first)) => write!(out, "everywhere, most in stratum {first}")?,
            (_, Some(first)) => write!(out, "in stratum {first}")?,
            (_, None) => write!(out, "in no stratum more than in others")?,
        }
        write!(out, "; of all hosts' first pairs {bad} bad and {good} good; evidence {}, by {}", self.bet.all, self.source.word())
    }
}

impl Display for Suspect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { bad, good } = self.pairs;
        write!(out, "{}: {bad} bad and {good} good pairs on {} hosts", self.stratum, self.hosts)?;
        if self.silent > 0 { write!(out, ", {} hosts silent", self.silent) } else { Ok(()) }
    }
}

/// A count as JSON.
pub(crate) fn count(count: usize) -> Value {
    Value::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A count from JSON.
pub(crate) fn number(value: &Value, name: &str) -> Option<u32> {
    u32::try_from(value.get(name)?.as_i64()?).ok()
}
