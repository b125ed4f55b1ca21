//! Stamping: the site goes into the release binary's reserved section, and nothing else changes.

use crate::{failure::Failure, files, site};
use object::{Object, ObjectSection};
use protocol::site::{MAGIC, REGION_BYTES, RegionError, decode_region, encode_region};
use std::{fs, ops::Range, path::Path};

const SECTION: &str = ".pinnace_site";

/// The command `stamp`.
pub(crate) fn stamp(site: &Path, binary: &Path, out: &Path) -> Result<(), Failure> {
    let site = site::read(site)?;
    let error = format!("cannot stamp {}", binary.display());
    let failed =
        |because: String| Failure::new("stamp.failed", error.clone(), because, "name a pinnace release binary, and a place that can be written");
    let region = encode_region(&site).map_err(|invalid| failed(invalid.to_string()))?;
    let mut bytes = fs::read(binary).map_err(|cause| failed(cause.to_string()))?;
    let range = region_of(&bytes).map_err(&failed)?;
    bytes.get_mut(range).ok_or_else(|| failed("the section lies outside the file".into()))?.copy_from_slice(&region);
    let written = fs::metadata(binary).and_then(|like| files::replace(out, &bytes, Some(like.permissions())));
    written.map_err(|cause| failed(format!("{}: {cause}", out.display())))?;
    println!("stamped site {} into {} ({} bytes)", site.name, out.display(), bytes.len());
    Ok(())
}

/// Why a binary has no site to be read.
pub(crate) enum Unstamped {
    /// It has the place for one, and nothing in it.
    Empty,
    /// Something else, in words.
    Wrong(String),
}

impl std::fmt::Display for Unstamped {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unstamped::Empty => to.write_str("it carries no site"),
            Unstamped::Wrong(because) => to.write_str(because),
        }
    }
}

/// The site that a binary carries.
pub(crate) fn stamped(binary: &[u8]) -> Result<protocol::site::Site, Unstamped> {
    let region = region_of(binary).map_err(Unstamped::Wrong)?;
    let region = binary.get(region).ok_or_else(|| Unstamped::Wrong("the section lies outside the file".to_owned()))?;
    decode_region(region).map_err(|error| match error {
        RegionError::Unstamped => Unstamped::Empty,
        RegionError::Corrupt => Unstamped::Wrong("its site fails its checksum".to_owned()),
        RegionError::Unsupported => Unstamped::Wrong("its site is of another format version".to_owned()),
        RegionError::Invalid(invalid) => Unstamped::Wrong(invalid.to_string()),
    })
}

/// The command `verify-stamp`.
pub(crate) fn verify(a: &Path, b: &Path) -> Result<(), Failure> {
    let failed = |because: String| {
        let error = format!("{} and {} are not one release", a.display(), b.display());
        Failure::new("stamp.differs", error, because, "stamp the release binary again and compare with it")
    };
    let read = |path: &Path| fs::read(path).map_err(|cause| failed(format!("{}: {cause}", path.display())));
    let (left, right) = (read(a)?, read(b)?);
    let (left_range, right_range) = (region_of(&left).map_err(&failed)?, region_of(&right).map_err(&failed)?);
    if left.len() != right.len() || left_range != right_range {
        return Err(failed("their layouts differ".into()));
    }
    let outside = left.iter().zip(&right).enumerate().find(|(at, (left, right))| left != right && !left_range.contains(at));
    match outside {
        Some((at, _)) => Err(failed(format!("they differ at byte {at}, outside the site"))),
        None => {
            println!("{} and {} differ in nothing but their site", a.display(), b.display());
            Ok(())
        }
    }
}

fn region_of(bytes: &[u8]) -> Result<Range<usize>, String> {
    let file = object::File::parse(bytes).map_err(|cause| format!("not an ELF file: {cause}"))?;
    let section = file.section_by_name(SECTION).ok_or_else(|| format!("there is no section {SECTION}"))?;
    let (start, length) = section.file_range().ok_or("the section has no bytes")?;
    let start = usize::try_from(start).map_err(|_| "the file is too large")?;
    if usize::try_from(length) != Ok(REGION_BYTES) {
        return Err(format!("the section has {length} bytes, and a site takes {REGION_BYTES}"));
    }
    let range = start..start.checked_add(REGION_BYTES).ok_or("the section lies outside the file")?;
    let region = bytes.get(range.clone()).ok_or("the section lies outside the file")?;
    if region.starts_with(MAGIC) { Ok(range) } else { Err("the section holds no site of a version that is known here".to_owned()) }
}
