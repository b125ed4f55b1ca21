//! The CA: certificates for keys that hosts made. What stands in one comes from policy and record, never from a request.

use super::Unsigned;
use crate::{failure::Failure, files};
use protocol::{identity::HostId, membership::PublicKey};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType, SubjectPublicKeyInfo};
use std::path::Path;
use time::OffsetDateTime;

/// Clocks differ, so a certificate begins a little before its issue.
pub(crate) const BACKDATED_SECONDS: i64 = 300;

/// The CA's certificate and key.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What stands in a certificate.
pub(crate) struct Leaf<'a> {
    /// Its one URI.
    pub(crate) uri: &'a str,
    /// Its DNS names.
    pub(crate) dns_names: &'a [String],
    /// Its common name.
    pub(crate) common_name: &'a str,
    /// Whether servers may show it too.
    pub(crate) server: bool,
    /// Its `notBefore`, seconds since 1970.
    pub(crate) starts: i64,
    /// Its `notAfter`, seconds since 1970.
    pub(crate) ends: i64,
}

impl Ca {
    /// From certificate and key, PEM.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let unusable =
            |error: rcgen::Error| Failure::new(format!("cannot use {}", certificate.display()), error, "CA certificate and key must belong together");
        let pem = files::read(certificate)?;
        let pair = KeyPair::from_pem(&files::read_private(key)?).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).map_err(unusable)?;
        Ok(Self { issuer, pem })
    }

    /// The CA's own certificate, PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A host's certificate, PEM.
    pub(crate) fn host(&self, id: &HostId, key: &PublicKey, starts: i64, ends: i64) -> Result<String, Unsigned> {
        let uri = id.to_string();
        self.sign(&Leaf { uri: &uri, dns_names: &[], common_name: id.host(), server: false, starts, ends }, key)
    }

    /// A certificate over a key, PEM.
    pub(crate) fn sign(&self, leaf: &Leaf<'_>, key: &PublicKey) -> Result<String, Unsigned> {
        let parameters = parameters(leaf).map_err(|_| Unsigned)?;
        let key = SubjectPublicKeyInfo::from_der(&key.spki()).map_err(|_| Unsigned)?;
        parameters.signed_by(&key, &self.issuer).map(|certificate| certificate.pem()).map_err(|_| Unsigned)
    }
}

fn parameters(leaf: &Leaf<'_>) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, leaf.common_name);
    parameters.subject_alt_names = vec![SanType::URI(leaf.uri.try_into()?)];
    for name in leaf.dns_names {
        parameters.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if leaf.server {
        parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    parameters.use_authority_key_identifier_extension = true;
    let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| rcgen::Error::Time);
    (parameters.not_before, parameters.not_after) = (time(leaf.starts)?, time(leaf.ends)?);
    Ok(parameters)
}
