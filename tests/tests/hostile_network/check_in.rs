//! What comes when a host whose credential is fresh asks whether it should fetch: a good answer is taken, and nothing else leaves a
//! trace.

use std::time::Duration;

use tests::evil::answer::{delivered, good, http, ok};
use tests::evil::ground::Ground;
use tests::evil::peer::{Peer, Script, script};
use tests::evil::rows;

use protocol::answer::Answer;

type Row = (&'static str, fn(&Ground) -> Script);

/// A good answer that is not due for long, and asks to be asked about after a second.
fn fresh() -> Answer {
    Answer { fetch_after: 3_000, check_after: Some(1), ..good(-10) }
}

/// A host that holds it, and whose next run asks this peer.
fn asking(script: impl Fn(&Ground) -> Script) -> (Ground, Peer, Vec<u8>) {
    let ground = Ground::new();
    let first = Peer::start(&ground.saying(&ok(&fresh().to_json())));
    ground.stamp("localhost", first.port);
    ground.rig.run(&[]).expect_delivered();
    let held = std::fs::read(ground.rig.target()).expect("a delivery");
    let peer = Peer::start(&script(&ground));
    ground.stamp("localhost", peer.port);
    std::thread::sleep(Duration::from_millis(1_100));
    (ground, peer, held)
}

#[test]
fn whatever_comes_the_fresh_credential_stays_and_the_run_is_a_success() {
    let rows: [Row; 10] = [
        ("still good", |ground| ground.saying(&http("304 Not Modified", "", ""))),
        ("nothing", |ground| ground.saying(&ok(""))),
        ("no credential", |ground| ground.saying(&ok("{}"))),
        ("a page", |ground| ground.saying(&ok("<html>"))),
        ("one that is older", |ground| ground.saying(&ok(&good(-3_000).to_json()))),
        ("one that is over", |ground| ground.saying(&ok(&Answer { expires_in: 0, ..good(0) }.to_json()))),
        ("a refusal", |ground| ground.saying(&http("403 No", "", "{\"code\":\"policy.denied\"}"))),
        ("come again", |ground| ground.saying(&http("503 Later", "Retry-After: 1\r\n", "{}"))),
        ("an end", |_| script(|_| Ok(()))),
        ("silence", |_| {
            script(|call| {
                call.hold();
                Ok(())
            })
        }),
    ];
    rows::check(&rows, |script| {
        let (ground, peer, held) = asking(script);
        let outcome = ground.rig.run(&[]);
        assert_eq!((outcome.status, outcome.last_event.get("outcome").and_then(|word| word.as_str())), (0, Some("fresh")), "{outcome:#?}");
        assert!(peer.connections() > 0, "it asked: {outcome:#?}");
        assert_eq!(std::fs::read(ground.rig.target()).expect("a delivery"), held);
    });
}

#[test]
fn a_new_credential_is_taken_and_the_question_says_which_one_is_held() {
    let (ground, peer, held) = asking(|ground| ground.saying(&delivered()));
    ground.rig.run(&[]).expect_delivered();
    assert_ne!(std::fs::read(ground.rig.target()).expect("a delivery"), held);
    let heads = peer.heads();
    assert!(heads.iter().any(|head| head.contains("Pinnace-Issued: 1")), "{heads:?}");
}

/// A 304 answers nobody who did not ask whether there is something new.
#[test]
fn a_304_to_a_host_that_needs_a_credential_is_no_answer() {
    let ground = Ground::new();
    let peer = Peer::start(&ground.saying(&http("304 Not Modified", "", "")));
    ground.stamp("localhost", peer.port);
    let outcome = ground.rig.run(&[]);
    assert_ne!(outcome.status, 0, "{outcome:#?}");
    assert!(peer.heads().iter().all(|head| !head.contains("Pinnace-Issued")));
}
