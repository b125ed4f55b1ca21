//! Delivery into files: the consumer reads the old credential or the new one, whole, never neither.

use crate::{
    failure::Failure,
    site::{read_all, read_capped},
    sys::file::{Directory, Look},
};
use host::resolver_files::id_of;
use protocol::{reason::Reason, site::Delivery};
use std::io::{self, ErrorKind};

const MODE: u32 = 0o600;
/// About what a certificate with its bundle takes.
const PROBE_BYTES: usize = 4096;
const PASSWD_BYTES_MAX: usize = 4 << 20;
const DELIVERED_BYTES_MAX: usize = 262_144;

type Named = (String, Vec<u8>, u32);

/// Replaces one file.
pub(crate) fn put(path: &str, bytes: &[u8], delivery: &Delivery) -> Result<(), Failure> {
    let (directory, name) = parent(path)?;
    let look = Look { mode: delivery.mode.unwrap_or(MODE), owner: owner(delivery)?, keep_previous: true, durable: true };
    directory.replace(name, bytes, look).map_err(|error| failure(path, &error))
}

/// Writes the version that is not in use, then swaps the link; the other version stays as the previous one.
pub(crate) fn put_directory(path: &str, files: &[Named], delivery: &Delivery) -> Result<(), Failure> {
    let (directory, name) = parent(path)?;
    let owner = owner(delivery)?;
    let versions = [format!(".{name}.pinnace-a"), format!(".{name}.pinnace-b")];
    let current = std::fs::read_link(path).ok();
    let fresh = versions.iter().find(|version| current.as_deref() != Some(version.as_ref())).map_or("", String::as_str);
    let full = path.strip_suffix(name).map_or_else(String::new, |parent| format!("{parent}{fresh}"));
    let written = (|| {
        match std::fs::remove_dir_all(&full) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => directory.make(fresh, 0o755)?,
        }
        let version = Directory::open(&full)?;
        for (file, bytes, mode) in files {
            let mode = delivery.mode.map_or(*mode, |wanted| wanted & (mode | 0o040));
            version.replace(file, bytes, Look { mode, owner, keep_previous: false, durable: true })?;
        }
        owner.map_or(Ok(()), |(user, group)| version.give_to(user, group))?;
        Ok(())
    })();
    written.map_err(|error| failure(&full, &error))?;
    directory.replace_link(name, fresh).map_err(|error| failure(path, &error))
}

/// Writes a file like the credential's beside its place, and takes it away again.
pub(crate) fn try_out(path: &str, delivery: &Delivery) -> Result<(), Failure> {
    let (directory, name) = parent(path)?;
    let probe = format!("{name}.pinnace-doctor");
    let look = Look { mode: delivery.mode.unwrap_or(MODE), owner: owner(delivery)?, keep_previous: false, durable: true };
    let tried = directory.replace(&probe, &[0; PROBE_BYTES], look);
    directory.remove(&probe);
    tried.map_err(|error| failure(path, &error))
}

/// Whether a regular file holds exactly these bytes.
pub(crate) fn holds(path: &str, bytes: &[u8]) -> bool {
    let file = parent(path).ok().and_then(|(directory, name)| directory.read(name).ok());
    file.and_then(|file| read_all(&file, DELIVERED_BYTES_MAX).ok()).is_some_and(|found| found == bytes)
}

/// Whether a directory holds exactly these files.
pub(crate) fn directory_holds(path: &str, files: &[Named]) -> bool {
    files.iter().all(|(name, bytes, _)| read_capped(&format!("{path}/{name}"), DELIVERED_BYTES_MAX).is_ok_and(|found| found == *bytes))
}

fn parent(path: &str) -> Result<(Directory, &str), Failure> {
    let (parent, name) = path.rsplit_once('/').ok_or_else(|| Failure::new(Reason::SiteInvalid, format!("{path} is not absolute")))?;
    Ok((Directory::open(parent).map_err(|error| failure(path, &error))?, name))
}

/// User and group of a delivery: numbers, or names as this host's own files have them.
fn owner(delivery: &Delivery) -> Result<Option<(u32, u32)>, Failure> {
    let Some(owner) = &delivery.owner else { return Ok(None) };
    let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
    let id = |name: &str, file: &str| {
        let known = name.parse().ok().or_else(|| read_capped(file, PASSWD_BYTES_MAX).ok().and_then(|file| id_of(&file, name)));
        known.ok_or_else(|| Failure::new(Reason::DeliveryOwner, format!("{file} has no {name}")))
    };
    Ok(Some((id(user, "/etc/passwd")?, id(group, "/etc/group")?)))
}

fn failure(path: &str, error: &io::Error) -> Failure {
    let reason = match error.raw_os_error() {
        Some(libc::ELOOP) => Reason::DeliverySymlink,
        Some(libc::ENOENT | libc::ENOTDIR) => Reason::DeliveryDirectory,
        Some(libc::EACCES | libc::EPERM) => Reason::DeliveryPermission,
        Some(libc::ENOSPC | libc::EDQUOT) => Reason::DeliveryDiskFull,
        Some(libc::EROFS) => Reason::DeliveryReadOnly,
        _ => Reason::DeliveryIo,
    };
    Failure::io(reason, path, error)
}
