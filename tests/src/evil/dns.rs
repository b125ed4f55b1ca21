//! A name server that follows a script, over UDP and TCP.

#![expect(clippy::indexing_slicing, reason = "a peer that panics fails its test, which is right")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

/// Where name servers listen.
const PORT: u16 = 53;
/// RFC 1035 section 3.2.2, and RFC 3596.
pub const A: u16 = 1;
/// An alias.
pub const CNAME: u16 = 5;
/// An address of IPv6.
pub const AAAA: u16 = 28;
/// Flags of an answer: this is one, and recursion is available.
pub const ANSWER: u16 = 0x8180;
/// The flag of an answer that was cut.
pub const TRUNCATED: u16 = 0x0200;

/// One question as it came.
#[derive(Clone, Debug)]
pub struct Query {
    /// All of it.
    pub packet: Vec<u8>,
    /// The type asked for.
    pub kind: u16,
}

/// What happens to a question over UDP: every packet that is sent back.
pub type OverUdp = Arc<dyn Fn(&Query, &UdpSocket, SocketAddr) + Send + Sync>;
/// What happens over TCP: the answer, or silence.
pub type OverTcp = Arc<dyn Fn(&Query) -> Option<Vec<u8>> + Send + Sync>;

/// Serves on port 53 of an address for as long as the test program runs.
///
/// # Panics
/// When the port is taken.
pub fn serve(address: IpAddr, udp: OverUdp, tcp: OverTcp) {
    let socket = UdpSocket::bind((address, PORT)).expect("port 53 of a private network");
    let listener = TcpListener::bind((address, PORT)).expect("port 53 of a private network");
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Some(query) = Query::read(&buffer[..length]) else { continue };
            let (udp, socket) = (Arc::clone(&udp), socket.try_clone().expect("a descriptor"));
            std::thread::spawn(move || udp(&query, &socket, from));
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tcp = Arc::clone(&tcp);
            std::thread::spawn(move || over_tcp(stream, &tcp));
        }
    });
}

fn over_tcp(mut stream: TcpStream, script: &OverTcp) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet)?;
    match Query::read(&packet).and_then(|query| script(&query)) {
        Some(answer) => {
            let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes()[..], &answer].concat())
        }
        None => stream.read_exact(&mut [0; 1]),
    }
}

/// Sends each of these packets to whoever asked.
pub fn say(packets: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static) -> OverUdp {
    Arc::new(move |query, socket, from| {
        for packet in packets(query) {
            let _ = socket.send_to(&packet, from);
        }
    })
}

impl Query {
    fn read(packet: &[u8]) -> Option<Self> {
        let end = packet.len().checked_sub(4).filter(|end| *end > 12)?;
        Some(Self { packet: packet.to_vec(), kind: u16::from_be_bytes([packet[end], packet[end + 1]]) })
    }

    /// An answer with these flags (and the response code in the last four bits) and records.
    #[must_use]
    pub fn answer(&self, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut packet = self.packet.clone();
        packet[2..4].copy_from_slice(&flags.to_be_bytes());
        packet[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes());
        packet.extend(records.concat());
        packet
    }

    /// The answer of an honest server: the loopback as the name's only address.
    #[must_use]
    pub fn honest(&self) -> Vec<u8> {
        let records = if self.kind == A { vec![record(ASKED, A, &[127, 0, 0, 1])] } else { Vec::new() };
        self.answer(ANSWER, &records)
    }
}

/// A pointer to the name in the question.
pub const ASKED: &[u8] = &[0xC0, 12];

/// One record of an answer.
#[must_use]
pub fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [name, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length.to_be_bytes(), data].concat()
}

/// A name as it is in a packet, uncompressed.
#[must_use]
pub fn name(text: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap_or(63)][..], label.as_bytes()].concat();
    text.split('.').flat_map(label).chain([0]).collect()
}
