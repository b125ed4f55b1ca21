//! `cargo xtask bench [client|server|verify|ingest]`: the client, the server and the verification of releases beside their peers, in
//! one run, on loopback; and what telemetry costs.
//!
//! Rounds are interleaved, so that whatever else the machine does falls on everybody. Nothing is compared with a number that was
//! measured elsewhere. A peer that cannot be had is named, and its lines say `not measured`.

mod client;
mod ingest;
mod peers;
mod server;
mod verify;

use crate::shell::Done;
use std::{fs, path::PathBuf};

const USAGE: &str = "usage: cargo xtask bench [client|server|verify|ingest]";

/// The command, with the words after its name.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (client, server, verify, ingest) = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => (true, true, true, true),
        ["client"] => (true, false, false, false),
        ["server"] => (false, true, false, false),
        ["verify"] => (false, false, true, false),
        ["ingest"] => (false, false, false, true),
        _ => return Err(USAGE.to_owned()),
    };
    let folder = Folder::make()?;
    let mut limits = Vec::new();
    if client || server {
        let bench = peers::Bench::prepare(&folder.0)?;
        limits.extend(if client { client::run(&bench)? } else { Vec::new() });
        limits.extend(if server { server::run(&bench)? } else { Vec::new() });
    }
    if verify {
        limits.extend(verify::run(&folder.0)?);
    }
    if ingest {
        limits.extend(ingest::run()?);
    }
    println!("\nlimits");
    for limit in &limits {
        println!("  {limit}");
    }
    let unmet = limits.iter().filter(|limit| !limit.is_met()).count();
    if unmet == 0 { Ok(()) } else { Err(format!("{unmet} of {} limits are not met or not measured", limits.len())) }
}

/// The middle of what was measured; not a number if nothing was.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A ratio that has to stay at or under its limit.
struct Limit {
    what: &'static str,
    ratio: Option<f64>,
    most: f64,
}

impl Limit {
    /// Ours against a peer's; a peer that was not measured gives no ratio.
    fn new(what: &'static str, ours: f64, peer: Option<f64>, most: f64) -> Self {
        Self { what, ratio: peer.map(|peer| ours / peer), most }
    }

    fn is_met(&self) -> bool {
        self.ratio.is_some_and(|ratio| ratio <= self.most)
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ratio {
            Some(ratio) => {
                write!(out, "{:<44} {ratio:>6.3}x  at most {:.2}x  {}", self.what, self.most, if self.is_met() { "met" } else { "NOT MET" })
            }
            None => write!(out, "{:<44} {:>7}  at most {:.2}x  NOT MEASURED", self.what, "-", self.most),
        }
    }
}

/// Where everything of one bench lies; gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Done<Self> {
        let path = std::env::temp_dir().join(format!("pinnace-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
