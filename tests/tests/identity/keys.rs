//! Credentials over keys that the host makes.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tests::rig::check;

use crate::{Ground, member};

const WEB_AND_LOGIN: &str = "[[credential.delivery]]\nkind = \"file\"\npath = \"{dir}/run/db.token\"\nformat = \"raw\"\n\
[[credential]]\nname = \"web\"\nkey = \"ed25519\"\n\
[[credential.delivery]]\nkind = \"directory\"\npath = \"{dir}/run/svid\"\nformat = \"spiffe\"\n\
[[credential.delivery]]\nkind = \"file\"\npath = \"{dir}/run/kube.json\"\nformat = \"kubernetes\"\n\
[[credential]]\nname = \"login\"\nkey = \"ed25519\"\n\
[[credential.delivery]]\nkind = \"directory\"\npath = \"{dir}/run/ssh\"\nformat = \"ssh\"\n";

fn bits(ground: &Ground, name: &str) -> u32 {
    std::fs::metadata(ground.rig.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).permissions().mode() & 0o777
}

fn text(ground: &Ground, name: &str) -> String {
    std::fs::read_to_string(ground.rig.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn an_svid_and_its_key_go_together_for_openssl() {
    let ground = Ground::new(WEB_AND_LOGIN);
    ground.run().expect_delivered();
    assert_eq!((bits(&ground, "run/svid/svid_key.pem"), bits(&ground, "run/svid/svid.pem")), (0o600, 0o644));
    let ca = ground.rig.path("run/svid/svid_bundle.pem");
    check(Command::new("openssl").args(["verify", "-CAfile"]).arg(&ca).arg(ground.rig.path("run/svid/svid.pem")));
    let public = |arguments: &[&str], file: &str| {
        let output = Command::new("openssl").args(arguments).arg("-in").arg(ground.rig.path(file)).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(public(&["pkey", "-pubout"], "run/svid/svid_key.pem"), public(&["x509", "-noout", "-pubkey"], "run/svid/svid.pem"));

    let kube: serde_json::Value = serde_json::from_str(&text(&ground, "run/kube.json")).expect("JSON");
    assert_eq!(kube["status"]["clientKeyData"].as_str(), Some(text(&ground, "run/svid/svid_key.pem").as_str()));
    assert_eq!(kube["status"]["clientCertificateData"].as_str(), Some(text(&ground, "run/svid/svid.pem").as_str()));

    let first = text(&ground, "run/svid/svid_key.pem");
    std::fs::remove_file(ground.rig.path("state/credential-web")).expect("a credential");
    ground.run().expect_delivered();
    assert_ne!(text(&ground, "run/svid/svid_key.pem"), first, "a fresh key for each fetch");
}

#[test]
fn an_ssh_certificate_and_its_key_go_together_for_openssh() {
    let ground = Ground::new(WEB_AND_LOGIN);
    ground.run().expect_delivered();
    assert_eq!(bits(&ground, "run/ssh/id_ed25519"), 0o600);
    let output = Command::new("ssh-keygen").args(["-y", "-f"]).arg(ground.rig.path("run/ssh/id_ed25519")).output().expect("ssh-keygen");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(ground.rig.path("public"), &output.stdout).expect("the rig's folder");
    let fingerprint = |arguments: &[&str], file: &str| {
        let output = Command::new("ssh-keygen").args(arguments).arg("-f").arg(ground.rig.path(file)).output().expect("ssh-keygen");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let key = fingerprint(&["-l"], "public");
    let certificate = fingerprint(&["-L"], "run/ssh/id_ed25519-cert.pub");
    let digest = key.split(' ').nth(1).expect("a fingerprint");
    assert!(certificate.contains(digest), "{certificate} is not over {key}");
    assert!(text(&ground, "run/ssh/authority.pub").starts_with("ssh-ed25519 "));
}

#[test]
fn a_certificate_over_another_key_replaces_nothing() {
    let ground = Ground::new(WEB_AND_LOGIN);
    ground.run().expect_delivered();
    for name in ["web", "login"] {
        let before = (text(&ground, "run/svid/svid.pem"), text(&ground, "run/ssh/id_ed25519"));
        std::fs::remove_file(ground.rig.path(&format!("state/credential-{name}"))).expect("a credential");
        ground.peer.script().other_key = true;
        ground.run().expect_reason("credential.wrong-key");
        assert_eq!((text(&ground, "run/svid/svid.pem"), text(&ground, "run/ssh/id_ed25519")), before);
        ground.peer.script().other_key = false;
        ground.run().expect_delivered();
    }
}

#[test]
fn a_site_without_the_key_is_told_to_name_it() {
    let ground = Ground::new(&WEB_AND_LOGIN.replace("key = \"ed25519\"\n", ""));
    let outcome = ground.run();
    outcome.expect_reason("credential.key-needed");
    assert!(member(&outcome, "hint").contains("ed25519"), "{outcome:#?}");
    assert!(!ground.rig.delivered().is_empty(), "the others are delivered all the same");
}

#[test]
fn the_control_plane_hears_how_long_the_credential_held_is_good() {
    let ground = Ground::simple();
    ground.run().expect_delivered();
    ground.rig.forget();
    ground.run().expect_delivered();
    let state = std::fs::read_to_string(ground.rig.path("state/credential-db")).expect("a credential");
    let body = state.split_once('\n').expect("a head").1.replace("\"fetch_after\":1800", "\"fetch_after\":0");
    let sealed = format!("pinnace-state 1 crc32={:08x} len={}\n{body}", protocol::crc32(body.as_bytes()), body.len());
    std::fs::write(ground.rig.path("state/credential-db"), sealed).expect("the state directory");
    ground.run().expect_delivered();
    let held = std::mem::take(&mut ground.peer.script().held);
    assert_eq!(held[..2], [Some(0), Some(0)]);
    assert!(held[2].is_some_and(|seconds| (3_500..=3_600).contains(&seconds)), "{held:?}");
}
