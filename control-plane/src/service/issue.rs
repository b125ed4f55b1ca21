//! Issuing: from a grant to the answer and the record that must be durable before the answer leaves.

use super::{Grant, Kind};
use crate::{
    issuers::{Signer, Unsigned, jwt},
    store::Record,
};
use protocol::{answer, answer::Answer, identity::HostId};

/// What an issue is made from, beside the grant.
pub(crate) struct Issue<'a> {
    /// Who asks; it becomes the subject.
    pub(crate) host: &'a HostId,
    /// The credential's name.
    pub(crate) credential: &'a str,
    /// The `iss` of a token.
    pub(crate) issuer: &'a str,
    /// The `jti`.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

/// What an issue brings.
#[derive(Debug)]
pub(crate) struct Issued {
    /// For the host.
    pub(crate) answer: Answer,
    /// For the audit log.
    pub(crate) record: Record,
}

/// Issues what `grant` grants. The next fetch is due at half the lifetime, spread over a tenth of it.
pub(crate) fn issue(grant: &Grant, asked: Issue<'_>, signer: &dyn Signer) -> Result<Issued, Unsigned> {
    let Issue { host, credential, issuer, id, now } = asked;
    let subject = host.to_string();
    let expires_at = now.saturating_add(grant.lifetime_seconds);
    let (kind, token, fields) = match &grant.kind {
        Kind::Jwt { audience } => {
            let claims = jwt::Claims { issuer, subject: &subject, audience, issued_at: now, expires_at, id: &id };
            (answer::Kind::Jwt, jwt::sign(signer, &claims)?, Vec::new())
        }
        Kind::Secret { fields } => (answer::Kind::Secret, String::new(), fields.clone()),
    };
    let record = Record { time: now, host: subject.clone(), credential: credential.into(), jti: id, expires_at };
    let answer = Answer {
        credential: credential.into(),
        kind,
        subject,
        issued_at: now,
        expires_at,
        expires_in: grant.lifetime_seconds,
        fetch_after: grant.lifetime_seconds / 2,
        fetch_window: grant.lifetime_seconds / 10,
        token,
        fields,
    };
    Ok(Issued { answer, record })
}
