//! `pinnace-simulate`: a fleet, its control plane and its releases on virtual time.
//!
//! The hosts' trial (`core/host`), the rollout (`core/rollout`), what is believed of a release (`core/trust`) and the control plane's rules
//! (`service`) are the real ones; the clock, the network, the disk and the database are not. A seed replays a run exactly.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a simulation that loses count shall stop")]

mod chance;
mod control;
mod fleet;
mod machine;
mod signed;
mod site;
mod story;
mod table;
mod wallet;
mod world;

use clap::Parser;
use std::{path::PathBuf, process::ExitCode};

/// A fleet, its control plane and its releases on virtual time.
#[derive(Parser)]
struct Arguments {
    /// Scenarios to play.
    scenarios: Vec<PathBuf>,
    /// Write what comes of them beside them, as expected from then on.
    #[arg(long)]
    bless: bool,
    /// Every case and every policy, many runs of each.
    #[arg(long)]
    table: bool,
    /// Runs of each case with a good release.
    #[arg(long, default_value_t = 2000)]
    good: u64,
    /// Runs of each case with a bad one.
    #[arg(long, default_value_t = 400)]
    bad: u64,
    /// Only cases with these words in their names.
    #[arg(long)]
    only: Option<String>,
    /// The page that the table is written to.
    #[arg(long)]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(&arguments).map_or_else(
        |because| {
            eprintln!("pinnace-simulate: {because}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.table {
        let sizes = table::Sizes { good: arguments.good, bad: arguments.bad };
        return table::run(sizes, arguments.only.as_deref(), arguments.page.as_deref());
    }
    let mut as_expected = true;
    for path in &arguments.scenarios {
        as_expected &= story::play_file(path, arguments.bless)?;
    }
    if as_expected { Ok(()) } else { Err("not every scenario ends as it should".to_owned()) }
}
