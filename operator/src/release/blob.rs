//! Bundles beside files: what cosign and others of Sigstore verify with a key.

use super::{
    command::Passphrase,
    folder::{failed, write},
    keys,
};
use crate::failure::Failure;
use signing::{OfflineKey, bundle};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The command `sign-blob`.
pub(super) fn sign(files: &[PathBuf], key: &Path, passphrase: &Passphrase) -> Result<(), Failure> {
    let key = keys::open(key, passphrase)?;
    for file in files {
        write_bundle(file, &key)?;
        println!("{}", path(file).display());
    }
    Ok(())
}

/// Where a file's bundle lies.
pub(super) fn path(file: &Path) -> PathBuf {
    file.with_added_extension("sigstore.json")
}

/// Signs a file, and writes its bundle beside it.
pub(super) fn write_bundle(file: &Path, key: &OfflineKey) -> Result<(), Failure> {
    let error = format!("cannot sign {}", file.display());
    let bytes = fs::read(file).map_err(|cause| failed(&error, cause))?;
    write(&path(file), bundle(&bytes, key).map_err(|cause| failed(&error, cause))?.as_bytes())
}
