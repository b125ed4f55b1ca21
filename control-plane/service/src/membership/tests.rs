use super::*;

fn key(number: u8) -> Fingerprint {
    Fingerprint::of(&[number])
}

fn shown(number: u8, starts: i64) -> Shown {
    Shown { key: key(number), starts, ends: starts + 1000 }
}

fn known(number: u8, starts: i64) -> Host {
    with_key(Host::default(), &shown(number, starts))
}

fn id() -> HostId {
    HostId::new("example.org", "web-1").unwrap()
}

fn token(hosts: &str) -> Token {
    Token { hosts: hosts.into(), labels: Labels::from([("role".into(), "web".into())]), expires_at: 100, made_by: "ops".into(), spent: None }
}

#[test]
fn a_renewal_takes_over_when_the_host_comes_with_it_and_not_before() {
    let rules = Rules::default();
    let host = renew(&known(1, 10), &shown(1, 10), &shown(2, 20));
    assert_eq!((host.key.clone(), host.next_key.clone()), (Some(key(1)), Some(key(2))));
    assert_eq!(see(Some(&host), &shown(1, 10), &rules), Seen { record: None, event: None, served: Ok(()) }, "the old key stays good");
    let after = see(Some(&host), &shown(2, 20), &rules).record.unwrap();
    assert_eq!((after.key, after.next_key), (Some(key(2)), None));
    let again = renew(&host, &shown(1, 10), &shown(2, 30));
    assert_eq!((again.key, again.next_key), (Some(key(1)), Some(key(2))), "a lost answer is asked for again");
}

/// teleport #52021: one stale counter locked all. Here it is the host's own affair, and said once.
#[test]
fn a_superseded_key_is_an_alarm_once_and_a_quarantine_where_asked() {
    let host = known(2, 20);
    let alarm = see(Some(&host), &shown(1, 10), &Rules::default());
    assert_eq!((alarm.event, alarm.served), (Some("clone-seen"), Ok(())));
    let record = alarm.record.unwrap();
    assert_eq!(see(Some(&record), &shown(1, 10), &Rules::default()), Seen { record: None, event: None, served: Ok(()) }, "it is idempotent");
    let strict = Rules { clones: Clones::Quarantine, ..Rules::default() };
    let seen = see(Some(&host), &shown(1, 10), &strict);
    assert_eq!(seen.served, Err(Refused::Out(Status::Quarantined)));
    assert_eq!(see(seen.record.as_ref(), &shown(2, 20), &strict).served, Err(Refused::Out(Status::Quarantined)), "nobody knows which is the copy");
}

/// teleport #69325: a restored database locks all.
/// teleport #69325: a restored database locked all.
#[test]
fn a_restored_database_locks_nobody_out() {
    let rules = Rules { clones: Clones::Quarantine, ..Rules::default() };
    let seen = see(Some(&known(1, 10)), &shown(2, 20), &rules);
    assert_eq!((seen.event, seen.served), (Some("host-readopted"), Ok(())));
    assert_eq!(seen.record.unwrap().key, Some(key(2)));
    assert_eq!(see(None, &shown(2, 20), &rules).event, Some("host-adopted"));
    let closed = Rules { unregistered: Unregistered::Refuse, ..rules };
    assert_eq!(see(None, &shown(2, 20), &closed).served, Err(Refused::Unregistered));
}

/// SPIRE 1.14: a join token was accepted twice.
#[test]
fn a_token_lets_one_host_in_once_and_replaces_no_other_hosts_key() {
    let rules = Rules::default();
    let enter = |host: Option<&Host>, token: &Token, number, now| enroll(&id(), host, &Voucher::Token(token), &shown(number, now), &rules, now);
    let Enrolled { host, token: spent } = enter(None, &token("web-*"), 1, 50).unwrap();
    assert_eq!((host.key.clone(), host.labels.get("role").map(String::as_str)), (Some(key(1)), Some("web")));
    let spent = spent.unwrap();
    assert!(enter(Some(&host), &spent, 1, 99).is_ok(), "the same again, because the answer was lost");
    assert_eq!(enter(None, &spent, 2, 60), Err(Refused::Token("the token has been spent")));
    assert_eq!(enter(None, &token("web-*"), 1, 100), Err(Refused::Token("the token has ended")));
    assert_eq!(enter(None, &token("db-*"), 1, 50), Err(Refused::Token("the token is for other hosts")));
    assert_eq!(enter(Some(&host), &token("web-*"), 2, 50), Err(Refused::Taken));
    assert!(enter(Some(&host), &token("web-1"), 2, 50).is_ok(), "a token for exactly this host");
    let banned = Host { status: Status::Banned, ..host.clone() };
    assert_eq!(enter(Some(&banned), &token("web-1"), 1, 50), Err(Refused::Out(Status::Banned)));
    let evicted = Host { status: Status::Evicted, ..host };
    assert_eq!(enter(Some(&evicted), &token("web-*"), 2, 50).unwrap().host.status, Status::Active);
}

#[test]
fn a_registered_key_or_another_cas_certificate_lets_a_host_in() {
    let rules = Rules { foreign_labels: Labels::from([("from".into(), "puppet".into())]), ..Rules::default() };
    let registered = Host { key: Some(key(1)), ..Host::default() };
    assert!(enroll(&id(), Some(&registered), &Voucher::Key, &shown(1, 5), &rules, 5).is_ok());
    for host in [None, Some(&registered)] {
        assert!(matches!(enroll(&id(), host, &Voucher::Key, &shown(2, 5), &rules, 5), Err(Refused::Unproven(_))));
    }
    let Enrolled { host, .. } = enroll(&id(), None, &Voucher::Certificate, &shown(2, 5), &rules, 5).unwrap();
    assert_eq!(host.labels.get("from").map(String::as_str), Some("puppet"));
    assert_eq!(enroll(&id(), Some(&host), &Voucher::Certificate, &shown(3, 5), &rules, 5), Err(Refused::Taken));
}

/// SPIRE #2454, #1562; teleport #13091; step #177: a host off for too long needs a person.
#[test]
fn a_host_that_was_off_comes_back_by_its_registered_key_under_policy() {
    let back = |host: &Host, number, rules: &Rules| recover(Some(host), &shown(number, 10), &shown(9, 99), rules);
    let host = known(1, 10);
    let auto = Rules::default();
    let returned = back(&host, 1, &auto).unwrap();
    assert_eq!((returned.returns, returned.key.clone(), returned.next_key.clone()), (1, Some(key(1)), Some(key(9))));
    assert_eq!(back(&returned, 1, &auto).unwrap().returns, 1, "the same return again counts once");
    assert!(matches!(back(&host, 2, &auto), Err(Refused::NotBack(_))));
    assert!(matches!(recover(None, &shown(1, 10), &shown(9, 99), &auto), Err(Refused::NotBack(_))));
    let limited = Rules { returns: Returns::Limited(1), ..Rules::default() };
    let again = see(Some(&back(&host, 1, &limited).unwrap()), &shown(9, 99), &limited).record.unwrap();
    assert!(matches!(recover(Some(&again), &shown(9, 99), &shown(3, 200), &limited), Err(Refused::NotBack(_))));
    let approve = Rules { returns: Returns::Approve, ..Rules::default() };
    let Err(Refused::Waiting(waiting)) = back(&host, 1, &approve) else { panic!("nobody has approved") };
    assert_eq!(waiting.approval, Approval::Waiting);
    let approved = Host { approval: Approval::Given, ..*waiting };
    assert_eq!(back(&approved, 1, &approve).unwrap().approval, Approval::None, "an approval is good once");
}
