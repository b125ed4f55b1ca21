//! `cargo xtask demo rollout`: a fleet takes a good release wave by wave, and pulls a bad one by itself.

use super::{
    ANY, Demo,
    fleet::{Fleet, names, round},
    tool,
};
use crate::shell::{Done, output};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

const HOSTS: usize = 300;
const OLD_HOSTS: usize = 30;
/// Every host fetches so often, if this machine starts that many programs in the time; on a real fleet it is half an hour.
const INTERVAL_SECONDS_MIN: u64 = 2;
/// For so many intervals each wave is watched.
const SOAK_INTERVALS: u32 = 2;
/// The longest that a rollout may take here.
const PATIENCE: Duration = Duration::from_secs(600);
/// An address, so that no name server has a say in how long a run takes.
const NAME: &str = "127.0.0.1";
const PASSPHRASE: &str = "correct horse";

/// Plays it.
pub(super) fn play(demo: &mut Demo, client: &Path) -> Done {
    let domain = demo.path("domain");
    output(tool("pinnaced").args(["init", "--dir", &domain, "--trust-domain", "example.org", "--name", NAME]))?;
    engineers(demo)?;
    let listening = demo.serve(&domain, [ANY; 2])?;
    let port = |listener: &str| listening[listener].as_str().and_then(|address| address.rsplit(':').next()).unwrap_or_default().to_owned();
    let address = |listener: &str| listening[listener].as_str().unwrap_or_default().to_owned();
    context(demo, &address("operators"))?;
    stamp(demo, &port("hosts"), "demo", client, "pinnace")?;
    let names = names(HOSTS, OLD_HOSTS);
    for name in &names {
        fs::create_dir_all(demo.path(&format!("hosts/{name}"))).map_err(|cause| cause.to_string())?;
        let identity = demo.path(&format!("hosts/{name}/identity.pem"));
        output(tool("pinnacectl").args(["host", "issue", "--domain", &domain, "--host", name, "--out", &identity]))?;
    }
    demo.say(&format!("a trust domain, its control plane, and {HOSTS} hosts; {OLD_HOSTS} of them have an old kernel"));
    let (folder, installed) = (demo.path(""), demo.path("pinnace"));
    let (folder, installed) = (Path::new(&folder), Path::new(&installed));
    let took = round(folder, installed, &names)?;
    // Half as long again: while a release is on trial a run starts two programs, and sometimes more.
    let interval = Duration::from_secs((took.as_millis() * 3 / 2).div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(INTERVAL_SECONDS_MIN));
    hurry(&domain, interval)?;
    demo.serve(&domain, [&address("hosts"), &address("operators")])?;
    let mut fleet = Fleet::start(folder, installed, &names, interval)?;
    demo.say(&format!("each of them runs the client every {} s, as a timer would, and has to fetch each time", interval.as_secs()));
    std::thread::sleep(interval * 3);

    stamp(demo, &port("hosts"), "better", client, "generation-1")?;
    publish(demo, "generation-1", 1)?;
    demo.say("generation 1 is signed and published, and its rollout begins");
    let good = rollout(demo, &fleet, &names, 1)?;
    if good != "done" {
        return Err(format!("a good release was to go through, and its rollout is {good}"));
    }
    spread(demo, &fleet, &names, 1)?;

    // The bad release does its work by this client, where it works.
    fs::copy(demo.path("generation-1"), demo.path("right")).map_err(|cause| cause.to_string())?;
    stamp(demo, &port("hosts"), "crash-on-old-kernels", Path::new(&super::program("bad-release")), "generation-2")?;
    publish(demo, "generation-2", 2)?;
    demo.say("generation 2 is signed and published; it crashes where the kernel is old, and nobody here knows that");
    let bad = rollout(demo, &fleet, &names, 2)?;
    if bad != "pulled" {
        return Err(format!("a bad release was to be pulled, and its rollout is {bad}"));
    }
    println!("\n{}", output(pinnacectl(demo).args(["rollout", "explain"]))?.trim_end());
    std::thread::sleep(interval * 3);
    fleet.stop();
    end(demo, &fleet, &names)
}

/// Lets everything that waits wait for seconds and not for hours.
fn hurry(domain: &str, interval: Duration) -> Done {
    let settings = format!("{domain}/pinnaced.toml");
    let text = fs::read_to_string(&settings).map_err(|cause| cause.to_string())?;
    let seconds = interval.as_secs();
    let text = text
        .replace("reload_seconds = 2", "reload_seconds = 1")
        .replace("trial_runs = 10 ", "trial_runs = 1 ")
        .replace("# trial_seconds = 50400", "trial_seconds = 0")
        .replace("# interval_seconds = 1800", &format!("interval_seconds = {seconds}"))
        .replace("# soak_intervals = 28", &format!("soak_intervals = {SOAK_INTERVALS}"));
    fs::write(settings, text).map_err(|cause| cause.to_string())
}

/// The release engineers' keys, and the root that hosts will believe.
fn engineers(demo: &Demo) -> Done {
    fs::write(demo.path("pass"), PASSPHRASE).map_err(|cause| cause.to_string())?;
    for name in ["root-key", "targets-key"] {
        release(demo, &["key", "--out", name, "--passphrase-file", "pass"])?;
    }
    let keys = |arguments: &[&str]| output(tool("pinnaced").arg("keys").args(arguments).args(["--dir", &demo.path("domain")]));
    let id = keys(&["prepare", "--use", "online", "--reason", "demo"])?.trim().lines().last().unwrap_or_default().to_owned();
    keys(&["activate", &id, "--reason", "demo", "--force"])?;
    let list = keys(&["list"])?;
    let online = list.lines().skip_while(|line| !line.starts_with(&id)).nth(1).and_then(|line| line.split(' ').next_back()).unwrap_or_default();
    release(demo, &["init", "--root-key", "root-key.pub", "--targets-key", "targets-key.pub", "--online-key", online, "--dir", "releases"])?;
    for key in ["root-key", "targets-key"] {
        release(demo, &["sign", "--key", key, "--passphrase-file", "pass", "--dir", "releases"])?;
    }
    release(demo, &["publish", "--to", "domain/releases", "--dir", "releases"]).map(drop)
}

fn publish(demo: &Demo, binary: &str, generation: i64) -> Done {
    let number = generation.to_string();
    release(demo, &["build", "--binary", binary, "--generation", &number, "--version", &format!("1.{number}"), "--dir", "releases"])?;
    release(demo, &["sign", "--key", "targets-key", "--passphrase-file", "pass", "--dir", "releases"])?;
    release(demo, &["publish", "--to", "domain/releases", "--dir", "releases"])?;
    Ok(())
}

fn release(demo: &Demo, arguments: &[&str]) -> Done<String> {
    output(tool("pinnacectl").arg("release").args(arguments).current_dir(demo.path("")))
}

fn context(demo: &Demo, operators: &str) -> Done {
    let (ca, identity) = (demo.path("domain/ca/ca.crt"), demo.path("domain/operators/admin.pem"));
    output(pinnacectl(demo).args(["context", "add", "demo", "--server", operators, "--ca", &ca, "--identity", &identity])).map(drop)
}

fn pinnacectl(demo: &Demo) -> Command {
    let mut command = tool("pinnacectl");
    command.env("XDG_CONFIG_HOME", demo.path("config"));
    command
}

/// A client, or what passes for one, with this control plane in it.
fn stamp(demo: &Demo, port: &str, name: &str, binary: &Path, out: &str) -> Done {
    let site = format!(
        "name = \"{name}\"\ntrust_domain = \"example.org\"\nroots = [\"ca/ca.crt\"]\ntime_keys = [\"keys/time.pub\"]\nstate_dir = \"{}\"\n\
         host_file = \"{}\"\nupdate_root = \"releases/metadata/1.root.json\"\n\
         [[endpoint]]\nhost = \"{NAME}\"\nport = {port}\n[[credential]]\nname = \"db\"\n",
        demo.path("hosts"),
        demo.path("host.toml"),
    );
    let file = demo.path(&format!("domain/{name}.toml"));
    fs::write(&file, site).map_err(|cause| cause.to_string())?;
    output(tool("pinnacectl").args(["stamp", "--site", &file, "--out", &demo.path(out), "--binary"]).arg(binary)).map(drop)
}

/// Starts the rollout of a generation as soon as it is offered, and watches it to its end; says how it ended.
fn rollout(demo: &Demo, fleet: &Fleet, names: &[String], generation: i64) -> Done<String> {
    let began = Instant::now();
    let number = generation.to_string();
    while !pinnacectl(demo).args(["rollout", "start", &number, "--reason", "demo"]).output().is_ok_and(|done| done.status.success()) {
        if began.elapsed() > PATIENCE {
            return output(pinnacectl(demo).args(["rollout", "start", &number, "--reason", "demo"]));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let mut said = String::new();
    while began.elapsed() < PATIENCE {
        let status = pinnacectl(demo).args(["rollout", "status", "-o", "json"]).output().map_err(|cause| cause.to_string())?;
        let status: Value = serde_json::from_slice(&status.stdout).map_err(|cause| cause.to_string())?;
        let status = &status["rollout"];
        let decision = status["decision"].as_str().unwrap_or_default().to_owned();
        // Counts alone are no news.
        let kind = |decision: &str| decision.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
        if kind(&decision) != kind(&said) {
            let missed = fleet.counts.missed().len();
            let runs = fleet.counts.runs();
            demo.say(&format!("{decision}\n          {runs} runs, {missed} credentials missed; hosts by generation {:?}", fleet.generations(names)));
            said = decision;
        }
        let state = status["state"].as_str().unwrap_or_default();
        if matches!(state, "done" | "pulled") {
            return Ok(state.to_owned());
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    Err(format!("the rollout of generation {generation} did not end in {} s: {said}", PATIENCE.as_secs()))
}

/// Waits until nine hosts in ten run a generation: the coin lets some wait longer for their turn.
fn spread(demo: &Demo, fleet: &Fleet, names: &[String], generation: i64) -> Done {
    let began = Instant::now();
    loop {
        let hosts = fleet.generations(names);
        let on = hosts.get(&generation).copied().unwrap_or(0);
        if on * 10 >= names.len() * 9 {
            demo.say(&format!("generation {generation} runs on {on} of {} hosts, and the others come after", names.len()));
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("generation {generation} did not reach the fleet: {hosts:?}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What the audit log says of all of it.
fn end(demo: &Demo, fleet: &Fleet, names: &[String]) -> Done {
    let audit = output(tool("pinnaced").args(["audit", "--dir", &demo.path("domain")]))?;
    let records = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|record| record["event"] == "issued");
    let mut issued: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        *issued.entry(record["host"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let (runs, missed) = (fleet.counts.by_host(), fleet.counts.missed());
    let without = runs.iter().filter(|(host, runs)| issued.get(*host).copied().unwrap_or(0) < **runs).count();
    let sum = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
    let rescues = fleet.counts.rescues.load(Ordering::Relaxed);
    println!();
    demo.say(&format!("{} runs of {} hosts, {rescues} rescues; hosts by generation {:?}", sum(&runs), names.len(), fleet.generations(names)));
    demo.say(&format!("the audit log holds {} issued credentials: one for every run, and those of crossovers that were repeated", sum(&issued)));
    demo.say(&format!("credentials missed: {}; hosts with fewer on record than runs: {without}", missed.len()));
    match missed.first() {
        None if without == 0 => {
            println!("\nA release that crashed on one kind of host was found out there, named, and pulled by itself. No host missed a credential.");
            Ok(())
        }
        None => Err(format!("{without} hosts have fewer credentials on record than runs")),
        Some(first) => Err(format!("{} runs were left without a credential; the first: {first}", missed.len())),
    }
}
