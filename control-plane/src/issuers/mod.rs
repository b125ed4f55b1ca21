//! What signs: tokens (JWS), certificates (X.509, OpenSSH), the time and the audit log; and which key does at the time.

pub(crate) mod audit;
pub(crate) mod base64url;
pub(crate) mod ca;
mod jwk;
pub(crate) mod jwt;
mod pair;
pub(crate) mod pkcs11;
pub(crate) mod program;
pub(crate) mod ring;
pub(crate) mod source;
pub(crate) mod ssh;
pub(crate) mod time;

pub(crate) use pair::Pair;
pub(crate) use ring::Ring;
pub(crate) use source::Source;

/// The key did not sign, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsigned;
