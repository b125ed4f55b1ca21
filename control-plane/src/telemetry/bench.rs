//! What telemetry costs with ninety thousand hosts and seven days of counts: measured by `cargo xtask bench ingest`, which reads the
//! lines printed here.

use super::{
    Fleet, Waiting,
    counts::Words,
    writer::{hosts_of, merge},
};
use crate::store::telemetry::{Batch, Place, Range, RollupKey, Telemetry};
use protocol::{
    event::{Event, Report},
    filter::Filter,
};
use service::{
    fleet::{DROPPED, Seen, Series, Slice, Snapshot},
    host::Host,
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
    time::Instant,
};

const HOSTS: usize = 90_000;
const GROUP: usize = 512;
const DAYS: i64 = 7;
const NOW: i64 = 1_795_000_000;
const ROUNDS: usize = 5;
/// What a host is, with how many values: a fleet as it is found.
const FACTS: [(&str, usize); 10] =
    [("os", 9), ("kernel", 12), ("kernel_release", 60), ("arch", 2), ("cpu", 4), ("init", 3), ("virt", 3), ("fs", 4), ("egress", 3), ("rack", 200)];

#[test]
#[ignore = "a measurement of minutes, which cargo xtask bench ingest takes"]
fn ingest() {
    let folder = std::env::temp_dir().join(format!("pinnace-bench-ingest-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    measure("SQLite", &Place::File(folder.join("telemetry.db")), || bytes_below(&folder));
    fs::remove_dir_all(&folder).unwrap();
    match std::env::var("PINNACE_BENCH_POSTGRES") {
        Ok(address) => {
            let config: tokio_postgres::Config = address.parse().unwrap();
            let data = std::env::var("PINNACE_BENCH_POSTGRES_DATA").unwrap();
            measure("PostgreSQL", &Place::Server(Box::new(config)), || bytes_below(Path::new(&data).join("base").as_path()));
        }
        Err(_) => println!("NOT MEASURED: there is no PostgreSQL"),
    }
}

fn measure(database: &str, place: &Place, bytes: impl Fn() -> u64) {
    let say = |what: &str, number: f64, unit: &str| println!("measured\t{database}\t{what}\t{number:.1}\t{unit}");
    let mut store = Telemetry::open(place).unwrap();
    let empty = bytes();
    let (wall, cpu) = take(&mut store, 1, 1);
    say("events a second, one a report, hosts new", HOSTS as f64 / wall, "/s");
    say("the same for each core of this process", HOSTS as f64 / cpu, "/s");
    let settled = bytes();
    let (wall, cpu) = take(&mut store, 2, 8);
    say("events a second, eight a report", HOSTS as f64 * 8.0 / wall, "/s");
    say("the same for each core of this process", HOSTS as f64 * 8.0 / cpu, "/s");
    let with_events = bytes();
    let rows = fill(&mut store);
    let with_counts = bytes();
    say("rows of counts in seven days", f64::from(rows), "rows");
    let of_host = |from: u64, to: u64, times: f64| to.saturating_sub(from) as f64 / HOSTS as f64 / times;
    say("bytes of a host and its first event", of_host(empty, settled, 1.0), "B");
    say("bytes of an event more", of_host(settled, with_events, 8.0), "B");
    say("bytes of counts, per host and day", of_host(with_events, with_counts, DAYS as f64), "B");
    ask(place, &say);
}

/// Every host tells so many events; how long it took, by the clock and of this process.
fn take(store: &mut Telemetry, first: i64, events: i64) -> (f64, f64) {
    let mut words = Words::default();
    let (mut wall, mut cpu) = (0.0, 0.0);
    for start in (0..HOSTS).step_by(GROUP) {
        let group: Vec<Waiting> = (start..HOSTS.min(start + GROUP)).map(|number| waiting(number, first, events)).collect();
        let hosts = hosts_of(&group);
        let (began, used) = (Instant::now(), processor_seconds());
        let outcomes = store.change(&hosts, |known| merge(&known, &group, &mut words)).unwrap();
        wall += began.elapsed().as_secs_f64();
        cpu += processor_seconds() - used;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|(fresh, _)| i64::try_from(fresh.events.len()) == Ok(events))));
    }
    (wall, cpu)
}

fn waiting(number: usize, first: i64, events: i64) -> Waiting {
    let fact = |(index, (name, values)): (usize, &(&str, usize))| ((*name).to_string(), format!("{name}-{}", number / (index + 1) % values));
    let code = if number.is_multiple_of(50) { ("tls.wrong-name", "failed") } else { ("ok", "delivered") };
    let event = |number| Event {
        number,
        at: NOW - 60 * (first + events - number),
        code: code.0.into(),
        outcome: code.1.into(),
        elapsed_ms: 35,
        attempts: 1,
        generation: 7,
        ..Event::default()
    };
    let report = Report {
        outbox: format!("{number:016x}"),
        now: NOW,
        dropped: 0,
        facts: FACTS.iter().enumerate().map(fact).collect(),
        events: (first..first + events).map(event).collect(),
    };
    let holds = BTreeMap::from([("db".to_string(), NOW + 1_800 + i64::try_from(number % 1_800).unwrap())]);
    Waiting { host: name(number), report, now: NOW, holds, done: tokio::sync::oneshot::channel().0 }
}

fn name(number: usize) -> String {
    format!("host-{number:05}")
}

/// Seven days of counts: each minute every value of every fact, with four ways to end.
fn fill(store: &mut Telemetry) -> i32 {
    let dimensions = FACTS.iter().filter(|(name, _)| !matches!(*name, "kernel_release" | "rack"));
    let mut slices: Vec<(String, String)> =
        dimensions.flat_map(|(name, values)| (0..*values).map(move |value| ((*name).to_string(), format!("{name}-{value}")))).collect();
    slices.extend([
        (String::new(), String::new()),
        ("generation".into(), "7".into()),
        ("generation".into(), "6".into()),
        ("clock".into(), "none".into()),
    ]);
    let ends = [("delivered", "ok"), ("fresh", "ok"), ("failed", "tls.wrong-name"), ("failed", "dns.timeout")];
    let mut rows = 0;
    for hour in 0..DAYS * 24 {
        let mut rollups = HashMap::new();
        for minute in 0..60 {
            for (dimension, value) in &slices {
                for (outcome, code) in ends {
                    let minute = NOW / 60 - DAYS * 1_440 + hour * 60 + minute;
                    let key = RollupKey { dimension: dimension.clone(), value: value.clone(), minute, outcome: outcome.into(), code: code.into() };
                    rollups.insert(key, (750, 26_000));
                    rows += 1;
                }
            }
        }
        store.change(&[], |_| (Batch { rollups, ..Batch::default() }, ())).unwrap();
    }
    rows
}

/// The questions, as they are answered.
fn ask(place: &Place, say: &impl Fn(&str, f64, &str)) {
    let store = Telemetry::open_to_read(place).unwrap();
    let mut fleet = Fleet::default();
    timed(say, "read: the whole fleet, at a start", 1, || {
        let mut mark = (0, String::new());
        while let (rows, Some(next)) = store.since(&mark).unwrap() {
            fleet.follow(rows, false);
            mark = next;
        }
    });
    let record = Arc::new(Host { labels: BTreeMap::from([("site".into(), "berlin".into())]), ..Host::default() });
    let names: Vec<String> = (0..HOSTS).map(name).collect();
    let taken = || {
        let seen = |name: &String| {
            let known = fleet.get(name).unwrap();
            Seen { name: name.clone(), record: Arc::clone(&record), seen: known.seen, told: Arc::clone(&known.told), holds: BTreeMap::new() }
        };
        Snapshot::of(names.iter().map(seen), 1_800, true, NOW)
    };
    timed(say, "query: a snapshot, at most once a second", ROUNDS, || drop(taken()));
    let snapshot = taken();
    let parse = |text: &str| Filter::parse(text).unwrap();
    timed(say, "query: status", ROUNDS, || drop(snapshot.status(&Filter::default())));
    timed(say, "query: why", ROUNDS, || drop(snapshot.why(&Filter::default(), 3, 20)));
    let many = parse("os=os-1,os-2 kernel>kernel-3 code=tls.* host=host-* state=failing label.site=berlin seen<1h");
    timed(say, "query: a page of hosts by seven terms", ROUNDS, || drop(snapshot.page(&many, None, 100)));
    timed(say, "query: a page of hosts by stratum", ROUNDS, || drop(snapshot.page(&parse("stratum=os=*"), None, 100)));
    timed(say, "query: a map of all hosts", ROUNDS, || drop(snapshot.map(&Filter::default())));
    timed(say, "query: one host with 100 runs", ROUNDS, || drop(store.events_of(&name(7), 100).unwrap()));
    for text in ["", "os=os-1 code=tls.*"] {
        let slice = Slice::of(&parse(text)).unwrap();
        let what = if text.is_empty() { "query: seven days of all runs" } else { "query: seven days of one fact" };
        timed(say, what, ROUNDS, || {
            let range =
                Range { dimension: slice.dimension.clone(), value: slice.value.clone(), minutes: (NOW / 60 - DAYS * 1_440, NOW / 60), step: 5 };
            let holes = Range { dimension: DROPPED.into(), value: String::new(), minutes: range.minutes, step: range.step };
            let counts = [store.counts(&range).unwrap(), store.counts(&holes).unwrap()].concat();
            assert!(Series::of(&slice, &counts, (NOW - DAYS * 86_400, NOW), 300).points.len() > 2_000);
        });
    }
}

/// The longest of some rounds, in milliseconds.
fn timed(say: &impl Fn(&str, f64, &str), what: &str, rounds: usize, mut act: impl FnMut()) {
    let mut longest = 0.0_f64;
    for _ in 0..rounds {
        let began = Instant::now();
        act();
        longest = longest.max(began.elapsed().as_secs_f64() * 1_000.0);
    }
    say(what, longest, "ms");
}

/// What this thread has had of the processors (proc(5), schedstat).
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn bytes_below(folder: &Path) -> u64 {
    let of = |entry: fs::DirEntry| {
        let about = entry.metadata().unwrap();
        if about.is_dir() { bytes_below(&entry.path()) } else { about.len() }
    };
    fs::read_dir(folder).unwrap().flatten().map(of).sum()
}
