//! Offline keys in a PKCS#11 token. The PIN comes from a file or the terminal: what stands in an argument, everybody on the machine
//! can read.

use super::{
    command::Passphrase,
    folder::failed,
    keys::{read_passphrase, write_public},
};
use crate::failure::Failure;
use signing::{
    OfflineKey,
    pkcs11::{Token, Uri},
};
use std::{fmt::Display, path::Path, sync::Arc};

const HINT: &str =
    "name it whole, pkcs11:token=TOKEN;object=LABEL?module-path=LIBRARY&pin-source=file:PIN, and look at the token: pkcs11-tool --list-objects";

/// The command `key --pkcs11`: the key of this label, made where there is none.
pub(super) fn make(out: &Path, uri: &str, passphrase: &Passphrase) -> Result<(), Failure> {
    let (token, label) = token(uri, passphrase)?;
    let (key, fresh) = token.key_or_make(&label).map_err(|error| unusable(uri, error))?;
    let key = OfflineKey::in_token(key).map_err(|error| unusable(uri, error))?;
    let public = write_public(out, key.public())?;
    let how = if fresh { "made in" } else { "was there already in" };
    println!("key {} {how} the token {:?}, its public half in {}", key.public().id(), token.label(), public.display());
    Ok(())
}

/// Opens a key in a token.
pub(super) fn open(uri: &str, passphrase: &Passphrase) -> Result<OfflineKey, Failure> {
    let (token, label) = token(uri, passphrase)?;
    let key = token.key(&label).map_err(|error| unusable(uri, error))?;
    OfflineKey::in_token(key).map_err(|error| unusable(uri, error))
}

/// The token that a URI names, and the label of the key in it.
fn token(uri: &str, passphrase: &Passphrase) -> Result<(Arc<Token>, String), Failure> {
    let Uri { object, token, module, pin_source } = Uri::parse(uri).map_err(|error| unusable(uri, error))?;
    let token = token.ok_or_else(|| unusable(uri, "it names no token"))?;
    let module = module.ok_or_else(|| unusable(uri, "it names no module-path, the library that the token came with"))?;
    let from = Passphrase { passphrase_file: pin_source.or_else(|| passphrase.passphrase_file.clone()) };
    let pin = String::from_utf8(read_passphrase(&from, &format!("PIN of the token {token:?}: "))?);
    let pin = pin.map_err(|_| unusable(uri, "its PIN is not text"))?;
    let token = Token::open(&module, &token, &pin).map_err(|error| unusable(uri, error))?;
    Ok((Arc::new(token), object))
}

/// Without its query, in which somebody may have written a PIN.
fn unusable(uri: &str, because: impl Display) -> Failure {
    let name = uri.split('?').next().unwrap_or_default();
    failed(&format!("cannot use the key {name}"), because).hinted(HINT)
}
