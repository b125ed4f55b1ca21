//! Offline keys in a PKCS#11 token: SoftHSM2 in place of a hardware module.

use super::ground::Ground;
use std::fs;
use std::path::Path;
use std::process::Command;
use tests::rig::check;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "12345678";

/// Engineers, one of whom has a token.
struct Safe(Ground);

impl Safe {
    fn new() -> Self {
        let ground = Ground::new();
        let tokens = ground.rig.path("tokens");
        fs::create_dir(&tokens).unwrap();
        let config = ground.rig.path("softhsm2.conf");
        fs::write(&config, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display())).unwrap();
        let init = ["--init-token", "--free", "--label", "Release Keys", "--so-pin", "87654321", "--pin", PIN];
        check(Command::new("softhsm2-util").args(init).env("SOFTHSM2_CONF", &config));
        fs::write(ground.rig.path("pin"), format!("{PIN}\n")).unwrap();
        Self(ground)
    }

    fn uri(&self, label: &str) -> String {
        format!("{}&pin-source=file:{}", pinless(label), self.0.rig.path("pin").display())
    }

    /// Makes a key in the token; gives what was said.
    fn key(&self, label: &str) -> String {
        self.0.operate(&["release", "key", "--out", label, "--pkcs11", &self.uri(label)])
    }

    fn pkcs11_tool(&self, arguments: &[&str]) -> String {
        let mut tool = Command::new("pkcs11-tool");
        tool.args(["--module", MODULE, "--token-label", "Release Keys", "--login", "--pin", PIN]).args(arguments);
        let output = tool.env("SOFTHSM2_CONF", self.0.rig.path("softhsm2.conf")).output().expect("pkcs11-tool is needed (opensc)");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str], because: &str) {
        let output = self.0.tried(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(because) && said.contains("hint: "), "{arguments:?}: {said}");
        assert!(!said.contains(PIN), "the PIN is in the output: {said}");
    }
}

fn pinless(label: &str) -> String {
    format!("pkcs11:token=Release%20Keys;object={label}?module-path={MODULE}")
}

/// One key of the root in a file and one in a token, and the only key of the targets in the token: a host takes the release, and
/// python-tuf and openssl agree with it.
#[test]
fn keys_in_a_token_sign_what_hosts_and_other_tools_believe() {
    let safe = Safe::new();
    let ground = &safe.0;
    safe.key("root-hsm");
    safe.key("targets-hsm");
    ground.release(&["rotate-root", "--root-key", "root-a.pub", "--root-key", "root-hsm.pub", "--targets-key", "targets-hsm.pub"]);
    ground.sign(&["root-a", "root-b"]);
    assert!(!ground.tried(&["release", "publish", "--dir", "releases"]).status.success(), "the token has not signed");
    let said = ground.release(&["sign", "--key", &safe.uri("root-hsm")]);
    assert!(said.contains("root 2: signed"), "{said}");
    // Its URI names no file for the PIN, so the passphrase's holds it.
    ground.release(&["sign", "--key", &pinless("targets-hsm"), "--passphrase-file", "pin"]);
    ground.publish();
    ground.build(1);
    ground.release(&["sign", "--key", &safe.uri("targets-hsm")]);
    ground.publish();
    ground.runs_until("generation 1 is in place");
    let root: serde_json::Value = serde_json::from_slice(&fs::read(ground.rig.path("state/release-root.json")).unwrap()).unwrap();
    assert_eq!(root["signed"]["version"], 2);
    believed_by_python_tuf(ground);
    verified_by_openssl(ground, &ground.published(1), "targets-hsm.pub");
}

fn believed_by_python_tuf(ground: &Ground) {
    let script = "import sys; from tuf.api.metadata import Metadata\n\
        load = lambda name: Metadata.from_file(f'{sys.argv[1]}/{name}')\n\
        first, second, targets = load('1.root.json'), load('2.root.json'), load('3.targets.json')\n\
        first.verify_delegate('root', second); second.verify_delegate('root', second); second.verify_delegate('targets', targets)\n\
        print(len(second.signatures), list(targets.signed.targets))";
    let said = Command::new(super::python::python()).args(["-c", script]).arg(ground.rig.path("domain/releases/metadata")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert_eq!(out.trim(), "3 ['pinnace/1/pinnace-x86_64']", "{err}");
}

fn verified_by_openssl(ground: &Ground, file: &Path, key: &str) {
    let bundle: serde_json::Value = serde_json::from_slice(&fs::read(file.with_added_extension("sigstore.json")).unwrap()).unwrap();
    fs::write(ground.rig.path("sig.b64"), bundle["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let script = "base64 -d sig.b64 > sig && openssl dgst -sha256 -verify \"$2\" -signature sig \"$1\"";
    check(Command::new("sh").args(["-c", script, "sh"]).arg(file).arg(key).current_dir(ground.rig.path(".")));
}

#[test]
fn a_key_is_made_in_the_token_once_and_never_leaves_it() {
    let safe = Safe::new();
    assert!(safe.key("ann").contains("made in the token \"Release Keys\""));
    let public = fs::read(safe.0.rig.path("ann.pub")).unwrap();
    assert!(!safe.0.rig.path("ann").exists(), "there is no file with a private key");
    assert!(safe.key("ann").contains("was there already"));
    assert_eq!(fs::read(safe.0.rig.path("ann.pub")).unwrap(), public);
    let list = safe.pkcs11_tool(&["--list-objects", "--type", "privkey"]);
    assert!(["ann\n", "Usage:      sign\n", " sensitive,", "never extractable"].iter().all(|word| list.contains(word)), "{list}");
    assert_eq!(list.matches("Private Key Object").count(), 1, "{list}");
    // One that the token's own tools made is as good.
    safe.pkcs11_tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--label", "bob", "--id", "07", "--usage-sign"]);
    assert!(safe.key("bob").contains("was there already"));
}

#[test]
fn what_is_wrong_with_a_token_or_its_uri_is_said_and_never_the_pin() {
    let safe = Safe::new();
    safe.pkcs11_tool(&["--keypairgen", "--key-type", "rsa:2048", "--label", "rsa", "--id", "08", "--usage-sign"]);
    let sign = |uri: &str, because: &str| safe.refused(&["release", "sign", "--dir", "releases", "--key", uri], because);
    sign(&format!("{}&pin-value={PIN}", pinless("ann")), "everybody on this machine can read");
    sign(&safe.uri("nobody"), "there is no P-256 or RSA public key of this label");
    sign(&safe.uri("rsa"), "it is not a P-256 key");
    sign("pkcs11:object=ann", "it names no token");
    sign("pkcs11:token=x;object=ann", "it names no module-path");
    sign(&safe.uri("ann").replace("Release%20Keys", "Others"), "slot");
    sign(&safe.uri("ann").replace(MODULE, "/nowhere.so"), "nowhere.so");
    fs::write(safe.0.rig.path("pin"), "00000000\n").unwrap();
    sign(&safe.uri("ann"), "PIN");
}
