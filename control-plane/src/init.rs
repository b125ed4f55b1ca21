//! `pinnaced init`: makes a trust domain in a folder.
//!
//! Everything is made in a folder beside the final one and renamed into place, so a failure leaves no half trust domain.

use crate::{
    failure::{Code, Failure},
    files::{self, Readers},
    issuers::{Source, ca::ca_parameters, source},
    store,
};
use protocol::identity::HostId;
use rcgen::{CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::ServerName;
use service::keys::{Algorithm, Use};
use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};
use time::{Duration, OffsetDateTime};

const SERVER_DAYS: i64 = 90;
const LOOPBACK: &str = "127.0.0.1";
const OPERATOR_DAYS: i64 = 365;

/// Makes the folder `dir` for hosts of `trust_domain` that reach the control plane by `names`.
pub(crate) fn run(dir: &Path, trust_domain: &str, names: &[String], postgres: Option<&str>) -> Result<(), Failure> {
    if let Some(Err(because)) = postgres.map(crate::config::postgres) {
        return Err(Failure::new(Code::Usage, "cannot use --postgres", because, "write it like: host=/run/postgresql user=pinnaced dbname=pinnaced"));
    }
    if HostId::new(trust_domain, "any").is_none() {
        return Err(Failure::new(
            Code::Usage,
            format!("cannot make trust domain {trust_domain:?}"),
            "it is not a DNS name in lower case",
            "use a name such as example.org",
        ));
    }
    if let Some(name) = names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        let because = format!("{name:?} is neither a DNS name nor an address");
        return Err(Failure::new(Code::Usage, "cannot make a server certificate", because, "correct --name"));
    }
    let draft = draft_of(dir)?;
    let made = make(&draft, trust_domain, names, postgres).and_then(|()| {
        fs::rename(&draft, dir).map_err(|error| {
            use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
            let exists = matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory);
            let code = if exists { Code::DomainExists } else { Code::FileUnwritable };
            Failure::new(code, format!("cannot make {}", dir.display()), error, "name a folder that does not exist or is empty")
        })
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&draft);
    } else {
        println!("{}", next_steps(dir, trust_domain));
    }
    made
}

fn draft_of(dir: &Path) -> Result<PathBuf, Failure> {
    let name =
        dir.file_name().ok_or_else(|| Failure::new(Code::Usage, "cannot make the trust domain", "--dir names no folder", "name a new folder"))?;
    Ok(dir.with_file_name(format!(".{}.pinnaced-new-{}", name.to_string_lossy(), std::process::id())))
}

fn make(dir: &Path, trust_domain: &str, names: &[String], postgres: Option<&str>) -> Result<(), Failure> {
    for folder in ["", "ca", "server", "keys", "secrets", "operators"] {
        files::make_folder(&dir.join(folder))?;
    }
    make_certificates(dir, trust_domain, names)?;
    make_keys(dir)?;
    let dns_name = names.iter().find(|name| name.parse::<IpAddr>().is_err()).or(names.first()).map_or("", String::as_str);
    files::make(&dir.join("pinnaced.toml"), Readers::Everyone, &(config_text(trust_domain, dns_name) + &store_text(postgres)))?;
    files::make(&dir.join("policy.toml"), Readers::Everyone, include_str!("init/policy.toml"))?;
    files::make(&dir.join("site.toml"), Readers::Everyone, &site_text(trust_domain, dns_name, names))?;
    if postgres.is_some() { Ok(()) } else { store::create(&dir.join("pinnaced.db")) }
}

fn make_certificates(dir: &Path, trust_domain: &str, names: &[String]) -> Result<(), Failure> {
    let ca = CertifiedIssuer::self_signed(ca_parameters(&format!("Pinnace CA of {trust_domain}")), ed25519()?).map_err(cannot_certify)?;
    let server_key = ed25519()?;
    let server = server_parameters(names).and_then(|parameters| parameters.signed_by(&server_key, &ca)).map_err(cannot_certify)?;
    // Known by itself: browsers take nothing that the CA's Ed25519 key has signed.
    let browser_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(cannot_certify)?;
    let browser = server_parameters(names).and_then(|parameters| parameters.self_signed(&browser_key)).map_err(cannot_certify)?;
    let (operator_key, uri) = (ed25519()?, format!("spiffe://{trust_domain}/operator/admin/admin"));
    let operator = operator_parameters(&uri).and_then(|parameters| parameters.signed_by(&operator_key, &ca)).map_err(cannot_certify)?;
    files::make(&dir.join("operators/admin.pem"), Readers::Owner, &(operator_key.serialize_pem() + &operator.pem()))?;
    files::make(&dir.join("ca/ca.key"), Readers::Owner, &ca.key().serialize_pem())?;
    files::make(&dir.join("ca/ca.crt"), Readers::Everyone, &ca.pem())?;
    files::make(&dir.join("server/server.key"), Readers::Owner, &server_key.serialize_pem())?;
    files::make(&dir.join("server/server.crt"), Readers::Everyone, &server.pem())?;
    files::make(&dir.join("server/browser.key"), Readers::Owner, &browser_key.serialize_pem())?;
    files::make(&dir.join("server/browser.crt"), Readers::Everyone, &browser.pem())
}

fn make_keys(dir: &Path) -> Result<(), Failure> {
    let (time, audit) = (ed25519()?, ed25519()?);
    let time_public = format!("{}\n", protocol::hex_encode(time.public_key_raw()));
    for (file, algorithm) in [("jwt", Algorithm::Es256), ("jwt-rs256", Algorithm::Rs256), ("ssh", Algorithm::Ed25519)] {
        files::make(&dir.join(format!("keys/{file}.key")), Readers::Owner, &source::make(algorithm).map_err(cannot_certify)?)?;
    }
    files::make(&dir.join("keys/ssh.pub"), Readers::Everyone, &ssh_line(dir)?)?;
    let audit_public = format!("{}\n", protocol::hex_encode(audit.public_key_raw()));
    files::make(&dir.join("keys/time.key"), Readers::Owner, &time.serialize_pem())?;
    files::make(&dir.join("keys/time.pub"), Readers::Everyone, &time_public)?;
    files::make(&dir.join("keys/audit.key"), Readers::Owner, &audit.serialize_pem())?;
    files::make(&dir.join("keys/audit.pub"), Readers::Everyone, &audit_public)
}

/// As OpenSSH has it, for servers and clients that are to trust it.
fn ssh_line(dir: &Path) -> Result<String, Failure> {
    let pair = Source::new(dir, None).pair("keys/ssh.key")?;
    let line = source::public(Use::Ssh, &pair).ok_or_else(|| cannot_certify(rcgen::Error::RingUnspecified))?;
    Ok(format!("{line}\n"))
}

fn ed25519() -> Result<KeyPair, Failure> {
    source::make(Algorithm::Ed25519).and_then(|pem| KeyPair::from_pem(&pem)).map_err(cannot_certify)
}

fn server_parameters(names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    // Operators on the same machine reach it by the loopback's address.
    let mut names = names.to_vec();
    if !names.iter().any(|name| name == LOOPBACK) {
        names.push(LOOPBACK.into());
    }
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = common_name("pinnaced");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    valid_for(&mut parameters, SERVER_DAYS);
    Ok(parameters)
}

fn operator_parameters(uri: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = common_name("admin");
    parameters.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    valid_for(&mut parameters, OPERATOR_DAYS);
    Ok(parameters)
}

/// From an hour ago, because clocks differ.
fn valid_for(parameters: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - Duration::HOUR;
    parameters.not_after = now + Duration::days(days);
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn cannot_certify(error: rcgen::Error) -> Failure {
    Failure::new(Code::Usage, "cannot make keys and certificates", error, "check the names: DNS names or addresses")
}

fn config_text(trust_domain: &str, dns_name: &str) -> String {
    // An IPv6 address stands in brackets in a URL (RFC 3986 section 3.2.2).
    let authority = if dns_name.contains(':') { format!("[{dns_name}]") } else { dns_name.to_string() };
    include_str!("init/pinnaced.toml").replace("@TRUST_DOMAIN@", trust_domain).replace("@NAME@", &authority)
}

/// The tables are made at the first start.
fn store_text(postgres: Option<&str>) -> String {
    let text = |postgres: &str| format!("\n[store]\npostgres = {}\nspool = \"spool.db\"\nspool_minutes = 60\n", toml::Value::from(postgres));
    postgres.map(text).unwrap_or_default()
}

fn site_text(trust_domain: &str, dns_name: &str, names: &[String]) -> String {
    let addresses: Vec<String> = names.iter().filter(|name| name.parse::<IpAddr>().is_ok()).map(|name| format!("{name:?}")).collect();
    include_str!("init/site.toml").replace("@TRUST_DOMAIN@", trust_domain).replace("@NAME@", dns_name).replace("@ADDRESSES@", &addresses.join(", "))
}

fn next_steps(dir: &Path, trust_domain: &str) -> String {
    let dir = dir.display();
    format!("Made the trust domain {trust_domain} in {dir}.\nNext: edit {dir}/policy.toml, then run: pinnaced serve --dir {dir}")
}
