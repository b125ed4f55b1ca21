//! Delivery to a program's standard input: no shell, an empty environment, and an end.

use crate::{
    failure::Failure,
    sys::{
        file::may_run,
        process::{Child, Ended},
    },
};
use protocol::reason::Reason;
use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// Runs the program and gives it the payload.
pub(crate) fn feed(argv: &[String], payload: &[u8], until: Instant) -> Result<(), Failure> {
    let program = argv.first().map_or("", String::as_str);
    let failed = |because: String| Failure::new(Reason::DeliveryExec, format!("{program}: {because}"));
    let child = start(argv, payload).map_err(|error| Failure::io(Reason::DeliveryExec, program, &error))?;
    loop {
        match child.ended().map_err(|error| failed(error.to_string()))? {
            Some(Ended::Status(0)) => return Ok(()),
            Some(Ended::Status(status)) => return Err(failed(format!("it ended with status {status}"))),
            Some(Ended::Signal(signal)) => return Err(failed(format!("it was ended by signal {signal}"))),
            None if Instant::now() >= until => {
                child.kill();
                return Err(Failure::new(Reason::DeliveryExecTimeout, format!("{program} was ended at the run's deadline")));
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Whether there is a program that this process may run; it is not run.
pub(crate) fn look(argv: &[String]) -> Result<(), Failure> {
    let program = argv.first().map_or("", String::as_str);
    may_run(program).map_err(|error| Failure::io(Reason::DeliveryExec, program, &error))
}

fn start(argv: &[String], payload: &[u8]) -> io::Result<Child> {
    let (stdin, mut writer) = io::pipe()?;
    let child = Child::start(argv, &stdin, &nowhere()?)?;
    // A credential fits into a pipe's buffer (64 KiB), so this cannot block; a program that reads nothing is judged by its status.
    let _ = writer.write_all(payload);
    Ok(child)
}

/// `/dev/null`; where there is none, a pipe that nobody reads.
pub(crate) fn nowhere() -> io::Result<OwnedFd> {
    File::options().write(true).open("/dev/null").map(OwnedFd::from).or_else(|_| {
        let (reader, writer) = io::pipe()?;
        // The reading end stays open until this process ends, so that the program can write.
        std::mem::forget(reader);
        Ok(writer.into())
    })
}
