//! A TCP server that follows a script, and remembers who came and what was asked.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any run: a peer that holds a connection gives up by then.
pub const FOREVER: Duration = Duration::from_secs(30);

/// What a peer does with one connection; an error ends the connection and nothing else.
pub type Script = Arc<dyn Fn(&mut Call) -> io::Result<()> + Send + Sync>;

/// Makes a script.
pub fn script(act: impl Fn(&mut Call) -> io::Result<()> + Send + Sync + 'static) -> Script {
    Arc::new(act)
}

/// One connection.
#[derive(Debug)]
pub struct Call {
    /// The bare connection.
    pub stream: TcpStream,
    /// Counted from 1.
    pub number: usize,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    heads: Mutex<Vec<String>>,
}

/// A listener that lives as long as the test program.
#[derive(Debug)]
pub struct Peer {
    /// Its port.
    pub port: u16,
    seen: Arc<Seen>,
}

impl Peer {
    /// Listens on 127.0.0.1, and plays the script for every connection in a thread of its own.
    #[must_use]
    pub fn start(script: &Script) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// The same on another address.
    #[must_use]
    pub fn at(address: SocketAddr, script: &Script) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let seen = Arc::new(Seen::default());
        let (script, remembered) = (Arc::clone(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = remembered.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let _ = stream.set_read_timeout(Some(FOREVER));
                let _ = stream.set_nodelay(true);
                let mut call = Call { stream, number, seen: Arc::clone(&remembered) };
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(&mut call));
            }
        });
        Self { port, seen }
    }

    /// How many came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The head of every request that was read, in order.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().expect("no script panics here").clone()
    }

    /// The first line of every request that was read, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().expect("no script panics here").clone()
    }
}

impl Call {
    /// Reads a request's head and remembers its first line; gives that line.
    ///
    /// # Errors
    /// When the connection ends first.
    pub fn request(&self, from: &mut impl Read) -> io::Result<String> {
        let head = read_head(from)?;
        self.seen.heads.lock().expect("no script panics here").push(head.clone());
        let line = head.lines().next().unwrap_or_default().to_owned();
        self.seen.requests.lock().expect("no script panics here").push(line.clone());
        Ok(line)
    }

    /// Makes the connection end with RST when it is closed.
    pub fn reset(&self) {
        reset_on_close(&self.stream);
    }

    /// Holds the connection open, reading what comes, until the other side leaves.
    pub fn hold(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest), Ok(1..)) {}
    }
}

/// Reads up to the empty line that ends a head.
///
/// # Errors
/// When the connection ends first.
pub fn read_head(from: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Writes one byte a second.
///
/// # Errors
/// When the other side has left.
pub fn drip(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        to.write_all(&[*byte])?;
        to.flush()?;
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// A port whose queue is full: a connection to it is never answered.
#[derive(Debug)]
pub struct BlackHole {
    /// Its port on 127.0.0.1.
    pub port: u16,
    _queue: (TcpListener, TcpStream),
}

impl BlackHole {
    /// Listens for nobody.
    #[must_use]
    #[expect(unsafe_code, reason = "the standard library chooses the length of the queue itself")]
    pub fn open() -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        // SAFETY: a plain system call on a socket that listens already.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0, "listen: {}", io::Error::last_os_error());
        let address = listener.local_addr().expect("a bound socket");
        let first = TcpStream::connect(address).expect("the one place in the queue");
        Self { port: address.port(), _queue: (listener, first) }
    }
}

#[expect(unsafe_code, reason = "the standard library has no stable SO_LINGER")]
fn reset_on_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = libc::socklen_t::try_from(size_of::<libc::linger>()).expect("a small structure");
    // SAFETY: the option is a linger structure of that length, and lives during the call.
    let set = unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), length) };
    assert_eq!(set, 0, "SO_LINGER: {}", io::Error::last_os_error());
}
