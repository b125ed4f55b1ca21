//! A TUF client over `core/trust` that speaks the command line of the field's conformance suite:
//!
//!     trust-client --metadata-dir D init ROOT
//!     trust-client --metadata-dir D --metadata-url U refresh
//!     trust-client --metadata-dir D --metadata-url U --target-name T [--target-name T2] --target-base-url B --target-dir O download
//!
//! It exits with 0 or 1. `FAKETIME` (seconds, signed, relative to the clock) moves its clock, unless libfaketime has done so.

#[path = "../../../../client/src/update/crypto.rs"]
mod crypto;
mod files;

use crypto::Ring;
use files::{Files, Problem, get};
use std::{env, fs, path::PathBuf, process::ExitCode, time::SystemTime};
use trust::{Limits, Root, refresh, target_name};

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("trust-client: {problem}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Typed {
    metadata_dir: PathBuf,
    metadata_url: String,
    target_names: Vec<String>,
    target_base_url: String,
    target_dir: PathBuf,
    words: Vec<String>,
}

fn run(arguments: Vec<String>) -> Result<(), Problem> {
    let typed = parse(arguments)?;
    match typed.words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["init", root] => init(&typed, root),
        ["refresh"] => refresh(&mut files(&typed), &Ring, now(), Limits::default()).map(|_| ()),
        ["download"] => download(&typed),
        _ => Err(Problem("the command is init ROOT, refresh or download".into())),
    }
}

fn parse(arguments: Vec<String>) -> Result<Typed, Problem> {
    let mut typed = Typed::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_string(), Some(value.to_string())),
            _ => (argument, None),
        };
        if !name.starts_with("--") {
            typed.words.push(name);
            continue;
        }
        let value = inline.or_else(|| arguments.next()).ok_or_else(|| Problem(format!("{name} needs a value")))?;
        match name.as_str() {
            "--metadata-dir" => typed.metadata_dir = value.into(),
            "--metadata-url" => typed.metadata_url = value,
            "--target-name" => typed.target_names.push(value),
            "--target-base-url" => typed.target_base_url = value,
            "--target-dir" => typed.target_dir = value.into(),
            _ => return Err(Problem(format!("unknown option {name}"))),
        }
    }
    Ok(typed)
}

fn files(typed: &Typed) -> Files {
    Files { folder: typed.metadata_dir.clone(), url: typed.metadata_url.clone() }
}

fn init(typed: &Typed, root: &str) -> Result<(), Problem> {
    let bytes = fs::read(root)?;
    Root::anchor(&bytes, &Ring).map_err(|why| Problem(why.about("root").to_string()))?;
    fs::create_dir_all(&typed.metadata_dir)?;
    files::replace(&typed.metadata_dir.join("root.json"), &bytes)
}

fn download(typed: &Typed) -> Result<(), Problem> {
    let mut files = files(typed);
    let trusted = refresh(&mut files, &Ring, now(), Limits::default())?;
    for path in &typed.target_names {
        let target = trusted.find(&mut files, &Ring, path)?;
        let kept = typed.target_dir.join(trust::quoted(path, ""));
        if fs::read(&kept).is_ok_and(|bytes| target.check(&bytes, &Ring).is_ok()) {
            continue;
        }
        let name = target_name(path, &target.hashes, trusted.is_consistent());
        let bytes = get(&typed.target_base_url, &name, target.length)?.ok_or_else(|| Problem(format!("{name} is not there")))?;
        target.check(&bytes, &Ring).map_err(|why| Problem(why.about(path).to_string()))?;
        fs::create_dir_all(&typed.target_dir)?;
        files::replace(&kept, &bytes)?;
    }
    Ok(())
}

/// Seconds since 1970 as this run shall see them.
fn now() -> i64 {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let preloaded = fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("libfaketime"));
    let shift = env::var("FAKETIME").ok().filter(|_| !preloaded).and_then(|shift| shift.trim().parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, reason = "a test's clock is moved by less than 2^63 seconds")]
    shift.map_or(clock, |shift| clock.saturating_add(shift as i64))
}
