//! The policy.

use crate::{api::Api, ask::Ask, failure::Failure, print};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the policy in force.
    Show,
    /// List the policies there were.
    History,
    /// Check a policy file. The control plane judges it, and the secrets it names; there is no check without one.
    Check {
        /// The policy file.
        file: PathBuf,
    },
    /// Hold a policy file against cases: [[test]] host, labels, credential, expect = "granted", "denied" or "unknown".
    /// The control plane judges them, and changes nothing.
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
        /// The number of the version it was made on; the one in force unless given.
        #[arg(long)]
        on: Option<i64>,
        /// Tell how many hosts it would touch, and change nothing.
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
        PolicyCommand::Apply { file, reason, on, dry_run } => {
            let on = on.map_or_else(|| in_force(&api), Ok)?;
            let body = json!({"text": read(&file)?, "on": on, "reason": reason, "dry_run": dry_run});
            let applied = api.post("policy/apply", &body)?;
            let would = if dry_run { "would be" } else { "is" };
            ask.show(&applied, |applied| println!("version {} {would} in force; {} host(s) touched", applied["number"], applied["touched"]));
        }
    }
    Ok(())
}

/// The number of the version in force; 0 where there is none.
fn in_force(api: &Api) -> Result<i64, Failure> {
    match api.get("policy") {
        Ok(policy) => Ok(policy["number"].as_i64().unwrap_or(0)),
        Err(failure) if failure.is("policy.none") => Ok(0),
        Err(failure) => Err(failure),
    }
}

fn show_diff(ask: &Ask, diff: &Value) {
    ask.show(diff, |diff| {
        print::items(diff, "changes").filter_map(Value::as_str).for_each(|change| println!("{change}"));
        println!("{} host(s) touched: {} credential(s) gained, {} lost", diff["touched"], diff["gained"], diff["lost"]);
    });
}

fn explain(host: &str, credential: &str, why: &Value) {
    println!("{credential} for {host}: {}", print::text(why, "decision"));
    let labels = print::text(why, "labels");
    println!("  the host is {}, its labels: {}", print::text(why, "status"), if labels.is_empty() { "none" } else { &labels });
    for rule in print::items(why, "rules") {
        let because = print::text(rule, "because");
        println!(
            "  the rule for {} {}{}",
            print::text(rule, "rule"),
            if rule["holds"] == true { "holds" } else { "does not hold" },
            if because.is_empty() { String::new() } else { format!(": {because}") }
        );
    }
}

/// The cases of a file, which the control plane judges.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    test: Vec<Value>,
}

fn test(ask: &Ask, file: &Path, cases: &Path) -> Result<(), Failure> {
    let invalid =
        |cause: toml::de::Error| Failure::new("policy.cases", format!("cannot read {}", cases.display()), cause, "see pinnacectl policy test --help");
    let Cases { test } = toml::from_str(&read(cases)?).map_err(invalid)?;
    let tested = ask.api()?.post("policy/test", &json!({"text": read(file)?, "cases": test}))?;
    ask.show(&tested, |tested| {
        let row = |case: &Value| {
            let member = |name| print::text(case, name);
            let mark = if case["holds"] == true { "ok" } else { "WRONG" };
            vec![mark.into(), member("host"), member("credential"), member("expect"), member("decision")]
        };
        print::table(&["", "HOST", "CREDENTIAL", "EXPECTED", "DECISION"], print::items(tested, "cases").map(row).collect());
        if tested["failed"] == 0 {
            println!("{} case(s) hold", test.len());
        }
    });
    if tested["failed"] == 0 {
        return Ok(());
    }
    let error = format!("{} of {} cases do not hold", tested["failed"], test.len());
    Err(Failure::new("policy.case", error, "the policy decides otherwise", "correct the policy or the cases"))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|cause| Failure::new("file.unreadable", format!("cannot read {}", path.display()), cause, "check the path"))
}
