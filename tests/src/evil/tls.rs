//! A real TLS server whose course can be cut at any point.

#![expect(clippy::indexing_slicing, reason = "a peer that panics fails its test, which is right")]

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::authority::{Authority, Shown};
use super::peer::Call;

/// An open TLS connection at the server's end.
pub type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Whose client certificates are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Clients<'a> {
    /// Those of this CA, and no other.
    Of(&'a Authority),
    /// Nobody's.
    Unasked,
}

/// TLS 1.3 as a control plane speaks it.
#[must_use]
pub fn config(shown: &Shown, clients: Clients<'_>) -> Arc<ServerConfig> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&rustls::version::TLS13]).expect("a version");
    let builder = match clients {
        Clients::Unasked => builder.with_no_client_auth(),
        Clients::Of(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate")).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
    };
    Arc::new(builder.with_single_cert(shown.chain.clone(), shown.key()).expect("a certificate and its key"))
}

/// Shakes hands to the end.
///
/// # Errors
/// When the client does not.
pub fn accept(config: &Arc<ServerConfig>, call: &Call) -> io::Result<Tls> {
    let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?, call.stream.try_clone()?);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// Reads the client's hello and gives what the server would send next, unsent.
///
/// # Errors
/// When no hello comes.
pub fn first_flight(config: &Arc<ServerConfig>, stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while !tls.wants_write() {
        if tls.read_tls(stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tls.process_new_packets().map_err(io::Error::other)?;
    }
    let mut flight = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut flight)?;
    }
    Ok(flight)
}

/// The first record of a flight.
#[must_use]
pub fn first_record(flight: &[u8]) -> &[u8] {
    let length = flight.get(3..5).map_or(0, |bytes| usize::from(bytes[0]) << 8 | usize::from(bytes[1]));
    flight.get(..5 + length).unwrap_or(flight)
}

/// Reads one TLS record, such as the client's hello, whatever is in it.
///
/// # Errors
/// When none comes.
pub fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; usize::from(head[3]) << 8 | usize::from(head[4])];
    stream.read_exact(&mut body)?;
    Ok([&head[..], &body].concat())
}

/// Says goodbye as TLS wants it.
///
/// # Errors
/// When the client has left.
pub fn close(tls: &mut Tls) -> io::Result<()> {
    tls.conn.send_close_notify();
    tls.flush()?;
    tls.sock.shutdown(std::net::Shutdown::Write)
}
