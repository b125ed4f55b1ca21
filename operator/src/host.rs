//! Identities issued from the trust domain's folder, without the control plane: a host's first one, and operators'.

use crate::{failure::Failure, site};
use aws_lc_rs::signature::Ed25519KeyPair;
use protocol::identity::{HostId, is_name};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};
use time::{Duration, OffsetDateTime};

/// Issues key and certificate for one host.
pub(crate) fn issue(domain: &Path, host: &str, out: &Path, days: u16) -> Result<(), Failure> {
    let failed = |because: String| {
        Failure::new(
            "host.not-issued",
            format!("cannot issue an identity for {host:?}"),
            because,
            "name a trust domain's folder and a host of a-z 0-9 . _ -",
        )
    };
    let trust_domain = site::read(&domain.join("site.toml"))?.trust_domain;
    let id = HostId::new(&trust_domain, host).ok_or_else(|| failed("it is not a host's name".into()))?;
    let read = |name: &str| fs::read_to_string(domain.join(name)).map_err(|cause| failed(format!("{name}: {cause}")));
    let pem = made(&id.to_string(), id.host(), &read("ca/ca.crt")?, &read("ca/ca.key")?, days).map_err(|cause| failed(cause.to_string()))?;
    write(out, &pem).map_err(|cause| failed(format!("{}: {cause}", out.display())))?;
    println!("issued {id} for {days} days into {}", out.display());
    Ok(())
}

/// Issues key and certificate for one operator.
pub(crate) fn issue_operator(domain: &Path, name: &str, role: &str, out: &Path, days: u16) -> Result<(), Failure> {
    let failed = |because: String| {
        let hint = "name a trust domain's folder, and an operator of a-z 0-9 . _ -";
        Failure::new("operator.not-issued", format!("cannot issue an identity for {name:?}"), because, hint)
    };
    let trust_domain = site::read(&domain.join("site.toml"))?.trust_domain;
    if !is_name(name) {
        return Err(failed("it is not an operator's name".into()));
    }
    let uri = format!("spiffe://{trust_domain}/operator/{role}/{name}");
    let read = |name: &str| fs::read_to_string(domain.join(name)).map_err(|cause| failed(format!("{name}: {cause}")));
    let pem = made(&uri, name, &read("ca/ca.crt")?, &read("ca/ca.key")?, days).map_err(|cause| failed(cause.to_string()))?;
    write(out, &pem).map_err(|cause| failed(format!("{}: {cause}", out.display())))?;
    println!("issued {uri} for {days} days into {}", out.display());
    Ok(())
}

fn write(out: &Path, pem: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()
}

fn made(uri: &str, common_name: &str, ca_certificate: &str, ca_key: &str, days: u16) -> Result<String, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(ca_certificate, KeyPair::from_pem(ca_key)?)?;
    let key = ed25519()?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - Duration::minutes(5);
    parameters.not_after = now + Duration::days(days.into());
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

/// A new key, as PKCS#8 version 1: OpenSSL before 3.2 reads no other.
fn ed25519() -> Result<KeyPair, rcgen::Error> {
    let pkcs8 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(|_| rcgen::Error::RingUnspecified)?;
    KeyPair::try_from(pkcs8.as_ref())
}
