//! Files written whole or not at all, so that whoever reads a folder meanwhile never sees half of one.

use std::{fs, io, io::Write, path::Path};

/// What the name of a file that is being written ends in.
pub(crate) const UNFINISHED: &str = "pinnacectl-new";

/// Puts the bytes at `path`, with these permissions if they are given; its folder must be there.
pub(crate) fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let fresh = path.with_added_extension(UNFINISHED);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = fs::File::create(&fresh)?;
        file.write_all(bytes)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written.and_then(|()| fs::File::open(folder)?.sync_all())
}
