//! Releases of repositories that others made come to a host as ours do, and theirs take ours.

use super::{ground::Ground, python::python, tough};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};
use tests::rig::check;

const OTHERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/releases/others.py");
const NGCLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/releases/ngclient.py");

#[test]
fn a_host_takes_a_release_that_python_tuf_made() {
    let made = |what: &str, folder: &Path, with: &Path| check(Command::new(python()).args([OTHERS, what]).arg(folder).arg(with));
    a_host_takes(|folder, online| made("root", folder, Path::new(online)), |folder, candidate| made("targets", folder, candidate));
}

#[test]
fn a_host_and_the_conformance_client_take_a_release_that_tough_made() {
    let ground = a_host_takes(tough::make_root, tough::make_targets);
    let folder = ground.rig.path("domain/releases");
    let server = Server::of(&folder);
    let client = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trust-client"));
        check(command.arg("--metadata-dir").arg(ground.rig.path("trusted")).args(arguments));
    };
    client(&["init", folder.join("metadata/1.root.json").to_str().unwrap()]);
    let (metadata, targets) = (format!("{}/metadata", server.url), format!("{}/targets", server.url));
    let to = ground.rig.path("taken");
    let named = ["--metadata-url", &metadata, "--target-base-url", &targets, "--target-name", tough::TARGET, "--target-dir"];
    client(&[&named[..], &[to.to_str().unwrap(), "download"]].concat());
    assert!(fs::read(to.join(tough::TARGET)).unwrap() == fs::read(ground.rig.path("candidate")).unwrap());
}

/// With snapshot and timestamp as the control plane serves them.
#[test]
fn tough_and_python_tufs_client_take_what_is_served_and_no_flipped_byte() {
    let ground = Ground::new();
    ground.generation(1);
    ground.runs_until("generation 1 is in place");
    let (target, published) = ("pinnace/1/pinnace-x86_64", ground.published(1));
    let good = fs::read(&published).unwrap();
    let mut flipped = good.clone();
    flipped[500_000] ^= 1;
    assert!(tough::takes(&ground, target).unwrap() == (1, good.clone()));
    let (url, ca, identity) = ground.served();
    let ngclient = |folder: &str| {
        let mut python = Command::new(python());
        python.args([NGCLIENT, &url]).args([ca.clone(), identity.clone(), ground.rig.path("domain/releases/metadata/1.root.json")]);
        python.arg(ground.rig.path(folder)).arg(target).output().unwrap()
    };
    let taken = ngclient("taken");
    let said = String::from_utf8_lossy(&taken.stdout).trim().to_owned();
    let path = said.strip_prefix("1 ").unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&taken.stderr)));
    assert!(fs::read(path).unwrap() == good);
    fs::write(&published, flipped).unwrap();
    let refused = tough::takes(&ground, target).unwrap_err();
    assert!(refused.contains("Hash mismatch"), "{refused}");
    let refused = ngclient("not-taken");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("LengthOrHashMismatchError"), "{refused:?}");
}

/// Root by others, then a release of a client that trusts that root, by them too: it comes to the host, and runs from then on.
fn a_host_takes(root: impl FnOnce(&Path, &str), targets: impl FnOnce(&Path, &Path)) -> Ground {
    let mut ground = Ground::unserved();
    let (folder, online) = (ground.rig.path("domain/releases"), ground.online_key());
    root(&folder, &online);
    ground.serve();
    targets(&folder, &ground.candidate(1));
    ground.runs_until("generation 1 is in place");
    assert_eq!(ground.run(), "current", "the next run is generation 1, and says so");
    ground
}

/// A folder over plain HTTP.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn of(folder: &Path) -> Self {
        let mut python = Command::new(python());
        python.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
        let mut child = python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.split_whitespace().skip_while(|word| *word != "port").nth(1).unwrap_or_else(|| panic!("{said}")).to_owned();
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
