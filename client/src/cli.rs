//! The command line: what was typed, then what it means.

use crate::{bundle, doctor, failure::Failure, identity, log, run, show, sys::start, trial, update, whoami};
use lexopt::prelude::{Long, Short, Value, ValueExt};
use protocol::{json::Quoted, reason::Reason, site::Format};
use std::ffi::OsString;

/// Everything that can be typed.
#[derive(Default)]
pub(crate) struct Typed {
    words: Vec<String>,
    json: bool,
    /// A host file in place of the site's.
    pub(crate) host_file: Option<String>,
    /// A state directory in place of the site's.
    pub(crate) state_dir: Option<String>,
    format: Option<String>,
    /// The name under which to enroll.
    pub(crate) host: Option<String>,
    /// The file that holds the token to enroll with.
    pub(crate) token_file: Option<String>,
    /// The file that holds another CA's certificate and key to enroll with.
    pub(crate) certificate: Option<String>,
    /// Whether only the key to enroll with is wanted.
    pub(crate) key: bool,
    /// The release that this process is, as the one that handed over to it says.
    pub(crate) generation: Option<String>,
    /// Whether this is a candidate's try, on a copy of the state.
    pub(crate) attempt: bool,
    /// Whether a run stays with the package's own copy.
    factory: bool,
}

/// From arguments to exit status.
pub(crate) fn main(arguments: &[OsString]) -> u8 {
    start::prepare();
    match parse(arguments).map_err(words).and_then(|typed| dispatch(&typed, arguments)) {
        Ok(exit) => exit,
        Err(because) => log::fail("cannot start", &Failure::new(Reason::Usage, because)),
    }
}

fn parse(arguments: &[OsString]) -> Result<Typed, lexopt::Error> {
    let mut typed = Typed::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => typed.json = true,
            Long("host-file") => typed.host_file = Some(parser.value()?.string()?),
            Long("state-dir") => typed.state_dir = Some(parser.value()?.string()?),
            Long("format") => typed.format = Some(parser.value()?.string()?),
            Long("host") => typed.host = Some(parser.value()?.string()?),
            Long("token-file") => typed.token_file = Some(parser.value()?.string()?),
            Long("certificate") => typed.certificate = Some(parser.value()?.string()?),
            Long("key") => typed.key = true,
            Long("generation") => typed.generation = Some(parser.value()?.string()?),
            Long("attempt") => typed.attempt = true,
            Long("factory") => typed.factory = true,
            Short('h') | Long("help") => typed.words.insert(0, "help".to_owned()),
            Short('V') | Long("version") => typed.words.insert(0, "version".to_owned()),
            Value(word) => typed.words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(typed)
}

fn words(error: lexopt::Error) -> String {
    use lexopt::Error::{Custom, MissingValue, NonUnicodeValue, UnexpectedArgument, UnexpectedOption, UnexpectedValue};
    match error {
        MissingValue { option } => format!("{} needs a value", option.unwrap_or_default()),
        UnexpectedOption(option) => format!("unknown option {}", Quoted(&option)),
        UnexpectedValue { option, .. } => format!("{option} takes no value"),
        UnexpectedArgument(_) | NonUnicodeValue(_) => "an argument is not UTF-8".to_owned(),
        Custom(error) | lexopt::Error::ParsingFailed { error, .. } => error.to_string(),
    }
}

fn dispatch(typed: &Typed, arguments: &[OsString]) -> Result<u8, String> {
    let words: Vec<&str> = typed.words.iter().map(String::as_str).collect();
    let (command, rest) = words.split_first().map_or(("run", &[][..]), |(command, rest)| (*command, rest));
    let one = |what: &str| rest.first().copied().ok_or_else(|| format!("{command} needs {what}"));
    let most = usize::from(matches!(command, "bundle" | "explain" | "credential" | "completions" | "update"));
    if let (Some(extra), false) = (rest.get(most), matches!(command, "help" | "version")) {
        return Err(format!("unexpected {} after {command}", Quoted(extra)));
    }
    let proofs = usize::from(typed.token_file.is_some()) + usize::from(typed.certificate.is_some()) + usize::from(typed.key);
    if command != "enroll" && (proofs > 0 || typed.host.is_some()) {
        return Err("--host, --token-file, --certificate and --key go with enroll".to_owned());
    }
    if proofs > 1 {
        return Err("enroll takes one of --token-file, --certificate and --key".to_owned());
    }
    Ok(match command {
        "run" => run::run(typed, arguments, typed.factory),
        "rescue" => trial::rescue(typed, arguments),
        "rehearse" => trial::rehearse(typed),
        "update" => update::command(typed, one("status, pin, unpin or rollback")?, typed.json)?,
        "status" => show::status(typed, typed.json),
        "bundle" => bundle::bundle(typed, one("a file")?),
        "doctor" => doctor::doctor(typed, typed.json),
        "enroll" => identity::enroll(typed),
        "whoami" => whoami::whoami(typed, typed.json),
        "explain" => show::explain(one("a code or an exit status")?)?,
        "inspect" => show::inspect(),
        "credential" => {
            let word = typed.format.as_deref().unwrap_or("raw");
            let format = Format::parse(word).filter(|format| !format.is_layout());
            let format = format.ok_or_else(|| format!("--format {} is not one of raw json aws kubernetes env vault", Quoted(word)))?;
            show::credential(typed, one("a credential's name")?, format)
        }
        "needs-renewal" => show::needs_renewal(typed),
        "completions" => show::completions(one("bash, zsh or fish")?)?,
        "man" => show::man(),
        "help" => log::print(&show::help()),
        "version" => show::version(typed.json),
        unknown => return Err(format!("unknown command {}", Quoted(unknown))),
    })
}
