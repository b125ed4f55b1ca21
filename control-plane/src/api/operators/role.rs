//! Who operates, and what each may do.

use protocol::identity::is_name;
use std::fmt;

/// What an operator may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Let hosts in and put them out.
    Operator,
    /// Change what others may do.
    Admin,
}

impl Role {
    /// By its word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Role::Viewer, Role::Operator, Role::Admin].into_iter().find(|known| known.name() == word)
    }

    /// Its word in certificates.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

/// An operator, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    /// The name.
    pub(crate) name: String,
    /// The role.
    pub(crate) role: Role,
    trust_domain: String,
}

impl Operator {
    /// From the URI `spiffe://TRUST-DOMAIN/operator/ROLE/NAME`.
    pub(crate) fn parse(uri: &str, trust_domain: &str) -> Option<Self> {
        let path = uri.strip_prefix("spiffe://")?.strip_prefix(trust_domain)?.strip_prefix("/operator/")?;
        let (role, name) = path.split_once('/')?;
        let role = Role::parse(role)?;
        is_name(name).then(|| Self { name: name.into(), role, trust_domain: trust_domain.into() })
    }
}

impl Operator {
    /// The same with another role.
    pub(super) fn with(self, role: Role) -> Self {
        Self { role, ..self }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "spiffe://{}/operator/{}/{}", self.trust_domain, self.role.name(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_has_one_spelling() {
        let parse = |uri| Operator::parse(uri, "example.org");
        assert_eq!(parse("spiffe://example.org/operator/admin/ann").unwrap().to_string(), "spiffe://example.org/operator/admin/ann");
        for uri in [
            "spiffe://example.org/host/admin",
            "spiffe://example.org/operator/root/ann",
            "spiffe://example.org/operator/admin/",
            "spiffe://example.org/operator/admin/a/b",
            "spiffe://example.org.evil/operator/admin/ann",
            "spiffe://other/operator/admin/ann",
        ] {
            assert_eq!(parse(uri), None, "{uri}");
        }
    }
}
