//! `pinnaced`'s telemetry with ninety thousand hosts and seven days of counts, on both databases: what an event costs, how long a
//! question and a page take, how much lies on the disk and in memory.

use super::Limit;
use crate::{
    postgres::Postgres,
    shell::{Done, cargo, output},
};

/// No question may take longer.
const QUESTION_MS_MAX: f64 = 1_000.0;

/// Measures and prints; gives the limits that follow. The measuring is done by code beside the writer, built as it is shipped.
pub(super) fn run() -> Done<Vec<Limit>> {
    let postgres = Postgres::start()?;
    let mut measure = cargo(&["test", "--quiet", "--release", "-p", "control-plane", "--bin", "pinnaced", "--"]);
    measure.args(["--ignored", "--exact", "telemetry::bench::ingest", "--nocapture"]);
    if let Some(postgres) = &postgres {
        measure.env("PINNACE_BENCH_POSTGRES", postgres.address()).env("PINNACE_BENCH_POSTGRES_DATA", postgres.data());
    }
    let mut pages = cargo(&["test", "--quiet", "--release", "-p", "control-plane", "--test", "dashboard", "--"]);
    pages.args(["--ignored", "--exact", "measured::pages_and_memory", "--nocapture"]);
    if postgres.is_some() {
        pages.env("PINNACE_BENCH_POSTGRES", "its own");
    }
    let said = [output(&mut measure)?, output(&mut pages)?].concat();
    let lines: Vec<Measured> = said.lines().filter_map(Measured::of).collect();
    println!("\nTelemetry: 90,000 hosts with 10 facts each, reports in groups of 512 through merge, database and commit; then seven days of");
    println!(
        "counts per minute, the questions and the pages, the longest of five each. The database server's own work is in the time, not in the core's."
    );
    for Measured { database, what, number, unit } in &lines {
        println!("  {database:<12}{what:<46}{number:>12.1} {unit}");
    }
    let longest = |database: &str| {
        let questions = lines.iter().filter(|line| line.database == database && ["query: ", "page: "].iter().any(|word| line.what.starts_with(word)));
        questions.map(|line| line.number).fold(None, |longest: Option<f64>, number| Some(longest.map_or(number, |longest| longest.max(number))))
    };
    let limit = |what, database| Limit { what, ratio: longest(database).map(|longest| longest / QUESTION_MS_MAX), most: 1.0 };
    Ok(vec![limit("longest question or page / 1 s, on SQLite", "SQLite"), limit("longest question or page / 1 s, on PostgreSQL", "PostgreSQL")])
}

struct Measured<'a> {
    database: &'a str,
    what: &'a str,
    number: f64,
    unit: &'a str,
}

impl<'a> Measured<'a> {
    fn of(line: &'a str) -> Option<Self> {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            [_, database, what, number, unit] if line.contains("measured\t") => Some(Self { database, what, number: number.parse().ok()?, unit }),
            _ => None,
        }
    }
}
