//! Secrets that a program prints: started anew for every request, without a shell, with nothing of this process's but its user.
//!
//! The program runs in a process group of its own, which is killed when the program ends, when its time is up, and when nobody
//! waits any more: what it started does not outlive it. What it printed goes nowhere but into the answer.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use service::policy::{Program, fields};
use std::{
    fmt::{self, Display},
    io,
    process::Stdio,
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};

const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

/// Why a program brought nothing; holds nothing that it printed.
#[derive(Debug)]
pub(crate) enum NotPrinted {
    /// It could not be started or watched.
    NotStarted(io::Error),
    /// It, or its turn to run, took longer than its deadline.
    Late,
    /// It printed more than is read.
    TooMuch,
    /// It did not end with status 0.
    Status(Option<i32>),
    /// What it printed is no object of texts.
    Rubbish(String),
}

impl Display for NotPrinted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotPrinted::NotStarted(error) => write!(out, "it cannot be run: {error}"),
            NotPrinted::Late => out.write_str("it did not end in time"),
            NotPrinted::TooMuch => write!(out, "it printed more than {OUTPUT_BYTES_MAX} bytes"),
            NotPrinted::Status(Some(status)) => write!(out, "it ended with status {status}"),
            NotPrinted::Status(None) => out.write_str("it was killed by a signal"),
            NotPrinted::Rubbish(because) => write!(out, "its output {because}"),
        }
    }
}

/// Runs the program once it is its turn, and reads what it prints.
pub(crate) async fn run(program: &Program, turns: &Semaphore) -> Result<Vec<(String, String)>, NotPrinted> {
    let run = async {
        // An error would mean a closed semaphore, and this one is never closed.
        let _turn = turns.acquire().await;
        let mut group = Group::start(program).map_err(NotPrinted::NotStarted)?;
        group.output().await
    };
    let output = timeout(program.deadline, run).await.map_err(|_| NotPrinted::Late)??;
    fields(&output).map_err(NotPrinted::Rubbish)
}

/// A program and all that it starts; none of them outlives it.
struct Group {
    child: Child,
    leader: Pid,
}

impl Group {
    fn start(program: &Program) -> io::Result<Self> {
        let (path, arguments) = program.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(path);
        command.args(arguments).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child, leader })
    }

    async fn output(&mut self) -> Result<Vec<u8>, NotPrinted> {
        let mut output = Vec::new();
        if let Some(stdout) = self.child.stdout.take() {
            stdout.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut output).await.map_err(NotPrinted::NotStarted)?;
        }
        if output.len() as u64 > OUTPUT_BYTES_MAX {
            return Err(NotPrinted::TooMuch);
        }
        let leader = self.leader;
        // It stays to be waited for, so that its number is still its own when the others of its group are killed.
        let ended = move || waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        tokio::task::spawn_blocking(ended)
            .await
            .map_err(|error| NotPrinted::NotStarted(error.into()))?
            .map_err(|error| NotPrinted::NotStarted(error.into()))?;
        self.kill();
        let status = self.child.wait().await.map_err(NotPrinted::NotStarted)?;
        if status.success() { Ok(output) } else { Err(NotPrinted::Status(status.code())) }
    }

    /// As long as the leader has not been waited for, the group's number is nobody else's.
    fn kill(&self) {
        if self.child.id().is_some() {
            // That nobody is left is as good.
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    async fn ran(script: &str) -> Result<Vec<(String, String)>, NotPrinted> {
        let argv = ["/bin/sh", "-c", script].map(String::from).to_vec();
        run(&Program { argv, deadline: Duration::from_millis(1500) }, &Semaphore::new(1)).await
    }

    /// Whether anybody runs with these words in its arguments.
    fn runs(words: &str) -> bool {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|pid| std::fs::read(pid.path().join("cmdline")).ok())
            .any(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(words))
    }

    #[tokio::test]
    async fn what_a_program_prints_and_nothing_around_it() {
        let good = ran(r#"printf '{"user":"%s","stdin":"%s","all":"%s"}' "$HOME" "$(cat)" "$(pwd) $#"; echo secret >&2"#).await.unwrap();
        let expected = [("user", ""), ("stdin", ""), ("all", "/ 0")].map(|(name, text)| (name.to_string(), text.to_string()));
        assert_eq!(good, expected);
        assert!(matches!(ran("echo '{\"a\":\"b\"}'; exit 3").await, Err(NotPrinted::Status(Some(3)))));
        assert!(matches!(ran("kill -9 $$").await, Err(NotPrinted::Status(None))));
        let missing = Program { argv: vec!["/no/such/program".into()], deadline: Duration::from_secs(1) };
        assert!(matches!(run(&missing, &Semaphore::new(1)).await, Err(NotPrinted::NotStarted(_))));
    }

    #[tokio::test]
    async fn rubbish_is_refused_in_words_that_do_not_hold_it() {
        for rubbish in ["echo s3cret", "echo '{}'", "true", r#"echo '{"s3cret":1}'"#, r#"printf '{"a":"s3cret'"#, r"printf '\377\376'"] {
            let refused = ran(rubbish).await.unwrap_err();
            assert!(matches!(refused, NotPrinted::Rubbish(_)), "{rubbish}: {refused:?}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
        assert!(matches!(ran("yes '{\"a\":\"b\"}'").await, Err(NotPrinted::TooMuch)), "an output without end");
        let most = r#"printf '{"a":"'; head -c 65528 /dev/zero | tr '\0' x; printf '"}'"#;
        assert_eq!(ran(most).await.unwrap()[0].1.len(), 65528);
        assert!(matches!(ran(&most.replace("65528", "65529")).await, Err(NotPrinted::TooMuch)));
    }

    #[tokio::test]
    async fn what_hangs_or_forks_is_killed_with_all_it_started() {
        let started = Instant::now();
        assert!(matches!(ran("sleep 86401 & sleep 86402").await, Err(NotPrinted::Late)));
        assert!(matches!(ran("echo '{\"a\":\"b\"}'; sleep 86403 &").await, Err(NotPrinted::Late)), "a child that holds the pipe");
        assert!(started.elapsed() < Duration::from_secs(5));
        ran("sleep 86404 >/dev/null & echo '{\"a\":\"b\"}'").await.unwrap();
        assert!(matches!(ran("trap '' TERM INT HUP; exec >/dev/null; while :; do sleep 86405; done").await, Err(NotPrinted::Late)));
        for _ in 0..50 {
            if !runs("sleep 8640") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("something outlived its program");
    }

    #[tokio::test]
    async fn no_more_run_at_one_time_than_there_are_turns() {
        let turns = Semaphore::new(2);
        let argv = ["/bin/sh", "-c", "sleep 0.4; echo '{\"a\":\"b\"}'"].map(String::from).to_vec();
        let program = Program { argv, deadline: Duration::from_millis(1000) };
        let started = Instant::now();
        let (one, two, three, four, five, six) = tokio::join!(
            run(&program, &turns),
            run(&program, &turns),
            run(&program, &turns),
            run(&program, &turns),
            run(&program, &turns),
            run(&program, &turns)
        );
        let good = [one, two, three, four, five, six].iter().filter(|ran| ran.is_ok()).count();
        assert!((2..=4).contains(&good) && started.elapsed() < Duration::from_millis(1500), "{good} of 6 within a second, two at a time");
    }
}
