//! The site stamped into this very file, and the host file beside it.

use crate::{failure::Failure, sys::file::open_to_read};
use host::host_file;
use protocol::{
    reason::Reason,
    site::{REGION_BYTES, RegionError, Site, decode_region},
};
use std::{
    fs::File,
    io::{self, Read},
};

/// Sits in read-only data; `pinnacectl stamp` finds it by its section's name and writes the site into it.
#[unsafe(link_section = ".pinnace_site")]
#[used]
#[expect(unsafe_code, reason = "a section's name is a promise to the linker")]
static REGION: [u8; REGION_BYTES] = unstamped();

const fn unstamped() -> [u8; REGION_BYTES] {
    let mut region = [0; REGION_BYTES];
    let mut index = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; the magic is shorter than the region")]
    while index < protocol::site::MAGIC.len() {
        region[index] = protocol::site::MAGIC[index];
        index += 1;
    }
    region
}

/// Reads the stamped site.
pub(crate) fn stamped() -> Result<Site, Failure> {
    decode_region(std::hint::black_box(&REGION)).map_err(|error| match error {
        RegionError::Unstamped => Failure::new(Reason::SiteUnstamped, "the reserved region is empty"),
        RegionError::Corrupt => Failure::new(Reason::SiteCorrupt, "the reserved region's checksum does not hold"),
        RegionError::Unsupported => Failure::new(Reason::SiteUnsupported, "the reserved region has another magic"),
        RegionError::Invalid(invalid) => Failure::new(Reason::SiteInvalid, invalid.to_string()),
    })
}

/// The stamped site with this host's own choices; `host_file` and `state_dir` from the command line come before both.
pub(crate) fn load(host_file: Option<&str>, state_dir: Option<&str>) -> Result<Site, Failure> {
    let mut site = stamped()?;
    let path = host_file.unwrap_or(&site.host_file).to_owned();
    match read_capped(&path, host_file::HOST_FILE_BYTES_MAX) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| Failure::new(Reason::HostFileInvalid, format!("{path}: not UTF-8")))?;
            host_file::apply(&text, &mut site)
                .map_err(|invalid| Failure::new(Reason::HostFileInvalid, format!("{path}, line {}: {}", invalid.line, invalid.because)))?;
        }
        Err(error) if host_file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(Reason::HostFileUnreadable, &path, &error)),
    }
    if let Some(state_dir) = state_dir {
        site.state_dir = state_dir.to_owned();
    }
    Ok(site)
}

/// Reads a whole file of at most `most` bytes; more is an error.
pub(crate) fn read_capped(path: &str, most: usize) -> io::Result<Vec<u8>> {
    read_all(&open_to_read(path)?, most)
}

/// As [`read_capped`], from an open file. A regular file has ended where a read gives less than was asked for.
pub(crate) fn read_all(file: &File, most: usize) -> io::Result<Vec<u8>> {
    read_while(file, most, |count| count == PIECE_BYTES)
}

/// As [`read_all`], from what may be a pipe: it has ended where a read gives nothing.
pub(crate) fn read_stream(file: &File, most: usize) -> io::Result<Vec<u8>> {
    read_while(file, most, |count| count > 0)
}

const PIECE_BYTES: usize = 4096;

fn read_while(mut file: &File, most: usize, goes_on: fn(usize) -> bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; PIECE_BYTES];
    loop {
        let count = file.read(&mut piece)?;
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        if bytes.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if !goes_on(count) {
            return Ok(bytes);
        }
    }
}
