//! A credential as its consumer reads it.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use protocol::{
    answer::{Answer, Kind, PRIVATE_KEY},
    json::{Quoted, Value, object},
    site::Format,
    time::rfc3339,
};

/// A rendered credential.
#[derive(Clone, PartialEq, Eq)]
pub enum Rendered {
    /// One text.
    One(Vec<u8>),
    /// Several files: name, bytes, mode.
    Several(Vec<(String, Vec<u8>, u32)>),
}

/// A format that a credential does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The format.
    pub format: Format,
    /// What is missing; holds nothing secret.
    pub because: String,
}

/// Renders a credential.
///
/// # Errors
/// When the credential's kind does not have what the format needs.
pub fn render(format: Format, answer: &Answer, roots_pem: &str) -> Result<Rendered, Unfit> {
    let field = |name| field(answer, name, format);
    let text = match format {
        Format::Raw => raw(answer),
        Format::Json => answer.to_json(),
        Format::Aws => aws(answer)?,
        Format::Kubernetes => kubernetes(answer)?,
        Format::Env => env(answer)?,
        Format::Vault => token(answer, Format::Vault)?.to_string(),
        Format::Spiffe if answer.kind == Kind::X509 => {
            return Ok(Rendered::Several(vec![
                ("svid.pem".into(), field("certificates")?.into(), 0o644),
                ("svid_key.pem".into(), field(PRIVATE_KEY)?.into(), 0o600),
                ("svid_bundle.pem".into(), field("bundle")?.into(), 0o644),
            ]));
        }
        Format::Ssh => {
            let line = |name| Ok(format!("{}\n", field(name)?.trim_end()).into_bytes());
            return Ok(Rendered::Several(vec![
                ("id_ed25519".into(), field(PRIVATE_KEY)?.into(), 0o600),
                ("id_ed25519-cert.pub".into(), line("certificate")?, 0o644),
                ("authority.pub".into(), line("authority")?, 0o644),
            ]));
        }
        Format::Spiffe => {
            let token = token(answer, Format::Spiffe)?.as_bytes().to_vec();
            let bundle = roots_pem.as_bytes().to_vec();
            return Ok(Rendered::Several(vec![("jwt_svid.token".into(), token, 0o600), ("svid_bundle.pem".into(), bundle, 0o644)]));
        }
    };
    Ok(Rendered::One(text.into_bytes()))
}

fn raw(answer: &Answer) -> String {
    match answer.kind {
        Kind::Jwt => answer.token.clone(),
        Kind::Secret | Kind::X509 | Kind::Ssh => {
            Value::Object(answer.fields.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect()).to_string()
        }
    }
}

fn token(answer: &Answer, format: Format) -> Result<&str, Unfit> {
    let token = (answer.kind == Kind::Jwt).then_some(answer.token.as_str());
    token.ok_or_else(|| Unfit { format, because: format!("it takes a token, and the credential is of kind {}", answer.kind.name()) })
}

fn field<'a>(answer: &'a Answer, name: &str, format: Format) -> Result<&'a str, Unfit> {
    let field = answer.fields.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str());
    field.ok_or_else(|| Unfit { format, because: format!("the credential has no {name}") })
}

fn aws(answer: &Answer) -> Result<String, Unfit> {
    let needed = |name| field(answer, name, Format::Aws);
    let mut members: Vec<(String, Value)> = vec![
        ("Version".into(), 1.into()),
        ("AccessKeyId".into(), needed("AccessKeyId")?.into()),
        ("SecretAccessKey".into(), needed("SecretAccessKey")?.into()),
    ];
    members.extend(needed("SessionToken").ok().map(|token| ("SessionToken".to_string(), token.into())));
    members.push(("Expiration".into(), rfc3339(answer.expires_at).into()));
    Ok(Value::Object(members).to_string())
}

fn kubernetes(answer: &Answer) -> Result<String, Unfit> {
    let ends = ("expirationTimestamp", rfc3339(answer.expires_at).into());
    let status = if answer.kind == Kind::X509 {
        let field = |name| field(answer, name, Format::Kubernetes);
        object([ends, ("clientCertificateData", field("certificates")?.into()), ("clientKeyData", field(PRIVATE_KEY)?.into())])
    } else {
        object([ends, ("token", token(answer, Format::Kubernetes)?.into())])
    };
    Ok(object([("apiVersion", "client.authentication.k8s.io/v1".into()), ("kind", "ExecCredential".into()), ("status", status)]).to_string())
}

fn env(answer: &Answer) -> Result<String, Unfit> {
    match answer.kind {
        Kind::Jwt => line(&format!("{}_TOKEN", answer.credential), &answer.token),
        Kind::Secret | Kind::X509 | Kind::Ssh => answer.fields.iter().map(|(name, text)| line(name, text)).collect(),
    }
}

/// One assignment that a POSIX shell and systemd's `EnvironmentFile=` read alike; what they would read differently does not fit.
fn line(key: &str, value: &str) -> Result<String, Unfit> {
    let unfit = |because| Err(Unfit { format: Format::Env, because });
    let key: String = key.chars().map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }).collect();
    if key.is_empty() || key.starts_with(|first: char| first.is_ascii_digit()) {
        return unfit(format!("{} is no name of a variable", Quoted(&key)));
    }
    if value.contains(char::is_control) {
        return unfit(format!("the value of {key} holds a control character"));
    }
    let mut escaped = String::new();
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(format!("{key}=\"{escaped}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt() -> Answer {
        Answer {
            credential: "db-main".into(),
            kind: Kind::Jwt,
            subject: "s".into(),
            issued_at: 0,
            expires_at: 1_795_003_600,
            expires_in: 3600,
            fetch_after: 0,
            fetch_window: 0,
            check_after: None,
            token_subject: None,
            token: "a.b.c".into(),
            fields: vec![],
        }
    }

    fn text(format: Format, answer: &Answer) -> String {
        match render(format, answer, "ROOT") {
            Ok(Rendered::One(bytes)) => String::from_utf8(bytes).unwrap(),
            _ => panic!("not one text"),
        }
    }

    #[test]
    fn each_consumer_gets_its_form() {
        assert_eq!(text(Format::Raw, &jwt()), "a.b.c");
        assert_eq!(text(Format::Vault, &jwt()), "a.b.c");
        assert_eq!(text(Format::Env, &jwt()), "DB_MAIN_TOKEN=\"a.b.c\"\n");
        assert_eq!(
            text(Format::Kubernetes, &jwt()),
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"expirationTimestamp\":\"2026-11-18T12:06:40Z\",\"token\":\"a.b.c\"}}"
        );
        assert!(matches!(render(Format::Spiffe, &jwt(), "ROOT"), Ok(Rendered::Several(files)) if files.len() == 2 && files[1].1 == b"ROOT"));
        assert!(render(Format::Aws, &jwt(), "").is_err());
    }

    #[test]
    fn certificates_and_keys_render_for_those_who_read_them() {
        let made = |kind, names: &[&str]| {
            let fields = names.iter().map(|name| ((*name).into(), format!("{name}!\n"))).collect();
            Answer { kind, token: String::new(), fields, ..jwt() }
        };
        let files = |format, answer: &Answer| match render(format, answer, "ROOT") {
            Ok(Rendered::Several(files)) => files,
            _ => panic!("not several files"),
        };
        let svid = made(Kind::X509, &["certificates", "bundle", PRIVATE_KEY]);
        let expected = [("svid.pem", "certificates!\n", 0o644), ("svid_key.pem", "private_key!\n", 0o600), ("svid_bundle.pem", "bundle!\n", 0o644)];
        assert_eq!(files(Format::Spiffe, &svid), expected.map(|(name, text, mode)| (name.into(), text.into(), mode)));
        assert_eq!(
            text(Format::Kubernetes, &svid),
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"expirationTimestamp\":\"2026-11-18T12:06:40Z\",\"clientCertificateData\":\"certificates!\\n\",\"clientKeyData\":\"private_key!\\n\"}}"
        );
        let ssh = made(Kind::Ssh, &["certificate", "authority", PRIVATE_KEY]);
        let expected =
            [("id_ed25519", "private_key!\n", 0o600), ("id_ed25519-cert.pub", "certificate!\n", 0o644), ("authority.pub", "authority!\n", 0o644)];
        assert_eq!(files(Format::Ssh, &ssh), expected.map(|(name, text, mode)| (name.into(), text.into(), mode)));
        for (format, answer) in [(Format::Spiffe, &ssh), (Format::Ssh, &svid), (Format::Ssh, &jwt()), (Format::Vault, &svid)] {
            assert!(render(format, answer, "").is_err(), "{format:?}");
        }
        assert!(render(Format::Spiffe, &made(Kind::X509, &["certificates", "bundle"]), "").is_err(), "without its key it is none");
    }

    #[test]
    fn secrets_render_for_aws_and_never_as_a_token() {
        let fields = vec![("AccessKeyId".into(), "AK".into()), ("SecretAccessKey".into(), "a\"$b".into())];
        let secret = Answer { kind: Kind::Secret, token: String::new(), fields, ..jwt() };
        assert_eq!(
            text(Format::Aws, &secret),
            "{\"Version\":1,\"AccessKeyId\":\"AK\",\"SecretAccessKey\":\"a\\\"$b\",\"Expiration\":\"2026-11-18T12:06:40Z\"}"
        );
        assert_eq!(text(Format::Env, &secret), "ACCESSKEYID=\"AK\"\nSECRETACCESSKEY=\"a\\\"\\$b\"\n");
        assert!(render(Format::Vault, &secret, "").is_err());
        for (name, text) in [("1A", "x"), ("", "x"), ("A", "x\ny"), ("A", "\t")] {
            let awkward = Answer { fields: vec![(name.into(), text.into())], ..secret.clone() };
            assert!(render(Format::Env, &awkward, "").is_err(), "{name:?} {text:?}");
        }
    }
}
