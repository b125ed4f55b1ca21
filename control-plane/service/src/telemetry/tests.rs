use super::*;
use protocol::trial::candidate_goes_first;

const NOW: i64 = 1_795_000_000;

fn event(number: i64, at: i64) -> Event {
    Event { number, at, code: "ok".into(), outcome: "delivered".into(), generation: 3, ..Event::default() }
}

fn report(outbox: char, numbers: std::ops::RangeInclusive<i64>) -> Report {
    let events = numbers.map(|number| event(number, NOW - 100 + number)).collect();
    Report { outbox: outbox.to_string().repeat(16), now: NOW, events, facts: vec![("os".into(), "rhel 7".into())], ..Report::default() }
}

fn empty(outbox: char) -> Report {
    Report { events: Vec::new(), ..report(outbox, 1..=1) }
}

fn numbers(fresh: &Fresh) -> Vec<i64> {
    fresh.events.iter().map(|(_, event)| event.number).collect()
}

#[test]
fn duplicates_late_and_reordered_reports_count_once() {
    let mut told = Told::default();
    assert_eq!(numbers(&told.take(&report('a', 1..=3), NOW).unwrap()), [1, 2, 3]);
    let again = told.take(&report('a', 1..=3), NOW).unwrap();
    assert_eq!((numbers(&again), again.taken), (vec![], 3));
    assert_eq!(numbers(&told.take(&report('a', 2..=6), NOW).unwrap()), [4, 5, 6]);
    let late = told.take(&report('a', 3..=4), NOW).unwrap();
    assert_eq!((numbers(&late), late.taken), (vec![], 6), "the host hears how far it has come");
    let mut shuffled = report('a', 7..=9);
    shuffled.events.reverse();
    shuffled.events.push(event(8, NOW));
    assert_eq!(numbers(&told.take(&shuffled, NOW).unwrap()), [7, 8, 9]);
    assert_eq!(numbers(&told.take(&report('b', 1..=2), NOW).unwrap()), [1, 2], "a new outbox begins anew");
    assert_eq!(numbers(&told.take(&report('a', 9..=10), NOW).unwrap()), [10], "the one before is remembered");
}

#[test]
fn times_are_the_control_planes_and_the_offset_is_a_fact() {
    let mut told = Told::default();
    let slow = Report { now: 1_000, events: vec![event(1, 940)], ..empty('a') };
    assert_eq!(told.take(&slow, NOW).unwrap().events.first().unwrap().0, NOW - 60);
    assert_eq!(told.facts.get(CLOCK_OFFSET).unwrap(), "years behind");
    let lie = Report { now: NOW + 7, events: vec![event(2, i64::MAX), event(3, i64::MIN)], ..empty('a') };
    let times: Vec<i64> = told.take(&lie, NOW).unwrap().events.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [NOW, NOW - LATE_SECONDS_MAX]);
    assert_eq!((told.facts.get(CLOCK_OFFSET).unwrap().as_str(), told.facts.get("os").unwrap().as_str()), ("seconds ahead", "rhel 7"));
    let words = [4, 5, -60, 7_200, -86_400].map(offset_word);
    assert_eq!(words, ["none", "seconds ahead", "minutes behind", "hours ahead", "days behind"]);
}

#[test]
fn a_clock_of_ours_that_was_a_year_ahead_does_not_freeze_what_is_known_of_a_host() {
    let mut told = Told::default();
    let failed = |number, at| Event { code: "dns.timeout".into(), outcome: "failed".into(), ..event(number, at) };
    let year = 365 * 86_400;
    told.take(&Report { now: NOW + year, events: vec![failed(1, NOW + year)], ..empty('a') }, NOW + year).unwrap();
    told.take(&Report { events: vec![failed(2, NOW - 60)], ..empty('a') }, NOW).unwrap();
    assert_eq!((told.newest.as_ref().unwrap().at, told.failing_since), (NOW - 60, NOW - 60));
    told.take(&Report { events: vec![event(3, NOW - 1)], ..empty('a') }, NOW).unwrap();
    assert_eq!((told.newest.as_ref().unwrap().outcome.as_str(), told.failing_since), ("delivered", 0));
}

#[test]
fn drops_are_counted_since_the_report_before() {
    let mut told = Told::default();
    let mut dropped = |dropped| told.take(&Report { dropped, ..empty('a') }, NOW).unwrap().dropped;
    assert_eq!([dropped(3), dropped(3), dropped(5), dropped(4), dropped(6)], [3, 0, 2, 0, 1]);
}

/// What one host can make us keep has an end, in every direction.
#[test]
fn what_is_kept_of_a_host_that_tells_without_end_is_bounded() {
    let mut told = Told::default();
    let mut refused = 0;
    for number in 0..20_000_i64 {
        let release = protocol::hex_encode(&[u8::try_from(number % 200).unwrap(); 32]);
        let pair = if candidate_goes_first("web-1", &release, number + 1, 0) { Pair::Bad } else { Pair::Good };
        let crossover = Crossover { release: release.clone(), run: number + 1, crossover: 0, pair, code: format!("made-up-{number}") };
        let lie = Event { crossovers: vec![crossover], verdict: "committed".into(), verdict_on: release, ..event(number + 1, NOW) };
        let outbox = format!("{number:016x}");
        let facts = vec![(format!("fact_{}", char::from(b'a' + u8::try_from(number % 26).unwrap())), format!("{number}"))];
        refused += usize::from(told.take(&Report { outbox, events: vec![lie], facts, ..empty('a') }, NOW + number / 1000).is_err());
    }
    assert!(refused > 19_000, "{refused}");
    let kept = serde_json::to_string(&told).unwrap();
    assert!(told.outboxes.len() <= OUTBOXES_MAX && told.trials.len() <= TRIALS_MAX && told.facts.len() <= FACTS_MAX + 1, "{kept}");
    for run in 1..=10_000 {
        told.learn(
            NOW,
            &Event {
                crossovers: vec![Crossover { release: "ab".repeat(32), run, crossover: 0, pair: Pair::Void, code: "ok".into() }],
                ..event(1, NOW)
            },
        );
    }
    assert_eq!(told.trial(&"ab".repeat(32)).unwrap().crossovers.len(), CROSSOVERS_MAX);
    assert!(!kept.contains("made-up"), "a code that is none of ours");
    assert!(serde_json::to_string(&told).unwrap().len() < 40_000);
}

#[test]
fn a_crossover_counts_once_whatever_it_is_told_to_have_been_later() {
    let mut told = Told::default();
    let event_of = |number, pair| Event {
        crossovers: vec![Crossover { release: "ab".repeat(32), run: 1, crossover: 0, pair, code: "ok".into() }],
        ..event(number, NOW)
    };
    for (outbox, pair) in [('a', Pair::Clean), ('b', Pair::Bad), ('c', Pair::Void)] {
        told.take(&Report { events: vec![event_of(1, pair)], ..empty(outbox) }, NOW).unwrap();
    }
    assert_eq!(told.trial(&"ab".repeat(32)).unwrap().pairs().collect::<Vec<_>>(), [(1, 0, Pair::Clean)]);
}
