//! What a control plane says: answers that are right, and the pieces to make wrong ones of.

#![expect(clippy::indexing_slicing, reason = "a peer that panics fails its test, which is right")]

use std::path::Path;

use protocol::answer::{Answer, Kind};
use protocol::time::{TimeAnswer, message};
use rcgen::{KeyPair, SigningKey as _};

use super::authority::now;

/// The host that the rig's identity names.
pub const HOST: &str = "spiffe://example.org/host/web-1";
const LIFETIME: i64 = 3_600;

/// A good answer, issued this many seconds from the present, and due again at once.
#[must_use]
pub fn good(issued_in: i64) -> Answer {
    let issued_at = now() + issued_in;
    Answer {
        credential: "db".into(),
        kind: Kind::Jwt,
        subject: HOST.into(),
        issued_at,
        expires_at: issued_at + LIFETIME,
        expires_in: LIFETIME,
        fetch_after: 0,
        fetch_window: 0,
        check_after: None,
        token_subject: None,
        token: token(HOST, issued_at + LIFETIME),
        fields: Vec::new(),
    }
}

/// A token that says this; nobody on the way checks its signature.
#[must_use]
pub fn token(subject: &str, expires_at: i64) -> String {
    let part = |json: String| base64(json.as_bytes(), URL);
    let claims = part(format!("{{\"iss\":\"https://cp.example.org\",\"sub\":\"{subject}\",\"exp\":{expires_at}}}"));
    format!("{}.{claims}.{}", part("{\"alg\":\"ES256\",\"typ\":\"JWT\"}".into()), "S".repeat(86))
}

/// An answer's bytes on the wire: this status line, these further headers (each ended by CRLF), this body and its length.
#[must_use]
pub fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// A 200 with this body.
#[must_use]
pub fn ok(body: &str) -> Vec<u8> {
    http("200 OK", "", body)
}

/// A 200 with a good credential.
#[must_use]
pub fn delivered() -> Vec<u8> {
    ok(&good(0).to_json())
}

/// A signed time, as the trust domain in this folder signs it.
#[must_use]
pub fn signed_time(domain: &Path, nonce: &str, time: i64) -> TimeAnswer {
    let read = |name: &str| std::fs::read_to_string(domain.join(name)).expect("the trust domain's folder");
    let pair = KeyPair::from_pem(&read("keys/time.key")).expect("the time key");
    let signature = pair.sign(message(nonce, time).as_bytes()).expect("a signature");
    TimeAnswer { time, nonce: nonce.into(), key: read("keys/time.pub").trim().into(), signature: protocol::hex_encode(&signature) }
}

/// The alphabet of RFC 4648 section 5.
const URL: [u8; 2] = *b"-_";
/// The alphabet of RFC 4648 section 4.
pub const STANDARD: [u8; 2] = *b"+/";

/// Base64 without padding; `last` are the alphabet's last two characters.
#[must_use]
pub fn base64(bytes: &[u8], last: [u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(piece.get(at).copied().unwrap_or(0)));
        text.extend((0..=piece.len()).map(|at| char::from(alphabet[bits >> (18 - 6 * at) & 63])));
    }
    text
}
