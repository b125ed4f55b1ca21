//! The audit log into a file.
//!
//! The log grows while it is read. So the checkpoints are asked for last, and for each writer the records between what was read and
//! what its checkpoint signs are fetched then: what is in the file ends where the audit key says, on a busy control plane too.

use crate::{api::Api, ask::Ask, failure::Failure, print};
use protocol::audit::Checkpoint;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufWriter, Write},
    path::Path,
    thread,
    time::Duration,
};

/// A checkpoint is signed every second; a writer that is gone signs none.
const CHECKPOINT_WAITS: u32 = 8;
const CHECKPOINT_WAIT: Duration = Duration::from_millis(400);

/// The command.
pub(super) fn run(ask: &Ask, out: &Path) -> Result<(), Failure> {
    let api = ask.api()?;
    let failed = |cause: io::Error| {
        Failure::new("file.unwritable", format!("cannot write {}", out.display()), cause, "name a file that does not exist, where there is room")
    };
    let file = fs::OpenOptions::new().write(true).create_new(true).open(out).map_err(failed)?;
    let mut log = Log { file: BufWriter::new(file), ends: BTreeMap::new(), lines: 0, failed: &failed };
    let written = log.fill(&api);
    if written.is_err() {
        // A part of a log looks like one that was cut.
        let _ = fs::remove_file(out);
    }
    written?;
    let answer = json!({"version": 1, "file": out.display().to_string(), "lines": log.lines});
    ask.show(&answer, |answer| println!("{} lines are in {}", answer["lines"], out.display()));
    Ok(())
}

/// What was written so far, and the number of each writer's last record.
struct Log<'a> {
    file: BufWriter<fs::File>,
    ends: BTreeMap<String, i64>,
    lines: usize,
    failed: &'a dyn Fn(io::Error) -> Failure,
}

impl Log<'_> {
    fn fill(&mut self, api: &Api) -> Result<(), Failure> {
        let mut place = json!({});
        loop {
            let piece = api.post("audit/export", &place)?;
            self.take(&piece)?;
            if piece["next"].is_null() {
                break;
            }
            place = piece["next"].clone();
        }
        let checkpoints = self.checkpoints(api)?;
        for line in &checkpoints {
            if let Some((writer, checkpoint)) = Checkpoint::imported(line) {
                self.catch_up(api, &writer, checkpoint.number)?;
            }
        }
        checkpoints.iter().try_for_each(|line| self.write(line))?;
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(self.failed)
    }

    /// The checkpoints, once they sign all that was read, or all that they ever will.
    fn checkpoints(&self, api: &Api) -> Result<Vec<String>, Failure> {
        let mut tries = 0;
        loop {
            let answer = api.get("audit/checkpoints")?;
            let lines: Vec<String> = print::items(&answer, "lines").filter_map(|line| line.as_str().map(ToOwned::to_owned)).collect();
            let signed: BTreeMap<String, i64> =
                lines.iter().filter_map(|line| Checkpoint::imported(line)).map(|(writer, checkpoint)| (writer, checkpoint.number)).collect();
            let open = self.ends.iter().any(|(writer, end)| signed.get(writer).is_none_or(|signed| signed < end));
            if !open || tries == CHECKPOINT_WAITS {
                return Ok(lines);
            }
            tries += 1;
            thread::sleep(CHECKPOINT_WAIT);
        }
    }

    /// The records of one writer that came in the meantime, up to this number. A chain has no gaps, so so many are what is missing.
    fn catch_up(&mut self, api: &Api, writer: &str, until: i64) -> Result<(), Failure> {
        loop {
            let end = self.ends.get(writer).copied().unwrap_or(0);
            let missing = until.saturating_sub(end);
            if missing <= 0 {
                return Ok(());
            }
            let piece = api.post("audit/export", &json!({"writer": writer, "number": end, "limit": missing.min(1000)}))?;
            self.take(&piece)?;
            if self.ends.get(writer).copied().unwrap_or(0) == end {
                // They are gone from the database; whoever verifies the file is told.
                return Ok(());
            }
        }
    }

    fn take(&mut self, piece: &Value) -> Result<(), Failure> {
        for line in print::items(piece, "lines").filter_map(Value::as_str) {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            if let (Some(writer), Some(number)) = (record["writer"].as_str(), record["number"].as_i64()) {
                self.ends.insert(writer.to_owned(), number);
            }
            self.write(line)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        self.lines += 1;
        writeln!(self.file, "{line}").map_err(self.failed)
    }
}
