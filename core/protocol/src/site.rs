//! The site: everything a host must know about its control plane, stamped into the binary.

mod read;
mod region;
mod write;

pub use read::host_and_port;
pub use region::{MAGIC, REGION_BYTES, RegionError, decode_region, encode_region};

use alloc::{string::String, vec::Vec};
use core::fmt::{self, Display};

/// One site. Whoever holds a value from [`Site::from_json`] holds a checked one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// What operators call it.
    pub name: String,
    /// The trust domain of its SPIFFE IDs.
    pub trust_domain: String,
    /// Where the control plane answers; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The certificates of the CAs that may vouch for the control plane, PEM, overlapping during a change.
    pub roots_pem: String,
    /// The Ed25519 public keys that may sign the time, 64 hexadecimal characters each.
    pub time_keys: Vec<String>,
    /// Where the host keeps identity and state, absolute.
    pub state_dir: String,
    /// Where per-host choices are read from, absolute.
    pub host_file: String,
    /// Seconds that a whole run may take.
    pub deadline_seconds: u32,
    /// An HTTP proxy as `host:port`; without it none is used.
    pub proxy: Option<String>,
    /// The root of trust for releases, TUF metadata as it was signed; without it the host keeps the release it has.
    pub update_root: Option<String>,
    /// Where a node_exporter reads how the last run ended; of the host file alone.
    pub textfile: Option<String>,
    /// What to fetch, and where to hand it.
    pub credentials: Vec<Credential>,
}

/// One address of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name its certificate must carry: a DNS name, or an IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// IP addresses to use when the resolver does not help.
    pub addresses: Vec<String>,
}

/// One credential and its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its name in the control plane's policy.
    pub name: String,
    /// The key that the host makes for it, if its kind needs one.
    pub key: Option<KeyType>,
    /// Where it goes; none means that it is only kept for `pinnace credential`.
    pub deliveries: Vec<Delivery>,
}

/// A key that a host makes for a credential, fresh for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl KeyType {
    /// Its word in a site file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Ed25519 => "ed25519",
        }
    }

    /// By its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        (word == KeyType::Ed25519.name()).then_some(KeyType::Ed25519)
    }
}

/// One hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How.
    pub kind: Kind,
    /// In what form.
    pub format: Format,
    /// File mode; 0600 if not said.
    pub mode: Option<u32>,
    /// `user:group`, names or numbers; the running user if not said.
    pub owner: Option<String>,
}

/// How a credential is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One file, replaced atomically.
    File {
        /// Absolute path of the file.
        path: String,
    },
    /// Several files in a versioned directory behind a symbolic link, swapped atomically.
    Directory {
        /// Absolute path of the symbolic link.
        path: String,
    },
    /// The local agent's Unix socket.
    Socket {
        /// Absolute path of the socket.
        path: String,
        /// The user the agent must run as.
        peer_uid: Option<u32>,
    },
    /// A program that reads it on standard input; no shell.
    Exec {
        /// Absolute path of the program, then its arguments.
        argv: Vec<String>,
    },
    /// Standard output of the run.
    Stdout,
}

impl Kind {
    /// Its word in a site file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::File { .. } => "file",
            Kind::Directory { .. } => "directory",
            Kind::Socket { .. } => "socket",
            Kind::Exec { .. } => "exec",
            Kind::Stdout => "stdout",
        }
    }
}

/// The form in which a consumer reads a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The token alone.
    Raw,
    /// The whole answer.
    Json,
    /// AWS `credential_process`.
    Aws,
    /// Kubernetes `ExecCredential`.
    Kubernetes,
    /// `KEY="value"` lines.
    Env,
    /// The SPIFFE file layout.
    Spiffe,
    /// A Vault or OpenBao token file.
    Vault,
    /// Key, certificate and authority as OpenSSH reads them.
    Ssh,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] =
        [Format::Raw, Format::Json, Format::Aws, Format::Kubernetes, Format::Env, Format::Spiffe, Format::Vault, Format::Ssh];
    /// Their words, for those who typed another.
    pub const WORDS: &'static str = "raw json aws kubernetes env spiffe vault ssh";

    /// Whether it is a layout of several files.
    #[must_use]
    pub fn is_layout(self) -> bool {
        matches!(self, Format::Spiffe | Format::Ssh)
    }

    /// Its word in a site file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Json => "json",
            Format::Aws => "aws",
            Format::Kubernetes => "kubernetes",
            Format::Env => "env",
            Format::Spiffe => "spiffe",
            Format::Vault => "vault",
            Format::Ssh => "ssh",
        }
    }

    /// By its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == word)
    }
}

/// What in a site does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The member, such as `endpoints[0].port`.
    pub field: String,
    /// What is wrong with it.
    pub because: String,
}

impl Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.because)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    pub(crate) fn example() -> Site {
        Site {
            name: "demo".into(),
            trust_domain: "example.org".into(),
            endpoints: vec![Endpoint { host: "cp.example.org".into(), port: 8443, addresses: vec!["192.0.2.10".into(), "2001:db8::1".into()] }],
            roots_pem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".into(),
            time_keys: vec!["ab".repeat(32)],
            state_dir: "/var/lib/pinnace".into(),
            host_file: "/etc/pinnace/host.toml".into(),
            deadline_seconds: 10,
            proxy: Some("proxy.example.org:3128".into()),
            update_root: None,
            textfile: None,
            credentials: vec![Credential {
                name: "db".into(),
                key: None,
                deliveries: vec![
                    Delivery { kind: Kind::File { path: "/run/a".into() }, format: Format::Raw, mode: Some(0o640), owner: Some("root:0".into()) },
                    Delivery { kind: Kind::Directory { path: "/run/d".into() }, format: Format::Spiffe, mode: None, owner: None },
                    Delivery { kind: Kind::Socket { path: "/run/s".into(), peer_uid: Some(7) }, format: Format::Json, mode: None, owner: None },
                    Delivery { kind: Kind::Exec { argv: vec!["/bin/cat".into()] }, format: Format::Env, mode: None, owner: None },
                    Delivery { kind: Kind::Stdout, format: Format::Vault, mode: None, owner: None },
                ],
            }],
        }
    }

    #[test]
    fn a_site_round_trips_through_json_and_region() {
        let site = example();
        assert_eq!(Site::from_json(&site.to_json()), Ok(site.clone()));
        let region = encode_region(&site).unwrap();
        assert_eq!(region.len(), REGION_BYTES);
        assert_eq!(decode_region(&region), Ok(site));
    }

    #[test]
    fn a_key_is_stamped_only_where_there_is_one() {
        let mut site = example();
        assert!(!site.to_json().contains("\"key\""));
        site.credentials[0].key = Some(KeyType::Ed25519);
        assert!(site.to_json().contains("{\"name\":\"db\",\"key\":\"ed25519\",\"deliveries\""));
        assert_eq!(Site::from_json(&site.to_json()), Ok(site.clone()));
        let other = site.to_json().replace("ed25519", "rsa");
        assert_eq!(Site::from_json(&other).unwrap_err().field, "credentials[0].key");
    }

    #[test]
    fn every_format_has_its_word() {
        let words: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        assert_eq!(words.join(" "), Format::WORDS);
        assert!(Format::ALL.iter().all(|format| Format::parse(format.name()) == Some(*format)));
    }

    #[test]
    fn a_damaged_region_is_told_from_an_unstamped_one() {
        let mut region = encode_region(&example()).unwrap();
        region[30] ^= 1;
        assert_eq!(decode_region(&region), Err(RegionError::Corrupt));
        let mut empty = vec![0; REGION_BYTES];
        empty[..16].copy_from_slice(MAGIC);
        assert_eq!(decode_region(&empty), Err(RegionError::Unstamped));
        assert_eq!(decode_region(&[]), Err(RegionError::Unsupported));
    }

    #[test]
    fn every_semantic_rule_names_its_field() {
        let field = |change: fn(&mut Site)| {
            let mut site = example();
            change(&mut site);
            Site::from_json(&site.to_json()).unwrap_err().field
        };
        assert_eq!(field(|site| site.endpoints.clear()), "endpoints");
        assert_eq!(field(|site| site.endpoints[0].host = "a b".into()), "endpoints[0].host");
        assert_eq!(field(|site| site.endpoints[0].addresses[0] = "x".into()), "endpoints[0].addresses");
        assert_eq!(field(|site| site.time_keys[0] = "00".into()), "time_keys");
        assert_eq!(field(|site| site.roots_pem = "no".into()), "roots_pem");
        assert_eq!(field(|site| site.state_dir = "relative".into()), "state_dir");
        assert_eq!(field(|site| site.deadline_seconds = 0), "deadline_seconds");
        assert_eq!(field(|site| site.proxy = Some("nocolon".into())), "proxy");
        assert_eq!(field(|site| site.credentials[0].name = "../x".into()), "credentials[0].name");
        assert_eq!(field(|site| site.credentials[0].deliveries[0].format = Format::Spiffe), "credentials[0].deliveries[0].format");
        assert_eq!(Site::from_json("{\"nmae\":1}").unwrap_err().to_string(), "nmae: not a member of a site");
    }
}
