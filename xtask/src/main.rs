//! `cargo xtask`: every command the project has.
#![expect(clippy::indexing_slicing, reason = "a JSON value indexed by a name gives null where there is none")]

mod bench;
mod demo;
mod dist;
mod docs;
mod fuzz;
mod layers;
mod load;
mod postgres;
mod server;
mod shell;
mod simulate;
mod test;

use std::{env, process::ExitCode};

const USAGE: &str = "usage: cargo xtask COMMAND

  demo    the whole main job on this machine, with three things broken
  demo rollout  a fleet takes a good release wave by wave, and pulls a bad one by itself
  test    format, lints, walls, licences, reproducibility, and every test
  dist    [--key FILE --passphrase-file FILE]: the static clients, their packages, bill of materials and checksums, signed
  reproduce  make that here and in a clean clone, and compare the bytes
  size    the stamped clients' sizes and crate count against their limits
  bench   [client|server|verify|ingest]: client, server and verification beside their peers; what telemetry costs
  load    [--hosts N] [--within SECONDS]: a fleet that comes back all at once
  simulate  [--bless] [SCENARIO ...] | --table: a fleet and its releases on virtual time
  fuzz    [SECONDS] [--runs N] [TARGET ...]: fuzz targets, all of them if none is named, each beginning with its corpus
  docs    the page of every reason code, and the site of the folder docs by mdBook
  layers  who imports whom, and which crates the client is made of";

fn main() -> ExitCode {
    let command = env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "demo" => demo::run(&env::args().skip(2).collect::<Vec<_>>()),
        "test" => test::run(),
        "dist" => dist::run(&env::args().skip(2).collect::<Vec<_>>()),
        "reproduce" => dist::prepare().and_then(|()| dist::reproduce()),
        "size" => dist::size(),
        "bench" => bench::run(&env::args().skip(2).collect::<Vec<_>>()),
        "load" => load::run(&env::args().skip(2).collect::<Vec<_>>()),
        "simulate" => simulate::run(&env::args().skip(2).collect::<Vec<_>>()),
        "fuzz" => fuzz::run(&env::args().skip(2).collect::<Vec<_>>()),
        "docs" => docs::run(),
        "layers" => layers::run(),
        _ => Err(USAGE.to_owned()),
    };
    done.map_or_else(
        |because| {
            eprintln!("xtask: {because}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
