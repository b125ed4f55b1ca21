//! A tar of what is to be installed: root's, of one date, in one order.

use super::contents::{Entry, What};
use std::io;

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

/// One thing of root's.
pub(super) fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, date: u32, kind: tar::EntryType, bytes: &[u8]) -> io::Result<()> {
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

/// The folders above what is installed, outermost first, each once.
fn folders_above<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<String> {
    let above = |path: &str| path.match_indices('/').skip(1).filter_map(|(at, _)| path.get(..at).map(str::to_owned)).collect::<Vec<_>>();
    let mut all: Vec<String> = entries.into_iter().flat_map(|entry| above(&entry.path)).collect();
    all.sort();
    all.dedup();
    all
}
