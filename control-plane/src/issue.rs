//! Issuing: from a grant to the answer and the record that must be durable before the answer leaves.

use crate::{
    issuers::{Ring, Unsigned, ca, jwt, ssh},
    store::audit::Event,
};
use protocol::{
    answer::{self, Answer},
    identity::HostId,
    membership::PublicKey,
};
use service::{
    host::Labels,
    names::{ServerNames, is_dns_name},
    policy::{Grant, Jwt, Kind, Ssh, Template, X509},
    schedule::next_fetch,
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
    /// Chance that nobody else has had: the `jti`, and the number of a certificate.
    pub(crate) chance: [u8; 16],
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// What signs.
pub(crate) struct Makers<'a> {
    /// The `iss` of tokens.
    pub(crate) issuer: &'a str,
    /// The keys in force.
    pub(crate) keys: &'a Ring,
    /// After how long a host asks whether it should fetch before its time; 0 for never.
    pub(crate) check_in_seconds: u32,
    /// Whom no certificate may pass for.
    pub(crate) server: &'a ServerNames,
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
    /// The program that knows it has not been asked.
    NotPrinted,
    /// It takes a key that the host made.
    KeyNeeded,
    /// It takes none.
    KeyNotTaken,
    /// The policy speaks of a label that the host does not have.
    NoLabel(String),
    /// The subject or name that the policy makes would pass for somebody else, or for nobody.
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
    let mut token_subject = None;
    let (kind, token, fields) = match (&grant.kind, asked.key) {
        (Kind::Jwt(jwt), None) => {
            let (subject, token) = token(jwt, asked, expires_at, makers)?;
            token_subject = Some(subject);
            (answer::Kind::Jwt, token, Vec::new())
        }
        (Kind::Fields(fields), None) => (answer::Kind::Secret, String::new(), fields.clone()),
        (Kind::Program(_), None) => (answer::Kind::Secret, String::new(), asked.printed.clone().ok_or(NotIssued::NotPrinted)?),
        (Kind::X509(x509), Some(key)) => (answer::Kind::X509, String::new(), svid(x509, &key, asked, expires_at, makers)?),
        (Kind::Ssh(ssh), Some(key)) => (answer::Kind::Ssh, String::new(), ssh_certificate(ssh, &key, asked, expires_at, makers)?),
        (Kind::X509(_) | Kind::Ssh(_), None) => return Err(NotIssued::KeyNeeded),
        (Kind::Jwt(_) | Kind::Fields(_) | Kind::Program(_), Some(_)) => return Err(NotIssued::KeyNotTaken),
    };
    let subject = asked.host.to_string();
    let token_subject = token_subject.filter(|token| *token != subject);
    let (fetch_after, fetch_window) = next_fetch(asked.host.host(), grant.lifetime_seconds, asked.now);
    let event = Event::new("issued", asked.now)
        .with("host", asked.host.host())
        .with("credential", asked.credential)
        .with("kind", kind.name())
        .with("jti", protocol::hex_encode(&asked.chance))
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
        check_after: Some(i64::from(makers.check_in_seconds)).filter(|after| (1..fetch_after).contains(after)),
        token_subject,
        token,
        fields,
    };
    Ok(Issued { answer, event })
}

/// A token and its subject.
fn token(jwt: &Jwt, asked: &Asked<'_>, expires_at: i64, makers: &Makers<'_>) -> Result<(String, String), NotIssued> {
    let subject = its_own(fill(&jwt.subject, asked)?, asked.host)?;
    let id = protocol::hex_encode(&asked.chance);
    let claims = jwt::Claims { issuer: makers.issuer, subject: &subject, audience: &jwt.audience, issued_at: asked.now, expires_at, id: &id };
    let token = jwt::sign(makers.keys.token(jwt.algorithm)?, &claims)?;
    Ok((subject, token))
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
    let uri = its_own(fill(&x509.subject, asked)?, asked.host)?;
    if in_trust_domain(&uri, asked.host).is_none() {
        return Err(NotIssued::NotItsOwn(uri));
    }
    let dns_names = x509.dns_names.iter().map(|name| fill(name, asked)).collect::<Result<Vec<_>, _>>()?;
    let odd = |name: &str| !is_dns_name(name) || makers.server.meet(name);
    // OpenSSL takes the common name for the server's where there is no DNS name.
    if let Some(name) =
        dns_names.iter().map(String::as_str).find(|name| odd(name)).or(Some(asked.host.host()).filter(|name| makers.server.meet(name)))
    {
        return Err(NotIssued::NotItsOwn(name.into()));
    }
    let starts = asked.now.saturating_sub(ca::BACKDATED_SECONDS);
    let leaf = ca::Leaf { uri: &uri, dns_names: &dns_names, common_name: asked.host.host(), server: true, starts, ends: expires_at };
    let certificates = makers.keys.ca()?.sign(&leaf, key)?;
    Ok(vec![("certificates".into(), certificates), ("bundle".into(), makers.keys.bundle().into())])
}

/// A server's or a user's; what a client or a server must trust comes with it.
fn ssh_certificate(ssh: &Ssh, key: &PublicKey, asked: &Asked<'_>, expires_at: i64, makers: &Makers<'_>) -> Result<Vec<(String, String)>, NotIssued> {
    let ca = makers.keys.ssh()?;
    let principals = ssh.principals.iter().map(|name| fill(name, asked)).collect::<Result<Vec<_>, _>>()?;
    let leaf = ssh::Leaf {
        user: ssh.user,
        key_id: &asked.host.to_string(),
        principals: &principals,
        options: &ssh.extensions,
        chance: asked.chance,
        starts: asked.now.saturating_sub(ca::BACKDATED_SECONDS),
        ends: expires_at,
    };
    let mark = if ssh.user { "" } else { "@cert-authority * " };
    let authority = makers.keys.ssh_lines().map(|line| format!("{mark}{line}")).collect::<Vec<_>>().join("\n");
    Ok(vec![("certificate".into(), ca.sign(&leaf, key)?), ("authority".into(), authority)])
}

fn fill(template: &Template, asked: &Asked<'_>) -> Result<String, NotIssued> {
    template.fill(asked.host, asked.labels).map_err(NotIssued::NoLabel)
}
