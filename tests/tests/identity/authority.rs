//! What the peer signs with: the rig's own trust domain, as `pinnaced init` made it.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::hex_encode;
use protocol::time::{TimeAnswer, message};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use tests::rig::{Rig, check};

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// The trust domain's keys, and what was issued with them.
pub(crate) struct Authority {
    /// The CA's certificate, PEM.
    pub(crate) ca_certificate: String,
    /// The server's certificate, PEM.
    pub(crate) server_certificate: String,
    /// The server's key, PEM.
    pub(crate) server_key: String,
    ca_key: String,
    time_key: Ed25519KeyPair,
    folder: tempfile::TempDir,
    issued: Mutex<Vec<(CertificateDer<'static>, String, i64)>>,
}

impl Authority {
    /// That of a rig.
    pub(crate) fn of(rig: &Rig) -> Self {
        let read = |name: &str| std::fs::read_to_string(rig.path("domain").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let time_key = PrivatePkcs8KeyDer::from_pem_slice(read("keys/time.key").as_bytes()).expect("the time key");
        let folder = tempfile::tempdir().expect("a temporary folder");
        check(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "ca", "-f"]).arg(folder.path().join("ca")));
        Self {
            ca_certificate: read("ca/ca.crt"),
            server_certificate: read("server/server.crt"),
            server_key: read("server/server.key"),
            ca_key: read("ca/ca.key"),
            time_key: Ed25519KeyPair::from_pkcs8_maybe_unchecked(time_key.secret_pkcs8_der()).expect("the time key"),
            folder,
            issued: Mutex::new(Vec::new()),
        }
    }

    /// A certificate for a host over its key, PEM; `life` is the time from its begin to now, and from now to its end.
    pub(crate) fn issue_over(&self, host: &str, key: [u8; 32], life: (i64, i64)) -> String {
        let issuer = Issuer::from_ca_cert_pem(&self.ca_certificate, KeyPair::from_pem(&self.ca_key).expect("the CA's key")).expect("the CA");
        let certificate = parameters(&format!("spiffe://example.org/host/{host}"), life).signed_by(&Key(key), &issuer).expect("a certificate");
        self.issued.lock().expect("no panic in here").push((certificate.der().clone(), host.to_owned(), now() + life.1));
        certificate.pem()
    }

    /// A host's identity file, key first.
    pub(crate) fn identity(&self, host: &str, life: (i64, i64)) -> String {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        key.serialize_pem() + &self.issue_over(host, key.der_bytes().try_into().expect("32 bytes"), life)
    }

    /// Host and end of a certificate that was issued here.
    pub(crate) fn issued(&self, leaf: &CertificateDer<'_>) -> Option<(String, i64)> {
        let issued = self.issued.lock().expect("no panic in here");
        issued.iter().find(|(known, ..)| known == leaf).map(|(_, host, ends)| (host.clone(), *ends))
    }

    /// The answer to a question for the time.
    pub(crate) fn signed_time(&self, nonce: &str) -> String {
        let time = now();
        let (key, signature) = (hex_encode(self.time_key.public_key().as_ref()), self.time_key.sign(message(nonce, time).as_bytes()));
        TimeAnswer { time, nonce: nonce.to_owned(), key, signature: hex_encode(signature.as_ref()) }.to_json()
    }

    /// An OpenSSH certificate over a key, and the authority's line.
    pub(crate) fn ssh_certificate(&self, key: [u8; 32], ends: i64) -> (String, String) {
        let at = |name: &str| self.folder.path().join(name);
        std::fs::write(at("host.pub"), ssh_line(&key)).expect("the folder");
        let until = format!("0x1:0x{ends:x}");
        check(Command::new("ssh-keygen").args(["-q", "-I", "web-1", "-n", "root", "-V", &until, "-s"]).arg(at("ca")).arg(at("host.pub")));
        let read = |name: &str| std::fs::read_to_string(at(name)).expect("what ssh-keygen wrote").trim_end().to_owned();
        (read("host-cert.pub"), read("ca.pub"))
    }
}

/// What another CA gives a host, P-256, key first.
pub(crate) fn foreign_identity() -> String {
    let ca = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = Issuer::new(parameters, ca);
    let key = KeyPair::generate().expect("a key");
    key.serialize_pem()
        + &CertificateParams::new(vec!["web-1.other.example".into()]).expect("a name").signed_by(&key, &issuer).expect("a certificate").pem()
}

fn parameters(uri: &str, life: (i64, i64)) -> CertificateParams {
    let at = |seconds: i64| (UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).expect("after 1970"))).into();
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    parameters.not_before = at(now() - life.0);
    parameters.not_after = at(now() + life.1);
    parameters
}

/// A public key as OpenSSH writes it.
fn ssh_line(key: &[u8; 32]) -> String {
    let blob = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32], key].concat();
    format!("ssh-ed25519 {} web-1\n", base64(&blob))
}

/// Base64 of a multiple of three bytes (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(bytes.len() % 3, 0, "no padding is written here");
    let bits = |three: &[u8]| three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
    bytes.chunks(3).flat_map(|three| [18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits(three) >> shift & 63]))).collect()
}

/// A public key that came in a request.
struct Key([u8; 32]);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
