//! Releases: from the folder that release engineers publish into, what they signed is believed as a host believes it, and vouched
//! for with snapshot and timestamp. Those two are one record of the store, so that every process serves the same bytes, and a
//! newer pair only ever replaces an older one.

use crate::{
    api::{ControlPlane, now},
    failure::{Code, Failure},
    files,
    metrics::Metrics,
    store::{Change, Kind, NotWritten, audit::Event},
};
use serde::{Deserialize, Serialize};
use service::release::Catalog;
use signing::{AwsLc, OnlineKey, publish};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use trust::{Root, Targets, Timestamp, file_name, file_version, target_name};

/// The setting that holds what is vouched for.
const SETTING: &str = "releases";
/// Metadata larger than that is not offered.
pub(crate) const METADATA_BYTES_MAX: u64 = 5_000_000;
const TIMESTAMP_SECONDS: i64 = 86_400;
const SNAPSHOT_SECONDS: i64 = 7 * 86_400;

/// What is vouched for, by every process alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vouched {
    /// The version of snapshot and timestamp.
    pub(crate) version: i64,
    /// The version of the targets.
    targets: i64,
    /// When the timestamp ends, seconds since 1970.
    ends: i64,
    /// The snapshot's file.
    pub(crate) snapshot: String,
    /// The timestamp's file.
    pub(crate) timestamp: String,
}

/// What is offered here.
#[derive(Default)]
pub(crate) struct Offered {
    /// The releases to choose among.
    pub(crate) catalog: Catalog,
    /// Their files, newest generation first.
    pub(crate) files: Vec<TargetFile>,
    /// The versions of the newest root and of the targets.
    root: i64,
    targets: i64,
}

/// What was signed of a release's file.
pub(crate) struct TargetFile {
    /// The target's path.
    pub(crate) path: String,
    /// Where the file lies below `targets/`.
    pub(crate) name: String,
    /// How many bytes it has.
    pub(crate) length: u64,
    /// Its hash.
    pub(crate) sha256: Vec<u8>,
}

/// Looks at the folder every `period`, for as long as the process serves.
pub(crate) async fn keep(plane: Arc<ControlPlane>, period: Duration) {
    let mut said = None;
    loop {
        let trouble = look(&plane).await.err().map(|failure| (failure.code(), format!("{}: {}", failure.error(), failure.because())));
        if trouble != said {
            match &trouble {
                None => tracing::info!(event = "releases-mended"),
                Some((code, because)) => tracing::error!(
                    event = "releases-refused",
                    code,
                    because,
                    hint = "publish with pinnacectl release; what was offered before is offered still"
                ),
            }
            said = trouble;
        }
        tokio::time::sleep(period).await;
    }
}

async fn look(plane: &ControlPlane) -> Result<(), Failure> {
    let folder = plane.releases.join("metadata");
    let metrics = Arc::clone(&plane.metrics);
    let read = tokio::task::spawn_blocking(move || read(&folder, &metrics)).await;
    let Some((root, targets)) = read.map_err(|cause| refused(&cause.to_string()))?? else { return Ok(()) };
    let vouched = vouched(plane);
    if vouched.as_ref().is_some_and(|vouched| targets.version() < vouched.targets) {
        return Err(refused(&format!("targets {} are older than those offered before", targets.version())));
    }
    let holds = vouched.as_ref().is_some_and(|vouched| holds(vouched, &root, targets.version()));
    // Where another process was faster, the next look takes in what it wrote.
    if !holds && !vouch(plane, vouched.as_ref(), &root, targets.version()).await? {
        return Ok(());
    }
    if let Some(vouched) = self::vouched(plane) {
        plane.metrics.release_metadata_ends("timestamp", vouched.ends);
    }
    let catalog = Catalog::of(&targets);
    let files = catalog.newest_first().into_iter().filter_map(|path| target_file(&targets, path)).collect();
    plane.offered.store(Arc::new(Offered { catalog, files, root: root.version(), targets: targets.version() }));
    Ok(())
}

fn target_file(targets: &Targets, path: &str) -> Option<TargetFile> {
    let (_, target) = targets.targets().iter().find(|(known, _)| known == path)?;
    let name = target_name(path, &target.hashes, true);
    Some(TargetFile { path: path.to_owned(), name, length: target.length.try_into().ok()?, sha256: target.hashes.sha256.clone()? })
}

/// What every process on this store vouches for.
pub(crate) fn vouched(plane: &ControlPlane) -> Option<Vouched> {
    serde_json::from_str(&plane.registry.other(Kind::Setting, SETTING)?.value).ok()
}

/// Whether hosts with this root would take it, for long enough.
fn holds(vouched: &Vouched, root: &Root, targets: i64) -> bool {
    let believed = Timestamp::believe(vouched.timestamp.as_bytes(), root, &AwsLc).is_ok();
    believed && vouched.targets == targets && vouched.ends - now() > TIMESTAMP_SECONDS / 2
}

/// Whether it is on record; not where another process has changed the record meanwhile.
async fn vouch(plane: &ControlPlane, before: Option<&Vouched>, root: &Root, targets: i64) -> Result<bool, Failure> {
    let (version, at) = (before.map_or(1, |before| before.version + 1), now());
    let fresh = {
        let ring = plane.keys.load();
        let pair = ring.online().map_err(|_| refused("there is no online key; pinnaced keys prepare online makes one"))?;
        let public = pair.public().try_into().map_err(|_| refused("the online key is not an Ed25519 key"))?;
        let sign = |message: &[u8]| pair.sign(message).ok();
        let key = OnlineKey::new(public, &sign);
        publish(version, targets, (at + SNAPSHOT_SECONDS, at + TIMESTAMP_SECONDS), &key).ok_or_else(|| refused("the online key did not sign"))?
    };
    Timestamp::believe(&fresh.timestamp, root, &AwsLc)
        .map_err(|why| refused(&format!("{}: the root does not name this control plane's online key", why.about("the timestamp"))))?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
    let vouched = Vouched { version, targets, ends: at + TIMESTAMP_SECONDS, snapshot: text(fresh.snapshot), timestamp: text(fresh.timestamp) };
    let on = plane.registry.other(Kind::Setting, SETTING).map_or(0, |known| known.revision);
    let change = Change { kind: Kind::Setting, name: SETTING.into(), on, body: serde_json::to_string(&vouched).ok() };
    let event = Event::new("releases-vouched", at).with("version", version).with("targets", targets);
    match plane.change(event, vec![change]).await {
        Ok(()) => {
            tracing::info!(event = "releases-vouched", version, targets, ends = vouched.ends);
            Ok(true)
        }
        Err(NotWritten::Conflict) => Ok(false),
        Err(because) => Err(refused(&format!("it cannot be kept: {because}"))),
    }
}

/// The newest root and the targets that it vouches for; `None` where nothing was ever published.
fn read(folder: &Path, metrics: &Metrics) -> Result<Option<(Root, Targets)>, Failure> {
    let Some(root) = newest(folder, "root") else { return Ok(None) };
    let root =
        Root::anchor(&files::read_bounded(&root, METADATA_BYTES_MAX)?, &AwsLc).map_err(|why| refused(&why.about("the newest root").to_string()))?;
    metrics.release_metadata_ends("root", root.expires());
    if root.expires() <= now() {
        return Err(refused("the newest root has ended"));
    }
    let Some(targets) = newest(folder, "targets") else { return Ok(None) };
    let targets =
        Targets::top(&files::read_bounded(&targets, METADATA_BYTES_MAX)?, &root, &AwsLc).map_err(|why| refused(&why.about("targets").to_string()))?;
    metrics.release_metadata_ends("targets", targets.expires());
    if targets.expires() <= now() {
        return Err(refused("the newest targets have ended"));
    }
    Ok(Some((root, targets)))
}

fn newest(folder: &Path, role: &str) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let version = names.filter_map(|name| file_version(&name, role)).max()?;
    Some(folder.join(file_name(role, version, true)))
}

impl Offered {
    /// Whether a metadata file of the folder is offered: a half-published one is not there.
    pub(crate) fn has(&self, name: &str) -> bool {
        let within = |role: &str, newest: i64| file_version(name, role).is_some_and(|version| version <= newest);
        within("root", self.root) || within("targets", self.targets)
    }
}

fn refused(because: &str) -> Failure {
    Failure::new(Code::ReleasesRefused, "cannot offer releases", because, "publish with pinnacectl release")
}
