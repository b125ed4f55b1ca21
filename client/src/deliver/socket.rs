//! Delivery to the local agent's Unix socket: one line `PINNACE/1 NAME FORMAT LENGTH`, the payload, and the agent's `OK`.

use crate::{
    failure::Failure,
    sys::socket::{Timed, connect_unix, peer_uid},
};
use protocol::reason::Reason;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Instant,
};

const REPLY_BYTES_MAX: u64 = 256;

/// Connects to whoever listens, if it is the right user.
pub(crate) fn reach(path: &str, uid: Option<u32>, until: Instant) -> Result<UnixStream, Failure> {
    let absent = |error| Failure::io(Reason::DeliverySocketAbsent, path, &error);
    let stream = connect_unix(path, until).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Failure::io(Reason::DeliveryNotAcknowledged, path, &error),
        _ => absent(error),
    })?;
    let peer = peer_uid(&stream).map_err(absent)?;
    if let Some(uid) = uid.filter(|uid| *uid != peer) {
        return Err(Failure::new(Reason::DeliverySocketPeer, format!("{path} is served by user {peer}, and the site names {uid}")));
    }
    Ok(stream)
}

/// Hands the payload over.
pub(crate) fn hand_over(path: &str, uid: Option<u32>, name: &str, format: &str, payload: &[u8], until: Instant) -> Result<(), Failure> {
    let stream = reach(path, uid, until)?;
    let mut stream = Timed { stream, deadline: until };
    let mut message = format!("PINNACE/1 {name} {format} {}\n", payload.len()).into_bytes();
    message.extend(payload);
    let mut reply = Vec::new();
    let exchanged = stream.write_all(&message).and_then(|()| {
        let mut byte = [0];
        while !reply.ends_with(b"\n") && u64::try_from(reply.len()).is_ok_and(|length| length < REPLY_BYTES_MAX) && stream.read(&mut byte)? == 1 {
            reply.extend(byte);
        }
        Ok(())
    });
    exchanged.map_err(|error| Failure::io(Reason::DeliveryNotAcknowledged, path, &error))?;
    if reply == b"OK\n" { Ok(()) } else { Err(Failure::new(Reason::DeliveryNotAcknowledged, format!("{path}: the agent did not answer OK"))) }
}
