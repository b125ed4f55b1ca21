//! A Debian package: an `ar` of `debian-binary`, `control.tar.xz` and `data.tar.xz` (deb(5)). Not zstd: dpkg before 1.21.18 refuses it.

use super::{
    DESCRIPTION, NAME, Package, SUMMARY,
    contents::{Entry, What, folders_above},
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

/// Folders above, then the entries, with this before each path in place of its slash.
pub(super) fn tree<'a>(
    archive: &mut tar::Builder<Vec<u8>>,
    entries: impl IntoIterator<Item = &'a Entry> + Clone,
    before: &str,
    date: u32,
) -> io::Result<()> {
    let inside = |path: &str| format!("{before}{}", path.trim_start_matches('/'));
    for folder in folders_above(entries.clone()) {
        append(archive, &format!("{}/", inside(&folder)), 0o755, date, tar::EntryType::Directory, &[])?;
    }
    for Entry { path, mode, what } in entries {
        match what {
            What::File(bytes) => append(archive, &inside(path), *mode, date, tar::EntryType::Regular, bytes)?,
            What::Folder => append(archive, &format!("{}/", inside(path)), *mode, date, tar::EntryType::Directory, &[])?,
            What::Link(target) => {
                let mut header = header(*mode, date, tar::EntryType::Symlink, 0)?;
                archive.append_link(&mut header, inside(path), target)?;
            }
        }
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, date: u32, kind: tar::EntryType, bytes: &[u8]) -> io::Result<()> {
    let mut header = header(mode, date, kind, bytes.len() as u64)?;
    archive.append_data(&mut header, path, bytes)
}

fn header(mode: u32, date: u32, kind: tar::EntryType, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(date.into());
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_size(size);
    Ok(header)
}

fn xz(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // One thread and a check that every version knows.
    let stream = Stream::new_easy_encoder(LEVEL, Check::Crc32)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}
