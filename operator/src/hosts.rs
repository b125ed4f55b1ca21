//! Hosts on record.

use crate::{
    ask::{Ask, labels},
    failure::Failure,
    print,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

const PAGE: usize = 1000;

#[derive(Subcommand)]
pub(crate) enum HostsCommand {
    /// List hosts on record.
    List {
        /// A name, or a beginning such as "web-*".
        #[arg(long)]
        hosts: Option<String>,
        /// With these labels: name=value.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// active, quarantined, banned or evicted.
        #[arg(long)]
        status: Option<String>,
        /// Those that wait to be let back in.
        #[arg(long)]
        waits: bool,
    },
    /// List the hosts that are least like the others, the weirdest first: a release is tried there first.
    Weird {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one host.
    Show {
        /// Its name.
        name: String,
    },
    /// Register a host's public key before it comes (pinnace enroll --key prints it).
    Register {
        /// Its name.
        name: String,
        /// Its Ed25519 public key, hexadecimal.
        #[arg(long)]
        key: String,
        /// Its labels: name=value.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// Tell how many hosts it would touch, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Set or remove labels.
    Label {
        #[command(flatten)]
        which: Which,
        /// Labels to set: name=value.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Labels to remove, by name.
        #[arg(long = "remove", value_name = "NAME")]
        remove: Vec<String>,
    },
    /// Serve hosts no more until the ban is lifted.
    Ban(Which),
    /// Serve hosts no more until somebody has looked.
    Quarantine(Which),
    /// Hosts have left; a token lets them in again.
    Evict(Which),
    /// Serve hosts again.
    Lift(Which),
    /// Let hosts come back, once, whose certificate has ended.
    Approve(Which),
}

#[derive(Args)]
pub(crate) struct Which {
    /// The hosts' names.
    names: Vec<String>,
    /// Or all hosts with these labels: name=value.
    #[arg(long = "with-label", value_name = "NAME=VALUE")]
    with_labels: Vec<String>,
    /// Why; it stands in the audit log.
    #[arg(long)]
    reason: String,
    /// Tell how many hosts it would touch, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The command.
pub(crate) fn run(ask: &Ask, command: HostsCommand) -> Result<(), Failure> {
    match command {
        HostsCommand::List { hosts, labels: typed, status, waits } => {
            let question = json!({"hosts": hosts, "with_labels": labels(&typed)?, "status": status, "waits": waits, "limit": PAGE});
            list(ask, question)
        }
        HostsCommand::Show { name } => show(ask, &name),
        HostsCommand::Weird { limit } => weird(ask, limit),
        HostsCommand::Register { name, key, labels: typed, reason, dry_run } => {
            let body = json!({"name": name, "key": key, "labels": labels(&typed)?, "reason": reason, "dry_run": dry_run});
            let touched = ask.api()?.post("hosts/register", &body)?;
            ask.show(&touched, |touched| match dry_run {
                true => println!("register would touch {} host(s)", touched["touched"]),
                false => println!("{name} is registered: it enrolls without a token"),
            });
            Ok(())
        }
        HostsCommand::Label { which, set, remove } => change(ask, "label", &which, &json!({"labels": labels(&set)?, "remove_labels": remove})),
        HostsCommand::Ban(which) => change(ask, "ban", &which, &json!({})),
        HostsCommand::Quarantine(which) => change(ask, "quarantine", &which, &json!({})),
        HostsCommand::Evict(which) => change(ask, "evict", &which, &json!({})),
        HostsCommand::Lift(which) => change(ask, "lift", &which, &json!({})),
        HostsCommand::Approve(which) => change(ask, "approve", &which, &json!({})),
    }
}

fn weird(ask: &Ask, limit: usize) -> Result<(), Failure> {
    let told = ask.api()?.post("hosts/weird", &json!({"limit": limit}))?;
    ask.show(&told, |told| {
        let row = |host: &Value| {
            let facts = print::items(host, "facts").map(|fact| format!("{} ({})", print::text(fact, "fact"), fact["hosts"]));
            let bits = format!("{:.1}", host["bits"].as_f64().unwrap_or(0.0).abs());
            vec![print::text(host, "name"), bits, print::text(host, "stratum"), facts.collect::<Vec<_>>().join(", ")]
        };
        print::table(&["NAME", "BITS", "STRATUM", "RAREST FACTS (HOSTS)"], print::items(told, "hosts").map(row).collect());
    });
    Ok(())
}

/// Asks page by page, so that no answer is larger than it should be.
fn list(ask: &Ask, mut question: Value) -> Result<(), Failure> {
    let api = ask.api()?;
    let mut all = Vec::new();
    loop {
        let page = api.post("hosts/find", &question)?;
        let found: Vec<Value> = print::items(&page, "hosts").cloned().collect();
        let last = found.last().map(|host| print::text(host, "name"));
        let whole = found.len() < PAGE;
        all.extend(found);
        match last {
            Some(last) if !whole => question["after"] = last.into(),
            _ => break,
        }
    }
    let answer = json!({"version": 1, "hosts": all});
    ask.show(&answer, |answer| {
        let row = |host: &Value| {
            let member = |name| print::text(host, name);
            vec![member("name"), member("status"), member("labels"), print::time(host, "certificate_ends"), member("credentials"), remarks(host)]
        };
        print::table(&["NAME", "STATUS", "LABELS", "CERTIFICATE ENDS", "CREDENTIALS", "REMARKS"], print::items(answer, "hosts").map(row).collect());
    });
    Ok(())
}

fn remarks(host: &Value) -> String {
    let remark = |member: &str, words: &str| (host[member] == true).then(|| words.to_string());
    let reason = Some(print::text(host, "status_reason")).filter(|reason| !reason.is_empty());
    [remark("waits", "waits to come back"), remark("clone_seen", "exists twice"), reason].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn show(ask: &Ask, name: &str) -> Result<(), Failure> {
    let found = ask.api()?.post("hosts/find", &json!({"hosts": name, "limit": 1}))?;
    let Some(host) = print::items(&found, "hosts").next() else {
        return Err(Failure::new("host.unknown", format!("cannot show {name}"), "it is not on record", "pinnacectl hosts list"));
    };
    let mut answer = host.clone();
    answer["version"] = found["version"].clone();
    ask.show(&answer, |host| {
        for member in ["name", "status", "status_reason", "labels", "key", "returns", "credentials"] {
            println!("{:<18}{}", member.replace('_', " "), print::text(host, member));
        }
        println!("{:<18}{}", "certificate ends", print::time(host, "certificate_ends"));
        println!("{:<18}{}", "remarks", remarks(host));
    });
    Ok(())
}

fn change(ask: &Ask, action: &str, which: &Which, more: &Value) -> Result<(), Failure> {
    let mut body = json!({
        "names": which.names, "with_labels": labels(&which.with_labels)?, "action": action, "reason": which.reason, "dry_run": which.dry_run,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let touched = ask.api()?.post("hosts/change", &body)?;
    ask.show(&touched, |touched| {
        let would = if which.dry_run { "would touch" } else { "touched" };
        println!("{action} {would} {} host(s): {}", touched["touched"], print::text(touched, "hosts"));
    });
    Ok(())
}
