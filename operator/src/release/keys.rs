//! Offline keys in files, and bundles.

use super::{
    command::Passphrase,
    folder::{failed, write},
};
use crate::failure::Failure;
use signing::{Bundle, KeyError, OfflineKey, PublicKey};
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
    write(&public_path(out), key.public().pem().unwrap_or_default().as_bytes())?;
    println!("key {} in {}, its public half in {}", key.public().id(), out.display(), public_path(out).display());
    Ok(())
}

fn public_path(key: &Path) -> PathBuf {
    key.with_added_extension("pub")
}

/// Opens an offline key.
pub(super) fn open(path: &Path, passphrase: &Passphrase) -> Result<OfflineKey, Failure> {
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

fn read_passphrase(from: &Passphrase, prompt: &str) -> Result<Vec<u8>, Failure> {
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
