//! How a run of the client ended.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::reason::Reason;
use serde_json::Value;

/// A run that has not ended by then is killed and fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status; 128 + N for death by signal N.
    pub status: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
    /// The last line of standard output that is JSON.
    pub last_event: Value,
    /// From start to end.
    pub elapsed: Duration,
}

impl Outcome {
    /// The last event's `code`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.last_event.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// The last event's `outcome`.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.last_event.get("outcome").and_then(Value::as_str).unwrap_or_default()
    }

    /// The reason that the exit status stands for.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        u8::try_from(self.status).ok().and_then(Reason::from_exit)
    }

    /// Fails the test unless the credential was delivered.
    pub fn expect_delivered(&self) {
        assert!(self.status == 0 && self.outcome() == "delivered", "not delivered: {self:#?}");
    }

    /// Fails the test unless the run ended with this reason, in its exit status and in its log.
    pub fn expect_reason(&self, code: &str) {
        assert_eq!(self.reason().map(Reason::code), Some(code), "by exit status: {self:#?}");
        assert_eq!(self.code(), code, "in the log: {self:#?}");
    }
}

/// Runs a command to its end, its output into files so that nothing can block it.
#[must_use]
pub fn finish(command: &mut Command) -> Outcome {
    let mut stdout = tempfile::tempfile().expect("a temporary file");
    let mut stderr = tempfile::tempfile().expect("a temporary file");
    command.stdin(Stdio::null()).stdout(stdout.try_clone().expect("a descriptor")).stderr(stderr.try_clone().expect("a descriptor"));
    let begun = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = loop {
        match child.try_wait().expect("a child to wait for") {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                let _ = child.kill();
                break child.wait().expect("a child to wait for");
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let elapsed = begun.elapsed();
    let (stdout, stderr) = (text(&mut stdout), text(&mut stderr));
    let last_event = stdout.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Outcome { status, stdout, stderr, last_event, elapsed }
}

fn text(file: &mut std::fs::File) -> String {
    let mut bytes = Vec::new();
    let _ = file.rewind();
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
