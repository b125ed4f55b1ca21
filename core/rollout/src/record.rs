//! A plan and a rollout as they are stored: what a driver reads when it starts again, and what anybody can compute the evidence from.

use crate::{
    decide::{Progress, Wish},
    decision::{Decision, Word, count, number},
    evidence::{Discordant, Evidence},
    plan::{Place, Plan, Terms, Wave},
    rollout::{Presence, Rollout, Seen},
    silence::{AtRisk, Silence},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use protocol::{
    json::{self, Value},
    release::Terms as Trial,
};

impl Plan {
    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        let place = |place: &Place| Value::Array([place.host.as_str().into(), count(place.stratum), count(place.wave), place.drawn.into()].into());
        json::object([
            ("version", 1.into()),
            ("terms", self.terms.to_value()),
            ("strata", texts(&self.strata)),
            ("uncovered", texts(&self.uncovered)),
            ("places", Value::Array(self.places.iter().map(place).collect())),
        ])
        .to_string()
    }

    /// From its stored form; `None` if it is not a plan.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok().filter(|value| value.get("version") == Some(&1.into()))?;
        let strata = texts_from(value.get("strata")?)?;
        let terms = Terms::from_value(value.get("terms")?)?;
        let place = |value: &Value| {
            let [host, stratum, wave, drawn] = value.as_array()? else { return None };
            let index = |value: &Value, end: usize| usize::try_from(value.as_i64()?).ok().filter(|index| *index < end);
            Some(Place {
                host: host.as_str()?.to_string(),
                stratum: index(stratum, strata.len())?,
                wave: index(wave, terms.waves.len().saturating_add(1))?,
                drawn: drawn.as_bool()?,
            })
        };
        let places: Vec<Place> = value.get("places")?.as_array()?.iter().map(place).collect::<Option<_>>()?;
        let uncovered = texts_from(value.get("uncovered")?)?;
        let sorted = places.windows(2).all(|pair| pair.first().map(|place| &place.host) < pair.last().map(|place| &place.host));
        sorted.then_some(Self { terms, strata, places, uncovered })
    }
}

impl Terms {
    fn to_value(&self) -> Value {
        let wave = |wave: &Wave| {
            json::object([
                ("name", wave.name.as_str().into()),
                ("share_permille", i64::from(wave.share_permille).into()),
                ("soak_seconds", wave.soak_seconds.into()),
            ])
        };
        json::object([
            ("id", self.id.as_str().into()),
            ("number", self.number.into()),
            ("parent", self.parent.into()),
            ("generation", self.generation.into()),
            ("releases", texts(&self.releases)),
            ("interval_seconds", self.interval_seconds.into()),
            ("trial_runs", self.trial.runs.into()),
            ("trial_seconds", self.trial.seconds.into()),
            ("waves", Value::Array(self.waves.iter().map(wave).collect())),
            ("harmed_hosts_max", i64::from(self.harmed_hosts_max).into()),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let integer = |name| value.get(name).and_then(Value::as_i64);
        let wave = |value: &Value| {
            Some(Wave {
                name: value.get("name")?.as_str()?.to_string(),
                share_permille: number(value, "share_permille")?,
                soak_seconds: value.get("soak_seconds")?.as_i64()?,
            })
        };
        Some(Self {
            id: value.get("id")?.as_str()?.to_string(),
            number: integer("number")?,
            parent: integer("parent")?,
            generation: integer("generation")?,
            releases: texts_from(value.get("releases")?)?,
            interval_seconds: integer("interval_seconds")?,
            trial: Trial { runs: integer("trial_runs")?, seconds: integer("trial_seconds")? },
            waves: value.get("waves")?.as_array()?.iter().map(wave).collect::<Option<_>>()?,
            harmed_hosts_max: number(value, "harmed_hosts_max")?,
        })
    }
}

impl Rollout {
    /// All but the plan, which is stored once.
    #[must_use]
    pub fn to_json(&self) -> String {
        let pair = |(host, pair): (usize, Discordant)| Value::Array([count(host), pair.run.into(), pair.crossover.into(), pair.bad.into()].into());
        let silence = |silence: &Silence| {
            let [treated, waiting] = [silence.treated_at_risk, silence.waiting_at_risk].map(|count| i64::from(count).into());
            Value::Array([count(silence.host), silence.treated.into(), treated, waiting].into())
        };
        json::object([
            ("version", 1.into()),
            ("plan", self.plan.terms.number.into()),
            ("waves_out", count(self.progress.out)),
            ("since", self.progress.since.into()),
            ("expected", i64::from(self.progress.expected).into()),
            ("heard", i64::from(self.progress.heard).into()),
            ("listening_since", self.listening_since.into()),
            ("ticked_at", self.ticked_at.into()),
            ("entering", self.entering.into()),
            ("wish", wish_to_value(&self.progress.wish)),
            ("standing", self.standing.as_ref().map_or(Value::Null, Decision::to_value)),
            ("presence", self.hosts.iter().map(|seen| presence_letter(seen.presence)).collect::<String>().into()),
            ("trials", self.hosts.iter().map(|seen| trial_letter(seen.trial)).collect::<String>().into()),
            ("pairs", Value::Array(self.evidence.pairs().map(pair).collect())),
            ("silences", Value::Array(self.evidence.silences().iter().map(silence).collect())),
        ])
        .to_string()
    }

    /// From its plan and stored form; `None` if they are not of one rollout.
    #[must_use]
    pub fn from_json(plan: Plan, bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok().filter(|value| value.get("version") == Some(&1.into()))?;
        let integer = |name| value.get(name).and_then(Value::as_i64);
        let text = |name| value.get(name).and_then(Value::as_str);
        if integer("plan")? != plan.terms.number {
            return None;
        }
        let letters = text("presence")?.chars().zip(text("trials")?.chars());
        let hosts: Vec<Seen> =
            letters.map(|(presence, trial)| Some(Seen { presence: presence_of(presence)?, trial: trial_of(trial)? })).collect::<Option<_>>()?;
        let ended = |fit| u32::try_from(hosts.iter().filter(|seen| seen.trial == Some(fit)).count()).ok();
        let progress = Progress {
            out: usize::try_from(integer("waves_out")?).ok()?,
            since: integer("since")?,
            trials: ended(true)?,
            unfit: ended(false)?,
            expected: number(&value, "expected")?,
            heard: number(&value, "heard")?,
            wish: wish_from_value(value.get("wish")?)?,
        };
        let evidence = evidence_from_value(&plan, &value)?;
        let standing = match value.get("standing")? {
            Value::Null => None,
            decision => Some(Decision::from_value(decision)?),
        };
        let complete = hosts.len() == plan.places.len();
        let (listening_since, ticked_at) = (integer("listening_since")?, integer("ticked_at")?);
        let entering = value.get("entering")?.as_bool()?;
        let mut rollout = Self { plan, progress, evidence, hosts, at_risk: AtRisk::default(), listening_since, ticked_at, entering, standing };
        if rollout.progress.out > 0 {
            rollout.count_at_risk();
        }
        complete.then_some(rollout)
    }
}

/// The evidence as it follows from the record.
fn evidence_from_value(plan: &Plan, value: &Value) -> Option<Evidence> {
    let mut evidence = Evidence::none(plan.strata.len());
    let small = |value: &Value| u32::try_from(value.as_i64()?).ok();
    for row in value.get("pairs")?.as_array()? {
        let [host, run, crossover, bad] = row.as_array()? else { return None };
        let host = usize::try_from(host.as_i64()?).ok()?;
        let pair = Discordant { run: run.as_i64()?, crossover: crossover.as_i64()?, bad: bad.as_bool()? };
        evidence.take(host, plan.places.get(host)?.stratum, pair).then_some(())?;
    }
    for row in value.get("silences")?.as_array()? {
        let [host, treated, with, waiting] = row.as_array()? else { return None };
        let host = usize::try_from(host.as_i64()?).ok()?;
        let silence = Silence { host, treated: treated.as_bool()?, treated_at_risk: small(with)?, waiting_at_risk: small(waiting)? };
        evidence.take_silence(plan.places.get(host)?.stratum, silence);
    }
    Some(evidence)
}

pub(crate) fn wish_to_value(wish: &Wish) -> Value {
    match wish {
        Wish::None => Value::Null,
        Wish::Pause(word) => json::object([("wish", "pause".into()), ("word", word.to_value())]),
        Wish::Promote(out) => json::object([("wish", "promote".into()), ("waves_out", count(*out))]),
        Wish::Pull(word) => json::object([("wish", "pull".into()), ("word", word.to_value())]),
    }
}

pub(crate) fn wish_from_value(value: &Value) -> Option<Wish> {
    let Some(wish) = value.get("wish") else { return (value == &Value::Null).then_some(Wish::None) };
    let word = || Word::from_value(value.get("word")?);
    Some(match wish.as_str()? {
        "pause" => Wish::Pause(word()?),
        "promote" => Wish::Promote(usize::try_from(value.get("waves_out")?.as_i64()?).ok()?),
        "pull" => Wish::Pull(word()?),
        _ => return None,
    })
}

fn presence_letter(presence: Presence) -> char {
    match presence {
        Presence::Absent => '-',
        Presence::Present => 'p',
        Presence::Silent => 's',
    }
}

fn presence_of(letter: char) -> Option<Presence> {
    [Presence::Absent, Presence::Present, Presence::Silent].into_iter().find(|presence| presence_letter(*presence) == letter)
}

fn trial_letter(trial: Option<bool>) -> char {
    trial.map_or('-', |fit| if fit { 'f' } else { 'u' })
}

fn trial_of(letter: char) -> Option<Option<bool>> {
    [None, Some(true), Some(false)].into_iter().find(|trial| trial_letter(*trial) == letter)
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| text.as_str().into()).collect())
}

fn texts_from(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(ToString::to_string)).collect()
}
