//! Packages of a stamped binary: deb, rpm, and an image of nothing else.
//!
//! The same binaries, version and date give the same bytes, on every machine.

mod contents;
mod deb;
mod oci;
mod rpm;
mod tree;

use crate::{failure::Failure, files, stamp};
use clap::Args;
use contents::Contents;
use signing::AwsLc;
use std::{
    fs,
    path::{Path, PathBuf},
};
use trust::Crypto;

pub(crate) use contents::Machine;

/// What a package is called, wherever it has a name.
const NAME: &str = "pinnace";
const SUMMARY: &str = "Fetches short-lived credentials and hands them over";
const DESCRIPTION: &str = "One static file, started by a timer: it proves over mutual TLS who this host is, brings back short-lived credentials, \
hands them to the local agent, and exits.";
const LICENSE: &str = "MIT OR Apache-2.0";
const SUMS: &str = "SHA256SUMS";

#[derive(Args)]
pub(crate) struct PackageArguments {
    /// The stamped binary; one for each processor.
    #[arg(long = "binary", required = true)]
    binaries: Vec<PathBuf>,
    /// What people call it, such as 1.4.0: letters, digits and .+~, a digit first.
    #[arg(long)]
    version: String,
    /// Where the packages and SHA256SUMS go.
    #[arg(long)]
    out: PathBuf,
    /// Who answers for them.
    #[arg(long, default_value = "root <root@localhost>")]
    maintainer: String,
    /// How long after a run the next begins: seconds, at least 10.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    interval: u32,
    /// The date that everything in them bears, in seconds since 1970.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    date: u32,
    /// Take binaries without a site: what they install says so on every run.
    #[arg(long)]
    unstamped: bool,
}

/// What all packages of one binary say.
struct Package {
    contents: Contents,
    version: String,
    maintainer: String,
    date: u32,
}

/// The command `package`.
pub(crate) fn run(typed: &PackageArguments) -> Result<(), Failure> {
    check(typed)?;
    let packages = typed.binaries.iter().map(|binary| package(typed, binary)).collect::<Result<Vec<_>, _>>()?;
    let machines: Vec<Machine> = packages.iter().map(|package| package.contents.machine).collect();
    if let Some(machine) = machines.iter().enumerate().find_map(|(at, machine)| machines.get(..at)?.contains(machine).then_some(machine)) {
        return Err(failed("cannot package them", format!("two of them are for {}", machine.name())));
    }
    let mut made = Vec::new();
    for package in &packages {
        made.push((deb::name(package), deb::make(package).map_err(|because| failed("cannot make a deb", because))?));
        made.push((rpm::name(package), rpm::make(package).map_err(|because| failed("cannot make an rpm", because))?));
    }
    made.push((oci::name(&typed.version), oci::make(&packages).map_err(|cause| failed("cannot make an image", cause))?));
    made.sort();
    let sums: String = made.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    made.push((SUMS.to_owned(), sums.clone().into_bytes()));
    fs::create_dir_all(&typed.out).map_err(|cause| failed("cannot write the packages", format!("{}: {cause}", typed.out.display())))?;
    for (name, bytes) in &made {
        let path = typed.out.join(name);
        files::replace(&path, bytes, None).map_err(|cause| failed("cannot write the packages", format!("{}: {cause}", path.display())))?;
    }
    print!("{sums}");
    Ok(())
}

fn check(typed: &PackageArguments) -> Result<(), Failure> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '+' | '~');
    if !typed.version.starts_with(|letter: char| letter.is_ascii_digit()) || !typed.version.chars().all(is_word) || typed.version.len() > 64 {
        return Err(failed("cannot package that version", format!("{:?} is not letters, digits and .+~ with a digit first", typed.version)));
    }
    if typed.maintainer.chars().any(char::is_control) || !typed.maintainer.contains('<') || typed.maintainer.len() > 256 {
        return Err(failed("cannot package for that maintainer", format!("{:?} is not a name and <an address>", typed.maintainer)));
    }
    Ok(())
}

fn package(typed: &PackageArguments, path: &Path) -> Result<Package, Failure> {
    let wrong = |because: String| failed(&format!("cannot package {}", path.display()), because);
    let binary = fs::read(path).map_err(|cause| wrong(cause.to_string()))?;
    let machine = Machine::of(&binary).ok_or_else(|| wrong("it is not a program for x86_64 or aarch64".into()))?;
    let site = match stamp::stamped(&binary) {
        Ok(site) => Some(site),
        Err(stamp::Unstamped::Empty) if typed.unstamped => None,
        Err(unstamped) => return Err(wrong(unstamped.to_string()).hinted("stamp it first: pinnacectl stamp")),
    };
    let contents = Contents::new(binary, machine, site.as_ref(), typed.interval).map_err(wrong)?;
    Ok(Package { contents, version: typed.version.clone(), maintainer: typed.maintainer.clone(), date: typed.date })
}

fn failed(error: &str, because: impl std::fmt::Display) -> Failure {
    Failure::new("package.failed", error, because, "pinnacectl package --help says what it takes")
}

fn sha256(bytes: &[u8]) -> String {
    protocol::hex_encode(&AwsLc.sha256(bytes))
}
