//! Site files: what an operator writes, and the checked site it means.

use crate::failure::Failure;
use protocol::site::{Credential, Delivery, Endpoint, Format, KeyType, Kind, Site};
use serde::Deserialize;
use signing::AwsLc;
use std::{fs, path::Path};
use trust::Root;

/// A site file as it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: String,
    trust_domain: String,
    roots: Vec<String>,
    #[serde(default)]
    time_keys: Vec<String>,
    #[serde(default = "state_dir")]
    state_dir: String,
    #[serde(default = "host_file")]
    host_file: String,
    #[serde(default = "deadline_seconds")]
    deadline_seconds: u32,
    proxy: Option<String>,
    update_root: Option<String>,
    #[serde(rename = "endpoint")]
    endpoints: Vec<TypedEndpoint>,
    #[serde(rename = "credential", default)]
    credentials: Vec<TypedCredential>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedEndpoint {
    host: String,
    port: u16,
    #[serde(default)]
    addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedCredential {
    name: String,
    key: Option<String>,
    #[serde(rename = "delivery", default)]
    deliveries: Vec<TypedDelivery>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedDelivery {
    kind: String,
    path: Option<String>,
    #[serde(default)]
    argv: Vec<String>,
    peer_uid: Option<u32>,
    format: String,
    mode: Option<String>,
    owner: Option<String>,
}

fn state_dir() -> String {
    "/var/lib/pinnace".to_owned()
}

fn host_file() -> String {
    "/etc/pinnace/host.toml".to_owned()
}

fn deadline_seconds() -> u32 {
    10
}

/// The command `site check`.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let site = read(path)?;
    println!(
        "site {}: {} endpoint(s), {} credential(s), {} bytes stamped",
        site.name,
        site.endpoints.len(),
        site.credentials.len(),
        site.to_json().len()
    );
    Ok(())
}

/// Reads a site file and all it names.
pub(crate) fn read(path: &Path) -> Result<Site, Failure> {
    let error = format!("cannot read site {}", path.display());
    let invalid = |because: String| Failure::new("site.invalid", error.clone(), because, "correct the site file and run pinnacectl site check again");
    let text = fs::read_to_string(path)
        .map_err(|cause| invalid(cause.to_string()).hinted("name a site file; pinnaced init leaves one in its folder, to be edited"))?;
    let typed: Typed = toml::from_str(&text).map_err(|cause| invalid(cause.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = |name: &String| fs::read_to_string(folder.join(name)).map_err(|cause| invalid(format!("{name}: {cause}")));
    let mut site = Site {
        name: typed.name,
        trust_domain: typed.trust_domain,
        endpoints: typed.endpoints.into_iter().map(|typed| Endpoint { host: typed.host, port: typed.port, addresses: typed.addresses }).collect(),
        roots_pem: typed.roots.iter().map(file).collect::<Result<Vec<_>, _>>()?.concat(),
        time_keys: typed.time_keys.iter().map(|name| file(name).map(|key| key.trim().to_owned())).collect::<Result<_, _>>()?,
        state_dir: typed.state_dir,
        host_file: typed.host_file,
        deadline_seconds: typed.deadline_seconds,
        proxy: typed.proxy,
        update_root: typed.update_root.as_ref().map(file).transpose()?,
        textfile: None,
        credentials: Vec::new(),
    };
    if let Some(root) = &site.update_root {
        Root::anchor(root.as_bytes(), &AwsLc).map_err(|why| invalid(format!("update_root: {}", why.about("root"))))?;
    }
    for credential in typed.credentials {
        let deliveries = credential
            .deliveries
            .into_iter()
            .map(delivery)
            .collect::<Result<_, _>>()
            .map_err(|because| invalid(format!("credential {}: {because}", credential.name)))?;
        let key = credential
            .key
            .map(|word| KeyType::parse(&word).ok_or_else(|| invalid(format!("credential {}: key {word:?} is not ed25519", credential.name))));
        site.credentials.push(Credential { name: credential.name, key: key.transpose()?, deliveries });
    }
    Site::from_json(&site.to_json()).map_err(|cause| invalid(cause.to_string()))
}

fn delivery(typed: TypedDelivery) -> Result<Delivery, String> {
    let path = typed.path.ok_or("a path is missing");
    let kind = match typed.kind.as_str() {
        "file" => Kind::File { path: path? },
        "directory" => Kind::Directory { path: path? },
        "socket" => Kind::Socket { path: path?, peer_uid: typed.peer_uid },
        "exec" => Kind::Exec { argv: typed.argv },
        "stdout" => Kind::Stdout,
        other => return Err(format!("kind {other:?} is not one of file directory socket exec stdout")),
    };
    let format = Format::parse(&typed.format).ok_or_else(|| format!("format {:?} is not one of {}", typed.format, Format::WORDS))?;
    let octal = |mode: String| u32::from_str_radix(&mode, 8).map_err(|_| format!("mode {mode:?} is not octal, such as \"0640\""));
    Ok(Delivery { kind, format, mode: typed.mode.map(octal).transpose()?, owner: typed.owner })
}
