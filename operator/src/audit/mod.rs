//! The audit log: asked for, exported, and verified without the control plane.

mod export;
mod verify;

use crate::{
    ask::{Ask, seconds},
    failure::Failure,
    print,
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use time::OffsetDateTime;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List records, newest first.
    List {
        /// Of this host.
        #[arg(long)]
        host: Option<String>,
        /// Of this event, such as issued, enrolled or hosts-banned.
        #[arg(long)]
        event: Option<String>,
        /// Of this credential.
        #[arg(long)]
        credential: Option<String>,
        /// Not older than this: 90s, 15m, 24h or 7d.
        #[arg(long, value_parser = seconds)]
        since: Option<i64>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// What a host was issued that has not ended yet.
    Issued {
        /// The host's name.
        host: String,
    },
    /// Write the whole log into a file.
    Export {
        /// The file to make.
        #[arg(long)]
        out: PathBuf,
    },
    /// Verify an exported log, without the control plane.
    Verify {
        /// The file.
        file: PathBuf,
        /// The control plane's audit key, keys/audit.pub.
        #[arg(long)]
        key: PathBuf,
        /// Take records behind the newest checkpoint as they are: they are less than some seconds old.
        #[arg(long)]
        allow_open_end: bool,
    },
}

/// The command.
pub(crate) fn run(ask: &Ask, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List { host, event, credential, since, limit } => {
            let since = since.map_or(0, |seconds| OffsetDateTime::now_utc().unix_timestamp().saturating_sub(seconds));
            let question = json!({"host": host, "event": event, "credential": credential, "since": since, "limit": limit});
            let found = ask.api()?.post("audit/find", &question)?;
            ask.show(&found, |found| print::table(&["AT", "EVENT", "WHO", "WHAT"], print::items(found, "records").map(row).collect()));
            Ok(())
        }
        AuditCommand::Issued { host } => issued(ask, &host),
        AuditCommand::Export { out } => export::run(ask, &out),
        AuditCommand::Verify { file, key, allow_open_end } => verify::run(ask, &file, &key, allow_open_end),
    }
}

fn row(record: &Value) -> Vec<String> {
    let member = |name| print::text(record, name);
    let who = ["host", "hosts", "by"].map(member).into_iter().filter(|who| !who.is_empty()).collect::<Vec<_>>().join(", ");
    let ends = print::time(record, "expires_at");
    let ends = if ends.is_empty() { ends } else { format!("until {ends}") };
    let what = [member("credential"), ends, member("reason")].into_iter().filter(|what| !what.is_empty()).collect::<Vec<_>>().join(" ");
    vec![print::time(record, "time"), member("event"), who, what]
}

fn issued(ask: &Ask, host: &str) -> Result<(), Failure> {
    let issued = ask.api()?.post("audit/issued", &json!({"host": host}))?;
    ask.show(&issued, |issued| {
        let row = |line: &Value| {
            let member = |name| print::text(line, name);
            vec![member("credential"), member("kind"), print::time(line, "issued_at"), print::time(line, "expires_at"), member("id")]
        };
        print::table(&["CREDENTIAL", "KIND", "ISSUED", "ENDS", "ID"], print::items(issued, "credentials").map(row).collect());
    });
    Ok(())
}
