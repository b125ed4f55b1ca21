//! What changes while the process serves: certificates and secrets on disk, and what other processes wrote into the store.
//!
//! What cannot be used is refused whole and the running snapshot stays.

use crate::{
    api::{ControlPlane, now},
    config::Files,
    failure::{Code, Failure},
    files, keys,
    store::{Change, Kind, NotWritten, audit::Event, listen},
    tls,
};
use serde::{Deserialize, Serialize};
use service::{Policy, RawPolicy, names::ServerNames, token::name_of};
use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::signal::unix::Signal;

/// The policy in force.
pub(crate) const CURRENT: &str = "current";
/// Every operator may have a policy looked at, and with it the files it names.
const SECRET_BYTES_MAX: u64 = 1 << 20;
/// The setting that holds the SHA-256 of the policy file that was taken in last.
const TAKEN_IN: &str = "policy-file";

/// One version of the policy, as the store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyVersion {
    /// 1 for the first.
    pub(crate) number: i64,
    /// `policy.toml` as typed.
    pub(crate) text: String,
    /// Who put it in force.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
    /// When, seconds since 1970.
    pub(crate) at: i64,
}

/// A policy and the secret files it was made from.
pub(crate) struct Compiled {
    /// The snapshot.
    pub(crate) policy: Policy,
    /// The files.
    pub(crate) secrets: Vec<PathBuf>,
}

/// What a policy text means, with the secrets it names, which lie in `folder`.
pub(crate) fn compile(text: &str, folder: &Path) -> Result<Compiled, Failure> {
    let unusable = |because: String| Failure::new(Code::PolicyInvalid, "cannot use the policy", because, "correct the policy; the running one stays");
    let raw: RawPolicy = toml::from_str(text).map_err(|error| unusable(error.to_string()))?;
    let mut contents = HashMap::new();
    let mut secrets = Vec::new();
    for name in raw.secret_files() {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(unusable(format!("{name:?} leads out of the policy's folder")));
        }
        let path = folder.join(name);
        contents.insert(name.to_string(), files::read_bounded(&path, SECRET_BYTES_MAX)?);
        secrets.push(path);
    }
    Ok(Compiled { policy: Policy::new(raw, &contents).map_err(unusable)?, secrets })
}

/// Watches files and store, and puts what they say into use.
pub(crate) struct Watch {
    files: Files,
    secrets: Vec<PathBuf>,
    seen: Vec<Option<Print>>,
    policy_revision: i64,
    keys_revision: i64,
    trust_revision: i64,
}

/// What changes when a file is written or replaced.
#[derive(PartialEq, Eq)]
struct Print {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl Watch {
    /// Reads the store, takes keys and policy file in, and puts both in force.
    pub(crate) async fn start(files: Files, plane: &ControlPlane) -> Result<Self, Failure> {
        plane.catch_up().await;
        let mut watch = Self { files, secrets: Vec::new(), seen: Vec::new(), policy_revision: 0, keys_revision: 0, trust_revision: 0 };
        keys::take_in(plane, &watch.files).await?;
        (watch.keys_revision, watch.trust_revision) = (keys::revision(plane), keys::revision(plane));
        keys::put_in_force(plane)?;
        watch.take_in_policy(plane).await?;
        watch.put_policy_in_force(plane)?;
        watch.seen = watch.look();
        Ok(watch)
    }

    /// Looks every `period` and on every hang-up signal, for as long as the process serves.
    pub(crate) async fn run(mut self, plane: Arc<ControlPlane>, current: Arc<tls::Current>, period: Duration, mut hang_up: Signal) {
        // One that waits stands for all that came.
        let (changed, mut changes) = tokio::sync::mpsc::channel(1);
        // It keeps a sender, so that without anybody to listen to there is only the period.
        tokio::spawn(listen(plane.store.clone(), changed.clone()));
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(period) => false,
                _ = changes.recv() => false,
                () = plane.changed.notified() => false,
                _ = hang_up.recv() => true,
            };
            plane.catch_up().await;
            keys::drop_due(&plane).await;
            if keys::revision(&plane) != self.keys_revision {
                let outcome = self.put_keys_in_force(&plane, &current);
                tell(&plane, "keys", outcome);
            }
            let found = self.look();
            if asked || found != self.seen {
                self.seen = found;
                self.reload(&plane, &current).await;
            } else if plane.registry.other(Kind::Policy, CURRENT).is_some_and(|known| known.revision != self.policy_revision) {
                let outcome = self.put_policy_in_force(&plane);
                tell(&plane, "policy", outcome);
            }
        }
    }

    fn look(&self) -> Vec<Option<Print>> {
        let files = &self.files;
        let browsers = [&files.browser_certificate, &files.browser_key];
        let fixed = [&files.client_roots, &files.server_certificate, &files.server_key, &files.policy].into_iter().chain(browsers);
        let print = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some(Print { modified: (metadata.mtime(), metadata.mtime_nsec()), size: metadata.size(), inode: metadata.ino() })
        };
        fixed.into_iter().chain(&self.secrets).map(print).collect()
    }

    async fn reload(&mut self, plane: &ControlPlane, current: &tls::Current) {
        tell(plane, "certificates", self.reload_tls(plane, current));
        let taken_in = self.take_in_policy(plane).await;
        let policy = taken_in.and_then(|()| self.put_policy_in_force(plane));
        tell(plane, "policy", policy);
    }

    fn reload_tls(&self, plane: &ControlPlane, current: &tls::Current) -> Result<(), Failure> {
        current.store(Arc::new(self.tls(plane)?));
        Ok(())
    }

    /// Certificates and trust as files and records have them.
    pub(crate) fn tls(&self, plane: &ControlPlane) -> Result<tls::Configs, Failure> {
        let configs = tls::Configs::load(&self.files, &plane.keys.load())?;
        plane.metrics.certificate_ends(configs.certificate_ends);
        if let Some(ends) = plane.keys.load().ca_certificate().as_ref().and_then(tls::end) {
            plane.metrics.ca_ends(ends);
        }
        plane.names.store(Arc::new(ServerNames::new(configs.names.iter().cloned(), &plane.issuer)));
        Ok(configs)
    }

    /// Where a private key is missing or a certificate cannot be used, the next look tries again.
    fn put_keys_in_force(&mut self, plane: &ControlPlane, current: &tls::Current) -> Result<(), Failure> {
        let revision = keys::revision(plane);
        let keys = keys::put_in_force(plane);
        if self.trust_revision != revision {
            self.reload_tls(plane, current)?;
            self.trust_revision = revision;
        }
        keys?;
        self.keys_revision = revision;
        Ok(())
    }

    /// A policy file that was written since one was last taken in becomes the next version, for every process on this store.
    async fn take_in_policy(&self, plane: &ControlPlane) -> Result<(), Failure> {
        let text = match fs::read_to_string(&self.files.policy) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && plane.registry.other(Kind::Policy, CURRENT).is_some() => return Ok(()),
            read => read.map_err(|error| {
                Failure::new(Code::FileUnreadable, format!("cannot read {}", self.files.policy.display()), error, "check the path")
            })?,
        };
        let print = name_of(&text);
        let taken = plane.registry.other(Kind::Setting, TAKEN_IN);
        if taken.as_ref().is_some_and(|taken| *taken.value == print) {
            return Ok(());
        }
        compile(&text, &plane.secrets)?;
        let setting = Change { kind: Kind::Setting, name: TAKEN_IN.into(), on: taken.map_or(0, |taken| taken.revision), body: Some(print) };
        let by = (self.files.policy.display().to_string(), "the file was written".to_string());
        match apply_policy(plane, text, by, None, vec![setting]).await {
            // Another process has taken one in; it is read with the next look.
            Ok(_) | Err(NotWritten::Conflict) => Ok(()),
            Err(because) => Err(Failure::new(Code::StoreUnavailable, "cannot keep the policy", because, "check the disk of the database")),
        }
    }

    fn put_policy_in_force(&mut self, plane: &ControlPlane) -> Result<(), Failure> {
        let Some(known) = plane.registry.other(Kind::Policy, CURRENT) else { return Ok(()) };
        self.policy_revision = known.revision;
        self.secrets = put_policy_in_force(plane)?;
        Ok(())
    }
}

/// Puts the policy on record in force here; gives the secret files it names.
pub(crate) fn put_policy_in_force(plane: &ControlPlane) -> Result<Vec<PathBuf>, Failure> {
    // One at a time, so that an older one never replaces a newer one.
    let _turn = plane.policy_turn.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(version) = current_policy(plane) else { return Ok(Vec::new()) };
    let Compiled { policy, secrets } = compile(&version.text, &plane.secrets)?;
    plane.policy.store(Arc::new(policy));
    plane.metrics.policy_in_force(version.number);
    Ok(secrets)
}

/// The policy on record.
pub(crate) fn current_policy(plane: &ControlPlane) -> Option<PolicyVersion> {
    let known = plane.registry.other(Kind::Policy, CURRENT)?;
    serde_json::from_str(&known.value).ok()
}

/// Puts the next version of the policy into the store; gives its number. Where `made_on` is given and another version is in
/// force, that is a conflict.
pub(crate) async fn apply_policy(
    plane: &ControlPlane,
    text: String,
    (by, reason): (String, String),
    made_on: Option<i64>,
    mut changes: Vec<Change>,
) -> Result<i64, NotWritten> {
    // Looked at once: what is compared is what the change is made on.
    let known = plane.registry.other(Kind::Policy, CURRENT);
    let on = known.as_ref().map_or(0, |known| known.revision);
    let current = known.and_then(|known| serde_json::from_str::<PolicyVersion>(&known.value).ok()).map_or(0, |version| version.number);
    if made_on.is_some_and(|made_on| made_on != current) {
        return Err(NotWritten::Conflict);
    }
    let (number, at) = (current + 1, now());
    let event = Event::new("policy-applied", at).with("version", number).with("by", by.as_str()).with("reason", reason.as_str());
    let body = serde_json::to_string(&PolicyVersion { number, text, by, reason, at }).ok();
    changes.push(Change { kind: Kind::Policy, name: CURRENT.into(), on, body: body.clone() });
    changes.push(Change { kind: Kind::Policy, name: number.to_string(), on: 0, body });
    plane.change(event, changes).await.map(|()| number)
}

fn tell(plane: &ControlPlane, what: &str, outcome: Result<(), Failure>) {
    plane.metrics.reloaded(outcome.is_ok());
    match outcome {
        Ok(()) => tracing::info!(event = "reloaded", what),
        Err(failure) => tracing::error!(event = "reload-refused", what, code = failure.code(), error = failure.error(), because = failure.because()),
    }
}
