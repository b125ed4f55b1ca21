//! `pinnaced` beside Go's net/http and nginx: what one fresh mutual TLS connection costs the server.

use super::{
    Limit,
    peers::{Bench, POSTGRES, url},
};
use crate::{
    postgres::Postgres,
    server::Server,
    shell::{Done, output},
};
use std::process::Command;

const ROUNDS: usize = 10;
const CONNECTIONS: u32 = 500;
const AT_ONCE: u32 = 16;
/// The thread of pinnaced that keeps the audit log.
const WRITER: &str = "writer";

/// Measures and prints; gives the limits that follow.
pub(super) fn run(bench: &Bench) -> Done<Vec<Limit>> {
    if !bench.go {
        println!("\nNOT MEASURED: the load comes from a Go program, and there is no go on PATH");
        return Ok(limits(&[]));
    }
    let load = bench.go_build("go-load")?;
    let postgres = Postgres::start()?;
    let pinnaced = bench.pinnaced()?;
    let body = bench.body(&pinnaced)?;
    let shared = postgres.as_ref().map(|postgres| bench.pinnaced_on(postgres)).transpose()?;
    let nginx = if bench.nginx { Some(bench.nginx(&body)?) } else { None };
    let all = [Some(pinnaced), shared, Some(bench.go_server()?), nginx].into_iter().flatten();
    let mut contenders: Vec<Contender> = all.map(|server| Contender { server, seconds: 0.0, writer: 0.0, exchange: String::new() }).collect();
    for round in 0..=ROUNDS {
        for contender in &mut contenders {
            contender.measure(&load, bench, round > 0)?;
        }
    }
    print(&contenders);
    Ok(limits(&contenders))
}

/// A server, and what all measured connections have cost it.
struct Contender {
    server: Server,
    seconds: f64,
    writer: f64,
    exchange: String,
}

impl Contender {
    fn measure(&mut self, load: &str, bench: &Bench, counts: bool) -> Done {
        let (before, writer_before) = (self.server.cpu_seconds()?, self.server.cpu_seconds_of(WRITER)?);
        self.exchange = connect(load, bench, &self.server)?;
        if counts {
            self.seconds += self.server.cpu_seconds()? - before;
            self.writer += self.server.cpu_seconds_of(WRITER)? - writer_before;
        }
        Ok(())
    }

    fn micros(&self) -> f64 {
        self.seconds / connections() * 1e6
    }

    fn signs(&self) -> bool {
        self.server.name != "nginx"
    }

    fn is_ours(&self) -> bool {
        self.server.name.starts_with("pinnaced")
    }
}

fn connections() -> f64 {
    f64::from(CONNECTIONS) * f64::from(u32::try_from(ROUNDS).unwrap_or_default())
}

fn print(contenders: &[Contender]) {
    println!(
        "\nServer CPU per fresh mutual TLS connection with one GET, {AT_ONCE} at once, one host's certificate, {:.0} connections",
        connections()
    );
    println!("each in {ROUNDS} interleaved rounds after one unmeasured. pinnaced also keeps a durable audit record of each; what its thread");
    println!("for them takes is in the sum and stands behind it. The database server's own work is not.");
    let go = contenders.iter().find(|contender| contender.server.name == "go-server").map_or(f64::NAN, Contender::micros);
    for contender in contenders {
        let (cost, does) = (contender.micros(), if contender.signs() { "signs ES256" } else { "static body" });
        let audit = if contender.is_ours() { format!(", audit {:.0} us", contender.writer / connections() * 1e6) } else { String::new() };
        println!("  {:<20} {cost:>7.0} us  {:>6.3}x of Go's  {}  {does}{audit}", contender.server.name, cost / go, contender.exchange);
    }
    if contenders.iter().any(|contender| contender.server.name == "nginx") {
        println!("  nginx uses this machine's OpenSSL: where that has no hybrid (3.0), its handshakes are plain X25519, as printed.");
    }
}

fn limits(contenders: &[Contender]) -> Vec<Limit> {
    let of = |name: &str| contenders.iter().find(|contender| contender.server.name == name);
    let against = |what, ours: &str, peer: &str, most| {
        let ours = of(ours);
        Limit::new(what, ours.map_or(f64::NAN, Contender::micros), ours.and(of(peer)).map(Contender::micros), most)
    };
    let audit = |what, name: &str| {
        let ours = of(name);
        Limit::new(what, ours.map_or(f64::NAN, |ours| ours.writer), ours.map(|ours| ours.seconds), 0.2)
    };
    vec![
        against("server CPU, pinnaced on SQLite / Go", "pinnaced", "go-server", 0.45),
        against("server CPU, pinnaced on PostgreSQL / Go", POSTGRES, "go-server", 0.45),
        against("server CPU, pinnaced on SQLite / nginx", "pinnaced", "nginx", 1.0),
        audit("audit's share of the CPU, on SQLite", "pinnaced"),
        audit("audit's share of the CPU, on PostgreSQL", POSTGRES),
    ]
}

/// One round of load; every connection must have used one and the same key exchange.
fn connect(load: &str, bench: &Bench, server: &Server) -> Done<String> {
    let counts = [CONNECTIONS.to_string(), AT_ONCE.to_string()];
    let said = output(Command::new(load).arg(url(server)).arg(bench.ca()).arg(&bench.identity).args(counts))?;
    let expected = CONNECTIONS.to_string();
    match said.split_whitespace().collect::<Vec<_>>().as_slice() {
        [exchange, count] if *count == expected => Ok((*exchange).to_owned()),
        _ => Err(format!("{}: not every connection used the same key exchange: {said}", server.name)),
    }
}
