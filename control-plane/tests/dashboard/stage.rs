//! A fleet, its control plane, and somebody who looks.

use crate::{
    browser::Browser,
    crowd::{self, Member, fault},
    desk::{Desk, body},
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    stored,
    told::{now, send_until_taken},
};
use protocol::{
    event::{Event, Report},
    phases::{Phase, Phases},
};
use serde_json::json;
use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// What no page takes however busy the machine is; what it does take is printed.
pub(crate) const PAGE: Duration = Duration::from_secs(10);

/// Where it is all kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Sqlite,
    Postgresql,
}

pub(crate) struct Stage {
    pub(crate) desk: Desk,
    pub(crate) browser: Browser,
    pub(crate) members: Vec<Member>,
    /// Where pictures go.
    pub(crate) pictures: PathBuf,
    postgres: Option<Postgres>,
}

/// A control plane that serves these hosts, once they are all in its picture.
pub(crate) fn served(kept: Kept, members: &[Member], days: i64) -> (Desk, Option<Postgres>) {
    let (domain, postgres) = (Domain::new(), (kept == Kept::Postgresql).then(Postgres::start));
    if let Some(postgres) = &postgres {
        postgres.keep(&domain, 60);
    }
    // Pages are looked at for longer than connections last here otherwise.
    domain.set("header_seconds", 5).set("handshake_seconds", 5);
    stored::load(&domain, postgres.as_ref(), members, days);
    let mut server = Server::start(&domain);
    // It logs more than a pipe holds.
    let log = server.log.take();
    thread::spawn(move || log.map(|mut log| io::copy(&mut log, &mut io::sink())));
    let desk = Desk { server, domain };
    eventually("the first page", || page(&desk, "/").contains("id=\"tile-failing\""));
    (desk, postgres)
}

/// A page, or what a script of it fetches; whole.
pub(crate) fn page(desk: &Desk, path: &str) -> String {
    let reply = desk.server.operate(&desk.admin(), path, None);
    assert!(reply.status == 200 && (reply.body.ends_with("</html>") || reply.body.ends_with('}')), "{path}: {}", reply.status);
    reply.body
}

impl Stage {
    /// With these hosts and so many days of counts, and somebody at the browser who came by a link.
    pub(crate) fn new(kept: Kept, members: Vec<Member>, days: i64) -> Self {
        let (desk, postgres) = served(kept, &members, days);
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pictures");
        let pictures = if kept == Kept::Sqlite { pictures } else { pictures.join("postgresql") };
        let stage = Self { desk, browser: Browser::start(), members, pictures, postgres };
        stage.sign_in("admin", "ann");
        stage
    }

    /// Signs in by a link of an operator's.
    pub(crate) fn sign_in(&self, role: &str, name: &str) {
        let link = self.desk.server.operate(&self.desk.operator(role, name), "/v1/operators/dashboard/link", Some("{}"));
        self.browser.open(&format!("https://{}{}", self.desk.server.operators, body(&link)["path"].as_str().unwrap()));
        self.browser.click("#open");
        self.browser.wait("the first page", "return location.pathname === '/'");
    }

    pub(crate) fn open(&self, path: &str) {
        self.browser.open(&format!("https://{}{path}", self.desk.server.operators));
    }

    /// How many hosts a tile of the first page says are in a state.
    pub(crate) fn count(&self, state: &str) -> usize {
        self.number(&format!("#tile-{state} .count"))
    }

    /// The same, on a page that is loaded for it.
    pub(crate) fn fresh_count(&self, state: &str) -> usize {
        self.open("/");
        self.count(state)
    }

    /// How many cells the map has.
    pub(crate) fn drawn(&self) -> usize {
        let cells = self.browser.run("return Number(document.getElementById('map').dataset.cells)");
        usize::try_from(cells.as_u64().unwrap()).unwrap()
    }

    /// The names of those for whom it holds, in order.
    pub(crate) fn of(&self, holds: impl Fn(&Member) -> bool) -> Vec<&str> {
        let mut names: Vec<&str> = self.members.iter().filter(|member| holds(member)).map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// How the newest rollout stands.
    pub(crate) fn state(&self) -> String {
        body(&self.desk.get("rollout"))["rollout"]["state"].as_str().unwrap().to_string()
    }

    /// The number that stands there.
    pub(crate) fn number(&self, selector: &str) -> usize {
        let text = self.browser.text(selector);
        text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or_else(|_| panic!("{selector}: {text}"))
    }

    /// The fault comes over those it is for: each tells so itself. How many they are.
    pub(crate) fn strike(&self) -> usize {
        let struck: Vec<(&Member, (&'static str, &'static str))> =
            self.members.iter().filter(|member| crowd::is_heard(member)).filter_map(|member| Some((member, fault(member)?))).collect();
        let pieces: Vec<_> = struck.chunks(struck.len().div_ceil(4).max(1)).collect();
        thread::scope(|scope| {
            for piece in pieces {
                scope.spawn(|| piece.iter().for_each(|(member, fault)| self.tell(member, *fault)));
            }
        });
        struck.len()
    }

    /// What a host says of itself.
    fn tell(&self, member: &Member, (code, clock): (&str, &str)) {
        let event = Event {
            number: 1,
            at: now(),
            code: code.into(),
            outcome: "failed".into(),
            elapsed_ms: 4_000,
            phases: Phases::new([(Phase::Connect, 3_100), (Phase::Tls, 210), (Phase::Deliver, 0)]),
            attempts: 3,
            generation: member.generation,
            ..Event::default()
        };
        let slow = if clock == "hours behind" { 2 * 3_600 } else { 0 };
        let event = Event { at: event.at - slow, ..event };
        self.report(member, Report { now: now() - slow, events: vec![event], ..Report::default() });
    }

    /// A host tells what it is with it.
    pub(crate) fn report(&self, member: &Member, report: Report) {
        let report = Report { outbox: "a".repeat(16), facts: member.facts.clone().into_iter().collect(), ..report };
        send_until_taken(&self.desk.server, &self.desk.domain.host(&member.name), &report);
    }

    /// Nothing that the browser complains of, and a look for whoever wants one.
    pub(crate) fn look(&self, name: &str) {
        self.browser.picture(&self.pictures.join(format!("{name}.png")));
        assert_eq!(self.browser.complaints(), Vec::<String>::new(), "{name}");
    }

    /// How long the control plane takes for a page, the best of three; each is whole.
    pub(crate) fn takes(&self, path: &str) -> Duration {
        let time = || {
            let start = Instant::now();
            page(&self.desk, path);
            start.elapsed()
        };
        (0..3).map(|_| time()).min().unwrap()
    }

    /// What a script of the page's gets there.
    pub(crate) fn takes_value(&self, path: &str) -> serde_json::Value {
        body(&self.desk.server.operate(&self.desk.admin(), path, None))
    }

    /// Keeps the whole page as a picture, also what is below the window.
    pub(crate) fn keep_whole(&self, name: &str) {
        self.browser.picture_of_all(&self.pictures.join(format!("{name}.png")));
    }

    /// Asks the interface as the first admin.
    pub(crate) fn ask(&self, path: &str) -> serde_json::Value {
        body(&self.desk.post(path, &json!({})))
    }
}
