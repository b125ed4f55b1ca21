//! A real deployment in a temporary folder: a trust domain, its server on ports of its own, a host with an identity, and a
//! client stamped for it.

mod build;
mod memory;
mod outcome;
mod saved;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

pub use build::{Programs, programs};
pub use memory::memory;
pub use outcome::{Outcome, finish};
pub use saved::Saved;

/// What is stamped into the client.
#[derive(Clone, Debug)]
pub struct Site {
    /// TOML tables `[[credential.delivery]]`; `{dir}` stands for the rig's folder.
    pub deliveries: String,
    /// Name, port and addresses of each endpoint; none means the rig's own server.
    pub endpoints: Vec<(String, u16, Vec<String>)>,
    /// The deadline of a run.
    pub deadline_seconds: u32,
    /// Further lines at the top of site.toml, such as a proxy.
    pub extra: String,
    /// Files of CA certificates, in the trust domain's folder.
    pub roots: Vec<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self { deliveries: RAW_FILE.to_owned(), endpoints: Vec::new(), deadline_seconds: 10, extra: String::new(), roots: vec!["ca/ca.crt".into()] }
    }
}

/// The delivery most tests use: the bare token in `{dir}/run/db.token`.
pub const RAW_FILE: &str = "[[credential.delivery]]\nkind = \"file\"\npath = \"{dir}/run/db.token\"\nformat = \"raw\"\n";

/// The deployment. Dropping it stops the server and removes everything.
#[derive(Debug)]
pub struct Rig {
    folder: tempfile::TempDir,
    server: Option<Child>,
    /// Port of the host listener on 127.0.0.1.
    pub hosts_port: u16,
    /// Address of the public listener.
    pub public: String,
    /// Address of the admin listener.
    pub admin: String,
    /// Address of the operators' listener.
    pub operators: String,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Rig {
    /// Builds what is not built, makes a trust domain, starts its server, issues an identity to `web-1`, stamps a client.
    #[must_use]
    pub fn new(site: &Site) -> Self {
        Self::new_in(&std::env::temp_dir(), site)
    }

    /// The same below a folder.
    #[must_use]
    pub fn new_in(parent: &Path, site: &Site) -> Self {
        let mut rig = Self::unserved_in(parent);
        rig.start_server();
        rig.stamp(site);
        rig
    }

    /// The same without a server and without a client: a trust domain, and a host with an identity.
    #[must_use]
    pub fn unserved() -> Self {
        Self::unserved_in(&std::env::temp_dir())
    }

    /// The same below a folder.
    #[must_use]
    pub fn unserved_in(parent: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rig-").tempdir_in(parent).expect("a temporary folder");
        let rig = Self::in_folder(folder);
        for name in ["state", "run", "bin"] {
            std::fs::create_dir(rig.path(name)).expect("a fresh folder");
        }
        mode(&rig.path("state"), 0o700);
        rig.make_domain();
        rig
    }

    /// A copy of this trust domain and host in a folder of its own; nothing is served and nothing is stamped.
    #[must_use]
    pub fn copied(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("rig-").tempdir().expect("a temporary folder");
        for name in ["domain", "state", "run", "bin"] {
            saved::copy(&self.path(name), &folder.path().join(name));
        }
        Self::in_folder(folder)
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let [public, admin, operators] = [const { String::new() }; 3];
        Self { folder, server: None, hosts_port: 0, public, admin, operators, log: Arc::default() }
    }

    /// A rig that delivers the bare token to one file.
    #[must_use]
    pub fn simple() -> Self {
        Self::new(&Site::default())
    }

    /// A path inside the rig's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The stamped client.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.path("bin/pinnace")
    }

    /// Where [`RAW_FILE`] delivers.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.path("run/db.token")
    }

    /// What is delivered there; empty if nothing is.
    #[must_use]
    pub fn delivered(&self) -> String {
        std::fs::read_to_string(self.target()).unwrap_or_default()
    }

    /// Runs the client with these arguments.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(self.client());
        command.args(arguments);
        finish(&mut command)
    }

    /// Runs `pinnacectl` as the rig's first operator.
    #[must_use]
    pub fn operate(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(&programs().pinnacectl);
        command.env("XDG_CONFIG_HOME", self.path("config")).current_dir(self.folder.path());
        let domain = self.path("domain");
        let (ca, identity) = (domain.join("ca/ca.crt"), domain.join("operators/admin.pem"));
        let mut context = Command::new(&programs().pinnacectl);
        context.env("XDG_CONFIG_HOME", self.path("config")).args(["context", "add", "rig", "--server", &self.operators, "--ca"]);
        check(context.arg(ca).arg("--identity").arg(identity));
        command.args(arguments).output().expect("pinnacectl runs")
    }

    /// What a `pinnacectl` that succeeds prints.
    #[must_use]
    pub fn operated(&self, arguments: &[&str]) -> String {
        let output = self.operate(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Makes the next run fetch: the host forgets which credential it holds.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(self.path("state/credential-db"));
    }

    /// Writes a site for the rig and stamps the client with it.
    pub fn stamp(&self, site: &Site) {
        let file = self.path("domain/rig.toml");
        std::fs::write(&file, self.site_toml(site)).expect("the domain's folder is writable");
        let programs = programs();
        check(
            Command::new(&programs.pinnacectl)
                .arg("stamp")
                .arg("--site")
                .arg(&file)
                .arg("--binary")
                .arg(&programs.client)
                .arg("--out")
                .arg(self.client()),
        );
        mode(&self.client(), 0o755);
    }

    /// Starts the server again after [`Rig::stop_server`]; its ports are new.
    pub fn start_server(&mut self) {
        let mut child = Command::new(&programs().pinnaced)
            .arg("serve")
            .arg("--dir")
            .arg(self.path("domain"))
            .args([
                "--listen-hosts",
                "127.0.0.1:0",
                "--listen-public",
                "127.0.0.1:0",
                "--listen-admin",
                "127.0.0.1:0",
                "--listen-operators",
                "127.0.0.1:0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.path("server.stderr")).expect("the rig's folder is writable"))
            .spawn()
            .expect("pinnaced starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        self.server = Some(child);
        let ready = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find(|event| event.get("event").and_then(|name| name.as_str()) == Some("listening"));
        let Some(ready) = ready else {
            panic!("pinnaced ended before it listened: {}", std::fs::read_to_string(self.path("server.stderr")).unwrap_or_default());
        };
        let address = |name: &str| ready.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        self.hosts_port = address("hosts").rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port for hosts");
        self.public = address("public");
        self.admin = address("admin");
        self.operators = address("operators");
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for event in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                log.lock().expect("nobody panics with it").push(event);
            }
        });
    }

    /// What the servers have logged under a name, since they listen.
    #[must_use]
    pub fn logged(&self, event: &str) -> Vec<Value> {
        let log = self.log.lock().expect("nobody panics with it");
        log.iter().filter(|line| line.get("event").and_then(Value::as_str) == Some(event)).cloned().collect()
    }

    /// Stops the server at once.
    pub fn stop_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn make_domain(&self) {
        let programs = programs();
        let domain = self.path("domain");
        let names = ["--name", "cp.example.org", "--name", "localhost", "--name", "127.0.0.1"];
        check(Command::new(&programs.pinnaced).arg("init").arg("--dir").arg(&domain).args(["--trust-domain", "example.org"]).args(names));
        std::fs::write(domain.join("policy.toml"), POLICY).expect("the domain's folder is writable");
        let identity = self.path("state/identity.pem");
        check(Command::new(&programs.pinnacectl).args(["host", "issue", "--host", "web-1", "--domain"]).arg(&domain).arg("--out").arg(identity));
    }

    fn site_toml(&self, site: &Site) -> String {
        let folder = self.folder.path().display();
        let own = [("localhost".to_owned(), self.hosts_port, vec!["127.0.0.1".to_owned()])];
        let endpoints = if site.endpoints.is_empty() { own.as_slice() } else { site.endpoints.as_slice() };
        let mut text = format!(
            "name = \"rig\"\ntrust_domain = \"example.org\"\nroots = {:?}\ntime_keys = [\"keys/time.pub\"]\n\
             state_dir = \"{folder}/state\"\nhost_file = \"{folder}/host.toml\"\ndeadline_seconds = {}\n{}\n",
            site.roots, site.deadline_seconds, site.extra
        );
        for (host, port, addresses) in endpoints {
            text += &format!("[[endpoint]]\nhost = \"{host}\"\nport = {port}\naddresses = {addresses:?}\n");
        }
        text + "[[credential]]\nname = \"db\"\n" + &site.deliveries.replace("{dir}", &folder.to_string())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop_server();
    }
}

/// Every host gets `db`.
const POLICY: &str =
    "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"https://db.example.org\"]\nlifetime_seconds = 3600\nhosts = [\"*\"]\n";

/// Sets a file's mode.
pub fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("the rig owns its files");
}

/// Runs a command that must succeed.
pub fn check(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}{}", output.status, String::from_utf8_lossy(&output.stdout));
}
