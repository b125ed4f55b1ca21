//! What a host believes of releases, held against the tools that others use for the same metadata.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that finds nothing where it looks fails, as it should")]

mod attacks;
mod cosign;
mod crash;
mod ground;
mod host;
mod liar;
mod live;
mod mirror;
mod others;
mod python;
mod repository;
mod rollouts;
mod room;
mod sigstore;
mod token;
mod tough;

use std::process::Command;

/// Repositories made by python-tuf, with every attack that TUF names; see `conformance.py` for what is tried.
#[test]
fn the_conformance_command_line_holds_on_repositories_made_by_python_tuf() {
    let cases = Command::new(python::python()).arg("tests/releases/conformance.py").arg(env!("CARGO_BIN_EXE_trust-client")).output().unwrap();
    let said = String::from_utf8_lossy(&cases.stdout);
    println!("{said}");
    assert!(cases.status.success(), "{said}{}", String::from_utf8_lossy(&cases.stderr));
    assert!(said.trim_end().ends_with("cases hold, 0 do not") && said.lines().count() > 40, "{said}");
}
