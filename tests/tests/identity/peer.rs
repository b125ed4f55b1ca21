//! A control plane by script: it checks what a real one checks (the certificate shown, the proof, its connection), and does what
//! a test tells it to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::json::Value;
use protocol::membership::{BINDING_BYTES, BINDING_LABEL, Identity, KeyRequest, Purpose, Request, Whoami, proof_message};
use protocol::{hex_encode, refusal::Refusal};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, now};
use crate::verifier::Anyone;

/// What the peer knows and is told to do.
#[derive(Default)]
pub(crate) struct Script {
    /// Every request, as `METHOD PATH`, in order.
    pub(crate) asked: Vec<String>,
    /// The `Pinnace-Held` of each credential request.
    pub(crate) held: Vec<Option<i64>>,
    /// Tokens that are good, and for which host and key each was spent.
    pub(crate) tokens: Vec<(String, Option<(String, String)>)>,
    /// Keys that operators have registered, by host.
    pub(crate) registered: Vec<(String, String)>,
    /// The refusal to a certificate that is not good any more.
    pub(crate) return_refused: Option<&'static str>,
    /// The refusal to everything else.
    pub(crate) refused: Option<&'static str>,
    /// How many answers are lost on the way, from here on.
    pub(crate) answers_lost: u32,
    /// Whether no credential can be issued.
    pub(crate) issuer_is_down: bool,
    /// The path that is never answered.
    pub(crate) silent: Option<&'static str>,
    /// Whether the connection ends with a 401.
    pub(crate) hangs_up: bool,
    /// Certificates are over another key.
    pub(crate) other_key: bool,
    /// Certificates are for another host.
    pub(crate) other_host: bool,
    /// The seconds from begin to now, and from now to end, of the certificates that are issued.
    pub(crate) life: (i64, i64),
}

/// The running peer.
pub(crate) struct Peer {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    script: Arc<Mutex<Script>>,
}

impl Peer {
    /// Starts it for a trust domain.
    pub(crate) fn start(authority: Arc<Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let script = Arc::new(Mutex::new(Script { life: (60, 3_600), ..Script::default() }));
        let config = Arc::new(config(&authority));
        let told = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, authority, script) = (Arc::clone(&config), Arc::clone(&authority), Arc::clone(&told));
                std::thread::spawn(move || serve(stream, config, &authority, &script));
            }
        });
        Self { port, script }
    }

    /// What it knows, to be changed or looked at.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test failed while it held this")
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script().asked)
    }
}

fn config(authority: &Authority) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(authority.server_certificate.as_bytes()).expect("the server's certificate");
    let key = PrivateKeyDer::from_pem_slice(authority.server_key.as_bytes()).expect("the server's key");
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(Anyone::default()))
        .with_single_cert(vec![certificate], key)
        .expect("they go together")
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// One request as it came.
struct Asked {
    method: String,
    path: String,
    held: Option<i64>,
    body: Vec<u8>,
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, authority: &Authority, script: &Mutex<Script>) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).expect("a connection"), stream);
    let mut bytes = Vec::new();
    while let Some(asked) = read(&mut stream, &mut bytes) {
        let mut script = script.lock().expect("no test failed while it held this");
        // What a host reports of its run is no part of these stories.
        if asked.path != "/v1/events" {
            script.asked.push(format!("{} {}", asked.method, asked.path));
        }
        let answer = Exchange { authority, script: &mut script, stream: &stream, asked: &asked }.answer();
        if script.silent == Some(asked.path.as_str()) {
            drop(script);
            let _ = stream.read(&mut [0]);
            return;
        }
        if script.answers_lost > 0 && asked.method == "POST" {
            script.answers_lost -= 1;
            return;
        }
        let (status, body) = answer.map_or_else(
            |(status, code)| {
                let refusal = Refusal { code: code.into(), error: "refused".into(), because: "the script says so".into(), hint: "none".into() };
                (status, refusal.to_json())
            },
            |body| (200, body),
        );
        let hangs_up = script.hangs_up && status == 401;
        drop(script);
        let text = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err() || hangs_up {
            return;
        }
    }
}

fn read(stream: &mut Stream, bytes: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).and_then(|value| value.trim().parse().ok());
            let length = usize::try_from(header("Content-Length:").unwrap_or(0)).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = bytes[end + 4..end + 4 + length].to_vec();
                bytes.drain(..end + 4 + length);
                let mut words = head.split(' ');
                let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
                return Some(Asked { method, path, held: header("Pinnace-Held:"), body });
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend(&piece[..count]),
            _ => return None,
        }
    }
}

/// A status and a code, for what is refused.
type Refused = (u16, &'static str);

struct Exchange<'a> {
    authority: &'a Authority,
    script: &'a mut Script,
    stream: &'a Stream,
    asked: &'a Asked,
}

impl Exchange<'_> {
    fn answer(&mut self) -> Result<String, Refused> {
        if let Some(nonce) = self.asked.path.strip_prefix("/v1/time?nonce=") {
            return Ok(self.authority.signed_time(nonce));
        }
        if let Some(purpose) = Purpose::ALL.into_iter().find(|purpose| purpose.path() == self.asked.path) {
            return self.identity(purpose);
        }
        let host = self.good_host()?;
        if let Some(code) = self.script.refused {
            return Err((403, code));
        }
        match self.asked.path.strip_prefix("/v1/credentials/") {
            Some(_) if self.script.issuer_is_down => Err((503, "issuer.unsigned")),
            Some(name) => self.credential(name, &host),
            None if self.asked.path == "/v1/whoami" => Ok(self.whoami(&host)),
            None => Err((404, "path.unknown")),
        }
    }

    /// The host whose good certificate was shown.
    fn good_host(&self) -> Result<String, Refused> {
        let (host, ends) = self.shown().ok_or((401, "identity.none"))?;
        let Some(host) = host else { return Err((401, "identity.unknown-authority")) };
        if ends < now() { Err((401, "identity.expired")) } else { Ok(host) }
    }

    /// The host in the certificate that was shown, if it is one of ours, and when that ends.
    fn shown(&self) -> Option<(Option<String>, i64)> {
        let leaf = self.stream.conn.peer_certificates()?.first()?;
        Some(self.authority.issued(leaf).map_or((None, i64::MAX), |(host, ends)| (Some(host), ends)))
    }

    fn identity(&mut self, purpose: Purpose) -> Result<String, Refused> {
        let request = Request::from_json(&self.asked.body).ok_or((400, "request.malformed"))?;
        let key = hex_encode(&request.key.0);
        self.check_proof(purpose.name(), &request.host, &request.key.0, &request.proof);
        match (purpose, self.shown()) {
            (Purpose::Enroll, None) => self.may_enroll(&request.host, &key, request.token.as_deref())?,
            (Purpose::Enroll, Some((None, _))) if request.token.is_none() => {}
            (Purpose::Renew, _) => assert_eq!(self.good_host()?, request.host, "renewed for another host"),
            (Purpose::Recover, Some((host, ends))) if ends < now() || host.is_none() => {
                if let Some(code) = self.script.return_refused {
                    return Err((403, code));
                }
            }
            _ => return Err((403, "enroll.refused")),
        }
        let host = if self.script.other_host { "web-2" } else { &request.host };
        let key = if self.script.other_key { [1; 32] } else { request.key.0 };
        let certificates = self.authority.issue_over(host, key, self.script.life);
        let (issued_at, expires_at) = (now(), now() + self.script.life.1);
        Ok(Identity { subject: format!("spiffe://example.org/host/{host}"), certificates, issued_at, expires_at }.to_json())
    }

    fn may_enroll(&mut self, host: &str, key: &str, token: Option<&str>) -> Result<(), Refused> {
        let who = (host.to_owned(), key.to_owned());
        let Some(token) = token else {
            return if self.script.registered.contains(&who) { Ok(()) } else { Err((403, "enroll.refused")) };
        };
        let (_, spent) = self.script.tokens.iter_mut().find(|(known, _)| known == token).ok_or((403, "enroll.token-invalid"))?;
        if *spent.get_or_insert(who.clone()) == who { Ok(()) } else { Err((403, "enroll.token-invalid")) }
    }

    /// A proof that does not hold is the client's fault, and fails the test.
    fn check_proof(&self, purpose: &str, subject: &str, key: &[u8; 32], proof: &[u8]) {
        let binding = self.stream.conn.export_keying_material([0; BINDING_BYTES], BINDING_LABEL.as_bytes(), None).expect("a binding");
        let message = proof_message(purpose, subject, &hex_encode(key), &binding);
        let verified = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key).verify(message.as_bytes(), proof);
        assert!(verified.is_ok(), "the proof for {purpose} of {subject} does not hold");
    }

    fn credential(&mut self, name: &str, host: &str) -> Result<String, Refused> {
        self.script.held.push(self.asked.held);
        let key = match (name, KeyRequest::from_json(&self.asked.body)) {
            ("web" | "login", None) => return Err((400, "credential.key-needed")),
            (_, Some(request)) => {
                self.check_proof("credential", name, &request.key.0, &request.proof);
                if self.script.other_key { [1; 32] } else { request.key.0 }
            }
            _ => [0; 32],
        };
        let (kind, fields) = match name {
            "web" => {
                let certificates = self.authority.issue_over(host, key, (60, 3_600));
                ("x509", vec![("certificates", certificates), ("bundle", self.authority.ca_certificate.clone())])
            }
            "login" => {
                let (certificate, authority) = self.authority.ssh_certificate(key, now() + 3_600);
                ("ssh", vec![("certificate", certificate), ("authority", authority)])
            }
            _ => ("secret", vec![("password", "open sesame".to_owned())]),
        };
        let fields = fields.into_iter().map(|(name, text)| (name.to_owned(), text.as_str().into())).collect();
        let issued_at = now();
        let answer = protocol::json::object([
            ("version", 1.into()),
            ("credential", name.into()),
            ("kind", kind.into()),
            ("subject", format!("spiffe://example.org/host/{host}").as_str().into()),
            ("issued_at", issued_at.into()),
            ("expires_at", (issued_at + 3_600).into()),
            ("expires_in", 3_600.into()),
            ("fetch_after", 1_800.into()),
            ("fetch_window", 0.into()),
            ("fields", Value::Object(fields)),
        ]);
        Ok(answer.to_string())
    }

    fn whoami(&self, host: &str) -> String {
        let certificate_expires_at = self.shown().map_or(0, |(_, ends)| ends);
        Whoami {
            subject: format!("spiffe://example.org/host/{host}"),
            status: "active".into(),
            labels: vec![("role".into(), "web\u{1b}[31m".into())],
            credentials: vec!["db".into()],
            certificate_expires_at,
            time: now(),
        }
        .to_json()
    }
}
