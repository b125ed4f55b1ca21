//! `cargo xtask demo`: the whole main job on this machine, then three things broken, in a folder that is gone afterwards.

mod fleet;
mod rollout;

use crate::{
    dist,
    shell::{Done, cargo, is_root, need, output, root, run as run_command},
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

const TEN_YEARS: &str = "-315360000";
/// An address that nobody else has.
const ANY: &str = "127.0.0.1:0";
/// Fetches that the demo makes, each with its audit record.
const RUNS: usize = 4;
/// The longest a credential may take to the agent before the demo gives up.
const ARRIVAL: Duration = Duration::from_secs(15);
/// Hides this machine's names from one command: no host is known, and nobody listens where the name server is said to be.
const WITHOUT_DNS: &str = "mount --bind \"$1\" /etc/resolv.conf && mount --bind \"$2\" /etc/hosts && shift 2 && exec \"$@\"";

/// The command, with the words after its name.
pub(crate) fn run(args: &[String]) -> Done {
    let play: fn(&mut Demo, &Path) -> Done = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Demo::play,
        ["rollout"] => rollout::play,
        _ => return Err("usage: cargo xtask demo [rollout]".to_owned()),
    };
    println!("building pinnaced, pinnacectl, weird-host and the static client ...");
    need(&[("curl", "curl"), ("setarch", "util-linux")])?;
    dist::prepare()?;
    run_command(&mut cargo(&["build", "--quiet", "--profile", "demo", "-p", "control-plane", "-p", "operator", "-p", "tests", "--bins"]))?;
    let client = dist::build("x86_64-unknown-linux-musl")?;
    let folder = std::env::temp_dir().join(format!("pinnace-demo-{}", std::process::id()));
    let mut demo = Demo { folder, started: Instant::now(), server: None };
    fs::create_dir_all(demo.path("state")).map_err(|cause| cause.to_string())?;
    play(&mut demo, &client)
}

/// What the demo started and made; dropping it, after a failure too, ends and removes all of it.
struct Demo {
    folder: PathBuf,
    started: Instant,
    server: Option<Child>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Demo {
    fn play(&mut self, client: &Path) -> Done {
        let domain = self.path("domain");
        output(tool("pinnaced").args(["init", "--dir", &domain, "--trust-domain", "example.org", "--name", "cp.example.org"]))?;
        self.say("a trust domain: CA, token key, time key, policy and database in one folder");
        let listening = self.serve(&domain, [ANY; 2])?;
        let port = |listener: &str| listening[listener].as_str().and_then(|address| address.rsplit(':').next()).unwrap_or_default().to_owned();
        self.say(&format!("pinnaced serves hosts on port {}", port("hosts")));

        let site = format!("{domain}/demo.toml");
        fs::write(&site, self.site(&port("hosts"))).map_err(|cause| cause.to_string())?;
        output(tool("pinnacectl").args(["host", "issue", "--domain", &domain, "--host", "web-1", "--out", &self.path("state/identity.pem")]))?;
        output(tool("pinnacectl").args(["stamp", "--site", &site, "--out", &self.path("pinnace"), "--binary"]).arg(client))?;
        self.say("host web-1 has its identity, and the client its site, stamped without a compiler");

        let agent = self.agent()?;
        self.fetch(&mut Command::new(self.path("pinnace")))?;
        let token = agent.recv_timeout(ARRIVAL).map_err(|_| "no credential reached the agent")?;
        self.show(&token, &domain, &port("public"))?;

        self.breaks(&agent)?;
        let audit = output(tool("pinnaced").args(["audit", "--dir", &domain]))?;
        let records: Vec<&str> = audit.lines().filter(|line| line.contains("\"event\":\"issued\"")).collect();
        self.say(&format!(
            "the audit log, a chain of hashes, holds {} issued credentials; the last:\n          {}",
            records.len(),
            records.last().copied().unwrap_or_default()
        ));
        if records.len() != RUNS {
            return Err(format!("{RUNS} credentials were fetched, and the audit log holds {} of them", records.len()));
        }
        println!("\nOne static file fetched four credentials over mutual TLS: once as intended, and three times on a host that was");
        println!(
            "broken in ways that end other clients. Each is in the audit log. Took {:.1} s after the build.",
            self.started.elapsed().as_secs_f32()
        );
        println!("Next: README.md for your own site, docs/operations.md to run it, and `pinnace doctor` on any host.");
        Ok(())
    }

    /// Breaks the host three ways; each time the credential arrives all the same.
    fn breaks(&self, agent: &mpsc::Receiver<String>) -> Done {
        let arrived = |what: &str| match agent.recv_timeout(ARRIVAL) {
            Ok(_) => {
                self.say(&format!("  and the credential arrived, with {what}"));
                Ok(())
            }
            Err(_) => Err(format!("no credential reached the agent, with {what}")),
        };
        self.say("break 1: the host's clock is ten years slow");
        let mut slow = tool("weird-host");
        slow.args(["--clock-offset", TEN_YEARS, "--", &self.path("pinnace")]);
        self.fetch(&mut slow)?;
        arrived("the time proved by the control plane's time key")?;

        self.say("break 2: trust store and proxy variables point at poison");
        let mut poisoned = Command::new(self.path("pinnace"));
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "LD_PRELOAD", "RES_OPTIONS"] {
            poisoned.env(variable, "/nonexistent/poison");
        }
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
            poisoned.env(variable, "http://127.0.0.1:1");
        }
        self.fetch(&mut poisoned)?;
        arrived("an environment nobody read")?;

        self.without_dns(arrived)
    }

    /// The name server is gone, the hosts file is empty and nothing is remembered.
    fn without_dns(&self, arrived: impl Fn(&str) -> Done) -> Done {
        fs::write(self.path("resolv.conf"), "nameserver 127.0.0.1\n").map_err(|cause| cause.to_string())?;
        fs::write(self.path("hosts"), "").map_err(|cause| cause.to_string())?;
        let hidden = || {
            let mut command = Command::new("unshare");
            command.arg(if is_root() { "-m" } else { "-rm" }).args(["sh", "-c", WITHOUT_DNS, "sh", &self.path("resolv.conf"), &self.path("hosts")]);
            command
        };
        if hidden().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            self.say("break 3: DNS is gone: nobody answers at the name server's address, and /etc/hosts is empty");
            self.fetch(hidden().arg(self.path("pinnace")))?;
        } else {
            self.say("break 3: no name server knows cp.example.org (this machine does not let the demo take its DNS away)");
            self.fetch(&mut Command::new(self.path("pinnace")))?;
        }
        arrived("the addresses stamped into the client")
    }

    /// Runs the client as a host would that holds nothing yet.
    fn fetch(&self, command: &mut Command) -> Done {
        let _ = fs::remove_file(self.path("state/credential-db"));
        let _ = fs::remove_file(self.path("state/state"));
        let line = output(command)?;
        let event: Value = serde_json::from_str(line.lines().last().unwrap_or_default()).map_err(|cause| format!("{cause}: {line}"))?;
        self.say(&format!(
            "pinnace: {} in {} ms over {}, clock {} s off",
            event["outcome"].as_str().unwrap_or_default(),
            event["elapsed_ms"],
            event["endpoint"].as_str().unwrap_or_default(),
            event["clock_skew_seconds"]
        ));
        Ok(())
    }

    /// Decodes the token and checks it against the served key set.
    fn show(&self, token: &str, domain: &str, port: &str) -> Done {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { return Err("the agent did not get a token".to_owned()) };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|cause| cause.to_string());
        self.say(&format!("the agent got a token for\n          {}", String::from_utf8_lossy(&decode(payload)?)));
        let resolve = format!("cp.example.org:{port}:127.0.0.1");
        let url = format!("https://cp.example.org:{port}/.well-known/jwks.json");
        let keys = output(Command::new("curl").args([
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "--cacert",
            &format!("{domain}/ca/ca.crt"),
            "--resolve",
            &resolve,
            &url,
        ]))?;
        let keys: Value = serde_json::from_str(&keys).map_err(|cause| cause.to_string())?;
        let header_value: Value = serde_json::from_slice(&decode(header)?).map_err(|cause| cause.to_string())?;
        let key = keys["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|key| key["kid"] == header_value["kid"])
            .ok_or("the served key set lacks the token's key")?;
        let coordinate = |name: &str| decode(key[name].as_str().unwrap_or_default());
        let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(format!("{header}.{payload}").as_bytes(), &decode(signature)?)
            .map_err(|_| "the token's signature does not hold under the served key".to_owned())?;
        self.say("its signature holds under the served JWKS");
        Ok(())
    }

    /// The local agent: takes each credential from its socket, says OK, and passes it on.
    fn agent(&self) -> Done<mpsc::Receiver<String>> {
        let listener = UnixListener::bind(self.path("agent.sock")).map_err(|cause| cause.to_string())?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                let _ = reader.read_line(&mut line);
                let length = line.trim().rsplit(' ').next().and_then(|length| length.parse().ok()).unwrap_or(0);
                let mut token = vec![0; length];
                let read = reader.read_exact(&mut token);
                let _ = reader.get_mut().write_all(if read.is_ok() { b"OK\n" } else { b"ERR\n" });
                if sender.send(String::from_utf8_lossy(&token).into_owned()).is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// Starts pinnaced, in place of the one before, with these addresses for hosts and for operators.
    fn serve(&mut self, domain: &str, [hosts, operators]: [&str; 2]) -> Done<Value> {
        self.stop();
        let arguments =
            ["serve", "--dir", domain, "--listen-hosts", hosts, "--listen-public", ANY, "--listen-admin", ANY, "--listen-operators", operators];
        let mut server = tool("pinnaced").args(arguments).stdout(Stdio::piped()).spawn().map_err(|cause| cause.to_string())?;
        let stdout = server.stdout.take();
        self.server = Some(server);
        let mut lines = BufReader::new(stdout.ok_or("pinnaced has no output")?).lines().map_while(Result::ok);
        let listening = lines.by_ref().filter_map(|line| serde_json::from_str::<Value>(&line).ok()).find(|event| event["event"] == "listening");
        std::thread::spawn(move || lines.for_each(drop));
        listening.ok_or_else(|| "pinnaced ended before it listened".to_owned())
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn site(&self, port: &str) -> String {
        format!(
            "name = \"demo\"\ntrust_domain = \"example.org\"\nroots = [\"ca/ca.crt\"]\ntime_keys = [\"keys/time.pub\"]\nstate_dir = \"{}\"\nhost_file = \"{}\"\n\
             [[endpoint]]\nhost = \"cp.example.org\"\nport = {port}\naddresses = [\"127.0.0.1\"]\n\
             [[credential]]\nname = \"db\"\n[[credential.delivery]]\nkind = \"socket\"\npath = \"{}\"\nformat = \"raw\"\n",
            self.path("state"),
            self.path("host.toml"),
            self.path("agent.sock")
        )
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn say(&self, text: &str) {
        println!("{:>6.2} s  {text}", self.started.elapsed().as_secs_f32());
    }
}

fn tool(name: &str) -> Command {
    Command::new(program(name))
}

fn program(name: &str) -> PathBuf {
    root().join("target/demo").join(name)
}
