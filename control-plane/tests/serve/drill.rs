//! The rotation drill: every key that hosts and consumers depend on is replaced under live traffic. No fetch fails, and nobody who
//! keeps copies for as long as they may ever meets something that cannot be verified.

use crate::{
    keyed::{Key, field},
    keys::{key_of, order},
    rig::{Domain, Server},
};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use protocol::answer::Answer;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long copies of the JWKS may be kept; in front of a fleet it is 300 s.
const CACHE: Duration = Duration::from_secs(2);
/// How long a process takes at most to look at the store.
const LOOK: Duration = Duration::from_secs(1);

/// A credential of each key that signs.
pub(crate) const POLICY: &str = r#"
[[credential]]
name = "es"
kind = "jwt"
audience = ["a"]
hosts = ["*"]

[[credential]]
name = "rs"
kind = "jwt"
algorithm = "RS256"
audience = ["a"]
hosts = ["*"]

[[credential]]
name = "mesh"
kind = "x509"
hosts = ["*"]
"#;

struct Traffic {
    server: Server,
    stop: AtomicBool,
    tokens: AtomicUsize,
    certificates: AtomicUsize,
}

/// Ends the traffic when it is dropped.
struct End<'a>(&'a Traffic);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A consumer's copy of the JWKS, fetched again only when it is too old.
struct Copy {
    keys: JwkSet,
    fetched: Instant,
}

impl Copy {
    fn fetch(server: &Server) -> Self {
        let reply = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]);
        assert!(reply.status == 200 && reply.head.contains("max-age=2\r\n"), "{reply:?}");
        Self { keys: serde_json::from_str(&reply.body).unwrap(), fetched: Instant::now() }
    }

    fn verify(&mut self, server: &Server, token: &str) {
        if self.fetched.elapsed() >= CACHE {
            *self = Self::fetch(server);
        }
        let header = decode_header(token).unwrap();
        let key = self
            .keys
            .find(header.kid.as_ref().unwrap())
            .unwrap_or_else(|| panic!("no key {:?} in a copy of {:?}", header.kid, self.fetched.elapsed()));
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["a"]);
        decode::<serde_json::Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    }
}

impl Traffic {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Fetches tokens over connections of its own, and verifies each, and the first one again and again.
    fn tokens(&self, identity: &Path, credential: &str) {
        let mut copy = Copy::fetch(&self.server);
        let mut first = None;
        while self.goes_on() {
            let token = self.fetch(identity, credential).token;
            copy.verify(&self.server, &token);
            copy.verify(&self.server, first.get_or_insert(token));
            self.tokens.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn fetch(&self, identity: &Path, credential: &str) -> Answer {
        let mut stream = self.server.connect(identity);
        stream.write_all(format!("GET /v1/credentials/{credential} HTTP/1.1\r\nHost: cp\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "a fetch failed: {text}");
        Answer::from_json(body.as_bytes()).unwrap()
    }

    /// Fetches certificates, and renews the identity it fetches them with; each is verified by the bundle of the one before.
    fn certificates(&self, domain: &Domain, host: &str) {
        let identity = domain.path(&format!("drill-{host}.pem"));
        fs::copy(domain.host(host), &identity).unwrap();
        let mut bundle = field(&Key::new().certified(&self.server, &identity, "mesh"), "bundle").to_string();
        let mut first = None;
        while self.goes_on() {
            let answer = Key::new().certified(&self.server, &identity, "mesh");
            let certificate = CertificateDer::from_pem_slice(field(&answer, "certificates").as_bytes()).unwrap();
            verify(&certificate, &bundle);
            bundle = field(&answer, "bundle").into();
            verify(first.get_or_insert(certificate), &bundle);
            let renewed = Key::new().renewed(&self.server, &identity, host);
            fs::write(&identity, renewed).unwrap();
            self.certificates.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn verify(certificate: &CertificateDer<'_>, bundle: &str) {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(bundle.as_bytes()).for_each(|root| roots.add(root.unwrap()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    verifier.verify_client_cert(certificate, &[], UnixTime::now()).expect("the bundle before knows the CA");
}

/// Publishes a successor, waits until no copy is without it, and lets it sign: nothing is forced.
fn rotate(domain: &Domain, purpose: &str, algorithm: &str) -> String {
    let old = key_of(domain, purpose, algorithm, "active");
    let new = order(domain, &["prepare", "--use", purpose, "--algorithm", algorithm, "--reason", "drill"]);
    thread::sleep(CACHE + LOOK);
    order(domain, &["activate", &new, "--reason", "drill"]);
    thread::sleep(LOOK + Duration::from_millis(500));
    assert_eq!((key_of(domain, purpose, algorithm, "active"), key_of(domain, purpose, algorithm, "retired")), (new.clone(), old));
    new
}

#[test]
fn every_key_rotates_under_live_traffic_and_nothing_fails() {
    let domain = Domain::new();
    domain.set("publish_hours", 0).set("cache_seconds", 2);
    fs::write(domain.path("policy.toml"), POLICY).unwrap();
    let traffic = Traffic { server: Server::start(&domain), stop: false.into(), tokens: 0.into(), certificates: 0.into() };
    let hosts = [("es-1", "es"), ("rs-1", "rs"), ("es-2", "es")].map(|(host, credential)| (domain.host(host), credential));
    let ca = thread::scope(|scope| {
        // Also where the drill itself fails, the traffic ends, and the server after it.
        let _end = End(&traffic);
        for (identity, credential) in &hosts {
            scope.spawn(|| traffic.tokens(identity, credential));
        }
        scope.spawn(|| traffic.certificates(&domain, "mesh-1"));
        thread::sleep(Duration::from_secs(1));
        rotate(&domain, "jwt", "ES256");
        rotate(&domain, "jwt", "RS256");
        rotate(&domain, "ca", "Ed25519")
    });
    let renewed = fs::read(domain.path("drill-mesh-1.pem")).unwrap();
    let issuer = x509_parser::pem::Pem::iter_from_buffer(&renewed).nth(1).unwrap().unwrap();
    assert_eq!(issuer.parse_x509().unwrap().issuer().to_string(), format!("CN=Pinnace CA of example.org {ca}"));
    let (tokens, certificates) = (traffic.tokens.load(Ordering::Relaxed), traffic.certificates.load(Ordering::Relaxed));
    assert!(tokens > 100 && certificates > 20, "{tokens} tokens and {certificates} certificates are no live traffic");
    println!("{tokens} tokens and {certificates} certificates across three rotations, each verified");
}
