//! The command line.

use crate::{
    backup,
    failure::{Code, Failure},
    files, init, keys, serve, store,
};
use clap::{Parser, Subcommand, error::ErrorKind};
use std::{
    io::{self, BufWriter, Write},
    net::SocketAddr,
    path::PathBuf,
};

/// The Pinnace control plane.
#[derive(Parser)]
#[command(name = "pinnaced", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a trust domain in a new folder: CA, server certificate, keys, policy, database.
    Init {
        /// The folder to make; it must not exist or be empty.
        #[arg(long)]
        dir: PathBuf,
        /// The trust domain, such as example.org.
        #[arg(long)]
        trust_domain: String,
        /// A DNS name or address that hosts reach the control plane by; the first one names the issuer.
        #[arg(long = "name", required = true)]
        names: Vec<String>,
        /// Keep everything in a PostgreSQL database that several processes can share, such as
        /// "host=/run/postgresql user=pinnaced dbname=pinnaced"; without it in an SQLite file.
        #[arg(long)]
        postgres: Option<String>,
    },
    /// Serve hosts, the public documents and the operators' probes.
    Serve {
        /// The trust domain's folder.
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        listen: Listen,
    },
    /// Look at the signing keys, and rotate them.
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// Write discovery and JWKS as files, for a bucket that serves them.
    Documents {
        /// The trust domain's folder.
        #[arg(long)]
        dir: PathBuf,
        /// The folder to write into.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the whole database into one file; the control plane may serve meanwhile.
    Backup {
        /// The trust domain's folder.
        #[arg(long)]
        dir: PathBuf,
        /// The file to write; it must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// Put a backup into an empty database, of either kind.
    Restore {
        /// The trust domain's folder, which nobody serves.
        #[arg(long)]
        dir: PathBuf,
        /// The backup.
        #[arg(long)]
        from: PathBuf,
    },
    /// Print the audit records as JSON lines, oldest first.
    Audit {
        /// The trust domain's folder.
        #[arg(long)]
        dir: PathBuf,
    },
}

/// Addresses given on the command line, which win over the file's.
#[derive(clap::Args)]
pub(crate) struct Listen {
    /// Where hosts connect (mutual TLS).
    #[arg(long = "listen-hosts", value_name = "ADDRESS")]
    pub(crate) hosts: Option<SocketAddr>,
    /// Where discovery and JWKS are served (TLS).
    #[arg(long = "listen-public", value_name = "ADDRESS")]
    pub(crate) public: Option<SocketAddr>,
    /// Where /livez, /readyz and /metrics are served (plain HTTP; keep it local).
    #[arg(long = "listen-admin", value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
    /// Where operators connect (mutual TLS).
    #[arg(long = "listen-operators", value_name = "ADDRESS")]
    pub(crate) operators: Option<SocketAddr>,
}

/// Does what the command line says.
pub(crate) fn run() -> Result<(), Failure> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.use_stderr() => return Err(misused(&wrong)),
        Err(asked) => return files::printed(asked.print()),
    };
    match arguments.command {
        Command::Init { dir, trust_domain, names, postgres } => init::run(&dir, &trust_domain, &names, postgres.as_deref()),
        Command::Serve { dir, listen } => serve::run(&dir, &listen),
        Command::Keys { command } => keys::run(&command),
        Command::Documents { dir, out } => keys::documents(&dir, &out),
        Command::Backup { dir, out } => backup::backup(&dir, &out),
        Command::Restore { dir, from } => backup::restore(&dir, &from),
        Command::Audit { dir } => print_audit(&dir),
    }
}

fn misused(wrong: &clap::Error) -> Failure {
    let text = wrong.to_string();
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).filter(|line| !line.is_empty());
    let because = match wrong.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "it names no command, or half of one".into(),
        _ => lines.map(|line| line.trim_start_matches("error: ")).collect::<Vec<_>>().join(" "),
    };
    let hint = "pinnaced help lists the commands, and pinnaced help COMMAND what each takes";
    Failure::new(Code::Usage, "cannot understand the command line", because, hint)
}

fn print_audit(dir: &std::path::Path) -> Result<(), Failure> {
    let config = crate::config::Config::load(dir)?;
    let store = store::Reader::open(&config.store)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let read = store.each_line(|line| writeln!(out, "{line}")).map_err(|error| config.store.failed(&error))?;
    files::printed(read.and_then(|()| out.flush()))
}
