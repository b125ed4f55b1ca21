//! From a name to addresses: /etc/hosts, the name servers, what worked before, what is stamped. Never the libc's resolver.

use crate::{failure::Failure, site::read_capped, sys::socket};
use host::{
    candidates::order,
    dns::{self, Family, Reply},
    resolver_files,
    state::Memory,
};
use protocol::reason::Reason;
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

/// A hosts file that blocks advertisers has tens of thousands of lines.
const HOSTS_BYTES_MAX: usize = 4 << 20;
const RESOLV_CONF_BYTES_MAX: usize = 65_536;
const DNS_BUDGET: Duration = Duration::from_millis(2_000);
const PATIENCE: Duration = Duration::from_millis(600);

/// Addresses in the order to try, and why the name servers gave none.
pub(crate) struct Candidates {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) failure: Option<Failure>,
}

/// All addresses for a name, best first.
pub(crate) fn resolve(name: &str, port: u16, stamped: &[String], memory: &Memory, host: &str, until: Instant) -> Candidates {
    let mut failure = None;
    let found = match name.parse() {
        Ok(address) => vec![address],
        Err(_) => look_up(name, until).unwrap_or_else(|failed| {
            failure = Some(failed);
            Vec::new()
        }),
    };
    let known = memory.last_good.iter().filter(|(host, _)| host == name).map(|(_, address)| *address).collect::<Vec<_>>();
    let stamped = stamped.iter().filter_map(|address| address.parse().ok()).collect::<Vec<IpAddr>>();
    let mut addresses = Vec::new();
    for address in [order(host, &found), known, order(host, &stamped)].concat() {
        let address = SocketAddr::new(address, port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Candidates { addresses, failure }
}

fn look_up(name: &str, until: Instant) -> Result<Vec<IpAddr>, Failure> {
    let hosts = read_capped("/etc/hosts", HOSTS_BYTES_MAX).map(|file| resolver_files::hosts(&file, name)).unwrap_or_default();
    if !hosts.is_empty() {
        return Ok(hosts);
    }
    let servers = read_capped("/etc/resolv.conf", RESOLV_CONF_BYTES_MAX).map(|file| resolver_files::nameservers(&file)).unwrap_or_default();
    let mut failure = Failure::new(Reason::DnsNoServer, "/etc/resolv.conf names no server");
    // Whatever the name servers do, half of the time is left for the addresses that are known without them.
    let budget = DNS_BUDGET.min(until.saturating_duration_since(Instant::now()) / 2);
    let patience = PATIENCE.min(budget / u32::try_from(servers.len().max(1)).unwrap_or(1));
    let until = Instant::now() + budget;
    for server in servers.iter().chain(&servers) {
        match ask(*server, name, until.min(Instant::now() + patience)) {
            Ok(addresses) => return Ok(addresses),
            Err(failed) => failure = failed,
        }
        if Instant::now() >= until || failure.reason == Reason::DnsNotFound {
            break;
        }
    }
    Err(failure)
}

/// Asks one server for both families at once.
fn ask(server: IpAddr, name: &str, until: Instant) -> Result<Vec<IpAddr>, Failure> {
    let failed = |error: &std::io::Error| Failure::io(Reason::DnsTimeout, &format!("name server {server}"), error);
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let udp = UdpSocket::bind(any).and_then(|udp| udp.connect((server, 53)).and_then(|()| udp.set_nonblocking(true)).map(|()| udp));
    let udp = udp.map_err(|error| failed(&error))?;
    let [a, b, c, d, ..] = crate::net::random().to_le_bytes();
    let questions = [(Family::V4, u16::from_le_bytes([a, b])), (Family::V6, u16::from_le_bytes([c, d]))];
    for (family, id) in questions {
        let query = dns::query(id, name, family).ok_or_else(|| Failure::new(Reason::DnsNotFound, format!("{name} is not a DNS name")))?;
        udp.send(&query).map_err(|error| failed(&error))?;
    }
    let mut open = questions.to_vec();
    let mut addresses = Vec::new();
    let mut failure = Failure::new(Reason::DnsTimeout, format!("name server {server} did not answer"));
    let mut packet = [0; 4096];
    while !open.is_empty() {
        // A flood of packets that answer nothing must end too.
        if Instant::now() >= until || socket::wait(udp.as_raw_fd(), libc::POLLIN, until).is_err() {
            break;
        }
        let length = match udp.recv(&mut packet) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(failed(&error)),
        };
        let packet = packet.get(..length).unwrap_or_default();
        let answered = open
            .iter()
            .position(|(family, id)| !matches!(dns::reply(packet, *id, name, *family), Err(dns::Malformed::WrongId | dns::Malformed::WrongQuestion)));
        let Some(answered) = answered else { continue };
        let (family, id) = open.swap_remove(answered);
        match settle(server, name, family, id, dns::reply(packet, id, name, family), until) {
            Ok(found) => addresses.extend(found),
            Err(failed) => failure = failed,
        }
    }
    if addresses.is_empty() { Err(failure) } else { Ok(addresses) }
}

fn settle(server: IpAddr, name: &str, family: Family, id: u16, reply: Result<Reply, dns::Malformed>, until: Instant) -> Result<Vec<IpAddr>, Failure> {
    let failure = |reason, because: String| Err(Failure::new(reason, because));
    match reply {
        Ok(Reply::Addresses(addresses)) => Ok(addresses),
        Ok(Reply::NameNotFound) => failure(Reason::DnsNotFound, format!("name server {server} does not know {name}")),
        Ok(Reply::ServerFailure(code)) => failure(Reason::DnsServerFailure, format!("name server {server} answers with code {code}")),
        Ok(Reply::NoAddress) => failure(Reason::DnsNoAddress, format!("name server {server} has no address for {name}")),
        Ok(Reply::Truncated) => match over_tcp(server, name, family, id, until) {
            Some(Ok(Reply::Truncated)) | None => {
                failure(Reason::DnsTimeout, format!("name server {server} cuts its answer and does not answer over TCP"))
            }
            Some(reply) => settle(server, name, family, id, reply, until),
        },
        Err(_) => failure(Reason::DnsMalformed, format!("name server {server} answers with something else")),
    }
}

fn over_tcp(server: IpAddr, name: &str, family: Family, id: u16, until: Instant) -> Option<Result<Reply, dns::Malformed>> {
    let (stream, _) = socket::race(&[SocketAddr::new(server, 53)], until).ok()?;
    let mut stream = socket::Timed { stream, deadline: until };
    let query = dns::query(id, name, family)?;
    let mut message = u16::try_from(query.len()).ok()?.to_be_bytes().to_vec();
    message.extend(query);
    stream.write_all(&message).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).ok()?;
    Some(dns::reply(&packet, id, name, family))
}
