//! The loop: every stop of every process of the command, and what is answered.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use libc::{c_int, pid_t};

use crate::calls;
use crate::options::Options;
use crate::system::{self, Stop};

/// What uname says with `--kernel 3.10`, padded to whole words.
const OLD_RELEASE: &[u8; 32] = b"3.10.0-1160.el7.x86_64\0\0\0\0\0\0\0\0\0\0";
/// `release` in `struct utsname`: after sysname and nodename of 65 bytes each.
const RELEASE_AT: u64 = 130;

/// A system call that a process is in.
struct Call {
    number: u64,
    arguments: [u64; 6],
    fails_with: Option<i32>,
}

/// Runs the command to its end and returns its exit status.
pub(crate) fn run(options: &Options) -> Result<u8, String> {
    let first = system::spawn(options)?;
    system::wait()?;
    system::follow(first)?;
    system::resume(first, 0);
    let mut host = Host { options, inside: HashMap::new(), alive: HashSet::new(), calls: 0, changes: 0, executed: false, trace: String::new() };
    let status = loop {
        let (pid, status) = system::wait()?;
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            host.left(pid);
            host.alive.remove(&pid);
            if pid == first {
                break status;
            }
            continue;
        }
        host.alive.insert(pid);
        let signal = host.stopped(pid, status);
        system::resume(pid, signal);
    };
    host.end_the_rest();
    for (kill_at, made) in [(options.kill_at, host.calls), (options.kill_at_change, host.changes)] {
        if kill_at.is_some_and(|call| call > made) {
            eprintln!("weird-host: it made only {made} calls");
        }
    }
    if let Some(path) = &options.trace {
        std::fs::write(path, &host.trace).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

struct Host<'a> {
    options: &'a Options,
    inside: HashMap<pid_t, Call>,
    alive: HashSet<pid_t>,
    calls: u64,
    changes: u64,
    executed: bool,
    trace: String,
}

impl Host<'_> {
    /// Handles one stop; the answer is the signal to deliver.
    fn stopped(&mut self, pid: pid_t, status: c_int) -> c_int {
        let signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | 0x80 {
            match system::inspect(pid) {
                Stop::Entry { number, arguments } => self.entered(pid, number, arguments),
                Stop::Exit { result } => self.returned(pid, result),
                Stop::Other => {}
            }
            return 0;
        }
        let event = status >> 16;
        if event == libc::PTRACE_EVENT_EXEC {
            if self.options.clock_offset != 0 {
                system::hide_vdso(pid);
            }
            self.executed = true;
        }
        // A new child begins with a SIGSTOP of the tracer's own.
        if event != 0 || signal == libc::SIGSTOP { 0 } else { signal }
    }

    fn entered(&mut self, pid: pid_t, number: u64, arguments: [u64; 6]) {
        if i64::try_from(number) == Ok(libc::SYS_exit_group) {
            self.note_peak(pid);
        }
        let mut call = Call { number, arguments, fails_with: None };
        if self.executed {
            self.calls += 1;
            let is_change = calls::changes_names(number, &arguments);
            self.changes += u64::from(is_change);
            if self.options.kill_at == Some(self.calls) || is_change && self.options.kill_at_change == Some(self.changes) {
                system::kill(pid);
            }
            if let Some((at, errno)) = self.options.fail_at
                && at == self.calls
            {
                call.fails_with = Some(errno);
                system::skip_call(pid);
            }
        }
        self.inside.insert(pid, call);
    }

    fn returned(&mut self, pid: pid_t, result: i64) {
        let Some(call) = self.inside.remove(&pid) else { return };
        let mut result = result;
        if let Some(errno) = call.fails_with {
            result = -i64::from(errno);
            system::set_result(pid, result);
        } else if result >= 0 {
            result = self.rewrite(pid, &call, result);
        }
        self.record(pid, &call, &result.to_string());
    }

    /// What the command left running ends with it, before anybody looks at what it left behind.
    fn end_the_rest(&mut self) {
        self.alive.iter().for_each(|pid| system::kill(*pid));
        while let Ok((pid, status)) = system::wait() {
            // One that was started meanwhile.
            if libc::WIFSTOPPED(status) {
                system::kill(pid);
            }
        }
    }

    /// A process that died inside a call leaves it unfinished in the trace.
    fn left(&mut self, pid: pid_t) {
        if let Some(call) = self.inside.remove(&pid) {
            self.record(pid, &call, "?");
        }
    }

    fn rewrite(&self, pid: pid_t, call: &Call, result: i64) -> i64 {
        let [first, second, ..] = call.arguments;
        match i64::try_from(call.number).unwrap_or(-1) {
            libc::SYS_clock_gettime if is_real_time(first) => self.shift(pid, second),
            libc::SYS_gettimeofday if first != 0 => self.shift(pid, first),
            libc::SYS_time => {
                if first != 0 {
                    self.shift(pid, first);
                }
                let shifted = result.saturating_add(self.options.clock_offset);
                system::set_result(pid, shifted);
                return shifted;
            }
            libc::SYS_uname if self.options.old_kernel => {
                for (at, word) in (0..).zip(OLD_RELEASE.chunks_exact(8)) {
                    let word = word.try_into().map_or(0, u64::from_ne_bytes);
                    system::poke(pid, first + RELEASE_AT + 8 * at, word);
                }
            }
            _ => {}
        }
        result
    }

    /// Seconds are the first word of a timespec, a timeval and a time_t.
    fn shift(&self, pid: pid_t, address: u64) {
        if self.options.clock_offset != 0 {
            let seconds = system::peek(pid, address).wrapping_add_signed(self.options.clock_offset);
            system::poke(pid, address, seconds);
        }
    }

    /// The most memory this process ever had, before it is gone.
    fn note_peak(&mut self, pid: pid_t) {
        let about = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|peak| peak.trim().trim_end_matches(" kB"));
        let _ = writeln!(self.trace, "peak_kib {}", peak.unwrap_or("0"));
    }

    fn record(&mut self, pid: pid_t, call: &Call, result: &str) {
        if self.options.trace.is_none() || !self.executed {
            return;
        }
        let [a, b, c, d, e, f] = call.arguments;
        let name = calls::name(call.number);
        // Writing to a String cannot fail.
        let _ = writeln!(self.trace, "{pid} {name}({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x}) = {result}");
    }
}

fn is_real_time(clock: u64) -> bool {
    [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE].iter().any(|known| u64::try_from(*known) == Ok(clock))
}
