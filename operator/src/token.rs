//! Enrolment tokens.

use crate::{
    ask::{Ask, labels, seconds},
    failure::Failure,
    print,
};
use clap::Subcommand;
use serde_json::json;

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
    },
}

/// The command.
pub(crate) fn run(ask: &Ask, command: TokenCommand) -> Result<(), Failure> {
    let api = ask.api()?;
    match command {
        TokenCommand::Create { hosts, labels: typed, ttl, reason } => {
            let body = json!({"hosts": hosts, "labels": labels(&typed)?, "ttl_seconds": ttl, "reason": reason});
            let made = api.post("tokens/create", &body)?;
            ask.show(&made, |made| {
                eprintln!("a token for {hosts}, good once until {}:", print::time(made, "expires_at"));
                println!("{}", print::text(made, "token"));
            });
        }
        TokenCommand::List => {
            let tokens = api.get("tokens")?;
            ask.show(&tokens, |tokens| {
                let row = |token: &serde_json::Value| {
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
        TokenCommand::Revoke { name, reason } => {
            let tokens = api.get("tokens")?;
            let whole = print::items(&tokens, "tokens").map(|token| print::text(token, "name")).find(|whole| whole.starts_with(&name));
            let done = api.post("tokens/revoke", &json!({"name": whole.unwrap_or(name), "reason": reason}))?;
            ask.show(&done, |_| println!("the token is taken back"));
        }
    }
    Ok(())
}
