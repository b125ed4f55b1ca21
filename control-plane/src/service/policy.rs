//! Policy: which host may have which credential. What no rule grants is denied.

use protocol::identity::{HostId, is_name};
use serde::Deserialize;
use std::collections::HashMap;

const LIFETIME_SECONDS_DEFAULT: i64 = 3600;
const LIFETIME_SECONDS_MAX: i64 = 30 * 24 * 3600;
const LIFETIME_SECONDS_MIN: i64 = 10;

/// `policy.toml` as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPolicy {
    #[serde(default)]
    credential: Vec<RawGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    name: String,
    kind: String,
    #[serde(default)]
    audience: Vec<String>,
    file: Option<String>,
    lifetime_seconds: Option<i64>,
    hosts: Vec<String>,
}

impl RawPolicy {
    /// The files whose contents the policy needs.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.credential.iter().filter_map(|grant| grant.file.as_deref())
    }
}

/// What `policy.toml` means: an immutable snapshot.
#[derive(Debug)]
pub(crate) struct Policy {
    grants: HashMap<String, Grant>,
}

/// One credential and who may have it.
#[derive(Debug)]
pub(crate) struct Grant {
    /// What it is.
    pub(crate) kind: Kind,
    /// How long an issued one is good for.
    pub(crate) lifetime_seconds: i64,
    hosts: Vec<Hosts>,
}

/// What a credential is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A token for these audiences.
    Jwt {
        /// `aud`.
        audience: Vec<String>,
    },
    /// Texts kept in a file.
    Secret {
        /// Name and text of each.
        fields: Vec<(String, String)>,
    },
}

#[derive(Debug)]
enum Hosts {
    All,
    Beginning(String),
    One(String),
}

/// What policy says to one request.
pub(crate) enum Decision<'a> {
    /// Issue it.
    Granted(&'a Grant),
    /// The credential is not for this host.
    Denied,
    /// There is no such credential.
    Unknown,
}

impl Policy {
    /// From what was typed and the secret files' contents, by their names in it.
    ///
    /// # Errors
    /// The first grant that means nothing, in words.
    pub(crate) fn new(raw: RawPolicy, secrets: &HashMap<String, Vec<u8>>) -> Result<Self, String> {
        let mut grants = HashMap::new();
        for raw in raw.credential {
            let name = raw.name.clone();
            if !is_name(&name) {
                return Err(format!("{name:?} cannot name a credential"));
            }
            let grant = Grant::new(raw, secrets).map_err(|because| format!("credential {name:?}: {because}"))?;
            if grants.insert(name.clone(), grant).is_some() {
                return Err(format!("credential {name:?} is written twice"));
            }
        }
        Ok(Self { grants })
    }

    /// Whether `host` may have the credential `name`.
    pub(crate) fn decide(&self, host: &HostId, name: &str) -> Decision<'_> {
        match self.grants.get(name) {
            None => Decision::Unknown,
            Some(grant) if grant.hosts.iter().any(|hosts| hosts.include(host)) => Decision::Granted(grant),
            Some(_) => Decision::Denied,
        }
    }
}

impl Grant {
    fn new(raw: RawGrant, secrets: &HashMap<String, Vec<u8>>) -> Result<Self, String> {
        let lifetime_seconds = raw.lifetime_seconds.unwrap_or(LIFETIME_SECONDS_DEFAULT);
        if !(LIFETIME_SECONDS_MIN..=LIFETIME_SECONDS_MAX).contains(&lifetime_seconds) {
            return Err(format!("lifetime_seconds must be {LIFETIME_SECONDS_MIN} to {LIFETIME_SECONDS_MAX}"));
        }
        let kind = match (raw.kind.as_str(), raw.file) {
            ("jwt", None) if raw.audience.is_empty() => return Err("a jwt needs an audience".into()),
            ("jwt", None) => Kind::Jwt { audience: raw.audience },
            ("secret", Some(file)) if raw.audience.is_empty() => Kind::Secret { fields: fields(&file, secrets)? },
            ("jwt" | "secret", _) => return Err("a jwt has an audience and no file, a secret a file and no audience".into()),
            (kind, _) => return Err(format!("there is no kind {kind:?}; there are jwt and secret")),
        };
        Ok(Self { kind, lifetime_seconds, hosts: raw.hosts.iter().map(|text| Hosts::parse(text)).collect::<Result<_, _>>()? })
    }
}

fn fields(file: &str, secrets: &HashMap<String, Vec<u8>>) -> Result<Vec<(String, String)>, String> {
    let bytes = secrets.get(file).ok_or_else(|| format!("{file} was not read"))?;
    let value = protocol::json::parse(bytes).map_err(|error| format!("{file} is not JSON: {error}"))?;
    let members = value.as_object().filter(|members| !members.is_empty()).ok_or_else(|| format!("{file} must hold an object of texts"))?;
    let field = |(name, text): &(String, protocol::json::Value)| Some((name.clone(), text.as_str()?.to_string()));
    members.iter().map(field).collect::<Option<_>>().ok_or_else(|| format!("{file} must hold nothing but texts"))
}

impl Hosts {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some("") => Ok(Hosts::All),
            Some(beginning) if is_name(beginning) => Ok(Hosts::Beginning(beginning.into())),
            None if is_name(text) => Ok(Hosts::One(text.into())),
            _ => Err(format!("{text:?} names no hosts; write \"*\", a host, or a beginning such as \"web-*\"")),
        }
    }

    fn include(&self, host: &HostId) -> bool {
        match self {
            Hosts::All => true,
            Hosts::Beginning(beginning) => host.host().starts_with(beginning.as_str()),
            Hosts::One(one) => host.host() == one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy, String> {
        let secrets = HashMap::from([("s.json".to_string(), br#"{"key":"k"}"#.to_vec()), ("bad.json".to_string(), b"{\"key\":1}".to_vec())]);
        Policy::new(toml::from_str(text).map_err(|error| error.to_string())?, &secrets)
    }

    fn says(policy: &Policy, host: &str, name: &str) -> &'static str {
        match policy.decide(&HostId::new("example.org", host).unwrap(), name) {
            Decision::Granted(_) => "granted",
            Decision::Denied => "denied",
            Decision::Unknown => "unknown",
        }
    }

    #[test]
    fn what_no_rule_grants_is_denied() {
        let text = "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['web-*','db-1']\n[[credential]]\nname='none'\nkind='secret'\nfile='s.json'\nhosts=[]";
        let policy = policy(text).unwrap();
        assert_eq!(says(&policy, "web-7", "db"), "granted");
        assert_eq!(says(&policy, "db-1", "db"), "granted");
        assert_eq!(says(&policy, "db-12", "db"), "denied");
        assert_eq!(says(&policy, "web-7", "none"), "denied");
        assert_eq!(says(&policy, "web-7", "other"), "unknown");
    }

    #[test]
    fn a_policy_that_means_nothing_is_refused_whole() {
        for text in [
            "[[credential]]\nname='db'\nkind='jwt'\nhosts=['*']",
            "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*b']",
            "[[credential]]\nname='../db'\nkind='jwt'\naudience=['a']\nhosts=['*']",
            "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*']\nlifetime_seconds=0",
            "[[credential]]\nname='db'\nkind='secret'\nfile='bad.json'\nhosts=['*']",
            "[[credential]]\nname='db'\nkind='x'\nhosts=['*']",
            "[[credential]]\nname='db'\nkind='jwt'\naudience=['a']\nhosts=['*']\ntypo=1",
        ] {
            assert!(policy(text).is_err(), "{text}");
        }
    }
}
