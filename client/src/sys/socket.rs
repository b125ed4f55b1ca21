//! Connections without threads: non-blocking sockets and `poll`, each wait with an end.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

/// How long one address may be alone in the race (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first of the addresses that answers, starting one every 250 ms or as soon as the last one failed.
pub(crate) fn race(addresses: &[SocketAddr], deadline: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting: Vec<(OwnedFd, SocketAddr)> = Vec::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut next = addresses.iter();
    loop {
        let more = next.next();
        if let Some(address) = more {
            match start(address) {
                Ok(socket) => waiting.push((socket, *address)),
                Err(error) => failed = error,
            }
        } else if waiting.is_empty() {
            return Err(failed);
        }
        let until = if next.len() > 0 { deadline.min(Instant::now() + STAGGER) } else { deadline };
        while !waiting.is_empty() {
            match ready(&mut waiting, until) {
                Ok((socket, address)) => return Ok((TcpStream::from(socket), address)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                Err(error) => failed = error,
            }
            if next.len() > 0 {
                break;
            }
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

fn start(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: a plain system call.
    let socket = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if socket == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let family = libc::sa_family_t::try_from(family).map_err(io::Error::other)?;
    let connected = match address.ip() {
        IpAddr::V4(ip) => {
            let name = libc::sockaddr_in {
                sin_family: family,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                sin_zero: [0; 8],
            };
            connect(&socket, &name)
        }
        IpAddr::V6(ip) => {
            let name = libc::sockaddr_in6 {
                sin6_family: family,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                sin6_scope_id: 0,
            };
            connect(&socket, &name)
        }
    };
    match connected {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

fn connect<T>(socket: &OwnedFd, name: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: name is a socket address of that length.
    if unsafe { libc::connect(socket.as_raw_fd(), std::ptr::from_ref(name).cast(), length) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The first waiting socket that is connected; one that failed is taken out and its error given.
fn ready(waiting: &mut Vec<(OwnedFd, SocketAddr)>, until: Instant) -> io::Result<(OwnedFd, SocketAddr)> {
    let mut polled: Vec<libc::pollfd> =
        waiting.iter().map(|(socket, _)| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 }).collect();
    poll(&mut polled, until)?;
    let index = polled.iter().position(|polled| polled.revents != 0).ok_or(io::ErrorKind::TimedOut)?;
    let connected = polled.get(index).is_some_and(|polled| polled.revents == libc::POLLOUT);
    let (socket, address) = waiting.swap_remove(index);
    if connected {
        return Ok((socket, address));
    }
    let stream = TcpStream::from(socket);
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok((stream.into(), address)),
    }
}

/// Waits for an event on one descriptor.
pub(crate) fn wait(descriptor: RawFd, events: i16, until: Instant) -> io::Result<()> {
    poll(&mut [libc::pollfd { fd: descriptor, events, revents: 0 }], until)
}

fn poll(polled: &mut [libc::pollfd], until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let count = libc::nfds_t::try_from(polled.len()).map_err(io::Error::other)?;
        // SAFETY: the pointer and count are of one slice.
        match unsafe { libc::poll(polled.as_mut_ptr(), count, milliseconds) } {
            0 => return Err(io::ErrorKind::TimedOut.into()),
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            _ => return Ok(()),
        }
    }
}

/// A stream whose every read and write ends by a deadline.
pub(crate) struct Timed<S> {
    pub(crate) stream: S,
    pub(crate) deadline: Instant,
}

impl<S: Read + AsRawFd> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            wait(self.stream.as_raw_fd(), libc::POLLIN, self.deadline)?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return if Instant::now() > self.deadline { Err(io::ErrorKind::TimedOut.into()) } else { other },
            }
        }
    }
}

impl<S: Write + AsRawFd> Write for Timed<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match self.stream.write_vectored(buffers) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(self.stream.as_raw_fd(), libc::POLLOUT, self.deadline)?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Connects to a Unix socket; a full queue at the other end is waited for until the deadline.
pub(crate) fn connect_unix(path: &str, deadline: Instant) -> io::Result<UnixStream> {
    // SAFETY: a plain system call.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if socket == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(io::Error::other)?;
    let mut name = libc::sockaddr_un { sun_family: family, sun_path: [0; 108] };
    if path.len() >= name.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.sun_path.iter_mut().zip(path.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    loop {
        match connect(&socket, &name) {
            Ok(()) => return Ok(socket.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error),
        }
    }
}

/// The user at the other end of a Unix socket.
pub(crate) fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes into the local.
    let got = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, std::ptr::from_mut(&mut credentials).cast(), &raw mut length)
    };
    if got == 0 { Ok(credentials.uid) } else { Err(io::Error::last_os_error()) }
}
