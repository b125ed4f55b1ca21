//! From staged to in force, and from there to the folder that a control plane serves.

use super::folder::{Folder, ROOT, TARGETS, failed, read, write};
use crate::{failure::Failure, files::UNFINISHED};
use signing::AwsLc;
use std::{
    fs,
    path::{Path, PathBuf},
};
use trust::{Root, file_name};

/// The command `publish`.
pub(super) fn publish(folder: &Folder, to: Option<&Path>) -> Result<(), Failure> {
    let root = publish_root(folder)?;
    publish_targets(folder, &root)?;
    if let Some(to) = to {
        copy(folder, &root, to)?;
        println!("all of it is in {}", to.display());
    }
    Ok(())
}

fn publish_root(folder: &Folder) -> Result<Root, Failure> {
    let in_force = folder.root()?;
    let Some(bytes) = read(&folder.staged_path(ROOT))? else {
        return in_force.ok_or_else(|| failed("cannot publish", "there is no root"));
    };
    let next = match &in_force {
        Some(root) => root.succeed(&bytes, &AwsLc),
        None => Root::anchor(&bytes, &AwsLc),
    };
    let next = next.map_err(|why| failed("cannot publish the staged root", why.about(ROOT)))?;
    write(&folder.metadata_path(ROOT, next.version()), &bytes)?;
    done(&folder.staged_path(ROOT))?;
    println!("root {} is in force", next.version());
    Ok(next)
}

fn publish_targets(folder: &Folder, root: &Root) -> Result<(), Failure> {
    let Some(bytes) = read(&folder.staged_path(TARGETS))? else { return Ok(()) };
    let targets = Folder::believed_targets(&bytes, root)?;
    write(&folder.metadata_path(TARGETS, targets.version()), &bytes)?;
    done(&folder.staged_path(TARGETS))?;
    println!("targets {} are in force, with {} release(s)", targets.version(), targets.targets().len());
    Ok(())
}

fn done(staged: &Path) -> Result<(), Failure> {
    fs::remove_file(staged).map_err(|cause| failed("cannot tidy up", format!("{}: {cause}", staged.display())))
}

/// Targets first, then the metadata that names them, then roots: whoever reads in between sees what was there before.
fn copy(folder: &Folder, root: &Root, to: &Path) -> Result<(), Failure> {
    let Some((version, targets)) = folder.newest(TARGETS)? else { return Err(failed("cannot publish", "no targets are in force")) };
    Folder::believed_targets(&targets, root)?;
    copy_files(&folder.targets_path(), &to.join("targets"))?;
    for version in 1..=root.version() {
        let Some(bytes) = read(&folder.metadata_path(ROOT, version))? else { continue };
        write_new(&to.join("metadata").join(file_name(ROOT, version, true)), &bytes)?;
    }
    write_new(&to.join("metadata").join(file_name(TARGETS, version, true)), &targets)
}

fn copy_files(from: &Path, to: &Path) -> Result<(), Failure> {
    let unread = |cause: std::io::Error| failed("cannot read the targets", format!("{}: {cause}", from.display()));
    let mut entries: Vec<PathBuf> = fs::read_dir(from).map_err(unread)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_files(&path, &to.join(name))?;
        } else if path.extension().is_none_or(|extension| extension != UNFINISHED) {
            write_new(&to.join(name), &fs::read(&path).map_err(unread)?)?;
        }
    }
    Ok(())
}

/// A file that is there with the same bytes is left alone.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|held| held == bytes) { Ok(()) } else { write(path, bytes) }
}
