//! The client as it is released: static, stripped, the same bytes from any folder.

use crate::{
    layers,
    shell::{Done, cargo, need, output, root, run as run_command},
};
use aws_lc_rs::digest::{SHA256, digest};
use object::{Object, ObjectSymbol};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];
const SIZE_BYTES_MAX: usize = 1_000 * 1024;

/// The command `dist`.
pub(crate) fn run() -> Done {
    prepare()?;
    for target in TARGETS {
        let file = build(target)?;
        let bytes = fs::read(&file).map_err(|cause| format!("{}: {cause}", file.display()))?;
        check_static(&bytes).map_err(|because| format!("{}: {because}", file.display()))?;
        println!("{:<16} {:>9} bytes  sha256 {}", file.file_name().unwrap_or_default().to_string_lossy(), bytes.len(), sha256(&bytes));
    }
    Ok(())
}

/// The command `size`.
pub(crate) fn size() -> Done {
    prepare()?;
    let file = build(TARGETS[0])?;
    let bytes = fs::metadata(&file).map_err(|cause| cause.to_string())?.len();
    let crates = layers::client_crates()?.len();
    println!("stamped x86_64 client: {} KB (at most {} KB); a stamp does not change the size", bytes / 1024, SIZE_BYTES_MAX / 1024);
    println!("third-party crates: {crates} (at most 18)");
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= SIZE_BYTES_MAX) { Ok(()) } else { Err("the client is too large".to_owned()) }
}

/// Makes sure of the targets and the C compilers.
pub(crate) fn prepare() -> Done {
    need(&[("musl-gcc", "musl-tools"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")])?;
    if !output(Command::new("rustup").args(["component", "list", "--installed"]).current_dir(root()))?.lines().any(|line| line == "rust-src") {
        run_command(Command::new("rustup").args(["component", "add", "rust-src"]).current_dir(root()))
            .map_err(|because| format!("component rust-src is missing and cannot be added: {because}"))?;
    }
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()))?;
    for target in TARGETS.iter().filter(|target| !installed.lines().any(|line| line == **target)) {
        run_command(Command::new("rustup").args(["target", "add", target]).current_dir(root()))
            .map_err(|because| format!("target {target} is missing and cannot be added: {because}"))?;
    }
    Ok(())
}

/// Builds the client for one target into `target/dist`.
pub(crate) fn build(target: &str) -> Done<PathBuf> {
    let built = compile(&root(), &root().join("target"), target)?;
    let folder = root().join("target/dist");
    let file = folder.join(format!("pinnace-{}", target.split('-').next().unwrap_or_default()));
    fs::create_dir_all(&folder).and_then(|()| fs::copy(&built, &file)).map_err(|cause| format!("{}: {cause}", file.display()))?;
    Ok(file)
}

/// What makes the client small, and the same on every machine: the standard library is built with it, for size and without
/// backtraces; a panic ends the process at once, and `pinnace` says `run.internal` for it.
const FLAGS: [&str; 9] = [
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Clink-arg=--icf=safe",
    "-Clink-arg=--pack-dyn-relocs=relr",
    "-Clink-arg=--build-id=none",
    "-Cforce-unwind-tables=no",
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
];
const BUILD_STD: [&str; 2] = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];

/// Builds from one folder into another with every path of this machine taken out.
fn compile(source: &Path, into: &Path, target: &str) -> Done<PathBuf> {
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(source))?;
    let maps = [(source.display().to_string(), "/pinnace"), (home, "/cargo"), (sysroot.trim().to_owned(), "/rust")];
    let maps = maps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).chain(maps).collect();
    let mut command = cargo(&["build", "--quiet", "--locked", "--profile", "dist", "-p", "client", "--target", target]);
    command.args(BUILD_STD).current_dir(source).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_TARGET_DIR", into);
    // The pinned toolchain takes the options above only so; the C flags come after those that ring's build chooses.
    command.env("RUSTC_BOOTSTRAP", "1").env("TARGET_CFLAGS", "-O2 -fno-asynchronous-unwind-tables");
    run_command(&mut command)?;
    Ok(into.join(target).join("dist/pinnace"))
}

/// The command behind the reproducibility test: two folders, the same bytes.
pub(crate) fn reproduce() -> Done {
    let other = std::env::temp_dir().join(format!("pinnace-reproduce-{}", std::process::id()));
    let listed = output(Command::new("git").args(["ls-files", "-z"]).current_dir(root()))?;
    let copied = listed.split('\0').filter(|name| !name.is_empty()).try_for_each(|name| {
        let to = other.join(name);
        fs::create_dir_all(to.parent().unwrap_or(&other))
            .and_then(|()| fs::copy(root().join(name), to))
            .map(|_| ())
            .map_err(|cause| format!("{name}: {cause}"))
    });
    let compared = copied.and_then(|()| {
        let here = fs::read(build(TARGETS[0])?).map_err(|cause| cause.to_string())?;
        let there = fs::read(compile(&other, &other.join("target"), TARGETS[0])?).map_err(|cause| cause.to_string())?;
        if here == there { Ok(sha256(&here)) } else { Err("two folders gave different bytes".to_owned()) }
    });
    let _ = fs::remove_dir_all(&other);
    compared.map(|sum| println!("two folders gave the same bytes: sha256 {sum}"))
}

fn check_static(bytes: &[u8]) -> Done {
    let file = object::File::parse(bytes).map_err(|cause| cause.to_string())?;
    if file.section_by_name(".interp").is_some() {
        return Err("it names an interpreter".to_owned());
    }
    if let Some(symbol) = file.dynamic_symbols().find(|symbol| symbol.is_undefined() && symbol.name().is_ok_and(|name| !name.is_empty())) {
        return Err(format!("undefined dynamic symbol {:?}", symbol.name()));
    }
    if file.segments().count() == 0 { Err("it has no segment".to_owned()) } else { Ok(()) }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
