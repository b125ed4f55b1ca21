//! Room for open files: a connection needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const LISTENERS: u64 = 3;
/// The database, its log and index, listeners, signals, standard streams.
const BESIDE: u64 = 64;

/// Raises this process's own limit as far as all listeners' connections need it, and says so when it may not.
pub(super) fn make_room(connections: u32) {
    let needed = u64::from(connections) * LISTENERS + BESIDE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    if set.is_err() || raised < needed {
        tracing::warn!(event = "few-descriptors", needed, allowed = raised, hint = "raise the limit on open files, or lower limits.connections");
    }
}
