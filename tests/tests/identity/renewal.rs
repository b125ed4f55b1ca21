//! Staying in, and coming back.

use std::process::{Command, Stdio};
use std::time::Duration;

use tests::rig::{check, finish};

use crate::{Ground, member};

/// Begun an hour ago, to end in as much again and a little more: not yet half over.
const FIRST_HALF: (i64, i64) = (3_600, 3_700);
const PAST_HALF: (i64, i64) = (3_600, 3_500);
const PAST_THREE_QUARTERS: (i64, i64) = (3_600, 1_100);
const ENDED: (i64, i64) = (3_600, -10);

#[test]
fn past_half_of_its_life_a_certificate_is_renewed_on_the_runs_own_connection() {
    let ground = Ground::simple();
    ground.hold(FIRST_HALF);
    let young = ground.run();
    young.expect_delivered();
    assert_eq!(member(&young, "identity"), "kept");
    assert_eq!(ground.peer.asked(), ["GET /v1/credentials/db"]);

    ground.hold(PAST_HALF);
    ground.rig.forget();
    let before = ground.identity();
    let old = ground.run();
    old.expect_delivered();
    assert_eq!(member(&old, "identity"), "renewed", "{old:#?}");
    assert_eq!(ground.peer.asked(), ["GET /v1/credentials/db", "POST /v1/identity/renew"]);
    assert!(ground.identity() != before && !ground.next_file().exists());
    assert_ne!(ground.identity().lines().nth(1), before.lines().nth(1), "with a fresh key");

    ground.rig.forget();
    let next = ground.run();
    next.expect_delivered();
    assert_eq!(member(&next, "identity"), "kept");
}

#[test]
fn a_fresh_credential_lets_a_renewal_wait_until_three_quarters() {
    let ground = Ground::simple();
    ground.run().expect_delivered();
    ground.hold(PAST_HALF);
    ground.peer.asked();
    let fresh = ground.run();
    assert_eq!((fresh.outcome(), member(&fresh, "identity")), ("fresh", "kept"));
    assert_eq!(ground.peer.asked(), [""; 0], "it costs no network");

    ground.hold(PAST_THREE_QUARTERS);
    let fresh = ground.run();
    assert_eq!((fresh.status, fresh.outcome(), member(&fresh, "identity")), (0, "fresh", "renewed"), "{fresh:#?}");
    assert_eq!(ground.peer.asked(), ["POST /v1/identity/renew"]);
}

#[test]
fn a_renewal_that_fails_changes_nothing_and_is_not_tried_again_for_an_hour() {
    let ground = Ground::simple();
    ground.hold(PAST_THREE_QUARTERS);
    let before = ground.identity();
    ground.peer.script().other_key = true;
    let failed = ground.run();
    failed.expect_delivered();
    assert_eq!(member(&failed, "identity"), "failed: credential.wrong-key");
    assert!(failed.stdout.contains("\"event\":\"warning\",\"code\":\"credential.wrong-key\""), "{failed:#?}");
    assert_eq!(ground.identity(), before);
    let prepared = std::fs::read(ground.next_file()).expect("a key that is kept for the next try");

    ground.peer.script().other_key = false;
    for _ in 0..3 {
        ground.rig.forget();
        let next = ground.run();
        next.expect_delivered();
        assert_eq!(member(&next, "identity"), "kept");
    }
    assert_eq!(ground.peer.asked().iter().filter(|asked| asked.starts_with("POST")).count(), 1);

    let an_hour_later = format!("{}", 3_700);
    let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    std::fs::remove_file(ground.rig.path("state/credential-db")).expect("a credential");
    weird.args(["--clock-offset", &an_hour_later, "--"]).arg(ground.rig.client());
    let later = finish(&mut weird);
    later.expect_delivered();
    assert_eq!(member(&later, "identity"), "renewed", "{later:#?}");
    assert!(ground.identity().as_bytes().starts_with(&prepared));
}

#[test]
fn a_control_plane_that_is_away_costs_a_renewal_and_nothing_else() {
    let ground = Ground::simple();
    ground.run().expect_delivered();
    ground.hold(PAST_THREE_QUARTERS);
    ground.peer.script().answers_lost = 9;
    let fresh = ground.run();
    assert_eq!((fresh.status, fresh.outcome(), member(&fresh, "identity")), (0, "fresh", "failed: http.closed"), "{fresh:#?}");
}

#[test]
fn an_issuer_that_is_down_does_not_cost_the_host_its_identity() {
    let ground = Ground::simple();
    ground.hold(PAST_HALF);
    ground.peer.script().issuer_is_down = true;
    let failed = ground.run();
    failed.expect_reason("http.unavailable");
    assert_eq!(member(&failed, "identity"), "renewed", "{failed:#?}");
}

#[test]
fn a_renewal_that_stands_still_leaves_the_runs_outcome_even_to_the_watchdog() {
    let ground = Ground::simple();
    ground.peer.script().silent = Some("/v1/identity/renew");
    ground.hold(PAST_HALF);
    let slow = ground.run();
    slow.expect_delivered();
    assert_eq!(member(&slow, "identity"), "failed: http.timeout");

    ground.hold(PAST_HALF);
    ground.rig.forget();
    ground.peer.asked();
    let child = Command::new(ground.rig.client()).stdout(Stdio::piped()).spawn().expect("pinnace starts");
    while !ground.peer.script().asked.iter().any(|asked| asked.ends_with("/renew")) {
        std::thread::sleep(Duration::from_millis(1));
    }
    check(Command::new("/bin/sh").args(["-c", "kill -ALRM $1", "sh"]).arg(child.id().to_string()));
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let event: serde_json::Value = serde_json::from_str(said.trim_end()).expect("one line of JSON");
    assert_eq!((event["outcome"].as_str(), event["identity"].as_str()), (Some("delivered"), Some("failed: run.deadline")));
}

/// wazuh #38440: a skewed clock, a 401, and enrolment without end.
#[test]
fn a_clock_triggers_neither_enrolment_nor_renewal() {
    let ground = Ground::simple();
    for clock in ["10", "1000000000", "2114380800"] {
        ground.hold(FIRST_HALF);
        ground.rig.forget();
        let before = ground.identity();
        ground.peer.asked();
        let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
        weird.args(["--clock", clock, "--"]).arg(ground.rig.client());
        let outcome = finish(&mut weird);
        outcome.expect_delivered();
        assert_eq!(member(&outcome, "identity"), "kept", "at {clock}: {outcome:#?}");
        assert_eq!(ground.identity(), before, "at {clock}");
        assert!(!ground.peer.asked().iter().any(|asked| asked.starts_with("POST")), "at {clock}");
    }
}

#[test]
fn a_certificate_past_half_is_renewed_however_wrong_the_clock() {
    let ground = Ground::simple();
    ground.hold(PAST_HALF);
    let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    weird.args(["--clock", "1000000000", "--"]).arg(ground.rig.client());
    let outcome = finish(&mut weird);
    outcome.expect_delivered();
    assert_eq!(member(&outcome, "identity"), "renewed", "{outcome:#?}");
}

#[test]
fn a_host_that_was_off_too_long_comes_back_in_the_same_run_without_a_person() {
    let ground = Ground::simple();
    for hangs_up in [false, true] {
        ground.hold(ENDED);
        ground.rig.forget();
        ground.peer.asked();
        ground.peer.script().hangs_up = hangs_up;
        let back = ground.run();
        back.expect_delivered();
        assert_eq!(member(&back, "identity"), "recovered");
        assert_eq!(ground.peer.asked(), ["GET /v1/credentials/db", "POST /v1/identity/recover", "GET /v1/credentials/db"]);
        assert!(!ground.next_file().exists());
        ground.rig.forget();
        let next = ground.run();
        assert_eq!((next.status, member(&next, "identity")), (0, "kept"));
    }
}

#[test]
fn a_host_of_another_authority_comes_back_too() {
    let ground = Ground::simple();
    let other = Ground::simple();
    std::fs::copy(other.identity_file(), ground.identity_file()).expect("the state directory");
    let back = ground.run();
    back.expect_delivered();
    assert_eq!(member(&back, "identity"), "recovered");
}

#[test]
fn a_return_that_waits_or_is_refused_leaves_the_credential_untouched() {
    let ground = Ground::simple();
    ground.run().expect_delivered();
    let delivered = ground.rig.delivered();
    for code in ["recovery.waiting", "recovery.refused"] {
        ground.hold(ENDED);
        ground.rig.forget();
        ground.peer.asked();
        ground.peer.script().return_refused = Some(code);
        ground.run().expect_reason(code);
        assert_eq!(ground.peer.asked(), ["GET /v1/credentials/db", "POST /v1/identity/recover"], "asked once a run");
        assert_eq!(ground.rig.delivered(), delivered);
    }
    let prepared = std::fs::read(ground.next_file()).expect("the key that waits");
    ground.peer.script().return_refused = None;
    ground.run().expect_delivered();
    assert!(ground.identity().as_bytes().starts_with(&prepared));
}

#[test]
fn a_host_that_was_put_out_says_so_and_keeps_what_it_has() {
    let ground = Ground::simple();
    ground.run().expect_delivered();
    let (delivered, identity) = (ground.rig.delivered(), ground.identity());
    for code in ["identity.banned", "identity.quarantined", "identity.evicted"] {
        ground.rig.forget();
        ground.peer.script().refused = Some(code);
        let out = ground.run();
        out.expect_reason("identity.refused");
        assert!(member(&out, "because").contains(code), "{out:#?}");
        assert_eq!((ground.rig.delivered(), ground.identity()), (delivered.clone(), identity.clone()));
    }
}

#[test]
fn whoami_status_and_doctor_show_the_identity() {
    let ground = Ground::simple();
    let whoami = ground.rig.run(&["whoami"]);
    assert_eq!(whoami.status, 0, "{whoami:#?}");
    assert!(whoami.stdout.starts_with("spiffe://example.org/host/web-1 is active\n") && whoami.stdout.contains("\nlabel role = web[31m\n"));
    let whoami = ground.rig.run(&["whoami", "--json"]);
    assert_eq!(member(&whoami, "status"), "active");

    std::fs::write(ground.next_file(), "x").expect("the state directory");
    let status = ground.rig.run(&["status", "--json"]);
    let number = |name: &str| status.last_event.get(name).and_then(|value| value.as_i64()).unwrap_or(0);
    assert_eq!(number("certificate_expires_at") - number("renewal_due_at"), 1_800, "{status:#?}");
    assert_eq!(status.last_event.get("next_key_pending").and_then(|value| value.as_bool()), Some(true));
    for command in ["status", "doctor"] {
        let text = ground.rig.run(&[command]).stdout;
        assert!(text.contains("certificate ends 2") && text.contains("renewal is due 2") && text.contains("a next key is pending"), "{text}");
    }
    ground.hold(ENDED);
    let whoami = ground.rig.run(&["whoami"]);
    assert_eq!(whoami.reason().map(|reason| reason.code()), Some("identity.expired"), "{whoami:#?}");
}
