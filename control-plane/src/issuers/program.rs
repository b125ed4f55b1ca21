//! Secrets that a program knows: run without a shell or an environment, for some seconds, and heard out up to a limit.

use crate::service::policy::{Program, fields};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    sync::Semaphore,
};

const OUTPUT_BYTES_MAX: u64 = 65_536;
/// Programs that run at one time; more of them wait inside their deadlines.
static TURNS: Semaphore = Semaphore::const_new(16);

/// The names and texts that the program prints, an object of JSON.
///
/// # Errors
/// In words that hold nothing of what it printed.
pub(crate) async fn fields_of(program: &Program) -> Result<Vec<(String, String)>, String> {
    let timely = tokio::time::timeout(program.deadline, async {
        let _turn = TURNS.acquire().await.map_err(|error| error.to_string())?;
        let mut child = start(program).map_err(|error| format!("it cannot be started: {error}"))?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let output = hear(&mut child).await?;
        let status = child.wait().await.map_err(|error| error.to_string())?;
        drop(group);
        if status.success() { fields(&output).map_err(|because| format!("its output {because}")) } else { Err(format!("it ended with {status}")) }
    });
    timely.await.unwrap_or_else(|_| Err("it did not end within its deadline".into()))
}

fn start(program: &Program) -> std::io::Result<Child> {
    let (path, arguments) = program.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(path);
    command.args(arguments).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()
}

async fn hear(child: &mut Child) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    let stdout = child.stdout.take().ok_or("it has no output")?;
    stdout.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut output).await.map_err(|error| error.to_string())?;
    let fits = u64::try_from(output.len()).is_ok_and(|length| length <= OUTPUT_BYTES_MAX);
    if fits { Ok(output) } else { Err(format!("it printed over {OUTPUT_BYTES_MAX} bytes")) }
}

/// Everything that the program started; ended when this is dropped, however that comes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // A group that has ended already is no failure.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
