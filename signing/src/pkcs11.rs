//! Keys that never leave a PKCS#11 token (OASIS PKCS #11 version 2.40): a hardware module, or SoftHSM.

mod uri;

pub use uri::{Uri, UriError};

use crate::{
    AwsLc,
    der::{P256_PARAMETERS, integer, sequence},
};
use cryptoki::{
    context::{CInitializeArgs, Function, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use std::{
    fmt::{self, Display},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use trust::Crypto;

/// A token with its module loaded.
pub struct Token {
    module: Pkcs11,
    label: String,
    pin: AuthPin,
    /// Sessions that nobody uses; there are as many as were ever used at one time.
    idle: Mutex<Vec<Session>>,
}

/// A key pair in a token.
pub struct TokenKey {
    token: Arc<Token>,
    label: String,
    algorithm: TokenAlgorithm,
    public: Vec<u8>,
}

/// How a key in a token signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    EcdsaP256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits.
    RsaPkcs1,
}

/// Why a token did not do what it was asked for.
#[derive(Debug)]
pub enum TokenError {
    /// What the module said.
    Module(Error),
    /// There is no public key of this label.
    NoKey,
    /// There is one of another kind.
    OtherKey,
}

impl Display for TokenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Module(error) => error.fmt(out),
            TokenError::NoKey => out.write_str("there is no P-256 or RSA public key of this label"),
            TokenError::OtherKey => out.write_str("the key of this label is neither P-256 nor RSA of 2048 to 4096 bits"),
        }
    }
}

impl std::error::Error for TokenError {}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        TokenError::Module(error)
    }
}

impl Token {
    /// Loads the module and logs in to the token of this label.
    ///
    /// # Errors
    /// The module cannot be loaded, or there is no such token, or it does not take the PIN.
    pub fn open(module: &Path, label: &str, pin: &str) -> Result<Self, TokenError> {
        let module = Pkcs11::new(module)?;
        module.initialize(CInitializeArgs::OsThreads)?;
        let token = Self { module, label: label.into(), pin: AuthPin::new(pin.into()), idle: Mutex::default() };
        let session = token.session()?;
        token.give_back(session);
        Ok(token)
    }

    /// The token's label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The key pair with this label.
    ///
    /// # Errors
    /// There is none that signs here.
    pub fn key(self: &Arc<Self>, label: &str) -> Result<TokenKey, TokenError> {
        let session = self.session()?;
        let (algorithm, public) = public_of(&session, label)?;
        private(&session, label)?;
        self.give_back(session);
        Ok(TokenKey { token: Arc::clone(self), label: label.into(), algorithm, public })
    }

    /// The key pair with this label, and whether it was made for this: P-256, signing and nothing else, never to leave the token.
    ///
    /// # Errors
    /// It is of another kind, or the token makes none.
    pub fn key_or_make(self: &Arc<Self>, label: &str) -> Result<(TokenKey, bool), TokenError> {
        match self.key(label) {
            Err(TokenError::NoKey) => {}
            found => return found.map(|key| (key, false)),
        }
        let session = self.logged_in(self.module.open_rw_session(self.slot()?)?)?;
        let both = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(label.into())];
        let public = [Attribute::EcParams(P256_PARAMETERS.to_vec()), Attribute::Private(false), Attribute::Verify(true)];
        let public = [&public[..], &[Attribute::Encrypt(false), Attribute::Wrap(false)], &both].concat();
        let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)];
        let private = [&private[..], &[Attribute::Decrypt(false), Attribute::Unwrap(false), Attribute::Derive(false)], &both].concat();
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
        Ok((self.key(label)?, true))
    }

    fn session(&self) -> Result<Session, Error> {
        if let Some(session) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(session);
        }
        self.logged_in(self.module.open_ro_session(self.slot()?)?)
    }

    fn slot(&self) -> Result<Slot, Error> {
        for slot in self.module.get_slots_with_token()? {
            if self.module.get_token_info(slot)?.label().trim_end() == self.label {
                return Ok(slot);
            }
        }
        Err(Error::Pkcs11(RvError::TokenNotPresent, Function::GetSlotList))
    }

    fn logged_in(&self, session: Session) -> Result<Session, Error> {
        match session.login(UserType::User, Some(&self.pin)) {
            // One login is that of all sessions.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(error),
        }
    }

    fn give_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

impl TokenKey {
    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// An uncompressed point, or an `RSAPublicKey` of PKCS #1.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The signature in the form that it has in a JWS (RFC 7518 section 3): an ECDSA signature is two numbers of 32 bytes.
    /// A session that the token has ended is replaced, once.
    ///
    /// # Errors
    /// What the token said.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.sign_once(message).or_else(|_| {
            // What is left of the sessions is as old as the one that failed.
            self.token.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.sign_once(message).map_err(TokenError::Module)
        })
    }

    fn sign_once(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let session = self.token.session()?;
        let key = private(&session, &self.label)?;
        let signature = match self.algorithm {
            TokenAlgorithm::RsaPkcs1 => session.sign(&Mechanism::Sha256RsaPkcs, key, message)?,
            TokenAlgorithm::EcdsaP256 => session.sign(&Mechanism::Ecdsa, key, &AwsLc.sha256(message))?,
        };
        self.token.give_back(session);
        Ok(signature)
    }
}

fn private(session: &Session, label: &str) -> Result<ObjectHandle, Error> {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.into())])?;
    found.first().copied().ok_or(Error::Pkcs11(RvError::KeyHandleInvalid, Function::FindObjects))
}

fn public_of(session: &Session, label: &str) -> Result<(TokenAlgorithm, Vec<u8>), TokenError> {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.into())])?;
    let key = found.first().ok_or(TokenError::NoKey)?;
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
    let read = match kind {
        Some(KeyType::EC) => uncompressed(&point).map(|point| (TokenAlgorithm::EcdsaP256, point)),
        Some(KeyType::RSA) if (256..=512).contains(&modulus.len()) => {
            Some((TokenAlgorithm::RsaPkcs1, sequence(&[integer(&modulus), integer(&exponent)].concat())))
        }
        _ => None,
    };
    read.ok_or(TokenError::OtherKey)
}

/// A P-256 point stands in an OCTET STRING (PKCS #11, `CKA_EC_POINT`), and with some modules bare.
fn uncompressed(point: &[u8]) -> Option<Vec<u8>> {
    let point = match point {
        [0x04, 65, point @ ..] if point.len() == 65 => point,
        point => point,
    };
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}
