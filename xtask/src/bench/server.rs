//! `pinnaced` beside Go's net/http and nginx: what one fresh mutual TLS connection costs the server.

use super::{
    Limit,
    peers::{Bench, url},
};
use crate::{
    server::Server,
    shell::{Done, output},
};
use std::process::Command;

const ROUNDS: usize = 10;
const CONNECTIONS: u32 = 500;
const AT_ONCE: u32 = 16;

/// Measures and prints; gives the limits that follow.
pub(super) fn run(bench: &Bench) -> Done<Vec<Limit>> {
    const GO: &str = "server CPU per connection, pinnaced / Go";
    const NGINX: &str = "server CPU per connection, pinnaced / nginx";
    if !bench.go {
        println!("\nNOT MEASURED: the load comes from a Go program, and there is no go on PATH");
        return Ok(vec![Limit::new(GO, 0.0, None, 0.5), Limit::new(NGINX, 0.0, None, 1.0)]);
    }
    let load = bench.go_build("go-load")?;
    let pinnaced = bench.pinnaced()?;
    let nginx = if bench.nginx { Some(bench.nginx(&bench.body(&pinnaced)?)?) } else { None };
    let servers: Vec<Server> = [Some(pinnaced), Some(bench.go_server()?), nginx].into_iter().flatten().collect();
    let mut sums: Vec<(f64, String)> = vec![(0.0, String::new()); servers.len()];
    for round in 0..=ROUNDS {
        for (server, (seconds, exchange)) in servers.iter().zip(&mut sums) {
            let before = server.cpu_seconds()?;
            *exchange = connect(&load, bench, server)?;
            if round > 0 {
                *seconds += server.cpu_seconds()? - before;
            }
        }
    }
    let connections = f64::from(CONNECTIONS) * f64::from(u32::try_from(ROUNDS).unwrap_or_default());
    println!("\nServer CPU per fresh mutual TLS connection with one GET, {AT_ONCE} at once, one host's certificate, {connections:.0} connections");
    println!("each in {ROUNDS} interleaved rounds after one unmeasured. pinnaced also keeps a durable audit record of each.");
    let micros: Vec<f64> = sums.iter().map(|(seconds, _)| seconds / connections * 1e6).collect();
    let of = |name: &str| servers.iter().position(|server| server.name == name).and_then(|index| micros.get(index)).copied();
    let go = of("go-server");
    for ((server, cost), (_, exchange)) in servers.iter().zip(&micros).zip(&sums) {
        println!("  {:<12} {cost:>7.0} us  {:>6.3}x of Go's  {}  {}", server.name, cost / go.unwrap_or(f64::NAN), exchange, does(server.name));
    }
    if of("nginx").is_some() {
        println!("  nginx uses this machine's OpenSSL: where that has no hybrid (3.0), its handshakes are plain X25519, as printed.");
    }
    let ours = of("pinnaced").unwrap_or(f64::NAN);
    Ok(vec![Limit::new(GO, ours, go, 0.5), Limit::new(NGINX, ours, of("nginx"), 1.0)])
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

fn does(server: &str) -> &'static str {
    match server {
        "pinnaced" => "signs ES256, durable audit",
        "go-server" => "signs ES256, no audit",
        _ => "static body",
    }
}
