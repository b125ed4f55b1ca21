//! Everything that is released of one commit, in one folder.

use super::{TARGETS, client, graph, sbom, sha256};
use crate::shell::{Done, cargo, output, root, run as run_command};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// That of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SUMS: &str = "SHA256SUMS";
const BUNDLE: &str = "sigstore.json";

/// Files by name, in order.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// Makes it of the sources in one folder; whatever else was in the other is gone afterwards.
pub(super) fn make(source: &Path, out: &Path, date: u32) -> Done<Files> {
    let wrong = |cause: std::io::Error| format!("{}: {cause}", out.display());
    fs::create_dir_all(out).map_err(wrong)?;
    let mut package = pinnacectl()?;
    package.args(["package", "--unstamped", "--version", VERSION, "--date", &date.to_string(), "--out"]).arg(out);
    for target in TARGETS {
        let file = out.join(format!("pinnace-{}", target.split('-').next().unwrap_or_default()));
        let built = client::compile(source, target)?;
        fs::copy(&built, &file).map_err(wrong)?;
        package.arg("--binary").arg(file);
    }
    let packaged = output(&mut package)?;
    let bill = format!("pinnace_{VERSION}.cdx.json");
    fs::write(out.join(&bill), sbom::make(&graph::members(source, &TARGETS)?, date)?).map_err(wrong)?;
    let clients = TARGETS.iter().map(|target| format!("pinnace-{}", target.split('-').next().unwrap_or_default()));
    let packages = packaged.lines().filter_map(|line| line.split("  ").nth(1)).map(str::to_owned);
    let mut names: Vec<String> = clients.chain(packages).chain([bill]).collect();
    names.sort();
    tidy(out, &names)?;
    let read = |name: String| fs::read(out.join(&name)).map(|bytes| (name, bytes)).map_err(wrong);
    let mut files = names.into_iter().map(read).collect::<Done<Files>>()?;
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    fs::write(out.join(SUMS), &sums).map_err(wrong)?;
    files.push((SUMS.to_owned(), sums.into_bytes()));
    Ok(files)
}

/// The tool that packages and signs, of this workspace for whatever folder: it is of the same commit.
fn pinnacectl() -> Done<Command> {
    run_command(&mut cargo(&["build", "--quiet", "--locked", "-p", "control-plane", "-p", "operator"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(Command::new(target.join("debug/pinnacectl")))
}

/// Removes what an earlier set left: old packages, and signatures over other bytes.
fn tidy(out: &Path, names: &[String]) -> Done {
    let entries = fs::read_dir(out).map_err(|cause| format!("{}: {cause}", out.display()))?.flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.is_file()) {
        if !names.iter().any(|name| path.ends_with(name)) {
            fs::remove_file(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        }
    }
    Ok(())
}

/// Signs every file of the set with an offline key; gives how many.
pub(super) fn sign(out: &Path, key: &Path, passphrase: &Path) -> Done<usize> {
    let files = signable(out)?;
    let mut sign = pinnacectl()?;
    sign.args(["release", "sign-blob", "--key"]).arg(key).arg("--passphrase-file").arg(passphrase);
    output(sign.args(&files)).map(|_| files.len())
}

/// All but bundles.
fn signable(out: &Path) -> Done<Vec<PathBuf>> {
    let entries = fs::read_dir(out).map_err(|cause| format!("{}: {cause}", out.display()))?.flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file() && !path.to_string_lossy().ends_with(BUNDLE)).collect();
    files.sort();
    Ok(files)
}

/// Signs the set with a key of its own and holds every file against its bundle.
pub(super) fn try_signatures(out: &Path, scratch: &Path) -> Done {
    let (key, passphrase) = (scratch.join("key"), scratch.join("passphrase"));
    fs::write(&passphrase, "a passphrase for a minute\n").map_err(|cause| format!("{}: {cause}", passphrase.display()))?;
    output(pinnacectl()?.args(["release", "key", "--out"]).arg(&key).arg("--passphrase-file").arg(&passphrase))?;
    let count = sign(out, &key, &passphrase)?;
    for file in signable(out)? {
        let mut verify = pinnacectl()?;
        verify.args(["release", "verify-blob"]).arg(&file).arg("--key").arg(key.with_added_extension("pub"));
        output(verify.arg("--bundle").arg(file.with_added_extension(BUNDLE)))?;
    }
    println!("{count} files were signed, and every signature holds");
    Ok(())
}
