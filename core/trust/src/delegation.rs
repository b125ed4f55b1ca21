//! Who else may vouch for targets, and for which.

use crate::{
    envelope::Signers,
    key::{Crypto, read_keys},
    role::read_signers,
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use protocol::{hex_encode, json::Value};

const TOP_LEVEL: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];
const BITS_MAX: u32 = 32;

/// What a targets role passes on.
#[derive(Clone, Debug)]
pub(crate) struct Delegations(Vec<Delegation>);

/// One role, or many alike, that may vouch for some paths.
#[derive(Clone, Debug)]
struct Delegation {
    name: String,
    signers: Signers,
    terminating: bool,
    paths: Paths,
}

#[derive(Clone, Debug)]
enum Paths {
    /// Shell patterns, in which `*` and `?` match within one segment.
    Patterns(Vec<String>),
    /// Beginnings of the hexadecimal SHA-256 of the path.
    HashPrefixes(Vec<String>),
    /// The first bits of the path's SHA-256 choose among roles whose names begin alike (TAP 15).
    Bins(u32),
}

impl Delegations {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let keys = read_keys(value.get("keys")?)?;
        if let Some(bins) = value.get("succinct_roles") {
            let bits = u32::try_from(bins.get("bit_length")?.as_i64()?).ok().filter(|bits| (1..=BITS_MAX).contains(bits))?;
            let name = bins.get("name_prefix")?.as_str()?.to_string();
            return Some(Self([Delegation { name, signers: read_signers(bins, &keys)?, terminating: true, paths: Paths::Bins(bits) }].into()));
        }
        let roles = value.get("roles")?.as_array()?;
        let roles: Option<Vec<Delegation>> = roles.iter().map(|role| Delegation::read(role, &keys)).collect();
        Some(Self(roles?))
    }

    /// The roles to ask for a path, in order; whether nobody else is to be asked after them.
    pub(crate) fn of(&self, path: &str, crypto: &impl Crypto) -> (Vec<(String, &Signers)>, bool) {
        let mut roles = Vec::new();
        for delegation in &self.0 {
            if let Some(name) = delegation.role_for(path, crypto) {
                roles.push((name, &delegation.signers));
                if delegation.terminating {
                    return (roles, true);
                }
            }
        }
        (roles, false)
    }
}

impl Delegation {
    fn read(role: &Value, keys: &[(String, Option<crate::key::Key>)]) -> Option<Self> {
        let name = role.get("name")?.as_str().filter(|name| !name.is_empty() && !TOP_LEVEL.contains(name))?;
        let texts = |list: &Value| list.as_array()?.iter().map(|text| text.as_str().map(ToString::to_string)).collect::<Option<Vec<_>>>();
        let paths = match (role.get("paths"), role.get("path_hash_prefixes")) {
            (Some(patterns), None) => Paths::Patterns(texts(patterns)?),
            (None, Some(prefixes)) => Paths::HashPrefixes(texts(prefixes)?),
            _ => return None,
        };
        let terminating = role.get("terminating")?.as_bool()?;
        Some(Self { name: name.to_string(), signers: read_signers(role, keys)?, terminating, paths })
    }

    fn role_for(&self, path: &str, crypto: &impl Crypto) -> Option<String> {
        match &self.paths {
            Paths::Patterns(patterns) => patterns.iter().any(|pattern| matches(pattern, path)).then(|| self.name.clone()),
            Paths::HashPrefixes(prefixes) => {
                let hash = hex_encode(&crypto.sha256(path.as_bytes()));
                prefixes.iter().any(|prefix| hash.starts_with(prefix.as_str())).then(|| self.name.clone())
            }
            Paths::Bins(bits) => {
                let [a, b, c, d, ..] = crypto.sha256(path.as_bytes());
                let bin = u32::from_be_bytes([a, b, c, d]) >> (BITS_MAX - bits);
                let digits = (bits.div_ceil(4)) as usize;
                Some(format!("{}-{bin:0digits$x}", self.name))
            }
        }
    }
}

/// Segment by segment, so that `*` never crosses a slash.
fn matches(pattern: &str, path: &str) -> bool {
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(|(pattern, segment)| segment_matches(pattern, segment))
}

/// Remembers only the last star, so the time is at most the product of both lengths.
fn segment_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut star = None;
    loop {
        let left = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                star = Some((pattern.clone(), left.clone()));
                text = left;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => {
                let Some((after, mut from)) = star.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (after.clone(), from.clone());
                star = Some((after, from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_within_their_segments() {
        for (pattern, path, expected) in [
            ("*", "a", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("releases/*/x-?.bin", "releases/1/x-2.bin", true),
            ("releases/*/x-?.bin", "releases/1/x-22.bin", false),
            ("*.doc", "README.md", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("**", "", true),
            ("?", "é", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }
}
