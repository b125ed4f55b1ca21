//! Which control plane is meant, and who asks: kept in one file of the operator's own.

use crate::{ask::Ask, failure::Failure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// One control plane, as an operator reaches it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Host and port of the operators' listener; the host's name stands in its certificate.
    pub(crate) server: String,
    /// The CA's certificate.
    pub(crate) ca: PathBuf,
    /// The operator's key and certificate, one PEM file.
    pub(crate) identity: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contexts {
    current: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, Context>,
}

/// The context named, or of a folder on this machine, or the one in use.
pub(crate) fn chosen(name: Option<&str>, domain: Option<&Path>) -> Result<Context, Failure> {
    if let Some(domain) = domain {
        return of_domain(domain);
    }
    let contexts = read()?;
    let failed = |because: String| {
        let hint = "add one: pinnacectl context add NAME --server HOST:PORT --ca FILE --identity FILE; or use --domain-dir DIR";
        Failure::new("context.unknown", "cannot tell which control plane is meant", because, hint)
    };
    let name = name.or(contexts.current.as_deref()).ok_or_else(|| failed("no context is in use".into()))?;
    contexts.context.get(name).cloned().ok_or_else(|| failed(format!("there is no context {name:?}")))
}

/// A control plane on this machine, from its folder.
fn of_domain(domain: &Path) -> Result<Context, Failure> {
    #[derive(Deserialize)]
    struct Settings {
        listen: Listen,
    }
    #[derive(Deserialize)]
    struct Listen {
        #[serde(default = "operators")]
        operators: String,
    }
    fn operators() -> String {
        "127.0.0.1:8445".into()
    }
    let path = domain.join("pinnaced.toml");
    let failed =
        |because: String| Failure::new("context.unknown", format!("cannot read {}", path.display()), because, "name a trust domain's folder");
    let text = fs::read_to_string(&path).map_err(|cause| failed(cause.to_string()))?;
    let settings: Settings = toml::from_str(&text).map_err(|cause| failed(cause.to_string()))?;
    let server = settings.listen.operators.replace("0.0.0.0", "127.0.0.1");
    Ok(Context { server, ca: domain.join("ca/ca.crt"), identity: domain.join("operators/admin.pem") })
}

/// Adds or replaces a context; the first one is in use at once.
pub(crate) fn add(name: &str, context: Context) -> Result<(), Failure> {
    let mut contexts = read()?;
    let absolute = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
    let context = Context { ca: absolute(context.ca), identity: absolute(context.identity), ..context };
    contexts.context.insert(name.into(), context);
    contexts.current.get_or_insert_with(|| name.into());
    write(&contexts)?;
    println!("context {name} is kept");
    Ok(())
}

/// Makes a context the one in use.
pub(crate) fn take(name: &str) -> Result<(), Failure> {
    let mut contexts = read()?;
    if !contexts.context.contains_key(name) {
        return Err(Failure::new("context.unknown", format!("cannot use context {name:?}"), "there is none of that name", "pinnacectl context list"));
    }
    contexts.current = Some(name.into());
    write(&contexts)?;
    println!("context {name} is in use");
    Ok(())
}

/// Prints all.
pub(crate) fn list(ask: &Ask) -> Result<(), Failure> {
    let contexts = read()?;
    let answer = json!({"version": 1, "current": contexts.current, "contexts": contexts.context});
    ask.show(&answer, |_| show(&contexts));
    Ok(())
}

fn show(contexts: &Contexts) {
    let rows = contexts.context.iter().map(|(name, context)| {
        let used = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
        vec![used.into(), name.clone(), context.server.clone(), context.identity.display().to_string()]
    });
    crate::print::table(&["", "NAME", "SERVER", "IDENTITY"], rows.collect());
}

fn path() -> Result<PathBuf, Failure> {
    let folder = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".config")));
    let missing = || Failure::new("context.no-home", "cannot find your contexts", "HOME is not set", "set HOME, or use --domain-dir DIR");
    Ok(folder.ok_or_else(missing)?.join("pinnace/contexts.toml"))
}

fn read() -> Result<Contexts, Failure> {
    let path = path()?;
    let failed =
        |because: String| Failure::new("context.unreadable", format!("cannot read {}", path.display()), because, "correct or remove the file");
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|cause| failed(cause.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Contexts::default()),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn write(contexts: &Contexts) -> Result<(), Failure> {
    let path = path()?;
    let failed = |because: String| Failure::new("context.unwritable", format!("cannot write {}", path.display()), because, "check the folder");
    let text = toml::to_string(contexts).map_err(|cause| failed(cause.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("toml.new");
    let written = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| {
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    });
    written.map_err(|cause| failed(cause.to_string()))
}
