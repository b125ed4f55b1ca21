//! OpenSSH certificates, shown to OpenSSH itself: ssh-keygen reads them, sshd lets users in by them, ssh believes servers by them.

use crate::{
    keyed::{Key, field},
    rig::{Domain, Server, eventually},
};
use protocol::{answer::Kind, json::Value};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

const SSHD: &str = "/usr/sbin/sshd";

fn policy(user: &str) -> String {
    let rules = "hosts = [\"*\"]\nlifetime_seconds = 600\n";
    let user_of = |name: &str, principal: &str, extensions: &str| {
        format!(
            "[[credential]]\nname = {name:?}\nkind = \"ssh\"\ncertificate = \"user\"\nprincipals = [{principal:?}]\nextensions = {extensions}\n{rules}"
        )
    };
    let server = "[[credential]]\nname = \"server\"\nkind = \"ssh\"\ncertificate = \"host\"\nprincipals = [\"{host}.example.org\", \"{host}\"]\n";
    format!(
        "{server}{rules}{}{}{}",
        user_of("user", user, r#"["permit-pty", "permit-user-rc"]"#),
        user_of("other", "somebody-else", "[]"),
        user_of("forced", user, r#"["force-command=echo forced by the certificate"]"#),
    )
}

/// A folder with what one side of a connection has: key, certificate, authority.
fn deliver(domain: &Domain, server: &Server, credential: &str) -> PathBuf {
    let key = Key::new();
    let answer = key.certified(server, &domain.host("web-1"), credential);
    assert_eq!((answer.kind, answer.expires_in), (Kind::Ssh, 600));
    let folder = domain.path(&format!("ssh-{credential}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("key"), key.openssh()).unwrap();
    fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    for (file, name) in [("key-cert.pub", "certificate"), ("authority", "authority")] {
        fs::write(folder.join(file), format!("{}\n", field(&answer, name))).unwrap();
    }
    folder
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{program} is needed: {error}"))
}

fn whoami() -> String {
    String::from_utf8(run("id", &["-un"]).stdout).unwrap().trim().into()
}

/// A real sshd on a port of its own; ended in the end.
struct Sshd {
    child: Child,
    port: u16,
}

impl Sshd {
    fn start(folder: &Path, users: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if whoami() == "root" {
            // sshd that starts as root keeps its unprivileged half there.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let at = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nHostCertificate {}\nTrustedUserCAKeys {}\nPidFile {}\n\
             AuthorizedKeysFile none\nAuthenticationMethods publickey\nPermitRootLogin yes\nUsePAM no\nStrictModes no\nLogLevel VERBOSE\n",
            at("key"),
            at("key-cert.pub"),
            users.join("authority").display(),
            at("pid"),
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(SSHD).args(["-D", "-e", "-f", &at("sshd_config")]).stderr(log).spawn().expect("sshd is needed (openssh-server)");
        eventually("sshd", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }

    /// ssh with a user's key and certificate, believing what `known_hosts` says of servers.
    fn ssh(&self, user: &Path, known_hosts: &Path, name: &str) -> Output {
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        run(
            "ssh",
            &[
                "-F",
                "none",
                "-p",
                &self.port.to_string(),
                "-i",
                &user.join("key").display().to_string(),
                "-o",
                &option("CertificateFile", &user.join("key-cert.pub")),
                "-o",
                &option("UserKnownHostsFile", known_hosts),
                "-o",
                &format!("HostKeyAlias={name}"),
                "-o",
                "GlobalKnownHostsFile=none",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
                &format!("{}@127.0.0.1", whoami()),
                "echo it works",
            ],
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn users_log_in_to_a_real_sshd_and_know_it_by_its_certificate() {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), policy(&whoami())).unwrap();
    let server = Server::start(&domain);
    let [host, user, other, forced] = ["server", "user", "other", "forced"].map(|name| deliver(&domain, &server, name));
    let sshd = Sshd::start(&host, &user);
    let known = host.join("authority");
    let log = || fs::read_to_string(host.join("log")).unwrap();

    let good = sshd.ssh(&user, &known, "web-1.example.org");
    assert_eq!(String::from_utf8_lossy(&good.stdout), "it works\n", "{good:?}\n{}", log());
    assert!(log().contains("ID spiffe://example.org/host/web-1 (serial "), "sshd's log names the host: {}", log());
    assert_eq!(String::from_utf8_lossy(&sshd.ssh(&forced, &known, "web-1").stdout), "forced by the certificate\n");

    let wrong = sshd.ssh(&other, &known, "web-1.example.org");
    assert!(!wrong.status.success() && wrong.stdout.is_empty() && log().contains("name is not a listed principal"), "{wrong:?}\n{}", log());
    let impostor = sshd.ssh(&user, &known, "web-2.example.org");
    assert!(!impostor.status.success() && impostor.stdout.is_empty(), "a server of another name was believed: {impostor:?}");
    let nobody = domain.path("known-nobody");
    fs::write(&nobody, "").unwrap();
    assert!(!sshd.ssh(&user, &nobody, "web-1.example.org").status.success(), "a server was believed without its authority");
}

#[test]
fn ssh_keygen_reads_what_policy_says_and_the_record_agrees() {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), policy("deploy")).unwrap();
    let server = Server::start(&domain);
    let read = |credential| {
        let folder = deliver(&domain, &server, credential);
        let printed = run("ssh-keygen", &["-L", "-f", &folder.join("key-cert.pub").display().to_string()]);
        assert!(printed.status.success(), "{printed:?}");
        let text = String::from_utf8(printed.stdout).unwrap();
        text.lines().skip(1).map(|line| line.trim().to_string()).collect::<Vec<_>>().join("\n")
    };
    let user = read("user");
    let has = |text: &str, part: &str| assert!(text.contains(part), "{part:?} is not in:\n{text}");
    has(&user, "ssh-ed25519-cert-v01@openssh.com user certificate");
    has(&user, "Key ID: \"spiffe://example.org/host/web-1\"");
    has(&user, "Principals:\ndeploy\nCritical Options: (none)\nExtensions:\npermit-pty\npermit-user-rc");
    has(&read("forced"), "Critical Options:\nforce-command echo forced by the certificate\nExtensions: (none)");
    let host = read("server");
    has(&host, "ssh-ed25519-cert-v01@openssh.com host certificate");
    has(&host, "Principals:\nweb-1.example.org\nweb-1\nCritical Options: (none)\nExtensions: (none)");
    let public = run("ssh-keygen", &["-l", "-f", &domain.path("keys/ssh.pub").display().to_string()]).stdout;
    let fingerprint = String::from_utf8(public).unwrap().split(' ').nth(1).unwrap().to_string();
    has(&host, &format!("Signing CA: ED25519 {fingerprint} (using ssh-ed25519)"));
    let records = domain.audit();
    let jti = records[0].get("jti").and_then(Value::as_str).unwrap();
    has(&user, &format!("Serial: {}", u64::from_str_radix(&jti[..16], 16).unwrap()));
    assert_eq!(records[0].get("kind").and_then(Value::as_str), Some("ssh"));
}

#[test]
fn an_ssh_credential_needs_a_key_of_the_hosts_own() {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), policy("deploy")).unwrap();
    let server = Server::start(&domain);
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/user", &[]);
    assert_eq!((reply.status, reply.text("code").as_str()), (400, "credential.key-needed"));
}
