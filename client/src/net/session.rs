//! One connection to a verified control plane.

use crate::{
    failure::Failure,
    identity::Identity,
    net::{
        http::{self, Request},
        tls::{self, Pinned, Setup},
    },
    run::now,
    sys::socket::Timed,
};
use protocol::{
    hex_decode, hex_encode,
    membership::{BINDING_BYTES, BINDING_LABEL},
    reason::Reason,
    site::{Endpoint, Site},
    time::{TimeAnswer, message},
};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ED25519, UnparsedPublicKey},
};
use rustls::{ClientConnection, pki_types::ServerName};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Instant,
};

/// An open connection over which requests may go.
pub(crate) struct Session {
    stream: TlsStream,
    authority: String,
    /// This host's clock minus the proved time, when it had to be proved.
    pub(crate) skew: i64,
    is_proxied: bool,
}

impl Session {
    /// Shakes hands, and has the time proved if this host's clock is in doubt; nothing else is sent before.
    pub(crate) fn open(stream: TcpStream, endpoint: &Endpoint, site: &Site, identity: Option<&Identity>, until: Instant) -> Result<Self, Failure> {
        let setup = Setup::new(identity.is_some())?;
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| Failure::new(Reason::SiteInvalid, "an endpoint's host is no name"))?;
        let tls = ClientConnection::new(Arc::clone(&setup.config), name).map_err(|error| tls_failure(&error))?;
        let mut stream = TlsStream { tls, socket: Timed { stream, deadline: until } };
        // What the answer is judged by is made ready while the server is at work.
        stream.flush().map_err(|error| handshake_failure(&error))?;
        setup.prepare(site, identity)?;
        stream.shake_hands()?;
        let mut session = Self { stream, authority: format!("{}:{}", endpoint.host, endpoint.port), skew: 0, is_proxied: site.proxy.is_some() };
        if setup.pinned.doubts_the_clock() {
            session.prove_the_time(site, &setup.pinned)?;
        }
        Ok(session)
    }

    /// The body of a 200.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        self.send(&Request::get(path))
    }

    /// The body of a 200.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Failure> {
        http::exchange(&mut self.stream, &self.authority, request, answer_failure)
    }

    /// What binds a proof to this connection (RFC 9266).
    pub(crate) fn binding(&self) -> Result<[u8; BINDING_BYTES], Failure> {
        let bound = self.stream.tls.export_keying_material([0; BINDING_BYTES], BINDING_LABEL.as_bytes(), None);
        bound.map_err(|error| tls_failure(&error))
    }

    /// A number that no other connection has, without asking the kernel for one.
    pub(crate) fn number(&self) -> u64 {
        let number = self.stream.tls.export_keying_material([0; 8], b"EXPORTER-pinnace-outbox", None);
        number.map_or_else(|_| super::random(), u64::from_be_bytes)
    }

    /// How this host comes out: `proxy`, `ipv4` or `ipv6`.
    pub(crate) fn egress(&self) -> &'static str {
        match self.stream.socket.stream.peer_addr() {
            _ if self.is_proxied => "proxy",
            Ok(address) if address.is_ipv6() => "ipv6",
            _ => "ipv4",
        }
    }

    /// Gives what follows until then.
    pub(crate) fn until(&mut self, deadline: Instant) {
        self.stream.socket.deadline = deadline;
    }

    /// Until when what follows must be done.
    pub(crate) fn deadline(&self) -> Instant {
        self.stream.socket.deadline
    }

    fn prove_the_time(&mut self, site: &Site, pinned: &Pinned) -> Result<(), Failure> {
        let unproven = |because: &str| Failure::new(Reason::ClockUnproven, format!("this host says {}, and {because}", now()));
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Failure::new(Reason::NoEntropy, "no nonce"))?;
        let nonce = hex_encode(&nonce);
        let body = self.get(&format!("/v1/time?nonce={nonce}")).map_err(|failure| unproven(&failure.because))?;
        let answer = TimeAnswer::from_json(&body).ok_or_else(|| unproven("the answer is no signed time"))?;
        let known = site
            .time_keys
            .iter()
            .find(|key| key.eq_ignore_ascii_case(&answer.key))
            .ok_or_else(|| unproven("the time is signed by an unknown key"))?;
        let (key, signature) = (hex_decode(known).unwrap_or_default(), hex_decode(&answer.signature).unwrap_or_default());
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message(&nonce, answer.time).as_bytes(), &signature)
            .map_err(|_| unproven("the time's signature does not hold over this nonce"))?;
        pinned
            .check_at(answer.time)
            .map_err(|error| Failure::new(Reason::TlsCertificateExpired, format!("at the proved time {}: {error}", answer.time)))?;
        self.skew = now().saturating_sub(answer.time);
        Ok(())
    }
}

/// A TLS connection that sends nothing before it is asked to: the end of the handshake leaves with the first request.
struct TlsStream {
    tls: ClientConnection,
    socket: Timed<TcpStream>,
}

impl TlsStream {
    fn shake_hands(&mut self) -> Result<(), Failure> {
        while self.tls.is_handshaking() {
            self.flush().map_err(|error| handshake_failure(&error))?;
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(handshake_failure(&ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(handshake_failure(&error)),
            }
            if let Err(error) = self.tls.process_new_packets() {
                let _ = self.flush();
                return Err(tls_failure(&error));
            }
        }
        Ok(())
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        rustls::Stream::new(&mut self.tls, &mut self.socket).read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tls.writer().write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

fn tls_failure(error: &rustls::Error) -> Failure {
    Failure::new(tls::reason_of(error), error.to_string())
}

fn handshake_failure(error: &io::Error) -> Failure {
    failure(error, Reason::TlsTimeout, Reason::TlsClosed, "TLS handshake")
}

fn answer_failure(error: &io::Error) -> Failure {
    failure(error, Reason::HttpTimeout, Reason::HttpClosed, "reading the answer")
}

fn failure(error: &io::Error, timeout: Reason, closed: Reason, doing: &str) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = match (tls, error.kind()) {
        (Some(error), _) => tls::reason_of(error),
        (None, ErrorKind::TimedOut) => timeout,
        (None, _) => closed,
    };
    Failure::io(reason, doing, error)
}
