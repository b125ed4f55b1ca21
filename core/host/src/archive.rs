//! Files in a row, as POSIX ustar has them: what `tar` unpacks.

use alloc::{format, vec, vec::Vec};

const BLOCK: usize = 512;
const NAME_BYTES_MAX: usize = 99;

/// An archive of small files, each with mode 0600 and one time. A name that does not fit is cut.
#[must_use]
pub fn tar(files: &[(&str, &[u8])], at: i64) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        archive.extend(header(name, bytes.len(), at));
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// Name, mode, owners, size, time, checksum, kind, magic; in octal digits, and all the rest zeros.
fn header(name: &str, bytes: usize, at: i64) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
    put(&mut header, 0, name.as_bytes());
    for (place, text) in [(100, "0000600"), (108, "0000000"), (116, "0000000"), (156, "0"), (257, "ustar"), (263, "00")] {
        put(&mut header, place, text.as_bytes());
    }
    put(&mut header, 124, format!("{bytes:011o}").as_bytes());
    put(&mut header, 136, format!("{:011o}", at.clamp(0, 0o777_7777_7777)).as_bytes());
    // The checksum is made as if spaces stood in its place.
    put(&mut header, 148, b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
    header
}

fn put(header: &mut [u8], place: usize, bytes: &[u8]) {
    for (cell, byte) in header.iter_mut().skip(place).zip(bytes) {
        *cell = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_whole_blocks_and_checksums_that_hold() {
        let archive = tar(&[("a.json", b"{}"), ("empty", b""), (&"n".repeat(200), &[7; 513])], 1_795_000_000);
        assert_eq!(archive.len(), BLOCK * (2 + 1 + 3 + 2));
        for start in [0, 2 * BLOCK, 3 * BLOCK] {
            let header = &archive[start..start + BLOCK];
            let told = u32::from_str_radix(core::str::from_utf8(&header[148..154]).unwrap(), 8).unwrap();
            let sum: u32 = header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
            assert_eq!(told, sum);
        }
        assert_eq!(&archive[BLOCK..BLOCK + 3], b"{}\0");
        assert_eq!(&archive[124..136], b"00000000002\0");
    }
}
