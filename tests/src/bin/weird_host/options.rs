//! The command line, typed.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// How `weird-host` is called.
const USAGE: &str = "usage: weird-host [--clock-offset SECONDS | --clock UNIX] [--kernel 3.10] [--nofile N] \
[--address-space BYTES] [--trace FILE] [--kill-at N] [--kill-at-change N] [--fail-at N=ERRNO] [--argc-zero] -- COMMAND [ARGUMENT]...";

/// What is weird about this host.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Seconds added to the real-time clock.
    pub(crate) clock_offset: i64,
    /// Answer ENOSYS to every system call that Linux 3.10 did not have, and say so in uname.
    pub(crate) old_kernel: bool,
    /// RLIMIT_NOFILE.
    pub(crate) files_max: Option<u64>,
    /// RLIMIT_AS, in bytes.
    pub(crate) address_space_bytes: Option<u64>,
    /// Where the list of system calls goes, one a line.
    pub(crate) trace: Option<PathBuf>,
    /// The system call, counted from 1, before which the process is killed.
    pub(crate) kill_at: Option<u64>,
    /// The same among the calls that change which names there are on a disk: how often a network is waited for does not shift these.
    pub(crate) kill_at_change: Option<u64>,
    /// The system call, counted from 1, that fails with this errno without being made.
    pub(crate) fail_at: Option<(u64, i32)>,
    /// Start the command with no arguments at all, not even its name.
    pub(crate) argc_zero: bool,
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
}

/// Reads the command line.
pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        if word == "--" {
            options.command = words.collect();
            break;
        }
        if word == "--argc-zero" {
            options.argc_zero = true;
            continue;
        }
        let value = words.next().ok_or(USAGE)?;
        set(&mut options, &word, &value)?;
    }
    if options.command.is_empty() { Err(USAGE.to_owned()) } else { Ok(options) }
}

fn set(options: &mut Options, word: &OsStr, value: &OsStr) -> Result<(), String> {
    let text = value.to_str().ok_or(USAGE)?;
    match word.to_str() {
        Some("--clock-offset") => options.clock_offset = number(text)?,
        Some("--clock") => options.clock_offset = number::<i64>(text)? - now(),
        Some("--kernel") if text == "3.10" => options.old_kernel = true,
        Some("--nofile") => options.files_max = Some(number(text)?),
        Some("--address-space") => options.address_space_bytes = Some(number(text)?),
        Some("--trace") => options.trace = Some(PathBuf::from(value)),
        Some("--kill-at") => options.kill_at = Some(number(text)?),
        Some("--kill-at-change") => options.kill_at_change = Some(number(text)?),
        Some("--fail-at") => {
            let (call, errno) = text.split_once('=').ok_or(USAGE)?;
            options.fail_at = Some((number(call)?, number(errno)?));
        }
        _ => return Err(USAGE.to_owned()),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number that fits here\n{USAGE}"))
}

/// Unix seconds on this machine.
fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}
