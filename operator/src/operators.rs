//! Those who may operate, and how the control plane is.

use crate::{ask::Ask, failure::Failure, host, print};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Issue an operator's key and certificate from the trust domain's folder.
    Issue {
        /// The folder that `pinnaced init` made.
        #[arg(long)]
        domain: PathBuf,
        /// The operator's name.
        #[arg(long)]
        name: String,
        /// What the operator may do.
        #[arg(long)]
        role: Role,
        /// Where key and certificate go, as one PEM file with mode 0600.
        #[arg(long)]
        out: PathBuf,
        /// How long the certificate holds.
        #[arg(long, default_value_t = 365)]
        days: u16,
    },
    /// Let an operator in no more, or again.
    Ban {
        /// The operator's name.
        name: String,
        /// Let the operator in again.
        #[arg(long)]
        lift: bool,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// Tell whether it could be done, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Let hosts in and put them out.
    Operator,
    /// Change what others may do.
    Admin,
}

/// The command.
pub(crate) fn run(ask: &Ask, command: OperatorCommand) -> Result<(), Failure> {
    match command {
        OperatorCommand::Issue { domain, name, role, out, days } => {
            let role = match role {
                Role::Viewer => "viewer",
                Role::Operator => "operator",
                Role::Admin => "admin",
            };
            host::issue_operator(&domain, &name, role, &out, days)
        }
        OperatorCommand::Ban { name, lift, reason, dry_run } => {
            let touched = ask.api()?.post("operators/ban", &json!({"name": name, "lift": lift, "reason": reason, "dry_run": dry_run}))?;
            let (is, when) = (if dry_run { "would be" } else { "is" }, if lift { "again" } else { "no more" });
            ask.show(&touched, |_| println!("{name} {is} let in {when}"));
            Ok(())
        }
    }
}

/// How the control plane is.
pub(crate) fn status(ask: &Ask) -> Result<(), Failure> {
    let status = ask.api()?.get("status")?;
    ask.show(&status, |status| {
        println!("{} for {}, {}", print::text(status, "program"), print::text(status, "trust_domain"), print::time(status, "time"));
        let hosts = status["hosts"].as_object().into_iter().flatten().map(|(name, count)| format!("{count} {name}"));
        println!("policy version {}; hosts: {}", status["policy"], hosts.collect::<Vec<_>>().join(", "));
        let store = &status["store"];
        let spooling = if store["state"] == "spooling" { format!(" for {} s", store["spooling_seconds"]) } else { String::new() };
        println!("store: {}, {}{spooling}", print::text(store, "kind"), print::text(store, "state"));
        if let Some(wave) = status["wave"].as_object() {
            println!("wave for {}: what was issued before {} is fetched anew", wave["hosts"], print::time(&status["wave"], "since"));
        }
        if status["draining"] == true {
            println!("draining: hosts are sent away from this process");
        }
        println!("{} wait to come back, {} exist twice", status["waiting"], status["clones"]);
    });
    Ok(())
}

/// Who asks.
pub(crate) fn whoami(ask: &Ask) -> Result<(), Failure> {
    let who = ask.api()?.get("whoami")?;
    ask.show(&who, |who| println!("{}", print::text(who, "operator")));
    Ok(())
}
