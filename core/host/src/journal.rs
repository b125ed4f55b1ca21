//! What a run says, as an entry of systemd's journal: its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use protocol::json::Value;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command that did what it is for.
    Done,
    /// One that did not.
    Failed,
    /// Something that did not stop it.
    Warning,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Warning];

    /// By which an entry of this kind is found, for ever.
    #[must_use]
    pub const fn message_id(self) -> &'static str {
        match self {
            Self::Done => "7eb9e606c6ad484688c02dc5bebdedc6",
            Self::Failed => "03aef80350084996b85c4a2cb36757aa",
            Self::Warning => "618f06ed328740daa1d98b1e300c7670",
        }
    }

    /// As syslog has it (RFC 5424 section 6.2.1).
    #[must_use]
    pub const fn priority(self) -> &'static str {
        match self {
            Self::Done => "6",
            Self::Failed => "3",
            Self::Warning => "4",
        }
    }
}

/// Where entries are taken in, if this is where the journal takes in the output of services. Both stand in one folder, which has
/// the name of a namespace of journals behind it where a service has one of its own.
#[must_use]
pub fn entries_beside(output: &str) -> Option<String> {
    let folder = output.strip_suffix("/stdout")?;
    let namespace = folder.strip_prefix("/run/systemd/journal")?;
    let is_namespace = namespace.is_empty() || (namespace.starts_with('.') && !namespace.contains('/'));
    is_namespace.then(|| format!("{folder}/socket"))
}

/// The entry: words for a person, and every member of the event as a field of its own.
#[must_use]
pub fn entry(kind: Kind, text: &str, event: &Value) -> Vec<u8> {
    let mut entry = Vec::new();
    let fixed = [
        ("MESSAGE", text),
        ("MESSAGE_ID", kind.message_id()),
        ("PRIORITY", kind.priority()),
        ("SYSLOG_FACILITY", "3"),
        ("SYSLOG_IDENTIFIER", "pinnace"),
    ];
    fixed.iter().for_each(|(name, value)| field(&mut entry, name, value));
    members(&mut entry, event);
    entry
}

fn members(entry: &mut Vec<u8>, event: &Value) {
    for (name, value) in event.as_object().unwrap_or_default() {
        match value {
            Value::Null => {}
            Value::Object(_) => members(entry, value),
            Value::String(text) => field(entry, &name_of(name), text),
            other => field(entry, &name_of(name), &other.to_string()),
        }
    }
}

fn name_of(member: &str) -> String {
    format!("PINNACE_{}", member.to_ascii_uppercase())
}

/// With its length before it where it has a line's end in it.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend(name.bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::json::object;

    #[test]
    fn every_member_is_a_field_and_lines_come_with_their_length() {
        let phases = object([("connect_ms", 3.into())]);
        let event = object([("code", "ok".into()), ("retry", false.into()), ("endpoint", Value::Null), ("phases", phases)]);
        let plain = entry(Kind::Done, "done", &event);
        let expected = "MESSAGE=done\nMESSAGE_ID=7eb9e606c6ad484688c02dc5bebdedc6\nPRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=pinnace\n\
                        PINNACE_CODE=ok\nPINNACE_RETRY=false\nPINNACE_CONNECT_MS=3\n";
        assert_eq!(plain, expected.as_bytes());
        let lines = entry(Kind::Failed, "error: one\nPRIORITY=0", &object([]));
        assert!(lines.starts_with(b"MESSAGE\n\x15\0\0\0\0\0\0\0error: one\nPRIORITY=0\nMESSAGE_ID="));
    }

    #[test]
    fn only_the_journals_own_output_has_entries_beside_it() {
        assert_eq!(entries_beside("/run/systemd/journal/stdout").as_deref(), Some("/run/systemd/journal/socket"));
        assert_eq!(entries_beside("/run/systemd/journal.web/stdout").as_deref(), Some("/run/systemd/journal.web/socket"));
        for other in ["", "/stdout", "/run/systemd/journal", "/run/systemd/journalist/stdout", "/run/systemd/journal./../x/stdout", "/tmp/stdout"] {
            assert_eq!(entries_beside(other), None, "{other}");
        }
    }
}
