//! The token that keys may be in: which one it is, and how its failures are told.

use super::Unsigned;
use crate::{
    failure::{Code, Failure},
    files,
};
use serde::Deserialize;
use service::keys::Algorithm;
use signing::pkcs11::{Token, TokenAlgorithm, TokenError, TokenKey};
use std::{path::PathBuf, sync::Arc};

/// Where the token is; part of `pinnaced.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) token_label: String,
    /// The file (0600) that holds its user's PIN.
    pub(crate) pin_file: PathBuf,
}

const HINT: &str = "check [pkcs11] in pinnaced.toml, and the token: pkcs11-tool --list-objects";

/// Loads the module and logs in.
pub(crate) fn open(settings: &Settings) -> Result<Token, Failure> {
    let pin = files::read_private(&settings.pin_file)?;
    let cannot_use =
        |error: TokenError| Failure::new(Code::Pkcs11Failed, format!("cannot use the PKCS#11 module {}", settings.module.display()), error, HINT);
    Token::open(&settings.module, &settings.token_label, pin.trim()).map_err(cannot_use)
}

/// The key pair with this label.
pub(crate) fn key(token: &Arc<Token>, label: &str) -> Result<TokenKey, Failure> {
    token
        .key(label)
        .map_err(|error| Failure::new(Code::Pkcs11Failed, format!("cannot use the key {label:?} in the token {:?}", token.label()), error, HINT))
}

/// How it signs.
pub(crate) fn algorithm(key: &TokenKey) -> Algorithm {
    match key.algorithm() {
        TokenAlgorithm::EcdsaP256 => Algorithm::Es256,
        TokenAlgorithm::RsaPkcs1 => Algorithm::Rs256,
    }
}

/// The signature in the form that it has in a JWS.
pub(crate) fn sign(key: &TokenKey, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
    key.sign(message).map_err(|error| {
        tracing::error!(event = "token-did-not-sign", key = key.label(), because = %error, hint = HINT);
        Unsigned
    })
}
