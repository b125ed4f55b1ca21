use super::*;

const HOUR: i64 = 3600;

fn rules() -> Rules {
    Rules { publish_hours: 24, cache_seconds: 300, ca_hours: 100 }
}

fn at(now: i64) -> Order<'static> {
    Order { reason: "", forced: false, now }
}

fn forced(now: i64, reason: &str) -> Order<'_> {
    Order { reason, forced: true, now }
}

fn key(purpose: Use, algorithm: Algorithm) -> Key {
    Key::prepared(purpose, algorithm, "keys/x.key".into(), "public".into(), at(0))
}

/// An active ES256 key `old` and a prepared `new`, an active RS256 key, and a CA with its successor.
fn keys() -> Keys {
    let jwt = || key(Use::Jwt, Algorithm::Es256);
    Keys::from([
        ("old".into(), jwt().taken_in()),
        ("new".into(), jwt()),
        ("rsa".into(), key(Use::Jwt, Algorithm::Rs256).taken_in()),
        ("ca".into(), key(Use::Ca, Algorithm::Ed25519).taken_in()),
        ("ca2".into(), key(Use::Ca, Algorithm::Es256)),
    ])
}

fn after(mut keys: Keys, changed: Changed) -> Keys {
    keys.extend(changed);
    keys
}

fn state(keys: &Keys, id: &str) -> State {
    keys[id].state
}

#[test]
fn a_key_signs_only_once_everybody_knows_it() {
    assert_eq!(activate(&keys(), "new", at(23 * HOUR), &rules(), HOUR), Err(Refused::TooEarly(HOUR)));
    assert_eq!(activate(&keys(), "new", forced(HOUR, ""), &rules(), HOUR), Err(Refused::NoReason));
    assert_eq!(activate(&keys(), "none", at(0), &rules(), HOUR), Err(Refused::Unknown));
    assert_eq!(activate(&keys(), "old", at(99 * HOUR), &rules(), HOUR), Err(Refused::State(State::Active)));
    let hasty = Rules { publish_hours: 0, ..rules() };
    assert_eq!(activate(&keys(), "new", at(299), &hasty, HOUR), Err(Refused::TooEarly(1)), "copies of the documents are without it");
    assert!(activate(&keys(), "new", at(300), &hasty, HOUR).is_ok());
    for order in [at(24 * HOUR), forced(HOUR, "the old one leaked")] {
        let keys = after(keys(), activate(&keys(), "new", order, &rules(), HOUR).unwrap());
        assert_eq!((state(&keys, "new"), state(&keys, "old"), state(&keys, "rsa"), state(&keys, "ca")), {
            (State::Active, State::Retired, State::Active, State::Active)
        });
        assert_eq!(keys["new"].reason, order.reason);
    }
}

#[test]
fn a_retired_key_stays_published_for_as_long_as_what_it_signed() {
    let now = 24 * HOUR;
    let keys = after(keys(), activate(&keys(), "new", at(now), &rules(), 7 * HOUR).unwrap());
    let until = now + 7 * HOUR + LEEWAY_SECONDS;
    assert_eq!(keys["old"].published_until, Some(until));
    assert!(keys["old"].is_published() && due_to_drop(&keys, until - 1).is_empty());
    let keys = after(keys.clone(), due_to_drop(&keys, until));
    assert_eq!((state(&keys, "old"), keys["old"].is_published(), keys["old"].ended_at), (State::Dropped, false, Some(until)));
    assert!(due_to_drop(&keys, until + 1).is_empty());
    assert_eq!(activate(&keys, "old", at(until), &rules(), HOUR), Err(Refused::State(State::Dropped)));
}

#[test]
fn a_ca_is_trusted_for_as_long_as_any_certificate_and_its_successor_may_be_of_another_algorithm() {
    let now = 24 * HOUR;
    let keys = after(keys(), activate(&keys(), "ca2", at(now), &rules(), HOUR).unwrap());
    assert_eq!((state(&keys, "ca"), state(&keys, "ca2"), state(&keys, "old")), (State::Retired, State::Active, State::Active));
    assert_eq!(keys["ca"].published_until, Some(now + 100 * HOUR + LEEWAY_SECONDS));
}

#[test]
fn the_one_before_may_sign_again_at_once() {
    let keys = after(keys(), activate(&keys(), "new", at(24 * HOUR), &rules(), HOUR).unwrap());
    let keys = after(keys.clone(), activate(&keys, "old", at(25 * HOUR), &rules(), HOUR).unwrap());
    assert_eq!((state(&keys, "old"), state(&keys, "new")), (State::Active, State::Retired));
    assert_eq!((keys["old"].retired_at, keys["old"].published_until), (None, None));
}

#[test]
fn nothing_leaves_a_role_without_a_signer_unless_forced() {
    assert_eq!(retire(&keys(), "old", at(0), &rules(), HOUR), Err(Refused::Signs));
    assert_eq!(revoke(&keys(), "old", Order { reason: "why", ..at(0) }), Err(Refused::Signs));
    assert_eq!(retire(&keys(), "rsa", forced(0, "nobody takes it"), &rules(), HOUR).unwrap()[0].1.state, State::Retired);
    let dropped = retire(&keys(), "new", at(5), &rules(), HOUR).unwrap();
    assert_eq!((dropped[0].1.state, dropped[0].1.ended_at), (State::Dropped, Some(5)));
}

#[test]
fn revoked_is_at_once_for_ever_and_with_a_reason() {
    assert_eq!(revoke(&keys(), "new", at(0)), Err(Refused::NoReason));
    for (id, order) in [("new", Order { reason: "leaked", ..at(9) }), ("old", forced(9, "leaked"))] {
        let keys = after(keys(), revoke(&keys(), id, order).unwrap());
        assert!(!keys[id].is_published() && keys[id].reason == "leaked");
        assert_eq!(activate(&keys, id, forced(10, "why"), &rules(), HOUR), Err(Refused::State(State::Revoked)));
        assert_eq!(retire(&keys, id, forced(10, "why"), &rules(), HOUR), Err(Refused::State(State::Revoked)));
        assert_eq!(revoke(&keys, id, forced(10, "why")), Err(Refused::State(State::Revoked)));
    }
}

#[test]
fn what_the_store_keeps_reads_back() {
    for (id, key) in after(keys(), activate(&keys(), "new", forced(1, "why"), &rules(), HOUR).unwrap()) {
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key, "{id}: {text}");
    }
}
