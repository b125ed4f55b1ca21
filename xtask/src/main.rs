//! `cargo xtask`: every command the project has.
#![expect(clippy::indexing_slicing, reason = "a JSON value indexed by a name gives null where there is none")]

mod bench;
mod demo;
mod dist;
mod fuzz;
mod layers;
mod load;
mod postgres;
mod server;
mod shell;
mod test;

use std::{env, process::ExitCode};

const USAGE: &str = "usage: cargo xtask COMMAND

  demo    the whole main job on this machine, with three things broken
  demo rollout  a fleet takes a good release wave by wave, and pulls a bad one by itself
  test    format, lints, walls, licences, reproducibility, and every test
  dist    build the static client for x86_64 and aarch64
  reproduce  build it in two folders and compare the bytes
  size    the stamped client's size and crate count against their limits
  bench   [client|server]: the client and the server beside their peers
  load    [--hosts N] [--within SECONDS]: a fleet that comes back all at once
  fuzz    [SECONDS]: every fuzz target, beginning with its corpus
  layers  who imports whom, and which crates the client is made of";

fn main() -> ExitCode {
    let command = env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "demo" => demo::run(&env::args().skip(2).collect::<Vec<_>>()),
        "test" => test::run(),
        "dist" => dist::run(),
        "reproduce" => dist::prepare().and_then(|()| dist::reproduce()),
        "size" => dist::size(),
        "bench" => bench::run(&env::args().skip(2).collect::<Vec<_>>()),
        "load" => load::run(&env::args().skip(2).collect::<Vec<_>>()),
        "fuzz" => fuzz::run(&env::args().skip(2).collect::<Vec<_>>()),
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
