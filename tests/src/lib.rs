//! What the end-to-end tests stand on: [`rig`] is a real deployment in a temporary folder, [`evil`] is everything a network
//! and a server can do wrong. The `weird-host` launcher beside them is everything a host can do wrong.

pub mod between_runs;
pub mod deaths;
pub mod evil;
pub mod rig;

/// What this process has used of the CPU so far, on all its threads.
#[must_use]
#[expect(unsafe_code, reason = "the standard library has no clock of a process")]
pub fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "every Linux has the clock of a process");
    #[expect(clippy::cast_precision_loss, reason = "seconds and nanoseconds of a process are far below 2^52")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}
