//! Delivery to a program's standard input: no shell, an empty environment, and an end.

use crate::failure::Failure;
use protocol::reason::Reason;
use std::{
    fs::File,
    io::{PipeWriter, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Nowhere; where there is no `/dev/null`, a pipe that nobody reads.
fn silence(pipe: Option<&PipeWriter>) -> Stdio {
    let null = File::options().write(true).open("/dev/null").map(Stdio::from);
    null.or_else(|error| pipe.and_then(|pipe| pipe.try_clone().ok()).map(Stdio::from).ok_or(error)).unwrap_or_else(|_| Stdio::null())
}

/// Runs the program and gives it the payload.
pub(crate) fn feed(argv: &[String], payload: &[u8], until: Instant) -> Result<(), Failure> {
    let Some((program, arguments)) = argv.split_first() else { return Err(Failure::new(Reason::SiteInvalid, "argv is empty")) };
    let failed = |error: std::io::Error| Failure::io(Reason::DeliveryExec, program, &error);
    // Both ends stay open until the program has ended.
    let (_reader, unread) = std::io::pipe().ok().unzip();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().process_group(0).stdin(Stdio::piped()).stdout(silence(unread.as_ref())).stderr(silence(unread.as_ref()));
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A credential fits into a pipe's buffer (64 KiB), so this cannot block; a program that reads nothing is judged by its status.
        let _ = stdin.write_all(payload);
    }
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(Failure::new(Reason::DeliveryExec, format!("{program}: {status}"))),
            None if Instant::now() >= until => {
                crate::sys::start::kill_group(child.id());
                let _ = child.wait();
                return Err(Failure::new(Reason::DeliveryExecTimeout, format!("{program} was ended at the run's deadline")));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}
