//! Reading and making the files of a trust domain's folder.

use crate::failure::{Code, Failure};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fmt::Display,
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    process,
};

/// Who may read a file that is made here.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    /// The owner alone (0600).
    Owner,
    /// Everybody who may enter the folder (0644).
    Everyone,
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::FileUnreadable, format!("cannot read {}", path.display()), error, "check the path and who may read it"))
}

/// The bytes of a file of at most so many; what is no plain file might never end.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let read = || -> io::Result<Vec<u8>> {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max);
        if fits { Ok(bytes) } else { Err(io::Error::other(format!("it has over {bytes_max} bytes"))) }
    };
    read().map_err(|error| {
        Failure::new(Code::FileUnreadable, format!("cannot read {}", path.display()), error, "check the path, its size and who may read it")
    })
}

/// The text of a file with a private key, which nobody but its owner may read or write.
pub(crate) fn read_private(path: &Path) -> Result<String, Failure> {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or(0o600);
    if mode & 0o077 != 0 {
        let because = format!("its mode is {mode:04o}, so others than its owner can get at the key");
        return Err(Failure::new(
            Code::KeyExposed,
            format!("cannot use {}", path.display()),
            because,
            "chmod 0600 the file; if others may have read it, replace the key",
        ));
    }
    read(path)
}

/// Every certificate in a PEM file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed =
        |because: String| Failure::new(Code::CertificateUnusable, format!("cannot use {}", path.display()), because, "it must hold PEM certificates");
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("there is no certificate in it".into())) } else { Ok(found) }
}

/// The private key in a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_slice(read_private(path)?.as_bytes())
        .map_err(|error| Failure::new(Code::KeyUnusable, format!("cannot use {}", path.display()), error, "it must hold one PKCS#8 PEM private key"))
}

/// Makes a folder that only its owner enters.
pub(crate) fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|error| cannot_write(path, &error))
}

/// Makes a file that does not exist yet, and makes it durable.
pub(crate) fn make(path: &Path, readers: Readers, text: &str) -> Result<(), Failure> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everyone => 0o644,
    };
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| cannot_write(path, &error))
}

/// What a file that cannot be written means to a person.
pub(crate) fn cannot_write(path: &Path, error: &impl Display) -> Failure {
    Failure::new(Code::FileUnwritable, format!("cannot write {}", path.display()), error, "check the path, its owner and free space")
}

/// What became of words for a standard output. Whose reader has seen enough, such as `head`, ends as what a closed pipe ends does.
pub(crate) fn printed(done: io::Result<()>) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(CLOSED_PIPE),
        done => done.map_err(|error| Failure::new(Code::FileUnwritable, "cannot print", error, "check standard output")),
    }
}

/// What a shell says of a program that SIGPIPE ended.
const CLOSED_PIPE: i32 = 141;
