//! Every parser of the pure crates, fed 200,000 mutated inputs from a fixed seed: none panics, and what is read back is the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use core::net::IpAddr;
use host::{
    accept, candidates, dns, due, formats, host_file,
    key_files::{SshCertificate, openssh_seed},
    outbox::Outbox,
    refused, resolver_files, state, trial,
};
use protocol::{
    answer::Answer,
    event::{Report, Taken},
    identity::HostId,
    json,
    membership::{Identity, KeyRequest, Request, Whoami},
    refusal::Refusal,
    release::Assignment,
    site::{self, Format, Site},
    time::TimeAnswer,
};

const INPUTS: usize = 200_000;
const SITE: &str = r#"{"version":1,"name":"demo","trust_domain":"example.org","endpoints":[{"host":"cp.example.org","port":8443,"addresses":["192.0.2.10"]}],"roots_pem":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n","time_keys":[],"state_dir":"/s","host_file":"/h","deadline_seconds":10,"proxy":null,"credentials":[]}"#;
const ANSWER: &str = r#"{"version":1,"credential":"db","kind":"secret","subject":"spiffe://example.org/host/a","issued_at":100,"expires_at":160,"expires_in":60,"fetch_after":30,"fetch_window":6,"fields":{"AccessKeyId":"a","SecretAccessKey":"b"}}"#;
const TOKEN: &str = r#"{"version":1,"credential":"db","kind":"jwt","subject":"spiffe://example.org/host/a","issued_at":100,"expires_at":160,"expires_in":60,"fetch_after":30,"fetch_window":6,"token":"e30.eyJzdWIiOiJhIn0.c2ln"}"#;
const TEXTS: [&str; 16] = [
    r#"{"candidate":"7-abababababababababababababababababababababababababababababababab","runs":6,"seconds":60,"started_at":1,"run":3,"tries_left":2,"clean":1,"bad":9,"good":0,"rehearsed":false}"#,
    r#"{"name":"0123456789abcdef","newest":2,"dropped":0,"events":[{"number":2,"at":1,"code":"ok","outcome":"delivered","elapsed_ms":1,"attempts":1,"generation":0,"verdict":"trial.unfit"}]}"#,
    r#"{"version":1,"outbox":"0123456789abcdef","now":1,"dropped":0,"facts":{"os":"rhel7"},"events":[{"number":1,"at":1,"code":"ok","outcome":"x","elapsed_ms":1,"phases":{"tls_ms":1},"attempts":1,"generation":0,"crossovers":[{"release":"abababababababababababababababababababababababababababababababab","run":1,"crossover":0,"pair":"void","code":"ok"}]}]}"#,
    r#"{"version":1,"target":"pinnace/8/pinnace-x86_64","trial":{"runs":6,"seconds":600},"pulled":["abababababababababababababababababababababababababababababababab"]}"#,
    r#"{"version":1,"code":"policy.denied","error":"e","because":"b","hint":"\u00e9\ud83d\ude00"}"#,
    r#"{"version":1,"time":1,"nonce":"0123456789abcdef","key":"00","signature":"00"}"#,
    r#"{"last_good":[{"host":"cp","address":"::1"}],"last_run_at":-9223372036854775808,"last_code":"ok","last_success_at":9223372036854775807,"clock_skew":0,"pending":["db"]}"#,
    r#"{"version":1,"host":"a","key":"0707070707070707070707070707070707070707070707070707070707070707","proof":"00","token":"0123456789abcdef"}"#,
    r#"{"version":1,"subject":"spiffe://a/host/b","certificates":"-","issued_at":1,"expires_at":2}"#,
    r#"{"version":1,"subject":"s","status":"active","labels":{"a":"b"},"credentials":["c"],"certificate_expires_at":1,"time":2}"#,
    "# x\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\noptions rotate\n",
    "127.0.0.1 localhost\n192.0.2.1 cp.example.org # cp\n",
    "root:x:0:0::/:\nagent:x:77:88::/:\n",
    "proxy = \"[2001:db8::1]:3128\"\ndeadline_seconds = 10\nstate_dir = \"/s\" # y\n",
    "spiffe://example.org/host/web-1",
    "[[[[[[[[[[[[[[[[[[-1e5]]]]]]]]]]]]]]]]]]",
];
const WORDS: [&[u8]; 12] = [
    b"-9223372036854775808",
    b"9223372036854775807",
    b"99999999999999999999",
    b"\\ud800",
    b"\"",
    b"{",
    b"[",
    b"\xC0\x0C",
    b"\xFF\xFF",
    b"\0",
    b"=",
    b"%",
];

/// SplitMix64: the same inputs on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap()
    }

    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..self.roll(6) {
            let at = self.roll(bytes.len() + 1);
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => drop(bytes.splice(at..at, WORDS[self.roll(WORDS.len())].iter().copied())),
                3 => drop(bytes.splice(at..(at + 4).min(bytes.len()), WORDS[self.roll(WORDS.len())].iter().copied())),
                4 => bytes.extend_from_within(at..(at + 40).min(bytes.len())),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.byte()),
            }
        }
        bytes
    }

    fn noise(&mut self) -> Vec<u8> {
        (0..self.roll(96)).map(|_| self.byte()).collect()
    }
}

fn packet() -> Vec<u8> {
    let mut packet = dns::query(7, "cp.example.org", dns::Family::V4).unwrap();
    packet[2] = 0x81;
    packet[7] = 3;
    packet.extend([0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'x', 0xC0, 15]);
    packet.extend([1, b'x', 0xC0, 15, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    packet.extend([0xC0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet
}

/// As much of an OpenSSH certificate as is read.
fn certificate() -> Vec<u8> {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    [string(b"ssh-ed25519-cert-v01@openssh.com"), string(b"nonce"), string(&[7; 32]), vec![0; 12], string(b"id"), string(b"root"), vec![1; 16]]
        .concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let site = Site::from_json(SITE).unwrap();
    let held = format!("{{\"received_at\":5,\"answer\":{ANSWER}}}");
    let mut region = site::encode_region(&site).unwrap();
    region.truncate(24 + site.to_json().len());
    let mut seeds = vec![packet(), certificate(), region, state::seal(&held), held.into_bytes()];
    seeds.extend([SITE, ANSWER, TOKEN].iter().chain(&TEXTS).map(|text| text.as_bytes().to_vec()));
    seeds
}

fn feed(bytes: &[u8], number: i64, site: &Site) {
    for family in [dns::Family::V4, dns::Family::V6] {
        if let Ok(dns::Reply::Addresses(addresses)) = dns::reply(bytes, 7, "cp.example.org", family) {
            assert!((1..=16).contains(&candidates::order("h", &addresses).len()));
        }
    }
    assert!(resolver_files::nameservers(bytes).len() <= 3);
    let _: Vec<IpAddr> = resolver_files::hosts(bytes, "cp.example.org");
    let _ = resolver_files::id_of(bytes, "agent");
    let _ = state::open(bytes);
    let _ = state::Memory::from_json(bytes).map(|memory| assert_eq!(state::Memory::from_json(memory.to_json().as_bytes()), Some(memory)));
    let _ = trial::Trial::from_json(bytes).map(|read| {
        let _ = (read.verdict(number), read.first("a", number));
        assert_eq!(trial::Trial::from_json(read.to_json().as_bytes()), Some(read));
    });
    let _ = trial::Probation::from_json(bytes).map(|mut read| read.rescued("7-a", Some(number), number));
    let _ = Outbox::from_json(bytes).map(|read| assert_eq!(Outbox::from_json(read.to_json().as_bytes()), Some(read)));
    let _ = Report::from_json(bytes, "a").map(|read| assert_eq!(Report::from_json(read.to_json().as_bytes(), "a"), Some(read)));
    let _ = Assignment::from_json(bytes).map(|read| assert_eq!(Assignment::from_json(read.to_json().as_bytes()), Some(read)));
    let _ = Taken::from_json(bytes);
    if let Ok(value) = json::parse(bytes) {
        assert_eq!(json::parse(value.to_string().as_bytes()), Ok(value));
    }
    let _ = (Request::from_json(bytes), KeyRequest::from_json(bytes), SshCertificate::from_blob(bytes));
    let _ = Identity::from_json(bytes).map(|read| assert_eq!(Identity::from_json(read.to_json().as_bytes()), Some(read)));
    let _ = Whoami::from_json(bytes).map(|read| assert_eq!(Whoami::from_json(read.to_json().as_bytes()), Some(read)));
    let _ = Refusal::from_json(bytes).map(|refusal| refused::reason_of(403, &refusal.code));
    let _ = (TimeAnswer::from_json(bytes), site::decode_region(bytes));
    if let Ok(answer) = Answer::from_json(bytes) {
        assert_eq!(Answer::from_json(answer.to_json().as_bytes()).as_ref(), Ok(&answer));
        consume(&answer, number);
        let _ = accept::accept(bytes, "db", "spiffe://example.org/host/a", Some(&answer));
    }
    if let Some(held) = state::held_from_json(bytes) {
        consume(&held.answer, held.received_at);
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = (
            SshCertificate::parse(text),
            openssh_seed(text),
            HostId::parse(text),
            protocol::hex_decode(text),
            protocol::base64url_decode(text),
            dns::query(1, text, dns::Family::V6),
        );
        let _ = (site::host_and_port(text), host_file::apply(text, &mut site.clone()));
        if let Ok(read) = Site::from_json(text) {
            assert_eq!(Site::from_json(&read.to_json()), Ok(read));
        }
    }
}

fn consume(answer: &Answer, received_at: i64) {
    for format in Format::ALL {
        let _ = formats::render(format, answer, "ROOT");
    }
    for fetch_after in [i64::MIN, i64::MAX, answer.fetch_after] {
        let held = due::Held { answer: Answer { fetch_after, ..answer.clone() }, received_at };
        ask_when(&held);
    }
}

fn ask_when(held: &due::Held) {
    for now in [i64::MIN, -1, 0, 51, 1_795_000_000, i64::MAX] {
        let _ = (due::due(Some(held), "h", now), due::remaining(held, now), protocol::time::rfc3339(now));
    }
}

#[test]
fn no_input_makes_a_parser_panic() {
    let seeds = seeds();
    let site = Site::from_json(SITE).unwrap();
    let mut dice = Dice(0x5049_4e4e);
    for round in 0..INPUTS {
        let bytes = if round % 8 == 0 { dice.noise() } else { dice.mutate(&seeds[round % seeds.len()]) };
        let number = [i64::MIN, -1, 0, 50, i64::MAX][dice.roll(5)];
        feed(&bytes, number, &site);
    }
}
