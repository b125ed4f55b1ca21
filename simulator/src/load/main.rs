//! `pinnace-load`: a fleet that comes back all at once.
//!
//! Every host has its own certificate, opens its own connections with a full TLS 1.3 handshake, and behaves like the client: one
//! run with a deadline, retries inside it as `core/host` says, and otherwise the next tick of its timer. What is simulated is the
//! hosts' number and nothing else.
#![forbid(unsafe_code)]

mod fleet;
mod report;
mod visit;

use clap::Parser;
use fleet::Fleet;
use report::{Outcome, Report};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::mpsc, time::sleep_until};

/// A fleet that comes back all at once.
#[derive(Parser)]
struct Arguments {
    /// Where the control plane serves hosts.
    #[arg(long)]
    server: SocketAddr,
    /// The control plane's name in its certificate.
    #[arg(long)]
    name: String,
    /// The folder that `pinnaced init` made.
    #[arg(long)]
    domain: PathBuf,
    /// The credential that every host fetches.
    #[arg(long, default_value = "db")]
    credential: String,
    /// How many hosts.
    #[arg(long)]
    hosts: u32,
    /// Over how many seconds they come.
    #[arg(long, default_value_t = 60)]
    within: u64,
    /// Seconds between the ticks of a host's timer.
    #[arg(long, default_value_t = 60)]
    interval: u64,
    /// Seconds after which it is over.
    #[arg(long, default_value_t = 600)]
    until: u64,
}

/// The deadline of one run, as the client has it.
const DEADLINE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Fleet::make(&arguments.domain, &arguments.name, arguments.hosts).and_then(|fleet| run(arguments, fleet)) {
        Ok(report) => {
            println!("{report}");
            if report.everyone_has_a_credential() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(because) => {
            eprintln!("pinnace-load: {because}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments, fleet: Fleet) -> Result<Report, String> {
    raise_descriptor_limit();
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (fleet, arguments) = (Arc::new(fleet), Arc::new(arguments));
        let (sender, mut outcomes) = mpsc::unbounded_channel();
        let started = Instant::now();
        for number in 0..arguments.hosts {
            let (fleet, arguments, sender) = (Arc::clone(&fleet), Arc::clone(&arguments), sender.clone());
            tokio::spawn(async move {
                let outcome = live(&fleet, &arguments, number, started).await;
                let _ = sender.send(outcome);
            });
        }
        drop(sender);
        let mut report = Report::new(arguments.hosts);
        while let Some(outcome) = outcomes.recv().await {
            report.add(&outcome);
        }
        Ok(report.sorted())
    })
}

/// One host from its return to its credential.
async fn live(fleet: &Fleet, arguments: &Arguments, number: u32, started: Instant) -> Outcome {
    let share = f64::from(number) / f64::from(arguments.hosts.max(1));
    // The order in which they come has nothing to do with their names.
    let came = started + Duration::from_secs(arguments.within).mul_f64((share * 0.618_034 * f64::from(arguments.hosts)).fract());
    let over = started + Duration::from_secs(arguments.until);
    let mut outcome = Outcome::default();
    let mut tick = came;
    while tick < over {
        sleep_until(tick.into()).await;
        let deadline = Instant::now() + DEADLINE;
        if visit::run(fleet, arguments.server, &arguments.credential, number, deadline, &mut outcome).await {
            outcome.waited = Some(came.elapsed());
            outcome.served_at = Some(started.elapsed());
            break;
        }
        tick += Duration::from_secs(arguments.interval);
    }
    outcome
}

/// As many open files as this process may have.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without it fewer hosts are under way at one time; nothing else changes.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
