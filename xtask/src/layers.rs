//! The walls between the crates, and the client's crate list, from what cargo itself says.

use crate::shell::{Done, cargo, output, root};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Who may import whom among our own crates; dependencies of tests are free.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("protocol", &[]),
    ("host", &["protocol", "trust"]),
    ("trust", &["protocol"]),
    ("rollout", &["protocol"]),
    ("signing", &["protocol", "trust"]),
    ("client", &["host", "protocol", "trust"]),
    ("service", &["protocol", "rollout", "trust"]),
    ("control-plane", &["protocol", "rollout", "service", "signing", "trust"]),
    ("operator", &["protocol", "rollout", "signing", "trust"]),
    ("simulator", &["protocol", "host", "rollout", "service", "signing", "trust"]),
    ("tests", &["protocol", "host", "trust"]),
    ("xtask", &["protocol"]),
];
/// The most third-party crates the client may have.
pub(crate) const CLIENT_CRATES_MAX: usize = 20;

/// The command.
pub(crate) fn run() -> Done {
    walls()?;
    let crates = client_crates()?;
    println!("layers hold; the client is made of {} third-party crates, as deps/client.txt says", crates.len());
    Ok(())
}

fn walls() -> Done {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|cause| cause.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let (_, allowed) = ALLOWED.iter().find(|(known, _)| *known == name).ok_or(format!("crate {name} has no row in xtask/src/layers.rs"))?;
        let normal = package["dependencies"].as_array().into_iter().flatten().filter(|dependency| dependency["kind"].is_null());
        for dependency in normal.filter_map(|dependency| dependency["name"].as_str()).filter(|dependency| ours.contains(dependency)) {
            if !allowed.contains(&dependency) {
                return Err(format!("{name} imports {dependency}, and may import only {allowed:?}"));
            }
        }
    }
    Ok(())
}

/// The client's third-party crates, held against `deps/client.txt`.
pub(crate) fn client_crates() -> Done<BTreeSet<String>> {
    let tree = output(&mut cargo(&["tree", "-p", "client", "-e", "normal", "--target", "x86_64-unknown-linux-musl", "--prefix", "none"]))?;
    let ours: Vec<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<String> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty() && !ours.contains(name)).map(str::to_owned).collect();
    let listed = fs::read_to_string(root().join("deps/client.txt")).map_err(|cause| format!("deps/client.txt: {cause}"))?;
    let listed: BTreeSet<String> = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    if found != listed {
        let (new, gone): (Vec<_>, Vec<_>) = (found.difference(&listed).collect(), listed.difference(&found).collect());
        return Err(format!("the client's crates are not those of deps/client.txt: new {new:?}, gone {gone:?}; a change there is a security review"));
    }
    if found.len() > CLIENT_CRATES_MAX {
        Err(format!("the client has {} crates, and {CLIENT_CRATES_MAX} are allowed", found.len()))
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_crate_imports_only_what_its_row_allows() {
        super::walls().unwrap();
    }

    #[test]
    fn the_client_is_made_of_the_reviewed_crates_and_no_other() {
        super::client_crates().unwrap();
    }
}
