//! Rollouts: started, watched, explained and ended by people; a pull needs none.

mod explain;
mod tree;

use crate::{ask::Ask, failure::Failure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

/// What becomes of a rollout.
#[derive(Subcommand)]
pub(crate) enum RolloutCommand {
    /// Start the rollout of a generation, for every platform that it is signed for.
    Start {
        /// The generation.
        generation: i64,
        #[command(flatten)]
        why: Why,
    },
    /// Show how the newest rollout stands; the exit status is 0 done, 3 pulled, 4 held or paused, 5 under way.
    Status {
        /// Show it again whenever it changes, until it has ended.
        #[arg(long)]
        watch: bool,
    },
    /// Print every decision with what it was made from, and make each again to check it.
    Explain {
        /// The rollout's number; the newest without it.
        #[arg(long)]
        rollout: Option<i64>,
    },
    /// Have the newest rollout wait: nobody takes the release who has not taken it.
    Pause(Why),
    /// Have it go its way again.
    Resume(Why),
    /// Have its next wave come without waiting for time, trials or reports; not over evidence.
    Promote {
        /// All waves, and the hosts that are held back.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Have every host leave its release, for good.
    Pull(Why),
}

/// Why, and whether in earnest.
#[derive(Args)]
pub(crate) struct Why {
    /// Why; it stands in the audit log.
    #[arg(long)]
    reason: String,
    /// Tell how many hosts it is about, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

const LOOK: Duration = Duration::from_secs(1);
const PULLED: u8 = 3;
const HELD: u8 = 4;
const UNDER_WAY: u8 = 5;

/// The command.
pub(crate) fn run(ask: &Ask, command: RolloutCommand) -> Result<ExitCode, Failure> {
    match command {
        RolloutCommand::Start { generation, why } => change(ask, "start", &why, &json!({"generation": generation})),
        RolloutCommand::Status { watch: false } => {
            let told = ask.api()?.get("rollout")?;
            ask.show(&told, |told| print!("{}", tree::drawn(told)));
            Ok(status(&told))
        }
        RolloutCommand::Status { watch: true } => watch(ask),
        RolloutCommand::Explain { rollout } => explain::run(ask, rollout),
        RolloutCommand::Pause(why) => change(ask, "pause", &why, &json!({})),
        RolloutCommand::Resume(why) => change(ask, "resume", &why, &json!({})),
        RolloutCommand::Promote { all, why } => change(ask, "promote", &why, &json!({"all": all})),
        RolloutCommand::Pull(why) => change(ask, "pull", &why, &json!({})),
    }
}

fn change(ask: &Ask, what: &str, why: &Why, asked: &Value) -> Result<ExitCode, Failure> {
    let mut asked = asked.clone();
    asked["reason"] = why.reason.as_str().into();
    asked["dry_run"] = why.dry_run.into();
    let touched = ask.api()?.post(&format!("rollout/{what}"), &asked)?;
    ask.show(&touched, |touched| {
        let would = if why.dry_run { "would be" } else { "is" };
        let (rollout, hosts) = (&touched["rollout"], &touched["touched"]);
        let said = match what {
            "start" => format!("{would} started for {hosts} hosts, {} of them first", touched["canaries"]),
            "pause" => format!("{would} paused"),
            "resume" => format!("{would} resumed"),
            "promote" => format!("{would} promoted, unless there is evidence against it"),
            _ => format!("{would} pulled: each of {hosts} hosts leaves its release when it next asks"),
        };
        println!("rollout {rollout} {said}");
        for fact in crate::print::items(touched, "uncovered").filter(|_| what == "start") {
            println!("no host tries it first that has {}", crate::failure::harmless(fact.as_str().unwrap_or_default()));
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Shows it whenever it changes, on a terminal in place, until it has ended.
fn watch(ask: &Ask) -> Result<ExitCode, Failure> {
    let api = ask.api()?;
    let mut before = Value::Null;
    loop {
        let told = api.get("rollout")?;
        let mut timeless = told.clone();
        timeless["time"] = Value::Null;
        timeless["rollout"]["seen_at"] = Value::Null;
        if timeless != before {
            before = timeless;
            ask.show(&told, |told| {
                let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
                println!("{clear}{}", tree::drawn(told));
            });
            // Who reads over a pipe is shown it at once.
            let _ = std::io::stdout().flush();
        }
        if told["rollout"].is_null() || ["done", "pulled"].contains(&told["rollout"]["state"].as_str().unwrap_or_default()) {
            return Ok(status(&told));
        }
        thread::sleep(LOOK);
    }
}

/// For a pipeline that waits for it.
fn status(told: &Value) -> ExitCode {
    match told["rollout"]["state"].as_str() {
        None | Some("done") => ExitCode::SUCCESS,
        Some("pulled") => PULLED.into(),
        Some("held" | "paused") => HELD.into(),
        Some(_) => UNDER_WAY.into(),
    }
}
