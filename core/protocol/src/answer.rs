//! The credential answer: what `GET /v1/credentials/{name}` brings back.

use crate::json::{self, Quoted, Value};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Display, Write};

/// Room for the text of one with a token, as it usually is.
const TEXT_BYTES: usize = 1024;

/// One credential with the times that matter. Instants are the control plane's, in seconds since 1970; spans are seconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The credential's name, as requested.
    pub credential: String,
    /// What it is.
    pub kind: Kind,
    /// Who it is for: the host's SPIFFE ID.
    pub subject: String,
    /// When it was issued.
    pub issued_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// Seconds from issue to end, for consumers whose clock is wrong.
    pub expires_in: i64,
    /// Seconds from issue until the next fetch may start.
    pub fetch_after: i64,
    /// Seconds over which a fleet spreads that fetch.
    pub fetch_window: i64,
    /// After how many seconds the host asks whether it should fetch all the same; never if there is none.
    pub check_after: Option<i64>,
    /// The token's own `sub`, where policy gives it another than [`Answer::subject`].
    pub token_subject: Option<String>,
    /// The token of a `jwt`; empty for other kinds.
    pub token: String,
    /// The members of every other kind; empty for a `jwt`. What a certificate kind's private key is called is [`PRIVATE_KEY`]:
    /// the control plane never sends one, the host adds its own.
    pub fields: Vec<(String, String)>,
}

/// The field of a certificate kind that holds the key the host made for it.
pub const PRIVATE_KEY: &str = "private_key";

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed JSON Web Token (RFC 7519).
    Jwt,
    /// Named texts kept by the control plane.
    Secret,
    /// An X.509-SVID: `certificates` (leaf first) and `bundle` (the CA), PEM.
    X509,
    /// An OpenSSH certificate: `certificate` and `authority`, each one line.
    Ssh,
}

impl Kind {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Jwt => "jwt",
            Kind::Secret => "secret",
            Kind::X509 => "x509",
            Kind::Ssh => "ssh",
        }
    }

    /// By its name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Kind::Jwt, Kind::Secret, Kind::X509, Kind::Ssh].into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the host makes a key for it.
    #[must_use]
    pub fn has_key(self) -> bool {
        matches!(self, Kind::X509 | Kind::Ssh)
    }
}

/// Why a text is not a credential answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is not JSON as the protocol writes it.
    NotJson(json::Error),
    /// A member is missing or of another type.
    Member(&'static str),
    /// The kind or the version is none that this program knows.
    Unsupported(String),
    /// There is no token or no field in it.
    Empty,
}

impl Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::NotJson(error) => write!(out, "the answer is not JSON: {error}"),
            Invalid::Member(name) => write!(out, "the answer's \"{name}\" is missing or of another type"),
            Invalid::Unsupported(what) => write!(out, "the answer's {what} is not known here"),
            Invalid::Empty => out.write_str("the answer holds no credential"),
        }
    }
}

impl Answer {
    /// As it goes over the wire and into the state.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(TEXT_BYTES);
        // Writing into a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    /// As text at once: the control plane writes one for every fetch of every host.
    fn write(&self, out: &mut String) -> fmt::Result {
        let Self { issued_at, expires_at, expires_in, fetch_after, fetch_window, .. } = self;
        let (credential, kind, subject) = (Quoted(&self.credential), Quoted(self.kind.name()), Quoted(&self.subject));
        write!(out, r#"{{"version":1,"credential":{credential},"kind":{kind},"subject":{subject},"issued_at":{issued_at},"#)?;
        write!(out, r#""expires_at":{expires_at},"expires_in":{expires_in},"fetch_after":{fetch_after},"fetch_window":{fetch_window},"#)?;
        if let Some(after) = self.check_after {
            write!(out, r#""check_after":{after},"#)?;
        }
        if self.kind == Kind::Jwt {
            if let Some(subject) = &self.token_subject {
                write!(out, r#""token_subject":{},"#, Quoted(subject))?;
            }
            return write!(out, r#""token":{}}}"#, Quoted(&self.token));
        }
        out.write_str(r#""fields":{"#)?;
        for (index, (name, text)) in self.fields.iter().enumerate() {
            write!(out, "{}{}:{}", if index == 0 { "" } else { "," }, Quoted(name), Quoted(text))?;
        }
        out.write_str("}}")
    }

    /// From the wire or the state; unknown members are ignored.
    ///
    /// # Errors
    /// The first member that does not fit.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Invalid> {
        let value = json::parse(bytes).map_err(Invalid::NotJson)?;
        let text = |key| value.get(key).and_then(Value::as_str).map(ToString::to_string).ok_or(Invalid::Member(key));
        let number = |key| value.get(key).and_then(Value::as_i64).ok_or(Invalid::Member(key));
        if number("version")? != 1 {
            return Err(Invalid::Unsupported("version".to_string()));
        }
        let kind = Kind::parse(&text("kind")?).ok_or_else(|| Invalid::Unsupported("kind".to_string()))?;
        let answer = Self {
            credential: text("credential")?,
            kind,
            subject: text("subject")?,
            issued_at: number("issued_at")?,
            expires_at: number("expires_at")?,
            expires_in: number("expires_in")?,
            fetch_after: number("fetch_after")?,
            fetch_window: number("fetch_window")?,
            check_after: value.get("check_after").map(|_| number("check_after")).transpose()?,
            token_subject: value.get("token_subject").map(|_| text("token_subject")).transpose()?,
            token: if kind == Kind::Jwt { text("token")? } else { String::new() },
            fields: if kind == Kind::Jwt { Vec::new() } else { fields(&value)? },
        };
        if answer.token.is_empty() && answer.fields.is_empty() { Err(Invalid::Empty) } else { Ok(answer) }
    }
}

fn fields(value: &Value) -> Result<Vec<(String, String)>, Invalid> {
    let members = value.get("fields").and_then(Value::as_object).ok_or(Invalid::Member("fields"))?;
    let field = |(name, text): &(String, Value)| Some((name.clone(), text.as_str()?.to_string()));
    members.iter().map(field).collect::<Option<_>>().ok_or(Invalid::Member("fields"))
}

impl fmt::Debug for Answer {
    /// Never shows the secret part.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Answer({} {} for {} until {})", self.kind.name(), self.credential, self.subject, self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    fn jwt() -> Answer {
        Answer {
            credential: "db".into(),
            kind: Kind::Jwt,
            subject: "spiffe://example.org/host/a".into(),
            issued_at: 100,
            expires_at: 160,
            expires_in: 60,
            fetch_after: 30,
            fetch_window: 6,
            check_after: None,
            token_subject: None,
            token: "a.b.c".into(),
            fields: vec![],
        }
    }

    #[test]
    fn answers_round_trip() {
        let secret = Answer { kind: Kind::Secret, token: String::new(), fields: vec![("k".into(), "v".into())], ..jwt() };
        let svid = Answer { kind: Kind::X509, token: String::new(), fields: vec![("certificates".into(), "-".into())], ..jwt() };
        let named = Answer { token_subject: Some("web".into()), ..jwt() };
        for answer in [jwt(), named, secret, svid] {
            assert_eq!(Answer::from_json(answer.to_json().as_bytes()), Ok(answer));
        }
    }

    #[test]
    fn an_empty_credential_is_an_error_not_a_success() {
        let empty = Answer { token: String::new(), ..jwt() };
        assert_eq!(Answer::from_json(empty.to_json().as_bytes()), Err(Invalid::Empty));
        assert_eq!(Answer::from_json(b"{}"), Err(Invalid::Member("version")));
        assert!(matches!(Answer::from_json(b""), Err(Invalid::NotJson(_))));
        let odd = jwt().to_json().replace("\"token\"", "\"token_subject\":1,\"token\"");
        assert_eq!(Answer::from_json(odd.as_bytes()), Err(Invalid::Member("token_subject")));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        assert!(!format!("{:?}", jwt()).contains("a.b.c"));
    }
}
