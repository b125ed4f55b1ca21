//! A key that a host makes for a credential, and the request that proves it.

use crate::rig::{Domain, Reply, Server, eventually};
use aws_lc_rs::{
    encoding::AsBigEndian,
    signature::{Ed25519KeyPair, KeyPair},
};
use protocol::{
    answer::Answer,
    json::Value,
    membership::{BINDING_BYTES, BINDING_LABEL, Identity, KeyRequest, PublicKey, Purpose, Request, proof_message},
};
use rustls::{ClientConnection, StreamOwned};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    thread,
};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The host's own.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().unwrap())
    }

    /// PKCS#8, PEM.
    pub(crate) fn pem(&self) -> String {
        rcgen::KeyPair::try_from(self.0.to_pkcs8v1().unwrap().as_ref()).unwrap().serialize_pem()
    }

    /// As OpenSSH has it.
    pub(crate) fn openssh(&self) -> String {
        let seed: [u8; 32] = self.0.seed().unwrap().as_be_bytes().unwrap().as_ref().try_into().unwrap();
        let key = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed));
        key.to_openssh(ssh_key::LineEnding::LF).unwrap().to_string()
    }

    /// The credential over this key.
    pub(crate) fn certified(&self, server: &Server, identity: &Path, credential: &str) -> Answer {
        let reply = self.ask(server, identity, credential, "");
        Answer::from_json(reply.body.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}: {reply:?}"))
    }

    /// Asks for it, with `more` members in the request than the protocol knows.
    pub(crate) fn ask(&self, server: &Server, identity: &Path, credential: &str, more: &str) -> Reply {
        let mut stream = server.connect(identity);
        let body = self.request_on(&mut stream, credential).replacen('{', &format!("{{{more}"), 1);
        post(stream, &format!("/v1/credentials/{credential}"), &body)
    }

    /// What such a request says, with the proof of a connection that ends with it.
    pub(crate) fn request(&self, server: &Server, identity: &Path, credential: &str) -> String {
        self.request_on(&mut server.connect(identity), credential)
    }

    fn request_on(&self, stream: &mut Stream, credential: &str) -> String {
        KeyRequest { key: self.public(), proof: self.proof(stream, "credential", credential) }.to_json()
    }

    fn proof(&self, stream: &mut Stream, purpose: &str, subject: &str) -> Vec<u8> {
        stream.flush().unwrap();
        let binding = stream.conn.export_keying_material([0; BINDING_BYTES], BINDING_LABEL.as_bytes(), None).unwrap();
        let message = proof_message(purpose, subject, &protocol::hex_encode(&self.public().0), &binding);
        self.0.sign(message.as_bytes()).as_ref().to_vec()
    }

    /// The answer to a host that comes in with a token.
    pub(crate) fn enrolled(&self, server: &Server, host: &str, token: &str) -> Reply {
        let mut stream = server.connect_as_nobody();
        let proof = self.proof(&mut stream, Purpose::Enroll.name(), host);
        let body = Request { host: host.into(), key: self.public(), proof, token: Some(token.into()) }.to_json();
        post(stream, Purpose::Enroll.path(), &body)
    }

    /// A host's certificate over this key, by the one it has; key and certificate, PEM.
    pub(crate) fn renewed(&self, server: &Server, identity: &Path, host: &str) -> String {
        let mut stream = server.connect(identity);
        let proof = self.proof(&mut stream, Purpose::Renew.name(), host);
        let body = Request { host: host.into(), key: self.public(), proof, token: None }.to_json();
        let reply = post(stream, Purpose::Renew.path(), &body);
        let identity = Identity::from_json(reply.body.as_bytes()).unwrap_or_else(|| panic!("{reply:?}"));
        self.pem() + &identity.certificates
    }
}

fn post(mut stream: Stream, path: &str, body: &str) -> Reply {
    let head = format!("POST {path} HTTP/1.1\r\nHost: cp.example.org\r\nConnection: close\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_lowercase(), body: body.into(), complaint: String::new() }
}

/// A field of an answer.
pub(crate) fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.fields.iter().find_map(|(key, text)| (key == name).then_some(text.as_str())).unwrap()
}

/// Two hosts spend one token at the same moment, again and again, each at its own process.
pub(crate) fn one_token_lets_one_in(domain: &Domain, [one, two]: [&Server; 2]) {
    let admin = domain.path("operators/admin.pem");
    for round in 0..12 {
        let made = one.operate(&admin, "/v1/operators/tokens/create", Some(r#"{"hosts":"*","ttl_seconds":600,"reason":"a test"}"#));
        let token = made.text("token");
        assert!(!token.is_empty(), "{made:?}");
        let name = made.text("name");
        eventually("the token on the other replica", || two.operate(&admin, "/v1/operators/tokens", None).body.contains(&name));
        let outcomes: Vec<u16> = thread::scope(|scope| {
            let come = |server, host: &'static str| {
                let token = token.clone();
                scope.spawn(move || Key::new().enrolled(server, &format!("{host}-{round}"), &token).status)
            };
            let both = [come(one, "web"), come(two, "db")];
            both.into_iter().map(|come| come.join().unwrap()).collect()
        });
        let let_in = outcomes.iter().filter(|status| **status == 200).count();
        assert_eq!(let_in, 1, "round {round}: {outcomes:?}");
    }
    let enrolled = domain.records().iter().filter(|record| record.get("event").and_then(Value::as_str) == Some("enrolled")).count();
    assert_eq!(enrolled, 12);
}
