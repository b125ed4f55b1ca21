//! Issuing: from a grant to the answer and the record that must be durable before the answer leaves.

use super::{
    host::Labels,
    policy::{Grant, Jwt, Kind, Ssh, X509},
    schedule::next_fetch,
};
use crate::{
    issuers::{self, Signers, Unsigned, ca, jwt},
    store::audit::Event,
};
use protocol::{
    answer::{self, Answer},
    identity::HostId,
    membership::PublicKey,
};

/// Who asks for what.
pub(crate) struct Asked<'a> {
    /// Who asks; it becomes the subject.
    pub(crate) host: &'a HostId,
    /// What policy knows it by.
    pub(crate) labels: &'a Labels,
    /// The credential's name.
    pub(crate) credential: &'a str,
    /// The key the host made for it, which it has proved to hold.
    pub(crate) key: Option<PublicKey>,
    /// What a program that knows the secret has printed.
    pub(crate) printed: Option<Vec<(String, String)>>,
    /// The `jti`.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// What signs.
pub(crate) struct Makers<'a> {
    /// The `iss` of tokens.
    pub(crate) issuer: &'a str,
    /// Tokens.
    pub(crate) signers: &'a Signers,
    /// X.509 certificates.
    pub(crate) ca: &'a ca::Ca,
    /// OpenSSH certificates.
    pub(crate) ssh: Option<&'a issuers::ssh::Ca>,
}

/// What an issue brings.
#[derive(Debug)]
pub(crate) struct Issued {
    /// For the host.
    pub(crate) answer: Answer,
    /// For the audit log.
    pub(crate) event: Event,
}

/// Why nothing was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotIssued {
    /// The key did not sign.
    Unsigned,
    /// The trust domain has no key that signs such credentials.
    NoKey,
    /// It takes a key that the host made.
    KeyNeeded,
    /// It takes none.
    KeyNotTaken,
    /// The policy speaks of a label that the host does not have.
    NoLabel(String),
    /// The subject that the policy makes would pass for somebody else.
    NotItsOwn(String),
}

impl From<Unsigned> for NotIssued {
    fn from(Unsigned: Unsigned) -> Self {
        NotIssued::Unsigned
    }
}

/// Issues what `grant` grants.
pub(crate) fn issue(grant: &Grant, asked: &Asked<'_>, makers: &Makers<'_>) -> Result<Issued, NotIssued> {
    let expires_at = asked.now.saturating_add(grant.lifetime_seconds);
    let (kind, token, fields) = match (&grant.kind, asked.key) {
        (Kind::Jwt(jwt), None) => (answer::Kind::Jwt, token(jwt, asked, expires_at, makers)?, Vec::new()),
        (Kind::Fields(fields), None) => (answer::Kind::Secret, String::new(), fields.clone()),
        (Kind::Program(_), None) => (answer::Kind::Secret, String::new(), asked.printed.clone().ok_or(NotIssued::Unsigned)?),
        (Kind::X509(x509), Some(key)) => (answer::Kind::X509, String::new(), svid(x509, &key, asked, expires_at, makers)?),
        (Kind::Ssh(ssh), Some(key)) => (answer::Kind::Ssh, String::new(), ssh_certificate(ssh, &key, asked, expires_at, makers)?),
        (Kind::X509(_) | Kind::Ssh(_), None) => return Err(NotIssued::KeyNeeded),
        (Kind::Jwt(_) | Kind::Fields(_) | Kind::Program(_), Some(_)) => return Err(NotIssued::KeyNotTaken),
    };
    let subject = asked.host.to_string();
    let (fetch_after, fetch_window) = next_fetch(asked.host.host(), grant.lifetime_seconds, asked.now);
    let event = Event::new("issued", asked.now)
        .with("host", asked.host.host())
        .with("credential", asked.credential)
        .with("kind", kind.name())
        .with("jti", asked.id.as_str())
        .with("expires_at", expires_at);
    let answer = Answer {
        credential: asked.credential.into(),
        kind,
        subject,
        issued_at: asked.now,
        expires_at,
        expires_in: grant.lifetime_seconds,
        fetch_after,
        fetch_window,
        token,
        fields,
    };
    Ok(Issued { answer, event })
}

fn token(jwt: &Jwt, asked: &Asked<'_>, expires_at: i64, makers: &Makers<'_>) -> Result<String, NotIssued> {
    let subject = jwt.subject.fill(asked.host, asked.labels).map_err(NotIssued::NoLabel)?;
    let subject = its_own(subject, asked.host)?;
    let claims = jwt::Claims { issuer: makers.issuer, subject: &subject, audience: &jwt.audience, issued_at: asked.now, expires_at, id: &asked.id };
    Ok(jwt::sign(makers.signers.of(jwt.algorithm).ok_or(NotIssued::NoKey)?, &claims)?)
}

/// Names of hosts and operators are what our own doors let in by. A subject is made of labels too, which take a lesser role to set
/// than the policy, so none may turn out as another host or as an operator.
fn its_own(subject: String, host: &HostId) -> Result<String, NotIssued> {
    let path = in_trust_domain(&subject, host).unwrap_or_default();
    let kept = ["host/", "operator/"].iter().any(|kind| path.starts_with(kind));
    if kept && subject != host.to_string() { Err(NotIssued::NotItsOwn(subject)) } else { Ok(subject) }
}

fn in_trust_domain<'a>(uri: &'a str, host: &HostId) -> Option<&'a str> {
    uri.strip_prefix("spiffe://")?.strip_prefix(host.trust_domain())?.strip_prefix('/')
}

/// The SPIFFE X.509-SVID specification, sections 2 to 4: one URI, no CA, `digitalSignature`.
fn svid(x509: &X509, key: &PublicKey, asked: &Asked<'_>, expires_at: i64, makers: &Makers<'_>) -> Result<Vec<(String, String)>, NotIssued> {
    let fill = |template: &super::policy::Template| template.fill(asked.host, asked.labels).map_err(NotIssued::NoLabel);
    let uri = its_own(fill(&x509.subject)?, asked.host)?;
    if in_trust_domain(&uri, asked.host).is_none() {
        return Err(NotIssued::NotItsOwn(uri));
    }
    let dns_names = x509.dns_names.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    let starts = asked.now.saturating_sub(ca::BACKDATED_SECONDS);
    let leaf = ca::Leaf { uri: &uri, dns_names: &dns_names, common_name: asked.host.host(), server: true, starts, ends: expires_at };
    let certificates = makers.ca.sign(&leaf, key)?;
    Ok(vec![("certificates".into(), certificates), ("bundle".into(), makers.ca.pem().into())])
}

fn ssh_certificate(ssh: &Ssh, key: &PublicKey, asked: &Asked<'_>, expires_at: i64, makers: &Makers<'_>) -> Result<Vec<(String, String)>, NotIssued> {
    let ca = makers.ssh.ok_or(NotIssued::NoKey)?;
    let fill = |template: &super::policy::Template| template.fill(asked.host, asked.labels).map_err(NotIssued::NoLabel);
    let principals = ssh.principals.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    let (id, starts) = (asked.host.to_string(), asked.now.saturating_sub(ca::BACKDATED_SECONDS));
    let leaf = issuers::ssh::Leaf { user: ssh.user, id: &id, principals: &principals, extensions: &ssh.extensions, starts, ends: expires_at };
    Ok(vec![("certificate".into(), ca.sign(&leaf, key)?), ("authority".into(), ca.authority().into())])
}
