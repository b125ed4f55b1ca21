//! Certificates: of the rig's own CA, and of strangers.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const DAY: i64 = 86_400;

/// A CA that can issue.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// What a server shows, and the key behind it.
#[derive(Debug)]
pub struct Shown {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Authority {
    /// The CA of a trust domain's folder.
    #[must_use]
    pub fn of(domain: &Path) -> Self {
        let read = |name: &str| std::fs::read_to_string(domain.join(name)).expect("the trust domain's folder");
        let key = KeyPair::from_pem(&read("ca/ca.key")).expect("the CA's key");
        let pem = read("ca/ca.crt");
        Self { issuer: Issuer::from_ca_cert_pem(&pem, key).expect("the CA's certificate"), pem }
    }

    /// A CA of the same name with another key.
    #[must_use]
    pub fn namesake() -> Self {
        Self::named("Pinnace CA of example.org")
    }

    /// A CA that has nothing to do with the trust domain.
    #[must_use]
    pub fn stranger() -> Self {
        Self::named("Stranger")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server certificate for these names, valid yesterday and tomorrow.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Shown {
        self.server_between(names, -DAY, DAY)
    }

    /// A server certificate that is valid between two moments, in seconds from this machine's present.
    #[must_use]
    pub fn server_between(&self, names: &[&str], from: i64, to: i64) -> Shown {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now() + seconds).unwrap_or(0));
        (params.not_before, params.not_after) = (at(from), at(to));
        // OpenSSL, which plays some of the servers, cannot read ring's Ed25519 keys.
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        Shown { chain: vec![leaf.der().clone()], key: key.serialize_der() }
    }
}

impl Shown {
    /// The same leaf, followed by this many certificates that have nothing to do with it.
    #[must_use]
    pub fn followed_by(mut self, count: usize) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let other = CertificateParams::new(vec!["a".repeat(60); 12]).expect("names").self_signed(&key).expect("a certificate");
        self.chain.extend(std::iter::repeat_n(other.der().clone(), count));
        self
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }

    /// Key and chain as one PEM file.
    #[must_use]
    pub fn pem(&self) -> String {
        let key = KeyPair::try_from(self.key.as_slice()).expect("a key").serialize_pem();
        let block = |der: &CertificateDer<'_>| {
            let text = super::answer::base64(der, super::answer::STANDARD);
            let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
            let lines: Vec<&str> = padded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        };
        self.chain.iter().fold(key, |pem, der| pem + &block(der))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authority")
    }
}

/// This machine's clock.
#[must_use]
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}
