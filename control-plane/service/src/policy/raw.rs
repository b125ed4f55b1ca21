//! A policy as it is typed, and what it means.

use super::{Grant, Jwt, Kind, Policy, Program, Ssh, Template, X509, rule::Rule};
use crate::keys::Algorithm;
use protocol::identity::is_name;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

const LIFETIME_SECONDS_DEFAULT: i64 = 3600;
/// The longest that a credential may be good for.
pub const LIFETIME_SECONDS_MAX: i64 = 30 * 24 * 3600;
const LIFETIME_SECONDS_MIN: i64 = 10;
const PROGRAM_SECONDS_DEFAULT: u64 = 3;
const PROGRAM_SECONDS_MAX: u64 = 30;
const EXTENSIONS: [&str; 6] =
    ["permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc", "no-touch-required"];
/// The host's own SPIFFE ID.
const SUBJECT: &str = "{id}";

/// `policy.toml` as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    #[serde(default)]
    credential: Vec<RawGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    name: String,
    kind: String,
    lifetime_seconds: Option<i64>,
    hosts: Option<Vec<String>>,
    labels: Option<Vec<String>>,
    #[serde(default)]
    allow: Vec<RawRule>,
    audience: Option<Vec<String>>,
    algorithm: Option<String>,
    subject: Option<String>,
    dns_names: Option<Vec<String>>,
    certificate: Option<String>,
    principals: Option<Vec<String>>,
    extensions: Option<Vec<String>>,
    file: Option<String>,
    exec: Option<Vec<String>>,
    deadline_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    hosts: Option<Vec<String>>,
    labels: Option<Vec<String>>,
}

impl RawPolicy {
    /// The longest lifetime that it gives anything, seconds.
    pub fn longest_seconds(&self) -> i64 {
        self.credential.iter().map(|grant| grant.lifetime_seconds.unwrap_or(LIFETIME_SECONDS_DEFAULT)).max().unwrap_or(0)
    }

    /// The files whose contents the policy needs.
    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.credential.iter().filter_map(|grant| grant.file.as_deref())
    }
}

impl Policy {
    /// From what was typed and the secret files' contents, by their names in it.
    ///
    /// # Errors
    /// The first grant that means nothing, in words.
    pub fn new(raw: RawPolicy, secrets: &HashMap<String, Vec<u8>>) -> Result<Self, String> {
        let mut grants = BTreeMap::new();
        for raw in raw.credential {
            let name = raw.name.clone();
            if !is_name(&name) {
                return Err(format!("{name:?} cannot name a credential"));
            }
            let grant = grant(raw, secrets).map_err(|because| format!("credential {name:?}: {because}"))?;
            if grants.insert(name.clone(), grant).is_some() {
                return Err(format!("credential {name:?} is written twice"));
            }
        }
        Ok(Self { grants })
    }
}

fn grant(mut raw: RawGrant, secrets: &HashMap<String, Vec<u8>>) -> Result<Grant, String> {
    let lifetime_seconds = raw.lifetime_seconds.unwrap_or(LIFETIME_SECONDS_DEFAULT);
    if !(LIFETIME_SECONDS_MIN..=LIFETIME_SECONDS_MAX).contains(&lifetime_seconds) {
        return Err(format!("lifetime_seconds must be {LIFETIME_SECONDS_MIN} to {LIFETIME_SECONDS_MAX}"));
    }
    let mut rules = std::mem::take(&mut raw.allow);
    if raw.hosts.is_some() || raw.labels.is_some() {
        rules.insert(0, RawRule { hosts: raw.hosts.take(), labels: raw.labels.take() });
    }
    let rules = rules.into_iter().map(|RawRule { hosts, labels }| Rule::new(hosts, labels)).collect::<Result<_, _>>()?;
    Ok(Grant { kind: kind(raw, secrets)?, lifetime_seconds, rules })
}

fn kind(mut raw: RawGrant, secrets: &HashMap<String, Vec<u8>>) -> Result<Kind, String> {
    let kind = match raw.kind.as_str() {
        "jwt" => jwt(&mut raw),
        "x509" => x509(&mut raw),
        "ssh" => ssh(&mut raw),
        "secret" => secret(&mut raw, secrets),
        kind => return Err(format!("there is no kind {kind:?}; there are jwt, x509, ssh and secret")),
    }?;
    match left_over(&raw) {
        Some(member) => Err(format!("a {} has no {member}", raw.kind)),
        None => Ok(kind),
    }
}

/// What a kind did not take does not belong to it.
fn left_over(raw: &RawGrant) -> Option<&'static str> {
    [
        ("audience", raw.audience.is_some()),
        ("algorithm", raw.algorithm.is_some()),
        ("subject", raw.subject.is_some()),
        ("dns_names", raw.dns_names.is_some()),
        ("certificate", raw.certificate.is_some()),
        ("principals", raw.principals.is_some()),
        ("extensions", raw.extensions.is_some()),
        ("file", raw.file.is_some()),
        ("exec", raw.exec.is_some()),
        ("deadline_seconds", raw.deadline_seconds.is_some()),
    ]
    .into_iter()
    .find_map(|(name, present)| present.then_some(name))
}

fn jwt(raw: &mut RawGrant) -> Result<Kind, String> {
    let audience = raw.audience.take().filter(|audience| !audience.is_empty()).ok_or("a jwt needs an audience")?;
    let algorithm = match raw.algorithm.take().as_deref() {
        None | Some("ES256") => Algorithm::Es256,
        Some("RS256") => Algorithm::Rs256,
        Some(other) => return Err(format!("there is no algorithm {other:?}; there are ES256 and RS256")),
    };
    Ok(Kind::Jwt(Jwt { audience, subject: subject(raw)?, algorithm }))
}

fn x509(raw: &mut RawGrant) -> Result<Kind, String> {
    let subject = subject(raw)?;
    Ok(Kind::X509(X509 { subject, dns_names: templates(raw.dns_names.take())? }))
}

fn ssh(raw: &mut RawGrant) -> Result<Kind, String> {
    let user = match raw.certificate.take().as_deref() {
        Some("host") => false,
        Some("user") => true,
        _ => return Err("an ssh credential needs certificate = \"host\" or \"user\"".into()),
    };
    let principals = templates(raw.principals.take())?;
    if principals.is_empty() {
        return Err("an ssh credential needs principals: without any it would be good for every name".into());
    }
    let extensions = raw.extensions.take();
    if !user && extensions.is_some() {
        return Err("a host certificate has no extensions".into());
    }
    if let Some(unknown) = extensions.iter().flatten().find(|option| !is_ssh_option(option)) {
        return Err(format!("{unknown:?} is no extension; there are {} and force-command=COMMAND, source-address=NETWORKS", EXTENSIONS.join(", ")));
    }
    let extensions = extensions.unwrap_or_else(|| if user { vec!["permit-pty".into()] } else { Vec::new() });
    Ok(Kind::Ssh(Ssh { user, principals, extensions }))
}

/// OpenSSH's PROTOCOL.certkeys: a critical option that it does not know makes a certificate useless, and an extension is passed over,
/// so that a mistake in either would be found late.
fn is_ssh_option(text: &str) -> bool {
    let confines =
        |text: &str| text.split_once('=').is_some_and(|(name, data)| ["force-command", "source-address"].contains(&name) && !data.is_empty());
    EXTENSIONS.contains(&text) || confines(text) || text.contains('@')
}

fn secret(raw: &mut RawGrant, secrets: &HashMap<String, Vec<u8>>) -> Result<Kind, String> {
    match (raw.file.take(), raw.exec.take()) {
        (Some(file), None) => {
            let bytes = secrets.get(&file).ok_or_else(|| format!("{file} was not read"))?;
            fields(bytes).map(Kind::Fields).map_err(|because| format!("{file} {because}"))
        }
        (None, Some(argv)) if argv.first().is_some_and(|program| program.starts_with('/')) => {
            let seconds = raw.deadline_seconds.take().unwrap_or(PROGRAM_SECONDS_DEFAULT);
            if !(1..=PROGRAM_SECONDS_MAX).contains(&seconds) {
                return Err(format!("deadline_seconds must be 1 to {PROGRAM_SECONDS_MAX}"));
            }
            Ok(Kind::Program(Program { argv, deadline: Duration::from_secs(seconds) }))
        }
        (None, Some(_)) => Err("exec is a list that begins with a program's whole path".into()),
        _ => Err("a secret has a file or an exec, and not both".into()),
    }
}

fn subject(raw: &mut RawGrant) -> Result<Template, String> {
    Template::parse(raw.subject.take().as_deref().unwrap_or(SUBJECT))
}

fn templates(texts: Option<Vec<String>>) -> Result<Vec<Template>, String> {
    texts.unwrap_or_default().iter().map(|text| Template::parse(text)).collect()
}

/// Names and texts from an object of JSON, as a secret's file holds it and its program prints it.
///
/// # Errors
/// In words that hold nothing of the secret.
pub fn fields(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let value = protocol::json::parse(bytes).map_err(|error| format!("is not JSON: {error}"))?;
    let members = value.as_object().filter(|members| !members.is_empty()).ok_or("must hold an object of texts")?;
    let field = |(name, text): &(String, protocol::json::Value)| Some((name.clone(), text.as_str()?.to_string()));
    members.iter().map(field).collect::<Option<_>>().ok_or_else(|| "must hold nothing but texts".into())
}
