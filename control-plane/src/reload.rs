//! Certificates and policy as they are on disk, read again when a file changes or on SIGHUP.
//!
//! What cannot be used is refused whole and the running snapshot stays.

use crate::{
    api::ControlPlane,
    config::Files,
    failure::Failure,
    files,
    service::{Policy, RawPolicy},
    tls,
};
use std::{collections::HashMap, fs, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc, time::Duration};
use tokio::signal::unix::Signal;

/// A policy and the secret files it was made from.
pub(crate) struct Loaded {
    /// The snapshot.
    pub(crate) policy: Policy,
    /// The files.
    pub(crate) secrets: Vec<PathBuf>,
}

/// Reads the policy and the secrets it names, which lie beside it.
pub(crate) fn policy(files: &Files) -> Result<Loaded, Failure> {
    let unusable =
        |because: String| Failure::new(format!("cannot use {}", files.policy.display()), because, "correct the policy; the running one stays");
    let raw: RawPolicy = toml::from_str(&files::read(&files.policy)?).map_err(|error| unusable(error.to_string()))?;
    let mut contents = HashMap::new();
    let mut secrets = Vec::new();
    for name in raw.secret_files() {
        let path = files.policy.with_file_name(name);
        contents.insert(name.to_string(), files::read(&path)?.into_bytes());
        secrets.push(path);
    }
    Ok(Loaded { policy: Policy::new(raw, &contents).map_err(unusable)?, secrets })
}

/// Watches the files and puts what they say into use.
pub(crate) struct Watch {
    files: Files,
    secrets: Vec<PathBuf>,
    seen: Vec<Option<Print>>,
}

/// What changes when a file is written or replaced.
#[derive(PartialEq, Eq)]
struct Print {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl Watch {
    /// Starts from what was read at the start.
    pub(crate) fn new(files: Files, secrets: Vec<PathBuf>) -> Self {
        let mut watch = Self { files, secrets, seen: Vec::new() };
        watch.seen = watch.look();
        watch
    }

    /// Looks every `period` and on every hang-up signal, for as long as the process serves.
    pub(crate) async fn run(mut self, plane: Arc<ControlPlane>, current: Arc<tls::Current>, period: Duration, mut hang_up: Signal) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(period) => false,
                _ = hang_up.recv() => true,
            };
            let found = self.look();
            if asked || found != self.seen {
                self.seen = found;
                self.reload(&plane, &current);
            }
        }
    }

    fn look(&self) -> Vec<Option<Print>> {
        let files = &self.files;
        let fixed = [&files.client_roots, &files.server_certificate, &files.server_key, &files.policy];
        let print = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some(Print { modified: (metadata.mtime(), metadata.mtime_nsec()), size: metadata.size(), inode: metadata.ino() })
        };
        fixed.into_iter().chain(&self.secrets).map(print).collect()
    }

    fn reload(&mut self, plane: &ControlPlane, current: &tls::Current) {
        let certificates = tls::Configs::load(&self.files).map(|configs| {
            plane.metrics.certificate_ends(configs.certificate_ends);
            current.store(Arc::new(configs));
        });
        tell(plane, "certificates", certificates);
        let policy = policy(&self.files).map(|loaded| {
            self.secrets = loaded.secrets;
            plane.policy.store(Arc::new(loaded.policy));
        });
        tell(plane, "policy", policy);
    }
}

fn tell(plane: &ControlPlane, what: &str, outcome: Result<(), Failure>) {
    plane.metrics.reloaded(outcome.is_ok());
    match outcome {
        Ok(()) => tracing::info!(event = "reloaded", what),
        Err(failure) => tracing::error!(event = "reload-refused", what, error = failure.error(), because = failure.because()),
    }
}
