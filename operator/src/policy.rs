//! The policy.

use crate::{ask::Ask, failure::Failure, print};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the policy in force.
    Show,
    /// List the policies there were.
    History,
    /// Check a policy file; the control plane judges it, so that its secrets are looked at too.
    Check {
        /// The policy file.
        file: PathBuf,
    },
    /// Hold a policy file against cases: [[test]] host, labels, credential, expect = "granted", "denied" or "unknown".
    Test {
        /// The policy file.
        file: PathBuf,
        /// The cases.
        #[arg(long)]
        cases: PathBuf,
    },
    /// What a policy file would change for the hosts on record.
    Diff {
        /// The policy file.
        file: PathBuf,
    },
    /// Why a host may or may not have a credential.
    Explain {
        /// The host's name.
        host: String,
        /// The credential's name.
        credential: String,
        /// A policy file in place of the policy in force.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Put a policy file in force, on every replica.
    Apply {
        /// The policy file.
        file: PathBuf,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// Tell what it would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The command.
pub(crate) fn run(ask: &Ask, command: PolicyCommand) -> Result<(), Failure> {
    let api = ask.api()?;
    match command {
        PolicyCommand::Show => ask.show(&api.get("policy")?, |policy| {
            let member = |name| print::text(policy, name);
            println!("# version {} by {}, {}: {}", member("number"), member("by"), print::time(policy, "at"), member("reason"));
            println!("{}", member("text").trim_end());
        }),
        PolicyCommand::History => ask.show(&api.get("policy/history")?, |history| {
            let row = |line: &Value| vec![print::text(line, "number"), print::time(line, "at"), print::text(line, "by"), print::text(line, "reason")];
            print::table(&["VERSION", "AT", "BY", "REASON"], print::items(history, "policies").map(row).collect());
        }),
        PolicyCommand::Check { file } => {
            let checked = api.post("policy/check", &json!({"text": read(&file)?}))?;
            ask.show(&checked, |checked| println!("{} holds: {}", file.display(), print::text(checked, "credentials")));
        }
        PolicyCommand::Test { file, cases } => return test(ask, &file, &cases),
        PolicyCommand::Diff { file } => show_diff(ask, &api.post("policy/diff", &json!({"text": read(&file)?}))?),
        PolicyCommand::Explain { host, credential, file } => {
            let text = file.as_deref().map(read).transpose()?;
            let why = api.post("policy/explain", &json!({"host": host, "credential": credential, "text": text}))?;
            ask.show(&why, |why| explain(&host, &credential, why));
        }
        PolicyCommand::Apply { file, reason, dry_run } => {
            let text = read(&file)?;
            if dry_run {
                show_diff(ask, &api.post("policy/diff", &json!({"text": text}))?);
                return Ok(());
            }
            let on = api.get("policy").map_or(Value::from(0), |policy| policy["number"].clone());
            let applied = api.post("policy/apply", &json!({"text": text, "on": on, "reason": reason}))?;
            ask.show(&applied, |applied| println!("version {} is in force", applied["number"]));
        }
    }
    Ok(())
}

fn show_diff(ask: &Ask, diff: &Value) {
    ask.show(diff, |diff| {
        print::items(diff, "changes").filter_map(Value::as_str).for_each(|change| println!("{change}"));
        println!("{} host(s) touched: {} credential(s) gained, {} lost", diff["touched"], diff["gained"], diff["lost"]);
    });
}

fn explain(host: &str, credential: &str, why: &Value) {
    println!("{credential} for {host}: {}", print::text(why, "decision"));
    println!("  the host is {}, labels: {}", print::text(why, "status"), print::text(why, "labels"));
    for rule in print::items(why, "rules") {
        let because = print::text(rule, "because");
        println!(
            "  {} {}{}",
            if rule["holds"] == true { "holds" } else { "fails" },
            print::text(rule, "rule"),
            if because.is_empty() { String::new() } else { format!(": {because}") }
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    test: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    host: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    credential: String,
    expect: String,
}

fn test(ask: &Ask, file: &Path, cases: &Path) -> Result<(), Failure> {
    let api = ask.api()?;
    let text = read(file)?;
    let invalid =
        |cause: toml::de::Error| Failure::new("policy.cases", format!("cannot read {}", cases.display()), cause, "see pinnacectl policy test --help");
    let Cases { test } = toml::from_str(&read(cases)?).map_err(invalid)?;
    let mut wrong = 0;
    for case in &test {
        let question = json!({"host": case.host, "credential": case.credential, "labels": case.labels, "text": text});
        let decision = print::text(&api.post("policy/explain", &question)?, "decision");
        let holds = decision == case.expect;
        wrong += usize::from(!holds);
        println!(
            "{} {} for {} {:?}: {decision}, expected {}",
            if holds { "ok   " } else { "WRONG" },
            case.credential,
            case.host,
            case.labels,
            case.expect
        );
    }
    if wrong == 0 {
        println!("{} case(s) hold", test.len());
        return Ok(());
    }
    Err(Failure::new("policy.case", format!("{wrong} of {} cases do not hold", test.len()), "see above", "correct the policy or the cases"))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|cause| Failure::new("file.unreadable", format!("cannot read {}", path.display()), cause, "check the path"))
}
