//! A trust domain in a temporary folder, its server, and clients.

use protocol::json::{self, Value};
use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long anything is waited for that comes in a moment where a machine has time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const POLICY: &str = r#"
[[credential]]
name = "db"
kind = "jwt"
audience = ["https://db.example.org"]
lifetime_seconds = 3600
hosts = ["*"]

[[credential]]
name = "closed"
kind = "jwt"
audience = ["https://closed.example.org"]
hosts = ["vault-1"]

[[credential]]
name = "aws"
kind = "secret"
file = "secrets/aws.json"
lifetime_seconds = 600
hosts = ["web-*"]
"#;

/// A folder with a trust domain; removed in the end.
pub(crate) struct Domain {
    pub(crate) dir: PathBuf,
}

impl Domain {
    /// Made by `pinnaced init`, with limits short enough to wait for.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("pinnaced-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let domain = Self { dir: std::env::temp_dir().join(name) };
        let init = pinnaced(&domain.dir, &["init", "--trust-domain", "example.org", "--name", "cp.example.org", "--name", "127.0.0.1"]);
        assert!(init.status.success(), "{init:?}");
        domain.set("handshake_seconds", 1).set("header_seconds", 1).set("reload_seconds", 1).set("audit_seconds", 1);
        fs::write(domain.path("secrets/aws.json"), r#"{"AccessKeyId":"AK","SecretAccessKey":"SK"}"#).unwrap();
        fs::write(domain.path("policy.toml"), POLICY).unwrap();
        domain
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A command on this folder.
    pub(crate) fn pinnaced(&self, arguments: &[&str]) -> Output {
        pinnaced(&self.dir, arguments)
    }

    /// Changes one number in `pinnaced.toml`.
    pub(crate) fn set(&self, key: &str, value: u32) -> &Self {
        let text = fs::read_to_string(self.path("pinnaced.toml")).unwrap();
        let line = |line: &str| if line.starts_with(&format!("{key} =")) { format!("{key} = {value}") } else { line.to_string() };
        fs::write(self.path("pinnaced.toml"), text.lines().map(line).collect::<Vec<_>>().join("\n")).unwrap();
        self
    }

    fn ca(&self) -> Issuer<'static, KeyPair> {
        let key = KeyPair::from_pem(&fs::read_to_string(self.path("ca/ca.key")).unwrap()).unwrap();
        Issuer::from_ca_cert_pem(&fs::read_to_string(self.path("ca/ca.crt")).unwrap(), key).unwrap()
    }

    /// Key and certificate, one PEM file, for these URIs.
    pub(crate) fn identity(&self, uris: &[&str], days: i64) -> PathBuf {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(parameters, days, &format!("identity-{}.pem", uris.concat().replace(['/', ':'], "_")))
    }

    /// The identity of a host of this trust domain.
    pub(crate) fn host(&self, name: &str) -> PathBuf {
        self.identity(&[&format!("spiffe://example.org/host/{name}")], 1)
    }

    fn sign(&self, mut parameters: CertificateParams, days: i64, file: &str) -> PathBuf {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let now = time::OffsetDateTime::now_utc();
        parameters.not_before = now - time::Duration::days(days.abs() + 1);
        parameters.not_after = now + time::Duration::days(days);
        let certificate = parameters.signed_by(&key, &self.ca()).unwrap();
        fs::write(self.path(file), key.serialize_pem() + &certificate.pem()).unwrap();
        self.path(file)
    }

    /// Puts a new server certificate in place, each file whole, and gives its DER.
    pub(crate) fn renew_server(&self) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::new(vec!["cp.example.org".into(), "127.0.0.1".into()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let both = self.sign(parameters, 9, "renewed.pem");
        for name in ["server/server.key", "server/server.crt"] {
            let new = self.path(&format!("{name}.new"));
            fs::copy(&both, &new).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(new, self.path(name)).unwrap();
        }
        CertificateDer::from_pem_file(both).unwrap()
    }

    /// What `pinnaced audit` prints of issued credentials.
    pub(crate) fn audit(&self) -> Vec<Value> {
        self.records().into_iter().filter(|record| record.get("event").and_then(Value::as_str) == Some("issued")).collect()
    }

    /// All that `pinnaced audit` prints.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.audit_lines().iter().map(|line| json::parse(line.as_bytes()).unwrap()).collect()
    }

    /// The same, as it is printed.
    pub(crate) fn audit_lines(&self) -> Vec<String> {
        let printed = pinnaced(&self.dir, &["audit"]);
        assert!(printed.status.success(), "{printed:?}");
        String::from_utf8(printed.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn pinnaced(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinnaced")).args(arguments).arg("--dir").arg(dir).output().unwrap()
}

/// A running `pinnaced serve`; killed in the end.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) hosts: String,
    pub(crate) public: String,
    pub(crate) admin: String,
    pub(crate) operators: String,
    ca: PathBuf,
    /// What it logs; whoever has it say much reads it away.
    pub(crate) log: Option<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) fn start(domain: &Domain) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_pinnaced")), domain)
    }

    /// With so many open files at most.
    pub(crate) fn start_with_files(domain: &Domain, files: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string(), env!("CARGO_BIN_EXE_pinnaced")]);
        Self::start_as(shell, domain)
    }

    /// By a command of the caller's making.
    pub(crate) fn start_as(command: Command, domain: &Domain) -> Self {
        Self::try_start_as(command, domain).expect("pinnaced ended before it listened")
    }

    /// The same; `None` if it ended before it listened.
    pub(crate) fn try_start_as(mut command: Command, domain: &Domain) -> Option<Self> {
        let any = "127.0.0.1:0";
        let mut child = command
            .args(["serve", "--listen-hosts", any, "--listen-public", any, "--listen-admin", any, "--listen-operators", any, "--dir"])
            .arg(&domain.dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                let _ = child.wait();
                return None;
            }
        }
        let line = json::parse(line.as_bytes()).unwrap();
        let address = |key| line.get(key).and_then(Value::as_str).unwrap().to_string();
        Some(Self {
            child,
            hosts: address("hosts"),
            public: address("public"),
            admin: address("admin"),
            operators: address("operators"),
            ca: domain.path("ca/ca.crt"),
            log: Some(log),
        })
    }

    /// curl against the host listener, with a client certificate.
    pub(crate) fn curl(&self, identity: &Path, path: &str, more: &[&str]) -> Reply {
        let identity = identity.to_str().unwrap();
        self.fetch(&format!("https://{}{path}", self.hosts), &[&["--cert", identity, "--key", identity], more].concat())
    }

    /// curl against the operators' listener: a GET, or a POST of `body`.
    pub(crate) fn operate(&self, identity: &Path, path: &str, body: Option<&str>) -> Reply {
        let identity = identity.to_str().unwrap();
        let body = body.map_or(Vec::new(), |body| vec!["-H", "Content-Type: application/json", "-H", "Expect:", "--data-binary", body]);
        self.fetch(&format!("https://{}{path}", self.operators), &[&["--cert", identity, "--key", identity], body.as_slice()].concat())
    }

    /// curl against any URL, trusting the trust domain's CA.
    pub(crate) fn fetch(&self, url: &str, more: &[&str]) -> Reply {
        let output =
            Command::new("curl").args(["-sS", "-i", "-m", "8", "--cacert"]).arg(&self.ca).args(more).arg(url).output().expect("curl is needed");
        let text = String::from_utf8(output.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let head = head.to_lowercase();
        Reply { status, head, body: body.into(), complaint: String::from_utf8_lossy(&output.stderr).into() }
    }

    /// A TLS connection of our own to the host listener.
    pub(crate) fn connect(&self, identity: &Path) -> StreamOwned<ClientConnection, TcpStream> {
        self.connect_with(self.tls(identity))
    }

    /// The same with what it is made with; `None` where nobody listens.
    pub(crate) fn connect_if_there(&self, tls: Arc<ClientConfig>) -> Option<StreamOwned<ClientConnection, TcpStream>> {
        let stream = TcpStream::connect(&self.hosts).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(StreamOwned::new(ClientConnection::new(tls, "cp.example.org".try_into().ok()?).ok()?, stream))
    }

    /// The same without a certificate.
    pub(crate) fn connect_as_nobody(&self) -> StreamOwned<ClientConnection, TcpStream> {
        self.connect_with(Arc::new(self.trusting().with_no_client_auth()))
    }

    fn connect_with(&self, tls: Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
        self.connect_if_there(tls).unwrap()
    }

    /// What such a connection is made with.
    pub(crate) fn tls(&self, identity: &Path) -> Arc<ClientConfig> {
        let chain = CertificateDer::pem_file_iter(identity).unwrap().map(Result::unwrap).collect();
        Arc::new(self.trusting().with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(identity).unwrap()).unwrap())
    }

    fn trusting(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
    }

    /// Kills it; gives what it logged after it began to listen.
    pub(crate) fn end(mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        self.log.take().map(|mut log| log.read_to_string(&mut text).unwrap());
        text
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What curl saw; status 0 when there was no answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) complaint: String,
}

impl Reply {
    /// A member of the JSON body.
    pub(crate) fn text(&self, key: &str) -> String {
        json::parse(self.body.as_bytes()).unwrap().get(key).and_then(Value::as_str).unwrap_or_default().to_string()
    }
}

/// Waits up to some seconds for what must come to be.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < end, "{what} did not come to be");
        thread::sleep(Duration::from_millis(50));
    }
}
