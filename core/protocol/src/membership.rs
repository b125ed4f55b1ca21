//! How a host gets, renews and gets back its certificate, and what the control plane says it is.
//!
//! The key is made on the host and never leaves it. The host proves that it holds the new key by signing what is asked for,
//! bound to the very TLS connection it is asked on (RFC 9266), so that a proof is worth nothing anywhere else. Who may ask is
//! another question: a token, a registered key, another CA's certificate, or the certificate that is to be renewed.

use crate::{
    hex_decode,
    identity::is_name,
    json::{self, Value},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// The label of the keying material that binds a proof to its connection (RFC 8446 section 7.5), 32 bytes, without a context.
pub const BINDING_LABEL: &str = "EXPORTER-pinnace-proof";
/// How long that keying material is.
pub const BINDING_BYTES: usize = 32;
/// The longest token.
pub const TOKEN_BYTES_MAX: usize = 128;

/// What a host wants its new certificate for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To come in: without a certificate of ours, with a token, a registered key, or another CA's certificate.
    Enroll,
    /// To stay in: with the certificate that is past half of its life.
    Renew,
    /// To come back: with a certificate that has ended, whose key is registered.
    Recover,
}

impl Purpose {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Enroll, Self::Renew, Self::Recover];

    /// Its word in paths and proofs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Enroll => "enroll",
            Purpose::Renew => "renew",
            Purpose::Recover => "recover",
        }
    }

    /// Where it is asked for, with POST.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Purpose::Enroll => "/v1/identity/enroll",
            Purpose::Renew => "/v1/identity/renew",
            Purpose::Recover => "/v1/identity/recover",
        }
    }
}

/// A public key of a host: Ed25519 (RFC 8032), 32 bytes; hexadecimal on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// From hexadecimal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex_decode(text)?.try_into().ok().map(Self)
    }

    /// As a `SubjectPublicKeyInfo` in DER (RFC 8410 section 4).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        const HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        [&HEAD[..], &self.0].concat()
    }
}

/// What a host proves with its new key: the bytes signed. `subject` is the host's name, or the credential's for a credential's key.
#[must_use]
pub fn proof_message(purpose: &str, subject: &str, key: &str, binding: &[u8]) -> String {
    format!("pinnace-proof-v1\n{purpose}\n{subject}\n{key}\n{}\n", crate::hex_encode(binding))
}

/// The body of a request for a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The host's name inside the trust domain.
    pub host: String,
    /// The new key.
    pub key: PublicKey,
    /// The new key's Ed25519 signature over [`proof_message`].
    pub proof: Vec<u8>,
    /// The token of an enrolment; spent with it.
    pub token: Option<String>,
}

impl Request {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut value = json::object([
            ("version", 1.into()),
            ("host", self.host.as_str().into()),
            ("key", crate::hex_encode(&self.key.0).into()),
            ("proof", crate::hex_encode(&self.proof).into()),
        ]);
        if let (Value::Object(members), Some(token)) = (&mut value, &self.token) {
            members.push(("token".to_string(), token.as_str().into()));
        }
        value.to_string()
    }

    /// From the wire; `None` unless every member has its form.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str);
        let host = text("host").filter(|host| is_name(host))?.to_string();
        let token = match value.get("token") {
            None => None,
            Some(token) => Some(token.as_str().filter(|token| is_token(token))?.to_string()),
        };
        Some(Self { host, key: PublicKey::parse(text("key")?)?, proof: proof(text("proof")?)?, token })
    }
}

/// The body of a request for a credential over a key that the host made for it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The key to certify.
    pub key: PublicKey,
    /// Its signature over [`proof_message`] with the purpose `credential` and the credential's name.
    pub proof: Vec<u8>,
}

impl KeyRequest {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let members = [("version", 1.into()), ("key", crate::hex_encode(&self.key.0).into()), ("proof", crate::hex_encode(&self.proof).into())];
        json::object(members).to_string()
    }

    /// From the wire; `None` unless every member has its form.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str);
        Some(Self { key: PublicKey::parse(text("key")?)?, proof: proof(text("proof")?)? })
    }
}

/// The answer to a request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The host's SPIFFE ID.
    pub subject: String,
    /// The certificate and what stands between it and the CA, PEM.
    pub certificates: String,
    /// When it was issued, seconds since 1970.
    pub issued_at: i64,
    /// When it ends, seconds since 1970.
    pub expires_at: i64,
}

impl Identity {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("version", 1.into()),
            ("subject", self.subject.as_str().into()),
            ("certificates", self.certificates.as_str().into()),
            ("issued_at", self.issued_at.into()),
            ("expires_at", self.expires_at.into()),
        ])
        .to_string()
    }

    /// From the wire; unknown members are ignored, a missing one makes it `None`.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).map(ToString::to_string);
        let number = |key| value.get(key).and_then(Value::as_i64);
        let (issued_at, expires_at) = (number("issued_at")?, number("expires_at")?);
        Some(Self { subject: text("subject")?, certificates: text("certificates")?, issued_at, expires_at })
    }
}

/// The answer to `GET /v1/whoami`: what the control plane knows of the host that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whoami {
    /// The host's SPIFFE ID.
    pub subject: String,
    /// `active`, `quarantined`, `banned`, or `unregistered`: known by its certificate alone.
    pub status: String,
    /// Name and value of each label.
    pub labels: Vec<(String, String)>,
    /// The credentials that policy grants it.
    pub credentials: Vec<String>,
    /// When the certificate it came with ends, seconds since 1970.
    pub certificate_expires_at: i64,
    /// The control plane's time, seconds since 1970.
    pub time: i64,
}

impl Whoami {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let labels = self.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json::object([
            ("version", 1.into()),
            ("subject", self.subject.as_str().into()),
            ("status", self.status.as_str().into()),
            ("labels", Value::Object(labels)),
            ("credentials", Value::Array(self.credentials.iter().map(|name| name.as_str().into()).collect())),
            ("certificate_expires_at", self.certificate_expires_at.into()),
            ("time", self.time.into()),
        ])
        .to_string()
    }

    /// From the wire; unknown members are ignored, a missing one makes it `None`.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).map(ToString::to_string);
        let label = |(name, value): &(String, Value)| Some((name.clone(), value.as_str()?.to_string()));
        let name = |value: &Value| value.as_str().map(ToString::to_string);
        Some(Self {
            subject: text("subject")?,
            status: text("status")?,
            labels: value.get("labels")?.as_object()?.iter().map(label).collect::<Option<_>>()?,
            credentials: value.get("credentials")?.as_array()?.iter().map(name).collect::<Option<_>>()?,
            certificate_expires_at: value.get("certificate_expires_at")?.as_i64()?,
            time: value.get("time")?.as_i64()?,
        })
    }
}

/// Whether a text has the form of a token: 16 to 128 of `A-Z a-z 0-9 _ -`.
#[must_use]
pub fn is_token(text: &str) -> bool {
    (16..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn proof(text: &str) -> Option<Vec<u8>> {
    hex_decode(text).filter(|proof| proof.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn requests_and_answers_round_trip() {
        let key = PublicKey([7; 32]);
        for token in [None, Some("0123456789abcdef".to_string())] {
            let request = Request { host: "web-1".into(), key, proof: vec![1; 64], token };
            assert!(Request::from_json(request.to_json().as_bytes()) == Some(request));
        }
        let request = KeyRequest { key, proof: vec![2; 64] };
        assert!(KeyRequest::from_json(request.to_json().as_bytes()) == Some(request));
        let identity = Identity { subject: "spiffe://a/host/b".into(), certificates: "-".into(), issued_at: 1, expires_at: 2 };
        assert_eq!(Identity::from_json(identity.to_json().as_bytes()), Some(identity));
        let whoami = Whoami {
            subject: "spiffe://a/host/b".into(),
            status: "active".into(),
            labels: vec![("role".into(), "web".into())],
            credentials: vec!["db".into()],
            certificate_expires_at: 3,
            time: 4,
        };
        assert_eq!(Whoami::from_json(whoami.to_json().as_bytes()), Some(whoami));
    }

    #[test]
    fn a_request_out_of_form_is_none() {
        let good = Request { host: "web-1".into(), key: PublicKey([7; 32]), proof: vec![1; 64], token: Some("0123456789abcdef".into()) }.to_json();
        for (from, to) in [("web-1", "../1"), ("\"proof\":\"01", "\"proof\":\""), ("0123456789abcdef", "short"), ("\"key\":\"07", "\"key\":\"zz")] {
            assert!(Request::from_json(good.replace(from, to).as_bytes()).is_none(), "{to}");
        }
    }
}
