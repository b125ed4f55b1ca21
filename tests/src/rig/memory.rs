//! Where a rig waits for no disk.

use std::path::PathBuf;

/// What a few rigs take there, with room to spare.
const BYTES: u64 = 512 << 20;

/// A folder in memory, if there is room and programs start from there; else the usual one for what is temporary. What a killed
/// process has written is there for the next one either way: only the death of a machine takes what was not synced.
#[must_use]
#[expect(unsafe_code, reason = "the standard library does not say how much room there is")]
pub fn memory() -> PathBuf {
    // SAFETY: an all-zero statvfs is valid; the path is constant; the kernel fills the local.
    let (asked, about) = unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(c"/dev/shm".as_ptr(), &raw mut about), about)
    };
    let fits = about.f_bavail.saturating_mul(about.f_frsize) >= BYTES && about.f_flag & libc::ST_NOEXEC == 0;
    if asked == 0 && fits { "/dev/shm".into() } else { std::env::temp_dir() }
}
