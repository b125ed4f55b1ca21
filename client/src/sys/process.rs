//! Programs that are given something to read: started without a shell or an environment, in a process group of their own.

use std::{
    ffi::{CString, OsString, c_int, c_short},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::ffi::OsStrExt,
    },
    ptr,
    time::{Duration, Instant},
};

/// A program that was started.
pub(crate) struct Child(libc::pid_t);

/// Becomes another program, which gets some arguments before those that were typed and no environment; comes back if it cannot.
pub(crate) fn become_program(path: &str, first: &[&str], typed: &[OsString]) -> io::Error {
    let first = ["pinnace"].into_iter().chain(first.iter().copied()).map(CString::new);
    let typed = typed.iter().map(|argument| CString::new(argument.as_bytes()));
    let Ok(argv) = first.chain(typed).collect::<Result<Vec<_>, _>>() else { return io::ErrorKind::InvalidInput.into() };
    let Ok(path) = CString::new(path) else { return io::ErrorKind::InvalidInput.into() };
    let pointers: Vec<*const libc::c_char> = argv.iter().map(|argument| argument.as_ptr()).chain([ptr::null()]).collect();
    let environment = [ptr::null()];
    // SAFETY: C strings in lists that end with null, all of which live until the call returns.
    unsafe { libc::execve(path.as_ptr(), pointers.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

const ADDRESS_BYTES_MAX: u64 = 256 << 20;
const FILE_BYTES_MAX: u64 = 32 << 20;

/// A resource of this process that children get less of while it is set.
struct Bound(Resource, libc::rlimit);

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = c_int;

impl Bound {
    /// Never more than there was.
    fn set((resource, most): (Resource, u64)) -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the kernel writes into the local.
        if unsafe { libc::getrlimit(resource, &raw mut before) } == 0 {
            let bound = libc::rlimit { rlim_cur: before.rlim_cur.min(most), ..before };
            // SAFETY: the kernel reads the local.
            unsafe { libc::setrlimit(resource, &raw const bound) };
        }
        Self(resource, before)
    }

    fn lift(self) {
        if self.1.rlim_max > 0 {
            // SAFETY: the kernel reads a member of ours.
            unsafe { libc::setrlimit(self.0, &raw const self.1) };
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this status.
    Status(c_int),
    /// By a signal.
    Signal(c_int),
}

impl Child {
    /// Starts a program with descriptors for what it reads and where its words go.
    pub(crate) fn start(argv: &[String], stdin: &impl AsFd, words: &impl AsFd) -> io::Result<Self> {
        let argv = argv.iter().map(|argument| CString::new(argument.as_str())).collect::<Result<Vec<_>, _>>()?;
        let program = argv.first().ok_or(io::ErrorKind::InvalidInput)?;
        let pointers: Vec<*mut libc::c_char> = argv.iter().map(|argument| argument.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
        let environment = [ptr::null_mut()];
        let (stdin, words) = (stdin.as_fd().as_raw_fd(), words.as_fd().as_raw_fd());
        let mut pid = 0;
        // SAFETY: both structures are filled by their init functions before use, the lists end with null, and all of it
        // lives until the call returns. The C library takes the strings as mutable and does not write to them.
        let failed = unsafe {
            let mut actions = std::mem::zeroed();
            libc::posix_spawn_file_actions_init(&raw mut actions);
            for (from, to) in [(stdin, 0), (words, 1), (words, 2)] {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions, from, to);
            }
            let mut attributes = std::mem::zeroed();
            let mut defaults = std::mem::zeroed();
            libc::posix_spawnattr_init(&raw mut attributes);
            libc::sigemptyset(&raw mut defaults);
            libc::sigaddset(&raw mut defaults, libc::SIGPIPE);
            libc::sigaddset(&raw mut defaults, libc::SIGXFSZ);
            libc::posix_spawnattr_setsigdefault(&raw mut attributes, &raw const defaults);
            libc::posix_spawnattr_setpgroup(&raw mut attributes, 0);
            let flags = c_short::try_from(libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETPGROUP).unwrap_or(0);
            libc::posix_spawnattr_setflags(&raw mut attributes, flags);
            let failed =
                libc::posix_spawn(&raw mut pid, program.as_ptr(), &raw const actions, &raw const attributes, pointers.as_ptr(), environment.as_ptr());
            libc::posix_spawn_file_actions_destroy(&raw mut actions);
            libc::posix_spawnattr_destroy(&raw mut attributes);
            failed
        };
        if failed == 0 { Ok(Self(pid)) } else { Err(io::Error::from_raw_os_error(failed)) }
    }

    /// Starts a program that is not trusted yet: with nothing to read and nowhere to speak, and with bounds on memory, processor time
    /// and files. Whatever fails between here and its first instruction is an error.
    pub(crate) fn start_bounded(argv: &[String], silence: &impl AsFd, seconds: u32) -> io::Result<Self> {
        let bounds =
            [(libc::RLIMIT_AS, ADDRESS_BYTES_MAX), (libc::RLIMIT_CPU, u64::from(seconds) + 1), (libc::RLIMIT_FSIZE, FILE_BYTES_MAX)].map(Bound::set);
        let child = Self::start(argv, silence, silence);
        bounds.into_iter().for_each(Bound::lift);
        child
    }

    /// How it ended; when `until` comes before, it is ended. Nothing of its process group is left.
    pub(crate) fn end_by(&self, until: Instant) -> io::Result<Option<Ended>> {
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(ended) = self.ended()? {
                self.kill_group();
                return Ok(Some(ended));
            }
            if Instant::now() >= until {
                self.kill();
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> io::Result<Option<Ended>> {
        self.wait(libc::WNOHANG)
    }

    /// Ends its whole process group.
    pub(crate) fn kill(&self) {
        self.kill_group();
        let _ = self.wait(0);
    }

    fn kill_group(&self) {
        // SAFETY: a plain system call; the group's number is not given out again while one of it lives, nor this soon after.
        unsafe { libc::kill(-self.0, libc::SIGKILL) };
    }

    fn wait(&self, flags: c_int) -> io::Result<Option<Ended>> {
        let mut status = 0;
        // SAFETY: the kernel writes one number into the local.
        match unsafe { libc::waitpid(self.0, &raw mut status, flags) } {
            0 => Ok(None),
            -1 => Err(io::Error::last_os_error()),
            _ if libc::WIFSIGNALED(status) => Ok(Some(Ended::Signal(libc::WTERMSIG(status)))),
            _ => Ok(Some(Ended::Status(libc::WEXITSTATUS(status)))),
        }
    }
}
