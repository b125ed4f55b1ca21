//! Old and new systems as their distributions ship them: the packages that a service manager needs, unpacked into a root of its own.
//! A root is made once and kept under the target folder.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// A distribution's release.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) suite: &'static str,
    /// The version of systemd it is here for; that of an unstable suite is the one seen last.
    pub(crate) systemd: u32,
    archive: Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Debian,
    Ubuntu,
}

/// From old to new.
pub(crate) const ALL: [System; 7] = [
    System { suite: "xenial", systemd: 229, archive: Archive::Ubuntu },
    System { suite: "bionic", systemd: 237, archive: Archive::Ubuntu },
    System { suite: "focal", systemd: 245, archive: Archive::Ubuntu },
    System { suite: "bullseye", systemd: 247, archive: Archive::Debian },
    BOOKWORM,
    TRIXIE,
    System { suite: UNSTABLE, systemd: 262, archive: Archive::Debian },
];

/// The one that has to be there, with two older and one newer.
pub(crate) const BOOKWORM: System = System { suite: "bookworm", systemd: 252, archive: Archive::Debian };
const UNSTABLE: &str = "sid";
/// Carries the keys of Ubuntu's archive, which bookworm does not.
const TRIXIE: System = System { suite: "trixie", systemd: 257, archive: Archive::Debian };

/// What a root is made of, with what these depend on. dpkg asks for programs that it does not depend on.
const PACKAGES: &str = "base-files,systemd,dash,coreutils,libseccomp2,util-linux,mount,dpkg,tar,diffutils,findutils,libc-bin,passwd";
/// Stands in the name of the folder of roots; another makes them anew.
const RECIPE: u32 = 1;
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

impl System {
    /// Whether it is to be told that it has control groups of version 2: it knows no other, or none that it is told of.
    pub(crate) fn wants_unified_groups(&self) -> bool {
        self.systemd >= TRIXIE.systemd
    }

    /// Fails unless `systemctl --version` says the version it is here for; an unstable suite's may be a later one.
    pub(crate) fn check_version(&self, said: &str) {
        let version: Option<u32> = said.strip_prefix("systemd ").and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        println!("{} has systemd {version:?}", self.suite);
        let holds = version == Some(self.systemd) || (self.suite == UNSTABLE && version > Some(self.systemd));
        assert!(holds, "{}: {said}", self.suite);
    }

    /// Its root; whoever asks first makes it, across processes.
    pub(crate) fn root(&self) -> Result<PathBuf, String> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("roots-{RECIPE}"));
        let root = folder.join(self.suite);
        fs::create_dir_all(&folder).map_err(|cause| cause.to_string())?;
        let lock = fs::File::create(folder.join(format!("{}.lock", self.suite))).map_err(|cause| cause.to_string())?;
        lock.lock().map_err(|cause| cause.to_string())?;
        if !root.is_dir() {
            let fresh = folder.join(format!("{}.new", self.suite));
            let _ = fs::remove_dir_all(&fresh);
            self.make(&fresh)?;
            fs::rename(&fresh, &root).map_err(|cause| cause.to_string())?;
        }
        Ok(root)
    }

    fn make(&self, root: &Path) -> Result<(), String> {
        let (mirror, keys) = match self.archive {
            Archive::Debian => ("http://deb.debian.org/debian", DEBIAN_KEYS.into()),
            Archive::Ubuntu => ("http://archive.ubuntu.com/ubuntu", TRIXIE.root()?.join("usr/share/keyrings/ubuntu-archive-keyring.gpg")),
        };
        let more = if self.suite == TRIXIE.suite { ",ubuntu-archive-keyring" } else { "" };
        let mut command = Command::new("mmdebstrap");
        command.args(["--quiet", "--mode=root", "--variant=extract", "--architectures=amd64", "--components=main"]);
        // Signed is enough: a mirror of an unstable suite that stands still for a fortnight is as good as any.
        command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"").arg("--aptopt=Acquire::Retries \"3\"");
        command.arg(format!("--include={PACKAGES}{more}")).arg("--keyring").arg(keys).arg(self.suite).arg(root).arg(mirror);
        let made = command.output().map_err(|cause| format!("mmdebstrap: {cause}"))?;
        if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
    }
}

/// Does something on every system that can be had, all at once; gives what came of it. Fails where too few could be had.
pub(crate) fn each<T: Send>(test: &str, go: impl Fn(&System, &Path) -> T + Sync) -> Vec<(&'static System, T)> {
    let (go, mut all) = (&go, Vec::new());
    thread::scope(|scope| {
        let started: Vec<_> = ALL.iter().map(|system| scope.spawn(move || system.root().map(|root| go(system, &root)))).collect();
        for (system, thread) in ALL.iter().zip(started) {
            match thread.join().unwrap_or_else(|panic| resume_unwind(panic)) {
                Ok(done) => all.push((system, done)),
                Err(because) => {
                    eprintln!("NOT TESTED: {test} with systemd {} of {}, which could not be had: {because}", system.systemd, system.suite);
                }
            }
        }
    });
    let versions: Vec<u32> = all.iter().map(|(system, _)| system.systemd).collect();
    println!("{test}: systemd {versions:?}");
    let older = versions.iter().filter(|version| **version < BOOKWORM.systemd).count();
    let newer = versions.iter().filter(|version| **version > BOOKWORM.systemd).count();
    assert!(versions.contains(&BOOKWORM.systemd) && older >= 2 && newer >= 1, "too few systems could be had: only {versions:?}");
    assert!(std::env::var_os("CI").is_none() || versions.len() >= ENOUGH, "fewer than {ENOUGH} systems could be had: {versions:?}");
    all
}

/// How many of them continuous integration wants.
const ENOUGH: usize = 5;

/// Whether this is root. Where it is not, the test says so loudly, and fails in continuous integration.
pub(crate) fn may_boot(test: &str) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    if !root {
        eprintln!("NOT TESTED: {test} needs root");
        assert!(std::env::var_os("CI").is_none(), "{test} needs root");
    }
    root
}
