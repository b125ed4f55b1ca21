//! Who a host is: a SPIFFE ID of the form `spiffe://TRUST-DOMAIN/host/ID` (SPIFFE-ID specification, section 2).

use alloc::string::{String, ToString};
use core::fmt::{self, Display};

/// A host's identity; both parts have been checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId {
    trust_domain: String,
    host: String,
}

impl HostId {
    /// From its two parts.
    #[must_use]
    pub fn new(trust_domain: &str, host: &str) -> Option<Self> {
        let fits = is_trust_domain(trust_domain) && is_name(host);
        fits.then(|| Self { trust_domain: trust_domain.to_string(), host: host.to_string() })
    }

    /// From its URI.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let (trust_domain, host) = uri.strip_prefix("spiffe://")?.split_once("/host/")?;
        Self::new(trust_domain, host)
    }

    /// The trust domain, such as `example.org`.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The host's name inside the trust domain, such as `web-1`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Display for HostId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "spiffe://{}/host/{}", self.trust_domain, self.host)
    }
}

/// Whether a text can name a host or a credential: 1 to 63 of `a-z 0-9 . _ -`, not starting with a dot.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=63).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(fits)
}

fn is_trust_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| is_name(label) && !label.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_id_has_one_spelling() {
        let id = HostId::parse("spiffe://example.org/host/web-1").unwrap();
        assert_eq!((id.trust_domain(), id.host(), id.to_string().as_str()), ("example.org", "web-1", "spiffe://example.org/host/web-1"));
        for uri in [
            "",
            "spiffe://example.org/host/",
            "spiffe://example.org/host/a/b",
            "spiffe://Example.org/host/a",
            "spiffe:///host/a",
            "https://example.org/host/a",
            "spiffe://example.org/host/..",
            "spiffe://a..b/host/c",
        ] {
            assert_eq!(HostId::parse(uri), None, "{uri}");
        }
    }
}
