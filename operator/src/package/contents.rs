//! What is in a package: the program, its units, what journalctl explains, and a state folder for root alone.

use object::{Architecture, Object};
use protocol::site::{Kind, Site};

/// A processor, as each kind of package calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The one that a program is for.
    pub(crate) fn of(program: &[u8]) -> Option<Self> {
        match object::File::parse(program).ok()?.architecture() {
            Architecture::X86_64 => Some(Machine::X86_64),
            Architecture::Aarch64 => Some(Machine::Aarch64),
            _ => None,
        }
    }

    /// As kernel, Rust and rpm say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
        }
    }

    /// As Debian, Go and images say it.
    pub(super) fn short(self) -> &'static str {
        match self {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        }
    }
}

/// One thing to install, by absolute path.
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) what: What,
}

pub(super) enum What {
    File(Vec<u8>),
    Folder,
    Link(&'static str),
}

/// What a package of one binary installs, and what it does then.
pub(super) struct Contents {
    pub(super) machine: Machine,
    pub(super) state_dir: String,
    pub(super) entries: Vec<Entry>,
    pub(super) installed: String,
    pub(super) removing: &'static str,
    pub(super) removed: &'static str,
}

const STATE_DIR: &str = "/var/lib/pinnace";
const UNITS: &str = "/usr/lib/systemd/system";
/// A run with a release on trial takes twice its deadline for the job, and up to four times for what follows.
const TIMEOUT_DEADLINES: u32 = 6;
/// What a run may take beyond that before the service manager ends it.
const TIMEOUT_MARGIN_SECONDS: u32 = 60;
/// The folders that `ProtectSystem=yes` makes read-only.
const PROTECTED: [&str; 3] = ["/usr", "/boot", "/efi"];

impl Contents {
    pub(super) fn new(binary: Vec<u8>, machine: Machine, site: Option<&Site>, interval_seconds: u32) -> Result<Self, String> {
        let state_dir = site.map_or(STATE_DIR, |site| &site.state_dir).to_owned();
        let writable = writable(site, &state_dir);
        if let Some(odd) = writable.iter().find(|path| !path.chars().all(is_plain)) {
            return Err(format!("{odd:?} cannot stand in a unit; its letters, digits and /._-+@ can"));
        }
        let deadline = site.map_or(0, |site| site.deadline_seconds);
        let fill = |text: &str| {
            let writable: Vec<String> = writable.iter().map(|path| format!("-{path}")).collect();
            text.replace("@TIMEOUT@", &deadline.saturating_mul(TIMEOUT_DEADLINES).saturating_add(TIMEOUT_MARGIN_SECONDS).to_string())
                .replace("@INTERVAL@", &format!("{interval_seconds}s"))
                .replace("@WRITABLE@", &writable.join(" "))
                .replace("@STATE_DIR@", &state_dir)
        };
        let file = |path: &str, mode, bytes| Entry { path: path.to_owned(), mode, what: What::File(bytes) };
        let unit = |name: &str, text: &str| file(&format!("{UNITS}/{name}"), 0o644, fill(text).into_bytes());
        let entries = vec![
            file("/usr/bin/pinnace", 0o755, binary),
            unit("pinnace-rescue.service", include_str!("../../../packaging/pinnace-rescue.service")),
            unit("pinnace.service", include_str!("../../../packaging/pinnace.service")),
            unit("pinnace.timer", include_str!("../../../packaging/pinnace.timer")),
            file("/usr/lib/systemd/catalog/pinnace.catalog", 0o644, include_bytes!("../../../packaging/pinnace.catalog").to_vec()),
            // Enabled by being there: no scriptlet, and the same in an image that was never booted.
            Entry { path: format!("{UNITS}/timers.target.wants/pinnace.timer"), mode: 0o777, what: What::Link("../pinnace.timer") },
            Entry { path: state_dir.clone(), mode: 0o700, what: What::Folder },
        ];
        Ok(Self {
            machine,
            entries,
            installed: fill(include_str!("../../../packaging/installed.sh")),
            removing: include_str!("../../../packaging/removing.sh"),
            removed: include_str!("../../../packaging/removed.sh"),
            state_dir,
        })
    }
}

/// The state folder, and what a site delivers to below folders that the unit protects.
fn writable(site: Option<&Site>, state_dir: &str) -> Vec<String> {
    let deliveries = site.into_iter().flat_map(|site| &site.credentials).flat_map(|credential| &credential.deliveries);
    let folders = deliveries.filter_map(|delivery| match &delivery.kind {
        Kind::File { path } | Kind::Directory { path } => path.rsplit_once('/').map(|(folder, _)| folder.to_owned()),
        Kind::Socket { .. } | Kind::Exec { .. } | Kind::Stdout => None,
    });
    let protected = |path: &String| PROTECTED.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
    let mut all: Vec<String> = folders.filter(protected).chain([state_dir.to_owned()]).collect();
    all.sort();
    all.dedup();
    all
}

/// Letters that mean themselves in a unit, a shell's quotes and a package's list of files.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-' | '+' | '@')
}
