//! `pinnaced keys` and `pinnaced documents`: on the store itself, so that they work while the control plane is down. A process that
//! serves takes up the change with its next look.

use super::{By, NotDone, activate, list, prepare, retire, revoke, take_in};
use crate::{
    api::{self, ControlPlane},
    config::Config,
    failure::{Code, Failure},
    files, reload, serve,
};
use clap::Subcommand;
use protocol::time::rfc3339;
use service::keys::{Algorithm, Changed, Keys, Use};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What is wanted of keys.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print all keys on record.
    List {
        /// As one JSON object, by identifier.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        at: At,
    },
    /// Publish a key that does not sign yet; prints its identifier.
    Prepare {
        /// What it is for.
        #[arg(long = "use")]
        purpose: Use,
        /// How it signs: ES256 or RS256 for jwt, any for ca.
        #[arg(long)]
        algorithm: Option<Algorithm>,
        /// Where the private key is already, such as pkcs11:object=LABEL; without it one is made in keys/.
        #[arg(long)]
        place: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Let a published key sign; the one before it is retired.
    Activate(One),
    /// Let a key sign no more; what it signed holds.
    Retire(One),
    /// Let nothing hold that a key signed.
    Revoke(One),
}

/// Where, and why.
#[derive(clap::Args)]
pub(crate) struct At {
    /// The trust domain's folder.
    #[arg(long)]
    dir: PathBuf,
    /// Why; it goes into the audit log.
    #[arg(long, default_value = "")]
    reason: String,
}

impl At {
    fn by<'a>(&'a self, who: &'a str, forced: bool) -> By<'a> {
        By { who, reason: &self.reason, forced }
    }
}

/// An order to one key.
#[derive(clap::Args)]
pub(crate) struct One {
    /// The key's identifier.
    id: String,
    /// Against the rules; takes a reason.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    at: At,
}

/// Does what the command line says.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let at = match command {
        Command::List { at, .. } | Command::Prepare { at, .. } | Command::Activate(One { at, .. }) => at,
        Command::Retire(One { at, .. }) | Command::Revoke(One { at, .. }) => at,
    };
    with_plane(&at.dir, async |plane, _| {
        let who = serve::who();
        let told = match command {
            Command::List { json, .. } => Ok(if *json { as_json(&list(plane)) } else { as_table(&list(plane)) }),
            Command::Prepare { purpose, algorithm, place, at } => prepare(plane, *purpose, *algorithm, place.as_deref(), at.by(&who, false)).await,
            Command::Activate(One { id, force, at }) => activate(plane, id, at.by(&who, *force)).await.map(|changed| as_lines(&changed)),
            Command::Retire(One { id, force, at }) => retire(plane, id, at.by(&who, *force)).await.map(|changed| as_lines(&changed)),
            Command::Revoke(One { id, force, at }) => revoke(plane, id, at.by(&who, *force)).await.map(|changed| as_lines(&changed)),
        };
        print(&told.map_err(failure)?)
    })
}

/// Writes the public documents into a folder, laid out as a bucket serves them.
pub(crate) fn documents(dir: &Path, out: &Path) -> Result<(), Failure> {
    with_plane(dir, async |plane, config| {
        let text = reload::current_policy(plane).map_or_else(|| files::read(&config.files.policy), |version| Ok(version.text))?;
        let policy = reload::compile(&text, config.files.policy.parent().unwrap_or(dir))?.policy;
        super::put_in_force(plane)?;
        for (path, text) in api::public::documents(&plane.issuer, &plane.keys.load(), &policy) {
            let path = out.join(path.trim_start_matches('/'));
            let cannot = |error: io::Error| files::cannot_write(&path, &error);
            fs::create_dir_all(path.parent().unwrap_or(out)).map_err(cannot)?;
            // A bucket's uploader may look at any time.
            let new = path.with_extension("new");
            fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(cannot)?;
        }
        Ok(())
    })
}

/// With the keys that `pinnaced init` made on record.
fn with_plane(dir: &Path, act: impl AsyncFnOnce(&ControlPlane, &Config) -> Result<(), Failure>) -> Result<(), Failure> {
    serve::beside(dir, "keys", async |plane, config| {
        take_in(plane, &config.files).await?;
        act(plane, config).await
    })
}

/// What it means to a person.
pub(super) fn failure(not_done: NotDone) -> Failure {
    match not_done {
        NotDone::Refused(refused) => Failure::new(
            Code::KeyRefused,
            "the order was not carried out",
            refused,
            "pinnaced keys list shows every key; --force with a --reason goes against the rules",
        ),
        NotDone::Failed(failure) => failure,
        NotDone::NotWritten(because) => Failure::new(Code::StoreUnavailable, "the order was not carried out", because, "run it again"),
    }
}

fn as_table(keys: &Keys) -> String {
    let mut lines = vec![format!("{:<16}  {:<6}  {:<9}  {:<8}  {:<20}  place", "id", "use", "algorithm", "state", "since")];
    for (id, key) in keys {
        let since = key.ended_at.or(key.retired_at).or(key.activated_at).unwrap_or(key.prepared_at);
        let (purpose, algorithm, state) = (key.purpose.name(), key.algorithm.name(), key.state.name());
        lines.push(format!("{id:<16}  {purpose:<6}  {algorithm:<9}  {state:<8}  {:<20}  {}", rfc3339(since), key.place));
        if key.purpose == Use::Online {
            lines.push(format!("{:18}for pinnacectl release --online-key {}", "", key.public));
        }
    }
    lines.join("\n")
}

fn as_json(keys: &Keys) -> String {
    serde_json::to_string(keys).unwrap_or_default()
}

fn as_lines(changed: &Changed) -> String {
    let line = |(id, key): &(String, service::keys::Key)| {
        let until = key.published_until.map(|until| format!(", published until {until}")).unwrap_or_default();
        format!("{} key {id} is {}{until}", key.purpose.name(), key.state.name())
    };
    changed.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn print(text: &str) -> Result<(), Failure> {
    files::printed(writeln!(io::stdout().lock(), "{text}"))
}
