//! Tokens: JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515 section 7.1).

use super::{Pair, Unsigned, base64url, jwk};
use crate::service::keys::Algorithm;
use protocol::json::{self, Value};

/// A key of tokens.
pub(crate) struct Signer {
    pair: Pair,
    id: String,
}

impl Signer {
    /// From a pair; `None` for one that signs no tokens.
    pub(crate) fn new(pair: Pair) -> Option<Self> {
        let id = jwk::of(&pair)?.id;
        Some(Self { pair, id })
    }

    /// Whether to sign takes so long that others should not wait for it.
    pub(crate) fn is_slow(&self) -> bool {
        self.pair.is_slow()
    }

    /// The `alg` of RFC 7518.
    fn algorithm(&self) -> &'static str {
        self.pair.algorithm().name()
    }

    /// The `kid`: the key's RFC 7638 thumbprint.
    fn key_id(&self) -> &str {
        &self.id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        self.pair.sign(message)
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
    let header = json::object([("alg", signer.algorithm().into()), ("kid", signer.key_id().into()), ("typ", "JWT".into())]);
    let audience = claims.audience.iter().map(|audience| audience.as_str().into()).collect();
    let payload = json::object([
        ("iss", claims.issuer.into()),
        ("sub", claims.subject.into()),
        ("aud", Value::Array(audience)),
        ("iat", claims.issued_at.into()),
        ("nbf", claims.issued_at.into()),
        ("exp", claims.expires_at.into()),
        ("jti", claims.id.into()),
    ]);
    let mut token = base64url::encode(header.to_string().as_bytes());
    token.push('.');
    token.push_str(&base64url::encode(payload.to_string().as_bytes()));
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&base64url::encode(&signature));
    Ok(token)
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
