//! The names that the control plane itself is known by: its certificate and those of hosts come from one CA, so no host's may hold
//! any of them.

use rustls_pki_types::DnsName;

/// DNS names as certificates have them (RFC 6125 section 6.4), wildcards too.
#[derive(Debug, Default)]
pub struct ServerNames(Vec<String>);

impl ServerNames {
    /// From what stands in the server's certificate, and the URL of its issuer.
    pub fn new(names: impl IntoIterator<Item = String>, issuer: &str) -> Self {
        let authority = issuer.strip_prefix("https://").unwrap_or(issuer).split(['/', ':']).next().unwrap_or_default().to_string();
        Self(names.into_iter().chain([authority]).map(|name| plain(&name)).collect())
    }

    /// Whether a certificate with `name` in it could pass for the server's, or the server's for it.
    pub fn meet(&self, name: &str) -> bool {
        let name = plain(name);
        self.0.iter().any(|server| *server == name || covers(server, &name) || covers(&name, server))
    }
}

/// Whether a certificate can hold the name: a DNS name, or one with its first label left open.
pub fn is_dns_name(name: &str) -> bool {
    DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_ok()
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn covers(pattern: &str, name: &str) -> bool {
    let rest = pattern.strip_prefix("*.");
    rest.is_some_and(|rest| name.split_once('.').is_some_and(|(_, parent)| parent == rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_server_is_met_in_every_spelling() {
        let names = ServerNames::new(["cp.example.org".into(), "*.cp.example.org".into(), "CP".into()], "https://id.example.org:8444/x");
        for name in ["cp.example.org", "CP.Example.Org.", "cp", "*.example.org", "a.cp.example.org", "*.cp.example.org", "id.example.org"] {
            assert!(names.meet(name), "{name}");
        }
        for name in ["web.example.org", "cp.example.com", "example.org", "a.b.cp.example.org", "*.web.example.org", "*.org", "xcp"] {
            assert!(!names.meet(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_dns_name_is_none() {
        for name in ["a", "a.example.org", "*.example.org", "a_b.example.org"] {
            assert!(is_dns_name(name), "{name}");
        }
        for name in ["", "*", "a..b", "*.*.b", "a b", "a\0.example.org", "ä.example.org", "*.", "10.0.0.1/8"] {
            assert!(!is_dns_name(name), "{name:?}");
        }
    }
}
