//! How a key in a token is named: a PKCS #11 URI (RFC 7512), narrowed to what is looked at here. An attribute that is not looked at
//! is an error: it would narrow the search for whoever wrote it, and not here.

use std::{
    fmt::{self, Display},
    path::PathBuf,
};

const SCHEME: &str = "pkcs11:";

/// A key in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// The key's label: `object`.
    pub object: String,
    /// The token's label: `token`.
    pub token: Option<String>,
    /// The vendor's library: `module-path`.
    pub module: Option<PathBuf>,
    /// The file that holds the PIN: `pin-source`.
    pub pin_source: Option<PathBuf>,
}

/// What is wrong with a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriError {
    /// It names no key.
    NoObject,
    /// An attribute that is not looked at here.
    Attribute(String),
    /// An attribute that stands there twice.
    Twice(String),
    /// An attribute whose value is not text.
    Value(String),
    /// A PIN itself, which others on the machine could read.
    Pin,
    /// A PIN that a program or something remote would have to say.
    PinSource,
}

impl Display for UriError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UriError::NoObject => out.write_str("it names no key; pkcs11:object=LABEL does"),
            UriError::Attribute(name) => write!(out, "{name:?} is not looked at; object, token, type, module-path and pin-source are"),
            UriError::Twice(name) => write!(out, "{name:?} stands there twice"),
            UriError::Value(name) => write!(out, "{name:?} is not text, with %XX for what is no letter or digit"),
            UriError::Pin => out.write_str("it holds a PIN, which everybody on this machine can read; name a file with pin-source"),
            UriError::PinSource => out.write_str("pin-source is not a file; file:/PATH is"),
        }
    }
}

impl Uri {
    /// Whether a text is meant as such a URI.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// From a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let body = text.strip_prefix(SCHEME).ok_or(UriError::NoObject)?;
        let (path, query) = body.split_once('?').unwrap_or((body, ""));
        let mut seen: Vec<(&str, String)> = Vec::new();
        for attribute in path.split(';').chain(query.split('&')).filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| UriError::Attribute(attribute.to_owned()))?;
            if seen.iter().any(|(known, _)| *known == name) {
                return Err(UriError::Twice(name.to_owned()));
            }
            match name {
                "object" | "token" | "type" | "module-path" | "pin-source" => {}
                "pin-value" => return Err(UriError::Pin),
                _ => return Err(UriError::Attribute(name.to_owned())),
            }
            seen.push((name, decoded(value).ok_or_else(|| UriError::Value(name.to_owned()))?));
        }
        let mut take = |name: &str| seen.iter().position(|(known, _)| *known == name).map(|at| seen.swap_remove(at).1);
        Ok(Self {
            object: take("object").filter(|label| !label.is_empty()).ok_or(UriError::NoObject)?,
            token: take("token"),
            module: take("module-path").map(PathBuf::from),
            pin_source: take("pin-source").map(|source| file(&source)).transpose()?,
        })
    }
}

/// A path, bare or as a `file:` URI of this machine (RFC 8089).
fn file(source: &str) -> Result<PathBuf, UriError> {
    let path = source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")).unwrap_or(source);
    if path.is_empty() || path.starts_with('|') || path.contains("://") { Err(UriError::PinSource) } else { Ok(path.into()) }
}

/// RFC 3986 section 2.1.
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.extend(protocol::hex_decode(&digits.to_ascii_lowercase())?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_key_token_module_and_the_file_of_the_pin() {
        let uri = Uri::parse("pkcs11:token=Release%20Keys;object=root-ann;type=private?module-path=/usr/lib/x.so&pin-source=file:/run/pin").unwrap();
        assert_eq!((uri.object.as_str(), uri.token.as_deref()), ("root-ann", Some("Release Keys")));
        assert_eq!((uri.module, uri.pin_source), (Some("/usr/lib/x.so".into()), Some("/run/pin".into())));
        let bare = Uri::parse("pkcs11:object=jwt").unwrap();
        assert_eq!(bare, Uri { object: "jwt".into(), token: None, module: None, pin_source: None });
        assert_eq!(Uri::parse("pkcs11:object=a?pin-source=pin").unwrap().pin_source, Some("pin".into()));
    }

    #[test]
    fn a_uri_that_says_more_or_less_is_refused() {
        let refused = |text: &str| Uri::parse(text).unwrap_err();
        assert_eq!(refused("pkcs11:token=a"), UriError::NoObject);
        assert_eq!(refused("pkcs11:object="), UriError::NoObject);
        assert_eq!(refused("pkcs11:object=a?pin-value=1234"), UriError::Pin);
        assert_eq!(refused("pkcs11:object=a?pin-source=|cat%20pin"), UriError::PinSource);
        assert_eq!(refused("pkcs11:object=a?pin-source=https://pins.example/"), UriError::PinSource);
        assert_eq!(refused("pkcs11:object=a;serial=77"), UriError::Attribute("serial".into()));
        assert_eq!(refused("pkcs11:object=a;object=b"), UriError::Twice("object".into()));
        assert_eq!(refused("pkcs11:object=%f"), UriError::Value("object".into()));
        assert_eq!(refused("pkcs11:object=%ff"), UriError::Value("object".into()));
    }
}
