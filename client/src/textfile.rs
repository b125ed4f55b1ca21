//! What a node_exporter on this host reads of the last run, where the host file asks for it: after everything a run is for, and
//! whatever becomes of it changes nothing.

use crate::{failure::Failure, state::State, sys::file::Directory, sys::file::Look};
use host::state::Memory;
use protocol::{reason::Reason, site::Site};
use std::fmt::Write;

/// Puts a new file in place of the one before; a failure is a warning.
pub(crate) fn write(site: &Site, memory: &Memory, state: &mut State) {
    let Some(path) = &site.textfile else { return };
    let ends = site.credentials.iter().filter_map(|credential| state.held(&credential.name)).map(|held| held.answer);
    let text = text(memory, ends.map(|answer| (answer.credential, answer.expires_at)));
    // Whoever lost this file to a power cut has the next in one interval.
    let look = Look { mode: 0o644, owner: None, keep_previous: false, durable: false };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let written = Directory::open(folder).and_then(|directory| directory.replace(name, text.as_bytes(), look));
    if let Err(error) = written {
        state.warnings.push(Failure::io(Reason::DeliveryIo, path, &error));
    }
}

fn text(memory: &Memory, ends: impl Iterator<Item = (String, i64)>) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, series: &[(String, i64)]| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "# HELP pinnace_{name} {help}\n# TYPE pinnace_{name} gauge");
        for (labels, value) in series {
            let _ = writeln!(text, "pinnace_{name}{labels} {value}");
        }
    };
    let one = |value| [(String::new(), value)];
    gauge("last_run_timestamp_seconds", "When the last run ended.", &one(memory.last_run_at));
    gauge("last_success_timestamp_seconds", "When the last run ended that put every credential in place.", &one(memory.last_success_at));
    gauge("last_code", "How the last run ended, a code of pinnace explain.", &[(format!("{{code=\"{}\"}}", memory.last_code), 1)]);
    gauge("generation", "The release in charge; 0 for the package's own copy.", &one(memory.last_generation));
    let ends: Vec<_> = ends.map(|(name, at)| (format!("{{credential=\"{name}\"}}"), at)).collect();
    gauge("credential_expiry_timestamp_seconds", "When the credential ends that this host holds.", &ends);
    text
}
