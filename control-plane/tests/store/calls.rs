//! `pinnaced` killed before each call by which a rollout's start and its decisions become durable: what was answered is on record, and
//! the next process goes on from there.

use crate::{
    fleet::{Fleet, chain, tried},
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    rollouts::ground,
};
use rollout::decision::Decision;
use serde_json::json;
use std::{
    process::Command,
    time::{Duration, Instant},
};

/// More calls than a start and two decisions take.
const CALLS_MAX: usize = 400;
const GENERATION_MAX: i64 = 405;
/// How long a rollout may take from its start to its second decision.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under strace, which kills it before one of these calls; with a file, only calls on that file count.
fn traced(calls: &str, file: Option<&str>, number: usize) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={number}")]);
    if let Some(file) = file {
        strace.args(["-P", file]);
    }
    strace.arg(env!("CARGO_BIN_EXE_pinnaced"));
    strace
}

/// When a process died.
#[derive(PartialEq, Eq)]
enum Died {
    BeforeTheAnswer,
    AfterTheAnswer,
    Never,
}

/// Starts a rollout under a process that dies before its call of that number.
fn dies(domain: &Domain, generation: i64, (calls, file): (&str, Option<&str>), number: usize) -> Died {
    let mut answered = false;
    if let Some(mut server) = Server::try_start_as(traced(calls, file, number), domain) {
        let asked = json!({"generation": generation, "reason": "a test"});
        let end = Instant::now() + PATIENCE;
        let mut is_alive = true;
        while is_alive && !answered && Instant::now() < end {
            answered = tried(&server, domain, "rollout/start", Some(&asked)).status == 200;
            is_alive = server.child.try_wait().unwrap().is_none();
        }
        while is_alive && Instant::now() < end {
            let told = tried(&server, domain, "rollout", None);
            is_alive = server.child.try_wait().unwrap().is_none();
            if told.status == 200 && told.body.contains("hold: watching") {
                break;
            }
        }
        if is_alive {
            assert!(answered, "call {number}: it lives, and the rollout never started");
            return Died::Never;
        }
    }
    let server = Server::start(domain);
    let told = tried(&server, domain, "rollout", None);
    assert_eq!(told.status, 200);
    let started = told.body.contains(&format!("\"generation\":{generation},\"channel\""));
    assert!(started || !answered, "call {number}: an answered start is lost: {told:?}");
    if started {
        // However far it came, the first decision is there once, and the next follows from it.
        eventually("the next process goes on", || chain(&server, domain).len() >= 2);
        assert!(matches!(chain(&server, domain).first().unwrap().decision, Decision::Advance { wave: 0, .. }), "call {number}");
        assert_eq!(tried(&server, domain, "rollout/pull", Some(&json!({"reason": "the next"}))).status, 200);
        eventually("it is pulled", || matches!(chain(&server, domain).last().unwrap().decision, Decision::Pull(_)));
    }
    if answered { Died::AfterTheAnswer } else { Died::BeforeTheAnswer }
}

/// Every call in turn, each for a rollout of its own, until a process lives on.
fn at_every_call(domain: &Domain, what: (&str, Option<&str>)) {
    let mut after = 0;
    for (number, generation) in (1..CALLS_MAX).zip(6..=GENERATION_MAX) {
        match dies(domain, generation, what, number) {
            Died::Never => {
                assert!(after > 5, "only {after} of {number} deaths came after the start was answered");
                return;
            }
            Died::AfterTheAnswer => after += 1,
            Died::BeforeTheAnswer => (),
        }
    }
    panic!("more than {CALLS_MAX} calls");
}

#[test]
fn death_before_any_call_that_writes_a_decision_into_the_file_loses_and_doubles_none() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=GENERATION_MAX);
    {
        let server = Server::start(&domain);
        Fleet::new(&domain, &server, 4, 0);
        eventually("releases are vouched for", || {
            tried(&server, &domain, "rollout/start", Some(&json!({"generation": 6, "reason": "a test", "dry_run": true}))).status == 200
        });
    }
    let log = domain.path("pinnaced.db-wal");
    at_every_call(&domain, ("pwrite64,fdatasync", Some(log.to_str().unwrap())));
}

#[test]
fn death_before_any_call_that_sends_a_decision_to_the_server_loses_and_doubles_none() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    ground(&domain, 1, 1, 5..=GENERATION_MAX);
    {
        let server = Server::start(&domain);
        Fleet::new(&domain, &server, 4, 0);
        eventually("releases are vouched for", || {
            tried(&server, &domain, "rollout/start", Some(&json!({"generation": 6, "reason": "a test", "dry_run": true}))).status == 200
        });
    }
    at_every_call(&domain, ("sendto", None));
}
