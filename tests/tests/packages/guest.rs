//! A system of one's own with our package on it: installed by its own package manager, booted by its own service manager.

use super::systems::System;
use std::{
    fs,
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};
use tests::rig::{Rig, check, mode, programs};

/// Where the package keeps its state on a guest.
pub(crate) const STATE: &str = "var/lib/pinnace";
/// Where the credential is delivered.
pub(crate) const TOKEN: &str = "var/lib/agent/db.token";
/// The files of a test on a guest.
const LAB: &str = "lab";

/// A copy of a system's root with the package and an identity of its own.
pub(crate) struct Guest<'a> {
    folder: tempfile::TempDir,
    system: &'a System,
}

impl<'a> Guest<'a> {
    /// The copy alone.
    pub(crate) fn bare(system: &'a System, root: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("pinnace-guest-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let guest = Self { folder, system };
        check(Command::new("cp").args(["-a", "--reflink=auto"]).arg(root).arg(guest.root()));
        for folder in [LAB, "var/lib/agent"] {
            fs::create_dir_all(guest.path(folder)).unwrap();
        }
        // They look for disks and consoles, at each reload.
        for folder in ["lib/systemd/system-generators", "usr/lib/systemd/system-generators"] {
            let _ = fs::remove_dir_all(guest.path(folder));
        }
        // A system without one asks a person about its first boot.
        guest.put("etc/machine-id", b"5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e\n");
        guest
    }

    /// With the deb, installed by the system's own dpkg, and an identity.
    pub(crate) fn new(ground: &Ground, system: &'a System, root: &Path, purpose: &str) -> Self {
        let guest = Self::bare(system, root);
        guest.put("lab/pinnace.deb", &fs::read(ground.deb("1.4.0")).unwrap());
        let installed = guest.chroot(&["dpkg", "-i", "/lab/pinnace.deb"]);
        assert!(installed.status.success(), "{}: {installed:?}", system.suite);
        guest.identify(ground, purpose);
        guest
    }

    /// Gives it an identity of its own, under the names of its suite and a purpose.
    pub(crate) fn identify(&self, ground: &Ground, purpose: &str) {
        let name = format!("{}-{purpose}", self.system.suite);
        let (domain, identity) = (ground.rig.path("domain"), self.path(STATE).join("identity.pem"));
        check(Command::new(&programs().pinnacectl).args(["host", "issue", "--host", &name, "--domain"]).arg(domain).arg("--out").arg(identity));
    }

    /// Its folder on this machine.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A file of the guest.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file on the guest.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    /// What a file on the guest says; nothing if it is not there.
    pub(crate) fn said(&self, name: &str) -> String {
        fs::read(self.path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Runs one of the guest's programs while the guest is off.
    pub(crate) fn chroot(&self, words: &[&str]) -> Output {
        let mut command = Command::new("chroot");
        command.arg(self.root()).args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Boots as far as timers, runs a script as a service, and powers off.
    pub(crate) fn boot(&self, script: &str) {
        let _ = fs::remove_file(self.path("lab/done"));
        self.put("lab/script", script.as_bytes());
        self.put("etc/systemd/system/lab.service", LAB_SERVICE.as_bytes());
        self.put("etc/systemd/system/lab.target", LAB_TARGET.as_bytes());
        let groups = self.folder.path().file_name().unwrap();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "150", "sh", "-c", IN_GROUPS]).arg(groups).arg("systemd-nspawn").arg("--directory").arg(self.root());
        command.arg("--machine").arg(groups).args(["--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--boot"]);
        if self.system.wants_unified_groups() {
            command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        }
        let booted = command.arg("systemd.unit=lab.target").stdin(Stdio::null()).output().unwrap();
        let _ = Command::new("sh").args(["-c", OUT_OF_GROUPS]).arg(groups).stderr(Stdio::null()).status();
        if !self.path("lab/done").is_file() {
            let console = String::from_utf8_lossy(&booted.stdout).into_owned() + &String::from_utf8_lossy(&booted.stderr);
            panic!("{}: {} before the script was through; it said {:?}; {console}", self.system.suite, booted.status, self.said("lab/said"));
        }
    }
}

/// Guests that shared a control group would take the groups of each other's units away.
const IN_GROUPS: &str = "for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do\n\
    if [ -f $at/cgroup.procs ]; then mkdir $at/$0 && echo $$ >$at/$0/cgroup.procs; fi\ndone\nexec \"$@\"";
/// A guest whose container was killed may go on without it.
const OUT_OF_GROUPS: &str = "for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do\n\
    [ -d $at/$0 ] || continue\n\
    find $at/$0 -name cgroup.procs -exec cat {} + | xargs -r kill -9\n\
    find $at/$0 -depth -type d -exec rmdir {} +\ndone";
const LAB_SERVICE: &str = "[Unit]\nDescription=The test's script\n\n[Service]\nType=oneshot\nTimeoutStartSec=120\nStandardOutput=null\n\
StandardError=null\nExecStart=/bin/sh -c 'cd /lab && /bin/sh script >said 2>&1 && : >done; sync; systemctl poweroff --force --force'\n";
const LAB_TARGET: &str = "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=lab.service\n";

/// What guests need beside themselves: the control plane, at an address that is not the loopback's, and packages of a client for it.
pub(crate) struct Ground {
    pub(crate) rig: Rig,
    /// This machine's, that guests see.
    pub(crate) address: IpAddr,
}

impl Ground {
    /// With packages of these versions.
    pub(crate) fn new(versions: &[&str]) -> Self {
        let mut rig = Rig::unserved();
        rig.start_server();
        let (address, port) = relay(rig.hosts_port);
        let site = format!(
            "name = \"lab\"\ntrust_domain = \"example.org\"\nroots = [\"ca/ca.crt\"]\ntime_keys = [\"keys/time.pub\"]\n\
             state_dir = \"/{STATE}\"\nhost_file = \"/etc/pinnace.toml\"\ndeadline_seconds = 10\n\
             [[endpoint]]\nhost = \"cp.example.org\"\nport = {port}\naddresses = [\"{address}\"]\n\
             [[credential]]\nname = \"db\"\n[[credential.delivery]]\nkind = \"file\"\npath = \"/{TOKEN}\"\nformat = \"raw\"\n"
        );
        let file = rig.path("domain/lab.toml");
        fs::write(&file, site).unwrap();
        let stamp = |command: &mut Command| check(command.arg("--site").arg(&file).arg("--binary").arg(&programs().client));
        stamp(Command::new(&programs().pinnacectl).arg("stamp").arg("--out").arg(rig.client()));
        mode(&rig.client(), 0o755);
        let ground = Self { rig, address };
        for version in versions {
            let mut command = Command::new(&programs().pinnacectl);
            command.args(["package", "--interval", "10", "--version", version, "--out"]).arg(ground.rig.path("packages"));
            check(command.arg("--binary").arg(ground.rig.client()).stdout(Stdio::null()));
        }
        ground
    }

    pub(crate) fn deb(&self, version: &str) -> PathBuf {
        self.rig.path("packages").join(format!("pinnace_{version}_amd64.deb"))
    }

    pub(crate) fn rpm(&self, version: &str) -> PathBuf {
        self.rig.path("packages").join(format!("pinnace-{version}-1.x86_64.rpm"))
    }
}

/// Makes a port of the loopback reachable at this machine's own address, as a control plane is; nothing leaves the machine.
fn relay(port: u16) -> (IpAddr, u16) {
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    probe.connect("192.0.2.1:9").expect("a route, so that this machine has an address");
    let address = probe.local_addr().unwrap().ip();
    let listener = TcpListener::bind((address, 0)).unwrap();
    let at = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let (Ok(back), Ok(forth)) = (client.try_clone(), server.try_clone()) else { continue };
            thread::spawn(move || pour(&client, &server));
            thread::spawn(move || pour(&forth, &back));
        }
    });
    (address, at)
}

/// Copies what comes until it ends, and hands the end on.
fn pour(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}
