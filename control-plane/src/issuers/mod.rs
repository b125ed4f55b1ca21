//! What signs: tokens (JWS), certificates (X.509, OpenSSH), the time and the audit log.

pub(crate) mod audit;
pub(crate) mod base64url;
pub(crate) mod ca;
pub(crate) mod es256;
pub(crate) mod jwt;
pub(crate) mod program;
pub(crate) mod ssh;
pub(crate) mod time;

/// A private key of one algorithm, wherever it lives: a file here, a hardware module elsewhere.
pub(crate) trait Signer: Send + Sync {
    /// The `alg` of RFC 7518.
    fn algorithm(&self) -> &'static str;
    /// The `kid`: the key's RFC 7638 thumbprint.
    fn key_id(&self) -> &str;
    /// The public key as a member of a JWK Set (RFC 7517).
    fn jwk(&self) -> protocol::json::Value;
    /// The signature in the form that the algorithm has in a JWS.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned>;
}

/// The key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsigned;
