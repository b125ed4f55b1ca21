//! Tokens: JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515 section 7.1).

use super::{Pair, Unsigned, base64url, jwk};
use protocol::json::{self, Quoted, Value};
use service::keys::Algorithm;
use std::fmt::Write;

/// Room for a token and for its payload, as they usually are.
const TOKEN_BYTES: usize = 768;
const PAYLOAD_BYTES: usize = 384;

/// A key of tokens.
pub(crate) struct Signer {
    pair: Pair,
    /// The header of each of its tokens, encoded, with the dot behind it.
    header: String,
}

impl Signer {
    /// From a pair; `None` for one that signs no tokens. The `kid` is the key's RFC 7638 thumbprint.
    pub(crate) fn new(pair: Pair) -> Option<Self> {
        let id = jwk::of(&pair)?.id;
        let header = format!(r#"{{"alg":{},"kid":{},"typ":"JWT"}}"#, Quoted(pair.algorithm().name()), Quoted(&id));
        Some(Self { header: base64url::encode(header.as_bytes()) + ".", pair })
    }

    /// Whether to sign takes so long that others should not wait for it.
    pub(crate) fn is_slow(&self) -> bool {
        self.pair.is_slow()
    }
}

/// What a token says.
pub(crate) struct Claims<'a> {
    /// `iss`.
    pub(crate) issuer: &'a str,
    /// `sub`: the host's SPIFFE ID.
    pub(crate) subject: &'a str,
    /// `aud`: always an array, as JWT-SVID readers expect.
    pub(crate) audience: &'a [String],
    /// `iat` and `nbf`, seconds since 1970.
    pub(crate) issued_at: i64,
    /// `exp`, seconds since 1970.
    pub(crate) expires_at: i64,
    /// `jti`.
    pub(crate) id: &'a str,
}

/// The signed token.
pub(crate) fn sign(signer: &Signer, claims: &Claims<'_>) -> Result<String, Unsigned> {
    let mut token = String::with_capacity(TOKEN_BYTES);
    token.push_str(&signer.header);
    base64url::encode_onto(&mut token, payload(claims).as_bytes());
    let signature = signer.pair.sign(token.as_bytes())?;
    token.push('.');
    base64url::encode_onto(&mut token, &signature);
    Ok(token)
}

/// Written as text, not built as a value: a token is signed for every fetch of every host.
fn payload(claims: &Claims<'_>) -> String {
    let Claims { issuer, subject, audience, issued_at, expires_at, id } = claims;
    let mut text = String::with_capacity(PAYLOAD_BYTES);
    let (issuer, subject, id) = (Quoted(issuer), Quoted(subject), Quoted(id));
    // Writing into a String does not fail.
    let _ = write!(text, r#"{{"iss":{issuer},"sub":{subject},"aud":["#);
    for (index, audience) in audience.iter().enumerate() {
        let _ = write!(text, "{}{}", if index == 0 { "" } else { "," }, Quoted(audience));
    }
    let _ = write!(text, r#"],"iat":{issued_at},"nbf":{issued_at},"exp":{expires_at},"jti":{id}}}"#);
    text
}

/// The JWK Set (RFC 7517 section 5) that verifies those tokens.
pub(crate) fn key_set(keys: impl Iterator<Item = Value>) -> String {
    json::object([("keys", Value::Array(keys.collect()))]).to_string()
}

/// The discovery document of OpenID Connect Discovery 1.0 section 3, as far as an issuer without a login has one; `algorithms` are
/// those that tokens are signed with.
pub(crate) fn discovery(issuer: &str, algorithms: &[Algorithm]) -> String {
    let list = |word: &str| Value::Array(vec![word.into()]);
    json::object([
        ("issuer", issuer.into()),
        ("jwks_uri", format!("{issuer}/.well-known/jwks.json").into()),
        ("response_types_supported", list("id_token")),
        ("subject_types_supported", list("public")),
        ("id_token_signing_alg_values_supported", Value::Array(algorithms.iter().map(|algorithm| algorithm.name().into()).collect())),
        ("claims_supported", Value::Array(["iss", "sub", "aud", "iat", "nbf", "exp", "jti"].map(Value::from).into())),
    ])
    .to_string()
}
