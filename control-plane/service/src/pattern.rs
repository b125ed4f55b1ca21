//! Which hosts a rule or a token is for, by their names.

use protocol::identity::{HostId, is_name};

/// All hosts, those whose name begins so, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    All,
    /// `web-*`
    Beginning(String),
    /// `web-1`
    One(String),
}

impl HostPattern {
    /// As it is typed.
    ///
    /// # Errors
    /// In words, for what names no hosts.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some("") => Ok(Self::All),
            Some(beginning) if is_name(beginning) => Ok(Self::Beginning(beginning.into())),
            None if is_name(text) => Ok(Self::One(text.into())),
            _ => Err(format!("{text:?} names no hosts; write \"*\", a host, or a beginning such as \"web-*\"")),
        }
    }

    /// Whether the host is one of them.
    pub fn includes(&self, host: &HostId) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(beginning) => host.host().starts_with(beginning.as_str()),
            Self::One(one) => host.host() == one,
        }
    }
}
