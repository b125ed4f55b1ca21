//! What is in force of all rollouts, and which release a host is to run: from memory, and from nothing but what is on record.
//!
//! The head is one object of the store. Every step of a rollout's chain replaces it in the same commit, and names the revision that
//! it replaces: so of two drivers on old ground one is refused, and what the head says is what the chain has decided.

#[cfg(test)]
mod tests;

use super::{
    host::Labels,
    release::{self, Catalog, Offer},
};
use protocol::release::{Assignment, PULLED_MAX, Terms};
use rollout::{
    Assigned, Rollout,
    decide::Wish,
    decision::{Decision, HoldReason, Word},
    plan::Plan,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The name of the head among the objects of its kind.
pub const HEAD: &str = "head";
/// Releases that are remembered as good, by channel and platform.
const STABLE_MAX: usize = 4;
/// Rollouts whose plans, records and chains are kept.
pub const ROLLOUTS_KEPT: i64 = 8;

/// What a rollout's objects are called.
pub mod name {
    /// Its plan.
    pub fn plan(rollout: i64) -> String {
        format!("plan/{rollout:08}")
    }

    /// What is known of its hosts.
    pub fn record(rollout: i64) -> String {
        format!("record/{rollout:08}")
    }

    /// What people want of it.
    pub fn wish(rollout: i64) -> String {
        format!("wish/{rollout:08}")
    }

    /// Where the names of its steps begin.
    pub fn steps(rollout: i64) -> String {
        format!("step/{rollout:08}/")
    }

    /// One of its steps.
    pub fn step(rollout: i64, number: i64) -> String {
        format!("{}{number:08}", steps(rollout))
    }
}

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The newest rollout; 0 where there was none.
    pub rollout: i64,
    /// The generation that it is about.
    pub generation: i64,
    /// The channel of that generation.
    pub channel: String,
    /// Why it was started.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// When it was started, seconds since 1970.
    pub started_at: i64,
    /// Its newest step; 0 before the first.
    pub step: i64,
    /// When that was decided.
    pub stepped_at: i64,
    /// Releases that a rollout has found good: by channel, then by platform, the newest last.
    pub stable: BTreeMap<String, BTreeMap<String, Vec<Good>>>,
    /// Releases that no host keeps, by SHA-256, the newest last.
    pub pulled: Vec<String>,
}

/// A release that a rollout has found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// Its generation.
    pub generation: i64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// What people want of a rollout, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "kebab-case")]
pub enum Wanted {
    /// That it goes its way.
    #[default]
    Nothing,
    /// That it waits.
    Pause {
        /// Who wants it.
        who: String,
        /// Why.
        why: String,
    },
    /// That it goes on from this many waves without waiting.
    Promote {
        /// The waves that were out when it was wanted.
        waves_out: usize,
    },
    /// That it goes on to its end without waiting.
    PromoteAll,
    /// That it is pulled.
    Pull {
        /// Who wants it.
        who: String,
        /// Why.
        why: String,
    },
}

impl Wanted {
    /// As it is on record; what cannot be read wants nothing.
    pub fn read(object: Option<&Object>) -> Self {
        object.and_then(|object| serde_json::from_str(&object.body).ok()).unwrap_or_default()
    }

    /// As the rollout takes it, where so many waves are out.
    pub fn wish(&self, out: usize) -> Wish {
        let word = |who: &String, why: &String| Word { who: who.clone(), why: why.clone() };
        match self {
            Wanted::Nothing => Wish::None,
            Wanted::Pause { who, why } => Wish::Pause(word(who, why)),
            Wanted::Promote { waves_out } => Wish::Promote(*waves_out),
            Wanted::PromoteAll => Wish::Promote(out),
            Wanted::Pull { who, why } => Wish::Pull(word(who, why)),
        }
    }
}

impl Head {
    /// With releases, each for a platform, that a rollout has found good.
    pub fn with_good(mut self, releases: impl IntoIterator<Item = (String, Good)>) -> Self {
        let channel = self.stable.entry(self.channel.clone()).or_default();
        for (platform, good) in releases {
            let known = channel.entry(platform).or_default();
            known.retain(|known| known.sha256 != good.sha256);
            known.push(good);
            let over = known.len().saturating_sub(STABLE_MAX);
            known.drain(..over);
        }
        self
    }

    /// With releases that no host keeps.
    pub fn without(mut self, releases: &[String]) -> Self {
        self.pulled.retain(|known| !releases.contains(known));
        self.pulled.extend(releases.iter().cloned());
        let over = self.pulled.len().saturating_sub(PULLED_MAX);
        self.pulled.drain(..over);
        for known in self.stable.values_mut().flat_map(BTreeMap::values_mut) {
            known.retain(|good| !releases.contains(&good.sha256));
        }
        self
    }
}

/// An object of a rollout on record.
#[derive(Clone, Debug)]
pub struct Object {
    /// The revision of its last change.
    pub revision: i64,
    /// What it says, JSON.
    pub body: Arc<String>,
}

/// The head, and the newest rollout as it is on record.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The revision of the head.
    pub revision: i64,
    /// The head.
    pub head: Head,
    /// The newest rollout.
    pub rollout: Option<Rollout>,
}

/// Who asks what to run.
pub struct Asker<'a> {
    /// Its name.
    pub host: &'a str,
    /// What it is labelled.
    pub labels: &'a Labels,
    /// Such as `x86_64-linux`.
    pub platform: &'a str,
    /// The generation that it runs; 0 for the package's copy.
    pub generation: i64,
    /// How often it fetches, seconds.
    pub interval: i64,
}

/// Every word that [`InForce::state`] has.
pub const STATES: [&str; 7] = ["starting", "advancing", "waiting", "held", "paused", "pulled", "done"];

impl InForce {
    /// The head and its rollout as they are on record, where `object` finds an object by its name; `None` while only some of a commit
    /// has been taken in. The plan, which never changes, is that of `before` where it can be.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn read(before: &Self, object: impl Fn(&str) -> Option<Object>) -> Result<Option<Self>, String> {
        let Some(known) = object(HEAD) else { return Ok(Some(Self::default())) };
        let head: Head = serde_json::from_str(&known.body).map_err(|error| error.to_string())?;
        // Whatever changes the head changes the record with it.
        let record = object(&name::record(head.rollout)).filter(|record| record.revision == known.revision);
        let (Some(record), Some(plan)) = (record, object(&name::plan(head.rollout))) else { return Ok(None) };
        let same = before.rollout.as_ref().filter(|_| before.head.rollout == head.rollout).map(|rollout| rollout.plan().clone());
        let plan = same.map_or_else(|| Plan::from_json(plan.body.as_bytes()).ok_or("its plan is no plan"), Ok)?;
        let rollout = Rollout::from_json(plan, record.body.as_bytes()).ok_or("its record is none of its plan's")?;
        Ok(Some(Self { revision: known.revision, head, rollout: Some(rollout) }))
    }

    /// How the newest rollout stands, in a word.
    pub fn state(&self) -> &'static str {
        let Some(rollout) = &self.rollout else { return "" };
        if rollout.plan().terms().releases.iter().any(|release| self.head.pulled.contains(release)) {
            return "pulled";
        }
        match rollout.standing() {
            None => "starting",
            Some(Decision::Advance { .. }) => "advancing",
            Some(Decision::Hold(HoldReason::Paused(_))) => "paused",
            Some(Decision::Hold(HoldReason::Doubt(_) | HoldReason::Quiet { .. })) => "held",
            Some(Decision::Hold(_)) => "waiting",
            Some(Decision::Pull(_)) => "pulled",
            Some(Decision::Done { .. }) => "done",
        }
    }

    /// What a host is to run, and what it is to leave.
    pub fn assign(&self, catalog: &Catalog, rules: &release::Rules, asker: &Asker<'_>, now: i64) -> Assignment {
        let usual = |offer| (offer, rules.terms(asker.interval));
        let choice = if rules.rollouts {
            self.candidate(catalog, asker, now).or_else(|| self.stable(catalog, asker, now).map(usual))
        } else {
            catalog.newest(asker.platform, asker.labels, &self.head.pulled, now).map(usual)
        };
        let pulled = self.head.pulled.clone();
        let Some((offer, terms)) = choice.filter(|(offer, _)| offer.release.generation != asker.generation) else {
            return Assignment { pulled, ..Assignment::default() };
        };
        // What is older was there before, and needs no trial.
        let newer = offer.release.generation > asker.generation;
        Assignment { target: Some(offer.path.clone()), trial: terms.filter(|_| newer), pulled }
    }

    /// The release of the newest rollout, if it is this host's turn, and how it earns the host.
    fn candidate<'a>(&self, catalog: &'a Catalog, asker: &Asker<'_>, now: i64) -> Option<(&'a Offer, Option<Terms>)> {
        let rollout = self.rollout.as_ref().filter(|rollout| rollout.assign(asker.host) == Assigned::Candidate)?;
        let offer = catalog.find(asker.platform, self.head.generation, now)?;
        let meant = rollout.plan().terms().releases.contains(&offer.sha256) && !self.head.pulled.contains(&offer.sha256);
        let terms = (rollout.plan().terms().trial.runs > 0).then(|| rollout.trial());
        let ready = meant && (terms.is_some() || rollout.may_be_taken()) && !self.is_ahead(offer, catalog, asker, now);
        (ready && release::is_for(&offer.release.channel, asker.labels)).then_some((offer, terms))
    }

    /// The newest release that a rollout has found good for hosts such as this, unless the host runs one that is newer and not pulled.
    fn stable<'a>(&self, catalog: &'a Catalog, asker: &Asker<'_>, now: i64) -> Option<&'a Offer> {
        let channels = self.head.stable.iter().filter(|(channel, _)| release::is_for(channel, asker.labels));
        let known = channels.filter_map(|(_, platforms)| platforms.get(asker.platform)).flatten();
        let signed = |good: &Good| catalog.find(asker.platform, good.generation, now).filter(|offer| offer.sha256 == good.sha256);
        let newest = known.filter_map(signed).max_by_key(|offer| offer.release.generation)?;
        (!self.is_ahead(newest, catalog, asker, now)).then_some(newest)
    }

    /// Whether a host runs a release that is newer than what is offered, signed, and not pulled.
    fn is_ahead(&self, offer: &Offer, catalog: &Catalog, asker: &Asker<'_>, now: i64) -> bool {
        let runs = catalog.find(asker.platform, asker.generation, now).filter(|runs| !self.head.pulled.contains(&runs.sha256));
        runs.is_some_and(|runs| runs.release.generation > offer.release.generation)
    }
}
