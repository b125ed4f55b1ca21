//! `pinnaced.toml`: what was typed becomes what it means, once; unknown keys are errors.

use crate::{
    failure::{Code, Failure},
    files,
    issuers::pkcs11,
    mirror, otlp,
    store::{Address, Server},
};
use protocol::identity::{HostId, is_name};
use serde::Deserialize;
use service::{keys, membership::Rules, release};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The settings of a control plane.
pub(crate) struct Config {
    /// The trust domain whose hosts are served.
    pub(crate) trust_domain: String,
    /// The `iss` of tokens, byte for byte, and the base of the public documents.
    pub(crate) issuer: String,
    /// Where to listen.
    pub(crate) listen: Listen,
    /// What bounds each resource.
    pub(crate) limits: Limits,
    /// How hosts come in, stay in and come back.
    pub(crate) hosts: Rules,
    /// This process's name: that of its audit chain.
    pub(crate) name: String,
    /// How long keys are published.
    pub(crate) keys: keys::Rules,
    /// How releases reach hosts.
    pub(crate) releases: release::Rules,
    /// For how long is kept what hosts tell.
    pub(crate) telemetry: Kept,
    /// The token that keys may be in.
    pub(crate) pkcs11: Option<pkcs11::Settings>,
    /// Where targets come from that are not in the releases folder.
    pub(crate) mirror: Option<mirror::Settings>,
    /// Who else is told what hosts tell.
    pub(crate) otlp: Option<otlp::Settings>,
    /// The trust domain's folder.
    pub(crate) folder: PathBuf,
    /// Where the files are.
    pub(crate) files: Files,
    /// Where the store is.
    pub(crate) store: Address,
}

/// Where to listen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    /// Hosts, mutual TLS.
    pub(crate) hosts: SocketAddr,
    /// Discovery and JWKS, TLS.
    pub(crate) public: SocketAddr,
    /// Probes and metrics, plain HTTP.
    pub(crate) admin: SocketAddr,
    /// Operators, mutual TLS.
    #[serde(default = "operators")]
    pub(crate) operators: SocketAddr,
}

fn operators() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8445))
}

/// What bounds each resource.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Open connections per listener.
    pub(crate) connections: u32,
    /// Requests answered at one time.
    pub(crate) requests: u32,
    /// Requests that wait for their turn; one more sends somebody away with a 503 and Retry-After.
    pub(crate) waiting: u32,
    /// Programs run at one time for secrets; one more waits, and its deadline runs.
    pub(crate) programs: u32,
    handshake_seconds: u64,
    header_seconds: u64,
    connection_seconds: u64,
    audit_seconds: u64,
    drain_notice_seconds: u64,
    drain_seconds: u64,
    reload_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            requests: 256,
            waiting: 1024,
            programs: 8,
            handshake_seconds: 10,
            header_seconds: 5,
            connection_seconds: 60,
            audit_seconds: 5,
            drain_notice_seconds: 1,
            drain_seconds: 10,
            reload_seconds: 2,
        }
    }
}

impl Limits {
    /// For a TLS handshake from accept to finish.
    pub(crate) fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    /// For a request head from its wait to its end, so also for an idle connection.
    pub(crate) fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    /// For a connection after its handshake, however busy.
    pub(crate) fn connection(&self) -> Duration {
        Duration::from_secs(self.connection_seconds)
    }

    /// For an audit record to become durable.
    pub(crate) fn audit(&self) -> Duration {
        Duration::from_secs(self.audit_seconds)
    }

    /// Between `/readyz` turning 503 and the listeners closing, so that balancers can look away.
    pub(crate) fn drain_notice(&self) -> Duration {
        Duration::from_secs(self.drain_notice_seconds)
    }

    /// For open connections to end once the listeners are closed.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// Between two looks at certificates and policy on disk.
    pub(crate) fn reload(&self) -> Duration {
        Duration::from_secs(self.reload_seconds.max(1))
    }
}

/// For how long is kept what hosts tell.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kept {
    /// Every event.
    pub(crate) events_hours: u32,
    /// Counts per minute.
    pub(crate) counts_days: u32,
    /// What was last known of a host that tells nothing any more.
    pub(crate) hosts_days: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self { events_hours: 48, counts_days: 30, hosts_days: 90 }
    }
}

/// Where the files are; relative paths are relative to the trust domain's folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Files {
    /// The CA certificates that host certificates must chain to.
    pub(crate) client_roots: PathBuf,
    /// The CA that signs host certificates.
    pub(crate) ca_certificate: PathBuf,
    /// Its private key.
    pub(crate) ca_key: PathBuf,
    /// Other CAs, by whose certificates hosts may come in.
    pub(crate) enroll_roots: Option<PathBuf>,
    /// The server's certificate chain.
    pub(crate) server_certificate: PathBuf,
    /// The server's private key.
    pub(crate) server_key: PathBuf,
    /// What browsers at the operators' listener are shown, where there is such a file: they know no Ed25519.
    pub(crate) browser_certificate: PathBuf,
    /// Its private key.
    pub(crate) browser_key: PathBuf,
    /// The P-256 key that signs tokens at first; as every key here, a path or `pkcs11:object=LABEL`.
    pub(crate) jwt_key: PathBuf,
    /// The RSA key that signs tokens at first, where policy says RS256.
    pub(crate) jwt_rs256_key: PathBuf,
    /// The Ed25519 key that signs the time.
    pub(crate) time_key: PathBuf,
    /// The Ed25519 key that signs OpenSSH certificates, if they are issued.
    pub(crate) ssh_key: PathBuf,
    /// The Ed25519 key that signs checkpoints of the audit log.
    pub(crate) audit_key: PathBuf,
    /// Which host may have which credential.
    pub(crate) policy: PathBuf,
    /// The folder that releases are published into.
    pub(crate) releases: PathBuf,
    /// The audit database.
    pub(crate) database: PathBuf,
    /// What hosts tell, unless a database on a server keeps it.
    pub(crate) telemetry: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            client_roots: "ca/ca.crt".into(),
            ca_certificate: "ca/ca.crt".into(),
            ca_key: "ca/ca.key".into(),
            enroll_roots: None,
            server_certificate: "server/server.crt".into(),
            server_key: "server/server.key".into(),
            browser_certificate: "server/browser.crt".into(),
            browser_key: "server/browser.key".into(),
            jwt_key: "keys/jwt.key".into(),
            jwt_rs256_key: "keys/jwt-rs256.key".into(),
            time_key: "keys/time.key".into(),
            ssh_key: "keys/ssh.key".into(),
            audit_key: "keys/audit.key".into(),
            policy: "policy.toml".into(),
            releases: "releases".into(),
            database: "pinnaced.db".into(),
            telemetry: "telemetry.db".into(),
        }
    }
}

impl Files {
    fn inside(self, dir: &Path) -> Self {
        Self {
            client_roots: dir.join(self.client_roots),
            ca_certificate: dir.join(self.ca_certificate),
            ca_key: dir.join(self.ca_key),
            enroll_roots: self.enroll_roots.map(|path| dir.join(path)),
            server_certificate: dir.join(self.server_certificate),
            server_key: dir.join(self.server_key),
            browser_certificate: dir.join(self.browser_certificate),
            browser_key: dir.join(self.browser_key),
            jwt_key: dir.join(self.jwt_key),
            jwt_rs256_key: dir.join(self.jwt_rs256_key),
            time_key: dir.join(self.time_key),
            ssh_key: dir.join(self.ssh_key),
            audit_key: dir.join(self.audit_key),
            policy: dir.join(self.policy),
            releases: dir.join(self.releases),
            database: dir.join(self.database),
            telemetry: dir.join(self.telemetry),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    trust_domain: String,
    issuer: String,
    listen: Listen,
    #[serde(default = "name")]
    name: String,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    hosts: Rules,
    #[serde(default)]
    keys: keys::Rules,
    #[serde(default)]
    releases: release::Rules,
    #[serde(default)]
    telemetry: Kept,
    pkcs11: Option<pkcs11::Settings>,
    mirror: Option<mirror::Settings>,
    otlp: Option<otlp::Settings>,
    #[serde(default)]
    files: Files,
    store: Option<RawStore>,
}

/// A database that several processes share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStore {
    postgres: String,
    #[serde(default = "spool")]
    spool: PathBuf,
    #[serde(default = "spool_minutes")]
    spool_minutes: u64,
}

fn spool() -> PathBuf {
    "spool.db".into()
}

fn spool_minutes() -> u64 {
    60
}

impl RawStore {
    fn address(self, dir: &Path) -> Result<Address, String> {
        let config = postgres(&self.postgres)?;
        let spool_max = Duration::from_secs(self.spool_minutes.saturating_mul(60));
        Ok(Address::Server(Box::new(Server { config, spool: dir.join(self.spool), spool_max })))
    }
}

/// How to reach a PostgreSQL server.
pub(crate) fn postgres(text: &str) -> Result<tokio_postgres::Config, String> {
    let mut config: tokio_postgres::Config = text.parse().map_err(|error: tokio_postgres::Error| format!("[store] postgres: {error}"))?;
    if config.get_password().is_some() {
        // Neither this file nor a command line is a place for one.
        return Err("[store] postgres holds a password; use the peer authentication of a local socket".into());
    }
    config.application_name("pinnaced").connect_timeout(Duration::from_secs(2));
    Ok(config)
}

fn name() -> String {
    "pinnaced".into()
}

impl Config {
    /// From `pinnaced.toml` in a trust domain's folder.
    pub(crate) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("pinnaced.toml");
        let raw: RawConfig = toml::from_str(&files::read(&path)?).map_err(|error| invalid(&path, error))?;
        if HostId::new(&raw.trust_domain, "any").is_none() {
            return Err(invalid(&path, "trust_domain is not a trust domain's name"));
        }
        if !raw.issuer.starts_with("https://") || raw.issuer.ends_with('/') {
            return Err(invalid(&path, "issuer must be an https URL without a slash at its end"));
        }
        if raw.limits.connections == 0 || raw.limits.requests == 0 || raw.limits.programs == 0 {
            return Err(invalid(&path, "limits of 0 would let nobody in"));
        }
        raw.releases.check().map_err(|because| invalid(&path, because))?;
        if !is_name(&raw.name) {
            return Err(invalid(&path, "name must be 1 to 63 of a-z 0-9 . _ -"));
        }
        let RawConfig { trust_domain, issuer, listen, name, limits, hosts, keys, releases, telemetry, pkcs11, mirror, otlp, files, store } = raw;
        let files = files.inside(dir);
        let file = || Ok(Address::File(files.database.clone()));
        let store = store.map_or_else(file, |store| store.address(dir)).map_err(|because| invalid(&path, because))?;
        let pkcs11 = pkcs11.map(|settings| pkcs11::Settings { module: dir.join(settings.module), pin_file: dir.join(settings.pin_file), ..settings });
        let mirror = mirror.map(|settings| settings.inside(dir));
        let otlp = otlp.map(|settings| settings.inside(dir));
        let folder = dir.into();
        Ok(Self { trust_domain, issuer, listen, limits, hosts, name, keys, releases, telemetry, pkcs11, mirror, otlp, folder, files, store })
    }
}

fn invalid(path: &Path, because: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::ConfigInvalid,
        format!("cannot use {}", path.display()),
        because,
        "correct the file; pinnaced init writes an example of every key",
    )
}
