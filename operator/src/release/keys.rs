//! Offline keys in files, and bundles.

use super::{
    command::Passphrase,
    folder::{failed, write},
    token,
};
use crate::failure::Failure;
use signing::{Bundle, KeyError, OfflineKey, PublicKey, pkcs11::Uri};
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const PASSPHRASE_BYTES_MIN: usize = 8;

/// The command `key`.
pub(super) fn make(out: &Path, passphrase: &Passphrase) -> Result<(), Failure> {
    let passphrase = read_passphrase(passphrase, "passphrase for the new key: ")?;
    if passphrase.len() < PASSPHRASE_BYTES_MIN {
        return Err(failed("cannot make a key", "the passphrase is shorter than 8 bytes").hinted("take a longer passphrase"));
    }
    let wrong = |error: KeyError| failed("cannot make a key", error);
    let (key, secret) = OfflineKey::generate().map_err(wrong)?;
    let pem = OfflineKey::encrypt(&secret, &passphrase).map_err(wrong)?;
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    made.and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|cause| failed(&format!("cannot write {}", out.display()), cause).hinted("name a file that is not there yet"))?;
    let public = write_public(out, key.public())?;
    println!("key {} in {}, its public half in {}", key.public().id(), out.display(), public.display());
    Ok(())
}

/// Writes a key's public half beside where the key is or would be; gives its path.
pub(super) fn write_public(out: &Path, key: &PublicKey) -> Result<PathBuf, Failure> {
    let path = out.with_added_extension("pub");
    write(&path, key.pem().unwrap_or_default().as_bytes()).map(|()| path)
}

/// Opens an offline key: a file, or a key in a token.
pub(super) fn open(path: &Path, passphrase: &Passphrase) -> Result<OfflineKey, Failure> {
    if let Some(uri) = path.to_str().filter(|text| Uri::is_one(text)) {
        return token::open(uri, passphrase);
    }
    let unusable = |because: &dyn std::fmt::Display| failed(&format!("cannot use the key {}", path.display()), because);
    let pem = fs::read_to_string(path).map_err(|cause| unusable(&cause))?;
    let passphrase = read_passphrase(passphrase, &format!("passphrase for {}: ", path.display()))?;
    OfflineKey::decrypt(&pem, &passphrase).map_err(|error| unusable(&error).hinted("check file and passphrase"))
}

/// A public key from its file.
pub(super) fn public(path: &Path) -> Result<PublicKey, Failure> {
    let unusable = |because: &dyn std::fmt::Display| failed(&format!("cannot use the public key {}", path.display()), because);
    let pem = fs::read_to_string(path).map_err(|cause| unusable(&cause))?;
    PublicKey::from_pem(&pem).ok_or_else(|| unusable(&"it is not a P-256 public key in PEM"))
}

/// The first line of the file that is named, or what the terminal says.
pub(super) fn read_passphrase(from: &Passphrase, prompt: &str) -> Result<Vec<u8>, Failure> {
    let failed = |cause: std::io::Error| failed("cannot read the passphrase", cause).hinted("name it with --passphrase-file, or run in a terminal");
    match &from.passphrase_file {
        Some(path) => fs::read_to_string(path).map(|text| text.lines().next().unwrap_or_default().as_bytes().to_vec()).map_err(failed),
        None => rpassword::prompt_password(prompt).map(String::into_bytes).map_err(failed),
    }
}

/// The command `verify-blob`.
pub(super) fn verify_blob(file: &Path, key: &Path, bundle: &Path) -> Result<(), Failure> {
    let error = format!("cannot believe {}", file.display());
    let read = |path: &Path| fs::read(path).map_err(|cause| failed(&error, format!("{}: {cause}", path.display())));
    let (bytes, key) = (read(file)?, public(key)?);
    let bundle = Bundle::read(&read(bundle)?).ok_or_else(|| failed(&error, "the bundle is not a Sigstore bundle of a signature by a key"))?;
    if !bundle.fits(&bytes, &key) {
        return Err(failed(&error, "the bundle is not this key's over this file").hinted("do not run it"));
    }
    println!("{} is what key {} signed", file.display(), key.id());
    Ok(())
}
