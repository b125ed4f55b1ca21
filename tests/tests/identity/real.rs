//! The same against `pinnaced` itself, whose clock a launcher moves so that certificates grow old.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tests::rig::{Rig, Site, check, programs};

use crate::member;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// How long the rig's certificate holds.
const RIG_DAYS: i64 = 30;

/// A `pinnaced` on the rig's port, with its clock that many seconds ahead; it ends with the test.
struct Later(Child);

impl Later {
    fn start(rig: &mut Rig, seconds: i64) -> Self {
        rig.stop_server();
        let listen = format!("127.0.0.1:{}", rig.hosts_port);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weird-host"));
        command.args(["--clock-offset", &seconds.to_string(), "--"]).arg(&programs().pinnaced).arg("serve").arg("--dir").arg(rig.path("domain"));
        command.args([
            "--listen-hosts",
            &listen,
            "--listen-public",
            "127.0.0.1:0",
            "--listen-admin",
            "127.0.0.1:0",
            "--listen-operators",
            "127.0.0.1:0",
        ]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("weird-host starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        assert!(lines.by_ref().any(|line| line.contains("\"event\":\"listening\"")), "pinnaced ended before it listened");
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let _ = Command::new("/bin/sh").args(["-c", "kill $(cat /proc/$1/task/$1/children) $1", "sh"]).arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn fate(rig: &Rig) -> String {
    rig.forget();
    let outcome = rig.run(&[]);
    outcome.expect_delivered();
    member(&outcome, "identity").to_owned()
}

#[test]
fn pinnaced_renews_a_certificate_past_half_and_takes_back_a_host_whose_certificate_has_ended() {
    let mut rig = Rig::simple();
    assert_eq!(fate(&rig), "kept");
    let whoami = rig.run(&["whoami", "--json"]);
    assert_eq!((member(&whoami, "subject"), member(&whoami, "status")), ("spiffe://example.org/host/web-1", "active"));

    let later = Later::start(&mut rig, RIG_DAYS / 2 * DAY + HOUR);
    assert_eq!((fate(&rig), fate(&rig)), ("renewed".to_owned(), "kept".to_owned()));
    drop(later);
    let _much_later = Later::start(&mut rig, RIG_DAYS * 2 * DAY);
    let status = rig.run(&["status", "--json"]);
    let ends = status.last_event["certificate_expires_at"].as_i64().expect("a certificate");
    assert_eq!((fate(&rig), fate(&rig)), ("recovered".to_owned(), "kept".to_owned()));
    let status = rig.run(&["status", "--json"]);
    assert!(status.last_event["certificate_expires_at"].as_i64() > Some(ends));
}

#[test]
fn pinnaced_certifies_the_hosts_own_key() {
    const WEB: &str = "[[credential.delivery]]\nkind = \"file\"\npath = \"{dir}/run/db.token\"\nformat = \"raw\"\n\
[[credential]]\nname = \"web\"\nkey = \"ed25519\"\n[[credential.delivery]]\nkind = \"directory\"\npath = \"{dir}/run/svid\"\nformat = \"spiffe\"\n";
    let mut rig = Rig::new(&Site { deliveries: WEB.to_owned(), ..Site::default() });
    let policy = rig.path("domain/policy.toml");
    let text = std::fs::read_to_string(&policy).expect("a policy") + "\n[[credential]]\nname = \"web\"\nkind = \"x509\"\nhosts = [\"*\"]\n";
    std::fs::write(&policy, text).expect("the domain's folder");
    let _later = Later::start(&mut rig, 0);
    rig.run(&[]).expect_delivered();
    let file = |name: &str| rig.path("run/svid").join(name);
    check(Command::new("openssl").args(["verify", "-CAfile"]).arg(file("svid_bundle.pem")).arg(file("svid.pem")));
    let public =
        |arguments: &[&str], name: &str| Command::new("openssl").args(arguments).arg("-in").arg(file(name)).output().expect("openssl").stdout;
    assert_eq!(public(&["pkey", "-pubout"], "svid_key.pem"), public(&["x509", "-noout", "-pubkey"], "svid.pem"));
}
