//! One run of one host: attempts inside its deadline, each over a connection of its own.

use crate::{fleet::Fleet, report::Outcome};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::timeout_at,
};
use tokio_rustls::TlsConnector;

const ANSWER_BYTES_MAX: usize = 65_536;
/// Source addresses, so that there are ports enough for hosts that really have an address each.
const ADDRESSES: u32 = 64;

/// Whether the run brought the credential.
pub(crate) async fn run(fleet: &Fleet, server: SocketAddr, credential: &str, number: u32, deadline: Instant, outcome: &mut Outcome) -> bool {
    let started = Instant::now();
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    for attempt in 1.. {
        let answer = timeout_at(deadline.into(), fetch(fleet, server, credential, number)).await;
        let retry_after = match answer {
            Ok(Ok(Answer { status: 200, .. })) => return true,
            Ok(Ok(Answer { status: 503, retry_after })) => {
                outcome.told_to_return += 1;
                retry_after
            }
            Ok(Ok(_)) => {
                outcome.refused += 1;
                return false;
            }
            Ok(Err(_)) => {
                outcome.broken += 1;
                None
            }
            Err(_) => {
                outcome.late += 1;
                return false;
            }
        };
        let random = (u64::from(number) << 8 | attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let tries = u32::try_from(attempt).unwrap_or(u32::MAX);
        let all = milliseconds(deadline.saturating_duration_since(started));
        let Some(wait) = host::retry::wait_ms(tries, milliseconds(started.elapsed()), all, retry_after, random) else { return false };
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    false
}

struct Answer {
    status: u16,
    retry_after: Option<u64>,
}

async fn fetch(fleet: &Fleet, server: SocketAddr, credential: &str, number: u32) -> io::Result<Answer> {
    let socket = TcpSocket::new_v4()?;
    if server.ip().is_loopback() {
        let [low, ..] = (number % ADDRESSES + 1).to_le_bytes();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, low), 0)))?;
    }
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    let config = fleet.config(number).map_err(io::Error::other)?;
    let mut tls = TlsConnector::from(Arc::new(config)).connect(fleet.server.clone(), stream).await?;
    let request = format!("GET /v1/credentials/{credential} HTTP/1.1\r\nHost: control-plane\r\nPinnace-Held: 0\r\n\r\n");
    tls.write_all(request.as_bytes()).await?;
    tls.flush().await?;
    let mut bytes = Vec::new();
    loop {
        if tls.read_buf(&mut bytes).await? == 0 || bytes.len() > ANSWER_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(answer) = parse(&bytes)? {
            return Ok(answer);
        }
    }
}

/// The answer, once it is whole.
fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()?.parse::<u64>().ok()
    };
    let length = header("content-length").and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let whole = bytes.len() >= head.saturating_add(length);
    Ok(whole.then(|| Answer { status: response.code.unwrap_or(0), retry_after: header("retry-after") }))
}
