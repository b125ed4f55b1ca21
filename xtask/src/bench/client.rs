//! `pinnace` beside curl, Python's requests and Go's net/http: one process, one fetched credential, one file.

use super::{
    Limit, median,
    peers::{Bench, python, url},
};
use crate::server::{Server, release};
use crate::shell::{Done, has, output, root, run as run_command};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const ROUNDS: usize = 201;
const WARM_UP: usize = 5;

/// Measures and prints; gives the limits that follow.
pub(super) fn run(bench: &Bench) -> Done<Vec<Limit>> {
    let memory = Scratch::new(Path::new("/dev/shm"))?;
    let pinnaced = bench.pinnaced_in(memory.path())?;
    let nginx = if bench.nginx { Some(bench.nginx(&bench.body(&pinnaced)?)?) } else { None };
    let peers = Peers::prepare(bench)?;
    let mut harness = Harness::start(bench)?;
    let mut against = |server: &Server| -> Done<Vec<Contender>> {
        let mut contenders = peers.contenders(bench, server, memory.path())?;
        measure(&mut harness, &mut contenders)?;
        print(server.name, &contenders);
        Ok(contenders)
    };
    println!(
        "\nOne run from exec to exit, median of {ROUNDS} rounds after {WARM_UP} unmeasured, in each another order; fresh TLS 1.3, client certificate."
    );
    println!("All files lie in memory, those of pinnaced too, except those of \"pinnace, on disk\": what a disk takes to make something");
    println!("durable is neither client's doing.");
    println!("The limits below judge \"pinnace\". Key exchange: pinnace X25519, Go its default hybrid, curl and requests what their OpenSSL offers.");
    let ours = against(&pinnaced)?;
    let theirs = nginx.as_ref().map(&mut against).transpose()?;
    Ok(limits(&ours, theirs.as_deref()))
}

fn limits(pinnaced: &[Contender], nginx: Option<&[Contender]>) -> Vec<Limit> {
    let median = |all: &[Contender], name: &str, of: fn(&Cost) -> f64| all.iter().find(|one| one.name == name).map(|one| one.median(of));
    let against = |what, all: Option<&[Contender]>, of: fn(&Cost) -> f64, most| {
        let ours = all.and_then(|all| median(all, "pinnace", of));
        Limit::new(what, ours.unwrap_or_default(), ours.and(all).and_then(|all| median(all, "go", of)), most)
    };
    vec![
        against("pinnaced: wall time, pinnace / Go", Some(pinnaced), |cost| cost.wall_ms, 0.35),
        against("pinnaced: CPU, pinnace / Go", Some(pinnaced), |cost| cost.cpu_ms, 0.25),
        against("pinnaced: peak memory, pinnace / Go", Some(pinnaced), |cost| cost.peak_kb, 0.25),
        against("nginx: wall time, pinnace / Go", nginx, |cost| cost.wall_ms, 0.45),
    ]
}

fn measure(harness: &mut Harness, contenders: &mut [Contender]) -> Done {
    for round in 0..WARM_UP + ROUNDS {
        for index in order(round, contenders.len()) {
            let Some(contender) = contenders.get_mut(index) else { continue };
            for path in &contender.remove {
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
            let cost = harness.run(&contender.command).map_err(|because| format!("{}: {because}", contender.name))?;
            let written = fs::metadata(&contender.out).map_or(0, |file| file.len());
            if written == 0 {
                return Err(format!("{} ended well and wrote nothing to {}", contender.name, contender.out.display()));
            }
            if round >= WARM_UP {
                contender.costs.push(cost);
            }
        }
    }
    Ok(())
}

/// Another order in every round: whoever always came after an interpreter would find the caches cold every time.
fn order(round: usize, length: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by_cached_key(|index| {
        let mut hasher = DefaultHasher::new();
        (round, index).hash(&mut hasher);
        hasher.finish()
    });
    order
}

fn print(server: &str, contenders: &[Contender]) {
    println!("\nagainst {server:<18} {:>9} {:>9} {:>10} {:>9}   {:>7} {:>7} {:>7}", "wall ms", "CPU ms", "peak KB", "size KB", "wall", "CPU", "peak");
    let go = contenders.iter().find(|contender| contender.name == "go");
    for contender in contenders {
        let values: [fn(&Cost) -> f64; 3] = [|cost| cost.wall_ms, |cost| cost.cpu_ms, |cost| cost.peak_kb];
        let [wall, cpu, peak] = values.map(|of| contender.median(of));
        let size = contender.size.map_or_else(|| "-".to_owned(), |bytes| (bytes / 1024).to_string());
        let ratio = |of| go.map_or_else(|| "-".to_owned(), |go| format!("{:.3}x", contender.median(of) / go.median(of)));
        let [wall_ratio, cpu_ratio, peak_ratio] = values.map(ratio);
        println!("  {:<24} {wall:>9.2} {cpu:>9.2} {peak:>10.0} {size:>9}   {wall_ratio:>7} {cpu_ratio:>7} {peak_ratio:>7}", contender.name);
    }
    println!("  the last three columns: against Go's. curl and requests also load shared libraries and an interpreter that their size leaves out.");
}

/// The peers that could be had.
struct Peers {
    go: Option<String>,
    python: Option<String>,
}

impl Peers {
    fn prepare(bench: &Bench) -> Done<Self> {
        let go = if bench.go { Some(bench.go_build("go-client")?) } else { None };
        let python = python(&bench.folder.join("venv"), &["requests"]).map_err(|because| println!("NOT MEASURED: Python's requests: {because}")).ok();
        Ok(Self { go, python })
    }

    fn contenders(&self, bench: &Bench, server: &Server, memory: &Path) -> Done<Vec<Contender>> {
        let (url, ca, id) = (url(server), bench.ca(), bench.identity.as_str());
        let mut all = vec![
            pinnace(bench, server, "pinnace", &memory.join(server.name))?,
            pinnace(bench, server, "pinnace, on disk", &bench.folder.join(format!("host-{}", server.name)))?,
        ];
        if let Some(go) = &self.go {
            all.push(Contender::new("go", go, memory, &[&url, id], &[]));
        }
        if let Some(curl) = find("curl") {
            all.push(Contender::new("curl", &curl, memory, &["-q", "-sS", "--fail", "--tlsv1.3", "--cacert", &ca, "--cert", id, &url], &["-o"]));
        }
        if let Some(python) = &self.python {
            let script = root().join("bench/requests_client.py").display().to_string();
            all.push(Contender { size: None, ..Contender::new("requests", python, memory, &[&script, &url, &ca, id], &[]) });
        }
        Ok(all)
    }
}

/// Stamps a client for this server, with its state and credential under `home`.
fn pinnace(bench: &Bench, server: &Server, name: &'static str, home: &Path) -> Done<Contender> {
    let (state, out, program) = (home.join("state"), home.join("db.token"), home.join("pinnace"));
    let site = Path::new(&bench.domain).join(format!("bench-{}.toml", server.name));
    let text = format!(
        "name = \"bench\"\ntrust_domain = \"example.org\"\nroots = [\"ca/ca.crt\"]\ntime_keys = [\"keys/time.pub\"]\nstate_dir = \"{}\"\nhost_file = \"{}\"\n\
         [[endpoint]]\nhost = \"127.0.0.1\"\nport = {}\naddresses = [\"127.0.0.1\"]\n\
         [[credential]]\nname = \"db\"\n[[credential.delivery]]\nkind = \"file\"\npath = \"{}\"\nformat = \"raw\"\n",
        state.display(),
        home.join("host.toml").display(),
        server.port(),
        out.display()
    );
    let laid = fs::create_dir_all(&state).and_then(|()| fs::write(&site, text)).and_then(|()| fs::copy(&bench.identity, state.join("identity.pem")));
    laid.map_err(|cause| format!("{}: {cause}", home.display()))?;
    output(release("pinnacectl").arg("stamp").arg("--site").arg(&site).arg("--binary").arg(&bench.client).arg("--out").arg(&program))?;
    let remove = vec![state.join("credential-db"), state.join("state")];
    let size = fs::metadata(&program).ok().map(|file| file.len());
    Ok(Contender { name, command: vec![program.display().to_string()], out, remove, size, costs: Vec::new() })
}

fn find(program: &str) -> Option<String> {
    if !has(program) {
        println!("NOT MEASURED: there is no {program} on PATH");
        return None;
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|file| file.is_file()).map(|file| file.display().to_string())
}

/// A program that fetches, and what its runs cost.
struct Contender {
    name: &'static str,
    command: Vec<String>,
    out: PathBuf,
    remove: Vec<PathBuf>,
    size: Option<u64>,
    costs: Vec<Cost>,
}

impl Contender {
    /// A peer: its arguments, and then where it writes.
    fn new(name: &'static str, program: &str, folder: &Path, arguments: &[&str], before_out: &[&str]) -> Self {
        let out = folder.join(format!("{name}.token"));
        let words = [&[program][..], arguments, before_out].concat();
        let command = words.into_iter().map(str::to_owned).chain([out.display().to_string()]).collect();
        let size = fs::metadata(program).ok().map(|file| file.len());
        Self { name, command, remove: vec![out.clone()], out, size, costs: Vec::new() }
    }

    fn median(&self, of: fn(&Cost) -> f64) -> f64 {
        median(self.costs.iter().map(of).collect())
    }
}

/// What one run cost.
struct Cost {
    wall_ms: f64,
    cpu_ms: f64,
    peak_kb: f64,
}

/// The small program that starts the others: see `bench/harness.rs`.
struct Harness {
    child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Harness {
    fn start(bench: &Bench) -> Done<Self> {
        let program = bench.folder.join("harness");
        let mut build = Command::new("rustc");
        build.args(["--edition", "2024", "--target", "x86_64-unknown-linux-musl", "-C", "opt-level=z", "-C", "panic=abort", "-C", "strip=symbols"]);
        run_command(build.arg("-o").arg(&program).arg(root().join("bench/harness.rs")).current_dir(root()))?;
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|cause| cause.to_string())?;
        let (Some(ask), Some(out)) = (child.stdin.take(), child.stdout.take()) else { return Err("the harness has no pipes".to_owned()) };
        Ok(Self { child, ask, answers: BufReader::new(out).lines() })
    }

    fn run(&mut self, command: &[String]) -> Done<Cost> {
        writeln!(self.ask, "{}", command.join("\t")).map_err(|cause| cause.to_string())?;
        let line = self.answers.next().ok_or("the harness ended")?.map_err(|cause| cause.to_string())?;
        let fields: Vec<f64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
        match fields.as_slice() {
            [wall, cpu, peak, 0.0] => Ok(Cost { wall_ms: wall / 1e6, cpu_ms: cpu / 1e3, peak_kb: *peak }),
            _ => Err(format!("{} ended badly: {line}", command.join(" "))),
        }
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder in memory.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Done<Self> {
        let path = parent.join(format!("pinnace-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
