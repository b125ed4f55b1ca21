//! The rescue: after a run that failed, whoever was in charge before does the job. Twice in a row, and the release that failed is
//! left for good.

use crate::{
    cli::Typed,
    deliver::nowhere,
    failure::Failure,
    log, report,
    run::{self, now},
    site,
    state::State,
    sys::process::{Child, Ended},
    update::{self, Generations, generation_of, program_of},
};
use host::update::parse_folder;
use protocol::{
    event::Event,
    reason::{Fault, Reason},
    site::Site,
};
use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

/// The command `rescue`; gives the exit status.
pub(crate) fn rescue(typed: &Typed, arguments: &[OsString]) -> u8 {
    let Ok(site) = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref()) else { return run::run(typed, arguments, true) };
    let Some(failed) = update::current(&site.state_dir) else {
        let memory = State::open(&site.state_dir).memory();
        return match memory.needs_no_rescue(now()) {
            Some(reason) => log::print(&format!("no rescue: the package's own copy was that run, and says {}\n", reason.code())),
            None => run::run(typed, arguments, true),
        };
    };
    let before = update::previous(&site.state_dir).filter(|before| *before != failed);
    let succeeded_at = succeeded_at(&site, &failed);
    let exit = match &before {
        Some(before) => run_by(&site, typed, before),
        None => run::run(typed, arguments, true),
    };
    if exit == 0 {
        let mut state = State::open(&site.state_dir);
        // A run in this process still holds the state.
        if before.is_none() || state.lock().is_ok() {
            count(&mut state, &failed, succeeded_at);
        }
        return exit;
    }
    // Where the network or the control plane is at fault, a third try would only be one more for an outage's end to bear.
    let reason = Reason::from_exit(exit);
    let elsewhere = reason.is_some_and(|reason| matches!(reason.fault(), Fault::Network | Fault::ControlPlane));
    if before.is_some() && !elsewhere { run::run(typed, arguments, true) } else { exit }
}

/// When the generation that failed last succeeded, as far as this host remembers.
fn succeeded_at(site: &Site, failed: &str) -> Option<i64> {
    let memory = State::open(&site.state_dir).memory();
    (memory.last_success_generation == generation_of(Some(failed))).then_some(memory.last_success_at)
}

/// A whole run by the generation before; gives its exit status.
fn run_by(site: &Site, typed: &Typed, before: &str) -> u8 {
    let options = [("--state-dir", &typed.state_dir), ("--host-file", &typed.host_file)];
    let mut argv = vec![program_of(&site.state_dir, before), "run".to_owned(), "--generation".to_owned(), before.to_owned()];
    argv.extend(options.into_iter().filter_map(|(option, value)| Some([option.to_owned(), value.clone()?])).flatten());
    let span = Duration::from_secs(site.deadline_seconds.saturating_mul(4).into());
    let ended = nowhere().and_then(|silence| Child::start(&argv, &silence, &std::io::stdout())).and_then(|child| child.end_by(Instant::now() + span));
    match ended {
        Ok(Some(Ended::Status(status))) => u8::try_from(status).unwrap_or(Reason::Internal.exit()),
        _ => Reason::TrialCrashed.exit(),
    }
}

/// Counts a rescue that succeeded; after two in a row the generation that failed is denied and left.
fn count(state: &mut State, failed: &str, succeeded_at: Option<i64>) {
    let mut probation = state.probation();
    let returns = probation.rescued(failed, succeeded_at, now());
    state.save_probation(&probation);
    let Some((_, hash)) = parse_folder(failed).filter(|_| returns) else { return };
    update::deny(state, hash);
    let left = Generations::open(state).and_then(|generations| generations.back());
    let code = left.map_or_else(|failure: Failure| failure.reason, |_| Reason::RescueSwapped);
    report::keep(
        state,
        Event {
            at: now(),
            code: Reason::Ok.code().to_owned(),
            outcome: "rescued".to_owned(),
            generation: generation_of(Some(failed)),
            verdict: code.code().to_owned(),
            verdict_on: hash.to_owned(),
            ..Event::default()
        },
    );
}
