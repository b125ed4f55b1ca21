//! Keys that never leave a PKCS#11 token (OASIS PKCS #11 version 2.40): a hardware module, or SoftHSM.
//!
//! The module is loaded when the first key of the token is asked for, and not before.

use super::{
    Unsigned,
    pair::{integer, length},
};
use crate::{failure::Failure, files, service::keys::Algorithm};
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::{
    context::{CInitializeArgs, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    types::AuthPin,
};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

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

/// A token with its module loaded.
pub(crate) struct Token {
    module: Pkcs11,
    label: String,
    pin: AuthPin,
    /// Sessions that nobody uses; there are as many as were ever used at one time.
    idle: Mutex<Vec<Session>>,
}

impl Token {
    /// Loads the module and logs in.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Failure> {
        let pin = AuthPin::new(files::read_private(&settings.pin_file)?.trim().to_string());
        let unusable = |error: Error| cannot_use(&settings.module, error);
        let module = Pkcs11::new(&settings.module).map_err(unusable)?;
        module.initialize(CInitializeArgs::OsThreads).map_err(unusable)?;
        let token = Self { module, label: settings.token_label.clone(), pin, idle: Mutex::default() };
        let session = token.session().map_err(unusable)?;
        token.give_back(session);
        Ok(token)
    }

    /// The key pair with this label.
    pub(crate) fn key(self: &Arc<Self>, label: &str) -> Result<Key, Failure> {
        let unusable = |because: String| Failure::new(format!("cannot use the key {label:?} in the token {:?}", self.label), because, HINT);
        let session = self.session().map_err(|error| unusable(error.to_string()))?;
        let found = public_of(&session, label).map_err(|error| unusable(error.to_string()))?;
        let (algorithm, public) = found.ok_or_else(|| unusable("there is no P-256 or RSA public key of this label".into()))?;
        private(&session, label).map_err(|error| unusable(error.to_string()))?;
        self.give_back(session);
        Ok(Key { token: Arc::clone(self), label: label.into(), algorithm, public })
    }

    fn session(&self) -> Result<Session, Error> {
        if let Some(session) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(session);
        }
        for slot in self.module.get_slots_with_token()? {
            if self.module.get_token_info(slot)?.label().trim_end() == self.label {
                let session = self.module.open_ro_session(slot)?;
                return match session.login(UserType::User, Some(&self.pin)) {
                    // One login is that of all sessions.
                    Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
                    Err(error) => Err(error),
                };
            }
        }
        Err(Error::Pkcs11(RvError::TokenNotPresent, cryptoki::context::Function::GetSlotList))
    }

    fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

const HINT: &str = "check [pkcs11] in pinnaced.toml, and the token: pkcs11-tool --list-objects";

/// A key pair in a token.
pub(crate) struct Key {
    token: Arc<Token>,
    label: String,
    algorithm: Algorithm,
    public: Vec<u8>,
}

impl Key {
    /// How it signs.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// An uncompressed point, or an `RSAPublicKey` of PKCS #1.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The signature in the form that it has in a JWS. A session that the token has ended is replaced, once.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        self.sign_once(message).or_else(|_| {
            // What is left of the sessions is as old as the one that failed.
            self.token.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.sign_once(message).map_err(|error| {
                tracing::error!(event = "token-did-not-sign", key = self.label, because = %error, hint = HINT);
                Unsigned
            })
        })
    }

    fn sign_once(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let session = self.token.session()?;
        let key = private(&session, &self.label)?;
        let signature = match self.algorithm {
            Algorithm::Rs256 => session.sign(&Mechanism::Sha256RsaPkcs, key, message)?,
            _ => session.sign(&Mechanism::Ecdsa, key, digest(&SHA256, message).as_ref())?,
        };
        self.token.give_back(session);
        Ok(signature)
    }
}

fn private(session: &Session, label: &str) -> Result<ObjectHandle, Error> {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.into())])?;
    found.first().copied().ok_or(Error::Pkcs11(RvError::KeyHandleInvalid, cryptoki::context::Function::FindObjects))
}

fn public_of(session: &Session, label: &str) -> Result<Option<(Algorithm, Vec<u8>)>, Error> {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.into())])?;
    let Some(key) = found.first() else { return Ok(None) };
    let wanted = [AttributeType::KeyType, AttributeType::EcPoint, AttributeType::Modulus, AttributeType::PublicExponent];
    let (mut kind, mut point, mut modulus, mut exponent) = (None, Vec::new(), Vec::new(), Vec::new());
    for attribute in session.get_attributes(*key, &wanted)? {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::EcPoint(found) => point = found,
            Attribute::Modulus(found) => modulus = found,
            Attribute::PublicExponent(found) => exponent = found,
            _ => (),
        }
    }
    Ok(match kind {
        Some(KeyType::EC) => uncompressed(&point).map(|point| (Algorithm::Es256, point)),
        Some(KeyType::RSA) if (256..=512).contains(&modulus.len()) => {
            let body = [integer(&modulus), integer(&exponent)].concat();
            Some((Algorithm::Rs256, [&[0x30], length(body.len()).as_slice(), &body].concat()))
        }
        _ => None,
    })
}

/// A P-256 point stands in an OCTET STRING (PKCS #11, `CKA_EC_POINT`), and with some modules bare.
fn uncompressed(point: &[u8]) -> Option<Vec<u8>> {
    let point = match point {
        [0x04, 65, point @ ..] if point.len() == 65 => point,
        point => point,
    };
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}

fn cannot_use(module: &Path, error: Error) -> Failure {
    Failure::new(format!("cannot use the PKCS#11 module {}", module.display()), error, HINT)
}
