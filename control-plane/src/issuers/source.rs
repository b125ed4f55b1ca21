//! Where private keys are: in files of the trust domain's folder, or in a PKCS#11 token.

use super::{Pair, jwk, pkcs11, ssh};
use crate::{
    failure::{Code, Failure},
    files,
};
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{KeyPair, RsaKeySize};
use service::keys::{Algorithm, Use};
use signing::pkcs11::{Token, Uri};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The way to private keys.
pub(crate) struct Source {
    folder: PathBuf,
    settings: Option<pkcs11::Settings>,
    token: Mutex<Option<Arc<Token>>>,
}

impl Source {
    /// For a trust domain's folder.
    pub(crate) fn new(folder: &Path, settings: Option<pkcs11::Settings>) -> Self {
        Self { folder: folder.into(), settings, token: Mutex::default() }
    }

    /// The key pair at a place: a path, or `pkcs11:object=LABEL`.
    pub(crate) fn pair(&self, place: &str) -> Result<Pair, Failure> {
        if Uri::is_one(place) {
            return pkcs11::key(&self.token(place)?, &label(place)?).map(Pair::in_token);
        }
        let path = self.folder.join(place);
        Pair::from_pkcs8(files::private_key(&path)?.secret_der()).ok_or_else(|| {
            let because = "it is no Ed25519, P-256 or RSA key of 2048 to 4096 bits";
            Failure::new(Code::KeyUnusable, format!("cannot use {}", path.display()), because, "it must hold one private key, PKCS#8 in PEM")
        })
    }

    /// Whether there may be a key.
    pub(crate) fn has(&self, place: &str) -> bool {
        Uri::is_one(place) || self.folder.join(place).exists()
    }

    /// A path as records have it: relative to the folder if it is inside.
    pub(crate) fn place(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    /// Takes back a key that was made and that nobody knows.
    pub(crate) fn forget(&self, place: &str) {
        // A file that stays is a key that never signs.
        let _ = std::fs::remove_file(self.folder.join(place));
    }

    /// Makes a key, in a file of its own (0600); gives its place.
    pub(crate) fn make(&self, purpose: Use, algorithm: Algorithm) -> Result<String, Failure> {
        let pem = make(algorithm).map_err(|error| Failure::new(Code::Internal, "cannot make a key", error, "try again"))?;
        let made = KeyPair::from_pem(&pem).ok().and_then(|pair| Pair::from_pkcs8(pair.serialized_der()));
        let pair = made.ok_or_else(|| Failure::new(Code::Internal, "cannot make a key", "it cannot be read back", "report it"))?;
        let place = format!("keys/{}-{}.key", purpose.name(), id(&pair));
        files::make(&self.folder.join(&place), files::Readers::Owner, &pem)?;
        Ok(place)
    }

    fn token(&self, place: &str) -> Result<Arc<Token>, Failure> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*token {
            return Ok(Arc::clone(token));
        }
        let none = || {
            Failure::new(Code::ConfigInvalid, format!("cannot use the key {place}"), "no token is configured", "write [pkcs11] into pinnaced.toml")
        };
        let opened = Arc::new(pkcs11::open(self.settings.as_ref().ok_or_else(none)?)?);
        *token = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

/// The label of a key in the token; `pinnaced.toml` alone says which token that is.
fn label(place: &str) -> Result<String, Failure> {
    let unusable =
        |because: String| Failure::new(Code::KeyUnusable, format!("cannot use the key {place}"), because, "name the key alone: pkcs11:object=LABEL");
    match Uri::parse(place).map_err(|error| unusable(error.to_string()))? {
        Uri { object, token: None, module: None, pin_source: None } => Ok(object),
        _ => Err(unusable("token, module and PIN are what [pkcs11] in pinnaced.toml says".into())),
    }
}

/// The identifier of a key: the first 16 hexadecimal digits of the SHA-256 of its `SubjectPublicKeyInfo`.
pub(crate) fn id(pair: &Pair) -> String {
    let hash = digest(&SHA256, &pair.spki());
    protocol::hex_encode(hash.as_ref().get(..8).unwrap_or_default())
}

/// What is published of a key, but for a CA's: that is its certificate.
pub(crate) fn public(purpose: Use, pair: &Pair) -> Option<String> {
    match purpose {
        Use::Ca => None,
        Use::Jwt => jwk::of(pair).map(|jwk| jwk.value.to_string()),
        Use::Ssh => ssh::line(pair).ok(),
        Use::Time | Use::Online => (pair.algorithm() == Algorithm::Ed25519).then(|| protocol::hex_encode(pair.public())),
    }
}

/// PKCS#8 in PEM. Ed25519 in version 1 (RFC 5208), because OpenSSL reads no version 2 (RFC 5958) with a public key in it.
pub(crate) fn make(algorithm: Algorithm) -> Result<String, rcgen::Error> {
    let pair = match algorithm {
        Algorithm::Ed25519 => {
            let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().map_err(|_| rcgen::Error::RingUnspecified)?;
            KeyPair::try_from(pair.to_pkcs8v1().map_err(|_| rcgen::Error::RingUnspecified)?.as_ref())
        }
        Algorithm::Es256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        Algorithm::Rs256 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
    }?;
    Ok(pair.serialize_pem())
}
