//! Go's net/http with a client certificate gets the same credential from the same GET.

use crate::rig::{Domain, Server};
use protocol::answer::Answer;
use std::{fs, process::Command};

const PROGRAM: &str = include_str!("client.go.txt");

#[test]
fn go_net_http_gets_the_same_credential() {
    if Command::new("go").arg("version").output().is_err() {
        eprintln!("NOT TESTED: there is no go on PATH, so Go's net/http was not tried against pinnaced");
        return;
    }
    let domain = Domain::new();
    let server = Server::start(&domain);
    let program = domain.path("client.go");
    fs::write(&program, PROGRAM).unwrap();
    for version in ["1.2", "1.3"] {
        let output = Command::new("go")
            .args(["run"])
            .arg(&program)
            .arg(format!("https://{}/v1/credentials/db", server.hosts))
            .args([domain.path("ca/ca.crt"), domain.host("web-1")])
            .arg(version)
            .env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache"))
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .current_dir(&domain.dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer = Answer::from_json(&output.stdout).unwrap();
        assert_eq!((answer.credential.as_str(), answer.subject.as_str()), ("db", "spiffe://example.org/host/web-1"));
    }
}
