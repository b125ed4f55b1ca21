//! systemd's journal, where it listens to this process.
//!
//! Whether it does is asked of the kernel: a service manager connects the output of a service to the journal's socket, and a
//! socket knows the name of its other end. So what was led into a file stays a line in that file, and no environment is read.

use host::journal::entries_beside;
use std::{
    ffi::c_int,
    io,
    mem::ManuallyDrop,
    os::{
        fd::{FromRawFd, IntoRawFd},
        unix::net::{UnixDatagram, UnixStream},
    },
    ptr,
    sync::atomic::{AtomicI32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How long the journal may take over what it was sent.
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(1);
/// Of one entry.
const PARTS_MAX: usize = 8;
const NONE: c_int = -1;

/// A socket to the journal, open as long as this process. What is sent there never waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journal(c_int);

impl Journal {
    /// The journal at the other end of a descriptor; none if something else is there, or if it cannot be reached.
    pub(crate) fn behind(descriptor: c_int) -> Option<Self> {
        let journal = connect(&entries_beside(&peer_of(descriptor)?)?).ok()?.into_raw_fd();
        OPEN.store(journal, Relaxed);
        Some(Self(journal))
    }

    /// The one that this process has open.
    pub(super) fn open() -> Option<Self> {
        Some(OPEN.load(Relaxed)).filter(|journal| *journal != NONE).map(Self)
    }

    /// Hands over the parts of an entry; whether it was taken. It may be called in a signal handler.
    pub(crate) fn send(self, parts: &[&[u8]]) -> bool {
        let mut buffers = [const { libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 } }; PARTS_MAX];
        for (buffer, part) in buffers.iter_mut().zip(parts) {
            *buffer = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
        }
        // SAFETY: each buffer is a part, or empty; the kernel only reads them.
        let sent = unsafe { libc::writev(self.0, buffers.as_ptr(), c_int::try_from(buffers.len()).unwrap_or(0)) };
        usize::try_from(sent).is_ok_and(|sent| sent == parts.iter().map(|part| part.len()).sum())
    }

    /// Waits a little until the journal is done with what it was sent. As it reads an entry it asks the kernel which unit the
    /// sender belongs to, and learns nothing of one that is gone. To it an empty datagram is nothing; once it has taken that, it
    /// is done with what came before.
    pub(crate) fn settle(self) {
        let until = Instant::now() + PATIENCE;
        // SAFETY: nothing is read where the length is 0.
        unsafe { libc::send(self.0, ptr::null(), 0, 0) };
        while self.has_unread() && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
    }

    fn has_unread(self) -> bool {
        let mut bytes: c_int = 0;
        // SAFETY: the kernel writes one number into the local.
        let asked = unsafe { libc::ioctl(self.0, libc::TIOCOUTQ, &raw mut bytes) };
        asked == 0 && bytes > 0
    }
}

static OPEN: AtomicI32 = AtomicI32::new(NONE);

/// The path by which the other end of a descriptor is known.
fn peer_of(descriptor: c_int) -> Option<String> {
    // SAFETY: the descriptor is one of those that were made sure of at the start; it is not closed here.
    let stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(descriptor) });
    let peer = stream.peer_addr().ok()?;
    peer.as_pathname()?.to_str().map(str::to_owned)
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let journal = UnixDatagram::unbound()?;
    journal.set_nonblocking(true)?;
    journal.connect(path)?;
    Ok(journal)
}
