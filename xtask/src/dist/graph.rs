//! What the client is made of, from what cargo resolves for it alone: crates, licences, checksums, and who needs whom.

use crate::shell::{Done, cargo, output};
use std::{collections::BTreeMap, fs, path::Path};

/// Below this name are our own crates; everything else comes from crates.io.
const CLIENT: &str = "client";

/// One crate of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: String,
    /// SHA-256 of what crates.io serves, as Cargo.lock has it; `None` for our own.
    pub(super) checksum: Option<String>,
    /// Names of those it needs, in order.
    pub(super) needs: Vec<String>,
}

impl Member {
    /// Whether it is the program itself.
    pub(super) fn is_client(&self) -> bool {
        self.name == CLIENT
    }

    fn crate_name(&self) -> (&str, &str) {
        (&self.name, &self.version)
    }
}

/// All of them by name, ours too: the same crates for every target, where one may need another only for some.
pub(super) fn members(source: &Path, targets: &[&str]) -> Done<Vec<Member>> {
    let lock = fs::read_to_string(source.join("Cargo.lock")).map_err(|cause| format!("Cargo.lock: {cause}"))?;
    let mut found: Vec<Member> = Vec::new();
    for target in targets {
        let arguments =
            ["tree", "--locked", "-p", CLIENT, "-e", "normal", "--target", target, "--prefix", "depth", "--no-dedupe", "-f", "\t{p}\t{l}"];
        let members = read(&output(cargo(&arguments).current_dir(source))?, &lock)?;
        if found.is_empty() {
            found = members;
        } else if !found.iter().map(Member::crate_name).eq(members.iter().map(Member::crate_name)) {
            return Err("the client is not made of the same crates for every target, and its lists say that it is".to_owned());
        } else {
            found.iter_mut().zip(members).for_each(|(member, other)| member.needs.extend(other.needs));
        }
    }
    found.iter_mut().for_each(|member| {
        member.needs.sort();
        member.needs.dedup();
    });
    if found.is_empty() { Err("cargo says that the client is made of nothing".to_owned()) } else { Ok(found) }
}

/// From lines such as `1<tab>ring v0.17.14<tab>Apache-2.0 AND ISC`, each below the line of who needs it.
fn read(tree: &str, lock: &str) -> Done<Vec<Member>> {
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let odd = || format!("cargo tree says {line:?}");
        let [depth, package, license] = line.split('\t').collect::<Vec<_>>().try_into().map_err(|_| odd())?;
        let depth: usize = depth.parse().map_err(|_| odd())?;
        let (name, rest) = package.split_once(" v").ok_or_else(odd)?;
        let version = rest.split(' ').next().unwrap_or_default();
        let (name, version, license) = (name.to_owned(), version.to_owned(), license.replace('/', " OR "));
        above.truncate(depth);
        if let Some(parent) = above.last().and_then(|parent| members.get_mut(parent)) {
            parent.needs.push(name.clone());
        }
        above.push(name.clone());
        let checksum = checksum(lock, &name, &version);
        members.entry(name.clone()).or_insert(Member { name, version, license, checksum, needs: Vec::new() });
    }
    Ok(members.into_values().collect())
}

/// From the table of Cargo.lock for that package, if it comes from a registry.
fn checksum(lock: &str, name: &str, version: &str) -> Option<String> {
    let (name, version) = (format!("name = \"{name}\""), format!("version = \"{version}\""));
    let table = lock.split("[[package]]").find(|table| table.lines().any(|line| line == name) && table.lines().any(|line| line == version))?;
    table.lines().find_map(|line| Some(line.strip_prefix("checksum = \"")?.trim_end_matches('"').to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Member, members};
    use crate::{dist::TARGETS, shell::root};
    use std::{collections::BTreeSet, fs};

    /// The crates that the client may be made of: the reviewed list, and ours.
    pub(crate) fn allowed() -> BTreeSet<String> {
        let listed = fs::read_to_string(root().join("deps/client.txt")).unwrap();
        let listed = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        listed.chain(["client", "host", "protocol", "trust"]).map(str::to_owned).collect()
    }

    pub(crate) fn found() -> Vec<Member> {
        members(&root(), &TARGETS).unwrap()
    }

    #[test]
    fn the_clients_crates_are_found_with_who_needs_them_and_what_crates_io_serves() {
        let members = found();
        assert_eq!(members.iter().map(|member| member.name.clone()).collect::<BTreeSet<_>>(), allowed());
        for member in &members {
            let is_ours = ["client", "host", "protocol", "trust"].contains(&member.name.as_str());
            assert_eq!(member.checksum.as_ref().map(String::len), if is_ours { None } else { Some(64) }, "{member:?}");
            assert!(!member.license.is_empty() && member.version.starts_with(|digit: char| digit.is_ascii_digit()), "{member:?}");
            assert!(member.is_client() || members.iter().any(|other| other.needs.contains(&member.name)), "nobody needs {member:?}");
        }
        let ring = members.iter().find(|member| member.name == "ring").unwrap();
        assert!(ring.needs.contains(&"untrusted".to_owned()), "{ring:?}");
    }
}
