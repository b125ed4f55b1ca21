//! `weird-host`: runs one command on a host that is not like this one.
//!
//! An old kernel (every system call above Linux 3.10's last answers ENOSYS), another clock (only what the command is told;
//! the machine's own is never set), few descriptors, little memory, a call that fails, a death between two calls. It works
//! with seccomp and ptrace, so it needs no privileges; with another clock it blanks the vDSO, so that no clock is read
//! behind its back.
//! The command's exit status is passed through; 128 + N stands for death by signal N.

#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod options;
#[cfg(target_arch = "x86_64")]
mod system;
#[cfg(target_arch = "x86_64")]
mod tracer;

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)).and_then(|options| tracer::run(&options)) {
        Ok(status) => ExitCode::from(status),
        Err(because) => {
            eprintln!("weird-host: error: {because}");
            ExitCode::from(125)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    eprintln!("weird-host: error: this launcher rewrites x86_64 system calls and runs on no other processor");
    ExitCode::from(125)
}
