//! One run: read, due?, fetch, validate, deliver, remember, renew the identity, go on with a trial, report, update, exit.

use crate::{
    cli::Typed,
    deliver,
    failure::Failure,
    fetch::{Fetch, Wanted},
    identity::{self, Identity, Shown},
    log::{End, Log},
    net::{session::Session, way::Way},
    outcome::{Outcome, end, ended, event, nothing},
    report, site,
    state::State,
    sys::start,
    textfile,
    trial::{self, Results, Supervisor},
    update,
};
use host::due::{self, Due, Held};
use host::state::Memory;
use protocol::{
    event::Event,
    phases::Phase,
    reason::Reason,
    site::{Credential, Kind, Site},
};
use std::{
    ffi::OsString,
    mem::{self, ManuallyDrop},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The command `run`; gives the exit status.
pub(crate) fn run(typed: &Typed, arguments: &[OsString], factory: bool) -> u8 {
    let started = Instant::now();
    match site::load(typed.host_file.as_deref(), typed.state_dir.as_deref()) {
        Ok(mut site) => {
            if site.update_root.is_some() && typed.generation.is_none() && !factory {
                update::hand_over(&site.state_dir, arguments);
            }
            if typed.attempt {
                trial::redirect(&mut site);
            }
            let stdout = site.credentials.iter().flat_map(|credential| &credential.deliveries).any(|delivery| delivery.kind == Kind::Stdout);
            start::watchdog(site.deadline_seconds.saturating_add(2));
            let log = Log::new(stdout);
            let generation = update::generation_of(typed.generation.as_deref());
            let mut run = Run { site: &site, typed, started, log, generation, memory: Memory::default(), outcome: nothing() };
            // The kernel closes and unlocks the state as the process ends.
            run.go(&mut ManuallyDrop::new(State::open(&site.state_dir)));
            log.end(run.end())
        }
        Err(failure) => Log::new(false).end(end(started, &ended(failure), 0)),
    }
}

/// This host's own clock, in seconds; before 1970 it says 0.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// A run and what it has come to.
struct Run<'a> {
    site: &'a Site,
    typed: &'a Typed,
    started: Instant,
    log: Log,
    generation: i64,
    memory: Memory,
    outcome: Outcome,
}

/// The identity that was shown, and what it was shown for.
struct Fetched<'a> {
    shown: Shown,
    wanted: Vec<Wanted<'a>>,
    supervisor: Option<Supervisor>,
}

impl<'a> Run<'a> {
    fn go(&mut self, state: &mut State) {
        if let Err(failure) = state.lock() {
            self.outcome = ended(failure);
            return;
        }
        self.memory = state.memory();
        let fetched = match state.identity().and_then(|pem| Identity::parse(&pem)) {
            Ok(identity) => self.fetch_what_is_due(identity, state),
            Err(failure) => Err(failure),
        };
        let fetched = fetched.map_err(|failure| self.outcome = ended(failure)).ok();
        let with_facts = self.memory.wants_facts(self.generation, now());
        let facts_at = self.memory.facts_at;
        if with_facts {
            self.memory.facts_at = now();
        }
        self.remember();
        match fetched {
            Some(Fetched { shown, wanted, supervisor }) if !self.typed.attempt => {
                let id = shown.identity.id.clone();
                let trial = supervisor.map(|supervisor| (supervisor, shown.identity.again()));
                let session = self.keep_identity(shown, state);
                self.log.settle(self.end());
                self.afterwards(Afterwards { id, session, wanted, trial, facts_at: with_facts.then_some(facts_at) }, state);
            }
            Some(_) => state.save_memory(&self.memory),
            None => {
                self.memory.facts_at = facts_at;
                state.save_memory(&self.memory);
                self.log.settle(self.end());
                report::keep(state, self.event());
            }
        }
        if !self.typed.attempt {
            textfile::write(self.site, &self.memory, state);
        }
        state.warnings.iter().for_each(|warning| self.log.warning(warning));
    }

    fn remember(&mut self) {
        let memory = &mut self.memory;
        memory.last_run_at = now();
        memory.last_generation = self.generation;
        memory.last_code = self.outcome.failure.as_ref().map_or(Reason::Ok, |failure| failure.reason).code().to_owned();
        if self.outcome.failure.is_none() {
            (memory.last_success_at, memory.last_success_generation) = (memory.last_run_at, self.generation);
        }
    }

    fn end(&self) -> End<'_> {
        end(self.started, &self.outcome, self.generation)
    }

    fn event(&self) -> Event {
        event(self.started, &self.outcome, self.generation)
    }

    fn deadline(&self) -> Instant {
        self.started + self.span()
    }

    fn span(&self) -> Duration {
        Duration::from_secs(self.site.deadline_seconds.into())
    }

    /// The last step of what a run is for: how it ended is settled before, and the state says that a renewal was tried before it is
    /// tried. Gives the connection back if it was not needed.
    fn keep_identity(&mut self, shown: Shown, state: &mut State) -> Option<Session> {
        let due = identity::is_due(&shown, &self.memory, self.deadline());
        self.outcome.identity = Some(if shown.came_back { "recovered" } else { "kept" }.to_owned());
        if due {
            self.memory.renewal_tried_at = now();
        }
        if due || self.outcome.word != "fresh" || self.outcome.attempts > 0 {
            state.save_memory(&self.memory);
        }
        if !due {
            return shown.session;
        }
        self.outcome.identity = Some(format!("failed: {}", Reason::Deadline.code()));
        self.log.settle(self.end());
        let mut way = Way::new(self.site, &shown.identity.id, &mut self.memory, self.started);
        self.outcome.identity = Some(match identity::renew(shown, &mut way, state) {
            Ok(()) => "renewed".to_owned(),
            Err(failure) => {
                self.log.warning(&failure);
                format!("failed: {}", failure.reason.code())
            }
        });
        None
    }

    fn fetch_what_is_due(&mut self, identity: Identity, state: &mut State) -> Result<Fetched<'a>, Failure> {
        self.outcome.word = "fresh";
        let wanted = self.wanted(&identity, state);
        if wanted.is_empty() {
            return Ok(Fetched { shown: Shown { identity, session: None, came_back: false }, wanted, supervisor: None });
        }
        if wanted.iter().any(|wanted| !wanted.is_fresh) {
            self.outcome.word = "delivered";
        }
        if !start::entropy_by(self.deadline()) {
            return Err(Failure::new(Reason::NoEntropy, "neither getrandom nor /dev/urandom gives any"));
        }
        let mut supervisor = self.supervisor(&wanted, &identity, state);
        let all: Vec<&Wanted<'_>> = wanted.iter().collect();
        let (site, begun) = (self.site, supervisor.is_none().then_some(self.started));
        let mut fetch = Fetch::new(state, identity, self.memory.clock_skew, !self.typed.attempt);
        let (memory, outcome) = (&mut self.memory, &mut self.outcome);
        let mut current = |open: &[&Wanted<'_>]| {
            let mut way = Way::new(site, &fetch.identity.id.clone(), memory, begun.unwrap_or_else(Instant::now));
            let results = fetch.all(&mut way, open);
            (outcome.attempts, outcome.endpoint) = (outcome.attempts + way.attempts, way.endpoint);
            outcome.spent.take(way.spent);
            (results, fetch.came_back)
        };
        let results = match &mut supervisor {
            Some(supervisor) => supervisor.fetch(&all, &mut current),
            None => current(&all).0,
        };
        let Fetch { identity, session, came_back, skew, .. } = fetch;
        (self.outcome.skew, self.memory.clock_skew) = (skew, skew);
        // Whatever came of it: a control plane that is away is not asked on every run.
        self.memory.checked_at = now();
        self.hand_over_all(&wanted, results, &identity.id, state);
        Ok(Fetched { shown: Shown { identity, session, came_back }, wanted, supervisor })
    }

    /// What is to be asked for. What is fresh and not in place is handed over on the way.
    fn wanted(&mut self, identity: &Identity, state: &mut State) -> Vec<Wanted<'a>> {
        let mut wanted = Vec::new();
        for credential in &self.site.credentials {
            let held = state.held(&credential.name);
            match (due::due(held.as_ref(), &identity.id, now()), held) {
                (Due::In(wait), Some(held)) => {
                    self.outcome.next_seconds = self.outcome.next_seconds.min(wait);
                    let missing = !deliver::in_place(self.site, credential, &held.answer) || self.memory.pending.contains(&credential.name);
                    if missing {
                        self.outcome.word = "delivered";
                    }
                    // An agent that was started again has forgotten what it was told, so its socket is served on every run.
                    self.hand_over(credential, &held, &|kind| missing || matches!(kind, Kind::Socket { .. }));
                    if due::is_check_due(&held, self.memory.checked_at, now()) {
                        wanted.push(Wanted { credential, held: Some(held), is_fresh: true, is_dry: false });
                    }
                }
                (_, held) => wanted.push(Wanted { credential, held, is_fresh: false, is_dry: false }),
            }
        }
        wanted
    }

    /// Whoever watches a trial in this run: there must be one, and something to do in it.
    fn supervisor(&self, wanted: &[Wanted<'_>], identity: &Identity, state: &mut State) -> Option<Supervisor> {
        let is_job = !self.typed.attempt && wanted.iter().any(|wanted| !wanted.is_fresh);
        let supervisor = is_job.then(|| Supervisor::enter(self.site, state, &identity.id, self.typed.host_file.as_deref())).flatten();
        if supervisor.is_some() {
            trial::watch(self.site);
        }
        supervisor
    }

    fn hand_over_all(&mut self, wanted: &[Wanted<'_>], results: Results, id: &str, state: &mut State) {
        for (wanted, result) in wanted.iter().zip(results) {
            match result {
                Ok(answer) if wanted.is_fresh && wanted.has(&answer) => {}
                Ok(answer) => {
                    self.outcome.word = "delivered";
                    let held = Held { answer, received_at: now() };
                    self.outcome.next_seconds = self.outcome.next_seconds.min(due::next_fetch_after(&held.answer, id));
                    self.hand_over(wanted.credential, &held, &|_| true);
                    state.save_held(&held);
                }
                Err(failure) if wanted.is_fresh => state.warnings.push(failure),
                Err(failure) => {
                    self.outcome.failure.get_or_insert(failure);
                }
            }
        }
    }

    fn hand_over(&mut self, credential: &Credential, held: &Held, to: &dyn Fn(&Kind) -> bool) {
        // A run under a trial may be past its own deadline; a delivery has its time all the same.
        let until = self.deadline().max(Instant::now() + self.span() / 4);
        let pending = &mut self.memory.pending;
        pending.retain(|name| *name != credential.name);
        for delivery in credential.deliveries.iter().filter(|delivery| to(&delivery.kind)) {
            let begun = Instant::now();
            let delivered = deliver::deliver(self.site, delivery, &held.answer, until);
            self.outcome.spent.since(begun, Phase::Deliver);
            if let Err(failure) = delivered {
                if !pending.contains(&credential.name) {
                    pending.push(credential.name.clone());
                }
                self.outcome.failure.get_or_insert(failure);
            }
        }
    }
}

/// What is left once the outcome is settled.
struct Afterwards<'a> {
    id: String,
    session: Option<Session>,
    wanted: Vec<Wanted<'a>>,
    /// Who watches a trial, and the identity that it goes on with.
    trial: Option<(Supervisor, Identity)>,
    /// When the control plane was last told what this host is, where it is to be told now.
    facts_at: Option<i64>,
}

impl Run<'_> {
    /// Nothing in here changes what the run has come to.
    fn afterwards(&mut self, left: Afterwards<'_>, state: &mut State) {
        let Afterwards { id, mut session, wanted, trial, facts_at } = left;
        let mut event = self.event();
        if let Some((mut supervisor, identity)) = trial {
            let identity = self.go_on_with_trial(&mut supervisor, identity, &wanted, state);
            if session.is_none() && self.outcome.failure.is_none() {
                session = Way::new(self.site, &id, &mut self.memory, Instant::now()).connect_once(Some(&identity)).ok();
            }
            supervisor.tell(&mut event);
        }
        let until = self.deadline().max(Instant::now() + self.span() / 2);
        let Some(mut session) = session.filter(|_| !self.is_sent_away()) else {
            if event.outcome != "fresh" {
                report::keep(state, event);
            }
            if let Some(before) = facts_at {
                self.memory.facts_at = before;
                state.save_memory(&self.memory);
            }
            return;
        };
        session.until(until);
        let told = report::tell(state, &mut session, event, facts_at.is_some());
        if let Some(before) = facts_at.filter(|_| !told) {
            self.memory.facts_at = before;
            state.save_memory(&self.memory);
        }
        self.outcome.update = update::step(self.site, state, &mut session, self.generation, until);
        let is_said = |word: &String| !matches!(word.as_str(), "current" | "pinned");
        if let Some(word) = self.outcome.update.clone().filter(is_said) {
            let code = word.strip_prefix("failed: ").unwrap_or("ok").to_owned();
            let event = Event { outcome: "update".to_owned(), code, update: word, identity: String::new(), ..self.event() };
            report::tell(state, &mut session, event, false);
        }
        mem::forget(session);
    }

    /// Whether the control plane wants fewer requests: then it is asked nothing more.
    fn is_sent_away(&self) -> bool {
        let reason = self.outcome.failure.as_ref().map(|failure| failure.reason);
        matches!(reason, Some(Reason::HttpThrottled | Reason::HttpUnavailable))
    }

    /// Repeats after a bad pair, the rehearsal, and what follows from all of it.
    fn go_on_with_trial(&mut self, supervisor: &mut Supervisor, identity: Identity, wanted: &[Wanted<'_>], state: &mut State) -> Identity {
        trial::watch(self.site);
        supervisor.checkpoint(state);
        let jobs: Vec<&Wanted<'_>> = wanted.iter().filter(|wanted| !wanted.is_fresh).collect();
        let (site, until) = (self.site, Instant::now() + self.span());
        let mut fetch = Fetch::new(state, identity, self.memory.clock_skew, false);
        supervisor.repeat(&jobs, until, &mut |open| {
            let mut way = Way::new(site, &fetch.identity.id.clone(), &mut self.memory, Instant::now());
            (fetch.all(&mut way, open), false)
        });
        let identity = fetch.identity;
        if supervisor.wants_rehearsal() {
            supervisor.rehearse(state, &mut |folder, candidate| trial::replace(site, folder, candidate));
        }
        supervisor.leave(state);
        identity
    }
}
