//! One connection to a verified control plane.

use crate::{
    failure::Failure,
    net::{
        http,
        tls::{self, Identity, Pinned},
    },
    run::now,
    sys::socket::Timed,
};
use protocol::{
    hex_decode, hex_encode,
    reason::Reason,
    site::{Endpoint, Site},
    time::{TimeAnswer, message},
};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ED25519, UnparsedPublicKey},
};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    sync::Arc,
    time::Instant,
};

/// An open connection over which requests may go.
pub(crate) struct Session {
    stream: StreamOwned<ClientConnection, Timed<TcpStream>>,
    authority: String,
    /// This host's clock minus the proved time, when it had to be proved.
    pub(crate) skew: i64,
}

impl Session {
    /// Shakes hands, and has the time proved if this host's clock is in doubt; nothing else is sent before.
    pub(crate) fn open(stream: TcpStream, endpoint: &Endpoint, site: &Site, identity: &Identity, until: Instant) -> Result<Self, Failure> {
        let (config, pinned) = tls::config(site, identity)?;
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| Failure::new(Reason::SiteInvalid, "an endpoint's host is no name"))?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| Failure::new(tls::reason_of(&error), error.to_string()))?;
        let mut stream = StreamOwned::new(connection, Timed { stream, deadline: until });
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| handshake_failure(&error))?;
        }
        let mut session = Self { stream, authority: format!("{}:{}", endpoint.host, endpoint.port), skew: 0 };
        if pinned.doubts_the_clock() {
            session.prove_the_time(site, &pinned)?;
        }
        Ok(session)
    }

    /// The body of a 200.
    pub(crate) fn get(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        http::get(&mut self.stream, &self.authority, path, answer_failure)
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
