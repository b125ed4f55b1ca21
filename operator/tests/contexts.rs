//! Which control plane is meant: contexts as an operator keeps them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::mpsc,
    thread,
};

#[test]
fn contexts_are_kept_privately_and_one_is_in_use() {
    let folder = folder("kept");
    let list = || -> Value { serde_json::from_slice(&succeeds(&folder, &["-o", "json", "context", "list"]).stdout).unwrap() };
    assert_eq!(list()["contexts"], serde_json::json!({}));
    for name in ["prod", "test"] {
        succeeds(&folder, &["context", "add", name, "--server", "127.0.0.1:1", "--ca", "ca.crt", "--identity", "me.pem"]);
    }
    let listed = list();
    assert_eq!((&listed["version"], &listed["current"]), (&Value::from(1), &Value::from("prod")), "the first one is in use");
    let identity = listed["contexts"]["test"]["identity"].as_str().unwrap();
    assert_eq!(Path::new(identity), fs::canonicalize(folder.join("me.pem")).unwrap(), "from wherever it is used");
    succeeds(&folder, &["context", "use", "test"]);
    assert_eq!(list()["current"], "test");
    let table = String::from_utf8(succeeds(&folder, &["context", "list"]).stdout).unwrap();
    assert!(table.lines().any(|line| line.starts_with("*  test")) && !table.contains('\u{1b}'), "{table}");
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("config/pinnace"), mode("config/pinnace/contexts.toml")), (0o700, 0o600));
}

#[test]
fn a_context_that_is_not_there_or_not_readable_is_said() {
    let folder = folder("absent");
    fails(&folder, &["whoami"], "context.unknown");
    fails(&folder, &["context", "use", "prod"], "context.unknown");
    succeeds(&folder, &["context", "add", "prod", "--server", "127.0.0.1:1", "--ca", "absent.crt", "--identity", "me.pem"]);
    fails(&folder, &["whoami"], "context.unusable");
    fails(&folder, &["whoami", "--context", "other"], "context.unknown");
    fs::write(folder.join("config/pinnace/contexts.toml"), "colour = 'red'").unwrap();
    fails(&folder, &["context", "list"], "context.unreadable");
}

/// Operators' machines have proxies in their environment; the way to the control plane is the context's.
#[test]
fn the_environment_names_no_proxy() {
    let folder = folder("proxy");
    let (tell, met) = mpsc::channel();
    // Each ends the handshake at once and says who was met.
    let listen = |name: &'static str| {
        let (socket, tell) = (TcpListener::bind("127.0.0.1:0").unwrap(), tell.clone());
        let address = socket.local_addr().unwrap();
        thread::spawn(move || while socket.accept().is_ok() && tell.send(name).is_ok() {});
        address
    };
    let (server, proxy) = (listen("server"), listen("proxy"));
    succeeds(&folder, &["context", "add", "prod", "--server", &server.to_string(), "--ca", "ca.crt", "--identity", "me.pem"]);
    let mut command = pinnacectl(&folder, &["whoami"]);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env(name, format!("http://{proxy}"));
    }
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("code=api.unreachable\n"), "{output:?}");
    assert_eq!(met.try_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["server"]));
}

/// With a CA and an operator's key and certificate of some kind.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contexts-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
    fs::write(folder.join("ca.crt"), &certificate).unwrap();
    fs::write(folder.join("me.pem"), key.serialize_pem() + &certificate).unwrap();
    folder
}

fn pinnacectl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinnacectl"));
    command.args(arguments).current_dir(folder).env("XDG_CONFIG_HOME", folder.join("config"));
    command
}

fn succeeds(folder: &Path, arguments: &[&str]) -> Output {
    let output = pinnacectl(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

fn fails(folder: &Path, arguments: &[&str], code: &str) {
    let output = pinnacectl(folder, arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.ends_with(&format!("pinnacectl: code={code}\n")), "{arguments:?}: {said}");
}
