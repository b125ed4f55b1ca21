//! Releases on the disk: `generations/N-SHA256/pinnace`, the link `current` to the one that runs, and `previous` to the one before.
//!
//! A release is fetched piece by piece into the folder that it will run from, under another name; it gets its own once every byte
//! was held against what was signed. A crash leaves either a piece, which the next run goes on with, or the whole.

use crate::{
    failure::Failure,
    net::{http::Request, session::Session},
    run::now,
    state::State,
    sys::file::{self, Directory},
};
use host::update::{RELEASE_BYTES_MAX, Record, parse_folder};
use protocol::reason::Reason;
use ring::digest::{Context, Digest, SHA256};
use std::{
    io::{self, Read, Write},
    time::Instant,
};
use trust::{Target, Why};

/// Where releases are, below the state directory.
pub(crate) const FOLDER: &str = "generations";
const PROGRAM: &str = "pinnace";
const PARTIAL: &str = "partial";
/// The link to the one that runs.
pub(crate) const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
const PIECE_BYTES: usize = 65_536;

/// The generation that this process is, as whoever started it said; 0 for the package's copy.
pub(crate) fn generation_of(said: Option<&str>) -> i64 {
    said.and_then(parse_folder).map_or(0, |(generation, _)| generation)
}

/// Goes on as the release that `current` names, with the same arguments; comes back only where there is none or it cannot start.
pub(crate) fn hand_over(state_dir: &str, arguments: &[std::ffi::OsString]) {
    let Some(name) = current(state_dir) else { return };
    let _ = crate::sys::process::become_program(&program_of(state_dir, &name), &["--generation", &name], arguments);
}

/// The folder's name of the release that runs; `None` for the package's own copy.
pub(crate) fn current(state_dir: &str) -> Option<String> {
    link(state_dir, CURRENT)
}

/// The folder's name of the release before.
pub(crate) fn previous(state_dir: &str) -> Option<String> {
    link(state_dir, PREVIOUS)
}

/// The program in a release's folder.
pub(crate) fn program_of(state_dir: &str, name: &str) -> String {
    format!("{state_dir}/{FOLDER}/{name}/{PROGRAM}")
}

/// Whether a file is what a SHA-256 in hexadecimal says.
pub(crate) fn has_hash(path: &str, hash: &str) -> bool {
    file::open_to_read(path).and_then(digest_of).is_ok_and(|(_, found)| protocol::hex_encode(found.as_ref()) == hash)
}

/// Makes a download in `folder` that was cut short of its end, of a release that is whole here.
pub(crate) fn cut(state_dir: &str, folder: &str, name: &str) -> io::Result<()> {
    let mut whole = file::open_to_read(&program_of(state_dir, name))?;
    let length = whole.metadata()?.len().saturating_sub(PIECE_BYTES as u64);
    let generations = format!("{folder}/{FOLDER}");
    Directory::open(folder)?.make(FOLDER, 0o700)?;
    Directory::open(&generations)?.make(name, 0o700)?;
    let mut partial = Directory::open(&format!("{generations}/{name}"))?.append(PARTIAL)?;
    io::copy(&mut Read::by_ref(&mut whole).take(length), &mut partial).map(drop)
}

fn link(state_dir: &str, which: &str) -> Option<String> {
    let target = file::read_link(&format!("{state_dir}/{which}")).ok()?;
    let name = target.strip_prefix(FOLDER)?.strip_prefix('/')?;
    parse_folder(name).map(|_| name.to_owned())
}

/// The releases of a host.
pub(crate) struct Generations<'a> {
    state: &'a State,
    root: Directory,
}

fn unstaged(doing: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::io(Reason::UpdateUnstaged, doing, &error)
}

impl<'a> Generations<'a> {
    pub(crate) fn open(state: &'a State) -> Result<Self, Failure> {
        let path = format!("{}/{FOLDER}", state.path());
        Ok(Self { state, root: Directory::open_or_make(&path, 0o700).map_err(unstaged(&path))? })
    }

    /// The folder's name of the one that runs from the next run on.
    pub(crate) fn current(&self) -> Option<String> {
        current(self.state.path())
    }

    /// The folder's name of the one before.
    pub(crate) fn previous(&self) -> Option<String> {
        previous(self.state.path())
    }

    /// Fetches what is missing, within this run's bounds; whether the release is whole and is what was signed.
    pub(crate) fn stage(&self, name: &str, file: &str, target: &Target, session: &mut Session, record: &mut Record) -> Result<bool, Failure> {
        let path = format!("{}/{FOLDER}/{name}", self.state.path());
        let folder = Directory::open_or_make(&path, 0o700).map_err(unstaged(&path))?;
        if folder.read(PROGRAM).is_ok_and(|program| is_target(program, target).unwrap_or(false)) {
            return Ok(true);
        }
        let mut partial = folder.append(PARTIAL).map_err(unstaged(&path))?;
        let mut held = usize::try_from(partial.metadata().map_err(unstaged(&path))?.len()).unwrap_or(usize::MAX);
        let mut allowance = record.allowance(now());
        if allowance == 0 {
            return Err(Failure::new(Reason::UpdateQuota, format!("{} bytes on this day", record.failed_bytes)));
        }
        while held < target.length {
            if allowance == 0 || Instant::now() >= session.deadline() {
                return Ok(false);
            }
            let end = target.length.min(held.saturating_add(PIECE_BYTES.min(allowance)));
            let bytes = match piece(session, file, (held, end)) {
                // What came so far is kept, and the next run goes on from there.
                Err(failure) if failure.reason == Reason::UpdateSlow && held > 0 => return Ok(false),
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            partial.write_all(&bytes).map_err(unstaged(&path))?;
            (held, allowance) = (held.saturating_add(bytes.len()), allowance.saturating_sub(bytes.len()));
            record.spend(bytes.len(), false, now());
        }
        if !folder.read(PARTIAL).is_ok_and(|file| is_target(file, target).unwrap_or(false)) {
            folder.remove(PARTIAL);
            record.spend(held, true, now());
            return Err(Why::WrongTarget.about(file).into());
        }
        folder.commit(&partial, PARTIAL, PROGRAM, 0o755).map_err(unstaged(&path))?;
        Ok(true)
    }

    /// From the next run on this one runs; the one that did is kept.
    pub(crate) fn switch(&self, name: &str) -> Result<(), Failure> {
        let state = self.state.directory()?;
        let failed = unstaged(CURRENT);
        if let Some(current) = self.current().filter(|current| current != name) {
            state.replace_link(PREVIOUS, &format!("{FOLDER}/{current}")).map_err(&failed)?;
        }
        state.replace_link(CURRENT, &format!("{FOLDER}/{name}")).map_err(&failed)?;
        self.tidy(name);
        Ok(())
    }

    /// Back to the one before, or to the package's copy; gives the folder's name of the one that is left.
    pub(crate) fn back(&self) -> Result<(String, Option<String>), Failure> {
        let left = self.current().ok_or_else(|| Failure::new(Reason::UpdateNothingBefore, "the package's copy runs"))?;
        let state = self.state.directory()?;
        let previous = self.previous().filter(|previous| *previous != left);
        match &previous {
            Some(previous) => state.replace_link(CURRENT, &format!("{FOLDER}/{previous}")).map_err(unstaged(CURRENT))?,
            None => state.remove(CURRENT),
        }
        state.remove(PREVIOUS);
        Ok((left, previous))
    }

    /// Whatever is neither current nor previous nor that one goes, best effort.
    pub(crate) fn tidy(&self, name: &str) {
        let kept = [self.current(), self.previous(), Some(name.to_owned())];
        let Ok(names) = std::fs::read_dir(format!("{}/{FOLDER}", self.state.path())) else { return };
        for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if parse_folder(&name).is_some() && !kept.contains(&Some(name.clone())) {
                if let Ok(folder) = Directory::open(&format!("{}/{FOLDER}/{name}", self.state.path())) {
                    folder.remove(PROGRAM);
                    folder.remove(PARTIAL);
                }
                self.root.remove_folder(&name);
            }
        }
    }
}

fn piece(session: &mut Session, file: &str, (first, end): (usize, usize)) -> Result<Vec<u8>, Failure> {
    let path = format!("/v1/releases/targets/{file}");
    let bytes_max = end.saturating_sub(first);
    let range = Some((first, end.saturating_sub(1)));
    session.send(&Request { range, bytes_max, ..Request::get(&path) }).map_err(|failure| match failure.reason {
        Reason::HttpNotFound => Failure::new(Reason::UpdateMissing, file),
        Reason::HttpTooLarge => Failure::new(Reason::UpdateTooLarge, format!("{file}: {}", failure.because)),
        Reason::HttpTimeout => Failure::new(Reason::UpdateSlow, file),
        _ => failure,
    })
}

fn is_target(file: std::fs::File, target: &Target) -> io::Result<bool> {
    let (length, hash) = digest_of(file)?;
    Ok(length == target.length && target.hashes.sha256.as_deref() == Some(hash.as_ref()))
}

fn digest_of(mut file: std::fs::File) -> io::Result<(usize, Digest)> {
    let mut context = Context::new(&SHA256);
    let mut piece = [0; 16_384];
    let mut length = 0;
    loop {
        let count = file.read(&mut piece)?;
        length += count;
        if count == 0 || length > RELEASE_BYTES_MAX {
            return Ok((length, context.finish()));
        }
        context.update(piece.get(..count).unwrap_or_default());
    }
}
