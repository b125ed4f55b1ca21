//! The client as it is released: static, stripped, the same bytes from any folder.

use crate::{
    layers,
    shell::{Done, cargo, need, output, root, run as run_command},
};
use aws_lc_rs::digest::{SHA256, digest};
use object::{
    Endianness, Object, ObjectSymbol,
    elf::{EM_AARCH64, EM_X86_64, FileHeader64, PT_INTERP},
    read::elf::{ElfFile64, FileHeader, ProgramHeader},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];
const SIZE_BYTES_MAX: usize = 1_250_000;

/// The command `dist`.
pub(crate) fn run() -> Done {
    prepare()?;
    for target in TARGETS {
        let file = build(target)?;
        let bytes = fs::read(&file).map_err(|cause| format!("{}: {cause}", file.display()))?;
        check_static(&bytes, target).map_err(|because| format!("{}: {because}", file.display()))?;
        println!("{:<16} {:>9} bytes  sha256 {}", file.file_name().unwrap_or_default().to_string_lossy(), bytes.len(), sha256(&bytes));
    }
    Ok(())
}

/// The command `size`.
pub(crate) fn size() -> Done {
    prepare()?;
    let release = build(TARGETS[0])?;
    let bytes = stamped(&release)?;
    let crates = layers::client_crates()?.len();
    println!("stamped x86_64 client: {bytes} bytes, {} KB (at most {} KB)", bytes.div_ceil(1000), SIZE_BYTES_MAX / 1000);
    println!("third-party crates: {crates} (at most {})", layers::CLIENT_CRATES_MAX);
    if bytes <= SIZE_BYTES_MAX { Ok(()) } else { Err(format!("the client is {} KB too large", (bytes - SIZE_BYTES_MAX).div_ceil(1000))) }
}

/// The size of this client with a site of a new trust domain stamped in.
fn stamped(release: &Path) -> Done<usize> {
    run_command(&mut cargo(&["build", "--quiet", "--release", "-p", "control-plane", "-p", "operator"]))?;
    let folder = std::env::temp_dir().join(format!("pinnace-size-{}", std::process::id()));
    let (domain, out) = (folder.join("domain"), folder.join("pinnace"));
    let tool = |name: &str| Command::new(root().join("target/release").join(name));
    let bytes = fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display())).and_then(|()| {
        output(tool("pinnaced").args(["init", "--trust-domain", "example.org", "--name", "192.0.2.10", "--dir"]).arg(&domain))?;
        output(tool("pinnacectl").args(["stamp", "--site"]).arg(domain.join("site.toml")).arg("--binary").arg(release).arg("--out").arg(&out))?;
        fs::read(&out).map(|bytes| bytes.len()).map_err(|cause| format!("{}: {cause}", out.display()))
    });
    let _ = fs::remove_dir_all(&folder);
    bytes
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
    let maps = [(source.display().to_string(), "/pinnace"), (home, "/cargo"), (sysroot(source)?, "/rust")];
    let maps = maps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).chain(maps).collect();
    let mut command = cargo(&["build", "--quiet", "--locked", "--profile", "dist", "-p", "client", "--target", target]);
    command.args(BUILD_STD).current_dir(source).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_TARGET_DIR", into);
    // The pinned toolchain takes the options above only so; the C flags come after those that ring's build chooses.
    // A head of some hundred bytes is parsed in a microsecond without SIMD, and asking the processor for it costs forty in a guest.
    command.env("CARGO_CFG_HTTPARSE_DISABLE_SIMD", "1");
    command.env("RUSTC_BOOTSTRAP", "1").env("TARGET_CFLAGS", "-O2 -fno-asynchronous-unwind-tables");
    run_command(&mut command)?;
    Ok(into.join(target).join("dist/pinnace"))
}

/// The command `reproduce`: two folders, the same bytes.
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
        TARGETS.into_iter().try_for_each(|target| {
            let here = fs::read(build(target)?).map_err(|cause| cause.to_string())?;
            let there = fs::read(compile(&other, &other.join("target"), target)?).map_err(|cause| cause.to_string())?;
            if here != there {
                return Err(format!("two folders gave different bytes for {target}"));
            }
            println!("two folders gave the same bytes for {target}: sha256 {}", sha256(&here));
            Ok(())
        })
    });
    let _ = fs::remove_dir_all(&other);
    compared
}

/// Holds a client to what it promises: for this processor, no interpreter, nothing to be found at start.
fn check_static(bytes: &[u8], target: &str) -> Done {
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|cause| cause.to_string())?;
    let header: &FileHeader64<Endianness> = file.elf_header();
    let machine = if target.starts_with("aarch64") { EM_AARCH64 } else { EM_X86_64 };
    if header.e_machine(file.endian()) != machine {
        return Err(format!("it is not for {target}"));
    }
    let segments = file.elf_program_headers();
    if segments.is_empty() {
        return Err("it has no segment".to_owned());
    }
    if segments.iter().any(|segment| segment.p_type(file.endian()) == PT_INTERP) {
        return Err("it names an interpreter".to_owned());
    }
    match file.dynamic_symbols().find(|symbol| symbol.is_undefined() && symbol.name().is_ok_and(|name| !name.is_empty())) {
        Some(symbol) => Err(format!("undefined dynamic symbol {:?}", symbol.name())),
        None => Ok(()),
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, check_static};

    /// A little-endian ELF file of one segment and nothing else.
    fn elf(machine: u16, segment: u32) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend([2_u16, machine].map(u16::to_le_bytes).concat());
        file.extend(1_u32.to_le_bytes());
        file.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
        file.extend(segment.to_le_bytes());
        file.resize(64 + 56, 0);
        file
    }

    #[test]
    fn a_client_with_an_interpreter_or_for_another_processor_is_refused() {
        let [x86_64, aarch64] = TARGETS;
        check_static(&elf(62, 1), x86_64).unwrap();
        check_static(&elf(183, 1), aarch64).unwrap();
        assert!(check_static(&elf(62, 3), x86_64).unwrap_err().contains("interpreter"));
        assert!(check_static(&elf(62, 1), aarch64).unwrap_err().contains("aarch64"));
        assert!(check_static(b"#!/bin/sh", x86_64).is_err());
    }

    #[test]
    fn a_program_of_this_machine_is_not_static() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(check_static(&program, &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).is_err());
    }
}
