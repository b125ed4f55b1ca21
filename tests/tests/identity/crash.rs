//! Death between any two system calls of a renewal, a return and an enrolment: the host can still come in, and the next try
//! completes.

use std::process::Command;

use tests::rig::{Outcome, finish};

use crate::{Ground, member};

/// More calls than any of these runs makes.
const CALLS_MAX: usize = 300;

fn killed(ground: &Ground, arguments: &[&str], number: usize) -> Outcome {
    let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    weird.args(["--kill-at", &number.to_string(), "--"]).arg(ground.rig.client()).args(arguments);
    finish(&mut weird)
}

/// Begins anew and dies before each call in turn, until a run gets to its end.
fn at_every_call(ground: &Ground, arguments: &[&str], begin: impl Fn(), look: impl Fn(&str)) {
    for number in 1..CALLS_MAX {
        begin();
        let outcome = killed(ground, arguments, number);
        let at = format!("killed before call {number}");
        look(&at);
        if outcome.status != 137 {
            assert_eq!(outcome.status, 0, "{at}: {outcome:#?}");
            assert!(number > 60, "the run was killed nowhere");
            return;
        }
    }
    panic!("a run of more than {CALLS_MAX} calls");
}

/// What a host must be able to do after any death: authenticate with what is on its disk, and finish what was begun.
fn expect_whole(ground: &Ground, at: &str, fates: &[&str]) {
    ground.rig.forget();
    let next = ground.run();
    assert_eq!((next.status, next.outcome()), (0, "delivered"), "{at}: {next:#?}");
    let _ = std::fs::remove_file(ground.rig.path("state/state"));
    ground.rig.forget();
    let later = ground.run();
    assert_eq!(later.status, 0, "{at}: {later:#?}");
    let fate = member(&later, "identity");
    assert!(fates.contains(&fate), "{at}: {fate}");
    ground.rig.forget();
    let last = ground.run();
    assert_eq!((last.status, member(&last, "identity")), (0, "kept"), "{at}: {last:#?}");
    assert!(!ground.next_file().exists() || fate == "kept", "{at}: a key is left");
}

#[test]
fn death_between_any_two_system_calls_of_a_renewal_leaves_a_host_that_can_authenticate() {
    let ground = Ground::simple();
    let begin = || {
        ground.hold((3_600, 3_500));
        ground.rig.forget();
    };
    at_every_call(&ground, &[], begin, |at| expect_whole(&ground, at, &["renewed", "kept"]));
}

#[test]
fn death_between_any_two_system_calls_of_a_return_leaves_a_host_that_can_come_back() {
    let ground = Ground::simple();
    let begin = || {
        ground.hold((3_600, -10));
        ground.rig.forget();
    };
    at_every_call(&ground, &[], begin, |at| expect_whole(&ground, at, &["kept"]));
}

#[test]
fn death_between_any_two_system_calls_of_an_enrolment_leaves_a_host_that_can_enroll() {
    const TOKEN: &str = "an-unguessable-token-of-some-length";
    let ground = Ground::simple();
    let file = ground.rig.path("token");
    std::fs::write(&file, TOKEN).expect("the rig's folder");
    let arguments = ["enroll", "--host", "web-1", "--token-file", file.to_str().expect("a plain path")];
    let begin = || {
        let _ = std::fs::remove_file(ground.identity_file());
        let _ = std::fs::remove_file(ground.next_file());
        ground.peer.script().tokens = vec![(TOKEN.to_owned(), None)];
    };
    at_every_call(&ground, &arguments, begin, |at| {
        let again = ground.rig.run(&arguments);
        let enrolled = again.status == 0 || again.code() == "enroll.already-enrolled";
        assert!(enrolled, "{at}: {again:#?}");
        expect_whole(&ground, at, &["kept"]);
    });
}
