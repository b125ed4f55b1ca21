//! A folder as it was at a moment.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::mode;

/// The folder, with all that was in it.
#[derive(Debug)]
pub struct Saved(tempfile::TempDir);

impl Saved {
    /// As it is now.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let beside = folder.parent().expect("a folder of the rig");
        let kept = tempfile::Builder::new().prefix("saved-").tempdir_in(beside).expect("a temporary folder");
        copy(folder, &kept.path().join("it"));
        Self(kept)
    }

    /// Puts it in place of what became of the folder.
    pub fn put_back(&self, folder: &Path) {
        std::fs::remove_dir_all(folder).expect("the rig owns its files");
        copy(&self.0.path().join("it"), folder);
    }
}

/// Copies a folder with the modes of everything in it, and links as links.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a fresh folder");
    for entry in std::fs::read_dir(from).expect("the rig's folder").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("a file of the rig");
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(&source).expect("a link"), &target).expect("the rig's folder");
        } else if entry.file_name() == "pinnace" {
            // A program is replaced and never written to, so that both can be one file.
            std::fs::hard_link(&source, &target).expect("the rig's folder");
        } else {
            std::fs::copy(&source, &target).expect("the rig's folder");
        }
    }
    mode(to, std::fs::metadata(from).expect("the rig's folder").permissions().mode());
}
