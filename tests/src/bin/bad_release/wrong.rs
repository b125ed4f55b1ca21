//! The ways to go wrong.

use protocol::{
    crc32,
    json::{self, Value},
};
use std::{
    fs,
    hint::black_box,
    process::{Command, ExitCode, Stdio},
    thread::sleep,
    time::Duration,
};

/// What was asked of the release.
pub(crate) struct Call<'a> {
    /// The client that does it right.
    pub(crate) client: &'a str,
    pub(crate) arguments: &'a [String],
    /// The state directory that was named.
    pub(crate) state: &'a str,
    /// Whether this is a try on a copy of the state.
    pub(crate) is_attempt: bool,
    pub(crate) is_rehearsal: bool,
}

const CREDENTIAL: &str = "credential-db";
const FOREVER: Duration = Duration::from_secs(3_600);

/// Goes wrong; `None` where it goes on as the client.
pub(crate) fn go(how: &str, call: &Call<'_>) -> Option<ExitCode> {
    match how {
        "crash-at-start" => std::process::abort(),
        "crash-on-old-kernels" if kernel().starts_with("2.") => std::process::abort(),
        "crash-on-every-fifth-run" if call.is_attempt && count(call).is_multiple_of(5) => std::process::abort(),
        "unknown-instruction" => unknown_instruction(),
        "hang" if call.is_attempt => sleep(FOREVER),
        "spin" if call.is_attempt => loop {
            black_box(0);
        },
        "eat-memory" if call.is_attempt => eat(),
        "fork-a-storm" if call.is_attempt => storm(),
        "write-rubbish" if call.is_attempt => return Some(rubbish(call)),
        "empty-credential" if call.is_attempt => return Some(altered(call, |text| replaced(text, "token", ""))),
        "wrong-subject" if call.is_attempt => {
            return Some(altered(call, |text| replaced(text, "subject", "spiffe://example.org/host/web-2")));
        }
        "corrupt-state" if call.is_attempt => return Some(corrupt(call)),
        "fill-the-disk" if call.is_attempt => fill(call),
        "do-it-and-fill-the-disk" if call.is_attempt => {
            let done = Command::new(call.client).args(call.arguments).status();
            fill(call);
            return Some(if done.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        "end-who-watches" if call.is_attempt => end_who_watches(),
        "do-nothing" if call.is_attempt => return Some(ExitCode::SUCCESS),
        "fail-once-live" if !call.is_attempt && !call.is_rehearsal && call.arguments.first().is_none_or(|word| !word.starts_with('v')) => {
            return Some(ExitCode::from(111));
        }
        "cannot-update" if call.is_rehearsal => return Some(ExitCode::from(44)),
        "slow" if call.is_attempt => sleep(Duration::from_millis(1_500)),
        _ => {}
    }
    None
}

/// As this process sees it: a personality may show another than the one that runs.
fn kernel() -> String {
    let output = Command::new("uname").arg("-r").output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How often it was tried.
fn count(call: &Call<'_>) -> u64 {
    let file = format!("{}.tries", call.client);
    let count = fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
    let _ = fs::write(file, format!("{count}"));
    count
}

fn unknown_instruction() {
    // SAFETY: the process ends here, as on a processor that does not know an instruction.
    #[expect(unsafe_code, reason = "there is no safe way to an instruction that is none")]
    unsafe {
        libc::raise(libc::SIGILL)
    };
}

fn eat() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![7_u8; 1 << 20]));
    }
}

/// The disk that its state is on, to the last byte.
fn fill(call: &Call<'_>) {
    let piece = vec![7_u8; 1 << 16];
    for number in 0.. {
        if fs::write(format!("{}/log.{number}", call.state), &piece).is_err() {
            return;
        }
    }
}

/// As a release does that has the kernel end its whole unit for want of memory.
fn end_who_watches() {
    // SAFETY: plain system calls, which take numbers alone.
    #[expect(unsafe_code, reason = "there is no safe way to end another process")]
    unsafe {
        libc::kill(libc::getppid(), libc::SIGKILL)
    };
    std::process::abort();
}

/// Two hundred children that stay.
fn storm() {
    for _ in 0..200 {
        let _ = Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn();
    }
    sleep(FOREVER);
}

fn rubbish(call: &Call<'_>) -> ExitCode {
    for name in [CREDENTIAL, "state", "out/db-0"] {
        let _ = fs::write(format!("{}/{name}", call.state), [0xff, 0x00, 0x7b].repeat(1_000));
    }
    ExitCode::SUCCESS
}

/// Lets the client do the job, and changes what it has staged.
fn altered(call: &Call<'_>, change: fn(&str) -> String) -> ExitCode {
    let done = Command::new(call.client).args(call.arguments).status();
    let file = format!("{}/{CREDENTIAL}", call.state);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let body = change(text.split_once('\n').map_or("", |(_, body)| body));
    let _ = fs::write(file, format!("pinnace-state 1 crc32={:08x} len={}\n{body}", crc32(body.as_bytes()), body.len()));
    if done.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A member of the answer with another text.
fn replaced(body: &str, member: &str, text: &str) -> String {
    let Ok(Value::Object(mut members)) = json::parse(body.as_bytes()) else { return String::new() };
    for (_, answer) in members.iter_mut().filter(|(name, _)| name == "answer") {
        if let Value::Object(answer) = answer {
            answer.iter_mut().filter(|(name, _)| name == member).for_each(|(_, value)| *value = text.into());
        }
    }
    Value::Object(members).to_string()
}

/// The state of the host itself, beside the copy.
fn corrupt(call: &Call<'_>) -> ExitCode {
    let state = call.state.rsplit_once('/').map_or("", |(parent, _)| parent);
    for name in ["identity.pem", "state", CREDENTIAL, "trial", "update", "outbox"] {
        let _ = fs::write(format!("{state}/{name}"), "no more\n");
    }
    let _ = fs::remove_file(format!("{state}/current"));
    ExitCode::SUCCESS
}
