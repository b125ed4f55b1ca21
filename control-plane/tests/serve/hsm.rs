//! Keys in a PKCS#11 token, which they never leave: SoftHSM2 in place of a hardware module.

use crate::{
    drill::POLICY,
    keyed::{Key, field},
    rig::{Domain, Reply, Server, eventually},
};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use protocol::answer::Answer;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A trust domain and a token of its own with three keys.
struct Safe(Domain);

impl Safe {
    fn new() -> Self {
        let safe = Self(Domain::new());
        let domain = &safe.0;
        fs::create_dir(domain.path("tokens")).unwrap();
        let tokens = domain.path("tokens");
        fs::write(domain.path("softhsm2.conf"), format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display())).unwrap();
        safe.must("softhsm2-util", &["--init-token", "--free", "--label", "pinnace", "--so-pin", "87654321", "--pin", "12345678"]);
        for (label, id, kind) in [("es", "01", "EC:prime256v1"), ("rs", "02", "rsa:2048"), ("ca", "03", "EC:prime256v1")] {
            let key = ["--keypairgen", "--key-type", kind, "--label", label, "--id", id, "--usage-sign"];
            safe.must("pkcs11-tool", &[&["--module", MODULE, "--token-label", "pinnace", "--login", "--pin", "12345678"][..], &key].concat());
        }
        fs::write(domain.path("keys/pin"), "12345678\n").unwrap();
        fs::set_permissions(domain.path("keys/pin"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(domain.path("policy.toml"), POLICY).unwrap();
        safe
    }

    fn configure(&self) {
        let text = fs::read_to_string(self.0.path("pinnaced.toml")).unwrap();
        let token = format!("\n[pkcs11]\nmodule = {MODULE:?}\ntoken_label = \"pinnace\"\npin_file = \"keys/pin\"\n");
        fs::write(self.0.path("pinnaced.toml"), text + &token).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env("SOFTHSM2_CONF", self.0.path("softhsm2.conf"));
        command.output().unwrap_or_else(|error| panic!("{program} is needed (softhsm2, opensc): {error}"))
    }

    fn must(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    fn keys(&self, arguments: &[&str]) -> Output {
        let dir = self.0.dir.display().to_string();
        self.run(env!("CARGO_BIN_EXE_pinnaced"), &[&["keys"], arguments, &["--dir", &dir]].concat())
    }

    fn order(&self, arguments: &[&str]) -> String {
        let output = self.keys(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    fn refused(&self, arguments: &[&str], because: &str) {
        let output = self.keys(arguments);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && words.contains(because) && words.contains("hint: "), "{arguments:?}: {words}");
    }

    fn serve(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinnaced"));
        command.env("SOFTHSM2_CONF", self.0.path("softhsm2.conf"));
        Server::start_as(command, &self.0)
    }
}

/// Whether a process has the module loaded.
fn has_loaded(server: &Server) -> bool {
    fs::read_to_string(format!("/proc/{}/maps", server.child.id())).unwrap().contains("softhsm")
}

fn verified(server: &Server, reply: &Reply) -> String {
    let token = Answer::from_json(reply.body.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}: {reply:?}")).token;
    let keys = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]).body;
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    let header = decode_header(&token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["a"]);
    decode::<serde_json::Value>(&token, &key, &validation).unwrap();
    header.kid.unwrap()
}

#[test]
fn tokens_and_certificates_are_signed_by_keys_that_never_leave_the_token() {
    let safe = Safe::new();
    safe.refused(&["prepare", "--use", "jwt", "--place", "pkcs11:object=es"], "no token is configured");
    safe.configure();
    let server = safe.serve();
    let web = safe.0.host("web-1");
    let fetch = |name: &str| verified(&server, &server.curl(&web, &format!("/v1/credentials/{name}"), &[]));
    let before = [fetch("es"), fetch("rs")];
    assert!(!has_loaded(&server), "the module is loaded before any key needs it");
    let prepared = [("jwt", "ES256", "es"), ("jwt", "RS256", "rs"), ("ca", "ES256", "ca")].map(|(purpose, algorithm, label)| {
        let place = format!("pkcs11:object={label}");
        safe.order(&["prepare", "--use", purpose, "--algorithm", algorithm, "--place", &place])
    });
    for id in &prepared {
        safe.order(&["activate", id, "--force", "--reason", "into the token"]);
    }
    eventually("keys in the token", || fetch("es") != before[0] && fetch("rs") != before[1]);
    assert!(has_loaded(&server));
    for name in ["es", "rs"] {
        let kids: Vec<String> = (0..20).map(|_| fetch(name)).collect();
        assert!(kids.windows(2).all(|pair| pair[0] == pair[1]));
    }
    certificate_of(&safe, &server, &web, &prepared[2]);
    assert!(!safe.0.path("keys").read_dir().unwrap().any(|file| file.unwrap().file_name().to_string_lossy().contains(&prepared[0])));
}

fn certificate_of(safe: &Safe, server: &Server, web: &Path, ca: &str) {
    let answer = Key::new().certified(server, web, "mesh");
    let (leaf, bundle) = (safe.0.path("leaf.pem"), safe.0.path("bundle.pem"));
    fs::write(&leaf, field(&answer, "certificates")).unwrap();
    fs::write(&bundle, field(&answer, "bundle")).unwrap();
    let [leaf, bundle] = [leaf, bundle].map(|path| path.display().to_string());
    let text = safe.must("openssl", &["x509", "-in", &leaf, "-noout", "-text"]);
    assert!(text.contains(ca) && text.contains("Signature Algorithm: ecdsa-with-SHA256"), "{text}");
    safe.must("openssl", &["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", &bundle, &leaf]);
    let renewed = safe.0.path("renewed.pem");
    fs::write(&renewed, Key::new().renewed(server, web, "web-1")).unwrap();
    assert_eq!(server.curl(&renewed, "/v1/whoami", &[]).status, 200);
}

#[test]
fn a_key_named_by_its_uri_stands_in_place_of_a_file_from_the_first_start() {
    let safe = Safe::new();
    safe.configure();
    let path = safe.0.path("pinnaced.toml");
    let text = fs::read_to_string(&path).unwrap().replace("\"keys/jwt.key\"", "\"pkcs11:object=es\"");
    fs::write(&path, text).unwrap();
    fs::remove_file(safe.0.path("keys/jwt.key")).unwrap();
    let server = safe.serve();
    verified(&server, &server.curl(&safe.0.host("web-1"), "/v1/credentials/es", &[]));
    assert!(safe.order(&["list"]).contains("pkcs11:object=es"));
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let safe = Safe::new();
    safe.configure();
    let place = |label: &str| format!("pkcs11:object={label}");
    safe.refused(&["prepare", "--use", "jwt", "--place", &place("none")], "there is no P-256 or RSA public key of this label");
    safe.refused(&["prepare", "--use", "jwt", "--place", &place("rs")], "holds a key of RS256");
    safe.refused(&["prepare", "--use", "time", "--place", &place("es")], "holds a key of ES256");
    fs::write(safe.0.path("keys/pin"), "00000000\n").unwrap();
    safe.refused(&["prepare", "--use", "jwt", "--place", &place("es")], "PIN");
    fs::set_permissions(safe.0.path("keys/pin"), fs::Permissions::from_mode(0o640)).unwrap();
    safe.refused(&["prepare", "--use", "jwt", "--place", &place("es")], "others than its owner can get at the key");
}
