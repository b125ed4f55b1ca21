//! What a release says of itself, in the signed `custom` member of its TUF target.

use crate::{
    json::{self, Value},
    trial::is_sha256,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

/// The member of `custom` that is ours.
const MEMBER: &str = "pinnace";
/// As long as a channel, a platform, a version, or a file name with a SHA-512 before it may be.
const WORD_BYTES_MAX: usize = 192;
/// Pulled releases that an assignment names, at most.
pub const PULLED_MAX: usize = 16;

/// One binary for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which generation it is: 1 for the first. To go back to an old binary is a new generation with the old bytes.
    pub generation: i64,
    /// Which hosts it is meant for: `stable` or `canary`.
    pub channel: String,
    /// No host goes below this generation once it has seen this.
    pub minimum: i64,
    /// Where it runs, such as `x86_64-linux`.
    pub platform: String,
    /// What people call it, such as `1.4.2`.
    pub version: String,
}

impl Release {
    /// The `custom` member of a target.
    #[must_use]
    pub fn to_custom(&self) -> Value {
        let ours = json::object([
            ("generation", self.generation.into()),
            ("channel", self.channel.as_str().into()),
            ("minimum_generation", self.minimum.into()),
            ("platform", self.platform.as_str().into()),
            ("version", self.version.as_str().into()),
        ]);
        json::object([(MEMBER, ours)])
    }

    /// From the `custom` member of a target; `None` if it is not a release of ours.
    #[must_use]
    pub fn from_custom(custom: &Value) -> Option<Self> {
        let ours = custom.get(MEMBER)?;
        let number = |name| ours.get(name).and_then(Value::as_i64).filter(|number| *number >= 0);
        let word = |name| ours.get(name).and_then(Value::as_str).filter(|word| is_word(word)).map(ToString::to_string);
        Some(Self {
            generation: number("generation").filter(|generation| *generation > 0)?,
            channel: word("channel")?,
            minimum: number("minimum_generation")?,
            platform: word("platform")?,
            version: word("version")?,
        })
    }
}

/// The lowest generation that releases allow: the highest that any of them demands.
#[must_use]
pub fn floor<'a>(releases: impl Iterator<Item = &'a Release>) -> i64 {
    releases.map(|release| release.minimum).max().unwrap_or(0)
}

/// Whether a text is fit for a file name: letters, digits and `_.-+`, not beginning with a dot.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-+".contains(&byte);
    !text.is_empty() && text.len() <= WORD_BYTES_MAX && !text.starts_with('.') && text.bytes().all(fits)
}

/// What the control plane wants a host to run. It can only choose: what it chooses must be signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The target's path; `None` for whatever the host runs.
    pub target: Option<String>,
    /// How the target earns this host; `None` if it goes live once it is verified.
    pub trial: Option<Terms>,
    /// Releases that no host keeps, by their SHA-256: they are left at once, for what was there before.
    pub pulled: Vec<String>,
}

/// The terms of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Clean runs before the release goes live.
    pub runs: i64,
    /// Seconds that the trial takes at least.
    pub seconds: i64,
}

/// As long as a target's path may be.
pub const TARGET_BYTES_MAX: usize = 512;

impl Assignment {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let target = self.target.as_deref().map_or(Value::Null, Value::from);
        let mut members = Vec::from([("version".to_string(), 1.into()), ("target".to_string(), target)]);
        if let Some(Terms { runs, seconds }) = self.trial {
            members.push(("trial".to_string(), json::object([("runs", runs.into()), ("seconds", seconds.into())])));
        }
        if !self.pulled.is_empty() {
            members.push(("pulled".to_string(), Value::Array(self.pulled.iter().map(|hash| hash.as_str().into()).collect())));
        }
        Value::Object(members).to_string()
    }

    /// From the wire; `None` if it is not an assignment.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let target = match value.get("target")? {
            Value::Null => None,
            path => Some(path.as_str().filter(|path| is_path(path))?.to_string()),
        };
        let trial = value.get("trial").map(Terms::from_value);
        let pulled = value.get("pulled").map_or(Some(&[][..]), Value::as_array).filter(|pulled| pulled.len() <= PULLED_MAX)?;
        let hash = |hash: &Value| Some(hash.as_str().filter(|hash| is_sha256(hash))?.to_string());
        Some(Self {
            target,
            trial: if let Some(trial) = trial { Some(trial?) } else { None },
            pulled: pulled.iter().map(hash).collect::<Option<_>>()?,
        })
    }
}

impl Terms {
    fn from_value(value: &Value) -> Option<Self> {
        let number = |name| value.get(name).and_then(Value::as_i64);
        let runs = number("runs").filter(|runs| (1..=1_000).contains(runs))?;
        Some(Self { runs, seconds: number("seconds").filter(|seconds| (0..=30 * 86_400).contains(seconds))? })
    }
}

/// Whether a text is a target's path as Pinnace makes them: words between slashes.
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.len() <= TARGET_BYTES_MAX && text.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_assignments_round_trip() {
        let release =
            Release { generation: 7, channel: "stable".into(), minimum: 3, platform: "x86_64-linux".into(), version: "1.4.2+site.9".into() };
        assert_eq!(Release::from_custom(&release.to_custom()), Some(release));
        for target in [None, Some("pinnace/7/pinnace-x86_64".to_string())] {
            let plain = Assignment { target, ..Assignment::default() };
            let tried = Assignment { trial: Some(Terms { runs: 6, seconds: 600 }), pulled: Vec::from(["ab".repeat(32)]), ..plain.clone() };
            for assignment in [plain, tried] {
                assert_eq!(Assignment::from_json(assignment.to_json().as_bytes()), Some(assignment));
            }
        }
        for text in [
            "{}",
            "{\"target\":\"../x\"}",
            "{\"target\":\"/x\"}",
            "{\"target\":\"a//b\"}",
            "{\"target\":7}",
            "<html>",
            r#"{"target":null,"pulled":["x"]}"#,
            r#"{"target":null,"trial":{}}"#,
        ] {
            assert_eq!(Assignment::from_json(text.as_bytes()), None, "{text}");
        }
    }
}
