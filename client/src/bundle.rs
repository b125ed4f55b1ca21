//! `pinnace bundle FILE`: what helps somebody else to see what is wrong here, in one archive.
//!
//! It is made of what `status` and `doctor` tell and of the state files that hold no secret. Keys and credentials are read for one
//! purpose: whatever of them stands anywhere in the archive is taken out.

use crate::{cli::Typed, doctor, facts, failure::Failure, log, show, site, state::State};
use host::archive::tar;
use protocol::{
    json::{Value, object},
    reason::Reason,
    site::Site,
};
use std::{
    fs::{OpenOptions, read_dir},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
};

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";
/// Shorter lines of a secret stand anywhere by chance.
const SECRET_BYTES_MIN: usize = 6;

/// The command.
pub(crate) fn bundle(typed: &Typed, path: &str) -> u8 {
    match make(typed, path) {
        Ok(files) => log::print(&format!("{path}: {files} files, without keys and credentials; look through it before you send it\n")),
        Err(failure) => log::fail("cannot make the bundle", &failure),
    }
}

fn make(typed: &Typed, path: &str) -> Result<usize, Failure> {
    let site = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())?;
    let mut state = State::open(&site.state_dir);
    let secrets = secrets(&site, &mut state);
    let files: Vec<(&str, String)> = gathered(typed, &site, &mut state).into_iter().map(|(name, text)| (name, redacted(text, &secrets))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| file.write_all(&tar(&files, crate::run::now())));
    written.map_err(|error| Failure::io(Reason::StateUnwritable, path, &error)).map(|()| files.len())
}

fn gathered(typed: &Typed, site: &Site, state: &mut State) -> Vec<(&'static str, String)> {
    let facts = facts::of_this_host(state.path()).into_iter().map(|(name, value)| (name, value.into())).collect();
    let version = object([("name", "pinnace".into()), ("version", env!("CARGO_PKG_VERSION").into())]);
    let mut files = vec![
        ("pinnace/version.json", version.to_string()),
        ("pinnace/site.json", site.to_json()),
        ("pinnace/status.json", show::standing(site, state).to_string()),
        ("pinnace/doctor.json", doctor::findings(typed)),
        ("pinnace/facts.json", Value::Object(facts).to_string()),
        ("pinnace/memory.json", state.memory().to_json()),
        ("pinnace/update.json", state.record().to_json()),
        ("pinnace/probation.json", state.probation().to_json()),
        ("pinnace/files.txt", listing(&site.state_dir)),
    ];
    files.extend(state.trial().map(|trial| ("pinnace/trial.json", trial.to_json())));
    files.extend(state.outbox().map(|outbox| ("pinnace/outbox.json", outbox.to_json())));
    files
}

/// Names, modes, owners, sizes and times of what is in the state directory; nothing of what is in the files.
fn listing(folder: &str) -> String {
    let mut lines: Vec<String> = read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some(format!("{:o} {} {} {} {} {:?}\n", about.mode(), about.uid(), about.gid(), about.size(), about.mtime(), entry.file_name()))
        })
        .collect();
    lines.sort();
    lines.concat()
}

/// Every line of the keys and credentials that this host holds.
fn secrets(site: &Site, state: &mut State) -> Vec<String> {
    let mut texts: Vec<String> =
        [state.identity().ok(), state.next_key()].into_iter().flatten().map(|pem| String::from_utf8_lossy(&pem).into()).collect();
    for held in site.credentials.iter().filter_map(|credential| state.held(&credential.name)) {
        texts.push(held.answer.token.clone());
        texts.extend(held.answer.fields.iter().map(|(_, value)| value.clone()));
    }
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let mut lines: Vec<String> = lines.filter(|line| line.len() >= SECRET_BYTES_MIN && !line.starts_with("-----")).map(str::to_owned).collect();
    // A longer one first: what is left of it would be no secret any more, and still tell of it.
    lines.sort_by_key(|line| core::cmp::Reverse(line.len()));
    lines
}

fn redacted(text: String, secrets: &[String]) -> String {
    secrets.iter().fold(text, |text, secret| if text.contains(secret.as_str()) { text.replace(secret.as_str(), REDACTED) } else { text })
}
