//! Enrolment tokens.

use crate::{
    ask::{Ask, labels, seconds},
    failure::Failure,
    print,
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its text alone goes to standard output, once.
    Create {
        /// The hosts it is for: a name, a beginning such as "web-*", or "*".
        #[arg(long)]
        hosts: String,
        /// What a host that comes in by it is labelled: name=value.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// How long it is good.
        #[arg(long, default_value = "24h", value_parser = seconds)]
        ttl: i64,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// Tell what it would do, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// List tokens.
    List,
    /// Take a token back.
    Revoke {
        /// The name it is listed under.
        name: String,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
        /// Tell what it would do, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The command.
pub(crate) fn run(ask: &Ask, command: TokenCommand) -> Result<(), Failure> {
    let api = ask.api()?;
    match command {
        TokenCommand::Create { hosts, labels: typed, ttl, reason, dry_run } => {
            let body = json!({"hosts": hosts, "labels": labels(&typed)?, "ttl_seconds": ttl, "reason": reason, "dry_run": dry_run});
            let made = api.post("tokens/create", &body)?;
            ask.show(&made, |made| {
                if dry_run {
                    return println!("it could be made; it would touch {} host(s)", made["touched"]);
                }
                eprintln!("a token for {hosts}, good once until {}:", print::time(made, "expires_at"));
                println!("{}", print::text(made, "token"));
            });
        }
        TokenCommand::List => {
            let tokens = api.get("tokens")?;
            ask.show(&tokens, |tokens| {
                let row = |token: &Value| {
                    let member = |name| print::text(token, name);
                    vec![
                        member("name").chars().take(16).collect(),
                        member("hosts"),
                        member("labels"),
                        print::time(token, "expires_at"),
                        member("spent_by"),
                        member("made_by"),
                    ]
                };
                print::table(&["NAME", "HOSTS", "LABELS", "ENDS", "SPENT BY", "MADE BY"], print::items(tokens, "tokens").map(row).collect());
            });
        }
        TokenCommand::Revoke { name, reason, dry_run } => {
            let name = whole(&api.get("tokens")?, name)?;
            let touched = api.post("tokens/revoke", &json!({"name": name, "reason": reason, "dry_run": dry_run}))?;
            ask.show(&touched, |touched| match dry_run {
                true => println!("it could be taken back; it would touch {} host(s)", touched["touched"]),
                false => println!("the token is taken back"),
            });
        }
    }
    Ok(())
}

/// The whole name of the one token whose name begins so.
fn whole(tokens: &Value, beginning: String) -> Result<String, Failure> {
    let fits = |name: &String| !beginning.is_empty() && name.starts_with(&beginning);
    let mut names = print::items(tokens, "tokens").map(|token| print::text(token, "name")).filter(fits);
    match (names.next(), names.next()) {
        (Some(_), Some(_)) => {
            let because = format!("several tokens' names begin with {beginning:?}");
            Err(Failure::new("token.ambiguous", "cannot tell which token is meant", because, "write more of the name; -o json lists it whole"))
        }
        (found, _) => Ok(found.unwrap_or(beginning)),
    }
}
