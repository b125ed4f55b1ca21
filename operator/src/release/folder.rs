//! The folder: what is staged, what is in force.

use crate::{failure::Failure, files};
use signing::{AwsLc, Draft, RootPlan, TargetPlan, next_root};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use trust::{Hashes, Root, Targets, file_name, file_version, target_name};

/// The two roles that are signed offline.
pub(super) const ROOT: &str = "root";
pub(super) const TARGETS: &str = "targets";
/// Metadata larger than that is nobody's.
const BYTES_MAX: u64 = 5_000_000;

/// One release folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder, made if it is not there.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        for part in ["staged", "metadata", "targets"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(|cause| failed("cannot use the release folder", format!("{}: {cause}", part.display())))?;
        }
        Ok(Self { path })
    }

    pub(super) fn staged_path(&self, role: &str) -> PathBuf {
        self.path.join("staged").join(format!("{role}.json"))
    }

    pub(super) fn targets_path(&self) -> PathBuf {
        self.path.join("targets")
    }

    pub(super) fn metadata_path(&self, role: &str, version: i64) -> PathBuf {
        self.path.join("metadata").join(file_name(role, version, true))
    }

    /// What is staged for a role.
    pub(super) fn staged(&self, role: &str) -> Result<Option<Draft>, Failure> {
        let path = self.staged_path(role);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        Draft::read(&bytes).map(Some).ok_or_else(|| failed("cannot read what is staged", format!("{} is not metadata", path.display())))
    }

    /// Stages a draft; signatures on an earlier one are gone.
    pub(super) fn stage(&self, role: &str, draft: &Draft) -> Result<(), Failure> {
        write(&self.staged_path(role), &draft.to_bytes())
    }

    /// The newest version in force, if there is one.
    pub(super) fn newest(&self, role: &str) -> Result<Option<(i64, Vec<u8>)>, Failure> {
        let folder = self.path.join("metadata");
        let names = fs::read_dir(&folder).map_err(|cause| failed("cannot read the release folder", cause))?;
        let newest = names.flatten().filter_map(|entry| file_version(entry.file_name().to_str()?, role)).max();
        let Some(newest) = newest else { return Ok(None) };
        Ok(read(&self.metadata_path(role, newest))?.map(|bytes| (newest, bytes)))
    }

    /// The root in force.
    pub(super) fn root(&self) -> Result<Option<Root>, Failure> {
        let Some((_, bytes)) = self.newest(ROOT)? else { return Ok(None) };
        Root::anchor(&bytes, &AwsLc).map(Some).map_err(|why| failed("cannot use the root in force", why.about(ROOT)))
    }

    /// The plan of the root in force, for its successor.
    pub(super) fn next_root(&self) -> Result<RootPlan, Failure> {
        let newest = self.newest(ROOT)?.and_then(|(_, bytes)| next_root(Draft::read(&bytes)?.signed()));
        newest
            .ok_or_else(|| failed("cannot make the next root", "no root is in force").hinted("pinnacectl release init, sign and publish come first"))
    }

    /// What the next targets begin with: those staged, or those in force; and the next version.
    pub(super) fn targets(&self) -> Result<(i64, Vec<TargetPlan>), Failure> {
        let in_force = self.newest(TARGETS)?;
        let next = in_force.as_ref().map_or(1, |(version, _)| version + 1);
        let draft = match self.staged(TARGETS)? {
            Some(draft) => Some(draft),
            None => in_force.and_then(|(_, bytes)| Draft::read(&bytes)),
        };
        let plans = draft.as_ref().and_then(|draft| draft.signed().get("targets")?.as_object()).unwrap_or_default();
        let plans: Option<Vec<TargetPlan>> = plans.iter().map(|(path, target)| TargetPlan::read(path, target)).collect();
        Ok((next, plans.ok_or_else(|| failed("cannot read the targets", "one of them is not a release of Pinnace"))?))
    }

    /// Targets metadata that a root vouches for.
    pub(super) fn believed_targets(bytes: &[u8], root: &Root) -> Result<Targets, Failure> {
        Targets::top(bytes, root, &AwsLc).map_err(|why| failed("cannot use the targets", why.about(TARGETS)))
    }

    /// Where a target's bytes lie: with their hash before their name.
    pub(super) fn target_path(&self, plan: &TargetPlan) -> PathBuf {
        let hashes = Hashes { sha256: Some(plan.sha256.clone()), sha512: None };
        self.targets_path().join(target_name(&plan.path, &hashes, true))
    }
}

/// A file of bounded size, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let too_large = |metadata: &fs::Metadata| metadata.len() > BYTES_MAX;
    match fs::metadata(path).and_then(|metadata| if too_large(&metadata) { Err(io::Error::other("it is too large")) } else { fs::read(path) }) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(&format!("cannot read {}", path.display()), cause)),
    }
}

/// Writes a file, and the folders on the way to it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| files::replace(path, bytes, None));
    written.map_err(|cause| failed(&format!("cannot write {}", path.display()), cause))
}

/// Seconds since 1970, so many days from this moment.
pub(super) fn in_days(days: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    now.saturating_add(days.saturating_mul(86_400))
}

pub(super) fn failed(error: &str, because: impl std::fmt::Display) -> Failure {
    Failure::new("release.failed", error, because, "pinnacectl release status --dir FOLDER says what is staged and in force")
}
