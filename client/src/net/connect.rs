//! A TCP connection: direct, or through the one proxy that the site or host file names (HTTP CONNECT, RFC 9110 section 9.3.6).

use crate::{failure::Failure, net::resolve::resolve, sys::socket};
use host::state::Memory;
use httparse::Status::Complete;
use protocol::{
    reason::Reason,
    site::{Endpoint, host_and_port},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

const PROXY_HEAD_BYTES_MAX: usize = 8_192;

/// Connects to the first address that answers.
pub(crate) fn direct(addresses: &[SocketAddr], until: Instant) -> Result<(TcpStream, SocketAddr), Failure> {
    socket::race(addresses, until).map_err(|error| {
        let tried = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Failure::io(reason_of(&error), &format!("connect to {tried}"), &error)
    })
}

fn reason_of(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::TimedOut => Reason::ConnectTimeout,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Reason::ConnectRefused,
        ErrorKind::PermissionDenied => Reason::ConnectDenied,
        _ => Reason::ConnectUnreachable,
    }
}

/// Connects to an endpoint through a proxy.
pub(crate) fn through(proxy: &str, endpoint: &Endpoint, memory: &mut Memory, host: &str, until: Instant) -> Result<(TcpStream, SocketAddr), Failure> {
    let (name, port) = host_and_port(proxy).ok_or_else(|| Failure::new(Reason::HostFileInvalid, "proxy is not host:port"))?;
    let candidates = resolve(name, port, &[], memory, host, until);
    let unreachable = |because: String| Failure::new(Reason::ProxyUnreachable, format!("proxy {proxy}: {because}"));
    if candidates.addresses.is_empty() {
        return Err(unreachable(candidates.failure.map_or_else(String::new, |failure| failure.because)));
    }
    let (stream, address) = direct(&candidates.addresses, until).map_err(|failure| unreachable(failure.because))?;
    memory.remember(name, address.ip());
    let mut stream = socket::Timed { stream, deadline: until };
    let target =
        if endpoint.host.contains(':') { format!("[{}]:{}", endpoint.host, endpoint.port) } else { format!("{}:{}", endpoint.host, endpoint.port) };
    let head = write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").and_then(|()| read_head(&mut stream));
    let head = head.map_err(|error| unreachable(error.to_string()))?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match (response.parse(&head), response.code) {
        (Ok(Complete(_)), Some(200..=299)) => Ok((stream.stream, address)),
        (Ok(Complete(_)), Some(407)) => Err(Failure::new(Reason::ProxyAuthentication, format!("proxy {proxy} answers 407"))),
        (Ok(Complete(_)), Some(code)) => Err(Failure::new(Reason::ProxyRefused, format!("proxy {proxy} answers {code} to CONNECT {target}"))),
        _ => Err(Failure::new(Reason::ProxyMalformed, format!("proxy {proxy} does not answer in HTTP"))),
    }
}

/// Reads a head byte by byte, so that nothing of what follows is taken away.
fn read_head(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < PROXY_HEAD_BYTES_MAX {
        let mut byte = [0];
        match stream.read(&mut byte)? {
            0 if head.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            0 => break,
            _ => head.extend(byte),
        }
        let junk = !head.starts_with(b"HTTP/1.".get(..head.len().min(7)).unwrap_or_default());
        if junk {
            break;
        }
    }
    Ok(head)
}
