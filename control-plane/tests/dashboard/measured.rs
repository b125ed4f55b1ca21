//! What pages take and how much memory the control plane has: measured by `cargo xtask bench ingest`, which reads the lines printed here.

use crate::{
    crowd,
    stage::{Kept, page, served},
};
use std::{fs, time::Instant};

const DAYS: i64 = 7;
const ROUNDS: usize = 5;

#[test]
#[ignore = "a measurement of minutes, which cargo xtask bench ingest takes"]
fn pages_and_memory() {
    for (kept, database) in [(Kept::Sqlite, "SQLite"), (Kept::Postgresql, "PostgreSQL")] {
        if kept == Kept::Postgresql && std::env::var_os("PINNACE_BENCH_POSTGRES").is_none() {
            return println!("NOT MEASURED: there is no PostgreSQL");
        }
        for count in [9_000, 90_000] {
            let say = |what: &str, number: f64, unit: &str| println!("measured\t{database}\t{what}\t{number:.1}\t{unit}");
            let members = crowd::members(count);
            let (desk, _postgres) = served(kept, &members, DAYS);
            let host = format!("/hosts/{}", members[members.len() / 2].name);
            let pages = [
                "/?range=7d",
                "/hosts?q=state%3Dfailing",
                "/hosts?q=os%3Drhel7+kernel%3C4",
                &host,
                "/rollouts",
                "/releases",
                "/audit",
                "/map/data?by=os",
                "/charts/failures?range=7d",
            ];
            for path in pages {
                let longest = (0..ROUNDS).map(|_| timed(|| page(&desk, path))).fold(0.0, f64::max);
                if count == 90_000 {
                    say(&format!("page: {}", if path == host { "/hosts/NAME" } else { path }), longest, "ms");
                }
            }
            let status = fs::read_to_string(format!("/proc/{}/status", desk.server.child.id())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            let most = line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0;
            say(&format!("memory with {count} hosts, the most that was resident"), most, "MiB");
        }
    }
}

/// In milliseconds.
fn timed<T>(act: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    drop(act());
    start.elapsed().as_secs_f64() * 1_000.0
}
