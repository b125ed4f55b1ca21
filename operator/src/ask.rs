//! What every question to the control plane takes: which one, and how the answer is shown.

use crate::{api::Api, context, failure::Failure};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Which control plane, and how to show what it says.
#[derive(Args, Clone)]
pub(crate) struct Ask {
    /// The context to use in place of the one in use.
    #[arg(long, global = true)]
    context: Option<String>,
    /// A control plane on this machine, by its folder, in place of a context.
    #[arg(long = "domain-dir", global = true, value_name = "DIR")]
    domain: Option<PathBuf>,
    /// How to show the answer.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// As the control plane answers; its `version` says which shape it has.
    Json,
    /// Lists about the fleet, for other programs.
    Csv,
}

impl Ask {
    /// The way to the control plane.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Api::new(&context::chosen(self.context.as_deref(), self.domain.as_deref())?)
    }

    /// Whether the answer is wanted as CSV.
    pub(crate) fn wants_csv(&self) -> bool {
        self.output == Output::Csv
    }

    /// Prints an answer: as JSON, or as `table` does.
    pub(crate) fn show(&self, answer: &Value, table: impl FnOnce(&Value)) {
        match self.output {
            Output::Json => println!("{answer}"),
            Output::Table | Output::Csv => table(answer),
        }
    }
}

/// Labels as typed: `name=value`.
pub(crate) fn labels(typed: &[String]) -> Result<Value, Failure> {
    let label = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::new("usage.invalid", "cannot understand the command line", format!("{text:?} is no label"), "write labels as name=value")
        })?;
        Ok((name.to_string(), Value::from(value)))
    };
    typed.iter().map(label).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// Seconds as typed: a number with s, m, h or d behind it.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time; write 90s, 15m, 24h or 7d");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor)).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}
