//! The reserved region of a release binary that holds the site.
//!
//! Bytes 0 to 15 are [`MAGIC`], 16 to 19 the body's length and 20 to 23 its CRC-32, both little-endian; the body is the site as
//! JSON, and the rest is zero. A length of zero means that the binary is not stamped.

use super::{Invalid, Site};
use crate::crc32;
use alloc::{format, string::ToString, vec::Vec};

/// The region's size in every release.
pub const REGION_BYTES: usize = 32_768;
/// The region's first bytes, with the format's version.
pub const MAGIC: &[u8; 16] = b"PINNACE-SITE-01\n";
const HEADER_BYTES: usize = 24;

/// Why a region gives no site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// It was never stamped.
    Unstamped,
    /// Its checksum or layout does not hold.
    Corrupt,
    /// It is of another version.
    Unsupported,
    /// Its content contradicts itself.
    Invalid(Invalid),
}

/// The region for a site.
///
/// # Errors
/// When the site does not hold, or does not fit.
pub fn encode_region(site: &Site) -> Result<Vec<u8>, Invalid> {
    let body = site.to_json();
    Site::from_json(&body)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= REGION_BYTES - HEADER_BYTES);
    let Some(length) = length else {
        let because = format!("{} bytes, and {} fit", body.len(), REGION_BYTES - HEADER_BYTES);
        return Err(Invalid { field: "site".to_string(), because });
    };
    let mut region = Vec::with_capacity(REGION_BYTES);
    region.extend_from_slice(MAGIC);
    region.extend_from_slice(&length.to_le_bytes());
    region.extend_from_slice(&crc32(body.as_bytes()).to_le_bytes());
    region.extend_from_slice(body.as_bytes());
    region.resize(REGION_BYTES, 0);
    Ok(region)
}

/// The site in a region.
///
/// # Errors
/// When there is none that can be believed.
pub fn decode_region(region: &[u8]) -> Result<Site, RegionError> {
    let rest = region.strip_prefix(MAGIC).ok_or(RegionError::Unsupported)?;
    let (length, rest) = number(rest).ok_or(RegionError::Corrupt)?;
    let (checksum, rest) = number(rest).ok_or(RegionError::Corrupt)?;
    if length == 0 {
        return Err(RegionError::Unstamped);
    }
    let body = usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or(RegionError::Corrupt)?;
    let text = core::str::from_utf8(body).map_err(|_| RegionError::Corrupt)?;
    if crc32(body) != checksum {
        return Err(RegionError::Corrupt);
    }
    Site::from_json(text).map_err(RegionError::Invalid)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}
