//! A fleet of hosts as the control plane sees it: certificates, questions and reports, over real connections.

use crate::{
    published::{PLATFORM, hash},
    rig::{Domain, Reply, Server},
    told::now,
};
use protocol::{
    event::{Event, Report},
    release::Assignment,
    trial::{Crossover, Pair, candidate_goes_first},
};
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::{
    cell::Cell,
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

/// For what a fleet is to bring about, also on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// One host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) kernel: &'static str,
    tls: Arc<ClientConfig>,
    pub(crate) generation: Cell<i64>,
    events: Cell<i64>,
    pub(crate) runs: Cell<i64>,
    clean: Cell<i64>,
}

/// All of them.
pub(crate) struct Fleet {
    pub(crate) hosts: Vec<Host>,
}

impl Fleet {
    /// So many hosts, of which the first `old` have an old kernel; each runs generation 5.
    pub(crate) fn new(domain: &Domain, server: &Server, hosts: usize, old: usize) -> Self {
        let host = |number: usize| {
            let name = format!("host-{number:03}");
            let kernel = if number < old { "3.10" } else { "5.14" };
            let tls = server.tls(&domain.host(&name));
            Host { name, kernel, tls, generation: Cell::new(5), events: Cell::new(0), runs: Cell::new(0), clean: Cell::new(0) }
        };
        let fleet = Self { hosts: (0..hosts).map(host).collect() };
        fleet.hosts.iter().for_each(|host| host.report(server, Vec::new(), ""));
        crate::rig::eventually("what they told is known", || {
            let told = operate(server, domain, "hosts/weird", Some(&json!({"limit": 0})));
            told["total"] == hosts && told["strata"].get("os=unknown").is_none()
        });
        fleet
    }

    /// Every host runs once, as the client does: it asks what to run, and tells what came of it. `fails` says whether the candidate does.
    pub(crate) fn run(&self, server: &Server, fails: impl Fn(&Host) -> bool) {
        for host in &self.hosts {
            host.run(server, fails(host));
        }
    }

    /// Runs until something has come to be.
    pub(crate) fn run_until<T>(&self, server: &Server, fails: impl Fn(&Host) -> bool, mut come: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(come) = come(self) {
                return come;
            }
            assert!(Instant::now() < end, "it did not come to be");
            self.run(server, &fails);
        }
    }

    /// Runs until the rollout has ended.
    pub(crate) fn run_to_the_end(&self, server: &Server, domain: &Domain, fails: impl Fn(&Host) -> bool) -> Value {
        self.run_until(server, fails, |_| {
            let status = operate(server, domain, "rollout", None);
            ["done", "pulled"].contains(&status["rollout"]["state"].as_str().unwrap()).then_some(status)
        })
    }
}

impl Host {
    pub(crate) fn ask(&self, server: &Server) -> Option<Assignment> {
        let path = format!("/v1/release?platform={PLATFORM}&generation={}", self.generation.get());
        self.exchange(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
            .and_then(|body| Assignment::from_json(body.as_bytes()))
    }

    fn run(&self, server: &Server, fails: bool) {
        let Some(assignment) = self.ask(server) else { return };
        if assignment.pulled.contains(&hash(self.generation.get())) {
            self.generation.set(5);
        }
        let Some(target) = assignment.target else { return self.report(server, Vec::new(), "") };
        let generation: i64 = target.split('/').nth(1).unwrap().parse().unwrap();
        let (release, run) = (hash(generation), self.runs.get() + 1);
        self.runs.set(run);
        let crossover = |crossover| {
            let pair = match (candidate_goes_first(&self.name, &release, run, crossover), fails) {
                (true, true) => Pair::Bad,
                (true, false) => Pair::Clean,
                (false, _) => Pair::Void,
            };
            Crossover { release: release.clone(), run, crossover, pair, code: if pair == Pair::Bad { "http.closed" } else { "ok" }.into() }
        };
        let first = crossover(0);
        self.clean.set(self.clean.get() + i64::from(first.pair == Pair::Clean));
        let commits = self.clean.get() >= assignment.trial.map_or(1, |trial| trial.runs);
        let repeats = if first.pair == Pair::Bad { 4 } else { 0 };
        let crossovers = std::iter::once(first).chain((1..=repeats).map(crossover)).collect();
        self.report(server, crossovers, if commits { "committed" } else { "" });
        if commits {
            self.generation.set(generation);
            self.clean.set(0);
        }
    }

    /// Tells of a run with these crossovers.
    pub(crate) fn report(&self, server: &Server, crossovers: Vec<Crossover>, verdict: &str) {
        let number = self.events.get() + 1;
        let verdict_on =
            if verdict.is_empty() { String::new() } else { crossovers.first().map_or_else(String::new, |crossover| crossover.release.clone()) };
        let (at, generation) = (now(), self.generation.get());
        let event = Event {
            number,
            at,
            code: "ok".into(),
            outcome: "delivered".into(),
            generation,
            crossovers,
            verdict: verdict.into(),
            verdict_on,
            ..Event::default()
        };
        let facts = vec![("os".to_string(), "linux".to_string()), ("kernel".to_string(), self.kernel.to_string())];
        let report = Report { outbox: "ab".repeat(8), now: at, facts, events: vec![event], dropped: 0 };
        if self.send(server, &report).is_some() {
            self.events.set(number);
        }
    }

    /// Sends a report; what was answered, unless it was not taken.
    pub(crate) fn send(&self, server: &Server, report: &Report) -> Option<String> {
        let body = report.to_json();
        let head = format!("POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        self.exchange(server, &(head + &body))
    }

    /// The body of a 200; `None` where the server is away or says no.
    fn exchange(&self, server: &Server, request: &str) -> Option<String> {
        let mut stream = server.connect_if_there(Arc::clone(&self.tls))?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        // The end of a connection is the end of its answer.
        let _ = stream.read_to_string(&mut reply);
        let (head, body) = reply.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_string())
    }
}

/// An operator's question.
pub(crate) fn operate(server: &Server, domain: &Domain, path: &str, asked: Option<&Value>) -> Value {
    let reply = tried(server, domain, path, asked);
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// The same, whatever comes.
pub(crate) fn tried(server: &Server, domain: &Domain, path: &str, asked: Option<&Value>) -> Reply {
    let body = asked.map(ToString::to_string);
    server.operate(&domain.path("operators/admin.pem"), &format!("/v1/operators/{path}"), body.as_deref())
}

/// Starts the rollout of a generation, once it is offered.
pub(crate) fn start(server: &Server, domain: &Domain, generation: i64) {
    let asked = json!({"generation": generation, "reason": "a test"});
    crate::rig::eventually("the rollout starts", || tried(server, domain, "rollout/start", Some(&asked)).status == 200);
}

/// The newest rollout's chain, which must hold.
pub(crate) fn chain(server: &Server, domain: &Domain) -> Vec<rollout::step::Step> {
    let told = operate(server, domain, "rollout/explain", Some(&json!({})));
    let plan = rollout::plan::Plan::from_json(told["plan"].to_string().as_bytes()).unwrap();
    let read = |step: &Value| rollout::step::Step::from_value(&protocol::json::parse(step.to_string().as_bytes()).unwrap()).unwrap();
    let steps: Vec<_> = told["steps"].as_array().unwrap().iter().map(read).collect();
    rollout::step::check(&plan, &steps).unwrap_or_else(|broken| panic!("{broken}: {steps:#?}"));
    steps
}
