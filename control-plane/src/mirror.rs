//! Targets that are not in the releases folder, from a mirror that nobody has to trust. A file is fetched on the side, never while a
//! host waits; it is held against what was signed, and only then kept, offered and served. So a mirror that lies, drips or is away
//! costs the fetch and nothing else.

use crate::{
    api::ControlPlane,
    failure::Failure,
    releases::{Offered, TargetFile},
    way::Way,
};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes that wait to be written at one time.
const PIECE_BYTES: usize = 65_536;
/// The longest time between two tries of one file.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// `[mirror]` in `pinnaced.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `http(s)://HOST[:PORT]/PREFIX`: where the files below `targets/` are.
    url: String,
    /// The CA certificates, PEM, that an https mirror is known by.
    ca: Option<PathBuf>,
    /// The folder for what came.
    #[serde(default = "cache")]
    cache: PathBuf,
    /// How long one try may take; the next goes on where it ended.
    #[serde(default = "try_seconds")]
    try_seconds: u64,
}

fn cache() -> PathBuf {
    "mirrored".into()
}

fn try_seconds() -> u64 {
    60
}

impl Settings {
    /// With its paths inside a folder.
    pub(crate) fn inside(self, dir: &Path) -> Self {
        Self { ca: self.ca.map(|path| dir.join(path)), cache: dir.join(self.cache), ..self }
    }
}

/// The mirror, and what came from it.
pub(crate) struct Mirror {
    way: Way,
    cache: PathBuf,
    try_seconds: u64,
    /// The paths of the targets at hand, wherever their files lie.
    at_hand: ArcSwap<HashSet<String>>,
}

/// What went wrong with a file, and when it is tried again.
struct Trouble {
    because: String,
    tries: u32,
    next: Instant,
}

impl Mirror {
    /// As the settings have it; nothing is asked yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let way = Way::new("mirror", &settings.url, settings.ca.as_deref())?;
        Ok(Self { way, cache: settings.cache.clone(), try_seconds: settings.try_seconds, at_hand: ArcSwap::default() })
    }

    /// Whether a target's file can be served.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.at_hand.load().contains(path)
    }

    /// Where a file that came whole lies.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.cache.join("whole").join(name)
    }

    fn partial(&self, file: &TargetFile) -> PathBuf {
        self.cache.join("partial").join(protocol::hex_encode(&file.sha256))
    }
}

/// Fetches what is offered and not at hand, newest first, for as long as the process serves.
pub(crate) async fn keep(plane: Arc<ControlPlane>, period: Duration) {
    let Some(mirror) = &plane.mirror else { return };
    let mut troubles = HashMap::new();
    loop {
        let offered = plane.offered.load_full();
        let (there, seen) = (Arc::clone(&plane), Arc::clone(&offered));
        let at_hand = tokio::task::spawn_blocking(move || survey(&there, &seen)).await.unwrap_or_default();
        fetch_missing(mirror, &offered, at_hand, period, &mut troubles).await;
        tokio::time::sleep(period).await;
    }
}

/// The paths of what is at hand; what is offered no more is kept no more.
fn survey(plane: &ControlPlane, offered: &Offered) -> HashSet<String> {
    let Some(mirror) = &plane.mirror else { return HashSet::new() };
    let is_file = |path: PathBuf, length| fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == length);
    let is_here =
        |file: &&TargetFile| is_file(plane.releases.join("targets").join(&file.name), file.length) || is_file(mirror.kept(&file.name), file.length);
    let whole = offered.files.iter().map(|file| mirror.kept(&file.name));
    let wanted: HashSet<PathBuf> = whole.chain(offered.files.iter().map(|file| mirror.partial(file))).collect();
    // Before the first look at the folder, nothing is offered yet.
    if !wanted.is_empty() {
        files_below(&mirror.cache).into_iter().filter(|path| !wanted.contains(path)).for_each(|path| drop(fs::remove_file(path)));
    }
    offered.files.iter().filter(is_here).map(|file| file.path.clone()).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

async fn fetch_missing(mirror: &Mirror, offered: &Offered, mut at_hand: HashSet<String>, period: Duration, troubles: &mut HashMap<String, Trouble>) {
    mirror.at_hand.store(Arc::new(at_hand.clone()));
    let missing: Vec<&TargetFile> = offered.files.iter().filter(|file| !at_hand.contains(&file.path)).collect();
    troubles.retain(|path, _| missing.iter().any(|file| file.path == *path));
    for file in missing {
        if troubles.get(&file.path).is_some_and(|trouble| Instant::now() < trouble.next) {
            continue;
        }
        match bounded(mirror, file).await {
            Ok(()) => {
                tracing::info!(event = "mirrored", target_file = file.path, bytes = file.length);
                troubles.remove(&file.path);
                at_hand.insert(file.path.clone());
                mirror.at_hand.store(Arc::new(at_hand.clone()));
            }
            Err(because) => complain(troubles, file, because, period),
        }
    }
}

async fn bounded(mirror: &Mirror, file: &TargetFile) -> Result<(), String> {
    let late = |_| format!("it does not send the file within {} seconds", mirror.try_seconds);
    tokio::time::timeout(Duration::from_secs(mirror.try_seconds), fetch(mirror, file)).await.map_err(late)?
}

/// The same trouble is told once, however often it comes.
fn complain(troubles: &mut HashMap<String, Trouble>, file: &TargetFile, because: String, period: Duration) {
    let before = troubles.get(&file.path);
    if before.is_none_or(|before| before.because != because) {
        let hint = "this release is offered to nobody here until its file comes; look at the mirror, or put the file into the folder";
        tracing::error!(event = "mirror-failed", target_file = file.path, because, hint);
    }
    let tries = before.map_or(0, |before| before.tries + 1);
    let next = Instant::now() + PAUSE_MAX.min(period.saturating_mul(2_u32.saturating_pow(tries)));
    troubles.insert(file.path.clone(), Trouble { because, tries, next });
}

/// Goes on from what came before, and keeps what comes even where the try is cut short.
async fn fetch(mirror: &Mirror, file: &TargetFile) -> Result<(), String> {
    let (partial, whole) = (mirror.partial(file), mirror.kept(&file.name));
    let path = partial.clone();
    let (mut sink, mut held) = blocking(move || begin(&path)).await?;
    if held < file.length {
        let mut arrival = mirror.way.ask(&file.name, held, file.length).await?;
        if !arrival.resumed && held > 0 {
            (sink, held) = blocking(move || sink.set_len(0).map(|()| (sink, 0))).await?;
        }
        let mut waiting = Vec::new();
        loop {
            let bytes = arrival.next().await?;
            held += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            if held > file.length {
                discard(partial).await;
                return Err(format!("it sends more than the {} bytes that were signed", file.length));
            }
            waiting.extend_from_slice(bytes.as_deref().unwrap_or_default());
            if bytes.is_none() || waiting.len() >= PIECE_BYTES {
                let piece = std::mem::take(&mut waiting);
                sink = blocking(move || sink.write_all(&piece).map(|()| sink)).await?;
            }
            if bytes.is_none() {
                break;
            }
        }
    }
    if held < file.length {
        return Err(format!("its file is shorter than the {} bytes that were signed", file.length));
    }
    let (signed, path) = (file.sha256.clone(), partial.clone());
    if blocking(move || finish(&sink, &path, &whole, &signed)).await? {
        return Ok(());
    }
    discard(partial).await;
    Err("its file is not the one that was signed".to_owned())
}

/// Opens what came so far.
fn begin(partial: &Path) -> io::Result<(File, u64)> {
    partial.parent().map_or(Ok(()), fs::create_dir_all)?;
    let file = File::options().create(true).append(true).read(true).open(partial)?;
    let held = file.metadata()?.len();
    Ok((file, held))
}

/// Puts a file where it is served from, if it is what was signed.
fn finish(file: &File, partial: &Path, whole: &Path, signed: &[u8]) -> io::Result<bool> {
    if hash(partial)? != signed {
        return Ok(false);
    }
    file.sync_all()?;
    let folder = whole.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    fs::rename(partial, whole)?;
    File::open(folder)?.sync_all()?;
    Ok(true)
}

fn hash(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut context, mut piece) = (File::open(path)?, Context::new(&SHA256), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(context.finish().as_ref().to_vec()),
            count => context.update(piece.get(..count).unwrap_or_default()),
        }
    }
}

async fn discard(partial: PathBuf) {
    // What stays is held against its hash again.
    let _ = blocking(move || fs::remove_file(partial)).await;
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| format!("what comes cannot be kept: {error}"))
}
