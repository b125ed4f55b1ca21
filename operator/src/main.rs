//! `pinnacectl`: what an operator does to sites, release binaries and hosts.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a JSON value indexed by a name gives null where there is none")]

mod api;
mod ask;
mod audit;
mod context;
mod dashboard;
mod failure;
mod files;
mod fleet;
mod host;
mod hosts;
mod operators;
mod package;
mod policy;
mod print;
mod release;
mod rollout;
mod site;
mod stamp;
mod token;
mod wave;

use ask::Ask;
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use failure::Failure;
use std::{path::PathBuf, process::ExitCode};

/// The operator's command line of Pinnace.
#[derive(Parser)]
#[command(name = "pinnacectl", version)]
struct Typed {
    #[command(flatten)]
    ask: Ask,
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
    /// Give hosts their identity without the control plane.
    #[command(subcommand)]
    Host(HostCommand),
    /// Say which control planes there are and who you are to them.
    #[command(subcommand)]
    Context(ContextCommand),
    /// Enrolment tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Questions about the fleet: what fails, where, since when and why.
    #[command(subcommand)]
    Fleet(fleet::FleetCommand),
    /// Hosts on record.
    #[command(subcommand)]
    Hosts(hosts::HostsCommand),
    /// Which host may have which credential.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What was issued and changed, by whom and why.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Those who may operate.
    #[command(subcommand)]
    Operator(operators::OperatorCommand),
    /// Make, sign and publish what hosts run.
    #[command(subcommand)]
    Release(release::ReleaseCommand),
    /// Bring a release to the fleet wave by wave; a bad one is pulled by itself.
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
    /// Make deb, rpm and an image of stamped binaries.
    Package(package::PackageArguments),
    /// Have hosts fetch before their time.
    #[command(subcommand)]
    Wave(wave::WaveCommand),
    /// Send hosts away from the process that answers, such as before work on its machine, or no more.
    Drain {
        /// Whether they are sent away.
        state: wave::Drain,
        #[command(flatten)]
        why: wave::Why,
    },
    /// A link that opens the dashboard in a browser, once.
    Dashboard {
        /// viewer, operator or admin, at most your own, which it is without this.
        #[arg(long)]
        role: Option<String>,
    },
    /// How the control plane is.
    Status,
    /// Who you are to the control plane.
    Whoami,
    /// Completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum ContextCommand {
    /// Add or replace a context.
    Add {
        /// Its name.
        name: String,
        /// Host and port of the operators' listener.
        #[arg(long)]
        server: String,
        /// The CA's certificate.
        #[arg(long)]
        ca: PathBuf,
        /// Your key and certificate, one PEM file.
        #[arg(long)]
        identity: PathBuf,
    },
    /// Make a context the one in use.
    Use {
        /// Its name.
        name: String,
    },
    /// List contexts.
    List,
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
    end_with_the_reader();
    let typed = match Typed::try_parse() {
        Ok(typed) => typed,
        Err(other) if !other.use_stderr() => {
            let _ = other.print();
            return ExitCode::SUCCESS;
        }
        Err(wrong) => return misused(&wrong).report(),
    };
    run(&typed.ask, typed.command).unwrap_or_else(Failure::report)
}

/// Who reads the answer may have seen enough of it, such as `head`: then this ends as what a closed pipe ends does, without a word.
fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match panic.payload_as_str() {
        Some(words) if words.starts_with("failed printing to stdout: Broken pipe") => std::process::exit(CLOSED_PIPE),
        _ => usual(panic),
    }));
}

/// What a shell says of a program that SIGPIPE ended.
const CLOSED_PIPE: i32 = 141;

fn misused(wrong: &clap::Error) -> Failure {
    let text = wrong.to_string();
    let because = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).filter(|line| !line.is_empty());
    let because = match wrong.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "it names no command, or half of one".into(),
        _ => because.map(|line| line.trim_start_matches("error: ")).collect::<Vec<_>>().join(" "),
    };
    Failure::new(
        "usage.invalid",
        "cannot understand the command line",
        because,
        "pinnacectl --help lists the commands, and COMMAND --help what each takes",
    )
}

fn run(ask: &Ask, command: Command) -> Result<ExitCode, Failure> {
    if ask.wants_csv() && !matches!(command, Command::Fleet(_)) {
        return Err(Failure::new("usage.invalid", "cannot answer as CSV", "only lists about the fleet come as CSV", "use -o json"));
    }
    let done = match command {
        // Its exit status says how the rollout stands.
        Command::Rollout(command) => return rollout::run(ask, command),
        Command::Site(SiteCommand::Check { site }) => site::check(&site),
        Command::Stamp { site, binary, out } => stamp::stamp(&site, &binary, &out),
        Command::VerifyStamp { a, b } => stamp::verify(&a, &b),
        Command::Host(HostCommand::Issue { domain, host, out, days }) => host::issue(&domain, &host, &out, days),
        Command::Context(ContextCommand::Add { name, server, ca, identity }) => context::add(&name, context::Context { server, ca, identity }),
        Command::Context(ContextCommand::Use { name }) => context::take(&name),
        Command::Context(ContextCommand::List) => context::list(ask),
        Command::Token(command) => token::run(ask, command),
        Command::Fleet(command) => fleet::run(ask, command),
        Command::Hosts(command) => hosts::run(ask, command),
        Command::Policy(command) => policy::run(ask, command),
        Command::Audit(command) => audit::run(ask, command),
        Command::Operator(command) => operators::run(ask, command),
        Command::Release(command) => release::run(ask, command),
        Command::Package(typed) => package::run(&typed),
        Command::Wave(command) => wave::run(ask, command),
        Command::Drain { state, why } => wave::drain(ask, state, &why),
        Command::Dashboard { role } => dashboard::run(ask, role.as_deref()),
        Command::Status => operators::status(ask),
        Command::Whoami => operators::whoami(ask),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Typed::command(), "pinnacectl", &mut script);
            print!("{}{}", String::from_utf8_lossy(&script), fleet::completions::around(shell));
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
