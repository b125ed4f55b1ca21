//! What a supervisor reads of a trial, its own record and what a candidate has staged; and what hosts report.
#![no_main]

use host::{outbox::Outbox, state, trial::Trial};
use libfuzzer_sys::fuzz_target;
use protocol::event::Report;

fuzz_target!(|bytes: &[u8]| {
    let body = state::open(bytes).unwrap_or(bytes);
    if let Some(held) = state::held_from_json(body) {
        let _ = host::accept::accept(held.answer.to_json().as_bytes(), &held.answer.credential, &held.answer.subject, None);
    }
    if let Some(mut trial) = Trial::from_json(body) {
        assert!(Trial::from_json(trial.to_json().as_bytes()).as_ref() == Some(&trial));
        let _ = (trial.begin(0), trial.verdict(i64::MAX));
    }
    if let Some(outbox) = Outbox::from_json(body) {
        assert!(Outbox::from_json(outbox.to_json().as_bytes()) == Some(outbox));
    }
    if let Some(report) = Report::from_json(body, "a") {
        assert!(Report::from_json(report.to_json().as_bytes(), "a") == Some(report));
    }
});
