//! `pinnaced backup` and `pinnaced restore`: the whole store in one file, and back.

use crate::{
    api::now,
    config::Config,
    failure::{Code, Failure},
    serve,
    store::{self, Change, Kind, audit::Event},
};
use std::path::Path;

/// Writes the store into a new file; the control plane may serve meanwhile.
pub(crate) fn backup(dir: &Path, out: &Path) -> Result<(), Failure> {
    let content = store::backup(&Config::load(dir)?.store, out)?;
    println!("{} holds {} objects and {} audit records.", out.display(), content.objects, content.records);
    println!("Keep it with the folder's keys, certificates and pinnaced.toml; it holds no private key.");
    Ok(())
}

/// Puts a backup into an empty store. Tokens that nobody had spent by then are ended: somebody may have spent them since.
pub(crate) fn restore(dir: &Path, from: &Path) -> Result<(), Failure> {
    let content = store::restore(&Config::load(dir)?.store, from)?;
    serve::beside(dir, "restore", async |plane, _| {
        let unspent = plane.registry.tokens().into_iter().filter(|(_, known)| known.value.spent.is_none());
        let changes: Vec<Change> = unspent.map(|(name, known)| Change { kind: Kind::Token, name, on: known.revision, body: None }).collect();
        let ended = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let event = Event::new("restored", now())
            .with("by", serve::who())
            .with("objects", content.objects)
            .with("records", content.records)
            .with("tokens_ended", ended);
        let told = plane.change(event, changes).await;
        told.map_err(|because| {
            Failure::new(Code::StoreUnavailable, "cannot end the tokens of the backup", because, "remove the database and restore again")
        })?;
        println!("Restored {} objects and {} audit records; {ended} unspent tokens are ended.", content.objects, content.records);
        println!("What was changed after the backup is gone, bans too: compare with the last exported audit log before you serve.");
        Ok(())
    })
}
