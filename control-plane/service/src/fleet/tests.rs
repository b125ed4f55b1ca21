use super::*;
use crate::{
    host::{Host, Status},
    telemetry::{Newest, Told},
};
use protocol::filter::Filter;
use std::{collections::BTreeMap, sync::Arc};

const NOW: i64 = 1_795_000_000;
const INTERVAL: i64 = 1_800;

fn seen(name: &str, code: &str, facts: &[(&str, &str)], labels: &[(&str, &str)]) -> Seen {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect::<BTreeMap<_, _>>();
    let outcome = if code == "ok" { "delivered" } else { "failed" };
    let newest = Newest { at: NOW - 60, code: code.into(), outcome: outcome.into(), generation: 7, ..Newest::default() };
    let failing_since = if code == "ok" { 0 } else { NOW - 3_600 };
    let mut told = Told::default();
    (told.facts, told.newest, told.failing_since) = (map(facts), Some(newest), failing_since);
    Seen {
        name: name.into(),
        record: Arc::new(Host { labels: map(labels), ..Host::default() }),
        seen: NOW - 60,
        told: Arc::new(told),
        holds: BTreeMap::from([("db".to_string(), NOW + 1_800)]),
    }
}

fn snapshot(mut hosts: Vec<Seen>) -> Snapshot {
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    Snapshot::of(hosts.into_iter(), INTERVAL, true, NOW)
}

fn names(snapshot: &Snapshot, filter: &str) -> String {
    let page = snapshot.page(&Filter::parse(filter).unwrap(), None, PAGE);
    page.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" ")
}

const PAGE: usize = list::PAGE_MAX;

#[test]
fn who_has_not_been_heard_of_is_never_healthy() {
    let heard = |seen_at, code| Seen { seen: seen_at, ..seen("a", code, &[], &[]) };
    let state = |host: Seen| snapshot(vec![host]).rows[0].state;
    let with = |host: Seen, status| Seen { record: Arc::new(Host { status, ..Host::default() }), ..host };
    let silent_after = INTERVAL * 5 / 2;
    let rows = [
        (heard(NOW, "ok"), State::Healthy),
        (heard(NOW, "dns.timeout"), State::Failing),
        (heard(NOW - silent_after, "ok"), State::Healthy),
        (heard(NOW - silent_after - 1, "ok"), State::Silent),
        (heard(NOW - silent_after - 1, "dns.timeout"), State::Silent),
        (heard(NOW - MISSING_SECONDS, "ok"), State::Silent),
        (heard(NOW - MISSING_SECONDS - 1, "ok"), State::Missing),
        (heard(0, "ok"), State::Missing),
        (with(heard(NOW, "ok"), Status::Quarantined), State::Quarantined),
        (with(heard(0, "ok"), Status::Banned), State::Quarantined),
    ];
    for (host, expected) in rows {
        assert_eq!(state(host.clone()), expected, "{host:?}");
    }
    let enrolled = Host { newest_certificate: NOW - 100, ..Host::default() };
    assert_eq!(state(Seen { record: Arc::new(enrolled), ..heard(0, "ok") }), State::Healthy, "a certificate issued to it is a word");
    let words: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
    assert_eq!(words, protocol::filter::STATES);
}

#[test]
fn a_filter_finds_the_hosts_that_meet_every_term() {
    let fleet = snapshot(vec![
        seen("web-1", "ok", &[("os", "rhel7"), ("kernel", "3.10")], &[("site", "berlin")]),
        seen("web-2", "tls.clock-skew", &[("os", "rhel8"), ("kernel", "4.18"), ("clock_offset", "years behind")], &[("site", "oslo")]),
        Seen { seen: NOW - 86_400, ..seen("db-1", "dns.timeout", &[("os", "debian12"), ("color", "red")], &[]) },
        Seen { told: Arc::default(), ..seen("new-1", "ok", &[], &[]) },
        Seen { record: Arc::new(Host { status: Status::Evicted, ..Host::default() }), ..seen("gone-1", "ok", &[("os", "rhel7")], &[]) },
    ]);
    let rows = [
        ("", "db-1 new-1 web-1 web-2"),
        ("os=rhel7", "web-1"),
        ("os=rhel*", "web-1 web-2"),
        ("kernel<4", "web-1"),
        ("kernel>=4", "web-2"),
        ("os!=rhel7", "db-1 new-1 web-2"),
        ("code=tls.*", "web-2"),
        ("code!=ok", "db-1 new-1 web-2"),
        ("state=silent,failing", "db-1 web-2"),
        ("clock=\"years behind\"", "web-2"),
        ("label.site=oslo,berlin host=*-1", "web-1"),
        ("label.site!=oslo", "db-1 new-1 web-1"),
        ("fact.color=red", "db-1"),
        ("generation=7 outcome=failed", "db-1 web-2"),
        ("since=1h seen<1h", "web-1 web-2"),
        ("seen>3h", "db-1"),
        ("status=evicted", "gone-1"),
        ("status=active,evicted os=rhel7", "gone-1 web-1"),
        ("stratum=os=rhel7", "web-1"),
    ];
    for (filter, expected) in rows {
        assert_eq!(names(&fleet, filter), expected, "{filter}");
    }
    let first = fleet.page(&Filter::default(), None, 2);
    assert_eq!((first.total, first.hosts.len(), first.next.as_deref()), (4, 2, Some("new-1")));
    let last = fleet.page(&Filter::default(), first.next.as_deref(), 2);
    assert_eq!((last.hosts[0].name.as_str(), last.hosts[1].name.as_str(), last.next), ("web-1", "web-2", None));
    assert_eq!(fleet.values(&protocol::filter::Key::Fact("os".into())), ["debian12", "rhel7", "rhel8"]);
    assert_eq!(fleet.other_keys(), ["fact.color", "label.site"]);
}

/// Nine thousand hosts, one in a thousand with an old kernel that fails, three in a hundred failing for nothing they share.
#[test]
fn a_corner_of_one_in_a_thousand_stands_first() {
    let host = |number: usize| {
        let (kernel, os) =
            if number.is_multiple_of(1_000) { ("3.10", "rhel7") } else { ("5.14", if number.is_multiple_of(2) { "rhel9" } else { "debian12" }) };
        let code = match number {
            _ if kernel == "3.10" => "http.closed",
            _ if number % 33 == 1 => "dns.timeout",
            _ => "ok",
        };
        let site = format!("site-{}", number % 91);
        seen(
            &format!("host-{number:04}"),
            code,
            &[("kernel", kernel), ("os", os), ("arch", "x86_64")],
            &[("site", &site), ("rack", &format!("{number}"))],
        )
    };
    let fleet = snapshot((0..9_000).map(host).collect());
    let why = fleet.why(&Filter::default(), SUPPORT, 10);
    let corner = &why.corners[0];
    assert_eq!((corner.code.as_str(), corner.cases, corner.of), ("http.closed", 9, 9), "{why:?}");
    assert!(corner.fact == "kernel=3.10" || corner.fact == "os=rhel7");
    assert!(corner.lift_low > 100.0 && (corner.explains - 1.0).abs() < 1e-9 && corner.since == NOW - 3_600, "{corner:?}");
    assert!(why.corners.iter().all(|corner| corner.code == "http.closed"), "chance makes no corner: {:?}", why.corners);
    assert!(why.corners.iter().all(|corner| !corner.fact.starts_with("arch=")), "what all have explains nothing");
    assert_eq!(fleet.page(&Filter::parse(&corner.filter).unwrap(), None, PAGE).total, 9, "{}", corner.filter);
    assert_eq!((why.cases, why.of), (9 + 273, 9_000));

    let narrowed = fleet.why(&Filter::parse("kernel=5.14 code=dns.*").unwrap(), SUPPORT, 10);
    assert_eq!((narrowed.cases, narrowed.of), (273, 8_991));
    assert_eq!(fleet.why(&Filter::parse("state=silent").unwrap(), 1, 10).cases, 0);
}

#[test]
fn the_status_adds_up_and_each_group_lists_itself() {
    let fleet = snapshot(vec![
        seen("a", "ok", &[("clock_offset", "none")], &[]),
        seen("b", "tls.clock-skew", &[("clock_offset", "years behind")], &[]),
        Seen { seen: NOW - 86_400, ..seen("c", "ok", &[("clock_offset", "minutes ahead")], &[]) },
        Seen { seen: 0, holds: BTreeMap::from([("db".into(), NOW - 5)]), ..seen("d", "ok", &[], &[]) },
        Seen { holds: BTreeMap::from([("db".into(), NOW + 900), ("x".into(), NOW + 50)]), ..seen("e", "ok", &[], &[]) },
    ]);
    let status = fleet.status(&Filter::default());
    let counts: Vec<(&str, usize)> = status.states.iter().map(|group| (group.word.as_str(), group.hosts)).collect();
    assert_eq!(counts, [("healthy", 2), ("updating", 0), ("failing", 1), ("silent", 1), ("missing", 1), ("quarantined", 0)]);
    assert_eq!((status.failing, status.known, status.hosts), (1, 3, 5));
    for group in status.states.iter().chain(&status.codes).chain(&status.generations).chain(&status.clocks) {
        assert_eq!(fleet.page(&Filter::parse(&group.filter).unwrap(), None, PAGE).total, group.hosts, "{group:?}");
    }
    let clocks: Vec<&str> = status.clocks.iter().map(|group| group.word.as_str()).collect();
    assert_eq!(clocks, ["years behind", "none", "minutes ahead"]);
    let horizon = &status.horizon;
    assert_eq!((horizon.first_at, horizon.first_host.as_deref()), (Some(NOW + 50), Some("e")));
    assert_eq!((horizon.holding, horizon.ended), (4, 1));
    assert_eq!((horizon.steps[0].hosts, horizon.steps[1].hosts), (1, 4));
}

#[test]
fn history_has_a_denominator_and_shows_its_holes() {
    let count =
        |minute, outcome: &str, code: &str, events| Count { minute, outcome: outcome.into(), code: code.into(), events, elapsed_ms: events * 10 };
    let counts = [
        count(10, "delivered", "ok", 90),
        count(10, "failed", "tls.closed", 10),
        count(11, "failed", "dns.timeout", 5),
        count(11, "update", "ok", 7),
        count(12, "", "", 40),
    ];
    let slice = Slice::of(&Filter::parse("os=rhel7 code=tls.*").unwrap()).unwrap();
    assert_eq!((slice.dimension.as_str(), slice.value.as_str()), ("os", "rhel7"));
    let series = Series::of(&slice, &counts, (600, 779), 60);
    let points: Vec<_> = series.points.iter().map(|point| (point.at, point.runs, point.failed, point.dropped)).collect();
    assert_eq!(points, [(600, 100, 10, 0), (660, 5, 0, 0), (720, 0, 0, 40)]);
    assert!((series.points[0].failure_rate - 0.1).abs() < 1e-9 && series.points[0].elapsed_ms == 10);
    assert_eq!(Series::of(&slice, &counts, (600, 779), 600).points.len(), 1);
    for refused in ["os=a kernel=b", "os=a,b", "os=r*", "host=a", "state=silent", "os!=a"] {
        assert!(Slice::of(&Filter::parse(refused).unwrap()).is_err(), "{refused}");
    }
}

#[test]
fn the_intervals_are_those_of_the_literature() {
    let near = |one: f64, other: f64| assert!((one - other).abs() < 5e-4, "{one} {other}");
    // Wilson's for 0 of 10, at 99 %: z^2/(n+z^2).
    let (low, high) = interval::wilson(0, 10);
    near(low, 0.0);
    near(high, 6.634_897 / 16.634_897);
    assert!(interval::difference_low((9, 9), (0, 9_000)) > 0.5);
    assert!(interval::difference_low((1, 9), (300, 9_000)) < 0.0);
    assert_eq!(interval::wilson(0, 0), (0.0, 1.0));
}
