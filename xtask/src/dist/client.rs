//! One client: static, stripped, the same bytes from any folder, with the list of its crates inside.

use super::{TARGETS, auditable, graph, sysroot};
use crate::shell::{Done, cargo, root, run as run_command};
use object::{
    Endianness, Object, ObjectSymbol,
    elf::{EM_AARCH64, EM_X86_64, FileHeader64, PT_INTERP},
    read::elf::{ElfFile64, FileHeader, ProgramHeader},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Builds this workspace's client for one target; gives where it is.
pub(crate) fn build(target: &str) -> Done<PathBuf> {
    compile(&root(), target)
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

/// Builds a folder's client in that folder, with every path of this machine taken out, and holds it to what it promises.
pub(super) fn compile(source: &Path, target: &str) -> Done<PathBuf> {
    let list = auditable::list(&graph::members(source, &TARGETS)?)?;
    let object = lay(&list, source, target)?;
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    let maps = [(source.display().to_string(), "/pinnace"), (home, "/cargo"), (sysroot(source)?, "/rust")];
    let maps = maps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).chain([format!("-Clink-arg={object}")]).chain(maps).collect();
    let into = source.join("target");
    let mut command = cargo(&["build", "--quiet", "--locked", "--profile", "dist", "-p", "client", "--target", target]);
    command.args(BUILD_STD).current_dir(source).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_TARGET_DIR", &into);
    // The pinned toolchain takes the options above only so; the C flags come after those that ring's build chooses.
    // A head of some hundred bytes is parsed in a microsecond without SIMD, and asking the processor for it costs forty in a guest.
    command.env("CARGO_CFG_HTTPARSE_DISABLE_SIMD", "1");
    command.env("RUSTC_BOOTSTRAP", "1").env("TARGET_CFLAGS", "-O2 -fno-asynchronous-unwind-tables");
    run_command(&mut command)?;
    let program = into.join(target).join("dist/pinnace");
    let bytes = fs::read(&program).map_err(|cause| format!("{}: {cause}", program.display()))?;
    check_static(&bytes, target).map_err(|because| format!("{}: {because}", program.display()))?;
    if auditable::read(&bytes) != Some(list) {
        return Err(format!("{} does not hold the list of its crates", program.display()));
    }
    Ok(program)
}

/// Lays the list's object file under a name that its bytes decide, so that another list is linked anew. The path is relative to
/// the workspace, where cargo starts the linker: whatever else it said would be in the hashes of symbols.
fn lay(list: &[u8], source: &Path, target: &str) -> Done<String> {
    let object = auditable::object(list, target)?;
    let name = format!("target/auditable/{}.o", &super::sha256(&object)[..16]);
    let path = source.join(&name);
    let laid = fs::create_dir_all(source.join("target/auditable")).and_then(|()| fs::write(&path, object));
    laid.map_err(|cause| format!("{}: {cause}", path.display())).map(|()| name)
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
