//! Fleets of which nothing is known: no page says of one that it is well.

use crate::{
    crowd,
    desk::Desk,
    stage::{Kept, page, served},
};

#[test]
fn no_host_is_no_fleet_that_is_well() {
    let desk = Desk::new();
    let first = page(&desk, "/");
    assert!(first.contains("No host is on record.") && first.contains("No run was told of in the last 24h."), "{first}");
    assert!(!first.contains("Nothing fails") && !first.contains("runs failed"), "{first}");
    assert!(page(&desk, "/hosts").contains("No host is on record."));
}

#[test]
fn of_hosts_that_are_all_silent_nobody_says_that_nothing_fails() {
    let mut members = crowd::members(40);
    for member in &mut members {
        (member.unheard, member.status, member.code) = (3 * 3_600, "active", "ok");
    }
    let (desk, _) = served(Kept::Sqlite, &members, 0);
    let first = page(&desk, "/");
    assert!(first.contains("whether any fails is not known") && !first.contains("Nothing fails"), "{first}");
    let host = page(&desk, &format!("/hosts/{}", members[0].name));
    assert!(host.contains("No run of it is on record.") && host.contains("Nothing is on record."), "{host}");
}

#[test]
fn a_filter_that_is_not_understood_finds_no_number_of_hosts() {
    let desk = Desk::with_host();
    let asked = |filter: &str| desk.server.operate(&desk.admin(), &format!("/hosts?q={filter}"), None).body;
    let wrong = asked("kernal%3C4");
    assert!(wrong.contains("is no key") && !wrong.contains("id=\"total\"") && !wrong.contains("No host fits"), "{wrong}");
    let none = asked("host%3Dnobody");
    assert!(none.contains("<strong id=\"total\">0</strong> of 1 hosts") && none.contains("No host fits."), "{none}");
}
