//! What is released, before anybody's site is in it: the clients, their packages, and what is said about them; the same bytes from
//! any folder.

mod auditable;
mod client;
mod graph;
mod sbom;
mod set;
mod size;

use crate::shell::{Done, need, output, root, run as run_command};
use aws_lc_rs::digest::{SHA256, digest};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) use client::build;
pub(crate) use size::run as size;

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];
const USAGE: &str = "usage: cargo xtask dist [--key FILE --passphrase-file FILE]";

/// The command `dist`, with the words after its name.
pub(crate) fn run(args: &[String]) -> Done {
    let key = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => None,
        ["--key", key, "--passphrase-file", passphrase] => Some((PathBuf::from(key), PathBuf::from(passphrase))),
        _ => return Err(USAGE.to_owned()),
    };
    prepare()?;
    let folder = root().join("target/dist");
    for (name, bytes) in set::make(&root(), &folder, date()?)? {
        println!("{:<32} {:>9} bytes  sha256 {}", name, bytes.len(), sha256(&bytes));
    }
    match key {
        Some((key, passphrase)) => set::sign(&folder, &key, &passphrase).map(|count| println!("{count} files are signed")),
        None => Ok(()),
    }
}

/// The date that everything bears: SOURCE_DATE_EPOCH, or when the newest commit was made, in seconds since 1970.
fn date() -> Done<u32> {
    let date = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(date) => date,
        Err(_) => output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))
            .map_err(|because| format!("no date to give: SOURCE_DATE_EPOCH is not set, and {because}"))?,
    };
    date.trim().parse().map_err(|cause| format!("the date {date:?}: {cause}"))
}

/// Makes sure of the targets and the C compilers.
pub(crate) fn prepare() -> Done {
    need(&[("musl-gcc", "musl-tools"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")])?;
    let libraries = PathBuf::from(sysroot(&root())?).join("lib/rustlib");
    if !libraries.join("src/rust/library").is_dir() {
        add("component", "rust-src")?;
    }
    for target in TARGETS.iter().filter(|target| !libraries.join(target).is_dir()) {
        add("target", target)?;
    }
    Ok(())
}

/// Adds a part of the toolchain, or says which is missing.
fn add(kind: &str, name: &str) -> Done {
    println!("adding Rust's {kind} {name}");
    run_command(Command::new("rustup").args([kind, "add", name]).current_dir(root())).map_err(|because| {
        format!("Rust's {kind} {name} is missing and cannot be added ({because}); run `rustup {kind} add {name}` where rustup is there")
    })
}

fn sysroot(folder: &Path) -> Done<String> {
    output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(folder)).map(|path| path.trim().to_owned())
}

/// The command `reproduce`: the set made here and in a clean clone has the same bytes, and its signatures hold.
pub(crate) fn reproduce() -> Done {
    let folder = std::env::temp_dir().join(format!("pinnace-reproduce-{}", std::process::id()));
    let compared = second(&folder).and_then(|other| {
        let date = date()?;
        let (here, there) = (set::make(&root(), &root().join("target/dist"), date)?, set::make(&other, &folder.join("dist"), date)?);
        for ((name, ours), (other, theirs)) in here.iter().zip(&there) {
            if name != other || ours != theirs {
                return Err(format!("two folders gave different bytes for {name} and {other}"));
            }
            println!("two folders gave the same bytes for {name}: sha256 {}", sha256(ours));
        }
        if here.len() != there.len() {
            return Err("two folders gave different files".to_owned());
        }
        set::try_signatures(&folder.join("dist"), &folder)
    });
    let _ = fs::remove_dir_all(&folder);
    compared
}

/// Another folder with these sources: a clean clone of the newest commit, or, where something is not committed, a copy of what is here.
fn second(folder: &Path) -> Done<PathBuf> {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(root()));
    let other = folder.join("sources");
    fs::create_dir_all(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    if changed.is_empty() {
        git(&["clone", "--quiet", ".", &other.display().to_string()])?;
        println!("the second folder is a clean clone of commit {}", git(&["rev-parse", "HEAD"])?.trim());
        return Ok(other);
    }
    println!("NOT A CLEAN CLONE: these files differ from the newest commit, so the second folder is a copy of them\n{changed}");
    if std::env::var_os("CI").is_some() {
        return Err("not everything is committed, so a clean clone could not be tried".to_owned());
    }
    let listed = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    for name in listed.split('\0').filter(|name| !name.is_empty() && root().join(name).is_file()) {
        let to = other.join(name);
        let copied = fs::create_dir_all(to.parent().unwrap_or(&other)).and_then(|()| fs::copy(root().join(name), &to));
        copied.map_err(|cause| format!("{name}: {cause}"))?;
    }
    Ok(other)
}

/// In hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
