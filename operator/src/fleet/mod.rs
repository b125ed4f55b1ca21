//! Questions about the fleet: how it is, what fails and why, which hosts, one host.

pub(crate) mod completions;
mod csv;
mod show;
mod watch;

use crate::{api::Api, ask::Ask, failure::Failure, print};
use clap::{Args, Subcommand};
use protocol::filter;
use serde_json::{Value, json};
use show::Rows;

/// Hosts of one answer.
const PAGE: usize = 1_000;

/// A question about the fleet.
#[derive(Subcommand)]
pub(crate) enum FleetCommand {
    /// How many hosts are healthy, failing, silent and so on, and when the first fails if the control plane stops now.
    Status(Which),
    /// What those that fail have in common: reason codes by facts, ranked by lift over the fleet.
    Why {
        #[command(flatten)]
        which: Which,
        /// Failing hosts that a line needs.
        #[arg(long, default_value_t = 3)]
        support: usize,
        /// Lines, at most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// List hosts.
    Hosts {
        #[command(flatten)]
        which: Which,
        /// Hosts, at most.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Show one host: its runs, facts, credentials, trials and what policy grants it.
    Host {
        /// Its name.
        name: String,
        /// Runs, at most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Runs and failures over time.
    Series {
        #[command(flatten)]
        which: Which,
        /// Over so long.
        #[arg(long, default_value = "24h", value_parser = crate::ask::seconds)]
        since: i64,
        /// In steps of so long.
        #[arg(long, default_value = "1h", value_parser = crate::ask::seconds)]
        step: i64,
    },
    /// Draw the status again and again.
    Watch {
        #[command(flatten)]
        which: Which,
        /// How often.
        #[arg(long, default_value = "2s", value_parser = crate::ask::seconds)]
        every: i64,
        /// Draw it so many times, then end.
        #[arg(long)]
        times: Option<u64>,
    },
    /// What a filter may go on with, for shells.
    #[command(hide = true)]
    Complete {
        /// The unfinished term.
        term: String,
    },
}

/// Which hosts.
#[derive(Args)]
pub(crate) struct Which {
    /// A filter, such as: os=rhel7 'kernel<4' code=tls.* since=1h label.site=berlin; all hosts without it.
    filter: Vec<String>,
}

impl Which {
    /// As one text. What the shell took out of quotation marks is put back into them.
    fn text(&self) -> String {
        self.filter.iter().map(|word| in_marks(word)).collect::<Vec<_>>().join(" ")
    }
}

/// The command.
pub(crate) fn run(ask: &Ask, command: FleetCommand) -> Result<(), Failure> {
    match command {
        FleetCommand::Status(which) => {
            let status = ask.api()?.post("fleet/status", &json!({"filter": which.text()}))?;
            ask.show_rows(&status, |status| print!("{}", show::status(status)), show::status_rows);
        }
        FleetCommand::Why { which, support, limit } => {
            let why = ask.api()?.post("fleet/why", &json!({"filter": which.text(), "support": support, "limit": limit}))?;
            ask.show_rows(&why, show::why, show::why_rows);
        }
        FleetCommand::Hosts { which, limit } => {
            let answer = hosts(&ask.api()?, &which.text(), limit.unwrap_or(usize::MAX))?;
            ask.show_rows(&answer, show::hosts, show::host_rows);
        }
        FleetCommand::Host { name, limit } => {
            let host = ask.api()?.post("fleet/host", &json!({"name": name, "limit": limit}))?;
            ask.show_rows(&host, show::host, show::event_rows);
        }
        FleetCommand::Series { which, since, step } => {
            let asked = json!({"filter": which.text(), "since_seconds": since, "step_seconds": step});
            let series = ask.api()?.post("fleet/series", &asked)?;
            ask.show_rows(&series, |series| show::series_rows(series).table(), show::series_rows);
        }
        FleetCommand::Watch { which, every, times } => watch::run(ask, &which.text(), every, times)?,
        FleetCommand::Complete { term } => completions::print(ask, &term),
    }
    Ok(())
}

/// Page by page, so that no answer is larger than it should be.
fn hosts(api: &Api, filter: &str, most: usize) -> Result<Value, Failure> {
    let mut question = json!({"filter": filter, "limit": PAGE.min(most)});
    let mut answer = api.post("fleet/hosts", &question)?;
    let mut all: Vec<Value> = print::items(&answer, "hosts").cloned().collect();
    while all.len() < most && answer["next"].is_string() {
        question["after"] = answer["next"].clone();
        question["limit"] = PAGE.min(most - all.len()).into();
        answer = api.post("fleet/hosts", &question)?;
        all.extend(print::items(&answer, "hosts").cloned());
    }
    answer["hosts"] = all.into();
    Ok(answer)
}

/// `clock=years behind` came as one word, so the space is the value's; `os=a kernel<4` in one word is a whole filter.
fn in_marks(word: &str) -> String {
    let operators = ['=', '<', '>', '!'];
    let value = word.find(operators).map(|at| at + word[at..].len() - word[at..].trim_start_matches(operators).len());
    match value.and_then(|at| word.split_at_checked(at)) {
        Some((key, value)) if value.contains(char::is_whitespace) && !value.contains(['"', ',']) && !value.contains(operators) => {
            format!("{key}{}", filter::quoted(value))
        }
        _ => word.into(),
    }
}

impl Ask {
    /// Prints an answer: as JSON, as CSV of its rows, or as `people` read it.
    fn show_rows(&self, answer: &Value, people: impl FnOnce(&Value), rows: impl FnOnce(&Value) -> Rows) {
        if self.wants_csv() {
            print!("{}", csv::text(&rows(answer)));
        } else {
            self.show(answer, people);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::in_marks;
    use protocol::filter::Filter;

    #[test]
    fn what_a_shell_took_out_of_quotation_marks_is_one_value_again() {
        let rows = [
            ("clock=years behind", "clock=\"years behind\""),
            ("clock!=years behind", "clock!=\"years behind\""),
            ("os=rhel7", "os=rhel7"),
            ("os=rhel7 kernel<4", "os=rhel7 kernel<4"),
            ("clock=\"years behind\"", "clock=\"years behind\""),
        ];
        for (word, text) in rows {
            assert_eq!(in_marks(word), text);
            assert!(Filter::parse(text).is_ok());
        }
    }
}
