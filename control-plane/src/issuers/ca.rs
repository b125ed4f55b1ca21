//! The CA: certificates for keys that hosts made. What stands in one comes from policy and record, never from a request.

use super::{Pair, Unsigned};
use protocol::{identity::HostId, membership::PublicKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SanType,
    SubjectPublicKeyInfo,
};
use time::{Duration, OffsetDateTime};

/// Clocks differ, so a certificate begins a little before its issue.
pub(crate) const BACKDATED_SECONDS: i64 = 300;

const CA_DAYS: i64 = 3653;

/// The CA's certificate and key.
pub(crate) struct Ca {
    issuer: Issuer<'static, Pair>,
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
    /// From a key and the certificate over it, PEM.
    pub(crate) fn new(pair: Pair, certificate: &str) -> Result<Self, rcgen::Error> {
        Issuer::from_ca_cert_pem(certificate, pair).map(|issuer| Self { issuer })
    }

    /// Whether to sign takes so long that others should not wait for it.
    pub(crate) fn is_slow(&self) -> bool {
        self.issuer.key().is_slow()
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

/// The certificate of a new CA over its key, PEM.
pub(crate) fn self_signed(name: &str, pair: &Pair) -> Result<String, rcgen::Error> {
    ca_parameters(name).self_signed(pair).map(|certificate| certificate.pem())
}

/// Of a CA that signs leaves alone, from an hour ago, because clocks differ.
pub(crate) fn ca_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.not_before = OffsetDateTime::now_utc() - Duration::HOUR;
    parameters.not_after = OffsetDateTime::now_utc() + Duration::days(CA_DAYS);
    parameters
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
