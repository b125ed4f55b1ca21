//! A rollout under way: what the control plane drives, and the simulator with it.
//!
//! A driver's round: [`Rollout::tick`] with who was heard of when; if that brings a decision, store it; then [`Rollout::apply`] it, and
//! store [`Rollout::to_json`]. A driver that dies between any two of these steps repeats the step, and no decision is lost or taken twice.

use crate::{
    decide::{Progress, Wish, decide},
    decision::{Decision, HoldReason},
    evidence::{Discordant, Evidence},
    plan::Plan,
    silence::AtRisk,
};
use alloc::{string::String, vec::Vec};
use core::fmt::{self, Display};
use protocol::{
    release::Terms as Trial,
    trial::{Crossover, Pair, candidate_goes_first},
};

/// More clean runs than anybody waits for, and as many as a trial may ask for.
const WITHHELD_RUNS: i64 = 1000;

/// Why a report does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// The host has no place in the plan.
    Stranger,
    /// The report is about a release that the plan is not about.
    OtherRelease,
    /// The host does not have the release yet.
    NotAssigned,
    /// The coin fell otherwise: who is said to have gone first did not.
    NotByTheCoin,
    /// It was reported before, or too many were.
    Repeated,
}

impl Display for Unheard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Stranger => "the host has no place in the plan",
            Self::OtherRelease => "the plan is not about that release",
            Self::NotAssigned => "the host does not have the release yet",
            Self::NotByTheCoin => "the coin of that crossover fell otherwise",
            Self::Repeated => "it was reported before, or too many were",
        })
    }
}

/// What a host is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// The release, in a trial.
    Candidate,
    /// What it runs: it is compared with those that have the release, until its wave comes.
    Control,
    /// What it runs: it is held back to the end, or has no place in the plan.
    HeldBack,
    /// What it ran before: the release was pulled.
    Pulled,
}

/// What is known of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) presence: Presence,
    pub(crate) trial: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Not heard of when the wave began.
    #[default]
    Absent,
    /// At risk of falling silent.
    Present,
    /// It fell silent once.
    Silent,
}

/// A rollout under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    pub(crate) plan: Plan,
    pub(crate) progress: Progress,
    pub(crate) evidence: Evidence,
    pub(crate) hosts: Vec<Seen>,
    pub(crate) at_risk: AtRisk,
    /// Since when silence is counted: the last wave's begin, or the end of a time in which nobody listened.
    pub(crate) listening_since: i64,
    pub(crate) ticked_at: i64,
    /// Whether a wave has begun and who is there has not been counted.
    pub(crate) entering: bool,
    /// The last decision.
    pub(crate) standing: Option<Decision>,
}

impl Rollout {
    /// Nobody has the release yet.
    #[must_use]
    pub fn new(plan: Plan, now: i64) -> Self {
        let (strata, hosts) = (plan.strata().len(), plan.places().len());
        Self {
            plan,
            progress: Progress::default(),
            evidence: Evidence::none(strata),
            hosts: alloc::vec![Seen::default(); hosts],
            at_risk: AtRisk::default(),
            listening_since: now,
            ticked_at: now,
            entering: false,
            standing: None,
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The evidence.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The last decision.
    #[must_use]
    pub fn standing(&self) -> Option<&Decision> {
        self.standing.as_ref()
    }

    /// Whether no decision can follow.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.standing, Some(Decision::Pull(_) | Decision::Done { .. }))
    }

    /// What a host is to run.
    #[must_use]
    pub fn assign(&self, host: &str) -> Assigned {
        // After the end everybody is told the same.
        let place = if self.has_ended() { None } else { self.plan.find(host) };
        place.map_or_else(|| self.assign_stranger(), |place| self.assign_place(place))
    }

    /// What the host of a place is to run.
    #[must_use]
    pub fn assign_place(&self, place: usize) -> Assigned {
        match (&self.standing, self.plan.places().get(place)) {
            (Some(Decision::Pull(_)), _) => Assigned::Pulled,
            (Some(Decision::Done { .. }), _) => Assigned::Candidate,
            (_, Some(place)) if place.wave < self.progress.out => Assigned::Candidate,
            (_, Some(place)) if place.wave < self.plan.terms().waves.len() => Assigned::Control,
            _ => Assigned::HeldBack,
        }
    }

    fn assign_stranger(&self) -> Assigned {
        self.assign_place(usize::MAX)
    }

    /// Takes a crossover that a host reports.
    ///
    /// # Errors
    /// It does not count.
    pub fn take_crossover(&mut self, host: &str, crossover: &Crossover) -> Result<(), Unheard> {
        let (place, stratum) = self.place_of(host, &crossover.release)?;
        let Crossover { run, crossover, ref release, pair, .. } = *crossover;
        if !pair.fits(candidate_goes_first(host, release, run, crossover)) {
            return Err(Unheard::NotByTheCoin);
        }
        match pair {
            Pair::Clean | Pair::Void => Ok(()),
            Pair::Bad | Pair::Good => {
                let pair = Discordant { run, crossover, bad: pair == Pair::Bad };
                self.evidence.take(place, stratum, pair).then_some(()).ok_or(Unheard::Repeated)
            }
        }
    }

    /// Takes what a host's trial came to: the host has taken the release, or it is `unfit here`. Later word replaces earlier, as a host
    /// can go back.
    ///
    /// # Errors
    /// It does not count.
    pub fn take_verdict(&mut self, host: &str, release: &str, fit: bool) -> Result<(), Unheard> {
        let (place, _) = self.place_of(host, release)?;
        self.end_trial(place, fit).then_some(()).ok_or(Unheard::Repeated)
    }

    /// The place and stratum of a host that has the release.
    fn place_of(&self, host: &str, release: &str) -> Result<(usize, usize), Unheard> {
        let place = self.plan.find(host).ok_or(Unheard::Stranger)?;
        let known = self.plan.terms().releases.iter().any(|known| known == release);
        if !known {
            return Err(Unheard::OtherRelease);
        }
        let done = matches!(self.standing, Some(Decision::Done { .. }));
        let stratum = self.plan.places().get(place).filter(|place| done || place.wave < self.progress.out).ok_or(Unheard::NotAssigned)?.stratum;
        Ok((place, stratum))
    }

    fn end_trial(&mut self, place: usize, fit: bool) -> bool {
        let Some(seen) = self.hosts.get_mut(place) else { return false };
        let old = seen.trial.replace(fit);
        let Progress { trials, unfit, .. } = &mut self.progress;
        match old {
            Some(true) => *trials = trials.saturating_sub(1),
            Some(false) => *unfit = unfit.saturating_sub(1),
            None => {}
        }
        *(if fit { trials } else { unfit }) += 1;
        old != Some(fit)
    }

    /// Takes what a person wants.
    pub fn wish(&mut self, wish: Wish) {
        self.progress.wish = wish;
    }

    /// Counts who was heard of, and decides; a decision is given if it is another than the last. `last_heard` gives the time of a
    /// place's last report, and something long ago for none.
    pub fn tick(&mut self, now: i64, last_heard: impl Fn(usize) -> i64) -> Option<Decision> {
        if self.has_ended() {
            return None;
        }
        self.listen(now, last_heard);
        let decision = decide(&self.plan, &self.progress, &self.evidence, now);
        (self.standing.as_ref() != Some(&decision)).then_some(decision)
    }

    /// Lets a stored decision take effect; once more does nothing. What is done can still be pulled, and what was pulled is over.
    pub fn apply(&mut self, decision: Decision, now: i64) {
        match (&self.standing, &decision) {
            (Some(Decision::Pull(_)), _) => return,
            (Some(Decision::Done { .. }), other) if !matches!(other, Decision::Pull(_)) => return,
            _ => {}
        }
        if let Decision::Advance { wave, .. } = decision {
            if wave < self.progress.out {
                return;
            }
            self.progress.out = wave.saturating_add(1);
            self.progress.since = now;
            self.listening_since = now;
            self.entering = true;
            self.count_at_risk();
        }
        self.standing = Some(decision);
    }

    fn listen(&mut self, now: i64, last_heard: impl Fn(usize) -> i64) {
        if now.saturating_sub(self.ticked_at) > self.plan.terms().interval_seconds {
            self.listening_since = now;
        }
        self.ticked_at = now;
        if self.progress.out == 0 {
            return;
        }
        let patience = self.patience();
        if core::mem::take(&mut self.entering) {
            self.enter(|place| last_heard(place).saturating_add(patience) >= now);
        }
        let (mut expected, mut heard) = (0, 0);
        for (index, (place, seen)) in self.plan.places.iter().zip(&mut self.hosts).enumerate() {
            let treated = place.wave < self.progress.out;
            if seen.presence == Presence::Absent {
                continue;
            }
            let last = last_heard(index);
            if treated {
                expected += 1;
                heard += u32::from(last.saturating_add(patience) >= now);
            }
            if seen.presence == Presence::Present && last.max(self.listening_since).saturating_add(patience) < now {
                seen.presence = Presence::Silent;
                if place.drawn
                    && let Some(silence) = self.at_risk.leave(index, place.stratum, treated)
                {
                    self.evidence.take_silence(place.stratum, silence);
                }
            }
        }
        (self.progress.expected, self.progress.heard) = (expected, heard);
    }

    /// Seconds without a word after which a host is silent: two and a half intervals.
    #[must_use]
    pub fn patience(&self) -> i64 {
        self.plan.terms().interval_seconds.saturating_mul(5) / 2
    }

    /// A wave begins: who was heard of lately is at risk, on either side; who fell silent once is not again.
    fn enter(&mut self, is_there: impl Fn(usize) -> bool) {
        for (index, seen) in self.hosts.iter_mut().enumerate() {
            if seen.presence != Presence::Silent {
                seen.presence = if is_there(index) { Presence::Present } else { Presence::Absent };
            }
        }
        self.count_at_risk();
    }

    /// What the plan and what was seen of each host say about who is at risk.
    pub(crate) fn count_at_risk(&mut self) {
        let at_risk = self.plan.places.iter().zip(&self.hosts).filter(|(place, seen)| place.drawn && seen.presence == Presence::Present);
        self.at_risk = AtRisk::count(self.plan.strata.len(), at_risk.map(|(place, _)| (place.stratum, place.wave < self.progress.out)));
    }

    /// Whether who has not taken the release may take it: not while there is doubt, and not while a person has it wait.
    #[must_use]
    pub fn may_be_taken(&self) -> bool {
        !matches!(self.standing, Some(Decision::Hold(HoldReason::Doubt(_) | HoldReason::Paused(_))))
    }

    /// How the release earns a host. While it may not be taken no trial ends in that, so that the evidence grows until it pulls the
    /// release, or fades and lets it go on.
    #[must_use]
    pub fn trial(&self) -> Trial {
        let usual = self.plan.terms().trial;
        if self.may_be_taken() { usual } else { Trial { runs: WITHHELD_RUNS, ..usual } }
    }

    /// Which stratum a host belongs to, by name.
    #[must_use]
    pub fn stratum(&self, host: &str) -> Option<&String> {
        self.plan.strata().get(self.plan.places().get(self.plan.find(host)?)?.stratum)
    }
}
