//! The never-worse rule: which answers may replace the credential that a host holds.

use alloc::{format, string::String};
use protocol::{
    answer::{self, Answer, Kind, PRIVATE_KEY},
    identity::HostId,
    json::{self, Value},
    reason::Reason,
};

/// An answer that may not replace anything, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The table's word for it.
    pub reason: Reason,
    /// The cause in words; holds nothing secret.
    pub because: String,
}

/// Takes an answer's bytes in, or says why not. `subject` is this host's SPIFFE ID, `held` the credential in place.
///
/// # Errors
/// For an answer that is empty, for someone or something else, already over, older than, or shorter-lived than the one held.
pub fn accept(body: &[u8], credential: &str, subject: &str, held: Option<&Answer>) -> Result<Answer, Rejected> {
    let answer = Answer::from_json(body).map_err(|invalid| rejected(reason_of(&invalid), format!("{invalid}")))?;
    if answer.credential != credential {
        return Err(rejected(Reason::CredentialWrongName, format!("asked for {credential}, and {} came", answer.credential)));
    }
    if answer.subject != subject {
        return Err(rejected(Reason::CredentialWrongSubject, format!("this host is {subject}, and it is for {}", answer.subject)));
    }
    check_times(&answer)?;
    if answer.kind == Kind::Jwt {
        check_token(&answer)?;
    }
    if answer.fields.iter().any(|(name, _)| answer.kind.has_key() && name == PRIVATE_KEY) {
        return Err(rejected(Reason::CredentialMalformed, "it brings a private key, and only the host makes one".into()));
    }
    held.map_or(Ok(()), |held| check_against(&answer, held))?;
    Ok(answer)
}

fn reason_of(invalid: &answer::Invalid) -> Reason {
    match invalid {
        answer::Invalid::Empty => Reason::CredentialEmpty,
        answer::Invalid::Unsupported(_) => Reason::CredentialUnsupported,
        answer::Invalid::NotJson(_) | answer::Invalid::Member(_) => Reason::CredentialMalformed,
    }
}

fn check_times(answer: &Answer) -> Result<(), Rejected> {
    if answer.expires_in <= 0 || answer.expires_at <= answer.issued_at {
        return Err(rejected(Reason::CredentialExpired, format!("it ended at {}, {} s after its issue", answer.expires_at, answer.expires_in)));
    }
    let spans = [answer.fetch_after, answer.fetch_window];
    if spans.iter().any(|span| !(0..=answer.expires_in).contains(span)) || answer.expires_at.checked_sub(answer.issued_at) != Some(answer.expires_in)
    {
        return Err(rejected(Reason::CredentialMalformed, "its times contradict each other".into()));
    }
    Ok(())
}

/// A token must say the same as the envelope around it (RFC 7519 section 4.1); its signature is for its consumers to check.
/// Policy may give it a subject that its consumers know, which the envelope then names, but not that of another host.
fn check_token(answer: &Answer) -> Result<(), Rejected> {
    let malformed = || rejected(Reason::CredentialMalformed, "its token is not a JSON Web Token".into());
    let mut parts = answer.token.split('.');
    let (Some(_), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    if signature.is_empty() {
        return Err(malformed());
    }
    let claims = protocol::base64url_decode(payload).and_then(|bytes| json::parse(&bytes).ok()).ok_or_else(malformed)?;
    let subject = answer.token_subject.as_ref().unwrap_or(&answer.subject);
    let anothers = *subject != answer.subject && (subject.is_empty() || HostId::parse(subject).is_some());
    if anothers || claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(rejected(Reason::CredentialWrongSubject, "its token is for another subject".into()));
    }
    match claims.get("exp").and_then(Value::as_i64) {
        Some(exp) if exp == answer.expires_at => Ok(()),
        Some(exp) if exp < answer.expires_at => Err(rejected(Reason::CredentialExpired, format!("its token ends at {exp}, earlier than it says"))),
        _ => Err(malformed()),
    }
}

fn check_against(answer: &Answer, held: &Answer) -> Result<(), Rejected> {
    if answer.issued_at < held.issued_at {
        let because = format!("issued at {}, and the one held at {}", answer.issued_at, held.issued_at);
        return Err(rejected(Reason::CredentialOlder, because));
    }
    if answer.expires_at < held.expires_at {
        let because = format!("it ends at {}, and the one held at {}", answer.expires_at, held.expires_at);
        return Err(rejected(Reason::CredentialShorter, because));
    }
    Ok(())
}

fn rejected(reason: Reason, because: String) -> Rejected {
    Rejected { reason, because }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const HOST: &str = "spiffe://example.org/host/a";

    fn secret(issued_at: i64, lifetime: i64) -> Answer {
        Answer {
            credential: "db".into(),
            kind: Kind::Secret,
            subject: HOST.into(),
            issued_at,
            expires_at: issued_at + lifetime,
            expires_in: lifetime,
            fetch_after: 0,
            fetch_window: 0,
            check_after: None,
            token_subject: None,
            token: String::new(),
            fields: vec![("k".into(), "v".into())],
        }
    }

    fn reason(answer: &Answer, held: Option<&Answer>) -> Option<Reason> {
        accept(answer.to_json().as_bytes(), "db", HOST, held).err().map(|rejected| rejected.reason)
    }

    /// AWS roles-anywhere helper #200: empty credentials were served as a success.
    #[test]
    fn empty_credentials_served_as_success_never_replace_a_good_one() {
        let empty = Answer { fields: vec![], ..secret(100, 60) };
        assert_eq!(reason(&empty, Some(&secret(100, 60))), Some(Reason::CredentialEmpty));
    }

    #[test]
    fn nothing_worse_than_what_is_held_is_taken() {
        let held = secret(100, 60);
        assert_eq!(reason(&secret(100, 60), Some(&held)), None);
        assert_eq!(reason(&secret(130, 60), Some(&held)), None);
        assert_eq!(reason(&secret(99, 90), Some(&held)), Some(Reason::CredentialOlder));
        assert_eq!(reason(&secret(101, 30), Some(&held)), Some(Reason::CredentialShorter));
        assert_eq!(reason(&secret(100, -1), None), Some(Reason::CredentialExpired));
        assert_eq!(reason(&Answer { subject: "spiffe://example.org/host/b".into(), ..secret(1, 2) }, None), Some(Reason::CredentialWrongSubject));
        assert_eq!(reason(&Answer { credential: "x".into(), ..secret(1, 2) }, None), Some(Reason::CredentialWrongName));
        assert_eq!(reason(&Answer { expires_at: i64::MAX, issued_at: i64::MIN, ..secret(1, 2) }, None), Some(Reason::CredentialMalformed));
    }

    #[test]
    fn certificates_follow_the_same_rule_and_bring_no_private_key() {
        let svid =
            |issued_at, lifetime| Answer { kind: Kind::X509, fields: vec![("certificates".into(), "-".into())], ..secret(issued_at, lifetime) };
        let held = svid(100, 60);
        assert_eq!(reason(&svid(101, 60), Some(&held)), None);
        assert_eq!(reason(&svid(99, 90), Some(&held)), Some(Reason::CredentialOlder));
        assert_eq!(reason(&svid(101, 30), Some(&held)), Some(Reason::CredentialShorter));
        let keyed = Answer { fields: vec![("certificates".into(), "-".into()), (PRIVATE_KEY.into(), "-".into())], ..svid(101, 60) };
        assert_eq!(reason(&keyed, None), Some(Reason::CredentialMalformed));
        let file = Answer { kind: Kind::Secret, ..keyed };
        assert_eq!(reason(&file, None), None, "a secret's fields are called as they are");
    }

    #[test]
    fn a_token_must_agree_with_its_envelope() {
        // {"sub":"spiffe://example.org/host/a","exp":160}
        let payload = "eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlLm9yZy9ob3N0L2EiLCJleHAiOjE2MH0";
        let token = |token: String| Answer { kind: Kind::Jwt, fields: vec![], token, ..secret(100, 60) };
        assert_eq!(reason(&token(format!("e30.{payload}.c2ln")), None), None);
        assert_eq!(reason(&token(format!("e30.{payload}")), None), Some(Reason::CredentialMalformed));
        assert_eq!(reason(&token("e30.e30.c2ln".into()), None), Some(Reason::CredentialWrongSubject));
        // {"sub":"spiffe://example.org/host/b","exp":160} and {"sub":"web","exp":160}
        let (other, web) = ("eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlLm9yZy9ob3N0L2IiLCJleHAiOjE2MH0", "eyJzdWIiOiJ3ZWIiLCJleHAiOjE2MH0");
        let named = |payload: &str, subject: &str| Answer { token_subject: Some(subject.into()), ..token(format!("e30.{payload}.c2ln")) };
        assert_eq!(reason(&named(web, "web"), None), None, "a subject that policy gives");
        assert_eq!(reason(&named(web, "db"), None), Some(Reason::CredentialWrongSubject));
        assert_eq!(reason(&named(payload, "web"), None), Some(Reason::CredentialWrongSubject));
        assert_eq!(reason(&named(other, "spiffe://example.org/host/b"), None), Some(Reason::CredentialWrongSubject), "another host's");
        let longer = Answer { expires_at: 170, expires_in: 70, ..token(format!("e30.{payload}.c2ln")) };
        assert_eq!(reason(&longer, None), Some(Reason::CredentialExpired));
    }
}
