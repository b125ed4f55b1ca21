//! Packages, taken apart and run by the programs that hosts have.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod directives;
mod drop_ins;
mod guest;
mod journal;
mod systems;
mod units;

use std::{fs, path::Path, process::Command};
use tests::rig::{Rig, check, programs};

fn package(rig: &Rig, out: &str, binary: &Path) -> std::process::Output {
    let mut command = Command::new(&programs().pinnacectl);
    command.env_remove("SOURCE_DATE_EPOCH").args(["package", "--version", "1.4.0", "--out"]).arg(rig.path(out));
    command.arg("--binary").arg(binary).output().unwrap()
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_dpkg_rpm_and_a_container_get_is_the_stamped_client_and_the_same_bytes_twice() {
    let rig = Rig::simple();
    for out in ["one", "two"] {
        let made = package(&rig, out, &rig.client());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let names = ["SHA256SUMS", "pinnace-1.4.0-1.x86_64.rpm", "pinnace_1.4.0.oci.tar", "pinnace_1.4.0_amd64.deb"];
    for name in names {
        assert_eq!(fs::read(rig.path("one").join(name)).unwrap(), fs::read(rig.path("two").join(name)).unwrap(), "{name}");
    }
    let client = fs::read(rig.client()).unwrap();

    check(Command::new("dpkg-deb").arg("-x").arg(rig.path("one").join(names[3])).arg(rig.path("deb")));
    assert_eq!(fs::read(rig.path("deb/usr/bin/pinnace")).unwrap(), client);
    let unit = fs::read_to_string(rig.path("deb/usr/lib/systemd/system/pinnace.service")).unwrap();
    assert!(unit.contains(&format!("ReadWriteDirectories=-{}\n", rig.path("state").display())) && !unit.contains("=@"), "{unit}");
    assert!(unit.contains("TimeoutStartSec=120\n"), "{unit}");

    let rpm = rig.path("one").join(names[1]);
    assert!(printed(Command::new("rpm").arg("-K").arg(&rpm)).contains("digests OK"));
    let hash = printed(Command::new("sha256sum").arg(rig.client()));
    let files = printed(Command::new("rpm").args(["-qp", "--qf", "[%{FILENAMES} %{FILEDIGESTS}\n]%{PAYLOADCOMPRESSOR}\n"]).arg(&rpm));
    assert!(files.contains(&format!("/usr/bin/pinnace {}\n", &hash[..64])) && files.ends_with("gzip\n"), "{files}");

    fs::create_dir_all(rig.path("image/root")).unwrap();
    check(Command::new("tar").arg("-xf").arg(rig.path("one").join(names[2])).arg("-C").arg(rig.path("image")));
    let read = |name: &str| serde_json::from_slice::<serde_json::Value>(&fs::read(rig.path("image").join(name)).unwrap()).unwrap();
    let blob = |value: &serde_json::Value| format!("blobs/{}", value["digest"].as_str().unwrap().replace(':', "/"));
    let manifest = read(&blob(&read(&blob(&read("index.json")["manifests"][0]))["manifests"][0]));
    let layer = rig.path("image").join(blob(&manifest["layers"][0]));
    check(Command::new("tar").arg("-xf").arg(layer).arg("-C").arg(rig.path("image/root")));
    let mut inside = Command::new("bwrap");
    inside.args(["--unshare-all", "--bind"]).arg(rig.path("image/root")).args(["/", "--proc", "/proc", "/usr/bin/pinnace", "inspect"]);
    assert!(printed(&mut inside).contains("\"trust_domain\""));
}

#[test]
fn a_client_without_a_site_is_not_packaged() {
    let rig = Rig::unserved();
    let made = package(&rig, "one", &programs().client);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(!made.status.success() && said.contains("it carries no site") && said.contains("code=package.failed"), "{said}");
    assert!(!rig.path("one").exists());
}
