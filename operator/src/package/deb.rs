//! A Debian package: an `ar` of `debian-binary`, `control.tar.xz` and `data.tar.xz` (deb(5)). Not zstd: dpkg before 1.21.18 refuses it.

use super::{
    DESCRIPTION, NAME, Package, SUMMARY,
    contents::What,
    tree::{append, tree},
};
use liblzma::{
    stream::{Check, Stream},
    write::XzEncoder,
};
use std::io::{self, Write};

const LEVEL: u32 = 9;

pub(super) fn name(package: &Package) -> String {
    format!("{NAME}_{}_{}.deb", package.version, package.contents.machine.short())
}

pub(super) fn make(package: &Package) -> Result<Vec<u8>, String> {
    let control = xz(&control(package).map_err(|cause| cause.to_string())?);
    let data = xz(&data(package).map_err(|cause| cause.to_string())?);
    let parts = [("debian-binary", Ok(b"2.0\n".to_vec())), ("control.tar.xz", control), ("data.tar.xz", data)];
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in parts {
        let bytes = bytes.map_err(|cause| cause.to_string())?;
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(package.date.into());
        archive.append(&header, bytes.as_slice()).map_err(|cause| cause.to_string())?;
    }
    archive.into_inner().map_err(|cause| cause.to_string())
}

fn control(package: &Package) -> io::Result<Vec<u8>> {
    let contents = &package.contents;
    let installed: usize = contents.entries.iter().map(|entry| if let What::File(bytes) = &entry.what { bytes.len() } else { 0 }).sum();
    let fields = format!(
        "Package: {NAME}\nVersion: {}\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {}\nSection: admin\nPriority: optional\n\
         Description: {SUMMARY}\n {DESCRIPTION}\n",
        package.version,
        contents.machine.short(),
        package.maintainer,
        installed.div_ceil(1024),
    );
    let purged = format!("if [ \"$1\" = purge ]; then\n    rm -rf '{}' || :\nfi\n", contents.state_dir);
    let script = |text: String| format!("#!/bin/sh\n{text}exit 0\n");
    let when = |action: &str, text: &str| format!("if [ \"$1\" = {action} ]; then\n{text}fi\n");
    let parts = [
        ("./control", 0o644, fields),
        ("./postinst", 0o755, script(when("configure", &contents.installed))),
        ("./postrm", 0o755, script(format!("{}{purged}", contents.removed))),
        ("./prerm", 0o755, script(when("remove", contents.removing))),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, text) in parts {
        append(&mut archive, name, mode, package.date, tar::EntryType::Regular, text.as_bytes())?;
    }
    archive.into_inner()
}

fn data(package: &Package) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    tree(&mut archive, &package.contents.entries, "./", package.date)?;
    archive.into_inner()
}

fn xz(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // One thread and a check that every version knows.
    let stream = Stream::new_easy_encoder(LEVEL, Check::Crc32)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}
