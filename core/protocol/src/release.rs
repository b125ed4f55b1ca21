//! What a release says of itself, in the signed `custom` member of its TUF target.

use crate::json::{self, Value};
use alloc::string::{String, ToString};

/// The member of `custom` that is ours.
const MEMBER: &str = "pinnace";
/// As long as a channel, a platform, a version, or a file name with a SHA-512 before it may be.
const WORD_BYTES_MAX: usize = 192;

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

/// What the control plane wants a host to run: the path of a target. It can only choose; what it chooses must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The target's path; `None` for whatever the host runs.
    pub target: Option<String>,
}

/// As long as a target's path may be.
pub const TARGET_BYTES_MAX: usize = 512;

impl Assignment {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let target = self.target.as_deref().map_or(Value::Null, Value::from);
        json::object([("version", 1.into()), ("target", target)]).to_string()
    }

    /// From the wire; `None` if it is not an assignment.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let target = match json::parse(bytes).ok()?.get("target")? {
            Value::Null => None,
            path => Some(path.as_str().filter(|path| is_path(path))?.to_string()),
        };
        Some(Self { target })
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
            let assignment = Assignment { target };
            assert_eq!(Assignment::from_json(assignment.to_json().as_bytes()), Some(assignment));
        }
        for text in ["{}", "{\"target\":\"../x\"}", "{\"target\":\"/x\"}", "{\"target\":\"a//b\"}", "{\"target\":7}", "<html>"] {
            assert_eq!(Assignment::from_json(text.as_bytes()), None, "{text}");
        }
    }
}
