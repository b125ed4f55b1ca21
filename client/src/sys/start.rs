//! Before anything else: arguments, descriptors 0 to 2, signals, the watchdog, entropy.

use super::journal::Journal;
use host::journal::Kind;
use std::{
    ffi::{CStr, OsString, c_char, c_int},
    os::unix::ffi::OsStringExt,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed},
    time::{Duration, Instant},
};

#[cfg(not(test))]
/// Defines C's `main` over a function from arguments to exit status.
macro_rules! c_main {
    ($main:path) => {
        #[unsafe(no_mangle)]
        #[expect(unsafe_code, reason = "C's main is how a program starts without the standard library's start-up")]
        pub(crate) extern "C" fn main(argc: std::ffi::c_int, argv: *const *const std::ffi::c_char) -> std::ffi::c_int {
            // SAFETY: the kernel and libc hand over argc valid pointers.
            let arguments = unsafe { crate::sys::start::arguments(argc, argv) };
            std::ffi::c_int::from($main(&arguments))
        }
    };
}
#[cfg(not(test))]
pub(crate) use c_main;

/// The arguments after the program's name.
///
/// # Safety
/// `argv` holds `argc` pointers to C strings.
pub(crate) unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    (1..count)
        .filter_map(|index| {
            // SAFETY: index is below argc.
            let argument = unsafe { *argv.add(index) };
            // SAFETY: each argument is a C string; a null ends the list.
            (!argument.is_null()).then(|| OsString::from_vec(unsafe { CStr::from_ptr(argument) }.to_bytes().to_vec()))
        })
        .collect()
}

/// Makes sure that no socket can become descriptor 0, 1 or 2, makes errors of SIGPIPE and SIGXFSZ, gives a panic its words, takes a
/// mask that hides no file from its owner, and leaves no core dump.
pub(crate) fn prepare() {
    let mut standard = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three structures; a timeout of zero only asks.
    unsafe { libc::poll(standard.as_mut_ptr(), 3, 0) };
    for descriptor in standard.iter().filter(|descriptor| descriptor.revents & libc::POLLNVAL != 0) {
        STDOUT_IS_OURS.fetch_or(descriptor.fd == 1, Relaxed);
        occupy();
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain system calls on constants and a local.
    unsafe {
        libc::umask(0o022);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::signal(PANIC_SIGNAL, on_panic as *const () as libc::sighandler_t);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
    }
}

/// Whether there was a standard output when the program started.
pub(crate) fn has_stdout() -> bool {
    !STDOUT_IS_OURS.load(Relaxed)
}

static STDOUT_IS_OURS: AtomicBool = AtomicBool::new(false);

/// Takes the lowest free descriptor with something harmless.
fn occupy() {
    // SAFETY: constant paths; the last resort is a socket that is never connected.
    unsafe {
        if libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) == -1 && libc::open(c"/".as_ptr(), libc::O_RDONLY) == -1 {
            libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0);
        }
    }
}

/// Ends the process as `run.deadline` after `seconds`, whatever a disk or device does to it.
pub(crate) fn watchdog(seconds: u32) {
    // SAFETY: the handler only writes a constant and calls _exit.
    unsafe {
        libc::signal(libc::SIGALRM, on_alarm as *const () as libc::sighandler_t);
        libc::alarm(seconds);
    }
}

/// From here on the process ends with these words, whatever ends it: what follows must not change an outcome.
pub(crate) fn settle(words: Words) {
    SETTLED.store(Box::leak(Box::new(words)), Relaxed);
}

/// The last words of a process.
pub(crate) struct Words {
    /// Where the line goes.
    pub(crate) descriptor: c_int,
    pub(crate) line: Vec<u8>,
    /// The entry that goes to the journal in place of the line; empty without a journal.
    pub(crate) entry: Vec<u8>,
    /// The exit status.
    pub(crate) exit: u8,
}

static SETTLED: AtomicPtr<Words> = AtomicPtr::new(ptr::null_mut());

/// Ends a settled process, from a signal handler.
fn end_if_settled() {
    // SAFETY: what is stored there was leaked, and is never written to.
    if let Some(words) = unsafe { SETTLED.load(Relaxed).as_ref() } {
        say_and_exit(words.descriptor, &words.line, &[&words.entry], words.exit.into());
    }
}

/// The entry goes to the journal if there is one that takes it, else the line to the descriptor.
fn say_and_exit(descriptor: c_int, line: &[u8], entry: &[&[u8]], exit: c_int) -> ! {
    if !Journal::open().is_some_and(|journal| journal.send(entry)) {
        // SAFETY: write is async-signal-safe; the pointer and length are of one slice.
        unsafe { libc::write(descriptor, line.as_ptr().cast(), line.len()) };
    }
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(exit) }
}

/// What a panic ends with in a release: an instruction that is none, or a breakpoint.
const PANIC_SIGNAL: c_int = if cfg!(target_arch = "aarch64") { libc::SIGTRAP } else { libc::SIGILL };

/// The last words of a run that cannot go on, from a signal handler.
macro_rules! last_words {
    ($code:literal, $exit:literal, $fault:literal, $error:literal, $because:literal, $hint:literal) => {{
        let line = concat!(
            "{\"event\":\"run\",\"outcome\":\"failed\",\"code\":\"",
            $code,
            "\",\"exit\":",
            $exit,
            ",\"fault\":\"",
            $fault,
            "\",\"retry\":true,\"error\":\"",
            $error,
            "\",\"because\":\"",
            $because,
            "\",\"hint\":\"",
            $hint,
            "\"}\n"
        );
        let lines = concat!(
            "error: cannot put every credential in place: ",
            $error,
            "\nbecause: ",
            $because,
            "\nhint: ",
            $hint,
            "\ncode=",
            $code,
            " fault=",
            $fault,
            " retry=yes"
        );
        let fields = concat!(
            "\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=pinnace\nPINNACE_EVENT=run\nPINNACE_OUTCOME=failed\nPINNACE_CODE=",
            $code,
            "\nPINNACE_EXIT=",
            $exit,
            "\nPINNACE_FAULT=",
            $fault,
            "\nPINNACE_RETRY=true\nPINNACE_ERROR=",
            $error,
            "\nPINNACE_BECAUSE=",
            $because,
            "\nPINNACE_HINT=",
            $hint,
            "\n"
        );
        let (length, failed) = ((lines.len() as u64).to_le_bytes(), Kind::Failed);
        let entry: [&[u8]; 8] = [
            b"MESSAGE_ID=",
            failed.message_id().as_bytes(),
            b"\nPRIORITY=",
            failed.priority().as_bytes(),
            b"\nMESSAGE\n",
            &length,
            lines.as_bytes(),
            fields.as_bytes(),
        ];
        say_and_exit(1, line.as_bytes(), &entry, $exit)
    }};
}

extern "C" fn on_alarm(_: c_int) {
    end_if_settled();
    last_words!(
        "run.deadline",
        110,
        "host",
        "the run did not end within its deadline",
        "the watchdog ended it",
        "a file system or device stands still; see the kernel's log"
    );
}

extern "C" fn on_panic(_: c_int) {
    end_if_settled();
    last_words!("run.internal", 111, "us", "pinnace failed in a way it does not know", "it broke a rule of its own", "report it with the log line");
}

/// Waits until the kernel can give randomness; false if it has none by then.
pub(crate) fn entropy_by(deadline: Instant) -> bool {
    loop {
        let mut byte = 0_u8;
        // SAFETY: one byte is written to a local.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, ptr::from_mut(&mut byte), 1_usize, libc::GRND_NONBLOCK) };
        if got == 1 {
            return true;
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOSYS | libc::EPERM) => return device_by(deadline),
            _ if Instant::now() >= deadline => return false,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// On kernels without getrandom: `/dev/random` is readable once the pool is filled, and `/dev/urandom` must be there.
fn device_by(deadline: Instant) -> bool {
    use std::os::fd::AsRawFd;
    let Ok(random) = std::fs::File::open("/dev/random") else { return std::fs::File::open("/dev/urandom").is_ok() };
    super::socket::wait(random.as_raw_fd(), libc::POLLIN, deadline).is_ok() && std::fs::File::open("/dev/urandom").is_ok()
}

/// The kernel's name for this host.
pub(crate) fn node_name() -> String {
    let [node, ..] = about();
    node
}

/// The kernel's release, and the machine it says it runs on.
pub(crate) fn kernel() -> (String, String) {
    let [_, release, machine] = about();
    (release, machine)
}

/// Node, release and machine, as uname(2) has them.
fn about() -> [String; 3] {
    // SAFETY: the structure is made of characters only, and the kernel ends each of its texts with a zero.
    let texts = unsafe {
        let mut about: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut about);
        [&about.nodename, &about.release, &about.machine].map(|text| CStr::from_ptr(text.as_ptr()).to_bytes().to_vec())
    };
    texts.map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// Standard input as a file.
pub(crate) fn stdin() -> std::mem::ManuallyDrop<std::fs::File> {
    use std::os::fd::FromRawFd;
    // SAFETY: descriptor 0 was made sure of at the start, and is never closed.
    std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(0) })
}

/// Where a descriptor leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    ToTerminal,
    ToSocket,
    Elsewhere,
}

/// Where a descriptor leads; most lead to a file or a pipe, and cost one call.
pub(crate) fn leads(descriptor: c_int) -> Leads {
    // SAFETY: an all-zero stat is valid, and the kernel fills the local; isatty only asks.
    unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        let mode = if libc::fstat(descriptor, &raw mut about) == 0 { about.st_mode & libc::S_IFMT } else { 0 };
        match mode {
            libc::S_IFSOCK => Leads::ToSocket,
            libc::S_IFCHR if libc::isatty(descriptor) == 1 => Leads::ToTerminal,
            _ => Leads::Elsewhere,
        }
    }
}

/// Writes all bytes to standard output (1) or error (2); a full disk or a closed pipe is the caller's to judge.
pub(crate) fn write_all(descriptor: c_int, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are of one slice.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(std::io::Error::last_os_error()),
        }
    }
    Ok(())
}
