//! Hosts that fetch before their time, and a process that is to be left alone.

use crate::{
    ask::{Ask, labels},
    failure::Failure,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

/// What becomes of the wave.
#[derive(Subcommand)]
pub(crate) enum WaveCommand {
    /// Have hosts fetch before their time, each in its turn; it takes the place of the wave before.
    Start {
        /// How many hosts' turns come in a second.
        #[arg(long)]
        rate: u32,
        /// A host, or a beginning such as "web-*"; all hosts without it.
        #[arg(long)]
        hosts: Option<String>,
        /// Only hosts with this label; may be given several times.
        #[arg(long = "with-label", value_name = "NAME=VALUE")]
        with_labels: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Leave hosts to their own time again.
    Stop {
        #[command(flatten)]
        why: Why,
    },
}

/// Why, and whether in earnest.
#[derive(Args)]
pub(crate) struct Why {
    /// Why; it stands in the audit log.
    #[arg(long)]
    reason: String,
    /// Tell what it would touch, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Whether hosts are sent away.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drain {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// The command `wave`.
pub(crate) fn run(ask: &Ask, command: WaveCommand) -> Result<(), Failure> {
    match command {
        WaveCommand::Start { rate, hosts, with_labels, why } => {
            let mut asked = json!({"per_second": rate, "with_labels": labels(&with_labels)?, "reason": why.reason, "dry_run": why.dry_run});
            if let (Some(hosts), Some(members)) = (hosts, asked.as_object_mut()) {
                members.insert("hosts".into(), hosts.into());
            }
            let started = ask.api()?.post("wave/start", &asked)?;
            let would = if why.dry_run { "would fetch" } else { "fetch" };
            ask.show(&started, |started| {
                println!("{} hosts {would} when they next ask; the last one's turn comes after {} s", started["touched"], started["seconds"]);
            });
        }
        WaveCommand::Stop { why } => {
            let stopped = ask.api()?.post("wave/stop", &json!({"reason": why.reason, "dry_run": why.dry_run}))?;
            ask.show(&stopped, |_| println!("hosts {} left to their own time", if why.dry_run { "would be" } else { "are" }));
        }
    }
    Ok(())
}

/// The command `drain`.
pub(crate) fn drain(ask: &Ask, state: Drain, why: &Why) -> Result<(), Failure> {
    let asked = json!({"on": state == Drain::On, "reason": why.reason, "dry_run": why.dry_run});
    let drained = ask.api()?.post("drain", &asked)?;
    let (is, goes) = (if why.dry_run { "would be" } else { "is" }, if state == Drain::On { "not ready; hosts are sent away" } else { "ready" });
    ask.show(&drained, |_| println!("the process that answered {is} {goes}"));
    Ok(())
}
