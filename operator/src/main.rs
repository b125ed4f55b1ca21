//! `pinnacectl`: what an operator does to sites, release binaries and hosts.
#![forbid(unsafe_code)]

mod failure;
mod host;
mod site;
mod stamp;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::{path::PathBuf, process::ExitCode};

/// The operator's command line of Pinnace.
#[derive(Parser)]
#[command(name = "pinnacectl", version)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look at site files.
    #[command(subcommand)]
    Site(SiteCommand),
    /// Write a site into a release binary; same release and same site give the same bytes.
    Stamp {
        /// The site file.
        #[arg(long)]
        site: PathBuf,
        /// The release binary.
        #[arg(long)]
        binary: PathBuf,
        /// Where the stamped binary goes.
        #[arg(long)]
        out: PathBuf,
    },
    /// Prove that two binaries differ in nothing but their site.
    VerifyStamp {
        /// One binary.
        a: PathBuf,
        /// The other.
        b: PathBuf,
    },
    /// Give hosts their identity.
    #[command(subcommand)]
    Host(HostCommand),
}

#[derive(Subcommand)]
enum SiteCommand {
    /// Check a site file and say what is wrong with it.
    Check {
        /// The site file.
        site: PathBuf,
    },
}

#[derive(Subcommand)]
enum HostCommand {
    /// Issue a host's first key and certificate from the trust domain's folder.
    Issue {
        /// The folder that `pinnaced init` made.
        #[arg(long)]
        domain: PathBuf,
        /// The host's name.
        #[arg(long)]
        host: String,
        /// Where key and certificate go, as one PEM file with mode 0600.
        #[arg(long)]
        out: PathBuf,
        /// How long the certificate holds.
        #[arg(long, default_value_t = 30)]
        days: u16,
    },
}

fn main() -> ExitCode {
    let typed = match Typed::try_parse() {
        Ok(typed) => typed,
        Err(other) if !other.use_stderr() => {
            let _ = other.print();
            return ExitCode::SUCCESS;
        }
        Err(wrong) => return misused(&wrong).report(),
    };
    run(typed.command).map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn misused(wrong: &clap::Error) -> Failure {
    let text = wrong.to_string();
    let because = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).filter(|line| !line.is_empty());
    let because = because.map(|line| line.trim_start_matches("error: ")).collect::<Vec<_>>().join(" ");
    Failure::new("usage", "cannot understand the command line", because, "pinnacectl --help lists the commands, and COMMAND --help what each takes")
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Site(SiteCommand::Check { site }) => site::check(&site),
        Command::Stamp { site, binary, out } => stamp::stamp(&site, &binary, &out),
        Command::VerifyStamp { a, b } => stamp::verify(&a, &b),
        Command::Host(HostCommand::Issue { domain, host, out, days }) => host::issue(&domain, &host, &out, days),
    }
}
