//! What is compared: built, started, and ended when dropped.

use crate::{
    dist,
    postgres::Postgres,
    server::{self, Server, release},
    shell::{Done, cargo, has, output, root, run as run_command},
};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The one credential of every measurement.
pub(super) const CREDENTIAL: &str = "/v1/credentials/db";

/// The control plane whose store is PostgreSQL.
pub(super) const POSTGRES: &str = "pinnaced, PostgreSQL";

/// A trust domain, one host's identity, and the programs that were there to be had.
pub(super) struct Bench {
    pub(super) folder: PathBuf,
    pub(super) domain: String,
    pub(super) identity: String,
    pub(super) client: PathBuf,
    pub(super) go: bool,
    pub(super) nginx: bool,
}

impl Bench {
    /// Builds ours, makes the trust domain, and says which peers are missing.
    pub(super) fn prepare(folder: &Path) -> Done<Self> {
        println!("building pinnaced and pinnacectl (release) and the static client (dist) ...");
        dist::prepare()?;
        run_command(&mut cargo(&["build", "--quiet", "--locked", "--release", "-p", "control-plane", "-p", "operator"]))?;
        let client = dist::build("x86_64-unknown-linux-musl")?;
        let text = |name: &str| folder.join(name).display().to_string();
        let bench = Self {
            folder: folder.to_path_buf(),
            domain: text("domain"),
            identity: text("identity.pem"),
            client,
            go: there("go", "the Go peers"),
            nginx: there("nginx", "nginx"),
        };
        output(release("pinnaced").args(["init", "--dir", &bench.domain, "--trust-domain", "example.org", "--name", "127.0.0.1"]))?;
        output(release("pinnacectl").args(["host", "issue", "--domain", &bench.domain, "--host", "web-1", "--out", &bench.identity]))?;
        Ok(bench)
    }

    pub(super) fn ca(&self) -> String {
        format!("{}/ca/ca.crt", self.domain)
    }

    /// Builds one of `bench/go-*`, static and stripped, with the CA beside its sources for those that embed it.
    pub(super) fn go_build(&self, name: &str) -> Done<String> {
        let sources = self.folder.join(format!("{name}-src"));
        let copied = fs::create_dir_all(&sources).and_then(|()| {
            ["main.go", "go.mod"].iter().try_for_each(|file| fs::copy(root().join("bench").join(name).join(file), sources.join(file)).map(drop))?;
            fs::copy(self.ca(), sources.join("ca.pem"))
        });
        copied.map_err(|cause| format!("{}: {cause}", sources.display()))?;
        let program = self.folder.join(name).display().to_string();
        let mut build = Command::new("go");
        build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o", &program, "."]).current_dir(&sources);
        build.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOWORK", "off");
        run_command(&mut build)?;
        Ok(program)
    }

    /// `pinnaced` on this trust domain, its audit records on the disk under the temporary folder.
    pub(super) fn pinnaced(&self) -> Done<Server> {
        server::pinnaced(&self.domain)
    }

    /// The same, with its audit records in another folder.
    pub(super) fn pinnaced_in(&self, memory: &Path) -> Done<Server> {
        let domain = memory.join("domain").display().to_string();
        run_command(Command::new("cp").args(["-r", &self.domain, &domain]))?;
        server::pinnaced(&domain)
    }

    /// The same on PostgreSQL.
    pub(super) fn pinnaced_on(&self, postgres: &Postgres) -> Done<Server> {
        let domain = self.folder.join("domain-postgres").display().to_string();
        run_command(Command::new("cp").args(["-r", &self.domain, &domain]))?;
        let path = Path::new(&domain).join("pinnaced.toml");
        let text = fs::read_to_string(&path).map_err(|cause| cause.to_string())?;
        fs::write(&path, format!("{text}\n[store]\npostgres = {:?}\n", postgres.address())).map_err(|cause| cause.to_string())?;
        let mut server = server::pinnaced(&domain)?;
        server.name = POSTGRES;
        Ok(server)
    }

    /// Go's net/http, signing the same token with the same key.
    pub(super) fn go_server(&self) -> Done<Server> {
        let mut command = Command::new(self.go_build("go-server")?);
        command.args([self.ca(), format!("{}/server/server.crt", self.domain)]);
        command.args([format!("{}/server/server.key", self.domain), format!("{}/keys/jwt.key", self.domain)]);
        Server::start("go-server", &mut command, |line| Some(line.to_owned()))
    }

    /// nginx, answering with the bytes that another server just answered.
    pub(super) fn nginx(&self, body: &str) -> Done<Server> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(|cause| cause.to_string())?;
        let written = fs::read_to_string(root().join("bench/nginx.conf")).and_then(|text| {
            let text = text.replace("@FOLDER@", &self.folder.display().to_string()).replace("@DOMAIN@", &self.domain);
            let file = self.folder.join(format!("static{CREDENTIAL}"));
            fs::create_dir_all(file.parent().unwrap_or(&file))?;
            fs::write(file, body)?;
            fs::write(self.folder.join("nginx.conf"), text.replace("@PORT@", &address.port().to_string()))
        });
        written.map_err(|cause| format!("nginx: {cause}"))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(self.folder.join("nginx.conf")).arg("-p").arg(&self.folder).arg("-e").arg(self.folder.join("nginx.log"));
        let server = Server { name: "nginx", address: address.to_string(), child: command.spawn().map_err(|cause| format!("nginx: {cause}"))? };
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err("nginx did not listen within 5 s".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The body that a server gives this host.
    pub(super) fn body(&self, server: &Server) -> Done<String> {
        output(Command::new("curl").args(["-q", "-sS", "--fail", "--noproxy", "*", "--cacert", &self.ca(), "--cert", &self.identity, &url(server)]))
    }
}

/// An interpreter with packages of PyPI's in a virtual environment.
pub(super) fn python(folder: &Path, packages: &[&str]) -> Done<String> {
    let quiet = |program: &str, arguments: &[&str]| run_command(Command::new(program).args(arguments).stdout(Stdio::null()));
    let python = folder.join("bin/python").display().to_string();
    quiet("python3", &["-m", "venv", &folder.display().to_string()])?;
    quiet(&python, &[&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], packages].concat())?;
    Ok(python)
}

/// Where the one credential is.
pub(super) fn url(server: &Server) -> String {
    format!("https://{}{CREDENTIAL}", server.address)
}

/// Where a program lies, or a loud word that it is missing.
fn there(program: &str, what: &str) -> bool {
    let found = has(program);
    if !found {
        println!("NOT MEASURED: there is no {program} on PATH, so {what} cannot be compared with");
    }
    found
}
