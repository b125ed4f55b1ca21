//! Name servers that fail, lie and stand still. Each case runs twice: with nothing but the name, which must end in a reason of
//! its own, and with a stamped address, which must end in a credential.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tests::evil::dns::{A, AAAA, ANSWER, ASKED, CNAME, OverTcp, OverUdp, Query, TRUNCATED, name, record, say, serve};
use tests::evil::ground::{Ground, Want};
use tests::evil::network::in_private_network;
use tests::evil::peer::Peer;
use tests::evil::rows;
use tests::rig::Site;

use crate::reason;

const NAME: &str = "cp.example.org";
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const ADDRESS: [u8; 4] = [127, 0, 0, 1];
/// Where nobody listens, in the private network.
const NOWHERE: [u8; 4] = [127, 0, 0, 77];

/// A name server, and what a run without a stamped address comes to.
type Case = (fn() -> (OverUdp, OverTcp), Want);

/// The host's `/etc`, with this resolv.conf.
fn etc(ground: &Ground, resolv_conf: Option<&[u8]>) -> PathBuf {
    let etc = ground.rig.path("etc");
    std::fs::create_dir(&etc).expect("the rig's folder");
    if let Some(text) = resolv_conf {
        std::fs::write(etc.join("resolv.conf"), text).expect("the rig's folder");
    }
    etc
}

/// Stamps for the name, with or without an address, and runs once.
fn run(ground: &Ground, stamped: bool, want: Want) {
    let peer = Peer::start(&ground.honest());
    let addresses = if stamped { vec!["127.0.0.1".to_owned()] } else { Vec::new() };
    ground.stamp_with(NAME, peer.port, &Site { endpoints: vec![(NAME.into(), peer.port, addresses)], ..Site::default() });
    ground.expect(want);
    assert_eq!(peer.connections() > 0, matches!(want, Want::Delivered), "who was connected to");
}

fn check(cases: &[(&str, Case)]) {
    let bare = cases.iter().map(|(name, case)| (format!("{name}, no address stamped"), (case.0, false, case.1)));
    let stamped = cases.iter().map(|(name, case)| (format!("{name}, an address stamped"), (case.0, true, Want::Delivered)));
    let named: Vec<(String, _)> = bare.chain(stamped).collect();
    let rows: Vec<(&str, _)> = named.iter().map(|(name, row)| (name.as_str(), *row)).collect();
    rows::check(&rows, |(server, stamped, want)| {
        let ground = Ground::new();
        let etc = etc(&ground, Some(b"nameserver 127.0.0.1\n"));
        in_private_network(&etc, || {
            let (udp, tcp) = server();
            serve(FIRST, udp, tcp);
            run(&ground, *stamped, *want);
        });
    });
}

/// Says over UDP what this function makes of a question; over TCP, the honest answer.
fn udp(packets: fn(&Query) -> Vec<Vec<u8>>) -> (OverUdp, OverTcp) {
    (say(packets), Arc::new(|query| Some(query.honest())))
}

/// An answer to both questions with these records.
fn records(query: &Query, records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    vec![query.answer(ANSWER, records)]
}

#[test]
fn name_servers_that_answer_and_do_not_help() {
    check(&[
        ("an honest one", (|| udp(|query| vec![query.honest()]), Want::Delivered)),
        ("NXDOMAIN", (|| udp(|query| vec![query.answer(ANSWER | 3, &[])]), reason(&["dns.name-not-found"]))),
        ("SERVFAIL", (|| udp(|query| vec![query.answer(ANSWER | 2, &[])]), reason(&["dns.server-failure"]))),
        ("REFUSED", (|| udp(|query| vec![query.answer(ANSWER | 5, &[])]), reason(&["dns.server-failure"]))),
        ("NOTIMP", (|| udp(|query| vec![query.answer(ANSWER | 4, &[])]), reason(&["dns.server-failure"]))),
        ("no address", (|| udp(|query| records(query, &[])), reason(&["dns.no-address"]))),
        (
            "an address of another name",
            (|| udp(|query| records(query, &[record(&name("other.example.org"), A, &ADDRESS)])), reason(&["dns.no-address"])),
        ),
        (
            "an alias without an address",
            (|| udp(|query| records(query, &[alias(NAME, "x.example.org"), alias("x.example.org", "y.example.org")])), reason(&["dns.no-address"])),
        ),
        (
            "aliases in a circle",
            (|| udp(|query| records(query, &[alias(NAME, "x.example.org"), alias("x.example.org", NAME)])), reason(&["dns.no-address"])),
        ),
        ("an alias to an address", (|| udp(alias_to_address), Want::Delivered)),
        ("a wrong address that refuses", (|| udp(|query| records(query, &[record(ASKED, A, &NOWHERE)])), reason(&["connect.refused"]))),
        ("A answered, AAAA never", (|| udp(|query| if query.kind == A { vec![query.honest()] } else { vec![] }), Want::Delivered)),
        (
            "A answered, AAAA refused",
            (|| udp(|query| if query.kind == A { vec![query.honest()] } else { vec![query.answer(ANSWER | 5, &[])] }), Want::Delivered),
        ),
    ]);
}

fn alias(from: &str, to: &str) -> Vec<u8> {
    record(&name(from), CNAME, &name(to))
}

fn alias_to_address(query: &Query) -> Vec<Vec<u8>> {
    let mut answer = vec![alias(NAME, "x.example.org")];
    if query.kind == A {
        answer.push(record(&name("X.Example.Org"), A, &ADDRESS));
    }
    records(query, &answer)
}

#[test]
fn answers_that_were_cut() {
    const CUT: u16 = ANSWER | TRUNCATED;
    check(&[
        ("and TCP answers", (|| udp(|query| vec![query.answer(CUT, &[])]), Want::Delivered)),
        ("and TCP is silent", (|| (say(|query| vec![query.answer(CUT, &[])]), Arc::new(|_| None)), reason(&["dns.timeout"]))),
        (
            "and TCP cuts too",
            (|| (say(|query| vec![query.answer(CUT, &[])]), Arc::new(|query| Some(query.answer(CUT, &[])))), reason(&["dns.timeout"])),
        ),
        (
            "and TCP says NXDOMAIN",
            (|| (say(|query| vec![query.answer(CUT, &[])]), Arc::new(|query| Some(query.answer(ANSWER | 3, &[])))), reason(&["dns.name-not-found"])),
        ),
        (
            "and TCP talks nonsense",
            (|| (say(|query| vec![query.answer(CUT, &[])]), Arc::new(|_| Some(vec![0xff; 60_000]))), reason(&["dns.malformed"])),
        ),
    ]);
}

#[test]
fn answers_that_are_not_to_the_question() {
    check(&[
        ("silence", (|| udp(|_| vec![]), reason(&["dns.timeout"]))),
        ("another id", (|| udp(|query| vec![other_id(query.honest())]), reason(&["dns.timeout"]))),
        ("another id, then the right one", (|| udp(|query| vec![other_id(lie(query)), query.honest()]), Want::Delivered)),
        ("another id, without end", (|| (Arc::new(flood), Arc::new(|_| None)), reason(&["dns.timeout"]))),
        ("another question", (|| udp(|query| vec![other_question(query.honest())]), reason(&["dns.timeout"]))),
        ("from another port", (|| (Arc::new(from_another_port), Arc::new(|_| None)), reason(&["dns.timeout"]))),
        ("a question", (|| udp(|query| vec![query.packet.clone()]), reason(&["dns.timeout", "dns.malformed"]))),
        ("garbage", (|| udp(|_| vec![vec![0xa5; 300]]), reason(&["dns.timeout"]))),
        (
            "garbage under the right id",
            (|| udp(|query| vec![[&query.packet[..2], &[0xa5; 300]].concat()]), reason(&["dns.malformed", "dns.timeout"])),
        ),
        ("nothing in a packet", (|| udp(|_| vec![vec![]]), reason(&["dns.timeout"]))),
        ("half a head", (|| udp(|query| vec![query.honest()[..7].to_vec()]), reason(&["dns.malformed"]))),
        (
            "a name that points at itself",
            (|| udp(|query| records(query, &[record(&pointer(query.packet.len()), A, &ADDRESS)])), reason(&["dns.malformed"])),
        ),
        (
            "names that point at each other",
            (
                || udp(|query| records(query, &[record(&pointer(query.packet.len() + 2), A, &pointer(query.packet.len()))])),
                reason(&["dns.malformed"]),
            ),
        ),
        (
            "a name that points out of the packet",
            (|| udp(|query| records(query, &[record(&pointer(0x3ff0), A, &ADDRESS)])), reason(&["dns.malformed"])),
        ),
        ("65535 records that are not there", (|| udp(many), reason(&["dns.malformed"]))),
    ]);
}

fn other_id(mut packet: Vec<u8>) -> Vec<u8> {
    packet[0] ^= 0xff;
    packet
}

fn other_question(mut packet: Vec<u8>) -> Vec<u8> {
    packet[13] ^= 1;
    packet
}

fn pointer(at: usize) -> [u8; 2] {
    u16::try_from(0xC000 | at).expect("a small packet").to_be_bytes()
}

/// An address where nobody is.
fn lie(query: &Query) -> Vec<u8> {
    query.answer(ANSWER, &[record(ASKED, A, &NOWHERE)])
}

fn many(query: &Query) -> Vec<Vec<u8>> {
    let mut packet = query.answer(ANSWER, &[]);
    packet[6..8].copy_from_slice(&[0xff, 0xff]);
    vec![packet]
}

fn flood(query: &Query, socket: &UdpSocket, from: SocketAddr) {
    let packet = other_id(query.honest());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let _ = socket.send_to(&packet, from);
        std::thread::sleep(Duration::from_micros(20));
    }
}

fn from_another_port(query: &Query, _: &UdpSocket, from: SocketAddr) {
    let other = UdpSocket::bind((FIRST, 0)).expect("a free port");
    let _ = other.send_to(&query.honest(), from);
}

#[test]
fn a_second_name_server_helps_where_the_first_is_silent() {
    let ground = Ground::new();
    let etc = etc(&ground, Some(b"nameserver 127.0.0.1\nnameserver 127.0.0.2\n"));
    in_private_network(&etc, || {
        let (silent, tcp) = udp(|_| vec![]);
        serve(FIRST, silent, tcp);
        let (honest, tcp) = udp(|query| vec![query.honest()]);
        serve(SECOND, honest, tcp);
        run(&ground, false, Want::Delivered);
    });
}

#[test]
fn three_silent_name_servers_leave_time_for_a_stamped_address() {
    let ground = Ground::new();
    let etc = etc(&ground, Some(b"nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n"));
    in_private_network(&etc, || {
        for last in 1..=3 {
            let (silent, tcp) = udp(|_| vec![]);
            serve(IpAddr::from([127, 0, 0, last]), silent, tcp);
        }
        run(&ground, true, Want::Delivered);
    });
}

#[test]
fn resolver_files_that_are_missing_or_unreadable_or_garbage() {
    type Row = (&'static str, (fn(&Path), &'static [&'static str]));
    const NONE: &[&str] = &["dns.no-server"];
    let rows: [Row; 8] = [
        ("missing", (|_| {}, NONE)),
        ("a directory", (|file| std::fs::create_dir(file).expect("the rig's folder"), NONE)),
        ("empty", (|file| write(file, b""), NONE)),
        ("bytes of no text", (|file| write(file, &[0xff; 5_000]), NONE)),
        ("words that are none", (|file| write(file, b"nameserver\nnameserver one\nserver 127.0.0.1\nnameserver 127.0.0.1.1\n"), NONE)),
        ("a stream without end", (|file| std::os::unix::fs::symlink("/dev/zero", file).expect("the rig's folder"), NONE)),
        ("a pipe that nobody writes to", (|file| tests::rig::check(Command::new("mkfifo").arg(file)), NONE)),
        ("a server that is not there", (|file| write(file, b"nameserver 192.0.2.53\n"), &["dns.timeout"])),
    ];
    let both = rows.iter().flat_map(|(name, row)| [false, true].map(|stamped| (format!("{name}, stamped: {stamped}"), (row, stamped))));
    let both: Vec<(String, _)> = both.collect();
    let rows: Vec<(&str, _)> = both.iter().map(|(name, row)| (name.as_str(), *row)).collect();
    rows::check(&rows, |((prepare, codes), stamped)| {
        let ground = Ground::new();
        let etc = etc(&ground, None);
        prepare(&etc.join("resolv.conf"));
        in_private_network(&etc, || run(&ground, *stamped, if *stamped { Want::Delivered } else { reason(codes) }));
    });
}

fn write(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).expect("the rig's folder");
}

#[test]
fn addresses_that_worked_outlive_the_name_server() {
    let ground = Ground::new();
    let etc = etc(&ground, Some(b"nameserver 127.0.0.1\n"));
    in_private_network(&etc, || {
        let dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let switch = Arc::clone(&dead);
        let mortal = say(move |query| if switch.load(std::sync::atomic::Ordering::SeqCst) { vec![] } else { vec![query.honest()] });
        serve(FIRST, mortal, Arc::new(|_| None));
        let peer = Peer::start(&ground.honest());
        let site = Site { endpoints: vec![(NAME.into(), peer.port, Vec::new())], ..Site::default() };
        ground.stamp_with(NAME, peer.port, &site);
        ground.expect(Want::Delivered);
        dead.store(true, std::sync::atomic::Ordering::SeqCst);
        ground.expect(Want::Delivered);
        assert_eq!(peer.connections(), 2);
    });
}

#[test]
fn a_long_hosts_file_comes_before_every_name_server() {
    let ground = Ground::new();
    let etc = etc(&ground, Some(b"nameserver 127.0.0.1\n"));
    let long = "0.0.0.0 advertisement.example.org\n".repeat(10_000) + "127.0.0.1\tCP.Example.Org # ours\n";
    write(&etc.join("hosts"), long.as_bytes());
    in_private_network(&etc, || {
        let (liar, tcp) = udp(|query| vec![lie(query)]);
        serve(FIRST, liar, tcp);
        run(&ground, false, Want::Delivered);
    });
}

#[test]
fn either_family_of_addresses_is_enough() {
    type Row = (&'static str, fn(&Query) -> Vec<Vec<u8>>);
    let rows: [Row; 3] = [
        ("no address of IPv4", |query| if query.kind == AAAA { loopback_of_ipv6(query) } else { records(query, &[]) }),
        ("no answer for IPv4", |query| if query.kind == AAAA { loopback_of_ipv6(query) } else { vec![] }),
        ("an address of IPv4 where nobody is", |query| if query.kind == AAAA { loopback_of_ipv6(query) } else { vec![lie(query)] }),
    ];
    rows::check(&rows, |answers| {
        let ground = Ground::new();
        let etc = etc(&ground, Some(b"nameserver 127.0.0.1\n"));
        in_private_network(&etc, || {
            let (server, tcp) = udp(*answers);
            serve(FIRST, server, tcp);
            let peer = Peer::at(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), &ground.honest());
            ground.stamp_with("", 0, &Site { endpoints: vec![(NAME.into(), peer.port, Vec::new())], ..Site::default() });
            ground.expect(Want::Delivered);
        });
    });
}

fn loopback_of_ipv6(query: &Query) -> Vec<Vec<u8>> {
    records(query, &[record(ASKED, AAAA, &Ipv6Addr::LOCALHOST.octets())])
}
