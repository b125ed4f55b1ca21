//! A site from JSON: every rule about a site is here, once.

use super::{Credential, Delivery, Endpoint, Format, Invalid, KeyType, Kind, Site};
use crate::{
    hex_decode,
    identity::{HostId, is_name},
    json::{self, Value},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::IpAddr;

const MEMBERS: [&str; 12] = [
    "update_root",
    "version",
    "name",
    "trust_domain",
    "endpoints",
    "roots_pem",
    "time_keys",
    "state_dir",
    "host_file",
    "deadline_seconds",
    "proxy",
    "credentials",
];

impl Site {
    /// A checked site.
    ///
    /// # Errors
    /// The first member that does not hold.
    pub fn from_json(text: &str) -> Result<Self, Invalid> {
        let value = json::parse(text.as_bytes()).map_err(|error| invalid("site", error.to_string()))?;
        known(&value, "", &MEMBERS)?;
        if value.get("version").and_then(Value::as_i64) != Some(1) {
            return Err(invalid("version", "not 1"));
        }
        let site = Self {
            name: text_of(&value, "", "name")?,
            trust_domain: text_of(&value, "", "trust_domain")?,
            endpoints: each(&value, "", "endpoints", endpoint)?,
            roots_pem: text_of(&value, "", "roots_pem")?,
            time_keys: texts_of(&value, "", "time_keys")?,
            state_dir: path_of(&value, "", "state_dir")?,
            host_file: path_of(&value, "", "host_file")?,
            deadline_seconds: number_of(&value, "", "deadline_seconds")?,
            proxy: optional_text(&value, "", "proxy")?,
            update_root: optional_text(&value, "", "update_root")?,
            textfile: None,
            credentials: each(&value, "", "credentials", credential)?,
        };
        check(&site)?;
        Ok(site)
    }
}

fn check(site: &Site) -> Result<(), Invalid> {
    if !is_name(&site.name) {
        return Err(invalid("name", "not 1 to 63 of a-z 0-9 . _ -"));
    }
    if HostId::new(&site.trust_domain, "x").is_none() {
        return Err(invalid("trust_domain", "not a DNS name in lower case"));
    }
    if site.endpoints.is_empty() {
        return Err(invalid("endpoints", "at least one is needed"));
    }
    if !site.roots_pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(invalid("roots_pem", "holds no certificate"));
    }
    if site.time_keys.iter().any(|key| hex_decode(key).is_none_or(|key| key.len() != 32)) {
        return Err(invalid("time_keys", "a key is not 64 hexadecimal characters"));
    }
    if !(1..=300).contains(&site.deadline_seconds) {
        return Err(invalid("deadline_seconds", "not 1 to 300"));
    }
    if site.proxy.as_deref().is_some_and(|proxy| host_and_port(proxy).is_none()) {
        return Err(invalid("proxy", "not host:port"));
    }
    for (index, credential) in site.credentials.iter().enumerate() {
        if site.credentials.iter().take(index).any(|earlier| earlier.name == credential.name) {
            return Err(invalid(&format!("credentials[{index}].name"), "the same name twice"));
        }
    }
    Ok(())
}

/// `host:port` or `[v6]:port` in its two parts.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_host(host).then_some((host, port))
}

fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || HostId::new(host, "x").is_some()
}

fn endpoint(value: &Value, at: &str) -> Result<Endpoint, Invalid> {
    known(value, at, &["host", "port", "addresses"])?;
    let endpoint = Endpoint { host: text_of(value, at, "host")?, port: number_of(value, at, "port")?, addresses: texts_of(value, at, "addresses")? };
    if !is_host(&endpoint.host) {
        return Err(invalid(&join(at, "host"), "neither a DNS name in lower case nor an IP address"));
    }
    if endpoint.port == 0 {
        return Err(invalid(&join(at, "port"), "not 1 to 65535"));
    }
    if endpoint.addresses.iter().any(|address| address.parse::<IpAddr>().is_err()) {
        return Err(invalid(&join(at, "addresses"), "not all are IP addresses"));
    }
    Ok(endpoint)
}

fn credential(value: &Value, at: &str) -> Result<Credential, Invalid> {
    known(value, at, &["name", "key", "deliveries"])?;
    let name = text_of(value, at, "name")?;
    if !is_name(&name) {
        return Err(invalid(&join(at, "name"), "not 1 to 63 of a-z 0-9 . _ -"));
    }
    let key =
        optional_text(value, at, "key")?.map(|word| KeyType::parse(&word).ok_or_else(|| invalid(&join(at, "key"), "not ed25519"))).transpose()?;
    Ok(Credential { name, key, deliveries: each(value, at, "deliveries", delivery)? })
}

fn delivery(value: &Value, at: &str) -> Result<Delivery, Invalid> {
    known(value, at, &["kind", "format", "mode", "owner", "path", "peer_uid", "argv"])?;
    let kind = kind(value, at)?;
    let word = text_of(value, at, "format")?;
    let format = Format::parse(&word).ok_or_else(|| invalid(&join(at, "format"), format!("not one of {}", Format::WORDS)))?;
    if format.is_layout() != matches!(kind, Kind::Directory { .. }) {
        return Err(invalid(&join(at, "format"), "spiffe and ssh go with kind directory, and only with it"));
    }
    let mode = optional_text(value, at, "mode")?
        .map(|mode| {
            u32::from_str_radix(&mode, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
                .ok_or_else(|| invalid(&join(at, "mode"), "not an octal mode such as 0640"))
        })
        .transpose()?;
    Ok(Delivery { kind, format, mode, owner: optional_text(value, at, "owner")? })
}

fn kind(value: &Value, at: &str) -> Result<Kind, Invalid> {
    Ok(match text_of(value, at, "kind")?.as_str() {
        "file" => Kind::File { path: path_of(value, at, "path")? },
        "directory" => Kind::Directory { path: path_of(value, at, "path")? },
        "socket" => Kind::Socket { path: path_of(value, at, "path")?, peer_uid: optional_number(value, at, "peer_uid")? },
        "exec" => {
            let argv = texts_of(value, at, "argv")?;
            if !argv.first().is_some_and(|program| is_path(program)) {
                return Err(invalid(&join(at, "argv"), "the program is not an absolute path"));
            }
            Kind::Exec { argv }
        }
        "stdout" => Kind::Stdout,
        _ => return Err(invalid(&join(at, "kind"), "not one of file directory socket exec stdout")),
    })
}

fn each<T>(value: &Value, at: &str, key: &str, read: fn(&Value, &str) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    let field = join(at, key);
    let items = value.get(key).and_then(Value::as_array).ok_or_else(|| invalid(&field, "not an array"))?;
    items.iter().enumerate().map(|(index, item)| read(item, &format!("{field}[{index}]"))).collect()
}

fn known(value: &Value, at: &str, members: &[&str]) -> Result<(), Invalid> {
    let object = value.as_object().ok_or_else(|| invalid(at, "not an object"))?;
    object.iter().find(|(key, _)| !members.contains(&key.as_str())).map_or(Ok(()), |(key, _)| Err(invalid(&join(at, key), "not a member of a site")))
}

fn text_of(value: &Value, at: &str, key: &str) -> Result<String, Invalid> {
    optional_text(value, at, key)?.ok_or_else(|| invalid(&join(at, key), "is missing"))
}

fn optional_text(value: &Value, at: &str, key: &str) -> Result<Option<String>, Invalid> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => Err(invalid(&join(at, key), "not a text")),
    }
}

fn texts_of(value: &Value, at: &str, key: &str) -> Result<Vec<String>, Invalid> {
    let items = value.get(key).and_then(Value::as_array).ok_or_else(|| invalid(&join(at, key), "not an array"))?;
    let text = |item: &Value| item.as_str().filter(|text| !text.contains('\0')).map(ToString::to_string);
    items.iter().map(text).collect::<Option<_>>().ok_or_else(|| invalid(&join(at, key), "not all are texts"))
}

fn number_of<T: TryFrom<i64>>(value: &Value, at: &str, key: &str) -> Result<T, Invalid> {
    optional_number(value, at, key)?.ok_or_else(|| invalid(&join(at, key), "is missing"))
}

fn optional_number<T: TryFrom<i64>>(value: &Value, at: &str, key: &str) -> Result<Option<T>, Invalid> {
    let number = match value.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(other) => other.as_i64().and_then(|number| T::try_from(number).ok()),
    };
    number.map(Some).ok_or_else(|| invalid(&join(at, key), "not a number in range"))
}

fn path_of(value: &Value, at: &str, key: &str) -> Result<String, Invalid> {
    let path = text_of(value, at, key)?;
    if is_path(&path) { Ok(path) } else { Err(invalid(&join(at, key), "not an absolute path without . or ..")) }
}

fn is_path(path: &str) -> bool {
    path.len() < 4096 && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_string() } else { format!("{at}.{key}") }
}

fn invalid(field: &str, because: impl Into<String>) -> Invalid {
    Invalid { field: field.to_string(), because: because.into() }
}
