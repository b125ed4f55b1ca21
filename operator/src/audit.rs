//! The audit log: asked for, exported, and verified without the control plane.

use crate::{
    ask::{Ask, seconds},
    failure::Failure,
    print,
};
use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{ED25519, UnparsedPublicKey},
};
use clap::Subcommand;
use protocol::audit::{Chain, Hash, checkpoint_message, follow};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};
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
            let since = since.map_or(0, |seconds| now() - seconds);
            let question = json!({"host": host, "event": event, "credential": credential, "since": since, "limit": limit});
            let found = ask.api()?.post("audit/find", &question)?;
            ask.show(&found, |found| print::table(&["AT", "EVENT", "WHO", "WHAT"], print::items(found, "records").map(row).collect()));
            Ok(())
        }
        AuditCommand::Issued { host } => issued(ask, &host),
        AuditCommand::Export { out } => export(ask, &out),
        AuditCommand::Verify { file, key, allow_open_end } => verify(&file, &key, allow_open_end),
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
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
    let found = ask.api()?.post("audit/find", &json!({"host": host, "event": "issued", "limit": 1000}))?;
    let holds = |record: &&Value| record["expires_at"].as_i64().is_some_and(|ends| ends > now());
    let records: Vec<Value> = print::items(&found, "records").filter(holds).cloned().collect();
    let answer = json!({"version": 1, "records": records});
    ask.show(&answer, |answer| {
        let row = |record: &Value| {
            let member = |name| print::text(record, name);
            vec![member("credential"), member("kind"), print::time(record, "time"), print::time(record, "expires_at"), member("jti")]
        };
        print::table(&["CREDENTIAL", "KIND", "ISSUED", "ENDS", "ID"], print::items(answer, "records").map(row).collect());
    });
    Ok(())
}

fn export(ask: &Ask, out: &Path) -> Result<(), Failure> {
    let api = ask.api()?;
    let failed =
        |cause: std::io::Error| Failure::new("file.unwritable", format!("cannot write {}", out.display()), cause, "name a file that does not exist");
    let mut file = BufWriter::new(fs::OpenOptions::new().write(true).create_new(true).open(out).map_err(failed)?);
    let (mut place, mut lines) = (json!({}), 0);
    loop {
        let piece = api.post("audit/export", &place)?;
        for line in print::items(&piece, "lines").filter_map(Value::as_str) {
            writeln!(file, "{line}").map_err(failed)?;
            lines += 1;
        }
        if piece["next"].is_null() {
            break;
        }
        place = piece["next"].clone();
    }
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)?;
    println!("{lines} lines are in {}", out.display());
    Ok(())
}

fn verify(file: &Path, key: &Path, allow_open_end: bool) -> Result<(), Failure> {
    let broken = |because: String| {
        Failure::new("audit.broken", format!("{} does not hold", file.display()), because, "keep the file; find out who could write to the database")
    };
    let read = |path: &Path| fs::read_to_string(path).map_err(|cause| broken(format!("{}: {cause}", path.display())));
    let (text, key) = (read(file)?, read(key)?);
    let chains = follow(text.lines(), seal).map_err(|found| broken(format!("line {}: {}", found.line, found.because)))?;
    if chains.is_empty() {
        return Err(broken("there is no record in it".into()));
    }
    for (writer, chain) in &chains {
        vouched(writer, chain, key.trim(), allow_open_end).map_err(&broken)?;
    }
    summary(&chains);
    Ok(())
}

fn seal(before: &Hash, body: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The end of a chain must be where the audit key says.
fn vouched(writer: &str, chain: &Chain, key: &str, allow_open_end: bool) -> Result<(), String> {
    let checkpoint = chain.checkpoint.as_ref().ok_or_else(|| format!("nobody vouches for the end of {writer}: its checkpoint is missing"))?;
    if checkpoint.key != key {
        return Err(format!("the checkpoint of {writer} is signed by {}, and the key given is {key}", checkpoint.key));
    }
    let public = protocol::hex_decode(key).ok_or("the key given is not hexadecimal")?;
    let message = checkpoint_message(writer, checkpoint.number, &checkpoint.hash, checkpoint.time);
    let signed = UnparsedPublicKey::new(&ED25519, public).verify(message.as_bytes(), &checkpoint.signature);
    signed.map_err(|_| format!("the signature of the checkpoint of {writer} does not hold"))?;
    if chain.number < checkpoint.number {
        return Err(format!("the end of {writer} was cut: it has {} records, and its checkpoint says {}", chain.number, checkpoint.number));
    }
    if chain.vouched != Some(checkpoint.hash) {
        return Err(format!("record {} of {writer} is not the one that its checkpoint signs", checkpoint.number));
    }
    let open = chain.number - checkpoint.number;
    if open > 0 && !allow_open_end {
        return Err(format!("nobody vouches for the last {open} records of {writer} yet; export again, or say --allow-open-end"));
    }
    Ok(())
}

fn summary(chains: &BTreeMap<String, Chain>) {
    for (writer, chain) in chains {
        let until = chain.checkpoint.as_ref().and_then(|checkpoint| OffsetDateTime::from_unix_timestamp(checkpoint.time).ok());
        let until = until.map(|until| until.to_string()).unwrap_or_default();
        println!("{writer}: {} records hold, vouched for at {until}", chain.number);
    }
}
