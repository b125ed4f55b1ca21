//! A TCP relay that remembers what passed, so that a test can look for a credential on the wire.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A relay on a port of its own.
pub(crate) struct Wire {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// Relays to this port on 127.0.0.1 for as long as the test lives.
    pub(crate) fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) else { continue };
                let (client_half, server_half) = (client.try_clone().expect("a descriptor"), server.try_clone().expect("a descriptor"));
                let (up, down) = (Arc::clone(&record), Arc::clone(&record));
                std::thread::spawn(move || pass(client, server, &up));
                std::thread::spawn(move || pass(server_half, client_half, &down));
            }
        });
        Self { port, seen }
    }

    /// Whether these bytes passed in clear.
    pub(crate) fn carried(&self, needle: &[u8]) -> bool {
        let seen = self.seen.lock().expect("no relay thread panicked");
        seen.windows(needle.len()).any(|window| window == needle)
    }

    /// How many bytes passed.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.lock().expect("no relay thread panicked").len()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        seen.lock().expect("no relay thread panicked").extend_from_slice(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
